"""What an organiser looks at before anything goes: an edition as mail, and what each channel would do with it.

Nothing here reads the folder or the record: `preview` hands in what is known, and shows what comes out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape

from amplify import compose, rules
from amplify import plan as planning
from amplify import select as selecting
from amplify.api import Traits
from amplify.config import Settings
from amplify.errors import AmplifyError, FolderError, Problem
from amplify.model import Announcement, AnnounceStep, Edition, Episode, Held, Publication, Recipient
from amplify.pages import Views
from amplify.pipeline import Built
from amplify.plan import Outlet, Wanted
from amplify.render import Renderer
from amplify.select import Selection

CLIPPED = 102 * 1024
"""Bytes of HTML above which a large mail provider cuts a mail off."""
READER = Recipient(id="example", address="reader@example.org", name="", language="", token="EXAMPLE")  # noqa: S106 - nobody's
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why nothing can be shown: problems of the folder, or words."""

    problems: tuple[Problem, ...] = ()
    words: str = ""


NO_TROUBLE = Trouble()


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
    trouble: Trouble = NO_TROUBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The channels that announce, what they did already, and how many a tag reaches; `trouble` where they cannot be asked."""

    history: tuple[Announcement, ...]
    audience: Callable[[str], int]
    outlets: tuple[tuple[Outlet, Traits], ...] = ()
    trouble: Trouble = NO_TROUBLE


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


def letter(name: str, built: Built, settings: Settings, at: datetime, renderer: Renderer) -> Letter | None:
    """The publication with that `mail_name` as mail; None where there is no such thing, or no newsletter."""
    publication = next((one for one in built.selection.publications if mail_name(one) == name), None)
    if publication is None or settings.newsletter is None:
        return None
    message = compose.mail(publication, Views(built.selection, settings), renderer, at)
    problems = tuple(replace(one, file=publication.at.file.as_posix()) for one in rules.mail(message))
    html, text = message.html or "", message.text
    for token, value in compose.filler(publication, settings)(READER).items():
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


def desk(built: Built, settings: Settings, at: datetime, asked: Asked) -> Desk:
    """Every publication with what would become of it."""
    advice = tuple(dict.fromkeys((*built.problems, *rules.advice(built.content, settings, at))))
    selection = selecting.select(built.content, at)
    lines = _lines(built.selection.publications, selection, settings, at, asked)
    return Desk(rows=tuple(_rows(built, settings, selection.waiting, lines)), advice=advice, trouble=asked.trouble)


def _lines(
    shown: Iterable[Publication], selection: Selection, settings: Settings, at: datetime, asked: Asked
) -> Mapping[str, tuple[Line, ...]]:
    """What each channel would do with each publication, planned for what is public at this moment."""
    outlets = [outlet for outlet, _ in asked.outlets]
    plan = planning.plan(at, (), selection, outlets, asked.history, asked.audience, settings, Wanted())
    steps = {(step.publication.key, step.channel): step for step in plan.announce}
    held = {(one.key, one.channel): one for one in plan.held}
    done = {(one.publication, one.channel, one.rehearsal): one for one in asked.history}

    def line(one: Publication, outlet: Outlet, traits: Traits) -> Line:
        name = outlet.table.name
        return Line(
            channel=name, traits=traits, people=asked.audience(one.audience or outlet.table.audience) if outlet.subscribers else 1,
            rehearsal=outlet.rehearsal, words=one.words.get(name, ""), step=steps.get((one.key, name)), held=held.get((one.key, name)),
            done=done.get((one.key, name, outlet.rehearsal)),
        )  # fmt: skip

    return {
        one.key: tuple(line(one, outlet, traits) for outlet, traits in asked.outlets if one.kind in outlet.table.publishes) for one in shown
    }  # fmt: skip


def _rows(built: Built, settings: Settings, waiting: Iterable[Held], lines: Mapping[str, tuple[Line, ...]]) -> Iterator[Row]:
    held = {one.key: one for one in waiting}
    written: tuple[Edition | Episode, ...] = (*built.selection.editions, *built.selection.episodes)
    languages = {one.at: one.language for one in written}
    for one in built.selection.publications:
        own = lines.get(one.key, ())
        mailed = settings.newsletter and (one.kind == "edition" or any(line.traits.form == "mail" for line in own))
        yield Row(
            publication=one, language=languages[one.at], held=held.get(one.key), mail=mail_name(one) if mailed else "", lines=own,
            spare={name: words for name, words in one.words.items() if all(line.channel != name for line in own)},
        )  # fmt: skip
