"""A publish that dies, is stopped or runs out of disk, at any point: nobody is lost, nobody gets it twice, no page is half there.

Points are taken evenly from the whole run: a few, or with `AMPLIFY_EVERY_POINT=1`, as `make long` sets it, every one.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interrupter import EVERY_POINT, Ended, Interrupter, Number, interrupter, points
from tests.kit import EDITION, NOW, PODCAST, SETTINGS, Community, page, silence

PUBLISH = ("publish", "--yes", "--at", NOW)
PEOPLE = tuple(f"reader{number}@example.org" for number in range(10))
FILES = {
    "amplify.toml": SETTINGS + '\n[[channel]]\nname = "second"\nplugin = "email"\nserver = "outbox:"\npublishes = ["edition"]\n' + PODCAST,
    "editions/2026-11.md": EDITION + "::contribution[lee-qtls]\n::episode[marking]\n::event[chat]\n",
    "editions/2026-10.md": page({"title": "Joy in October", "date": "2026-10-14 20:00"}, "Six weeks in."),
    "contributions/lee-qtls.md": page({"title": "Lee has QTLS", "author": "amal"}, "Hurray."),
    "members/amal.md": page({"name": "Amal"}),
    "events/chat.md": page({"title": "Chat", "start": "2026-12-01 20:00"}),
    "episodes/marking.md": page({"title": "Marking", "date": "2026-11-18", "audio": "marking.mp3"}),
    "episodes/marking.mp3": silence(),
    "assets/big.bin": bytes(300_000),
}


@dataclass(frozen=True)
class Good:
    """A community before it publishes, and what a publish without any trouble makes of it."""

    before: Community
    site: dict[str, bytes]
    mails: dict[str, bytes]
    deeds: int
    lines: int


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interrupter]:
    """Processes that can be struck."""
    with interrupter(Community(tmp_path_factory.mktemp("warm")).write(FILES).root) as made:
        yield made


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, processes: Interrupter) -> Good:
    """A community that publishes to ten people through two channels."""
    folder = tmp_path_factory.mktemp("good")
    before = Community(folder / "before").write(FILES).subscribed(*PEOPLE)
    after = {name: before.copy(folder / name) for name in ("deeds", "lines")}
    ended = {name: processes.run(one.root, *PUBLISH, number=name) for name, one in after.items()}  # type: ignore[arg-type]
    assert {one.status for one in ended.values()} == {0}
    assert (after["deeds"].site(), after["deeds"].mails()) == (after["lines"].site(), after["lines"].mails())
    assert len(after["deeds"].mails()) == 2 * len(PEOPLE)
    return Good(before, after["deeds"].site(), after["deeds"].mails(), ended["deeds"].counted, ended["lines"].counted)


@contextlib.contextmanager
def copied(good: Good, folder: Path) -> Iterator[Community]:
    """The community before it publishes; what becomes of it is thrown away."""
    here = good.before.copy(folder / "here")
    yield here
    shutil.rmtree(here.root)


def half_done_is_whole(here: Community, good: Good) -> None:
    """Every file online is as a good build makes it, every mail is whole, and the record can be read."""
    assert here.site().items() <= good.site.items()
    assert here.mails().items() <= good.mails.items()
    with contextlib.closing(sqlite3.connect(here.root / ".amplify" / "amplify.db")) as record:
        assert record.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def the_next_run_completes(here: Community, good: Good, processes: Interrupter) -> None:
    """Everyone has one whole mail of each channel, the site is the good one, and a third run finds nothing to do."""
    again = processes.run(here.root, *PUBLISH)
    assert (again.status, again.err) == (0, "")
    assert here.site() == good.site
    assert here.mails() == good.mails
    assert processes.run(here.root, *PUBLISH).out.startswith("Nothing to do")
    counts = [one["counts"] for one in here.run("status", "--json").json["publications"]]
    assert counts == [{"delivered": len(PEOPLE)}] * 2


def struck(ended: Ended, at: int, *expected: int) -> None:
    """It ended as expected, or had ended before it came so far: threads do not take the same turns each time."""
    assert ended.status in expected or (ended.status == 0 and ended.counted <= at), ended
    assert "Traceback" not in ended.err
    assert "mistake in Amplify" not in ended.err


# -- kill -9 and Ctrl-C --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["deeds", "lines"])
def test_a_publish_that_is_killed_goes_on_from_there(good: Good, processes: Interrupter, tmp_path: Path, number: Number) -> None:
    for at in points(getattr(good, number), 8 if number == "deeds" else 3):
        with copied(good, tmp_path) as here:
            struck(processes.run(here.root, *PUBLISH, number=number, blow="killed", at=at), at, -9)
            half_done_is_whole(here, good)
            the_next_run_completes(here, good, processes)


def test_a_publish_that_is_killed_again_and_again_comes_to_its_end(good: Good, processes: Interrupter, tmp_path: Path) -> None:
    with copied(good, tmp_path) as here:
        for at in range(40, good.deeds, 90):
            struck(processes.run(here.root, *PUBLISH, blow="killed", at=at), at, -9)
            half_done_is_whole(here, good)
        the_next_run_completes(here, good, processes)


def test_ctrl_c_ends_a_publish_with_130_and_the_next_goes_on(good: Good, processes: Interrupter, tmp_path: Path) -> None:
    for at in points(good.lines - 5, 4, first=5):
        with copied(good, tmp_path) as here:
            ended = processes.run(here.root, *PUBLISH, number="lines", blow="interrupted", at=at)
            struck(ended, at, 130)
            assert "running the same command again goes on" in ended.err.lower() or ended.status == 0
            half_done_is_whole(here, good)
            the_next_run_completes(here, good, processes)


# -- a full disk ---------------------------------------------------------------------------------------------------


def complete_or_said(ended: Ended, here: Community, good: Good) -> None:
    """What the disk refused was said, at once or by `status`, and has its exit status; or it did not matter."""
    assert ended.status in (0, 1, 3), ended
    assert "Traceback" not in ended.err
    assert "mistake in Amplify" not in ended.err
    if ended.status == 0:
        assert (here.site(), here.mails()) == (good.site, good.mails)
    else:
        assert str(here.root) in ended.out + ended.err + here.run("status", "2026-11").out


def test_a_disk_that_is_full_from_any_point_on(good: Good, processes: Interrupter, tmp_path: Path) -> None:
    for at in points(good.deeds, 6):
        with copied(good, tmp_path) as here:
            ended = processes.run(here.root, *PUBLISH, blow="disk full", at=at)
            complete_or_said(ended, here, good)
            half_done_is_whole(here, good)
            later = ("publish", "--yes", "--at", "2026-11-18 21:30")
            assert processes.run(here.root, *later).status == 0
            assert here.site() == good.site
            assert here.mails().keys() == good.mails.keys()
            assert processes.run(here.root, *later).out.startswith("Nothing to do")


@pytest.mark.parametrize("largest", [1_000, 5_000, 20_000, 60_000, 150_000, 250_000] if EVERY_POINT else [1_000, 20_000, 150_000])
def test_files_that_may_not_grow(good: Good, processes: Interrupter, tmp_path: Path, largest: int) -> None:
    with copied(good, tmp_path) as here:
        ended = processes.run(here.root, *PUBLISH, largest=largest)
        complete_or_said(ended, here, good)
        assert ended.status != 0
        half_done_is_whole(here, good)
        the_next_run_completes(here, good, processes)


@pytest.fixture(scope="module")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interrupter]:
    """Processes that may mount disks, which nobody else sees and which go with them."""
    before = ("unshare", "--map-root-user", "--mount")
    if not shutil.which("unshare") or subprocess.run([*before, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk of their own (unshare --mount)")
    with interrupter(Community(tmp_path_factory.mktemp("warm")).write(FILES).root, before) as made:
        if made.shell('mount -t tmpfs tmpfs "$1"', tmp_path_factory.mktemp("tried")).status:
            pytest.skip("this machine lets nobody mount a tmpfs")
        yield made


@pytest.mark.parametrize("free", [0, 40, 120, 240, 400, 600, 900] if EVERY_POINT else [0, 240, 600])
def test_a_small_disk(good: Good, namespace: Interrupter, tmp_path: Path, free: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = 'mount -t tmpfs -o size=2m tmpfs "$1"; cp -a "$2/." "$1"; dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null || true'
    assert namespace.shell(f'{fill}; truncate -s -"$3"k "$1/filler"', disk, good.before.root, free).status == 0
    ended = namespace.run(disk, *PUBLISH)
    assert ended.status in (1, 3)
    assert str(disk) in ended.out + ended.err + namespace.run(disk, "status", "2026-11").out
    assert "Traceback" not in ended.err
    assert "mistake in Amplify" not in ended.err
    assert namespace.shell('cp -a "$1" "$2"; rm "$1/filler"', disk, tmp_path / "between").status == 0
    half_done_is_whole(Community(tmp_path / "between"), good)
    assert namespace.run(disk, "publish", "--yes", "--at", "2026-11-18 21:30").status == 0
    assert namespace.run(disk, "publish", "--yes", "--at", "2026-11-18 21:30").out.startswith("Nothing to do")
    assert namespace.shell('cp -a "$1" "$2"; umount "$1"', disk, tmp_path / "after").status == 0
    after = Community(tmp_path / "after")
    assert after.site() == good.site
    assert after.mails().keys() == good.mails.keys()


@pytest.mark.parametrize("folder", ["public", ".amplify", "public/editions", ".amplify/outbox"])
def test_a_disk_that_may_only_be_read(good: Good, namespace: Interrupter, tmp_path: Path, folder: str) -> None:
    with copied(good, tmp_path) as here:
        (here.root / folder).mkdir(parents=True, exist_ok=True)
        lock = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"'
        assert namespace.shell(lock, here.root / folder).status == 0
        ended = namespace.run(here.root, *PUBLISH)
        assert ended.status in (1, 3)
        assert str(here.root / folder) in ended.out + ended.err + namespace.run(here.root, "status", "2026-11").out
        assert "Traceback" not in ended.err
        assert "mistake in Amplify" not in ended.err
        half_done_is_whole(here, good)
        assert namespace.shell('umount "$1"', here.root / folder).status == 0
        assert namespace.run(here.root, "publish", "--yes", "--at", "2026-11-18 21:30").status == 0
        assert here.site() == good.site
        assert here.mails().keys() == good.mails.keys()
