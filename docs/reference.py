"""Rewrite the parts of the documentation that follow from the code: `make docs`.

Such a part stands between `<!-- begin: what -->` and `<!-- end -->`; everything else in a page is written by hand.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import click

from amplify import api, config, manual, model, pipeline, plugin_samples, registry, view
from amplify.cli import cli
from amplify.testing import Fault
from amplify.testing_announcer import expected

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SCHEMA = DOCS / "schema" / "amplify.schema.json"
_BLOCK = re.compile(r"(?P<begin><!-- begin: (?P<what>[^>]+?) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
_RECORDS = (
    model.Edition, model.Contribution, model.Episode, model.Audio, model.Chapter, model.Transcript, model.Cue, model.Event,
    model.Occurrence, model.Member, model.Media,
)  # fmt: skip


def pages() -> tuple[Path, ...]:
    """Every page of the documentation."""
    return (*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")))


def wanted() -> dict[Path, str]:
    """What each file would hold if it were current."""

    def anew(found: re.Match[str]) -> str:
        return f"{found['begin']}{block(found['what'])}\n{found['end']}"

    texts = {page: _BLOCK.sub(anew, page.read_text("utf-8")) for page in pages()}
    return texts | {SCHEMA: json.dumps(config.json_schema(), indent=1, sort_keys=True) + "\n"}


def outdated() -> list[Path]:
    """The files that `make docs` would change."""
    return [path for path, text in wanted().items() if not path.exists() or path.read_text("utf-8") != text]


def block(what: str) -> str:
    """The generated text called `what`."""
    makers = {
        "help": help_of,
        "commands": commands_page,
        "built-in plugins": plugins_page,
        "pipeline": picture,
        "views": views,
        "records": records,
        "api": names,
        "traits": lambda: given(api.Traits),
        "offer": lambda: given(api.Offer),
        "services": lambda: given(api.Services),
        "levels": levels,
        "sample source": sample_source,
        "faults": faults,
    }
    return makers[what]()


def fenced(language: str, *lines: str) -> str:
    """A code block."""
    return "\n".join([f"```{language}", *lines, "```"])


# -- commands ------------------------------------------------------------------------------------------------------


def commands(group: click.Group = cli, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its whole name, groups included."""
    for name, command in sorted(group.commands.items()):
        yield f"{above}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")


def help_of(*names: str) -> str:
    """What `amplify NAMES --help` prints on a screen of 80 columns."""
    command: click.Command = cli
    context = click.Context(cli, info_name="amplify", terminal_width=80, color=False, **cli.context_settings)
    for end, name in enumerate(names, start=1):
        command = dict(commands())[" ".join(names[:end])]
        context = click.Context(command, info_name=name, parent=context)
    return fenced("text", " ".join(["$ amplify", *names, "--help"]), command.get_help(context))


def commands_page() -> str:
    """A section for each command."""
    return "\n\n".join(f"## {name}\n\n{help_of(*name.split())}" for name, _ in commands())


# -- dataclasses ---------------------------------------------------------------------------------------------------


def keys_of(cls: type) -> Mapping[str, tuple[str, str]]:
    """Each key that may be written for a dataclass, with its kind and what holds without it."""
    return {one.name: (one.kind, one.default) for one in manual.options(cls)}


def plugins_page() -> str:
    """The manual page of each built-in plugin: its docstring, and the options of its kinds."""
    found = registry.load(DOCS)
    pages = (f"## {one.name}\n\n{one.manual}\n\n{_options(one)}".rstrip() for one in found.plugins if one.origin == "built in")
    return "\n\n".join(pages)


def _options(plugin: registry.Plugin) -> str:
    tables = []
    for kind in plugin.kinds:
        options = manual.options(kind.options)
        more = " |" if any(one.says for one in options) else ""
        rows = [f"| `{one.name}` | {one.kind} | {one.default} |" + (f" {one.says} |" if more else "") for one in options]
        tables += [
            "| option | is | if left out |" + more,
            "| --- | --- | --- |" + " --- |" * bool(more),
            *rows,
            "",
            manual.about(kind.options),
            "",
        ]
    return "\n".join(tables).rstrip("\n")


