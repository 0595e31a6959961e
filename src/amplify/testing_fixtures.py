"""The fixtures that pytest has wherever Amplify is installed. Nothing is imported before a test asks for one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from amplify.api import Services
    from amplify.testing_kit import Clock, Community
    from amplify.testing_server import Server

for _module in ("announcer", "mirror", "source", "suite"):
    pytest.register_assert_rewrite(f"amplify.testing_{_module}")


@pytest.fixture
def amplify_clock() -> Clock:
    """A clock that stands still until `pass_(hours=2)`."""
    from amplify.testing_kit import Clock

    return Clock()


@pytest.fixture
def amplify_community(tmp_path: Path) -> Callable[..., Community]:
    """Makes a throw-away community: `amplify_community({"editions/joy.md": EDITION})`."""
    from amplify.testing_kit import SETTINGS, Community

    def make(files: Mapping[str, str | bytes] | None = None, name: str = "community") -> Community:
        (tmp_path / name).mkdir()
        return Community(tmp_path / name).write({"amplify.toml": SETTINGS} | dict(files or {}))

    return make


@pytest.fixture
def amplify_server() -> Iterator[Server]:
    """A far end on this machine: `on(path, Reply(…), Fault.DROP_AFTER)`, `url`, `requests`."""
    from amplify.testing_server import listening

    with listening() as far:
        yield far


@pytest.fixture
def amplify_services(tmp_path: Path, amplify_clock: Clock) -> Iterator[Services]:
    """What the core lends to a plugin; here it may fetch from this machine."""
    from amplify.testing_kit import lending

    with lending(tmp_path, amplify_clock) as lend:
        yield lend(name="tested", log=logging.getLogger("amplify.channel.tested"), cache=Path("tested"))
