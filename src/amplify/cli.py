"""The command line. A command reads its options, calls one function of the library and prints; start-up imports only click.

Here stand the commands that everybody uses; the others stand in modules of their own (`cli_…`) and are added to the group `cli`.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from amplify import __version__
from amplify.cli_base import Amplify, Context, as_json, ask, progress, show_json, show_lines
from amplify.cli_connect import connect
from amplify.cli_inbox import add, gather, review
from amplify.cli_list import subscribers
from amplify.cli_mail import resend, resolve, test
from amplify.cli_plugins import plugins
from amplify.cli_state import state
from amplify.errors import FolderError, Refused
from amplify.secret import HIDING


@click.group(cls=Amplify, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=False)
@click.option("-C", "root", type=click.Path(path_type=Path), default=".", metavar="DIR", help="Work in this community folder.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
@click.version_option(__version__, prog_name="amplify")
@click.pass_context
def cli(context: click.Context, root: Path, verbose: bool, debug: bool) -> None:
    """Gather what your community offers; publish its newsletter, podcast and site once, everywhere.

    \b
    Begin:      amplify init mycommunity
    Look:       amplify preview
    Publish:    amplify publish
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING, format="%(message)s"
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(HIDING)
    context.obj = Context(root=root, verbose=verbose, debug=debug)


for _command in (add, connect, gather, plugins, resend, resolve, review, state, subscribers, test):
    cli.add_command(_command)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option("--name", help="What the community is called.")
