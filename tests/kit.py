"""A throw-away community for tests: files go in; what the command said, and what it put online and sent, comes out."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from amplify.testing_kit import EDITION, NOW, SETTINGS, Community, Ran, contents

__all__ = ["EDITION", "NOW", "PODCAST", "SETTINGS", "Community", "Ran", "contents", "page", "silence"]

PODCAST = """
[podcast]
title = "Joy aloud"
description = "Teachers talk."
owner = { name = "JoyFE", email = "podcast@joyfe.example.org" }
"""


def page(front: Mapping[str, object], body: str = "") -> str:
    """A content file, its front matter quoted as YAML asks for."""
    return f"---\n{yaml.safe_dump(dict(front), allow_unicode=True, sort_keys=False, width=10**6)}---\n{body}"


def silence(seconds: float = 2) -> bytes:
    """An MP3 recording in which nothing is heard."""
    frame = bytes((0xFF, 0xFB, 0x90, 0)) + bytes(413)
    return frame * round(seconds * 44100 / 1152)
