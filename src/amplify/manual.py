"""Plugins in words, made from what stands in their files: what `amplify plugins list` and `show` say, and the pages of the docs."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from amplify.api import Channel, Secret, SourceKind, Traits
from amplify.errors import AmplifyError
from amplify.registry import Plugin, Registry
from amplify.validate import nearest

# -- what may be written in a table ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One key that may be written; `default` in words, `says` what stands below the field in the source."""

    name: str
    kind: str
    default: str
    says: str = ""


def options(cls: type) -> tuple[Option, ...]:
    """Each key that may be written for a dataclass."""
    hints, said = get_type_hints(cls, include_extras=True), notes(cls)
    made = ((item, hints[item.name]) for item in fields(cls))
    return tuple(
        Option(name=_written(item.name, hint), kind=kind_of(hint), default=default_of(item), says=said.get(item.name, ""))
        for item, hint in made
    )


def kind_of(hint: Any) -> str:
    """A type in the words of the pages."""
    origin, inner = get_origin(hint), get_args(hint)
    if hasattr(hint, "__metadata__"):
        return kind_of(inner[0])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind_of(one) for one in inner if one is not type(None)))
    if origin is tuple:
        return f"list of {kind_of(inner[0])}s"
    if is_dataclass(hint) or origin is not None:
        return "table"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return " or ".join(f"`{one}`" for one in hint)
    return {str: "text", Secret: "secret", bool: "true or false", int: "whole number", float: "number"}.get(hint, "table")


def default_of(item: Field[Any]) -> str:
    """What holds where nothing is written; `required` where something must be."""
    if item.default is MISSING and item.default_factory is MISSING:
        return "required"
    value = item.default if item.default is not MISSING else None
    if value is None or value in ("", ()) or is_dataclass(value):
        return "nothing"
    return f"`{json.dumps(value, default=str)}`"


def notes(cls: type) -> Mapping[str, str]:
    """What stands below a field in the source, as a string, says what the field is."""
    try:
        [body] = [node.body for node in ast.parse(textwrap.dedent(inspect.getsource(cls))).body if isinstance(node, ast.ClassDef)]
    except (OSError, TypeError, SyntaxError):
        return {}
    return {
        ast.unparse(one.target): " ".join(str(below.value.value).split())
        for one, below in itertools.pairwise(body)
        if isinstance(one, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


def _written(name: str, hint: Any) -> str:
    aliases = (getattr(extra, "alias", None) for extra in getattr(hint, "__metadata__", ()))
    return next((alias for alias in aliases if alias), name)


def about(cls: type) -> str:
    """The docstring that somebody wrote for a dataclass; not the one that Python makes up."""
    written = inspect.cleandoc(cls.__doc__ or "")
    return "" if written.startswith(f"{cls.__name__}(") else written


# -- every plugin --------------------------------------------------------------------------------------------------


def table(found: Registry) -> Iterator[str]:
    """A line for each plugin."""
    for plugin in found.plugins:
        kinds = ", ".join(f"{table_of(kind)} {kind.name}" for kind in plugin.kinds)
        first = plugin.manual.split("\n", 1)[0]
        yield f"{plugin.name:<16} {plugin.origin:<10} " + (f"BROKEN  {plugin.error}" if plugin.error else f"{kinds}: {first}")


def as_json(found: Registry) -> dict[str, Any]:
    """The same for programs: a row for each kind, and one for each plugin that could not be loaded."""
    rows = [
        {"name": kind.name, "kind": table_of(kind), "from": plugin.origin, "error": None}
        for plugin in found.plugins
        for kind in plugin.kinds
    ]
    return {
        "plugins": rows + [{"name": one.name, "kind": None, "from": one.origin, "error": one.error} for one in found.plugins if one.error]
    }


# -- one plugin ----------------------------------------------------------------------------------------------------


def named(found: Registry, name: str) -> tuple[Plugin, ...]:
    """The plugins called `name` or that offer a kind of that name. Raises AmplifyError where there is none."""
    answering = {one.name: {one.name, *(kind.name for kind in one.kinds)} for one in found.plugins}
    chosen = tuple(one for one in found.plugins if name in answering[one.name])
    if not chosen:
        known = sorted(set().union(*answering.values()))
        raise AmplifyError(f"There is no plugin {name!r} ({nearest(name, known)}).\n  To see them all:  amplify plugins list")
    return chosen


def pages(plugins: Iterable[Plugin]) -> Iterator[str]:
    """The page of each."""
    for number, plugin in enumerate(plugins):
        yield from ("", "") if number else ()
        yield from page(plugin)


def page(plugin: Plugin) -> Iterator[str]:
    """What it does, how to write it down, and what it is like."""
    yield f"{plugin.name} ({plugin.origin}: {plugin.where})"
    if plugin.error:
        yield f"BROKEN  {plugin.error}"
        return
    yield from ("", plugin.manual)
    for kind in plugin.kinds:
        yield from ("", f'In a [[{table_of(kind)}]] with plugin = "{kind.name}":')
        for option in options(kind.options):
            default = {"required": "required", "nothing": ""}.get(option.default, f"{option.default} if left out")
            yield f"  {option.name:<16} " + "; ".join(filter(None, (option.kind, default, option.says))).replace("`", "")
        yield from textwrap.indent(about(kind.options), "  ").splitlines()
        yield from (f"  {line}" for line in _likes(kind))


def page_json(plugin: Plugin) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": plugin.name, "from": plugin.origin, "where": plugin.where, "error": plugin.error or None, "manual": plugin.manual,
        "example": example(plugin.manual),
        "kinds": [
            {
                "name": kind.name, "kind": table_of(kind), "about": about(kind.options),
                "options": [asdict(one) for one in options(kind.options)],
                "traits": asdict(traits) if (traits := traits_of(kind)) else None,
            }
            for kind in plugin.kinds
        ],
    }  # fmt: skip


def example(manual: str) -> str:
    """The settings that a manual page shows, or ""."""
    lines = inspect.cleandoc(manual).splitlines()
    start = next((number for number, line in enumerate(lines) if line.strip().startswith("[[")), len(lines))
    margin = lines[start][: len(lines[start]) - len(lines[start].lstrip())] if start < len(lines) else ""
    shown = itertools.takewhile(lambda line: line.strip() and line.startswith(margin), lines[start:])
    return "\n".join(line.removeprefix(margin) for line in shown)


def traits_of(kind: Channel | SourceKind) -> Traits | None:
    """What a kind is always like; None where that hangs on the settings, and for what announces nothing."""
    found = getattr(kind.make, "traits", None)
    return found if isinstance(found, Traits) else None


def _likes(kind: Channel | SourceKind) -> Iterator[str]:
    traits = traits_of(kind)
    if traits:
        told = ", ".join(f"{name} {value}" for name, value in asdict(traits).items() if value)
        yield f"It is like this: {told.replace(' True', '').replace(', outside', ', leaves this computer')}"


def table_of(kind: Channel | SourceKind) -> Literal["channel", "source"]:
    """In which table of the settings it is used."""
    return "channel" if isinstance(kind, Channel) else "source"
