"""What every test can ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.kit import SETTINGS, Community

Make = Callable[..., Community]


@pytest.fixture
def community(tmp_path: Path) -> Make:
    """Make a community from files by their paths; where there is no amplify.toml among them, it has a plain one."""

    def make(files: Mapping[str, str | bytes] | None = None, name: str = "community") -> Community:
        root = tmp_path / name
        root.mkdir()
        return Community(root).write({"amplify.toml": SETTINGS} | dict(files or {}))

    return make
