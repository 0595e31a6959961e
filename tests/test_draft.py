"""`amplify draft`: the next edition's file, and what is new below the end of a draft. Nothing stands in two editions by itself."""

from __future__ import annotations

import re

import pytest
from tests.conftest import Make
from tests.kit import EDITION, PODCAST, SETTINGS, Community, page, silence

DRAFT = "---\ntitle: December\ndate: 2999-12-16 20:00\ndraft: true\n---\nDear all,\n"


def given(slug: str, **front: object) -> dict[str, str]:
    """A contribution."""
    return {f"contributions/{slug}.md": page({"title": slug.replace("-", " ").capitalize(), "author": "Jo"} | front)}


def drafted(town: Community, *args: str) -> str:
    """The file that was written."""
    return (town.root / town.run("draft", "--json", *args).json["file"]).read_text("utf-8")


def body(written: str) -> str:
    return written.split("\n---\n", 1)[1]


class TestTheNextEdition:
    def test_it_is_composed_as_an_organiser_edits_it(self, community: Make) -> None:
        town = community({
            "amplify.toml": SETTINGS + PODCAST, "members/amal.md": page({"name": "Amal Haddad"}),
            "events/chat.md": page({"title": "Chat", "start": "2999-12-17 20:00", "hosts": ["amal"]}),
            "events/tea.md": page({"title": "Tea", "start": "2999-12-18 15:30"}),
            "episodes/joy.mp3": silence(100),
            "episodes/joy.md": page({"title": "Joy", "date": "2026-11-01", "audio": "joy.mp3", "number": 12,
                                     "people": [{"member": "amal"}]}),
            **given("marking", kind="question", author="amal"), **given("voice-notes", kind="answer", answers="marking"),
            **given("lee-has-qtls", kind="celebration", author=""),
        })  # fmt: skip

        assert re.sub(r"ed-\w{6}", "ed-7k2mxx", drafted(town, "--date", "2999-12-16 20:00")) == (
            "---\n"
            "id: ed-7k2mxx                   # leave this line alone\n"
            'title: "Joy in FE, December 2999"\n'
            "date: 2999-12-16 20:00          # goes with the first publish after this\n"
            "draft: true                     # take this line away when it may go\n"
            'subject: "Joy in FE, December 2999"\n'
            'preheader: ""                   # 40 to 90 characters that follow the subject in a list of mails\n'
            "---\nDear all,\n\n"
            "## Meet\n"
            "::event[chat]                 Tuesday 17 December, 8 pm, host: Amal Haddad\n"
            "::event[tea]                  Wednesday 18 December, 3.30 pm\n\n"
            "## Listen\n"
            "::episode[joy]                12, 2 minutes, with Amal Haddad\n\n"
            "## You asked\n"
            "::contribution[marking]       question, Amal Haddad, 1 answer\n"
            "::contribution[voice-notes]   answer, Jo\n\n"
            "## Well done\n"
            "::contribution[lee-has-qtls]  celebration, Lee has qtls\n\n"
            "::feedback[]\n::end\n"
        )

    def test_the_section_chosen_at_accepting_is_where_it_stands(self, community: Make) -> None:
        town = community(given("padlet", section="worth YOUR time", kind="call") | given("prize", section="Of the month"))

        written = drafted(town)

        assert "## Worth your time\n::contribution[padlet]" in written
        assert "## Of the month\n::contribution[prize]" in written

    def test_an_answer_stands_with_its_question(self, community: Make) -> None:
        town = community(given("marking", kind="question", section="Of the month") | given("laps", kind="answer", answers="marking"))

        assert "## Of the month\n::contribution[marking]  question, Jo, 1 answer\n::contribution[laps]     answer, Jo\n" in drafted(town)

    @pytest.mark.parametrize("front", [{"withdrawn": "2026-01-01"}, {"expires": "2026-01-01"}, {"embargo": "2999-12-31"}])
    def test_what_may_not_stand_in_it_does_not(self, community: Make, front: dict[str, object]) -> None:
        assert "::contribution" not in drafted(community(given("padlet", **front)))

    def test_what_an_edition_places_is_in_no_other(self, community: Make) -> None:
        town = community({"editions/2026-11.md": EDITION + "::contribution[padlet]\n"} | given("padlet"))

        assert "::contribution" not in drafted(town)

    def test_what_a_draft_holds_below_its_end_is_in_no_other(self, community: Make) -> None:
        town = community({"editions/2999-12.md": f"{DRAFT}::end\n::contribution[padlet]  not used yet\n"} | given("padlet"))

        assert "::contribution" not in drafted(town, "--date", "2999-12-20")

    def test_what_was_not_used_in_an_edition_that_went_out_is_offered_again(self, community: Make) -> None:
        town = community({"editions/2026-11.md": EDITION + "::end\n::contribution[padlet]\n"} | given("padlet"))

        assert "::contribution[padlet]" in drafted(town)

    def test_two_drafts_in_a_row_hold_nothing_twice(self, community: Make) -> None:
        town = community(given("padlet"))

        assert ["::contribution" in drafted(town, "--date", day) for day in ("2999-11-16", "2999-12-16")] == [True, False]


