"""The desk: deciding on the inbox in a browser of this machine, by keyboard, and without script as well: `amplify review`.

    GET  /KEY/            the first thing that waits        POST /KEY/12/accept   (reject, hold, edit, merge, take, leave, undo)
    GET  /KEY/list        the list, a page at a time             │
    GET  /KEY/12          one thing, as it would look            └──► Reviewer ──► 303 to the next thing, with what was done
    GET  /KEY/12/edit

Every address holds a key that is new in each run, so that no page elsewhere can guess one; a form is taken from this desk's own
pages only. Each answer opens the record anew, one at a time, and reads what changed in the folder: what
other commands and editors did meanwhile is seen at once.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from amplify import config, folder, intake, localhost, media, pipeline, review_view, times
from amplify.config import Settings
from amplify.desk import trouble_of
from amplify.errors import AmplifyError
from amplify.localhost import Answer, Local, Request, stamps
from amplify.model import Content, Item, Kind
from amplify.pipeline import Clock, Community
from amplify.render import Renderer, templates
from amplify.review import PICTURES, Reviewer
from amplify.review_view import Wanted

_FOLDERS = ("contributions", "editions", "episodes", "events", "members")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{}; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_ITEM = re.compile(r"(?P<number>\d{1,15})(?:/(?P<verb>[a-z]+))?", re.ASCII)
_KEPT = re.compile(r"kept/([0-9a-f]{32}\.(?:jpg|png|webp))", re.ASCII)
_SAME = re.compile(r"the same as (\d{1,15})", re.ASCII)


def serve(root: Path, port: int, clock: Clock = pipeline.now, ready: Callable[[str], None] | None = None) -> None:
    """Answer on this machine until Ctrl-C; port 0 takes a free one. Raises AmplifyError where there is no community, or no such port."""
    localhost.serve(ReviewDesk(root, port, clock), ready)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the last form did, for whoever sees the page next: about which `item`, and whether it went `wrong` or can be undone."""

    words: str
    item: int
    wrong: bool = False
    undo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What somebody filled in."""

    values: Mapping[str, list[str]]

    def get(self, key: str) -> str:
        """The last thing written under a name that is not empty: a button goes before its field."""
        return next((value.strip() for value in reversed(self.values.get(key, ())) if value.strip()), "")


class ReviewDesk(Local):
    """The server of one folder's desk; `address` holds the key."""

    def __init__(self, root: Path, port: int = 0, clock: Clock = pipeline.now) -> None:
        config.load(root)
        self._root, self._clock = root, clock
        self._lock = threading.Lock()
        self._said: list[Said] = []
        self._key = secrets.token_urlsafe(16)
        self._rendered: tuple[object, Renderer] | None = None
        self._read: tuple[object, Content] | None = None
        super().__init__(port, self.answer, "review", forms=True)
        self.address += f"{self._key}/"

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        path, _, query = request.target.partition("?")
        key, slash, name = path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(key.encode(), self._key.encode()):
            return _refused("Open the address that the terminal shows: this one is not known here.")
        if request.method == "POST" and not _from_here(request):
            return _refused("That form is not from this desk. Nothing was done.")
        with self._lock:
            try:
                with pipeline.opened(self._root, self._clock) as community:
                    return self._routed(community, request, name, query)
            except Exception as error:  # noqa: BLE001 - a template may raise anything, and a file may vanish; the desk goes on
                return self._calm(error)

    # -- pages ---------------------------------------------------------------------------------------------------------

    def _routed(self, community: Community, request: Request, name: str, query: str) -> Answer:
        if kept := _KEPT.fullmatch(name):
            return self._picture(kept[1])
        if name == "review.js":
            return Answer(body=templates(self._root)["review.js"], type="text/javascript; charset=utf-8")
        renderer = self._renderer(community.settings)
        if name == "review.css":
            return Answer(body=renderer.render("review.css.j2", {}).encode(), type="text/css; charset=utf-8")
        desk = _At(intake.reviewing(community, self._content(community)), renderer, Wanted.of(query), f"/{self._key}/", self._say(query))
        desk.reviewer.inbox.wake(desk.reviewer.now)
        found = _ITEM.fullmatch(name)
        item = desk.reviewer.inbox.item(int(found["number"])) if found else None
        if request.method == "POST":
            return self._decide(desk, item, (found and found["verb"]) or "", request.body)
        if name == "":
            return desk.first()
        if name == "list":
            return desk.listed(query)
        if item and found and found["verb"] in (None, "edit"):
            return desk.edited(item) if found["verb"] else desk.shown(item, pictures="pictures=shown" in query)
        return desk.answer("review-nothing.html.j2", status=HTTPStatus.NOT_FOUND)

    def _picture(self, name: str) -> Answer:
        """A picture that was kept with an offer, before it is accepted or after."""
        files = [self._root / where / name for where in (media.OFFERED, PICTURES)]
        file = next((one for one in files if one.is_file()), None)
        if file is None:
            return Answer(body=b"", status=HTTPStatus.NOT_FOUND)
        return Answer(body=file.open("rb"), type=folder.media_type(name))

    def _renderer(self, settings: Settings) -> Renderer:
        """Compiled templates are kept until one of them, or the settings, change."""
        key = (settings, tuple(stamps(self._root / "templates")))
        if self._rendered is None or self._rendered[0] != key:
            self._rendered = (key, Renderer(settings))
        return self._rendered[1]

    def _content(self, community: Community) -> Content:
        """What is in the folder, read again when a file of it changed."""
        key = (community.settings, tuple(stamp for name in _FOLDERS for stamp in stamps(self._root / name)))
        if self._read is None or self._read[0] != key:
            self._read = (key, pipeline.check(community)[0])
        return self._read[1]

    def _say(self, query: str) -> Said | None:
        number = parse_qs(query).get("said", [""])[0]
        return self._said[int(number)] if re.fullmatch(r"\d{1,9}", number, re.ASCII) and int(number) < len(self._said) else None

    def _calm(self, error: Exception) -> Answer:
        trouble = trouble_of(error)
        words = "\n".join([*map(str, trouble.problems), trouble.words]).strip()
        page = f'<!doctype html><html lang="en-GB"><title>Review</title><h1>Something to mend</h1><pre>{escape(words)}</pre>'
        return Answer(body=page.encode(), status=HTTPStatus.SERVICE_UNAVAILABLE, policy=_POLICY.format(""))

    # -- decisions -----------------------------------------------------------------------------------------------------

    def _decide(self, desk: _At, item: Item | None, verb: str, body: bytes) -> Answer:
        decide = _DECISIONS.get(verb)
        if item is None or decide is None:
            return desk.answer("review-nothing.html.j2", status=HTTPStatus.NOT_FOUND)
        form = Form(values=parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50))
        before, after = review_view.neighbours(desk.reviewer.inbox, desk.wanted, item.id)
        onwards = str(after or before or "list") if verb in _SETTLES else str(item.id)
        try:
            words = decide(desk.reviewer, item, form)
        except AmplifyError as error:
            self._said.append(Said(words=str(error), item=item.id, wrong=True))
            onwards = f"{item.id}/edit" if verb == "edit" else str(item.id)
        else:
            self._said.append(Said(words=words, item=item.id, undo=verb != "undo"))
        return desk.onwards(onwards, len(self._said) - 1)


