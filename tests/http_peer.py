"""A web server on loopback that does as it is told: answers by path, faults, and a record of what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Peer:
    """`answers` by path; what is not there is answered with 200 and "here". A list is used up, its last answer stays."""

    answers: dict[str, Answer | list[Answer] | Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    address: str = "127.0.0.1"
    port: int = 0
    scheme: str = "http"
    asked: list[Asked] = field(default_factory=list)
    thinks: float = 0
    """Seconds before each answer."""
    at_once: Counter[str] = field(default_factory=Counter)
    """The most requests at the same time, by the header Host."""
    let_go: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str = "/", host: str = "") -> str:
        """The address of `path`, under another name if need be."""
        return f"{self.scheme}://{host or self.address}:{self.port}{path}"

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """An answer that never comes."""
        self.let_go.wait()

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """An answer that comes a byte at a time, and has no end."""
        handler.send_response(200)
        handler.end_headers()
        while not self.let_go.wait(0.02):
            handler.wfile.write(b"x")

    def drip_headers(self, handler: BaseHTTPRequestHandler) -> None:
        """Headers that have no end."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.let_go.wait(0.02):
            handler.wfile.write(b"x")


def drop(handler: BaseHTTPRequestHandler) -> None:
    """The end of the connection instead of an answer."""
    handler.close_connection = True


def raw(data: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """These bytes as they are, and then the end of the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    now: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(OSError):
                super().handle()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            host = self.headers.get("Host", "")
            with peer.lock:
                peer.asked.append(Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                now[host] += 1
                peer.at_once[host] = max(peer.at_once[host], now[host])
                told = peer.answers.get(self.path.partition("?")[0], (200, {}, b"here"))
                if isinstance(told, list):
                    told = told.pop(0) if len(told) > 1 else told[0]
            peer.let_go.wait(peer.thinks)
            with peer.lock:
                now[host] -= 1
            if callable(told):
                told(self)
            else:
                self.tell(*told)

        def tell(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            if "Content-Length" not in headers and status != 304:
                self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that went away is no error here."""


@contextmanager
def peer(address: str = "127.0.0.1", certificate: Path | None = None) -> Iterator[Peer]:
    """A running server; with `certificate`, over TLS."""
    told = Peer(address=address)
    with _Server((address, 0), _handler(told)) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            told.scheme = "https"
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield told
        finally:
            told.let_go.set()
            server.shutdown()
            thread.join()


def certificate(path: Path, name: str) -> Path:
    """A key and a certificate that it signed itself, for a name."""
    key, nobody = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True).sign(key, hashes.SHA256())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    return path