class TestAdding:
    def added(self, community: Make, draft: str | bytes) -> bytes:
        """What the draft is afterwards."""
        town = community({"editions/2999-12.md": draft} | given("padlet", kind="resource") | given("prize", section="Meet"))
        ran = town.run("draft", "--add")
        assert ran.status == 0, ran.err
        assert town.run("check").status == 0
        return (town.root / "editions/2999-12.md").read_bytes()

    NEW = b"::contribution[padlet]  resource, Jo; not used yet\n::contribution[prize]   article, Jo; not used yet, meant for Meet\n"

    @pytest.mark.parametrize(
        ("draft", "between"),
        [
            (f"{DRAFT}::end\n", b""),
            (f"{DRAFT}::end", b"\n"),
            (f"{DRAFT}::end\nA note to myself.\n", b""),
            (DRAFT, b"::end\n"),
            (DRAFT.rstrip(), b"\n::end\n"),
            (f"{DRAFT}```\n::end\n```\n", b"::end\n"),
        ],
    )
    def test_it_goes_below_the_end_and_not_a_byte_above_changes(self, community: Make, draft: str, between: bytes) -> None:
        assert self.added(community, draft) == draft.encode() + between + self.NEW

    def test_the_ends_of_lines_stay_as_they_are(self, community: Make) -> None:
        draft = f"\ufeff{DRAFT}::end\n".replace("\n", "\r\n").encode()

        assert self.added(community, draft) == draft + self.NEW.replace(b"\n", b"\r\n")

    def test_a_second_time_there_is_nothing_new(self, community: Make) -> None:
        town = community({"editions/2999-12.md": DRAFT} | given("padlet"))
        town.run("draft", "--add")
        before = (town.root / "editions/2999-12.md").read_bytes()

        assert town.run("draft", "--add").out == "Nothing is new; editions/2999-12.md was not touched.\n"
        assert (town.root / "editions/2999-12.md").read_bytes() == before

    def test_the_newest_draft_is_taken(self, community: Make) -> None:
        later = DRAFT.replace("12-16", "12-17")
        town = community({"editions/a.md": DRAFT, "editions/b.md": later, "editions/c.md": EDITION} | given("padlet"))

        assert town.run("draft", "--add", "--json").json == {"file": "editions/b.md", "added": 1}

    def test_without_a_draft_the_next_command_is_named(self, community: Make) -> None:
        ran = community(given("padlet")).run("draft", "--add")

        assert (ran.status, "Write the next one:  amplify draft" in ran.err) == (1, True)

    def test_a_block_of_code_that_nobody_closed_is_said(self, community: Make) -> None:
        ran = community({"editions/2999-12.md": f"{DRAFT}```\n"} | given("padlet")).run("draft", "--add")

        assert (ran.status, "ends inside a block of code" in ran.err) == (1, True)

    def test_three_things_at_once_are_none(self, community: Make) -> None:
        assert community().run("draft", "--add", "--date", "2999-12-16").status == 2


class TestCorrecting:
    def test_a_correction_is_a_draft_that_cannot_be_overlooked(self, community: Make) -> None:
        town = community({"editions/2026-11.md": EDITION})

        written = drafted(town, "--correction", "Joy in November")

        assert ('subject: "Correction: Joy in November"' in written, "draft: true" in written) == (True, True)
        assert body(written).startswith("Dear all,\n\nin “Joy in November” of 18 November we made a mistake.\n")
        assert "N92" in town.run("check").out

    def test_an_edition_that_is_not_there_is_named(self, community: Make) -> None:
        ran = community({"editions/2026-11.md": EDITION}).run("draft", "--correction", "2026-10")

        assert ran.err == "There is no edition called '2026-10'. Nothing was written.\n  Possible:  2026-11\n"
