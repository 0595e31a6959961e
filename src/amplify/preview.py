"""The folder in a browser as if everything in it were public, and each edition as mail: `amplify preview`.

    files ──signature──► pipeline.build(drafts=True) ──► Shown ──► pages, mails, what would be announced

Whatever reads the folder happens in `Folder`, under one lock; what it gives out is frozen. Nothing leaves this machine,
the record is only read, and what is published stays as it is: the line that reloads a page is put in on the way out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from socketserver import TCPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote

from amplify import config, pipeline
from amplify import select as selecting
from amplify.api import Announcer
from amplify.cache import digest, fingerprint
from amplify.config import Settings
from amplify.desk import CLIPPED, NO_TROUBLE, Asked, Desk, Letter, Trouble, as_seen, desk, letter, mail_name, trouble_of
from amplify.errors import AmplifyError
from amplify.model import Asset, Digest
from amplify.pipeline import Built, Clock, Community
from amplify.render import Renderer, templates

WATCHED = (config.FILE, "contributions", "editions", "episodes", "events", "members", "templates", "plugins", "assets")
_HTML = "text/html; charset=utf-8"
_MAIL = re.compile(r"/-/mail/(?P<name>[a-z0-9-]+(?:/[a-z0-9-]+)*)(?:/(?P<file>message\.(?:html|txt)))?/?")
_RANGE = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))", re.ASCII)
_OWN_PAGE = "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
_LETTER = (
    "default-src 'none'; script-src 'none'; img-src 'self' data: http: https:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_log = logging.getLogger(__name__)


def serve(root: Path, port: int, clock: Clock = pipeline.now, ready: Callable[[str], None] | None = None) -> None:
    """Answer on this machine until Ctrl-C; port 0 takes a free one. Raises AmplifyError where there is no community, or no such port."""
    with contextlib.closing(Preview(root, port, clock)) as preview, contextlib.suppress(KeyboardInterrupt):
        if ready:
            ready(preview.address)
        preview.run()


# -- the folder as values ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is answered until something changes; `version` changes with it."""

    version: Digest
    at: datetime
    settings: Settings
    built: Built | None = None
    trouble: Trouble = NO_TROUBLE


def signature(root: Path) -> Digest:
    """One digest for the names, times and sizes of all that people edit in the folder."""
    return digest("\n".join(line for name in WATCHED for line in _stamps(root / name)).encode("utf-8", "surrogateescape"))


def _stamps(path: Path) -> Iterator[str]:
    files = [str(path)]
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        files += (os.path.join(folder, name) for name in sorted(names))
    for file in files:
        with contextlib.suppress(OSError):
            stat = os.stat(file)
            if file != str(path) or not os.path.isdir(path):
                yield f"{file} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_size}"


