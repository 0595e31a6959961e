"""What the suites of tests for plugins share: the plugin, made as the settings would, in an empty community, and a far end for it."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args, get_type_hints

import pytest

from amplify import registry
from amplify.apart import Workers
from amplify.api import Channel, Secret, SourceKind
from amplify.config import Plugged
from amplify.instances import Lend
from amplify.secret import DOTS
from amplify.testing_kit import Clock, lending
from amplify.testing_server import Fault, Reply, Request, Server, listening

SOON = 1.0
"""Seconds for which a plugin waits here for an answer that never comes."""


@cache
def _registry(root: Path, kind: str) -> registry.Registry:
    return registry.load(root, wanted={kind})


def said(error: BaseException) -> str:
    """All that an error and what caused it would show to anybody."""
    return "".join(traceback.format_exception(error, chain=True)) + repr(error)


class Suite:
    """What the suites share. `kind` is the name that the plugin offers; `root` the community folder, the one above the tests."""

    kind: ClassVar[str]
    root: ClassVar[Path | None] = None
    faults: ClassVar[Sequence[Fault]] = ()
    """The bad days that the far end can have; none for one that is on this computer."""
    clock: Clock
    far: Server
    folder: Path

    def options(self) -> Mapping[str, Any]:
        """What would stand in the settings; `self.far.url` is the far end, `self.folder` the community."""
        return {}

    def answer(self, request: Request) -> Reply:  # noqa: ARG002 - for those who inherit
        """What the far end answers when all is well."""
        return Reply(json={})

    def is_post(self, request: Request) -> bool:
        """Whether a request is the one that makes the far end act, and meets its bad days; others only prepare it."""
        return request.changes

    @pytest.fixture(autouse=True)
    def _stage(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        caplog.set_level(logging.DEBUG, "amplify")
        self.folder, self.clock, self._stack = tmp_path / "community", Clock(), ExitStack()
        self.folder.mkdir()
        with self._stack:
            self._apart = self._stack.enter_context(Workers())
            self.far = self._stack.enter_context(listening(self.answer))
            self.far.troubled = self.is_post
            yield
        logged = "".join(one.getMessage() + (one.exc_text or "") for one in caplog.get_records("call"))
        assert self.leaked(logged) == [], "a secret is in the log"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test with a `fault` runs once for each bad day of the far end; one with a `mishap`, for those that are not silent."""
        days = {"fault": self.faults, "mishap": [fault for fault in self.faults if not fault.silent]}
        for name in days.keys() & set(metafunc.fixturenames):
            metafunc.parametrize(name, days[name], ids=lambda fault: fault.name)

    def table(self, **more: Any) -> Plugged:
        """The table of the settings, with the secrets in it."""
        hints = get_type_hints(self.found().options)
        secret = {name for name, hint in hints.items() if Secret in (hint, *get_args(hint))}
        given = {name: Secret(value) if name in secret else value for name, value in self.options().items()}
        return Plugged(name="tested", plugin=self.kind, options=given, **more)

    def secrets(self) -> list[str]:
        """What must never be shown."""
        return [value.reveal() for value in self.table().options.values() if isinstance(value, Secret)]

    def leaked(self, shown: str) -> list[str]:
        """The secrets that can be read in what would be shown."""
        return [f"{one[:3]}{DOTS}" for one in self.secrets() if one in shown]

    def found(self) -> Channel | SourceKind:
        """The kind under test, from the folder of the community, from what is installed, or built in."""
        root = self.root or Path(inspect.getfile(type(self))).resolve().parents[1]
        found = _registry(root, self.kind)
        kinds: Mapping[str, Channel | SourceKind] = getattr(found, self.offers)
        broken = [f"{one.name}: {one.error}" for one in found.plugins if one.error]
        assert self.kind in kinds, f"no plugin in {root / 'plugins'} offers {self.kind!r}; broken: {broken or 'none'}"
        return kinds[self.kind]

    offers: ClassVar[Literal["channels", "sources"]] = "channels"

    def lend(self, *, silent: bool = False) -> Lend:
        """What makes the services of an instance; where the far end is silent, it is not waited for long."""
        longest = SOON if silent else 30
        return self._stack.enter_context(lending(self.folder, self.clock, longest, self._apart))
