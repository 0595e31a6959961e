"""The command line. A command reads its options, calls one function of the library and prints; start-up imports only click."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from amplify import __version__
from amplify.errors import AmplifyError, FolderError, Refused

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Context:
    """What every command gets: the folder, and how much to say."""

    root: Path
    verbose: bool = False
    debug: bool = False


class Amplify(click.Group):
    """Turns what went wrong into words and an exit status, in one place."""

    def run(self, args: Sequence[str]) -> int:
        """Run, and give the exit status of the contract."""
        debug = "--debug" in args
        status: Any = 0
        try:
            status = self.main(list(args), prog_name="amplify", standalone_mode=False)
        except click.ClickException as error:
            error.show()
            status = error.exit_code
        except click.Abort:
            click.echo("\nStopped. Running the same command again goes on from here.", err=True)
            status = 130
        except AmplifyError as error:
            if debug:
                raise
            _say_error(error)
            status = error.status
        except BrokenPipeError:
            status = 0
        except OSError as error:
            if debug:
                raise
            click.echo(
                f"{error.strerror or error}: {error.filename or ''}\n  Nothing was half-written; run the same command again.", err=True
            )
            status = 1
        return status if isinstance(status, int) else 0


def _say_error(error: AmplifyError) -> None:
    click.echo(str(error), err=True)
    if isinstance(error, FolderError):
        click.echo("Nothing was sent and nothing went online. Save the file and run the same command again.", err=True)


def as_json(command: F) -> F:
    """`--json`: one document on standard output and nothing else there."""
    return click.option("--json", "json_", is_flag=True, help="One JSON document on standard output.")(command)


def _json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
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
    context.obj = Context(root=root, verbose=verbose, debug=debug)


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
    from amplify import scaffold

    target = folder if folder.is_absolute() else context.root / folder
    given = {"name": name or "", "url": url or ""}
    answers = scaffold.answers(
        _asked(given, target) if sys.stdin.isatty() and not yes else given | {"name": name or scaffold.name_of(target)}
    )
    made = scaffold.write(target, scaffold.files(answers, datetime.now(UTC).date()))
    click.echo(scaffold.report(target, made))


def _asked(given: dict[str, str], target: Path) -> dict[str, str]:
    from amplify import scaffold

    click.echo(scaffold.INTRODUCTION)
    answers = dict(given)
    for question in scaffold.QUESTIONS:
        if not answers.get(question.key):
            default = question.default() or (scaffold.name_of(target) if question.key == "name" else "")
            shown = f"  [{question.shown or default}]" if question.shown or default else ""
            answers[question.key] = click.prompt(
                f"  {question.words}{shown}", default=default, show_default=False, value_proc=_reading(question.read)
            )
    return answers


def _reading(read: Callable[[str], str]) -> Callable[[str], str]:
    def value(written: str) -> str:
        try:
            return read(written)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return value


@cli.command()
@click.option("--date", "day", metavar="D", help="When it is to go, like 2026-12-16 20:00.")
@as_json
@click.pass_obj
def draft(context: Context, day: str | None, json_: bool) -> None:
    """Write the next edition's file, as a draft, from what no edition holds yet.

    \b
    Example:  amplify draft --date "2026-12-16 20:00"
    """
    from amplify import draft as drafting
    from amplify import pipeline

    with pipeline.opened(context.root) as community:
        content, _ = pipeline.check(community)
        file, text = drafting.draft(content, community.settings, pipeline.now(), day)
        drafting.write(context.root / file, text)
    _json({"file": file.as_posix()}) if json_ else click.echo(
        f"Wrote {file.as_posix()}, a draft: it cannot be sent.\n"
        "  Edit it, look at it with  amplify preview , then take the line  draft: true  away."
    )


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
    _json(say.problems_json(found)) if json_ else _lines(say.problems(found))
    errors = [one for one in found if one.severity == "error"]
    if not json_ and not errors:
        click.echo("Everything can be published." if not found else "Everything can be published; the advice above makes it better.")
    if errors:
        sys.exit(1)


@cli.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to; the default is a look at what would be built.")
@click.option("--at", metavar="TIME", help="As of another time.")
@as_json
@click.pass_obj
def build(context: Context, out: Path | None, at: str | None, json_: bool) -> None:
    """Build the site and the feeds into a folder; nothing leaves.

    \b
    Example:  amplify build --out /tmp/site
    """
    from amplify import pipeline

    with pipeline.opened(context.root) as community, _progress() as progress:
        built = pipeline.build(community, _moment(at, community))
        step = pipeline.put_into(community, built, (out or context.root / "public").absolute(), progress)
    changed = len(step.new) + len(step.changed)
    document = {"files": len(built.site.assets), "written": changed, "removed": len(step.remove), "rendered": built.site.rendered}
    _json(document) if json_ else click.echo(f"{document['files']} files; {changed} written, {len(step.remove)} removed.")


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
@click.option("--announce", multiple=True, metavar="NAME", help="Send something that is too old to go by itself.")
@click.option("--at", metavar="TIME", help="As of another time; with --dry-run, or where nothing leaves this computer.")
@as_json
@click.pass_obj
def publish(
    context: Context, publications: tuple[str, ...], dry_run: bool, yes: bool, channels: tuple[str, ...], site_only: bool,
    announce: tuple[str, ...], at: str | None, json_: bool,
) -> None:  # fmt: skip
    """Bring the website up to date, then send what is due, once.

    Shows what would happen and asks before anything that cannot be taken back.

    \b
    Example:  amplify publish --dry-run
    """
    from amplify import pipeline, say

    with (
        pipeline.opened(context.root, _clock(at, context.root)) as community,
        contextlib.nullcontext() if dry_run else pipeline.alone(community),
    ):
        options = pipeline.Options(
            publications=publications, channels=channels, announce=announce, site_only=site_only, present=at is None or dry_run
        )
        prepared = pipeline.prepare(community, options)
        if not json_:
            _lines(
                [say.quiet(prepared.plan)] if pipeline.idle(prepared) else say.plan(prepared, community.settings, community.store.people())
            )
        if dry_run or pipeline.idle(prepared):
            _json(say.plan_json(prepared.plan)) if json_ else None
            return
        _consent(prepared, yes=yes, quiet=json_)
        with _progress() as progress:
            report = pipeline.carry_out(community, prepared, progress)
        _json(say.plan_json(prepared.plan) | say.status_json(report.announced) | {"failures": report.failures}) if json_ else _lines(
            say.report(report, prepared)
        )
    if not report.complete:
        sys.exit(3)


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
@as_json
@click.pass_obj
def status(context: Context, publication: str | None, everyone: bool, json_: bool) -> None:
    """Say what went where, what waits, and what needs you.

    With the name of an edition, down to each person whose delivery needs a look.

    \b
    Example:  amplify status 2026-11
    """
    from amplify import pipeline, say

    with pipeline.opened(context.root) as community:
        history = pipeline.history(community, publication)
        if json_:
            _json(say.status_json(history))
            return
        _lines(say.status(history, community.store.people(), community.settings))
        for one in history if publication else ():
            _lines(say.details(community.store.rows(one), community.settings, everyone=everyone))


@cli.command()
@click.argument("edition", required=False)
@click.option("--to", "addresses", multiple=True, metavar="ADDRESS", help="Who gets it; without it, the contact in amplify.toml.")
@click.pass_obj
def test(context: Context, edition: str | None, addresses: tuple[str, ...]) -> None:
    """Send an edition, drafts included, to whom you name, marked [Test]; nobody on the list gets it.

    \b
    Example:  amplify test 2026-12 --to you@example.org
    """
    from amplify import mailing, pipeline, say

    with pipeline.opened(context.root) as community:
        done = mailing.test(community, edition, addresses)
    _lines(say.sent(done))
    if any(one.error for one in done):
        sys.exit(3)


@cli.command()
@click.argument("edition")
@click.option("--to", "address", required=True, metavar="ADDRESS", help="Who gets it once more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def resend(context: Context, edition: str, address: str, yes: bool) -> None:
    """Send an edition once more to one person.

    \b
    Example:  amplify resend 2026-11 --to amal@example.org
    """
    from amplify import mailing, pipeline, say

    with pipeline.opened(context.root) as community, pipeline.alone(community):
        _agreed(f"{address} would get {edition} once more.", yes=yes)
        done = mailing.resend(community, edition, address)
    _lines(say.sent([done]))
    if done.error:
        sys.exit(3)


def _agreed(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{what} That cannot be taken back. Nothing was done.\n  To say yes in a script, add  --yes")
    if not click.confirm(f"{what} Go on?", default=False):
        raise Refused("Stopped here. Nothing was done.")


@cli.command()
@click.argument("deliveries", nargs=-1, required=True, metavar="DELIVERY...")
@click.option("--delivered", "became", flag_value="delivered", help="It arrived.")
@click.option("--done", "became", flag_value="delivered", help="You posted it by hand.")
@click.option("--resend", "became", flag_value="planned", help="Send it again with the next publish.")
@click.option("--skip", "became", flag_value="skipped", help="Leave it out.")
@click.pass_obj
def resolve(context: Context, deliveries: tuple[str, ...], became: str | None) -> None:
    """Settle what nobody knows: by the number that status shows, by address, or for a whole edition.

    \b
    Example:  amplify resolve amal@example.org --delivered
    Again to all of an edition that failed:  amplify resolve 2026-11 --resend
    """
    from amplify import mailing, pipeline, say
    from amplify.model import State

    if became is None:
        raise click.UsageError("Say what became of it: --delivered, --done, --resend or --skip.")
    with pipeline.opened(context.root) as community, pipeline.alone(community):
        done = mailing.resolve(community, deliveries, State(became))
    _lines(say.decided(done, State(became)))


@cli.group()
def state() -> None:
    """The record of what was sent: where it is, and how to move it."""


@state.command()
@click.pass_obj
def where(context: Context) -> None:
    """Say where the record is, and whether it is safe there.

    \b
    Example:  amplify state where
    """
    from amplify import pipeline
    from amplify import state as keeping

    with pipeline.opened(context.root) as community:
        click.echo(f"The record:   {community.store.path.resolve()}\nSnapshots:    {(community.state / 'snapshots').resolve()}")
        _lines(keeping.risks(community.settings, community.store.path))


@state.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def save(context: Context, file: Path) -> None:
    """Put everything that this computer knows into one file: keep it like a key.

    \b
    Example:  amplify state save joyfe.state
    """
    from amplify import pipeline
    from amplify import state as keeping

    with pipeline.opened(context.root) as community, pipeline.alone(community):
        keeping.save(community.store, file)
    click.echo(
        f"Saved to {file}. It holds your readers' addresses: hand it over in person or encrypted, then delete it.\n"
        "Do not publish from here any more, once the other computer has it."
    )


@state.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(context: Context, file: Path, yes: bool) -> None:
    """Put a saved record in the place of the one here.

    \b
    Example:  amplify state restore joyfe.state
    """
    from amplify import pipeline

    _agreed("The record here would be replaced by the one in the file.", yes=yes)
    kept = pipeline.restore(context.root, file)
    click.echo("This computer now has the saved record." + (f" The one that was here is kept: {kept}" if kept else ""))


@state.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def adopt(context: Context, yes: bool) -> None:
    """Count all that is online as sent, where the record is lost.

    \b
    Example:  amplify state adopt
    """
    from amplify import mailing, pipeline

    with pipeline.opened(context.root) as community, pipeline.alone(community):
        _agreed("Everything that is online now would count as sent, and never go by itself.", yes=yes)
        number = mailing.adopt(community)
    click.echo(f"{number} things that are online count as sent now. Then import your last list:  amplify subscribers import FILE.csv")


@cli.group()
def subscribers() -> None:
    """The mailing list."""


@subscribers.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json
@click.pass_obj
def import_(context: Context, file: Path, json_: bool) -> None:
    """Put people from a CSV file headed email,name,tags on the list.

    Who left stays away, whatever the file says.

    \b
    Example:  amplify subscribers import members.csv
    """
    from amplify import people, pipeline

    with pipeline.opened(context.root) as community:
        now = community.clock()
        entries, wrong = people.read_csv(file)
        done = community.store.import_subscribers(entries, now, people.imported(now))
    _json(asdict(done) | {"unreadable": [str(one) for one in wrong]}) if json_ else _lines(people.report(done, wrong))


@subscribers.command()
@click.argument("address")
@click.option("--name", default="", help="What they are called.")
@click.option("--tag", "tags", multiple=True, help="A group that they belong to.")
@click.pass_obj
def add(context: Context, address: str, name: str, tags: tuple[str, ...]) -> None:
    """Put one person on the list who asked you to.

    \b
    Example:  amplify subscribers add amal@example.org --name "Amal Haddad"
    """
    from amplify import people, pipeline

    with pipeline.opened(context.root) as community:
        entry = people.entry(address, name, tags)
        done = community.store.import_subscribers([entry], community.clock(), "added by an organiser")
    _lines(people.report(done, ()))


@subscribers.command()
@click.argument("address")
@click.pass_obj
def remove(context: Context, address: str) -> None:
    """Count someone as having left; no import brings them back.

    \b
    Example:  amplify subscribers remove amal@example.org
    """
    from amplify import people, pipeline

    with pipeline.opened(context.root) as community:
        if not community.store.remove(people.entry(address).address):
            raise AmplifyError(f"Nobody on the list has the address {address}.")
    click.echo(f"{address} gets nothing more from here.")


@subscribers.command("list")
@as_json
@click.pass_obj
def list_(context: Context, json_: bool) -> None:
    """Everyone on the list.

    \b
    Example:  amplify subscribers list
    """
    from amplify import people, pipeline

    with pipeline.opened(context.root) as community:
        found = list(community.store.subscribers())
    _json(people.as_json(found)) if json_ else _lines(people.table(found))


@cli.group()
def plugins() -> None:
    """What can be published to, and gathered from."""


@plugins.command("list")
@as_json
@click.pass_obj
def list_plugins(context: Context, json_: bool) -> None:
    """Every plugin, where it comes from, and whether it works.

    \b
    Example:  amplify plugins list
    """
    from amplify import registry

    found = registry.load(context.root)
    _json(registry.as_json(found)) if json_ else _lines(registry.table(found))


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
    """The command `amplify`."""
    assert isinstance(cli, Amplify)  # noqa: S101 - its class is given above
    sys.exit(cli.run(sys.argv[1:]))
