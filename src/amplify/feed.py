"""Podcast feeds, and the files of chapters beside them. The same values give the same bytes.

A podcast's items are written once and kept by the caller: `podcast_item` gives the bytes of one, `podcast` joins them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from uuid import UUID, uuid5

from amplify import text
from amplify.config import Podcast, Settings
from amplify.model import Chapter, Episode
from amplify.rss import SPACES, More, Tag, address, as_json, described, document, joined, line, within, words
from amplify.view import EpisodeCard, Person

_SHOW_IDS = UUID("ead4c236-bf58-58c6-a2c6-a6b28d128cb6")
_NAME = 128
"""F41 in characters."""
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


class _Podcasting(More):
    prefixes = ("itunes", "podcast", "psc")


_ITEM_SPACES = {prefix: SPACES[prefix] for prefix in ("atom", "content", *_Podcasting.prefixes)}


def podcast_item(card: EpisodeCard, show: Podcast, settings: Settings, notes: str) -> bytes:
    """One `<item>` (F60 to F80), its namespaces declared by the document that `podcast` makes.

    `notes` is sanitised HTML with absolute addresses.
    """
    from feedgen.entry import FeedEntry
    from lxml import etree

    episode, base = card.episode, settings.community.url
    summary = text.one_line(episode.summary) or words(notes) or text.one_line(episode.title) or "Untitled"
    entry = FeedEntry()
    entry.register_extension("more", _Podcasting, atom=False)
    entry.title(line(episode.title) or "Untitled")
    entry.link(href=address(base, card.path), rel="alternate")
    entry.description(within(described(summary)))
    if content := _notes(text.plain(notes).strip(), summary, episode):
        entry.content(content, type="CDATA")
    entry.guid(text.plain(episode.guid).strip(), permalink=False)
    entry.enclosure(address(base, card.audio), str(episode.audio.length), episode.audio.type)
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


def _item_tags(card: EpisodeCard, show: Podcast, settings: Settings) -> Iterator[Tag]:
    episode, base = card.episode, settings.community.url
    language = text.one_line(episode.language or show.language or settings.community.language)
    yield Tag("pubDate", _rfc2822(episode.date))
    yield Tag("itunes:duration", str(max(1, round(episode.audio.duration))))
    yield Tag("itunes:explicit", _yes(episode.explicit))
    yield Tag("itunes:episodeType", episode.type)
    if episode.season:
        yield Tag("itunes:season", str(episode.season))
        yield Tag("podcast:season", str(episode.season), {"name": f"Season {episode.season}"})
    if episode.number:
        yield Tag("itunes:episode", str(episode.number))
        yield Tag("podcast:episode", str(episode.number))
    if card.artwork:
        yield Tag("itunes:image", attributes={"href": address(base, card.artwork)})
    if card.transcript:
        kind = episode.transcript.type if episode.transcript else "text/vtt"
        captions = "captions" if kind in {"text/vtt", "application/x-subrip"} else None
        attributes = {"url": address(base, card.transcript), "type": kind, "language": language, "rel": captions}
        yield Tag("podcast:transcript", attributes=attributes)
    yield from _chapter_tags(card, base)
    for bite in episode.soundbites:
        yield Tag("podcast:soundbite", line(bite.title, _NAME), {"startTime": _seconds(bite.start), "duration": _seconds(bite.duration)})
    yield from (_person(person, base) for person in card.people if text.one_line(person.name))


def _person(person: Person, base: str) -> Tag:
    """A credit (F41). Those of an item replace a show's, so every item names all of its people."""
    role = text.one_line(person.role).lower() or None
    attributes = {"role": role, "group": _GROUP.get(role or ""), "href": _maybe(base, person.path), "img": _maybe(base, person.photo)}
    return Tag("podcast:person", line(person.name, _NAME), attributes)


def _chapters(episode: Episode) -> list[Chapter]:
    return sorted((chapter for chapter in episode.chapters if math.isfinite(chapter.start)), key=lambda chapter: chapter.start)


