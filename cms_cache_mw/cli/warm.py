"""`cms-cache warm`: have pages rendered before visitors ask for them, and watch how far that is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from cms_cache_mw.cli.call import Call, command, table
from cms_cache_mw.cli.ending import CommandError, Ending
from cms_cache_mw.cli.text import counted, duration, plain, short

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

PAUSE: Final = 0.2
_OVER: Final = frozenset({"done", "stopped"})


@click.command()
@click.argument("paths", nargs=-1)
@click.option("--site", default="", metavar="SITE", help="Whose pages; as the server is asked, without it.")
@click.option("--sitemap", default="", metavar="PATH", help="All pages of a sitemap, such as /sitemap.xml.")
@click.option("--popular", type=click.IntRange(0, 10_000), default=0, metavar="N", help="The N most used pages.")
@click.option("--resume", default="", metavar="ID", help="Go on with an errand that stopped.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long to watch; the errand goes on without us.",
)
@command
def warm(call: Call, *, wait: float, **order: Any) -> None:  # noqa: ANN401 - what click read
    """Render the pages at PATHS, in a sitemap, or used most, through the application, as visitors would get them.

    The exit code is 1 where a page could not be rendered, or not all were within --wait.
    """
    if not any(order[name] for name in ("paths", "sitemap", "popular", "resume")):
        raise CommandError(Ending.USAGE, "nothing to warm: name paths, --sitemap, --popular or --resume", field="paths")
    given = {**order, "paths": list(order["paths"])}
    status, found = call.server.post("/warm", {"resume": order["resume"]} if order["resume"] else given)
    if status == 409:  # noqa: PLR2004
        raise CommandError(Ending.FOUND, f"nothing is warmed: {found.get('error')}", found=found)
    until = time.monotonic() + wait
    with call.err.status("") as line:
        while found["state"] not in _OVER and time.monotonic() < until:
            line.update(short(_progress(found), call.err.width))
            time.sleep(PAUSE)
            found = _standing(call, found)
    call.answer(found, *_shown(found))
    call.end(Ending.DONE if found["state"] == "done" and not found["failed"] else Ending.FOUND)


def _standing(call: Call, found: dict[str, Any]) -> dict[str, Any]:
    """Where it stands now. Another worker than the one that warms knows it by Redis, a second later, or not at all."""
    try:
        return call.server.get(f"/warm/{found['id']}").found
    except CommandError as error:
        return found | {"trouble": f"where it stands is not known: {error.message}"}


def _progress(found: Mapping[str, Any]) -> str:
    return (
        f"{found['state']}: {found['done']} of {counted(found['total'], 'page')}, {duration(float(found['seconds']))}"
    )


def _shown(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Where an errand stands."""
    style = "bold green" if found["state"] == "done" else "yellow"
    where = f" of the site {found['site']}" if found["site"] else ""
    yield plain(f"{found['state']} ", style).append_text(
        plain(f"{found['done']} of {counted(found['total'], 'page')}{where} in {duration(float(found['seconds']))}")
    )
    yield plain(f"  {found['rendered']} rendered, {found['held']} were there already")
    if found["failed"] or found["skipped"]:
        yield plain(f"  {found['failed']} failed, {found['skipped']} skipped", "bold red" if found["failed"] else "")
    if found["errors"]:
        yield table("  page", "why not", rows=((f"  {each['address']}", each["error"]) for each in found["errors"]))
    if trouble := found.get("trouble"):
        yield plain(f"  {trouble}", "yellow")
    if found["state"] != "done":
        yield plain(f"  it goes on by itself; should it stop: cms-cache warm --resume {found['id']}")
