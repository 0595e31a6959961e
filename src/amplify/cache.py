"""What has been read and rendered before. Anything in here may be thrown away at any time; nothing is pickled.

`parsed` keeps each content file's record beside the signature (times and size) of the files that it was read from;
`rendered` the digest and size of each rendered item by key. The bytes lie in `objects/`, a file for each digest.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from amplify.errors import StateError
from amplify.model import Digest

_SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=10000;
CREATE TABLE IF NOT EXISTS parsed(path TEXT PRIMARY KEY, signature TEXT NOT NULL, record BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rendered(key TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fragment(name TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(name,
key)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""


_NAMES: dict[Any, tuple[str, tuple[str, ...]]] = {}
"""Of each dataclass, its name and the fields that tell two values apart: for a record, its digest is enough."""


def digest(data: bytes) -> Digest:
    """blake2b-128 of `data`, in hexadecimal."""
    return Digest(blake2b(data, digest_size=16).hexdigest())


def digest_file(path: Path) -> Digest:
    """blake2b-128 of a file, read in pieces."""
    state = blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            state.update(piece)
    return Digest(state.hexdigest())


def digest_of(files: Mapping[PurePosixPath, Digest]) -> Digest:
    """One digest for a whole tree of files."""
    return digest("\n".join(sorted(f"{path} {name}" for path, name in files.items())).encode())


def fingerprint(*values: object) -> Digest:
    """One digest for any view: records by their own digest, everything else by its parts. Equal values, equal digests."""
    parts: list[str] = []
    _walk(values, parts)
    return digest("\x00".join(parts).encode("utf-8", "surrogatepass"))


def _walk(value: Any, parts: list[str]) -> None:
    """The common kinds first: a publish walks hundreds of thousands of values."""
    kind = type(value)
    if kind is str:
        parts.append("s" + value)
    elif names := _NAMES.get(kind):
        parts.append(names[0])
        for name in names[1]:
            item = getattr(value, name)
            if type(item) is str:
                parts.append("s" + item)
            else:
                _walk(item, parts)
    elif kind is tuple or kind is list:
        parts.append(f"({len(value)}")
        for item in value:
            _walk(item, parts)
    else:
        _walk_rest(value, parts)


def _walk_rest(value: Any, parts: list[str]) -> None:
    if value is None or isinstance(value, str | int | float | bool | Enum | PurePath):
        parts.append(f"{type(value).__name__} {value}")
    elif isinstance(value, datetime):
        parts.append(value.isoformat())
    elif isinstance(value, Mapping):
        parts.append(f"{{{len(value)}")
        for key in sorted(value):
            parts.append(str(key))
            _walk(value[key], parts)
    elif is_dataclass(value):
        names = tuple(item.name for item in fields(value))
        _NAMES[type(value)] = type(value).__name__, ("digest",) if {"digest", "at"} <= set(names) else names
        _walk(value, parts)
    else:
        parts.append(repr(value))


@dataclass(frozen=True, slots=True)
class Kept:
    """A rendered item: the bytes are at `Cache.object(digest)`."""

    digest: Digest
    size: int


def write_whole(path: Path, data: bytes) -> None:
    """`data` at `path`, whole or not at all: a temporary file beside it, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


class Cache:
    """The cache in one folder. Opening a damaged one begins a new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects = folder / "objects"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = self._open(folder / "cache.db")
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"Amplify cannot write its working files in {folder}: {error}.") from error

    def _open(self, path: Path) -> sqlite3.Connection:
        for again in (True, False):
            db = sqlite3.connect(path, isolation_level=None)
            try:
                db.executescript(_SCHEMA)
                db.execute("SELECT count(*) FROM (SELECT path FROM parsed LIMIT 1)").fetchone()
            except sqlite3.DatabaseError as error:
                db.close()
                if not again or isinstance(error, sqlite3.OperationalError):
                    raise
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
            else:
                return db
        raise AssertionError

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    @contextlib.contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise StateError(f"Amplify cannot write its working files in {self._folder}: {error}.") from error

    # -- parsed files --------------------------------------------------------------------------------------------------

    def parsed(self) -> dict[str, tuple[str, bytes]]:
        """Signature and record of each file that was parsed before, by path."""
        return {path: (signature, record) for path, signature, record in self._db.execute("SELECT path, signature, record FROM parsed")}

    def keep_parsed(self, rows: Iterable[tuple[str, str, bytes]], gone: Iterable[str]) -> None:
        """Replace what changed, forget what is gone."""
        with self._commit() as db:
            db.executemany("INSERT OR REPLACE INTO parsed VALUES (?, ?, ?)", rows)
            db.executemany("DELETE FROM parsed WHERE path = ?", ((path,) for path in gone))

    # -- rendered items ------------------------------------------------------------------------------------------------

    def rendered(self) -> dict[str, Kept]:
        """Everything that was rendered before, by key."""
        return {key: Kept(Digest(name), size) for key, name, size in self._db.execute("SELECT key, digest, size FROM rendered")}

    def keep_rendered(self, new: Mapping[str, Kept], used: set[str]) -> None:
        """Remember `new`; when more than half of all is no longer in use, forget that and its bytes."""
        with self._commit() as db:
            db.executemany("INSERT OR REPLACE INTO rendered VALUES (?, ?, ?)", ((key, kept.digest, kept.size) for key, kept in new.items()))
        everything = self.rendered()
        stale = everything.keys() - used
        if len(stale) > len(used):
            with self._commit() as db:
                db.executemany("DELETE FROM rendered WHERE key = ?", ((key,) for key in stale))
            for name in {everything[key].digest for key in stale} - {everything[key].digest for key in used if key in everything}:
                self.object(name).unlink(missing_ok=True)

    def object(self, name: Digest) -> Path:
        """Where the bytes of that digest lie."""
        return self._objects / name[:2] / name[2:]

    def keep_bytes(self, data: bytes) -> Kept:
        """Put `data` among the objects. Raises StateError when the disk refuses."""
        kept = Kept(digest(data), len(data))
        if not self.has(kept):
            try:
                write_whole(self.object(kept.digest), data)
            except OSError as error:
                raise StateError(f"Amplify cannot write its working files in {self._objects}: {error.strerror or error}.") from error
        return kept

    def has(self, kept: Kept) -> bool:
        """Whether the bytes are there, whole."""
        try:
            return os.stat(f"{self._objects}/{kept.digest[:2]}/{kept.digest[2:]}").st_size == kept.size
        except OSError:
            return False

    # -- pieces of a feed ----------------------------------------------------------------------------------------------

    def fragments(self, name: str) -> dict[str, bytes]:
        """The serialised pieces kept under `name`, by key."""
        return dict(self._db.execute("SELECT key, value FROM fragment WHERE name = ?", (name,)))

    def keep_fragments(self, name: str, new: Mapping[str, bytes] | Mapping[Digest, bytes], gone: Iterable[str]) -> None:
        """Add `new` pieces, forget those that are `gone`."""
        with self._commit() as db:
            db.executemany("INSERT OR REPLACE INTO fragment VALUES (?, ?, ?)", ((name, key, value) for key, value in new.items()))
            db.executemany("DELETE FROM fragment WHERE name = ? AND key = ?", ((name, key) for key in gone))

    # -- one value by name ---------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """A kept value."""
        row = self._db.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, value: bytes) -> None:
        """Keep one value."""
        with self._commit() as db:
            db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, value))
