"""Deciding on the inbox: what an accepted offer becomes as a file, and the rules that decide without a person.

Accepting writes the file first and the record after, under an id that follows from where the offer came from: a run that is killed
in between and runs again finds the file and makes no second one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from amplify import identity, media, text
from amplify.cache import digest, write_whole
from amplify.config import Plugged, Rule
from amplify.errors import AmplifyError
from amplify.inbox import Filter, Inbox
from amplify.model import Content, Contribution, Item, Kind, Media, Member, Offer, Slug

FOLDER = "contributions"
PICTURES = "assets/offered"
"""Where pictures are that came with what was accepted."""
_KEPT = re.compile(rf"{re.escape(media.OFFERED)}/([0-9a-f]{{32}}\.(?:jpg|png|webp))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Who decides, when, and over what."""

    inbox: Inbox
    content: Content
    root: Path
    zone: ZoneInfo
    base: str
    who: str
    now: datetime

    def accept(self, item: Item, *, section: str = "", kind: Kind | None = None, consent: bool | None = None, licence: str = "") -> Path:
        """Write the contribution and remember that; its file, relative to the community. Raises AmplifyError where it cannot be."""
        if item.state == "accepted":
            raise AmplifyError(f'"{item.offer.title}" was accepted already: {FOLDER}/{item.slug}.md. Nothing was done.')
        offer = item.offer
        consent = offer.consent if consent is None else consent
        item = replace(item, offer=replace(offer, kind=kind or offer.kind, licence=licence or offer.licence, consent=consent))
        page = self.page(item, section=section).encode()
        identifier = identity.contribution(*self.inbox.origin(item.id))
        there = next((one.slug for one in self.content.contributions.values() if one.id == identifier), None)
        slug = there or self._free(item.offer)
        if not there:
            self._bring(item.offer)
            write_whole(self._file(slug), page)
        self.inbox.decide(item, "accepted", self.who, self.now, slug=slug, written=digest(page))
        return Path(FOLDER) / f"{slug}.md"

    def reject(self, item: Item, reason: str) -> None:
        """Not this one; it stays known, so that it is not offered again. Raises AmplifyError for what is accepted."""
        self._undecided(item)
        self.inbox.decide(item, "rejected", self.who, self.now, reason=reason)

    def hold(self, item: Item, until: datetime, reason: str = "") -> None:
        """Not now; it is new again on that day. Raises AmplifyError for a day that is over, and for what is accepted."""
        self._undecided(item)
        if until <= self.now:
            raise AmplifyError(f"{until.astimezone(self.zone):%Y-%m-%d} is over. Nothing was done.\n  Name a day that is to come.")
        self.inbox.decide(item, "held", self.who, self.now, reason=reason, until=until)

    def edit(self, item: Item, *, title: str, body: str, kind: Kind, author: str) -> None:
        """What it says from now on, as Markdown. Raises AmplifyError for what is accepted: its file is edited instead."""
        if item.state == "accepted":
            raise AmplifyError(f'"{item.offer.title}" is a file of yours now. Nothing was done.\n  Edit {FOLDER}/{item.slug}.md')
        title, body = text.one_line(title), text.plain(body.replace("\r\n", "\n")).strip()
        if not title:
            raise AmplifyError("It needs a title. Nothing was changed.")
        same = body == markdown(item.offer, self.base)
        said = {} if same else {"body": body, "form": "markdown", "media": tuple(one for one in item.offer.media if _shows(body, one))}
        offer: Offer = replace(item.offer, title=title, kind=kind, author=text.one_line(author), **said)  # type: ignore[arg-type]
        if offer != item.offer:
            self.inbox.edit(item, offer, self.who, self.now)

    def merge(self, item: Item, into: Item) -> None:
        """Both are one thing, which is `into`; it keeps what it says. Raises AmplifyError where `item` is accepted, or is `into`."""
        self._undecided(item)
        if item.id == into.id:
            raise AmplifyError("These are one thing already. Nothing was done.")
        self.inbox.merge(item, into, self.who, self.now)

    def take_over(self, item: Item) -> None:
        """Say what is said there now, in the file as well. Raises AmplifyError where the file has words of your own."""
        if item.news is None:
            raise AmplifyError(f'"{item.offer.title}" was not changed there. Nothing was done.')
        news = item.news
        offer = replace(item.offer, title=news.title, body=news.body, form=news.form, url=news.url, kind=news.kind, media=news.media)
        written = self._rewrite(item, offer) if item.state == "accepted" else ""
        self.inbox.edit(item, offer, self.who, self.now, "took over what was changed there", written)

    def leave(self, item: Item) -> None:
        """It stays as it is, whatever was changed there."""
        self.inbox.edit(item, item.offer, self.who, self.now, "left as it was", item.written)

    def undo(self, item: Item) -> Item:
        """Take the last decision back. Raises AmplifyError where there is none, or where the file was edited since."""
        before = self.inbox.before(item.id)
        if before is None:
            raise AmplifyError(f'Nothing was decided about "{item.offer.title}" yet.')
        if item.state == "accepted" and before.state != "accepted":
            self._take_away(item)
        elif item.state == "accepted" and item.offer != before.offer:
            self._rewrite(item, before.offer)
        undone = self.inbox.undo(item, self.who, self.now)
        assert undone is not None  # noqa: S101 - there was a decision
        return undone

    def _undecided(self, item: Item) -> None:
        if item.state == "accepted":
            raise AmplifyError(f'"{item.offer.title}" was accepted: take {FOLDER}/{item.slug}.md away, or undo it first. Nothing was done.')

    def _take_away(self, item: Item) -> None:
        file = self._file(item.slug)
        placed = [one.at.file.as_posix() for one in self.content.editions.values() if _places(one.body, item.slug)]
        if placed:
            raise AmplifyError(
                f"{FOLDER}/{item.slug}.md stands in {', '.join(placed)}. Nothing was done.\n  Take its line out there first."
            )
        if file.exists() and digest(file.read_bytes()) != item.written:
            raise AmplifyError(
                f"{FOLDER}/{item.slug}.md has words of yours in it. Nothing was done.\n  Remove the file yourself, then undo it again."
            )
        file.unlink(missing_ok=True)
        self._drop(item)

    def _rewrite(self, item: Item, offer: Offer) -> str:
        """Put into the file what `offer` says, where it still says what the item does; the digest that stands for untouched."""
        file = self._file(item.slug)
        page = file.read_bytes().decode("utf-8", "surrogateescape") if file.exists() else ""
        front, end, body = page.partition("\n---\n")
        if body.strip() != markdown(item.offer, self.base).strip():
            raise AmplifyError(
                f"{FOLDER}/{item.slug}.md has words of yours in it. Nothing was done.\n  Put the change in yourself, then leave it here."
            )
        own = digest(file.read_bytes()) != item.written
        for key in ("title", "kind", "url"):
            old, new = _line(key, getattr(item.offer, key)), _line(key, getattr(offer, key))
            front = "\n".join(new if line == old else line for line in front.split("\n"))
        anew = f"{front}{end}{markdown(offer, self.base)}\n".encode("utf-8", "surrogateescape")
        self._drop(item)
        self._bring(offer)
        write_whole(file, anew)
        return "" if own else digest(anew)

    def _bring(self, offer: Offer) -> None:
        """Put the pictures that were kept with an offer where files show them."""
        for kept, name in _kept(offer):
            if (waiting := self.root / kept.path).exists():
                write_whole(self.root / PICTURES / name, waiting.read_bytes())

    def _drop(self, item: Item) -> None:
        """Take them away again, but for those that other contributions show."""
        others = "".join(one.body for one in self.content.contributions.values() if one.slug != item.slug)
        for _, name in _kept(item.offer):
            if name not in others:
                (self.root / PICTURES / name).unlink(missing_ok=True)

    # -- the file ------------------------------------------------------------------------------------------------------

    def _file(self, slug: str) -> Path:
        return self.root / FOLDER / f"{slug}.md"

    def _free(self, offer: Offer) -> Slug:
        wanted = text.slug(offer.title)
        taken = {*self.content.contributions, *(path.stem for path in (self.root / FOLDER).glob("*.md"))}
        names = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3)))
        return next(Slug(name) for name in names if name not in taken)

    def page(self, item: Item, *, section: str = "") -> str:
        """The file that accepting an item writes."""
        offer, identifier = item.offer, identity.contribution(*self.inbox.origin(item.id))
        member = recognised(offer, self.content.members)
        day = f"{offer.offered.astimezone(self.zone):%Y-%m-%d %H:%M}" if offer.offered else ""
        front: dict[str, object] = {
            "id": identifier, "title": offer.title, "kind": str(offer.kind), "author": member or offer.author, "url": offer.url,
            "date": day, "source": item.sources[0] if item.sources else "", "licence": offer.licence, "tags": list(offer.tags),
            "section": section, "answers": self._answered(offer.reply_to) if offer.reply_to else "",
        }  # fmt: skip
        lines = [_line(key, value) for key, value in front.items() if value]
        if offer.consent is not None:
            lines.append(f"consent: {{name: {json.dumps(offer.consent)}}}")
        return "\n".join(["---", *lines, "---", markdown(offer, self.base), ""])

    def _answered(self, reply_to: str) -> str:
        known = identity.canonical(reply_to)
        return next((one.slug for one in self.content.contributions.values() if known and identity.canonical(one.url) == known), "")


