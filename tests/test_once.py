"""Once: the promises about mail that really leaves, played through as people would, against a server that keeps count."""

import functools
import http.server
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dulwich.repo import Repo
from kit import EDITION, SETTINGS, Community
from smtp_peer import DROP, Peer, listening

from amplify import pipeline, state
from amplify.store import Store

PEOPLE = tuple(f"p{number}@example.org" for number in range(6))


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening(Peer()) as listener:
        yield listener


def settings(peer: Peer, more: str = "connections = 1") -> str:
    server = f'server = "smtp://127.0.0.1:{peer.port}"\nfinal_timeout = 5\n{more}'
    return SETTINGS.replace('server = "outbox:"', server) + "\n[publish]\nverify_site = false\n"


@pytest.fixture
def joy(peer: Peer, tmp_path: Path) -> Community:
    made = Community(tmp_path / "joy").write({"amplify.toml": settings(peer), "editions/joy.md": dated(EDITION)})
    return made.subscribed(*PEOPLE)


def dated(edition: str) -> str:
    """An edition that came due a moment ago, by the clock on the wall: what really leaves knows no other."""
    return edition.replace("2026-11-18 20:00", f"{pipeline.now():%Y-%m-%d 00:00}")


def states(community: Community) -> dict[str, int]:
    [one] = community.run("status", "--json").json["publications"]
    return dict(one["counts"])


class TestAYes:
    def test_is_needed_for_what_cannot_be_taken_back(self, joy: Community, peer: Peer) -> None:
        ran = joy.run("publish")

        assert (ran.status, peer.taken, joy.site()) == (1, [], {})
        assert "6 people would get mail, and that cannot be taken back. Nothing was sent and nothing went online." in ran.err

    def test_sends_to_everyone_once(self, joy: Community, peer: Peer) -> None:
        assert joy.run("publish", "--yes").status == 0
        assert joy.run("publish", "--yes").status == 0

        assert Counter(peer.recipients()) == Counter(PEOPLE)

    def test_is_not_asked_for_the_website_alone(self, joy: Community, peer: Peer) -> None:
        ran = joy.run("publish", "--site-only")

        assert (ran.status, peer.taken) == (0, [])
        assert "index.html" in joy.site()

    def test_comes_after_a_plan_that_changes_nothing(self, joy: Community, peer: Peer) -> None:
        ran = joy.run("publish", "--dry-run")

        assert (ran.status, peer.taken, joy.site()) == (0, [], {})
        assert "CANNOT BE TAKEN BACK" in ran.out

    def test_is_not_given_for_another_time(self, joy: Community, peer: Peer) -> None:
        ran = joy.run("publish", "--yes", "--at", "2026-11-18 20:30")

        assert (ran.status, peer.taken) == (1, [])
        assert "--at is for rehearsals" in ran.err


class TestARehearsal:
    def test_through_a_real_server_leaves_nothing(self, joy: Community, peer: Peer) -> None:
        joy.write({"amplify.toml": settings(peer, "rehearsal = true")})

        ran = joy.run("publish", "--yes")

        assert (ran.status, peer.taken, len(joy.mails())) == (0, [], 6)
        assert "REHEARSAL: nobody gets these" in ran.out

    def test_leaves_the_real_thing_due(self, joy: Community, peer: Peer) -> None:
        joy.write({"amplify.toml": settings(peer, "rehearsal = true")})
        joy.run("publish", "--yes")
        joy.write({"amplify.toml": settings(peer)})

        joy.run("publish", "--yes")

        assert Counter(peer.recipients()) == Counter(PEOPLE)


