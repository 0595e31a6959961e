"""One file of the folder being read: values out of what people wrote, in the community's time zone, and problems collected."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from amplify import media, text, times
from amplify.errors import Problem
from amplify.frontmatter import Page
from amplify.model import Media, Place, Slug
from amplify.validate import validate

T = TypeVar("T")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_TO_ITS_END = timedelta(days=1, seconds=-1)


class Reading:
    """One file being read: where it is, what was found wrong, and which other files it depends on."""

    def __init__(self, page: Page, root: Path, file: Path, zone: ZoneInfo, language: str, show: str = "") -> None:
        self.page, self.root, self.file, self.zone, self.language, self.show = page, root, file, zone, language, show
        self.slug = Slug(file.stem)
        self.problems: list[Problem] = []
        self.depends: list[Path] = []

    @property
    def at(self) -> Place:
        """The file."""
        return Place(file=self.file, line=1)

    def wrong(self, key: str, rule: str, message: str, remedy: str = "") -> None:
        """Note a problem at `key`."""
        self.problems.append(self.page.lines.problem(tuple(key.split(".")), rule, message, remedy))

    def front(self, cls: type[T]) -> T | None:
        """The front matter as `cls`, or None with the problems noted."""
        front, problems = validate(cls, self.page.values, self.page.lines)
        self.problems += [replace(one, remedy=one.remedy.replace(" = …", ": …")) for one in problems]
        return front

    def try_(self, key: str, read: Callable[[], T], instead: T) -> T:
        """`read()`, or `instead` with the ValueError's words as a problem at `key`."""
        try:
            return read()
        except ValueError as error:
            self.wrong(key, "C05", f"{key}: {error}")
            return instead

    def moment(self, key: str, written: str, zone: ZoneInfo | None = None) -> datetime | None:
        """A moment in UTC, or None where nothing is written."""
        return self.try_(key, lambda: times.parse_moment(written, zone or self.zone), None) if written else None

    def last_moment(self, key: str, written: str) -> datetime | None:
        """Until when: a day alone lasts to its end."""
        moment = self.moment(key, written)
        return moment + _TO_ITS_END if moment and len(written.strip()) == len("2026-11-18") else moment

    def clock(self, key: str, written: str) -> float:
        """Seconds from `1:23`."""
        return self.try_(key, lambda: times.parse_clock(written), 0.0)

    def identity(self, written: str) -> str:
        """The `id`, or the slug."""
        if written and not _ID.fullmatch(written):
            self.wrong("id", "C05", f"id is {written!r}", "letters, digits, dots and hyphens only")
        return written or self.slug

    def slugs(self, key: str, written: tuple[str, ...]) -> tuple[Slug, ...]:
        """Names of files or addresses, each a slug."""
        for one in written:
            if not SLUG.fullmatch(one):
                self.wrong(
                    key, "C05", f"{key}: {one!r} is no file name without its ending", "small letters, digits and hyphens, like ideas-room"
                )
        return tuple(Slug(one) for one in written)

    def address(self, key: str, written: str) -> str | None:
        """A web address, or None."""
        if written and not (ADDRESS.fullmatch(written) or written.startswith("mailto:")):
            self.wrong(key, "C05", f"{key} is {text.fit(written, 60)!r}", "a web address begins with https://")
        return written or None

    def beside(self, key: str, written: str, folders: tuple[Path, ...]) -> Path | None:
        """The file that `key` names, in the first of `folders` that has it; never outside the community (X10)."""
        for folder in folders:
            path = self.root / folder / written
            try:
                inside = path.resolve().is_relative_to(self.root.resolve())
                there = inside and path.is_file()
            except (OSError, ValueError, RuntimeError):  # a name that no file can have, or links in a circle
                inside, there = True, False
            if not inside:
                self.wrong(
                    key, "C15", f"{key}: {text.fit(written, 60)!r} is outside this folder", "copy the file into the community's folder"
                )
                return None
            if there:
                self.depends.append(path)
                return path
        where = " or ".join(folder.as_posix() + "/" for folder in folders if folder.as_posix() != ".")
        self.wrong(key, "C11", f"{key}: there is no file {text.fit(written, 60)!r}", f"put it into {where}, or mend the name")
        return None

    def picture(self, key: str, written: str, alt: str = "") -> Media | None:
        """A picture in assets/ or beside the file, or at an address."""
        if not written:
            return None
        if ADDRESS.fullmatch(written):
            return Media(path=written, alt=alt)
        path = self.beside(key, written, (Path(), self.file.parent, Path("assets")))
        if path is None:
            return None
        try:
            found = media.picture(path)
        except media.MediaError as error:
            self.wrong(key, "C12", f"{key}: {error}")
            return None
        where = path.relative_to(self.root).as_posix()
        return Media(path=where, alt=alt, type=found.type, width=found.width, height=found.height)
