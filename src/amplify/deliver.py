"""Carry out what the plan says. No policy here: what to do was decided, this does it and writes down what happened."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from amplify.api import Announcer, Mirror, Traits
from amplify.errors import AmplifyError, DeliveryError, Paused, Permanent, Transient, Unknown, Unsure
from amplify.model import Announcement, Delivery, Message, MirrorStep, Receipt, Recipient, State
from amplify.plan import in_order
from amplify.secret import hide
from amplify.store import Outcome, Quota, Store

Progress = Callable[[str, int, int], None]
"""What is going on, how much of it is done, and how much there is."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)


def mirror(step: MirrorStep, works: Mirror, progress: Progress) -> None:
    """Make a mirror equal to the site: files, pages, feeds and indexes, then what goes. Raises AmplifyError."""
    todo = in_order(step)
    if not todo and not step.remove:
        return
    total = len(todo) + len(step.remove)
    with minding(step.channel, "What is there is whole."), works.session() as session:
        for done, asset in enumerate(todo):
            progress(step.channel, done, total)
            session.put(asset)
        for done, path in enumerate(step.remove, start=len(todo)):
            progress(step.channel, done, total)
            session.remove(path)
    progress(step.channel, total, total)


@contextmanager
def minding(channel: str, so: str) -> Iterator[None]:
    """Whatever a mirror raises becomes an AmplifyError that names its channel; `so` is what that means."""
    try:
        yield
    except DeliveryError as error:
        error.args = (f"{channel}: {error}\n  {so} Run the same command again to go on.",)
        raise
    except AmplifyError:
        raise
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        raise AmplifyError(
            f"{channel}: the files could not be read or written{where}: {error.strerror or error}.\n"
            f"  {so} Run the same command again to go on."
        ) from error
    except (Exception, SystemExit) as error:
        raise AmplifyError(f"{channel}: its plugin is broken: {_words(error)}.\n  {so} Mend it, or ask who wrote it.") from error


@dataclass(frozen=True, slots=True)
class World:
    """The clock, and how one waits."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Job:
    """One announcement being sent: the open announcement, its message and what fills it for each recipient."""

    announcement: Announcement
    message: Message
    values: Callable[[Recipient | None], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a channel may go: `interval` seconds between two deliveries, at most `left` more today (None: any number).

    `left_to`: at most so many more today to addresses at each of these domains.
    """

    interval: float = 0
    left: int | None = None
    left_to: Mapping[str, int] = field(default_factory=dict)


def pace(traits: Traits, sent_today: Callable[[str], int]) -> Pace:
    """The limits of a channel as they stand now. `sent_today`: how many went to a domain ("" is everyone)."""
    intervals = (1 / traits.per_second if traits.per_second else 0, 3600 / traits.per_hour if traits.per_hour else 0)
    return Pace(
        interval=max(intervals),
        left=None if traits.per_day is None else max(0, traits.per_day - sent_today("")),
        left_to={domain: max(0, limit - sent_today(domain)) for domain, limit in traits.per_day_to.items()},
    )


def announce(job: Job, works: Announcer, store: Store, pace: Pace, world: World, progress: Progress) -> str:
    """Send to everyone who is left. `sending` is on disk before the first byte leaves, the outcome after.

    Gives why it stopped before the end: what the far end said about the sender, or that today's limit is reached; else "".
    Interrupted, it waits for what is in flight, writes that down, and raises KeyboardInterrupt.
    """
    counts = job.announcement.counts
    total = sum(counts.get(state, 0) for state in (State.PLANNED, State.DEFERRED))
    run = _Run(left=pace.left, quota=Quota(dict(pace.left_to)), total=total)
    with _noticing_ctrl_c(run), _Connections(works, job.message, works.traits.connections, world.clock) as connections:
        while True:
            claims = store.advance(job.announcement, run.take(), run.room(works.traits.connections, pace), world.clock(), run.quota)
            run.flying += len(claims)
            for claim in claims:
                connections.submit(replace(claim, values=job.values(claim.recipient)))
            if not run.flying:
                break
            if claims and pace.interval:
                run.rest(world.sleep, pace.interval)
            run.came_in(connections.finished())
            progress(job.announcement.channel, run.done, run.total)
    if run.stopped == _INTERRUPTED:
        raise KeyboardInterrupt
    reached = run.left == 0 or run.quota.full
    return run.stopped or (LIMIT_REACHED if reached and run.done < run.total else "")


LIMIT_REACHED = "today's limit is reached"
_INTERRUPTED = "interrupted"


@dataclass(slots=True, kw_only=True)
class _Run:
    """How far one run has come."""

    left: int | None
    quota: Quota
    total: int
    done: int = 0
    flying: int = 0
    stopped: str = ""
    resting: bool = False
    outcomes: list[Outcome] = field(default_factory=list)

    def interrupt(self, *_: object) -> None:
        """Ctrl-C: claim no more; it ends a rest. The second breaks off."""
        again, self.stopped = self.stopped == _INTERRUPTED, _INTERRUPTED
        if again or self.resting:
            raise KeyboardInterrupt

    def rest(self, sleep: Callable[[float], None], seconds: float) -> None:
        """Sleep, but not through a Ctrl-C."""
        with suppress(KeyboardInterrupt):
            self.resting = True
            if not self.stopped:
                sleep(seconds)
            self.resting = False
        self.resting = False

    def take(self) -> list[Outcome]:
        """What came in and is not yet written down."""
        taken, self.outcomes = self.outcomes, []
        return taken

    def room(self, connections: int, pace: Pace) -> int:
        """How many more may be claimed now."""
        if self.stopped:
            return 0
        free = min(1, connections - self.flying) if pace.interval else connections - self.flying
        return free if self.left is None else min(free, self.left - self.flying)

    def came_in(self, arrived: list[tuple[Outcome, str]]) -> None:
        """Take over what the connections finished."""
        for outcome, about_sender in arrived:
            self.outcomes.append(outcome)
            self.stopped = self.stopped or about_sender
            if self.left is not None and outcome.state in (State.DELIVERED, State.DOUBT):
                self.left -= 1
        self.flying -= len(arrived)
        self.done += len(arrived)


