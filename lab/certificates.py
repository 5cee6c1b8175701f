"""The cluster's certificates: one authority, one certificate a user, new for each cluster."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import addresses, files

VALID = datetime.timedelta(days=3650)
API_SERVER_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
API_SERVER_ADDRESSES = (addresses.NODE, addresses.KUBERNETES_SERVICE, "127.0.0.1")

USERS = {
    "admin": ("lab-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kube-proxy": ("system:kube-proxy", None),
    "kubelet": (f"system:node:{addresses.NODE_NAME}", "system:nodes"),
}


@dataclass(frozen=True)
class Signed:
    """A certificate and its key.

    Attributes:
        key: The private key.
        certificate: The certificate.
    """

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, folder: Path, name: str) -> None:
        """Write `<name>.crt` and `<name>.key`."""
        encoded = self.certificate.public_bytes(serialization.Encoding.PEM)
        files.write(folder / f"{name}.crt", encoded)
        write_key(folder / f"{name}.key", self.key)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key, for root alone."""
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    files.write(path, encoded, 0o600)


def _sign(
    common_name: str,
    group: str | None = None,
    authority: Signed | None = None,
    names: tuple[x509.GeneralName, ...] = (),
) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    subject = x509.Name(attributes)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
    )
    if authority:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Signed(key, builder.sign(authority.key if authority else key, hashes.SHA256()))


def write_all(folder: Path) -> None:
    """Write every certificate and key of a new cluster.

    Args:
        folder: Gets `ca`, `apiserver`, `service-accounts.key` and one pair for each of `USERS`.
    """
    authority = _sign("pulumi-kaniko-lab")
    authority.write(folder, "ca")
    names = (
        *(x509.DNSName(name) for name in API_SERVER_NAMES),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in API_SERVER_ADDRESSES),
    )
    _sign("kube-apiserver", None, authority, names).write(folder, "apiserver")
    for user, (common_name, group) in USERS.items():
        _sign(common_name, group, authority).write(folder, user)
    write_key(folder / "service-accounts.key", ec.generate_private_key(ec.SECP256R1()))
