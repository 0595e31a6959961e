"""`amplify preview`: a real server on this machine, asked as a browser asks it."""

from __future__ import annotations

import _thread
import contextlib
import http.client
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify import compose, desk, localhost, pipeline, preview, rules
from amplify.errors import AmplifyError
from amplify.pages import Views
from amplify.preview import Preview
from amplify.render import Renderer
from amplify.store import Entry

NOW = datetime(2026, 11, 18, 21, 0, tzinfo=UTC)
SOUND = bytes(range(256)) * 40
SETTINGS = """\
[community]
name = "Chalk & Circuit"
url = "https://example.org/circle/"
timezone = "Europe/London"
contact = "team@example.org"

[newsletter]
title = "The Circuit"
from = "The Circuit <news@example.org>"

[podcast]
title = "Chalk Talk"

[[channel]]
name = "letters"
plugin = "email"
server = "outbox:"
"""
PICTURE = "![A bench](https://example.org/circle/assets/bench.svg)"
FOLDER: Mapping[str, str | bytes] = {
    "amplify.toml": SETTINGS,
    "editions/2026-11.md": "---\ntitle: Joy in <November>\ndate: 2026-11-18 20:00\nsubject: Marking with joy\npreheader: Three ways\n"
    f"was: [november]\nannounce: {{bluesky: Our letter is out}}\n---\nDear all.\n\n{PICTURE}\n",
    "editions/2026-12.md": "---\ntitle: The last bell\ndate: 2026-12-16 20:00\ndraft: true\n---\nNearly done.\n",
    "editions/2027-01.md": "---\ntitle: New chalk\ndate: 2027-01-13 20:00\n---\nA new year.\n",
    "editions/2025-01.md": "---\ntitle: Old chalk\ndate: 2025-01-13 20:00\n---\nAn old year.\n",
    "episodes/laps.md": "---\ntitle: Four laps\ndate: 2026-11-11\nsummary: Round the workshop\n"
    "audio: {url: https://audio.example.net/laps.mp3, length: 1000, type: audio/mpeg, duration: '1:00'}\n---\n",
    "assets/bench.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "assets/bell.mp3": SOUND,
}


def read(html: str) -> str:
    """What people read of a piece of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def words(self) -> str:
        return read(self.text)


@dataclass
class Browser:
    """A community, a preview of it, and somebody who looks."""

    root: Path
    now: datetime = NOW
    address: str = ""

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())

    def row(self, title: str) -> str:
        """What the desk says of one publication."""
        return next(words for words in map(read, self.ask("/-/").text.replace("<h3", "\0<").split("\0")) if words.startswith(title))

    def write(self, name: str, content: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, name: str, old: str, new: str) -> None:
        self.write(name, (self.root / name).read_text("utf-8").replace(old, new))

    def begin_anew(self) -> None:
        """The folder and the hour as every test finds them; what was rendered is kept."""
        self.now = NOW
        for path in self.root.iterdir():
            if path.is_dir() and path.name != ".amplify":
                shutil.rmtree(path)
        for name, content in FOLDER.items():
            self.write(name, content)


@contextlib.contextmanager
def looking_at(root: Path) -> Iterator[Browser]:
    browser = Browser(root)
    browser.begin_anew()
    with contextlib.closing(Preview(root, 0, lambda: browser.now)) as running:
        thread = threading.Thread(target=running.run)
        thread.start()
        browser.address = running.address
        yield browser
        running.stop()
        thread.join()


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A preview of a folder that nobody changes; two people are on its list."""
    with looking_at(tmp_path_factory.mktemp("quiet")) as browser:
        with pipeline.opened(browser.root) as community:
            community.store.import_subscribers([Entry(address=f"{name}@example.org") for name in ("jo", "zoe")], NOW, "imported")
        yield browser


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with looking_at(tmp_path_factory.mktemp("busy")) as browser:
        yield browser


@pytest.fixture
def own(busy: Browser) -> Iterator[Browser]:
    """A preview of a folder that the test changes."""
    yield busy
    busy.begin_anew()


