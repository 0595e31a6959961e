"""Connecting mailboxes and a web space: try them for real, keep the secret, then write the settings, comments and all."""

from __future__ import annotations

import re
import secrets
import tomllib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from amplify import config, instances, online, questions, registry, vault
from amplify.api import Asset, Channel, Checked, Mirror
from amplify.cache import digest, write_whole
from amplify.config import CORE_KEYS, FILE, Plugged, Settings
from amplify.errors import AmplifyError, Transient
from amplify.questions import Question
from amplify.secret import Secret

What = Literal["channel", "source"]
MIRRORS = ("folder", "sftp", "ftp", "git")
Asking = Generator[Question, str, None]
"""Questions, one at a time; each answer is sent back in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A channel or a source as somebody wants it. `options` hold references to secrets; `password` is one that was typed just now."""

    what: What = "channel"
    name: str
    plugin: str
    options: Mapping[str, Any]
    password: Secret | None = None

    @property
    def host(self) -> str:
        """Where it leads, for people and for the name in the keyring."""
        address = str(self.options.get("server") or self.options.get("repository") or "")
        return str(self.options.get("host") or urlsplit(address).hostname or address or self.options.get("path", ""))


# -- what is asked -------------------------------------------------------------------------------------------------


def read_server(written: str) -> str:
    """A mail server: its name alone, with a port, or with `smtp://` or `smtps://`."""
    server = written.strip()
    if not re.match(r"\w+:", server) or re.fullmatch(r"[\w.-]+:\d+", server):
        port = server.partition(":")[2]
        server = f"smtps://{server}" if port == "465" else f"smtp://{server}" + ("" if port else ":587")
    if server != "outbox:" and not re.fullmatch(r"smtps?://[\w.-]+(:\d+)?", server):
        raise ValueError(f"{written!r} is no mail server; write it like smtp.example.org")
    return server


def read_inbox(written: str) -> str:
    """A server for incoming mail: its name alone, with a port, or with `imap://` or `imaps://`."""
    server = written.strip()
    if re.fullmatch(r"[\w.-]+(:\d+)?", server):
        server = f"{'imap' if server.endswith(':143') else 'imaps'}://{server}"
    if not re.fullmatch(r"imaps?://[\w.-]+(:\d+)?", server):
        raise ValueError(f"{written!r} is no server for incoming mail; write it like imap.example.org")
    return server


def read_per_day(written: str) -> str:
    """How many mails a day, or nothing for no limit that is known."""
    number = written.strip().replace(",", "")
    if number.lower() in ("", "no limit", "0"):
        return ""
    if not number.isdigit():
        raise ValueError(f"{written!r} is no number; write it like 500, or  no limit")
    return number


def read_kind(written: str) -> str:
    """One of the ways to a web space."""
    if written.strip().lower() not in MIRRORS:
        raise ValueError(f"{written!r} is none of {', '.join(MIRRORS)}")
    return written.strip().lower()


def _something(what: str) -> Callable[[str], str]:
    def read(written: str) -> str:
        if not written.strip():
            raise ValueError(f"{what} is missing")
        return written.strip()

    return read


def _none() -> None:
    return None


def _given(value: object) -> Callable[[], str]:
    return lambda: str(value)


_PASSWORD = Question("password", "Password? It is not shown as you type:", _given(""), str.strip, "none")
_LOGIN = (Question("username", "User name?", _given(""), str.strip), _PASSWORD)
KIND = Question("by", "How does the website get to its place: folder, sftp, ftp or git?", _given("sftp"), read_kind, "sftp")
WEBSITE: Mapping[str, tuple[Question, ...]] = {
    "folder": (Question("path", "Which folder, of this computer or of a drive?", _given("public"), _something("path")),),
    "sftp": (
        Question("host", "The name of the server?", _none, _something("host")),
        _LOGIN[0],
        replace(_PASSWORD, shown="none: the keys of this computer"),
        Question("path", "The folder there that the web server shows?", _none, _something("path")),
    ),
    "ftp": (
        Question("host", "The name of the server?", _none, _something("host")),
        *_LOGIN,
        Question("path", "The folder there that the web server shows?", _none, _something("path")),
    ),
    "git": (
        Question("repository", "The address of the repository?", _none, _something("repository")),
        Question("branch", "The branch that is shown as the website?", _given("gh-pages"), _something("branch")),
        _LOGIN[0],
        replace(_PASSWORD, words="A token that may write? It is not shown as you type:", shown="none: the keys of this computer"),
    ),
}


