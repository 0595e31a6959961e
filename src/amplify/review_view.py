"""What the desk of `amplify review` shows: a list with its filters, an item as it would look, what was changed there since. Values only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from difflib import SequenceMatcher
from html import unescape
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from amplify import draft, records
from amplify.config import Settings
from amplify.frontmatter import split
from amplify.inbox import Filter, Inbox
from amplify.model import Choice, Contribution, Item, ItemState, Kind, Member, Offer, Provenance, Slug
from amplify.pages import Views
from amplify.reading import Reading
from amplify.render import Renderer
from amplify.review import FOLDER, PICTURES, Reviewer, markdown, recognised
from amplify.select import Selection

_STATES: Mapping[str, tuple[ItemState, ...]] = {
    "new": ("new",), "held": ("held",), "accepted": ("accepted",), "rejected": ("rejected",), "changed": (), "all": (),
}  # fmt: skip
"""What may stand in the address, and the states that it means; `changed` is what has news."""
WORDS: Mapping[ItemState, str] = {"new": "waiting", "held": "held", "accepted": "accepted", "rejected": "left out"}
"""The states in the words of the screen."""
_PAGE = 50
_AROUND = (4, 24)
"""Rows of the list above and below the item that is shown."""
_LATER = timedelta(days=14)
_PICTURE = re.compile(r'<img(?:\s+(?!src="/)[\w-]+="[^"]*")*\s*/?>')
"""A picture from elsewhere: the address of one that is kept on this computer is a path."""
_MOST_WORDS = 3000
"""Words up to which a change is shown word by word."""
_CONTEXT = 12
LICENCES = ("CC BY 4.0", "CC BY-SA 4.0", "CC BY-NC 4.0", "CC0", "all rights reserved, printed with permission")


# -- which items ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody looks through, as it stands in the address."""

    state: str = "new"
    kind: str = ""
    source: str = ""
    words: str = ""

    @classmethod
    def of(cls, query: str) -> Wanted:
        """What a query says; what it says wrongly is left out."""
        said = {key: values[-1].strip() for key, values in parse_qs(query, max_num_fields=50).items()}
        state, kind = said.get("state", "new"), said.get("kind", "")
        return cls(
            state=state if state in _STATES else "new", kind=kind if kind in list(Kind) else "", source=said.get("source", ""),
            words=said.get("words", "")[:200],
        )  # fmt: skip

    @property
    def query(self) -> str:
        """The same as a query."""
        values = {"state": self.state if self.state != "new" else "", "kind": self.kind, "source": self.source, "words": self.words}
        return urlencode({key: value for key, value in values.items() if value})

    @property
    def filter(self) -> Filter:
        """The same for the inbox."""
        news = self.state == "changed"
        return Filter(states=_STATES[self.state], kind=self.kind, source=self.source, words=self.words, news=news, limit=_PAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A part of the list: `total` is how many there are in all; `newer` and `older` say whether there are more on either side."""

    rows: tuple[Item, ...]
    total: int
    counts: Mapping[ItemState, int]
    sources: tuple[str, ...]
    newer: bool = False
    older: bool = False


def page(inbox: Inbox, wanted: Wanted, below: int | None = None, above: int | None = None) -> Listed:
    """One page of the list, from an id on."""
    rows = inbox.items(replace(wanted.filter, below=below, above=above, limit=_PAGE + 1))
    further = len(rows) > _PAGE
    if above is not None and further:
        return _listed(inbox, wanted, rows[1:], newer=True, older=True)
    if above is not None:
        return page(inbox, wanted)
    return _listed(inbox, wanted, rows[:_PAGE], newer=below is not None, older=further)


def around(inbox: Inbox, wanted: Wanted, item: Item) -> Listed:
    """The part of the list in which an item stands, or would stand."""
    over, under = _AROUND
    before = inbox.items(replace(wanted.filter, above=item.id, limit=over))
    after = inbox.items(replace(wanted.filter, below=item.id, limit=under))
    return _listed(inbox, wanted, (*before, item, *after))


def _listed(inbox: Inbox, wanted: Wanted, rows: tuple[Item, ...], *, newer: bool = False, older: bool = False) -> Listed:
    return Listed(
        rows=rows, total=inbox.count(wanted.filter), counts=inbox.counts(), sources=inbox.sources(), newer=newer, older=older
    )  # fmt: skip


def neighbours(inbox: Inbox, wanted: Wanted, number: int) -> tuple[int | None, int | None]:
    """The items before and after one in the list."""
    before = inbox.items(replace(wanted.filter, above=number, limit=1))
    after = inbox.items(replace(wanted.filter, below=number, limit=1))
    return (before[0].id if before else None), (after[0].id if after else None)


# -- one item ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A stretch of words that stayed, went or came; `gap` where some that stayed are left out."""

    what: Literal["same", "out", "new", "gap"]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An item with everything that deciding on it needs. `look` is safe HTML; `pictures` how many are left out of it."""

    item: Item
    look: str
    pictures: int
    came: tuple[Provenance, ...]
    member: Member | None
    answers: Contribution | None
    news: tuple[tuple[str, tuple[Change, ...]], ...]
    choices: tuple[Choice, ...]
    undoable: bool
    alike: tuple[Item, ...]
    reasons: tuple[str, ...]
    sections: tuple[str, ...]
    until: date
    tomorrow: date
    before: int | None
    after: int | None


def shown(reviewer: Reviewer, renderer: Renderer, item: Item, wanted: Wanted, kept: str, *, pictures: bool) -> Shown:
    """The item, looked up and rendered; `kept` is where the pictures are that were kept with offers."""
    inbox, content, today = reviewer.inbox, reviewer.content, reviewer.now.astimezone(reviewer.zone).date()
    thing = _contribution(reviewer, item, renderer.settings)
    look, left_out = _look(reviewer, renderer, thing, kept, pictures=pictures)
    before, after = neighbours(inbox, wanted, item.id)
    slug = recognised(item.offer, content.members)
    return Shown(
        item=item, look=look, pictures=left_out, came=inbox.provenance(item.id), member=content.members[slug] if slug else None,
        answers=content.contributions.get(thing.answers) if thing.answers else None,
        news=tuple(_news(item.offer, item.news, reviewer.base)) if item.news else (), choices=inbox.choices(item.id),
        undoable=inbox.before(item.id) is not None, alike=inbox.alike(item), reasons=inbox.reasons(), sections=draft.sections(content),
        until=today + _LATER, tomorrow=today + timedelta(days=1), before=before, after=after,
    )  # fmt: skip


def _contribution(reviewer: Reviewer, item: Item, settings: Settings) -> Contribution:
    """What an item is as a file, or would be."""
    there = reviewer.content.contributions.get(Slug(item.slug)) if item.state == "accepted" else None
    if there:
        return there
    file = Path(FOLDER) / "untitled.md"
    parts = split(reviewer.page(item).encode(), file.as_posix())
    made = records.contribution(Reading(parts, reviewer.root, file, reviewer.zone, settings.community.language))
    assert made is not None  # noqa: S101 - what is accepted can be read, or it would be a mistake of ours
    return made


def _look(reviewer: Reviewer, renderer: Renderer, thing: Contribution, kept: str, *, pictures: bool) -> tuple[str, int]:
    """The item as an edition would show it, and how many pictures of strangers are words in it instead."""
    members = Selection(
        editions=(), episodes=(), contributions={}, members=reviewer.content.members, events=(), upcoming=(), publications=(), waiting=()
    )
    views = Views(members, renderer.settings)
    view = views.item(replace(thing, slug=Slug("as-it-would-look")))
    view = replace(view, author=replace(view.author, photo=""))
    html = renderer.render("review-look.html.j2", {"view": view, "site": views.site("", ""), "root": views.base})
    html = html.replace(f'src="{views.base}{PICTURES}/', f'src="{kept}')
    return (html, 0) if pictures else _PICTURE.subn(_in_words, html)


def _in_words(found: re.Match[str]) -> str:
    attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', found[0]))
    try:
        host = re.sub(r"[^\w.:-]", "", urlsplit(unescape(attributes.get("src", ""))).hostname or "")
    except ValueError:
        host = ""
    return f'<span class="picture">[{" · ".join(filter(None, (attributes.get("alt") or "a picture without words", host)))}]</span>'


def written(reviewer: Reviewer, item: Item) -> str:
    """What an item says, as Markdown to edit."""
    return markdown(item.offer, reviewer.base)


# -- what was changed there ----------------------------------------------------------------------------------------


def _news(old: Offer, new: Offer, base: str) -> Iterator[tuple[str, tuple[Change, ...]]]:
    fields: tuple[tuple[str, str, str], ...] = (
        ("title", old.title, new.title), ("kind", old.kind, new.kind), ("address", old.url or "", new.url or ""),
        ("text", markdown(old, base), markdown(new, base)),
    )  # fmt: skip
    for what, was, now in fields:
        if was != now:
            yield what, difference(was, now)


def difference(old: str, new: str) -> tuple[Change, ...]:
    """What went and what came, word by word; of what stayed the beginning and the end."""
    mine, theirs = re.findall(r"\S+\s*|\s+", old), re.findall(r"\S+\s*|\s+", new)
    if len(mine) + len(theirs) > _MOST_WORDS:
        mine, theirs = old.splitlines(keepends=True)[:_MOST_WORDS], new.splitlines(keepends=True)[:_MOST_WORDS]
    return tuple(_changes(mine, theirs))


def _changes(mine: list[str], theirs: list[str]) -> Iterator[Change]:
    compared = SequenceMatcher(None, [one.strip() for one in mine], [one.strip() for one in theirs])
    for what, start, end, begin, stop in compared.get_opcodes():
        if what == "equal":
            same = theirs[begin:stop]
            if len(same) > 2 * _CONTEXT:
                yield Change(what="same", words="".join(same[:_CONTEXT]))
                yield Change(what="gap", words="…")
                same = same[-_CONTEXT:]
            yield Change(what="same", words="".join(same))
        else:
            if start < end:
                yield Change(what="out", words="".join(mine[start:end]))
            if begin < stop:
                yield Change(what="new", words="".join(theirs[begin:stop]))