# -- the site ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["2026-11", "2026-12", "2027-01"])
def test_drafts_and_what_is_to_come_are_shown(look: Browser, slug: str) -> None:
    reply = look.ask(f"/editions/{slug}/")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_a_page_asks_for_changes_with_one_script(look: Browser) -> None:
    version = look.ask("/-/version").text
    assert look.ask("/editions/2026-11/").text.count(f'<script src="/-/reload.js?{version}" defer></script>') == 1


def test_the_script_asks_for_the_version(look: Browser) -> None:
    reply = look.ask("/-/reload.js")
    assert reply.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "/-/version" in reply.text


def test_what_is_published_knows_nothing_of_the_script(look: Browser) -> None:
    look.ask("/")
    with pipeline.opened(look.root) as community:
        assets = pipeline.build(community, NOW, drafts=True).site.assets.values()
    assert [asset.path for asset in assets if b"/-/" in asset.source.read_bytes()] == []


def test_links_of_a_site_with_a_path_lead_to_this_machine(look: Browser) -> None:
    style = re.search(r'<link rel="stylesheet" href="([^"?]+)', look.ask("/editions/2026-11/").text)
    assert style
    assert look.ask(urljoin("/editions/2026-11/", style[1])).status == 200


def test_a_folder_without_its_slash_leads_there(look: Browser) -> None:
    reply = look.ask("/editions/2026-11")
    assert (reply.status, reply.headers["Location"]) == (307, "/editions/2026-11/")


@pytest.mark.parametrize(
    "path", ["/nothing", "/editions/", "/../amplify.toml", "/%2e%2e/amplify.toml", "//etc/passwd", "/feed.xml/", "/-/mail/nobody", "*"]
)
def test_only_files_of_the_site_are_there(look: Browser, path: str) -> None:
    assert look.ask(path).status == (200 if path == "/editions/" else 404)


def test_what_is_not_there_is_the_sites_own_page(look: Browser) -> None:
    reply = look.ask("/deep/down/nothing")
    assert "There is nothing at this address" in reply.words
    assert "https://example.org/circle/" not in re.findall(r'href="([^"]*)', reply.text)
    assert 'href="/editions/"' in reply.text


def test_an_old_address_leads_to_the_new_one_here(look: Browser) -> None:
    assert 'content="0; url=/editions/2026-11/"' in look.ask("/editions/november/").text


def test_a_feed_comes_as_it_would_be_published(look: Browser) -> None:
    reply = look.ask("/feed.xml")
    assert reply.headers["Content-Type"] == "application/rss+xml"
    assert "https://example.org/circle/editions/2026-11/" in reply.text
    assert "reload.js" not in reply.text


@pytest.mark.parametrize("path", ["/", "/assets/bell.mp3", "/-/", "/nothing"])
def test_head_is_get_without_the_body(look: Browser, path: str) -> None:
    got, head = look.ask(path), look.ask(path, "HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (got.status, str(len(got.body)), b"")


def test_rendered_files_that_somebody_cleared_away_are_made_again(own: Browser) -> None:
    own.ask("/")
    shutil.rmtree(own.root / ".amplify" / "cache" / "objects")
    assert own.ask("/editions/2026-11/").status == 200


def test_many_readers_at_once_get_their_pages(look: Browser) -> None:
    paths = ["/", "/-/", "/-/mail/2026-11", "/editions/2026-12/", "/assets/bell.mp3", "/-/mail/2026-12/message.html"] * 4
    with ThreadPoolExecutor(8) as pool:
        assert {reply.status for reply in pool.map(look.ask, paths)} == {200}


# -- pieces of a file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "piece", "where"),
    [
        ("bytes=2-5", SOUND[2:6], "bytes 2-5/10240"),
        ("bytes=10000-", SOUND[10000:], "bytes 10000-10239/10240"),
        ("bytes=-3", SOUND[-3:], "bytes 10237-10239/10240"),
        ("bytes=0-99999", SOUND, "bytes 0-10239/10240"),
        ("bytes=-99999", SOUND, "bytes 0-10239/10240"),
    ],
)
def test_a_player_gets_the_piece_it_asks_for(look: Browser, wanted: str, piece: bytes, where: str) -> None:
    reply = look.ask("/assets/bell.mp3", Range=wanted)
    assert (reply.status, reply.headers["Content-Range"], reply.body) == (206, where, piece)
    assert reply.headers["Content-Type"] == "audio/mpeg"


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=-0"])
def test_a_piece_behind_the_end_is_refused(look: Browser, wanted: str) -> None:
    reply = look.ask("/assets/bell.mp3", Range=wanted)
    assert (reply.status, reply.headers["Content-Range"], reply.body) == (416, "bytes */10240", b"")


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=a-b", "bytes=-"])
def test_a_range_that_makes_no_sense_gets_the_whole_file(look: Browser, wanted: str) -> None:
    reply = look.ask("/assets/bell.mp3", Range=wanted)
    assert (reply.status, reply.headers["Accept-Ranges"], reply.body) == (200, "bytes", SOUND)


