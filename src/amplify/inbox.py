"""The inbox: what was offered, in which offers are one, and what people decided. On the record's connection; its SQL is here.

An *item* is one thing that may become a contribution; an *offer* is one source having brought it. Offers and the bookmark that covers
them are written in one commit: after a kill, a source goes on where it was, and nothing is lost or counted twice.

    new ──accept──► accepted        held ──its day has come──► new
      ├───reject──► rejected        (every decision can be undone, and is kept with who, when and why)
      └────hold───► held
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from amplify import identity
from amplify.model import Bookmark, Choice, Item, ItemState, Kind, Media, Offer, Provenance
from amplify.store import Store
from amplify.times import iso

Received = Literal["new", "changed", "duplicate", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which items to show; empty is all. Each of `words` stands in the title or the author's name.

    `news`: only what was changed there since. `below` and `above` are ids to go on from, down and up the list.
    """

    states: tuple[ItemState, ...] = ()
    kind: str = ""
    source: str = ""
    words: str = ""
    news: bool = False
    below: int | None = None
    above: int | None = None
    limit: int = 50


class Inbox:
    """What was offered. Methods that change something are one commit each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- what sources bring ----------------------------------------------------------------------------------------

    def bookmark(self, source: str) -> Bookmark | None:
        """Where a source got to."""
        row = self._store.ask("SELECT value FROM bookmark WHERE source = ?", (source,)).fetchone()
        return Bookmark(value=row[0]) if row else None

    def receive(
        self, source: str, offers: Iterable[Offer], bookmark: Bookmark | None, now: datetime, accepted: Mapping[str, str]
    ) -> dict[Received, list[int]]:
        """Take in what a source brought, with its bookmark; the items by what they turned out to be.

        `accepted` leads from what contributions are known by (`id`, canonical address) to their slugs: a lost record asks nothing twice.
        """
        found: dict[Received, list[int]] = {"new": [], "changed": [], "duplicate": [], "unchanged": []}
        with self._store.commit() as db:
            for offer in offers:
                what, item = _receive(db, source, offer, now, accepted)
                found[what].append(item)
            if bookmark:
                db.execute("INSERT OR REPLACE INTO bookmark VALUES (?, ?, ?)", (source, bookmark.value, iso(now)))
        return found

    # -- what people see -------------------------------------------------------------------------------------------

    def items(self, wanted: Filter) -> tuple[Item, ...]:
        """The newest items first; with `above` the nearest ones above it."""
        table, key, clauses, values = _where(wanted)
        clauses += "" if wanted.below is None else f" AND {key} < :below"
        clauses += "" if wanted.above is None else f" AND {key} > :above"
        order = "DESC" if wanted.above is None else "ASC"
        values |= {"below": wanted.below, "above": wanted.above, "limit": wanted.limit}
        query = f"{_COLUMNS} FROM {table} WHERE {clauses} GROUP BY {key} ORDER BY {key} {order} LIMIT :limit"
        found = [_item(row) for row in self._store.ask(query, values)]
        return tuple(found if wanted.above is None else reversed(found))

    def count(self, wanted: Filter) -> int:
        """How many there are in all."""
        table, key, clauses, values = _where(wanted)
        return int(self._store.ask(f"SELECT count(DISTINCT {key}) FROM {table} WHERE {clauses}", values).fetchone()[0])

    def counts(self) -> Mapping[ItemState, int]:
        """How many there are in each state."""
        return dict(self._store.ask("SELECT state, count(*) FROM item GROUP BY state").fetchall())

    def sources(self) -> tuple[str, ...]:
        """Every source that brought something."""
        found: list[str] = []
        step = "SELECT source FROM offer WHERE source > ? ORDER BY source LIMIT 1"
        while row := self._store.ask(step, (found[-1] if found else "",)).fetchone():
            found.append(row[0])
        return tuple(found)

    def item(self, number: int) -> Item | None:
        """The item of that number."""
        row = self._store.ask(f"{_COLUMNS} FROM item i WHERE i.id = ?", (number,)).fetchone()
        return _item(row) if row else None

    def origin(self, number: int) -> tuple[str, str]:
        """The source that brought an item first, and what it is called there."""
        row = self._store.ask("SELECT source, id FROM offer WHERE item = ? ORDER BY rowid LIMIT 1", (number,)).fetchone()
        return (row[0], row[1]) if row else ("", "")

    def provenance(self, number: int) -> tuple[Provenance, ...]:
        """Everywhere that an item came from, the first one first."""
        rows = self._store.ask("SELECT source, id, url FROM offer WHERE item = ? ORDER BY rowid", (number,))
        return tuple(Provenance(source=source, id=name, url=url or None) for source, name, url in rows)

    def alike(self, item: Item, limit: int = 3) -> tuple[Item, ...]:
        """Other items whose titles share most of their words with this one's, the likeliest first."""
        mine = _telling(item.offer.title)
        if not mine:
            return ()
        asked = {f"word{number}": f"%{_escaped(word)}%" for number, word in enumerate(sorted(mine, key=len)[-2:])}
        either = " OR ".join(rf"i.title LIKE :{name} ESCAPE '\'" for name in asked)
        rows = self._store.ask(f"SELECT i.id, i.title FROM item i WHERE i.id != :id AND ({either}) LIMIT 2000", asked | {"id": item.id})
        shared = ((len(mine & words) / len(mine | words), number) for number, title in rows if (words := _telling(title)))
        near = sorted((one for one in shared if one[0] >= _ALIKE), reverse=True)[:limit]
        return tuple(one for _, number in near if (one := self.item(number)))

    def reasons(self, limit: int = 6) -> tuple[str, ...]:
        """Why people left something out, the newest reasons first."""
        rows = self._store.ask(
            "SELECT reason FROM (SELECT id, reason FROM choice WHERE became = 'rejected' AND reason NOT IN ('', 'undone')"
            " AND reason NOT LIKE 'the same as %' AND who NOT LIKE 'rule:%' ORDER BY id DESC LIMIT 500)"
            " GROUP BY reason ORDER BY max(id) DESC LIMIT ?",
            (limit,),
        )
        return tuple(row[0] for row in rows)

    def before(self, number: int) -> Item | None:
        """An item as it was before the last decision that can be taken back; None where there is none."""
        row = self._store.ask(_LAST_KEPT, (number,)).fetchone()
        item = self.item(number)
        if row is None or item is None:
            return None
        was = _kept(row[1])
        return replace(item, state=was["state"], offer=_offer(was["body"]), slug=was["slug"], written=was["written"])

    def choices(self, number: int) -> tuple[Choice, ...]:
        """What was decided about an item, newest first."""
        rows = self._store.ask("SELECT at, who, was, became, reason FROM choice WHERE item = ? ORDER BY id DESC LIMIT 50", (number,))
        return tuple(Choice(at=datetime.fromisoformat(at), who=who, was=was, became=to, reason=why) for at, who, was, to, why in rows)

    # -- what people decide ----------------------------------------------------------------------------------------

    def decide(
        self, item: Item, state: ItemState, who: str, now: datetime, *, reason: str = "", slug: str = "", written: str = "",
        until: datetime | None = None,
    ) -> None:  # fmt: skip
        """The item, as it is given, is accepted as `slug`, rejected, or held `until` a day."""
        with self._store.commit() as db:
            _keep(db, item.id, state, who, reason, now)
            _say(db, item.id, item.offer)
            values = (state, slug, written, iso(until) if until else None, item.id)
            db.execute("UPDATE item SET state = ?, slug = ?, written = ?, until = ? WHERE id = ?", values)

    def edit(self, item: Item, offer: Offer, who: str, now: datetime, reason: str = "edited", written: str = "") -> None:
        """What the item says from now on; news from the far end are settled by it."""
        with self._store.commit() as db:
            _keep(db, item.id, item.state, who, reason, now)
            _write(db, item.id, offer)
            db.execute("UPDATE item SET written = ? WHERE id = ?", (written, item.id))

    def merge(self, item: Item, into: Item, who: str, now: datetime) -> None:
        """Two items are one: its offers belong to `into` from now on."""
        with self._store.commit() as db:
            _keep(db, item.id, "rejected", who, f"the same as {into.id}", now)
            db.execute("UPDATE offer SET item = ? WHERE item = ?", (into.id, item.id))
            db.execute("UPDATE item SET state = 'rejected' WHERE id = ?", (item.id,))

    def undo(self, item: Item, who: str, now: datetime) -> Item | None:
        """Take the last decision back; the item as it is then, or None where nothing was decided."""
        with self._store.commit() as db:
            row = db.execute(_LAST_KEPT, (item.id,)).fetchone()
            if row is None:
                return None
            before = _kept(row[1])
            db.execute("UPDATE choice SET before = '' WHERE id = ?", (row[0],))
            db.execute(
                "INSERT INTO choice(item, at, who, was, became, reason, before) VALUES (?, ?, ?, ?, ?, 'undone', '')",
                (item.id, iso(now), who, row[2], before["state"]),
            )
            columns = ", ".join(f"{column} = :{column}" for column in _KEPT)
            db.execute(f"UPDATE item SET {columns} WHERE id = :id", before | {"id": item.id})
            for source, offer in before["offers"]:
                db.execute("UPDATE offer SET item = ? WHERE source = ? AND id = ?", (item.id, source, offer))
        return self.item(item.id)

    def wake(self, now: datetime) -> int:
        """Held items whose day has come are new again; how many."""
        due = "FROM item WHERE state = 'held' AND until <= ?"
        if self._store.ask(f"SELECT 1 {due} LIMIT 1", (iso(now),)).fetchone() is None:
            return 0
        with self._store.commit() as db:
            return db.execute(f"UPDATE item SET state = 'new', until = NULL WHERE id IN (SELECT id {due})", (iso(now),)).rowcount


