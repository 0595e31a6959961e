"""Plugins: found in three places, loaded one at a time.

Built in (`amplify.plugins`), the community's own (`plugins/*.py`), installed (entry-point group `amplify`). A plugin that
breaks is a line in the report; only a community that uses it fails. There is no global plugin manager. A plugin that the
settings disable is not even imported.
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
from amplify.config import CORE_KEYS, FILE
from amplify.errors import FolderError, Problem
from amplify.secret import hide

K = TypeVar("K", Channel, SourceKind)
From = Literal["built in", "community", "installed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One plugin as it was found; `error` in one line where it could not be loaded."""

    name: str
    origin: From
    where: str = ""
    """The file, or the distribution that installed it."""
    manual: str = ""
    channels: tuple[Channel, ...] = ()
    sources: tuple[SourceKind, ...] = ()
    error: str = ""

    @property
    def kinds(self) -> tuple[Channel | SourceKind, ...]:
        """Everything that it offers."""
        return (*self.channels, *self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The kinds that there are, by name."""

    plugins: tuple[Plugin, ...]
    channels: Mapping[str, Channel]
    sources: Mapping[str, SourceKind]


def load(root: Path, disable: Iterable[str] = (), wanted: Iterable[str] | None = None) -> Registry:
    """The registry of a community. With `wanted`, other plugins are only looked at when a wanted kind is still missing.

    Raises FolderError where two plugins have one name or offer one kind.
    """
    skip = frozenset(disable)
    named = None if wanted is None else frozenset(wanted)
    built_in = [name for name in _names_built_in() if name not in skip]
    first = [name for name in built_in if named is None or named & {name, _OFFERS.get(name)}]
    plugins = [_built_in(name) for name in first]
    plugins += _own(root / "plugins", skip)
    if named is None or not named <= {kind.name for plugin in plugins for kind in plugin.kinds}:
        plugins += [_built_in(name) for name in built_in if name not in first]
        plugins += _installed(skip, {plugin.name: plugin for plugin in plugins})
    return Registry(plugins=tuple(plugins), channels=_kinds(plugins, "channels"), sources=_kinds(plugins, "sources"))


_OFFERS = {"drop_box": "folder"}
"""What a built-in plugin offers that is not called as its file is."""


def _built_in(name: str) -> Plugin:
    return _loaded(name, "built in", str(_built_in_file(name)), partial(importlib.import_module, f"amplify.plugins.{name}"))


def _names_built_in() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(amplify.plugins.__path__)]


def _built_in_file(name: str) -> Path:
    return Path(next(iter(amplify.plugins.__path__))) / f"{name}.py"


def _own(folder: Path, skip: frozenset[str]) -> Iterator[Plugin]:
    taken = _names_built_in()
    for path in sorted(folder.glob("*.py")):
        name = path.stem
        if name.startswith("_") or name in skip:
            continue
        if name not in taken:
            yield _loaded(name, "community", str(path), partial(_from_file, path))
        elif _digest(path) != _digest(_built_in_file(name)):
            raise _taken(
                f"plugins/{path.name}", f"it has the name of the built-in plugin {name}, and is another one",
                f"give yours another name:  mv plugins/{path.name} plugins/my_{path.name}",
            )  # fmt: skip


def _installed(skip: frozenset[str], others: dict[str, Plugin]) -> Iterator[Plugin]:
    from importlib.metadata import entry_points

    for entry in sorted(entry_points(group="amplify"), key=lambda one: one.name):
        if entry.name in skip:
            continue
        where = f"installed with {entry.dist.name}" if entry.dist else "installed"
        if other := others.get(entry.name):
            raise _taken(
                FILE, f"two plugins are called {entry.name}: one is {where}, one is {other.origin} ({other.where})",
                f"uninstall one of them:  pip uninstall {entry.dist.name if entry.dist else entry.name}",
            )  # fmt: skip
        others[entry.name] = _loaded(entry.name, "installed", where, entry.load)
        yield others[entry.name]


def _taken(file: str, message: str, remedy: str) -> FolderError:
    return FolderError([Problem(file=file, line=0, rule="C13", message=message, remedy=remedy)])


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


def _loaded(name: str, origin: From, where: str, load_module: Callable[[], ModuleType]) -> Plugin:
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
        return Plugin(name=name, origin=origin, where=where, error=words(error))
    manual = (module.__doc__ or "").strip()
    nothing = "" if channels or sources else "it offers nothing: no function amplify_channels or amplify_sources is marked @hookimpl"
    return Plugin(name=name, origin=origin, where=where, manual=manual, channels=channels, sources=sources, error=nothing)


def _offered(found: Iterable[Iterable[object]], expected: type[K]) -> tuple[K, ...]:
    """What the implementations of a hook gave, if it is that. Raises TypeError and whatever the types of options raise."""
    offered: list[K] = []
    for kind in (kind for kinds in found for kind in kinds):
        if not isinstance(kind, expected):
            raise TypeError(f"it offers {type(kind).__name__} where {expected.__name__} is expected")
        if not (is_dataclass(kind.options) and kind.options.__dataclass_params__.frozen):  # type: ignore[attr-defined]
            raise TypeError(f"the options of {kind.name} are no frozen dataclass")
        if ours := get_type_hints(kind.options).keys() & CORE_KEYS:
            raise TypeError(f"{kind.name} has the option {min(ours)}, which belongs to Amplify")
        offered.append(kind)
    return tuple(offered)


def words(error: BaseException) -> str:
    """What broke, in one line."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the Python module {error.name}, which is not installed here"
    return hide(f"{type(error).__name__}: {error}").splitlines()[0]


def _kinds(plugins: Iterable[Plugin], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    owner: dict[str, Plugin] = {}
    for plugin in plugins:
        for kind in getattr(plugin, what):
            if kind.name in found:
                other = owner[kind.name]
                message = f"the plugins {other.name} ({other.where}) and {plugin.name} ({plugin.where}) both offer {kind.name!r}"
                raise _taken(FILE, message, f'write disable = ["{plugin.name}"] at the top')
            found[kind.name], owner[kind.name] = kind, plugin
    return found