def test_a_condition_that_cannot_be_checked_gets_the_whole_file(look: Browser) -> None:
    assert look.ask("/assets/bell.mp3", Range="bytes=0-1", If_Range='"x"').status == 200


@given(st.text() | st.from_regex(r"bytes=\d*-\d*", fullmatch=True), st.integers(0, 10**6))
def test_a_piece_is_always_within_the_file(wanted: str, size: int) -> None:
    piece = localhost.asked_for(wanted, size)
    assert not piece or 0 <= piece.start < piece.stop <= size


# -- this machine only ---------------------------------------------------------------------------------------------


def test_only_this_machine_can_connect(look: Browser) -> None:
    assert urlsplit(look.address).hostname == "127.0.0.1"


@pytest.mark.parametrize(
    "host", ["evil.example.net:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example.net:{port}", "", "[::1]:{port}"]
)
def test_a_name_that_was_made_to_lead_here_is_refused(look: Browser, host: str) -> None:
    reply = look.ask("/", Host=host.format(port=urlsplit(look.address).port))
    assert reply.status == 403
    assert "Chalk" not in reply.text


def test_localhost_is_this_machine(look: Browser) -> None:
    assert look.ask("/", Host=f"LocalHost:{urlsplit(look.address).port}").status == 200


def test_pages_elsewhere_can_read_nothing(look: Browser) -> None:
    headers = look.ask("/-/", Origin="https://evil.example.net").headers
    assert headers["Access-Control-Allow-Origin"] is None
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(look: Browser, method: str) -> None:
    assert look.ask("/", method).status == 501


def test_the_record_and_the_website_stay_as_they_are(own: Browser) -> None:
    def record() -> list[str]:
        with contextlib.closing(sqlite3.connect(own.root / ".amplify" / "amplify.db")) as db:
            return list(db.iterdump())

    own.ask("/")
    before = record()
    for path in ("/", "/-/", "/-/mail/2026-11", "/-/mail/2026-11/message.html"):
        own.ask(path)
    assert record() == before
    assert sorted(path.name for path in own.root.iterdir()) == [".amplify", "amplify.toml", "assets", "editions", "episodes"]
    assert not (own.root / ".amplify" / "outbox").exists()


# -- the desk ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "state"),
    [
        ("Joy in <November>", "Public since Wednesday 18 November 2026"),
        ("The last bell", "Draft stays here until you take the line draft: true away"),
        ("New chalk", "Waits until Wednesday 13 January 2027, 20:00"),
    ],
)
def test_the_desk_says_how_each_edition_stands(look: Browser, title: str, state: str) -> None:
    assert state in look.row(title)


@pytest.mark.parametrize(
    ("title", "announced"),
    [
        ("Joy in <November>", "Mail “letters”: would be written for 2 people now, as a rehearsal"),
        ("The last bell", "Mail “letters”: to 2 people, once it may go"),
        ("Old chalk", "Mail “letters”: not announced: it came out more than 7 days ago"),
    ],
)
def test_the_desk_says_what_would_be_announced(look: Browser, title: str, announced: str) -> None:
    assert announced in look.row(title)


