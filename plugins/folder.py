"""Keep a folder equal to the site.

The folder can be what your web server shows, or what you upload. Files that Amplify did not write stay as they are; what
it wrote and no longer needs goes. Each file appears whole or not at all.

    [[channel]]
    name = "website"
    plugin = "folder"
    path = "public"
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from amplify.api import Asset, Channel, Digest, Services, hookimpl

LIST = ".amplify-files"
"""In the folder: a line for each file that Amplify wrote, added before the file itself is."""
_THEIRS = ("contributions", "editions", "episodes", "events", "members", "templates", "plugins", "assets", ".amplify", "amplify.toml")


@dataclass(frozen=True)
class Options:
    """`path`: the folder, relative to the community or absolute."""

    path: str


class Folder:
    """A mirror of the site in a folder of this machine."""

    local = True

    def __init__(self, options: Options, services: Services) -> None:
        self._root = _own_place(options.path, services.folder.resolve())
        self._times = services.cache / "times.json"

    def listing(self) -> Mapping[PurePosixPath, Digest]:
        """What Amplify wrote here, with the digests of what is there now; unchanged files are not read again."""
        known = self._known_times()
        found: dict[PurePosixPath, Digest] = {}
        stamps: dict[str, list[object]] = {}
        for path in self._written():
            with contextlib.suppress(OSError):
                stat = os.stat(f"{self._root}/{path}")
                stamp = [stat.st_mtime_ns, stat.st_size]
                before = known.get(path)
                digest = str(before[2]) if before and before[:2] == stamp else _digest(self._root / path)
                found[PurePosixPath(path)] = Digest(digest)
                stamps[path] = [*stamp, digest]
        if stamps != known:
            with contextlib.suppress(OSError):
                _write(self._times, json.dumps(stamps).encode())
        return found

    def read(self, path: PurePosixPath) -> bytes | None:
        """A file's bytes, or None."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Changes are noted before they are made, and the list is put in order at the end, if the disk allows."""
        self._root.mkdir(parents=True, exist_ok=True)
        session = Session(self._root)
        try:
            yield session
        finally:
            session.close()
            with contextlib.suppress(OSError):
                self._tidy(session.stamps)

    def _tidy(self, new: Mapping[str, list[object]]) -> None:
        there = sorted(path for path in self._written() if (self._root / path).exists())
        _write(self._root / LIST, "".join(f"{path}\n" for path in there).encode())
        known = {**self._known_times(), **new}
        _write(self._times, json.dumps({path: known[path] for path in there if path in known}).encode())

    def _written(self) -> set[str]:
        try:
            lines = (self._root / LIST).read_text("utf-8", "replace").split("\n")
        except FileNotFoundError:
            return set()
        return {line for line in lines if line and _inside(line)}

    def _known_times(self) -> dict[str, list[object]]:
        try:
            known = json.loads(self._times.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


class Session:
    """The folder while it is being changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._new = root / f"{LIST}.new"
        self._list = (root / LIST).open("a", encoding="utf-8")
        self.stamps: dict[str, list[object]] = {}
        """Of each file that was put: its time, size and digest, so that it need not be read again."""

    def put(self, asset: Asset) -> None:
        """Copy beside its place, then rename. A line of its own in the list, even after one that a full disk cut off."""
        target = _within(self._root, asset.path)
        self._list.write(f"\n{asset.path}\n")
        self._list.flush()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(asset.source, self._new)
            self._new.replace(target)
            stat = target.stat()
            self.stamps[str(asset.path)] = [stat.st_mtime_ns, stat.st_size, asset.digest]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(target if asset.source.exists() else asset.source)) from error

    def remove(self, path: PurePosixPath) -> None:
        """Remove a file, and the folders that it leaves empty."""
        target = _within(self._root, path)
        target.unlink(missing_ok=True)
        for folder in target.relative_to(self._root).parents[:-1]:
            with contextlib.suppress(OSError):
                (self._root / folder).rmdir()

    def close(self) -> None:
        """No more changes; a half-copied file goes."""
        self._new.unlink(missing_ok=True)
        self._list.close()


def _own_place(path: str, home: Path) -> Path:
    """Where the site goes: never among the community's own files. Raises ValueError."""
    root = (home / path).resolve()
    if root == home or home.is_relative_to(root):
        raise ValueError(f"path = {path!r} would be the community folder itself; give the site a folder of its own, like public")
    if root.is_relative_to(home) and (first := root.relative_to(home).parts[0]) in _THEIRS:
        raise ValueError(f"path = {path!r} would put the site among the files of {first}; give it a folder of its own, like public")
    if root.exists() and not root.is_dir():
        raise ValueError(f"path = {path!r} is a file, and the site needs a folder; move the file away, or name another folder")
    return root


def _inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts and ":" not in pure.parts[0]


def _within(root: Path, path: PurePosixPath) -> Path:
    if not _inside(str(path)):
        raise ValueError(f"{path} is no file within {root}")
    return root / path


def _digest(file: Path) -> str:
    state = blake2b(digest_size=16)
    with file.open("rb") as opened:
        while piece := opened.read(1 << 20):
            state.update(piece)
    return state.hexdigest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.new")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@hookimpl
def amplify_channels() -> list[Channel]:
    """The kind `folder`."""
    return [Channel("folder", Options, Folder)]
