"""The commands that fill the inbox and decide on it: `amplify gather`, `add` and `review`."""

from __future__ import annotations

import sys

import click

from amplify.cli_base import Context, as_json, progress, show_json, show_lines
from amplify.errors import AmplifyError
from amplify.model import Kind

_KINDS = click.Choice([str(kind) for kind in Kind])


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
@click.option("--kind", type=_KINDS, help="What it is.")
@as_json
@click.pass_obj
def add(context: Context, what: str, author: str, kind: str | None, json_: bool) -> None:
    """Put one thing that reached you by hand into the inbox.

    \b
    Example:  amplify add https://amal.example.org/marking/ --from "Amal Haddad"
    """
    from amplify import intake, pipeline, say_inbox

    with pipeline.opened(context.root) as community:
        item = intake.add(community, what, author, Kind(kind) if kind else None)
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
@click.option("--undo", multiple=True, metavar="ID", help="Take the last decision about it back.")
@click.option("--reason", default="", metavar="R", help="Why it is left out.")
@click.option("--section", default="", help="Under which heading it goes.")
@click.option("--kind", type=_KINDS, help="What it is, if that is not what was guessed.")
@as_json
@click.pass_obj
def review(
    context: Context, list_: bool, everything: bool, accept: tuple[str, ...], reject: tuple[str, ...], undo: tuple[str, ...], reason: str,
    section: str, kind: str | None, json_: bool,
) -> None:  # fmt: skip
    """Decide on what members offered.

    \b
    Example:  amplify review --list
    """
    from amplify import intake, pipeline, say_inbox
    from amplify import review as reviewing

    if reject and not reason:
        raise AmplifyError('Say why, so that another organiser understands:  --reason "not about teaching"\nNothing was done.')
    with pipeline.opened(context.root) as community:
        done: list[str] = []
        for name in (*accept, *reject, *undo):
            reviewer = intake.reviewing(community)
            item = reviewing.named(reviewer.inbox, name)
            if name in accept:
                file = reviewer.accept(item, section=section, kind=Kind(kind) if kind else None)
                done.append(f'Accepted "{item.offer.title}": {file.as_posix()}')
            elif name in reject:
                reviewer.reject(item, reason)
                done.append(f'Left out "{item.offer.title}".')
            else:
                done.append(f'Undone; "{item.offer.title}" is {reviewer.undo(item).state} again.')
        items, total = intake.listed(community, everything=everything)
    if json_:
        show_json(say_inbox.inbox_json(items) | ({"done": done} if done else {}))
    else:
        show_lines(done if done and not list_ else [*done, *say_inbox.inbox(items, total)])
