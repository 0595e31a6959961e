"""Commands that look after single mails: `amplify test`, `resend` and `resolve`."""

from __future__ import annotations

import sys
from typing import Any

import click

from amplify.cli_base import Context, agreed, progress, show_lines


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
@click.option("--to", "address", metavar="ADDRESS", help="Who gets it once more.")
@click.option("--failed", is_flag=True, help="All whom it did not reach: refused, put off, not reached yet.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def resend(context: Context, edition: str, address: str | None, failed: bool, yes: bool) -> None:
    """Send an edition once more: to one person, or to all whom it did not reach.

    \b
    Example:  amplify resend 2026-11 --to amal@example.org
    Example:  amplify resend 2026-11 --failed
    """
    if failed == bool(address):
        raise click.UsageError("Say who gets it: --to ADDRESS, or --failed.")
    from amplify import pipeline

    with pipeline.opened(context.root) as community, pipeline.alone(community):
        done = _to_one(community, edition, address, yes=yes) if address else _to_failed(community, edition, yes=yes)
    if not done:
        sys.exit(3)


def _to_one(community: Any, edition: str, address: str, *, yes: bool) -> bool:
    from amplify import mailing, say

    one = mailing.again(community, edition, address)
    agreed(f"{one.address} would get {one.title!r} once more.", yes=yes)
    done = mailing.resend(community, one)
    show_lines(say.sent([done]))
    return not done.error


def _to_failed(community: Any, edition: str, *, yes: bool) -> bool:
    from amplify import mailing, pipeline, say

    those = mailing.failed(community, edition)
    show_lines(say.failed(those))
    if not those.rows:
        return True
    agreed(f"{say.people(len(those.rows))} would get {those.announcement.title!r}, and nobody else.", yes=yes)
    mailing.once_more(community, those)
    options = pipeline.Options(publications=(edition,), channels=(those.announcement.channel,))
    prepared = pipeline.prepare(community, options)
    with progress() as shown:
        report = pipeline.carry_out(community, prepared, shown)
    show_lines(say.report(report, prepared))
    return bool(report.complete)


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