# -- receiving -----------------------------------------------------------------------------------------------------


def _receive(db: sqlite3.Connection, source: str, offer: Offer, now: datetime, accepted: Mapping[str, str]) -> tuple[Received, int]:
    made = identity.digest(offer)
    known = db.execute("SELECT item, digest FROM offer WHERE source = ? AND id = ?", (source, offer.id)).fetchone()
    if known:
        if known[1] == made:
            return "unchanged", known[0]
        values = (made, iso(now), offer.url or "", source, offer.id)
        db.execute("UPDATE offer SET digest = ?, seen_at = ?, url = ? WHERE source = ? AND id = ?", values)
        return _changed(db, source, offer, known[0]), known[0]
    address, wording = identity.canonical(offer.url), identity.wording(offer)
    same = db.execute("SELECT id FROM item WHERE address = ?", (address,)).fetchone() if address else None
    same = same or (db.execute("SELECT id FROM item WHERE wording = ?", (wording,)).fetchone() if wording else None)
    slug = accepted.get(identity.contribution(source, offer.id)) or (accepted.get(address) if address else None)
    number = same[0] if same else _insert(db, offer, slug or "", now)
    db.execute(
        "INSERT INTO offer(source, id, item, digest, seen_at, url) VALUES (?, ?, ?, ?, ?, ?)",
        (source, offer.id, number, made, iso(now), offer.url or ""),
    )
    return ("duplicate" if same or slug else "new"), number


