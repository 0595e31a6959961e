"""Proof-reading: what a careful person would see in the words before they leave (N22, N52, N66, N76, N90, N92, N95, N96).

All of it is advice. Only what matters now is read: drafts, and what is due, to come or still news.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from html.parser import HTMLParser
from urllib.parse import urlsplit

from amplify import text
from amplify.config import Settings
from amplify.errors import Problem
from amplify.model import Content, Edition, Episode, Member, Place

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_MONTH = "(" + "|".join([*_MONTHS, "Sept", *(name[:3] for name in _MONTHS)]) + r")\b\.?"
_DATED = re.compile(
    r"\b(Mon(?:day)?|Tue(?:s|sday)?|Wed(?:s|nesday)?|Thu(?:r|rs|rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)\b\.?,?\s+(?:the\s+)?"
    rf"(?:(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}|{_MONTH}\s+(\d{{1,2}})(?:st|nd|rd|th)?(?![\d:.]))(?:,?\s+(\d{{4}})\b(?!\s*h(?:(?:ou)?rs?)?\b))?"
)
_ALSO_MEANT = timedelta(days=240)
"""A day without its year is the nearest one; another year's is possible as well if it is no further away than this."""
_LEFT_IN = re.compile(
    r"\bTODO\b|\bFIXME\b|\bXXX+\b|(?i:\blorem ipsum\b)|\|[A-Z][A-Z_:]+\||\{%"
    r"|\[(?i:link|url|name|date|time|title|place|picture|photo|image|your\s[^\]\n]{1,40}|insert\b[^\]\n]{0,40})\]"
    r"|(?<![\\\w}$^])\{\{?\s*[A-Za-z_][\w. -]{0,40}\}?\}"
)
_NO_TARGET = re.compile(r"\]\(\s*#?\s*\)")
_ROOM = re.compile(
    r"(?i)zoom\.us/(?:j|my|w|s)/|teams\.(?:microsoft|live)\.com/(?:l/meetup-join|meet)|meet\.google\.com/[a-z]{3}-|webex\.com/(?:meet|join|[\w.-]+/j\.php)"
    r"|\b(?:passcode|meeting ID|access code)\b(?:\s*[:=]\s*[^\s:=]|\s+(?:is\s+)?[^\s\d.]{0,12}\d)"
)
_SHORTENERS = frozenset([
    "bit.ly", "bitly.com", "buff.ly", "cutt.ly", "dlvr.it", "goo.gl", "is.gd", "lnkd.in", "ow.ly", "rb.gy", "rebrand.ly", "shorturl.at",
    "t.co", "t.ly", "tiny.cc", "tinyurl.com", "trib.al", "v.gd",
])  # fmt: skip
_SAYS_NOTHING = frozenset(["here", "click here", "click", "tap here", "press here", "this", "this link", "link", "more", "read more"])
_SHOWN_HOST = re.compile(r"(?i)(https?://)?(www\.)?((?:[a-z0-9-]+\.)+([a-z]{2,}))(?:[/:?#]\S*)?")
_ENDINGS = re.compile(r"(?i)com|org|net|edu|gov|info|io|co|uk|ie|eu|de|fr|nl|us|ca|au|nz|app|dev|me|tv|social|site|online|example")
_HASHTAG = re.compile(r"(?<![\w&/#.])#([A-Za-z]\w{2,})")
_SEVERAL_WORDS = 16
"""Letters of a hashtag that is hardly one word."""
_FILE_NAME = re.compile(r"(?i)\S+\.(?:jpe?g|png|gif|webp|avif|heic)")
_INLINE = frozenset(["a", "abbr", "b", "cite", "del", "em", "i", "kbd", "q", "s", "small", "strong", "sub", "sup"])


def advise(at: Place, rule: str, message: str, remedy: str = "") -> Problem:
    """A warning at `at`."""
    return Problem(file=at.file.as_posix(), line=at.line, rule=rule, message=message, remedy=remedy, severity="warning")


def refuse(at: Place, rule: str, message: str, remedy: str = "") -> Problem:
    """An error at `at`: it stops a publish."""
    return replace(advise(at, rule, message, remedy), severity="error")


