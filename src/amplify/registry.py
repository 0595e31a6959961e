"""Plugins: found in three places, loaded one at a time, and made into named instances.

Built in (`amplify.plugins`), the community's own (`plugins/*.py`), installed (entry-point group `amplify`). A plugin that
breaks is a line in the report; only a community that uses it fails. There is no global plugin manager.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import partial
from hashlib import blake2b
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import pluggy

import amplify.plugins
from amplify import vault
from amplify.api import Announcer, Channel, Hooks, Mirror, Secret, Services, SourceKind, Traits
from amplify.config import FILE, Plugged, Settings
from amplify.errors import AmplifyError, FolderError, Problem
from amplify.secret import HIDING
from amplify.validate import TomlLines, nearest, validate

K = TypeVar("K", Channel, SourceKind)
From = Literal["built in", "community", "installed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One plugin as it was found; `error` in one line where it could not be loaded."""

    name: str
    origin: From
    manual: str = ""
    channels: tuple[Channel, ...] = ()
    sources: tuple[SourceKind, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The kinds that there are, by name."""

    plugins: tuple[Plugin, ...]
    channels: Mapping[str, Channel]
    sources: Mapping[str, SourceKind]


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


def load(root: Path, disable: Iterable[str] = (), wanted: Iterable[str] | None = None) -> Registry:
    """The registry of a community. With `wanted`, installed plugins are only looked at when a wanted kind is still missing.

    Raises FolderError where two plugins have one name or offer one kind.
    """
    skip = frozenset(disable)
    plugins = list(_built_in(skip))
    plugins += _own(root / "plugins", skip, {plugin.name for plugin in plugins})
    offered = {kind.name for plugin in plugins for kind in plugin.channels} | {kind.name for plugin in plugins for kind in plugin.sources}
    if wanted is None or not set(wanted) <= offered:
        plugins += _installed(skip)
    channels, sources = _kinds(plugins, "channels"), _kinds(plugins, "sources")
    return Registry(plugins=tuple(plugins), channels=channels, sources=sources)


def _built_in(skip: frozenset[str]) -> Iterator[Plugin]:
    for module in pkgutil.iter_modules(amplify.plugins.__path__):
        if module.name not in skip:
            yield _loaded(module.name, "built in", partial(importlib.import_module, f"amplify.plugins.{module.name}"))


def _own(folder: Path, skip: frozenset[str], taken: set[str]) -> Iterator[Plugin]:
    for path in sorted(folder.glob("*.py")):
        name = path.stem
        if name.startswith("_") or name in skip:
            continue
        if name in taken:
            if _digest(path) != _digest(_built_in_file(name)):
                message = f"a plugin called {name} is built in"
                raise FolderError(
                    [Problem(file=f"plugins/{path.name}", line=0, rule="C13", message=message, remedy="give yours another name")]
                )
            continue
        yield _loaded(name, "community", partial(_from_file, path))


def _built_in_file(name: str) -> Path:
    return Path(next(iter(amplify.plugins.__path__))) / f"{name}.py"


def _installed(skip: frozenset[str]) -> Iterator[Plugin]:
    from importlib.metadata import entry_points

    for entry in entry_points(group="amplify"):
        if entry.name not in skip:
            yield _loaded(entry.name, "installed", entry.load)


def _digest(path: Path) -> bytes:
    return blake2b(path.read_bytes(), digest_size=16).digest()


def _from_file(path: Path) -> ModuleType:
    name = f"amplify_community_{path.stem}"
    spec = spec_from_file_location(name, path, loader=SourceFileLoader(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _loaded(name: str, origin: From, load_module: Callable[[], ModuleType]) -> Plugin:
    try:
        with redirect_stdout(sys.stderr):
            module = load_module()
            manager = pluggy.PluginManager("amplify")
            manager.add_hookspecs(Hooks)
            manager.register(module, name)
            manager.check_pending()
            channels = _offered(manager.hook.amplify_channels(), Channel)
            sources = _offered(manager.hook.amplify_sources(), SourceKind)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one broken plugin is one line, whatever it does
        return Plugin(name=name, origin=origin, error=_words(error))
    return Plugin(name=name, origin=origin, manual=(module.__doc__ or "").strip(), channels=channels, sources=sources)


def _offered(found: Iterable[Iterable[object]], expected: type[K]) -> tuple[K, ...]:
    """What the implementations of a hook gave, if it is that. Raises TypeError and whatever the types of options raise."""
    offered: list[K] = []
    for kind in (kind for kinds in found for kind in kinds):
        if not isinstance(kind, expected):
            raise TypeError(f"it offers {type(kind).__name__} where {expected.__name__} is expected")
        if not is_dataclass(kind.options):
            raise TypeError(f"the options of {kind.name} are no dataclass")
        get_type_hints(kind.options)
        offered.append(kind)
    return tuple(offered)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _kinds(plugins: Iterable[Plugin], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    owner: dict[str, Plugin] = {}
    for plugin in plugins:
        for kind in getattr(plugin, what):
            if kind.name in found:
                message = f"the plugins {owner[kind.name].name} and {plugin.name} both offer {kind.name!r}"
                raise FolderError(
                    [Problem(file=FILE, line=0, rule="C13", message=message, remedy=f'write disable = ["{plugin.name}"] at the top')]
                )
            found[kind.name], owner[kind.name] = kind, plugin
    return found


# -- instances -----------------------------------------------------------------------------------------------------


def channels(settings: Settings, registry: Registry, state: Path, clock: Callable[[], datetime]) -> tuple[Instance, ...]:
    """The channels of the settings. Raises FolderError with every problem in their tables."""
    problems: list[Problem] = []
    made: list[Instance] = []
    lines = TomlLines((settings.root / FILE).read_text("utf-8-sig"), FILE) if settings.channel else TomlLines("", FILE)
    for number, table in enumerate(settings.channel):
        at = ("channel", number)
        kind = registry.channels.get(table.plugin)
        if kind is None:
            problems.append(lines.problem((*at, "plugin"), "C13", *_no_such(table.plugin, registry)))
            continue
        values, wrong = _with_secrets(kind.options, table.options, settings.root)
        problems += [lines.problem((*at, key), "C17", message, remedy) for key, message, remedy in wrong]
        options, invalid = validate(kind.options, values, lines, at)
        problems += invalid
        if options is not None and not wrong:
            try:
                made.append(_made(table, kind, options, settings.root, state, clock))
            except ValueError as error:
                problems.append(lines.problem(at, "C14", f"channel {table.name!r}: {error}"))
    problems += _sources(settings, registry)
    if problems:
        raise FolderError(problems)
    return tuple(made)


def _sources(settings: Settings, registry: Registry) -> Iterator[Problem]:
    for table in settings.source:
        if table.plugin not in registry.sources:
            message = f"source {table.name!r}: there is no plugin {table.plugin!r} that gathers"
            yield Problem(file=FILE, line=table.line, rule="C13", message=message, remedy=nearest(table.plugin, sorted(registry.sources)))


def instance(table: Plugged, kind: Channel, root: Path, state: Path, clock: Callable[[], datetime]) -> Instance:
    """One channel that no settings name. Raises AmplifyError for options that it does not take, or that break it."""
    options, problems = validate(kind.options, dict(table.options), TomlLines("", FILE))
    if options is None:
        raise AmplifyError("; ".join(one.message for one in problems))
    try:
        return _made(table, kind, options, root, state, clock)
    except ValueError as error:
        raise AmplifyError(f"{error}. Nothing was written.") from error


def _made(table: Plugged, kind: Channel, options: Any, root: Path, state: Path, clock: Callable[[], datetime]) -> Instance:
    log = logging.getLogger(f"amplify.channel.{table.name}")
    log.addFilter(HIDING)
    services = Services(name=table.name, folder=root, cache=state / "cache" / "channels" / table.name, clock=clock, log=log,
                        rehearsal=table.rehearsal)  # fmt: skip
    try:
        with redirect_stdout(sys.stderr):
            works: object = kind.make(options, services)
    except (AmplifyError, ValueError):
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(f"the plugin {kind.name} is broken: {_words(error)}; mend it, or ask who wrote it") from error
    if not isinstance(works, Mirror) and not (isinstance(works, Announcer) and isinstance(works.traits, Traits)):
        raise ValueError(f"the plugin {kind.name} is broken: it made {type(works).__name__}, which can neither keep a site nor send")
    if table.rehearsal and isinstance(works, Announcer) and works.traits.outside:
        raise ValueError(f"the plugin {kind.name} cannot rehearse: with rehearsal = true it would really send")
    return Instance(table=table, works=works)


def table(found: Registry) -> Iterator[str]:
    """A line for each plugin."""
    for plugin in found.plugins:
        kinds = ", ".join([*(f"channel {kind.name}" for kind in plugin.channels), *(f"source {kind.name}" for kind in plugin.sources)])
        first = plugin.manual.split("\n", 1)[0]
        yield f"{plugin.name:<16} {plugin.origin:<10} " + (f"BROKEN  {plugin.error}" if plugin.error else f"{kinds}: {first}")


def as_json(found: Registry) -> dict[str, Any]:
    """The same for programs: a row for each kind, and one for each plugin that could not be loaded."""
    rows = [
        {"name": kind.name, "kind": what, "from": plugin.origin, "error": None}
        for plugin in found.plugins
        for what, kinds in (("channel", plugin.channels), ("source", plugin.sources))
        for kind in kinds
    ]
    return {
        "plugins": rows + [{"name": one.name, "kind": None, "from": one.origin, "error": one.error} for one in found.plugins if one.error]
    }


def _no_such(name: str, registry: Registry) -> tuple[str, str]:
    broken = next((plugin for plugin in registry.plugins if plugin.name == name and plugin.error), None)
    if broken:
        return f"the plugin {name} is broken: {broken.error}", "mend it, or ask who wrote it"
    return f"there is no plugin {name!r}", nearest(name, sorted(registry.channels))


def _with_secrets(cls: type, options: Mapping[str, Any], root: Path) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
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
