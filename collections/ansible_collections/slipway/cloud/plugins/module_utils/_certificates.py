# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module certificates' decisions: what is kept, taken or made anew, and what the Secrets hold then.

Nothing here talks to a server or asks for the time. A Secret's contents are text by key: ``ca.crt`` holds the
authorities to trust, the one that signs first; ``tls.crt`` a certificate and what joins it to an older authority.

A new authority has a key of its own. For as long as the one before it has not ended, it stays trusted, and it signs
the new one (``cross.crt``): so those who know only one of both still accept each other.
"""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .engine.errors import ConfigurationError
from .engine.resources import MANAGED_BY, OURS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .engine.resources import Object

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as _error:
    IMPORT_ERROR: ImportError | None = _error
else:
    IMPORT_ERROR = None

Data = dict[str, str]
"""What a Secret holds, as text."""
Action = t.Literal["keep", "take", "make"]

_SKEW = timedelta(minutes=5)  # by which the clock of who checks may be behind


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, with others after it perhaps, and its private key, as PEM; no key where it is somebody else's."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be in a Secret; ``given`` is a pair that is not to be made. ``usages`` are server and client."""

    secret: str
    common_name: str
    dns_names: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    given: Pair | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is done about a Secret and why, and what it holds after that."""

    action: Action
    reason: str
    data: Data


def demand_cryptography() -> None:
    """See that the package is there. :raises ConfigurationError:"""
    if IMPORT_ERROR:
        raise ConfigurationError(f"{IMPORT_ERROR}: install cryptography where Ansible runs.")


def problems_of(now: datetime, authority: Wanted, certificates: Sequence[Wanted]) -> list[str]:
    """Return what is wrong with what the caller gave, a line each; nothing of a key is in it."""
    every = (authority, *certificates)
    problems = [f"{each.secret}: {line}" for each in every if each.given for line in _given_problems(now, each.given)]
    names = [each.secret for each in every]
    problems += [f"{name} is the name of more than one Secret" for name in sorted({*names}) if names.count(name) > 1]
    for each in certificates:
        if not each.given and authority.given and not authority.given.key:
            problems.append(f"{each.secret}: give its certificate and key: {authority.secret} has no key to sign by")
        if each.given and not each.given.key:
            problems.append(f"{each.secret}: the key of its certificate is missing")
    return problems


def _given_problems(now: datetime, given: Pair) -> list[str]:
    certificates = _certificates(given.certificate)
    if not certificates:
        return ["what is given as certificate is no PEM of one"]
    problems = []
    if given.key and not _belongs(certificates[0], given.key):
        problems.append("the key that is given is not that of the certificate, or is no PEM of a key without password")
    if certificates[0].not_valid_after_utc <= now:
        problems.append(f"the certificate that is given ended at {_time(certificates[0].not_valid_after_utc)}")
    return problems


def settled(
    now: datetime, days: float, authority: Wanted, certificates: Sequence[Wanted], found: Mapping[str, Data]
) -> dict[str, Step]:
    """Return what to do about each Secret, the authority first.

    :param days: life of what is made.
    :param found: what the Secrets hold that are there.
    """
    steps = {authority.secret: _authority(now, days, authority, found.get(authority.secret, {}))}
    signer = steps[authority.secret].data
    for each in certificates:
        steps[each.secret] = _certificate(now, days, each, found.get(each.secret, {}), signer)
    return steps


def _authority(now: datetime, days: float, wanted: Wanted, data: Data) -> Step:
    if wanted.given:
        same = _same(wanted.given, data, "ca.crt", "ca.key")
        if same:
            return Step("keep", "it is the one that is given", _kept_authority(now, data))
        return Step("take", "it is given", _replaced(now, wanted.given, data))
    if not data:
        return Step("make", "there is none", _replaced(now, new_authority(now, days, wanted.common_name), data))
    flaw = authority_flaw(now, days, data)
    if flaw:
        return Step("make", flaw, _replaced(now, new_authority(now, days, wanted.common_name), data))
    return Step("keep", "it is good", _kept_authority(now, data))


def authority_flaw(now: datetime, days: float, data: Data) -> str:
    """Return why the authority in a Secret will not do, empty if it will."""
    certificates = _certificates(data.get("ca.crt", ""))
    if not certificates:
        return "it cannot be read"
    if not _belongs(certificates[0], data.get("ca.key", "")):
        return "its key is missing, or another's"
    if not _is_authority(certificates[0]):
        return "it may not sign others"
    return _age_flaw(now, days, certificates[0])


def certificate_flaw(now: datetime, days: float, wanted: Wanted, data: Data, signer: Data) -> str:
    """Return why the certificate in a Secret will not do, empty if it will."""
    certificates = _certificates(data.get("tls.crt", ""))
    if not certificates:
        return "it cannot be read"
    certificate = certificates[0]
    if not _belongs(certificate, data.get("tls.key", "")):
        return "its key is missing, or another's"
    if not _signed_by(certificate, _certificates(signer["ca.crt"])[0]):
        return "another authority signed it"
    if _common_name(certificate) != wanted.common_name or set(_dns_names(certificate)) != {*wanted.dns_names}:
        return "its names are others"
    if {*_usages(certificate)} != {*wanted.usages}:
        return "it is for another use"
    return _age_flaw(now, days, certificate)


def _age_flaw(now: datetime, days: float, certificate: x509.Certificate) -> str:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = end - now
    if left <= timedelta(0):
        return f"it ended at {_time(end)}"
    if left * 3 <= end - begin:
        return f"a third of its life or less is left: it ends at {_time(end)}"
    if left > timedelta(days=days) + _SKEW:
        return f"it is to live {days:g} days, and ends at {_time(end)}"
    return ""


def _kept_authority(now: datetime, data: Data) -> Data:
    """Return the authority as it is, less what has ended."""
    own, *others = _certificates(data["ca.crt"])
    kept = {**data, "ca.crt": _text([own, *(each for each in others if each.not_valid_after_utc > now)])}
    if not _lasting(now, data.get("cross.crt", "")):
        kept.pop("cross.crt", None)
    return kept


def _replaced(now: datetime, pair: Pair, before: Data) -> Data:
    """Return a new authority, with those before it that have not ended, and signed by the last one of them."""
    own = _certificates(pair.certificate)
    older = [each for each in _certificates(before.get("ca.crt", "")) if each.not_valid_after_utc > now]
    data = {"ca.crt": _text([*own, *(each for each in older if each not in own)])}
    if pair.key:
        data["ca.key"] = _tidy(pair.key)
    signs = older and _belongs(older[0], before.get("ca.key", "")) and _is_authority(older[0])
    if signs and pair.key and older[0] not in own:
        data["cross.crt"] = _text([_crossed(own[0], older[0], before["ca.key"], now)])
    return data


def _certificate(now: datetime, days: float, wanted: Wanted, data: Data, signer: Data) -> Step:
    trusted = {"ca.crt": signer["ca.crt"]}
    if wanted.given:
        same = _same(wanted.given, data, "tls.crt", "tls.key")
        own = {"tls.crt": _tidy(wanted.given.certificate), "tls.key": _tidy(wanted.given.key)}
        return Step("keep" if same else "take", "it is the one that is given" if same else "it is given", trusted | own)
    flaw = certificate_flaw(now, days, wanted, data, signer) if data else "there is none"
    if flaw:
        pair = new_certificate(now, days, wanted, signer)
    else:
        pair = Pair(_text(_certificates(data["tls.crt"])[:1]), data["tls.key"])
    chain = {"tls.crt": pair.certificate + _lasting(now, signer.get("cross.crt", "")), "tls.key": pair.key}
    return Step("make" if flaw else "keep", flaw or "it is good", trusted | chain)


def new_authority(now: datetime, days: float, common_name: str) -> Pair:
    """Make an authority; its name tells it from others of the same common name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{common_name} {_time(now)}")
    builder = _builder(name, name, key.public_key(), now, now + timedelta(days=days))
    certificate = _as_authority(builder, key.public_key()).sign(key, hashes.SHA256())
    return Pair(_text([certificate]), _key_text(key))