def _changed(db: sqlite3.Connection, source: str, offer: Offer, number: int) -> Received:
    """What nobody decided about says what the far end says now; the rest gets it as news. Who only repeats changes nothing."""
    first = db.execute("SELECT source, id FROM offer WHERE item = ? ORDER BY rowid LIMIT 1", (number,)).fetchone()
    state = db.execute("SELECT state FROM item WHERE id = ?", (number,)).fetchone()[0]
    if first != (source, offer.id) or state == "rejected":
        return "unchanged"
    if state == "new" and not db.execute("SELECT 1 FROM choice WHERE item = ?", (number,)).fetchone():
        _write(db, number, offer)
    else:
        db.execute("UPDATE item SET news = ? WHERE id = ?", (_json(offer), number))
    return "changed"


def _insert(db: sqlite3.Connection, offer: Offer, slug: str, now: datetime) -> int:
    values = (*_columns(offer), "accepted" if slug else "new", slug, iso(now))
    row = db.execute(
        "INSERT INTO item(kind, title, author, address, wording, body, state, slug, seen_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        values,
    ).fetchone()
    return int(row[0])


def _say(db: sqlite3.Connection, number: int, offer: Offer) -> None:
    columns = "kind = ?, title = ?, author = ?, address = ?, wording = ?, body = ?"
    db.execute(f"UPDATE item SET {columns} WHERE id = ?", (*_columns(offer), number))


