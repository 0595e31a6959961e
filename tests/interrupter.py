"""Runs `amplify` in processes of its own and ends them where it is told: at the nth thing that they do.

Started by `Interrupter`, it reads a request a line, forks, and answers a line; a fork is ready at once, where a new
process would first import everything. What a process does is numbered in two ways, and neither needs anything of ours:

- *deeds*: files opened for writing, renamed, removed, folders made, statements of SQL. Between two of them, nothing
  outside the process changes.
- *lines*: every line of the modules that do things to the world, and of the library's that move files for them; so a
  file may be there that is only half written, and Ctrl-C comes wherever it may.
"""

from __future__ import annotations

import faulthandler
import itertools
import json
import mmap
import os
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
from types import FrameType
from typing import Any, Literal

Number = Literal["deeds", "lines"]
Blow = Literal["SIGKILL", "SIGINT"]
_DEEDS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod", "os.truncate", "shutil.copyfile"}
_ACTING = ("cli.py", "pipeline.py", "deliver.py", "store.py", "state.py", "online.py", "cache.py", "folder.py", "email.py", "shutil.py")
_MOVING = {"write_bytes", "replace", "unlink", "mkdir", "open", "rmdir"}
_COMPUTING = {"_quoted", "_walk", "_names", "fingerprint", "digest", "<genexpr>", "<listcomp>"}
_LONGEST = 20
"""Seconds after which a process that hangs says where and is ended, so that the test that waits for it fails."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


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

    def run(self, root: Path, *args: str, number: Number = "deeds", blow: Blow = "SIGKILL", at: int = -1) -> Ended:
        """`amplify -C root …`, ended by `blow` at its deed or line `at`; by nothing where it does not come that far."""
        assert self._process.stdin
        assert self._process.stdout
        request = {"args": ["-C", str(root), *args], "number": number, "blow": blow, "at": at}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextmanager
def interrupter(warmed_by: Path) -> Iterator[Interrupter]:
    """An Interrupter whose processes have done everything once, in the community `warmed_by`."""
    command = [sys.executable, "-m", "tests.interrupter", str(warmed_by)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        yield Interrupter(process)
        assert process.stdin
        process.stdin.close()


# -- the other side ------------------------------------------------------------------------------------------------


def _serve(warm: Path) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _amplify(["-C", str(warm), "publish", "--yes", "--at", "2026-11-18 20:30"])
    for line in sys.stdin:
        answers.write(json.dumps(_forked(json.loads(line))) + "\n")
        answers.flush()


def _forked(request: dict[str, Any]) -> dict[str, Any]:
    out, err = os.memfd_create("out"), os.memfd_create("err")
    counted = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        os.dup2(out, 1)
        os.dup2(err, 2)
        faulthandler.register(signal.SIGALRM, file=2, chain=True)
        signal.alarm(_LONGEST)
        stop = _counter(request["at"], getattr(signal, request["blow"]), counted)
        {"deeds": _number_deeds, "lines": _number_lines}[request["number"]](stop)
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


def _counter(at: int, blow: signal.Signals, counted: mmap.mmap) -> Callable[[], None]:
    numbers = itertools.count()

    def stop() -> None:
        number = next(numbers)
        struct.pack_into("q", counted, 0, number + 1)
        if number == at:
            os.kill(os.getpid(), blow)

    return stop


def _number_deeds(stop: Callable[[], None]) -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _DEEDS or (event == "open" and isinstance(args[2], int) and args[2] & _WRITING):
            stop()

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connected(*args, **options)
        connection.set_trace_callback(lambda statement: stop())
        return connection

    connected, sqlite3.connect = sqlite3.connect, connect
    sys.addaudithook(hook)


def _number_lines(stop: Callable[[], None]) -> None:
    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if not _acts(frame.f_code.co_filename, frame.f_code.co_name):
            return None
        if event == "line":
            stop()
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


@cache
def _acts(path: str, name: str) -> bool:
    """Whether the lines of this function are numbered."""
    file = os.path.basename(path)
    return name not in _COMPUTING and (file in _ACTING or (file == "pathlib.py" and name in _MOVING))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
