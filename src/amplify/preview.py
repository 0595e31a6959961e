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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from socketserver import TCPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote

from amplify import compose, config, pipeline, rules
from amplify import plan as planning
from amplify import select as selecting
from amplify.api import Announcer, Traits
from amplify.cache import digest, fingerprint
from amplify.config import Settings
from amplify.errors import AmplifyError, FolderError, Problem
from amplify.model import Announcement, AnnounceStep, Asset, Digest, Edition, Episode, Held, Publication, Recipient
from amplify.pages import Views
from amplify.pipeline import Built, Clock, Community
from amplify.plan import Outlet, Wanted
from amplify.registry import Instance
from amplify.render import Renderer, templates
from amplify.select import Selection

WATCHED = (config.FILE, "contributions", "editions", "episodes", "events", "members", "templates", "plugins", "assets")
CLIPPED = 102 * 1024
"""Bytes of HTML above which a large mail provider cuts a mail off."""
READER = Recipient(id="example", address="reader@example.org", name="", language="", token="EXAMPLE")  # noqa: S106 - nobody's
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
class Trouble:
    """Why nothing can be shown: problems of the folder, or words."""

    problems: tuple[Problem, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is answered until something changes; `version` changes with it."""

    version: Digest
    at: datetime
    settings: Settings
    built: Built | None = None
    trouble: Trouble = Trouble()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A publication as one reader would get it by mail."""

    publication: Publication
    language: str
    subject: str
    preheader: str
    sender: str
    html: str
    text: str
    problems: tuple[Problem, ...]

    @property
    def size(self) -> int:
        """Bytes of the HTML."""
        return len(self.html.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one channel would do with a publication: `step` now, `held` why not, `done` what it did; none: once it is public."""

    channel: str
    traits: Traits
    rehearsal: bool
    people: int
    words: str
    step: AnnounceStep | None = None
    held: Held | None = None
    done: Announcement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A publication on the desk. `held` where it is a draft or has a date to come; `spare` are words for channels that are not there."""

    publication: Publication
    language: str
    held: Held | None
    mail: str
    lines: tuple[Line, ...]
    spare: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that goes out as a unit, newest first, and what is worth mending; `trouble` where the channels cannot be asked."""

    rows: tuple[Row, ...]
    advice: tuple[Problem, ...] = ()
    trouble: Trouble = Trouble()


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
                self._letters[name] = _letter(name, shown, shown.built, self._renderer)
            return self._letters.get(name)

    def desk(self) -> Desk:
        """Every publication with what would become of it."""
        with self._lock:
            shown = self.shown()
            if self._desk is None and shown.built:
                with pipeline.opened(self._root, self._clock) as community:
                    self._desk = _desk(community, shown.built, shown.at)
            return self._desk or Desk(rows=(), trouble=shown.trouble)


def trouble_of(error: Exception) -> Trouble:
    """What went wrong, for people."""
    if isinstance(error, FolderError):
        return Trouble(problems=error.problems)
    if isinstance(error, AmplifyError):
        return Trouble(words=str(error))
    _log.debug("the folder cannot be shown", exc_info=error)
    if isinstance(error, OSError) and error.filename:
        return Trouble(words=f"{error.filename} cannot be read: {error.strerror}.")
    return Trouble(words=f"{type(error).__name__}: {error}\nIf you changed a template or a plugin just now, look there first.")


# -- one edition as mail -------------------------------------------------------------------------------------------


def mail_name(publication: Publication) -> str:
    """What stands after `/-/mail/`: an edition's slug, or `episodes/slug`."""
    return publication.path.strip("/").removeprefix("editions/")


def _letter(name: str, shown: Shown, built: Built, renderer: Renderer) -> Letter | None:
    publication = next((one for one in built.selection.publications if mail_name(one) == name), None)
    if publication is None or shown.settings.newsletter is None:
        return None
    message = compose.mail(publication, Views(built.selection, shown.settings), renderer, shown.at)
    problems = tuple(replace(one, file=publication.at.file.as_posix()) for one in rules.mail(message))
    html, text = message.html or "", message.text
    for token, value in compose.values(publication, shown.settings, READER).items():
        html, text = html.replace(token, value), text.replace(token, value)
    return Letter(
        publication=publication, language=message.language, subject=message.subject, preheader=_preheader(publication, built),
        sender=dict(message.headers)["From"], html=html, text=text, problems=problems,
    )  # fmt: skip


def _preheader(publication: Publication, built: Built) -> str:
    edition = next((one for one in built.selection.editions if f"editions/{one.slug}/" == publication.path), None)
    if edition:
        return edition.preheader
    return next(one.summary for one in built.selection.episodes if selecting.episode_path(one) == publication.path)


def as_seen(html: str, base: str, *, dark: bool) -> str:
    """The same mail by day or by night, whatever the browser is set to; pictures and links of the site come from this machine."""
    wanted = "dark" if dark else "light"

    def settled(style: re.Match[str]) -> str:
        query = r"\(\s*prefers-color-scheme\s*:\s*(\w+)\s*\)"
        return re.sub(query, lambda found: "(min-width:0)" if found[1] == wanted else "(max-width:0)", style[0])

    html = re.sub(r"(?s)<style\b.*?</style>", settled, html)
    html = html.replace('content="light dark"', f'content="{wanted}"')
    html = re.sub(rf'\b(href|src)="{re.escape(escape(base))}', r'\1="/', html)
    return html.replace("<head>", '<head><base target="_blank">', 1)


# -- what would be announced ---------------------------------------------------------------------------------------


def _desk(community: Community, built: Built, at: datetime) -> Desk:
    advice = tuple(dict.fromkeys((*built.problems, *rules.advice(built.content, community.settings, at))))
    selection = selecting.select(built.content, at)
    try:
        lines, trouble = _lines(community, built.selection.publications, selection, at), Trouble()
    except AmplifyError as error:
        lines, trouble = {}, trouble_of(error)
    return Desk(rows=tuple(_rows(community, built, selection.waiting, lines)), advice=advice, trouble=trouble)


def _lines(
    community: Community, shown: Iterable[Publication], selection: Selection, at: datetime
) -> Mapping[str, tuple[Line, ...]]:  # fmt: skip
    """What each channel would do with each publication, planned for what is public at this moment."""
    outlets = [_outlet(community, one) for one in pipeline.channels(community) if isinstance(one.works, Announcer)]
    history, audience = community.store.announcements(), community.store.audience
    plan = planning.plan(at, (), selection, [outlet for outlet, _ in outlets], history, audience, community.settings, Wanted())
    steps = {(step.publication.key, step.channel): step for step in plan.announce}
    held = {(one.key, one.channel): one for one in plan.held}
    done = {(one.publication, one.channel, one.rehearsal): one for one in history}

    def line(one: Publication, outlet: Outlet, traits: Traits) -> Line:
        name = outlet.table.name
        return Line(
            channel=name, traits=traits, people=audience(one.audience or outlet.table.audience) if outlet.subscribers else 1,
            rehearsal=outlet.rehearsal, words=one.words.get(name, ""), step=steps.get((one.key, name)), held=held.get((one.key, name)),
            done=done.get((one.key, name, outlet.rehearsal)),
        )  # fmt: skip

    return {
        one.key: tuple(line(one, outlet, traits) for outlet, traits in outlets if one.kind in outlet.table.publishes) for one in shown
    }  # fmt: skip


def _outlet(community: Community, one: Instance) -> tuple[Outlet, Traits]:
    assert isinstance(one.works, Announcer)  # noqa: S101 - the caller asked
    traits = one.works.traits
    return pipeline.outlet(community, one), traits


def _rows(community: Community, built: Built, waiting: Iterable[Held], lines: Mapping[str, tuple[Line, ...]]) -> Iterator[Row]:
    held = {one.key: one for one in waiting}
    written: tuple[Edition | Episode, ...] = (*built.selection.editions, *built.selection.episodes)
    languages = {one.at: one.language for one in written}
    for one in built.selection.publications:
        own = lines.get(one.key, ())
        mailed = community.settings.newsletter and (one.kind == "edition" or any(line.traits.form == "mail" for line in own))
        yield Row(
            publication=one, language=languages[one.at], held=held.get(one.key), mail=mail_name(one) if mailed else "", lines=own,
            spare={name: words for name, words in one.words.items() if all(line.channel != name for line in own)},
        )  # fmt: skip


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
        known = {
            "version": shown.version,
            "at": shown.at,
            "name": shown.settings.community.name,
            "window": shown.settings.publish.announce_within,
        }
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
