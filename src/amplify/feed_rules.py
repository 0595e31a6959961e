"""The rules of podcast feeds (F20 to F85) that an organiser can keep or break.

What Amplify writes by itself, and does right, is not asked again here. An error is what directories refuse, in a podcast
that has a public episode; for a draft, and for a podcast without one, it is advice. Artwork that is still to come is advice
as well: the website and most apps do without, and one enters a podcast into a directory later.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from amplify import media, text, times
from amplify.config import Podcast, Settings
from amplify.errors import Problem
from amplify.model import Content, Episode, Place
from amplify.word_rules import ProofReader, advise, matters, out, refuse

_SETTINGS = Place(file=Path("amplify.toml"), line=0)
_CATEGORIES: Mapping[str, str] = {
    "Arts": "Books, Design, Fashion & Beauty, Food, Performing Arts, Visual Arts",
    "Business": "Careers, Entrepreneurship, Investing, Management, Marketing, Non-Profit",
    "Comedy": "Comedy Interviews, Improv, Stand-Up",
    "Education": "Courses, How To, Language Learning, Self-Improvement",
    "Fiction": "Comedy Fiction, Drama, Science Fiction",
    "Government": "",
    "History": "",
    "Health & Fitness": "Alternative Health, Fitness, Medicine, Mental Health, Nutrition, Sexuality",
    "Kids & Family": "Education for Kids, Parenting, Pets & Animals, Stories for Kids",
    "Leisure": "Animation & Manga, Automotive, Aviation, Crafts, Games, Hobbies, Home & Garden, Video Games",
    "Music": "Music Commentary, Music History, Music Interviews",
    "News": "Business News, Daily News, Entertainment News, News Commentary, Politics, Sports News, Tech News",
    "Religion & Spirituality": "Buddhism, Christianity, Hinduism, Islam, Judaism, Religion, Spirituality",
    "Science": "Astronomy, Chemistry, Earth Sciences, Life Sciences, Mathematics, Natural Sciences, Nature, Physics, Social Sciences",
    "Society & Culture": "Documentary, Personal Journals, Philosophy, Places & Travel, Relationships",
    "Sports": "Baseball, Basketball, Cricket, Fantasy Sports, Football, Golf, Hockey, Rugby, Running, Soccer, Swimming, Tennis, "
    "Volleyball, Wilderness, Wrestling",
    "Technology": "",
    "True Crime": "",
    "TV & Film": "After Shows, Film History, Film Interviews, Film Reviews, TV Reviews",
}
"""Apple's categories and sub-categories (F24): podcasters.apple.com/support/1691-apple-podcasts-categories."""
_LANGUAGES = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu "
    "fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn "
    "ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os "
    "pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw "
    "ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu "
)
"""ISO 639-1 (F23)."""
_TYPES = frozenset(["audio/mpeg", "audio/x-m4a", "audio/m4a", "audio/mp4", "video/mp4", "video/x-m4v", "video/m4v", "video/quicktime"])
"""What an enclosure may be (F62)."""
_NUMBERED = re.compile(r"(?i)\s*#?\d{1,4}\s*(?:[:.)|]|[-–—])\s+\S|\s*#\d|.*\b(?:episode|ep\.?|s\d{1,2}\s?e)\s*#?\d")
_LONGEST = 4000
"""Bytes of a description (F21, F66)."""
_SLOWEST, _FASTEST = 48, 320
"""Kilobits a second of a recording (F85), with room for speech in one channel."""


def podcasts(content: Content, settings: Settings, now: datetime, proof: ProofReader) -> Iterator[Problem]:
    """What is worth mending in every podcast of the community."""
    window = settings.publish.window
    for show in settings.podcast:
        episodes = [one for one in content.episodes.values() if one.show == show.slug]
        live = any(out(one, now) for one in episodes)
        yield from (one if live else replace(one, severity="warning") for one in _show(show, settings, content))
        yield from _together(show, sorted(episodes, key=lambda one: (one.date, one.slug)), now)
        for one in episodes:
            if matters(one, now, window):
                found = (*_episode(one, show, settings), *_words(one, settings, proof))
                yield from (problem if out(one, now) else replace(problem, severity="warning") for problem in found)