def _clock(seconds: float) -> str:
    """`01:02:03.500`."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"


def _chapter_tags(card: EpisodeCard, base: str) -> Iterator[Tag]:
    """The chapters as a file and in the feed (F77, F79)."""
    chapters = _chapters(card.episode)
    if not chapters:
        return
    yield Tag("podcast:chapters", attributes={"url": address(base, card.path + "chapters.json"), "type": "application/json+chapters"})
    inside = tuple(
        Tag("psc:chapter", attributes={
            "start": _clock(chapter.start), "title": line(chapter.title),
            "href": _maybe(base, chapter.url), "image": _maybe(base, chapter.image),
        })
        for chapter in chapters if chapter.toc
    )  # fmt: skip
    if inside:
        yield Tag("psc:chapters", attributes={"version": "1.2"}, inside=inside)


def chapters_json(episode: Episode, base: str = "") -> bytes:
    """The chapters as `application/json+chapters` 1.2.0 (F77); paths of pictures are read from `base`, the site's address."""
    chapters: list[dict[str, object]] = []
    for chapter in _chapters(episode):
        one = {"startTime": round(chapter.start, 3), "title": text.one_line(chapter.title), "toc": None if chapter.toc else False}
        where = {"img": _maybe(base, chapter.image), "url": _maybe(base, chapter.url)}
        chapters.append({key: value for key, value in (one | where).items() if value is not None})
    return as_json({"version": "1.2.0", "chapters": chapters})


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
    title = line(show.title) or "Untitled"
    link = address(base, page)
    feed.title(title)
    feed.link(href=address(base, path), rel="self", type="application/rss+xml")
    feed.link(href=link, rel="alternate")
    feed.description(within(described(text.one_line(show.description) or settings.community.purpose or title)))
    feed.language(text.one_line(show.language or settings.community.language).lower())
    if copyright_line := line(show.copyright):
        feed.copyright(copyright_line)
    if artwork:
        feed.image(url=address(base, artwork), title=title, link=link)
    feed.more.tags = tuple(_channel_tags(show, settings, path, link, artwork))
    return joined(document(feed, updated), items)


def _channel_tags(show: Podcast, settings: Settings, path: str, page: str, artwork: str) -> Iterator[Tag]:
    base, owner = settings.community.url, show.owner
    yield Tag("itunes:author", line(show.author) or line(settings.community.name))
    yield Tag("itunes:type", show.type)
    yield Tag("itunes:explicit", _yes(show.explicit))
    categories = [line(part) for part in show.category.split(">") if line(part)]
    sub = tuple(Tag("itunes:category", attributes={"text": part}) for part in categories[1:2])
    if categories:
        yield Tag("itunes:category", attributes={"text": categories[0]}, inside=sub)
    if artwork:
        yield Tag("itunes:image", attributes={"href": address(base, artwork)})
    if owner:
        yield Tag("itunes:owner", inside=(Tag("itunes:name", line(owner.name)), Tag("itunes:email", line(owner.email))))
    if show.complete:
        yield Tag("itunes:complete", "Yes")
    yield Tag("podcast:guid", text.one_line(show.guid) or show_guid(address(base, path)))
    contact = line(owner.email if owner else settings.community.contact)
    yield Tag("podcast:locked", "yes" if show.locked else "no", {"owner": contact})
    yield Tag("podcast:medium", "podcast")
    if show.funding:
        yield Tag("podcast:funding", line(f"Support {show.title}", _NAME), {"url": address(base, show.funding)})
    if show.licence:
        yield _licence(show.licence, page)


def show_guid(feed_url: str) -> str:
    """A show's identity for ever (F36): made of the address of its first feed, without scheme and closing slashes."""
    return str(uuid5(_SHOW_IDS, re.sub(r"^[A-Za-z]+://", "", feed_url).rstrip("/")))


def _licence(licence: str, page: str) -> Tag:
    """A licence by its well-known name, or by its own name with the address where it is written (F42)."""
    common = re.search(r"creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/(\d\.\d)", licence)
    name = f"cc-{common[1]}-{common[2]}".replace("cc-zero", "cc0") if common else "-".join(licence.lower().split())
    if re.fullmatch(r"cc-by(-nc)?(-sa|-nd)?-\d\.\d|cc0-1\.0", name):
        return Tag("podcast:license", name)
    url = licence if re.match(r"https?://", licence) else page
    return Tag("podcast:license", line("custom" if url == licence else name, _NAME), {"url": url})


def _maybe(base: str, path: str | None) -> str | None:
    return address(base, path) if path else None


def _rfc2822(moment: datetime) -> str:
    from email.utils import format_datetime

    return format_datetime(moment.astimezone(UTC).replace(microsecond=0))


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
