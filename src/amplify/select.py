"""What is public now, what is due, what is coming. The only step of the pipeline that sees the clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from amplify import calendar
from amplify.cache import fingerprint
from amplify.errors import AmplifyError
from amplify.model import (
    Content,
    Contribution,
    Edition,
    Episode,
    Event,
    Held,
    Key,
    Member,
    Occurrence,
    Placement,
    Publication,
    Slug,
)

T = TypeVar("T", Edition, Episode)
HORIZON = timedelta(days=400)
"""How far ahead the pages and calendars look."""
_AHEAD = 12
"""Dates shown of one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The folder as the world may see it at one moment. Newest first; `upcoming` soonest first."""

    editions: tuple[Edition, ...]
    episodes: tuple[Episode, ...]
    contributions: Mapping[Slug, Contribution]
    members: Mapping[Slug, Member]
    events: tuple[Event, ...]
    upcoming: tuple[Occurrence, ...]
    publications: tuple[Publication, ...]
    waiting: tuple[Held, ...]


def select(content: Content, now: datetime, *, drafts: bool = False) -> Selection:
    """What is public at `now`; with `drafts`, as if everything were (for the preview).

    A contribution is public if and only if a public edition places it, and its own dates allow it.
    """
    editions = _newest(one for one in content.editions.values() if drafts or _out(one, now))
    episodes = _newest(one for one in content.episodes.values() if drafts or _out(one, now))
    placed = {Slug(part.argument) for one in editions for part in one.body if isinstance(part, Placement) and part.what == "contribution"}
    contributions = {one.slug: one for one in content.contributions.values() if one.slug in placed and _allowed(one, now)}
    coming = (one for event in content.events.values() for one in calendar.occurrences(event, now, now + HORIZON, _AHEAD))
    return Selection(
        editions=editions,
        episodes=episodes,
        contributions=contributions,
        members=content.members,
        events=tuple(sorted(content.events.values(), key=lambda one: (one.start, one.slug))),
        upcoming=tuple(sorted(coming, key=lambda one: (one.start, one.event.slug))),
        publications=tuple(_publications(editions, episodes, contributions)),
        waiting=tuple(_waiting(content, now)),
    )


def edition_key(edition: Edition) -> Key:
    """The name of an edition in the ledger."""
    return Key(f"edition/{edition.id}")


def episode_key(episode: Episode) -> Key:
    """The name of an episode in the ledger."""
    return Key(f"episode/{episode.show}/{episode.id}" if episode.show else f"episode/{episode.id}")


def episode_path(episode: Episode) -> str:
    """The page of an episode, relative to the site."""
    return f"episodes/{episode.show}/{episode.slug}/" if episode.show else f"episodes/{episode.slug}/"


def _out(one: Edition | Episode, now: datetime) -> bool:
    return not one.draft and one.date <= now


def _allowed(one: Contribution, now: datetime) -> bool:
    return not (one.withdrawn or (one.embargo and one.embargo > now) or (one.expires and one.expires <= now))


def _newest(found: Iterable[T]) -> tuple[T, ...]:
    return tuple(sorted(found, key=lambda one: (one.date, one.slug), reverse=True))


def _publications(
    editions: Iterable[Edition], episodes: Iterable[Episode], contributions: Mapping[Slug, Contribution]
) -> Iterator[Publication]:
    for one in editions:
        yield Publication(
            key=edition_key(one), kind="edition", title=one.title, path=f"editions/{one.slug}/", due=one.date,
            audience=one.audience, digest=fingerprint(one, _in(one, contributions)), words=one.announce, at=one.at,
        )  # fmt: skip
    for episode in episodes:
        yield Publication(
            key=episode_key(episode), kind="episode", title=episode.title, path=episode_path(episode), due=episode.date,
            audience="", digest=fingerprint(episode), words=episode.announce, at=episode.at,
        )  # fmt: skip


def _in(edition: Edition, contributions: Mapping[Slug, Contribution]) -> list[Contribution]:
    names = (Slug(part.argument) for part in edition.body if isinstance(part, Placement) and part.what == "contribution")
    return [contributions[name] for name in names if name in contributions]


def _waiting(content: Content, now: datetime) -> Iterator[Held]:
    everything: tuple[Edition | Episode, ...] = (*content.editions.values(), *content.episodes.values())
    for one in everything:
        key = edition_key(one) if isinstance(one, Edition) else episode_key(one)
        if one.draft:
            yield Held(key=key, title=one.title, channel="", reason="draft")
        elif one.date > now:
            yield Held(key=key, title=one.title, channel="", reason="future", since=one.date)


def named(selection: Selection, names: Iterable[str]) -> tuple[Key, ...]:
    """The publications that people mean by a key, a slug, a file or a title. Raises AmplifyError naming what there is."""
    found: list[Key] = []
    waiting = {str(one.key): one for one in selection.waiting}
    for name in names:
        wanted = name.casefold()
        matches = [one.key for one in selection.publications if wanted in _names(one)]
        if not matches:
            held = next((one for one in waiting.values() if wanted in (str(one.key).casefold(), one.title.casefold())), None)
            because = (
                f"{held.title!r} is a draft or has a date to come; it cannot go."
                if held
                else f"There is nothing called {name!r} that is public."
            )
            known = ", ".join(one.path.strip("/") for one in selection.publications[:5])
            raise AmplifyError(f"{because} Nothing was sent.\n  Possible:  {known}")
        found += matches
    return tuple(found)


def _names(one: Publication) -> set[str]:
    slug = one.path.strip("/").rsplit("/", 1)[-1]
    return {
        str(one.key).casefold(),
        one.title.casefold(),
        slug,
        one.path.strip("/"),
        one.at.file.as_posix(),
        one.at.file.name,
        f"{one.kind}/{slug}",
    }
