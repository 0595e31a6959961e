"""Front matter into records: for what may be written in each folder, one function that makes the record.

A maker gets a `Reading` of the file, which collects the problems. It never raises for what a person wrote; a file with
problems gives no record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from amplify import calendar, fronts, media, text, times
from amplify.cache import digest_file
from amplify.errors import Problem
from amplify.model import (
    Audio,
    Chapter,
    Consent,
    Contribution,
    Credit,
    Digest,
    Edition,
    Episode,
    Event,
    Heading,
    Member,
    Placement,
    Prose,
    Provenance,
    Slug,
    Soundbite,
    Transcript,
)
from amplify.reading import ADDRESS, Reading

_NO_DIGEST = Digest("")


def member(reading: Reading) -> Member | None:
    """A file of `members/`."""
    front = reading.front(fronts.MemberFront)
    if front is None:
        return None
    return Member(
        slug=reading.slug, name=text.one_line(front.name), handles={key: text.one_line(value) for key, value in front.handles.items()},
        url=reading.address("url", front.url), photo=reading.picture("photo", front.photo, text.one_line(front.name)),
        pronouns=front.pronouns, role=text.one_line(front.role), credit=front.credit, bio=reading.page.body.strip(),
        at=reading.at, digest=_NO_DIGEST,
    )  # fmt: skip


def contribution(reading: Reading) -> Contribution | None:
    """A file of `contributions/`."""
    front = reading.front(fronts.ContributionFront)
    if front is None:
        return None
    answers = reading.slugs("answers", (front.answers,)) if front.answers else ()
    provenance = (Provenance(source=front.source, id=front.id or reading.slug, url=front.url or None),) if front.source else ()
    return Contribution(
        slug=reading.slug, id=reading.identity(front.id), kind=front.kind, title=text.one_line(front.title), body=reading.page.body.strip(),
        author=text.one_line(front.author), url=reading.address("url", front.url), offered=reading.moment("date", front.date),
        provenance=provenance, licence=front.licence or None, consent=_consent(front.consent), tags=front.tags,
        section=front.section or None, answers=answers[0] if answers else None, embargo=reading.moment("embargo", front.embargo),
        expires=reading.last_moment("expires", front.expires), withdrawn=reading.moment("withdrawn", front.withdrawn),
        at=reading.at, digest=_NO_DIGEST,
    )  # fmt: skip


def _consent(given: Mapping[Any, bool]) -> Consent:
    return Consent(name=given.get("name"), picture=given.get("picture"), voice=given.get("voice"))


def edition(reading: Reading) -> Edition | None:
    """A file of `editions/`."""
    front = reading.front(fronts.EditionFront)
    if front is None:
        return None
    moment = reading.moment("date", front.date)
    title = text.one_line(front.title)
    if moment is None:
        return None
    return Edition(
        id=reading.identity(front.id), slug=reading.slug, was=reading.slugs("was", front.was), title=title, date=moment,
        language=front.language or reading.language, draft=front.draft, audience=front.audience,
        subject=text.one_line(front.subject) or title, preheader=text.one_line(front.preheader), summary=text.one_line(front.summary),
        image=reading.picture("image", front.image, text.one_line(front.alt)),
        announce={key: text.plain(value) for key, value in front.announce.items()}, body=body(reading), at=reading.at, digest=_NO_DIGEST,
    )  # fmt: skip


_PLACEMENT = re.compile(r"::(\w+)(?:\[([^\]]*)\])?(.*)")
_PLACED = ("contribution", "episode", "event", "events", "feedback")


def body(reading: Reading) -> tuple[Heading | Prose | Placement, ...]:
    """An edition's body: headings, placements on lines of their own, and the organiser's words between them."""
    parts: list[Heading | Prose | Placement] = []
    prose: list[str] = []

    def flush() -> None:
        if words := "\n".join(prose).strip():
            parts.append(Prose(markdown=words))
        prose.clear()

    for number, (line, code) in enumerate(text.fenced(reading.page.body), start=reading.page.body_line):
        if code:
            prose.append(line)
        elif heading := re.fullmatch(r"(#{1,4})\s+(.*?)\s*#*\s*", line):
            flush()
            parts.append(Heading(level=max(2, len(heading[1])), text=text.one_line(heading[2])))
        elif line.startswith("::"):
            flush()
            if text.ends(line):
                break
            if placement := _placement(reading, line, number):
                parts.append(placement)
        else:
            prose.append(line)
    flush()
    return tuple(parts)


def _placement(reading: Reading, line: str, number: int) -> Placement | None:
    found = _PLACEMENT.fullmatch(line.rstrip())
    what: Any = found[1] if found else ""
    if not found or what not in _PLACED or found[2] is None:
        message = f"{text.fit(line, 60)!r} places nothing"
        remedy = "write ::contribution[name], ::episode[name], ::event[name], ::events[2026-11-01/2026-11-30], ::feedback[] or ::end"
        reading.problems.append(Problem(file=reading.file.as_posix(), line=number, rule="C09", message=message, remedy=remedy))
        return None
    argument = found[2].strip()
    if what == "events":
        try:
            times.parse_days(argument)
        except ValueError as error:
            reading.problems.append(Problem(file=reading.file.as_posix(), line=number, rule="C05", message=f"::events: {error}"))
            return None
    return Placement(what=what, argument=argument, line=number)


def episode(reading: Reading) -> Episode | None:
    """A file of `episodes/`, its audio and transcript."""
    front = reading.front(fronts.EpisodeFront)
    if front is None:
        return None
    identity, moment = reading.identity(front.id), reading.moment("date", front.date)
    audio = _audio(reading, front.audio)
    if audio is None or moment is None:
        return None
    chapters = tuple(
        Chapter(start=reading.clock(f"chapters.{n}", one.start), title=text.one_line(one.title),
                url=reading.address(f"chapters.{n}", one.url), image=_chapter_image(reading, f"chapters.{n}", one), toc=one.toc)
        for n, one in enumerate(front.chapters)
    )  # fmt: skip
    _check_chapters(reading, chapters, audio.duration)
    show = f"{reading.show}/" if reading.show else ""
    return Episode(
        show=reading.show, id=identity, slug=reading.slug, was=reading.slugs("was", front.was),
        guid=front.guid or f"episode/{show}{identity}", title=text.one_line(front.title), date=moment,
        language=front.language or reading.language, draft=front.draft,
        number=_positive(reading, "number", front.number), season=_positive(reading, "season", front.season), type=front.type,
        summary=text.one_line(front.summary), notes=reading.page.body.strip(), audio=audio, explicit=front.explicit,
        people=_people(reading, front.people), chapters=chapters, soundbites=_soundbites(reading, front.soundbites, audio.duration),
        transcript=_transcript(reading, front.transcript), artwork=reading.picture("artwork", front.artwork, text.one_line(front.title)),
        announce={key: text.plain(value) for key, value in front.announce.items()}, at=reading.at, digest=_NO_DIGEST,
    )  # fmt: skip


def _chapter_image(reading: Reading, key: str, one: fronts.ChapterFront) -> str | None:
    picture = reading.picture(key, one.image, text.one_line(one.title))
    return picture.path if picture else None


def _positive(reading: Reading, key: str, number: int | None) -> int | None:
    if number is not None and number < 1:
        reading.wrong(key, "F71", f"{key} is {number}", "count from 1, or leave it out")
    return number


def _audio(reading: Reading, written: str | fronts.AudioFront) -> Audio | None:
    if isinstance(written, fronts.AudioFront):
        if written.length < 1 or not ADDRESS.fullmatch(written.url):
            reading.wrong("audio", "F61", "audio elsewhere needs its address and its true length in bytes")
            return None
        duration = reading.clock("audio", written.duration)
        return Audio(address=written.url, length=written.length, type=written.type, duration=duration, digest=None, source=None)
    if ADDRESS.fullmatch(written):
        reading.wrong(
            "audio",
            "F61",
            "audio that is hosted elsewhere needs more",
            "write audio: {url: …, length: bytes, type: audio/mpeg, duration: 28:10}",
        )
        return None
    path = reading.beside("audio", written, (reading.file.parent, Path()))
    if path is None:
        return None
    if not re.fullmatch(r"[A-Za-z0-9._-]+", path.name):
        reading.wrong(
            "audio",
            "F10",
            f"audio: {text.fit(path.name, 60)!r} would not work as an address",
            "use letters, digits, dots and hyphens in its name",
        )
    try:
        sound = media.audio(path)
    except media.MediaError as error:
        reading.wrong("audio", "C12", f"audio: {path.name} {error}")
        return None
    source = path.relative_to(reading.root)
    return Audio(address=path.name, length=sound.length, type=sound.type, duration=sound.duration, digest=digest_file(path), source=source)


def _check_chapters(reading: Reading, chapters: tuple[Chapter, ...], duration: float) -> None:
    starts = [chapter.start for chapter in chapters]
    if starts != sorted(set(starts)):
        reading.wrong("chapters", "F77", "the chapters are not in order of time")
    if starts and starts[-1] >= duration:
        reading.wrong(
            "chapters", "F77", f"a chapter begins at {times.clock(starts[-1])}, after the end of the recording ({times.clock(duration)})"
        )


def _soundbites(reading: Reading, written: tuple[fronts.SoundbiteFront, ...], duration: float) -> tuple[Soundbite, ...]:
    bites = tuple(
        Soundbite(
            start=reading.clock("soundbites", one.start), duration=reading.clock("soundbites", one.duration), title=text.one_line(one.title)
        )
        for one in written
    )
    if any(bite.start + bite.duration > duration for bite in bites):
        reading.wrong("soundbites", "F80", "a soundbite ends after the end of the recording")
    return bites


def _people(reading: Reading, written: tuple[fronts.PersonFront, ...]) -> tuple[Credit, ...]:
    for number, one in enumerate(written):
        if bool(one.member) == bool(one.name):
            reading.wrong(f"people.{number}", "C05", "a person is either a member or a name", "write member: sam-okoro or name: Sam Okoro")
    return tuple(
        Credit(member=Slug(one.member) if one.member else None, name=text.one_line(one.name), role=one.role.lower()) for one in written
    )


def _transcript(reading: Reading, written: str) -> Transcript | None:
    path = reading.beside("transcript", written, (reading.file.parent, Path())) if written else None
    if path is None:
        return None
    kind = {".vtt": "text/vtt", ".srt": "application/x-subrip"}.get(path.suffix.lower())
    if kind is None:
        reading.wrong("transcript", "F75", f"transcript: {path.name} is neither .vtt nor .srt")
        return None
    try:
        return Transcript(source=path.relative_to(reading.root), type=kind, cues=media.transcript(path))
    except media.MediaError as error:
        reading.wrong("transcript", "C12", f"transcript: {error}")
        return None


def event(reading: Reading) -> Event | None:
    """A file of `events/`."""
    front = reading.front(fronts.EventFront)
    if front is None:
        return None
    zone = reading.try_("timezone", lambda: times.zone(front.timezone), reading.zone) if front.timezone else reading.zone
    start = reading.moment("start", front.start, zone)
    if front.end and front.duration:
        reading.wrong("end", "C05", "an event has an end or a duration, not both")
    end = reading.moment("end", front.end, zone)
    duration = (
        reading.try_("duration", lambda: times.parse_duration(front.duration), timedelta(hours=1)) if front.duration else timedelta(hours=1)
    )
    if start and end and end <= start:
        reading.wrong("end", "C05", "the event ends before it begins")
    if front.rrule:
        reading.try_("rrule", lambda: calendar.check_rule(front.rrule), None)
    if start is None:
        return None
    return Event(
        id=reading.identity(front.id), slug=reading.slug, was=reading.slugs("was", front.was), title=text.one_line(front.title),
        start=start, duration=end - start if end else duration, zone=zone.key, rrule=front.rrule or None,
        exdates=reading.try_("exdates", lambda: tuple(times.parse_day(day) for day in front.exdates), ()),
        where=text.one_line(front.place), url=reading.address("url", front.url), kind=text.one_line(front.kind),
        hosts=reading.slugs("hosts", front.hosts), theme=text.one_line(front.theme),
        questions=tuple(text.one_line(question) for question in front.questions), body=reading.page.body.strip(),
        at=reading.at, digest=_NO_DIGEST,
    )  # fmt: skip
