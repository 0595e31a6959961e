"""What every command of the command line shares: its context, how it says things and asks, and how errors become exit statuses."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click

from amplify.errors import AmplifyError, FolderError, Refused
from amplify.secret import hide, unwound

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Context:
    """What every command gets: the folder, and how much to say."""

    root: Path
    verbose: bool = False
    debug: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    """Where the one document of `--json` goes."""


class Amplify(click.Group):
    """Turns what went wrong into words and an exit status, in one place."""

    def run(self, args: Sequence[str]) -> int:
        """Run, and give the exit status of the contract."""
        try:
            return self._run(args)
        except (click.Abort, KeyboardInterrupt):
            click.echo("\nStopped. Running the same command again goes on from here.", err=True)
            return 130

    def _run(self, args: Sequence[str]) -> int:
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else it looks through every installed package
        debug = "--debug" in args
        status: Any = 0
        try:
            status = self.main(list(args), prog_name="amplify", standalone_mode=False)
        except click.ClickException as error:
            error.show()
            status = error.exit_code
        except click.Abort:
            raise
        except BrokenPipeError:
            status = 0
        except Exception as error:  # noqa: BLE001 - whatever it is, its traceback may hold a secret, and is shown on demand only
            click.echo(unwound(error) if debug else hide(_words(error)), err=True)
            status = error.status if isinstance(error, AmplifyError) else 1
        return status if isinstance(status, int) else 0


def _words(error: Exception) -> str:
    """What went wrong, for people."""
    if isinstance(error, FolderError):
        return f"{error}\nNothing was sent and nothing went online. Save the file and run the same command again."
    if isinstance(error, AmplifyError):
        return str(error)
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return (
            f"{error.strerror or error}{where}\n  Nothing was half-written. What was sent, if anything, is in the record:  amplify status"
        )
    return (
        f"This is a mistake in Amplify, and not yours: {type(error).__name__}: {error}\n"
        "  What was sent before it happened is in the record:  amplify status\n"
        "  To see where it happened, run the same command again with --debug before it:  amplify --debug …"
    )


def as_json(command: F) -> F:
    """`--json`: one document on standard output and nothing else there, whatever a plugin prints."""

    @functools.wraps(command)
    def quietly(*args: Any, **options: Any) -> Any:
        with redirect_stdout(sys.stderr) if options["json_"] else nullcontext():
            return command(*args, **options)

    return click.option("--json", "json_", is_flag=True, help="One JSON document on standard output.")(cast(F, quietly))


def show_json(document: object) -> None:
    """The one document on standard output."""
    context = click.get_current_context().find_object(Context)
    click.echo(hide(json.dumps(document, indent=2, ensure_ascii=False)), file=context.out if context else sys.stdout)


def show_lines(lines: Iterable[str]) -> None:
    """What people read, a line at a time."""
    for line in lines:
        click.echo(hide(line))


def ask(question: Any, default: str | None = None) -> str:
    """One `questions.Question`, asked until the answer can be read; Enter alone takes what is in brackets."""
    usual = question.default() if default is None else default
    shown = question.shown if default is None and question.shown else usual
    secret = question.key == "password"
    shown = "as before" if secret and default else question.shown if secret else shown
    words = f"  {question.words}" + (f"  [{shown}]" if shown else "")
    return str(
        click.prompt(words, default=usual, show_default=False, prompt_suffix="  ", value_proc=_reading(question.read), hide_input=secret)
    )


def _reading(read: Callable[[str], str]) -> Callable[[str], str]:
    def value(written: str) -> str:
        try:
            return read(written)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return value


def agreed(what: str, *, yes: bool) -> None:
    """Ask before what cannot be taken back. Raises Refused where nobody says yes, or nobody is there to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{what} That cannot be taken back. Nothing was done.\n  To say yes in a script, add  --yes")
    if not click.confirm(f"{what} Go on?", default=False):
        raise Refused("Stopped here. Nothing was done.")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Progress on standard error, if that is a terminal; one line, rewritten."""
    terminal = sys.stderr.isatty()

    def show(what: str, done: int, total: int) -> None:
        if terminal:
            click.echo(f"\r{what}: {done:,} of {total:,}\x1b[K", nl=False, err=True)

    try:
        yield show
    finally:
        if terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