@click.option("--url", help="The address of its website.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.pass_obj
def init(context: Context, folder: Path, name: str | None, url: str | None, yes: bool) -> None:
    """Make a community folder that publishes as it is.

    \b
    Example:  amplify init joyfe
    """
    from amplify import questions, scaffold, times

    target = folder if folder.is_absolute() else context.root / folder
    given = {"name": name or "", "url": url or ""}
    answers = questions.answers(
        _asked(given, target) if sys.stdin.isatty() and not yes else given | {"name": name or scaffold.name_of(target)}
    )
    made = scaffold.write(target, scaffold.files(answers, datetime.now(times.zone(answers.timezone)).date()))
    click.echo(scaffold.report(target, made))


def _asked(given: dict[str, str], target: Path) -> dict[str, str]:
    from amplify import questions, scaffold

    click.echo(questions.INTRODUCTION)
    answers = dict(given)
    for question in questions.QUESTIONS:
        if not answers.get(question.key):
            answers[question.key] = ask(question, scaffold.name_of(target) if question.key == "name" else None)
    return answers


@cli.command()
@click.option("--date", "day", metavar="D", help="When it is to go, like 2026-12-16 20:00.")
@click.option("--add", "adds", is_flag=True, help="Write no new file: put what is new below ::end of the newest draft.")
@click.option("--correction", metavar="EDITION", help="A letter that puts right what an edition said.")
@as_json
@click.pass_obj
def draft(context: Context, day: str | None, adds: bool, correction: str | None, json_: bool) -> None:
    """Write the next edition's file, as a draft, from what no edition holds yet.

    \b
    Example:  amplify draft --date "2026-12-16 20:00"
    """
    from amplify import draft as drafting
    from amplify import pipeline

    if (day is not None) + adds + (correction is not None) > 1:
        raise click.UsageError("--date, --add and --correction are three different things; take one of them.")
    with pipeline.opened(context.root) as community:
        content, _ = pipeline.check(community)
        if adds:
            _added(community, content, json_=json_)
            return
        now = pipeline.now()
        file, text = (
            drafting.correction(content, community.settings, now, correction)
            if correction
            else drafting.draft(content, community.settings, now, day)
        )
        drafting.write(context.root / file, text)
    show_json({"file": file.as_posix()}) if json_ else click.echo(
        f"Wrote {file.as_posix()}, a draft: it cannot be sent.\n"
        "  Edit it, look at it with  amplify preview , then take the line  draft: true  away."
    )


def _added(community: Any, content: Any, *, json_: bool) -> None:
    from amplify import draft as drafting
    from amplify import pipeline

    new = drafting.added(content, community.settings, pipeline.now())
    file = new.file.as_posix()
    if new.lines:
        drafting.append(community.settings.root, new)
    if json_:
        show_json({"file": file, "added": len(new.lines)})
    elif new.lines:
        show_lines([f"Put below ::end of {file}, where nothing leaves; move up what is to go:", *(f"  {line}" for line in new.lines)])
    else:
        click.echo(f"Nothing is new; {file} was not touched.")


@cli.command()
@as_json
@click.pass_obj
def check(context: Context, json_: bool) -> None:
    """List every problem in the folder at once.

    \b
    Example:  amplify check
    """
    from amplify import pipeline, say

    try:
        with pipeline.opened(context.root) as community:
            found = pipeline.examine(community)
    except FolderError as error:
        found = error.problems
    show_json(say.problems_json(found)) if json_ else show_lines(say.problems(found))
    errors = [one for one in found if one.severity == "error"]
    if not json_ and not errors:
        click.echo("Everything can be published." if not found else "Everything can be published; the advice above makes it better.")
    if errors:
        sys.exit(1)


@cli.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to; public/ without it.")
@click.option("--at", metavar="TIME", help="As of another time.")
@as_json
@click.pass_obj
def build(context: Context, out: Path | None, at: str | None, json_: bool) -> None:
    """Build the site and the feeds into a folder; nothing leaves.

    \b
    Example:  amplify build --out /tmp/site
    """
    from amplify import pipeline

    with pipeline.opened(context.root) as community, progress() as shown:
        built = pipeline.build(community, _moment(at, community))
        step = pipeline.put_into(community, built, (out or context.root / "public").absolute(), shown)
    changed = len(step.new) + len(step.changed)
    document = {"files": len(built.site.assets), "written": changed, "removed": len(step.remove), "rendered": built.site.rendered}
    show_json(document) if json_ else click.echo(f"{document['files']} files; {changed} written, {len(step.remove)} removed.")


def _moment(at: str | None, community: Any) -> datetime:
    from amplify import pipeline, times

    try:
        return times.parse_moment(at, community.settings.community.zone) if at else pipeline.now()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error


@cli.command()
@click.option("--port", type=int, default=8000, show_default=True, metavar="P", help="Where to answer on this machine.")
@click.pass_obj
def preview(context: Context, port: int) -> None:
    """Show the site and each edition as mail in your browser, reloading as you edit.

    \b
    Example:  amplify preview
    """
    from amplify import preview as previewing

    previewing.serve(
        context.root,
        port,
        ready=lambda address: click.echo(
            f"Look at  {address}  and at the mails on  {address}-/  (Ctrl-C ends it). Nothing leaves this computer."
        ),
    )


@cli.command()
@click.argument("publications", nargs=-1, metavar="[PUBLICATION]...")
@click.option("--dry-run", "-n", is_flag=True, help="Show what would happen, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--channel", "channels", multiple=True, metavar="NAME", help="Send through these only; the website goes first always.")
@click.option("--site-only", is_flag=True, help="The website and the feeds; send nothing.")
@click.option("--no-gather", is_flag=True, help="Do not look first for what members offer.")
@click.option("--announce", multiple=True, metavar="NAME", help="Send something that is too old to go by itself.")
@click.option("--at", metavar="TIME", help="As of another time; with --dry-run, or where nothing leaves this computer.")
@as_json
@click.pass_obj
def publish(
    context: Context, publications: tuple[str, ...], dry_run: bool, yes: bool, channels: tuple[str, ...], site_only: bool,
    no_gather: bool, announce: tuple[str, ...], at: str | None, json_: bool,
) -> None:  # fmt: skip
    """Bring the website up to date, then send what is due, once.

    Shows what would happen and asks before anything that cannot be taken back.

    \b
    Example:  amplify publish --dry-run
    """
    from amplify import pipeline, say
    from amplify import state as keeping

    with (
        pipeline.opened(context.root, _clock(at, context.root)) as community,
        contextlib.nullcontext() if dry_run else pipeline.alone(community),
    ):
        options = pipeline.Options(
            publications=publications, channels=channels, announce=announce, site_only=site_only, present=at is None or dry_run
        )
        if not (no_gather or dry_run or at):
            _gathered(community, quiet=json_)
        prepared = pipeline.prepare(community, options)
        if not json_:
            show_lines(
                say.quiet(prepared.plan, community.settings)
                if pipeline.idle(prepared)
                else say.plan(prepared, community.settings, community.store.people())
            )
            looks = (prepared.look, *keeping.risks(community.settings, community.store.path))
            show_lines(f"LOOK  {look}" for look in looks if look)
        if dry_run or pipeline.idle(prepared):
            show_json(say.plan_json(prepared.plan)) if json_ else None
            return
        _consent(prepared, yes=yes, quiet=json_)
        with progress() as shown:
            report = pipeline.carry_out(community, prepared, shown)
        document = say.plan_json(prepared.plan) | say.status_json(report.announced) | {"failures": report.failures}
        show_json(document) if json_ else show_lines(say.report(report, prepared))
    if not report.complete:
        sys.exit(3)


def _gathered(community: Any, *, quiet: bool) -> None:
    """Fill the inbox before a publish. It touches no edition, and what fails here stops nothing."""
    from amplify import intake, say_inbox

    if not community.settings.source:
        return
    with progress() as shown:
        done = intake.gather(community, (), shown)
    if not quiet:
        click.echo("GATHERED")
        show_lines(say_inbox.gathered(done, intake.waiting(community)))


def _clock(at: str | None, root: Path) -> Callable[[], datetime]:
    from amplify import config, pipeline, times

    if at is None:
        return pipeline.now
    try:
        fixed = times.parse_moment(at, config.load(root).community.zone)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error
    return lambda: fixed


def _consent(prepared: Any, *, yes: bool, quiet: bool) -> None:
    from amplify import say
    from amplify.plan import irrevocable

    number = irrevocable(prepared.plan)
    if yes or not number:
        return
    if quiet or not sys.stdin.isatty():
        raise Refused(
            f"{say.people(number)} would get mail, and that cannot be taken back. Nothing was sent and nothing went online.\n"
            "  To say yes in a script:  amplify publish --yes"
        )
    click.echo(say.question(prepared.plan), nl=False)
    if sys.stdin.readline().strip().replace(",", "") != str(number):
        raise Refused("Stopped here. Nothing was sent and nothing went online.")


@cli.command()
@click.argument("publication", required=False)
@click.option("--all", "everyone", is_flag=True, help="A line for everyone who got it, too.")
@click.option("--to", "person", metavar="PERSON", help="What one person was sent, by address or name, and what the server answered.")
@as_json
@click.pass_obj
def status(context: Context, publication: str | None, everyone: bool, person: str | None, json_: bool) -> None:
    """Say what went where, what waits, and what needs you.

    With the name of an edition, down to each person whose delivery needs a look.

    \b
    Example:  amplify status 2026-11
    """
    from amplify import mailing, pipeline, say

    with pipeline.opened(context.root) as community:
        pipeline.recover(community)
        history = pipeline.history(community, publication)
        if json_:
            show_json(say.status_json(history))
            return
        if person:
            show_lines(say.person(person, mailing.sent_to(community, history, person), community.settings))
            return
        rows = {one.id: community.store.rows(one) for one in history} if publication else {}
        show_lines(say.status(history, rows, community.store.people(), community.settings, everyone=everyone))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the lines that make your shell complete commands.

    \b
    Example:  amplify completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices above exist
    click.echo(kind(cli, {}, "amplify", "_AMPLIFY_COMPLETE").source())


def main() -> None:
    """The command `amplify`. Most values that it makes live to its end, so looking for those that do not is rarely worth it."""
    gc.set_threshold(100_000, 20, 100)
    assert isinstance(cli, Amplify)  # noqa: S101 - its class is given above
    sys.exit(cli.run(sys.argv[1:]))
