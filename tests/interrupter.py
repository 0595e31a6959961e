"""Runs `amplify` in processes of its own, and lets the world fail where it is told: at the nth thing that they do.

`interrupter` starts a process that has done everything once; it reads a request a line, forks, and answers a line. A fork
is ready at once, where a new process would first import everything. What a fork does is numbered, without anything of ours
knowing:

- *deeds*: files opened for writing, renamed, removed, folders made, statements of SQL. Between two of them, nothing
  outside the process changes.
- *lines*: every line of the modules that do things to the world, and of the library's that move files for them; so a
  file may be there that is only half written, and Ctrl-C comes wherever it may.
"""

from __future__ import annotations

import errno
import itertools
import json
import mmap
import os
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal

Number = Literal["deeds", "lines"]
Blow = Literal["killed", "interrupted", "disk full"]
_FILLING = {"os.mkdir", "os.link", "os.symlink"}
_MOVING = {"os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MODULES = {
    "cli.py", "cli_base.py", "cli_list.py", "cli_mail.py", "cli_state.py", "pipeline.py", "mailing.py", "deliver.py", "store.py",
    "state.py", "online.py", "cache.py", "folder.py", "email.py", "shutil.py",
}  # fmt: skip
_OF_PATHLIB = {"write_bytes", "replace", "unlink", "mkdir", "open", "rmdir"}
_COMPUTING = {"_quoted", "_walk", "_names", "fingerprint", "digest", "<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>"}
EVERY_POINT = bool(os.environ.get("AMPLIFY_EVERY_POINT"))
"""Whether every deed is struck, and a thousand lines, rather than a few of both."""
_LONGEST = 60
"""Seconds after which a process that hangs is ended, so that the test that waits for it fails."""


def points(counted: int, about: int, first: int = 0) -> range:
    """The numbers at which a run of so many deeds or lines is struck: `about` so many, evenly from the whole of it."""
    return range(first, counted, max(1, (counted - first) // (1000 if EVERY_POINT else about)))


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status, or minus the signal that killed it; what it said, and how far it had counted."""

    status: int
    out: str
    err: str
    counted: int


@dataclass(frozen=True)
class Interrupter:
    """The parent of all these processes, seen from the test."""

    _process: subprocess.Popen[str]

    def run(
        self, root: Path, *args: str, number: Number = "deeds", blow: Blow = "killed", at: int = -1, largest: int | None = None
    ) -> Ended:
        """`amplify -C root …`, struck by `blow` at its deed or line `at` (-1: never); no file grows beyond `largest` bytes."""
        return self._asked(args=["-C", str(root), *args], number=number, blow=blow, at=at, largest=largest)

    def shell(self, script: str, *args: object) -> Ended:
        """A shell command in the place where these processes run."""
        return self._asked(shell=["sh", "-euc", script, "sh", *map(str, args)])

    def _asked(self, **request: object) -> Ended:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextmanager
def interrupter(warmed_by: Path, before: tuple[str, ...] = ()) -> Iterator[Interrupter]:
    """An Interrupter that has published the community `warmed_by`; `before` is a command to run it through."""
    command = [*before, sys.executable, "-m", "tests.interrupter", str(warmed_by)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        yield Interrupter(process)
        assert process.stdin
        process.stdin.close()


# -- the other side ------------------------------------------------------------------------------------------------


def _serve(warm: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    _amplify(["-C", warm, "publish", "--yes", "--at", "2026-11-18 20:30"])
    for line in sys.stdin:
        answers.write(json.dumps(_forked(json.loads(line))) + "\n")
        answers.flush()


def _forked(request: dict[str, Any]) -> dict[str, Any]:
    out, err = os.memfd_create("out"), os.memfd_create("err")
    counted = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        signal.alarm(_LONGEST)
        os.dup2(out, 1)
        os.dup2(err, 2)
        if "shell" in request:
            os.execvp("sh", request["shell"])
        if request["largest"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"], request["largest"]))
        count = _counter(request["at"], request["blow"], counted)
        {"deeds": _number_deeds, "lines": _number_lines}[request["number"]](count)
        os._exit(_amplify(request["args"]))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status, "out": _read(out), "err": _read(err), "counted": struct.unpack("q", counted)[0]}


def _read(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor) as file:
        return file.read()


def _amplify(args: list[str]) -> int:
    from amplify import cli

    sys.argv = ["amplify", *args]
    try:
        cli.main()
    except SystemExit as left:
        status = left.code
    sys.stdout.flush()
    return int(status or 0)


def _counter(at: int, blow: Blow, counted: mmap.mmap) -> Callable[..., None]:
    """What is called for each thing done, with the file for which it needs room on the disk."""
    numbers = itertools.count()

    def count(filling: str = "") -> None:
        number = next(numbers)
        struct.pack_into("q", counted, 0, number + 1)
        if number == at and blow != "disk full":
            os.kill(os.getpid(), signal.SIGKILL if blow == "killed" else signal.SIGINT)
        if 0 <= at <= number and blow == "disk full" and filling:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), filling)

    return count


def _number_deeds(count: Callable[..., None]) -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _FILLING or (event == "open" and isinstance(args[2], int) and args[2] & _WRITING):
            count(str(args[0]))
        elif event in _MOVING:
            count()

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connected(*args, **options)
        connection.set_trace_callback(lambda statement: count())
        return connection

    connected, sqlite3.connect = sqlite3.connect, connect
    sys.addaudithook(hook)


def _number_lines(count: Callable[..., None]) -> None:
    def line(frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            count()
        return line

    def called(frame: FrameType, event: str, arg: object) -> Any:
        return line if _acts(frame.f_code) else None

    threading.settrace(called)
    sys.settrace(called)


@cache
def _acts(code: CodeType) -> bool:
    """Whether a function does things to the world, rather than compute."""
    file, name = os.path.basename(code.co_filename), code.co_name
    return name not in _COMPUTING and (file in _MODULES or (file == "pathlib.py" and name in _OF_PATHLIB))


if __name__ == "__main__":
    _serve(sys.argv[1])
