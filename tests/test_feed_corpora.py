"""What other readers of feeds agreed on is what is gathered: title, link, date, identity and enclosures, file by file.

The collections lie beside the repository, in ../shared/corpora; where they are missing, a test says so and is skipped.
Two things are policy, and not compared: an address that is neither http nor https is no link here, and a title is its words.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from amplify.plugins import feed
from lxml import html

from amplify.errors import Unreadable

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
Case = tuple[str, str, object, object]
"""The file, what is compared, what was found, what is expected."""
FIELDS = {"title": "title", "link": "link", "id": "id", "guid": "id", "published_parsed": "date", "enclosures": "media"}

pytestmark = pytest.mark.skipif(not CORPORA.exists(), reason=f"{CORPORA.name}/ is not beside the repository")


def words(written: str) -> str:
    """What one reads in a title, by another parser than ours."""
    whole = html.fromstring(f"<div>{written}</div>").text_content() if "<" in written or "&" in written else written
    return " ".join(str(whole).split())


def when(written: Any) -> str:
    """A date of a collection, as ours are written."""
    if isinstance(written, tuple):
        return datetime(*written[:6], tzinfo=UTC).isoformat()
    if isinstance(written, int):
        return datetime.fromtimestamp(written, UTC).isoformat() if written else ""
    try:
        return parsedate_to_datetime(written).astimezone(UTC).isoformat()
    except ValueError:
        return datetime.fromisoformat(written).astimezone(UTC).isoformat()


def compared(file: Path, what: str, entry: dict[str, Any], expected: Any) -> Iterator[Case]:
    """One value against another, if an expectation is given."""
    found: Any = [one["path"] for one in entry["media"]] if what == "media" else entry[what]
    if what == "date":
        expected = when(expected)
    if what == "title":
        found, expected = " ".join(found.split()), " ".join(expected.split())
        expected = expected if found == expected else words(expected)
    if what != "link" or str(expected).startswith("http"):
        yield str(file.relative_to(CORPORA)), what, found, expected


def of_feedparser() -> Iterator[Case]:
    """Each file says in a comment what is expected of it, as an expression."""
    for file in sorted((CORPORA / "feedparser").rglob("*.xml")):
        data = file.read_bytes()
        comment = re.search(rb"<!--(.*?)-->", data, re.DOTALL)
        said = comment[1].decode("utf-8", "replace") if comment else ""
        expected, place = re.search(r"Expect:\s*(.+)", said), re.search(r"Content-Location:\s*(\S+)", said, re.IGNORECASE)
        kind = re.search(r"Content-type:\s*(.+)", said, re.IGNORECASE)
        try:
            entries = feed.parsed(data, place[1] if place else "http://127.0.0.1:8097/a.xml", kind[1].strip() if kind else "")
        except Unreadable:
            continue
        for left, value in comparisons(expected[1] if expected else ""):
            key = re.fullmatch(r"entries\[0\]\['(\w+)'\](\[0\]\['(?:href|url)'\])?", left)
            if entries and key and key[1] in FIELDS and bool(key[2]) == (key[1] == "enclosures"):
                yield from compared(file, FIELDS[key[1]], entries[0], [value] if key[2] else value)


def comparisons(expression: str) -> Iterator[tuple[str, Any]]:
    """What is compared with a value in an expression, and the value."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq) and isinstance(node.comparators[0], ast.Constant | ast.Tuple):
            yield ast.unparse(node.left), ast.literal_eval(node.comparators[0])


def of_podcastparser() -> Iterator[Case]:
    for file in sorted((CORPORA / "podcastparser").glob("*.rss")):
        data, expected = file.read_bytes(), file.with_suffix(".json").read_text("utf-8").replace("file://", "http://")
        episodes = json.loads(expected).get("episodes", ())
        entries = feed.parsed(data, f"http://tests/data/{file.name}", "") if episodes else []
        entries = [one for one in entries if one["media"]] if len(episodes) < len(entries) else entries
        for entry, episode in zip(entries, sorted(episodes, key=lambda one: -int(one["published"])), strict=False):
            yield from compared(file, "title", entry, episode.get("title", ""))
            yield from compared(file, "link", entry, episode.get("link", ""))
            yield from compared(file, "date", entry, episode["published"])
            yield from compared(file, "media", entry, list(dict.fromkeys(one["url"] for one in episode["enclosures"])))
            if b"<guid" in data:
                yield from compared(file, "id", entry, episode["guid"])


def of_feedsmith() -> Iterator[Case]:
    for file in sorted((CORPORA / "feedsmith").glob("*/references/*.xml")):
        expected = json.loads(file.with_suffix(".json").read_bytes())
        entries = {words(entry["title"]): entry for entry in feed.parsed(file.read_bytes(), "http://example.org/", "")}
        for item in expected.get("items") or expected.get("entries") or ():
            entry = entries.get(words(item["title"]), {"title": "", "link": "", "date": "", "id": "", "media": ()})
            yield from compared(file, "title", entry, item["title"])
            links = [one["href"] for one in item.get("links", ()) if one.get("rel", "alternate") == "alternate"]
            yield from compared(file, "link", entry, item.get("link") or next(iter(links), ""))
            if date := item.get("published") or item.get("pubDate") or item.get("issued") or item.get("updated"):
                yield from compared(file, "date", entry, date)
            if identity := item.get("id") or item.get("guid", {}).get("value"):
                yield from compared(file, "id", entry, identity)
            if item.get("enclosures"):
                yield from compared(file, "media", entry, [one["url"] for one in item["enclosures"]])


@pytest.mark.parametrize("cases", [of_feedparser, of_podcastparser, of_feedsmith])
def test_what_is_expected_is_found(cases: Callable[[], Iterator[Case]]) -> None:
    everything = list(cases())
    wrong = [case for case in everything if case[2] != case[3]]
    print(f"{cases.__name__}: {len(everything) - len(wrong)} of {len(everything)}", *wrong, sep="\n")

    assert len(everything) > 50
    assert len(wrong) <= 0.02 * len(everything)


@pytest.mark.parametrize("folder", ["feedparser", "podcastparser", "feedsmith", "defusedxml", "mail-parser", "icalendar", "frontmatter"])
def test_no_file_breaks_the_reader(folder: str) -> None:
    for file in sorted(one for one in (CORPORA / folder).rglob("*") if one.is_file()):
        try:
            entries = feed.parsed(file.read_bytes(), "https://example.org/", "")
        except Unreadable:
            continue
        assert json.loads(json.dumps(entries)) == entries


@pytest.mark.parametrize("file", sorted((CORPORA / "feedsmith" / "references").glob("*.opml")), ids=lambda file: file.stem)
def test_a_list_of_feeds_names_those_that_another_reader_finds(file: Path) -> None:
    expected = re.findall(r'"xmlUrl": ?"([^"]+)"', file.with_suffix(".json").read_text("utf-8"))
    found = feed.outlines(file.read_bytes()) if expected else []

    assert found == expected
