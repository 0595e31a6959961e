"""The nouns. Frozen, without I/O, importing nothing of ours.

Every datetime is aware and in UTC; every collection is a tuple or a mapping that nobody changes. Three kinds of noun
are never mixed: *found* (what a source saw, untrusted), *meant* (the folder, and what goes out), *happened* (receipts).
Identity comes from files and settings, never from the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Literal, NewType

Slug = NewType("Slug", str)
"""`[a-z0-9]+(-[a-z0-9]+)*`: a file's stem and its address, unique in its folder."""
Key = NewType("Key", str)
"""`kind/id[@occurrence][#moment]`, where id is the front matter's `id`, else the slug."""
Digest = NewType("Digest", str)
"""blake2b-128 in hexadecimal, over canonical bytes."""


class Kind(StrEnum):
    """What a contribution is."""

    ARTICLE = "article"
    RESOURCE = "resource"
    QUESTION = "question"
    ANSWER = "answer"
    DISCUSSION = "discussion"
    EVENT = "event"
    CELEBRATION = "celebration"
    CHALLENGE = "challenge"
    PROJECT = "project"
    CALL = "call"


class State(StrEnum):
    """Where a delivery stands; see `store` for who may move it."""

    PLANNED = "planned"
    SENDING = "sending"
    DEFERRED = "deferred"
    DOUBT = "in doubt"
    WAITING = "waiting"
    DELIVERED = "delivered"
    REFUSED = "refused"
    SKIPPED = "skipped"


# -- found ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture or a file: `path` is relative to the community folder, or an https address; sizes in pixels."""

    path: str
    alt: str = ""
    type: str = ""
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a source saw. Untrusted: never rendered, never a path; becomes a Contribution only when accepted.

    `id` is the source's own and permanent; `handle` is how the author is known there: a mail address, a profile, an @name.
    """

    id: str
    title: str = ""
    body: str = ""
    form: Literal["html", "markdown", "text"] = "html"
    """How `body` is written."""
    kind: Kind = Kind.ARTICLE
    url: str | None = None
    author: str = ""
    handle: str = ""
    offered: datetime | None = None
    tags: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    reply_to: str | None = None
    """The id or the address of what it answers."""
    licence: str = ""
    consent: bool | None = None
    """Whether the author may be named; None: nobody asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """Where a source got to; stored in one commit with the offers that it covers."""

    value: str


