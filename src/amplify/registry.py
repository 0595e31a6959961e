"""Plugins: found in three places, loaded one at a time.

Built in (`amplify.plugins`), the community's own (`plugins/*.py`), installed (entry-point group `amplify`). A plugin that
breaks is a line in the report; only a community that uses it fails. There is no global plugin manager.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, is_dataclass
from functools import partial
from hashlib import blake2b
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, get_type_hints

import pluggy

import amplify.plugins
from amplify.api import Channel, Hooks, SourceKind
from amplify.config import FILE
from amplify.errors import FolderError, Problem

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
        return Plugin(name=name, origin=origin, error=words(error))
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


def words(error: BaseException) -> str:
    """What broke, in one line."""
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
