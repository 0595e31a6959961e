"""Views into pages and mails, through Jinja2: autoescape for HTML and XML, strict undefined, every string through `_()`."""

from __future__ import annotations

import gettext
import os
import re
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from textwrap import wrap
from typing import Any
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

import amplify.templates
from amplify import colour, text, times
from amplify.config import Settings
from amplify.errors import FolderError, Problem

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RIGHT_TO_LEFT = {"ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"}
_LINK = re.compile(r"!?\[([^\[\]]*)\]\(<?((?:[^()\s<>]|\([^()\s]*\))+)>?(?:\s+[\"'][^)]*)?\)")
_MARK = re.compile(r"[ ]*(?:[-*+>]|\d+[.)])[ ]+")
_LINES = re.compile(r" {2,}\n|\n(?= *(?:[-*+]|\d+[.)]) )")
SUFFIXES = (".j2", ".js")


def templates(root: Path) -> Mapping[str, bytes]:
    """Every effective template by name: the built-in ones, and the community's own in their place."""
    built_in = Path(next(iter(amplify.templates.__path__)))
    found = {name: (built_in / name).read_bytes() for name in sorted(os.listdir(built_in)) if name.endswith(SUFFIXES)}
    own = root / "templates"
    if own.is_dir():
        found |= {path.relative_to(own).as_posix(): path.read_bytes() for path in sorted(own.rglob("*")) if path.name.endswith(SUFFIXES)}
    return found


def direction(language: str) -> str:
    """`rtl` for languages written from right to left, else `ltr`."""
    return "rtl" if language.split("-", maxsplit=1)[0].lower() in _RIGHT_TO_LEFT else "ltr"


@cache
def _compiled() -> Any:
    """Jinja2's compiled templates, kept as long as the process lives: compiling costs more than all the pages of a small site."""
    from jinja2.bccache import Bucket, BytecodeCache

    codes: dict[tuple[str, str], Any] = {}

    class Memory(BytecodeCache):
        def load_bytecode(self, bucket: Bucket) -> None:
            bucket.code = codes.get((bucket.key, bucket.checksum))

        def dump_bytecode(self, bucket: Bucket) -> None:
            codes[bucket.key, bucket.checksum] = bucket.code

    return Memory()


