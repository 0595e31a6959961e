"""Everything that a plugin needs, and the only module of Amplify that it imports.

A plugin is one file. It offers kinds of channels (or sources) through a hook; the settings make named instances of them:

    @hookimpl
    def amplify_channels():
        return [Channel("webhook", Options, Webhook)]

`Options` is a frozen dataclass of what may be written in `[[channel]]`; Amplify checks it. `Webhook(options, services)`
makes the instance. A *mirror* keeps a place equal to the built site, and running it again is harmless; an *announcer*
sends a publication out, and running it again would be a second post. Plugins are plain synchronous functions: the core
runs them side by side and retries, a plugin never does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, runtime_checkable

import pluggy

from amplify.errors import AmplifyError, MissingExtra, Paused, Permanent, Transient, Unknown, Unsure
from amplify.model import Asset, Bookmark, Delivery, Digest, Kind, Media, Message, Offer, Receipt, Recipient

__all__ = [
    "AmplifyError",
    "Announcer",
    "Asset",
    "Bookmark",
    "Channel",
    "Delivery",
    "Digest",
    "Kind",
    "Media",
    "Message",
    "Mirror",
    "MirrorSession",
    "MissingExtra",
    "Offer",
    "Paused",
    "Permanent",
    "Receipt",
    "Recipient",
    "Secret",
    "Services",
    "Source",
    "SourceKind",
    "Traits",
    "Transient",
    "Unknown",
    "Unsure",
    "hookimpl",
    "single",
]

hookimpl = pluggy.HookimplMarker("amplify")
hookspec = pluggy.HookspecMarker("amplify")


class Secret(str):
    """A password or a token: it shows as `•••` wherever it is printed by accident. `str(secret)` does not reveal it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "•••"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "•••"

    def reveal(self) -> str:
        """The secret itself, to hand to the far end and to nobody else."""
        return "".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the core lends to an instance: never the settings, never the ledger.

    `folder` is the community folder, against which relative paths in options are read; `cache` a folder that may vanish.
    """

    name: str
    folder: Path
    cache: Path
    clock: Callable[[], datetime]
    log: logging.Logger
    rehearsal: bool = False
    """The settings say `rehearsal = true`: whatever is sent must stay on this machine (`traits.outside` False)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What an announcer is like, as data; the core acts on it.

    `outside` False: nothing of it leaves this machine. `idempotent`: a second `deliver` of the same key does no harm.
    `connections` sessions are kept open side by side. `needs_person`: Amplify prepares, a person posts.
    """

    form: Literal["mail", "post", "article"]
    audience: Literal["public", "subscribers"]
    outside: bool = True
    idempotent: bool = False
    needs_person: bool = False
    connections: int = 1
    limit: int | None = None
    """Characters of a post."""
    media: int = 0
    """Pictures of a post."""
    cost: str | None = None
    per_second: float | None = None
    per_hour: int | None = None
    """Spread evenly over the hour."""
    per_day: int | None = None
    """In any 24 hours; what is left goes on the next day."""


class Source(Protocol):
    """A place to gather from."""

    def gather(self, since: Bookmark | None) -> Iterable[Offer | Bookmark]:
        """Offers, and after those that it covers, a bookmark."""


@runtime_checkable
class MirrorSession(Protocol):
    """A mirror while it is being changed."""

    def put(self, asset: Asset) -> None:
        """The file whole or not at all; its bytes are at `asset.source`."""

    def remove(self, path: PurePosixPath) -> None:
        """The file is gone; no error if it is gone already."""


@runtime_checkable
class Mirror(Protocol):
    """A place that is kept equal to the site. The core computes the difference and the order."""

    local: bool
    """Whether nothing of it leaves this machine."""

    def listing(self) -> Mapping[PurePosixPath, Digest]:
        """What Amplify wrote there and is still as it was written."""

    def read(self, path: PurePosixPath) -> bytes | None:
        """A file's bytes; None: surely not there. Raises Transient."""

    def session(self) -> AbstractContextManager[MirrorSession]:
        """For a run of changes; leaving it makes them last."""


@runtime_checkable
class Announcer(Protocol):
    """Sends a publication out."""

    traits: Traits

    def session(self, message: Message) -> AbstractContextManager[Callable[[Delivery], Receipt]]:
        """One for each connection. The function raises Permanent, Transient or Unsure; any other exception is Unsure."""

    def find(self, delivery: Delivery, message: Message) -> Receipt | None:
        """Whether it arrived: a receipt, or None for *surely not there*. Raises Unknown."""


def single(deliver: Callable[[Delivery, Message], Receipt], message: Message) -> AbstractContextManager[Callable[[Delivery], Receipt]]:
    """The `session` to borrow for a channel that keeps nothing open."""

    @contextmanager
    def session() -> Iterator[Callable[[Delivery], Receipt]]:
        yield lambda delivery: deliver(delivery, message)

    return session()


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of channel: its name, the dataclass of its options, and what makes an instance."""

    name: str
    options: type[Any]
    make: Callable[[Any, Services], Mirror | Announcer]


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source."""

    name: str
    options: type[Any]
    make: Callable[[Any, Services], Source]


class Hooks:
    """What a plugin may offer. Both hooks only offer kinds; the core calls the instances by name."""

    @hookspec
    def amplify_channels(self) -> Iterable[Channel]:
        """The kinds of channels in this plugin."""
        return ()

    @hookspec
    def amplify_sources(self) -> Iterable[SourceKind]:
        """The kinds of sources in this plugin."""
        return ()
