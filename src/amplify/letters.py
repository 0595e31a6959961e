"""The newsletter's feeds: its editions as RSS, Atom and JSON Feed. The same values give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit

from amplify import text, times
from amplify.config import Settings
from amplify.rss import BEGINNING, More, Tag, address, as_json, described, document, line, within, words

_TAG_YEAR = 2026
"""The year in `tag:` identifiers; it says since when, not when, and never changes."""


class _Reading(More):
    prefixes = ("dc", "media")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An edition in a feed: `html` sanitised with absolute addresses; `image` an address, a path of the site, or ""."""

    id: str
    url: str
    title: str
    summary: str
    html: str
    published: datetime
    updated: datetime
    authors: tuple[str, ...] = ()
    language: str = ""
    image: str = ""


def _identity(entry: Entry, base: str) -> str:
    """An identifier that holds when titles and addresses change: the entry's own, or a `tag:` of it."""
    own = text.one_line(entry.id)
    if re.match(r"(https?|tag|urn):", own):
        return own
    return f"tag:{urlsplit(address(base, '')).hostname or 'localhost'},{_TAG_YEAR}:{quote(own)}"


def _newsletter(entries: Sequence[Entry], settings: Settings, path: str, kind: str) -> Any:
    from feedgen.feed import FeedGenerator

    base, community = settings.community.url, settings.community
    feed = FeedGenerator()
    feed.register_extension("more", _Reading, _Reading)
    feed.title(_title(settings))
    feed.id(address(base, path))
    feed.link(href=feed.id(), rel="self", type=kind)
    feed.link(href=address(base, ""), rel="alternate")
    feed.description(within(community.purpose) or feed.title())
    feed.language(text.one_line(community.language).lower())
    feed.author(name=line(community.name) or feed.title())
    feed.more.language = text.one_line(community.language)
    for entry in entries:
        _add(feed, entry, base)
    return feed


def _title(settings: Settings) -> str:
    return line(settings.newsletter.title if settings.newsletter else settings.community.name) or "Untitled"


def _add(feed: Any, entry: Entry, base: str) -> None:
    """Adds `entry` for RSS and Atom at once; `More` tells them apart."""
    added = feed.add_entry(order="append")
    summary = within(entry.summary or words(entry.html) or entry.title) or "Untitled"
    authors = list(filter(None, map(line, entry.authors)))
    added.title(line(entry.title) or "Untitled")
    added.link(href=address(base, entry.url), rel="alternate")
    added.guid(_identity(entry, base), permalink=False)
    added.description(described(summary))
    added.summary(summary)
    added.content(text.plain(entry.html).strip() or f"<p>{escape(summary)}</p>", type="CDATA")
    added.published(entry.published.astimezone(UTC).replace(microsecond=0))
    added.updated(entry.updated.astimezone(UTC).replace(microsecond=0))
    for author in authors:
        added.author(name=author)
    added.more.language = text.one_line(entry.language)
    added.more.tags = tuple(Tag("dc:creator", author) for author in authors)
    added.more.shared = (Tag("media:thumbnail", attributes={"url": address(base, entry.image)}),) if entry.image else ()


def _newest(entries: Sequence[Entry]) -> datetime | None:
    return max((entry.updated.astimezone(UTC).replace(microsecond=0) for entry in entries), default=None)


def rss(entries: Sequence[Entry], settings: Settings, path: str) -> bytes:
    """The newsletter as RSS 2.0; `path` is the feed's own, relative to the site."""
    return document(_newsletter(entries, settings, path, "application/rss+xml"), _newest(entries))


def atom(entries: Sequence[Entry], settings: Settings, path: str) -> bytes:
    """The newsletter as Atom; `path` is the feed's own, relative to the site."""
    feed = _newsletter(entries, settings, path, "application/atom+xml")
    feed.generator("Amplify")
    feed.updated(_newest(entries) or BEGINNING)
    return bytes(feed.atom_str(pretty=True))


def json_feed(entries: Sequence[Entry], settings: Settings, path: str) -> bytes:
    """The newsletter as JSON Feed 1.1; `path` is the feed's own, relative to the site."""
    base, community = settings.community.url, settings.community
    return as_json({
        "version": "https://jsonfeed.org/version/1.1",
        "title": _title(settings),
        "home_page_url": address(base, ""),
        "feed_url": address(base, path),
        "description": within(community.purpose),
        "language": text.one_line(community.language),
        "authors": [{"name": line(community.name), "url": address(base, "")}],
        "items": [_json_item(entry, base) for entry in entries],
    })  # fmt: skip


def _json_item(entry: Entry, base: str) -> dict[str, object]:
    item: dict[str, object] = {
        "id": _identity(entry, base),
        "url": address(base, entry.url),
        "title": line(entry.title) or "Untitled",
        "summary": within(entry.summary or words(entry.html)),
        "content_html": text.plain(entry.html),
        "date_published": times.iso(entry.published),
        "date_modified": times.iso(entry.updated),
        "authors": [{"name": line(author)} for author in entry.authors if line(author)],
        "language": text.one_line(entry.language),
        "image": address(base, entry.image) if entry.image else "",
    }
    return {key: value for key, value in item.items() if value or key == "content_html"}
