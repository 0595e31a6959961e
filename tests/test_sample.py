"""The sample community at the root, published as `make demo` does: what the world would see of it."""

import os
import posixpath
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from kit import Community, contents
from programs import program

ROOT = Path(__file__).parents[1]
NOW = "2026-11-18 20:30"
CONTENT = ("contributions", "editions", "episodes", "events", "members", "assets", "offers", "amplify.toml", "subscribers.csv")
SITE = "https://community.example.org/"


def copied(to: Path) -> Community:
    to.mkdir()
    for name in CONTENT:
        source = ROOT / name
        shutil.copytree(source, to / name) if source.is_dir() else shutil.copy(source, to / name)
    return Community(to)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Community:
    made = copied(tmp_path_factory.mktemp("demo") / "chalk")
    assert made.run("subscribers", "import", str(made.root / "subscribers.csv")).status == 0
    assert made.publish(NOW).status == 0
    return made


class Page(HTMLParser):
    """A page's links, sources, ids and headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes[tag] = given
        self.links += [value for name, value in attrs if name == "href" and value and tag == "a"]
        self.loads += [value for name, value in attrs if value and (name == "src" or (name == "href" and given.get("rel") == "stylesheet"))]
        self.ids += [value for name, value in attrs if name == "id" and value]


def pages(site: dict[str, bytes]) -> Iterator[tuple[str, Page]]:
    return ((name, Page(data.decode())) for name, data in site.items() if name.endswith(".html"))


def test_a_second_run_has_nothing_to_do_and_changes_no_byte(demo: Community) -> None:
    before = contents(demo.root)

    ran = demo.publish(NOW)

    said = "Nothing to do: the website is up to date, and everything that was due has gone.\nSTAYS  The last bell (draft)\n"
    assert ran.out.startswith(said)
    assert contents(demo.root) == before


def test_what_members_left_in_the_drop_box_waits_and_is_nowhere_to_be_seen(demo: Community, tmp_path: Path) -> None:
    here = demo.copy(tmp_path / "here")
    for file in (here.root / "offers").iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))

    gathered = here.run("gather", "--json").json["sources"][0]

    assert (gathered["new"], gathered["notes"]) == (3, [])
    assert [data for data in here.site().values() if b"dovetail" in data] == []
    assert here.publish(NOW).out.startswith("Nothing to do")


def test_two_builds_at_one_moment_are_identical(demo: Community, tmp_path: Path) -> None:
    again = copied(tmp_path / "another place")

    assert again.run("build", "--at", NOW).status == 0
    assert again.site() == demo.site()


def test_each_subscriber_has_one_mail(demo: Community) -> None:
    rows = (demo.root / "subscribers.csv").read_text("utf-8").strip().splitlines()[1:]

    assert len(demo.mails()) == len(rows)


def test_every_link_between_pages_leads_somewhere(demo: Community) -> None:
    site = demo.site()
    ids = {name: set(page.ids) for name, page in pages(site)}
    broken = []
    for name, page in pages(site):
        for link in (*page.links, *page.loads):
            target = urljoin(SITE + name, link)
            if target.startswith(SITE):
                parts = urlsplit(target)
                path = unquote(parts.path).lstrip("/")
                file = posixpath.join(path, "index.html") if not path or path.endswith("/") else path
                lost = parts.fragment and file in ids and not parts.fragment.startswith("t=") and parts.fragment not in ids[file]
                broken += [(name, link)] if file not in site or lost else []

    assert broken == []


def test_no_page_asks_another_host_for_anything(demo: Community) -> None:
    foreign = [(name, load) for name, page in pages(demo.site()) for load in page.loads if "//" in load and not load.startswith(SITE)]

    assert foreign == []


def test_every_page_has_one_first_heading_a_language_and_ids_of_its_own(demo: Community) -> None:
    for name, page in pages(demo.site()):
        assert page.tags.count("h1") == 1, name
        assert page.attributes["html"]["lang"] == "en-GB", name
        assert len(page.ids) == len(set(page.ids)), name


def test_what_is_a_draft_or_comes_later_is_nowhere(demo: Community) -> None:
    online = b"".join(demo.site().values())

    assert b"The last bell" not in online
    assert b"editions/2026-12" not in online


def test_who_wants_to_stay_unnamed_is_nowhere(demo: Community) -> None:
    everything = b"".join([*demo.site().values(), *demo.mails().values()])

    assert [name for name in (b"Kowalczyk", b"Ashworth", b"a-resit-teacher") if name in everything] == []


def test_a_site_below_a_path_is_the_same_site(demo: Community, tmp_path: Path) -> None:
    below = copied(tmp_path / "below")
    settings = (below.root / "amplify.toml").read_text("utf-8")
    below.write(
        {"amplify.toml": settings.replace('url = "https://community.example.org/"', 'url = "https://host.example.org/~chalk/circuit/"')}
    )
    below.run("build", "--at", NOW)

    assert set(below.site()) == set(demo.site()) - {"robots.txt"}
    assert below.site()["editions/2026-11/index.html"].count(b"https://community.example.org/editions") == 0
    assert b"https://host.example.org/~chalk/circuit/episodes/marking-with-joy/marking-with-joy.m4a" in below.site()["podcast.xml"]


@pytest.mark.parametrize("name", ["podcast.xml", "feed.xml", "feed.atom", "sitemap.xml"])
def test_feeds_are_well_formed(demo: Community, name: str) -> None:
    subprocess.run([program("xmllint"), "--noout", "--nonet", str(demo.root / "public" / name)], check=True)


def test_the_declared_length_of_each_recording_is_its_length(demo: Community) -> None:
    from lxml import etree

    site = demo.site()
    feed = etree.fromstring(site["podcast.xml"])
    declared = {item.get("url"): int(item.get("length")) for item in feed.iter("enclosure")}

    assert declared == {SITE + name: len(data) for name, data in site.items() if name.endswith((".mp3", ".m4a"))}
    assert len(declared) == 4


def test_a_page_is_painted_by_a_real_browser(demo: Community, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
    page = (demo.root / "public" / "editions" / "2026-11" / "index.html").as_uri()

    subprocess.run(
        [program("chromium"), *quiet, f"--user-data-dir={tmp_path / 'browser'}", "--window-size=360,900", f"--screenshot={picture}", page],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip

    assert picture.stat().st_size > 20_000
