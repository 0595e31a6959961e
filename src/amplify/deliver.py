"""Carry out what the plan says. No policy here: what to do was decided, this does it and writes down what happened."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from amplify.api import Announcer, Mirror
from amplify.errors import AmplifyError, Permanent, Transient, Unknown, Unsure
from amplify.model import Announcement, Delivery, Message, MirrorStep, Receipt, Recipient, State
from amplify.plan import in_order
from amplify.store import Outcome, Store

Progress = Callable[[str, int, int], None]
"""What is going on, how much of it is done, and how much there is."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)


def mirror(step: MirrorStep, works: Mirror, progress: Progress) -> None:
    """Make a mirror equal to the site: files, pages, feeds and indexes, then what goes. Raises AmplifyError."""
    todo = in_order(step)
    if not todo and not step.remove:
        return
    total = len(todo) + len(step.remove)
    try:
        with works.session() as session:
            for done, asset in enumerate(todo):
                progress(step.channel, done, total)
                session.put(asset)
            for done, path in enumerate(step.remove, start=len(todo)):
                progress(step.channel, done, total)
                session.remove(path)
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        raise AmplifyError(
            f"{step.channel}: the files could not be written{where}: {error.strerror or error}.\n"
            "  What is there is whole; run the same command again to go on."
        ) from error
    progress(step.channel, total, total)


@dataclass(frozen=True, slots=True)
class Job:
    """One announcement being sent: the open announcement, its message and what fills it for each recipient."""

    announcement: Announcement
    message: Message
    values: Callable[[Recipient | None], Mapping[str, str]]


def announce(job: Job, works: Announcer, store: Store, clock: Callable[[], datetime], progress: Progress) -> None:
    """Send to everyone who is left. `sending` is on disk before the first byte leaves, the outcome after.

    Interrupted, it waits for what is in flight, writes that down, and raises KeyboardInterrupt.
    """
    counts = job.announcement.counts
    done, total = 0, sum(counts.get(state, 0) for state in (State.PLANNED, State.DEFERRED))
    room, flying, interrupted = works.traits.connections, 0, False
    outcomes: list[Outcome] = []
    with _Connections(works, job.message, room, clock) as connections:
        while True:
            try:
                claims = store.advance(job.announcement, outcomes, 0 if interrupted else room - flying, clock())
                outcomes = []
                for claim in claims:
                    connections.submit(replace(claim, values=job.values(claim.recipient)))
                flying += len(claims)
                if not flying:
                    break
                outcomes = connections.finished()
                flying -= len(outcomes)
                done += len(outcomes)
                progress(job.announcement.channel, done, total)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt


def settle_doubts(job: Job, works: Announcer, store: Store, in_doubt: str, clock: Callable[[], datetime]) -> None:
    """Ask the channel what became of each delivery in doubt, then the channel's `in_doubt` setting, else leave it to a person."""
    for row in store.in_doubt(job.announcement):
        delivery = replace(row, values=job.values(row.recipient))
        try:
            receipt = works.find(delivery, job.message)
        except Unknown as unknown:
            if in_doubt != "ask":
                became = State.PLANNED if in_doubt == "resend" else State.SKIPPED
                store.decide(
                    delivery, Outcome(delivery=delivery.id, state=became), "settings", f'in_doubt = "{in_doubt}": {unknown}', clock()
                )
        else:
            outcome = Outcome(delivery=delivery.id, state=State.DELIVERED if receipt else State.PLANNED, receipt=receipt)
            store.decide(delivery, outcome, "channel", "found there" if receipt else "surely not there", clock())


class _Connections:
    """A thread for each connection; each holds one session of the channel and carries out one delivery at a time."""

    def __init__(self, works: Announcer, message: Message, number: int, clock: Callable[[], datetime]) -> None:
        self._works, self._message, self._clock = works, message, clock
        self._todo: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"connection {n}", daemon=True) for n in range(number)]

    def __enter__(self) -> _Connections:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, delivery: Delivery) -> None:
        """Hand a claimed delivery over."""
        self._todo.put(delivery)

    def finished(self) -> list[Outcome]:
        """What has come in: at least one, and all that is there."""
        outcomes = [self._done.get()]
        while not self._done.empty():
            outcomes.append(self._done.get())
        return outcomes

    def _work(self) -> None:
        with ExitStack() as stack:
            deliver: Callable[[Delivery], object] | None = None
            while (delivery := self._todo.get()) is not None:
                try:
                    if deliver is None:
                        deliver = stack.enter_context(self._works.session(self._message))
                except Exception as error:  # noqa: BLE001 - a plugin may raise anything; before a session, nothing can have left
                    self._done.put(_deferred(delivery, Transient(_words(error)), self._clock()))
                else:
                    self._done.put(_attempt(deliver, delivery, self._clock))


def _attempt(deliver: Callable[[Delivery], object], delivery: Delivery, clock: Callable[[], datetime]) -> Outcome:
    try:
        receipt = deliver(delivery)
    except Permanent as error:
        return Outcome(delivery=delivery.id, state=State.REFUSED, reason=error.reason)
    except Transient as error:
        return _deferred(delivery, error, clock())
    except Unsure as error:
        return Outcome(delivery=delivery.id, state=State.DOUBT, reason=error.reason)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever else a plugin raises, the far end may have acted
        return Outcome(delivery=delivery.id, state=State.DOUBT, reason=_words(error))
    return _delivered(delivery, receipt)


def _delivered(delivery: Delivery, receipt: object) -> Outcome:
    if not isinstance(receipt, Receipt):
        return Outcome(delivery=delivery.id, state=State.DOUBT, reason=f"the plugin gave {type(receipt).__name__} instead of a receipt")
    return Outcome(delivery=delivery.id, state=State.DELIVERED, receipt=receipt)


def _deferred(delivery: Delivery, error: Transient, now: datetime) -> Outcome:
    wait = timedelta(seconds=error.wait) if error.wait is not None else back_off(delivery.attempt)
    return Outcome(delivery=delivery.id, state=State.DEFERRED, reason=error.reason, not_before=now + wait)


def back_off(attempt: int) -> timedelta:
    """How long to wait after the nth attempt: doubling from a minute to six hours."""
    return min(_FIRST_WAIT * (1 << min(attempt - 1, 20)), _LONGEST_WAIT)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:500]
