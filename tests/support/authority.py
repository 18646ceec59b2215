"""A certificate authority of the tests' own, and directories of its certificates as programs read them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

SERVER_NAME = "worker.slipway.svc"
DAY = dt.timedelta(days=1)
AGO = -2 * DAY
PEM = serialization.Encoding.PEM
SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Authority:
    """Its key and its own certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, name: str, *, life: dt.timedelta = DAY) -> Authority:
        """Make one, valid for a day unless told otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, name, key, life).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(SIGNS, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def name(self) -> str:
        """Its common name."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(PEM)

    def crossed(self, other: Authority) -> bytes:
        """The certificate of another authority as signed by this one."""
        builder = _builder(other.name, self.name, other.key, DAY)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)

    def server(self, home: Path, *, life: dt.timedelta = DAY) -> Path:
        """Have a directory with the certificate of a worker on loopback; return it."""
        names = [x509.DNSName(SERVER_NAME), x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        return self._issue(home, "worker", ExtendedKeyUsageOID.SERVER_AUTH, names, life)

    def client(self, home: Path, *, name: str = "driver", life: dt.timedelta = DAY) -> Path:
        """Have a directory with the certificate of a client of this name; return it."""
        return self._issue(home, name, ExtendedKeyUsageOID.CLIENT_AUTH, [x509.DNSName(name)], life)

    def host(self, home: Path, name: str, *, life: dt.timedelta = DAY) -> Path:
        """Have a directory with the certificate of a web server of this name; return it."""
        return self._issue(home, name, ExtendedKeyUsageOID.SERVER_AUTH, [x509.DNSName(name)], life)

    def _issue(
        self, home: Path, name: str, usage: x509.ObjectIdentifier, names: list[x509.GeneralName], life: dt.timedelta
    ) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.name, key, life)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, critical=False)  # Python 3.13 wants it
        leaf = builder.sign(self.key, hashes.SHA256())
        home.mkdir(parents=True, exist_ok=True)
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        files = {
            "ca.crt": self.pem,
            "tls.crt": leaf.public_bytes(PEM),
            "tls.key": key.private_bytes(PEM, pkcs8, plain),
        }
        for file, content in files.items():
            (home / file).write_bytes(content)
        return home


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, life: dt.timedelta) -> x509.CertificateBuilder:
    """A certificate that ends after `life` from now; one that has ended already began before that."""
    now = dt.datetime.now(dt.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + min(life, dt.timedelta(0)) - DAY)
        .not_valid_after(now + life)
    )
