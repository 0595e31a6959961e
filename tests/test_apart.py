"""What others wrote is parsed in a process that may die of it; nobody else does, and the next one is parsed all the same."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from amplify import registry
from amplify.apart import Workers
from amplify.api import Apart
from amplify.errors import Unreadable

PLUGIN = """
import ctypes, json, os, sys, time
from amplify.api import hookimpl

def parse(data, *values):
    return {"words": data.decode(), "values": list(values)}

def who(data):
    return os.getpid()

def environment(data):
    return sorted(os.environ)

def raises(data):
    raise ValueError("line 3 is no line\\nand more")

def leaves(data):
    sys.exit(0)

def dies(data):
    os._exit(7)

def crashes(data):
    ctypes.string_at(0)

def eats(data):
    return len([bytes(10_000_000) for _ in range(1000)])

def hangs(data):
    time.sleep(60)

def spins(data):
    while True:
        pass

def prints(data):
    print("nonsense")
    sys.stdout.flush()
    os.write(1, b"nonsense")
    sys.stderr.write("nonsense")
    return input("? ") if data else "quiet"

def odd(data):
    return {1, 2}

def deep(data):
    value = []
    for _ in range(100_000):
        value = [value]
    return value

def large(data):
    return "x" * 70_000_000

def broken_letters(data):
    return data.decode("utf-8", "surrogateescape")
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Any:
    """A plugin of a community, loaded as the registry loads it."""
    (tmp_path / "parser.py").write_text(PLUGIN, "utf-8")
    yield (module := registry._from_file(tmp_path / "parser.py"))
    del sys.modules[module.__name__]


@pytest.fixture
def apart() -> Iterator[Workers]:
    """Workers for one test."""
    with Workers() as made:
        _: Apart = made
        yield made


def test_plain_values_go_in_and_come_out(apart: Apart, plugin: Any) -> None:
    assert apart(plugin.parse, "Müde".encode(), {"a": [1, None]}, "ü") == {"words": "Müde", "values": [{"a": [1, None]}, "ü"]}


def test_a_function_of_an_installed_module_is_found_by_name(apart: Apart) -> None:
    import json

    assert apart(json.loads, b'{"a": 1}') == {"a": 1}


def test_a_worker_is_used_again(apart: Apart, plugin: Any) -> None:
    pids = {apart(plugin.who, b"") for _ in range(5)}

    assert len(pids) == 1
    assert os.getpid() not in pids


def test_a_worker_that_died_in_its_sleep_is_replaced(apart: Workers, plugin: Any) -> None:
    first = apart(plugin.who, b"")
    apart._idle[0]._process.kill()
    apart._idle[0]._process.wait()

    assert apart(plugin.who, b"") != first


def test_several_are_parsed_side_by_side(apart: Apart, plugin: Any) -> None:
    meeting = threading.Barrier(3)

    def run() -> None:
        meeting.wait()
        assert apart(plugin.parse, b"x" * 1_000_000)["words"] == "x" * 1_000_000

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert apart(plugin.parse, b"y")["words"] == "y"


BAD: list[tuple[str, str]] = [
    ("raises", "ValueError: line 3 is no line"), ("leaves", "reading it ended the reader"), ("dies", "broke the reader"),
    ("odd", "TypeError: Object of type set"), ("deep", "nested too deeply"), ("large", "more than 64 MB"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "reason"), BAD)
def test_whatever_happens_in_there_is_one_line_and_the_next_is_read(apart: Apart, plugin: Any, name: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        apart(getattr(plugin, name), b"")

    assert "\n" not in str(caught.value)
    assert apart(plugin.parse, b"next")["words"] == "next"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows shows a window when a program crashes")
def test_a_crash_of_the_interpreter_is_one_line(apart: Apart, plugin: Any) -> None:
    with pytest.raises(Unreadable, match=r"broke the reader \(status -\d+\)"):
        apart(plugin.crashes, b"")

    assert apart(plugin.parse, b"next")["words"] == "next"


@pytest.mark.parametrize("name", ["hangs", "spins"])
def test_who_takes_too_long_is_ended(apart: Apart, plugin: Any, name: str) -> None:
    with pytest.raises(Unreadable, match=r"took longer than 0\.3 seconds to read"):
        apart(getattr(plugin, name), b"", seconds=0.3)

    assert apart(plugin.parse, b"next")["words"] == "next"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this limit")
def test_who_needs_too_much_memory_is_ended(apart: Apart, plugin: Any) -> None:
    with pytest.raises(Unreadable, match="needs more than 256 MB of memory"):
        apart(plugin.eats, b"", memory=256)

    assert apart(plugin.parse, b"next")["words"] == "next"


def test_what_is_printed_in_there_is_not_heard(apart: Apart, plugin: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert apart(plugin.prints, b"") == "quiet"
    with pytest.raises(Unreadable, match="EOFError"):
        apart(plugin.prints, b"ask")

    assert capfd.readouterr() == ("", "")


def test_letters_that_are_none_do_not_come_back(apart: Apart, plugin: Any) -> None:
    assert apart(plugin.broken_letters, b"a\xff\0b") == "a?\0b"


def test_secrets_of_the_environment_stay_outside(apart: Apart, plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTODON_TOKEN", "open sesame")

    names = apart(plugin.environment, b"")

    assert "PATH" in names
    assert "MASTODON_TOKEN" not in names


def test_the_folder_in_which_one_stands_lends_no_modules(
    apart: Apart, plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')", "utf-8")
    monkeypatch.chdir(tmp_path)

    assert apart(plugin.parse, b"x")["words"] == "x"


@pytest.mark.parametrize("function", [lambda data: data, Path.exists])
def test_only_functions_of_a_module_can_be_run_apart(apart: Apart, function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="is no function of a module"):
        apart(function, b"")


def test_leaving_ends_every_worker(plugin: Any) -> None:
    reasons: list[str] = []

    def hang() -> None:
        with pytest.raises(Unreadable) as caught:
            workers(plugin.hangs, b"")
        reasons.append(caught.value.reason)

    with Workers() as workers:
        first = workers(plugin.who, b"")
        thread = threading.Thread(target=hang)
        thread.start()
        while workers._idle:
            threading.Event().wait(0.01)
    thread.join()

    assert len(reasons) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
