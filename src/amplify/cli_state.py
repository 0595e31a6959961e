"""The commands `amplify state …`: the record of what was sent."""

from __future__ import annotations

from pathlib import Path

import click

from amplify.cli_base import Context, agreed, show_lines


@click.group()
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
        show_lines(keeping.risks(community.settings, community.store.path))


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

    agreed("The record here would be replaced by the one in the file.", yes=yes)
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
    from amplify import mailing, pipeline, say

    with pipeline.opened(context.root) as community, pipeline.alone(community):
        agreed("Everything that is online now would count as sent, to those who had not got it yet as well.", yes=yes)
        number = mailing.adopt(community)
    things = say.count(number, "thing that is online counts", "things that are online count")
    click.echo(f"{things} as sent now. Then import your last list:  amplify subscribers import FILE.csv")