# -- the show ------------------------------------------------------------------------------------------------------


def _show(show: Podcast, settings: Settings, content: Content) -> Iterator[Problem]:
    name = f"the podcast {text.fit(show.title, 40)!r}"
    yield from _named(show, name, settings)
    yield from _category(show, name)
    yield from _artwork(show, name, settings, content)
    if show.owner is None:
        message = f"{name} names no owner; Spotify and YouTube mail the owner a code before they list it"
        yield advise(_SETTINGS, "F30", message, 'write owner = { name = "…", email = "…" }')
    elif "@" not in show.owner.email:
        yield advise(_SETTINGS, "F30", f"{name}: the owner's email is {show.owner.email!r}", "write an address like podcast@example.org")
    if show.guid and not _is_uuid(show.guid):
        message = f"{name}: guid is {text.fit(show.guid, 60)!r}, which is no podcast:guid"
        yield advise(_SETTINGS, "F36", message, "copy it from the feed that you bring along, or take the line out")


def _named(show: Podcast, name: str, settings: Settings) -> Iterator[Problem]:
    """F20 to F23, F29."""
    if not show.title.strip():
        yield refuse(_SETTINGS, "F20", "a podcast has no title", 'write title = "…"')
    elif len(show.title) > 100 or "|" in show.title:
        message = f"{name} has more in its title than its name; Apple removes podcasts for that"
        yield advise(_SETTINGS, "F20", message, "put everything but the name into the description")
    if (size := len(show.description.encode())) > _LONGEST:
        yield refuse(_SETTINGS, "F21", f"{name}: the description has {size:,} bytes; directories take {_LONGEST:,}", "make it shorter")
    elif not show.description.strip():
        yield advise(_SETTINGS, "F21", f"{name} has no description, so that of the community stands there", 'write description = "…"')
    if not settings.community.url.startswith("https://"):
        yield advise(_SETTINGS, "F22", f"{name}: {settings.community.url} is not https, which directories ask for", "write https:// in url")
    language = show.language or settings.community.language
    first = language.lower().partition("-")[0]
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", language) or (len(first) == 2 and first not in _LANGUAGES.split()):
        yield refuse(_SETTINGS, "F23", f"{name}: {language!r} is no language that directories know", "write one like en-GB")
    if not (show.author.strip() or settings.community.name.strip()):
        yield advise(_SETTINGS, "F29", f"{name} names no author, which Spotify asks for", 'write author = "…"')


def _category(show: Podcast, name: str) -> Iterator[Problem]:
    """F24. Names are compared as Apple does, letter by letter."""
    first, *further = [part.strip() for part in show.category.split(">")]
    known = {main: tuple(filter(None, subs.split(", "))) for main, subs in _CATEGORIES.items()}
    if first in known and (not further or further in [[sub] for sub in known[first]]):
        return
    every = {sub.lower(): f"{main} > {sub}" for main, subs in known.items() for sub in subs} | {main.lower(): main for main in known}
    every |= {whole.lower(): whole for whole in every.values()}
    wanted = (f"{first} > {further[0]}" if further else first).lower()
    last = (further[-1] if further else first).lower()
    close = difflib.get_close_matches(wanted, every, n=1) or difflib.get_close_matches(last, every, n=1)
    remedy = f'write category = "{every[close[0]]}"' if close else f"write one of {', '.join(known)}"
    yield refuse(_SETTINGS, "F24", f"{name}: Apple knows no category {show.category!r}", remedy)


def _artwork(show: Podcast, name: str, settings: Settings, content: Content) -> Iterator[Problem]:
    """F26, F27."""
    where = show.artwork.lstrip("/")
    if not where:
        remedy = 'put a square JPEG or PNG of 1400 to 3000 pixels into assets/ and write artwork = "assets/artwork.jpg"'
        yield advise(_SETTINGS, "F26", f"{name} has no artwork; no directory takes a podcast without it", remedy)
    elif re.match(r"https?://", where):
        if not re.search(r"(?i)\.(jpe?g|png)$", urlsplit(where).path):
            yield advise(_SETTINGS, "F26", f"{name}: the address of the artwork does not end in .jpg or .png", "use one that does")
    elif PurePosixPath(where) not in content.assets:
        beside = "" if where.startswith("assets/") else ", and only what is in assets/ goes online"
        yield refuse(_SETTINGS, "F26", f"{name}: there is no artwork {where}{beside}", "put the picture there, or mend the name")
    else:
        yield from _judged(_SETTINGS, "F26", f"{name}: {where}", settings.root / where)


