"""A far end on this machine that does as it is told: a web server with real sockets, a record of what it was asked, and faults."""

from __future__ import annotations

import json as plain
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived; the names in `headers` are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = b""

    @property
    def changes(self) -> bool:
        """Whether it asks for more than reading."""
        return self.method not in ("GET", "HEAD", "OPTIONS")

    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as plain values."""
        return plain.loads(self.body)

    def form(self) -> dict[str, str]:
        """The body as the fields of a form."""
        return {name: values[-1] for name, values in parse_qs(self.text(), keep_blank_values=True).items()}

    def words(self) -> tuple[str, ...]:
        """Every text that was handed over, wherever in the request: address, headers, and the body as JSON, a form or text."""
        with suppress(ValueError):
            return (unquote(self.path), *parse_qs(self.query), *self.headers.values(), *_texts(self.json()))
        fields = self.form().values() if "form-urlencoded" in self.headers.get("content-type", "") else (self.text(),)
        return (unquote(self.path), *(one for many in parse_qs(self.query).values() for one in many), *self.headers.values(), *fields)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    else:
        yield value if isinstance(value, str) else plain.dumps(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the far end answers: `json`, or else `body`."""

    status: int = 200
    json: Any = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def content(self) -> bytes:
        """The bytes that go over the line."""
        return plain.dumps(self.json).encode() if self.json is not None else self.body


class Fault(Enum):
    """What can go wrong on the way to the far end and back."""

    UNREACHABLE = "nobody listens there"
    DENIED = "401: the password or the token is not accepted"
    REFUSED = "422: what was sent is not accepted"
    LATER = "429, with Retry-After: 120"
    TOO_MANY = "429, without Retry-After"
    BROKEN = "500"
    DROP_BEFORE = "it hangs up before it did anything"
    DROP_AFTER = "it did what it was asked, and hangs up"
    SILENT_BEFORE = "it does nothing and never answers"
    SILENT_AFTER = "it did what it was asked, and never answers"
    NOT_JSON = "it did what it was asked, and answers with a page for people"
    HUGE = "it did what it was asked, and answers without an end"

    @property
    def acted(self) -> bool:
        """Whether the far end did what it was asked."""
        return self in (Fault.DROP_AFTER, Fault.SILENT_AFTER, Fault.NOT_JSON, Fault.HUGE)

    @property
    def silent(self) -> bool:
        """Whether no answer ever comes."""
        return self in (Fault.SILENT_BEFORE, Fault.SILENT_AFTER)


WAIT = 120
"""Seconds for which `Fault.LATER` asks to be left alone."""
_REPLIES = {
    Fault.DENIED: Reply(status=401, json={"error": "unauthorized"}),
    Fault.REFUSED: Reply(status=422, json={"error": "unprocessable"}),
    Fault.LATER: Reply(status=429, json={"error": "slow down"}, headers={"Retry-After": str(WAIT)}),
    Fault.TOO_MANY: Reply(status=429, json={"error": "slow down"}),
    Fault.BROKEN: Reply(status=500, body=b"<h1>Internal Server Error</h1>", headers={"Content-Type": "text/html"}),
    Fault.NOT_JSON: Reply(body=b"<!doctype html><title>Welcome</title><p>It works", headers={"Content-Type": "text/html"}),
}
Answer = Callable[[Request], Reply]


def _takes(request: Request) -> Reply:  # noqa: ARG001 - any request
    return Reply(json={})


def _any(request: Request) -> bool:  # noqa: ARG001 - any request
    return True


@dataclass
class Server:
    """`answer` plays the service. While there is `trouble`, requests for which `troubled` holds meet it.

    `requests` is everything that arrived; `taken` what the far end did of it: all that changes something and met no trouble,
    or met it afterwards.
    """

    answer: Answer = _takes
    trouble: Fault | None = None
    troubled: Callable[[Request], bool] = _any
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    port: int = 0
    let_go: threading.Event = field(default_factory=threading.Event)
    """Ends every silence."""
    _paths: dict[str, list[Reply | Fault]] = field(default_factory=dict)
    _heard: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """Its address; that of nobody while it is unreachable."""
        return f"http://127.0.0.1:{_nobody() if self.trouble is Fault.UNREACHABLE else self.port}"

    def on(self, path: str, *answers: Reply | Fault) -> None:
        """What this path is answered with, one after the other; the last one stays."""
        self._paths[path] = list(answers)

    def meets(self, request: Request) -> Reply | Fault:
        """What a request meets; it is written down."""
        with self._heard:
            self.requests.append(request)
            self._heard.notify_all()
            told = self._told(request)
            if isinstance(told, Fault) and not told.acted:
                return told
            reply = told if isinstance(told, Reply) else self.answer(request)
            if request.changes and reply.status < 400:
                self.taken.append(request)
            return told or reply

    def settle(self) -> None:
        """Wait until a request has arrived that meets trouble."""
        with self._heard:
            self._heard.wait_for(lambda: any(map(self.troubled, self.requests)), 30)

    def _told(self, request: Request) -> Reply | Fault | None:
        if script := self._paths.get(request.path):
            return script.pop(0) if len(script) > 1 else script[0]
        return self.trouble if self.troubled(request) else None


def _nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return int(gone.getsockname()[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    far: Server

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = self.far.meets(Request(method=self.command, path=parts.path, query=parts.query, headers=headers, body=body))
        if isinstance(told, Reply) or told in _REPLIES:
            self.tell(told if isinstance(told, Reply) else _REPLIES[told])
        elif told is Fault.HUGE:
            self.flood()
        else:
            self.close_connection = True
            if told.silent:
                self.far.let_go.wait()

    def tell(self, reply: Reply) -> None:
        content = reply.content()
        self.send_response(reply.status)
        kind = {} if reply.json is None else {"Content-Type": "application/json"}
        for name, value in {**kind, **reply.headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def flood(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.far.let_go.is_set():
            self.wfile.write(bytes(1_000_000))

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        """Whoever went away is no error here."""


@contextmanager
def listening(answer: Answer | None = None) -> Iterator[Server]:
    """The server, while it lasts."""
    far = Server(answer) if answer else Server()
    with _Listener(("127.0.0.1", 0), type("Handler", (_Handler,), {"far": far})) as listener:
        far.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield far
        finally:
            far.let_go.set()
            listener.shutdown()
            thread.join()
