"""Gathering and reviewing, as an organiser meets them: a plugin of the community's own brings offers, a person decides."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from tests.conftest import Make
from tests.http_peer import peer
from tests.kit import SETTINGS, Community, Ran

from amplify.glance import glance

SOURCE = '\n[[source]]\nname = "box"\nplugin = "box"\n'
PLUGIN = '''\
"""Offers that stand in a file."""

import json
from dataclasses import dataclass

from amplify.api import Bookmark, Offer, SourceKind, hookimpl


@dataclass(frozen=True)
class Options:
    """The options."""


class Box:
    def __init__(self, options, services):
        self.file, self.log = services.folder / "offers.json", services.log

    def gather(self, since):
        {gather}


@hookimpl
def amplify_sources():
    return [SourceKind("box", Options, Box)]
'''
ALL = 'yield from (Offer(**one) for one in json.loads(self.file.read_text()))\n        yield Bookmark(value="done")'
AMAL = {"id": "a1", "title": "Marking: with joy", "body": "<p>Three <b>ways</b>.</p><script>alert(1)</script>", "url": "https://amal.example.org/m",
        "author": "Amal Haddad", "handle": "@amal@teach.example"}  # fmt: skip


@pytest.fixture
def town(community: Make) -> Community:
    return community({"amplify.toml": SETTINGS + SOURCE, "plugins/box.py": plugin(ALL), "offers.json": json.dumps([AMAL])})


def plugin(gather: str) -> str:
    return PLUGIN.format(gather=gather)


def offers(town: Community, *more: str) -> list[dict[str, object]]:
    return town.run("review", "--list", "--json", *more).json["offers"]


def box(town: Community) -> dict[str, object]:
    """What gathering said of the source."""
    return town.run("gather", "--json").json["sources"][0]


class TestGathering:
    def test_what_a_source_offers_waits_in_the_inbox(self, town: Community) -> None:
        ran = town.run("gather")

        assert (ran.status, ran.out) == (0, "  box                  1 new\n1 waiting for you:  amplify review\n")
        assert offers(town) == [
            {"id": 1, "title": "Marking: with joy", "kind": "article", "author": "Amal Haddad", "source": "box", "sources": ["box"],
             "state": "new", "url": "https://amal.example.org/m", "changed": False}
        ]  # fmt: skip

    def test_a_second_time_there_is_nothing_new(self, town: Community) -> None:
        town.run("gather")

        assert town.run("gather").out == "  box                  nothing new\n1 waiting for you:  amplify review\n"

    def test_nothing_from_outside_touches_the_content(self, town: Community) -> None:
        before = sorted(path for path in town.root.rglob("*.md"))
        town.run("gather")

        assert sorted(path for path in town.root.rglob("*.md")) == before

    @pytest.mark.parametrize(
        ("gather", "failure"),
        [
            ('raise OSError("no such place")', "the plugin is broken: OSError: no such place"),
            ("import sys; sys.exit(3); yield", "the plugin is broken: SystemExit: 3"),
            ("yield 7", "the plugin is broken: it brought int, which is neither an Offer nor a Bookmark"),
            ("return None", "the plugin is broken: TypeError: 'NoneType' object is not iterable"),
        ],
    )
    def test_a_source_that_breaks_is_one_line_and_status_three(self, town: Community, gather: str, failure: str) -> None:
        town.write({"plugins/box.py": plugin(gather)})

        ran = town.run("gather")

        assert (ran.status, ran.out) == (3, f"  box                  FAILED  {failure}\nNothing waits for you.\n")

    def test_what_it_brought_before_it_broke_is_kept(self, town: Community) -> None:
        town.write({"plugins/box.py": plugin(ALL + '\n        raise OSError("gone")')})

        assert box(town)["new"] == 1

    def test_one_that_never_ends_is_left_behind(self, town: Community, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("amplify.gather.SECONDS", 0.2)
        town.write({"plugins/box.py": plugin("import threading; threading.Event().wait(60); yield")})

        assert "did not finish" in str(box(town)["failure"])

    def test_what_it_prints_is_not_in_the_document(self, town: Community) -> None:
        town.write({"plugins/box.py": plugin('print("hello")\n        ' + ALL)})

        assert box(town)["new"] == 1

    def test_what_cannot_be_read_is_a_line_and_the_rest_comes(self, town: Community) -> None:
        town.write({"plugins/box.py": plugin('self.log.warning("row 7 has no title")\n        ' + ALL),
                         "offers.json": json.dumps([AMAL, {"id": "", "title": "x"}, {"id": "3", "title": 7}, {"id": "4"}])})  # fmt: skip

        found = box(town)

        assert (found["new"], len(found["notes"])) == (1, 4)  # type: ignore[arg-type]
        assert "row 7 has no title" in found["notes"]  # type: ignore[operator]

    def test_a_source_that_is_not_there_is_named(self, town: Community) -> None:
        ran = town.run("gather", "--source", "blogs")

        assert (ran.status, ran.err) == (1, "There is no source called blogs. Nothing was gathered.\n  Possible:  box\n")


class TestBeforeAPublish:
    def test_a_publish_fills_the_inbox_and_changes_no_edition(self, town: Community) -> None:
        ran = town.run("publish", "--yes")

        assert (ran.status, ran.out.splitlines()[:2]) == (0, ["GATHERED", "  box                  1 new"])

    def test_without_gathering_it_does_not(self, town: Community) -> None:
        town.run("publish", "--yes", "--no-gather")

        assert offers(town) == []

    def test_a_source_that_fails_stops_no_publish(self, town: Community) -> None:
        town.write({"plugins/box.py": plugin("raise OSError")})

        assert town.run("publish", "--yes").status == 0
        assert "index.html" in town.site()


class TestRules:
    def rules(self, town: Community, written: str) -> Community:
        return town.write({"amplify.toml": SETTINGS + SOURCE + written})

    def test_a_trusted_source_is_accepted_without_a_person(self, town: Community) -> None:
        town.write({"amplify.toml": SETTINGS + SOURCE + "trust = true\n"}).run("gather")

        assert (town.root / "contributions" / "marking-with-joy.md").exists()

    @pytest.mark.parametrize(
        "condition",
        ['author = "amal haddad"', 'site = "example.org"', 'words = ["WAYS", "x"]', 'kind = "article"', 'source = "box"'],
    )
    def test_a_rule_whose_conditions_apply_decides(self, town: Community, condition: str) -> None:
        self.rules(town, f'[[rule]]\nthen = "reject"\nreason = "not now"\n{condition}\n').run("gather")

        assert [one["state"] for one in offers(town, "--all")] == ["rejected"]

    @pytest.mark.parametrize("condition", ['author = "Sam"', 'site = "amal.example"', 'words = ["money"]', 'kind = "question"'])
    def test_a_rule_that_does_not_apply_leaves_it_to_a_person(self, town: Community, condition: str) -> None:
        self.rules(town, f'[[rule]]\nthen = "accept"\n{condition}\n').run("gather")

        assert [one["state"] for one in offers(town)] == ["new"]

    def test_a_rule_without_a_condition_is_a_mistake(self, town: Community) -> None:
        ran = self.rules(town, '[[rule]]\nthen = "accept"\n').run("gather")

        assert (ran.status, "would decide on everything" in ran.err) == (1, True)


class TestReviewing:
    def accepted(self, town: Community, *more: str) -> Ran:
        town.run("gather")
        return town.run("review", "--accept", "1", *more)

    def test_accepting_writes_the_contribution(self, town: Community) -> None:
        town.write({"members/amal.md": '---\nname: Amal Haddad\nhandles: {mastodon: "https://teach.example/@amal"}\n---\n'})

        assert self.accepted(town, "--section", "You asked").out == 'Accepted "Marking: with joy": contributions/marking-with-joy.md\n'
        assert (town.root / "contributions" / "marking-with-joy.md").read_text() == textwrap.dedent("""\
            ---
            id: "in-655d393e18"
            title: "Marking: with joy"
            kind: "article"
            author: "amal"
            url: "https://amal.example.org/m"
            source: "box"
            section: "You asked"
            ---
            Three **ways**.
        """)
        assert town.run("check").status == 0

    def test_accepted_things_are_in_the_next_draft(self, town: Community) -> None:
        self.accepted(town)
        town.run("draft")

        [written] = [path.read_text() for path in (town.root / "editions").glob("*.md") if path.stem != "2026-11"]
        assert "## Worth your time\n::contribution[marking-with-joy]  article, Amal Haddad\n" in written

    def test_a_run_that_died_after_the_file_makes_no_second_one(self, town: Community) -> None:
        self.accepted(town)
        (town.root / ".amplify" / "amplify.db").unlink()

        assert box(town)["duplicate"] == 1
        assert [one["state"] for one in offers(town, "--all")] == ["accepted"]

    def test_two_with_one_title_get_two_files(self, town: Community) -> None:
        town.write({"offers.json": json.dumps([AMAL, AMAL | {"id": "2", "url": "https://other.example.org/"}])}).run("gather")
        town.run("review", "--accept", "1", "--accept", "2")

        assert sorted(path.name for path in (town.root / "contributions").glob("*")) == [
            "marking-with-joy-2.md",
            "marking-with-joy.md",
        ]

    def test_leaving_out_needs_a_reason(self, town: Community) -> None:
        town.run("gather")

        assert town.run("review", "--reject", "1").status == 1
        assert town.run("review", "--reject", "marking", "--reason", "sells something").out == 'Left out "Marking: with joy".\n'
        assert offers(town) == []

    def test_what_is_held_comes_back_on_its_day(self, town: Community) -> None:
        town.run("gather")

        assert town.run("review", "--hold", "1", "--until", "2999-12-01").out == 'Held "Marking: with joy" until 2999-12-01.\n'
        assert [one["state"] for one in offers(town, "--all")] == ["held"]

    @pytest.mark.parametrize(
        ("args", "status", "says"),
        [
            (("--hold", "1"), 1, "--hold and --until belong together"),
            (("--hold", "1", "--until", "soon"), 2, "'soon' is no date"),
            (("--hold", "1", "--until", "2020-01-01"), 1, "2020-01-01 is over. Nothing was done."),
            (("--accept", "7"), 1, "Nothing in the inbox is called '7'"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, town: Community, args: tuple[str, ...], status: int, says: str) -> None:
        town.run("gather")

        ran = town.run("review", *args)

        assert (ran.status, says in ran.err) == (status, True)

    def test_what_its_author_agreed_to_is_written_down(self, town: Community) -> None:
        self.accepted(town, "--consent", "no", "--licence", "CC BY 4.0", "--kind", "resource")

        assert 'licence: "CC BY 4.0"\nconsent: {name: false}\n---' in (town.root / "contributions" / "marking-with-joy.md").read_text()
        assert offers(town, "--all")[0]["kind"] == "resource"

    def test_a_file_with_words_of_your_own_is_not_taken_back(self, town: Community) -> None:
        self.accepted(town)
        file = town.root / "contributions" / "marking-with-joy.md"
        file.write_text(file.read_text() + "Mine.\n")

        ran = town.run("review", "--undo", "1")

        assert (ran.status, "has words of yours in it" in ran.err, file.exists()) == (1, True, True)

    def test_a_decision_can_be_taken_back(self, town: Community) -> None:
        self.accepted(town)

        assert town.run("review", "--undo", "1").out == 'Undone; "Marking: with joy" is new again.\n'
        assert list((town.root / "contributions").glob("*")) == []

    def test_what_stands_in_an_edition_is_not_taken_away(self, town: Community) -> None:
        self.accepted(town)
        town.write({"editions/2026-12.md": "---\ntitle: D\ndate: 2026-12-18\n---\n::contribution[marking-with-joy]\n"})

        ran = town.run("review", "--undo", "1")

        assert (ran.status, "editions/2026-12.md" in ran.err) == (1, True)

    def test_offered_words_place_nothing(self, town: Community) -> None:
        town.write({"offers.json": json.dumps([AMAL | {"body": "::end\n::episode[x]\n---\nid: z", "form": "text"}])})
        self.accepted(town)

        assert town.run("check").status == 0
        assert "\n::" not in (town.root / "contributions" / "marking-with-joy.md").read_text()

    @pytest.mark.parametrize("title", ["../../etc/passwd", "/abs", "C:\\x", "a\0b", "..", "\u200b", "con"])
    def test_no_title_leaves_the_folder(self, town: Community, title: str, tmp_path: Path) -> None:
        town.write({"offers.json": json.dumps([AMAL | {"title": title}])})
        self.accepted(town)

        [written] = (town.root / "contributions").iterdir()
        assert written.suffix == ".md"


class TestOddAddresses:
    @pytest.mark.parametrize("url", ["http://www.<script>.com/", "http://a b.example/", "http://[::1", 'http://x"y.example/', "https://"])
    def test_what_is_no_address_is_left_away(self, town: Community, url: str) -> None:
        town.write({"offers.json": json.dumps([AMAL | {"url": url}])}).run("gather")

        assert (offers(town)[0]["url"], town.run("review", "--accept", "1").status, town.run("check").status) == (None, 0, 0)

    def test_a_text_that_is_only_an_address_is_taken_as_it_is(self, town: Community) -> None:
        town.write({"offers.json": json.dumps([AMAL | {"body": "https://amal.example.org/marking"}])}).run("gather")

        assert town.run("review", "--accept", "1").status == 0


class TestByHand:
    def test_an_address_is_put_into_the_inbox(self, community: Make) -> None:
        town = community({"amplify.toml": SETTINGS})

        ran = town.run("add", "http://127.0.0.1:9/welding/", "--from", "Sam")

        assert ran.out == '"http://127.0.0.1:9/welding/" is in the inbox as 1 (new).\n  Take it:  amplify review --accept 1\n'

    def test_words_are_put_into_the_inbox(self, community: Make) -> None:
        town = community({"amplify.toml": SETTINGS})
        town.run("add", "Lee has QTLS\nAfter two years.", "--kind", "celebration")
        town.run("review", "--accept", "lee has")

        assert (town.root / "contributions" / "lee-has-qtls.md").read_text().endswith("---\nAfter two years.\n")

    def test_the_same_thing_twice_is_one(self, community: Make) -> None:
        town = community({"amplify.toml": SETTINGS})
        town.run("add", "http://127.0.0.1:9/welding/")
        town.run("add", "http://127.0.0.1:9/welding/?utm_source=x")

        assert len(offers(town)) == 1

    @pytest.mark.parametrize(
        ("head", "title", "body"),
        [
            ('<title>Sam &amp; Co</title><meta property="og:title" content="Welding\nwith joy"><meta name=description content="A start.">',
             "Welding with joy", "A start."),
            ("<title>\n Welding </title><svg><title>Logo</title></svg>", "Welding", ""),
            ("<p>Welding</p>", "", ""),
        ],
    )  # fmt: skip
    def test_a_page_that_can_be_had_says_what_it_is(self, community: Make, head: str, title: str, body: str) -> None:
        with peer() as there:
            there.answers["/welding"] = (200, {"Content-Type": "text/html; charset=utf-8"}, head.encode())
            town = community({"amplify.toml": SETTINGS + '[http]\nallow = ["127.0.0.0/8"]\n'})
            ran = town.run("add", there.url("/welding"))

        assert ran.out.startswith(f'"{title or there.url("/welding")}" is in the inbox')
        town.run("review", "--accept", "1")
        [written] = (town.root / "contributions").iterdir()
        assert written.read_text("utf-8").endswith(f"---\n{body}\n")

    @pytest.mark.parametrize("charset", ["utf-8", "windows-1252", "no-such-charset"])
    def test_its_letters_are_read_as_they_were_meant(self, charset: str) -> None:
        page = f"<meta charset={charset}><title>Zoë’s bench</title>"

        for told in ("", charset):
            assert glance(page.encode("cp1252" if charset != "utf-8" else charset), told)["title"] == "Zoë’s bench"

    def test_what_is_no_page_is_its_address(self, community: Make) -> None:
        with peer() as there:
            there.answers["/a.pdf"] = (200, {"Content-Type": "application/pdf"}, b"%PDF")
            town = community({"amplify.toml": SETTINGS + '[http]\nallow = ["127.0.0.0/8"]\n'})

            assert town.run("add", there.url("/a.pdf")).out.startswith(f'"{there.url("/a.pdf")}" is in the inbox')
