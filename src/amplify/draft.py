"""The next edition's file, written from what no edition holds yet: a section for each kind, each item on a line of its own.

What stands below `::end` of a draft is held by it: whoever edits it may still move it up. Below `::end` of an edition that went
out it was not used, and is offered again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from amplify import calendar, text, times
from amplify.cache import fingerprint, write_whole
from amplify.config import Settings
from amplify.errors import AmplifyError
from amplify.frontmatter import split
from amplify.model import Content, Contribution, Edition, Heading, Kind, Placement, Slug

_SECTIONS = (
    ("You asked", (Kind.QUESTION, Kind.ANSWER, Kind.DISCUSSION)),
    ("Worth your time", (Kind.ARTICLE, Kind.RESOURCE, Kind.PROJECT)),
    ("Join in", (Kind.CHALLENGE, Kind.CALL, Kind.EVENT)),
    ("Well done", (Kind.CELEBRATION,)),
)
_MEET, _LISTEN = "Meet", "Listen"
_RHYTHM = timedelta(days=28)
_NOTES = 32
"""The column in which notes to the organiser begin."""
_RECENT = 6
"""Editions whose headings are offered again."""
Row = tuple[str, str]
"""A line that places something: the placement, and the label behind it."""


def sections(content: Content) -> tuple[str, ...]:
    """The headings to choose from: the usual ones, and those of the newest editions."""
    newest = sorted(content.editions.values(), key=lambda one: one.date, reverse=True)[:_RECENT]
    used = (part.text for one in newest for part in one.body if isinstance(part, Heading) and part.level == 2)
    return tuple(dict.fromkeys((*(heading for heading, _ in _SECTIONS), *used)))


# -- a new file ----------------------------------------------------------------------------------------------------


def draft(content: Content, settings: Settings, now: datetime, day: str | None) -> tuple[PurePosixPath, str]:
    """The file and its text. It goes on `day`, else four weeks after the last edition. Raises AmplifyError for a day that is none."""
    zone = settings.community.zone
    try:
        date = times.parse_moment(day, zone) if day else _next(content, now)
    except ValueError as error:
        raise AmplifyError(f"{error}. Nothing was written.") from error
    local = date.astimezone(zone)
    slug = _free(content, f"{local:%Y-%m}", f"{local:%Y-%m-%d}")
    title = f"{settings.newsletter.title if settings.newsletter else settings.community.name}, {local:%B %Y}"
    return _file(slug, settings, title, title, local, ["Dear all,", "", *_body(content, settings, now, date)])


def correction(content: Content, settings: Settings, now: datetime, name: str) -> tuple[PurePosixPath, str]:
    """The file and the text of a letter that puts right what an edition said. Raises AmplifyError where there is no such edition."""
    named = [one for one in content.editions.values() if name.casefold() in (one.slug, one.id.casefold(), one.title.casefold())]
    if not named:
        raise AmplifyError(f"There is no edition called {name!r}. Nothing was written.\n  Possible:  {', '.join(content.editions)}")
    wrong, local = named[0], now.astimezone(settings.community.zone)
    slug = _free(content, *(f"{wrong.slug}-correction{more}" for more in ("", *(f"-{number}" for number in range(2, 100)))))
    day = wrong.date.astimezone(settings.community.zone)
    words = [
        "Dear all,", "", f"in “{wrong.title}” of {day.day} {day:%B} we made a mistake.", "", "We wrote:", "", "> TODO", "",
        "It should have been:", "", "> TODO", "", "::end",
    ]  # fmt: skip
    return _file(slug, settings, f"A correction to {wrong.title}", f"Correction: {wrong.title}", local, words)


def write(file: Path, words: str) -> None:
    """Write the draft. Raises AmplifyError where a file is there already: what people edit is never written over."""
    if file.exists():
        raise AmplifyError(f"{file} is there already and was not touched.\n  Another day:  amplify draft --date 2026-12-16")
    write_whole(file, words.encode())


def _file(slug: Slug, settings: Settings, title: str, subject: str, local: datetime, body: Iterable[str]) -> tuple[PurePosixPath, str]:
    front = [
        "---",
        _noted(f"id: ed-{fingerprint(slug, settings.community.name)[:6]}", "leave this line alone"),
        f"title: {json.dumps(title, ensure_ascii=False)}",
        _noted(f"date: {local:%Y-%m-%d %H:%M}", "goes with the first publish after this"),
        _noted("draft: true", "take this line away when it may go"),
        f"subject: {json.dumps(subject, ensure_ascii=False)}",
        _noted('preheader: ""', "40 to 90 characters that follow the subject in a list of mails"),
        "---",
    ]
    return PurePosixPath("editions") / f"{slug}.md", "\n".join([*front, *body]) + "\n"


def _noted(line: str, note: str) -> str:
    return f"{line:<{_NOTES - 1}} # {note}"


def _next(content: Content, now: datetime) -> datetime:
    last = max((one.date for one in content.editions.values()), default=now - _RHYTHM)
    while last <= now:
        last += _RHYTHM
    return last


def _free(content: Content, *names: str) -> Slug:
    return next((Slug(name) for name in names if name not in content.editions), Slug(names[-1]))


def _body(content: Content, settings: Settings, now: datetime, date: datetime) -> Iterator[str]:
    found: dict[str, list[Row]] = {_MEET: list(_dates(content, settings, now, date)), _LISTEN: list(_episodes(content))}
    found |= {heading: [] for heading, _ in _SECTIONS}
    spelled = {heading.casefold(): heading for heading in found}
    waiting = _waiting(content, settings, date)
    for one in waiting:
        asked = next((other for other in waiting if other.slug == one.answers), one)
        heading = asked.section or next(heading for heading, kinds in _SECTIONS if asked.kind in kinds)
        found.setdefault(spelled.setdefault(heading.casefold(), heading), []).append(_row(one, content))
    width = _width(row for rows in found.values() for row in rows)
    for heading, rows in found.items():
        if rows:
            yield from (f"## {heading}", *_lines(rows, width), "")
    yield "::feedback[]"
    yield "::end"


# -- what is new, below the end of a draft -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What goes at the end of an edition's file; `lines` are the new ones."""

    file: Path
    lines: tuple[str, ...]
    ended: bool
    """Whether the file has its `::end`."""


