"""A network that inspects TLS: whoever asks a server gets a certificate that nobody knows."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

WITHOUT = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": "", "NODE_EXTRA_CA_CERTS": ""}
"""What a machine sets on which nothing is set."""


@dataclass(frozen=True)
class Inspected:
    """A server as it is seen from this network."""

    address: str
    certificate: str
    """The path of the network's own certificate, which makes that of the server one to trust."""


@contextmanager
def inspected(address: str, folder: Path, days: int = 1) -> Iterator[Inspected]:
    """Stand between a server and those who ask it, until the end of the block.

    Args:
        address: the server's, without TLS.
        folder: for the certificates.
        days: how long the server's certificate is valid; below 0 it has expired.
    """
    certificate, chain = folder / "network.pem", folder / "server.pem"
    _make_certificates(certificate, chain, timedelta(days=days))
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(chain)
    parts = urlsplit(address)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),  # such as a handshake that is broken off
                server_side.wrap_socket(self.request, server_side=True) as person,
                socket.create_connection((str(parts.hostname), parts.port or 80)) as server,
            ):
                back = threading.Thread(target=_pass_on, args=(server, person), daemon=True)
                back.start()
                _pass_on(person, server)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as between:
        between.daemon_threads = True
        threading.Thread(target=between.serve_forever, daemon=True).start()
        port = between.server_address[1]
        yield Inspected(f"https://127.0.0.1:{port}{parts.path}", str(certificate))
        between.shutdown()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


def _make_certificates(certificate: Path, chain: Path, valid: timedelta) -> None:
    network, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    its_own = _certificate(network, "The network", network, timedelta(days=1), is_authority=True)
    of_server = _certificate(server, "127.0.0.1", network, valid, is_authority=False)
    certificate.write_bytes(its_own.public_bytes(Encoding.PEM))
    key = server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = [one.public_bytes(Encoding.PEM) for one in (of_server, its_own)]
    chain.write_bytes(b"".join([key, *shown]))


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    signer: ec.EllipticCurvePrivateKey,
    valid: timedelta,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject, issuer = (
        x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, one)])
        for one in (name, "The network")
    )
    names = [] if is_authority else [x509.IPAddress(ipaddress.ip_address(name))]
    constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + valid)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(of_signer, critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, SHA256())
