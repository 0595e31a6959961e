"""What tests of a plugin stand on: a clock that is told the time, a throw-away community, and the services that the core lends."""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from amplify import instances, media
from amplify.apart import Workers
from amplify.api import Apart
from amplify.cli import cli
from amplify.cli_base import Amplify
from amplify.http import guarded
from amplify.instances import Lend

NOW = "2026-11-18 20:30"
"""The moment at which tests publish: half an hour after `EDITION` is due."""
SETTINGS = """\
[community]
name = "JoyFE"
url = "https://joyfe.example.org/"
timezone = "Europe/London"
contact = "team@joyfe.example.org"

[newsletter]
title = "Joy in FE"
from = "JoyFE <news@joyfe.example.org>"

[[channel]]
name = "website"
plugin = "folder"
path = "public"

[[channel]]
name = "newsletter"
plugin = "email"
server = "outbox:"
publishes = ["edition"]
"""
EDITION = "---\ntitle: Joy in November\ndate: 2026-11-18 20:00\n---\nDear all, it is dark by four.\n"


@dataclass
class Clock:
    """A clock that stands still until it is told to go on."""

    now: datetime = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        """What it shows."""
        return self.now

    def pass_(self, **time: float) -> None:
        """Let time pass: `pass_(hours=2)`."""
        self.now += timedelta(**time)


@contextlib.contextmanager
def lending(
    folder: Path, clock: Callable[[], datetime] | None = None, longest: float = math.inf, apart: Apart | None = None
) -> Iterator[Lend]:
    """What makes services for the community in `folder`: `lend(name=…, log=…, cache=…)`.

    They may fetch from this machine, and no request takes more than `longest` seconds.
    """
    clock = clock or Clock()
    with guarded(["127.0.0.0/8"], clock=clock, longest=longest) as http, contextlib.ExitStack() as stack:
        apart = apart or stack.enter_context(Workers())
        keep = partial(media.keep, root=folder, apart=apart)
        yield instances.lending(folder, folder / ".amplify", clock, http=http, apart=apart, keep=keep)


@dataclass(frozen=True)
class Ran:
    """What became of one run of the command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Community:
    """A community folder that a test may do anything to."""

    root: Path

    def write(self, files: Mapping[str, str | bytes]) -> Community:
        """Write files by their relative paths, with the folders that they need."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def subscribed(self, *addresses: str) -> Community:
        """Put people on the list."""
        self.write({"list.csv": "email,name\n" + "".join(f"{one},{one.partition('@')[0].title()}\n" for one in addresses)})
        assert self.run("subscribers", "import", str(self.root / "list.csv")).status == 0
        return self

    def run(self, *args: str) -> Ran:
        """`amplify -C FOLDER …` in this process."""
        assert isinstance(cli, Amplify)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _no_terminal():
            try:
                status: object = cli.run(["-C", str(self.root), *args])
            except SystemExit as left:
                status = left.code
        return Ran(status if isinstance(status, int) else int(status is not None), out.getvalue(), err.getvalue())

    def publish(self, at: str = NOW) -> Ran:
        """`amplify publish --yes --at …`."""
        return self.run("publish", "--yes", "--at", at)

    def process(self, *args: str, before: tuple[str, ...] = (), prepare: Callable[[], None] | None = None) -> Ran:
        """The same in a process of its own; `before` is a command to run it through, `prepare` runs in it first."""
        command = [*before, sys.executable, "-m", "amplify", "-C", str(self.root), *args]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, preexec_fn=prepare)
        return Ran(done.returncode, done.stdout, done.stderr)

    def site(self) -> dict[str, bytes]:
        """What is online: every file of the website by its path; the list that the folder keeps of its own files is no page."""
        return {name: content for name, content in contents(self.root / "public").items() if not name.startswith(".amplify-files")}

    def mails(self) -> dict[str, bytes]:
        """Every mail in the outbox by its name."""
        return {name: content for name, content in contents(self.root / ".amplify" / "outbox").items() if name.endswith(".eml")}

    def copy(self, to: Path) -> Community:
        """The same folder, with its record, at another place."""
        shutil.copytree(self.root, to, symlinks=True)
        return Community(to)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, by its relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextlib.contextmanager
def _no_terminal() -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.StringIO()
    try:
        yield
    finally:
        sys.stdin = before
