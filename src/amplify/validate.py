"""Plain values into dataclasses, with all mistakes at once, in words, each at its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from amplify.errors import Problem

T = TypeVar("T")
Path = tuple[str | int, ...]
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}
_EXPECTED = {
    "string_type": "text in quotation marks",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list in square brackets",
    "list_type": "a list in square brackets",
    "dict_type": "a table",
    "mapping_type": "a table",
    "is_instance_of": "text in quotation marks",
    "dataclass_type": "a table",
    "dataclass_exact_type": "a table",
}


class Lines:
    """Where in a file each dotted path is written."""

    def __init__(self, file: str, where: Mapping[Path, int], first: int = 0) -> None:
        self.file, self._where, self._first = file, where, first

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that has one."""
        around = [path[:end] for end in range(len(path), 0, -1)]
        named = [tuple(part for part in one if isinstance(part, str)) for one in around]
        return next((self._where[one] for pair in zip(around, named, strict=True) for one in pair if one in self._where), self._first)

    def problem(self, path: Path, rule: str, message: str, remedy: str = "") -> Problem:
        """A problem at `path`."""
        return Problem(file=self.file, line=self.line(path), rule=rule, message=message, remedy=remedy)


class TomlLines(Lines):
    """Lines of a TOML file, found by its table headers and keys: no reader of TOML tells them."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__(file, _toml_lines(text))


def _toml_lines(text: str) -> dict[Path, int]:
    where: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line):
            name: Path = tuple(part.strip("\"' ") for part in header[2].split("."))
            parent = (*name[:-1], counts[name[:-1]]) if name[:-1] in counts else name[:-1]
            table = parent + name[-1:]
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                table += (counts[name],)
            where.setdefault(table, number)
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            where.setdefault(table + tuple(part.strip("\"'") for part in key[1].split(".")), number)
    return where


def validate(cls: type[T], values: object, lines: Lines, at: Path = ()) -> tuple[T | None, list[Problem]]:
    """`values` as an instance of the dataclass `cls`, and what is wrong; `at` is where the values stand in the file."""
    try:
        return cast(T, _adapter(cls).validate_python(values)), []
    except ValidationError as error:
        return None, [_problem(cls, detail, lines, at) for detail in _distinct(error, values)]


def _adapter(cls: Any) -> TypeAdapter[Any]:
    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(pydantic_dataclass(cls, frozen=True, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True)))
    return _ADAPTERS[cls]


def _distinct(error: ValidationError, values: object) -> list[Any]:
    """A union reports once for each of its members; one report a place is enough."""
    seen: dict[Path, Any] = {}
    for detail in error.errors(include_url=False):
        seen.setdefault(_place(detail, values), detail)
    return [detail | {"loc": path} for path, detail in seen.items()]


def _place(detail: Any, values: Any) -> Path:
    """The keys that lead to a problem in `values`; between them pydantic names the types that it tried."""
    path: list[str | int] = []
    for part in detail["loc"]:
        try:
            values = values[part]
        except (LookupError, TypeError):
            continue
        path.append(part)
    missing = detail["loc"][-1:] if detail["type"].startswith("missing") else ()
    return (*path, *missing)


def _problem(cls: type, detail: Any, lines: Lines, at: Path) -> Problem:
    path: Path = tuple(detail["loc"])
    name = ".".join(str(part) for part in path if isinstance(part, str)) or "the value"
    kind, where = detail["type"], at + path
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return lines.problem(where, "C02", f"{path[-1]!s} is not known here", nearest(str(path[-1]), keys_at(cls, path[:-1])))
    if kind.startswith("missing"):
        return lines.problem(where, "C04", f"{name} is missing", f"write {path[-1]} = …")
    if kind in ("literal_error", "enum"):
        return lines.problem(where, "C05", f"{name} is {_shown(detail['input'])}", f"write {detail['ctx']['expected']}")
    if kind == "value_error":
        return lines.problem(where, "C05", f"{name}: {detail['ctx']['error']}")
    expected = _EXPECTED.get(kind, detail["msg"])
    return lines.problem(where, "C05", f"{name} is {_shown(detail['input'])}", f"expected {expected}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def nearest(name: str, known: Sequence[str]) -> str:
    """The remedy for an unknown name: the nearest known one, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}" if known else ""


def keys_at(cls: Any, path: Path) -> list[str]:
    """The keys that the dataclass found by following `path` from `cls` accepts."""
    for part in path:
        if isinstance(part, str):
            hints = get_type_hints(cls)
            cls = next((inner for inner in _inside(hints.get(part)) if is_dataclass(inner)), None)
            if cls is None:
                return []
    aliases = get_type_hints(cls, include_extras=True)
    return [_alias(aliases[item.name]) or item.name for item in fields(cls) if item.name not in ("root", "line")]


def _inside(hint: Any) -> list[Any]:
    return [hint, *(deep for inner in get_args(hint) for deep in _inside(inner))]


def _alias(hint: Any) -> str | None:
    return next((alias for extra in getattr(hint, "__metadata__", ()) if (alias := getattr(extra, "alias", None))), None)