def added(content: Content, settings: Settings, now: datetime) -> Added:
    """What no edition holds yet, for the newest draft. Raises AmplifyError where there is none, or where it does not end."""
    drafts = [one for one in content.editions.values() if one.draft]
    if not drafts:
        raise AmplifyError("There is no draft to put anything into. Nothing was written.\n  Write the next one:  amplify draft")
    edition = max(drafts, key=lambda one: (one.date, one.slug))
    body = list(text.fenced(_written(edition, settings)))
    ended = any(text.ends(line) for line, code in body if not code)
    if not ended and body[-1][1]:
        raise AmplifyError(f"{edition.at.file.as_posix()} ends inside a block of code. Nothing was written.\n  Close it with a line ```")
    rows = [(placement, f"{label}; {_unused(one)}") for one in _waiting(content, settings, max(now, edition.date))
            for placement, label in (_row(one, content),)]  # fmt: skip
    return Added(file=edition.at.file, lines=tuple(_lines(rows, _width(rows))), ended=ended)


def append(root: Path, new: Added) -> None:
    """Put the lines at the end of the file, after every byte that is there."""
    there = (root / new.file).read_bytes()
    newline = "\r\n" if b"\r\n" in there else "\n"
    lines = [*(() if new.ended else ("::end",)), *new.lines]
    gap = "" if there.endswith((b"\n", b"\r")) else newline
    write_whole(root / new.file, there + (gap + newline.join(lines) + newline).encode())


def _unused(one: Contribution) -> str:
    return f"not used yet, meant for {one.section}" if one.section else "not used yet"


def _written(edition: Edition, settings: Settings) -> str:
    file = edition.at.file
    return split((settings.root / file).read_bytes(), file.as_posix()).body


# -- what waits ----------------------------------------------------------------------------------------------------


def _waiting(content: Content, settings: Settings, date: datetime) -> list[Contribution]:
    """What no edition holds, and may stand in one that goes at `date`; an answer follows its question."""
    held = {Slug(name) for name in _held(content, settings)}
    found = [one for one in content.contributions.values() if one.slug not in held and _allowed(one, date)]
    return sorted(found, key=lambda one: (one.answers or one.slug, one.answers is not None, one.slug))


def _allowed(one: Contribution, date: datetime) -> bool:
    return not (one.withdrawn or (one.expires and one.expires <= date) or (one.embargo and one.embargo > date))


def _held(content: Content, settings: Settings) -> Iterator[str]:
    """The contributions that stand in an edition, or below the end of a draft."""
    yield from _placed(content, "contribution")
    for one in content.editions.values():
        if one.draft:
            yield from re.findall(r"(?m)^::contribution\[([^\]]*)\]", _written(one, settings))


def _placed(content: Content, what: str) -> set[str]:
    return {part.argument for one in content.editions.values() for part in one.body if isinstance(part, Placement) and part.what == what}


# -- lines ---------------------------------------------------------------------------------------------------------


def _width(rows: Iterable[Row]) -> int:
    return max((len(placement) for placement, _ in rows), default=0)


def _lines(rows: Iterable[Row], width: int) -> Iterator[str]:
    return (f"{placement:<{width}}  {label}".rstrip() for placement, label in rows)


def _dates(content: Content, settings: Settings, now: datetime, date: datetime) -> Iterator[Row]:
    begin = max(now, date)
    coming = sorted(
        (one for event in content.events.values() for one in calendar.occurrences(event, begin, begin + _RHYTHM * 2, 1)),
        key=lambda one: one.start,
    )
    for one in coming:
        local = one.start.astimezone(settings.community.zone)
        hosts = f", host: {_names(one.hosts, content)}" if one.hosts else ""
        yield f"::event[{one.event.slug}]", f"{local:%A} {local.day} {local:%B}, {_hour(local)}{hosts}"


def _hour(local: datetime) -> str:
    minutes = f".{local:%M}" if local.minute else ""
    return f"{local.hour % 12 or 12}{minutes} {'am' if local.hour < 12 else 'pm'}"


def _episodes(content: Content) -> Iterator[Row]:
    placed = _placed(content, "episode")
    for one in sorted(content.episodes.values(), key=lambda one: one.date):
        name = f"{one.show}/{one.slug}" if one.show else one.slug
        if name not in placed and not one.draft:
            minutes = max(1, round(one.audio.duration / 60))
            people = _names([credit.member or credit.name for credit in one.people], content)
            parts = [str(one.number or ""), f"{minutes} minutes" if minutes > 1 else "1 minute", f"with {people}" if people else ""]
            yield f"::episode[{name}]", ", ".join(part for part in parts if part)


def _row(one: Contribution, content: Content) -> Row:
    answers = sum(other.answers == one.slug and not other.withdrawn for other in content.contributions.values())
    who = _names([one.author], content) if one.author else text.fit(one.title, 60)
    counted = f"{answers} answer{'s' if answers > 1 else ''}" if answers else ""
    return f"::contribution[{one.slug}]", ", ".join(part for part in (str(one.kind), who, counted) if part)


def _names(slugs: Sequence[str], content: Content) -> str:
    members: Mapping[Slug, object] = content.members
    return ", ".join(content.members[Slug(one)].name if one in members else one for one in slugs)
