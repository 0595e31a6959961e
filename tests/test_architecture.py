"""The architecture is this table: a module imports only what stands on a level below its own."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEVELS = (
    ("errors", "model", "secret", "headers", "testing_server", "replies"),
    ("times", "text", "colour", "fronts", "samples", "vault", "providers", "apart", "listed", "plugin_samples", "incoming"),
    ("validate", "calendar", "questions", "rss", "guard", "glance"),
    ("frontmatter", "api", "wire", "http", "cache", "media", "config", "store", "view", "identity", "localhost"),
    ("reading", "registry", "render", "select", "people", "inbox", "rehearsal"),
    ("records", "pages", "feed", "letters", "draft", "plan", "scaffold", "gather", "review"),
    ("folder", "instances", "manual", "search"),
    ("word_rules", "feed_rules", "mail_rules"),
    ("site", "compose", "deliver", "rules", "state", "authoring"),
    ("online",),
    ("connect",),
    ("pipeline",),
    ("mailing", "intake"),
    ("say", "say_inbox", "desk"),
    ("preview", "review_view"),
    ("review_desk",),
    ("cli_base",),
    ("cli_connect", "cli_inbox", "cli_list", "cli_mail", "cli_plugins", "cli_state"),
    ("cli",),
    ("__main__", "testing_kit"),
    ("testing_suite",),
    ("testing_announcer", "testing_mirror", "testing_source"),
    ("testing",),
    ("testing_fixtures",),
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
MODULES = sorted((ROOT / "src" / "amplify").glob("[!_]*.py"))
PLUGINS = sorted((ROOT / "plugins").glob("[!_]*.py"))


def imports(file: Path) -> set[str]:
    """The modules of ours that a file imports, by their short names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "amplify"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "amplify":
            whole = node.module == "amplify"
            found |= {f"amplify.{name.name}" if whole else str(node.module) for name in node.names}
    return {name.removeprefix("amplify.") for name in found} - {"__version__", "amplify", "plugins", "templates"}


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_modules_import_only_from_below(file: Path) -> None:
    assert file.stem in LEVEL, f"give {file.stem} a level in this table"

    above = {name for name in imports(file) if LEVEL[name] > LEVEL[file.stem]}

    assert above == set()


def test_there_is_no_circle() -> None:
    reached = {file.stem: imports(file) for file in MODULES}
    done: set[str] = set()
    while ready := {name for name, needs in reached.items() if name not in done and needs <= done}:
        done |= ready

    assert set(reached) - done == set()


@pytest.mark.parametrize("file", PLUGINS, ids=lambda file: file.stem)
def test_a_plugin_imports_the_api_and_nothing_else_of_ours(file: Path) -> None:
    assert imports(file) <= {"api"}


def test_nothing_imports_the_plugins_folder_by_its_name() -> None:
    files = [*MODULES, *PLUGINS, *(ROOT / "tests").glob("*.py")]
    by_name = re.compile(r"^\s*(?:import|from) plugins\b", re.MULTILINE)

    assert [file.name for file in files if by_name.search(file.read_text("utf-8"))] == []


def test_help_loads_nothing_but_click() -> None:
    import subprocess

    script = (
        "import sys; from amplify.cli import cli; cli.run(['--help']); "
        "print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])), file=sys.stderr)"
    )
    heavy = [
        "pydantic",
        "jinja2",
        "markdown",
        "feedgen",
        "lxml",
        "mutagen",
        "PIL",
        "yaml",
        "icalendar",
        "nh3",
        "pluggy",
        "sqlite3",
        "tomlkit",
    ]

    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"