def out(one: Edition | Episode, now: datetime) -> bool:
    """Whether `one` is public."""
    return not one.draft and one.date <= now


def matters(one: Edition | Episode, now: datetime, window: timedelta) -> bool:
    """Whether `one` is a draft, to come, due or still news; the archive went out long ago."""
    return one.draft or now - one.date <= window


def visible(words: str) -> int:
    """How many characters people see: without accents that stand alone, joiners and marks of direction (N22)."""
    return sum(unicodedata.category(letter) not in {"Mn", "Me", "Cf"} for letter in unicodedata.normalize("NFC", words))


@dataclass(frozen=True, kw_only=True)
class ProofReader:
    """Reads words in the light of one community: `base` is its address, `members` those who are not to be named in full."""

    base: str
    hashtags: Mapping[str, str]
    members: Mapping[str, Member]

    @classmethod
    def of(cls, content: Content, settings: Settings) -> ProofReader:
        """The reader for a folder."""
        community = settings.community
        shy = {text.one_line(one.name): one for one in content.members.values() if one.name.strip() and _is_shy(one)}
        tags = {tag.lstrip("#").casefold(): tag.lstrip("#") for tag in community.hashtags}
        return cls(base=community.url.rstrip("/") + "/", hashtags=tags, members=shy)

    def plain(self, at: Place, what: str, words: str, day: date) -> Iterator[Problem]:
        """What to mend in `words`, which `what` names and which are read on `day`."""
        if not words:
            return
        yield from weekdays(at, what, words, day)
        for left in dict.fromkeys(found[0] for found in _LEFT_IN.finditer(words)):
            yield advise(at, "N92", f"{what} still has {left} in it", "write what belongs there, or take it out")
        if _ROOM.search(words):
            yield _open_room(at, what)
        yield from self._hashtags(at, what, words)
        for name in self._names(words):
            wish = "wants no name" if self.members[name].credit == "anonymous" else "wants the first name only"
            yield advise(at, "N76", f"{what} names {name}, who {wish}", "take the name out, or ask again and change the member's file")

    def markdown(self, at: Place, what: str, source: str, day: date, policy: str = text.OWN) -> Iterator[Problem]:
        """The same for Markdown, its links and its pictures."""
        page = _Page(text.html(source, policy, self.base)) if source else _Page("")
        yield from self.plain(at, what, page.words, day)
        for href, words in page.links:
            yield from self._link(at, what, href, words, source)
        if any(_ROOM.search(href) for href, _ in page.links) and not _ROOM.search(page.words):
            yield _open_room(at, what)
        for src, alt in page.pictures:
            if wrong := alt_wrong(alt):
                name = text.fit(src.removeprefix(self.base), 60)
                yield advise(at, "N95", f"{what}: the picture {name} {wrong}", "write what it shows: ![A bench at dusk](…)")

    def _link(self, at: Place, what: str, href: str, words: str, source: str) -> Iterator[Problem]:
        shown, target = text.fit(words, 60), href.removeprefix(self.base)
        if target.casefold() in {"link", "url", "todo", "xxx"} or (target in {"", "#"} and _NO_TARGET.search(source)):
            yield advise(at, "N92", f"{what}: the link {shown!r} leads nowhere", "put its address between the round brackets")
        try:
            host = (urlsplit(href).hostname or "").removeprefix("www.")
        except ValueError:
            host = ""
        if host in _SHORTENERS:
            message = f"{what} links through {host}; spam filters distrust addresses that hide where they lead"
            yield advise(at, "N52", message, "write the whole address; the words of the link can be short")
        if other := _other_host(words, host):
            yield advise(
                at, "N52", f"{what} shows {other} and leads to {host}, as false mails do", "let the words say where the link leads"
            )
        if words.casefold().strip(" .!>»→…") in _SAYS_NOTHING:
            message = f"{what} has a link that only says {shown!r}; who hears the links read out does not learn where it leads"
            yield advise(at, "N66", message, "make the words that name the thing the link")

    def _hashtags(self, at: Place, what: str, words: str) -> Iterator[Problem]:
        for tag in dict.fromkeys(_HASHTAG.findall(words)):
            known = self.hashtags.get(tag.casefold(), tag)
            better = tag if known.islower() else known
            if better != tag or runs_together(tag):
                remedy = f"write #{better}" if better != tag else "begin each word with a capital letter"
                yield advise(at, "N66", f"{what}: #{tag} is read out as one long word", remedy)

    @cached_property
    def _known(self) -> re.Pattern[str]:
        return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, self.members)) + r")(?!\w)")

    def _names(self, words: str) -> list[str]:
        return list(dict.fromkeys(self._known.findall(text.one_line(words)))) if self.members else []


