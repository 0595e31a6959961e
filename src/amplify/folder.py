"""The community folder into one frozen `Content`. Files that did not change are not parsed again."""

from __future__ import annotations

import contextlib
import difflib
import mimetypes
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from amplify import __version__, records, text
from amplify.cache import Cache, digest, digest_file, fingerprint
from amplify.config import Settings
from amplify.errors import Problem
from amplify.frontmatter import LARGEST, Broken, split
from amplify.model import Asset, Content, Contribution, Digest, Edition, Episode, Event, Member, Placement
from amplify.reading import SLUG, Reading

Record = Member | Contribution | Edition | Episode | Event
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}
_MAKERS: Mapping[str, tuple[type[Record], Callable[[Reading], Record | None]]] = {
    "members": (Member, records.member),
    "contributions": (Contribution, records.contribution),
    "editions": (Edition, records.edition),
    "episodes": (Episode, records.episode),
    "events": (Event, records.event),
}
_READABLE = "see to it that you may read it, or move it away"
_TYPES = {".vtt": "text/vtt", ".srt": "application/x-subrip", ".webp": "image/webp", ".avif": "image/avif", ".m4a": "audio/x-m4a"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The folder as it is, with what is wrong with it."""

    content: Content
    problems: tuple[Problem, ...]


def load(settings: Settings, cache: Cache) -> Loaded:
    """Everything in the folder. Problems are collected, never raised; a file with an error is left out."""
    reader = _Reader(settings, cache)
    found: dict[str, list[Record]] = {name: list(reader.folder(name)) for name in _MAKERS}
    assets = dict(reader.assets())
    reader.remember()
    content = Content(
        members=_by_address(found["members"], reader.problems),
        contributions=_by_address(found["contributions"], reader.problems),
        editions=_by_address(found["editions"], reader.problems),
        episodes=_by_address(found["episodes"], reader.problems),
        events=_by_address(found["events"], reader.problems),
        assets=assets,
    )
    problems = [*reader.problems, *_same_ids(found), *links(content, reader.broken)]
    return Loaded(content, tuple(sorted(problems, key=lambda one: (one.severity, one.file, one.line, one.rule))))


def media_type(name: str) -> str:
    """The media type of a file by its ending."""
    suffix = os.path.splitext(name)[1].lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


class _Reader:
    """Walks the folder once; asks the cache for what it knows."""

    def __init__(self, settings: Settings, cache: Cache) -> None:
        self.settings, self.root, self._cache = settings, settings.root, cache
        self.problems: list[Problem] = []
        self.broken: set[str] = set()
        self._known = cache.parsed()
        self._seen: set[str] = set()
        self._offered: set[Path] = set()
        self._new: list[tuple[str, str, bytes]] = []
        community = settings.community
        self._epoch = fingerprint(__version__, community.timezone, community.language)

    def folder(self, name: str) -> Iterator[Record]:
        """The records of one content folder; a second show's episodes are in a folder of its slug."""
        yield from self._files(name, "")
        if name == "episodes":
            for show in self.settings.podcast:
                if show.slug:
                    yield from self._files(name, show.slug)

    def _files(self, name: str, show: str) -> Iterator[Record]:
        for entry in self._entries(Path(name) / show):
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in (".md", ".markdown") and not entry.name.startswith((".", "_")) and stem.upper() != "README":
                record = self._record(name, show, entry)
                if record is not None:
                    yield record
                else:
                    self.broken.add(f"{name}/{stem}")

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        if self._leads_away(folder):
            return []
        try:
            with os.scandir(self.root / folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._unopened(error)
            return []

    def _record(self, name: str, show: str, entry: os.DirEntry[str]) -> Record | None:
        cls, make = _MAKERS[name]
        path = f"{name}/{show}/{entry.name}" if show else f"{name}/{entry.name}"
        if not entry.is_file(follow_symlinks=False) and not self._usable(Path(path)):
            return None
        signature, record = self._known.get(path, ("", b""))
        if signature and self._current(entry, signature):
            with contextlib.suppress(ValidationError):
                known = cast(Record, _adapter(cls).validate_json(record))
                self._seen.add(path)
                return known
        return self._parse(Path(path), entry, show, make)

    def _usable(self, file: Path) -> bool:
        """Whether `file`, which is no plain file, leads to one in this folder (X10)."""
        if self._leads_away(file):
            return False
        with contextlib.suppress(OSError):
            if (self.root / file).is_file():
                return True
        self._refuse(file, "C06", "is no file that can be read", "remove it, or put the file itself here")
        return False

    def _leads_away(self, path: Path) -> bool:
        there = self.root / path
        with contextlib.suppress(OSError, RuntimeError):
            if there.is_symlink() and not there.resolve().is_relative_to(self.root.resolve()):
                self._refuse(path, "C15", "is a link to something outside this folder", "put here what it leads to")
                return True
        return False

    def _refuse(self, file: Path, rule: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(file=_shown(file), line=0, rule=rule, message=message, remedy=remedy))

    def _unopened(self, error: OSError) -> None:
        """A folder that cannot be looked into; where there is none, that is no problem."""
        if not isinstance(error, FileNotFoundError):
            folder = Path(str(error.filename)).relative_to(self.root)
            self._refuse(folder, "C06", f"is no folder that can be read: {error.strerror}", "make it one, or move it away")

    def _current(self, entry: os.DirEntry[str], signature: str) -> bool:
        epoch, own, *others = signature.split("\n")
        return epoch == self._epoch and own == _stamp(entry.stat()) and all(_unchanged(self.root, line) for line in others)

    def _parse(self, file: Path, entry: os.DirEntry[str], show: str, make: Callable[[Reading], Record | None]) -> Record | None:
        path = file.as_posix()
        if not SLUG.fullmatch(file.stem):
            self._misnamed(file)
            return None
        try:
            stamp = _stamp(entry.stat())
            page = split(self._bytes(file), path)
        except Broken as error:
            self.problems.append(error.problem)
            return None
        community = self.settings.community
        reading = Reading(page, self.root, file, community.zone, community.language, show)
        record = make(reading)
        self.problems += reading.problems
        if record is None or any(problem.severity == "error" for problem in reading.problems):
            return None
        record = replace(record, digest=digest(_adapter(type(record)).dump_json(record)))
        signature = "\n".join([self._epoch, stamp, *(_line(self.root, other) for other in reading.depends)])
        self._new.append((path, signature, _adapter(type(record)).dump_json(record)))
        return record

    def _bytes(self, file: Path) -> bytes:
        try:
            with (self.root / file).open("rb") as opened:
                return opened.read(LARGEST + 1)
        except OSError as error:
            raise Broken(
                Problem(file=file.as_posix(), line=0, rule="C06", message=f"cannot be opened: {error.strerror}", remedy=_READABLE)
            ) from error

    def _misnamed(self, file: Path) -> None:
        """Name the command that mends it, which never puts one file in the place of another."""
        possible = (file.with_name(f"{text.slug(file.stem)}{more}.md") for more in ("", *(f"-{number}" for number in range(2, 1000))))
        better = next(one for one in possible if one not in self._offered and not (self.root / one).exists())
        self._offered.add(better)
        message = "its name would be its address, so only small letters, digits and hyphens are possible"
        typed = shlex.quote(file.as_posix())
        remedy = f"mv {typed} {better.as_posix()}" if _shown(file) == file.as_posix() else f"give it a name like {better.name}"
        self._refuse(file, "C07", message, remedy)

    def assets(self) -> Iterator[tuple[PurePosixPath, Asset]]:
        """Everything in assets/, copied as it is; digests of unchanged files are remembered."""
        if self._leads_away(Path("assets")):
            return
        for folder, folders, names in os.walk(self.root / "assets", onerror=self._unopened):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            where = Path(folder).relative_to(self.root)
            linked = [name for name in folders if (self.root / where / name).is_symlink()]
            for name in (*linked, *sorted(names)):
                if not name.startswith(".") and (found := self._asset(where / name)):
                    yield found

    def _asset(self, file: Path) -> tuple[PurePosixPath, Asset] | None:
        path = self.root / file
        if (path.is_symlink() or not path.is_file()) and not self._usable(file):
            return None
        if text.plain(str(file)) != str(file) or re.search(r"[\t\r\n]", str(file)):
            self._refuse(file, "C07", "its name would be its address, and holds what no address can", "give it another name")
            return None
        try:
            return self._copied(file)
        except OSError as error:
            self._refuse(file, "C06", f"cannot be read: {error.strerror}", _READABLE)
            return None

    def _copied(self, file: Path) -> tuple[PurePosixPath, Asset]:
        path, where = self.root / file, PurePosixPath(file.as_posix())
        stat = path.stat()
        stamp, (signature, record) = _stamp(stat), self._known.get(str(where), ("", b""))
        self._seen.add(str(where))
        if signature != stamp:
            record = digest_file(path).encode()
            self._new.append((str(where), stamp, record))
        return where, Asset(path=where, digest=Digest(record.decode()), size=stat.st_size, type=media_type(path.name), source=path)

    def remember(self) -> None:
        """Keep what was read, forget what is gone."""
        gone = self._known.keys() - self._seen - {path for path, _, _ in self._new}
        if self._new or gone:
            self._cache.keep_parsed(self._new, gone)


def _adapter(cls: Any) -> TypeAdapter[Any]:
    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(cls)
    return _ADAPTERS[cls]


def _shown(file: Path) -> str:
    """A file's name, fit for the screen whatever it is made of."""
    return text.one_line(os.fsencode(file.as_posix()).decode("utf-8", "replace"))


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_size}"


def _line(root: Path, path: Path) -> str:
    return f"{_stamp(path.stat())}|{path.relative_to(root).as_posix()}"


def _unchanged(root: Path, line: str) -> bool:
    stamp, _, path = line.partition("|")
    try:
        return _stamp(os.stat(f"{root}/{path}")) == stamp
    except OSError:
        return False


# -- what only shows when all files are read -----------------------------------------------------------------------


def _address(record: Record) -> Any:
    return (record.show, record.slug) if isinstance(record, Episode) else record.slug


def _by_address(found: Iterable[Record], problems: list[Problem]) -> dict[Any, Any]:
    kept: dict[Any, Record] = {}
    for record in found:
        if other := kept.get(_address(record)):
            message = f"has the same address as {other.at.file.as_posix()}"
            problems.append(Problem(file=record.at.file.as_posix(), line=0, rule="C08", message=message, remedy="rename one of them"))
        kept[_address(record)] = record
    return kept


def _same_ids(found: Mapping[str, Iterable[Record]]) -> Iterator[Problem]:
    """Two things with one identity; what has the same address as well was named before."""
    for name in ("contributions", "editions", "episodes", "events"):
        seen: dict[tuple[str, str], Record] = {}
        for record in found[name]:
            identity = getattr(record, "id", "")
            key = (getattr(record, "show", ""), identity)
            if (other := seen.get(key)) and _address(other) != _address(record):
                message = f"has the same id ({identity}) as {other.at.file.as_posix()}; is it a copy?"
                remedy = "remove the file that is the copy, or the id line in a file that is new"
                yield Problem(file=record.at.file.as_posix(), line=1, rule="C08", message=message, remedy=remedy)
            seen[key] = record


def links(content: Content, broken: set[str]) -> Iterator[Problem]:
    """Placements, people and answers that lead nowhere. What is in `broken` is there, but has problems of its own."""
    episodes = {slug if not show else f"{show}/{slug}": one for (show, slug), one in content.episodes.items()}
    places: Mapping[str, tuple[str, Mapping[Any, Any]]] = {
        "contribution": ("contributions", content.contributions),
        "episode": ("episodes", episodes),
        "event": ("events", content.events),
    }
    for edition in content.editions.values():
        for part in edition.body:
            if isinstance(part, Placement) and part.what in places:
                folder, known = places[part.what]
                named = _Named(edition.at.file, part.line, f"::{part.what}[{part.argument}]", folder, known, broken)
                yield from named.missing(part.argument)
    for episode in content.episodes.values():
        named = _Named(episode.at.file, 1, "people", "members", content.members, broken)
        yield from named.missing(*(credit.member for credit in episode.people if credit.member))
    for event in content.events.values():
        yield from _Named(event.at.file, 1, "hosts", "members", content.members, broken).missing(*event.hosts)
    for one in content.contributions.values():
        named = _Named(one.at.file, 1, "answers", "contributions", content.contributions, broken)
        yield from named.missing(*((one.answers,) if one.answers else ()))


@dataclass(frozen=True, slots=True)
class _Named:
    """A place that names files of `folder`, of which `known` are there and `broken` have problems of their own."""

    file: Path
    line: int
    what: str
    folder: str
    known: Mapping[Any, Any]
    broken: set[str]

    def missing(self, *names: str) -> Iterator[Problem]:
        """A problem for each name that leads nowhere."""
        for name in names:
            if name not in self.known and f"{self.folder}/{name}" not in self.broken:
                yield _nowhere(self.file, self.line, self.what, self.folder, name, self.known)


def _nowhere(file: Path, line: int, what: str, folder: str, name: str, known: Iterable[Any]) -> Problem:
    close = difflib.get_close_matches(name, [str(one) for one in known], n=1)
    remedy = f"did you mean {close[0]}?" if close else f"write that file, or take this out of {file.as_posix()}"
    return Problem(file=file.as_posix(), line=line, rule="C09", message=f"{what}: there is no {folder}/{name}.md", remedy=remedy)
