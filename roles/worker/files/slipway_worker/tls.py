"""The certificates of the port that is served by mutual TLS, read again when their files change."""

from __future__ import annotations

import logging
import threading
import typing as t
from dataclasses import dataclass

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .reread import Reread

if t.TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

log = logging.getLogger(__name__)

CA, CERTIFICATE, KEY = FILES = ("ca.crt", "tls.crt", "tls.key")
_Fetcher = t.Callable[[], grpc.ServerCertificateConfiguration]  # the stubs leave out that None means no change
_BEGIN = b"-----BEGIN CERTIFICATE-----"


class TlsError(Exception):
    """The certificates cannot be used."""


@dataclass(frozen=True, slots=True)
class Material:
    """What gRPC is given, as PEM, and when it ends: by what, as ``server`` or ``ca``."""

    ca: bytes
    certificate: bytes
    key: bytes
    ends: t.Mapping[str, dt.datetime]

    @property
    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """The same, for gRPC."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], self.ca)


def parse(ca: bytes, certificate: bytes, key: bytes) -> Material:
    """Return what three files hold. :raises ValueError: if that is no certificate, its key, and who signs clients'.

    Of several CAs, as while one follows another, the end that counts is that of the one which signed the certificate,
    whoever signed that one too for those who do not know it yet.
    """
    authorities, chain = _certificates(CA, ca), _certificates(CERTIFICATE, certificate)
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{KEY} holds no private key in PEM without a password") from error
    if private.public_key() != chain[0].public_key():
        raise ValueError(f"{KEY} is not the key of {CERTIFICATE}")
    by_link = ([authority for authority in authorities if _issued(link, authority)] for link in chain)
    issuers = next(filter(None, by_link), authorities)
    ends = {"server": chain[0].not_valid_after_utc, "ca": min(issuer.not_valid_after_utc for issuer in issuers)}
    return Material(ca, certificate, key, ends)


def _certificates(name: str, pem: bytes) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ValueError(f"{name} holds no certificate in PEM, or half of one") from error
    if len(certificates) != pem.count(_BEGIN):
        raise ValueError(f"{name} holds half of a certificate")
    return certificates


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def load(directory: Path) -> Material:
    """Read a directory, as it is at one time where that is a volume of Kubernetes. Raises OSError, ValueError."""
    # The kubelet swaps the link ..data, and each file is a link through it.
    data = directory / "..data"
    home = data.resolve() if data.is_symlink() else directory
    return parse(*((home / name).read_bytes() for name in FILES))


class Certificates:
    """Those of a directory, for one port. :raises TlsError: if they cannot be used at first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        try:
            self._files = Reread([directory / name for name in FILES], self._load, self._warn)
        except (OSError, ValueError) as error:
            raise TlsError(
                f"The certificates in {directory} cannot be used: {error}. It must hold {CA} (who signs the clients'), "
                f"{CERTIFICATE} and {KEY}; SLIPWAY_TLS_DIR names another directory."
            ) from error
        self._served = self._files.get()

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a port is served by. No call comes without a certificate that one of the CAs has signed."""
        return grpc.dynamic_ssl_server_credentials(
            self._served.configuration,
            t.cast(_Fetcher, self._changed),
            require_client_authentication=True,
        )

    def ends(self) -> dict[str, float]:
        """Return when the certificates end, in Unix seconds, by ``server`` and ``ca``."""
        return {which: end.timestamp() for which, end in self._files.get().ends.items()}

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is new since the last handshake; gRPC asks before each, from threads of its own."""
        material = self._files.get()
        with self._lock:
            if material is self._served:
                return None
            self._served = material
        return material.configuration

    def _load(self) -> Material:
        material = load(self._directory)
        ends = {f"{which}_ends": end.isoformat() for which, end in material.ends.items()}
        log.info("Read the certificates in %s", self._directory, extra=ends)
        return material

    def _warn(self, error: Exception) -> None:
        log.warning(
            "Going on with the certificates as they were: those in %s cannot be used: %s", self._directory, error
        )
