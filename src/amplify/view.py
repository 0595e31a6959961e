"""What templates receive: each thing already looked up and named, nothing yet rendered.

A view is a value. Its fingerprint decides whether a page is rendered again, so everything that a template shows and
that can change stands in the view or in the settings. Templates never look anything up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from amplify.model import Contribution, Edition, Episode, Event, Member, Occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """How someone is credited, as they wish. `path` is their page, relative to the site, or ""."""

    name: str
    path: str = ""
    role: str = ""
    photo: str = ""
    """Path of the picture relative to the site, or ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A title and a path relative to the site, or a fragment."""

    title: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading inside an edition."""

    type: ClassVar[str] = "section"
    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The organiser's own words, Markdown."""

    type: ClassVar[str] = "words"
    markdown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A contribution where an edition places it. `answers` are the placed answers to a question."""

    type: ClassVar[str] = "item"
    contribution: Contribution
    author: Person
    anchor: str
    answers: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeCard:
    """An episode where something points at it. Paths are relative to the site; `audio` may be absolute."""

    type: ClassVar[str] = "episode"
    episode: Episode
    path: str
    audio: str
    artwork: str
    transcript: str
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCard:
    """One time that an event takes place. `calendar` is the path of its .ics."""

    type: ClassVar[str] = "event"
    occurrence: Occurrence
    path: str
    calendar: str
    hosts: tuple[Person, ...]

    @property
    def event(self) -> Event:
        """The event itself."""
        return self.occurrence.event


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """A list of dates that `::events[from/to]` placed."""

    type: ClassVar[str] = "events"
    cards: tuple[EventCard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Five words to click: each a mailto address with its subject."""

    type: ClassVar[str] = "feedback"
    choices: tuple[Link, ...]


Block = Section | Words | Item | EpisodeCard | EventCard | Events | Feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionCard:
    """An edition in a list."""

    edition: Edition
    path: str
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionView:
    """An edition as page or mail."""

    edition: Edition
    path: str
    image: str
    blocks: tuple[Block, ...]
    contents: tuple[Link, ...]
    """Its sections, as `#anchor`."""
    people: tuple[Person, ...]
    """Who is in it, each once."""
    older: Link | None
    newer: Link | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeView:
    """An episode's page. `editions` are the public editions that place it."""

    card: EpisodeCard
    show_title: str
    feed: str
    """Path of the show's feed."""
    older: Link | None
    newer: Link | None
    editions: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event's page."""

    event: Event
    path: str
    calendar: str
    hosts: tuple[Person, ...]
    upcoming: tuple[EventCard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """A member's page: what they gave and where they are heard."""

    member: Member
    person: Person
    path: str
    gave: tuple[Item, ...]
    gave_in: Mapping[str, Link]
    """Where each contribution (by slug) was placed."""
    heard: tuple[EpisodeCard, ...]
    hosts: tuple[EventCard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """Home in one screen: what is this, what is new, what is next, how do I take part."""

    latest: EditionCard | None
    inside: tuple[Link, ...]
    """What is in the latest edition, as links into it."""
    episode: EpisodeCard | None
    upcoming: tuple[EventCard, ...]
    recent: tuple[EditionCard, ...]
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """A podcast on the pages. `feed` and `path` are relative to the site."""

    title: str
    description: str
    author: str
    path: str
    feed: str
    artwork: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """What every page knows: `site` in each template. The flags say which sections exist."""

    name: str
    url: str
    language: str
    direction: str
    purpose: str
    contact: str
    hashtags: tuple[str, ...]
    newsletter: str
    """The newsletter's title, or "" where there is none."""
    postal_address: str
    shows: tuple[Show, ...]
    has_editions: bool
    has_episodes: bool
    has_events: bool
    has_people: bool
    logo: str
    join: str
    """Where one subscribes: the web application's address, or a mailto address."""
    style: str
    """Path of the style sheet, with its version."""
    script: str
