"""A mirror on a place that can only read, write and remove files: a list that is kept there says what Amplify wrote.

    .amplify-files      a line `digest path` for each file; before a file is touched, its line is `- path`

So files of others are never touched, what is no longer needed goes, and a run that was cut off anywhere is put right by the next.
"""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

from amplify.errors import AmplifyError
from amplify.model import Asset, Digest

LIST = ".amplify-files"
NEW, PART = f"{LIST}.new", f"{LIST}.part"
"""Names under which the list, and a file of the site, are written before they are renamed."""
_AHEAD = 32
"""So many changes are noted in the list at once, before the first of them is made: for each file it would take twice as long."""


class Place(Protocol):
    """The folder there, over one connection. Paths are relative to it, with slashes. What goes wrong is Transient or Paused."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None: surely not there."""

    def write(self, path: str, source: BinaryIO, temporary: str) -> None:
        """A whole file, with the folders that it needs: written as `temporary`, then renamed."""

    def remove(self, path: str) -> None:
        """A file is gone, and so are the folders that it leaves empty; no error if it was gone already."""


class ListedMirror(ABC):
    """The mirror, of which a plugin only says how to connect."""

    local = False

    @abstractmethod
    def connected(self) -> AbstractContextManager[Place]:
        """One connection."""

    def listing(self) -> Mapping[PurePosixPath, Digest]:
        """What Amplify wrote there, as the list there says; a digest is "" where a change was begun."""
        with self.connected() as place:
            return {PurePosixPath(path): Digest(digest) for path, digest in _known(place).items()}

    def read(self, path: PurePosixPath) -> bytes | None:
        """A file of the site; None: surely not there."""
        with self.connected() as place:
            return place.read(_inside(path))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One connection. Changes are noted there before they are made, and the list is put in order at the end."""
        with self.connected() as place:
            session = Session(place)
            try:
                yield session
                session.flush()
            except BaseException:
                with contextlib.suppress(AmplifyError):
                    session.close()
                    place.remove(PART)
                raise
            session.close()


class Session:
    """The folder there while it is being changed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._known = _known(place)
        self._todo: list[tuple[str, Asset | None]] = []

    def put(self, asset: Asset) -> None:
        """Soon: with the next few changes, or when the session ends."""
        self._add(_inside(asset.path), asset)

    def remove(self, path: PurePosixPath) -> None:
        """Likewise."""
        self._add(_inside(path), None)

    def _add(self, path: str, asset: Asset | None) -> None:
        self._todo.append((path, asset))
        if len(self._todo) == _AHEAD:
            self.flush()

    def flush(self) -> None:
        """Note what is to change, then change it."""
        todo, self._todo = self._todo, []
        if not todo:
            return
        self._known |= {path: "" for path, _ in todo}
        self.close()
        for path, asset in todo:
            if asset is None:
                self._place.remove(path)
                self._known.pop(path, None)
            else:
                with asset.source.open("rb") as source:
                    self._place.write(path, source, PART)
                self._known[path] = asset.digest

    def close(self) -> None:
        """The list says what is there now."""
        lines = "".join(f"{digest or '-'} {path}\n" for path, digest in sorted(self._known.items()))
        self._place.write(LIST, BytesIO(lines.encode()), NEW)


def _known(place: Place) -> dict[str, str]:
    """A line that leads elsewhere is nobody's."""
    written = place.read(LIST)
    if written is None:
        written = place.read(NEW) or b""
    lines = written.decode("utf-8", "replace").split("\n")[:-1]
    found = (re.fullmatch(r"(-|[0-9a-f]{32}) (.+)", line) for line in lines)
    return {line[2]: line[1].strip("-") for line in found if line and _is_inside(line[2])}


def _inside(path: PurePosixPath) -> str:
    if not _is_inside(str(path)):
        raise AmplifyError(f"{str(path)!r} would lead out of the folder of the website; it was left alone")
    return str(path)


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    ours = not pure.name or pure.name.startswith(LIST)
    return not ours and not pure.is_absolute() and ".." not in pure.parts and all(one >= " " for one in path)
