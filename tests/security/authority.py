"""Certificates that `sluice certs` does not make: with an end of choice, from its CA."""

import datetime
import os
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def certs(*arguments):
    subprocess.run([os.environ["SLUICE"], "certs", *map(str, arguments)], check=True, capture_output=True)


def client_until(pki, name, seconds, alternatives=(), organization=None):
    """A client's certificate of the CA in `pki` that ends so many seconds from now, perhaps with other names in it."""
    authority = x509.load_pem_x509_certificate((pki / "ca.pem").read_bytes())
    key_of_authority = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    builder = x509.CertificateBuilder(
        issuer_name=authority.subject, subject_name=x509.Name(subject),
        public_key=key.public_key(), serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=2), not_valid_after=now + datetime.timedelta(seconds=seconds))
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    made = builder.add_extension(usage, critical=False).sign(key_of_authority, hashes.SHA256())
    (pki / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (pki / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
