"""Gather from a form: the table of answers that it exports, as a file or at an address (CSV).

    [[source]]
    name = "form"
    plugin = "csv"
    file = "answers.csv"
    title = "Your idea in one line"
    body = ["What did you do?", "How did it go?"]
    author = "Your name"
    email = "Email address"
    date = "Timestamp"
    kind = "What is it?"
    kinds = { "Something to celebrate" = "celebration", "I have a question" = "question" }
    consent = "May we print your name?"

Each row is an offer, and the options say which column holds what, by the words at its top. `file` is a file of the community or
an address, such as that of a spreadsheet that is published as CSV. Commas, semicolons or tabs may stand between the columns.

A row is known by its column `id`, or else by what it says, so a row that was edited is then a new one. `consent` is a question
whether the author may be named: yes, no, or a box to tick. `date` is read as 2026-11-18 20:00 or 18/11/2026 20:00, or as
`date_format` says: "%m/%d/%Y %H:%M:%S". What `kinds` does not name is of the kind `otherwise`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from io import StringIO
from pathlib import Path

from amplify.api import Bookmark, Kind, Offer, Services, SourceKind, Unreadable, hookimpl, parse_moment

_LIMIT = 10_000_000
_DATES = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S")
_YES = {"yes", "y", "true", "1", "x", "ok", "on", "agree", "agreed", "ja", "oui", "sí", "si", "sì", "sim"}
_NO = {"", "no", "n", "false", "0", "off", "nein", "non", "nee", "não"}


@dataclass(frozen=True)
class Options:
    """All but `file`, `kinds`, `otherwise` and `date_format` are the words at the top of a column."""

    file: str
    title: str = ""
    body: str | tuple[str, ...] = ()
    author: str = ""
    email: str = ""
    date: str = ""
    url: str = ""
    id: str = ""
    kind: str = ""
    tags: str = ""
    licence: str = ""
    consent: str = ""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    otherwise: Kind = Kind.ARTICLE
    date_format: str = ""

    @property
    def bodies(self) -> tuple[str, ...]:
        """The columns of which the text is made."""
        return tuple(filter(None, self.body if isinstance(self.body, tuple) else (self.body,)))


class Answers:
    """Its bookmark holds how the table was the last time, so that an unchanged one is not read again."""

    def __init__(self, options: Options, services: Services) -> None:
        if not options.title and not options.bodies:
            raise ValueError("say in which column the offers are: title, body or both, by the words at the top of the column")
        self._options, self._services, self._log = options, services, services.log
        self._kinds = {_folded(name): kind for name, kind in options.kinds.items()}

    def gather(self, since: Bookmark | None) -> Iterator[Offer | Bookmark]:
        """An offer for each row."""
        before = _remembered(since)
        found = self._fetched(before)
        if found is None:
            return
        data, state = found
        state["digest"] = blake2b(data + repr(self._options).encode(), digest_size=12).hexdigest()
        if state["digest"] != before.get("digest"):
            yield from self._offers(_decoded(data))
        if state != before:
            yield Bookmark(value=json.dumps(state))

    def _fetched(self, before: Mapping[str, str]) -> tuple[bytes, dict[str, str]] | None:
        """The table, and what to ask with the next time; None where it is unchanged."""
        place = self._options.file
        if "://" in place:
            known = before if before.get("options") == repr(self._options) else {}
            got = self._services.http.get(place, limit=_LIMIT, etag=known.get("etag", ""), modified=known.get("modified", ""))
            return None if got.unchanged else (got.content, {"etag": got.etag, "modified": got.modified, "options": repr(self._options)})
        path = self._services.folder / Path(place).expanduser()
        try:
            with path.open("rb") as file:
                data = file.read(_LIMIT + 1)
        except OSError as error:
            raise Unreadable(f"{path} cannot be opened: {error.strerror}") from error
        if len(data) > _LIMIT:
            raise Unreadable(f"{path} has more than {_LIMIT // 1_000_000} MB")
        return data, {}

    def _offers(self, text: str) -> Iterator[Offer]:
        head, *rows = _rows(text)
        columns = self._columns(head)
        for number, row in enumerate(rows, 2):
            if len(row) > len(head):
                self._log.warning("row %d has %d cells, and there are %d columns", number, len(row), len(head))
            elif any(map(str.strip, row)):
                yield from self._offer(number, {name: row[column].strip() for name, column in columns.items() if column < len(row)})

    def _columns(self, head: list[str]) -> dict[str, int]:
        """Where each column that the options name is. Raises Unreadable with those that are there."""
        there = {_folded(name): number for number, name in reversed(list(enumerate(head)))}
        named = ("title", "author", "email", "date", "url", "id", "kind", "tags", "licence", "consent")
        wanted = {key: getattr(self._options, key) for key in named} | {f"body {name}": name for name in self._options.bodies}
        if missing := [name for name in wanted.values() if name and _folded(name) not in there]:
            found = ", ".join(f'"{name.strip()}"' for name in head if name.strip()) or "none"
            raise Unreadable(f'there is no column "{missing[0]}" in {self._options.file}; the columns are {found}')
        return {key: there[_folded(name)] for key, name in wanted.items() if name}

    def _offer(self, number: int, cells: Mapping[str, str]) -> Iterator[Offer]:
        body = "\n\n".join(filter(None, (cells.get(f"body {name}", "") for name in self._options.bodies)))
        title = cells.get("title", "")
        if not title and not body:
            self._log.warning("row %d has neither a title nor a text", number)
            return
        told = "\n".join((title, body, *(cells.get(key, "") for key in ("author", "email", "date"))))
        kind = cells.get("kind", "")
        yield Offer(
            id=cells.get("id") or blake2b(told.encode("utf-8", "replace"), digest_size=12).hexdigest(),
            title=title, body=body, form="text", author=cells.get("author", ""), handle=cells.get("email", ""),
            url=cells.get("url") or None, licence=cells.get("licence", ""), offered=self._moment(number, cells.get("date", "")),
            tags=tuple(filter(None, map(str.strip, cells.get("tags", "").replace(";", ",").split(",")))),
            kind=self._kinds.get(_folded(kind)) or (Kind(_folded(kind)) if _folded(kind) in set(Kind) else self._options.otherwise),
            consent=_agreed(cells["consent"]) if "consent" in cells else None,
        )  # fmt: skip

    def _moment(self, number: int, written: str) -> datetime | None:
        if not written:
            return None
        for shape in (self._options.date_format,) if self._options.date_format else _DATES:
            with suppress(ValueError):
                moment = datetime.strptime(written, shape)  # noqa: DTZ007 - the zone follows
                return (moment if moment.tzinfo else moment.replace(tzinfo=self._services.zone)).astimezone(UTC)
        try:
            return parse_moment(written, self._services.zone)
        except ValueError as error:
            self._log.warning("row %d: %s, or say with date_format how it is written; it came without a date", number, error)
            return None


def _remembered(since: Bookmark | None) -> Mapping[str, str]:
    try:
        found = json.loads(since.value) if since else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(data: bytes) -> str:
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            return data.decode(encoding)
    raise Unreadable("it is no table that can be read; save it as CSV, in UTF-8")


def _rows(text: str) -> list[list[str]]:
    """The rows, the first of which is the head. Between columns stands what makes most of them there. Raises Unreadable."""
    csv.field_size_limit(_LIMIT)
    read = (csv.reader(StringIO(text, newline=""), delimiter=mark) for mark in ",;\t")
    try:
        head, reader = max(((next(one, []), one) for one in read), key=lambda both: len(both[0]))
        rows = [head, *reader]
    except csv.Error as error:
        raise Unreadable(f"it is no table that can be read: {error}") from error
    if not any(map(str.strip, head)):
        raise Unreadable("its first row is empty, and should say what the columns are")
    return rows


def _folded(words: str) -> str:
    return " ".join(words.split()).casefold()


def _agreed(answer: str) -> bool | None:
    """Whether a yes was said; None where nobody can tell."""
    first = "".join(letter if letter.isalnum() else " " for letter in answer.casefold()).split(" ")[0]
    return True if first in _YES else False if first in _NO else None


@hookimpl
def amplify_sources() -> list[SourceKind]:
    """The kind `csv`."""
    return [SourceKind("csv", Options, Answers)]
