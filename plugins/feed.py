"""Gather from blogs and podcasts: RSS, Atom and JSON Feed, one or hundreds of them.

    [[source]]
    name = "blogs"
    plugin = "feed"
    url = ["https://amal.example.org/feed.xml", "https://sam.example.org/feed.json"]

    [[source]]
    name = "members"
    plugin = "feed"
    opml = "members.opml"

`url` is the address of a feed, or a list of them; `opml` a file of the community or an address, with a list as every feed
reader exports it. Each feed is asked for what changed since the last time, and one that cannot be read is a line in the
report that stops no other.

Of a feed that is new here, the newest five entries are offered (`first`), and older ones never. Of an entry come its whole
text where the feed has it, its author, its tags, and links to its recordings and pictures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from html import unescape
from io import BytesIO
from pathlib import Path
from time import struct_time
from typing import Any
from urllib.parse import urljoin, urlsplit

from amplify.api import Asked, Bookmark, DeliveryError, Kind, Media, Offer, Response, Services, SourceKind, Unreadable, hookimpl

_MOST_ENTRIES, _MOST_FEEDS, _MOST_MEDIA = 500, 5_000, 10
_TOGETHER = 50
"""Feeds after which it is noted how far we got."""
_OPML_LIMIT = 5_000_000
Plain = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """`first`: how many entries of a feed that is new here are offered. `kind`: what they are."""

    url: str | tuple[str, ...] = ()
    opml: str = ""
    first: int = 5
    kind: Kind = Kind.ARTICLE


class Feeds:
    """Its bookmark holds what is known of each feed that is asked for: validators, a digest, and which entries are too old."""

    def __init__(self, options: Options, services: Services) -> None:
        self._urls = (options.url,) if isinstance(options.url, str) else options.url
        if not self._urls and not options.opml:
            raise ValueError("write where the feeds are: url for one or some, opml for a list of them")
        for url in self._urls:
            if not re.match(r"(?:https?|feed):", url):
                raise ValueError(f"url = {url!r} is no address of a feed; it begins with https://")
        if options.first < 0:
            raise ValueError("first is how many entries are offered of a feed that is new here: 0 or more")
        self._options, self._services, self._log = options, services, services.log

    def gather(self, since: Bookmark | None) -> Iterator[Offer | Bookmark]:
        """The entries of every feed that changed."""
        known = _remembered(since)
        listed, urls = self._wanted(known.get("opml", {}))
        feeds = {url: state for url, state in known.get("feeds", {}).items() if url in urls}
        failed: list[str] = []
        fresh = 0
        for asked, got in self._services.http.each(_asked(url, feeds.get(url, {})) for url in urls):
            try:
                state, offers = self._read(asked, got, feeds.get(asked.url))
            except (DeliveryError, Unreadable) as error:
                failed.append(error.reason)
                self._log.warning("%s: %s", asked.url, error.reason)
                continue
            yield from offers
            fresh += state != feeds.get(asked.url)
            feeds[asked.url] = state
            if fresh and fresh % _TOGETHER == 0:
                yield _bookmark(listed, feeds)
        if failed and len(failed) == len(urls):
            raise Unreadable(failed[0] if len(urls) == 1 else f"none of the {len(urls)} feeds could be read; the first one: {failed[0]}")
        if (now := _bookmark(listed, feeds)) != since:
            yield now

    # -- which feeds ---------------------------------------------------------------------------------------------------

    def _wanted(self, before: Plain) -> tuple[Plain, list[str]]:
        """What is known of the list, and the addresses of all feeds. A list that cannot be had is what it was the last time."""
        listed = before
        if self._options.opml:
            try:
                listed = self._list(before)
            except (OSError, DeliveryError, Unreadable) as error:
                reason = f"{self._options.opml}: {error.strerror if isinstance(error, OSError) else error.reason}"
                if not before.get("urls"):
                    raise Unreadable(reason) from error
                self._log.warning("%s; the feeds that it named the last time are read", reason)
        written = (re.sub(r"^feed:(//)?(?=https?:)", "", one) for one in (*self._urls, *listed.get("urls", ())))
        urls = [re.sub(r"^feed:", "https:", one) for one in written]
        if len(urls) > _MOST_FEEDS:
            raise Unreadable(f"there are {len(urls)} feeds in it, and at most {_MOST_FEEDS} are read; make several sources of them")
        return listed, list(dict.fromkeys(urls))

    def _list(self, before: Plain) -> Plain:
        place = self._options.opml
        if "://" not in place:
            with (self._services.folder / Path(place).expanduser()).open("rb") as file:
                return {"urls": self._services.apart(outlines, file.read(_OPML_LIMIT))}
        got = self._services.http.get(place, etag=before.get("etag", ""), modified=before.get("modified", ""), limit=_OPML_LIMIT)
        if got.unchanged:
            return before
        return {"urls": self._services.apart(outlines, got.content), "etag": got.etag, "modified": got.modified}

    # -- one feed ------------------------------------------------------------------------------------------------------

    def _read(self, asked: Asked, got: Response | DeliveryError, before: Plain | None) -> tuple[Plain, Iterable[Offer]]:
        """What is known of a feed from now on, and its offers. Raises what `got` is, and Unreadable."""
        if isinstance(got, DeliveryError):
            raise got
        if got.unchanged and before:
            return before, ()
        digest = blake2b(got.content, digest_size=12).hexdigest()
        state = {**(before or {}), "etag": got.etag, "modified": got.modified, "digest": digest}
        if before and before.get("digest") == digest:
            return state, ()
        entries = self._services.apart(parsed, got.content, got.url, got.headers.get("content-type", ""))
        if before is None:
            state |= _first_sight(entries, self._options.first)
        old, since = set(state["old"]), state["since"]
        new = [one for one in entries if _short(one["id"]) not in old and not (since and one["date"] and one["date"] < since)]
        return state, [self._offer(asked.url, one) for one in reversed(new)]

    def _offer(self, feed: str, entry: Plain) -> Offer:
        return Offer(
            id=f"{entry['id']} ({feed})", title=entry["title"], body=entry["body"], form=entry["form"], kind=self._options.kind,
            url=entry["link"] or None, author=entry["author"], handle=entry["handle"], tags=tuple(entry["tags"]),
            offered=datetime.fromisoformat(entry["date"]) if entry["date"] else None, licence=entry["licence"],
            media=tuple(Media(**one) for one in entry["media"]),
        )  # fmt: skip


def _remembered(since: Bookmark | None) -> Plain:
    try:
        found = json.loads(since.value) if since else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _bookmark(listed: Plain, feeds: Plain) -> Bookmark:
    return Bookmark(value=json.dumps({"opml": listed, "feeds": dict(sorted(feeds.items()))}))


def _asked(url: str, state: Plain) -> Asked:
    return Asked(url=url, etag=state.get("etag", ""), modified=state.get("modified", ""))


def _short(identity: str) -> str:
    return blake2b(identity.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _first_sight(entries: list[Plain], first: int) -> Plain:
    """Which entries of a new feed are too old: those that are there, and whatever turns up that is older than what is offered."""
    dates = [one["date"] for one in entries[: max(first, 1)]]
    since = min(dates) if dates and all(dates) else ""
    return {"old": sorted(_short(one["id"]) for one in entries[first:]), "since": since}


# -- apart: what others wrote --------------------------------------------------------------------------------------


def parsed(data: bytes, address: str, kind: str) -> list[Plain]:
    """The entries of a feed that was found at `address`, the newest first. Raises Unreadable."""
    json_feed = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    found = list(_json_entries(data, address) if json_feed else _xml_entries(data, address, kind))
    links: dict[str, set[str]] = {}
    for one in found:
        if not one["title"] and not one["body"] and one["media"]:
            one["title"] = Path(urlsplit(one["media"][0]["path"]).path).stem
        links.setdefault(one["id"], set()).add(one["link"])
    for one in found:
        if not one["id"] or len(links[one["id"]]) > 1:
            one["id"] = one["link"] or blake2b(f"{one['title']}\n{one['body']}".encode("utf-8", "replace"), digest_size=12).hexdigest()
    if found and all(one["date"] for one in found):
        found.sort(key=lambda one: one["date"], reverse=True)
    return found[:_MOST_ENTRIES]


def outlines(data: bytes) -> list[str]:
    """The addresses of the feeds in an OPML file. Raises Unreadable."""
    from xml.parsers import expat

    found: list[str] = []

    def refuse(*_: object) -> None:
        raise Unreadable("it has a document type declaration, which no list of feeds needs")

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        if name.lower() == "outline":
            found.extend(value.strip() for key, value in attributes.items() if key.lower() == "xmlurl" and value.strip())

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, begin
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Unreadable(f"it is no list of feeds that can be read: {expat.ErrorString(error.code)} in line {error.lineno}") from error
    if not found:
        raise Unreadable("it names no feed")
    return found


def _xml_entries(data: bytes, address: str, kind: str) -> Iterator[Plain]:
    import feedparser

    headers = {"content-type": kind, "content-location": address}
    found = feedparser.parse(BytesIO(data), response_headers=headers, resolve_relative_uris=False, sanitize_html=False)
    if not found.get("version") and not found.entries:
        raise Unreadable(_no_feed(data, address))
    for entry in found.entries:
        link, body = _joined(address, _text(entry, "link")), _body(entry)
        plain, base = body.get("type") == "text/plain", str(body.get("base") or address)
        name, handle = _author(entry, found.feed)
        yield {
            "id": _text(entry, "id"), "link": link, "title": _bare(_text(entry, "title"), _table(entry, "title_detail").get("type")),
            "form": "text" if plain else "html",
            "body": body["value"] if plain else _absolute(body["value"], base if base != address else link or address),
            "date": _date(entry), "author": name,
            "handle": handle, "media": list(_media(entry, address)),
            "tags": [tag.get("label") or tag["term"] for tag in _many(entry, "tags") if tag.get("label") or tag.get("term")],
            "licence": _text(entry, "license") or _text(found.feed, "license"),
        }  # fmt: skip


def _body(entry: Plain) -> Plain:
    """The whole text where there is one, else the summary; HTML before plain words."""
    contents = [one for one in _many(entry, "content") if one.get("value") and re.match(r"text/|application/xhtml", one.get("type") or "")]
    summary = {**_table(entry, "summary_detail"), "value": _text(entry, "summary")}
    return min(contents, key=lambda one: one["type"] == "text/plain", default=summary)


def _author(entry: Plain, feed: Plain) -> tuple[str, str]:
    """Their name, and how they are known; a bare mail address is no name, since names are printed."""
    detail = _table(entry, "author_detail") or _table(feed, "author_detail")
    name = _bare(detail.get("name") or _text(entry, "author") or _text(feed, "author"))
    handle = detail.get("email") or detail.get("href") or ""
    return ("", handle or name) if re.fullmatch(r"[^@\s]+@[^@\s]+", name) else (name, handle)


def _media(entry: Plain, address: str) -> Iterator[dict[str, str]]:
    there = [one for one in _many(entry, "links") if one.get("rel") == "enclosure"] + _many(entry, "media_content")
    urls = ((_joined(address, one.get("href") or one.get("url") or ""), one) for one in there)
    several = {url: {"path": url, "type": one.get("type") or "", "alt": one.get("title") or ""} for url, one in urls if url}
    yield from list(several.values())[:_MOST_MEDIA]


def _date(entry: Plain) -> str:
    for key in ("published_parsed", "updated_parsed", "created_parsed"):
        moment = dict.get(entry, key)
        if isinstance(moment, struct_time):
            try:
                return _shown(datetime(*moment[:6], tzinfo=UTC))
            except ValueError:
                continue
    return ""


def _text(entry: Plain, key: str) -> str:
    """What feedparser found under its own name, and under no other that it would guess."""
    value = dict.get(entry, key)
    return value.strip() if isinstance(value, str) else ""


def _table(entry: Plain, key: str) -> Plain:
    value = dict.get(entry, key)
    return dict(value) if isinstance(value, dict) else {}


def _many(entry: Plain, key: str) -> list[Plain]:
    value = dict.get(entry, key)
    return [dict(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _json_entries(data: bytes, address: str) -> Iterator[Plain]:
    try:
        feed = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is neither a feed nor JSON") from error
    if not isinstance(feed, dict) or "jsonfeed.org" not in _text(feed, "version"):
        raise Unreadable("it is JSON, and no JSON Feed")
    for item in _many(feed, "items"):
        link = _joined(address, _text(item, "url") or _text(item, "external_url"))
        html = _text(item, "content_html")
        authors = _many(item, "authors") or [_table(item, "author")] if "author" in item or "authors" in item else _many(feed, "authors")
        author = next(iter(authors), _table(feed, "author"))
        identity = item.get("id")
        yield {
            "id": str(identity) if isinstance(identity, str | int | float) else "", "link": link, "title": _text(item, "title"),
            "form": "html" if html else "text",
            "body": _absolute(html, link or address) if html else _text(item, "content_text") or _text(item, "summary"),
            "date": _read_date(_text(item, "date_published") or _text(item, "date_modified")), "author": _text(author, "name"),
            "handle": _text(author, "url").removeprefix("mailto:"), "tags": _tags(item),
            "media": [{"path": url, "type": _text(one, "mime_type"), "alt": _text(one, "title")}
                      for one in _many(item, "attachments")[:_MOST_MEDIA] if (url := _joined(address, _text(one, "url")))],
            "licence": "",
        }  # fmt: skip


def _tags(item: Plain) -> list[str]:
    tags = item.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _read_date(written: str) -> str:
    try:
        moment = datetime.fromisoformat(written)
        return _shown((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return ""


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}+00:00" if moment.year >= 1000 else ""


def _bare(words: str, kind: str | None = None) -> str:
    acts = r"(?is)<(script|style)\b.*?</\1\s*>|</?[a-z!][^<>]*>"
    return words if kind == "text/plain" else unescape(re.sub(acts, "", words)).strip()


def _joined(base: str, address: str) -> str:
    try:
        whole = urljoin(base, address.strip()) if address.strip() else ""
        return whole if urlsplit(whole).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _absolute(html: str, base: str) -> str:
    """HTML in which the addresses of links and pictures are whole."""

    def anew(found: re.Match[str]) -> str:
        try:
            return f"{found[1]}{found[2]}{urljoin(base, found[3].strip())}{found[2]}"
        except ValueError:
            return found[0]

    return re.sub(r"""(?i)(\b(?:href|src)\s*=\s*)(["'])([^"'<>]*)\2""", anew, html)


def _no_feed(data: bytes, address: str) -> str:
    """What it is instead; a web page may say where its feed is."""
    for link in re.findall(rb"(?is)<link\b[^<>]*>", data[:500_000]):
        kind, place = (
            re.search(rb"(?i)application/(?:(?:rss|atom)\+xml|feed\+json)", link),
            re.search(rb"""(?i)href=["']?([^"'\s>]+)""", link),
        )
        if kind and place:
            return f"it is a web page, and no feed; its feed is {_joined(address, unescape(place[1].decode('utf-8', 'replace')))}"
    page = re.match(rb"(?is)\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html)", data[:5000])
    return "it is a web page, and no feed" if page else "it is no feed" if data.strip() else "there is nothing in it"


@hookimpl
def amplify_sources() -> list[SourceKind]:
    """The kind `feed`."""
    return [SourceKind("feed", Options, Feeds)]
