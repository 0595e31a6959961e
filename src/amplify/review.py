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
from amplify.cache import write_whole
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
        identifier = identity.contribution(*self.inbox.origin(item.id))
        there = next((one.slug for one in self.content.contributions.values() if one.id == identifier), None)
        slug = there or self._free(item.offer)
        if not there:
            consent = item.offer.consent if consent is None else consent
            offer = replace(item.offer, kind=kind or item.offer.kind, licence=licence or item.offer.licence, consent=consent)
            file = self.root / FOLDER / f"{slug}.md"
            for kept, name in _kept(offer):
                if (waiting := self.root / kept.path).exists():
                    write_whole(self.root / PICTURES / name, waiting.read_bytes())
            write_whole(file, self._page(offer, identifier, item.sources[0] if item.sources else "", section).encode())
        self.inbox.decide(item, "accepted", self.who, self.now, slug=slug)
        return Path(FOLDER) / f"{slug}.md"

    def reject(self, item: Item, reason: str) -> None:
        """Not this one; it stays known, so that it is not offered again. Raises AmplifyError for what is accepted."""
        if item.state == "accepted":
            raise AmplifyError(f'"{item.offer.title}" was accepted: take {FOLDER}/{item.slug}.md away, or undo it first. Nothing was done.')
        self.inbox.decide(item, "rejected", self.who, self.now, reason=reason)

    def hold(self, item: Item, until: datetime, reason: str = "") -> None:
        """Not now; it is new again on that day."""
        self.inbox.decide(item, "held", self.who, self.now, reason=reason, until=until)

    def undo(self, item: Item) -> Item:
        """Take the last decision back. Raises AmplifyError where there is none, or where the file was edited since."""
        if item.state == "accepted" and item.slug and (self.root / FOLDER / f"{item.slug}.md").exists():
            self._take_away(item)
        undone = self.inbox.undo(item, self.who, self.now)
        if undone is None:
            raise AmplifyError(f'Nothing was decided about "{item.offer.title}" yet.')
        return undone

    def _take_away(self, item: Item) -> None:
        placed = [one.at.file.as_posix() for one in self.content.editions.values() if _places(one.body, item.slug)]
        if placed:
            raise AmplifyError(
                f"{FOLDER}/{item.slug}.md stands in {', '.join(placed)}. Nothing was done.\n  Take its line out there first."
            )
        (self.root / FOLDER / f"{item.slug}.md").unlink()
        others = "".join(one.body for one in self.content.contributions.values() if one.slug != item.slug)
        for _, name in _kept(item.offer):
            if name not in others:
                (self.root / PICTURES / name).unlink(missing_ok=True)

    # -- the file ------------------------------------------------------------------------------------------------------

    def _free(self, offer: Offer) -> Slug:
        wanted = text.slug(offer.title)
        taken = {*self.content.contributions, *(path.stem for path in (self.root / FOLDER).glob("*.md"))}
        names = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3)))
        return next(Slug(name) for name in names if name not in taken)

    def _page(self, offer: Offer, identifier: str, source: str, section: str) -> str:
        member = recognised(offer, self.content.members)
        day = f"{offer.offered.astimezone(self.zone):%Y-%m-%d %H:%M}" if offer.offered else ""
        front: dict[str, object] = {
            "id": identifier, "title": offer.title, "kind": str(offer.kind), "author": member or offer.author, "url": offer.url,
            "date": day, "source": source, "licence": offer.licence, "tags": list(offer.tags), "section": section,
            "answers": self._answered(offer.reply_to) if offer.reply_to else "",
        }  # fmt: skip
        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items() if value]
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
    items = [one for one in items if one.offer.title.casefold() == name.casefold()] or items
    if not items:
        raise AmplifyError(f"Nothing in the inbox is called {name!r}.\n  See all:  amplify review --list")
    if len(items) > 1:
        several = "".join(f"\n  {one.id}  {one.offer.title}" for one in items)
        raise AmplifyError(f"Several things in the inbox are called {name!r}; name one by its number:{several}")
    return items[0]
