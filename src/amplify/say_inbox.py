"""What people read on the screen about gathering and the inbox. Values in, lines out; nothing is done here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from amplify import text
from amplify.gather import Gathered
from amplify.intake import Intake
from amplify.model import Item

_LABELS = {"new": "new", "changed": "changed", "duplicate": "known already from elsewhere"}


def gathered(intake: Intake, waiting: int) -> Iterator[str]:
    """A line for each source, what could not be read below it, and what waits for a person."""
    for one in intake.sources:
        yield f"  {one.source:<20} " + (f"FAILED  {one.failure}" if one.failure and not any(one.items.values()) else _counts(one))
        if one.failure and any(one.items.values()):
            yield f"  {'':<20} FAILED  {one.failure}"
        for note in one.notes:
            yield f"  {'':<20} {note}"
    decided = list(intake.ruled.values())
    for word, words in (("accept", "accepted"), ("reject", "turned down")):
        if number := decided.count(word):
            yield f"{number} {words} by the rules in amplify.toml."
    yield f"{waiting:,} waiting for you:  amplify review" if waiting else "Nothing waits for you."


def _counts(one: Gathered) -> str:
    found = [f"{len(one.items[key]):,} {word}" for key, word in _LABELS.items() if one.items[key]]  # type: ignore[index]
    return ", ".join(found) or "nothing new"


def gathered_json(intake: Intake) -> dict[str, Any]:
    """The same for programs: counts and lines for each source."""
    return {
        "sources": [
            {"name": one.source, "failure": one.failure or None, "notes": one.notes} | {key: len(items) for key, items in one.items.items()}
            for one in intake.sources
        ],
        "accepted": [number for number, became in intake.ruled.items() if became == "accept"],
        "rejected": [number for number, became in intake.ruled.items() if became == "reject"],
    }


def inbox(items: Sequence[Item], total: int) -> Iterator[str]:
    """A line for each item, the newest first."""
    if not items:
        yield "The inbox is empty.\n  Fill it:  amplify gather    or by hand:  amplify add https://…"
        return
    for one in items:
        state = "" if one.state == "new" else f"  ({one.state})"
        who = f", {one.offer.author}" if one.offer.author else ""
        yield f"{one.id:>6}  {one.offer.kind:<12} {text.fit(one.offer.title, 60)}{who}  [{', '.join(one.sources)}]{state}"
        if one.news:
            yield f"{'':>6}  {'':<12} was changed there since you decided"
    if total > len(items):
        yield f"… and {total - len(items):,} more:  amplify review --list --all"
    yield f"  Take one:     amplify review --accept {items[0].id}"
    yield f'  Leave one:    amplify review --reject {items[0].id} --reason "…"'


def inbox_json(items: Iterable[Item]) -> dict[str, Any]:
    """The same for programs."""
    return {"offers": [_row(one) for one in items]}


def _row(one: Item) -> dict[str, Any]:
    offer = one.offer
    return {
        "id": one.id, "title": offer.title, "kind": offer.kind, "author": offer.author, "source": "".join(one.sources[:1]),
        "sources": list(one.sources), "state": one.state, "url": offer.url, "changed": one.news is not None,
    }  # fmt: skip
