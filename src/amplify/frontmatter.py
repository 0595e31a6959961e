"""A Markdown file into front matter and body.

Every scalar is read as text, so that `title: No` stays "No" and `date: 2026-11-18 20:00` is what it says; the field that
a value is for decides what it means. Aliases cannot blow up: the nodes that are walked are counted. Nesting cannot either:
libyaml composes by recursion in C, where going too deep ends the process. Control characters are taken out everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from amplify.errors import Problem
from amplify.text import plain
from amplify.validate import Lines, Path

LARGEST = 1_000_000
"""Bytes of a content file; nobody writes more, and a mail or a page could not hold it."""
_MOST_NODES, _DEEPEST = 5_000, 12
_SHALLOW = 500
"""Characters of front matter that cannot nest deep enough to matter."""


@dataclass(frozen=True, slots=True)
class Page:
    """A file taken apart. `lines` finds keys; the body begins at line `body_line`."""

    values: dict[str, Any]
    body: str
    body_line: int
    lines: Lines


class Broken(Exception):
    """The file cannot be taken apart; it carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def split(data: bytes, file: str) -> Page:
    """`data` of `file` as front matter and body. Raises Broken."""
    text = _decoded(data, file)
    if not re.match(r"---[ \t]*\n", text):
        remedy = "begin the file with a line ---, then title: …, then a line ---"
        raise Broken(Problem(file=file, line=1, rule="C03", message="has no front matter", remedy=remedy))
    head = text.index("\n") + 1
    end = re.search(r"^---[ \t]*$\n?", text[head:], re.MULTILINE)
    if not end:
        message = "the front matter does not end"
        raise Broken(Problem(file=file, line=1, rule="C03", message=message, remedy="write a line --- after its last key"))
    front, body = text[head : head + end.start()], text[head + end.end() :]
    where: dict[Path, int] = {(): 1}
    values = _values(front, file, where)
    return Page(values, body, text.count("\n", 0, head + end.end()) + 1, Lines(file, where, 1))


def _decoded(data: bytes, file: str) -> str:
    if len(data) > LARGEST:
        message = f"is larger than {LARGEST // 1_000_000} MB"
        raise Broken(Problem(file=file, line=0, rule="C10", message=message, remedy="split it, or put pictures and recordings into files"))
    try:
        return plain(data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = "has a character that is not UTF-8 text"
        raise Broken(Problem(file=file, line=line, rule="C06", message=message, remedy="save the file as UTF-8")) from error


def _values(front: str, file: str, where: dict[Path, int]) -> dict[str, Any]:
    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        if len(front) > _SHALLOW:
            _check_depth(yaml.parse(front, Loader=loader))
        node = yaml.compose(front, Loader=loader)
        values = _plain(node, (), where, [0]) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        raise Broken(_yaml_problem(error, front, file)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"the front matter cannot be read: {str(error).splitlines()[0]}"
        raise Broken(Problem(file=file, line=1, rule="C03", message=message, remedy="write keys, words and short lists only")) from error
    if not isinstance(values, dict):
        message = "the front matter is not a list of keys and values"
        raise Broken(Problem(file=file, line=2, rule="C03", message=message, remedy="write lines like title: Joy in November"))
    return {key: value for key, value in values.items() if value != ""}


def _check_depth(events: Iterable[yaml.Event]) -> None:
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError("there is too much inside one another")


def _plain(node: yaml.Node, path: Path, where: dict[Path, int], seen: list[int]) -> Any:
    seen[0] += 1
    if seen[0] > _MOST_NODES or len(path) > _DEEPEST:
        raise ValueError("it is too large or refers to itself")
    where[path] = node.start_mark.line + 2
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be one word", problem_mark=key.start_mark, note="write lines like title: …")
            name = plain(key.value)
            if name in values:
                raise yaml.MarkedYAMLError(problem=f"{name} is there twice", problem_mark=key.start_mark, note="take one of them out")
            values[name] = _plain(value, (*path, name), where, seen)
            where[(*path, name)] = key.start_mark.line + 2
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, (*path, number), where, seen) for number, value in enumerate(node.value)]
    return "" if node.value in ("~", "null") and isinstance(node, yaml.ScalarNode) and not node.style else plain(node.value)


def _yaml_problem(error: yaml.MarkedYAMLError, front: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else 0
    lines = front.split("\n")
    line = lines[number] if number < len(lines) else ""
    where = number + 2
    if pair := re.match(r"([\w-]+):\s+([^\"'\[{|>].*:(\s.*|$))", line):
        quoted = pair[2].strip().replace("\\", "\\\\").replace('"', '\\"')
        message = f"the {pair[1]} has a colon and needs quotation marks"
        return Problem(file=file, line=where, rule="C03", message=message, remedy=f'write {pair[1]}: "{quoted}"')
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Problem(file=file, line=where, rule="C03", message="the line begins with a tab", remedy="use blanks")
    message = f"the front matter cannot be read: {error.problem or error.context}"
    return Problem(
        file=file, line=where, rule="C03", message=message, remedy=error.note or "put what is after the colon into quotation marks"
    )
