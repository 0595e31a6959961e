"""The record. Each test states one promise of MODEL's state machine."""

import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from amplify.errors import StateError
from amplify.model import Announcement, Digest, Key, Place, Publication, Receipt, State
from amplify.store import Entry, Imported, Outcome, Store

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
PEOPLE = tuple(Entry(address=f"p{number}@example.org", name=f"Person {number}") for number in range(5))


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "amplify.db")
    yield opened
    opened.close()


def edition(audience: str = "") -> Publication:
    return Publication(
        key=Key("edition/ed-1"),
        kind="edition",
        title="Joy",
        path="editions/joy/",
        due=NOW,
        audience=audience,
        digest=Digest("d1"),
        words={},
        at=Place(file=Path(PurePosixPath("editions/joy.md")), line=1),
    )


def opened(store: Store, people: tuple[Entry, ...] = PEOPLE, audience: str = "") -> Announcement:
    store.import_subscribers(people, NOW, "imported")
    return store.open(edition(audience), "newsletter", "email", NOW, rehearsal=False, subscribers=True)


def counts(store: Store) -> dict[State, int]:
    return dict(store.announcements()[0].counts)


def receipt() -> Receipt:
    return Receipt(id="250 ok", url=None, at=NOW)


def delivered(delivery_id: int) -> Outcome:
    return Outcome(delivery=delivery_id, state=State.DELIVERED, receipt=receipt())


class TestTheList:
    def test_people_come_on_it_with_the_consent_that_was_given(self, store: Store) -> None:
        store.import_subscribers([Entry(address="a@example.org", name="A", tags=("maths",))], NOW, "imported, 2026-11-18")

        [one] = store.subscribers()

        assert (one.address, one.name, one.tags, one.status, one.consent_how) == (
            "a@example.org", "A", ("maths",), "active", "imported, 2026-11-18",
        )  # fmt: skip

    def test_the_same_file_twice_changes_nothing(self, store: Store) -> None:
        store.import_subscribers(PEOPLE, NOW, "imported")

        assert store.import_subscribers(PEOPLE, NOW, "imported") == Imported(added=0, updated=0, unchanged=5, left=0)

    def test_one_address_in_two_spellings_is_one_person(self, store: Store) -> None:
        store.import_subscribers([Entry(address="Amal@example.org"), Entry(address="amal@example.org")], NOW, "imported")

        assert store.people() == {"active": 1}

    def test_who_left_stays_away_whatever_is_imported(self, store: Store) -> None:
        store.import_subscribers(PEOPLE, NOW, "imported")
        store.remove("p0@example.org")

        assert store.import_subscribers(PEOPLE, NOW, "imported").left == 1
        assert store.audience() == 4

    def test_who_asks_to_come_back_comes_back(self, store: Store) -> None:
        store.import_subscribers(PEOPLE, NOW, "imported")
        store.remove("p0@example.org")

        assert store.rejoin(PEOPLE[0], NOW, "asked")
        assert store.audience() == 5

    def test_tags_are_audiences(self, store: Store) -> None:
        store.import_subscribers(
            [Entry(address="a@example.org", tags=("maths",)), Entry(address="b@example.org", tags=("mathsy",))], NOW, ""
        )

        assert (store.audience(), store.audience("maths"), store.audience("nobody")) == (2, 1, 0)


class TestOpening:
    def test_it_fixes_the_audience(self, store: Store) -> None:
        announcement = opened(store)
        store.import_subscribers([Entry(address="late@example.org")], NOW, "imported")

        claimed = store.advance(announcement, [], 100, NOW)

        assert [one.recipient.address for one in claimed if one.recipient] == [one.address for one in PEOPLE]

    def test_twice_is_once(self, store: Store) -> None:
        first = opened(store)

        assert opened(store).id == first.id
        assert counts(store) == {State.PLANNED: 5}

    def test_a_rehearsal_never_stands_in_for_the_real_one(self, store: Store) -> None:
        real = opened(store)

        rehearsal = store.open(edition(), "newsletter", "email", NOW, rehearsal=True, subscribers=True)

        assert rehearsal.id != real.id

    def test_an_audience_is_those_with_its_tag(self, store: Store) -> None:
        people = (Entry(address="a@example.org", tags=("maths",)), Entry(address="b@example.org"))

        [claimed] = store.advance(opened(store, people, audience="maths"), [], 9, NOW)

        assert claimed.recipient
        assert claimed.recipient.address == "a@example.org"

    def test_a_public_channel_has_one_delivery_to_nobody_in_particular(self, store: Store) -> None:
        announcement = store.open(edition(), "posts", "webhook", NOW, rehearsal=False, subscribers=False)

        [claimed] = store.advance(announcement, [], 9, NOW)

        assert claimed.recipient is None


