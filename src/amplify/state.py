"""The record as a thing to look after: where it is, copies of it, and whether it is the right one."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from amplify.cache import write_whole
from amplify.config import FILE, Settings
from amplify.errors import AmplifyError, Busy, Problem, StateError
from amplify.model import Mark
from amplify.store import Store

KEPT_SNAPSHOTS = 10
_RECORD = "amplify.db"
_SYNCHRONISED = re.compile(
    r"(?i)^(onedrive.*|dropbox.*|icloud.*|mobile documents|com~apple~clouddocs|google ?drive.*|my drive|nextcloud.*|box sync)$"
)

_NETWORK = re.compile(r"nfs\d?$|cifs$|smb\w*$|afs$|davfs\w*$|fuse\.(sshfs|davfs\w*|rclone|gvfsd-fuse)$")
"""Kinds of drives that are at another computer."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The publish lock of a community, which dies with its holder. Raises Busy."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(
            "Another  amplify publish  is at work in this folder. Nothing was done here.\n"
            "  Wait until it is finished, then look:  amplify status"
        ) from None
    try:
        yield
    finally:
        lock.release()


def snapshot(store: Store, folder: Path, now: datetime) -> Path:
    """A copy of the record before something leaves; the ten newest are kept. Raises StateError."""
    copy = folder / f"{now:%Y%m%d-%H%M%S}.db"
    store.snapshot(copy)
    for old in sorted(folder.glob("*.db"))[:-KEPT_SNAPSHOTS]:
        old.unlink(missing_ok=True)
    return copy


def save(store: Store, file: Path) -> None:
    """Everything that this computer knows, in one file for its owner alone. Raises AmplifyError where a file would be lost."""
    if file.exists():
        raise AmplifyError(f"{file} is there already and was not touched. Nothing was saved.")
    copy = file.with_name(f".{file.name}.db")
    try:
        store.snapshot(copy)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(copy, _RECORD)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise AmplifyError(f"{file} cannot be written: {error.strerror or error}. Nothing was saved.") from error
    finally:
        copy.unlink(missing_ok=True)


def restore(database: Path, file: Path, snapshots: Path, now: datetime) -> Path | None:
    """Put a saved record in the place of this one, and keep this one among the snapshots: its path, where there was one.

    Raises AmplifyError, with nothing changed, where the file is no saved record.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            data = archive.read(_RECORD)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise AmplifyError(f"{file} is no file that  amplify state save  made. Nothing was changed.") from error
    fresh = database.with_name(f"{database.name}.restored")
    write_whole(fresh, data)
    try:
        Store(fresh).close()
        kept = _put_aside(database, snapshots, now)
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        fresh.replace(database)
    except (StateError, sqlite3.Error) as error:
        raise AmplifyError(f"{file} holds a record that cannot be used: {error}\nNothing was changed.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return kept


def _put_aside(database: Path, snapshots: Path, now: datetime) -> Path | None:
    if not database.exists():
        return None
    kept = snapshots / f"{now:%Y%m%d-%H%M%S}-replaced.db"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(kept)) as copy:
        source.backup(copy)
    kept.chmod(0o600)
    return kept


def risks(settings: Settings, database: Path) -> Iterator[str]:
    """Why the record is not safe where it is: what, and what to do."""
    elsewhere = (
        "  Move the community out of it, or keep the record elsewhere, under [state] in amplify.toml:\n"
        '    database = "/a/folder/of/this/computer/amplify.db"'
    )
    for folder in database.resolve().parents:
        if _SYNCHRONISED.match(folder.name):
            yield f"The record lies in {folder.name}, which copies files while they are written and can bring back old ones.\n{elsewhere}"
            break
    if drive := _network_drive(database):
        yield f"The record lies on a network drive ({drive}), where two computers can write it at once and damage it.\n{elsewhere}"
    if _tracked(settings.root, database):
        yield (
            "The record is in git, and so are your readers' addresses.\n"
            "  Take it out:  git rm -r --cached .amplify ; echo .amplify/ >> .gitignore"
        )


def dangers(settings: Settings, database: Path) -> Iterator[Problem]:
    """The same as advice (C21)."""
    for risk in risks(settings, database):
        message, _, remedy = risk.partition("\n")
        yield Problem(file=FILE, line=0, rule="C21", message=message.rstrip("."), remedy=" ".join(remedy.split()), severity="warning")


def _network_drive(database: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The network drive on which a file lies, as far as this computer tells; "" where it lies on none."""
    place = database.resolve()
    if place.drive.startswith("\\\\"):
        return place.drive
    try:
        lines = [line.split(" ")[1:3] for line in mounts.read_text("utf-8", "surrogateescape").splitlines()]
    except OSError:
        return ""
    around = [(at.replace("\\040", " "), kind) for at, kind in lines if place.is_relative_to(at.replace("\\040", " "))]
    nearest = max(around, key=lambda one: len(one[0]), default=("", ""))
    return nearest[0] if _NETWORK.match(nearest[1]) else ""


def _tracked(root: Path, database: Path) -> bool:
    """Whether git's index names the record; its entries hold paths as they are."""
    for folder in (root.resolve(), *root.resolve().parents):
        index = folder / ".git" / "index"
        if index.is_file():
            try:
                name = database.resolve().relative_to(folder).as_posix().encode()
                return name in index.read_bytes()
            except (OSError, ValueError):
                return False
    return False


# -- the mark beside the site --------------------------------------------------------------------------------------


def written(mark: Mark) -> bytes:
    """The mark as `amplify.json`."""
    return json.dumps({"ledger": mark.ledger, "run": mark.run, "claimed": list(mark.claimed)}, indent=1).encode() + b"\n"


def read(data: bytes | None) -> Mark | None:
    """The mark that a website shows; None where there is none that can be read."""
    try:
        raw = json.loads(data or b"")
        return Mark(ledger=str(raw["ledger"]), run=int(raw["run"]), claimed=tuple(map(str, raw["claimed"])))
    except (ValueError, KeyError, TypeError):
        return None


def behind(online: Mark | None, ours: Mark, name: str) -> str:
    """What the website knows and this record does not, and the ways out; "" where the record is the right one."""
    if online is None or (online.ledger == ours.ledger and set(online.claimed) <= set(ours.claimed)):
        return ""
    number = len(set(online.claimed) - set(ours.claimed))
    more = "1 thing that was sent" if number == 1 else f"{number:,} things that were sent"
    which = "is an older copy" if online.ledger == ours.ledger else "is another one"
    return (
        "this computer does not know what has already been sent.\n"
        f"  The website of {name} tells of {more}, of which the record here knows nothing:\n"
        f"  it {which}. Going on could mail people twice.\n"
        "    The other organiser carries on:  they run  amplify publish\n"
        "    You take over:    they run  amplify state save FILE ; you run  amplify state restore FILE\n"
        "    Theirs is lost:   amplify state adopt  (counts all that is online as sent), then import your last list"
    )


def compare(online: Mark | None, ours: Mark, name: str) -> None:
    """Raises StateError where the website knows of announcements that this record does not."""
    if words := behind(online, ours, name):
        raise StateError(f"STOPPED before anything left: {words}")
