"""What may be written in the front matter of each folder: one dataclass for each, as the file has it.

Text stays text here, dates and times included; `records` reads it with the community's clock and folder at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from amplify.model import Kind


def _listed(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


@dataclass(frozen=True, kw_only=True)
class MemberFront:
    """`members/*.md`."""

    name: str
    handles: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    photo: str = ""
    pronouns: str = ""
    role: str = ""
    credit: Literal["named", "first name", "anonymous"] = "named"


@dataclass(frozen=True, kw_only=True)
class ContributionFront:
    """`contributions/*.md`."""

    title: str
    kind: Kind = Kind.ARTICLE
    author: str = ""
    url: str = ""
    date: str = ""
    source: str = ""
    id: str = ""
    licence: str = ""
    consent: Mapping[Literal["name", "picture", "voice"], bool] = field(default_factory=dict)
    tags: Words = ()
    section: str = ""
    answers: str = ""
    embargo: str = ""
    expires: str = ""
    withdrawn: str = ""


@dataclass(frozen=True, kw_only=True)
class EditionFront:
    """`editions/*.md`."""

    title: str
    date: str
    id: str = ""
    subject: str = ""
    preheader: str = ""
    summary: str = ""
    draft: bool = False
    audience: str = ""
    image: str = ""
    alt: str = ""
    announce: Mapping[str, str] = field(default_factory=dict)
    was: Words = ()
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class PersonFront:
    """One entry of `people`."""

    member: str = ""
    name: str = ""
    role: str = "guest"


@dataclass(frozen=True, kw_only=True)
class ChapterFront:
    """One entry of `chapters`."""

    start: str
    title: str
    url: str = ""
    image: str = ""
    toc: bool = True


@dataclass(frozen=True, kw_only=True)
class SoundbiteFront:
    """One entry of `soundbites`."""

    start: str
    duration: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class AudioFront:
    """`audio` where the recording is hosted elsewhere."""

    url: str
    length: int
    duration: str
    type: str = "audio/mpeg"


@dataclass(frozen=True, kw_only=True)
class EpisodeFront:
    """`episodes/*.md`."""

    title: str
    date: str
    audio: str | AudioFront
    id: str = ""
    number: int | None = None
    season: int | None = None
    type: Literal["full", "trailer", "bonus"] = "full"
    summary: str = ""
    guid: str = ""
    explicit: bool = False
    people: tuple[PersonFront, ...] = ()
    chapters: tuple[ChapterFront, ...] = ()
    soundbites: tuple[SoundbiteFront, ...] = ()
    transcript: str = ""
    artwork: str = ""
    draft: bool = False
    announce: Mapping[str, str] = field(default_factory=dict)
    was: Words = ()
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class EventFront:
    """`events/*.md`."""

    title: str
    start: str
    end: str = ""
    duration: str = ""
    rrule: str = ""
    exdates: Words = ()
    place: str = ""
    url: str = ""
    kind: str = "meeting"
    hosts: Words = ()
    theme: str = ""
    questions: tuple[str, ...] = ()
    id: str = ""
    was: Words = ()
    timezone: str = ""