def _is_shy(member: Member) -> bool:
    return member.credit == "anonymous" or (member.credit == "first name" and len(member.name.split()) > 1)


def runs_together(hashtag: str) -> bool:
    """Whether `hashtag` is surely several words in small letters (N66)."""
    return hashtag.islower() and len(hashtag) >= _SEVERAL_WORDS


def alt_wrong(alt: str) -> str:
    """What is wrong with the words for those who do not see a picture (N95), or ""."""
    if not alt.strip():
        return "has no words for those who do not see it"
    return f"is described as {text.fit(alt, 40)!r}, which is a file's name" if _FILE_NAME.fullmatch(alt.strip()) else ""


def _open_room(at: Place, what: str) -> Problem:
    message = f"{what} lets anybody join a meeting: these words stand on a public page as well"
    return advise(at, "N96", message, "write the link as url: in the event's file; it is shown in the mail only")


def _other_host(words: str, host: str) -> str:
    """The host that the words of a link show, where it is another than `host`."""
    found = _SHOWN_HOST.fullmatch(words.strip())
    if not found or not host or not (found[1] or found[2] or _ENDINGS.fullmatch(found[4])):
        return ""
    shown = found[3].lower()
    return "" if host == shown or host.endswith("." + shown) else shown


# -- days ----------------------------------------------------------------------------------------------------------


def weekdays(at: Place, what: str, words: str, day: date) -> Iterator[Problem]:
    """Days of the week that are not those of their dates (N90); a date without its year is near `day`."""
    for found in dict.fromkeys(match.group(0, 1, 2, 3, 4, 5, 6) for match in _DATED.finditer(words)):
        shown, weekday, first, month, us_month, second, year = found
        which = next(number for number, name in enumerate(_MONTHS, 1) if name[:3] == (month or us_month)[:3])
        meant = _meant(int(first or second), which, int(year) if year else None, day)
        if not meant:
            yield advise(at, "N90", f"{what} says {text.one_line(shown)!r}, and there is no such day", "mend the date")
        elif all(_DAYS[one.weekday()][:3] != weekday[:3] for one in meant):
            message = f"{what} says {text.one_line(shown)!r}, which is a {_DAYS[meant[0].weekday()]} in {meant[0].year}"
            yield advise(at, "N90", message, "mend the day or the date")


def _meant(number: int, month: int, year: int | None, day: date) -> list[date]:
    """The days that may be meant, the likeliest first."""
    years = (day.year - 1, day.year, day.year + 1) if year is None else (year,)
    every = sorted((one for each in years if (one := _date(each, month, number))), key=lambda one: abs(one - day))
    return every[:1] + [one for one in every[1:] if abs(one - day) <= _ALSO_MEANT]


def _date(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


# -- Markdown as readers see it ------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """Sanitised HTML taken apart: `words` outside code, `links` as (address, words), `pictures` as (address, alt)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.pictures: list[tuple[str, str]] = []
        self._parts: list[str] = []
        self._code = 0
        self._href: str | None = None
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    @property
    def words(self) -> str:
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._code += tag in {"code", "pre"}
        if tag == "a":
            self._href, self._inside = given.get("href", ""), []
        elif tag == "img":
            self.pictures.append((given.get("src", ""), given.get("alt", "")))
            self._inside.append(given.get("alt", ""))
        if tag not in _INLINE:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in {"code", "pre"}
        if tag == "a" and self._href is not None:
            self.links.append((self._href, text.one_line("".join(self._inside))))
            self._href = None
        if tag not in _INLINE:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        self._inside.append(data)
        self._parts.append(" " if self._code else data)
