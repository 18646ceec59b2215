"""A registry with a certificate by an authority of its own, and a password."""

from __future__ import annotations

import datetime as dt
import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

USER, PASSWORD = "ci", "open sesame"
# Of PASSWORD by bcrypt, which the registry insists on.
HTPASSWD = f"{USER}:$2b$04$ZOu/omhOGCitxAV4wpVIquuLCDjisIb61Bmky1og3dvNE80IrXlna\n"
CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {home}/data}}}}
http: {{addr: "{address}:{port}", tls: {{certificate: {home}/tls.crt, key: {home}/tls.key}}}}
auth: {{htpasswd: {{realm: test, path: {home}/htpasswd}}}}
"""
PEM = serialization.Encoding.PEM
LIFETIME = dt.timedelta(days=30)


@dataclass(frozen=True)
class _Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def write_home(home: Path, *, address: str, port: int, runs_in: Path | None = None) -> None:
    """Write the configuration of a registry at this address, all files that it needs, and ca.crt for its clients.

    `runs_in` is where the registry will find the directory, if it is to be copied.
    """
    authority = _identity("registry of the tests, its authority", None)
    server = _identity("registry of the tests", authority, x509.IPAddress(ipaddress.ip_address(address)))
    home.mkdir(parents=True, exist_ok=True)
    (home / "ca.crt").write_bytes(authority.certificate.public_bytes(PEM))
    (home / "tls.crt").write_bytes(server.certificate.public_bytes(PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (home / "tls.key").write_bytes(server.key.private_bytes(PEM, *private))
    (home / "htpasswd").write_text(HTPASSWD)
    (home / "config.yml").write_text(CONFIG.format(home=runs_in or home, address=address, port=port))


def _identity(title: str, issuer: _Identity | None, *names: x509.GeneralName) -> _Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, title)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


if __name__ == "__main__":
    directory, host, number, there = sys.argv[1:]
    write_home(Path(directory), address=host, port=int(number), runs_in=Path(there))
