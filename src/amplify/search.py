"""What the search page looks through: each page and item as its address, what it is, its title and its first words. Pure.

It is a script with data, so that searching also works in a folder on a disk, where no page may fetch a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from amplify import text
from amplify.pages import Views
from amplify.view import EditionView, EpisodeCard, Item, Words

FILE = "search.js"
_MUCH, _LITTLE = 600, 240
"""Characters of a page, and of an item on one."""


def edition(view: EditionView) -> bytes:
    """An edition, and each item that it holds."""
    one = view.edition
    own = " ".join(block.markdown for block in view.blocks if isinstance(block, Words))
    rows = [(view.path, "edition", one.title, _said(_MUCH, one.summary, one.preheader, own))]
    items = (item for block in view.blocks if isinstance(block, Item) for item in (block, *block.answers))
    rows += [
        (f"{view.path}#{item.anchor}", str(item.contribution.kind), item.contribution.title,
         _said(_LITTLE, item.author.name, " ".join(item.contribution.tags), item.contribution.body))
        for item in items
    ]  # fmt: skip
    return _lines(rows)


def episode(card: EpisodeCard) -> bytes:
    """An episode, with who speaks and what its chapters are called."""
    one = card.episode
    names, chapters = (" ".join(person.name for person in card.people), " ".join(chapter.title for chapter in one.chapters))
    return _lines([(card.path, "episode", one.title, _said(_MUCH, one.summary, names, chapters, one.notes))])


def others(views: Views) -> bytes:
    """Events and people."""
    events = ((f"events/{one.slug}/", "event", one.title, _said(_LITTLE, one.theme, one.where, one.body)) for one in views.selection.events)
    people = ((views.person(one.slug), one) for one in views.listed)
    return _lines([*events, *((person.path, "person", person.name, _said(_LITTLE, one.role, one.bio)) for person, one in people)])


def script(pieces: Iterable[bytes]) -> bytes:
    """The file, of the pieces that the functions above made."""
    return b"globalThis.amplifyPages = [\n" + b"".join(pieces) + b"];\n"


def _said(limit: int, *parts: str) -> str:
    return text.gist(" · ".join(part for part in parts if part), limit)


def _lines(rows: Iterable[tuple[str, str, str, str]]) -> bytes:
    return "".join(_line(row) for row in rows).encode()


def _line(row: tuple[str, str, str, str]) -> str:
    """JSON, with nothing in it that a script or a page could take for its own end."""
    return json.dumps(row, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + ",\n"
