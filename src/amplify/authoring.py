"""For authors of plugins: a new one that works, and whether one keeps what plugins promise."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from amplify import manual
from amplify.errors import AmplifyError, MissingExtra
from amplify.plugin_samples import Sort, sample
from amplify.registry import Plugin, Registry


def new(root: Path, found: Registry, name: str, sort: Sort) -> tuple[Path, Path]:
    """Write a plugin and its test into the community; the two files. Raises AmplifyError, and writes nothing then."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise _kept(f"{name!r} cannot be the name of a plugin", "Take small letters, digits and _, like noticeboard")
    if taken := [one for one in found.plugins if name in {one.name, *(kind.name for kind in one.kinds)}]:
        raise _kept(f"There is a plugin {name} already ({taken[0].origin}: {taken[0].where})", "Take another name")
    files = Path("plugins") / f"{name}.py", Path("tests") / f"test_{name}.py"
    if there := [file.as_posix() for file in files if (root / file).exists()]:
        raise _kept(f"{' and '.join(there)} is there already", "Take another name, or move it away")
    for file, text in zip(files, sample(sort, name), strict=True):
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(text, "utf-8")
    return files


def _kept(message: str, remedy: str) -> AmplifyError:
    return AmplifyError(f"{message}. Nothing was written.\n  {remedy}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: whether it is right, and what was found; `more` is what whoever mends it needs."""

    right: bool
    words: str
    more: str = ""


def check(root: Path, plugin: Plugin) -> Iterator[Finding]:
    """Everything that can be said of a plugin, its tests last. Raises MissingExtra where they cannot be run."""
    kinds = " and ".join(f"the {manual.table_of(kind)} {kind.name}" for kind in plugin.kinds)
    yield Finding(right=not plugin.error, words=f"it does not load: {plugin.error}" if plugin.error else f"it loads, and offers {kinds}")
    file = Path(plugin.where)
    if plugin.origin == "installed" or not file.is_file():
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    yield from (_imports(tree), _manual(ast.get_docstring(tree) or ""))
    if plugin.origin == "community":
        yield _tested(root, Path("tests") / f"test_{plugin.name}.py")


def _imports(tree: ast.AST) -> Finding:
    wrong = sorted(_ours(tree) - {"amplify.api"})
    if wrong:
        return Finding(right=False, words=f"it imports {', '.join(wrong)}; only amplify.api stays as it is")
    return Finding(right=True, words="of Amplify it imports amplify.api alone")


def _manual(written: str) -> Finding:
    if not written:
        return Finding(right=False, words="it has no docstring, which is its manual page")
    if not manual.example(written):
        return Finding(right=False, words="its docstring shows no [[channel]] or [[source]], so nobody knows how to use it")
    return Finding(right=True, words="its docstring says what it does, and shows a table of settings")


def _ours(tree: ast.AST) -> set[str]:
    """The modules of Amplify that are imported."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "amplify":
            found |= {f"amplify.{one.name}" for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {one for one in found if one.split(".")[0] == "amplify"}


def _tested(root: Path, file: Path) -> Finding:
    if not (root / file).exists():
        return Finding(right=False, words=f"it has no test: write {file.as_posix()}, as  amplify plugins new  does for a new one")
    if find_spec("pytest") is None:
        raise MissingExtra("Running the tests of a plugin", "testing")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", ".", file.as_posix()]
    done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - its own tests
    right, lines = done.returncode == 0, [line for line in done.stdout.splitlines() if line.strip()]
    counted = re.sub(r" in [\d.]+s.*", "", lines[-1].strip("= ")) if lines else f"ended with {done.returncode}"
    return Finding(right=right, words=f"{file.as_posix()}: {counted}", more="" if right else done.stdout + done.stderr)
