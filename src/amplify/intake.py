"""From the sources to the contributions: gathering and reviewing, outside a publish."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from hashlib import blake2b

from amplify import gather as gathering
from amplify import instances, pipeline, registry, review
from amplify.errors import AmplifyError, DeliveryError, Unreadable
from amplify.gather import Gathered
from amplify.glance import glance
from amplify.inbox import Filter, Inbox
from amplify.model import Content, Item, Kind, Offer
from amplify.pipeline import Community
from amplify.review import Reviewer

BY_HAND = "by hand"
"""The source of what reached an organiser directly."""
_TITLE = 120
"""Characters of a first line that can stand as a title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What gathering came to: each source, and by item number what a rule of the settings decided."""

    sources: tuple[Gathered, ...]
    ruled: dict[int, str]

    @property
    def complete(self) -> bool:
        """Whether every source did its part."""
        return not any(one.failure for one in self.sources)


def gather(community: Community, names: Sequence[str], progress: Callable[[str, int, int], None]) -> Intake:
    """Run the sources (those named, else all), fill the inbox, and let the rules decide. Raises FolderError for wrong settings."""
    settings = community.settings
    if unknown := set(names) - {one.name for one in settings.source}:
        possible = ", ".join(one.name for one in settings.source) or "none yet; amplify.toml has no [[source]]"
        raise AmplifyError(f"There is no source called {', '.join(sorted(unknown))}. Nothing was gathered.\n  Possible:  {possible}")
    if not settings.source:
        return Intake(sources=(), ruled={})
    kinds = registry.load(settings.root, settings.disable, {table.plugin for table in settings.source})
    founts = instances.sources(settings, kinds, pipeline.lending(community))
    wanted = [one for one in founts if not names or one.name in names]
    reviewer = reviewing(community)
    accepted = dict(review.known_by(reviewer.content.contributions.values()))
    reviewer.inbox.wake(community.clock())
    found = gathering.gather(wanted, reviewer.inbox, community.clock, accepted, progress, gathering.SECONDS)
    return Intake(sources=found, ruled=_ruled(community, reviewer, found, {one.name for one in wanted if one.anyone}))


def _ruled(community: Community, reviewer: Reviewer, found: Sequence[Gathered], anyone: Set[str]) -> dict[int, str]:
    """What the rules decided. None accepts what comes from where anybody can write under any name: a sender is a hint (X07)."""
    tables = {one.name: one for one in community.settings.source}
    decided: dict[int, str] = {}
    for result in found:
        for number in result.items["new"]:
            item = reviewer.inbox.item(number)
            rule = review.ruled(item, tables[result.source], community.settings.rule) if item and item.state == "new" else None
            if item and rule and not (rule.then == "accept" and result.source in anyone):
                review.carried_out(reviewer, item, rule)
                decided[number] = rule.then
    return decided


def reviewing(community: Community, content: Content | None = None) -> Reviewer:
    """Who is at this computer, deciding over this inbox now; `content` where the folder was read already."""
    if content is None:
        content, _ = pipeline.check(community)
    settings = community.settings.community
    return Reviewer(
        inbox=Inbox(community.store), content=content, root=community.settings.root, zone=settings.zone, base=settings.url, who=_me(),
        now=community.clock(),
    )  # fmt: skip


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "someone at this computer"


def add(community: Community, what: str, author: str = "", kind: Kind | None = None) -> Item:
    """Put one thing that reached an organiser into the inbox: an address or some words. The item, new or known."""
    words = what.strip()
    address = words if words.startswith(("http://", "https://")) and len(words.split()) == 1 else None
    identifier = blake2b(words.encode("utf-8", "replace"), digest_size=8).hexdigest()
    said = _seen(community, address) if address else _told(words)
    kind = kind or (Kind.RESOURCE if address else Kind.ARTICLE)
    offer = Offer(
        id=identifier, title=said["title"], body=said["about"], form="text", kind=kind, url=address, author=author or said["author"],
        offered=community.clock(),
    )  # fmt: skip
    reviewer = reviewing(community)
    accepted = dict(review.known_by(reviewer.content.contributions.values()))
    found = reviewer.inbox.receive(BY_HAND, [gathering.usable(offer)], None, community.clock(), accepted)
    number = next(number for numbers in found.values() for number in numbers)
    item = reviewer.inbox.item(number)
    assert item is not None  # noqa: S101 - it has just been received
    return item


def _told(words: str) -> dict[str, str]:
    """Words by hand: a first line that is short is the title."""
    first, _, rest = words.partition("\n")
    return {"title": first, "about": rest.strip(), "author": ""} if len(first) <= _TITLE else {"title": "", "about": words, "author": ""}


def _seen(community: Community, address: str) -> dict[str, str]:
    """What a page says of itself; where it cannot be had, its address has to do."""
    try:
        got = community.http.get(address)
        kind, _, charset = got.headers.get("content-type", "").lower().partition("charset=")
        said: dict[str, str] = community.apart(glance, got.content, charset.strip("\"' ;")) if "html" in kind else {}
    except (DeliveryError, Unreadable):
        said = {}
    return {"about": "", "author": ""} | said | {"title": said.get("title") or address}


def waiting(community: Community) -> int:
    """How many things nobody decided about yet."""
    return Inbox(community.store).count(Filter(states=("new",)))


def listed(community: Community, *, everything: bool) -> tuple[tuple[Item, ...], int]:
    """What waits, the newest first, and how many there are in all; with `everything` also what is decided."""
    inbox = Inbox(community.store)
    wanted = Filter(states=() if everything else ("new",), limit=1_000_000 if everything else 50)
    return inbox.items(wanted), inbox.count(wanted)
