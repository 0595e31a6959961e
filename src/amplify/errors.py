"""What can go wrong, as words for people. One tree, and the exit status that each branch means.

AmplifyError                1   something a person can mend
├── FolderError             1   problems in the folder or its settings, all of them at once
├── Refused                 1   it would have needed a yes, and nobody gave it
├── MissingExtra            1   an optional library is not installed
├── StateError              1   the record cannot be read or written
├── Unreadable              1   what came from outside cannot be read
├── Busy                    4   another publish holds this community
└── DeliveryError           -   a plugin's answer about one delivery; never reaches the command line
    ├── Permanent               the far end never will
    ├── Transient               the far end certainly did nothing; worth another try
    │   └── Paused              likewise, and it is about the sender: nobody else is tried either
    │       └── Stranger        since the far end shows a key that nobody agreed to
    ├── Unsure                  the far end may have acted
    └── Unknown                 `find` could not tell
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend: `file` relative to the community, `line` from 1, or 0 for the file as a whole."""

    file: str
    line: int
    rule: str
    message: str
    remedy: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        label = "" if self.severity == "error" else "advice: "
        return f"{where}: {self.rule} {label}{self.message}" + (f" ({self.remedy})" if self.remedy else "")


class AmplifyError(Exception):
    """The base of everything that is expected to go wrong; its text is shown as it stands."""

    status = 1


class FolderError(AmplifyError):
    """The folder or its settings have problems; `problems` lists every one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Refused(AmplifyError):
    """Nothing was done, because it cannot be taken back and nobody said yes."""


class MissingExtra(AmplifyError):
    """An optional library is missing; the message names the line that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part of Amplify.\n  Install it:  pip install 'amplify-publisher[{extra}]'")


class StateError(AmplifyError):
    """The record of what was sent cannot be read or written."""


class Unreadable(AmplifyError):
    """What came from outside cannot be read, or not within the limits of time and memory."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Busy(AmplifyError):
    """Another publish holds this community."""

    status = 4


class DeliveryError(AmplifyError):
    """A plugin's answer about one delivery."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Permanent(DeliveryError):
    """The far end refuses this delivery for ever. `gone`: since there is no such address, so that it is struck off (N86a)."""

    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


class Transient(DeliveryError):
    """The far end certainly did nothing; try again after `wait` seconds (None: the core's back-off)."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Paused(Transient):
    """The far end refuses the *sender*: quota, authentication, policy. The channel stops; no recipient is to blame (N86a)."""


class Stranger(Paused):
    """The far end shows a key that nobody agreed to yet: its `fingerprint`, for a person to compare."""

    def __init__(self, reason: str, fingerprint: str) -> None:
        super().__init__(reason)
        self.fingerprint = fingerprint


class Unsure(DeliveryError):
    """The far end may have acted."""


class Unknown(DeliveryError):
    """`find` could not tell whether a delivery arrived."""
