"""Delivering: what each answer of the far end leads to, and that the record is always ahead of the world."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from amplify.api import Traits
from amplify.deliver import LIMIT_REACHED, Job, Pace, World, announce, back_off, pace, settle_doubts
from amplify.errors import Paused, Permanent, Transient, Unknown, Unsure
from amplify.model import Delivery, Digest, Key, Message, Place, Publication, Receipt, State
from amplify.store import Entry, Outcome, Store

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
Answer = Callable[[Delivery], Receipt]


def yes(delivery: Delivery) -> Receipt:
    return Receipt(id=delivery.key, url=None, at=NOW)


def raises(error: BaseException) -> Answer:
    def answer(delivery: Delivery) -> Receipt:
        raise error

    return answer


@dataclass
class Scripted:
    """A channel that answers as it is told, by the start of the address, and remembers who it sent to."""

    answers: dict[str, Answer] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    knows: bool = True
    idempotent: bool = False
    connections: int = 2
    sent: list[str] = field(default_factory=list)
    opens: int = 0

    @property
    def traits(self) -> Traits:
        return Traits(form="mail", audience="subscribers", connections=self.connections, idempotent=self.idempotent)

    @contextmanager
    def session(self, message: Message) -> Iterator[Answer]:
        self.opens += 1
        yield self.deliver

    def deliver(self, delivery: Delivery) -> Receipt:
        assert delivery.recipient
        self.sent.append(delivery.recipient.address)
        return self.answers.get(delivery.recipient.address.split("@")[0], yes)(delivery)

    def find(self, delivery: Delivery, message: Message) -> Receipt | None:
        if not self.knows:
            raise Unknown("this place cannot be asked")
        assert delivery.recipient
        return yes(delivery) if delivery.recipient.address in self.there else None


MESSAGE = Message(
    publication=Key("edition/joy"), form="mail", language="en", subject="Joy", text="Joy", html=None, link="", date=NOW, digest=Digest("m")
)


@dataclass
class Stage:
    store: Store
    job: Job

    stopped: str = ""
    slept: list[float] = field(default_factory=list)

    def announce(self, channel: Scripted, now: datetime = NOW, limits: Pace | None = None) -> dict[State, int]:
        world = World(lambda: now, self.slept.append)
        self.stopped = announce(self.job, channel, self.store, limits or Pace(), world, lambda *_: None)
        return self.counts()

    def counts(self) -> dict[State, int]:
        return dict(self.store.announcements()[0].counts)

    def reasons(self, state: State) -> list[tuple[str, str]]:
        return list(self.store.reasons(self.job.announcement, state))


@pytest.fixture
def stage(tmp_path: Path):
    store = Store(tmp_path / "amplify.db")
    store.import_subscribers([Entry(address=f"{name}@example.org") for name in ("ann", "bob", "cat", "dan", "eve")], NOW, "")
    publication = Publication(
        key=Key("edition/joy"), kind="edition", title="Joy", path="editions/joy/", due=NOW, audience="", digest=Digest("d"), words={},
        at=Place(file=Path("editions/joy.md"), line=1),
    )  # fmt: skip
    opened = store.open(publication, "newsletter", "scripted", NOW, rehearsal=False, subscribers=True)
    yield Stage(store, Job(opened, MESSAGE, lambda who: {}))
    store.close()


def test_everyone_gets_it_once(stage: Stage) -> None:
    channel = Scripted()

    assert stage.announce(channel) == {State.DELIVERED: 5}
    assert sorted(channel.sent) == ["ann@example.org", "bob@example.org", "cat@example.org", "dan@example.org", "eve@example.org"]


def test_a_second_run_sends_to_nobody(stage: Stage) -> None:
    stage.announce(Scripted())
    again = Scripted()

    stage.announce(again)

    assert again.sent == []


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (Permanent("550 no such user"), State.REFUSED, "550 no such user"),
        (Transient("450 come back later"), State.DEFERRED, "450 come back later"),
        (Unsure("the line dropped after the final dot"), State.DOUBT, "the line dropped after the final dot"),
        (KeyError("a bug of the plugin"), State.DOUBT, "KeyError: 'a bug of the plugin'"),
        (SystemExit(1), State.DOUBT, "SystemExit: 1"),
    ],
)
def test_what_a_plugin_raises_is_where_a_delivery_ends(stage: Stage, error: BaseException, state: State, reason: str) -> None:
    channel = Scripted(answers={"bob": raises(error)})

    assert stage.announce(channel) == {State.DELIVERED: 4, state: 1}
    assert stage.reasons(state) == [("bob@example.org", reason)]


def test_a_plugin_that_returns_no_receipt_leaves_a_doubt(stage: Stage) -> None:
    nothing: Answer = lambda delivery: None  # type: ignore[assignment,return-value]  # noqa: E731

    stage.announce(Scripted(answers={"bob": nothing}))

    assert stage.reasons(State.DOUBT) == [("bob@example.org", "the plugin gave NoneType instead of a receipt")]


def test_what_was_put_off_goes_when_its_time_has_come(stage: Stage) -> None:
    stage.announce(Scripted(answers={"bob": raises(Transient("450", wait=300))}))
    later = Scripted()

    assert stage.announce(later, NOW + timedelta(seconds=299))[State.DEFERRED] == 1
    assert stage.announce(later, NOW + timedelta(seconds=300)) == {State.DELIVERED: 5}
    assert later.sent == ["bob@example.org"]


def test_a_session_that_cannot_be_opened_sends_nothing_and_loses_nobody(stage: Stage) -> None:
    class Closed(Scripted):
        @contextmanager
        def session(self, message: Message) -> Iterator[Answer]:
            raise ConnectionRefusedError("nobody answers")
            yield

    assert stage.announce(Closed()) == {State.DEFERRED: 5}


def test_each_connection_opens_one_session(stage: Stage) -> None:
    channel = Scripted(connections=1)

    stage.announce(channel)

    assert channel.opens == 1


def test_the_record_says_sending_before_the_first_byte_leaves(stage: Stage, tmp_path: Path) -> None:
    seen: list[str] = []

    def look(delivery: Delivery) -> Receipt:
        import sqlite3

        with sqlite3.connect(tmp_path / "amplify.db") as db:
            seen.extend(row[0] for row in db.execute("SELECT state FROM delivery WHERE id = ?", (delivery.id,)))
        db.close()
        return yes(delivery)

    stage.announce(Scripted(answers=dict.fromkeys(("ann", "bob", "cat", "dan", "eve"), look)))

    assert seen == ["sending"] * 5


def test_never_more_in_flight_than_connections(stage: Stage) -> None:
    lock, flying, most = threading.Lock(), 0, 0

    def count(delivery: Delivery) -> Receipt:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
        with lock:
            flying -= 1
        return yes(delivery)

    stage.announce(Scripted(connections=2, answers=dict.fromkeys(("ann", "bob", "cat", "dan", "eve"), count)))

    assert most <= 2


class TestTheSender:
    def test_what_is_about_the_sender_stops_the_channel_and_strikes_off_nobody(self, stage: Stage) -> None:
        refused = Paused("550 5.4.5 Daily user sending limit exceeded")

        counts = stage.announce(Scripted(connections=1, answers={"bob": raises(refused)}))

        assert counts == {State.DELIVERED: 1, State.DEFERRED: 1, State.PLANNED: 3}
        assert stage.stopped == "550 5.4.5 Daily user sending limit exceeded"
        assert stage.store.people() == {"active": 5}

    def test_no_such_address_is_struck_off(self, stage: Stage) -> None:
        stage.announce(Scripted(answers={"bob": raises(Permanent("550 5.1.1 no such user", gone=True))}))

        assert stage.store.people() == {"active": 4, "bounced": 1}

    def test_the_days_limit_leaves_the_rest_for_tomorrow(self, stage: Stage) -> None:
        counts = stage.announce(Scripted(), limits=Pace(left=3))

        assert (counts, stage.stopped) == ({State.DELIVERED: 3, State.PLANNED: 2}, LIMIT_REACHED)

    def test_tomorrow_goes_on_with_the_rest(self, stage: Stage) -> None:
        first, second = Scripted(), Scripted()
        stage.announce(first, limits=Pace(left=3))

        assert stage.announce(second, NOW + timedelta(days=1), Pace(left=3)) == {State.DELIVERED: 5}
        assert len({*first.sent, *second.sent}) == 5
        assert stage.stopped == ""

    def test_a_limit_for_a_domain_leaves_the_rest_for_tomorrow(self, stage: Stage) -> None:
        counts = stage.announce(Scripted(), limits=Pace(left_to={"example.org": 3}))

        assert (counts, stage.stopped) == ({State.DELIVERED: 3, State.PLANNED: 2}, LIMIT_REACHED)

    def test_a_limit_for_a_domain_that_nobody_reaches_is_none(self, stage: Stage) -> None:
        assert stage.announce(Scripted(), limits=Pace(left_to={"example.org": 6, "b.example": 0})) == {State.DELIVERED: 5}
        assert stage.stopped == ""

    def test_a_full_domain_does_not_go_when_it_was_put_off_either(self, stage: Stage) -> None:
        stage.announce(Scripted(answers={"bob": raises(Transient("450", wait=60))}))

        later = NOW + timedelta(minutes=2)
        assert stage.announce(Scripted(), later, Pace(left_to={"example.org": 0})) == {State.DELIVERED: 4, State.DEFERRED: 1}

    def test_what_was_sent_in_the_last_day_counts(self) -> None:
        traits = Traits(form="mail", audience="subscribers", per_day=100)

        assert pace(traits, lambda _: 97) == Pace(left=3)

    def test_what_went_to_a_domain_counts_for_it_alone(self) -> None:
        traits = Traits(form="mail", audience="subscribers", per_day_to={"a.example": 50, "b.example": 20})

        assert pace(traits, {"a.example": 20, "b.example": 30}.__getitem__) == Pace(left_to={"a.example": 30, "b.example": 0})

    def test_an_hours_limit_is_spread_over_the_hour(self, stage: Stage) -> None:
        traits = Traits(form="mail", audience="subscribers", per_hour=360, per_second=5)

        stage.announce(Scripted(), limits=pace(traits, lambda _: 0))

        assert stage.slept == [10.0] * 5


class TestDoubts:
    @pytest.fixture
    def doubtful(self, stage: Stage) -> Stage:
        claimed = stage.store.advance(stage.job.announcement, [], 2, NOW)
        stage.store.advance(stage.job.announcement, [Outcome(delivery=one.id, state=State.DOUBT) for one in claimed], 0, NOW)
        return stage

    def test_found_there_counts_as_delivered(self, doubtful: Stage) -> None:
        settle_doubts(doubtful.job, Scripted(there={"ann@example.org", "bob@example.org"}), doubtful.store, "ask", lambda: NOW)

        assert doubtful.counts() == {State.DELIVERED: 2, State.PLANNED: 3}

    def test_surely_not_there_is_sent_again(self, doubtful: Stage) -> None:
        channel = Scripted(there={"ann@example.org"})
        settle_doubts(doubtful.job, channel, doubtful.store, "ask", lambda: NOW)

        assert doubtful.announce(channel) == {State.DELIVERED: 5}
        assert "ann@example.org" not in channel.sent

    def test_where_sending_again_does_no_harm_nobody_is_asked(self, doubtful: Stage) -> None:
        settle_doubts(doubtful.job, Scripted(knows=False, idempotent=True), doubtful.store, "ask", lambda: NOW)

        assert doubtful.counts() == {State.PLANNED: 5}

    @pytest.mark.parametrize(("in_doubt", "state"), [("ask", State.DOUBT), ("resend", State.PLANNED), ("leave", State.SKIPPED)])
    def test_where_nobody_can_tell_the_setting_decides(self, doubtful: Stage, in_doubt: str, state: State) -> None:
        settle_doubts(doubtful.job, Scripted(knows=False), doubtful.store, in_doubt, lambda: NOW)

        assert doubtful.counts().get(state, 0) >= 2


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 360), (400, 360)])
def test_waiting_doubles_from_a_minute_to_six_hours(attempt: int, minutes: int) -> None:
    assert back_off(attempt) == timedelta(minutes=minutes)


def test_ctrl_c_ends_a_rest_between_two_and_leaves_nothing_in_doubt(stage: Stage) -> None:
    world = World(lambda: NOW, lambda _: signal.raise_signal(signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        announce(stage.job, Scripted(), stage.store, Pace(interval=36), world, lambda *_: None)

    assert stage.counts() == {State.DELIVERED: 1, State.PLANNED: 4}


def test_ctrl_c_lets_what_is_in_flight_arrive(stage: Stage) -> None:
    channel = Scripted(answers={"ann": lambda delivery: signal.raise_signal(signal.SIGINT) or yes(delivery)})  # type: ignore[func-returns-value]

    with pytest.raises(KeyboardInterrupt):
        stage.announce(channel)

    assert set(stage.counts()) == {State.DELIVERED, State.PLANNED}
    assert len(channel.sent) == stage.counts()[State.DELIVERED]
