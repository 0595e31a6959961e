"""The folder in a browser as if everything in it were public, and each edition as mail: `amplify preview`.

    files ──signature──► pipeline.build(drafts=True) ──► Shown ──► pages, mails, what would be announced

Whatever reads the folder happens in `Folder`, under one lock; what it gives out is frozen. Nothing leaves this machine,
the record is only read, and what is published stays as it is: the line that reloads a page is put in on the way out.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, quote, unquote

from amplify import config, localhost, pipeline
from amplify import select as selecting
from amplify.api import Announcer
from amplify.cache import digest, fingerprint
from amplify.config import Settings
from amplify.desk import CLIPPED, NO_TROUBLE, Asked, Desk, Letter, Trouble, as_seen, desk, letter, mail_name, trouble_of
from amplify.errors import AmplifyError
from amplify.localhost import Answer, Local, Request, stamps
from amplify.model import Asset, Digest
from amplify.pipeline import Built, Clock, Community
from amplify.render import Renderer, templates

WATCHED = (config.FILE, "contributions", "editions", "episodes", "events", "members", "templates", "plugins", "assets")
_MAIL = re.compile(r"/-/mail/(?P<name>[a-z0-9-]+(?:/[a-z0-9-]+)*)(?:/(?P<file>message\.(?:html|txt)))?/?")
_OWN_PAGE = "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
_LETTER = (
    "default-src 'none'; script-src 'none'; img-src 'self' data: http: https:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)


def serve(root: Path, port: int, clock: Clock = pipeline.now, ready: Callable[[str], None] | None = None) -> None:
    """Answer on this machine until Ctrl-C; port 0 takes a free one. Raises AmplifyError where there is no community, or no such port."""
    localhost.serve(Preview(root, port, clock), ready)


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
    return digest("\n".join(line for name in WATCHED for line in stamps(root / name)).encode("utf-8", "surrogateescape"))


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
        templates_now = tuple(stamps(self._root / "templates"))
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


class Preview(Local):
    """The server of one folder."""

    def __init__(self, root: Path, port: int = 0, clock: Clock = pipeline.now) -> None:
        if not (root / config.FILE).is_file():
            config.load(root)
        self._folder = Folder(root, clock)
        self._root = root
        super().__init__(port, self.answer, "preview")

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        try:
            return self._answer(request.target)
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
