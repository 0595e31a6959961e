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

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, runtime_checkable

import pluggy

from amplify.errors import (
    AmplifyError,
    DeliveryError,
    MissingExtra,
    Paused,
    Permanent,
    Stranger,
    Transient,
    Unknown,
    Unreadable,
    Unsure,
)
from amplify.frontmatter import Broken, split
from amplify.headers import named_header, words_header
from amplify.incoming import Incoming, read_mail
from amplify.listed import ListedMirror, Place
from amplify.model import Asset, Bookmark, Delivery, Digest, Kind, Media, Message, Offer, Receipt, Recipient
from amplify.secret import Secret
from amplify.times import parse_moment

__all__ = [
    "AmplifyError",
    "Announcer",
    "Apart",
    "Asked",
    "Asset",
    "Bookmark",
    "Channel",
    "Checked",
    "Delivery",
    "DeliveryError",
    "Digest",
    "Http",
    "Incoming",
    "Kind",
    "ListedMirror",
    "Media",
    "Message",
    "Mirror",
    "MirrorSession",
    "MissingExtra",
    "Offer",
    "Paused",
    "Permanent",
    "Place",
    "Receipt",
    "Recipient",
    "Response",
    "Secret",
    "Services",
    "Source",
    "SourceKind",
    "Stranger",
    "Traits",
    "Transient",
    "Unknown",
    "Unreadable",
    "Unsure",
    "front_matter",
    "hookimpl",
    "named_header",
    "parse_moment",
    "read_mail",
    "single",
    "words_header",
]

hookimpl = pluggy.HookimplMarker("amplify")
hookspec = pluggy.HookspecMarker("amplify")


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
    zone: tzinfo = UTC
    """The clock of the community, for times that name no other."""
    http: Http
    """Fetches and posts."""
    apart: Apart
    """Runs what reads the words of others in a process of its own."""
    keep: Callable[[bytes, str], Media]
    """Keeps a picture that came with an offer, under the words that describe it, until somebody decides. Raises Unreadable."""
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
    per_day_to: Mapping[str, int] = field(default_factory=dict)
    """The same for single domains of addresses, in small letters."""


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


@runtime_checkable
class Checked(Protocol):
    """An announcer or a source that can be tried without sending or changing anything: `amplify connect` does."""

    def check(self) -> str:
        """Connect and log in; what worked, in words. Raises Paused or Transient."""


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
    """A kind of source. `anyone`: anybody can write there under any name, so that only a person accepts what comes from it."""

    name: str
    options: type[Any]
    make: Callable[[Any, Services], Source]
    anyone: bool = False


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


# -- the outside world ---------------------------------------------------------------------------------------------

LIMIT = 10_000_000
"""Bytes that a fetched thing may have, decompressed, unless a plugin says otherwise."""
SECONDS = 10.0
"""How long fetching may take as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An address to fetch. With `etag` and `modified` of the last time, what did not change is not sent again."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    etag: str = ""
    modified: str = ""
    limit: int = LIMIT
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back. `url` is where it was in the end, the names in `headers` are in lower case, `content` is decompressed."""

    url: str
    status: int
    headers: Mapping[str, str] = field(hash=False)
    content: bytes = b""

    @property
    def unchanged(self) -> bool:
        """Whether it is what it was when `etag` or `modified` was given out."""
        return self.status == 304

    @property
    def etag(self) -> str:
        """To hand back next time."""
        return self.headers.get("etag", "")

    @property
    def modified(self) -> str:
        """To hand back next time."""
        return self.headers.get("last-modified", "")

    def text(self) -> str:
        """The content in the character set that it names, else UTF-8; what cannot be read is replaced."""
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        try:
            return self.content.decode(charset.split(";")[0].strip("\"' ") or "utf-8", "replace")
        except (LookupError, ValueError):
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The content as plain values. Raises Unreadable."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"{self.url.split('/')[2]} answered something that is no JSON") from error


class Http(Protocol):
    """The guarded client: public addresses only, everything bounded. What goes wrong is one of the words for failures."""

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        etag: str = "",
        modified: str = "",
        limit: int = LIMIT,
        seconds: float = SECONDS,
    ) -> Response:
        """What is at an address: status 200, or 304 where it is unchanged. Raises Permanent or Transient."""

    def each(self, asked: Iterable[Asked]) -> Iterator[tuple[Asked, Response | DeliveryError]]:
        """Many addresses side by side, one at a time for each host, as they come in. A failure is a value, and stops no other."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        content: bytes | None = None,
        accept: Iterable[int] = (),
    ) -> Response:
        """For channels. `files` are name, bytes, type; `accept` are statuses that are answers, not failures.

        Raises Permanent, Transient, Paused, and Unsure where the far end may have acted.
        """

    def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        content: bytes | None = None,
        accept: Iterable[int] = (),
    ) -> Response:
        """`request` with the method POST."""


class Apart(Protocol):
    """Runs a function of a plugin in a process of its own, with limits: for everything that parses what others wrote."""

    def __call__(self, function: Callable[..., Any], data: bytes, *values: Any, seconds: float = 10.0, memory: int = 512) -> Any:
        """`function(data, *values)`: a function of a module, plain values in and out; `memory` in MB. Raises Unreadable."""


# -- reading what people wrote -------------------------------------------------------------------------------------


def front_matter(data: bytes, file: str) -> tuple[Mapping[str, Any], str]:
    """A Markdown file as its keys, each value a text, a list or a table, and the words below them. Raises Unreadable."""
    try:
        page = split(data, file)
    except Broken as error:
        raise Unreadable(str(error.problem)) from error
    return page.values, page.body
