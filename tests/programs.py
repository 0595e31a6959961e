"""Programs that some tests call: skipped with a reason where one is missing, required where AMPLIFY_REQUIRE_PROGRAMS is set."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("AMPLIFY_REQUIRE_PROGRAMS"):
            pytest.fail(f"{name} is not installed, and is required here")
        pytest.skip(f"{name} is not installed")
    return path