class Folder:
    """The one place that reads the folder: one thread at a time, and each time with an opened community of its own."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root, self._clock = root, clock
        self._lock = threading.RLock()
        self._settings = Settings(root=root, community=config.Community(name="", url="http://localhost/"))
        self._renderer = Renderer(self._settings)
        self._templates: tuple[str, ...] = ()
        self._key: object = None
        self._shown: Shown
        self._letters: dict[str, Letter | None] = {}
        self._desk: Desk | None = None

    def shown(self, *, anew: bool = False) -> Shown:
        """The folder as it is now; built again only when a file changed, or once a minute for what hangs on the clock."""
        with self._lock:
            at = self._clock()
            key = (signature(self._root), at.replace(second=0, microsecond=0))
            if anew or key != self._key:
                self._shown, self._key, self._desk = self._made(key[0], at), key, None
                self._letters.clear()
            return self._shown

    def _made(self, files: Digest, at: datetime) -> Shown:
        try:
            with pipeline.opened(self._root, self._clock) as community:
                self._renew(community.settings)
                built = pipeline.build(community, at, drafts=True)
        except Exception as error:  # noqa: BLE001 - a template may raise anything, and a file may vanish; the server goes on
            trouble = trouble_of(error)
            return Shown(version=fingerprint(files, trouble), at=at, settings=self._settings, trouble=trouble)
        waiting = selecting.select(built.content, at).waiting
        return Shown(version=fingerprint(files, built.site.digest, waiting), at=at, settings=self._settings, built=built)

    def _renew(self, settings: Settings) -> None:
        """Compiled templates are kept until one of them, or the settings, change."""
        templates_now = tuple(_stamps(self._root / "templates"))
        if (settings, templates_now) != (self._settings, self._templates):
            self._settings, self._templates, self._renderer = settings, templates_now, Renderer(settings)

    def render(self, template: str, values: Mapping[str, object]) -> str:
        """A page of the preview itself."""
        with self._lock:
            return self._renderer.render(template, values)

    def letter(self, name: str) -> Letter | None:
        """An edition by its slug (or `episodes/slug`) as mail; None where there is no such thing, or no newsletter."""
        with self._lock:
            shown = self.shown()
            if shown.built and name not in self._letters:
                self._letters[name] = letter(name, shown.built, shown.settings, shown.at, self._renderer)
            return self._letters.get(name)

    def desk(self) -> Desk:
        """Every publication with what would become of it."""
        with self._lock:
            shown = self.shown()
            if self._desk is None and shown.built:
                with pipeline.opened(self._root, self._clock) as community:
                    self._desk = desk(shown.built, shown.settings, shown.at, _asked(community))
            return self._desk or Desk(rows=(), trouble=shown.trouble)


def _asked(community: Community) -> Asked:
    history, audience = community.store.announcements(), community.store.audience
    try:
        announcers = [(one, one.works.traits) for one in pipeline.channels(community) if isinstance(one.works, Announcer)]
        outlets = tuple((pipeline.outlet(community, one), traits) for one, traits in announcers)
    except AmplifyError as error:
        return Asked(history=history, audience=audience, trouble=trouble_of(error))
    return Asked(outlets=outlets, history=history, audience=audience)


# -- answers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back to the browser; a file is sent in pieces, or the piece that was asked for."""

    body: bytes | BinaryIO
    type: str = _HTML
    status: HTTPStatus = HTTPStatus.OK
    policy: str = ""
    location: str = ""