class TestAdvancing:
    def test_it_claims_no_more_than_there_is_room_for(self, store: Store) -> None:
        announcement = opened(store)

        assert len(store.advance(announcement, [], 2, NOW)) == 2
        assert counts(store) == {State.PLANNED: 3, State.SENDING: 2}

    def test_nothing_is_claimed_twice(self, store: Store) -> None:
        announcement = opened(store)
        first = {one.id for one in store.advance(announcement, [], 3, NOW)}

        assert first.isdisjoint(one.id for one in store.advance(announcement, [], 9, NOW))

    def test_a_delivery_has_the_same_key_at_every_attempt(self, store: Store) -> None:
        announcement = opened(store, PEOPLE[:1])
        [first] = store.advance(announcement, [], 1, NOW)
        put_off = Outcome(delivery=first.id, state=State.DEFERRED, reason="450", not_before=NOW)

        [second] = store.advance(announcement, [put_off], 1, NOW)

        assert (second.key, second.attempt) == (first.key, 2)

    def test_what_is_put_off_waits_for_its_time(self, store: Store) -> None:
        announcement = opened(store, PEOPLE[:1])
        [first] = store.advance(announcement, [], 1, NOW)
        later = NOW + timedelta(minutes=5)
        put_off = Outcome(delivery=first.id, state=State.DEFERRED, reason="450", not_before=later)

        assert store.advance(announcement, [put_off], 1, NOW) == ()
        assert len(store.advance(announcement, [], 1, later)) == 1

    def test_who_left_meanwhile_is_left_out(self, store: Store) -> None:
        announcement = opened(store)
        store.remove("p0@example.org")

        claimed = store.advance(announcement, [], 9, NOW)

        assert len(claimed) == 4
        assert list(store.reasons(announcement, State.SKIPPED)) == [("p0@example.org", "left")]

    def test_it_closes_when_nobody_is_left(self, store: Store) -> None:
        announcement = opened(store, PEOPLE[:1])
        [only] = store.advance(announcement, [], 9, NOW)

        store.advance(announcement, [delivered(only.id)], 9, NOW)

        assert store.announcements()[0].closed == NOW

    def test_it_stays_open_while_something_is_in_doubt(self, store: Store) -> None:
        announcement = opened(store, PEOPLE[:1])
        [only] = store.advance(announcement, [], 9, NOW)

        store.advance(announcement, [Outcome(delivery=only.id, state=State.DOUBT, reason="no answer")], 9, NOW)

        assert store.announcements()[0].closed is None

    @pytest.mark.parametrize("final", [State.DELIVERED, State.SKIPPED, State.REFUSED])
    def test_what_is_final_stays_as_it_is(self, store: Store, final: State) -> None:
        announcement = opened(store, PEOPLE[:1])
        [only] = store.advance(announcement, [], 9, NOW)
        store.advance(announcement, [Outcome(delivery=only.id, state=final)], 9, NOW)

        store.advance(announcement, [Outcome(delivery=only.id, state=State.DOUBT)], 9, NOW)

        assert counts(store) == {final: 1}


class TestAfterADeath:
    def test_what_was_in_flight_is_in_doubt_and_nothing_else(self, store: Store) -> None:
        announcement = opened(store)
        store.advance(announcement, [], 2, NOW)

        assert store.recover(NOW) == 2
        assert counts(store) == {State.PLANNED: 3, State.DOUBT: 2}

    def test_a_decision_is_remembered_with_who_and_why(self, store: Store, tmp_path: Path) -> None:
        announcement = opened(store, PEOPLE[:1])
        store.advance(announcement, [], 1, NOW)
        store.recover(NOW)
        [doubt] = store.in_doubt(announcement)

        store.decide(doubt, delivered(doubt.id), "channel", "found there", NOW)

        with sqlite3.connect(tmp_path / "amplify.db") as db:
            rows = db.execute("SELECT who, was, became, reason FROM decision").fetchall()
        db.close()
        assert rows == [("channel", "in doubt", "delivered", "found there")]


class TestTheFile:
    def test_one_from_a_newer_amplify_is_left_alone(self, tmp_path: Path) -> None:
        Store(tmp_path / "a.db").close()
        with sqlite3.connect(tmp_path / "a.db") as db:
            db.execute("PRAGMA user_version = 99")
        db.close()

        with pytest.raises(StateError, match="newer Amplify"):
            Store(tmp_path / "a.db")

    def test_a_damaged_one_is_said_to_be_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "a.db").write_bytes(b"this is no database, whatever its name says" * 100)

        with pytest.raises(StateError, match="damaged"):
            Store(tmp_path / "a.db")

    def test_opening_it_again_changes_no_byte(self, tmp_path: Path) -> None:
        Store(tmp_path / "a.db").close()
        before = (tmp_path / "a.db").read_bytes()

        Store(tmp_path / "a.db").close()

        assert (tmp_path / "a.db").read_bytes() == before

    def test_two_records_have_two_names(self, tmp_path: Path) -> None:
        one, other = Store(tmp_path / "a.db"), Store(tmp_path / "b.db")

        assert one.ledger != other.ledger
        one.close()
        other.close()


class TestALongRecord:
    def test_claims_at_the_same_cost_however_many_are_left(self, tmp_path: Path) -> None:
        assert self.steps_of_a_claim(tmp_path / "long.db", 2000) < 2 * self.steps_of_a_claim(tmp_path / "short.db", 20)

    def steps_of_a_claim(self, path: Path, people: int) -> int:
        store, steps = Store(path), Counter[str]()
        announcement = opened(store, tuple(Entry(address=f"p{number}@example.org") for number in range(people)))
        store._db.set_progress_handler(lambda: steps.update(["step"]), 1)
        assert len(store.advance(announcement, [], 4, NOW)) == 4
        store.close()
        return steps["step"]
