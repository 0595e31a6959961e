"""Gather from a drop box: a folder into which members put texts and pictures.

    [[source]]
    name = "drop box"
    plugin = "folder"
    path = "offers"

`path` is relative to the community or absolute, so it can be a folder that a cloud service shares with members. Each text in
it (`.md`, `.txt`) is an offer, and so is each picture (`.jpg`, `.png`, `.webp`, `.gif`) to which no text belongs. A text may
begin with `title`, `author`, `email`, `url`, `date`, `kind`, `tags` and `licence` between two lines `---`; without a title,
the name of the file is one. A picture belongs to a text that shows it, `![what it shows](bench.jpg)`, or that has its name:
`bench.txt` and `bench.jpg`.

Files are read, and never moved, changed or deleted. What was changed within the last seconds waits for the next time, and so
do the unfinished files of programs. Hidden files, links, and the copies that a synchronised folder makes of a conflict are
left alone. A text may have 1 MB, and a picture 20 MB.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from amplify.api import Bookmark, Kind, Media, Offer, Services, SourceKind, Unreadable, front_matter, hookimpl, parse_moment

_TEXTS: Mapping[str, Literal["markdown", "text"]] = {".md": "markdown", ".markdown": "markdown", ".txt": "text"}
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
_TEXT_LIMIT, _PICTURE_LIMIT, _MOST = 1_000_000, 20_000_000, 10_000
_LEFT_ALONE = re.compile(
    r"[.~#].*|.*~|.*\.(tmp|temp|part|partial|crdownload|download|swp|lock|new)"
    r"|.*(\.sync-conflict-|conflicted copy).*|readme(\..*)?|thumbs\.db|desktop\.ini",
    re.IGNORECASE,
)
_SHOWN = re.compile(r"!\[([^\]]*)\]\(<?([^()<>]*?)>?(?:\s+\"[^\"]*\")?\)")
Stamp = list[list[int]]


@dataclass(frozen=True)
class Options:
    """`kind`: what a text is that does not say it. `settle`: for how many seconds a file must have been left alone."""

    path: str
    kind: Kind = Kind.ARTICLE
    settle: float = 10


class DropBox:
    """Its bookmark holds the time and size of each offer's files, so that only what changed is offered again."""

    def __init__(self, options: Options, services: Services) -> None:
        self._root = services.folder / Path(options.path).expanduser()
        if services.folder.resolve().is_relative_to(self._root.resolve()):
            raise ValueError(f"path = {options.path!r} holds the community folder itself; give offers a folder of their own, like offers")
        self._options, self._services, self._log = options, services, services.log

    def gather(self, since: Bookmark | None) -> Iterator[Offer | Bookmark]:
        """An offer for each text, and each picture without one, that is new or changed."""
        if not self._root.is_dir():
            raise Unreadable(f"there is no folder {self._root}; make it, or name another one in amplify.toml")
        before, there, stamps = _remembered(since), dict(self._settled()), dict[str, Stamp]()
        pictures = {unicodedata.normalize("NFC", name): name for name in there if name.lower().endswith(_PICTURES)}
        alone = set(pictures.values())
        for name in sorted(there.keys() - alone):
            try:
                text = self._text(name)
            except (OSError, Unreadable) as error:
                self._log.warning("%s: %s", name, _why(error))
                continue
            shown = _belonging(name, text, pictures)
            alone -= set(shown.values())
            stamps[name] = [there[one] for one in (name, *shown.values())]
            if stamps[name] != before.get(name):
                yield self._written(name, text, shown, there[name])
        for name in sorted(alone):
            stamps[name] = [there[name]]
            if stamps[name] != before.get(name) and (kept := self._kept(name, "")):
                yield Offer(id=name, title=_title(name), form="text", kind=self._options.kind, media=(kept,), offered=_moment(there[name]))
        if stamps != before:
            yield Bookmark(value=json.dumps(stamps))

    # -- what is there -------------------------------------------------------------------------------------------------

    def _settled(self) -> Iterator[tuple[str, list[int]]]:
        """Each file that can be read now, by its path below the folder, with its time and size."""
        now, found, fresh = self._services.clock().timestamp(), 0, 0
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(one for one in folders if not _LEFT_ALONE.fullmatch(one))
            for name in sorted(one for one in files if not _LEFT_ALONE.fullmatch(one)):
                path = Path(folder) / name
                state = path.lstat()
                shown = path.relative_to(self._root).as_posix()
                if not stat.S_ISREG(state.st_mode):
                    self._log.info("%s was left alone", shown)
                    continue
                if abs(now - state.st_mtime) < self._options.settle:
                    fresh += 1
                    continue
                if trouble := _trouble(shown, state.st_size):
                    self._log.warning("%s: %s", shown, trouble)
                    continue
                found += 1
                if found > _MOST:
                    raise Unreadable(f"there are more than {_MOST} files in {self._root}; move those away that you decided about")
                yield shown, [state.st_mtime_ns, state.st_size]
        if fresh:
            self._log.warning("changed a moment ago, so left until the next time: %d file%s", fresh, "s" * (fresh > 1))

    def _read(self, name: str, limit: int) -> bytes:
        handle = os.open(self._root / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            return file.read(limit)

    def _text(self, name: str) -> str:
        data = self._read(name, _TEXT_LIMIT)
        for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
            try:
                return data.decode(encoding).replace("\r\n", "\n")
            except UnicodeDecodeError:
                continue
        raise Unreadable("is no text; save it as UTF-8")

    # -- what becomes of it --------------------------------------------------------------------------------------------

    def _written(self, name: str, text: str, shown: Mapping[str, str], stamp: list[int]) -> Offer:
        """The offer that a text is. `shown`: the pictures that belong to it, by what the text calls them."""
        values, body = self._taken_apart(name, text)
        title = _word(values, "title") or _title(name)
        words = {address: alt for alt, address in _SHOWN.findall(body)}
        kept = {address: self._kept(file, words.get(address, _word(values, "alt") or title)) for address, file in shown.items()}

        def anew(found: re.Match[str]) -> str:
            if "://" in found[2]:
                return found[0]
            media = kept.get(found[2])
            if found[2] not in shown:
                self._log.warning("%s shows %s, which is not there", name, found[2])
            return f"![{found[1]}]({media.path})" if media else found[1]

        tags = values.get("tags", ())
        return Offer(
            id=name, title=title, body=_SHOWN.sub(anew, body), form=_TEXTS[Path(name).suffix.lower()], kind=self._kind(name, values),
            url=_word(values, "url") or None, author=_word(values, "author"), handle=_word(values, "email"),
            offered=self._offered(name, values, stamp), licence=_word(values, "licence"), media=tuple(filter(None, kept.values())),
            tags=tuple(map(str, tags)) if isinstance(tags, list) else tuple(filter(None, map(str.strip, str(tags or "").split(",")))),
        )  # fmt: skip

    def _taken_apart(self, name: str, text: str) -> tuple[Mapping[str, Any], str]:
        if not re.match(r"---[ \t]*\n", text):
            return {}, text
        try:
            return front_matter(text.encode("utf-8", "replace"), name)
        except Unreadable as error:
            self._log.warning("%s; it is offered as it stands", error)
            return {}, text

    def _kept(self, name: str, words: str) -> Media | None:
        try:
            return self._services.keep(self._read(name, _PICTURE_LIMIT + 1), words)
        except (OSError, Unreadable) as error:
            self._log.warning("%s: %s", name, _why(error))
            return None

    def _kind(self, name: str, values: Mapping[str, Any]) -> Kind:
        word = _word(values, "kind").lower()
        if word and word not in set(Kind):
            self._log.warning("%s: %r is no kind of contribution", name, word)
        return Kind(word) if word in set(Kind) else self._options.kind

    def _offered(self, name: str, values: Mapping[str, Any], stamp: list[int]) -> datetime:
        try:
            return parse_moment(_word(values, "date"), self._services.zone) if _word(values, "date") else _moment(stamp)
        except ValueError as error:
            self._log.warning("%s: %s", name, error)
            return _moment(stamp)


def _remembered(since: Bookmark | None) -> Mapping[str, Stamp]:
    try:
        found = json.loads(since.value) if since else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _trouble(name: str, size: int) -> str:
    suffix = Path(name).suffix.lower()
    limit = _TEXT_LIMIT if suffix in _TEXTS else _PICTURE_LIMIT if suffix in _PICTURES else 0
    if not limit:
        return "is neither a text nor a picture; save it as .txt, .md, .jpg or .png"
    return f"has more than {limit // 1_000_000} MB" if size > limit else "is empty" if not size else ""


def _belonging(name: str, text: str, pictures: Mapping[str, str]) -> dict[str, str]:
    """The pictures of the drop box that a text shows, or that have its name, by what the text calls them."""
    folder = posixpath.dirname(unicodedata.normalize("NFC", name))
    named = {address: posixpath.normpath(posixpath.join(folder, unquote(address))) for _, address in _SHOWN.findall(text)}
    found = {address: pictures[path] for address, path in named.items() if path in pictures}
    stem = name.rpartition(".")[0]
    return found | {one: one for one in sorted(pictures.values()) if one.rpartition(".")[0] == stem and one not in found.values()}


def _title(name: str) -> str:
    words = re.sub(r"[-_\s]+", " ", posixpath.basename(name).rpartition(".")[0]).strip()
    return words[:1].upper() + words[1:]


def _word(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key, "")
    return value if isinstance(value, str) else ""


def _moment(stamp: list[int]) -> datetime:
    return datetime.fromtimestamp(stamp[0] / 1e9, UTC)


def _why(error: OSError | Unreadable) -> str:
    return f"cannot be opened: {error.strerror}" if isinstance(error, OSError) else error.reason


@hookimpl
def amplify_sources() -> list[SourceKind]:
    """The kind `folder`."""
    return [SourceKind("folder", Options, DropBox)]
