"""Feeds: podcasts, and the newsletter as RSS, Atom and JSON Feed. The same values give the same bytes.

feedgen writes the documents. What it leaves out or gets wrong is mended here: it refuses `true` and `false` (F25) and
artwork whose address has a version (F26), says "yes" where only "Yes" counts (F34), takes whatever link came last for a
channel's own, forgets what an Atom link is, and dates a feed by the clock on the wall (F16). So everything beyond plain
RSS comes from one extension, `_More`, which adds the elements that it is given.

A podcast's items are written once and kept by the caller: `podcast_item` gives the bytes of one, `podcast` joins them.
Whatever XML cannot hold is taken out of every text on its way in (F01).
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from html import escape, unescape
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID, uuid5

from amplify import text, times
from amplify.config import Podcast, Settings
from amplify.model import Chapter, Episode
from amplify.view import EpisodeCard, Person

_SPACES = {
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
    "psc": "http://podlove.org/simple-chapters",
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
_SHOW_IDS = UUID("ead4c236-bf58-58c6-a2c6-a6b28d128cb6")
_TAG_YEAR = 2026
"""The year in `tag:` identifiers; it says since when, not when, and never changes."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LINE, _NAME, _LONG = 255, 128, 4000
"""F04 and F41 in characters, F21 and F66 in bytes."""
_ROLES = {
    "creative direction": ("director", "assistant director", "executive producer", "senior producer", "producer", "associate producer"),
    "writing": ("author", "writer", "co-writer", "script editor", "researcher", "editor", "fact checker", "translator", "transcriber"),
    "audio production": ("technical director", "technical manager", "audio engineer", "remote recording engineer"),
    "audio post-production": ("audio editor", "sound designer", "composer", "theme music", "music production", "music contributor"),
    "administration": ("production coordinator", "booking coordinator", "production assistant", "content manager"),
    "visuals": ("graphic designer", "cover art designer"),
}
_GROUP = {role: group for group, roles in _ROLES.items() for role in roles}
"""The groups of the Podcast Taxonomy other than cast (F41)."""
_LOCALE = threading.Lock()
"""feedgen changes the locale of the whole process while it writes a date."""


@dataclass(frozen=True, slots=True)
class _Tag:
    """An element to add; the prefix of `name` is one of `_SPACES`."""

    name: str
    text: str = ""
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    inside: tuple[_Tag, ...] = ()

    def add_to(self, parent: Any) -> None:
        """Appends the element, without the attributes that are None."""
        from lxml import etree

        prefix, _, name = self.name.rpartition(":")
        element = etree.SubElement(parent, f"{{{_SPACES[prefix]}}}{name}" if prefix else name)
        for key, value in self.attributes.items():
            if value is not None:
                element.set(key, text.plain(value))
        element.text = text.plain(self.text) or None
        for tag in self.inside:
            tag.add_to(element)


class _More:
    """A feedgen extension: adds `tags` (to RSS alone) and `shared` (to Atom as well), and puts right what feedgen misrepresents."""

    prefixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.tags: tuple[_Tag, ...] = ()
        self.shared: tuple[_Tag, ...] = ()
        self.language = ""
        self.dated = True

    def extend_ns(self) -> dict[str, str]:
        return {prefix: _SPACES[prefix] for prefix in self.prefixes}

    def extend_rss(self, element: Any) -> None:
        parent = element[0] if element.tag == "rss" else element
        if not self.dated:
            parent.remove(parent.find("lastBuildDate"))
        for tag in self.tags + self.shared:
            tag.add_to(parent)

    def extend_atom(self, element: Any) -> None:
        if self.language:
            element.set("{http://www.w3.org/XML/1998/namespace}lang", self.language)
        if element.tag == "entry":
            element.find("link").attrib.update({"rel": "alternate", "type": "text/html"})
            element.find("content").set("type", "html")
        for tag in self.shared:
            tag.add_to(element)


class _Podcasting(_More):
    prefixes = ("itunes", "podcast", "psc")


class _Reading(_More):
    prefixes = ("dc", "media")


