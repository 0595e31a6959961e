"""The inbox: what several sources bring becomes one thing, and every decision can be looked up and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify import identity
from amplify.inbox import Filter, Inbox
from amplify.model import Bookmark, Item, Offer
from amplify.store import Store

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
OFFER = Offer(
    id="a1", title="Marking with joy", body="<p>Three ways to mark a practical.</p>", url="https://amal.example.org/marking", author="Amal"
)
LONG = "We tried it with fifteen learners and one tutor, for two hours on a Thursday, and here is what came of it in the end."


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    store = Store(tmp_path / "amplify.db")
    yield Inbox(store)
    store.close()


def received(inbox: Inbox, *offers: Offer, source: str = "blogs", accepted: dict[str, str] | None = None) -> dict[str, int]:
    """How many of the offers turned out to be what."""
    found = inbox.receive(source, offers, None, NOW, accepted or {})
    return {what: len(items) for what, items in found.items() if items}


def only(inbox: Inbox) -> Item:
    [item] = inbox.items(Filter())
    return item


class TestWhatIsOne:
    def test_a_thing_that_comes_again_is_known(self, inbox: Inbox) -> None:
        assert received(inbox, OFFER) == {"new": 1}
        assert received(inbox, OFFER) == {"unchanged": 1}

    def test_one_address_from_two_sources_is_one_thing(self, inbox: Inbox) -> None:
        received(inbox, OFFER)
        again = replace(OFFER, id="x", title="Seen: marking", body="Look", url="http://www.amal.example.org/marking/?utm_source=mail#top")

        assert received(inbox, again, source="mailbox") == {"duplicate": 1}
        assert only(inbox).sources == ("blogs", "mailbox")

    def test_the_same_words_without_an_address_are_one_thing(self, inbox: Inbox) -> None:
        received(inbox, Offer(id="1", title="Fifteen haircuts", body=f"<p>{LONG}</p>"))

        assert received(inbox, Offer(id="2", title="Fwd: Fifteen", body=LONG.upper(), form="text"), source="mailbox") == {"duplicate": 1}

    def test_few_words_tell_nothing(self, inbox: Inbox) -> None:
        assert received(inbox, Offer(id="1", title="A", body="Thank you all"), Offer(id="2", title="B", body="Thank you all")) == {"new": 2}

    def test_what_a_file_already_is_asks_nothing_again(self, inbox: Inbox) -> None:
        """The record may be lost; the files say what was accepted."""
        known = {identity.contribution("blogs", "a1"): "marking-with-joy", "other.example.org/page": "page"}

        assert received(inbox, OFFER, replace(OFFER, id="b", url="https://other.example.org/page"), accepted=known) == {"duplicate": 2}
        assert {(one.state, one.slug) for one in inbox.items(Filter())} == {("accepted", "marking-with-joy"), ("accepted", "page")}

    @pytest.mark.parametrize(
        "address",
        [
            "https://amal.example.org/marking", "HTTPS://AMAL.example.org:443/marking/", "http://www.amal.example.org/marking/index.html",
            "https://amal.example.org/marking?fbclid=1&utm_medium=mail", "https://amal.example.org./marking#answers",
        ],
    )  # fmt: skip
    def test_what_only_says_where_the_reader_came_from_is_no_difference(self, address: str) -> None:
        assert identity.canonical(address) == "amal.example.org/marking"

    @pytest.mark.parametrize(
        "address", ["", "mailto:a@example.org", "javascript:alert(1)", "https://", "http://[::1", "http://a:b", "ftp://a/b"]
    )
    def test_what_is_no_web_address_is_none(self, address: str) -> None:
        assert identity.canonical(address) == ""

    @given(st.text())
    def test_any_text_can_be_asked_about(self, words: str) -> None:
        identity.canonical(words), identity.handle(words), identity.digest(Offer(id="1", title=words, body=words))

    @pytest.mark.parametrize(
        "written", ["@Amal@teach.example", "https://teach.example/@amal", "amal@teach.example", "mailto:Amal@teach.example"]
    )
    def test_a_handle_is_known_however_it_is_written(self, written: str) -> None:
        assert identity.handle(written) == "amal@teach.example"


class TestEditsAtTheFarEnd:
    def test_what_nobody_decided_about_says_what_it_says_there(self, inbox: Inbox) -> None:
        received(inbox, OFFER)

        assert received(inbox, replace(OFFER, title="Marking with more joy")) == {"changed": 1}
        assert only(inbox).offer.title == "Marking with more joy"

    def test_what_was_accepted_stays_and_the_change_is_news(self, inbox: Inbox) -> None:
        received(inbox, OFFER)
        inbox.decide(only(inbox), "accepted", "amal", NOW, slug="marking")

        received(inbox, replace(OFFER, title="Marking with more joy"))

        assert (only(inbox).offer.title, only(inbox).news and only(inbox).news.title) == ("Marking with joy", "Marking with more joy")

    def test_what_was_turned_down_does_not_come_back(self, inbox: Inbox) -> None:
        received(inbox, OFFER)
        inbox.decide(only(inbox), "rejected", "amal", NOW, reason="not ours")

        assert received(inbox, replace(OFFER, title="Again")) == {"unchanged": 1}
        assert (only(inbox).state, only(inbox).news) == ("rejected", None)

    def test_who_only_repeats_changes_nothing(self, inbox: Inbox) -> None:
        received(inbox, OFFER)
        received(inbox, replace(OFFER, id="x", title="Shared"), source="mailbox")

        assert received(inbox, replace(OFFER, id="x", title="Shared twice"), source="mailbox") == {"unchanged": 1}
        assert only(inbox).offer.title == "Marking with joy"


class TestOneCommit:
    def test_a_bookmark_is_stored_with_the_offers_that_it_covers(self, inbox: Inbox) -> None:
        inbox.receive("blogs", [OFFER], Bookmark(value="page 2"), NOW, {})

        assert (inbox.bookmark("blogs"), inbox.bookmark("mailbox")) == (Bookmark(value="page 2"), None)

    def test_where_one_cannot_be_stored_neither_is_the_bookmark(self, inbox: Inbox) -> None:
        with pytest.raises(AttributeError):
            inbox.receive("blogs", [OFFER, None], Bookmark(value="page 2"), NOW, {})  # type: ignore[list-item]

        assert (inbox.items(Filter()), inbox.bookmark("blogs")) == ((), None)


class TestDeciding:
    def test_a_decision_is_kept_with_who_when_and_why(self, inbox: Inbox) -> None:
        received(inbox, OFFER)
        inbox.decide(only(inbox), "rejected", "amal", NOW, reason="sells something")

        [choice] = inbox.choices(only(inbox).id)
        assert (choice.at, choice.who, choice.was, choice.became, choice.reason) == (NOW, "amal", "new", "rejected", "sells something")

    def test_what_is_held_is_new_again_on_its_day(self, inbox: Inbox) -> None:
        received(inbox, OFFER)
        inbox.decide(only(inbox), "held", "amal", NOW, until=NOW + timedelta(days=7))

        assert (inbox.wake(NOW + timedelta(days=6)), only(inbox).state) == (0, "held")
        assert (inbox.wake(NOW + timedelta(days=7)), only(inbox).state) == (1, "new")

    def test_two_that_are_one_are_brought_together_and_apart_again(self, inbox: Inbox) -> None:
        received(inbox, OFFER, Offer(id="b2", title="Marking, with joy"))
        other, first = inbox.items(Filter())
        inbox.merge(other, first, "amal", NOW)
        assert inbox.origin(other.id) == ("", "")

        inbox.undo(other, "amal", NOW)

        assert (inbox.origin(other.id), inbox.origin(first.id)) == (("blogs", "b2"), ("blogs", "a1"))

    def test_every_decision_can_be_taken_back_one_after_the_other(self, inbox: Inbox) -> None:
        received(inbox, OFFER)
        before = only(inbox)
        inbox.edit(before, replace(OFFER, title="Joy"), "amal", NOW)
        inbox.decide(only(inbox), "rejected", "amal", NOW, reason="no")

        assert (inbox.undo(only(inbox), "sam", NOW), only(inbox).offer.title) == (only(inbox), "Joy")
        assert inbox.undo(only(inbox), "sam", NOW) == before
        assert inbox.undo(only(inbox), "sam", NOW) is None


class TestLooking:
    def test_a_list_is_filtered_by_state_source_kind_and_words(self, inbox: Inbox) -> None:
        received(inbox, OFFER, Offer(id="2", title="100% hairdressing", author="Sam"))
        received(inbox, Offer(id="3", title="Chat", kind="event"), source="forms")  # type: ignore[arg-type]

        def titles(**wanted: object) -> list[str]:
            return [one.offer.title for one in inbox.items(Filter(**wanted))]  # type: ignore[arg-type]

        assert titles() == ["Chat", "100% hairdressing", "Marking with joy"]
        assert (titles(source="forms"), titles(kind="event"), titles(words="0% h"), titles(words="sam")) == (
            ["Chat"], ["Chat"], ["100% hairdressing"], ["100% hairdressing"]
        )  # fmt: skip
        assert titles(states=("rejected",)) == []

    def test_a_long_list_goes_on_from_where_it_stopped(self, inbox: Inbox) -> None:
        received(inbox, *(Offer(id=str(number), title=f"Offer {number}") for number in range(7)))

        page = inbox.items(Filter(limit=5))
        rest = inbox.items(Filter(limit=5, below=page[-1].id))

        assert ([one.id for one in page], [one.id for one in rest], inbox.count(Filter())) == ([7, 6, 5, 4, 3], [2, 1], 7)