def _write(db: sqlite3.Connection, number: int, offer: Offer) -> None:
    _say(db, number, offer)
    db.execute("UPDATE item SET news = NULL WHERE id = ?", (number,))


def _columns(offer: Offer) -> tuple[object, ...]:
    address, wording = identity.canonical(offer.url) or None, identity.wording(offer) or None
    return offer.kind, offer.title, offer.author, address, wording, _json(offer)


# -- deciding ------------------------------------------------------------------------------------------------------

_KEPT = ("state", "kind", "title", "author", "address", "wording", "body", "news", "slug", "until", "written")
"""What a decision may change, and so what undoing it puts back."""
_LAST_KEPT = "SELECT id, before, became FROM choice WHERE item = ? AND before != '' ORDER BY id DESC LIMIT 1"


def _keep(db: sqlite3.Connection, number: int, became: str, who: str, reason: str, now: datetime) -> None:
    row = db.execute(f"SELECT {', '.join(_KEPT)} FROM item WHERE id = ?", (number,)).fetchone()
    before = dict(zip(_KEPT, row, strict=True))
    before["offers"] = db.execute("SELECT source, id FROM offer WHERE item = ?", (number,)).fetchall()
    db.execute(
        "INSERT INTO choice(item, at, who, was, became, reason, before) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, iso(now), who, before["state"], became, reason, json.dumps(before)),
    )


def _kept(before: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(before)
    return {"written": ""} | values


# -- reading -------------------------------------------------------------------------------------------------------

_MOST_WORDS = 8
"""Words that are looked for."""
_ALIKE = 0.6
"""The share of words that two titles have in common when they may be one thing."""
_COLUMNS = (
    "SELECT i.id, i.state, i.body, i.news, i.slug, i.until, i.seen_at, i.written,"
    " (SELECT group_concat(source, char(10)) FROM (SELECT DISTINCT source FROM offer WHERE item = i.id))"
)


def _where(wanted: Filter) -> tuple[str, str, str, dict[str, object]]:
    """The tables to ask, in the order that answers soonest, the column by which a list goes, what has to hold, and its values."""
    table, key = ("offer o CROSS JOIN item i ON i.id = o.item", "o.item") if wanted.source else ("item i", "i.id")
    clauses, values = ["1"], dict[str, object]()
    if wanted.states:
        clauses.append(f"i.state IN ({', '.join(f':state{number}' for number in range(len(wanted.states)))})")
        values |= {f"state{number}": state for number, state in enumerate(wanted.states)}
    if wanted.kind:
        clauses.append("i.kind = :kind")
    if wanted.source:
        clauses.append("o.source = :source")
    if wanted.news:
        clauses.append("i.news IS NOT NULL")
    for number, word in enumerate(wanted.words.split()[:_MOST_WORDS]):
        clauses.append(rf"(i.title LIKE :word{number} ESCAPE '\' OR i.author LIKE :word{number} ESCAPE '\')")
        values[f"word{number}"] = f"%{_escaped(word)}%"
    return table, key, " AND ".join(clauses), values | {"kind": wanted.kind, "source": wanted.source}


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _telling(title: str) -> frozenset[str]:
    """The words of a title that tell it from others."""
    return frozenset(word for word in re.findall(r"\w{4,}", title.casefold())[:30])


def _item(row: Sequence[Any]) -> Item:
    number, state, body, news, slug, until, seen, written, sources = row
    return Item(
        id=number, state=state, offer=_offer(body), news=_offer(news) if news else None, slug=slug,
        until=datetime.fromisoformat(until) if until else None, seen=datetime.fromisoformat(seen), written=written,
        sources=tuple((sources or "").split("\n")) if sources else (),
    )  # fmt: skip


def _json(offer: Offer) -> str:
    values = asdict(offer) | {"offered": iso(offer.offered) if offer.offered else None}
    return json.dumps({key: value for key, value in values.items() if value or value is False}, ensure_ascii=False)


def _offer(written: str) -> Offer:
    values: dict[str, Any] = json.loads(written)
    offer = Offer(**(values | {"id": values.get("id", ""), "kind": Kind(values["kind"])}))
    return replace(
        offer, offered=datetime.fromisoformat(values["offered"]) if "offered" in values else None, tags=tuple(offer.tags),
        media=tuple(Media(**one) for one in values.get("media", ())),
    )  # fmt: skip
