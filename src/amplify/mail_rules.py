"""The rules of a composed mail (N20 to N67), judged as it would leave, whichever template it was made with.

An error is what cannot be taken back and harms: no way to leave the list, a broken link, active content, a mail that is
clipped. What only reads badly somewhere is a warning. Tokens of `message.fields` stand for addresses of each recipient.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import getaddresses
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from amplify import text
from amplify.errors import Problem
from amplify.model import Message, Place
from amplify.word_rules import advise, refuse

_CLIPPED, _LARGE = 102 * 1024, 90 * 1024
_STYLE = 16 * 1024
_LONGEST_LINE = 998
_BODY_SIZE, _SMALLEST = 16.0, 14.0
_ACTIVE = frozenset(
    ["applet", "base", "button", "embed", "form", "frame", "iframe", "input", "link", "object", "script", "select", "textarea"]
)
_STRIPPED = frozenset(["article", "aside", "footer", "header", "main", "nav", "section"])
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
_WORDS_OF_PROGRAMS = frozenset(["None", "undefined", "null", "nan"])
_RESIDUE = re.compile(r"\{\{|\}\}|\{%|%\}|\{#")
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_LIST_ID = re.compile(r"[^<>]*<[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+>")
_FONT_SIZE = re.compile(r"(?i)(?:^|;)\s*font-size\s*:\s*([\d.]+)(px|pt|em|rem|%)")
_HIDDEN = re.compile(r"(?i)(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all)")
_SOUND = re.compile(r"(?i)\.(?:mp3|m4a|m4b|aac|ogg|opus)(?:[?#].*)?$")
_LISTEN = re.compile(r"(?i)listen(?: now)?(?: \(.*\))?")
_TRANSCRIPT = re.compile(r"(?i)transcript|\.(?:vtt|srt)(?:[?#].*)?$")
_IN_TEXT = re.compile(r"https?://[^\s<>\"]+")
_SPARE = timedelta(minutes=10)
"""How far clocks of two machines may differ (N23)."""


def mail(message: Message, date: datetime | None = None) -> tuple[Problem, ...]:
    """What is wrong with a composed mail that would leave at `date` (None: when it was composed), errors first."""
    at = Place(file=Path(message.publication), line=0)
    html = message.html or ""
    found = [*_headers(at, message, date or message.date), *_parts(at, message)]
    if html:
        page = _Page(html)
        found += [*_weight(at, html, page), *_active(at, page), *_links(at, message, page), *_structure(at, page), *_sizes(at, page)]
        found += _residue(at, message, page)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.severity, one.rule)))


# -- headers -------------------------------------------------------------------------------------------------------


def _headers(at: Place, message: Message, date: datetime) -> Iterator[Problem]:
    """N20 to N30."""
    headers = {name.lower(): value for name, value in message.headers}
    yield from _injected(at, message)
    yield from _sender(at, headers)
    yield from _leaving(at, headers, message.fields)
    if not message.subject.strip():
        yield refuse(at, "N22", "the mail has no subject", "write subject: or title:")
    if message.date.tzinfo is None:
        yield refuse(at, "N23", "the date of the mail has no time zone")
    elif date.tzinfo is not None and message.date > date + _SPARE:
        yield advise(
            at, "N23", f"the mail is dated {message.date:%Y-%m-%d %H:%M}, which is still to come", "set the clock of this computer"
        )
    if not _LIST_ID.fullmatch(headers.get("list-id", "")):
        yield advise(at, "N24", "List-Id is missing or not of the form  Name <list.example.org>", "give the newsletter a plain title")
    if "auto-submitted" in headers:
        yield advise(at, "N28", "Auto-Submitted does not belong into a newsletter")
    if headers.get("content-language", "").lower() != message.language.lower():
        yield advise(at, "N29", f"Content-Language is not {message.language}, the language of the mail")


def _sender(at: Place, headers: dict[str, str]) -> Iterator[Problem]:
    """N20, N21."""
    for name in ("from", "reply-to"):
        found = getaddresses([headers.get(name, "")])
        if name in headers and (len(found) != 1 or not _ADDRESS.fullmatch(found[0][1])):
            yield refuse(at, "N20", f"{name.title()} is {headers[name]!r}, which is no single address", "mend it in amplify.toml")
    if "from" not in headers:
        yield refuse(at, "N20", "the mail names no sender", "write from under [newsletter]")
    if more := {"to", "cc", "bcc"} & headers.keys():
        yield refuse(at, "N21", f"the mail itself has {', '.join(sorted(more))}; each recipient gets a mail of their own")


def _injected(at: Place, message: Message) -> Iterator[Problem]:
    """N29, N30."""
    for name, value in (*message.headers, ("Subject", message.subject)):
        if not re.fullmatch(r"[!-9;-~]+", name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            yield refuse(at, "N30", f"the header {name!r} has a line break or a control character in it", "take it out of the words")
        elif max((len(part.encode()) for part in value.split()), default=0) + len(name) + 2 > _LONGEST_LINE:
            yield refuse(at, "N29", f"the header {name} has a line of more than {_LONGEST_LINE} octets", "make it shorter")


def _leaving(at: Place, headers: dict[str, str], fields: tuple[str, ...]) -> Iterator[Problem]:
    """N25, N27."""
    written = headers.get("list-unsubscribe", "")
    ways = re.findall(r"<([^<>\s]+)>", written)
    if not ways or any(way not in fields and not way.startswith(("https://", "mailto:")) for way in ways):
        yield refuse(at, "N25", "List-Unsubscribe gives no way to leave that mailboxes understand", "it needs <https://…> or <mailto:…>")
    if (post := headers.get("list-unsubscribe-post")) is not None:
        if post.strip() != "List-Unsubscribe=One-Click":
            yield refuse(at, "N25", f"List-Unsubscribe-Post is {post!r}", "it says List-Unsubscribe=One-Click and nothing else")
        if not any(way in fields or way.startswith("https://") for way in ways):
            yield refuse(at, "N27", "leaving with one click is promised, and nothing at an https address answers it", "write [serve] url")


# -- the two parts -------------------------------------------------------------------------------------------------


def _parts(at: Place, message: Message) -> Iterator[Problem]:
    """N35, N36."""
    if not message.text.strip():
        yield refuse(at, "N35", "the mail has no plain text", "mend templates/mail.txt.j2")
    if not (message.html or "").strip():
        yield refuse(at, "N35", "the mail has no HTML", "mend templates/mail.html.j2")
    if found := re.search(r"</(?:p|a|b|i|em|strong|div|span|td|li|h\d)>|<br ?/?>|&(?:nbsp|amp|lt|gt|quot|#\d+);", message.text):
        yield advise(at, "N36", f"the plain text has {found[0]} in it, which is shown as it stands", "write Markdown in place of HTML")


def _weight(at: Place, html: str, page: _Page) -> Iterator[Problem]:
    """N40, N42."""
    size = len(html.encode())
    if size >= _CLIPPED:
        message = f"the mail has {size / 1024:.0f} KB of HTML; Gmail cuts at 102, and the way to leave goes with it"
        yield refuse(at, "N40", message, "let some items stand on the website only")
    elif size > _LARGE:
        yield advise(at, "N40", f"the mail has {size / 1024:.0f} KB of HTML; Gmail cuts at 102", "a shorter letter is read to its end, too")
    if (style := len(page.style.encode())) > _STYLE:
        yield advise(
            at, "N42", f"the style sheet has {style / 1024:.0f} KB; Gmail ignores more than 16", "make templates/mail.html.j2 simpler"
        )
    if re.search(r"(?i)@import|url\(\s*['\"]?http", page.style):
        yield advise(at, "N50", "the style sheet fetches something from elsewhere, which mail programs block")


def _active(at: Place, page: _Page) -> Iterator[Problem]:
    """N46, N47, N50."""
    for tag in sorted(page.tags.keys() & {"audio", "video"}):
        yield refuse(at, "N46", f"<{tag}> does not play in mail programs", "show a picture and a link to the page")
    for tag in sorted(page.tags.keys() & _ACTIVE):
        yield refuse(at, "N50", f"<{tag}> is not for mails: mail programs remove it, and filters suspect it", "take it out")
    for tag in sorted(page.tags.keys() & _STRIPPED):
        yield advise(at, "N47", f"<{tag}> is removed by Gmail and Outlook", "use headings")
    for name in sorted(name for name in page.attributes if name.startswith("on")):
        yield refuse(at, "N50", f"an attribute {name} would run a program", "take it out")


# -- links and pictures --------------------------------------------------------------------------------------------


def _links(at: Place, message: Message, page: _Page) -> Iterator[Problem]:
    """N25, N37, N41, N48, N50, N51, N63, N66, N67."""
    for href, words in page.links:
        shown = text.fit(words or href, 60)
        if re.match(r"#.", href):
            yield advise(
                at, "N48", f"the link {shown!r} leads to a place in the mail itself, which many programs cannot", "link to the web page"
            )
        elif href not in message.fields and not re.match(r"(?i)https?://[^/\s]+|(?:mailto|tel):\S", href):
            wrong = f"the link {shown!r} leads to {text.fit(href, 60)!r}, which is nowhere in a mail"
            yield refuse(at, "N50", wrong, "write the whole address, with https://")
        if not words:
            yield advise(at, "N66", f"the link to {shown} has no words", "write some, or alt on its picture")
    targets = [href for href, _ in page.links]
    if message.fields and not any(token in href for token in message.fields for href in targets):
        yield refuse(at, "N25", "the HTML has no link to leave the list", "templates/mail.html.j2 needs one to {{ unsubscribe }}")
    if message.fields and not any(token in message.text for token in message.fields):
        yield refuse(at, "N25", "the plain text does not say how to leave the list", "templates/mail.txt.j2 needs {{ unsubscribe }}")
    if message.link not in targets:
        yield advise(at, "N51", "no link leads to the same letter on the web", "templates/mail.html.j2 needs one to {{ link }}")
    yield from _agree(at, message, page)
    yield from _pictures(at, page)
    for number, (href, words) in enumerate(page.links):
        heard = _SOUND.search(href) or _LISTEN.fullmatch(words)
        if heard and not any(_TRANSCRIPT.search(f"{other} {beside}") for other, beside in page.links[max(0, number - 1) : number + 3]):
            yield advise(at, "N67", f"no transcript is linked beside {text.fit(words or href, 60)!r}", "give the episode a transcript:")


def _agree(at: Place, message: Message, page: _Page) -> Iterator[Problem]:
    """N37. Of the links in the HTML, those into the own site may be missing in the text: names, pictures, headings."""
    own = urlsplit(message.link).netloc
    plain, rich = unquote(message.text), unquote("\n".join([*(href for href, _ in page.links), *page.words]))
    for href in dict.fromkeys(href for href, _ in page.links):
        if re.match(r"https?://", href) and _netloc(href) != own and unquote(href).rstrip("/") not in plain:
            yield advise(at, "N37", f"the plain text lacks the link {text.fit(href, 80)}", "both parts say the same; filters compare them")
    for found in dict.fromkeys(_IN_TEXT.findall(message.text)):
        if unquote(found).rstrip(".,;:!?)]'*_/") not in rich:
            yield advise(at, "N37", f"the HTML lacks the link {text.fit(found, 80)}", "both parts say the same; filters compare them")


def _netloc(href: str) -> str:
    try:
        return urlsplit(href).netloc
    except ValueError:
        return ""


def _pictures(at: Place, page: _Page) -> Iterator[Problem]:
    """N41, N50, N63."""
    for picture in page.pictures:
        src = picture.get("src", "")
        name = text.fit(src, 60)
        if not re.match(r"(?i)https?://", src):
            yield refuse(at, "N50", f"the picture {name!r} has no address that a mail program can fetch", "put it into assets/")
        elif re.search(r"(?i)\.(?:svg|webp|avif|tiff?)(?:[?#].*)?$", src):
            yield advise(at, "N41", f"the picture {name} is of a kind that some mail programs do not show", "save it as JPEG, PNG or GIF")
        if "alt" not in picture:
            yield advise(at, "N63", f"the picture {name} has no alt", 'write alt="…", or alt="" where it only decorates')
        if not any(picture.get(side, "").isdigit() for side in ("width", "height")):
            yield advise(at, "N41", f"the picture {name} has no size, so the letter jumps while it loads", "write its width and height")


# -- how it is built -----------------------------------------------------------------------------------------------


def _structure(at: Place, page: _Page) -> Iterator[Problem]:
    """N60, N61, N62."""
    yield from _headed(at, page)
    for table in page.tables:
        layout = table.attributes.get("role") == "presentation"
        if not layout and not table.heads:
            yield advise(at, "N62", "a table that only arranges things is read out as a table", 'write role="presentation"')
        elif layout and table.heads:
            yield advise(at, "N62", "a table for layout has headings of columns in it", "take the role or the headings out")
        elif layout and any(table.attributes.get(name) != "0" for name in ("border", "cellpadding", "cellspacing")):
            yield advise(at, "N62", "a table for layout has no border, cellpadding and cellspacing of 0", "write all three")


def _headed(at: Place, page: _Page) -> Iterator[Problem]:
    """N60, N61."""
    if not page.root.get("lang") or page.root.get("dir") not in {"ltr", "rtl", "auto"}:
        yield advise(at, "N60", "<html> does not say its language and direction", "write lang and dir")
    if not page.languages:
        yield advise(
            at, "N60", "nothing inside <body> says its language; some mail programs keep only what is there", "write lang on a wrapper"
        )
    if not page.title.strip():
        yield advise(at, "N61", "the mail has no <title>", "write one")
    if page.headings.count(1) != 1:
        yield advise(at, "N61", f"the mail has {page.headings.count(1)} headings of level 1", "one, the title of the edition")
    for before, level in zip(page.headings, page.headings[1:], strict=False):
        if level > before + 1:
            yield advise(at, "N61", f"a heading of level {level} follows one of level {before}", "leave no level out")


def _sizes(at: Place, page: _Page) -> Iterator[Problem]:
    """N65."""
    shown = page.sizes
    if not shown:
        return
    usual = max(shown, key=lambda size: (shown[size], size))
    if usual < _BODY_SIZE:
        yield advise(at, "N65", f"most of the mail is set in {usual:g} pixels", "16 and more can be read on a telephone")
    if min(shown) < _SMALLEST:
        yield advise(at, "N65", f"some words are set in {min(shown):g} pixels", f"{_SMALLEST:g} is small enough for anything")


def _residue(at: Place, message: Message, page: _Page) -> Iterator[Problem]:
    """N92: what a template left behind. In code that somebody quotes, it is meant."""
    code = "".join(page.code)
    seen = [found[0] for words in (*page.words, message.subject) if (found := _RESIDUE.search(words))]
    seen += [mark for mark in dict.fromkeys(_RESIDUE.findall(message.text)) if mark not in code]
    lines = {line.strip() for line in (*page.words, *message.text.splitlines(), message.subject)}
    seen += sorted(lines & _WORDS_OF_PROGRAMS)
    links = [href for href, _ in page.links] + [picture.get("src", "") for picture in page.pictures]
    seen += [word for word in links if word.rpartition("/")[2] in _WORDS_OF_PROGRAMS]
    for mark in dict.fromkeys(seen):
        yield advise(at, "N92", f"{text.fit(mark, 60)} is left in the mail", "a template did not fill it, or somebody wrote it")


# -- HTML taken apart ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Table:
    attributes: dict[str, str]
    heads: bool = False


@dataclass(slots=True)
class _Open:
    """An element that is not closed yet, and how its words are shown."""

    tag: str
    size: float
    hidden: bool
    code: bool


class _Page(HTMLParser):
    """A mail's HTML: its `links` as (address, words), `words` outside code, `sizes` as letters by pixels, and so on."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.root: dict[str, str] = {}
        self.languages: set[str] = set()
        self.links: list[tuple[str, str]] = []
        self.pictures: list[dict[str, str]] = []
        self.tables: list[_Table] = []
        self.headings: list[int] = []
        self.sizes: Counter[float] = Counter()
        self.words: list[str] = []
        self.code: list[str] = []
        self.title = self.style = ""
        self._open: list[_Open] = []
        self._tables: list[_Table] = []
        self._href: str | None = None
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        self.attributes |= given.keys()
        if tag == "html":
            self.root = given
        elif given.get("lang") and self._open:
            self.languages.add(given["lang"])
        self._note(tag, given)
        if tag not in _VOID:
            self._open.append(self._styled(tag, given.get("style", "")))

    def _note(self, tag: str, given: dict[str, str]) -> None:
        if tag == "a" and "href" in given:
            self._href, self._inside = given["href"], []
        elif tag == "img":
            self.pictures.append(given)
            self._inside.append(given.get("alt", ""))
        elif tag == "table":
            self._tables.append(_Table(given))
            self.tables.append(self._tables[-1])
        elif tag in {"th", "caption"} and self._tables:
            self._tables[-1].heads = True
        elif re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def _styled(self, tag: str, style: str) -> _Open:
        around = self._open[-1] if self._open else _Open("", _BODY_SIZE, hidden=False, code=False)
        size = around.size
        if found := _FONT_SIZE.search(style):
            scale = {"px": 1.0, "pt": 4 / 3, "em": around.size, "rem": _BODY_SIZE, "%": around.size / 100}
            size = round(float(found[1]) * scale[found[2].lower()], 1)
        hidden = around.hidden or bool(_HIDDEN.search(style)) or tag in {"head", "script"}
        return _Open(tag, size, hidden=hidden, code=around.code or tag in {"code", "pre"})

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._href is not None:
            self.links.append((self._href, text.one_line("".join(self._inside))))
            self._href = None
        elif tag == "table" and self._tables:
            self._tables.pop()
        if any(one.tag == tag for one in self._open):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        around = self._open[-1] if self._open else None
        if around and around.tag == "title":
            self.title += data
        elif around and around.tag == "style":
            self.style += data
        elif around and not around.hidden and data.strip():
            self._inside.append(data)
            (self.code if around.code else self.words).append(data)
            self.sizes[around.size] += len(data.strip())
