"""A feed says all that is known, in the words of the rules (F…), and what anyone typed never breaks it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from amplify import feed, letters, text
from amplify.config import Community, Newsletter, Owner, Podcast, Settings
from amplify.letters import Entry
from amplify.model import Audio, Chapter, Digest, Episode, Place, Slug, Soundbite
from amplify.view import EpisodeCard, Person

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
BASE = "https://community.example.org"
SETTINGS = Settings(
    root=Path(),
    community=Community(name="Chalk & Circuit", url=f"{BASE}/", contact="team@example.org", purpose="Teachers who learn from each other"),
    newsletter=Newsletter(title="The Circuit", sender="news@example.org"),
)
SHOW = Podcast(title="Chalk Talk", author="Us", description="One thing that worked.", owner=Owner("Sam", "pod@example.org"))
DATE = datetime(2026, 11, 18, 20, tzinfo=UTC)
NAMES = {
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
    "psc": "http://podlove.org/simple-chapters",
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
EPISODE = Episode(
    show="", id="ep-1", slug=Slug("joy"), was=(), guid="episode/ep-1", title="Marking with joy", date=DATE, language="en-GB", draft=False,
    number=None, season=None, type="full", summary="How to mark.", notes="", explicit=False, people=(), chapters=(), soundbites=(),
    audio=Audio(address="joy.mp3", length=4242, type="audio/mpeg", duration=60.4, digest=None, source=None), transcript=None, artwork=None,
    announce={}, at=Place(file=Path("episodes/joy.md"), line=1), digest=Digest("0"),
)  # fmt: skip
CARD = EpisodeCard(episode=EPISODE, path="episodes/joy/", audio="episodes/joy/joy.mp3", artwork="", transcript="", people=())
CHAPTERS = (
    Chapter(start=0, title="Hello"),
    Chapter(start=61.25, title="Red & green", url="https://x.example/"),
    Chapter(start=3600, title="Bye"),
)


def card(people: tuple[Person, ...] = (), transcript: str = "", artwork: str = "", **changes: Any) -> EpisodeCard:
    return replace(CARD, episode=replace(EPISODE, **changes), people=people, transcript=transcript, artwork=artwork)


def written(*items: bytes, show: Podcast = SHOW, updated: datetime | None = DATE, artwork: str = "assets/art.jpg") -> bytes:
    return feed.podcast(show, SETTINGS, items, path="podcast.xml", page="episodes/", artwork=artwork, updated=updated)


def item(one: EpisodeCard = CARD, notes: str = "") -> bytes:
    return feed.podcast_item(one, SHOW, SETTINGS, notes)


def channel(*items: bytes, **changes: Any) -> etree._Element:
    return etree.fromstring(written(*items, show=replace(SHOW, **changes)))[0]


def first(one: EpisodeCard, notes: str = "") -> etree._Element:
    found = channel(item(one, notes)).find("item")
    assert found is not None
    return found


def lines(element: etree._Element, *prefixes: str) -> list[str]:
    """The elements of those name spaces inside `element`, as they are written, without the declarations."""
    found = (etree.tostring(child, encoding="unicode", with_tail=False) for child in element if child.prefix in prefixes)
    return [re.sub(r"(?<=>)\s+(?=<)", "", re.sub(r' xmlns:\w+="[^"]*"', "", one)) for one in found]


# -- the item


def test_plain_episode_is_a_plain_item() -> None:
    assert item().decode() == (
        "<item>"
        "<title>Marking with joy</title>"
        "<link>https://community.example.org/episodes/joy/</link>"
        "<description>How to mark.</description>"
        '<guid isPermaLink="false">episode/ep-1</guid>'
        '<enclosure url="https://community.example.org/episodes/joy/joy.mp3" length="4242" type="audio/mpeg"/>'
        "<pubDate>Wed, 18 Nov 2026 20:00:00 +0000</pubDate>"
        "<itunes:duration>60</itunes:duration>"
        "<itunes:explicit>false</itunes:explicit>"
        "<itunes:episodeType>full</itunes:episodeType>"
        "</item>"
    )


def test_episode_with_everything_says_everything() -> None:
    whole = card(
        transcript="episodes/joy/joy.vtt", artwork="assets/joy.jpg?v=2", number=7, season=2, explicit=True, type="bonus",
        soundbites=(Soundbite(start=1.5, duration=30, title="A bite"),),
    )  # fmt: skip

    assert lines(first(whole), "itunes", "podcast") == [
        "<itunes:duration>60</itunes:duration>",
        "<itunes:explicit>true</itunes:explicit>",
        "<itunes:episodeType>bonus</itunes:episodeType>",
        "<itunes:season>2</itunes:season>",
        '<podcast:season name="Season 2">2</podcast:season>',
        "<itunes:episode>7</itunes:episode>",
        "<podcast:episode>7</podcast:episode>",
        '<itunes:image href="https://community.example.org/assets/joy.jpg?v=2"/>',
        '<podcast:transcript url="https://community.example.org/episodes/joy/joy.vtt" type="text/vtt" language="en-GB" rel="captions"/>',
        '<podcast:soundbite startTime="1.5" duration="30">A bite</podcast:soundbite>',
    ]


def test_everyone_in_an_episode_is_named_with_their_part() -> None:
    people = (
        Person(name="Sam Okoro", path="people/sam/", role="Host", photo="assets/people/sam.jpg"),
        Person(name="Amal"),
        Person(name="Danuta", role="audio editor"),
        Person(name=" \x00"),
    )

    assert lines(first(card(people=people)), "podcast") == [
        f'<podcast:person role="host" href="{BASE}/people/sam/" img="{BASE}/assets/people/sam.jpg">Sam Okoro</podcast:person>',
        "<podcast:person>Amal</podcast:person>",
        '<podcast:person role="audio editor" group="audio post-production">Danuta</podcast:person>',
    ]


def test_chapters_are_a_file_and_simple_chapters() -> None:
    file, simple = lines(first(card(chapters=CHAPTERS)), "podcast", "psc")

    assert file == f'<podcast:chapters url="{BASE}/episodes/joy/chapters.json" type="application/json+chapters"/>'
    assert simple == (
        '<psc:chapters version="1.2">'
        '<psc:chapter start="00:00:00.000" title="Hello"/>'
        '<psc:chapter start="00:01:01.250" title="Red &amp; green" href="https://x.example/"/>'
        '<psc:chapter start="01:00:00.000" title="Bye"/>'
        "</psc:chapters>"
    )


def test_three_chapters_are_lines_of_the_notes_too() -> None:
    notes = first(card(chapters=CHAPTERS), "<p>Notes</p>").findtext("content:encoded", namespaces=NAMES)

    assert notes == "<p>Notes</p>\n<p>00:00:00 Hello<br>00:01:01 Red &amp; green<br>01:00:00 Bye</p>"


@pytest.mark.parametrize("chapters", [CHAPTERS[:2], CHAPTERS[1:], (replace(CHAPTERS[0], toc=False), *CHAPTERS[1:])])
def test_notes_stay_alone_without_three_chapters_from_the_start(chapters: tuple[Chapter, ...]) -> None:
    assert first(card(chapters=chapters), "<p>Notes</p>").findtext("content:encoded", namespaces=NAMES) == "<p>Notes</p>"


def test_chapter_outside_the_contents_is_in_the_file_alone() -> None:
    hidden = (CHAPTERS[0], Chapter(start=5, title="Quiet", image="assets/q.jpg", toc=False))

    assert len(first(card(chapters=hidden)).findall("psc:chapters/psc:chapter", NAMES)) == 1
    assert json.loads(feed.chapters_json(replace(EPISODE, chapters=hidden), BASE)) == {
        "version": "1.2.0",
        "chapters": [
            {"startTime": 0, "title": "Hello"},
            {"startTime": 5, "title": "Quiet", "toc": False, "img": "https://community.example.org/assets/q.jpg"},
        ],
    }


def test_chapters_are_in_order_of_time() -> None:
    turned = replace(EPISODE, chapters=CHAPTERS[::-1])

    assert [one["startTime"] for one in json.loads(feed.chapters_json(turned))["chapters"]] == [0, 61.25, 3600]


def test_notes_are_html_in_one_piece() -> None:
    notes = '<p>a <a href="https://x.example/?a=1&amp;b=2">link</a> ]]> &lt;b&gt;</p>'

    assert b"<content:encoded><![CDATA[" in item(notes=notes)
    assert first(CARD, notes).findtext("content:encoded", namespaces=NAMES) == notes


def test_episode_without_summary_is_described_by_its_notes() -> None:
    assert first(card(summary=""), "<p>Fish &amp; <em>chips</em></p>").findtext("description") == "Fish & chips"


@pytest.mark.parametrize(
    ("summary", "described"),
    [
        ("Fish & chips, 2 < 3", "Fish & chips, 2 < 3"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("how to write &amp; in HTML", "how to write &amp;amp; in HTML"),
    ],
)
def test_words_that_look_like_markup_are_no_markup(summary: str, described: str) -> None:
    assert first(card(summary=summary)).findtext("description") == described


@pytest.mark.parametrize(
    ("audio", "address"),
    [
        ("episodes/joy/joy.mp3", "https://community.example.org/episodes/joy/joy.mp3"),
        ("/episodes/50% off é.mp3", "https://community.example.org/episodes/50%25%20off%20%C3%A9.mp3"),
        ("episodes/a%20b.mp3?v=1&w=2#t", "https://community.example.org/episodes/a%20b.mp3?v=1&w=2#t"),
        ("https://cdn.example/joy.mp3", "https://cdn.example/joy.mp3"),
        ("https://b\u00fccher.example/\u00fc.mp3", "https://xn--bcher-kva.example/%C3%BC.mp3"),
        ("//cdn.example/joy.mp3", "https://community.example.org/cdn.example/joy.mp3"),
        ("javascript:alert(1)", "https://community.example.org/javascript:alert(1)"),
        ("https://[broken/joy.mp3", "https://[broken/joy.mp3"),
    ],
)
def test_addresses_are_absolute_and_ascii(audio: str, address: str) -> None:
    enclosure = first(replace(CARD, audio=audio)).find("enclosure")

    assert enclosure is not None
    assert enclosure.get("url") == address


def test_site_may_live_below_a_path() -> None:
    below = replace(SETTINGS, community=replace(SETTINGS.community, url="https://example.org/club"))

    assert b"<link>https://example.org/club/episodes/joy/</link>" in feed.podcast_item(CARD, SHOW, below, "")


def test_guid_is_kept_to_the_letter() -> None:
    assert first(card(guid="https://OLD.example/?p=1&x=  2")).findtext("guid") == "https://OLD.example/?p=1&x=  2"


# -- the show


def test_channel_says_who_and_what_the_show_is() -> None:
    assert (
        written().decode()
        == f"""<?xml version='1.0' encoding='UTF-8'?>
