"""The commands `amplify connect …`: mailboxes, and a web space. They ask in a terminal, and never elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click

from amplify.cli_base import Context, ask, show_lines
from amplify.errors import AmplifyError, Refused, Stranger
from amplify.secret import hide

_CHANNEL = click.option("--channel", metavar="NAME", help="Which [[channel]] of amplify.toml; without it, the one that is meant.")
_SHARED = (
    click.option("--username", metavar="NAME", help="Who logs in."),
    click.option("--password", metavar="REFERENCE", help="Where the password is: env:NAME, file:PATH or keyring:SERVICE/NAME."),
    click.option("--option", "more", multiple=True, metavar="KEY=VALUE", help="Any other option of the plugin."),
    click.option("--yes", is_flag=True, help="Write it into amplify.toml even if it does not work."),
)


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.group()
def connect() -> None:
    """Connect the mailbox that sends, the place of the website, and the mailbox to which members write."""


@connect.command()
@click.option("--address", metavar="ADDRESS", help="The mailbox.")
@click.option("--server", metavar="SERVER", help="Its server for outgoing mail, like smtp.example.org.")
@click.option("--per-day", metavar="N", help="How many mails a day it allows.")
@_CHANNEL
@_shared
@click.pass_obj
def email(context: Context, /, channel: str | None, more: tuple[str, ...], yes: bool, **given: str | None) -> None:
    """Try the mailbox that sends your newsletter, and write it into amplify.toml.

    Logs in, and sends nothing. Nothing is changed unless it worked.

    \b
    Example:  amplify connect email
    In a script:  amplify connect email --server smtp.example.org --username news@example.org --password env:MAIL_PASSWORD
    """
    from amplify import config, providers
    from amplify import connect as connecting

    settings = config.load(context.root)
    name = _channel(settings, channel, ("email",), "newsletter")

    def asked(before: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
        answers = _answers(connecting.email_questions(settings, _guess), given, before)
        new = {"server": answers["server"], "username": answers["username"] or None, "per_day": int(answers["per_day"] or 0) or None}
        return _wish(settings, name, "email", new, answers, more), answers

    def hint(answers: Mapping[str, str]) -> str:
        known = providers.by_server(answers["server"])
        return f"{known.name} takes {known.takes} ({known.dated})." if known and known.takes else ""

    answers = _through(settings, connecting.answered(settings, name, "email"), asked, hint, yes=yes)
    show_lines(connecting.after_email(settings, answers["address"]))


def _guess(address: str) -> tuple[str, int | None]:
    """The server and the daily limit that belong to an address."""
    known = _known(address)
    return (known.server, known.per_day) if known else (f"smtp.{address.rpartition('@')[2]}", None)


def _known(address: str) -> Any:
    """The provider of an address, said aloud where somebody listens; None where it is not known."""
    from amplify import providers

    known = providers.of(address)
    if known and sys.stdin.isatty():
        click.echo(f"  That is {known.name} ({known.dated}).")
        show_lines(f"    {line}." for line in (known.takes and f"Password: {known.takes}", known.look) if line)
    return known


@connect.command()
@click.option("--by", metavar="KIND", help="folder, sftp, ftp or git.")
@click.option("--url", metavar="URL", help="The address at which people see the website.")
@click.option("--path", metavar="PATH", help="The folder: for folder here, for sftp and ftp on the server.")
@click.option("--host", metavar="HOST", help="The server, for sftp and ftp.")
@click.option("--fingerprint", metavar="SHA256:…", help="The key that the server must show, for sftp.")
@click.option("--repository", metavar="ADDRESS", help="The repository, for git.")
@click.option("--branch", metavar="NAME", help="Its branch, for git.")
@_CHANNEL
@_shared
@click.pass_obj
def website(context: Context, /, channel: str | None, more: tuple[str, ...], yes: bool, **given: str | None) -> None:
    """Try the place where your website is to be, and write it into amplify.toml.

    Writes a small file there and takes it away again. Nothing is changed unless it worked.

    \b
    Example:  amplify connect website
    In a script:  amplify connect website --by sftp --host web.example.org --username joyfe --path public_html --password env:WEB_PASSWORD
    """
    from amplify import config, online
    from amplify import connect as connecting

    settings = config.load(context.root)
    name = _channel(settings, channel, connecting.MIRRORS, "website")
    known = "" if online.is_example(settings.community.url) else settings.community.url

    def asked(before: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
        kind = _answers((one for one in [connecting.KIND]), given, before)["by"]
        answers = _answers(connecting.website_questions(kind, known), given, before if before.get("by") == kind else {})
        new = {key: value or None for key, value in answers.items() if key not in ("password", "url")}
        if given["fingerprint"]:
            new["fingerprint"] = given["fingerprint"]
        return _wish(settings, name, kind, new, answers, more), answers | {"by": kind}

    _through(settings, connecting.answered(settings, name, *connecting.MIRRORS[1:]), asked, lambda _: "", yes=yes)
    click.echo("Next:\n  amplify publish --site-only       puts the website there, and sends nothing")


@connect.command()
@click.option("--address", metavar="ADDRESS", help="The mailbox.")
@click.option("--server", metavar="SERVER", help="Its server for incoming mail, like imap.example.org.")
@click.option("--source", metavar="NAME", help="Which [[source]] of amplify.toml; without it, the one that is meant.")
@_shared
@click.pass_obj
def mailbox(context: Context, /, source: str | None, more: tuple[str, ...], yes: bool, **given: str | None) -> None:
    """Try the mailbox to which members write, and write it into amplify.toml as a place to gather from.

    Logs in, and changes nothing there: no mail is marked as read. Nothing is changed here either unless it worked.

    \b
    Example:  amplify connect mailbox
    In a script:  amplify connect mailbox --server imap.example.org --username team@example.org --password env:MAILBOX_PASSWORD
    """
    from amplify import config, providers
    from amplify import connect as connecting

    settings = config.load(context.root)
    name = _channel(settings, source, ("imap",), "mailbox", "source")
    sender = settings.newsletter.address if settings.newsletter else ""

    def guess(address: str) -> str:
        known = _known(address)
        return known.inbox if known else f"imaps://imap.{address.rpartition('@')[2]}"

    def asked(before: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
        answers = _answers(connecting.mailbox_questions(settings, guess), given, before)
        ours = sender if sender.casefold() != answers["username"].casefold() else ""
        new = {"server": answers["server"], "username": answers["username"], "newsletter": ours or None}
        return _wish(settings, name, "imap", new, answers, more, "source"), answers

    def hint(answers: Mapping[str, str]) -> str:
        known = providers.of(answers["address"])
        return f"{known.name} takes {known.takes} ({known.dated})." if known and known.takes else ""

    _through(settings, connecting.answered(settings, name, "imap", what="source"), asked, hint, yes=yes)
    click.echo(f"Next:\n  amplify gather --source {name}       reads what members wrote; the mailbox stays as it is")


# -- what all do --------------------------------------------------------------------------------------------------


def _channel(settings: Any, named: str | None, plugins: tuple[str, ...], usual: str, what: Any = "channel") -> str:
    """The channel or the source that is meant: the one named, the only one that can be, or what the person says."""
    from amplify import connect as connecting

    found = connecting.candidates(settings, plugins, what)
    if named or len(found) < 2:
        return named or next(iter(found), usual)
    if not sys.stdin.isatty():
        raise AmplifyError(f"Which {what}? There are {', '.join(found)}. Nothing was changed.\n  Say it:  --{what} {found[0]}")
    return str(click.prompt(f"  Which {what}?", type=click.Choice(found), prompt_suffix="  "))


def _answers(questions: Any, given: Mapping[str, str | None], before: Mapping[str, str]) -> dict[str, str]:
    """An answer to each question: as an option says, else as the person types, else as before. Raises AmplifyError."""
    answers: dict[str, str] = {}
    answer = None
    with contextlib.suppress(StopIteration):
        while True:
            question = questions.send(answer)
            answer = answers[question.key] = _answer(question, given.get(question.key), before.get(question.key))
            if question.key == "address" and answer != before.get("address"):
                before = {}  # another mailbox has nothing in common with the one before
    return answers


def _answer(question: Any, given: str | None, before: str | None) -> str:
    if given is None and sys.stdin.isatty():
        return ask(question, before)
    usual = question.default() if before is None else before
    option = f"--{question.key.replace('_', '-')}"
    if given is None and usual is None:
        raise AmplifyError(f"{option} is missing, and there is nobody to ask. Nothing was changed.")
    try:
        return str(question.read(usual if given is None else given))
    except ValueError as error:
        raise AmplifyError(f"{option}: {error}. Nothing was changed.") from error


def _wish(
    settings: Any, name: str, plugin: str, new: Mapping[str, Any], answers: Mapping[str, str], more: tuple[str, ...], what: Any = "channel"
) -> Any:
    """What is wanted; a password from an option is a reference, one that was typed is a secret."""
    from amplify import connect as connecting
    from amplify import vault
    from amplify.secret import Secret

    written = answers.get("password", "")
    typed = bool(written) and not vault.is_reference(written)
    if typed and not sys.stdin.isatty():
        Secret(written)
        raise AmplifyError(
            "--password takes env:NAME, file:PATH or keyring:SERVICE/NAME: on a command line everybody on this computer could read"
            " the password itself. Nothing was changed."
        )
    reference = {"password": written} if written and not typed else {} if written or not answers.get("username") else {"password": None}
    options = {**new, **reference, **dict(map(connecting.option, more))}
    return connecting.wish(settings, name, plugin, options, Secret(written) if typed else None, what)


def _through(
    settings: Any, before: Mapping[str, str], asked: Callable[..., Any], hint: Callable[[Mapping[str, str]], str], *, yes: bool
) -> dict[str, str]:
    """Ask and try for as long as the person wants; then keep the password and write the settings. The last answers."""
    from amplify import connect as connecting

    answers, wanted = dict(before), None
    while wanted is None:
        asking, answers = asked(answers)
        wanted = _tried(settings, asking, answers, hint(answers), yes=yes)
    wanted, said = connecting.with_secret_kept(wanted)
    also = connecting.also(settings, answers) if wanted.what == "channel" else {}
    connecting.write(settings, wanted, also)
    show_lines([*said, *connecting.lines(wanted, also)])
    return answers


def _tried(settings: Any, wanted: Any, answers: Mapping[str, str], hint: str, *, yes: bool) -> Any:
    """What may be written down, after it was tried; None: the person wants to answer again. Raises AmplifyError to stop."""
    from amplify import connect as connecting
    from amplify import pipeline

    click.echo(f"Trying {wanted.host} …", err=True)
    try:
        show_lines(connecting.attempt(settings, wanted, answers.get("url") or settings.community.url, pipeline.now))
    except Stranger as stranger:
        return _tried(settings, _agreed_to(wanted, stranger), answers, hint, yes=yes)
    except AmplifyError as error:
        words = hide("\n  ".join(filter(None, (f"It did not work: {error}", hint))))
    else:
        return wanted
    if yes:
        click.echo(f"{words}\n  It is written down all the same, as you said.")
        return wanted
    if not sys.stdin.isatty():
        raise AmplifyError(f"{words}\n  Nothing in amplify.toml was changed.")
    click.echo(words)
    choice = click.prompt(
        "  Answer again, write it down all the same, or stop?", default="again", type=click.Choice(["again", "write", "stop"])
    )
    if choice == "stop":
        raise Refused("Stopped here. Nothing in amplify.toml was changed.")
    return wanted if choice == "write" else None


def _agreed_to(wanted: Any, stranger: Stranger) -> Any:
    """The same with the server's key agreed to by the person. Raises AmplifyError where nobody does."""
    if not stranger.fingerprint or not sys.stdin.isatty():
        said = f"\n  Or, in a script:  --fingerprint {stranger.fingerprint}" if stranger.fingerprint else ""
        raise AmplifyError(f"It did not work: {stranger}{said}\n  Nothing in amplify.toml was changed.") from stranger
    click.echo(
        f"  This computer does not know {wanted.host} yet. It shows the key\n    {stranger.fingerprint}\n"
        "  Your provider publishes the keys of its servers. If it is another one, somebody is between you and the server."
    )
    if not click.confirm("  Is it the same?", default=False):
        raise Refused("Stopped here. Nothing was sent, and nothing in amplify.toml was changed.")
    return replace(wanted, options={**wanted.options, "fingerprint": stranger.fingerprint})
