"""What every source promises, as a class of tests to inherit from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import pytest

from amplify import gather as gathering
from amplify.api import Bookmark, Offer, SourceKind
from amplify.gather import Fount, Gathered
from amplify.inbox import Filter, Inbox
from amplify.instances import fount
from amplify.store import Store
from amplify.testing_server import Fault
from amplify.testing_suite import Suite

_DAYS = (
    Fault.UNREACHABLE, Fault.DENIED, Fault.LATER, Fault.TOO_MANY, Fault.BROKEN, Fault.DROP_BEFORE, Fault.SILENT_BEFORE, Fault.NOT_JSON,
    Fault.HUGE,
)  # fmt: skip


class SourceSuite(Suite):
    """A source: everything is brought once, nothing is lost when it breaks off, and a bad day is one line.

    `things` is how many things the place holds now: 1, 2, … that number, each the same every time. `answer` tells of them, or
    `fill` puts them there.
    """

    offers: ClassVar[Literal["channels", "sources"]] = "sources"
    faults: ClassVar[Sequence[Fault]] = _DAYS
    things: int = 3

    def fill(self) -> None:
        """Make the place hold `self.things` things, where that is not what `answer` does."""

    def is_post(self, request: object) -> bool:  # noqa: ARG002 - every question can meet a bad day
        return True

    def fount(self, *, silent: bool = False) -> Fount:
        """A new instance, as every run of the command makes one."""
        kind = self.found()
        assert isinstance(kind, SourceKind)
        self.fill()
        return fount(self.table(), kind, self.lend(silent=silent))

    @pytest.fixture
    def inbox(self) -> Inbox:
        """Where everything goes."""
        store = Store(self.folder.parent / "amplify.db")
        self._stack.callback(store.close)
        return Inbox(store)

    def gather(self, inbox: Inbox, *, silent: bool = False) -> Gathered:
        """Gather as the command does; what came of it."""
        [result] = gathering.gather([self.fount(silent=silent)], inbox, self.clock, {}, lambda *_: None, 60)
        assert self.leaked(result.failure + "".join(result.notes)) == [], "a secret is in the report"
        return result

    # -- what is promised ----------------------------------------------------------------------------------------------

    def test_everything_is_brought(self, inbox: Inbox) -> None:
        result = self.gather(inbox)

        assert (result.failure, result.notes) == ("", [])
        assert len(result.items["new"]) == self.things
        for item in inbox.items(Filter(states=("new",))):
            assert item.offer.title, "an offer needs a title"

    def test_a_second_time_there_is_nothing_new(self, inbox: Inbox) -> None:
        self.gather(inbox)
        again = self.gather(inbox)

        assert (again.failure, again.items["new"], again.items["changed"]) == ("", [], [])

    def test_what_is_new_is_brought(self, inbox: Inbox) -> None:
        self.gather(inbox)
        self.things += 1
        self.clock.pass_(days=1)

        assert len(self.gather(inbox).items["new"]) == 1

    def test_a_thing_is_called_the_same_every_time(self) -> None:
        first, second = ([one.id for one in self.fount().works.gather(None) if isinstance(one, Offer)] for _ in range(2))

        assert sorted(first) == sorted(second)
        assert len(set(first)) == len(first), "two things have one id"

    def test_what_it_yields_is_followed_by_a_bookmark_or_needs_none(self) -> None:
        """A bookmark covers what came before it: whatever is yielded after the last one comes again next time."""
        brought = list(self.fount().works.gather(None))
        last = max((number for number, one in enumerate(brought) if isinstance(one, Bookmark)), default=-1)
        after = {one.id for one in brought[last + 1 :] if isinstance(one, Offer)}

        since = brought[last] if last >= 0 else None
        assert isinstance(since, Bookmark | None)
        assert after <= {one.id for one in self.fount().works.gather(since) if isinstance(one, Offer)}

    def test_nothing_is_lost_wherever_it_breaks_off(self) -> None:
        """Killed after each of its yields in turn, it brings the rest the next time."""
        whole = list(self.fount().works.gather(None))
        everything = {one.id for one in whole if isinstance(one, Offer)}
        for end in range(len(whole)):
            kept, since = _kept(whole[:end])
            rest = {one.id for one in self.fount().works.gather(since) if isinstance(one, Offer)}
            assert kept | rest == everything, f"killed after {end} of {len(whole)}, it never brings {sorted(everything - kept - rest)}"

    def test_a_bad_day_is_one_line_and_loses_nothing(self, inbox: Inbox, fault: Fault) -> None:
        self.far.trouble = fault
        result = self.gather(inbox, silent=fault.silent)
        self.far.trouble = None

        told = [line for line in (result.failure, *result.notes) if line]
        assert told, f"nothing was said of {fault.value}"
        assert not [line for line in told if "the plugin is broken" in line or "\n" in line], told
        self.clock.pass_(days=1)
        self.gather(inbox)
        assert inbox.count(Filter(states=("new",))) == self.things, "something was lost, or came twice"


def _kept(brought: Sequence[Offer | Bookmark]) -> tuple[set[str], Bookmark | None]:
    """What the core has on disk of what came: everything up to the last bookmark, and that."""
    last = max((number for number, one in enumerate(brought) if isinstance(one, Bookmark)), default=-1)
    since = brought[last] if last >= 0 else None
    assert isinstance(since, Bookmark | None)
    return {one.id for one in brought[: last + 1] if isinstance(one, Offer)}, since