def _judged(at: Place, rule: str, name: str, file: Path) -> Iterator[Problem]:
    """What directories refuse in the artwork `file`; its weight is only advice (F27)."""
    remedy = "save it as a square JPEG of 1400 to 3000 pixels, RGB, without transparency"
    try:
        picture = media.picture(file)
    except media.MediaError as error:
        yield refuse(at, rule, f"{name} {error}", remedy)
        return
    refused = media.artwork_problems(replace(picture, size=0), file.suffix)
    for words in media.artwork_problems(picture, file.suffix):
        if words in refused:
            yield refuse(at, rule, f"{name} {words}", remedy)
        else:
            yield advise(at, "F27", f"{name} {words}", "save it with a little less quality")


def _is_uuid(written: str) -> bool:
    try:
        return str(UUID(written)) == written.lower()
    except ValueError:
        return False


# -- all episodes of a show: they are in the feed for ever ---------------------------------------------------------


class _Same(NamedTuple):
    """What no two episodes of a feed may have in common."""

    rule: str
    what: str
    remedy: str


_GUID = _Same("F64", "the guid", "give the newer one a guid of its own, and never change that of the older one")
_RECORDING = _Same("F63", "the recording", "Apple shows only one of them: put the newer recording at an address of its own")


def _together(show: Podcast, episodes: list[Episode], now: datetime) -> Iterator[Problem]:
    """F63, F64, F71 and two of one number; of two, the later one is told."""
    for same, pairs in ((_GUID, ((one.guid, one) for one in episodes)), (_RECORDING, _elsewhere(episodes))):
        for one, other in _repeated(pairs):
            message = f"has {same.what} of {other.at.file.as_posix()}"
            yield _softened(refuse(one.at, same.rule, message, same.remedy), one, now)
    for one, other in _repeated(((one.season, one.number), one) for one in episodes if one.type == "full" and one.number):
        message = f"is number {one.number}, like {other.at.file.as_posix()}"
        yield advise(one.at, "F71", message, "count on, or give one of them a season of its own")
    for one in episodes:
        if show.type == "serial" and one.type == "full" and not one.number:
            message = f"has no number, and {show.title!r} is told in order (serial)"
            yield _softened(refuse(one.at, "F71", message, "write number: and count from 1"), one, now)


def _elsewhere(episodes: Iterable[Episode]) -> Iterator[tuple[object, Episode]]:
    return ((one.audio.address, one) for one in episodes if one.audio.source is None)


def _repeated(pairs: Iterable[tuple[object, Episode]]) -> Iterator[tuple[Episode, Episode]]:
    seen: dict[object, Episode] = {}
    for value, one in pairs:
        if value in seen:
            yield one, seen[value]
        seen.setdefault(value, one)


def _softened(problem: Problem, one: Episode, now: datetime) -> Problem:
    return problem if out(one, now) else replace(problem, severity="warning")


# -- one episode ---------------------------------------------------------------------------------------------------


def _episode(one: Episode, show: Podcast, settings: Settings) -> Iterator[Problem]:
    yield from _titled(one, show)
    if (size := len(one.summary.encode())) > _LONGEST:
        yield refuse(one.at, "F66", f"the summary has {size:,} bytes; directories take {_LONGEST:,}", "put the rest below, into the notes")
    elif not one.summary and not one.notes:
        yield advise(one.at, "F66", "says nothing about itself", "write summary: and what one hears")
    if one.audio.type not in _TYPES:
        yield refuse(one.at, "F62", f"the recording is {one.audio.type}, which Apple does not take", "save it as MP3 or M4A")
    yield from _sound(one)
    if one.artwork and "://" not in one.artwork.path:
        yield from _judged(one.at, "F69", f"artwork: {one.artwork.path}", settings.root / one.artwork.path)
    if one.transcript is None:
        message = "has no transcript; who cannot hear it, and who searches, is left out"
        yield advise(one.at, "F75", message, "write transcript: and the name of a .vtt file")
    yield from _chapters(one)
    for bite in one.soundbites:
        if not 15 <= bite.duration <= 120:
            message = f"the soundbite at {times.clock(bite.start)} lasts {bite.duration:.0f} seconds; apps show 15 to 120"
            yield advise(one.at, "F80", message, "make it longer" if bite.duration < 15 else "make it shorter")