ItemState = Literal["new", "held", "accepted", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing in the inbox: an offer as it stands now, however many sources brought it.

    `news` is what the far end made of it since somebody decided; `slug` the contribution that it became; `until` when it comes back.
    """

    id: int
    state: ItemState
    offer: Offer
    sources: tuple[str, ...]
    seen: datetime
    news: Offer | None = None
    slug: str = ""
    until: datetime | None = None
    written: str = ""
    """The digest of the file as accepting wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody decided about an item, when and why."""

    at: datetime
    who: str
    was: ItemState
    became: ItemState
    reason: str


# -- meant: the folder ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is written: `file` relative to the community, `line` from 1."""

    file: Path
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a contributor agreed to; None: nobody asked yet."""

    name: bool | None = None
    picture: bool | None = None
    voice: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person who agreed to be listed, and how they want to be credited."""

    slug: Slug
    name: str
    handles: Mapping[str, str]
    url: str | None
    photo: Media | None
    pronouns: str
    role: str
    credit: Literal["named", "first name", "anonymous"]
    bio: str
    at: Place
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a contribution came from."""

    source: str
    id: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """An accepted offer. Public if and only if a public edition or episode places it."""

    slug: Slug
    id: str
    kind: Kind
    title: str
    body: str
    author: str
    url: str | None
    offered: datetime | None
    provenance: tuple[Provenance, ...]
    licence: str | None
    consent: Consent
    tags: tuple[str, ...]
    section: str | None
    answers: Slug | None
    embargo: datetime | None
    expires: datetime | None
    withdrawn: datetime | None
    at: Place
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A section of an edition; level 2 to 4."""

    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """The organiser's own words, as Markdown."""

    markdown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A line `::what[argument]` that puts a thing into an edition."""

    what: Literal["contribution", "episode", "event", "events", "feedback"]
    argument: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One number of the newsletter."""

    id: str
    slug: Slug
    was: tuple[Slug, ...]
    title: str
    date: datetime
    language: str
    draft: bool
    audience: str
    subject: str
    preheader: str
    summary: str
    image: Media | None
    announce: Mapping[str, str]
    body: tuple[Heading | Prose | Placement, ...]
    at: Place
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """An enclosure: `length` in bytes, `duration` in seconds; `source` None means that it is hosted elsewhere."""

    address: str
    length: int
    type: str
    duration: float
    digest: Digest | None
    source: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Someone heard in an episode."""

    member: Slug | None
    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A part of an episode; `start` in seconds."""

    start: float
    title: str
    url: str | None = None
    image: str | None = None
    toc: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundbite:
    """A short piece of an episode worth quoting; times in seconds (F80)."""

    start: float
    duration: float
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One caption of a transcript; times in seconds."""

    start: float
    end: float
    speaker: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is said in an episode; `source` is the file, relative to the community."""

    source: Path
    type: str
    cues: tuple[Cue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One instalment of a podcast. `show` is "" for the first show, else its slug."""

    show: str
    id: str
    slug: Slug
    was: tuple[Slug, ...]
    guid: str
    title: str
    date: datetime
    language: str
    draft: bool
    number: int | None
    season: int | None
    type: Literal["full", "trailer", "bonus"]
    summary: str
    notes: str
    audio: Audio
    explicit: bool
    people: tuple[Credit, ...]
    chapters: tuple[Chapter, ...]
    soundbites: tuple[Soundbite, ...]
    transcript: Transcript | None
    artwork: Media | None
    announce: Mapping[str, str]
    at: Place
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A meeting, a webinar, a chat: once, or by an RFC 5545 rule in its own time zone."""

    id: str
    slug: Slug
    was: tuple[Slug, ...]
    title: str
    start: datetime
    duration: timedelta
    zone: str
    rrule: str | None
    exdates: tuple[date, ...]
    where: str
    url: str | None
    kind: str
    hosts: tuple[Slug, ...]
    theme: str
    questions: tuple[str, ...]
    body: str
    at: Place
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The whole folder. Episodes are keyed by (show, slug)."""

    members: Mapping[Slug, Member]
    contributions: Mapping[Slug, Contribution]
    editions: Mapping[Slug, Edition]
    episodes: Mapping[tuple[str, Slug], Episode]
    events: Mapping[Slug, Event]
    assets: Mapping[PurePosixPath, Asset]


# -- meant: what goes out ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One time that an event takes place; `host` follows the rota."""

    event: Event
    start: datetime
    end: datetime
    hosts: tuple[Slug, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What goes out as a unit: an edition, an episode. `path` is its page, relative to the site; `due` when it may go."""

    key: Key
    kind: Literal["edition", "episode"]
    title: str
    path: str
    due: datetime
    audience: str
    digest: Digest
    words: Mapping[str, str]
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of the site. The bytes stay on disk at `source`; `rank` orders uploads: nothing links to what is not there."""

    path: PurePosixPath
    digest: Digest
    size: int
    type: str
    source: Path
    rank: Literal["file", "page", "index"] = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A manifest of the built site, never its bytes. `digest` names the whole; `pages` counts what was rendered anew."""

    assets: Mapping[PurePosixPath, Asset]
    digest: Digest
    rendered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A publication in the form that an announcer takes.

    `headers` are a mail's, in order; `fields` the tokens in text, html and headers that each recipient's values replace;
    `date` when the announcement opened.
    """

    publication: Key
    form: Literal["mail", "post", "article"]
    language: str
    subject: str
    text: str
    html: str | None
    link: str
    date: datetime
    digest: Digest
    headers: tuple[tuple[str, str], ...] = ()
    media: tuple[Media, ...] = ()
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who gets a delivery. `id` is 128 random bits, never the address."""

    id: str
    address: str
    name: str
    language: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """Someone on the mailing list, as the desk shows them."""

    id: str
    address: str
    name: str
    tags: tuple[str, ...]
    status: str
    consent_at: datetime | None
    consent_how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One announcement to one recipient (None: the public). Ids at the far end derive from `key` alone."""

    id: int
    key: str
    publication: Key
    channel: str
    recipient: Recipient | None
    attempt: int
    values: Mapping[str, str]


# -- happened ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the far end answered."""

    id: str
    url: str | None
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One publication on one channel, as the ledger has it; `counts` by state."""

    id: int
    publication: Key
    channel: str
    title: str
    digest: Digest
    rehearsal: bool
    opened: datetime
    closed: datetime | None
    counts: Mapping[State, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`amplify.json`: the ledger's opaque id, the run, and the opaque ids of the announcements claimed."""

    ledger: str
    run: int
    claimed: tuple[str, ...]


# -- the plan: counts, never lists of recipients ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorStep:
    """What makes a mirror equal to the site. `new` and `changed` are in the order in which they are put."""

    channel: str
    new: tuple[Asset, ...]
    changed: tuple[Asset, ...]
    remove: tuple[PurePosixPath, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Of those left, `left` have addresses at `domain`; `today` of them may still go now, and `per_day` in any 24 hours."""

    domain: str
    left: int
    today: int
    per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceStep:
    """A publication that a channel sends, in its `form`: `opens` now, or goes on.

    `left` recipients of `left + delivered`, and `doubt` to ask about; `per_day` is the channel's limit, `today` what is left of it.
    """

    publication: Publication
    channel: str
    opens: bool
    left: int
    delivered: int
    doubt: int = 0
    outside: bool
    rehearsal: bool
    changed: bool
    per_day: int | None = None
    today: int | None = None
    limits: tuple[Limit, ...] = ()
    form: Literal["mail", "post", "article"] = "mail"


Reason = Literal["draft", "future", "archive", "quiet", "rehearsed only", "audience empty", "not online yet", "copy?", "renamed?"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What does not go now, and why; `since` or until when, where that is known."""

    key: Key
    title: str
    channel: str
    reason: Reason
    since: datetime | None = None
    hint: str = ""
    """What settles it, where a person has to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that `publish` would do now."""

    now: datetime
    mirrors: tuple[MirrorStep, ...]
    announce: tuple[AnnounceStep, ...]
    held: tuple[Held, ...]
    doubt: int = 0
    waiting: int = 0
