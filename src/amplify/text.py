"""Words: Markdown into safe HTML, excerpts, fitting to a limit. What comes out holds no active content.

Two policies, both through nh3 after Markdown (DESIGN, "Nothing from outside is trusted"): `OFFERED` for what members
and the outside world wrote, `OWN`, a little wider, for the organiser's words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from html import escape, unescape
from typing import Any

EXTENSIONS = ("tables", "fenced_code", "sane_lists", "def_list", "abbr")
"""The documented Markdown extensions; addresses written out become links as well."""

_ASTRAL = "".join(f"{chr(plane)}-{chr(plane + 0xFFFD)}" for plane in range(0x10000, 0x110000, 0x10000))
_NOT_TEXT = re.compile(f"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd{_ASTRAL}]")
_BLOCKS = {"p", "br", "blockquote", "ul", "ol", "li", "pre", "code", "hr", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td"}
_INLINE = {"a", "em", "strong", "b", "i", "s", "del", "sub", "sup", "abbr", "q", "cite", "small", "kbd"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title", "width", "height"}, "abbr": {"title"}, "ol": {"start"}}
_ROOM = re.compile(
    r"zoom\.|teams\.(microsoft|live)\.|meet\.google\.|webex\.|jit\.si|whereby\.|bigbluebutton|gotomeeting|[?&#](pwd|passcode)=",
    re.IGNORECASE,
)
_NOWHERE = "https://invalid.invalid/"
OFFERED = "offered"
OWN = "own"


def plain(text: str) -> str:
    """`text` without control characters, lone surrogates and what is no character, which no XML, page, mail or database can hold."""
    return _NOT_TEXT.sub("", text)


def one_line(text: str) -> str:
    """`text` fit for a title or a header: no control characters, any white space one blank, ends trimmed (X06, N30)."""
    return " ".join(plain(" ".join(text.split())).split())


@cache
def _markdown() -> Any:
    """The engine, made once: importing it costs more than rendering a page."""
    from xml.etree.ElementTree import Element

    from markdown import Markdown
    from markdown.inlinepatterns import InlineProcessor

    class Autolink(InlineProcessor):
        ANCESTOR_EXCLUDES = ("a",)

        def handleMatch(self, m: re.Match[str], data: str) -> tuple[Element, int, int]:  # type: ignore[override]  # noqa: ARG002, N802
            address = m.group(0).rstrip(".,;:!?'\"*_~")
            if address.endswith(")") and "(" not in address:
                address = address.rstrip(")")
            link = Element("a", href=address)
            link.text = address
            return link, m.start(0), m.start(0) + len(address)

    engine = Markdown(extensions=EXTENSIONS, output_format="html")
    engine.inlinePatterns.register(Autolink(r"(?<![\w\"'=(])https?://[^\s<>\"\]]+", engine), "bare address", 75)
    return engine


@lru_cache(maxsize=64)
def _cleaner(policy: str, base: str) -> Any:
    import nh3

    own = policy == OWN
    return nh3.Cleaner(
        tags=_BLOCKS | _INLINE | _HEADINGS | {"img"} | ({"figure", "figcaption"} if own else set()),
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"} | ({"tel"} if own else set()),
        url_relative=("rewrite_with_base", base),
        link_rel="noopener" if own else "noopener nofollow ugc",
        strip_comments=True,
    )


@lru_cache(maxsize=4096)
def html(markdown: str, policy: str, base: str) -> str:
    """Markdown as safe HTML; relative addresses are read from `base`, the public address of the site.

    Headings begin below `h3`, since an item's own title is one; never an id or a class from outside.
    """
    engine = _markdown()
    engine.reset()
    try:
        rough = engine.convert(plain(markdown))
    except (RecursionError, AssertionError):
        rough = f"<p>{escape(plain(markdown))}</p>"
    clean: str = _cleaner(policy, base).clean(rough)
    clean = re.sub(r"<(/?)h[1-6]>", r"<\1h3>" if policy == OWN else r"<\1h4>", clean)
    clean = re.sub(r"<a(?![^>]* href=)[^>]*>(.*?)</a>", r"\1", clean, flags=re.DOTALL)
    return re.sub(r"<img(?![^>]* alt=)", '<img alt=""', clean)


def words(markdown: str) -> str:
    """What a reader would read: the text of `markdown` on one line, without marks and tags."""
    clean = html(markdown, OFFERED, _NOWHERE)
    apart = re.sub(r"</?(?:p|br|li|ul|ol|h\d|blockquote|pre|hr|d[dlt]|t[dhr]|table|thead|tbody|img)\b[^>]*>", " ", clean)
    return one_line(unescape(re.sub(r"<[^>]*>", "", apart)))


def bare(written: str) -> str:
    """The words of HTML or Markdown without tags and the addresses of links, roughly and quickly: to compare, not to show."""
    return unescape(re.sub(r"<[^>]*>|\]\([^)]*\)", " ", written))


def from_html(html: str, base: str) -> str:
    """HTML from outside as Markdown; relative addresses are read from `base`. What `OFFERED` does not allow is gone."""
    from markdownify import markdownify

    try:
        cleaner = _cleaner(OFFERED, base)
    except ValueError:
        cleaner = _cleaner(OFFERED, _NOWHERE)
    clean: str = cleaner.clean(plain(html))
    try:
        written: str = markdownify(f"<div>{clean}</div>", heading_style="ATX", bullets="-")
    except RecursionError:
        written = bare(clean)
    return re.sub(r"\n{3,}", "\n\n", placing_nothing(written)).strip()


def placing_nothing(markdown: str) -> str:
    """`markdown` in which no line reads as a placement of an edition, wherever it may be copied to."""
    return re.sub(r"(?m)^(?=::)", r"\\", markdown)


def fenced(markdown: str) -> Iterator[tuple[str, bool]]:
    """Each line of `markdown`, and whether it begins or goes on with a block of code, in which nothing means anything."""
    fence = ""
    for line in markdown.split("\n"):
        if mark := re.match(r"\s{0,3}(```|~~~)", line):
            fence = "" if fence == mark[1] else fence or mark[1]
        yield line, bool(fence)


def ends(line: str) -> bool:
    """Whether a line of an edition is `::end`."""
    return bool(re.fullmatch(r"::end\b.*", line))


def gist(markdown: str, limit: int = 160) -> str:
    """The first words of `markdown` without its marks, roughly: for descriptions, where rendering would cost too much."""
    named = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]*>", " ", markdown[: limit * 4]))
    return fit(one_line(re.sub(r"[*_`#>|~]+", "", named)), limit)


def excerpt(markdown: str, limit: int = 200) -> str:
    """The first words of `markdown`, at most `limit` characters, ending at a word."""
    return fit(words(markdown), limit)


def fit(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, cut at a word and marked with an ellipsis where it is cut."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,;:.–-") + "…"


def meeting_room(address: str) -> bool:
    """Whether an address leads straight into a meeting; such links go by mail and never onto a public page (N96)."""
    return bool(_ROOM.search(address))


def reading_minutes(markdown: str) -> int:
    """How long a grown-up reads, at 220 words a minute, at least 1."""
    return max(1, round(len(markdown.split()) / 220))


def slug(text: str, fallback: str = "untitled") -> str:
    """`[a-z0-9-]` made of `text`: accents fall away, the rest becomes hyphens."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:60].strip("-") or fallback
