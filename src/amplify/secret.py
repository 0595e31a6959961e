"""Secrets, and how none is ever shown: whatever is printed, logged or written down goes through `hide` first."""

from __future__ import annotations

import base64
import json
import logging
import re
import traceback
from typing import Self
from urllib.parse import quote, quote_plus

DOTS = "•••"
SOUNDS_SECRET = re.compile(r"(?i)(?:.*[_-])?(?:password|passphrase|token|secret|key)")
"""Names of options that hold a secret, as far as a name can tell."""
_SHORTEST = 4
"""What is shorter would blot out half of all words, and keeps nobody out."""


class Secret(str):
    """A password or a token: it shows as `•••` wherever it is printed by accident. `str(secret)` does not reveal it."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """From now on this value is hidden wherever it appears."""
        _HIDDEN.add(value)
        return super().__new__(cls, value)

    def __repr__(self) -> str:
        return DOTS

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return DOTS

    def reveal(self) -> str:
        """The secret itself, to hand to the far end and to nobody else."""
        return "".join(self)


class _Hidden:
    """The values of all secrets that this process has met, in each way in which a far end or a library may spell them."""

    def __init__(self) -> None:
        self._spelled: frozenset[str] = frozenset()
        self.pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Hide this value from now on, and each long line of one that has several."""
        parts = {part for part in (value, *value.splitlines()) if len(part.strip()) >= _SHORTEST}
        spelled = self._spelled | {way for part in parts for way in _ways(part)}
        if spelled != self._spelled:
            self._spelled = spelled
            self.pattern = re.compile("|".join(map(re.escape, sorted(spelled, key=len, reverse=True))))

    def forget(self) -> None:
        """Start anew."""
        self._spelled, self.pattern = frozenset(), None


def _ways(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogatepass")
    quoted = {quote(data), quote(data, safe=""), quote_plus(data)}
    escaped = {repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(data)[2:-1]}
    return {value, base64.b64encode(data).decode(), *quoted, *escaped}


_HIDDEN = _Hidden()
forget = _HIDDEN.forget


def hide(text: str) -> str:
    """`text` with dots in the place of every secret."""
    return _HIDDEN.pattern.sub(DOTS, text) if _HIDDEN.pattern else text


def unwound(error: BaseException) -> str:
    """The traceback of an error, to be shown."""
    return hide("".join(traceback.format_exception(error)))


class Hiding(logging.Filter):
    """Hides every secret in what a logger or a handler lets through, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets it through, made harmless."""
        record.msg, record.args = hide(record.getMessage()), ()
        if record.exc_info and record.exc_info[1]:
            record.exc_text = unwound(record.exc_info[1]).rstrip("\n")
        return True


HIDING = Hiding()
