"""What every channel that sends promises, as a class of tests to inherit from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from amplify import deliver
from amplify.api import Announcer, Channel
from amplify.deliver import Job, Pace, World
from amplify.errors import Paused, Permanent, Transient, Unknown, Unreadable, Unsure
from amplify.instances import instance
from amplify.model import Delivery, Digest, Key, Media, Message, Place, Publication, Receipt, Recipient, State
from amplify.store import Entry, Store
from amplify.testing_server import WAIT, Fault, Request
from amplify.testing_suite import Suite, said

_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


_IN_DOUBT = (Unsure, Unreadable)
_AS_IT_SHOULD: Mapping[Fault, tuple[type[Exception], ...]] = {
    Fault.UNREACHABLE: (Transient,),
    Fault.DENIED: (Paused,),
    Fault.REFUSED: (Permanent, Paused),
    Fault.LATER: (Transient,),
    Fault.TOO_MANY: (Transient,),
    Fault.BROKEN: _IN_DOUBT,
    Fault.DROP_BEFORE: (*_IN_DOUBT, Transient),
    Fault.SILENT_BEFORE: (*_IN_DOUBT, Transient),
    Fault.DROP_AFTER: _IN_DOUBT,
    Fault.SILENT_AFTER: _IN_DOUBT,
    Fault.NOT_JSON: _IN_DOUBT,
    Fault.HUGE: _IN_DOUBT,
}


def expected(fault: Fault) -> tuple[type[Exception] | type[Receipt], ...]:
    """What an announcer may raise, or give, on such a day."""
    return (Receipt, *_AS_IT_SHOULD[fault]) if fault in (Fault.NOT_JSON, Fault.HUGE) else _AS_IT_SHOULD[fault]


FIELD = "AMPLIFY0123456789ABCDEF"
"""The token in the messages of the suite that each recipient's own address replaces."""


