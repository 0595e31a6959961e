"""The commands `amplify plugins …`: what there is, and for those who write one."""

from __future__ import annotations

import sys
from typing import Any

import click

from amplify.cli_base import Context, as_json, show_json, show_lines


@click.group()
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
    from amplify import manual

    found = _found(context)
    show_json(manual.as_json(found)) if json_ else show_lines(manual.table(found))


@plugins.command()
@click.argument("name")
@as_json
@click.pass_obj
def show(context: Context, name: str, json_: bool) -> None:
    """What a plugin does, how to write it into the settings, and what it is like.

    \b
    Example:  amplify plugins show email
    """
    from amplify import manual

    chosen = manual.named(_found(context), name)
    show_json({"plugins": [manual.page_json(one) for one in chosen]}) if json_ else show_lines(manual.pages(chosen))


@plugins.command()
@click.argument("name")
@click.option("--kind", "sort", type=click.Choice(["announcer", "mirror", "source"]), default="announcer", show_default=True,
              help="An announcer sends, a mirror keeps a place equal to the site, a source gathers.")  # fmt: skip
@as_json
@click.pass_obj
def new(context: Context, name: str, sort: Any, json_: bool) -> None:
    """Write a plugin that works, and its test, for you to change.

    \b
    Example:  amplify plugins new noticeboard --kind announcer
    """
    from amplify import authoring, config

    config.load(context.root)
    files = [file.as_posix() for file in authoring.new(context.root, _found(context), name, sort)]
    show_json({"files": files}) if json_ else click.echo(
        f"Wrote {' and '.join(files)}: a plugin that works, and its test.\n"
        f"  Change it, and look whether it keeps what plugins promise:  amplify plugins check {name}"
    )


@plugins.command()
@click.argument("name")
@as_json
@click.pass_obj
def check(context: Context, name: str, json_: bool) -> None:
    """Look whether a plugin keeps what plugins promise, and run its tests.

    \b
    Example:  amplify plugins check noticeboard
    """
    from amplify import authoring, manual

    [plugin, *_] = manual.named(_found(context), name)
    findings = []
    if not json_:
        click.echo(f"{plugin.name} ({plugin.origin}: {plugin.where})")
    for one in authoring.check(context.root.absolute(), plugin):
        findings.append(one)
        if not json_:
            show_lines([f"  {'right' if one.right else 'WRONG'}   {one.words}", *one.more.splitlines()])
    if json_:
        show_json({"name": plugin.name, "findings": [{"right": one.right, "words": one.words, "more": one.more} for one in findings]})
    if not all(one.right for one in findings):
        sys.exit(1)


def _found(context: Context) -> Any:
    """Every plugin but those that the settings disable; without settings, too."""
    from amplify import config, registry

    return registry.load(context.root, config.disabled(context.root))