class Renderer:
    """Jinja2 as the templates know it, bound to one community's settings.

    Filters of the templates, besides Jinja2's own: `own` and `offered` (Markdown to safe HTML), `letter` (Markdown for
    the plain mail), `excerpt(n)`, `longday`, `day`, `monthday`, `month`, `clock`, `weekday`, `iso`, `length` of time,
    `timestamp`, `minutes` to read, `absolute`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._translations = gettext.NullTranslations()

    @cached_property
    def _environment(self) -> Any:
        from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, PrefixLoader, StrictUndefined
        from jinja2.ext import i18n

        core = PackageLoader("amplify.templates", "")
        environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(self.settings.root / "templates"), core, PrefixLoader({"core": core})]),
            autoescape=lambda name: name is None or ".html" in name or ".xml" in name,
            undefined=StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=_compiled(),
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[i18n],
        )
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            self._translations.gettext, self._translations.ngettext, newstyle=True
        )
        environment.globals["_"] = self._gettext
        accent = self.settings.community.accent
        environment.globals |= {"light": colour.light(accent), "dark": colour.dark(accent), "direction": direction}
        environment.filters |= {
            "own": self._own, "offered": self._offered, "excerpt": text.excerpt, "minutes": text.reading_minutes,
            "longday": self._longday, "day": self._day, "monthday": self._monthday, "month": self._month, "clock": self._clock,
            "weekday": self._weekday, "iso": times.iso, "timestamp": times.clock, "span": self._span, "absolute": self._absolute,
            "local": self._local, "letter": self._letter, "room": text.meeting_room,
        }  # fmt: skip
        return environment

    def translated(self, message: str) -> str:
        """Words of Amplify's own in the community's language."""
        return self._translations.gettext(message)

    def _gettext(self, message: str, **values: object) -> str:
        translated = self.translated(message)
        return translated % values if values else translated

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The text of `template`. Raises FolderError naming the community's template where one is broken."""
        try:
            return text.plain(self._environment.get_template(template).render(values))
        except Exception as error:
            if broken := self._broken(error, template):
                raise FolderError([broken]) from error
            raise

    def _broken(self, error: Exception, template: str) -> Problem | None:
        """The problem in a template of the community's own, at its line; None where the mistake is ours."""
        own = self.settings.root / "templates"
        frames = [(Path(frame.filename), frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
        inside = [(path, line) for path, line in frames if path.is_relative_to(own)]
        name, line = getattr(error, "name", None) or template, getattr(error, "lineno", None) or 0
        if inside:
            name, line = inside[-1][0].relative_to(own).as_posix(), inside[-1][1]
        elif not (own / str(name)).is_file():
            return None
        message = f"this template is broken: {type(error).__name__}: {error}"
        remedy = f"mend it, or remove it to use the built-in {template}"
        return Problem(file=f"templates/{name}", line=line, rule="C20", message=message, remedy=remedy)

    # -- Markdown. `root` leads to the site: "../" on a page, the public address in mails and feeds --------------------

    def _html(self, markdown: str, policy: str, root: str) -> Any:
        from markupsafe import Markup

        base = self.settings.community.url.rstrip("/") + "/"
        clean = text.html(markdown, policy, base)
        here = root or "./"  # else what follows the base could be read as an address of its own, like javascript:
        return Markup(clean if root == base else re.sub(rf'(href|src)="{re.escape(base)}', rf'\1="{here}', clean))  # noqa: S704

    def _own(self, markdown: str, root: str) -> Any:
        return self._html(markdown, text.OWN, root)

    def _offered(self, markdown: str, root: str) -> Any:
        return self._html(markdown, text.OFFERED, root)

    def _letter(self, markdown: str) -> str:
        """Markdown for the plain mail: wrapped, lists indented, the addresses of links below their paragraph."""
        return "\n\n".join(self._paragraph(part) for part in re.split(r"\n[ \t]*\n", markdown.strip()))

    def _paragraph(self, part: str) -> str:
        if part.startswith(("|", "    ", "```")):
            return part
        links = dict.fromkeys(self._absolute(found[2]) for found in _LINK.finditer(part))
        lines: list[str] = []
        for line in _LINES.split(_LINK.sub(r"\1", part)):
            mark = _MARK.match(line)
            indent = "" if mark is None else "> " if ">" in mark[0] else " " * len(mark[0])
            words = line.replace("\n>", "\n").split()
            lines += wrap(" ".join(words), 72, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        return "\n".join([*lines, *links])

    def _absolute(self, path: str) -> str:
        return urljoin(self.settings.community.url.rstrip("/") + "/", path)

    # -- times, in the community's zone unless another is named --------------------------------------------------------

    def _local(self, moment: datetime, zone: str = "") -> datetime:
        return moment.astimezone(ZoneInfo(zone) if zone else self.settings.community.zone)

    def _parts(self, moment: datetime, zone: str) -> dict[str, str]:
        local = self._local(moment, zone)
        _ = self._translations.gettext
        return {"weekday": _(_DAYS[local.weekday()]), "day": str(local.day), "month": _(_MONTHS[local.month - 1]), "year": str(local.year)}

    def _longday(self, moment: datetime, zone: str = "") -> str:
        return self._translations.gettext("{weekday} {day} {month} {year}").format(**self._parts(moment, zone))

    def _day(self, moment: datetime, zone: str = "") -> str:
        return self._translations.gettext("{day} {month} {year}").format(**self._parts(moment, zone))

    def _monthday(self, moment: datetime, zone: str = "") -> str:
        return self._parts(moment, zone)["day"]

    def _month(self, moment: datetime, zone: str = "") -> str:
        return self._parts(moment, zone)["month"]

    def _weekday(self, moment: datetime, zone: str = "") -> str:
        return self._parts(moment, zone)["weekday"]

    def _clock(self, moment: datetime, zone: str = "") -> str:
        return self._local(moment, zone).strftime("%H:%M")

    def _span(self, seconds: float | timedelta) -> str:
        total = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        ngettext = self._translations.ngettext
        if total < 90:
            return ngettext("%d second", "%d seconds", round(total)) % round(total)
        hours, minutes = divmod(round(total / 60), 60)
        parts = [ngettext("%d hour", "%d hours", hours) % hours] if hours else []
        return " ".join([*parts, ngettext("%d minute", "%d minutes", minutes) % minutes] if minutes or not parts else parts)
