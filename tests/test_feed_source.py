"""Blogs and podcasts: what their feeds say is offered once, the old of them never, and a bad one stops no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from amplify.plugins import feed
from tests.conftest import Make
from tests.http_peer import Answer, Peer, peer
from tests.kit import SETTINGS, Community

from amplify.errors import Unreadable

ALLOWED = '[http]\nallow = ["127.0.0.0/8"]\n'


@pytest.fixture
def there() -> Iterator[Peer]:
    """Where the blogs are."""
    with peer() as made:
        yield made


def rss(*entries: str, base: str = "https://amal.example.org") -> bytes:
    """A blog with entries by their names, the newest first, a day apart."""
    items = "".join(
        f"<item><guid>{name}</guid><title>{name.title()}</title><link>{base}/{name}</link><description>About {name}.</description>"
        f"<pubDate>{28 - number:02} Oct 2026 10:00:00 GMT</pubDate></item>"
        for number, name in enumerate(entries)
    )
    return f'<rss version="2.0"><channel><title>Amal</title><link>{base}/</link>{items}</channel></rss>'.encode()


def blog(*entries: str, **headers: str) -> Answer:
    return 200, {"Content-Type": "application/rss+xml", **headers}, rss(*entries)


def source(**options: object) -> str:
    """Settings with one source."""
    written = "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
    return f'{SETTINGS}\n[[source]]\nname = "blogs"\nplugin = "feed"\n{written}{ALLOWED}'


@pytest.fixture
def town(community: Make, there: Peer) -> Community:
    return community({"amplify.toml": source(url=there.url("/amal"))})


def gathered(town: Community) -> dict[str, Any]:
    """What gathering said of the blogs."""
    found: dict[str, Any] = town.run("gather", "--json").json["sources"][0]
    return found


def offers(town: Community) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = town.run("review", "--list", "--json").json["offers"]
    return found


def titles(town: Community) -> list[str]:
    return [one["title"] for one in offers(town)]


def entry(written: str | bytes, address: str = "https://amal.example.org/blog/feed.xml", kind: str = "") -> dict[str, Any]:
    """The only entry of a feed."""
    [found] = feed.parsed(written if isinstance(written, bytes) else written.encode(), address, kind)
    return found


class TestOneBlog:
    def test_its_entries_are_offered_the_newest_last(self, town: Community, there: Peer) -> None:
        there.answers["/amal"] = blog("marking", "welding")

        assert gathered(town)["new"] == 2
        assert titles(town) == ["Marking", "Welding"]

    def test_of_a_new_one_only_the_newest_are_offered_and_older_ones_never(self, town: Community, there: Peer) -> None:
        names = [f"entry-{number}" for number in range(20)]
        there.answers["/amal"] = [blog(*names[2:10]), blog(*names)]
        town.run("gather")
        town.run("gather")

        assert titles(town) == ["Entry-0", "Entry-1", *(f"Entry-{number}" for number in range(2, 7))]

    def test_how_many_that_are_can_be_said(self, town: Community, there: Peer) -> None:
        town.write({"amplify.toml": source(url=there.url("/amal"), first=1, kind="resource")})
        there.answers["/amal"] = blog("marking", "welding")
        town.run("gather")

        assert [(one["title"], one["kind"]) for one in offers(town)] == [("Marking", "resource")]

    def test_one_that_went_and_came_back_does_not_flood_the_desk(self, town: Community, there: Peer) -> None:
        names = [f"entry-{number}" for number in range(30)]
        there.answers["/amal"] = [blog(*names[25:]), blog(*names)]
        town.run("gather")
        town.write({"amplify.toml": source(url=there.url("/sam"))}).run("gather")
        town.write({"amplify.toml": source(url=there.url("/amal"))})

        assert gathered(town)["new"] == 5

    def test_an_edited_entry_is_news(self, town: Community, there: Peer) -> None:
        there.answers["/amal"] = [blog("marking"), (200, {}, rss("marking").replace(b"About", b"All about"))]
        town.run("gather")

        assert gathered(town)["changed"] == 1

    def test_what_did_not_change_is_not_sent_and_not_read_again(self, town: Community, there: Peer) -> None:
        there.answers["/amal"] = [blog("marking", ETag='"1"', **{"Last-Modified": "Sun"}), (304, {}, b"")]
        town.run("gather")

        assert gathered(town)["unchanged"] == 0
        assert {key: there.asked[1].headers[key] for key in ("if-none-match", "if-modified-since")} == {
            "if-none-match": '"1"', "if-modified-since": "Sun"
        }  # fmt: skip

    def test_the_same_bytes_are_not_read_again(self, town: Community, there: Peer) -> None:
        there.answers["/amal"] = blog("marking")
        town.run("gather")

        assert gathered(town)["unchanged"] == 0

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            ((404, {}, b""), "127.0.0.1 answered 404"),
            ((200, {}, b"<p>Hello</p>"), "it is no feed"),
            ((200, {}, b""), "there is nothing in it"),
            ((200, {}, b"{}"), "it is JSON, and no JSON Feed"),
            ((200, {}, b"<!doctype html><p>Hello"), "it is a web page, and no feed"),
        ],
    )
    def test_one_that_cannot_be_read_fails_with_words(self, town: Community, there: Peer, answer: Answer, failure: str) -> None:
        there.answers["/amal"] = answer

        assert gathered(town)["failure"] == failure

    def test_a_web_page_says_where_its_feed_is(self, town: Community, there: Peer) -> None:
        there.answers["/amal"] = (200, {}, b'<!DOCTYPE html><link rel=alternate type="application/atom+xml" href="/feed.atom">')

        assert gathered(town)["failure"] == f"it is a web page, and no feed; its feed is {there.url('/feed.atom')}"

    def test_what_is_no_address_is_named(self, community: Make) -> None:
        ran = community({"amplify.toml": source(url="amal.example.org")}).run("gather")

        assert (ran.status, "is no address of a feed" in ran.err) == (1, True)

    def test_an_address_may_be_written_as_feed_readers_write_it(self, town: Community, there: Peer) -> None:
        town.write({"amplify.toml": source(url=["feed:" + there.url("/amal"), "feed://127.0.0.1:1/"])})
        there.answers["/amal"] = blog("marking")

        found = gathered(town)

        assert (found["new"], [note.partition(": ")[0] for note in found["notes"]]) == (1, ["https://127.0.0.1:1/"])


class TestManyBlogs:
    def opml(self, there: Peer, *names: str) -> bytes:
        outlines = "".join(f'<outline text="{name}" type="rss" xmlUrl="{there.url("/" + name)}"/>' for name in names)
        return f'<?xml version="1.0"?><opml version="2.0"><body><outline text="Members">{outlines}</outline></body></opml>'.encode()

    def test_a_bad_one_of_many_is_a_line(self, town: Community, there: Peer) -> None:
        town.write({"amplify.toml": source(url=[there.url(f"/{name}") for name in ("amal", "sam", "jo")])})
        there.answers |= {"/amal": blog("marking"), "/sam": (500, {}, b""), "/jo": blog("welding")}

        found = gathered(town)

        assert (found["new"], found["failure"], found["notes"]) == (2, None, [f"{there.url('/sam')}: 127.0.0.1 answered 500"])

    def test_all_of_them_bad_is_a_failure(self, town: Community, there: Peer) -> None:
        town.write({"amplify.toml": source(url=[there.url("/a"), there.url("/b")])})
        there.answers |= {"/a": (404, {}, b""), "/b": (404, {}, b"")}

        assert gathered(town)["failure"] == "none of the 2 feeds could be read; the first one: 127.0.0.1 answered 404"

    def test_a_list_of_them_is_a_file(self, town: Community, there: Peer) -> None:
        names = [f"blog-{number}" for number in range(60)]
        town.write({"amplify.toml": source(opml="members.opml"), "members.opml": self.opml(there, *names)})
        there.answers |= {f"/{name}": blog(name) for name in names}

        assert gathered(town)["new"] == 60

    def test_or_an_address_and_is_what_it_was_while_it_cannot_be_had(self, town: Community, there: Peer) -> None:
        town.write({"amplify.toml": source(opml=there.url("/list"))})
        there.answers |= {"/list": [(200, {}, self.opml(there, "amal")), (500, {}, b"")], "/amal": [blog("a"), blog("b", "a")]}
        town.run("gather")

        found = gathered(town)

        assert (found["new"], len(found["notes"]), titles(town)) == (1, 1, ["B", "A"])

    @pytest.mark.parametrize(
        ("written", "failure"),
        [
            (b"<opml><body/></opml>", "it names no feed"),
            (b"<opml><body>", "it is no list of feeds that can be read: no element found in line 1"),
            (b'<!DOCTYPE x [<!ENTITY a "b">]><opml/>', "it has a document type declaration, which no list of feeds needs"),
        ],
    )
    def test_a_list_that_cannot_be_read_is_a_failure(self, town: Community, written: bytes, failure: str) -> None:
        town.write({"amplify.toml": source(opml="members.opml"), "members.opml": written})

        assert gathered(town)["failure"] == f"members.opml: {failure}"

    def test_one_guid_in_two_blogs_is_two_things(self, town: Community, there: Peer) -> None:
        town.write({"amplify.toml": source(url=[there.url("/amal"), there.url("/sam")])})
        there.answers |= {"/amal": blog("1"), "/sam": (200, {}, rss("1", base="https://sam.example.org"))}

        assert gathered(town)["new"] == 2


class TestEntries:
    def test_atom_says_who_when_and_where_from(self) -> None:
        found = entry("""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://amal.example.org/blog/"><entry>
            <id>tag:amal,2026:1</id><title type="html">Joy &amp;lt;3 &lt;b&gt;marking&lt;/b&gt;</title>
            <link href="marking/"/><link rel="enclosure" href="marking.mp3" type="audio/mpeg" title="Listen"/>
            <author><name>Amal</name><email>amal@example.org</email></author><category term="joy"/>
            <published>2026-11-17T20:00:00+01:00</published><updated>2026-11-18T20:00:00Z</updated>
            <summary>Short.</summary>
            <content type="html">&lt;p&gt;Long &lt;a href="../x"&gt;x&lt;/a&gt;&lt;/p&gt;</content></entry></feed>""")

        assert found == {
            "id": "tag:amal,2026:1", "title": "Joy <3 marking", "link": "https://amal.example.org/blog/marking/", "form": "html",
            "body": '<p>Long <a href="https://amal.example.org/x">x</a></p>', "author": "Amal", "handle": "amal@example.org",
            "date": "2026-11-17T19:00:00+00:00", "tags": ["joy"], "licence": "",
            "media": [{"path": "https://amal.example.org/blog/marking.mp3", "type": "audio/mpeg", "alt": "Listen"}],
        }  # fmt: skip

    def test_so_does_json_feed(self) -> None:
        found = entry(json.dumps({
            "version": "https://jsonfeed.org/version/1.1", "authors": [{"name": "Amal", "url": "https://amal.example.org/"}],
            "items": [{"id": 1, "url": "/marking", "title": "Marking", "content_html": "<img src='a.jpg'>",
                       "date_published": "2026-11-17T20:00:00Z", "tags": ["joy"],
                       "attachments": [{"url": "a.mp3", "mime_type": "audio/mpeg"}]}],
        }))  # fmt: skip

        assert found == {
            "id": "1", "title": "Marking", "link": "https://amal.example.org/marking", "form": "html", "author": "Amal", "tags": ["joy"],
            "body": "<img src='https://amal.example.org/a.jpg'>", "date": "2026-11-17T20:00:00+00:00", "handle": "https://amal.example.org/",
            "media": [{"path": "https://amal.example.org/blog/a.mp3", "type": "audio/mpeg", "alt": ""}], "licence": "",
        }  # fmt: skip

    @pytest.mark.parametrize(("name", "expected"), [
        ("amal@example.org (Amal)", ("Amal", "amal@example.org")), ("Amal", ("Amal", "")), ("amal@example.org", ("", "amal@example.org")),
    ])  # fmt: skip
    def test_the_author_of_an_rss_entry_may_be_an_address(self, name: str, expected: tuple[str, str]) -> None:
        found = entry(f"<rss><channel><item><title>x</title><author>{name}</author></item></channel></rss>")

        assert (found["author"], found["handle"]) == expected

    def test_without_an_id_it_is_known_by_its_link_and_without_both_by_its_words(self) -> None:
        linked = entry("<rss><channel><item><title>x</title><link>https://a.example/x</link></item></channel></rss>")
        neither = [entry(f"<rss><channel><item><title>{word}</title></item></channel></rss>")["id"] for word in ("x", "x", "y")]

        assert linked["id"] == "https://a.example/x"
        assert (neither[0] == neither[1], neither[1] == neither[2]) == (True, False)

    def test_one_guid_for_several_entries_is_none(self) -> None:
        items = "".join(f"<item><guid>blog</guid><title>{x}</title><link>https://a.example/{x}</link></item>" for x in "ab")

        found = feed.parsed(f"<rss><channel>{items}</channel></rss>".encode(), "https://a.example/", "")

        assert [one["id"] for one in found] == ["https://a.example/a", "https://a.example/b"]

    @pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "//[", "ftp://x/y"])
    def test_no_link_leads_where_none_should(self, link: str) -> None:
        found = entry(f'<rss><channel><item><title>x</title><link>{link}</link><enclosure url="{link}"/></item></channel></rss>')

        assert (found["link"], found["media"]) == ("", [])

    def test_the_bytes_are_never_a_file_name(self) -> None:
        with pytest.raises(Unreadable, match="it is no feed"):
            feed.parsed(b"/etc/passwd", "https://a.example/", "")
