"""What a web page says of itself: its title, what it is about, who wrote it. Run apart, since anybody may have written it."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from contextlib import suppress
from html.parser import HTMLParser

from amplify import text

_FIRST = 500_000
"""Bytes of a page at whose beginning its head is."""
_TITLE = ("og:title", "twitter:title", "dc.title", "title")
_ABOUT = ("og:description", "description", "twitter:description", "dc.description")
_AUTHOR = ("author", "dc.creator", "article:author")


def glance(data: bytes, charset: str) -> dict[str, str]:
    """`title`, `about` and `author` of a page, each in one line and "" where it says nothing."""
    page = _Page()
    page.feed(_decoded(data[:_FIRST], charset))
    found = {what: next((page.said[name] for name in names if page.said.get(name)), "") for what, names in
             (("title", _TITLE), ("about", _ABOUT), ("author", _AUTHOR))}  # fmt: skip
    return found | ({"author": ""} if "://" in found["author"] else {})


def _decoded(data: bytes, charset: str) -> str:
    named = re.search(rb"<meta[^>]{0,200}charset=[\"']?([\w-]+)", data[:5000], re.IGNORECASE)
    for encoding in filter(None, (charset, named[1].decode() if named else "", "utf-8")):
        with suppress(LookupError, ValueError):
            return str(getincrementaldecoder(encoding)().decode(data))
    return data.decode("cp1252", "replace")


class _Page(HTMLParser):
    """Listens to the head."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: dict[str, str] = {}
        self._title: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "title" and "title" not in self.said:
            self._title = []
        elif tag == "meta" and (name := (values.get("property") or values.get("name") or "").lower()):
            self.said.setdefault(name, text.one_line(values.get("content", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._title is not None:
            self.said["title"] = text.one_line("".join(self._title))
            self._title = None

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
