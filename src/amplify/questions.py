"""The questions of `amplify init`, and how what people typed becomes answers.

`QUESTIONS` says what to ask and reads one answer at a time; `answers` reads them all, and reports all that is wrong together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from amplify import text, times
from amplify.errors import AmplifyError

Kind = Literal["newsletter", "podcast", "both"]
_KINDS: tuple[Kind, ...] = ("newsletter", "podcast", "both")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Answers:
    """What an organiser said about the community. `contact` and `url` may be empty: not yet."""

    name: str
    kind: Kind = "both"
    contact: str = ""
    url: str = ""
    timezone: str = "UTC"


@dataclass(frozen=True)
class Question:
    """One question. `default` gives the answer for Enter alone (None: there must be one); `read` raises ValueError, in words."""

    key: str
    words: str
    default: Callable[[], str | None]
    read: Callable[[str], str]
    shown: str = ""
    """The default as it is shown in brackets, where the value itself says nothing."""


def read_name(written: str) -> str:
    """A community's name, on one line."""
    name = text.fit(text.one_line(written), _LONGEST_NAME)
    if not name:
        raise ValueError("a community needs a name")
    return name


def read_kind(written: str) -> Kind:
    """`newsletter`, `podcast` or `both`, or how one of them begins."""
    word = written.strip().lower()
    kind = next((kind for kind in _KINDS if word and kind.startswith(word)), None)
    if kind is None:
        raise ValueError(f"{text.fit(written, 60)!r} is none of newsletter, podcast, both")
    return kind


def read_contact(written: str) -> str:
    """An e-mail address, or nothing."""
    address = written.strip()
    part = r"[^<>@\s\"(),:;\\\[\]\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
    if address and not re.fullmatch(f"{part}@{part}", address):
        raise ValueError(f"{text.fit(written, 60)!r} is no e-mail address; write it like organiser@example.org")
    return address


def read_url(written: str) -> str:
    """A web address, with https:// if that was left out; nothing for a website that is still to come."""
    address = written.strip()
    if address.lower() in ("", "not yet"):
        return ""
    if "://" not in address:
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f\x7f-\x9f\"<>\\^`{|}]", address):
        raise ValueError(f"{text.fit(written, 60)!r} is no web address; write it like https://community.example.org/")
    return address.rstrip("/") + "/"


def read_timezone(written: str) -> str:
    """The name of a time zone."""
    return times.zone(written.strip()).key


def guess_timezone(environment: Mapping[str, str] = os.environ, etc: Path = Path("/etc")) -> str:
    """The time zone that this computer is set to, or UTC where it does not say."""
    for candidate in (environment.get("TZ", ""), _link(etc / "localtime"), _first_line(etc / "timezone")):
        name = candidate.strip().lstrip(":").replace("\\", "/").rpartition("zoneinfo/")[2]
        try:
            return "UTC" if name in ("Etc/UTC", "Etc/UCT", "UCT", "Zulu") else read_timezone(name)
        except ValueError:
            continue
    return "UTC"


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return ""


INTRODUCTION = "Five questions. Enter takes the answer in brackets. Nothing is sent or put online."
QUESTIONS = (
    Question("name", "What is your community called?", lambda: None, read_name),
    Question("kind", "Newsletter, podcast or both?", lambda: "both", read_kind, "both"),
    Question("contact", "Your own e-mail address, for tests:", lambda: "", read_contact),
    Question("url", "The address of your website?", lambda: "", read_url, "not yet"),
    Question("timezone", "Whose clock?", guess_timezone, read_timezone),
)


def answers(given: Mapping[str, str]) -> Answers:
    """What was `given`, by the keys of `QUESTIONS`, and the defaults of the rest. Raises AmplifyError with all that is wrong."""
    read: dict[str, Any] = {}
    wrong: list[str] = []
    for question in QUESTIONS:
        try:
            read[question.key] = question.read(given.get(question.key) or question.default() or "")
        except ValueError as error:
            wrong.append(f"{question.key}: {error}.")
    if wrong:
        raise AmplifyError("\n".join([*wrong, "Nothing was made."]))
    return Answers(**read)