_ITEM_SPACES = {prefix: _SPACES[prefix] for prefix in ("atom", "content", *_Podcasting.prefixes)}


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


# -- words and addresses -------------------------------------------------------------------------------------------


def _line(value: str, limit: int = _LINE) -> str:
    return text.fit(text.one_line(value), limit)


def _within(value: str, limit: int = _LONG) -> str:
    """`value` on one line in at most `limit` bytes of UTF-8, cut at a word."""
    line = text.one_line(value)
    raw = line.encode()
    if len(raw) <= limit:
        return line
    cut = raw[: limit - 3].decode(errors="ignore")
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "…"


def _words(html: str) -> str:
    return text.one_line(unescape(re.sub(r"<[^>]*>", " ", html)))


def _described(words: str) -> str:
    """`words` for an element that readers take for HTML: what looks like markup is escaped, all else stays as it is."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", re.sub(r"&(?=#?\w+;)", "&amp;", words))


@lru_cache(maxsize=4096)
def _address(base: str, path: str) -> str:
    """`path` as an absolute address in ASCII (F10): as it is where it is one, else below `base`."""
    whole = path if re.match(r"https?://|mailto:", path) else base.rstrip("/") + "/" + path.lstrip("/")
    whole = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text.one_line(whole))
    try:
        parts = urlsplit(whole)
        whole = urlunsplit(parts._replace(netloc=parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()))
    except ValueError:
        pass
    return quote(whole, safe="%/:?#[]=&@+,;~!$'()*")


def _maybe(base: str, path: str | None) -> str | None:
    return _address(base, path) if path else None


def _rfc2822(moment: datetime) -> str:
    from email.utils import format_datetime

    return format_datetime(moment.astimezone(UTC).replace(microsecond=0))


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


# -- podcasts ------------------------------------------------------------------------------------------------------


def podcast_item(card: EpisodeCard, show: Podcast, settings: Settings, notes: str) -> bytes:
    """One `<item>` (F60 to F80), its namespaces declared by the document that `podcast` makes.

    `notes` is sanitised HTML with absolute addresses.
    """
    from feedgen.entry import FeedEntry
    from lxml import etree

    episode, base = card.episode, settings.community.url
    summary = text.one_line(episode.summary) or _words(notes) or text.one_line(episode.title) or "Untitled"
    entry = FeedEntry()
    entry.register_extension("more", _Podcasting, atom=False)
    entry.title(_line(episode.title) or "Untitled")
    entry.link(href=_address(base, card.path), rel="alternate")
    entry.description(_within(_described(summary)))
    if content := _notes(text.plain(notes).strip(), summary, episode):
        entry.content(content, type="CDATA")
    entry.guid(text.plain(episode.guid).strip(), permalink=False)
    entry.enclosure(_address(base, card.audio), str(episode.audio.length), episode.audio.type)
    entry.more.tags = tuple(_item_tags(card, show, settings))
    root = etree.Element("rss", nsmap=_ITEM_SPACES)
    root.append(entry.rss_entry())
    raw = etree.tostring(root, encoding="utf-8")
    return raw[raw.index(b"<item>") : raw.rindex(b"</item>") + len(b"</item>")]


def _notes(notes: str, summary: str, episode: Episode) -> str:
    """The notes, with a line for each of three and more chapters, which players make into links (F78)."""
    chapters = [chapter for chapter in _chapters(episode) if chapter.toc]
    if len(chapters) < 3 or chapters[0].start:
        return notes
    lines = "<br>".join(f"{_clock(chapter.start)[:-4]} {escape(text.one_line(chapter.title))}" for chapter in chapters)
    return f"{notes or f'<p>{escape(summary)}</p>'}\n<p>{lines}</p>"


def _item_tags(card: EpisodeCard, show: Podcast, settings: Settings) -> Iterator[_Tag]:
    episode, base = card.episode, settings.community.url
    language = text.one_line(episode.language or show.language or settings.community.language)
    yield _Tag("pubDate", _rfc2822(episode.date))
    yield _Tag("itunes:duration", str(max(1, round(episode.audio.duration))))
    yield _Tag("itunes:explicit", _yes(episode.explicit))
    yield _Tag("itunes:episodeType", episode.type)
    if episode.season:
        yield _Tag("itunes:season", str(episode.season))
        yield _Tag("podcast:season", str(episode.season), {"name": f"Season {episode.season}"})
    if episode.number:
        yield _Tag("itunes:episode", str(episode.number))
        yield _Tag("podcast:episode", str(episode.number))
    if card.artwork:
        yield _Tag("itunes:image", attributes={"href": _address(base, card.artwork)})
    if card.transcript:
        kind = episode.transcript.type if episode.transcript else "text/vtt"
        captions = "captions" if kind in {"text/vtt", "application/x-subrip"} else None
        attributes = {"url": _address(base, card.transcript), "type": kind, "language": language, "rel": captions}
        yield _Tag("podcast:transcript", attributes=attributes)
    yield from _chapter_tags(card, base)
    for bite in episode.soundbites:
        yield _Tag("podcast:soundbite", _line(bite.title, _NAME), {"startTime": _seconds(bite.start), "duration": _seconds(bite.duration)})
    yield from (_person(person, base) for person in card.people if text.one_line(person.name))


def _person(person: Person, base: str) -> _Tag:
    """A credit (F41). Those of an item replace a show's, so every item names all of its people."""
    role = text.one_line(person.role).lower() or None
    attributes = {"role": role, "group": _GROUP.get(role or ""), "href": _maybe(base, person.path), "img": _maybe(base, person.photo)}
    return _Tag("podcast:person", _line(person.name, _NAME), attributes)


