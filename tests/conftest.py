"""What every test can ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.kit import Community

from amplify import secret

Make = Callable[..., Community]


@pytest.fixture
def community(amplify_community: Make) -> Make:
    """Make a community from files by their paths; where there is no amplify.toml among them, it has a plain one."""
    return amplify_community


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> Iterator[None]:
    """What one test called a secret may be a plain word in the next."""
    secret.forget()
    yield
    secret.forget()