<rss xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:podcast="https://podcastindex.org/namespace/1.0"\
 xmlns:psc="http://podlove.org/simple-chapters" xmlns:atom="http://www.w3.org/2005/Atom"\
 xmlns:content="http://purl.org/rss/1.0/modules/content/" version="2.0">
  <channel>
    <title>Chalk Talk</title>
    <link>{BASE}/episodes/</link>
    <description>One thing that worked.</description>
    <atom:link href="{BASE}/podcast.xml" rel="self" type="application/rss+xml"/>
    <docs>https://www.rssboard.org/rss-specification</docs>
    <generator>Amplify</generator>
    <image>
      <url>{BASE}/assets/art.jpg</url>
      <title>Chalk Talk</title>
      <link>{BASE}/episodes/</link>
    </image>
    <language>en-gb</language>
    <lastBuildDate>Wed, 18 Nov 2026 20:00:00 +0000</lastBuildDate>
    <itunes:author>Us</itunes:author>
    <itunes:type>episodic</itunes:type>
    <itunes:explicit>false</itunes:explicit>
    <itunes:category text="Education"/>
    <itunes:image href="{BASE}/assets/art.jpg"/>
    <itunes:owner>
      <itunes:name>Sam</itunes:name>
      <itunes:email>pod@example.org</itunes:email>
    </itunes:owner>
    <podcast:guid>255491fb-5c87-5a91-8063-c19484355b80</podcast:guid>
    <podcast:locked owner="pod@example.org">yes</podcast:locked>
    <podcast:medium>podcast</podcast:medium>
