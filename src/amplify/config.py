"""`amplify.toml` into frozen dataclasses: every problem at once, each with its line and the nearest known name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field

from amplify import times
from amplify.errors import AmplifyError, FolderError, Problem
from amplify.model import Kind
from amplify.secret import DOTS, SOUNDS_SECRET
from amplify.validate import Lines, TomlLines, nearest, validate

FILE = "amplify.toml"
CORE_KEYS = ("name", "plugin", "publishes", "audience", "in_doubt", "was", "serves", "trust", "rehearsal")
"""The keys of a `[[source]]` or `[[channel]]` that belong to the core; all others are the plugin's options."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINE_BREAKS = dict.fromkeys(map(ord, "\t\n\r"))
_LONG = ("description", "postal_address", "purpose")
"""Keys whose words may have several lines."""


@dataclass(frozen=True)
class Goal:
    """What the community wants to see happen."""

    text: str
    measure: str = ""
    target: float = 0
    per: str = ""


@dataclass(frozen=True)
class Community:
    """Who we are."""

    name: str
    url: str
    """The public address of the site; it may have a path."""
    language: str = "en-GB"
    timezone: str = "UTC"
    contact: str = ""
    purpose: str = ""
    hashtags: tuple[str, ...] = ()
    accent: str = "#0b6e6e"
    """The one colour of links and buttons; lightened or darkened until it can be read."""
    logo: str = ""
    goal: tuple[Goal, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """The community's clock."""
        return times.zone(self.timezone)


@dataclass(frozen=True)
class Newsletter:
    """How the newsletter introduces itself."""

    title: str
    sender: Annotated[str, Field(alias="from")]
    """`Name <address>`, written `from` in the file."""
    reply_to: str = ""
    postal_address: str = ""

    @property
    def address(self) -> str:
        """The sender's address alone."""
        return self.sender.rpartition("<")[2].rstrip("> ").strip()

    @property
    def mailbox(self) -> str:
        """Where answers go."""
        return self.reply_to or self.address


@dataclass(frozen=True)
class Owner:
    """Who answers when a podcast directory writes."""

    name: str
    email: str


@dataclass(frozen=True)
class Podcast:
    """One show. `slug` is empty for the first one."""

    title: str
    author: str = ""
    description: str = ""
    category: str = "Education"
    explicit: bool = False
    artwork: str = ""
    owner: Owner | None = None
    slug: str = ""
    type: Literal["episodic", "serial"] = "episodic"
    language: str = ""
    copyright: str = ""
    licence: str = ""
    funding: str = ""
    guid: str = ""
    """`podcast:guid` of a show that has one already (F36)."""
    locked: bool = True
    complete: bool = False


@dataclass(frozen=True)
class Plugged:
    """A named instance of a plugin. `options` are checked by the plugin's own dataclass; `line` is where it begins."""

    name: str
    plugin: str
    options: Mapping[str, Any] = field(default_factory=dict)
    publishes: tuple[str, ...] = ("edition", "episode")
    audience: str = ""
    in_doubt: Literal["ask", "resend", "leave"] = "ask"
    was: tuple[str, ...] = ()
    serves: bool | None = None
    trust: bool = False
    rehearsal: bool = False
    line: int = 0


@dataclass(frozen=True)
class Rule:
    """What happens to a new thing in the inbox to which every condition that is given applies; the first such rule decides."""

    then: Literal["accept", "reject"]
    source: str = ""
    author: str = ""
    """A name, or how the source knows them."""
    site: str = ""
    """A host, with those below it."""
    kind: Kind | None = None
    words: tuple[str, ...] = ()
    """Any of them in the title or the text."""
    section: str = ""
    """Under which heading `amplify draft` is to place what is accepted."""
    reason: str = ""


@dataclass(frozen=True)
class Publish:
    """When things go."""

    announce_within: str = "7 days"
    quiet: tuple[str, ...] = ()
    verify_site: bool = True
    wait_for_site: str = "10 minutes"

    @property
    def window(self) -> timedelta:
        """How old a thing may be when it is first announced."""
        return times.parse_duration(self.announce_within)

    @property
    def quiet_days(self) -> tuple[tuple[date, date], ...]:
        """The spans in which nothing new is announced."""
        return tuple(times.parse_days(text) for text in self.quiet)


@dataclass(frozen=True)
class Http:
    """What gathering may fetch."""

    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Serve:
    """Where the web application answers."""

    url: str = ""


@dataclass(frozen=True)
class StateSettings:
    """Where the record is kept."""

    database: str = ".amplify/amplify.db"


@dataclass(frozen=True)
class Settings:
    """The whole of `amplify.toml`. `root` is the community folder."""

    root: Path
    community: Community
    newsletter: Newsletter | None = None
    podcast: tuple[Podcast, ...] = ()
    source: tuple[Plugged, ...] = ()
    channel: tuple[Plugged, ...] = ()
    rule: tuple[Rule, ...] = ()
    publish: Publish = Publish()
    http: Http = Http()
    serve: Serve = Serve()
    state: StateSettings = StateSettings()
    disable: tuple[str, ...] = ()
    """Names of plugins that are not even imported."""


def load(root: Path) -> Settings:
    """The settings of the community in `root`. Raises FolderError with every problem, AmplifyError where there is none."""
    try:
        text = (root / FILE).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise AmplifyError(
            f"There is no {FILE} in {root}, so this is not a community folder yet.\n"
            "  Make one here:     amplify init\n"
            "  Or go to yours:    amplify -C FOLDER …"
        ) from None
    except NotADirectoryError:
        raise AmplifyError(
            f"{root} is a file, and a community is a folder.\n"
            "  Make one:          amplify init FOLDER\n"
            "  Or go to yours:    amplify -C FOLDER …"
        ) from None
    except UnicodeDecodeError as error:
        raise FolderError([Problem(file=FILE, line=0, rule="C06", message="is not UTF-8 text", remedy="save it as UTF-8")]) from error
    except OSError as error:
        remedy = "move it away, and put the file itself here" if (root / FILE).is_dir() else "make it readable for yourself"
        raise FolderError([Problem(file=FILE, line=0, rule="C06", message=f"cannot be read: {error.strerror}", remedy=remedy)]) from error
    return parse(text, root)


def disabled(root: Path) -> tuple[str, ...]:
    """The names of the plugins that are not to be imported, as far as the settings can be read: mistakes in them are for `load`."""
    try:
        named = tomllib.loads((root / FILE).read_bytes().decode("utf-8-sig")).get("disable", [])
    except (OSError, ValueError, RecursionError):
        return ()
    return tuple(one for one in named if isinstance(one, str)) if isinstance(named, list) else ()


def parse(text: str, root: Path) -> Settings:
    """`text` as settings. Raises FolderError with every problem."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FolderError([_broken(str(error), text)]) from error
    lines = TomlLines(text, FILE)
    found: list[Problem] = []
    for name in ("source", "channel"):
        raw[name] = list(_plugged(raw.get(name, []), name, lines, found))
    if isinstance(raw.get("podcast"), dict):
        raw["podcast"] = [raw["podcast"]]
    if found:
        raise FolderError(found)
    if unprintable := list(_unprintable(raw, lines)):
        raise FolderError(unprintable)
    settings, invalid = validate(Settings, raw | {"root": root}, lines)
    if settings is None:
        raise FolderError(invalid)
    if wrong := list(_check(settings, lines)):
        raise FolderError(wrong)
    return settings


def _broken(message: str, text: str) -> Problem:
    where = re.search(r"at line (\d+)", message)
    line = int(where[1]) if where else text.count("\n") + 1
    words = re.sub(r" \(at .*\)$", "", message)
    written = "".join(text.splitlines()[line - 1 : line]).strip()
    key, equals, _value = written.partition("=")
    written = f"{key}= {DOTS}" if equals and SOUNDS_SECRET.fullmatch(key.strip()) else written
    shown = f"cannot be read: {words}" + (f": {written[:60]}" if written else "")
    return Problem(file=FILE, line=line, rule="C01", message=shown, remedy="values that are words need quotation marks")


def _plugged(tables: Any, what: str, lines: Lines, found: list[Problem]) -> Iterator[dict[str, Any]]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        found.append(lines.problem((what,), "C05", f"{what} is a list of tables", f"write [[{what}]] with two brackets"))
        return
    for number, table in enumerate(tables):
        core = {key: value for key, value in table.items() if key in CORE_KEYS}
        options = {key: value for key, value in table.items() if key not in CORE_KEYS}
        yield core | {"options": options, "line": lines.line((what, number))}


def _unprintable(value: Any, lines: Lines, at: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Control characters, and line breaks where one line is meant, in what the core itself shows, sends and prints (X06, N30)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "options":
                yield from _unprintable(inner, lines, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unprintable(inner, lines, (*at, number))
    elif isinstance(value, str) and _CONTROL.search(value.translate(_LINE_BREAKS) if at[-1] in _LONG else value):
        message = f"{at[-1] if isinstance(at[-1], str) else at[-2]} has a line break or a control character in it"
        yield lines.problem(at, "C05", message, "take it out of the words")


def _check(settings: Settings, lines: Lines) -> Iterator[Problem]:
    """What types alone cannot say."""
    community, publish = settings.community, settings.publish
    if not _is_site(community.url):
        yield lines.problem(
            ("community", "url"), "C05", f"{community.url!r} is no web address", "write it like https://community.example.org/"
        )
    if settings.serve.url and not (_is_site(settings.serve.url) and settings.serve.url.isascii()):
        message = f"{settings.serve.url!r} is no address that a mail can hold"
        yield lines.problem(
            ("serve", "url"), "C05", message, "write it like https://join.example.org/, in ASCII letters (xn--… for others)"
        )
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", community.accent):
        yield lines.problem(("community", "accent"), "C05", f"{community.accent!r} is no colour", "write it like #0b6e6e")
    checks: tuple[tuple[tuple[str | int, ...], Callable[[str], object], str], ...] = (
        (("community", "timezone"), times.zone, community.timezone),
        (("publish", "announce_within"), times.parse_duration, publish.announce_within),
        (("publish", "wait_for_site"), times.parse_duration, publish.wait_for_site),
        *((("publish", "quiet", number), times.parse_days, text) for number, text in enumerate(publish.quiet)),
    )
    for path, read, text in checks:
        try:
            read(text)
        except ValueError as error:
            yield lines.problem(path, "C05", str(error))
    if settings.newsletter and not re.fullmatch(r"[^<>\r\n]*<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+", settings.newsletter.sender):
        yield lines.problem(
            ("newsletter", "from"), "C05", f"{settings.newsletter.sender!r} is no sender", "write it like The Circuit <news@example.org>"
        )
    yield from _rules(settings, lines)
    yield from _same_names(settings, lines)


def _is_site(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s\"<>\\^`{|}?#]", url)


def _rules(settings: Settings, lines: Lines) -> Iterator[Problem]:
    sources = [one.name for one in settings.source]
    for number, rule in enumerate(settings.rule):
        if not (rule.source or rule.author or rule.site or rule.kind or rule.words):
            message = "a rule without a condition would decide on everything"
            yield lines.problem(("rule", number), "C05", message, "add source, author, site, kind or words")
        if rule.source and rule.source not in sources:
            message = f"no [[source]] is called {rule.source!r}"
            yield lines.problem(("rule", number, "source"), "C05", message, nearest(rule.source, sources))


def _same_names(settings: Settings, lines: Lines) -> Iterator[Problem]:
    for what, tables in (("source", settings.source), ("channel", settings.channel)):
        seen: set[str] = set()
        for number, table in enumerate(tables):
            if table.name in seen:
                yield lines.problem((what, number, "name"), "C08", f"two {what}s are called {table.name!r}", "give each a name of its own")
            seen.add(table.name)
    slugs = [show.slug for show in settings.podcast]
    for number, slug in enumerate(slugs):
        if slug in slugs[:number]:
            message = f"two podcasts have the slug {slug!r}" if slug else "a second [[podcast]] needs a slug"
            yield lines.problem(("podcast", number), "C08", message, 'write slug = "…", it is the folder and the address of the show')


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `amplify.toml`, for editors that complete and check as people type."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Settings).json_schema()
    schema["title"] = FILE
    schema["properties"].pop("root")
    schema["required"].remove("root")
    plugged = schema["$defs"]["Plugged"]
    for ours in ("options", "line"):
        plugged["properties"].pop(ours)
    plugged["additionalProperties"] = True
    podcast = schema["properties"]["podcast"]
    schema["properties"]["podcast"] = {"anyOf": [podcast["items"], podcast]}
    return schema