def new_certificate(now: datetime, days: float, wanted: Wanted, signer: Data) -> Pair:
    """Make a certificate by the authority that signs; it ends no later than that."""
    issuer = _certificates(signer["ca.crt"])[0]
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + timedelta(days=days), issuer.not_valid_after_utc)
    builder = _builder(_name(wanted.common_name), issuer.subject, key.public_key(), now, end)
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(_issuer_id(issuer), critical=False)
    )
    if wanted.usages:
        uses = x509.ExtendedKeyUsage([_use(each) for each in wanted.usages])
        builder = builder.add_extension(uses, critical=False)
    if wanted.dns_names:
        names = x509.SubjectAlternativeName([x509.DNSName(each) for each in wanted.dns_names])
        builder = builder.add_extension(names, critical=False)
    return Pair(_text([builder.sign(_key(signer["ca.key"]), hashes.SHA256())]), _key_text(key))


def _crossed(new: x509.Certificate, old: x509.Certificate, old_key: str, now: datetime) -> x509.Certificate:
    """Return the new authority as one that the old one signed."""
    end = min(new.not_valid_after_utc, old.not_valid_after_utc)
    public = t.cast("ec.EllipticCurvePublicKey", new.public_key())
    builder = _as_authority(_builder(new.subject, old.subject, public, now, end), public)
    return builder.add_extension(_issuer_id(old), critical=False).sign(_key(old_key), hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(end)
    )