@dataclass(frozen=True, slots=True)
class _At:
    """One visit to the desk: who decides, what they look through, and what they were told."""

    reviewer: Reviewer
    renderer: Renderer
    wanted: Wanted
    root: str
    said: Said | None

    def answer(self, template: str, *, pictures: bool = False, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Answer:
        """A page."""
        settings = self.renderer.settings
        known = {
            "name": settings.community.name, "desk": self.root, "wanted": self.wanted, "said": self.said, "version": "",
            "query": f"?{self.wanted.query}" if self.wanted.query else "", "kinds": tuple(Kind), "listed": None,
        }  # fmt: skip
        page = self.renderer.render(template, known | values)
        return Answer(body=page.encode(), status=status, policy=_POLICY.format(" http: https:" if pictures else ""))

    def first(self) -> Answer:
        """To the first thing of the list."""
        items = self.reviewer.inbox.items(replace(self.wanted.filter, limit=1))
        return self.onwards(str(items[0].id) if items else "list")

    def onwards(self, where: str, said: int | None = None) -> Answer:
        """To another page, and only by GET."""
        query = "&".join(part for part in (self.wanted.query, "" if said is None else urlencode({"said": said})) if part)
        location = f"{self.root}{where}" + (f"?{query}" if query else "")
        return Answer(body=b"", status=HTTPStatus.SEE_OTHER, location=location)

    def listed(self, query: str) -> Answer:
        """A page of the list."""
        asked = {key: int(values[0]) for key, values in parse_qs(query).items() if re.fullmatch(r"\d{1,15}", values[0], re.ASCII)}
        listed = review_view.page(self.reviewer.inbox, self.wanted, asked.get("below"), asked.get("above"))
        return self.answer("review-list.html.j2", listed=listed)

    def shown(self, item: Item, *, pictures: bool) -> Answer:
        """One thing, with the list beside it."""
        shown = review_view.shown(self.reviewer, self.renderer, item, self.wanted, f"{self.root}kept/", pictures=pictures)
        same = {one.reason: found[1] for one in shown.choices if (found := _SAME.fullmatch(one.reason))}
        listed = review_view.around(self.reviewer.inbox, self.wanted, item)
        return self.answer(
            "review-item.html.j2", pictures=pictures, shown=shown, item=item, listed=listed, same=same, licences=review_view.LICENCES
        )

    def edited(self, item: Item) -> Answer:
        """The form in which its words are changed."""
        return self.answer("review-edit.html.j2", item=item, body=review_view.written(self.reviewer, item))


def _from_here(request: Request) -> bool:
    """Whether a form was sent by one of the desk's own pages; browsers say so themselves, and pages cannot make them lie."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin == f"http://{request.headers.get('host', '')}"
    return request.headers.get("sec-fetch-site") == "same-origin"


def _refused(words: str) -> Answer:
    return Answer(body=f"{words}\n".encode(), type="text/plain; charset=utf-8", status=HTTPStatus.FORBIDDEN)


# -- what a form does ----------------------------------------------------------------------------------------------


def _accept(reviewer: Reviewer, item: Item, form: Form) -> str:
    consent = {"yes": True, "no": False}.get(form.get("consent"))
    file = reviewer.accept(
        item, section=form.get("section"), kind=_kind(form, item), consent=consent, licence=form.get("licence")
    )  # fmt: skip
    return f"Accepted “{item.offer.title}”: {file.as_posix()}"


def _reject(reviewer: Reviewer, item: Item, form: Form) -> str:
    if not form.get("reason"):
        raise AmplifyError("Say why, so that another organiser understands. Nothing was done.")
    reviewer.reject(item, form.get("reason"))
    return f"Left out “{item.offer.title}”: {form.get('reason')}"


def _hold(reviewer: Reviewer, item: Item, form: Form) -> str:
    try:
        day = times.parse_day(form.get("until"))
    except ValueError as error:
        raise AmplifyError(f"{error}. Nothing was done.") from error
    begin, _ = times.span((day, day), reviewer.zone)
    reviewer.hold(item, begin, form.get("reason"))
    return f"Held “{item.offer.title}” until {day.day} {day:%B %Y}"


def _edit(reviewer: Reviewer, item: Item, form: Form) -> str:
    body = (form.values.get("body") or [""])[-1]
    reviewer.edit(item, title=form.get("title"), body=body, kind=_kind(form, item), author=form.get("author"))
    return f"Saved “{form.get('title')}”"


def _merge(reviewer: Reviewer, item: Item, form: Form) -> str:
    number = form.get("into")
    into = reviewer.inbox.item(int(number)) if re.fullmatch(r"\d{1,15}", number, re.ASCII) else None
    if into is None:
        raise AmplifyError("There is no such thing in the inbox. Nothing was done.")
    reviewer.merge(item, into)
    return f"“{item.offer.title}” is one with “{into.offer.title}” now"


def _take(reviewer: Reviewer, item: Item, form: Form) -> str:  # noqa: ARG001 - every decision takes a form
    reviewer.take_over(item)
    return f"Took over what was changed in “{item.offer.title}”"


def _leave(reviewer: Reviewer, item: Item, form: Form) -> str:  # noqa: ARG001 - likewise
    reviewer.leave(item)
    return f"“{item.offer.title}” stays as it was"


def _undo(reviewer: Reviewer, item: Item, form: Form) -> str:  # noqa: ARG001 - likewise
    undone = reviewer.undo(item)
    return f"Undone: “{undone.offer.title}” is {review_view.WORDS[undone.state]} again"


def _kind(form: Form, item: Item) -> Kind:
    return Kind(form.get("kind")) if form.get("kind") in list(Kind) else item.offer.kind


_DECISIONS: Mapping[str, Callable[[Reviewer, Item, Form], str]] = {
    "accept": _accept, "reject": _reject, "hold": _hold, "edit": _edit, "merge": _merge, "take": _take, "leave": _leave, "undo": _undo,
}  # fmt: skip
_SETTLES = ("accept", "reject", "hold", "merge")
"""After these the next thing is shown; after the others the same."""