</channel>
</rss>
"""
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"category": "Education > Courses"}, '<itunes:category text="Education"><itunes:category text="Courses"/></itunes:category>'),
        ({"category": "Kids & Family"}, '<itunes:category text="Kids &amp; Family"/>'),
        ({"type": "serial"}, "<itunes:type>serial</itunes:type>"),
        ({"explicit": True}, "<itunes:explicit>true</itunes:explicit>"),
        ({"complete": True}, "<itunes:complete>Yes</itunes:complete>"),
        ({"author": ""}, "<itunes:author>Chalk &amp; Circuit</itunes:author>"),
        ({"guid": "917393e3-1b1e-5cef-ace4-edaa54e1f810"}, "<podcast:guid>917393e3-1b1e-5cef-ace4-edaa54e1f810</podcast:guid>"),
        ({"locked": False}, '<podcast:locked owner="pod@example.org">no</podcast:locked>'),
        ({"owner": None}, '<podcast:locked owner="team@example.org">yes</podcast:locked>'),
        ({"funding": "https://pay.example/?a=1&b=2"},
         '<podcast:funding url="https://pay.example/?a=1&amp;b=2">Support Chalk Talk</podcast:funding>'),
        ({"licence": "CC BY-NC 4.0"}, "<podcast:license>cc-by-nc-4.0</podcast:license>"),
        ({"licence": "https://creativecommons.org/licenses/by-sa/4.0/"}, "<podcast:license>cc-by-sa-4.0</podcast:license>"),
        ({"licence": "https://creativecommons.org/publicdomain/zero/1.0/"}, "<podcast:license>cc0-1.0</podcast:license>"),
        ({"licence": "All rights reserved"},
         '<podcast:license url="https://community.example.org/episodes/">all-rights-reserved</podcast:license>'),
        ({"licence": "https://x.example/our-terms"}, '<podcast:license url="https://x.example/our-terms">custom</podcast:license>'),
    ],
)  # fmt: skip
def test_each_setting_of_a_show_has_its_element(changes: dict[str, Any], line: str) -> None:
    assert line in lines(channel(**changes), "itunes", "podcast")


@pytest.mark.parametrize(("changes", "element"), [({"copyright": "Us"}, "copyright"), ({"language": "cy"}, "language")])
def test_plain_settings_of_a_show_are_plain_elements(changes: dict[str, Any], element: str) -> None:
    assert channel(**changes).findtext(element) == next(iter(changes.values()))


def test_show_without_artwork_has_no_picture() -> None:
    assert b"image" not in written(artwork="")


def test_feed_without_episodes_has_no_date() -> None:
    assert b"lastBuildDate" not in written(updated=None)


@pytest.mark.parametrize(
    ("address", "guid"),
    [
        ("https://podnews.net/rss", "9b024349-ccf0-5f69-a609-6b82873eab3c"),
        ("http://mp3s.nashownotes.com/pc20rss.xml/", "917393e3-1b1e-5cef-ace4-edaa54e1f810"),
    ],
)
def test_show_is_known_by_the_address_of_its_feed(address: str, guid: str) -> None:
    assert feed.show_guid(address) == guid


def test_items_are_joined_in_the_order_given() -> None:
    items = [item(card(guid=str(number), title=f"Episode {number}")) for number in (3, 1, 2)]

    assert b"\n".join(items) in written(*items)
    assert [found.findtext("guid") for found in channel(*items).findall("item")] == ["3", "1", "2"]


def test_name_spaces_are_declared_once() -> None:
    document = written(*[item(card(chapters=CHAPTERS, guid=str(number))) for number in range(3)])

    assert document.count(b"xmlns:") == 5


def test_same_show_gives_the_same_bytes_in_every_process() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_feed as t;"
        "sys.stdout.buffer.write(t.written(t.item(t.card(chapters=t.CHAPTERS))) + t.letters.atom(t.ENTRIES, t.SETTINGS, 'feed.atom'))"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]

    made = subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": "1"}).stdout

    assert made == written(item(card(chapters=CHAPTERS))) + letters.atom(ENTRIES, SETTINGS, "feed.atom")


def test_reader_sees_what_was_written() -> None:
    people = (Person(name="Sam", role="host"),)
    found = feedparser.parse(written(item(card(people=people, artwork="assets/joy.jpg", number=3), "<p>Notes</p>")))

    (entry,) = found.entries
    assert not found.bozo
    assert (found.feed.title, found.feed.link, found.feed.language) == ("Chalk Talk", f"{BASE}/episodes/", "en-gb")
    assert (entry.title, entry.id, entry.link, entry.summary) == (
        "Marking with joy",
        "episode/ep-1",
        f"{BASE}/episodes/joy/",
        "How to mark.",
    )
    assert entry.content[0].value == "<p>Notes</p>"
    assert (entry.itunes_duration, entry.itunes_episode, entry.image.href) == ("60", "3", f"{BASE}/assets/joy.jpg")
    assert dict(entry.enclosures[0]) == {"href": f"{BASE}/episodes/joy/joy.mp3", "length": "4242", "type": "audio/mpeg"}


@pytest.mark.skipif(
    not (CORPORA / "podcast-namespace").is_dir(), reason="the schema of the podcast name space is not beside this repository"
)
@settings(deadline=None, max_examples=30)
@given(st.text(), st.text(), st.floats(0, 1e6), st.integers(1, 10**6))
def test_every_podcast_element_is_valid_by_its_schema(name: str, role: str, start: float, number: int) -> None:
    one = card(
        people=(Person(name=name, role=role),), transcript="a.vtt", number=number, season=number, chapters=CHAPTERS,
        soundbites=(Soundbite(start=start, duration=start, title=name),),
    )  # fmt: skip
    schema = etree.XMLSchema(etree.parse(CORPORA / "podcast-namespace" / "podcast.xsd"))
    known = {"transcript", "locked", "funding", "chapters", "soundbite", "person", "season", "episode"}

    for element in channel(item(one), funding="https://pay.example/", owner=None).iter(f"{{{NAMES['podcast']}}}*"):
        local = etree.QName(element).localname
        if local in known:
            root = etree.Element("root")
            alone = etree.SubElement(root, local, dict(element.attrib))
            alone.text = element.text
            schema.assertValid(root)


# -- whatever anyone typed


def shown(value: str) -> str:
    """How a title is shown: on one line, without what XML cannot hold, within 255 characters."""
    return text.fit(text.one_line(value), 255) or "Untitled"


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_words_survive_in_a_podcast(title: str, name: str, notes: str) -> None:
    clean = notes.replace("\r\n", "\n").replace("\r", "\n")
    found = channel(item(card(title=title, people=(Person(name=name),)), clean), title=title)

    assert found.findtext("title") == shown(title)
    assert found.findtext("item/title") == shown(title)
    assert found.findtext("item/content:encoded", "", NAMES) == text.plain(clean).strip()
    assert found.findtext("item/podcast:person", "", NAMES) == text.fit(text.one_line(name), 128)


@settings(deadline=None)
@given(st.text(alphabet="aé <&\U0001f600", min_size=30), st.integers(1, 200))
def test_description_has_at_most_four_thousand_bytes(summary: str, often: int) -> None:
    described = first(card(summary=summary * often)).findtext("description", "")

    assert 0 < len(described.encode()) <= 4000


def naughty() -> list[str]:
    path = CORPORA / "blns" / "blns.json"
    return json.loads(path.read_text()) if path.exists() else []


@pytest.mark.skipif(not naughty(), reason="the list of naughty strings is not beside this repository")
def test_every_naughty_string_is_a_title() -> None:
    strings = naughty()
    items = [item(card(title=one, guid=str(number)), f"<p>{number}</p>") for number, one in enumerate(strings)]

    assert [found.findtext("title") for found in channel(*items).findall("item")] == [shown(one) for one in strings]


# -- the newsletter

ENTRIES = tuple(
    Entry(
        id=f"edition/ed-{number}", url=f"editions/{number}/", title=f"Number {number}", summary="Fish & chips", html="<p>Joy ]]></p>",
        published=DATE + timedelta(days=number), updated=DATE + timedelta(days=number, hours=1), authors=("Sam", "Amal"), language="en-GB",
        image="assets/joy.jpg",
    )
    for number in (2, 1)
)  # fmt: skip
ID = "tag:community.example.org,2026:edition/ed-2"


def test_newsletter_as_rss() -> None:
    document = etree.fromstring(letters.rss(ENTRIES[:1], SETTINGS, "feed.xml"))

    assert [(child.tag, child.text) for child in document[0] if child.tag != "item"] == [
        ("title", "The Circuit"),
        ("link", f"{BASE}/"),
        ("description", "Teachers who learn from each other"),
        (f"{{{NAMES['atom']}}}link", None),
        ("docs", "https://www.rssboard.org/rss-specification"),
        ("generator", "Amplify"),
        ("language", "en-gb"),
        ("lastBuildDate", "Fri, 20 Nov 2026 21:00:00 +0000"),
    ]
    assert [(etree.QName(child).localname, child.text) for child in document[0].findall("item")[0]] == [
        ("title", "Number 2"),
        ("link", f"{BASE}/editions/2/"),
        ("description", "Fish & chips"),
        ("encoded", "<p>Joy ]]></p>"),
        ("guid", ID),
        ("pubDate", "Fri, 20 Nov 2026 20:00:00 +0000"),
        ("creator", "Sam"),
        ("creator", "Amal"),
        ("thumbnail", None),
    ]


def test_newsletter_as_atom() -> None:
    found = feedparser.parse(letters.atom(ENTRIES, SETTINGS, "feed.atom"))

    assert (found.bozo, found.version, found.feed.id, found.feed.updated) == (
        False,
        "atom10",
        f"{BASE}/feed.atom",
        "2026-11-20T21:00:00+00:00",
    )
    assert [(link.rel, link.href) for link in found.feed.links] == [("self", f"{BASE}/feed.atom"), ("alternate", f"{BASE}/")]
    entry = found.entries[0]
    assert (entry.id, entry.title, entry.summary) == (ID, "Number 2", "Fish & chips")
    assert (entry.published, entry.updated) == ("2026-11-20T20:00:00+00:00", "2026-11-20T21:00:00+00:00")
    assert [dict(link) for link in entry.links] == [{"rel": "alternate", "type": "text/html", "href": f"{BASE}/editions/2/"}]
    assert [author.name for author in entry.authors] == ["Sam", "Amal"]
    assert (entry.content[0].type, entry.content[0].language) == ("text/html", "en-GB")


def test_newsletter_as_json_feed() -> None:
    assert json.loads(letters.json_feed(ENTRIES[:1], SETTINGS, "feed.json")) == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "The Circuit",
        "home_page_url": f"{BASE}/",
        "feed_url": f"{BASE}/feed.json",
        "description": "Teachers who learn from each other",
        "language": "en-GB",
        "authors": [{"name": "Chalk & Circuit", "url": f"{BASE}/"}],
        "items": [{
            "id": ID,
            "url": f"{BASE}/editions/2/",
            "title": "Number 2",
            "summary": "Fish & chips",
            "content_html": "<p>Joy ]]></p>",
            "date_published": "2026-11-20T20:00:00Z",
            "date_modified": "2026-11-20T21:00:00Z",
            "authors": [{"name": "Sam"}, {"name": "Amal"}],
            "language": "en-GB",
            "image": f"{BASE}/assets/joy.jpg",
        }],
    }  # fmt: skip


@pytest.mark.parametrize("identity", ["https://example.org/old/1", "urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6", "tag:x.example,2005:1"])
def test_identity_that_is_an_address_is_kept(identity: str) -> None:
    entry = replace(ENTRIES[0], id=identity)

    assert [found.id for made in (letters.rss, letters.atom) for found in feedparser.parse(made((entry,), SETTINGS, "f")).entries] == [
        identity
    ] * 2
    assert json.loads(letters.json_feed((entry,), SETTINGS, "f"))["items"][0]["id"] == identity


def test_newsletter_without_editions_is_a_feed() -> None:
    assert b"lastBuildDate" not in letters.rss((), SETTINGS, "feed.xml")
    assert b"<updated>1970-01-01T00:00:00+00:00</updated>" in letters.atom((), SETTINGS, "feed.atom")
    assert json.loads(letters.json_feed((), SETTINGS, "feed.json"))["items"] == []


def test_community_without_a_newsletter_lends_its_name() -> None:
    assert b"<title>Chalk &amp; Circuit</title>" in letters.rss((), replace(SETTINGS, newsletter=None), "feed.xml")


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_words_survive_in_a_newsletter(title: str, html: str, author: str) -> None:
    clean = html.replace("\r\n", "\n").replace("\r", "\n")
    entry = replace(ENTRIES[0], title=title, html=clean, authors=(author,))
    one = etree.fromstring(letters.rss((entry,), SETTINGS, "feed.xml"))[0].find("item")
    other = etree.fromstring(letters.atom((entry,), SETTINGS, "feed.atom"))
    third = json.loads(letters.json_feed((entry,), SETTINGS, "feed.json"))["items"][0]

    assert one is not None
    assert one.findtext("title") == other.findtext("atom:entry/atom:title", "", NAMES) == third["title"] == shown(title)
    expected = text.plain(clean).strip() or "<p>Fish &amp; chips</p>"
    assert one.findtext("content:encoded", "", NAMES) == other.findtext("atom:entry/atom:content", "", NAMES) == expected
