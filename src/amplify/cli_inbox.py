"""The commands that fill the inbox and decide on it: `amplify gather`, `add` and `review`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from amplify.cli_base import Context, as_json, progress, show_json, show_lines
from amplify.errors import AmplifyError


def _kind(context: click.Context, option: click.Parameter, value: str | None) -> Any:  # noqa: ARG001 - what click hands over
    """The kind that somebody names; the model is heavy, and `--help` does without."""
    from amplify.model import Kind

    if value and value not in map(str, Kind):
        raise click.BadParameter(f"{value!r} is no kind; write one of {', '.join(Kind)}")
    return Kind(value) if value else None


@click.command()
@click.option("--source", "names", multiple=True, metavar="NAME", help="Only this one.")
@as_json
@click.pass_obj
def gather(context: Context, names: tuple[str, ...], json_: bool) -> None:
    """Fetch what members offer, from everywhere that amplify.toml names, into the inbox.

    Nothing is published: what comes in waits until you accept it.

    \b
    Example:  amplify gather
    """
    from amplify import intake, pipeline, say_inbox

    with pipeline.opened(context.root) as community, progress() as shown:
        done = intake.gather(community, names, shown)
        waiting = intake.waiting(community)
    show_json(say_inbox.gathered_json(done)) if json_ else show_lines(say_inbox.gathered(done, waiting))
    if not done.complete:
        sys.exit(3)


@click.command()
@click.argument("what", metavar="URL-or-TEXT")
@click.option("--from", "author", default="", metavar="NAME", help="Who offered it.")
@click.option("--kind", callback=_kind, metavar="K", help="What it is, like question or celebration.")
@as_json
@click.pass_obj
def add(context: Context, what: str, author: str, kind: Any, json_: bool) -> None:
    """Put one thing that reached you by hand into the inbox.

    \b
    Example:  amplify add https://amal.example.org/marking/ --from "Amal Haddad"
    """
    from amplify import intake, pipeline, say_inbox

    with pipeline.opened(context.root) as community:
        item = intake.add(community, what, author, kind)
    if json_:
        show_json(say_inbox.inbox_json([item])["offers"][0])
        return
    click.echo(
        f'"{item.offer.title}" is in the inbox as {item.id} ({item.state}).'
        + (f"\n  Take it:  amplify review --accept {item.id}" if item.state == "new" else "")
    )


@click.command()
@click.option("--list", "list_", is_flag=True, help="Show what waits, and decide nothing.")
@click.option("--all", "everything", is_flag=True, help="With --list: also what is decided.")
@click.option("--accept", multiple=True, metavar="ID", help="Make it a contribution: its number, or how its title begins.")
@click.option("--reject", multiple=True, metavar="ID", help="Leave it out.")
@click.option("--hold", multiple=True, metavar="ID", help="Not now; it comes back on the day that --until names.")
@click.option("--undo", multiple=True, metavar="ID", help="Take the last decision about it back.")
@click.option("--reason", default="", metavar="R", help="Why it is left out, or held.")
@click.option("--until", metavar="DATE", help="Until when it is held, like 2026-12-01.")
@click.option("--section", default="", help="Under which heading it goes.")
@click.option("--kind", callback=_kind, metavar="K", help="What it is, if that is not what was guessed.")
@click.option("--consent", type=click.Choice(["yes", "no"]), help="Whether its author agreed to be named.")
@click.option("--licence", default="", help="How others may use it, like CC BY 4.0.")
@click.option("--port", type=int, default=8001, show_default=True, metavar="P", help="Where the desk answers on this machine.")
@as_json
@click.pass_obj
def review(context: Context, /, list_: bool, everything: bool, port: int, json_: bool, **asked: Any) -> None:
    """Decide on what members offered: opens the desk in your browser.

    With options it decides without one.

    \b
    Example:  amplify review
    """
    from amplify import intake, pipeline, say_inbox

    names = [name for key in ("accept", "reject", "hold", "undo") for name in asked[key]]
    if not (list_ or everything or json_ or names):
        _desk(context, port)
        return
    if asked["reject"] and not asked["reason"]:
        raise AmplifyError('Say why, so that another organiser understands:  --reason "not about teaching"\nNothing was done.')
    if bool(asked["hold"]) != bool(asked["until"]):
        raise AmplifyError("--hold and --until belong together:  --hold 12 --until 2026-12-01\nNothing was done.")
    with pipeline.opened(context.root) as community:
        done = [_decided(community, name, asked) for name in names]
        items, total = intake.listed(community, everything=everything)
    if json_:
        show_json(say_inbox.inbox_json(items) | ({"done": done} if done else {}))
    else:
        show_lines(done if done and not list_ else [*done, *say_inbox.inbox(items, total)])


def _desk(context: Context, port: int) -> None:
    import webbrowser

    from amplify import review_desk

    def ready(address: str) -> None:
        click.echo(f"The desk is at  {address}  (Ctrl-C ends it). Only this computer can see it, and only with this address.")
        if sys.stdout.isatty():
            webbrowser.open(address)

    review_desk.serve(context.root, port, ready=ready)


def _decided(community: Any, name: str, asked: Mapping[str, Any]) -> str:
    """Carry out the decision that was asked for about one thing; what was done."""
    from amplify import intake, times
    from amplify import review as reviewing

    reviewer = intake.reviewing(community)
    item = reviewing.named(reviewer.inbox, name)
    if name in asked["accept"]:
        kind = asked["kind"]
        consent = {"yes": True, "no": False}.get(asked["consent"])
        file = reviewer.accept(item, section=asked["section"], kind=kind, consent=consent, licence=asked["licence"])
        return f'Accepted "{item.offer.title}": {file.as_posix()}'
    if name in asked["reject"]:
        reviewer.reject(item, asked["reason"])
        return f'Left out "{item.offer.title}".'
    if name in asked["hold"]:
        try:
            reviewer.hold(item, times.parse_moment(asked["until"], reviewer.zone), asked["reason"])
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--until") from error
        return f'Held "{item.offer.title}" until {asked["until"]}.'
    return f'Undone; "{item.offer.title}" is {reviewer.undo(item).state} again.'
