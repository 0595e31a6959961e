"""The command in a real terminal: what a person sees, and what they type."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterable

from kit import Community, Ran

_OWN_TERMINAL = (
    "import fcntl, runpy, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); runpy.run_module('amplify', run_name='__main__', alter_sys=True)"
)


def terminal(community: Community, *args: str, typed: Iterable[tuple[str, str]], **environment: str) -> Ran:
    """When the words of a question show, its answer is typed. `out` is all that was on the screen. Who is asked more is gone."""
    screen, theirs = pty.openpty()
    command = [sys.executable, "-c", _OWN_TERMINAL, "-C", str(community.root), *args]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "NO_COLOR": "1", **environment}
    ) as process:
        os.close(theirs)
        shown, told, answers = "", 0, list(typed)
        with contextlib.suppress(OSError):  # the terminal is gone when the process is
            while piece := os.read(screen, 4096):
                shown += piece.decode("utf-8", "replace")
                asked = shown[told:]
                if asked.endswith(("  ", ": ")) and (not answers or answers[0][0] not in asked):
                    process.kill()
                elif asked.endswith(("  ", ": ")):
                    told = len(shown)
                    os.write(screen, answers.pop(0)[1].encode() + b"\n")
        os.close(screen)
    assert not answers, f"{answers[0][0]!r} was never asked:\n{shown}"
    return Ran(process.returncode, shown.replace("\r\n", "\n"), "")