class AnnouncerSuite(Suite):
    """A channel that sends: each post once, whatever happens on the way, and the right word for what happened."""

    faults: ClassVar[Sequence[Fault]] = tuple(Fault)

    def posts(self) -> Sequence[object]:
        """What people at the far end would see: each thing that it took, once."""
        taken = [one for one in self.far.taken if self.is_post(one)]
        if not self.announcer().traits.idempotent:
            return taken
        return list({(one.method, one.path, one.query, one.body): one for one in taken}.values())

    def shown(self, request: Request) -> str:
        """The text of a post as the far end shows it, and counts its characters: the longest one that was handed over."""
        return max(request.words(), key=len)

    def announcer(self, *, silent: bool = False) -> Announcer:
        """A new instance, as every run of the command makes one."""
        kind = self.found()
        assert isinstance(kind, Channel)
        works = instance(self.table(), kind, self.lend(silent=silent)).works
        assert isinstance(works, Announcer), "this channel keeps a place equal to the site: inherit from MirrorSuite"
        return works

    def message(self, text: str = "Marking, with joy", media: tuple[Media, ...] = ()) -> Message:
        """A message in the form that the channel takes."""
        traits, link = self.announcer().traits, "https://joyfe.example.org/editions/2026-11/"
        mail = traits.form == "mail"
        headers = (("From", "JoyFE <news@joyfe.example.org>"), ("List-Unsubscribe", f"<{FIELD}>")) if mail else ()
        return Message(
            publication=Key("edition/ed-7k2m"), form=traits.form, language="en-GB", subject="Joy in November", text=f"{text} {link}",
            html=None if traits.form == "post" else f'<p>{text}</p>\n<a\nhref="{FIELD if mail else link}"\n>Read</a>', link=link,
            date=self.clock(), digest=Digest("d1"), headers=headers, media=media, fields=(FIELD,) if mail else (),
        )  # fmt: skip

    def delivery(self, key: str = "k3b1f0c2d4e5a697") -> Delivery:
        """One delivery, to a subscriber or to the public."""
        public = self.announcer().traits.audience == "public"
        who = None if public else Recipient(id="r1", address="amal@example.org", name="Amal", language="", token="t")  # noqa: S106 - no secret
        return Delivery(id=1, key=key, publication=Key("edition/ed-7k2m"), channel="tested", recipient=who, attempt=1, values=_values(who))

    def send(self, message: Message | None = None, delivery: Delivery | None = None, *, silent: bool = False) -> Receipt | Exception:
        """What became of one delivery: its receipt, or what was raised."""
        with self.announcer(silent=silent).session(message or self.message()) as act:
            try:
                return act(delivery or self.delivery())
            except Exception as error:  # noqa: BLE001 - whatever it is, a test judges it
                return error

    def settle(self) -> None:
        """Wait until the far end has got what its sender gave up: on a busy computer that may be later."""
        self.far.settle()

    def find(self, delivery: Delivery | None = None) -> Receipt | Unknown | None:
        """What a new instance knows of a delivery."""
        try:
            return self.announcer().find(delivery or self.delivery(), self.message())
        except Unknown as error:
            return error

    # -- what is promised ----------------------------------------------------------------------------------------------

    def test_a_delivery_is_one_post_and_gives_a_receipt(self) -> None:
        done = self.send()

        assert isinstance(done, Receipt), f"no receipt: {done!r}"
        assert done.id
        assert done.at.tzinfo, "the time of a receipt needs a zone: take services.clock()"
        assert len(self.posts()) == 1

    def test_what_is_sent_leads_to_the_page(self) -> None:
        self.send()

        assert self.far_end_has(self.message().link), "the link of the message was not sent"

    def far_end_has(self, words: str) -> bool:
        """Whether these words reached the far end."""
        return any(words in text for one in self.far.taken for text in one.words())

    def test_a_session_alone_sends_nothing(self) -> None:
        with self.announcer().session(self.message()):
            pass

        assert self.posts() == []

    def test_one_session_carries_several_deliveries(self) -> None:
        with self.announcer().session(self.message()) as act:
            for key in ("k1a1", "k2b2"):
                act(self.delivery(key))

        assert len(self.posts()) == 2

    def test_the_same_delivery_again_does_no_harm_if_the_traits_say_so(self) -> None:
        if not self.announcer().traits.idempotent:
            pytest.skip("the traits do not say idempotent")
        for _ in range(2):
            self.send()
            self.clock.pass_(minutes=5)

        assert len(self.posts()) == 1, "the same delivery said something else the second time"

    def test_it_is_not_found_before_it_was_sent(self) -> None:
        assert not isinstance(self.find(), Receipt)

    def test_it_is_found_afterwards_or_nobody_knows(self) -> None:
        self.send()

        assert self.find() is not None, "`find` says that it is surely not there, and it is"

    def test_another_delivery_is_not_taken_for_it(self) -> None:
        self.send()

        assert not isinstance(self.find(self.delivery("another-key")), Receipt)

    def test_a_bad_day_has_its_word(self, fault: Fault) -> None:
        done = self._on_a_bad_day(fault)

        again = (Transient,) if self.announcer().traits.idempotent else ()
        assert isinstance(done, (*expected(fault), *again)), f"{fault.value}: {done!r}"
        if fault is Fault.LATER:
            assert isinstance(done, Transient)
            assert done.wait is not None, "the wait that the far end asked for was lost"
            assert done.wait >= WAIT
        assert not (isinstance(done, Exception) and self.leaked(said(done))), "a secret is in the error"
        found = self.find()
        assert found is None or isinstance(found, Unknown) or self.posts(), "`find` gives a receipt for what is not there"
        assert found is not None or not self.posts(), "`find` says that it is surely not there, and it is"

    def _on_a_bad_day(self, fault: Fault) -> Receipt | Exception:
        self.far.trouble = fault
        done = self.send(silent=fault.silent)
        if fault.silent:
            self.settle()
        self.far.trouble = None
        return done

    def test_nobody_gets_it_twice_whatever_went_wrong(self, mishap: Fault) -> None:
        """Through the core: a run on a bad day, and two more on good ones."""
        store, job = self._opened()
        self.far.trouble = mishap
        deliver.announce(job, self.announcer(), store, Pace(), World(self.clock), _quietly)
        self.far.trouble = None

        self._goes_on(store, job)

    def test_nobody_gets_it_twice_after_a_death_between_sending_and_recording(self) -> None:
        store, job = self._opened()
        [claim] = store.advance(job.announcement, [], 1, self.clock())
        with self.announcer().session(job.message) as act:
            act(replace(claim, values=_values(claim.recipient)))

        self._goes_on(store, job)

    def _opened(self) -> tuple[Store, Job]:
        store = Store(self.folder / "amplify.db")
        self._stack.callback(store.close)
        return store, _job(store, self.announcer(), self.message(), self.clock())

    def _goes_on(self, store: Store, job: Job) -> None:
        for _ in range(2):
            self.clock.pass_(hours=12)
            store.recover(self.clock())
            works = self.announcer()
            deliver.settle_doubts(job, works, store, "ask", self.clock)
            deliver.announce(job, works, store, Pace(), World(self.clock), _quietly)
        [announcement] = store.announcements()
        assert len(self.posts()) <= 1, "it was sent twice"
        assert self.posts() or set(announcement.counts) <= {State.DOUBT, State.REFUSED}, "it was lost, and nobody is told"

    def test_a_post_as_long_as_may_be_is_not_made_longer(self) -> None:
        limit = self.announcer().traits.limit
        if not limit:
            pytest.skip("the traits name no limit")
        bare = self.message("")
        self.send(self.message(("joie " * limit)[: limit - len(bare.text)].strip().ljust(limit - len(bare.text), "é")))

        longest = max(len(self.shown(one)) for one in self.far.taken if self.is_post(one))
        assert longest <= limit, f"the far end would see {longest} characters, and takes {limit}"

    def test_pictures_go_with_the_post(self) -> None:
        number = self.announcer().traits.media
        if not number:
            pytest.skip("the traits name no pictures")
        media = tuple(Media(path=f"{name}.png", alt=f"picture {name}", type="image/png") for name in range(number))
        for one in media:
            (self.folder / one.path).write_bytes(_PICTURE)

        assert isinstance(self.send(self.message(media=media)), Receipt)
        assert len(self.posts()) == 1
        assert [one.alt for one in media if not self.far_end_has(one.alt)] == [], "words of a picture were not sent"

    def test_a_rehearsal_stays_on_this_computer(self) -> None:
        kind = self.found()
        assert isinstance(kind, Channel)
        works = instance(self.table(rehearsal=True), kind, self.lend()).works
        assert isinstance(works, Announcer)
        with works.session(self.message()) as act:
            act(self.delivery())

        assert self.far.requests == []


def _values(who: Recipient | None) -> Mapping[str, str]:
    return {FIELD: "https://join.example.org/leave/t"} if who else {}


def _quietly(*_: object) -> None:
    """Nobody looks."""


def _job(store: Store, works: Announcer, message: Message, now: Any) -> Job:
    subscribers = works.traits.audience == "subscribers"
    if subscribers:
        store.import_subscribers([Entry(address="amal@example.org")], now, "")
    publication = Publication(
        key=message.publication, kind="edition", title=message.subject, path="editions/2026-11/", due=now, audience="", digest=Digest("d"),
        words={}, at=Place(file=Path("editions/2026-11.md"), line=1),
    )  # fmt: skip
    opened = store.open(publication, "tested", "tested", now, rehearsal=False, subscribers=subscribers)
    return Job(opened, message, _values)
