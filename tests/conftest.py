"""What every test can ask for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.kit import Community

Make = Callable[..., Community]


@pytest.fixture
def community(amplify_community: Make) -> Make:
    """Make a community from files by their paths; where there is no amplify.toml among them, it has a plain one."""
    return amplify_community
