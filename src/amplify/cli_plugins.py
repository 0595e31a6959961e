"""The commands `amplify plugins …`: what there is, and for those who write one."""

from __future__ import annotations

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


def _found(context: Context) -> Any:
    """Every plugin but those that the settings disable; without settings, too."""
    from amplify import config, registry

    return registry.load(context.root, config.disabled(context.root))
