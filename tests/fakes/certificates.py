"""Certificates for relays: an authority of our own, and what it and others sign."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates; ``trusted`` is the file that clients trust."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    trusted: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        certificate = (
            _from_to(x509.CertificateBuilder(), now - timedelta(days=1), now + timedelta(days=2))
            .subject_name(_name("Test Authority"))
            .issuer_name(_name("Test Authority"))
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        trusted = folder / "authority.pem"
        trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, key, trusted)

    def certificate(self, host: str = "127.0.0.1", *, expired: bool = False) -> Path:
        """A file with a certificate of ``host`` and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        end = now - timedelta(hours=1) if expired else now + timedelta(days=1)
        try:
            names: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            names = x509.DNSName(host)
        certificate = (
            _from_to(x509.CertificateBuilder(), now - timedelta(days=1), end)
            .subject_name(_name(host))
            .issuer_name(_name("Test Authority"))
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName([names]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{host}{'-expired' if expired else ''}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        return path


def _from_to(
    builder: x509.CertificateBuilder, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    number = x509.random_serial_number()
    return builder.serial_number(number).not_valid_before(begin).not_valid_after(end)