def _chapters(episode: Episode) -> list[Chapter]:
    return sorted((chapter for chapter in episode.chapters if math.isfinite(chapter.start)), key=lambda chapter: chapter.start)


def _clock(seconds: float) -> str:
    """`01:02:03.500`."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"


def _chapter_tags(card: EpisodeCard, base: str) -> Iterator[_Tag]:
    """The chapters as a file and in the feed (F77, F79)."""
    chapters = _chapters(card.episode)
    if not chapters:
        return
    yield _Tag("podcast:chapters", attributes={"url": _address(base, card.path + "chapters.json"), "type": "application/json+chapters"})
    inside = tuple(
        _Tag("psc:chapter", attributes={
            "start": _clock(chapter.start), "title": _line(chapter.title),
            "href": _maybe(base, chapter.url), "image": _maybe(base, chapter.image),
        })
        for chapter in chapters if chapter.toc
    )  # fmt: skip
    if inside:
        yield _Tag("psc:chapters", attributes={"version": "1.2"}, inside=inside)


def chapters_json(episode: Episode, base: str = "") -> bytes:
    """The chapters as `application/json+chapters` 1.2.0 (F77); paths of pictures are read from `base`, the site's address."""
    chapters: list[dict[str, object]] = []
    for chapter in _chapters(episode):
        one = {"startTime": round(chapter.start, 3), "title": text.one_line(chapter.title), "toc": None if chapter.toc else False}
        where = {"img": _maybe(base, chapter.image), "url": _maybe(base, chapter.url)}
        chapters.append({key: value for key, value in (one | where).items() if value is not None})
    return _json({"version": "1.2.0", "chapters": chapters})


def podcast(
    show: Podcast, settings: Settings, items: Iterable[bytes], *, path: str, page: str, artwork: str, updated: datetime | None
) -> bytes:
    """A whole podcast feed (F01 to F42) around `items`, newest first (F87).

    `path` is the feed's own, `page` the show's page, `artwork` its picture or "", all relative to the site; `updated`
    is the date of the newest item, None where there is none.
    """
    from feedgen.feed import FeedGenerator

    base = settings.community.url
    feed = FeedGenerator()
    feed.register_extension("more", _Podcasting, atom=False)
    title = _line(show.title) or "Untitled"
    link = _address(base, page)
    feed.title(title)
    feed.link(href=_address(base, path), rel="self", type="application/rss+xml")
    feed.link(href=link, rel="alternate")
    feed.description(_within(_described(text.one_line(show.description) or settings.community.purpose or title)))
    feed.language(text.one_line(show.language or settings.community.language).lower())
    if copyright_line := _line(show.copyright):
        feed.copyright(copyright_line)
    if artwork:
        feed.image(url=_address(base, artwork), title=title, link=link)
    feed.more.tags = tuple(_channel_tags(show, settings, path, link, artwork))
    return _joined(_rss(feed, updated), items)