def markdown(offer: Offer, base: str) -> str:
    """What an offer says, as Markdown in which no line places anything."""
    if offer.form == "html":
        return _with_media(text.from_html(offer.body, offer.url or base), offer)
    body = offer.body if offer.form == "markdown" else "\n\n".join(part.strip() for part in offer.body.split("\n\n"))
    return _with_media(text.placing_nothing(body).strip(), offer)


def _with_media(body: str, offer: Offer) -> str:
    """What an offer says with the pictures that were kept, where it shows them or else below; what is elsewhere is a link."""
    for kept, name in _kept(offer):
        body = re.sub(rf"\]\([^()\s]*{re.escape(kept.path)}\b", f"]({PICTURES}/{name}", body)
    shown = [f"![{_label(one.alt)}]({PICTURES}/{name})" for one, name in _kept(offer) if f"({PICTURES}/{name}" not in body]
    links = [one for one in offer.media if re.fullmatch(r"https?://[^\s<>]+", one.path) and one.path not in body]
    named = [f"[{_label(one.alt or one.path.rstrip('/').rpartition('/')[2])}](<{one.path}>)" for one in links]
    return "\n\n".join(filter(None, [body, *shown, *named]))


def _kept(offer: Offer) -> Iterator[tuple[Media, str]]:
    """The pictures of an offer that wait on this computer, each with its name there."""
    for one in offer.media:
        if found := _KEPT.fullmatch(one.path):
            yield one, found[1]


