"""The next edition's file, written from what no edition holds yet: a section for each kind, each item on a line of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from amplify import calendar, text, times
from amplify.cache import fingerprint, write_whole
from amplify.config import Settings
from amplify.errors import AmplifyError
from amplify.model import Content, Contribution, Kind, Member, Placement, Slug

_SECTIONS = (
    ("You asked", (Kind.QUESTION, Kind.ANSWER, Kind.DISCUSSION)),
    ("Worth your time", (Kind.ARTICLE, Kind.RESOURCE, Kind.PROJECT)),
    ("Join in", (Kind.CHALLENGE, Kind.CALL, Kind.EVENT)),
    ("Well done", (Kind.CELEBRATION,)),
)
_RHYTHM = timedelta(days=28)


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
    front = [
        "---",
        f"id: ed-{fingerprint(slug, settings.community.name)[:6]}    # leave this line alone",
        f"title: {json.dumps(title, ensure_ascii=False)}",
        f"date: {local:%Y-%m-%d %H:%M}    # goes with the first publish after this",
        "draft: true    # take this line away when it may go",
        f"subject: {json.dumps(title, ensure_ascii=False)}",
        'preheader: ""    # 40 to 90 characters that follow the subject in a list of mails',
        "---",
    ]
    return PurePosixPath("editions") / f"{slug}.md", "\n".join([*front, *_body(content, settings, now, date)]) + "\n"


def write(file: Path, words: str) -> None:
    """Write the draft. Raises AmplifyError where a file is there already: what people edit is never written over."""
    if file.exists():
        raise AmplifyError(f"{file} is there already and was not touched.\n  Another day:  amplify draft --date 2026-12-16")
    write_whole(file, words.encode())


def _next(content: Content, now: datetime) -> datetime:
    last = max((one.date for one in content.editions.values()), default=now - _RHYTHM)
    while last <= now:
        last += _RHYTHM
    return last


def _free(content: Content, *names: str) -> Slug:
    return next((Slug(name) for name in names if name not in content.editions), Slug(names[-1]))


def _body(content: Content, settings: Settings, now: datetime, date: datetime) -> Iterator[str]:
    yield "Dear all,"
    yield ""
    if dates := list(_dates(content, settings, now, date)):
        yield from ("## Meet", *dates, "")
    if episodes := list(_episodes(content)):
        yield from ("## Listen", *episodes, "")
    waiting = [one for one in content.contributions.values() if one.slug not in _placed(content, "contribution") and not one.withdrawn]
    for heading, kinds in _SECTIONS:
        if items := [one for one in waiting if one.kind in kinds]:
            ordered = sorted(items, key=lambda one: (one.answers or one.slug, one.answers is not None, one.slug))
            yield from (f"## {heading}", *(_line(one, content) for one in ordered), "")
    yield "::feedback[]"
    yield "::end"


def _placed(content: Content, what: str) -> set[str]:
    return {part.argument for one in content.editions.values() for part in one.body if isinstance(part, Placement) and part.what == what}


def _dates(content: Content, settings: Settings, now: datetime, date: datetime) -> Iterator[str]:
    begin = max(now, date)
    coming = sorted(
        (one for event in content.events.values() for one in calendar.occurrences(event, begin, begin + _RHYTHM * 2, 1)),
        key=lambda one: one.start,
    )
    for one in coming:
        local = one.start.astimezone(settings.community.zone)
        yield f"::event[{one.event.slug}]    {one.event.title}, {local:%A} {local.day} {local:%B}"


def _episodes(content: Content) -> Iterator[str]:
    placed = _placed(content, "episode")
    for one in sorted(content.episodes.values(), key=lambda one: one.date):
        name = f"{one.show}/{one.slug}" if one.show else one.slug
        if name not in placed and not one.draft:
            yield f"::episode[{name}]    {one.title}"


def _line(one: Contribution, content: Content) -> str:
    member: Member | None = content.members.get(Slug(one.author))
    who = f", {member.name if member else one.author}" if one.author else ""
    return f"::contribution[{one.slug}]    {one.kind}{who}: {text.fit(one.title, 60)}"