def _channel_tags(show: Podcast, settings: Settings, path: str, page: str, artwork: str) -> Iterator[_Tag]:
    base, owner = settings.community.url, show.owner
    yield _Tag("itunes:author", _line(show.author) or _line(settings.community.name))
    yield _Tag("itunes:type", show.type)
    yield _Tag("itunes:explicit", _yes(show.explicit))
    categories = [_line(part) for part in show.category.split(">") if _line(part)]
    sub = tuple(_Tag("itunes:category", attributes={"text": part}) for part in categories[1:2])
    if categories:
        yield _Tag("itunes:category", attributes={"text": categories[0]}, inside=sub)
    if artwork:
        yield _Tag("itunes:image", attributes={"href": _address(base, artwork)})
    if owner:
        yield _Tag("itunes:owner", inside=(_Tag("itunes:name", _line(owner.name)), _Tag("itunes:email", _line(owner.email))))
    if show.complete:
        yield _Tag("itunes:complete", "Yes")
    yield _Tag("podcast:guid", text.one_line(show.guid) or show_guid(_address(base, path)))
    contact = _line(owner.email if owner else settings.community.contact)
    yield _Tag("podcast:locked", "yes" if show.locked else "no", {"owner": contact})
    yield _Tag("podcast:medium", "podcast")
    if show.funding:
        yield _Tag("podcast:funding", _line(f"Support {show.title}", _NAME), {"url": _address(base, show.funding)})
    if show.licence:
        yield _licence(show.licence, page)


def show_guid(feed_url: str) -> str:
    """A show's identity for ever (F36): made of the address of its first feed, without scheme and closing slashes."""
    return str(uuid5(_SHOW_IDS, re.sub(r"^[A-Za-z]+://", "", feed_url).rstrip("/")))


def _licence(licence: str, page: str) -> _Tag:
    """A licence by its well-known name, or by its own name with the address where it is written (F42)."""
    common = re.search(r"creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/(\d\.\d)", licence)
    name = f"cc-{common[1]}-{common[2]}".replace("cc-zero", "cc0") if common else "-".join(licence.lower().split())
    if re.fullmatch(r"cc-by(-nc)?(-sa|-nd)?-\d\.\d|cc0-1\.0", name):
        return _Tag("podcast:license", name)
    address = licence if re.match(r"https?://", licence) else page
    return _Tag("podcast:license", _line("custom" if address == licence else name, _NAME), {"url": address})


def _rss(feed: Any, updated: datetime | None) -> bytes:
    feed.generator("Amplify")
    feed.docs("https://www.rssboard.org/rss-specification")
    feed.lastBuildDate(updated or _BEGINNING)
    feed.more.dated = updated is not None
    with _LOCALE:
        return bytes(feed.rss_str(pretty=True))


def _joined(document: bytes, items: Iterable[bytes]) -> bytes:
    head, _, tail = document.rpartition(b"</channel>")
    return b"\n".join((head.rstrip(), *items, b"</channel>" + tail))


# -- the newsletter ------------------------------------------------------------------------------------------------


def _identity(entry: Entry, base: str) -> str:
    """An identifier that holds when titles and addresses change: the entry's own, or a `tag:` of it."""
    own = text.one_line(entry.id)
    if re.match(r"(https?|tag|urn):", own):
        return own
    return f"tag:{urlsplit(_address(base, '')).hostname or 'localhost'},{_TAG_YEAR}:{quote(own)}"