def website_questions(kind: str, url: str) -> Asking:
    """What is asked for a web space of this kind; `url` is its public address as far as it is known."""
    public = Question("url", "The address at which people see it?", _given(url), questions.read_url, url or "not yet")
    for question in (*WEBSITE[kind], public):  # noqa: UP028 - a tuple takes no answers
        yield question


def email_questions(settings: Settings, guess: Callable[[str], tuple[str, int | None]]) -> Asking:
    """What is asked for a mailbox: the next question follows from the answer to the last."""
    sender = settings.newsletter.address if settings.newsletter else ""
    address = yield Question("address", "Which mailbox sends your newsletter?", _given(sender) if sender else _none, _address)
    server, per_day = guess(address)
    server = yield Question("server", "Its mail server, for outgoing mail (SMTP)?", _given(server), read_server)
    yield Question("username", "User name?", _given(address), str.strip)
    yield _PASSWORD
    yield Question("per_day", "How many mails a day does it allow?", _given(per_day or ""), read_per_day, str(per_day or "no limit known"))


def mailbox_questions(settings: Settings, guess: Callable[[str], str]) -> Asking:
    """What is asked for a mailbox to gather from."""
    newsletter = settings.newsletter
    usual = (newsletter.reply_to or newsletter.address if newsletter else "") or settings.community.contact
    address = yield Question("address", "To which mailbox do members write?", _given(usual) if usual else _none, _address)
    yield Question("server", "Its server for incoming mail (IMAP)?", _given(guess(address)), read_inbox)
    yield Question("username", "User name?", _given(address), str.strip)
    yield _PASSWORD