# -- templates and plugins -----------------------------------------------------------------------------------------


def _shown(annotation: str) -> str:
    return f"`{annotation}`".replace("|", "\\|")


def _table(cls: type) -> str:
    said = manual.notes(cls)
    constant = getattr(cls, "type", None)
    rows = [f'| `type` | always `"{constant}"` | |'] if isinstance(constant, str) else []
    rows += [f"| `{item.name}` | {_shown(str(item.type))} | {said.get(item.name, '')} |".replace("|  |", "| |") for item in fields(cls)]
    return "\n".join([f"### {cls.__name__}", "", _summary(cls), "", "| name | is | |", "| --- | --- | --- |", *rows, ""])


def _summary(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def views() -> str:
    """A table for each view."""
    found = [one for one in vars(view).values() if is_dataclass(one) and getattr(one, "__module__", "") == view.__name__]
    return "\n".join(_table(one) for one in found if isinstance(one, type)).rstrip("\n")


def records() -> str:
    """A table for each record that a view can hold."""
    return "\n".join(map(_table, _RECORDS)).rstrip("\n")


def names() -> str:
    """A line for each name of `amplify.api`."""
    values = {
        "hookimpl": "Marks the function that offers the kinds in a plugin.",
        "Digest": "A fingerprint of a file: blake2b-128, in hexadecimal.",
    }
    rows = [f"| `{name}` | {values.get(name) or _summary(getattr(api, name))} |" for name in api.__all__]
    return "\n".join(["| name | is |", "| --- | --- |", *rows])


def given(cls: type) -> str:
    """The fields of a dataclass that a plugin makes or gets."""
    said = manual.notes(cls)
    told = ((item.name, _shown(str(item.type)), manual.default_of(item)) for item in fields(cls))
    rows = [f"| `{name}` | {kind} | {default} | {said.get(name, '')} |" for name, kind, default in told]
    return "\n".join([manual.about(cls), "", "| name | is | if left out | |", "| --- | --- | --- | --- |", *rows])


def sample_source() -> str:
    """The source that `amplify plugins new` writes."""
    return fenced("python", plugin_samples.sample("source", "blog")[0].rstrip("\n"))


def faults() -> str:
    """What can go wrong at the far end of an announcer, and the words for it."""
    told = ((one.name, one.value, " or ".join(f"`{word.__name__}`" for word in expected(one))) for one in Fault)
    rows = [f"| `{name}` | {value} | {words} |" for name, value, words in told]
    return "\n".join(["| `Fault` | what happens | the word |", "| --- | --- | --- |", *rows])


# -- how it is laid out --------------------------------------------------------------------------------------------


def picture() -> str:
    """The pipeline, as `pipeline.py` draws it."""
    lines = (pipeline.__doc__ or "").split("\n")
    drawn = [line.removeprefix("    ") for line in lines if line.startswith("    ")]
    return fenced("text", *drawn)


def levels() -> str:
    """A line for each module, by the level that the test of the architecture gives it."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text("utf-8"))
    table = next(node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LEVELS")
    rows = [
        f"| {number} | `{name}` | {_docstring(ROOT / 'src' / 'amplify' / f'{name}.py')} |"
        for number, modules in enumerate(ast.literal_eval(table))
        for name in modules
        if (ROOT / "src" / "amplify" / f"{name}.py").exists()
    ]
    return "\n".join(["| level | module | is |", "| --- | --- | --- |", *rows])


def _docstring(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").split("\n")[0]


def main() -> None:
    """Write what is not current."""
    texts = wanted()
    for path in (changed := outdated()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], "utf-8")
        click.echo(f"wrote {path.relative_to(ROOT)}")
    if not changed:
        click.echo("every page is current")


if __name__ == "__main__":
    main()
