"""What `publish` decides. Every rule is a sentence; the functions are pure, so each test is values in, values out."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from amplify.config import Community, Plugged, Publish, Settings
from amplify.model import Announcement, AnnounceStep, Asset, Digest, Held, Key, Place, Plan, Publication, Site, State
from amplify.plan import MARK, Outlet, Wanted, in_order, irrevocable, mirror, nothing_to_do, plan
from amplify.select import Selection

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
SETTINGS = Settings(root=Path(), community=Community(name="C", url="https://c.example.org/", timezone="Europe/London"))
MAIL = Outlet(table=Plugged(name="newsletter", plugin="email", publishes=("edition",)), outside=True, rehearsal=False, subscribers=True)
OUTBOX = replace(MAIL, outside=False, rehearsal=True)


def edition(name: str = "joy", age: timedelta = timedelta(minutes=30), audience: str = "") -> Publication:
    return Publication(
        key=Key(f"edition/{name}"), kind="edition", title=name.title(), path=f"editions/{name}/", due=NOW - age, audience=audience,
        digest=Digest(f"digest of {name}"), words={}, at=Place(file=Path(f"editions/{name}.md"), line=1),
    )  # fmt: skip


def announced(one: Publication, *, rehearsal: bool = False, closed: bool = True, **counts: int) -> Announcement:
    states = {State(state.replace("_", " ")): number for state, number in (counts or {"delivered": 12}).items()}
    return Announcement(
        id=1, publication=one.key, channel="newsletter", title=one.title, digest=one.digest, rehearsal=rehearsal, opened=NOW,
        closed=NOW if closed else None, counts=states,
    )  # fmt: skip


def planned(
    publications: Iterable[Publication], history: Iterable[Announcement] = (), *, outlet: Outlet = MAIL, people: int = 12,
    settings: Settings = SETTINGS, wanted: Wanted | None = None, waiting: tuple[Held, ...] = (),
) -> Plan:  # fmt: skip
    selection = Selection(
        editions=(), episodes=(), contributions={}, members={}, events=(), upcoming=(), publications=tuple(publications), waiting=waiting
    )
    return plan(NOW, (), selection, (outlet,), history, lambda _tag: people, settings, wanted or Wanted())


def opening(plan: Plan) -> list[Key]:
    return [step.publication.key for step in plan.announce if step.opens]


def held(plan: Plan) -> dict[str, str]:
    return {str(one.key): one.reason for one in plan.held}


class TestWhatIsAnnounced:
    def test_something_new_and_due_opens_for_everyone(self) -> None:
        joy = edition()

        assert planned([joy]).announce == (
            AnnounceStep(
                publication=joy, channel="newsletter", opens=True, left=12, delivered=0, outside=True, rehearsal=False, changed=False
            ),
        )

    def test_once_is_once(self) -> None:
        joy = edition()

        assert nothing_to_do(planned([joy], [announced(joy)]))

    def test_an_edit_after_sending_is_not_sent_again(self) -> None:
        joy = edition()

        assert nothing_to_do(planned([replace(joy, digest=Digest("another"))], [announced(joy)]))

    def test_what_was_interrupted_goes_on(self) -> None:
        joy = edition()

        [step] = planned([joy], [announced(joy, closed=False, delivered=5, planned=7)]).announce

        assert (step.opens, step.left, step.delivered) == (False, 7, 5)

    def test_what_is_in_doubt_alone_is_asked_about(self) -> None:
        joy = edition()

        [step] = planned([joy], [announced(joy, closed=False, delivered=11, in_doubt=1)]).announce

        assert (step.left, step.doubt) == (0, 1)

    def test_an_edit_in_mid_send_is_said(self) -> None:
        joy = edition()
        edited = replace(joy, digest=Digest("another"))

        [step] = planned([edited], [announced(joy, closed=False, delivered=5, planned=7)]).announce

        assert step.changed

    def test_once_open_it_stays_due_however_late(self) -> None:
        old = edition(age=timedelta(days=30))

        assert len(planned([old], [announced(old, closed=False, planned=7)]).announce) == 1

    def test_a_channel_takes_only_what_it_publishes(self) -> None:
        episode = replace(edition(), kind="episode")

        assert planned([episode]).announce == ()


class TestWhatStays:
    def test_what_is_older_than_announce_within_is_archive(self) -> None:
        assert held(planned([edition(age=timedelta(days=8))])) == {"edition/joy": "archive"}

    def test_unless_somebody_asks_for_it(self) -> None:
        old = edition(age=timedelta(days=8))

        assert opening(planned([old], wanted=Wanted(announce=(old.key,)))) == [old.key]

    def test_an_empty_list_keeps_it_due(self) -> None:
        assert held(planned([edition()], people=0)) == {"edition/joy": "audience empty"}

    def test_quiet_days_hold_what_is_new(self) -> None:
        quiet = replace(SETTINGS, publish=Publish(quiet=("2026-11-18/2026-11-20",)))

        assert held(planned([edition()], settings=quiet)) == {"edition/joy": "quiet"}

    def test_quiet_days_do_not_hold_what_is_under_way(self) -> None:
        quiet, joy = replace(SETTINGS, publish=Publish(quiet=("2026-11-18/2026-11-20",))), edition()

        assert len(planned([joy], [announced(joy, closed=False, planned=7)], settings=quiet).announce) == 1

    def test_drafts_and_things_to_come_are_said(self) -> None:
        waiting = (Held(key=Key("edition/x"), title="X", channel="", reason="draft"),)

        assert held(planned([], waiting=waiting)) == {"edition/x": "draft"}


class TestOneThingOneIdentity:
    def test_a_file_that_lost_its_name_is_not_sent_again(self) -> None:
        sent, renamed = edition("joy"), edition("joy-in-november")

        made = planned([renamed], [announced(sent)])

        assert held(made) == {"edition/joy-in-november": "renamed?"}
        assert "write  id: joy  into editions/joy-in-november.md" in made.held[0].hint

    def test_a_conflict_copy_is_not_sent(self) -> None:
        sent = edition("joy")
        copy = replace(sent, key=Key("edition/joy-2"), path="editions/joy-2/")

        assert held(planned([sent, copy], [announced(sent)])) == {"edition/joy-2": "copy?"}

    def test_a_channel_under_a_new_name_sends_nothing_again(self) -> None:
        joy = edition()
        elsewhere = replace(announced(joy), channel="old-name")

        assert held(planned([joy], [elsewhere])) == {"edition/joy": "renamed?"}

    def test_what_really_is_new_goes_when_a_person_says_so(self) -> None:
        sent, new = edition("joy"), edition("more-joy")

        assert opening(planned([new], [announced(sent)], wanted=Wanted(announce=(new.key,)))) == [new.key]

    def test_something_old_that_is_gone_holds_nothing(self) -> None:
        old = replace(announced(edition("old")), opened=NOW - timedelta(days=30))

        assert opening(planned([edition("new")], [old])) == ["edition/new"]


class TestRehearsals:
    def test_a_rehearsed_edition_is_due_with_a_real_server(self) -> None:
        joy = edition()

        assert opening(planned([joy], [announced(joy, rehearsal=True)])) == [joy.key]

    def test_nothing_older_that_was_rehearsed_follows_it(self) -> None:
        new, old = edition("new"), edition("old", timedelta(days=2))
        rehearsed = [announced(new, rehearsal=True), announced(old, rehearsal=True)]

        made = planned([new, old], rehearsed)

        assert (opening(made), held(made)) == ([new.key], {"edition/old": "rehearsed only"})

    def test_a_real_delivery_does_not_count_as_a_rehearsal(self) -> None:
        joy = edition()

        assert opening(planned([joy], [announced(joy)], outlet=OUTBOX)) == [joy.key]

    def test_a_rehearsal_is_repeated_no_more_than_the_real_thing(self) -> None:
        joy = edition()

        assert nothing_to_do(planned([joy], [announced(joy, rehearsal=True)], outlet=OUTBOX))

    def test_only_what_really_leaves_is_counted_as_irrevocable(self) -> None:
        assert (irrevocable(planned([edition()])), irrevocable(planned([edition()], outlet=OUTBOX))) == (12, 0)


class TestWhatWasAskedFor:
    def test_one_publication(self) -> None:
        one, other = edition("one"), edition("other")

        assert opening(planned([one, other], wanted=Wanted(publications=(one.key,)))) == [one.key]

    def test_one_channel(self) -> None:
        assert planned([edition()], wanted=Wanted(channels=("elsewhere",))).announce == ()

    def test_the_site_only(self) -> None:
        assert planned([edition()], wanted=Wanted(site_only=True)).announce == ()


def asset(path: str, digest: str = "d", rank: str = "file") -> Asset:
    return Asset(path=PurePosixPath(path), digest=Digest(digest), size=1, type="", source=Path(path), rank=rank)  # type: ignore[arg-type]


def site(*assets: Asset) -> Site:
    return Site(assets={one.path: one for one in assets}, digest=Digest("s"))


class TestMirrors:
    def test_what_is_there_and_equal_is_left_alone(self) -> None:
        step = mirror("website", site(asset("a")), {PurePosixPath("a"): Digest("d")})

        assert (step.new, step.changed, step.remove) == ((), (), ())

    def test_new_changed_and_gone_are_told_apart(self) -> None:
        listing = {PurePosixPath("old"): Digest("x"), PurePosixPath("edited"): Digest("x")}

        step = mirror("website", site(asset("new"), asset("edited")), listing)

        assert ([str(one.path) for one in step.new], [str(one.path) for one in step.changed]) == (["new"], ["edited"])
        assert step.remove == (PurePosixPath("old"),)

    def test_nothing_is_put_before_what_it_links_to(self) -> None:
        step = mirror("website", site(asset("feed.xml", rank="index"), asset("e/index.html", rank="page"), asset("e/audio.mp3")), {})

        assert [str(one.path) for one in in_order(step)] == ["e/audio.mp3", "e/index.html", "feed.xml"]

    @pytest.mark.parametrize("path", [MARK])
    def test_the_mark_is_not_part_of_the_site(self, path: PurePosixPath) -> None:
        assert mirror("website", site(), {path: Digest("x")}).remove == ()