@contextmanager
def _noticing_ctrl_c(run: _Run) -> Iterator[None]:
    """Ctrl-C tells `run`, instead of coming between a claim and the count of what is in flight."""
    try:
        before = signal.signal(signal.SIGINT, run.interrupt)
    except ValueError:  # not the main thread: no Ctrl-C comes here
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def settle_doubts(job: Job, works: Announcer, store: Store, in_doubt: str, clock: Callable[[], datetime]) -> None:
    """Ask the channel what became of each delivery in doubt, then the channel's `in_doubt` setting, else leave it to a person.

    Where sending it again does no harm, nobody needs to be asked.
    """
    for row in store.in_doubt(job.announcement):
        delivery = replace(row, values=job.values(row.recipient))
        try:
            receipt = _found(works, delivery, job.message)
        except Unknown as unknown:
            if works.traits.idempotent:
                store.decide(
                    delivery, Outcome(delivery=delivery.id, state=State.PLANNED), "channel", "sending it again does no harm", clock()
                )
            elif in_doubt != "ask":
                became = State.PLANNED if in_doubt == "resend" else State.SKIPPED
                store.decide(
                    delivery, Outcome(delivery=delivery.id, state=became), "settings", f'in_doubt = "{in_doubt}": {unknown}', clock()
                )
        else:
            outcome = Outcome(delivery=delivery.id, state=State.DELIVERED if receipt else State.PLANNED, receipt=receipt)
            store.decide(delivery, outcome, "channel", "found there" if receipt else "surely not there", clock())


def _found(works: Announcer, delivery: Delivery, message: Message) -> Receipt | None:
    """What the channel knows of a delivery. Raises Unknown, also for whatever a plugin should not do."""
    try:
        found = works.find(delivery, message)
        return None if found is None else _receipt(found)
    except Unknown:
        raise
    except (Exception, SystemExit) as error:
        raise Unknown(_words(error)) from error


class _Connections:
    """A thread for each connection; each holds one session of the channel and carries out one delivery at a time."""

    def __init__(self, works: Announcer, message: Message, number: int, clock: Callable[[], datetime]) -> None:
        self._works, self._message, self._clock = works, message, clock
        self._todo: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Outcome, str]] = queue.SimpleQueue()
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

    def finished(self) -> list[tuple[Outcome, str]]:
        """What has come in: at least one, and all that is there; each with what was said about the sender."""
        outcomes = [self._done.get()]
        while not self._done.empty():
            outcomes.append(self._done.get())
        return outcomes

    def _work(self) -> None:
        with suppress(BaseException), ExitStack() as stack:  # a session that breaks as it is closed: everything has its outcome by then
            deliver: Callable[[Delivery], object] | None = None
            while (delivery := self._todo.get()) is not None:
                try:
                    if deliver is None:
                        deliver = stack.enter_context(self._works.session(self._message))
                except BaseException as error:  # noqa: BLE001 - a plugin may raise anything; before a session, nothing can have left
                    self._done.put((_deferred(delivery, Transient(_words(error)), self._clock()), ""))
                else:
                    self._done.put(_attempt(deliver, delivery, self._clock))


def _attempt(deliver: Callable[[Delivery], object], delivery: Delivery, clock: Callable[[], datetime]) -> tuple[Outcome, str]:
    try:
        receipt = _receipt(deliver(delivery))
    except Permanent as error:
        return Outcome(delivery=delivery.id, state=State.REFUSED, reason=error.reason, gone=error.gone), ""
    except Transient as error:
        return _deferred(delivery, error, clock()), error.reason if isinstance(error, Paused) else ""
    except Unsure as error:
        return Outcome(delivery=delivery.id, state=State.DOUBT, reason=error.reason), ""
    except BaseException as error:  # noqa: BLE001 - whatever else a plugin raises, the far end may have acted; no Ctrl-C comes to a thread
        return Outcome(delivery=delivery.id, state=State.DOUBT, reason=_words(error)), ""
    return Outcome(delivery=delivery.id, state=State.DELIVERED, receipt=receipt), ""


def _receipt(given: object) -> Receipt:
    """What a plugin gave, if it is a receipt. Raises Unsure."""
    if not isinstance(given, Receipt):
        raise Unsure(f"the plugin gave {type(given).__name__} instead of a receipt")
    if not (isinstance(given.id, str) and isinstance(given.url, str | None) and isinstance(given.at, datetime) and given.at.tzinfo):
        raise Unsure("the plugin gave a receipt without a proper id, address or time")
    return given


def _deferred(delivery: Delivery, error: Transient, now: datetime) -> Outcome:
    wait = timedelta(seconds=error.wait) if error.wait is not None else back_off(delivery.attempt)
    return Outcome(delivery=delivery.id, state=State.DEFERRED, reason=error.reason, not_before=now + wait)


def back_off(attempt: int) -> timedelta:
    """How long to wait after the nth attempt: doubling from a minute to six hours."""
    return min(_FIRST_WAIT * (1 << min(attempt - 1, 20)), _LONGEST_WAIT)


def _words(error: BaseException) -> str:
    named = "" if isinstance(error, AmplifyError) else f"{type(error).__name__}: "
    return hide(f"{named}{error}").splitlines()[0][:500]
