"""The record: who subscribes, what was announced, what happened to each delivery. All SQL is here and in `inbox`.

Whoever holds the publish lock is the one writer. A commit carries the outcomes that have come in together with the next
claims, and never claims more than there are connections: after a kill, what is in doubt is what was in flight.

    planned, deferred ──claim──► sending ──receipt──► delivered
            │                      ├──Permanent──► refused
            │ left meanwhile       ├──Transient──► deferred
            ▼                      └──Unsure, a holder that died──► in doubt ──find, a person──► delivered, planned, skipped
         skipped
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from amplify.errors import StateError
from amplify.model import Announcement, Delivery, Digest, Key, Mark, Publication, Receipt, Recipient, State, Subscriber
from amplify.secret import hide
from amplify.times import iso

MIGRATIONS = (
    """
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE run(id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT) STRICT;
    CREATE TABLE announcement(
      id INTEGER PRIMARY KEY, publication TEXT NOT NULL, channel TEXT NOT NULL, plugin TEXT NOT NULL, title TEXT NOT NULL,
      digest TEXT NOT NULL, rehearsal INTEGER NOT NULL DEFAULT 0, opened_at TEXT NOT NULL, closed_at TEXT,
      UNIQUE(publication, channel, rehearsal)) STRICT;
    CREATE TABLE delivery(
      id INTEGER PRIMARY KEY, announcement INTEGER NOT NULL REFERENCES announcement, recipient TEXT NOT NULL DEFAULT '',
      state TEXT NOT NULL CHECK(state IN ('planned','sending','deferred','in doubt','waiting','delivered','refused','skipped')),
      attempts INTEGER NOT NULL DEFAULT 0, not_before TEXT, worker TEXT, reason TEXT, changed_at TEXT NOT NULL,
      open INTEGER GENERATED ALWAYS AS (CASE WHEN state IN ('delivered','refused','skipped') THEN NULL ELSE 1 END) STORED,
      UNIQUE(announcement, recipient)) STRICT;
    CREATE INDEX delivery_open ON delivery(open, announcement, state) WHERE open IS NOT NULL;
    CREATE TABLE receipt(delivery INTEGER PRIMARY KEY REFERENCES delivery, id TEXT NOT NULL, url TEXT, at TEXT NOT NULL,
      note TEXT NOT NULL) STRICT;
    CREATE TABLE decision(id INTEGER PRIMARY KEY, delivery INTEGER NOT NULL REFERENCES delivery, at TEXT NOT NULL, who TEXT NOT NULL,
      was TEXT NOT NULL, became TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
    CREATE TABLE subscriber(id TEXT PRIMARY KEY, address TEXT UNIQUE, address_hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
      language TEXT, tags TEXT NOT NULL, status TEXT NOT NULL
        CHECK(status IN ('pending','active','unsubscribed','bounced','complained','erased')),
      token TEXT NOT NULL UNIQUE, consent_at TEXT, consent_how TEXT, consent_words TEXT,
      CHECK((address IS NULL) = (status = 'erased'))) STRICT;
    CREATE TABLE offer(source TEXT NOT NULL, id TEXT NOT NULL, url TEXT, fingerprint TEXT NOT NULL, state TEXT NOT NULL
      CHECK(state IN ('new','accepted','held','rejected','withdrawn')), body TEXT NOT NULL, seen_at TEXT NOT NULL,
      PRIMARY KEY(source, id)) STRICT;
    CREATE TABLE bookmark(source TEXT PRIMARY KEY, value TEXT NOT NULL, at TEXT NOT NULL) STRICT;
    CREATE TABLE guid(guid TEXT PRIMARY KEY, episode TEXT NOT NULL, removed_at TEXT) STRICT;
    """,
    """
    CREATE TABLE test(id INTEGER PRIMARY KEY, at TEXT NOT NULL, publication TEXT NOT NULL, channel TEXT NOT NULL, address TEXT NOT NULL,
      digest TEXT NOT NULL) STRICT;
    """,
    "CREATE INDEX delivery_state ON delivery(announcement, state);",
    """
    DROP TABLE offer;
    CREATE TABLE item(id INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK(state IN ('new','held','accepted','rejected')),
      kind TEXT NOT NULL, title TEXT NOT NULL, author TEXT NOT NULL, address TEXT, wording TEXT, body TEXT NOT NULL, news TEXT,
      slug TEXT NOT NULL DEFAULT '', until TEXT, seen_at TEXT NOT NULL) STRICT;
    CREATE INDEX item_state ON item(state, id);
    CREATE INDEX item_address ON item(address) WHERE address IS NOT NULL;
    CREATE INDEX item_wording ON item(wording) WHERE wording IS NOT NULL;
    CREATE TABLE offer(source TEXT NOT NULL, id TEXT NOT NULL, item INTEGER NOT NULL REFERENCES item, digest TEXT NOT NULL,
      seen_at TEXT NOT NULL, PRIMARY KEY(source, id)) STRICT;
    CREATE INDEX offer_item ON offer(item);
    CREATE TABLE choice(id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES item, at TEXT NOT NULL, who TEXT NOT NULL,
      was TEXT NOT NULL, became TEXT NOT NULL, reason TEXT NOT NULL, before TEXT NOT NULL) STRICT;
    CREATE INDEX choice_item ON choice(item);
    """,
    "DROP INDEX delivery_open;",
    """
    ALTER TABLE item ADD COLUMN written TEXT NOT NULL DEFAULT '';
    ALTER TABLE offer ADD COLUMN url TEXT NOT NULL DEFAULT '';
    CREATE INDEX item_kind ON item(kind, id);
    CREATE INDEX offer_source ON offer(source, item);
    CREATE INDEX item_news ON item(id) WHERE news IS NOT NULL;
    CREATE INDEX choice_became ON choice(became, id);
    """,
    "CREATE INDEX subscriber_status ON subscriber(status);",
)
"""Numbered by their place; `user_version` is the number of the last one applied."""
_CACHE = 64 << 20
"""Bytes of the file kept in memory, as far as it is that long: the keys of people come in no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one delivery; `receipt` where it was delivered."""

    delivery: int
    state: State
    reason: str = ""
    not_before: datetime | None = None
    receipt: Receipt | None = None
    gone: bool = False
    """There is no such address: it is struck off the list."""


@dataclass(slots=True)
class Quota:
    """How many more one run may send to addresses at each domain that has a limit, and how far down the list it has looked."""

    left: dict[str, int] = field(default_factory=dict)
    seen: int = 0

    @property
    def full(self) -> list[str]:
        """Domains to which nothing more may go."""
        return [domain for domain, left in self.left.items() if left <= 0]

    def allows(self, address: str) -> bool:
        """Whether one more may go to an address; counts it."""
        domain = address.rpartition("@")[2].lower()
        if domain not in self.left:
            return True
        self.left[domain] -= 1
        return self.left[domain] >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did: counts of people."""

    added: int
    updated: int
    unchanged: int
    left: int
    """On the list of those who left or whose address does not work; they stay there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One person to put on the list."""

    address: str
    name: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One delivery, for people; `receipt` is what the far end answered."""

    delivery: int
    address: str
    name: str
    state: State
    reason: str
    at: datetime
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A test that was sent; `digest` is of the message."""

    at: datetime
    address: str
    digest: str


class Store:
    """The record in one SQLite file. Raises StateError where it cannot be used; never half-writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;"
                f"PRAGMA cache_size=-{_CACHE >> 10};"
            )
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> StateError:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            return StateError(
                f"The record in {self.path} is damaged ({error}). Nothing was sent.\n"
                "  Put a snapshot in its place:  .amplify/snapshots/ holds the newest ones"
            )
        remedy = "Close the other program that holds it" if "locked" in str(error) else "Make room on the disk, or mend it"
        return StateError(
            f"The record in {self.path} cannot be used: {error}. Nothing more was sent.\n"
            "  What was sent until then is in it, but for the few that were on their way.\n"
            f"  {remedy}; then look, and go on:  amplify status  and  amplify publish"
        )

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise StateError(
                f"The record in {self.path} was written by a newer Amplify (format {version}, this one knows {len(MIGRATIONS)}).\n"
                "  Update this one, then run the same command again."
            )
        for number in range(version, len(MIGRATIONS)):
            names = "".join(f"INSERT INTO meta VALUES ('{key}', '{secrets.token_hex(16)}');" for key in ("ledger", "hmac") if number == 0)
            self._db.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]}; {names} PRAGMA user_version = {number + 1}; COMMIT;")

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    @contextlib.contextmanager
    def commit(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, and on the disk when it ends."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._trouble(error) from error
            raise

    def ask(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> sqlite3.Cursor:
        """The rows that answer a question; changes nothing."""
        return self._db.execute(query, values)

    def _meta(self, key: str) -> str:
        return str(self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])

    @property
    def ledger(self) -> str:
        """The opaque name of this record."""
        return self._meta("ledger")

    def mark(self) -> Mark:
        """What the website may know of this record: opaque names only."""
        rows = self._db.execute("SELECT publication, channel FROM announcement WHERE rehearsal = 0 ORDER BY id")
        claimed = tuple(
            hmac.new(self._secret, f"{publication}|{channel}".encode(), "sha256").hexdigest()[:16] for publication, channel in rows
        )
        run = self._db.execute("SELECT coalesce(max(id), 0) FROM run").fetchone()[0]
        return Mark(ledger=self.ledger, run=int(run), claimed=claimed)

    def snapshot(self, path: Path) -> None:
        """A whole copy of the record at `path`, readable by its owner alone."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            with contextlib.closing(sqlite3.connect(path)) as copy:
                self._db.backup(copy)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"The record could not be copied to {path}: {error}. Nothing was sent.") from error

    # -- subscribers ---------------------------------------------------------------------------------------------------

    @cached_property
    def _secret(self) -> bytes:
        return bytes.fromhex(self._meta("hmac"))

    def _hash(self, address: str) -> str:
        return hmac.new(self._secret, address.casefold().encode(), "sha256").hexdigest()

    def import_subscribers(self, entries: Iterable[Entry], now: datetime, how: str) -> Imported:
        """Put people on the list as active, with the consent `how`; who left stays away. One transaction."""
        counts = {"added": 0, "updated": 0, "unchanged": 0, "left": 0}
        with self.commit() as db:
            for entry in entries:
                counts[self._import_one(db, entry, now, how)] += 1
        return Imported(**counts)

    def rejoin(self, entry: Entry, now: datetime, how: str) -> bool:
        """Someone who left asked to come back; False where they never left."""
        with self.commit() as db:
            changed = db.execute(
                "UPDATE subscriber SET status = 'active', consent_at = ?, consent_how = ? WHERE address_hash = ?"
                " AND status IN ('unsubscribed', 'bounced')", (iso(now), how, self._hash(entry.address)),
            )  # fmt: skip
            return changed.rowcount > 0

    def _import_one(self, db: sqlite3.Connection, entry: Entry, now: datetime, how: str) -> str:
        hashed = self._hash(entry.address)
        row = db.execute("SELECT id, name, tags, status FROM subscriber WHERE address_hash = ?", (hashed,)).fetchone()
        if row is None:
            values = (
                secrets.token_hex(16),
                entry.address,
                hashed,
                entry.name,
                json.dumps(sorted(entry.tags)),
                secrets.token_hex(16),
                iso(now),
                how,
            )
            db.execute(
                "INSERT INTO subscriber(id, address, address_hash, name, tags, status, token, consent_at, consent_how)"
                " VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?)", values,
            )  # fmt: skip
            return "added"
        identity, name, tags, status = row
        if status not in ("active", "pending"):
            return "left"
        merged = json.dumps(sorted({*json.loads(tags), *entry.tags}))
        if (name, tags, status) == (entry.name or name, merged, "active"):
            return "unchanged"
        db.execute("UPDATE subscriber SET name = ?, tags = ?, status = 'active' WHERE id = ?", (entry.name or name, merged, identity))
        return "updated"

    def subscribers(self) -> Iterator[Subscriber]:
        """Everyone on the list, those who left included, by address."""
        for row in self._db.execute("SELECT id, address, name, tags, status, consent_at, consent_how FROM subscriber ORDER BY address"):
            identity, address, name, tags, status, at, how = row
            moment = datetime.fromisoformat(at) if at else None
            yield Subscriber(
                id=identity, address=address or "", name=name, tags=tuple(json.loads(tags)), status=status, consent_at=moment,
                consent_how=how or "",
            )  # fmt: skip

    def remove(self, address: str) -> bool:
        """Count someone as having left; False where nobody has that address."""
        with self.commit() as db:
            changed = db.execute(
                "UPDATE subscriber SET status = 'unsubscribed' WHERE address_hash = ? AND status IN ('active', 'pending')",
                (self._hash(address),),
            )
            return changed.rowcount > 0

    def audience(self, tag: str = "", domain: str = "") -> int:
        """How many would get a mail to `tag` ("" is everyone); only those with addresses at a domain."""
        who = f"SELECT count(*) FROM subscriber WHERE {_AUDIENCE} AND (:domain = '' OR {_AT.format('address')} = :domain)"
        return int(self._db.execute(who, {"tag": tag, "domain": domain}).fetchone()[0])

    def people(self) -> Mapping[str, int]:
        """Subscribers by status."""
        return dict(self._db.execute("SELECT status, count(*) FROM subscriber GROUP BY status"))

    # -- announcements and deliveries ----------------------------------------------------------------------------------

    def begin_run(self, now: datetime) -> int:
        """A run in which something leaves; its number."""
        with self.commit() as db:
            return int(db.execute("INSERT INTO run(started_at) VALUES (?) RETURNING id", (iso(now),)).fetchone()[0])

    def end_run(self, run: int, now: datetime) -> None:
        """The run came to its end by itself."""
        with self.commit() as db:
            db.execute("UPDATE run SET ended_at = ? WHERE id = ?", (iso(now), run))

    def announcements(self) -> tuple[Announcement, ...]:
        """Everything that was ever announced, rehearsals included, oldest first, with counts by state."""
        counts: dict[int, dict[State, int]] = {}
        for announcement, state, number in self._db.execute(
            "SELECT announcement, state, count(*) FROM delivery GROUP BY announcement, state"
        ):
            counts.setdefault(announcement, {})[State(state)] = number
        rows = self._db.execute(
            "SELECT id, publication, channel, title, digest, rehearsal, opened_at, closed_at FROM announcement ORDER BY id"
        )
        return tuple(
            Announcement(
                id=row[0], publication=Key(row[1]), channel=row[2], title=row[3], digest=Digest(row[4]), rehearsal=bool(row[5]),
                opened=datetime.fromisoformat(row[6]), closed=datetime.fromisoformat(row[7]) if row[7] else None,
                counts=counts.get(row[0], {}),
            )
            for row in rows
        )  # fmt: skip

    def open(
        self, publication: Publication, channel: str, plugin: str, now: datetime, *, rehearsal: bool, subscribers: bool
    ) -> Announcement:
        """Open an announcement and fix its audience, in one transaction; the one that is there, where it was opened before."""
        key = (publication.key, channel, int(rehearsal))
        with self.commit() as db:
            row = db.execute(
                "INSERT INTO announcement(publication, channel, rehearsal, plugin, title, digest, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING RETURNING id", (*key, plugin, publication.title, publication.digest, iso(now)),
            ).fetchone()  # fmt: skip
            if row:
                who = (
                    f"SELECT :id, id, 'planned', :now FROM subscriber WHERE {_AUDIENCE} ORDER BY rowid"
                    if subscribers
                    else "SELECT :id, '', 'planned', :now"
                )
                db.execute(
                    f"INSERT INTO delivery(announcement, recipient, state, changed_at) {who}",
                    {"id": row[0], "now": iso(now), "tag": publication.audience},
                )
        return next(one for one in self.announcements() if (one.publication, one.channel, one.rehearsal) == (*key[:2], rehearsal))

    def rename(self, old: str, new: str) -> None:
        """A channel has another name now; what it announced is still its own."""
        with self.commit() as db:
            db.execute("UPDATE OR IGNORE announcement SET channel = ? WHERE channel = ?", (new, old))

    def recover(self, now: datetime) -> int:
        """Put what a dead holder was sending in doubt. Only for the holder of the lock."""
        with self.commit() as db:
            moved = db.execute(
                "UPDATE delivery SET state = 'in doubt', reason = 'interrupted', changed_at = ? WHERE state = 'sending'"
                " AND announcement IN (SELECT id FROM announcement)", (iso(now),),
            )  # fmt: skip
            return moved.rowcount

    def advance(
        self, announcement: Announcement, outcomes: Sequence[Outcome], room: int, now: datetime, quota: Quota | None = None
    ) -> tuple[Delivery, ...]:
        """Write what came in and claim at most `room` more, in one commit. Who left meanwhile is skipped."""
        with self.commit() as db:
            self._settle(db, outcomes, now)
            claimed = self._claim(db, announcement, room, now, quota or Quota())
            if not claimed:
                db.execute(
                    "UPDATE announcement SET closed_at = ? WHERE id = ? AND closed_at IS NULL"
                    f" AND NOT EXISTS (SELECT 1 FROM delivery WHERE announcement = announcement.id AND {_OPEN})",
                    (iso(now), announcement.id),
                )
        return claimed

    def _settle(self, db: sqlite3.Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
        at = iso(now)
        db.executemany(
            "UPDATE delivery SET state = ?, reason = ?, not_before = ?, changed_at = ?, worker = NULL WHERE id = ? AND open = 1",
            [(one.state, hide(one.reason) or None, iso(one.not_before) if one.not_before else None, at, one.delivery) for one in outcomes],
        )
        db.executemany(
            "INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?)",
            [_safe(one.delivery, one.receipt) for one in outcomes if one.receipt],
        )
        db.executemany(
            "UPDATE subscriber SET status = 'bounced' WHERE status = 'active' AND id = (SELECT recipient FROM delivery WHERE id = ?)",
            [(one.delivery,) for one in outcomes if one.gone],
        )

    def _claim(self, db: sqlite3.Connection, announcement: Announcement, room: int, now: datetime, quota: Quota) -> tuple[Delivery, ...]:
        claimed: list[Delivery] = []
        at = iso(now)
        for due in (_PLANNED, _PUT_OFF):
            while len(claimed) < room:
                where = {"id": announcement.id, "now": at, "seen": quota.seen, "full": json.dumps(quota.full)}
                rows = db.execute(due, {**where, "room": room - len(claimed)}).fetchall()
                if not rows:
                    break
                gone = [(at, row[0]) for row in rows if row[1] and row[7] != "active"]
                db.executemany("UPDATE delivery SET state = 'skipped', reason = 'left', changed_at = ? WHERE id = ?", gone)
                ready = [row for row in rows if not row[1] or (row[7] == "active" and quota.allows(row[3]))]
                if quota.left and due is _PLANNED:
                    quota.seen = rows[-1][0]
                db.executemany(
                    "UPDATE delivery SET state = 'sending', attempts = attempts + 1, worker = 'main', changed_at = ? WHERE id = ?",
                    [(at, row[0]) for row in ready],
                )
                claimed += [_delivery(announcement, row) for row in ready]
        return tuple(claimed)

    def adopt(self, publication: Publication, channel: str, plugin: str, now: datetime) -> bool:
        """Count a publication as announced on a channel, to nobody that this record knows; False where it knows it."""
        with self.commit() as db:
            row = db.execute(
                "INSERT INTO announcement(publication, channel, rehearsal, plugin, title, digest, opened_at, closed_at)"
                " VALUES (?, ?, 0, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
                (publication.key, channel, plugin, publication.title, publication.digest, iso(now), iso(now)),
            ).fetchone()
            return row is not None

    def note_test(self, publication: Key, channel: str, address: str, digest: str, now: datetime) -> None:
        """A test was sent; no delivery, but it counts against the day's limit."""
        with self.commit() as db:
            db.execute(
                "INSERT INTO test(at, publication, channel, address, digest) VALUES (?, ?, ?, ?, ?)",
                (iso(now), publication, channel, address, digest),
            )

    def tests(self, publication: Key) -> tuple[Test, ...]:
        """The tests of a publication, newest first."""
        rows = self._db.execute("SELECT at, address, digest FROM test WHERE publication = ? ORDER BY id DESC", (publication,))
        return tuple(Test(at=datetime.fromisoformat(at), address=address, digest=digest) for at, address, digest in rows)

    def rows(self, announcement: Announcement) -> tuple[Row, ...]:
        """Every delivery of an announcement, in words of people."""
        found = self._db.execute(
            "SELECT d.id, coalesce(s.address, ''), coalesce(s.name, ''), d.state, coalesce(d.reason, ''), d.changed_at, coalesce(r.id, '')"
            " FROM delivery d LEFT JOIN subscriber s ON s.id = d.recipient LEFT JOIN receipt r ON r.delivery = d.id"
            " WHERE d.announcement = ? ORDER BY d.id", (announcement.id,),
        )  # fmt: skip
        return tuple(
            Row(
                delivery=one[0],
                address=one[1],
                name=one[2],
                state=State(one[3]),
                reason=one[4],
                at=datetime.fromisoformat(one[5]),
                receipt=one[6],
            )
            for one in found
        )

    def resolve(self, delivery: int, became: State, who: str, reason: str, now: datetime) -> bool:
        """What a person decides about a delivery in doubt, refused or waiting; False where there is nothing to decide.

        What is delivered or left out is final.
        """
        allowed = {State.DOUBT, State.WAITING, State.DEFERRED, State.PLANNED} | ({State.REFUSED} if became is State.PLANNED else set())
        with self.commit() as db:
            row = db.execute("SELECT state, announcement FROM delivery WHERE id = ?", (delivery,)).fetchone()
            if row is None or State(row[0]) not in allowed or State(row[0]) is became:
                return False
            db.execute(
                "UPDATE delivery SET state = ?, not_before = NULL, reason = ?, changed_at = ? WHERE id = ?",
                (became, reason, iso(now), delivery),
            )
            closed = iso(now) if became is not State.PLANNED else None
            db.execute(
                f"UPDATE announcement SET closed_at = CASE WHEN EXISTS (SELECT 1 FROM delivery WHERE announcement = ?1 AND {_OPEN})"
                " THEN NULL ELSE ?2 END WHERE id = ?1", (row[1], closed),
            )  # fmt: skip
            self._decided(db, delivery, row[0], became, who, reason, now)
            return True

    def note_resent(self, delivery: int, who: str, now: datetime) -> None:
        """It was sent once more to one person; the delivery itself stays as it is."""
        with self.commit() as db:
            was = db.execute("SELECT state FROM delivery WHERE id = ?", (delivery,)).fetchone()[0]
            self._decided(db, delivery, was, State(was), who, "sent once more", now)

    def _decided(self, db: sqlite3.Connection, delivery: int, was: str, became: State, who: str, reason: str, now: datetime) -> None:
        db.execute(
            "INSERT INTO decision(delivery, at, who, was, became, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (delivery, iso(now), who, was, became, hide(reason)),
        )

    def recipient(self, address: str) -> Recipient | None:
        """The subscriber of that address, whatever their status."""
        row = self._db.execute(
            "SELECT id, address, name, language, token FROM subscriber WHERE address_hash = ?", (self._hash(address),)
        ).fetchone()
        return Recipient(id=row[0], address=row[1] or "", name=row[2], language=row[3] or "", token=row[4]) if row else None

    def in_doubt(self, announcement: Announcement) -> tuple[Delivery, ...]:
        """The deliveries of which nobody knows whether they arrived."""
        rows = self._db.execute(f"{_DELIVERIES} AND d.state = 'in doubt' ORDER BY d.id", {"id": announcement.id})
        return tuple(_delivery(announcement, row) for row in rows)

    def decide(self, delivery: Delivery, outcome: Outcome, who: str, reason: str, now: datetime) -> None:
        """Settle what is in doubt, and remember who decided it and why."""
        with self.commit() as db:
            was = db.execute("SELECT state FROM delivery WHERE id = ?", (delivery.id,)).fetchone()[0]
            self._settle(db, [outcome], now)
            self._decided(db, delivery.id, was, outcome.state, who, reason, now)

    def sent_since(self, channel: str, since: datetime, domain: str = "") -> int:
        """How many deliveries the channel really made since then, those in doubt included; only those to a domain."""
        deliveries = (
            "SELECT count(*) FROM delivery d JOIN announcement a ON a.id = d.announcement LEFT JOIN subscriber s ON s.id = d.recipient"
            " WHERE a.channel = :channel AND a.rehearsal = 0 AND d.state IN ('delivered', 'in doubt') AND d.changed_at >= :since"
            f" AND (:domain = '' OR {_AT.format('s.address')} = :domain)"
        )
        tests = (
            f"SELECT count(*) FROM test WHERE channel = :channel AND at >= :since AND (:domain = '' OR {_AT.format('address')} = :domain)"
        )
        asked = {"channel": channel, "since": iso(since), "domain": domain}
        return sum(int(self._db.execute(query, asked).fetchone()[0]) for query in (deliveries, tests))

    def left_at(self, publication: Key, channel: str, domain: str) -> int:
        """How many of a real announcement are still to be sent to addresses at a domain."""
        row = self._db.execute(
            "SELECT count(*) FROM delivery d JOIN announcement a ON a.id = d.announcement JOIN subscriber s ON s.id = d.recipient"
            " WHERE a.publication = ? AND a.channel = ? AND a.rehearsal = 0 AND d.state IN ('planned', 'sending', 'deferred')"
            f" AND {_AT.format('s.address')} = ?", (publication, channel, domain),
        ).fetchone()  # fmt: skip
        return int(row[0])

    def next_try(self, announcement: Announcement) -> datetime | None:
        """When the earliest of the deferred may be tried again."""
        row = self._db.execute(
            "SELECT min(not_before) FROM delivery WHERE announcement = ? AND state = 'deferred'", (announcement.id,)
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    def reasons(self, announcement: Announcement, state: State) -> Iterator[tuple[str, str]]:
        """Address and reason of each delivery in `state`."""
        yield from self._db.execute(
            "SELECT coalesce(s.address, ''), coalesce(d.reason, '') FROM delivery d LEFT JOIN subscriber s ON s.id = d.recipient"
            " WHERE d.announcement = ? AND d.state = ? ORDER BY d.id", (announcement.id, state),
        )  # fmt: skip


_AUDIENCE = "status = 'active' AND (:tag = '' OR EXISTS (SELECT 1 FROM json_each(tags) WHERE json_each.value = :tag))"
_OPEN = "state IN ('planned', 'sending', 'deferred', 'in doubt', 'waiting')"
_COLUMNS = "d.id, d.recipient, d.attempts, s.address, s.name, s.language, s.token, s.status"
_DELIVERIES = f"SELECT {_COLUMNS} FROM delivery d LEFT JOIN subscriber s ON s.id = d.recipient WHERE d.announcement = :id"
_AT = "lower(substr({0}, instr({0}, '@') + 1))"
_NOT_FULL = f"(:full = '[]' OR coalesce({_AT.format('s.address')}, '') NOT IN (SELECT value FROM json_each(:full)))"
_PLANNED = f"{_DELIVERIES} AND d.state = 'planned' AND d.id > :seen AND {_NOT_FULL} ORDER BY d.id LIMIT :room"
"""In the order of the index, and never back, so that it costs the same however many are left."""
_PUT_OFF = f"{_DELIVERIES} AND d.state = 'deferred' AND coalesce(d.not_before, '') <= :now AND {_NOT_FULL} ORDER BY d.id LIMIT :room"


def _safe(delivery: int, receipt: Receipt) -> tuple[int, str, str | None, str, str]:
    """A receipt as it is written down: what the far end says may hold a secret."""
    return delivery, hide(receipt.id), hide(receipt.url) if receipt.url else None, iso(receipt.at), hide(receipt.note)


def _delivery(announcement: Announcement, row: tuple[object, ...]) -> Delivery:
    identity, recipient, attempts, address, name, language, token, _status = row
    parts = f"{announcement.publication}|{announcement.channel}|{recipient}"
    key = blake2b(parts.encode(), digest_size=16).hexdigest()
    person = Recipient(
        id=str(recipient), address=str(address or ""), name=str(name or ""), language=str(language or ""), token=str(token or "")
    )
    return Delivery(
        id=int(str(identity)), key=key, publication=announcement.publication, channel=announcement.channel,
        recipient=person if recipient else None, attempt=int(str(attempts)) + 1, values={},
    )  # fmt: skip
