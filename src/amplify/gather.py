"""Run the sources side by side and put what they bring into the inbox. One that fails, hangs or brings rubbish is a line in the report."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from amplify import text
from amplify.api import Source
from amplify.errors import AmplifyError
from amplify.identity import canonical
from amplify.inbox import Inbox, Received
from amplify.model import Bookmark, Kind, Offer

SECONDS = 300.0
"""How long the sources may take, all together."""
_BATCH = 100
_LONGEST = {"id": 1000, "title": 300, "body": 200_000, "author": 200, "handle": 300, "licence": 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fount:
    """A `[[source]]` of the settings with the object that does its work. `anyone`: see `SourceKind`."""

    name: str
    works: Source
    anyone: bool = False


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What came of one source: item numbers by what they turned out to be, lines about what was unusable, why it failed."""

    source: str
    items: dict[Received, list[int]] = field(default_factory=lambda: {"new": [], "changed": [], "duplicate": [], "unchanged": []})
    notes: list[str] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Batch:
    source: str
    offers: tuple[Offer, ...] = ()
    bookmark: Bookmark | None = None
    done: bool = False
    failure: str = ""


def gather(
    founts: Sequence[Fount],
    inbox: Inbox,
    clock: Callable[[], datetime],
    accepted: Mapping[str, str],
    progress: Callable[[str, int, int], None],
    seconds: float,
) -> tuple[Gathered, ...]:
    """Everything that the sources offer now, in their order. `accepted`: see `Inbox.receive`."""
    found = {one.name: Gathered(source=one.name) for one in founts}
    brought: queue.Queue[_Batch] = queue.Queue(maxsize=64)
    waiting = set(found)
    with redirect_stdout(sys.stderr), _noted(found):
        for one in founts:
            threading.Thread(target=_run, args=(one, inbox.bookmark(one.name), brought), daemon=True, name=one.name).start()
        until = time.monotonic() + seconds
        while waiting:
            try:
                batch = brought.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            _take(batch, found[batch.source], inbox, clock(), accepted)
            if batch.done:
                waiting.discard(batch.source)
                progress("gathering", len(found) - len(waiting), len(found))
    for name in waiting:
        found[name].failure = f"did not finish within {round(seconds / 60)} minutes; what it brought until then is in the inbox"
    return tuple(found.values())


def _take(batch: _Batch, result: Gathered, inbox: Inbox, now: datetime, accepted: Mapping[str, str]) -> None:
    usable = tuple(_usable(batch.offers, result.notes))
    if usable or batch.bookmark:
        for what, items in inbox.receive(batch.source, usable, batch.bookmark, now, accepted).items():
            result.items[what] += items
    result.failure = batch.failure


def _run(fount: Fount, since: Bookmark | None, brought: queue.Queue[_Batch]) -> None:
    """In a thread of its own, which is left behind if it never ends."""
    pending: list[Offer] = []
    failure = ""
    try:
        for thing in fount.works.gather(since):
            if isinstance(thing, Bookmark):
                brought.put(_Batch(fount.name, tuple(pending), thing))
                pending = []
            elif isinstance(thing, Offer):
                pending.append(thing)
                if len(pending) == _BATCH:
                    brought.put(_Batch(fount.name, tuple(pending)))
                    pending = []
            else:
                failure = f"the plugin is broken: it brought {type(thing).__name__}, which is neither an Offer nor a Bookmark"
                break
    except AmplifyError as error:
        failure = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one broken source is one line, whatever it does
        failure = f"the plugin is broken: {type(error).__name__}: {error}"
    brought.put(_Batch(fount.name, tuple(pending), done=True, failure=text.fit(text.one_line(failure), 500)))


@contextmanager
def _noted(found: Mapping[str, Gathered]) -> Iterator[None]:
    """While it lasts, what a source warns of in its log is a line of its report."""

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            result = found.get(record.name.removeprefix("amplify.source."))
            if result is not None and len(result.notes) < 100:
                result.notes.append(text.fit(text.one_line(record.getMessage()), 300))

    handler = Notes(level=logging.WARNING)
    loggers = [logging.getLogger(f"amplify.source.{name}") for name in found]
    for one in loggers:
        one.addHandler(handler)
        one.propagate = False
    try:
        yield
    finally:
        for one in loggers:
            one.removeHandler(handler)
            one.propagate = True


# -- what may come in ----------------------------------------------------------------------------------------------


def _usable(offers: Iterable[Offer], notes: list[str]) -> Iterator[Offer]:
    for offer in offers:
        try:
            yield usable(offer)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            notes.append(text.fit(text.one_line(f"one thing could not be used: {error}"), 300))


def usable(offer: Offer) -> Offer:
    """The offer as the inbox can hold it: plain characters, bounded, an aware date. Raises ValueError for what says nothing."""
    short: dict[str, Any] = {key: text.fit(text.one_line(getattr(offer, key)), most) for key, most in _LONGEST.items() if key != "body"}
    body = text.plain(offer.body)[: _LONGEST["body"]]
    title = short["title"] or text.fit(text.one_line(text.bare(body)), 80)
    if not title or not offer.id:
        raise ValueError("it has neither a title nor a text" if offer.id else "it has no id")
    return replace(
        offer, **(short | {"title": title}), body=body, kind=Kind(offer.kind), url=_address(offer.url), offered=_aware(offer.offered),
        tags=tuple(text.fit(text.one_line(tag), 60) for tag in offer.tags[:20]), media=tuple(offer.media[:20]),
        reply_to=text.one_line(offer.reply_to)[:1000] if offer.reply_to else None,
    )  # fmt: skip


def _address(url: str | None) -> str | None:
    return text.one_line(url) if url and len(url) < 2000 and canonical(url) else None


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or not 1970 <= moment.year <= 2999:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