def test_words_for_a_place_that_is_not_set_up_are_shown(look: Browser) -> None:
    assert "Words for “bluesky”, which is not set up in amplify.toml: they go nowhere Our letter is out 17 characters" in look.row("Joy")


def test_each_edition_has_its_links(look: Browser) -> None:
    page = look.ask("/-/").text
    assert all(f'href="{path}"' in page for path in ("/editions/2026-12/", "/-/mail/2026-12", "/-/mail/2026-12?view=text"))


def test_an_episode_that_goes_by_mail_has_a_mail(look: Browser) -> None:
    assert "Round the workshop" in look.ask("/-/mail/episodes/laps").words


def test_titles_cannot_become_markup(look: Browser) -> None:
    assert "Joy in &lt;November&gt;" in look.ask("/-/").text


def test_without_a_newsletter_there_is_no_mail(own: Browser) -> None:
    own.write("amplify.toml", SETTINGS.partition("[newsletter]")[0] + '[podcast]\ntitle = "Chalk Talk"\n')
    assert "/-/mail/" not in own.ask("/-/").text
    assert own.ask("/-/mail/2026-11").status == 404
    assert "announced nowhere" in own.row("The last bell")


def test_an_empty_folder_says_what_to_do(own: Browser) -> None:
    shutil.rmtree(own.root / "editions")
    shutil.rmtree(own.root / "episodes")
    assert "There is no edition and no episode yet" in own.ask("/-/").words


def test_a_channel_that_cannot_be_asked_leaves_the_site_alone(own: Browser) -> None:
    own.edit("amplify.toml", 'plugin = "email"', 'plugin = "pigeon"')
    desk = own.ask("/-/")
    assert own.ask("/").status == desk.status == 200
    assert "What would be announced cannot be told yet amplify.toml:16 C13 there is no plugin 'pigeon'" in desk.words


def test_a_channel_says_only_what_it_publishes(own: Browser) -> None:
    own.write("amplify.toml", SETTINGS + 'publishes = ["edition"]\n')
    assert "“letters”" in own.row("Old chalk")
    assert "“letters”" not in own.row("Four laps")


def test_the_desk_has_a_style_of_its_own(look: Browser) -> None:
    reply = look.ask("/-/preview.css")
    assert reply.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "--paper: #fbfaf7;" in reply.text


def test_advice_is_on_the_desk(look: Browser) -> None:
    words = look.ask("/-/").words
    with pipeline.opened(look.root) as community:
        advice = rules.advice(pipeline.build(community, NOW, drafts=True).content, community.settings, NOW)
    assert advice
    assert all(" ".join(problem.message.split()) in words for problem in advice)


# -- an edition as mail --------------------------------------------------------------------------------------------


def test_a_mail_is_shown_with_what_an_inbox_shows(look: Browser) -> None:
    words = look.ask("/-/mail/2026-11").words
    assert "Subject Marking with joy Preheader Three ways 10 characters From The Circuit <news@example.org> Size" in words
    assert re.search(r"\d+ KB of 102", words)


@pytest.mark.parametrize(("view", "width"), [("", 600), ("?view=narrow", 360), ("?view=dark", 600)])
def test_a_mail_is_in_a_frame_that_runs_nothing(look: Browser, view: str, width: int) -> None:
    frame = re.search(r"<iframe [^>]*>", look.ask(f"/-/mail/2026-11{view}").text)
    assert frame
    assert f'width="{width}"' in frame[0]
    assert re.search(r'sandbox="(?![^"]*allow-scripts)', frame[0])


def test_what_is_wrong_with_a_mail_is_beside_it(own: Browser) -> None:
    own.write("editions/2026-12.md", "---\ntitle: The last bell\ndate: 2026-12-16\n---\n[Here](https://example.net/?a={{ b }})\n")
    assert re.search(r"to mend in this mail editions/2026-12\.md N\d\d", own.ask("/-/mail/2026-12").words)


def test_the_view_that_is_shown_is_marked(look: Browser) -> None:
    assert '<a href="/-/mail/2026-11?view=dark" aria-current="page">' in look.ask("/-/mail/2026-11?view=dark").text


