"""The commands `amplify subscribers …`: the mailing list."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from amplify.cli_base import Context, as_json, show_json, show_lines
from amplify.errors import AmplifyError


@click.group()
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
    show_json(asdict(done) | {"unreadable": [str(one) for one in wrong]}) if json_ else show_lines(people.report(done, wrong))


@subscribers.command()
@click.argument("address")
@click.option("--name", default="", help="What they are called.")
@click.option("--tag", "tags", multiple=True, help="A group that they belong to.")
@click.option("--again", is_flag=True, help="They left before, and asked you to come back.")
@click.pass_obj
def add(context: Context, address: str, name: str, tags: tuple[str, ...], again: bool) -> None:
    """Put one person on the list who asked you to.

    \b
    Example:  amplify subscribers add amal@example.org --name "Amal Haddad"
    """
    from amplify import people, pipeline

    with pipeline.opened(context.root) as community:
        entry = people.entry(address, name, tags)
        back = again and community.store.rejoin(entry, community.clock(), "asked an organiser to come back")
        done = community.store.import_subscribers([entry], community.clock(), "added by an organiser")
    show_lines([f"{address} is back on the list."] if back else people.report(done, ()))
    if done.left:
        click.echo(f"  If they asked to come back:  amplify subscribers add {address} --again")


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
    show_json(people.as_json(found)) if json_ else show_lines(people.table(found))
