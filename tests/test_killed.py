"""Killed: whatever a publish is doing when it ends, nobody is lost, nobody gets two, and what nobody knows is shown.

Points are taken evenly from the whole run: a few, or with `AMPLIFY_EVERY_POINT=1`, as `make long` sets it, every deed and
a thousand lines, with 50 people on the list. The servers' own accounts are the judge.
"""

import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.interrupter import EVERY_POINT, Number, points
from tests.killing import CONNECTIONS, Town, Towns, due, settings, towns
from tests.kit import EDITION

from amplify.model import State
from amplify.store import Store

PEOPLE = tuple(f"p{number}@example.org" for number in range(50 if EVERY_POINT else 12))
pytestmark = pytest.mark.timeout(0 if EVERY_POINT else 120)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Towns]:
    with towns(tmp_path_factory.mktemp("towns"), PEOPLE) as ready:
        yield ready


@pytest.fixture
def town(made: Towns) -> Town:
    return made.town()


@pytest.fixture(scope="module")
def length(made: Towns) -> dict[Number, int]:
    """How many deeds and lines a publish has that nothing strikes."""
    return {number: made.town().publish(number, at=1_000_000).counted for number in ("deeds", "lines")}


def everybody_once(town: Town) -> None:
    for channel in CONNECTIONS:
        assert town.copies(channel) == Counter(town.people)


def nobody_lost_and_nobody_twice(town: Town) -> None:
    """By the servers' account, against what `amplify status` shows as in doubt."""
    for channel, connections in CONNECTIONS.items():
        doubt = town.in_doubt(channel)
        assert town.never(channel) <= set(doubt)
        assert max(town.copies(channel).values(), default=0) <= 1
        assert len(doubt) <= connections


def told_what_arrived(town: Town) -> None:
    """A person who knows what arrived settles each doubt."""
    for channel in CONNECTIONS:
        for address, number in town.in_doubt(channel).items():
            answer = "--delivered" if town.copies(channel)[address] else "--resend"
            assert town.run("resolve", str(number), answer).status == 0


class TestKilledAnywhere:
    @pytest.mark.parametrize("number", ["deeds", "lines"])
    def test_nobody_is_lost_nobody_gets_two_and_a_person_settles_the_rest(
        self, made: Towns, length: dict[Number, int], number: Number
    ) -> None:
        tried, doubts = 0, 0
        for point in points(length[number], 8 if number == "deeds" else 4):
            town = made.town()
            killed = town.publish(number, point)

            town.goes_on()
            nobody_lost_and_nobody_twice(town)
            tried, doubts = tried + 1, doubts + sum(len(town.in_doubt(channel)) for channel in CONNECTIONS)
            told_what_arrived(town)
            town.goes_on()

            assert killed.counted <= point or killed.status == -9
            everybody_once(town)
            assert "editions/joy/index.html" in town.community.site()
            made.done_with(town)
        print(f"\nkilled at {tried} {number}: nobody lost, nobody twice, {doubts} in doubt and shown")

    def test_with_resend_everybody_gets_it_and_a_second_copy_can_be_told(self, made: Towns, length: dict[Number, int]) -> None:
        tried, extra = 0, 0
        for point in points(length["deeds"], 4):
            town = made.town('in_doubt = "resend"')
            town.publish("deeds", point)

            town.goes_on()

            for channel, connections in CONNECTIONS.items():
                assert town.never(channel) == set()
                assert len(town.ids(channel)) == len(town.people)
                assert town.copies(channel).total() <= len(town.people) + connections
            tried, extra = tried + 1, extra + sum(town.copies(channel).total() - len(town.people) for channel in CONNECTIONS)
            made.done_with(town)
        print(f"\nkilled at {tried} deeds, with resend: nobody lost, {extra} extra copies, each with the same Message-ID")