def option(written: str) -> tuple[str, Any]:
    """`KEY=VALUE` as it would stand in `amplify.toml`; words need no quotation marks here. Raises AmplifyError."""
    key, equals, value = written.partition("=")
    if not equals or not re.fullmatch(r"[\w-]+", key.strip()):
        raise AmplifyError(f"--option {written}: write it like  --option connections=2. Nothing was changed.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def tables(settings: Settings, what: What) -> tuple[Plugged, ...]:
    """The channels, or the sources."""
    return settings.channel if what == "channel" else settings.source


def answered(settings: Settings, name: str, *plugins: str, what: What = "channel") -> dict[str, str]:
    """What the settings of a channel or a source say already, as answers."""
    table = next((one for one in tables(settings, what) if one.name == name and one.plugin in plugins), None)
    if table is None or table.options.get("server") == "outbox:":
        return {}
    said = {key: str(value) for key, value in table.options.items()}
    if not vault.is_reference(said.get("password", "")):
        said.pop("password", None)
    return {"by": table.plugin, "address": said.get("username", ""), **said}


def also(settings: Settings, answers: Mapping[str, str]) -> dict[str, str]:
    """What else the answers settle: where the website is, and from whom the mail comes, where that was still made up."""
    found: dict[str, str] = {}
    if answers.get("url", "") not in ("", settings.community.url):
        found["community.url"] = answers["url"]
    newsletter, address = settings.newsletter, answers.get("address")
    if newsletter and address and online.is_example(f"//{newsletter.address.rpartition('@')[2]}"):
        found["newsletter.from"] = f"{newsletter.sender.partition('<')[0].strip() or newsletter.title} <{address}>"
    return found


def after_email(settings: Settings, address: str) -> Iterator[str]:
    """What to say once a mailbox is connected."""
    sender = settings.newsletter.address if settings.newsletter else ""
    if sender.casefold() not in ("", address.casefold()) and not also(settings, {"address": address}):
        yield f"LOOK  your newsletter says it comes from {sender}, and this mailbox is {address}."
        yield "  Many providers refuse that: write the mailbox as  from  under [newsletter]."
    yield "Next:\n  amplify test       sends an edition to you and to nobody else"


def _address(written: str) -> str:
    if not written.strip():
        raise ValueError("a mail address is needed")
    return questions.read_contact(written)


# -- which one -----------------------------------------------------------------------------------------------------


def candidates(settings: Settings, plugins: tuple[str, ...], what: What = "channel") -> tuple[str, ...]:
    """The channels or sources that are meant, as far as the settings tell: those that only rehearse first of all."""
    found = [table for table in tables(settings, what) if table.plugin in plugins]
    rehearsing = [table for table in found if table.options.get("server") == "outbox:"]
    return tuple(table.name for table in rehearsing or found)


def wish(
    settings: Settings, name: str, plugin: str, new: Mapping[str, Any], password: Secret | None = None, what: What = "channel"
) -> Wish:
    """What is asked for now, on top of what the settings say already; a value of None takes an option away."""
    known = next((table for table in tables(settings, what) if table.name == name), None)
    before = known.options if known and known.plugin == plugin else {}
    return Wish(
        what=what,
        name=name,
        plugin=plugin,
        password=password,
        options={key: value for key, value in {**before, **new}.items() if value is not None},
    )


# -- trying --------------------------------------------------------------------------------------------------------


def attempt(settings: Settings, wanted: Wish, url: str, clock: Callable[[], datetime]) -> tuple[str, ...]:
    """Try it for real, and say what worked: logs in to a mailbox without sending, writes to a web space and takes it away.

    Raises AmplifyError (Stranger for a server whose key nobody agreed to), and then nothing was left behind.
    """
    kinds = registry.load(settings.root, settings.disable, {wanted.plugin})
    kind = kinds.channels[wanted.plugin] if wanted.what == "channel" else kinds.sources[wanted.plugin]
    options, wrong = instances.with_secrets(kind.options, wanted.options, settings.root)
    if wrong:
        raise AmplifyError("\n".join(f"{message}\n  {remedy}" for _, message, remedy in wrong))
    if wanted.password:
        options["password"] = wanted.password
    table = Plugged(name=wanted.name, plugin=wanted.plugin, options=options)
    lend = instances.lending(settings.root, settings.root / ".amplify", clock)
    made = instances.instance(table, kind, lend) if isinstance(kind, Channel) else instances.fount(table, kind, lend)
    works = made.works
    if isinstance(works, Mirror):
        return tuple(_written_and_taken_away(works, wanted, url, settings.root / ".amplify" / "cache"))
    if isinstance(works, Checked):
        return (f"{works.check()}. Nothing was {'sent' if wanted.what == 'channel' else 'changed there'}.",)
    return ("Nothing of this leaves this computer.",)


def _written_and_taken_away(works: Mirror, wanted: Wish, url: str, folder: Path) -> Iterator[str]:
    data = b"Amplify tries whether it may write here, and takes this file away again.\n"
    path = PurePosixPath(f"amplify-try-{secrets.token_hex(4)}.txt")
    source = folder / path.name
    write_whole(source, data)
    asset = Asset(path=path, digest=digest(data), size=len(data), type="text/plain", source=source)
    try:
        with works.session() as session:
            session.put(asset)
        try:
            there, shown = works.read(path) == data, () if works.local else tuple(_shown(wanted, url, path.name, data))
        finally:
            with works.session() as session:
                session.remove(path)
    except OSError as error:
        raise Transient(f"{wanted.host}: a file could not be written: {error.strerror or error}") from error
    finally:
        source.unlink(missing_ok=True)
    if not there:
        raise Transient(f"{wanted.host}: a file was written, and was not there afterwards")
    yield f"{wanted.host}: a file was written and taken away again."
    yield from shown


def _shown(wanted: Wish, url: str, name: str, data: bytes) -> Iterator[str]:
    """Whether the file can be seen where people would look."""
    if online.is_example(url):
        yield "LOOK  its public address is not known yet. Write it as url under [community] before you publish."
        return
    if wanted.plugin == "git":
        yield "Whether the site shows at its public address is seen when you publish: such hosts take some minutes."
        return
    try:
        why = "" if online.fetch(urljoin(url, name)) == data else "something else is there"
    except (OSError, ValueError) as error:
        answered = getattr(error, "code", None)
        why = f"it answers {answered}" if answered else f"it cannot be reached: {getattr(error, 'reason', error)}"
    if why:
        yield f"LOOK  the file could not be seen at {url} ({why}).\n  Is that the folder that the web server shows, and the right address?"
    else:
        yield f"It could be seen at {url}, so it is the right folder."


# -- keeping -------------------------------------------------------------------------------------------------------


def with_secret_kept(wanted: Wish) -> tuple[Wish, tuple[str, ...]]:
    """A typed password goes into the keyring, or, where there is none, to a variable that the person sets; what to say of it."""
    if wanted.password is None:
        return wanted, ()
    variable = {"email": "MAIL_PASSWORD", "imap": "MAILBOX_PASSWORD", "git": "GIT_TOKEN"}.get(wanted.plugin, "WEB_PASSWORD")
    name = str(wanted.options.get("username") or wanted.name)
    try:
        reference = vault.keep(f"amplify-{wanted.host}", name, wanted.password)
        said: tuple[str, ...] = ("The password is in the keyring of this computer, and in no file.",)
    except vault.Unreachable as error:
        reference, said = f"env:{variable}", tuple(_how_to_set(variable, str(error), error.remedy))
    return replace(wanted, password=None, options={**wanted.options, "password": reference}), said


def _how_to_set(variable: str, why: str, remedy: str) -> Iterator[str]:
    yield f"LOOK  the password was not kept: {why}. Before each  amplify publish  set it in the same window:"
    yield f"    bash, zsh:    read -rs {variable} && export {variable}       then type it, and Enter"
    yield f"    PowerShell:   $env:{variable} = Read-Host -MaskInput       then type it, and Enter"
    yield f"    in a CI job:  a secret called {variable}"
    if remedy.startswith(("Install", "pip")):
        yield f"  Or let it be kept.  {remedy}  , then run this command again."


def write(settings: Settings, wanted: Wish, also: Mapping[str, str]) -> None:
    """Put it into `amplify.toml`, and `also` other values, by `table.key`. Raises AmplifyError, with nothing changed."""
    file = settings.root / FILE
    raw = file.read_bytes()
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    text = changed(raw.decode("utf-8-sig"), wanted, also)
    config.parse(text, settings.root)
    mode = file.stat().st_mode
    write_whole(file, mark + text.encode())
    file.chmod(mode)


def changed(text: str, wanted: Wish, also: Mapping[str, str]) -> str:
    """`amplify.toml` with these things in it, everything else as it was, comments included."""
    import tomlkit

    document: Any = tomlkit.parse(text)
    for path, value in also.items():
        heading, _, key = path.partition(".")
        document[heading][key] = value
    table = next((one for one in document.get(wanted.what, ()) if one.get("name") == wanted.name), None)
    if table is not None:
        _change(table, wanted)
        return str(tomlkit.dumps(document))
    publishes = {"publishes": ["edition"]} if wanted.plugin == "email" else {}
    new = {"name": wanted.name, "plugin": wanted.plugin, **_in_order(wanted.options), **publishes}
    return f"{tomlkit.dumps(document).rstrip()}\n\n[[{wanted.what}]]\n{tomlkit.dumps(new)}"


def _in_order(options: Mapping[str, Any]) -> dict[str, Any]:
    """The place, then who logs in, then the rest, as people expect to read it."""
    first = [key for key in ("server", "host", "repository", "branch", "port", "username", "password") if key in options]
    return {key: options[key] for key in (*first, *(key for key in options if key not in first))}


def _change(table: Any, wanted: Wish) -> None:
    table["plugin"] = wanted.plugin
    for key in [key for key in table if key not in CORE_KEYS and key not in wanted.options]:
        del table[key]
    above = "plugin"
    for key, value in _in_order(wanted.options).items():
        if key not in table:
            table.value._insert_after(above, key, value)  # `add` puts it below the comment on what comes next
        elif table[key] != value:
            table[key] = value
        above = key


def lines(wanted: Wish, also: Mapping[str, str]) -> Iterator[str]:
    """What was written, to be shown."""
    import tomlkit

    yield f"Written into amplify.toml, {wanted.what} {wanted.name}:"
    yield from (f"    {line}" for line in tomlkit.dumps({"plugin": wanted.plugin, **_in_order(wanted.options)}).splitlines())
    for path, value in also.items():
        yield f"and below [{path.partition('.')[0]}]:\n    {tomlkit.dumps({path.partition('.')[2]: value}).strip()}"
