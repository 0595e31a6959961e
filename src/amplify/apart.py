"""What others wrote is parsed apart: in a process of its own, with limits of time and memory, that may die of it.

`Workers` is what the core lends to plugins as `services.apart`. `python -P -m amplify.apart` is the other end: it reads
requests from its input and answers on its output, each a frame of a length and so many bytes; values travel as JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any, BinaryIO, Self, cast

from amplify.errors import Unreadable

_LENGTH = struct.Struct(">Q")
_LARGEST = 64_000_000
"""Bytes of an answer."""
_TO_START = 60.0
"""Seconds in which a worker must have loaded a plugin; they are no part of the time that parsing may take."""
_KEPT = ("PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "LANG")
"""What a worker gets of the environment, and PYTHON… and LC_…: no secret is in these."""


class Workers:
    """Implements `amplify.api.Apart`. Workers are started as they are needed, and used again until one dies."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._watch = threading.Thread(target=self._look_after, name="time limit of parsing", daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._watch.join()
        with self._lock:
            ending, self._all = self._all, set()
        for worker in ending:
            worker.end()

    def __call__(self, function: Callable[..., Any], data: bytes, *values: Any, seconds: float = 10.0, memory: int = 512) -> Any:
        """`function(data, *values)`: a function of a module, plain values in and out; `memory` in MB. Raises Unreadable."""
        head = _head(function, values, seconds, memory)
        worker = self._take()
        try:
            answer = worker.ask(head, data, seconds)
        except BaseException:
            self._drop(worker)
            raise
        if answer.get("again"):
            with self._lock:
                self._idle.append(worker)
        else:
            self._drop(worker)
        if "error" in answer:
            raise Unreadable(answer["error"])
        return answer["value"]

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                if (worker := self._idle.pop()).alive:
                    return worker
        worker = _Worker()
        with self._lock:
            self._all.add(worker)
        return worker

    def _look_after(self) -> None:
        while not self._left.wait(0.05):
            with self._lock:
                there = list(self._all)
            for worker in there:
                worker.look_at(time.monotonic())

    def _drop(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.end()


def _head(function: Callable[..., Any], values: tuple[Any, ...], seconds: float, memory: int) -> bytes:
    """What a worker has to know. Raises ValueError for a function that it could not find."""
    module, name = sys.modules[function.__module__], function.__name__
    if getattr(module, name, None) is not function:
        raise ValueError(f"{function.__qualname__} is no function of a module by its name, which is what can be run apart")
    told = {"module": module.__name__, "file": module.__file__, "function": name, "values": values, "seconds": seconds, "memory": memory}
    return json.dumps(told).encode()


class _Worker:
    """A child process and the two pipes to it."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(("PYTHON", "LC_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "amplify.apart"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._requests, self._answers = cast("BinaryIO", self._process.stdin), cast("BinaryIO", self._process.stdout)
        self._lock = threading.Lock()
        self._until, self._late = math.inf, False

    def ask(self, head: bytes, data: bytes, seconds: float) -> dict[str, Any]:
        """What it answers. Raises Unreadable where it dies, is late or talks nonsense."""
        if ready := self._said(_TO_START, head):
            return _answer(ready)
        return _answer(self._said(seconds, data))

    def _said(self, seconds: float, data: bytes) -> bytes:
        """The next frame after `data` was sent; who is late is killed, which ends both pipes."""
        with self._lock:
            self._until = time.monotonic() + seconds
        try:
            _write(self._requests, data)
            return _read(self._answers, _LARGEST)
        except (OSError, EOFError, ValueError) as error:
            self.end()
            raise Unreadable(f"it took longer than {seconds:g} seconds to read" if self._late else self._why()) from error
        finally:
            with self._lock:
                self._until = math.inf

    def look_at(self, now: float) -> None:
        """Kill it if it is late."""
        with self._lock:
            if self._until <= now:
                self._late = True
                self._process.kill()

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return not self._late and self._process.poll() is None

    def _why(self) -> str:
        status = self._process.returncode
        if status == -getattr(signal, "SIGXCPU", 0):
            return "it took too long to read"
        return f"reading it broke the reader (status {status})"

    def end(self) -> None:
        """The end of it, and of its pipes."""
        self._process.kill()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):  # what could not be sent any more
                pipe.close()
        self._process.wait()


def _answer(frame: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise Unreadable("reading it gave something that is no plain value") from error
    if not isinstance(answer, dict) or not answer.keys() & {"value", "error"}:
        raise Unreadable("reading it gave something that is no plain value")
    return answer


def _write(pipe: BinaryIO, data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _read(pipe: BinaryIO, largest: int) -> bytes:
    """One frame. Raises EOFError, and ValueError where it is too long."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    [length] = _LENGTH.unpack(head)
    if length > largest:
        raise ValueError
    data: bytes = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data


# -- the other end -------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests until there are no more of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this
    requests, answers = _pipes()
    again = True
    with contextlib.suppress(EOFError, BrokenPipeError):
        while again:
            head = json.loads(_read(requests, sys.maxsize))
            try:
                function = _function(head["module"], head["file"], head["function"])
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                _write(answers, _told({"error": _words(error)}))
                return
            _write(answers, b"")
            answer, again = _carried_out(function, _read(requests, sys.maxsize), head)
            _write(answers, answer)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes under numbers that nobody knows; whoever reads input finds none, and whoever prints is not heard."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    os.close(nothing)
    return requests, answers


def _function(module: str, file: str, name: str) -> Callable[..., Any]:
    """A function of a module that can be imported, or of a plugin that is a file of the community."""
    try:
        found = sys.modules.get(module) or importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.partition(".")[0] != error.name.partition(".")[0]:
            raise
        spec = spec_from_file_location(module, file, loader=SourceFileLoader(module, file))
        if spec is None or spec.loader is None:
            raise
        found = module_from_spec(spec)
        sys.modules[module] = found
        spec.loader.exec_module(found)
    function: Callable[..., Any] = getattr(found, name)
    return function


def _carried_out(function: Callable[..., Any], data: bytes, head: dict[str, Any]) -> tuple[bytes, bool]:
    """The answer, and whether this process is still good for another."""
    _limit(head["seconds"], head["memory"])
    try:
        answer = _told({"value": function(data, *head["values"]), "again": True})
    except MemoryError:
        return _told({"error": f"it needs more than {head['memory']} MB of memory to read"}), False
    except SystemExit:
        return _told({"error": "reading it ended the reader"}), False
    except RecursionError:
        return _told({"error": "it is nested too deeply to be read"}), False
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is one line about one thing
        return _told({"error": _words(error), "again": True}), True
    if len(answer) > _LARGEST:
        return _told({"error": f"it has more than {_LARGEST // 1_000_000} MB in it", "again": True}), True
    return answer, True


def _told(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")


def _words(error: BaseException) -> str:
    said = error.reason if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}"
    return said.splitlines()[0][:300]


def _limit(seconds: float, memory: int) -> None:
    """What the system holds us to, where it can; the wall clock is looked after by whoever asks."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = {
        resource.RLIMIT_AS: memory << 20,
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime + seconds) + 2,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in wanted.items():
        _, most = resource.getrlimit(limit)
        with contextlib.suppress(OSError, ValueError):  # macOS knows limits that it does not keep
            resource.setrlimit(limit, (value, most))


if __name__ == "__main__":
    main()
