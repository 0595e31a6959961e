"""The kit for authors of plugins: `pip install 'amplify-publisher[testing]'`, and pytest has its fixtures.

    class TestNoticeboard(AnnouncerSuite):
        kind = "noticeboard"

        def options(self):
            return {"server": self.far.url, "token": "never shown"}

Inherit from the suite for what your plugin is, say how to reach the far end, and play it in `answer` or `there`: the suite
knows what every plugin promises. `docs/plugin-tutorial.md` goes through it from an empty folder.
"""

from __future__ import annotations

from amplify.testing_announcer import AnnouncerSuite
from amplify.testing_kit import EDITION, NOW, SETTINGS, Clock, Community, Ran, contents, lending
from amplify.testing_mirror import MirrorSuite
from amplify.testing_server import Fault, Reply, Request, Server, listening
from amplify.testing_source import SourceSuite

__all__ = [
    "EDITION",
    "NOW",
    "SETTINGS",
    "AnnouncerSuite",
    "Clock",
    "Community",
    "Fault",
    "MirrorSuite",
    "Ran",
    "Reply",
    "Request",
    "Server",
    "SourceSuite",
    "contents",
    "lending",
    "listening",
]