def _titled(one: Episode, show: Podcast) -> Iterator[Problem]:
    """F60, F72."""
    if _NUMBERED.match(one.title):
        message = f"the title {text.fit(one.title, 60)!r} has a number in it, which apps show by themselves"
        yield advise(one.at, "F60", message, "write number: and take it out of the title")
    if one.type != "trailer" and _repeats(one.title, show.title):
        message = f"the title repeats the name {show.title!r}, which stands beside it everywhere"
        yield advise(one.at, "F60", message, "begin with the words that tell this one from the others")
    if one.type == "full" and (found := re.search(r"(?i)\b(trailer|teaser|bonus)\b", one.title)):
        kind = "bonus" if found[1].lower() == "bonus" else "trailer"
        yield advise(one.at, "F72", f"the title says {found[1]!r}, and the type is full", f"write type: {kind}, if it is one")


def _repeats(title: str, name: str) -> bool:
    """Whether a title has the show's name in it; a name of one word counts at an end only, set off by a mark."""
    if len(name.split()) > 1:
        return bool(re.search(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", title))
    return bool(name and re.search(rf"(?i)^\s*{re.escape(name)}\s*[:|–—-]|[:|–—-]\s*{re.escape(name)}\s*$", title))


def _sound(one: Episode) -> Iterator[Problem]:
    """F68, F85, from what is known of the file."""
    if one.audio.duration <= 0:
        yield advise(one.at, "F68", "the recording lasts 0 seconds", "write its true duration, like 28:10")
        return
    rate = one.audio.length * 8 / one.audio.duration / 1000
    if one.audio.type.startswith("audio/") and not _SLOWEST <= rate <= _FASTEST:
        words = "sounds thin" if rate < _SLOWEST else "takes long to fetch and sounds no better for it"
        message = f"the recording has {rate:.0f} kbit a second, which {words}"
        yield advise(one.at, "F85", message, "export it again with 96 to 128 for speech, in one channel")


def _chapters(one: Episode) -> Iterator[Problem]:
    """F77, F78."""
    shown = [chapter for chapter in one.chapters if chapter.toc]
    if not shown:
        return
    if shown[0].start > 0:
        message = f"the first chapter begins at {times.clock(shown[0].start)}"
        yield advise(one.at, "F77", message, 'begin with one at "0:00", else some apps show none')
    if len(shown) < 3:
        yield advise(
            one.at, "F78", f"has {len(shown)} chapter{'s' * (len(shown) > 1)}; Apple shows three and more", "add some, or leave them out"
        )
    if len(shown) > max(6, 6 * one.audio.duration / 3600):
        yield advise(
            one.at, "F78", f"has {len(shown)} chapters; about 6 an hour can be taken in", "keep those that somebody would look for"
        )
    if long := [chapter.title for chapter in shown if len(chapter.title.split()) > 4]:
        yield advise(
            one.at, "F78", f"the chapter {text.fit(long[0], 60)!r} has a long title; apps show about four words", "make it shorter"
        )


def _words(one: Episode, settings: Settings, proof: ProofReader) -> Iterator[Problem]:
    """The proof-reading of a title, a summary, the announcements and the notes."""
    day = one.date.astimezone(settings.community.zone).date()
    fields = (
        ("the title", one.title),
        ("the summary", one.summary),
        *((f"announce.{name}", words) for name, words in one.announce.items()),
    )
    for what, words in fields:
        yield from proof.plain(one.at, what, words, day)
    yield from proof.markdown(one.at, "the notes", one.notes, day)
