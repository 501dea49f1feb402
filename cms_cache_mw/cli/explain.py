"""`cms-cache explain URL`: why a URL is served the way it is, by each server that is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cms_cache_mw.cli.call import Call, command
from cms_cache_mw.cli.ending import CommandError, Ending
from cms_cache_mw.cli.outline import outline
from cms_cache_mw.cli.text import plain

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@click.argument("url")
@command
def explain(call: Call, *, url: str) -> None:
    """Tell why URL (or a path on the server's own host) is served the way it is: from where, how old, until when, or why not.

    With several --server each is asked, and what they tell stands side by side.
    """
    told: dict[str, dict[str, Any]] = {}
    trouble: CommandError | None = None
    for server in call.servers:
        try:
            told[server.server] = server.get("/explain", url=url).found
        except CommandError as error:
            if len(call.servers) == 1 or error.ending is Ending.USAGE:
                raise
            trouble = error
            told[server.server] = error.as_json()
    if len(told) == 1:
        found = told[call.server.server]
        call.answer(found, *outline(found))
        return
    parts: list[RenderableType] = []
    for address, found in told.items():
        parts += [plain(address, "bold underline"), *outline(found), plain("")]
    call.answer(told, *parts)
    call.end(trouble.ending if trouble else Ending.DONE)