def _shows(body: str, one: Media) -> bool:
    found = _KEPT.fullmatch(one.path)
    return (f"{PICTURES}/{found[1]}" if found else one.path) in body


def _label(words: str) -> str:
    return re.sub(r"[\[\]\\<>`*_]+", " ", text.one_line(words)).strip()


def recognised(offer: Offer, members: Mapping[Slug, Member]) -> Slug | None:
    """The member whose handle, page or whole name the author has."""
    known = {identity.handle(one) for one in (offer.handle, offer.author) if one}
    for slug, member in members.items():
        mine = {*map(identity.handle, member.handles.values()), identity.handle(member.url or ""), identity.handle(member.name)} - {""}
        if known & mine:
            return slug
    return None


def _line(key: str, value: object) -> str:
    return f"{key}: {json.dumps(value, ensure_ascii=False)}"


def _places(body: Iterable[object], slug: str) -> bool:
    return any(getattr(part, "what", "") == "contribution" and getattr(part, "argument", "") == slug for part in body)


# -- rules ---------------------------------------------------------------------------------------------------------


def ruled(item: Item, source: Plugged | None, rules: Iterable[Rule]) -> Rule | None:
    """The first rule that applies to a new item; `trust = true` of its source is the last of them."""
    for rule in rules:
        if _applies(rule, item):
            return rule
    return Rule(then="accept", source=source.name) if source and source.trust else None


def _applies(rule: Rule, item: Item) -> bool:
    offer = item.offer
    site = identity.canonical(offer.url).partition("/")[0]
    said = f"{offer.title}\n{text.bare(offer.body)}".casefold()
    return (
        (not rule.source or rule.source in item.sources)
        and (not rule.kind or rule.kind == offer.kind)
        and (not rule.author or rule.author.casefold() in (offer.author.casefold(), offer.handle.casefold()))
        and (not rule.site or site == rule.site.casefold() or site.endswith(f".{rule.site.casefold()}"))
        and (not rule.words or any(word.casefold() in said for word in rule.words))
    )


def carried_out(reviewer: Reviewer, item: Item, rule: Rule) -> None:
    """Do what a rule of the settings says, in its name."""
    by_rule = replace(reviewer, who=f"rule: {rule.reason or rule.then}")
    if rule.then == "accept":
        by_rule.accept(item, section=rule.section)
    elif rule.then == "reject":
        by_rule.reject(item, rule.reason or "a rule in amplify.toml")


def known_by(contributions: Iterable[Contribution]) -> Iterator[tuple[str, str]]:
    """From what each contribution is known by (id, canonical address) to its slug."""
    for one in contributions:
        yield one.id, one.slug
        if address := identity.canonical(one.url):
            yield address, one.slug


def named(inbox: Inbox, name: str) -> Item:
    """The item of that number, or whose title begins so. Raises AmplifyError for none, and for several."""
    found = (inbox.item(int(name)),) if name.isascii() and name.isdigit() else inbox.items(Filter(words=name, limit=20))
    items = [one for one in found if one]
    items = [one for one in items if one.offer.title.casefold().startswith(name.casefold())] or items
    items = [one for one in items if one.offer.title.casefold() == name.casefold()] or items
    if not items:
        raise AmplifyError(f"Nothing in the inbox is called {name!r}.\n  See all:  amplify review --list")
    if len(items) > 1:
        several = "".join(f"\n  {one.id}  {one.offer.title}" for one in items)
        raise AmplifyError(f"Several things in the inbox are called {name!r}; name one by its number:{several}")
    return items[0]