class TestCtrlC:
    def test_at_any_line_leaves_nothing_in_doubt(self, made: Towns, length: dict[Number, int]) -> None:
        for point in points(length["lines"], 4):
            town = made.town()
            stopped = town.publish("lines", point, "interrupted")

            assert stopped.counted <= point or stopped.status in (130, -signal.SIGINT), stopped.err  # the latter: before the command began
            assert not any(map(town.in_doubt, CONNECTIONS))
            town.goes_on()
            everybody_once(town)
            made.done_with(town)

    def test_lets_what_is_in_flight_arrive_and_says_how_to_go_on(self, town: Town) -> None:
        stopped = town.publish_and(signal.SIGINT, after=5)

        assert (stopped.status, stopped.err.strip()) == (130, "Stopped. Running the same command again goes on from here.")
        assert Counter(state for _, state, _ in town.rows()["letter"]) == {
            State.DELIVERED: (arrived := town.copies("letter").total()),
            State.PLANNED: len(PEOPLE) - arrived,
        }
        assert 5 < arrived < len(PEOPLE)
        assert town.copies("digest").total() == town.copies("bulletin").total() == 0


class TestWhatHappensMeanwhile:
    def test_an_edit_reaches_the_rest_and_the_plan_says_so(self, town: Town) -> None:
        town.publish_and(signal.SIGINT, after=5)
        first = town.copies("letter")
        town.community.write({"editions/joy.md": due(EDITION) + "\nBring cake.\n"})

        plan = town.run("publish", "--dry-run").out
        town.goes_on()

        assert "editions/joy.md was edited since the first ones got it; the rest get the new text" in " ".join(plan.split())
        everybody_once(town)
        letters = zip(town.peers["letter"].recipients(), town.peers["letter"].messages(), strict=True)
        assert {address for address, mail in letters if "Bring cake." not in mail.as_string()} == set(first)

    def test_who_leaves_gets_nothing_more(self, town: Town) -> None:
        def leaves() -> None:
            with closing(Store(town.record)) as store:
                assert store.remove(PEOPLE[-1])

        town.peers["digest"].meanwhile[4] = leaves

        assert town.publish().status == 0
        assert town.never("letter") == set()
        assert town.never("digest") == {PEOPLE[-1]}

    def test_a_channel_with_a_new_name_goes_on_where_it_was_killed(self, town: Town) -> None:
        town.publish_and(signal.SIGKILL, after=5)
        renamed = settings(town.peers).replace('name = "letter"', 'name = "post"\nwas = ["letter"]')
        town.community.write({"amplify.toml": renamed})

        town.goes_on()

        doubt = town.in_doubt("post")
        assert town.never("letter") <= set(doubt)
        assert 1 <= len(doubt) <= CONNECTIONS["letter"]
        assert max(town.copies("letter").values()) == 1
        assert town.copies("digest") == Counter(PEOPLE)


class TestTwoAtOnce:
    def test_send_once_and_one_of_them_may_leave_with_status_4(self, made: Towns) -> None:
        for _ in range(100 if EVERY_POINT else 2):
            town = made.town()
            both = town.publish_twice()

            assert sorted(one.status for one in both) in ([0, 0], [0, 4]), [one.err for one in both]
            everybody_once(town)
            made.done_with(town)


def says(town: Town, why: str, remedy: str) -> str:
    return (
        f"The record in {town.record} cannot be used: {why}. Nothing more was sent.\n"
        "  What was sent until then is in it, but for the few that were on their way.\n"
        f"  {remedy}; then look, and go on:  amplify status  and  amplify publish\n"
    )


class TestARecordThatCannotBeWritten:
    """Nothing leaves that is not on the disk as being sent; so what is in doubt is again no more than what was in flight."""

    def test_since_another_program_holds_it(self, town: Town) -> None:
        other = sqlite3.connect(town.record, isolation_level=None, check_same_thread=False)
        with closing(other):
            town.peers["letter"].meanwhile[5] = lambda: other.execute("BEGIN IMMEDIATE")
            ran = town.publish()

        assert (ran.status, ran.err) == (1, says(town, "database is locked", "Close the other program that holds it"))
        self.goes_on_later(town)

    @pytest.mark.parametrize("more", [10_000, 100_000])
    def test_since_the_disk_is_full(self, town: Town, more: int) -> None:
        ran = town.publish(largest=town.record.stat().st_size + more)

        assert (ran.status, ran.err) == (1, says(town, "disk I/O error", "Make room on the disk, or mend it"))
        assert 0 < sum(town.copies(channel).total() for channel in CONNECTIONS) < len(CONNECTIONS) * len(PEOPLE)
        self.goes_on_later(town)

    def goes_on_later(self, town: Town) -> None:
        town.goes_on()
        nobody_lost_and_nobody_twice(town)
        told_what_arrived(town)
        town.goes_on()
        everybody_once(town)