def test_a_mail_is_exactly_what_would_be_sent(look: Browser) -> None:
    with pipeline.opened(look.root) as community:
        built, settings = pipeline.build(community, NOW, drafts=True), community.settings
    publication = next(one for one in built.selection.publications if one.path == "editions/2026-11/")
    html = compose.mail(publication, Views(built.selection, settings), Renderer(settings), NOW).html or ""
    for token, value in compose.filler(publication, settings)(desk.READER).items():
        html = html.replace(token, value)
    assert look.ask("/-/mail/2026-11/message.html").text == html
    assert "EXAMPLE" in html


def test_a_mail_may_run_no_script(look: Browser) -> None:
    policy = look.ask("/-/mail/2026-11/message.html").headers["Content-Security-Policy"]
    assert "script-src 'none'" in policy
    assert "allow-scripts" not in policy


@pytest.mark.parametrize(
    ("view", "query"), [("dark", "@media (min-width:0)"), ("wide", "@media (max-width:0)"), ("narrow", "@media (max-width:0)")]
)
def test_night_and_day_are_chosen_by_the_view(look: Browser, view: str, query: str) -> None:
    html = look.ask(f"/-/mail/2026-11/message.html?view={view}").text
    assert query in html
    assert "prefers-color-scheme" not in html
    assert f'name="color-scheme" content="{"dark" if view == "dark" else "light"}"' in html


def test_words_about_night_are_left_alone() -> None:
    html = "<head><style>a{}</style></head><p>(prefers-color-scheme: dark)</p>"
    assert "(prefers-color-scheme: dark)" in desk.as_seen(html, "https://example.org/", dark=True)


def test_pictures_that_are_not_online_yet_are_seen(look: Browser) -> None:
    assert 'src="/assets/bench.svg"' in look.ask("/-/mail/2026-11/message.html?view=wide").text
    assert look.ask("/assets/bench.svg").headers["Content-Type"] == "image/svg+xml"


def test_a_mail_has_its_plain_text(look: Browser) -> None:
    text = look.ask("/-/mail/2026-11/message.txt")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Dear all." in text.text
    assert text.text in unescape(look.ask("/-/mail/2026-11?view=text").text)


def test_a_mail_that_is_too_long_is_said(own: Browser) -> None:
    own.write("editions/2026-12.md", "---\ntitle: Long\ndate: 2026-12-16\n---\n" + "Many words indeed. " * 6000)
    assert "Too long" in own.ask("/-/mail/2026-12").words


# -- as files change -----------------------------------------------------------------------------------------------


def test_the_version_stays_while_nothing_changes(look: Browser) -> None:
    assert look.ask("/-/version").text == look.ask("/-/version").text


