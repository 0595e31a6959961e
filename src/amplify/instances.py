"""The tables `[[source]]` and `[[channel]]` of the settings, made into the objects that do the work."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from amplify import vault
from amplify.api import Announcer, Channel, Mirror, Secret, Services, SourceKind, Traits
from amplify.config import FILE, Plugged, Settings
from amplify.errors import AmplifyError, FolderError, Problem
from amplify.gather import Fount
from amplify.registry import Registry, words
from amplify.rehearsal import Rehearsal
from amplify.secret import HIDING
from amplify.validate import TomlLines, nearest, validate

K = TypeVar("K", Channel, SourceKind)
M = TypeVar("M")
Lend = Callable[..., Services]
"""Makes the services of one instance from what is its own: `name`, `log`, `cache`, and `rehearsal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A `[[channel]]` of the settings with the object that does its work."""

    table: Plugged
    works: Mirror | Announcer

    @property
    def local(self) -> bool:
        """Whether nothing of it leaves this machine."""
        outside = not self.works.local if isinstance(self.works, Mirror) else self.works.traits.outside
        return self.table.rehearsal or not outside

    @property
    def rehearsal(self) -> bool:
        """Whether what it sends counts as a rehearsal."""
        return isinstance(self.works, Announcer) and self.local


def channels(settings: Settings, found: Registry, lend: Lend) -> tuple[Instance, ...]:
    """The channels of the settings. Raises FolderError with every problem in their tables, and for sources that nothing can gather."""
    problems: list[Problem] = []
    made = tuple(_each("channel", settings, found, found.channels, partial(_channel, lend), problems))
    problems += _unknown_sources(settings, found)
    if problems:
        raise FolderError(problems)
    return made


def sources(settings: Settings, found: Registry, lend: Lend) -> tuple[Fount, ...]:
    """The sources of the settings. Raises FolderError with every problem in their tables."""
    problems: list[Problem] = []
    made = tuple(_each("source", settings, found, found.sources, partial(_source, lend), problems))
    if problems:
        raise FolderError(problems)
    return made


def instance(table: Plugged, kind: Channel, lend: Lend) -> Instance:
    """One channel that no settings name. Raises AmplifyError for options that it does not take, or that break it."""
    return _alone(table, kind, partial(_channel, lend))


def fount(table: Plugged, kind: SourceKind, lend: Lend) -> Fount:
    """One source that no settings name. Raises AmplifyError for options that it does not take, or that break it."""
    return _alone(table, kind, partial(_source, lend))


def _alone(table: Plugged, kind: K, make: Callable[[Plugged, K, Any], M]) -> M:
    options, problems = validate(kind.options, dict(table.options), TomlLines("", FILE))
    if options is None:
        raise AmplifyError("; ".join(one.message for one in problems))
    try:
        return make(table, kind, options)
    except ValueError as error:
        raise AmplifyError(f"{error}. Nothing was written.") from error


def _each(
    what: Literal["source", "channel"], settings: Settings, found: Registry, kinds: Mapping[str, K],
    make: Callable[[Plugged, K, Any], M], problems: list[Problem],
) -> Iterator[M]:  # fmt: skip
    """What `make` gives for each table, its options checked and its secrets followed. What is wrong is added to `problems`."""
    tables: tuple[Plugged, ...] = getattr(settings, what)
    lines = TomlLines((settings.root / FILE).read_text("utf-8-sig"), FILE) if tables else TomlLines("", FILE)
    for number, table in enumerate(tables):
        at: tuple[str, int] = (what, number)
        kind = kinds.get(table.plugin)
        if kind is None:
            problems.append(lines.problem((*at, "plugin"), "C13", *_no_such(table.plugin, found, kinds)))
            continue
        values, wrong = with_secrets(kind.options, table.options, settings.root)
        problems += [lines.problem((*at, key), "C17", message, remedy) for key, message, remedy in wrong]
        options, invalid = validate(kind.options, values, lines, at)
        problems += invalid
        if options is not None and not wrong:
            try:
                yield make(table, kind, options)
            except (ValueError, AmplifyError) as error:
                message, _, remedy = str(error).partition("\n")
                problems.append(lines.problem(at, "C14", f"{what} {table.name!r}: {message}", remedy.strip()))


def _unknown_sources(settings: Settings, found: Registry) -> Iterator[Problem]:
    for table in settings.source:
        if table.plugin not in found.sources:
            message, remedy = _no_such(table.plugin, found, found.sources)
            yield Problem(file=FILE, line=table.line, rule="C13", message=f"source {table.name!r}: {message}", remedy=remedy)


def _no_such(name: str, found: Registry, kinds: Mapping[str, object]) -> tuple[str, str]:
    broken = next((plugin for plugin in found.plugins if plugin.name == name and plugin.error), None)
    if broken:
        return f"the plugin {name} is broken: {broken.error}", "mend it, or ask who wrote it"
    return f"there is no plugin {name!r}", nearest(name, sorted(kinds))


def _channel(lend: Lend, table: Plugged, kind: Channel, options: Any) -> Instance:
    services = lend(
        name=table.name, log=_log("channel", table), cache=Path("channels") / table.name,
        rehearsal=table.rehearsal,
    )  # fmt: skip
    works = _works(kind, options, services)
    if not isinstance(works, Mirror) and not (isinstance(works, Announcer) and isinstance(works.traits, Traits)):
        raise ValueError(f"the plugin {kind.name} is broken: it made {type(works).__name__}, which can neither keep a site nor send")
    if table.rehearsal and isinstance(works, Announcer) and works.traits.outside:
        works = Rehearsal(works, services)
    return Instance(table=table, works=works)


def _source(lend: Lend, table: Plugged, kind: SourceKind, options: Any) -> Fount:
    services = lend(name=table.name, log=_log("source", table), cache=Path("sources") / table.name)
    works: Any = _works(kind, options, services)
    if not callable(getattr(works, "gather", None)):
        raise ValueError(f"the plugin {kind.name} is broken: it made {type(works).__name__}, which cannot gather")
    if kind.anyone and table.trust:
        raise ValueError(
            "trust = true would accept whatever anybody writes there under any name\nTake the line out; you decide in  amplify review"
        )
    return Fount(name=table.name, works=works, anyone=kind.anyone)


def _log(what: str, table: Plugged) -> logging.Logger:
    log = logging.getLogger(f"amplify.{what}.{table.name}")
    log.addFilter(HIDING)
    return log


def _works(kind: Channel | SourceKind, options: Any, services: Services) -> object:
    """Raises ValueError, in words, for what the plugin does not take and for one that breaks."""
    try:
        with redirect_stdout(sys.stderr):
            return kind.make(options, services)
    except (AmplifyError, ValueError):
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(f"the plugin {kind.name} is broken: {words(error)}; mend it, or ask who wrote it") from error


# -- secrets -------------------------------------------------------------------------------------------------------


def with_secrets(cls: type, options: Mapping[str, Any], root: Path) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """`options` with each reference to a secret followed, and what could not be followed."""
    hints = get_type_hints(cls)
    names = {item.name for item in fields(cls) if Secret in (hints[item.name], *get_args(hints[item.name]))}
    values, wrong = dict(options), []
    for name in sorted(names & options.keys()):
        try:
            values[name] = vault.follow(options[name], root) if isinstance(options[name], str) else _hidden(options[name])
        except vault.Unreachable as error:
            wrong.append((name, f"{name}: {error}", error.remedy))
    for inside in filter(None, (re.match(r"\w+://[^/@\s:]*:([^/@\s]+)@", one) for one in options.values() if isinstance(one, str))):
        Secret(inside[1])
    return values, wrong


def _hidden(value: object) -> object:
    """What somebody wrote where a secret belongs; it is reported, and not shown."""
    Secret(str(value))
    return value


# -- services ------------------------------------------------------------------------------------------------------


def lending(root: Path, state: Path, clock: Callable[[], datetime], zone: tzinfo = UTC, **shared: Any) -> Lend:
    """What makes the services of instances of one community; `shared` is lent to each: http, apart and keep, unless none needs them."""

    def lend(*, name: str, log: logging.Logger, cache: Path, rehearsal: bool = False) -> Services:
        place = state / "cache" / cache
        lent = {"http": None, "apart": None, "keep": None, **shared}
        return Services(name=name, folder=root, cache=place, clock=clock, zone=zone, log=log, rehearsal=rehearsal, **lent)

    return lend