def _as_authority(builder: x509.CertificateBuilder, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(t.cast("t.Any", issuer.public_key()))
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _use(usage: str) -> x509.ObjectIdentifier:
    return {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}[usage]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificates(text: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, none if it cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        return [each for each in found if each.extensions is not None]  # they are read no sooner than asked for
    except ValueError:
        return []


def _key(text: str) -> t.Any:
    return serialization.load_pem_private_key(text.encode(), password=None)


def _belongs(certificate: x509.Certificate, key: str) -> bool:
    """Whether a private key is that of the certificate."""
    try:
        return bool(_key(key).public_key() == certificate.public_key())
    except (ValueError, TypeError):
        return False


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _usages(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [usage for usage in ("server", "client") if _use(usage) in found]


def _same(given: Pair, data: Data, certificate: str, key: str) -> bool:
    """Whether a Secret holds the pair already; of an authority, before those that it came after."""
    held, own = _certificates(data.get(certificate, "")), _certificates(given.certificate)
    return held[: len(own)] == own and data.get(key, "").strip() == given.key.strip()


def _lasting(now: datetime, text: str) -> str:
    """Return the certificate of a text if it has not ended, else nothing."""
    certificates = _certificates(text)
    return text if certificates and certificates[0].not_valid_after_utc > now else ""


def _text(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode()


def _tidy(text: str) -> str:
    return text.strip() + "\n"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def described(data: Data) -> dict[str, t.Any]:
    """Return what may be shown of a Secret: no key, and of certificates whose they are, when they end, and which."""
    return {
        name: [
            {
                "common_name": _common_name(each),
                "dns_names": _dns_names(each),
                "ends": _time(each.not_valid_after_utc),
                "sha256": each.fingerprint(hashes.SHA256()).hex(),
            }
            for each in _certificates(text)
        ]
        for name, text in sorted(data.items())
        if name.endswith(".crt")
    }


def contents(secret: Object | None) -> Data:
    """Return what a Secret holds, as text."""
    data = (secret or {}).get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


def secret_with(name: str, namespace: str, data: Data, current: Object | None) -> Object:
    """Return the Secret that holds ``data``; it must be as it was read, if it was there."""
    meta: Object = {"name": name, "namespace": namespace, "labels": {MANAGED_BY: OURS}}
    if current:
        meta["resourceVersion"] = current["metadata"]["resourceVersion"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": "kubernetes.io/tls" if "tls.crt" in data else "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }
