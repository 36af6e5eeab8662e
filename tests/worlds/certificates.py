"""Certificates of a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["write_certificate"]


def write_certificate(
    certificate: Path, key: Path, dns: str = "", signer: ec.EllipticCurvePrivateKey | None = None
) -> None:
    """For 127.0.0.1, or a name; signed by itself, or by somebody."""
    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")]) if signer else name
    names = x509.DNSName(dns) if dns else x509.IPAddress(IPv4Address("127.0.0.1"))
    built = x509.CertificateBuilder(issuer, name, own.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([names]), critical=False)
    certificate.write_bytes(built.sign(signer or own, hashes.SHA256()).public_bytes(Encoding.PEM))
    key.touch(0o600)
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
