"""The mailing list as a file: CSV in, tables out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from amplify import text, times
from amplify.errors import AmplifyError, Problem
from amplify.model import Subscriber
from amplify.store import Entry, Imported

_HEADS = {"email": "email", "e-mail": "email", "address": "email", "name": "name", "tags": "tags", "tag": "tags"}


def entry(address: str, name: str = "", tags: Sequence[str] = ()) -> Entry:
    """One person. Raises AmplifyError where the address cannot be one (RFC 5322, RFC 6531 addresses in ASCII only)."""
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(text.plain(address).strip(), check_deliverability=False)
    except EmailNotValidError as error:
        raise AmplifyError(f"{text.fit(text.one_line(address), 60)!r} is no e-mail address: {str(error).rstrip('.')}.") from error
    if checked.ascii_email is None:
        raise AmplifyError(f"{checked.normalized!r} has letters before the @ that most mail servers refuse.")
    return Entry(address=checked.ascii_email, name=text.one_line(name)[:200], tags=tuple(filter(None, map(text.one_line, tags))))


def read_csv(file: Path) -> tuple[list[Entry], list[Problem]]:
    """People from a CSV file headed `email,name[,tags]` (tags parted by blanks or semicolons), and the lines that hold none.

    Raises AmplifyError where the file is no such file.
    """
    try:
        written = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AmplifyError(f"{file} is not UTF-8 text. Nobody was added.\n  Save it again as: CSV UTF-8") from error
    except OSError as error:
        raise AmplifyError(f"{file} cannot be read: {error.strerror}. Nobody was added.") from error
    first = written.partition("\n")[0]
    rows = csv.reader(io.StringIO(written), delimiter=max(",;\t", key=first.count))
    try:
        heads = [_HEADS.get(head.strip().lower(), "") for head in next(rows, [])]
        if "email" not in heads:
            raise AmplifyError(
                f"{file}:1: there is no column called email. Nobody was added.\n  Write its first line like this:  email,name,tags"
            )
        return _entries(rows, heads, file)
    except csv.Error as error:
        raise AmplifyError(f"{file}: is no CSV file: {error}. Nobody was added.") from error


def _entries(rows: Any, heads: list[str], file: Path) -> tuple[list[Entry], list[Problem]]:
    good: list[Entry] = []
    wrong: list[Problem] = []
    for row in rows:
        cells = dict(zip(heads, row, strict=False))
        if any(cell.strip() for cell in row):
            try:
                good.append(
                    entry(cells.get("email", ""), cells.get("name", ""), cells.get("tags", "").replace(";", " ").replace(",", " ").split())
                )
            except AmplifyError as error:
                wrong.append(Problem(file=file.name, line=rows.line_num, rule="C05", message=str(error), severity="warning"))
    return good, wrong


def imported(now: datetime) -> str:
    """The consent of people who come with a file."""
    return f"imported, {now:%Y-%m-%d}"


def report(done: Imported, wrong: Sequence[Problem]) -> Iterator[str]:
    """What an import did."""
    parts = [(done.added, "added"), (done.updated, "changed"), (done.unchanged, "there already"), (done.left, "left before and stay away")]
    yield ", ".join(f"{number:,} {words}" for number, words in parts if number) or "Nobody was in the file."
    for problem in wrong:
        yield f"  not added: {problem.file}:{problem.line}: {problem.message}"


def table(found: Iterable[Subscriber]) -> Iterator[str]:
    """A line for each person."""
    everyone = list(found)
    for one in everyone:
        yield f"{one.address:<36} {one.name:<28} {_status(one.status):<12} {' '.join(one.tags)}".rstrip()
    if not everyone:
        yield "Nobody is on your list yet.\n  amplify subscribers import FILE.csv   or   amplify subscribers add ADDRESS"


def _status(status: str) -> str:
    return {"active": "gets mail", "unsubscribed": "left", "pending": "not yet confirmed", "bounced": "no such address"}.get(status, status)


def as_json(found: Iterable[Subscriber]) -> dict[str, Any]:
    """The same for programs."""
    rows = [
        {"address": one.address, "name": one.name, "tags": list(one.tags), "status": one.status, "consent": one.consent_how,
         "since": times.iso(one.consent_at) if one.consent_at else None}
        for one in found
    ]  # fmt: skip
    return {"subscribers": rows}
