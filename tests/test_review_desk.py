"""The desk of `amplify review`: a real server on this machine, asked over HTTP, and driven by keyboard in a real browser."""

from __future__ import annotations

import _thread
import contextlib
import http.client
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from tests.browser import Browser, browser
from tests.kit import SETTINGS

from amplify import pipeline, review_desk, review_view
from amplify.errors import AmplifyError
from amplify.inbox import Inbox
from amplify.model import Kind, Media, Offer
from amplify.review_desk import ReviewDesk
from amplify.text import one_line

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
PIXEL = '<img src="https://elsewhere.example.net/pixel.gif" alt="A row of chairs">'
WELDING = Offer(id="1", title="Welding safely", body="<p>The <b>order</b> of the day.</p>", url="https://sam.example.org/w", author="Sam")
MARKING = Offer(id="2", title="Marking with joy", body=f"<p>Three ways.</p>{PIXEL}<script>alert(1)</script>", author="Amal Haddad",
                handle="@amal@teach.example", kind=Kind.RESOURCE, url="https://amal.example.org/m")  # fmt: skip
CHAIRS = Offer(id="3", title="How do you mark <fifteen> chairs?", body="I walk round.", form="text", author="Jo", kind=Kind.QUESTION)
AMAL = '---\nname: Amal Haddad\nhandles: {mastodon: "https://teach.example/@amal"}\ncredit: first name\n---\n'


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def words(self) -> str:
        """What people read of it."""
        return one_line(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(head|dialog)\b.*?</\1>", "", self.text))))

    @property
    def titles(self) -> list[str]:
        """The titles of the list."""
        return [unescape(title) for title in re.findall(r'<span class="title">(.*?)</span>', self.text)]


@dataclass
class Desk:
    """A community with a desk, and somebody at it."""

    root: Path
    now: datetime = NOW
    address: str = ""

    def ask(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Reply:
        """GET a page below the desk's address, or send a form there as its own pages do."""
        there = urlsplit(self.address)
        sent = {"Origin": f"http://{there.netloc}", "Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = None if form is None else urlencode(form)
        target = path if path.startswith("/") else there.path + path
        with contextlib.closing(http.client.HTTPConnection(there.netloc, timeout=20)) as connection:
            connection.request("GET" if form is None else "POST", target, body, {key: value for key, value in sent.items() if value})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read().decode())

    def do(self, path: str, **form: str) -> Reply:
        """Send a form, and the page that it leads to."""
        reply = self.ask(path, form)
        assert reply.status == 303, reply.words
        return self.ask(reply.headers["Location"])

    def offered(self, *offers: Offer, source: str = "blogs") -> None:
        """What a source brings."""
        with pipeline.opened(self.root) as community:
            Inbox(community.store).receive(source, offers, None, NOW, {})

    def write(self, name: str, words: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(words, "utf-8")

    def files(self) -> list[str]:
        """The contributions."""
        return sorted(path.name for path in (self.root / "contributions").glob("*"))


Make = Callable[..., Desk]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk on which the first of three things is Jo's question."""
    (tmp_path / "c").mkdir()
    made = Desk(tmp_path / "c")
    made.write("amplify.toml", SETTINGS)
    made.write("members/amal.md", AMAL)
    made.offered(WELDING, MARKING, CHAIRS)
    with contextlib.closing(ReviewDesk(made.root, 0, lambda: made.now)) as running:
        thread = threading.Thread(target=running.run)
        thread.start()
        made.address = running.address
        yield made
        running.stop()
        thread.join()


class TestLooking:
    def test_the_first_thing_that_waits_is_shown(self, desk: Desk) -> None:
        assert desk.ask("").headers["Location"] == urlsplit(desk.address).path + "3"

    def test_an_empty_inbox_says_how_to_fill_it(self, desk: Desk) -> None:
        for number in (1, 2, 3):
            desk.do(f"{number}/reject", reason="no")

        assert "Nothing waits for you. Look for more with amplify gather" in desk.ask(desk.ask("").headers["Location"]).words

    @pytest.mark.parametrize(
        ("query", "titles"),
        [
            ("", ["How do you mark <fifteen> chairs?", "Marking with joy", "Welding safely"]),
            ("?kind=resource", ["Marking with joy"]),
            ("?source=mailbox", []),
            ("?words=mark+jo", ["How do you mark <fifteen> chairs?", "Marking with joy"]),
            ("?state=rejected", []),
            ("?state=nonsense&kind=nonsense&below=nonsense", ["How do you mark <fifteen> chairs?", "Marking with joy", "Welding safely"]),
        ],
    )
    def test_the_list_is_filtered(self, desk: Desk, query: str, titles: list[str]) -> None:
        assert desk.ask(f"list{query}").titles == titles

    def test_a_long_list_has_pages(self, desk: Desk) -> None:
        desk.offered(*(Offer(id=f"x{number}", title=f"Offer {number}") for number in range(60)))
        first = desk.ask("list")
        older = re.search(r'rel="next" href="([^"]+)"', first.text)
        assert older
        second = desk.ask(older[1])
        newer = re.search(r'rel="prev" href="([^"]+)"', second.text)

        assert ([len(first.titles), len(second.titles)], second.titles[-1]) == ([50, 13], "Welding safely")
        assert newer
        assert desk.ask(newer[1]).titles == first.titles

    def test_a_thing_is_shown_as_it_would_look_and_where_it_came_from(self, desk: Desk) -> None:
        desk.offered(replace(MARKING, id="9", url="https://amal.example.org/m?utm_source=mail"), source="mailbox")

        words = desk.ask("2").words

        assert "As it would look Resource Marking with joy Shared by Amal · 1 minute Three ways." in words
        assert "Recognised as the member Amal Haddad members/amal.md , credited as “first name”" in words
        assert "From blogs · https://amal.example.org/m And from mailbox · https://amal.example.org/m?utm_source=mail" in words

    def test_the_filters_stay_while_one_goes_through_the_list(self, desk: Desk) -> None:
        assert f'id="after" href="{urlsplit(desk.address).path}1?words=w"' in desk.ask("2?words=w").text

    @pytest.mark.parametrize("path", ["99", "nothing", "1/nothing", "../amplify.toml"])
    def test_what_is_not_there_is_said(self, desk: Desk, path: str) -> None:
        assert (desk.ask(path).status, "Nothing is here" in desk.ask(path).words) == (404, True)

    def test_a_broken_folder_is_a_page(self, desk: Desk) -> None:
        desk.write("amplify.toml", SETTINGS.replace("name =", "nmae =", 1))

        assert (desk.ask("list").status, "amplify.toml:2: C02" in desk.ask("list").words) == (503, True)

    def test_what_was_held_is_back_on_its_day(self, desk: Desk) -> None:
        desk.do("3/hold", until="2026-11-20")
        assert len(desk.ask("list").titles) == 2
        desk.now = NOW + timedelta(days=2)

        assert len(desk.ask("list").titles) == 3


class TestWhatComesFromOutside:
    def test_nothing_active_is_in_the_page(self, desk: Desk) -> None:
        desk.offered(
            Offer(id="x", title='"><script>alert(2)</script>', body='<a href="javascript:alert(3)" onclick="x()">y</a>', author="<b>")
        )
        page = desk.ask("4").text + desk.ask("2").text + desk.ask("4/edit").text

        assert re.findall(r"<script(?! src=)|alert\(1\)|javascript:|onclick", page.replace("&lt;script", "")) == []

    def test_a_title_becomes_no_place_of_the_page(self, desk: Desk) -> None:
        desk.offered(Offer(id="x", title="Accept", body="<p>x</p>"))

        ids = re.findall(r' id="([^"]+)"', desk.ask("4").text)

        assert len(ids) == len(set(ids))

    def test_pictures_of_strangers_are_words_until_one_asks_for_them(self, desk: Desk) -> None:
        page, asked = desk.ask("2"), desk.ask("2?pictures=shown")

        assert "elsewhere.example.net/pixel" not in page.text
        assert "[A row of chairs · elsewhere.example.net]" in page.words
        assert "elsewhere.example.net/pixel" in asked.text
        assert ["http:" in one.headers["Content-Security-Policy"] for one in (page, asked)] == [False, True]

    def test_pictures_that_were_kept_are_seen_before_and_after_accepting(self, desk: Desk) -> None:
        kept = Media(path=f".amplify/offered/{'a' * 32}.png", alt="A bench")
        desk.write(kept.path, "picture")
        desk.offered(Offer(id="k", title="Kept", body="<p>Look.</p>", media=(kept,)))
        page = desk.ask("4").text
        shown = re.search(r'<img src="([^"]+)" alt="A bench"|<img alt="A bench" src="([^"]+)"', page)
        assert shown
        address = shown[1] or shown[2]

        before = desk.ask(address)
        desk.do("4/accept")
        (desk.root / kept.path).unlink()

        assert [before.text, desk.ask(address).text, before.headers["Content-Type"]] == ["picture", "picture", "image/png"]
        assert desk.ask(address.replace("a" * 32, "b" * 32)).status == 404

    def test_a_picture_taken_out_of_the_words_stays_out(self, desk: Desk) -> None:
        kept = Media(path=f".amplify/offered/{'a' * 32}.png", alt="A bench")
        desk.write(kept.path, "picture")
        desk.offered(Offer(id="k", title="Kept", body="<p>Look.</p>", media=(kept,)))
        desk.do("4/edit", title="Kept", body="Look.", kind="article", author="")
        desk.do("4/accept")

        assert (desk.root / "contributions/kept.md").read_text().endswith("---\nLook.\n")
        assert not (desk.root / "assets/offered").exists()

    def test_a_page_runs_no_script_but_its_own(self, desk: Desk) -> None:
        headers = desk.ask("2").headers

        assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["Content-Security-Policy"]
        assert (headers["Referrer-Policy"], headers["X-Content-Type-Options"]) == ("same-origin", "nosniff")
        assert re.findall(r"<script(?![^>]* src=)|<style|\son\w+=", desk.ask("2").text) == []


class TestWhoMayAsk:
    def test_the_address_holds_a_key_of_its_own(self, desk: Desk, tmp_path: Path) -> None:
        with contextlib.closing(ReviewDesk(desk.root)) as other:
            assert urlsplit(other.address).path != urlsplit(desk.address).path
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{22}/", desk.address)

    @pytest.mark.parametrize("path", ["/", "/list", "/x/list", "/é/list", "//"])
    def test_without_the_key_nothing_is_told(self, desk: Desk, path: str) -> None:
        reply = desk.ask(path.replace("é", "%C3%A9"))

        assert (reply.status, "JoyFE" in reply.text) == (403, False)

    @pytest.mark.parametrize("host", ["evil.example.net:{port}", "127.0.0.1", ""])
    def test_a_name_that_was_made_to_lead_here_is_refused(self, desk: Desk, host: str) -> None:
        assert desk.ask("list", Host=host.format(port=urlsplit(desk.address).port) or " ").status in (400, 403)

    @pytest.mark.parametrize(
        "headers",
        [{"Origin": "https://evil.example.net"}, {"Origin": "null"}, {"Origin": ""}, {"Origin": "", "Sec_Fetch_Site": "same-site"}],
    )
    def test_a_form_from_elsewhere_does_nothing(self, desk: Desk, headers: dict[str, str]) -> None:
        assert desk.ask("1/accept", {}, **headers).status == 403
        assert desk.files() == []

    def test_a_browser_that_names_no_origin_says_that_it_is_the_same(self, desk: Desk) -> None:
        assert desk.ask("1/accept", {}, Origin="", Sec_Fetch_Site="same-origin").status == 303

    @pytest.mark.parametrize("headers", [{"Content_Type": "text/plain"}, {"Content_Length": "99999999"}, {"Content_Length": "x"}])
    def test_what_is_no_form_is_refused(self, desk: Desk, headers: dict[str, str]) -> None:
        assert desk.ask("1/accept", {}, **headers).status == 400

    def test_looking_changes_nothing(self, desk: Desk) -> None:
        assert desk.ask("1/accept").status == 404
        assert desk.files() == []


class TestDeciding:
    def test_accepting_writes_the_file_and_shows_the_next_thing(self, desk: Desk) -> None:
        page = desk.do("3/accept", section="You asked", kind="discussion", consent="yes", licence="CC BY 4.0")

        assert "Accepted “How do you mark <fifteen> chairs?”: contributions/how-do-you-mark-fifteen-chairs.md" in page.words
        assert "<title>Marking with joy" in page.text
        assert (desk.root / "contributions/how-do-you-mark-fifteen-chairs.md").read_text().split("\n")[2:8] == [
            'title: "How do you mark <fifteen> chairs?"', 'kind: "discussion"', 'author: "Jo"', 'source: "blogs"', 'licence: "CC BY 4.0"',
            'section: "You asked"',
        ]  # fmt: skip
        assert "consent: {name: true}" in (desk.root / "contributions/how-do-you-mark-fifteen-chairs.md").read_text()

    def test_consent_and_licence_are_asked_where_the_source_does_not_know(self, desk: Desk) -> None:
        desk.offered(replace(WELDING, id="l", title="Licensed", url="https://l.example.org/", licence="CC0", consent=False))

        asked = [[name for name in ("consent", "licence") if f'name="{name}"' in desk.ask(str(number)).text] for number in (1, 2, 4)]

        assert asked == [["consent", "licence"], ["licence"], []]
        assert "Name is not printed: they said so Licence CC0" in desk.ask("4").words

    def test_leaving_out_needs_a_reason_and_offers_those_used_before(self, desk: Desk) -> None:
        assert "Not done: Say why" in desk.do("3/reject", reason=" ").words
        page = desk.do("3/reject", reason="not about teaching")

        assert "Left out “How do you mark <fifteen> chairs?”: not about teaching" in page.words
        assert '<button name="reason" value="not about teaching" formnovalidate' in page.text

    @pytest.mark.parametrize("until", ["2026-11-18", "tomorrow", ""])
    def test_a_day_that_is_none_or_over_holds_nothing(self, desk: Desk, until: str) -> None:
        assert "Not done:" in desk.do("3/hold", until=until).words

    def test_every_decision_says_who_when_and_why(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("getpass.getuser", lambda: "sam")
        desk.do("3/reject", reason="not ours")

        assert "What was decided Left out · sam, 18 November 2026, 20:30 · not ours" in desk.ask("3").words

    def test_a_decision_is_taken_back(self, desk: Desk) -> None:
        page = desk.do("3/accept")
        assert 'action="' + urlsplit(desk.address).path + '3/undo"><button id="undo"' in page.text

        page = desk.do("3/undo")

        assert ("Undone: “How do you mark <fifteen> chairs?” is waiting again" in page.words, desk.files()) == (True, [])

    def test_what_was_written_into_the_file_is_not_taken_back(self, desk: Desk) -> None:
        desk.do("1/accept")
        desk.write("contributions/welding-safely.md", "mine")

        assert "Not done: contributions/welding-safely.md has words of yours in it" in desk.do("1/undo").words
        assert desk.files() == ["welding-safely.md"]

    def test_words_are_edited_before_they_are_accepted(self, desk: Desk) -> None:
        assert ">\nThe **order** of the day.</textarea>" in desk.ask("1/edit").text
        desk.do("1/edit", title="Welding, safely", body="::end\r\n\r\nMine.", kind="resource", author="Sam Okoro")
        desk.do("1/accept")

        file = (desk.root / "contributions/welding-safely.md").read_text()
        assert ('title: "Welding, safely"' in file, 'author: "Sam Okoro"' in file, file.endswith("---\n\\::end\n\nMine.\n")) == (True,) * 3

    def test_saving_what_nobody_changed_is_no_decision(self, desk: Desk) -> None:
        desk.do("1/edit", title="Welding safely", body="The **order** of the day.", kind="article", author="Sam")

        assert "What was decided" not in desk.ask("1").words

    def test_what_is_a_file_already_is_edited_there(self, desk: Desk) -> None:
        desk.do("1/accept")

        assert "edit contributions/welding-safely.md with any text editor" in desk.ask("1/edit").words
        assert "Not done:" in desk.do("1/edit", title="x", body="x").words

    def test_two_that_look_alike_are_made_one_and_apart_again(self, desk: Desk) -> None:
        desk.offered(Offer(id="x", title="Safely welding", body="x", url="https://other.example.org/"), source="mailbox")
        assert "One with Welding safely" in desk.ask("4").words

        assert "“Safely welding” is one with “Welding safely” now" in desk.do("4/merge", into="1").words
        assert "And from mailbox" in desk.ask("1").words
        assert "the same as 1" in desk.ask("4").words

        desk.do("4/undo")
        assert "And from mailbox" not in desk.ask("1").words

    @pytest.mark.parametrize("into", ["4", "99", "x", ""])
    def test_what_cannot_be_one_stays_apart(self, desk: Desk, into: str) -> None:
        desk.offered(Offer(id="x", title="Four", body="x"))

        assert "Not done:" in desk.do("4/merge", into=into).words


class TestWhatWasChangedThere:
    ANEW = replace(WELDING, title="Welding safely, twice", body="<p>The <b>order</b> of the week.</p>")

    def test_it_is_shown_word_by_word(self, desk: Desk) -> None:
        desk.do("1/accept")
        desk.offered(self.ANEW)

        assert desk.ask("list?state=changed").titles == ["Welding safely"]
        page = desk.ask("1")
        assert "The **order** of the taken out: day. new: week." in page.words
        assert '<ins><span class="aside">new: </span>week.</ins>' in page.text

    def test_it_is_taken_over_into_the_file_and_back_again(self, desk: Desk) -> None:
        desk.do("1/accept", section="Meet")
        before = (desk.root / "contributions/welding-safely.md").read_text()
        desk.offered(self.ANEW)

        desk.do("1/take")
        after = (desk.root / "contributions/welding-safely.md").read_text()
        assert after == before.replace("Welding safely", "Welding safely, twice").replace("day.", "week.")

        desk.do("1/undo")
        assert (desk.root / "contributions/welding-safely.md").read_text() == before
        desk.do("1/undo")
        assert desk.files() == []

    def test_words_of_your_own_are_not_written_over(self, desk: Desk) -> None:
        desk.do("1/accept")
        file = desk.root / "contributions/welding-safely.md"
        file.write_text(file.read_text() + "And mine.\n")
        desk.offered(self.ANEW)

        assert "has words of yours in it. Nothing was done." in desk.do("1/take").words
        assert file.read_text().endswith("And mine.\n")

    def test_it_is_left_as_it_was(self, desk: Desk) -> None:
        desk.do("1/accept")
        desk.offered(self.ANEW)

        assert "stays as it was" in desk.do("1/leave").words
        assert desk.ask("list?state=changed").titles == []

    def test_what_still_waits_takes_it_over_without_a_file(self, desk: Desk) -> None:
        desk.do("1/edit", title="Mine", body="Mine.", kind="article", author="Sam")
        desk.offered(self.ANEW)
        desk.do("1/take")

        assert "<title>Welding safely, twice" in desk.ask("1").text

    def test_of_what_stayed_the_beginning_and_the_end_are_enough(self) -> None:
        long = " ".join(f"word{number}" for number in range(100))

        found = review_view.difference(f"{long} old.", f"{long} new.")

        assert [(one.what, len(one.words.split())) for one in found] == [("same", 12), ("gap", 1), ("same", 12), ("out", 1), ("new", 1)]

    def test_a_very_long_text_is_compared_by_lines(self) -> None:
        old = "\n".join(["many words in a line"] * 2000)

        assert review_view.difference(old, f"{old}\nmore")[-1].words == "more"


class TestBeginningAndEnding:
    def test_serve_says_its_address_and_ends_with_control_c(self, desk: Desk) -> None:
        said: list[str] = []

        def ready(address: str) -> None:
            said.append(address)
            threading.Thread(target=_thread.interrupt_main).start()

        review_desk.serve(desk.root, 0, ready=ready)

        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]+/", said[0])

    def test_a_port_that_is_taken_is_said(self, desk: Desk) -> None:
        with pytest.raises(AmplifyError, match=r"Port .* cannot be used(.|\n)*amplify review --port 0"):
            ReviewDesk(desk.root, urlsplit(desk.address).port or 0)


# -- by keyboard ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def at(desk: Desk, chromium: Browser) -> Browser:
    """A browser in which the desk was just opened."""
    chromium.go(desk.address)
    chromium.until("document.activeElement.id === 'top'")
    return chromium


def shows(at: Browser, title: str) -> None:
    """Wait until that thing is on the page, and the reader's place in it."""
    at.until(f"document.title.startsWith({title!r}) && document.activeElement.id === 'top'")


class TestByKeyboard:
    def test_one_goes_down_and_up_the_list(self, at: Browser) -> None:
        at.press("j")
        shows(at, "Marking with joy")
        at.press("j")
        shows(at, "Welding safely")
        at.press("k")
        shows(at, "Marking with joy")

    def test_accepting_goes_on_to_the_next_and_says_so_aloud(self, at: Browser, desk: Desk) -> None:
        at.press("a")

        shows(at, "Marking with joy")
        assert "Accepted “How do you mark" in at.until("document.getElementById('aloud').textContent")
        assert desk.files() == ["how-do-you-mark-fifteen-chairs.md"]

    def test_undoing_comes_back_to_what_was_undone(self, at: Browser, desk: Desk) -> None:
        at.press("a")
        shows(at, "Marking with joy")
        at.press("u")

        shows(at, "How do you mark")
        assert desk.files() == []

    def test_leaving_out_asks_why_and_enter_sends_it(self, at: Browser, desk: Desk) -> None:
        at.press("r")
        assert at.focused() == "reason"
        at.press("a jar of nails", "Enter")

        shows(at, "Marking with joy")
        assert "a jar of nails" in desk.ask("3").words

    def test_holding_goes_to_the_day(self, at: Browser, desk: Desk) -> None:
        at.press("h")
        assert at.focused() == "until"
        at.press("Enter")

        shows(at, "Marking with joy")
        assert desk.ask("list?state=held").titles == ["How do you mark <fifteen> chairs?"]

    def test_editing_is_saved_with_a_chord(self, at: Browser, desk: Desk) -> None:
        at.press("e")
        at.until("document.activeElement.id === 'title' && !document.getElementById('help').hidden")
        at.press("Control+a", "A better question", "Control+Enter")

        shows(at, "A better question")
        assert "edited" in desk.ask("3").words

    def test_escape_leaves_a_field_and_the_keys_work_again(self, at: Browser) -> None:
        at.press("/")
        assert at.focused() == "words"
        at.press("j", "Escape")
        assert at.focused() == "top"
        at.press("j")

        shows(at, "Marking with joy")

    def test_a_search_is_the_list_and_the_arrows_go_through_it(self, at: Browser) -> None:
        at.press("/", "mark", "Enter")
        at.until("document.title.startsWith('The list') && document.activeElement.id === 'top'")
        at.press("j", "ArrowDown", "Enter")

        shows(at, "Marking with joy")

    def test_the_keys_are_listed_and_can_be_switched_off(self, at: Browser) -> None:
        at.press("?")
        assert "accept it as the form says" in at.read("#keys[open]")
        at.run("document.getElementById('keys-off').click()")
        at.press("Escape", "j")

        assert at.read("h1") == "How do you mark <fifteen> chairs?"
        at.run("localStorage.clear()")

    def test_nothing_is_fetched_from_elsewhere(self, at: Browser, desk: Desk) -> None:
        at.go(desk.address + "2")

        fetched = at.run("performance.getEntriesByType('resource').map(one => one.name)")

        assert fetched
        assert all(one.startswith(desk.address) for one in fetched)

    @pytest.mark.parametrize("page", ["", "list", "2", "2/edit", "2?state=all"])
    def test_a_narrow_screen_needs_no_sideways_scrolling(self, at: Browser, desk: Desk, page: str) -> None:
        at._ask("POST", "/window/rect", {"width": 500, "height": 900})
        at.go(desk.address + page)
        at.run("document.documentElement.style.width = '320px'")

        assert at.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        at._ask("POST", "/window/rect", {"width": 1280, "height": 900})
