"""What every feed is made with: feedgen as typed values, and words and addresses as a feed can hold them.

feedgen writes the documents. What it leaves out or gets wrong is mended here: it refuses `true` and `false` (F25) and
artwork whose address has a version (F26), says "yes" where only "Yes" counts (F34), takes whatever link came last for a
channel's own, forgets what an Atom link is, and dates a feed by the clock on the wall (F16). So everything beyond plain
RSS comes from one extension, `More`, which adds the elements that it is given.

Whatever XML cannot hold is taken out of every text on its way in (F01).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from html import unescape
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit, urlunsplit

from amplify import text

SPACES = {
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
    "psc": "http://podlove.org/simple-chapters",
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""When a feed without entries was updated."""
_LINE, _LONG = 255, 4000
"""F04 in characters, F21 and F66 in bytes."""
_LOCALE = threading.Lock()
"""feedgen changes the locale of the whole process while it writes a date."""


@dataclass(frozen=True, slots=True)
class Tag:
    """An element to add; the prefix of `name` is one of `SPACES`."""

    name: str
    text: str = ""
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    inside: tuple[Tag, ...] = ()

    def add_to(self, parent: Any) -> None:
        """Appends the element, without the attributes that are None."""
        from lxml import etree

        prefix, _, name = self.name.rpartition(":")
        element = etree.SubElement(parent, f"{{{SPACES[prefix]}}}{name}" if prefix else name)
        for key, value in self.attributes.items():
            if value is not None:
                element.set(key, text.plain(value))
        element.text = text.plain(self.text) or None
        for tag in self.inside:
            tag.add_to(element)


class More:
    """A feedgen extension: adds `tags` (to RSS alone) and `shared` (to Atom as well), and puts right what feedgen misrepresents."""

    prefixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.tags: tuple[Tag, ...] = ()
        self.shared: tuple[Tag, ...] = ()
        self.language = ""
        self.dated = True

    def extend_ns(self) -> dict[str, str]:
        """Asked by feedgen: the namespaces to declare."""
        return {prefix: SPACES[prefix] for prefix in self.prefixes}

    def extend_rss(self, element: Any) -> None:
        """Asked by feedgen with the document, or with an item."""
        parent = element[0] if element.tag == "rss" else element
        if not self.dated:
            parent.remove(parent.find("lastBuildDate"))
        for tag in self.tags + self.shared:
            tag.add_to(parent)

    def extend_atom(self, element: Any) -> None:
        """Asked by feedgen with the document, or with an entry."""
        if self.language:
            element.set("{http://www.w3.org/XML/1998/namespace}lang", self.language)
        if element.tag == "entry":
            element.find("link").attrib.update({"rel": "alternate", "type": "text/html"})
            element.find("content").set("type", "html")
        for tag in self.shared:
            tag.add_to(element)


# -- words and addresses -------------------------------------------------------------------------------------------


def line(value: str, limit: int = _LINE) -> str:
    """`value` on one line in at most `limit` characters."""
    return text.fit(text.one_line(value), limit)


def within(value: str, limit: int = _LONG) -> str:
    """`value` on one line in at most `limit` bytes of UTF-8, cut at a word."""
    whole = text.one_line(value)
    raw = whole.encode()
    if len(raw) <= limit:
        return whole
    cut = raw[: limit - 3].decode(errors="ignore")
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "…"


def words(html: str) -> str:
    """What `html` says, without its markup, on one line."""
    return text.one_line(unescape(re.sub(r"<[^>]*>", " ", html)))


def described(value: str) -> str:
    """`value` for an element that readers take for HTML: what looks like markup is escaped, all else stays as it is."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", re.sub(r"&(?=#?\w+;)", "&amp;", value))


@lru_cache(maxsize=4096)
def address(base: str, path: str) -> str:
    """`path` as an absolute address in ASCII (F10): as it is where it is one, else below `base`."""
    whole = path if re.match(r"https?://|mailto:", path) else base.rstrip("/") + "/" + path.lstrip("/")
    whole = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text.one_line(whole))
    try:
        parts = urlsplit(whole)
        whole = urlunsplit(parts._replace(netloc=parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()))
    except ValueError:
        pass
    return quote(whole, safe="%/:?#[]=&@+,;~!$'()*")


# -- documents -----------------------------------------------------------------------------------------------------


def document(feed: Any, updated: datetime | None) -> bytes:
    """A feedgen `feed` as RSS; `updated` is the date of what is newest in it, None where there is nothing."""
    feed.generator("Amplify")
    feed.docs("https://www.rssboard.org/rss-specification")
    feed.lastBuildDate(updated or BEGINNING)
    feed.more.dated = updated is not None
    with _LOCALE:
        return bytes(feed.rss_str(pretty=True))


def joined(whole: bytes, items: Iterable[bytes]) -> bytes:
    """A document of RSS with `items` as the last of its channel."""
    head, _, tail = whole.rpartition(b"</channel>")
    return b"\n".join((head.rstrip(), *items, b"</channel>" + tail))


def as_json(value: object) -> bytes:
    """`value` as a document of JSON."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