class TestANewName:
    def test_of_a_file_is_noticed(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")
        (joy.root / "editions" / "joy.md").rename(joy.root / "editions" / "much-joy.md")

        ran = joy.run("publish", "--yes")

        assert len(peer.taken) == 6
        assert 'if it is "Joy in November" under a new name, write  id: joy' in " ".join(ran.out.split()).replace("write id:", "write  id:")

    def test_of_a_channel_in_mid_send_goes_on_where_it_was(self, joy: Community, peer: Peer) -> None:
        joy.write({"amplify.toml": settings(peer, "per_day = 4")})
        joy.run("publish", "--yes")
        renamed = settings(peer).replace('name = "newsletter"', 'name = "letter"\nwas = ["newsletter"]')
        joy.write({"amplify.toml": renamed})

        joy.run("publish", "--yes")

        assert Counter(peer.recipients()) == Counter(PEOPLE)


class TestWhatTheServerSays:
    def test_about_one_person_stays_with_that_person(self, joy: Community, peer: Peer) -> None:
        peer.refuse["p2@example.org"] = "550 5.1.1 no such user"

        ran = joy.run("publish", "--yes")

        assert ran.status == 3
        assert states(joy) == {"delivered": 5, "refused": 1}
        assert "p2@example.org" in joy.run("status", "joy").out

    def test_about_the_sender_pauses_and_the_rest_goes_later(self, joy: Community, peer: Peer) -> None:
        peer.answers["mail"] = ["250 ok", "250 ok", "550 5.4.5 Daily user sending limit exceeded"]

        first = joy.run("publish", "--yes")

        assert first.status == 3
        assert "PAUSED  newsletter: 550 5.4.5 Daily user sending limit exceeded" in first.out
        assert "no address was struck off" in first.out
        assert states(joy) == {"delivered": 2, "deferred": 1, "planned": 3}

    def test_nothing_after_the_final_dot_leaves_a_doubt_that_a_person_settles(self, joy: Community, peer: Peer) -> None:
        peer.answers["dot"] = [DROP]
        assert joy.run("publish", "--yes").status == 3
        assert states(joy) == {"delivered": 5, "in doubt": 1}

        joy.run("publish", "--yes")
        assert Counter(peer.recipients()) == Counter(PEOPLE)

        assert joy.run("resolve", "p0@example.org", "--delivered").status == 0
        assert states(joy) == {"delivered": 6}

    def test_a_doubt_that_a_person_wants_sent_again_is_sent_with_the_same_id(self, joy: Community, peer: Peer) -> None:
        peer.answers["dot"] = [DROP]
        joy.run("publish", "--yes")

        joy.run("resolve", "joy", "--resend")
        joy.run("publish", "--yes")

        again = [mail["Message-ID"] for mail in peer.messages() if mail["To"].addresses[0].addr_spec == "p0@example.org"]
        assert len(again) == 2
        assert len(set(again)) == 1

    def test_those_that_were_refused_go_again_with_one_command(self, joy: Community, peer: Peer) -> None:
        peer.refuse["p2@example.org"] = "550 5.2.1 mailbox disabled"
        joy.run("publish", "--yes")
        del peer.refuse["p2@example.org"]

        joy.run("resolve", "joy", "--resend")
        joy.run("publish", "--yes")

        assert Counter(peer.recipients()) == Counter(PEOPLE)

    def test_a_second_try_goes_to_all_whom_it_did_not_reach_and_to_nobody_else(self, joy: Community, peer: Peer) -> None:
        peer.refuse |= {
            "p1@example.org": "550 5.2.1 mailbox disabled",
            "p2@example.org": "450 4.2.1 later",
            "p3@example.org": "550 5.1.1 nobody",
        }
        peer.answers["dot"] = [DROP]
        joy.run("publish", "--yes")
        peer.refuse.clear()

        ran = joy.run("resend", "joy", "--failed", "--yes")

        assert Counter(peer.recipients()) == Counter(set(PEOPLE) - {"p3@example.org"})
        assert states(joy) == {"delivered": 4, "in doubt": 1, "refused": 1}
        assert "Not sure it arrived: 1 person. They are left alone; settle that first:  amplify resolve" in ran.out
        assert "Not tried again: 1 person who left, or whose address does not work." in ran.out

    def test_a_second_try_asks_with_the_number_first(self, joy: Community, peer: Peer) -> None:
        peer.refuse["p1@example.org"] = "550 5.2.1 mailbox disabled"
        joy.run("publish", "--yes")

        ran = joy.run("resend", "joy", "--failed")

        assert (ran.status, states(joy)) == (1, {"delivered": 5, "refused": 1})
        assert "1 person would get 'Joy in November', and nobody else." in ran.err

    def test_a_second_try_has_nothing_to_do_where_everybody_was_reached(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")

        ran = joy.run("resend", "joy", "--failed", "--yes")

        assert (ran.status, len(peer.taken)) == (0, 6)
        assert "reached everybody whom it can reach. Nothing was sent." in ran.out


class TestStatus:
    @pytest.mark.parametrize("name", ["p1@example.org", "P1@Example.org", "p1"])
    def test_goes_down_to_one_person(self, joy: Community, peer: Peer, name: str) -> None:
        joy.run("publish", "--yes")

        ran = joy.run("status", "joy", "--to", name)

        assert ran.out.startswith("Joy in November  by newsletter, ")
        assert [line.split()[1:3] for line in ran.out.splitlines()[1:]] == [["p1@example.org", "accepted"]]
        assert ran.out.rstrip().endswith("250 2.0.0 taken")

    def test_says_who_was_never_sent_anything(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")

        assert "Nobody called stranger was sent this from here." in joy.run("status", "--to", "stranger").out

    def test_of_an_edition_says_below_each_channel_who_needs_a_look(self, joy: Community, peer: Peer) -> None:
        second = '\n[[channel]]\nname = "friends"\nplugin = "email"\nserver = "outbox:"\npublishes = ["edition"]\n'
        joy.write({"amplify.toml": settings(peer) + second})
        peer.refuse["p2@example.org"] = "550 5.2.1 mailbox disabled"
        joy.run("publish", "--yes")

        lines = joy.run("status", "joy").out.splitlines()

        at = next(number for number, line in enumerate(lines) if "by newsletter" in line)
        assert "p2@example.org" in lines[at + 2]
        assert any("by friends" in line for line in lines)


class TestTheAudience:
    def test_is_fixed_at_the_yes(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")
        joy.subscribed("late@example.org")

        joy.run("publish", "--yes")

        assert "late@example.org" not in peer.recipients()

    def test_loses_who_leaves_before_their_turn(self, joy: Community, peer: Peer) -> None:
        peer.answers["mail"] = ["250 ok", "550 5.4.5 limit"]
        joy.run("publish", "--yes")
        joy.run("subscribers", "remove", "p5@example.org")

        joy.run("resolve", "joy", "--resend")
        joy.write({"amplify.toml": settings(peer, "connections = 1")})
        joy.run("publish", "--yes")

        assert "p5@example.org" not in peer.recipients()

    def test_gets_a_limit_a_day(self, joy: Community, peer: Peer) -> None:
        joy.write({"amplify.toml": settings(peer, "per_day = 4")})

        ran = joy.run("publish", "--yes")

        assert ran.status == 0
        assert "today's limit is reached" in ran.out
        assert "4 today, 2 tomorrow" in ran.out
        assert states(joy) == {"delivered": 4, "planned": 2}

    def test_gets_a_limit_for_a_domain(self, joy: Community, peer: Peer) -> None:
        joy.subscribed("a@busy.example", "b@Busy.Example", "c@busy.example", "z@other.example")
        joy.write({"amplify.toml": settings(peer, 'per_day_to = { "Busy.example" = 1, "other.example" = 9 }')})

        ran = joy.run("publish", "--yes")

        assert "busy.example: 1 today, 1 tomorrow, 1 the day after: 1 a day is the limit" in ran.out
        assert "other.example" not in ran.out
        assert "today's limit is reached" in ran.out
        assert Counter(peer.recipients()) == Counter([*PEOPLE, "a@busy.example", "z@other.example"])
        assert (ran.status, states(joy)) == (0, {"delivered": 8, "planned": 2})

    def test_goes_on_within_the_limit_for_a_domain(self, joy: Community, peer: Peer) -> None:
        joy.write({"amplify.toml": settings(peer, 'per_day_to = { "example.org" = 4 }')})
        joy.run("publish", "--yes")

        ran = joy.run("publish", "--yes")

        assert "example.org: 0 today, 2 tomorrow: 4 a day is the limit" in ran.out
        assert states(joy) == {"delivered": 4, "planned": 2}


class TestTests:
    def test_go_to_whom_is_named_and_count_for_nothing(self, joy: Community, peer: Peer) -> None:
        assert joy.run("test", "joy", "--to", "me@example.org").status == 0

        assert peer.recipients() == ["me@example.org"]
        assert peer.messages()[0]["Subject"] == "[Test] Joy in November"
        assert joy.run("status", "--json").json["publications"] == []

    def test_have_harmless_links(self, joy: Community, peer: Peer) -> None:
        joy.run("test", "--to", "me@example.org")

        assert "unsubscribe%20" not in peer.messages()[0].as_string()

    def test_count_against_the_days_limit(self, joy: Community, peer: Peer) -> None:
        joy.write({"amplify.toml": settings(peer, "per_day = 4")})
        joy.run("test", "--to", "me@example.org")

        joy.run("publish", "--yes")

        assert states(joy) == {"delivered": 3, "planned": 3}


class TestOnceMore:
    def test_goes_to_one_person_with_an_id_of_its_own(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")

        assert joy.run("resend", "joy", "--to", "p1@example.org", "--yes").status == 0

        assert Counter(peer.recipients())["p1@example.org"] == 2
        assert len({mail["Message-ID"] for mail in peer.messages()}) == 7
        assert states(joy) == {"delivered": 6}

    def test_needs_a_yes(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")

        assert joy.run("resend", "joy", "--to", "p1@example.org").status == 1
        assert len(peer.taken) == 6

    def test_says_that_somebody_never_got_it_before_it_asks(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")

        ran = joy.run("resend", "joy", "--to", "nobody@example.org")

        assert (ran.status, ran.err) == (1, "nobody@example.org was not among those who were sent 'Joy in November'. Nothing was sent.\n")

    def test_is_not_for_strangers(self, joy: Community, peer: Peer) -> None:
        joy.run("publish", "--yes")

        ran = joy.run("resend", "joy", "--to", "stranger@example.org", "--yes")

        assert (ran.status, len(peer.taken)) == (1, 6)


class TestAnotherComputer:
    @pytest.fixture
    def laptop(self, joy: Community, tmp_path: Path) -> Community:
        """The folder and the website, without the record: a second laptop, or a job that starts from nothing."""
        joy.run("publish", "--yes")
        shutil.copytree(joy.root, tmp_path / "laptop", ignore=shutil.ignore_patterns(".amplify"))
        return Community(tmp_path / "laptop").subscribed(*PEOPLE)

    def test_stops_before_anything_leaves(self, laptop: Community, peer: Peer) -> None:
        ran = laptop.run("publish", "--yes")

        assert (ran.status, len(peer.taken)) == (1, 6)
        assert "STOPPED before anything left: this computer does not know what has already been sent." in ran.err

    def test_goes_on_with_the_saved_record(self, joy: Community, laptop: Community, peer: Peer, tmp_path: Path) -> None:
        joy.run("state", "save", str(tmp_path / "joy.state"))
        laptop.run("state", "restore", str(tmp_path / "joy.state"), "--yes")

        assert laptop.run("publish", "--yes").status == 0
        assert len(peer.taken) == 6

    def test_can_count_what_is_online_as_sent(self, laptop: Community, peer: Peer) -> None:
        assert laptop.run("state", "adopt", "--yes").status == 0

        assert laptop.run("publish", "--yes").status == 0
        assert len(peer.taken) == 6

    def test_a_backup_of_yesterday_is_noticed(self, joy: Community, peer: Peer, tmp_path: Path) -> None:
        joy.run("state", "save", str(tmp_path / "yesterday.state"))
        joy.run("publish", "--yes")
        joy.run("state", "restore", str(tmp_path / "yesterday.state"), "--yes")

        ran = joy.run("publish", "--yes")

        assert (ran.status, len(peer.taken)) == (1, 6)
        assert "it is an older copy. Going on could mail people twice." in ran.err

    def test_that_has_the_folder_only_is_told_at_once_even_with_nobody_on_its_list(
        self, joy: Community, peer: Peer, tmp_path: Path
    ) -> None:
        joy.run("publish", "--yes")
        shutil.copytree(joy.root, tmp_path / "job", ignore=shutil.ignore_patterns(".amplify"))

        ran = Community(tmp_path / "job").run("publish", "--yes")

        assert (ran.status, len(peer.taken)) == (0, 6)
        assert "LOOK  this computer does not know what has already been sent." in ran.out
        assert "tells of 1 thing that was sent, of which the record here knows nothing:\n  it is another one." in ran.out

    def test_played_through_with_two_laptops_and_a_lost_one(self, joy: Community, laptop: Community, peer: Peer, tmp_path: Path) -> None:
        """Handed over, gone on with, lost, and taken up again from the website alone: everybody gets each edition once."""
        joy.run("state", "save", str(tmp_path / "joy.state"))
        laptop.run("state", "restore", str(tmp_path / "joy.state"), "--yes")
        laptop.write({"editions/more.md": dated(EDITION).replace("Joy in November", "More joy")})
        assert laptop.run("publish", "--yes").status == 0
        assert Counter(peer.recipients()) == Counter(PEOPLE * 2)

        shutil.copytree(laptop.root, tmp_path / "third", ignore=shutil.ignore_patterns(".amplify"))  # the second laptop falls into the sea
        third = Community(tmp_path / "third").subscribed(*PEOPLE)
        assert "STOPPED" in third.run("publish", "--yes").err
        third.run("state", "adopt", "--yes")
        third.write({"editions/last.md": dated(EDITION).replace("Joy in November", "The last bell")})
        assert third.run("publish", "--yes").status == 0

        assert Counter(peer.recipients()) == Counter(PEOPLE * 3)
        assert "counts as sent; the record does not know to whom" in third.run("status", "joy").out

    def test_that_comes_back_from_the_repair_shop_is_told(self, joy: Community, laptop: Community, peer: Peer, tmp_path: Path) -> None:
        joy.run("state", "save", str(tmp_path / "joy.state"))
        laptop.run("state", "restore", str(tmp_path / "joy.state"), "--yes")
        laptop.write({"editions/more.md": dated(EDITION).replace("Joy in November", "More joy")}).run("publish", "--yes")
        shutil.copytree(laptop.root / "public", joy.root / "public", dirs_exist_ok=True)  # both have the one website
        joy.write({"editions/last.md": dated(EDITION).replace("Joy in November", "The last bell")})

        ran = joy.run("publish", "--yes")

        assert (ran.status, len(peer.taken)) == (1, 12)
        assert "it is an older copy. Going on could mail people twice." in ran.err

    def test_a_saved_record_is_for_its_owner_alone(self, joy: Community, tmp_path: Path) -> None:
        joy.run("state", "save", str(tmp_path / "joy.state"))

        assert (tmp_path / "joy.state").stat().st_mode & 0o077 == 0


class TestARecordThatIsNotSafe:
    @pytest.mark.parametrize("folder", ["Dropbox", "OneDrive - Chalk College", "Mobile Documents"])
    def test_since_its_folder_synchronises_itself_is_said_by_every_plan_and_by_check(self, tmp_path: Path, folder: str) -> None:
        joy = Community(tmp_path / folder / "joy").write({"amplify.toml": SETTINGS, "editions/joy.md": EDITION})

        assert f"LOOK  The record lies in {folder}, which copies files while they are written" in joy.run("publish", "--dry-run").out
        assert f"amplify.toml: C21 advice: The record lies in {folder}" in joy.run("check").out

    def test_since_it_lies_on_a_network_drive_is_noticed(self, joy: Community, tmp_path: Path) -> None:
        mounts = tmp_path / "mounts"
        mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/home {tmp_path} nfs4 rw 0 0\n")

        assert state._network_drive(joy.root / ".amplify" / "amplify.db", mounts) == str(tmp_path)
        assert state._network_drive(Path("/elsewhere/amplify.db"), mounts) == ""

    def test_since_git_tracks_it_is_said_by_every_plan(self, joy: Community) -> None:
        with closing(Repo.init(str(joy.root))) as repo:
            repo.get_worktree().stage([".amplify/amplify.db"])

        assert "LOOK  The record is in git, and so are your readers' addresses." in joy.run("publish", "--dry-run").out

    def test_is_not_said_of_any_other(self, joy: Community) -> None:
        assert "The record" not in joy.run("publish", "--dry-run").out


class TestAFullDisk:
    def test_in_mid_send_says_what_was_sent_and_goes_on_later(self, joy: Community, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        advance, commits = Store.advance, iter(range(100))

        def until_full(store: Store, *args: Any) -> Any:
            if next(commits) == 3:
                store._db.execute("PRAGMA query_only = 1")
            return advance(store, *args)

        monkeypatch.setattr(Store, "advance", until_full)
        ran = joy.run("publish", "--yes")
        monkeypatch.undo()

        assert ran.status != 0
        assert "Nothing more was sent.\n  What was sent until then is in it, but for the few that were on their way." in ran.err
        assert len(peer.taken) == 3
        joy.run("publish", "--yes")
        assert Counter(peer.recipients()) == Counter(PEOPLE)
        assert states(joy) == {"delivered": 5, "in doubt": 1}


class TestSeveralAtOnce:
    def test_the_second_publish_leaves_with_status_4(self, joy: Community, peer: Peer) -> None:
        with pipeline.opened(joy.root) as community, pipeline.alone(community):
            ran = joy.process("publish", "--yes")

        assert (ran.status, peer.taken) == (4, [])
        assert "Another  amplify publish  is at work in this folder. Nothing was done here." in ran.err


class TestTheWebsite:
    def test_an_example_address_is_refused_for_real_mail(self, joy: Community, peer: Peer) -> None:
        joy.write({"amplify.toml": settings(peer).replace("verify_site = false", "")})

        ran = joy.run("publish", "--yes")

        assert (ran.status, peer.taken) == (1, [])
        assert "C18" in ran.err

    def test_nothing_is_announced_before_its_page_can_be_seen(self, joy: Community, peer: Peer) -> None:
        nowhere = (
            settings(peer)
            .replace("verify_site = false", 'wait_for_site = "0 seconds"')
            .replace("https://joyfe.example.org/", "http://127.0.0.1:9/")
        )
        joy.write({"amplify.toml": nowhere})

        ran = joy.run("publish", "--yes")

        assert (ran.status, peer.taken) == (3, [])
        assert "not announced, since http://127.0.0.1:9/editions/joy/ cannot be reached" in ran.out

    def test_the_page_that_is_there_lets_it_go(self, joy: Community, peer: Peer) -> None:
        handler = functools.partial(_Quiet, directory=str(joy.root / "public"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
            thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            joy.write(
                {
                    "amplify.toml": settings(peer)
                    .replace("verify_site = false", "")
                    .replace("https://joyfe.example.org/", f"http://127.0.0.1:{web.server_port}/")
                }
            )
            ran = joy.run("publish", "--yes")
            web.shutdown()
            thread.join()

        assert ran.status == 0
        assert Counter(peer.recipients()) == Counter(PEOPLE)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""