def _newsletter(entries: Sequence[Entry], settings: Settings, path: str, kind: str) -> Any:
    from feedgen.feed import FeedGenerator

    base, community = settings.community.url, settings.community
    feed = FeedGenerator()
    feed.register_extension("more", _Reading, _Reading)
    feed.title(_title(settings))
    feed.id(_address(base, path))
    feed.link(href=feed.id(), rel="self", type=kind)
    feed.link(href=_address(base, ""), rel="alternate")
    feed.description(_within(community.purpose) or feed.title())
    feed.language(text.one_line(community.language).lower())
    feed.author(name=_line(community.name) or feed.title())
    feed.more.language = text.one_line(community.language)
    for entry in entries:
        _add(feed, entry, base)
    return feed


def _title(settings: Settings) -> str:
    return _line(settings.newsletter.title if settings.newsletter else settings.community.name) or "Untitled"


def _add(feed: Any, entry: Entry, base: str) -> None:
    """Adds `entry` for RSS and Atom at once; `_More` tells them apart."""
    added = feed.add_entry(order="append")
    summary = _within(entry.summary or _words(entry.html) or entry.title) or "Untitled"
    authors = list(filter(None, map(_line, entry.authors)))
    added.title(_line(entry.title) or "Untitled")
    added.link(href=_address(base, entry.url), rel="alternate")
    added.guid(_identity(entry, base), permalink=False)
    added.description(_described(summary))
    added.summary(summary)
    added.content(text.plain(entry.html).strip() or f"<p>{escape(summary)}</p>", type="CDATA")
    added.published(entry.published.astimezone(UTC).replace(microsecond=0))
    added.updated(entry.updated.astimezone(UTC).replace(microsecond=0))
    for author in authors:
        added.author(name=author)
    added.more.language = text.one_line(entry.language)
    added.more.tags = tuple(_Tag("dc:creator", author) for author in authors)
    added.more.shared = (_Tag("media:thumbnail", attributes={"url": _address(base, entry.image)}),) if entry.image else ()


def _newest(entries: Sequence[Entry]) -> datetime | None:
    return max((entry.updated.astimezone(UTC).replace(microsecond=0) for entry in entries), default=None)


def rss(entries: Sequence[Entry], settings: Settings, path: str) -> bytes:
    """The newsletter as RSS 2.0; `path` is the feed's own, relative to the site."""
    return _rss(_newsletter(entries, settings, path, "application/rss+xml"), _newest(entries))


def atom(entries: Sequence[Entry], settings: Settings, path: str) -> bytes:
    """The newsletter as Atom; `path` is the feed's own, relative to the site."""
    feed = _newsletter(entries, settings, path, "application/atom+xml")
    feed.generator("Amplify")
    feed.updated(_newest(entries) or _BEGINNING)
    return bytes(feed.atom_str(pretty=True))


def json_feed(entries: Sequence[Entry], settings: Settings, path: str) -> bytes:
    """The newsletter as JSON Feed 1.1; `path` is the feed's own, relative to the site."""
    base, community = settings.community.url, settings.community
    return _json({
        "version": "https://jsonfeed.org/version/1.1",
        "title": _title(settings),
        "home_page_url": _address(base, ""),
        "feed_url": _address(base, path),
        "description": _within(community.purpose),
        "language": text.one_line(community.language),
        "authors": [{"name": _line(community.name), "url": _address(base, "")}],
        "items": [_json_item(entry, base) for entry in entries],
    })  # fmt: skip


def _json_item(entry: Entry, base: str) -> dict[str, object]:
    item: dict[str, object] = {
        "id": _identity(entry, base),
        "url": _address(base, entry.url),
        "title": _line(entry.title) or "Untitled",
        "summary": _within(entry.summary or _words(entry.html)),
        "content_html": text.plain(entry.html),
        "date_published": times.iso(entry.published),
        "date_modified": times.iso(entry.updated),
        "authors": [{"name": _line(author)} for author in entry.authors if _line(author)],
        "language": text.one_line(entry.language),
        "image": _address(base, entry.image) if entry.image else "",
    }
    return {key: value for key, value in item.items() if value or key == "content_html"}


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
