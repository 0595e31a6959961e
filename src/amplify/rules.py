"""Every rule of mail and feeds, checked before anything leaves. Pure; nothing here mends anything.

`advice` judges the folder: what `amplify check` says beyond what loading finds. `mail` judges a composed mail as it would
leave. A warning is advice; an error stops a publish, so only what is public, or would leave now, can be one.

The rules lie in four modules: those of editions, events and settings here, the words in `word_rules`, podcasts in
`feed_rules`, composed mails in `mail_rules`.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from email.utils import getaddresses, parseaddr
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from amplify import calendar, feed_rules, text, times, vault
from amplify.config import Plugged, Settings
from amplify.errors import Problem
from amplify.mail_rules import mail
from amplify.model import Content, Contribution, Edition, Event, Heading, Media, Place, Placement, Prose, Slug
from amplify.secret import SOUNDS_SECRET
from amplify.word_rules import ProofReader, advise, alt_wrong, matters, out, refuse, runs_together, visible

__all__ = ["advice", "mail"]

_SETTINGS = Place(file=Path("amplify.toml"), line=0)
_NOT_YET = "not-yet.example.org"
"""The host that a new community has instead of its own."""
_EXAMPLES = re.compile(r"(?:.*\.)?(?:example(?:\.(?:com|net|org|edu))?|invalid|test)")
_ADDRESS = re.compile(r"[^@\s<>\"(),:;\\\[\]]+@[^@\s<>\"(),:;\\\[\]]+")
_WITH_PASSWORD = re.compile(r"\w+://[^/@\s:]*:[^/@\s]+@")
_ANSWER = re.compile(r"(?i)\s*(?:re|fwd?|aw|wg|sv|vs|antw|tr|rv)\s*:")
_SLUG = re.compile(r"[a-z0-9]*[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_NOBODY = frozenset(["anonymous", "anon", "unknown", "nobody", "none"])
_LONGEST_SUBJECT, _PREHEADER = 60, range(40, 91)
_LARGEST_PICTURE = 200_000
_YEAR = timedelta(days=400)
_QUOTED = 100
"""Words of what was gathered that may be printed as a quotation is; what is longer needs a licence, or a yes."""


def advice(content: Content, settings: Settings, now: datetime) -> tuple[Problem, ...]:
    """What is worth mending at `now` in the folder and its settings, errors first."""
    desk = _Desk(content=content, settings=settings, now=now, window=settings.publish.window, proof=ProofReader.of(content, settings))
    found = [*_settings(settings), *desk.editions(), *desk.events(), *feed_rules.podcasts(content, settings, now, desk.proof)]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.severity, one.file, one.line, one.rule)))


# -- amplify.toml --------------------------------------------------------------------------------------------------


def _settings(settings: Settings) -> Iterator[Problem]:
    yield from _sender(settings)
    yield from _placeholders(settings)
    for what, tables in (("channel", settings.channel), ("source", settings.source)):
        for table in tables:
            yield from _secrets(what, table)
    for tag in settings.community.hashtags:
        if runs_together(tag.lstrip("#")):
            message = f"hashtags: {tag} is read out as one long word"
            yield advise(_SETTINGS, "N66", message, "begin each word with a capital letter, like ChalkAndCircuit")


def _sender(settings: Settings) -> Iterator[Problem]:
    """N20, N70, N74."""
    newsletter = settings.newsletter
    if newsletter is None:
        return
    found = getaddresses([newsletter.sender])
    if len(found) != 1 or not _ADDRESS.fullmatch(found[0][1]) or re.match(r'[^"<]*[,;:@\[\]\\][^"<]*<', newsletter.sender):
        message = f"from is {newsletter.sender!r}, which mail servers do not take for one sender"
        yield refuse(_SETTINGS, "N20", message, "write it like The Circuit <news@example.org>, the name without , ; : @")
    if newsletter.reply_to and not _ADDRESS.fullmatch(parseaddr(newsletter.reply_to)[1]):
        message = f"reply_to is {newsletter.reply_to!r}, which is no mail address"
        yield refuse(_SETTINGS, "N20", message, "write the address of a mailbox that somebody reads, or take the line out")
    if not newsletter.postal_address.strip():
        message = "[newsletter] has no postal_address; the law of many countries asks for one in each mail"
        yield advise(_SETTINGS, "N74", message, 'write postal_address = "…", where letters reach you')


def _placeholders(settings: Settings) -> Iterator[Problem]:
    """C18. Where the site is not asked for (`verify_site = false`), example addresses are meant."""
    if not settings.publish.verify_site:
        return
    newsletter, community = settings.newsletter, settings.community
    written = [("community.url", urlsplit(community.url).hostname), ("community.contact", _domain(community.contact))]
    written += (
        [("newsletter.from", _domain(newsletter.sender)), ("newsletter.reply_to", _domain(newsletter.reply_to))] if newsletter else []
    )
    written += [("podcast.owner", _domain(show.owner.email)) for show in settings.podcast if show.owner]
    written += [("serve.url", urlsplit(settings.serve.url).hostname)]
    names = [name for name, host in written if host and _EXAMPLES.fullmatch(host)]
    if urlsplit(community.url).hostname == _NOT_YET:
        message = f"community.url is still {community.url}, where nothing is and nothing can be"
        yield advise(_SETTINGS, "C18", message, "write the address of your website before anything leaves")
    elif names:
        message = f"{', '.join(names)}: made-up addresses, which lead nowhere"
        yield advise(_SETTINGS, "C18", message, "write your own before anything leaves")


def _domain(address: str) -> str:
    return parseaddr(address)[1].rpartition("@")[2].lower()


def _secrets(what: str, table: Plugged) -> Iterator[Problem]:
    """C17. The value itself is never shown."""
    for key, value in table.options.items():
        named = isinstance(value, str) and SOUNDS_SECRET.fullmatch(key) and value and not vault.is_reference(value)
        if named or (isinstance(value, str) and _WITH_PASSWORD.match(value)):
            message = f"{what} {table.name!r}: {key} holds a secret that everybody with this file can read"
            remedy = "write env:NAME, file:PATH or keyring:SERVICE/NAME and keep the secret there"
            yield advise(replace(_SETTINGS, line=table.line), "C17", message, remedy)


# -- editions and events -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """Where editions are read before they go."""

    content: Content
    settings: Settings
    now: datetime
    window: timedelta
    proof: ProofReader

    def editions(self) -> Iterator[Problem]:
        """Of every edition that still matters."""
        subjects: Mapping[str, list[Edition]] = defaultdict(list)
        for one in self.content.editions.values():
            subjects[one.subject.casefold()].append(one)
        for one in self.content.editions.values():
            if matters(one, self.now, self.window):
                if self.settings.newsletter:
                    yield from self._envelope(one, subjects[one.subject.casefold()])
                yield from self._words(one)
                yield from self._sections(one)
                yield from self._placed(one)

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.settings.community.zone).date()

    def _goes(self, one: Edition) -> datetime:
        """When an edition is read first."""
        return one.date if out(one, self.now) else max(one.date, self.now)

    def _envelope(self, one: Edition, same: list[Edition]) -> Iterator[Problem]:
        """N22, N51, N97: what stands in a list of mails."""
        if (long := visible(one.subject)) > _LONGEST_SUBJECT:
            message = f"the subject has {long} characters; most mailboxes show {_LONGEST_SUBJECT}"
            yield advise(one.at, "N22", message, "say the rest in the preheader")
        if _ANSWER.match(one.subject):
            message = f"the subject {text.fit(one.subject, 40)!r} pretends to be an answer"
            yield advise(one.at, "N22", message, "take that word out: it makes people distrust you, and spam filters too")
        if before := [other for other in same if (other.date, other.slug) < (one.date, one.slug)]:
            last = max(before, key=lambda other: other.date)
            yield advise(one.at, "N97", f"the subject is that of {last.at.file.as_posix()}", "write one for this edition")
        if not one.preheader:
            yield advise(one.at, "N51", "there is no preheader", "write 40 to 90 characters that go on where the subject ends")
        elif visible(one.preheader) not in _PREHEADER:
            message = f"the preheader has {visible(one.preheader)} characters; 40 to 90 fill the line in a list of mails"
            yield advise(
                one.at, "N51", message, "write a little more" if visible(one.preheader) < _PREHEADER.start else "write a little less"
            )

    def _words(self, one: Edition) -> Iterator[Problem]:
        """The organiser's own words, and the picture."""
        day = self._day(one.date)
        subject = one.subject if one.subject != one.title else ""
        fields = (("the title", one.title), ("the subject", subject), ("the preheader", one.preheader), ("the summary", one.summary))
        for what, words in (*fields, *((f"announce.{name}", words) for name, words in one.announce.items())):
            yield from self.proof.plain(one.at, what, words, day)
        for part in one.body:
            if isinstance(part, Prose):
                yield from self.proof.markdown(one.at, "the text", part.markdown, day)
            elif isinstance(part, Heading):
                yield from self.proof.plain(one.at, "a heading", part.text, day)
        if one.image:
            yield from self._picture(one.at, one.image)

    def _picture(self, at: Place, image: Media) -> Iterator[Problem]:
        """N41, N95."""
        if wrong := alt_wrong(image.alt):
            yield advise(at, "N95", f"the image {wrong}", "write alt: and what the picture shows")
        asset = self.content.assets.get(PurePosixPath(image.path))
        if asset and asset.size > _LARGEST_PICTURE:
            message = f"the image weighs {asset.size / 1000:.0f} KB; in a mail 200 KB are enough"
            yield advise(at, "N41", message, "save it smaller, about 1200 pixels wide")

    def _sections(self, one: Edition) -> Iterator[Problem]:
        """N94."""
        for number, part in enumerate(one.body):
            if isinstance(part, Heading) and not self._holds(one, part.level, one.body[number + 1 :]):
                message = f"the section {text.fit(part.text, 60)!r} is empty, so it is left out"
                yield advise(one.at, "N94", message, "put something into it, or take the heading out")

    def _holds(self, one: Edition, level: int, following: tuple[Heading | Prose | Placement, ...]) -> bool:
        for part in following:
            if isinstance(part, Heading):
                if part.level <= level:
                    return False
            elif isinstance(part, Prose) or not any(self._missing(one, part)):
                return True
        return False

    # -- what an edition places ----------------------------------------------------------------------------------------

    def _placed(self, one: Edition) -> Iterator[Problem]:
        for part in one.body:
            if isinstance(part, Placement):
                yield from self._missing(one, part)
                if part.what == "contribution" and (given := self.content.contributions.get(Slug(part.argument))):
                    yield from self._given(one, given)

    def _missing(self, one: Edition, part: Placement) -> Iterator[Problem]:
        """C16, N93: what is there, and yet left out."""
        at, goes = Place(file=one.at.file, line=part.line), self._goes(one)
        event = self.content.events.get(Slug(part.argument))
        given = self.content.contributions.get(Slug(part.argument))
        if part.what == "contribution" and given and (because := self._left_out(given, goes, gone=out(one, self.now))):
            yield advise(at, "C16", f"{given.title!r} {because}, so it is left out", "take the line out")
        elif part.what == "event" and event and not calendar.occurrences(event, goes, goes + _YEAR, 1):
            message = f"{event.title!r} is over before this edition goes, so it is left out"
            yield advise(at, "N93", message, "take the line out, or mend the date of the event")
        elif part.what == "events":
            yield from self._dates(at, goes, part.argument)
        elif part.what == "episode":
            yield from self._episode(at, goes, part.argument)

    def _dates(self, at: Place, goes: datetime, days: str) -> Iterator[Problem]:
        first, last = times.span(times.parse_days(days), self.settings.community.zone)
        if last <= goes:
            yield advise(at, "N93", f"{days} is over before this edition goes", "write the days that are to come")
        elif not any(calendar.occurrences(event, first, last, 1) for event in self.content.events.values()):
            yield advise(at, "N93", f"nothing takes place in {days}, so no dates are shown", "mend the days, or take the line out")

    def _episode(self, at: Place, goes: datetime, name: str) -> Iterator[Problem]:
        show, _, slug = name.rpartition("/")
        episode = self.content.episodes.get((show, Slug(slug)))
        if episode and (episode.draft or episode.date > goes):
            because = "is a draft" if episode.draft else "comes later than this edition"
            yield advise(at, "C16", f"{episode.title!r} {because}, so it is left out", f"mend {episode.at.file.as_posix()}, or wait for it")

    def _left_out(self, one: Contribution, moment: datetime, *, gone: bool) -> str:
        """Why an edition that goes at `moment` does not show `one`, or ""; what changes after it has `gone` is no mistake in it."""
        if one.withdrawn and not (gone and one.withdrawn > moment):
            return "is withdrawn"
        if one.embargo and one.embargo > moment:
            return f"is held back until {self._day(one.embargo)}"
        return f"ended on {self._day(one.expires)}" if one.expires and one.expires <= moment else ""

    def _given(self, edition: Edition, one: Contribution) -> Iterator[Problem]:
        """C19, N76 and the words of what somebody gave."""
        member = Slug(one.author) in self.content.members
        if _SLUG.fullmatch(one.author) and not member and one.author not in _NOBODY:
            close = difflib.get_close_matches(one.author, self.content.members, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"write members/{one.author}.md, or the name as it is to be read"
            yield advise(one.at, "C19", f"author is {one.author!r}, and there is no such member", remedy)
        elif one.author and not member and one.consent.name is None and not edition.draft:
            message = f"{one.author} is named, and nobody has noted whether that is all right"
            yield advise(one.at, "N76", message, "ask, then write consent: {name: true}, or name: false to leave the name out")
        if one.provenance and not one.licence and not edition.draft and len(one.body.split()) > _QUOTED:
            message = "somebody else's text is printed, and nobody has noted whether it may be"
            yield advise(one.at, "N76", message, "ask, then write licence: and what they answered, like CC BY 4.0")
        day = self._day(edition.date)
        yield from self.proof.plain(one.at, "the title", one.title, day)
        yield from self.proof.markdown(one.at, "the text", one.body, day, text.OFFERED)

    # -- events --------------------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Problem]:
        """Of the pages of events to come."""
        for one in self.content.events.values():
            if one.rrule or one.start + one.duration > self.now:
                yield from self._event(one)

    def _event(self, one: Event) -> Iterator[Problem]:
        day = self._day(max(one.start, self.now) if one.rrule else one.start)
        fields: tuple[tuple[str, Any], ...] = (("the title", one.title), ("theme", one.theme), ("place", one.where))
        for what, words in (*fields, *(("a question", question) for question in one.questions)):
            yield from self.proof.plain(one.at, what, words, day)
        yield from self.proof.markdown(one.at, "the text", one.body, day)
