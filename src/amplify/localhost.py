"""Answering a browser on this machine, and nobody else: what `preview` and the desk of `review` have in common.

Bound to the loopback address; a page elsewhere whose name was made to lead here (DNS rebinding) is refused by its `Host`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, BinaryIO

from amplify.errors import AmplifyError

HTML = "text/html; charset=utf-8"
_LARGEST = 3_000_000
"""Bytes that a form may send."""
_RANGE = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))", re.ASCII)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the browser asks: `target` is a path with its query, the names in `headers` are in lower case."""

    target: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back to the browser; a file is sent in pieces, or the piece that was asked for."""

    body: bytes | BinaryIO
    type: str = HTML
    status: HTTPStatus = HTTPStatus.OK
    policy: str = ""
    location: str = ""


class Local:
    """A server of this machine: `run` answers at `address` until `stop` is called from another thread.

    Port 0 takes a free one. Raises AmplifyError for a port that cannot be had; `command` is what to try instead.
    """

    def __init__(self, port: int, answer: Callable[[Request], Answer], command: str, *, forms: bool = False) -> None:
        try:
            self._server = _Server(("127.0.0.1", port), answer, forms=forms)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AmplifyError(f"Port {port} cannot be used: {reason}.\n  Take any free one:  amplify {command} --port 0") from error
        self.address = f"http://127.0.0.1:{self._server.server_port}/"

    def run(self) -> None:
        """Answer until `stop`."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """End `run`; comes back when it is over."""
        self._server.shutdown()

    def close(self) -> None:
        """Give the port back."""
        self._server.server_close()


def serve(local: Local, ready: Callable[[str], None] | None) -> None:
    """Answer until Ctrl-C, having told `ready` where."""
    with contextlib.closing(local), contextlib.suppress(KeyboardInterrupt):
        if ready:
            ready(local.address)
        local.run()


def stamps(path: Path) -> Iterator[str]:
    """The name, the times and the size of a file, or of every file in a folder: other ones when something was edited."""
    files = [str(path)]
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        files += (os.path.join(folder, name) for name in sorted(names))
    for file in files:
        with contextlib.suppress(OSError):
            stat = os.stat(file)
            if file != str(path) or not os.path.isdir(path):
                yield f"{file} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_size}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name != "nt"

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Answer], *, forms: bool) -> None:
        self.answer, self.forms = answer, forms
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, and ask no name server what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Amplify", ""
    timeout = 60
    server: _Server

    def do_GET(self) -> None:
        """Answer, or refuse a page elsewhere whose name was made to lead here (DNS rebinding)."""
        if not self._ours():
            self._refuse(HTTPStatus.FORBIDDEN, "This answers only at its own address.")
            return
        self._answer(b"")

    def do_HEAD(self) -> None:
        """The same without the body."""
        self.do_GET()

    def do_POST(self) -> None:
        """Take in a form, where there are any."""
        length = self.headers.get("Content-Length", "")
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not self.server.forms:
            self._refuse(HTTPStatus.NOT_IMPLEMENTED, "Nothing can be changed here.")
        elif not self._ours():
            self._refuse(HTTPStatus.FORBIDDEN, "This answers only at its own address.")
        elif not length.isascii() or not length.isdigit() or int(length) > _LARGEST or kind != "application/x-www-form-urlencoded":
            self._refuse(HTTPStatus.BAD_REQUEST, "That is no form of this page.")
        else:
            self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.answer(Request(target=self.path, method=self.command, headers=headers, body=body))
        with contextlib.nullcontext() if isinstance(answer.body, bytes) else answer.body:
            self._send(answer)

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        """Say no, and read nothing more from whoever asked."""
        self.close_connection = True
        self._send(Answer(body=f"{words}\n".encode(), type="text/plain; charset=utf-8", status=status))

    def _ours(self) -> bool:
        names = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        given = [host.lower() for host in self.headers.get_all("Host", [])]
        return len(given) == 1 and (given[0] if self.server.server_port != 80 else f"{given[0].removesuffix(':80')}:80") in names

    def _send(self, answer: Answer) -> None:
        size = len(answer.body) if isinstance(answer.body, bytes) else os.fstat(answer.body.fileno()).st_size
        part = (
            None if isinstance(answer.body, bytes) else asked_for("" if "If-Range" in self.headers else self.headers.get("Range", ""), size)
        )
        self.send_response(
            answer.status if part is None else HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        )
        for name, value in self._headers(answer, size, part):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(answer.body, bytes):
            self.wfile.write(answer.body)
        else:
            self._copy(answer.body, range(size) if part is None else part)

    def _headers(self, answer: Answer, size: int, part: range | None) -> Iterator[tuple[str, str]]:
        yield "Content-Type", answer.type
        yield "Content-Length", str(size if part is None else len(part))
        if part is not None:
            yield "Content-Range", f"bytes {part.start}-{part.stop - 1}/{size}" if part else f"bytes */{size}"
        if not isinstance(answer.body, bytes):
            yield "Accept-Ranges", "bytes"
        if answer.location:
            yield "Location", answer.location
        if answer.policy:
            yield "Content-Security-Policy", answer.policy
        if self.close_connection:
            yield "Connection", "close"
        yield "Cache-Control", "no-store"
        yield "X-Content-Type-Options", "nosniff"
        yield "Cross-Origin-Resource-Policy", "same-origin"
        yield "Referrer-Policy", "same-origin"

    def _copy(self, file: BinaryIO, part: range) -> None:
        file.seek(part.start)
        left = len(part)
        while left and (piece := file.read(min(left, 1 << 16))):
            self.wfile.write(piece)
            left -= len(piece)
        self.close_connection = self.close_connection or left > 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Requests are of interest with --debug only."""
        _log.debug(format, *args)


def asked_for(wanted: str, size: int) -> range | None:
    """The bytes that a `Range` asks for; None: all of them; empty: there are none such (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch(wanted.strip())
    if found is None:
        return None
    first, last, final = found.groups()
    if final:
        return range(max(0, size - int(final)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1 if last else size))