@pytest.mark.parametrize("name", [f"{folder}/new.txt" for folder in preview.WATCHED[1:]] + ["amplify.toml", "assets/deep/down.txt"])
def test_every_folder_that_people_edit_is_watched(tmp_path: Path, name: str) -> None:
    before = preview.signature(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("new")
    assert preview.signature(tmp_path) != before


@pytest.mark.parametrize("name", [".amplify/cache/cache.db", "public/index.html", "plugins/__pycache__/x.pyc", "notes.txt"])
def test_what_is_made_is_not_watched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    before = preview.signature(tmp_path)
    (tmp_path / name).write_text("new")
    assert preview.signature(tmp_path) == before


def test_a_change_changes_the_version_and_the_page(own: Browser) -> None:
    before = own.ask("/-/version").text
    own.edit("editions/2026-11.md", "Dear all", "Dear everybody")
    assert own.ask("/-/version").text != before
    assert "Dear everybody" in own.ask("/editions/2026-11/").text


def test_what_waited_for_its_hour_goes_public_by_itself(own: Browser) -> None:
    before = own.ask("/-/version").text
    own.now = NOW + timedelta(days=60)
    assert own.ask("/-/version").text != before
    assert "Public" in own.row("New chalk")


def test_a_passing_minute_alone_changes_nothing(own: Browser) -> None:
    before = own.ask("/-/version").text
    own.now = NOW + timedelta(minutes=2)
    assert own.ask("/-/version").text == before


# -- as files break ------------------------------------------------------------------------------------------------


def test_every_page_lists_every_problem(own: Browser) -> None:
    own.edit("editions/2026-11.md", "title: ", "tilte: ")
    own.write("events/fair.md", "---\ntitle: Fair\nstart: soon\n---\n")
    reply = own.ask("/editions/2026-12/")
    assert (reply.status, reply.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert "3 things to mend Nothing was sent and nothing went online." in reply.words
    assert "editions/2026-11.md:2 C02 tilte is not known here What to do: did you mean title?" in reply.words
    assert "events/fair.md:3" in reply.words


def test_a_page_comes_back_when_its_folder_is_mended(own: Browser) -> None:
    own.edit("editions/2026-11.md", "title: ", "tilte: ")
    broken = own.ask("/editions/2026-11/")
    own.edit("editions/2026-11.md", "tilte: ", "title: ")
    assert (broken.status, own.ask("/editions/2026-11/").status) == (503, 200)
    assert f"/-/reload.js?{own.ask('/-/version').text}" not in broken.text


def test_broken_settings_are_a_page_too(own: Browser) -> None:
    own.edit("amplify.toml", 'name = "Chalk', 'nmae = "Chalk')
    assert "amplify.toml:2 C02 nmae is not known here" in own.ask("/").words


def test_a_broken_template_is_named(own: Browser) -> None:
    own.write("templates/edition.html.j2", "{% if %}")
    assert "templates/edition.html.j2:1 C20 this template is broken" in own.ask("/").words


def test_a_broken_mail_leaves_the_site_alone(own: Browser) -> None:
    own.write("templates/mail.html.j2", "{{ nothing }}")
    assert "templates/mail.html.j2" in own.ask("/-/mail/2026-11").words
    assert own.ask("/").status == 200


def test_a_template_that_fails_in_its_own_way_ends_nothing(own: Browser) -> None:
    own.write("templates/edition.html.j2", "{{ 1 + 'a' }}")
    reply = own.ask("/")
    assert reply.status == 503
    assert "unsupported operand" in reply.words


def test_problems_are_told_even_where_their_page_is_broken(own: Browser) -> None:
    own.write("templates/preview-problems.html.j2", "{{ nothing }}")
    own.edit("editions/2026-11.md", "title: ", "tilte: ")
    words = own.ask("/").words
    assert "editions/2026-11.md:2: C02 tilte is not known here" in words
    assert "templates/preview-problems.html.j2" in words


def test_a_file_that_cannot_be_read_is_named() -> None:
    trouble = desk.trouble_of(PermissionError(13, "Permission denied", "editions/2026-11.md"))
    assert trouble.words == "editions/2026-11.md cannot be read: Permission denied."


def test_a_community_that_is_taken_away_is_said(own: Browser) -> None:
    (own.root / "amplify.toml").unlink()
    assert "There is no amplify.toml" in own.ask("/").words


# -- beginning and ending ------------------------------------------------------------------------------------------


def test_serve_says_its_address_and_ends_with_control_c(tmp_path: Path) -> None:
    browser = Browser(tmp_path)
    browser.write("amplify.toml", SETTINGS)
    replies: list[Reply] = []

    def visit() -> None:
        replies.append(browser.ask("/-/version"))
        _thread.interrupt_main()

    def ready(address: str) -> None:
        browser.address = address
        threading.Thread(target=visit).start()

    preview.serve(tmp_path, 0, ready=ready)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", browser.address)
    assert [reply.status for reply in replies] == [200]


def test_a_folder_without_a_community_is_no_preview(tmp_path: Path) -> None:
    with pytest.raises(AmplifyError, match=r"There is no amplify\.toml"):
        preview.serve(tmp_path, 0)


@pytest.mark.parametrize("port", [None, 70000])
def test_a_port_that_cannot_be_had_is_said(look: Browser, port: int | None) -> None:
    with pytest.raises(AmplifyError, match=r"Port .* cannot be used"):
        Preview(look.root, port or urlsplit(look.address).port or 0)