class Preview:
    """The server of one folder: `run` answers at `address` until `stop` is called from another thread."""

    def __init__(self, root: Path, port: int = 0, clock: Clock = pipeline.now) -> None:
        if not (root / config.FILE).is_file():
            config.load(root)
        self._folder = Folder(root, clock)
        self._root = root
        try:
            self._server = _Server(("127.0.0.1", port), self.answer)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AmplifyError(f"Port {port} cannot be used: {reason}.\n  Take any free one:  amplify preview --port 0") from error
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

    def answer(self, target: str) -> Answer:
        """The answer to a request for `target`, a path with its query."""
        try:
            return self._answer(target)
        except Exception as error:  # noqa: BLE001 - as in Folder: templates may raise anything
            return self._calm(self._folder.shown(), trouble_of(error))

    def _answer(self, target: str) -> Answer:
        path, _, query = target.partition("?")
        if path == "/-/reload.js":
            return Answer(body=templates(self._root)["preview.js"], type="text/javascript; charset=utf-8")
        shown = self._folder.shown()
        if path == "/-/version":
            return Answer(body=shown.version.encode(), type="text/plain; charset=utf-8")
        if path == "/-/preview.css":
            return Answer(body=self._folder.render("preview.css.j2", {}).encode(), type="text/css; charset=utf-8")
        if shown.built is None:
            return self._calm(shown, shown.trouble)
        if path in ("/-", "/-/"):
            return self._page("preview-desk.html.j2", shown, desk=self._folder.desk())
        found = _MAIL.fullmatch(path)
        if found and (letter := self._folder.letter(found["name"])):
            return self._mail(shown, letter, found["file"], parse_qs(query).get("view", [""])[0])
        return self._site(shown, shown.built, unquote(path))

    def _page(self, template: str, shown: Shown, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Answer:
        settings = shown.settings
        known = {"version": shown.version, "at": shown.at, "name": settings.community.name, "window": settings.publish.announce_within}
        return Answer(body=self._folder.render(template, known | values).encode(), status=status, policy=_OWN_PAGE)

    def _calm(self, shown: Shown, trouble: Trouble) -> Answer:
        try:
            return self._page("preview-problems.html.j2", shown, HTTPStatus.SERVICE_UNAVAILABLE, trouble=trouble)
        except Exception as error:  # noqa: BLE001 - even this template may be the community's own, and broken
            lines = [*map(str, (*trouble.problems, *trouble_of(error).problems)), trouble.words]
            page = f"<!doctype html><title>Preview</title><body><pre>{escape(chr(10).join(lines))}</pre></body>"
            return Answer(body=_live(page.encode(), shown.version, ""), status=HTTPStatus.SERVICE_UNAVAILABLE, policy=_OWN_PAGE)

    def _mail(self, shown: Shown, letter: Letter, file: str | None, view: str) -> Answer:
        if file == "message.txt":
            return Answer(body=letter.text.encode(), type="text/plain; charset=utf-8")
        if file:
            base = shown.settings.community.url.rstrip("/") + "/"
            html = as_seen(letter.html, base, dark=view == "dark") if view else letter.html
            return Answer(body=html.encode(), policy=_LETTER)
        view = view if view in ("narrow", "dark", "text") else "wide"
        return self._page(
            "preview-mail.html.j2", shown, letter=letter, view=view, here=f"/-/mail/{mail_name(letter.publication)}", clipped=CLIPPED
        )

    def _site(self, shown: Shown, built: Built, path: str) -> Answer:
        try:
            return _of_site(shown, built, path)
        except FileNotFoundError:
            shown = self._folder.shown(anew=True)
            return _of_site(shown, shown.built, path) if shown.built else self._calm(shown, shown.trouble)


def _of_site(shown: Shown, built: Built, path: str) -> Answer:
    """A file of the site; a folder is its index, and what is not there the site's own page that says so."""
    name = path[1:] + ("index.html" if path.endswith("/") else "")
    assets = built.site.assets
    if found := _asset(assets, name):
        return _whole(found, shown)
    if _asset(assets, f"{name}/index.html"):
        return Answer(body=b"", status=HTTPStatus.TEMPORARY_REDIRECT, location=f"/{quote(name)}/")
    return _whole(assets[PurePosixPath("404.html")], shown, HTTPStatus.NOT_FOUND)


def _asset(assets: Mapping[PurePosixPath, Asset], name: str) -> Asset | None:
    path = PurePosixPath(name)
    return assets.get(path) if str(path) == name else None


def _whole(asset: Asset, shown: Shown, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    if asset.type == "text/html":
        base = shown.settings.community.url.rstrip("/") + "/"
        return Answer(body=_live(asset.source.read_bytes(), shown.version, base), status=status)
    words = asset.type.startswith("text/") or asset.type in ("application/json", "application/javascript")
    return Answer(body=asset.source.open("rb"), type=asset.type + "; charset=utf-8" * words, status=status)


def _live(html: bytes, version: str, base: str) -> bytes:
    """A page as the preview shows it: it reloads when a file changes, and absolute links into the site stay on this machine."""
    if base:
        leads = rb'(<a\b[^>]*?\shref="|<link rel="stylesheet" href="|\ssrc="|content="0; url=)'
        html = re.sub(leads + re.escape(escape(base).encode()), rb"\1/", html)
    head, end, tail = html.rpartition(b"</body>")
    script = f'<script src="/-/reload.js?{version}" defer></script>\n'.encode()
    return head + script + end + tail if end else html + script


# -- HTTP ----------------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name != "nt"

    def __init__(self, address: tuple[str, int], answer: Callable[[str], Answer]) -> None:
        self.answer = answer
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
            self._send(Answer(body=b"This preview answers only at its own address.\n", type="text/plain", status=HTTPStatus.FORBIDDEN))
            return
        answer = self.server.answer(self.path)
        with contextlib.nullcontext() if isinstance(answer.body, bytes) else answer.body:
            self._send(answer)

    def do_HEAD(self) -> None:
        """The same without the body."""
        self.do_GET()

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
        yield "Cache-Control", "no-store"
        yield "X-Content-Type-Options", "nosniff"
        yield "Cross-Origin-Resource-Policy", "same-origin"

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
