"""Killed: whatever a publish is doing when it ends, nobody is lost, nobody gets two, and what nobody knows is shown.

Processes are ended at a line that they execute; which, is drawn for each run of the tests. AMPLIFY_EVERY_POINT=1 ends one at every
line, for 50 people: hours. AMPLIFY_EVERY_POINT=20 at every twentieth.
"""

import os
import random
import resource
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from amplify.store import Store
from tests.interrupter import Ended, interrupter
from tests.killing import CONNECTIONS, Town, Towns, due, settings, towns
from tests.kit import EDITION

STRIDE = int(os.environ.get("AMPLIFY_EVERY_POINT", "0"))
PEOPLE = tuple(f"p{number}@example.org" for number in range(50 if STRIDE else 12))
pytestmark = pytest.mark.timeout(0 if STRIDE else 120)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Towns]:
    with towns(tmp_path_factory.mktemp("towns"), PEOPLE) as ready:
        yield ready


@pytest.fixture
def town(made: Towns) -> Town:
    return made.town()


@pytest.fixture(scope="module")
def lines(made: Towns) -> int:
    """How many lines a publish executes that nobody ends."""
    ran = made.town().publish()
    assert ran.status == 0, ran.err
    return ran.counted


def points(lines: int, part: int, parts: int) -> range:
    """The lines of one part of a publish at which it is ended: one of them, or as many as were asked for."""
    whole = range(lines * part // parts, lines * (part + 1) // parts)
    return whole[::STRIDE] if STRIDE else range(first := random.choice(whole), first + 1)


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


class TestKilledAtAnyLine:
    @pytest.mark.parametrize("part", range(15))
    def test_nobody_is_lost_nobody_gets_two_and_a_person_settles_the_rest(self, made: Towns, lines: int, part: int) -> None:
        for point in points(lines, part, 15):
            town = made.town()
            killed = town.publish(at=point)

            town.goes_on()
            nobody_lost_and_nobody_twice(town)
            told_what_arrived(town)
            town.goes_on()

            assert killed.counted <= point or killed.status == -9
            everybody_once(town)
            assert "editions/joy/index.html" in town.community.site()
            made.done_with(town)

    @pytest.mark.parametrize("part", range(5))
    def test_with_resend_everybody_gets_it_and_a_second_copy_can_be_told(self, made: Towns, lines: int, part: int) -> None:
        for point in points(lines, part, 5):
            town = made.town('in_doubt = "resend"')
            town.publish(at=point)

            town.goes_on()

            for channel, connections in CONNECTIONS.items():
                assert town.never(channel) == set()
                assert len(town.ids(channel)) == len(town.people)
                assert town.copies(channel).total() <= len(town.people) + connections
            made.done_with(town)


class TestCtrlC:
    @pytest.mark.parametrize("part", range(6))
    def test_leaves_nothing_in_doubt(self, made: Towns, lines: int, part: int) -> None:
        for point in points(lines, part, 6):
            town = made.town()
            stopped = town.publish(at=point, blow="SIGINT")

            assert stopped.status == 130, stopped.err
            assert not any(map(town.in_doubt, CONNECTIONS))
            town.goes_on()
            everybody_once(town)
            made.done_with(town)
