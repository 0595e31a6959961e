"""Commands that look after single mails: `amplify test`, `resend` and `resolve`."""

from __future__ import annotations

import sys

import click

from amplify.cli_base import Context, agreed, show_lines


@click.command()
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
    show_lines(say.sent(done))
    if any(one.error for one in done):
        sys.exit(3)


@click.command()
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
        again = mailing.again(community, edition, address)
        agreed(f"{again.address} would get {again.title!r} once more.", yes=yes)
        done = mailing.resend(community, again)
    show_lines(say.sent([done]))
    if done.error:
        sys.exit(3)


@click.command()
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
    show_lines(say.decided(done, State(became)))
