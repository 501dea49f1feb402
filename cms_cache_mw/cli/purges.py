"""`cms-cache purges`: what was purged, by whom, why, and whether it is done everywhere."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from cms_cache_mw.cli.call import Call, command, table
from cms_cache_mw.cli.text import counted, duration, moment, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST: Final = 4_000
NAMED: Final = 4
"""Targets of a purge that a row shows."""


@click.command()
@click.argument("tag", default="")
@click.option("--who", default="", metavar="NAME", help="Only those made with this token.")
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=20, show_default=True, help="How many, the newest first."
)
@click.option("--lines", is_flag=True, help="A line of JSON for each, the oldest first: to be kept elsewhere.")
@command
def purges(call: Call, *, tag: str, who: str, limit: int, lines: bool) -> None:
    """Show the purge log, or what it says of TAG."""
    found = call.server.get("/purges", {"tag": tag, "who": who, "limit": limit}).found
    if lines:
        for each in reversed(found["purges"]):
            call.line(each)
        return
    nothing = f"the log has no purge{f' of {tag}' if tag else ''}"
    rows = [_row(each) for each in found["purges"]]
    columns = ("number", "at", "state", "took", "who", "what", "why", "took with it")
    call.answer(found, table(*columns, rows=rows, numbers=(0, 3)) if rows else plain(nothing))


def _row(found: Mapping[str, Any]) -> tuple[object, ...]:
    state, style = ("everywhere", "green") if found["state"] == "done" else ("not certain", "bold yellow")
    took = duration(found["duration_ms"] / 1000) if found["duration_ms"] is not None else ""
    names = ", ".join(found["tags"][:NAMED]) + (f" and {found['named'] - NAMED} more" if found["named"] > NAMED else "")
    kind = " (soft)" if found["kind"] == "soft" else ""
    slow = f"; waited for {', '.join(found['slow'])}" if found["slow"] else ""
    at = moment(datetime.fromisoformat(found["at"]).timestamp())
    return (
        found["seq"],
        at,
        plain(state, style),
        took,
        found["who"],
        names + kind,
        found["reason"],
        _effect(found) + slow,
    )


def _effect(found: Mapping[str, Any]) -> str:
    if found["needless"]:
        return "nothing: needless"
    parts = []
    if found["entries"] is not None:
        parts.append(counted(found["entries"], "entry"))
    if found["rendered"]:
        parts.append(f"{found['rendered']} rendered anew, {found['unchanged']} of them as before")
    return ", ".join(parts)
