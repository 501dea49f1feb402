"""`cms-cache purge`: make what depends on something unusable, and wait until that is so on every worker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from cms_cache_mw.cli.call import Call, command, table
from cms_cache_mw.cli.direct import purged_directly
from cms_cache_mw.cli.ending import CommandError, Ending, SilenceError
from cms_cache_mw.cli.text import count, counted, duration, plain, share, short, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from cms_cache_mw.cli.remote import Answered

FIRST_WAIT_MS: Final = 300
"""What the site itself is asked to wait; after that we ask how far the purge has come."""
RECORDING: Final = 4.0
"""Seconds that a worker gets to record a purge; it gives up on Redis after two."""
ASKING: Final = 1.0
"""Seconds that it gets to say where one stands."""
PAUSE: Final = 0.1
LONGEST_WAIT: Final = 600.0
_TARGETS: Final = ("tags", "urls", "prefixes", "site", "everything")
_ENDINGS: Final = {"done": Ending.DONE, "dry-run": Ending.DONE, "recorded": Ending.UNCERTAIN}


@click.command()
@click.argument("tags", nargs=-1)
@click.option("--url", "urls", multiple=True, metavar="URL", help="A URL, or a path on --site, or on any site.")
@click.option("--prefix", "prefixes", multiple=True, metavar="PATH/", help="All below a path, which ends in '/'.")
@click.option("--site", default="", metavar="SITE", help="A whole site, or the one that paths are on.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--soft", is_flag=True, help="Serve it stale for --grace seconds while it is rendered anew.")
@click.option("--grace", type=click.FloatRange(0, 86_400), default=60, show_default=True, metavar="SECONDS")
@click.option("--dry-run", is_flag=True, help="Purge nothing; say what depends on it.")
@click.option("--confirm", is_flag=True, help="Purge even more than purge_guard allows.")
@click.option("--reason", default="", help="Why, for the purge log.")
@click.option(
    "--wait",
    type=click.FloatRange(0, LONGEST_WAIT),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until it is done everywhere.",
)
@click.option("--direct", is_flag=True, help="Purge through Redis, without the site.")
@click.option(
    "--redis-url",
    envvar="CMS_CACHE_REDIS_URL",
    show_envvar=True,
    metavar="URL",
    help="The Redis for --direct; further options of the cache are read from CMS_CACHE_… as the site does.",
)
@command
def purge(call: Call, *, wait: float, direct: bool, redis_url: str | None, **order: Any) -> None:  # noqa: ANN401 - what click read
    """Purge everything that depends on TAGS, such as block:footer or page:12.

    It is done when no worker can serve what was rendered before: then the exit code is 0.
    """
    if not any(order[name] for name in _TARGETS):
        raise CommandError(Ending.USAGE, "nothing to purge: name tags, --url, --prefix, --site or --all", field="tags")
    found = purged_directly(call, redis_url, order, wait) if direct else _purged(call, _body(order), wait)
    _report(call, found)


def _body(order: Mapping[str, Any]) -> dict[str, object]:
    """The body of `POST /purge`."""
    given = {**order, "tags": list(order["tags"]), "urls": list(order["urls"]), "prefixes": list(order["prefixes"])}
    given["all"] = given.pop("everything")
    given["grace_ms"] = round(given.pop("grace") * 1000)
    return given


def _purged(call: Call, body: dict[str, object], wait: float) -> dict[str, Any]:
    """What became of a purge, after up to `wait` seconds."""
    began = time.monotonic()
    with call.err.status("purging") as line:
        status, found = _posted(call, body, began + wait)
        if status == 409:  # noqa: PLR2004
            raise CommandError(Ending.UNCONFIRMED, _guarded(found), field=str(found.get("field", "")), found=found)
        while found.get("state") == "recorded" and (waited := time.monotonic() - began) < wait:
            line.update(short(_progress(found, waited), call.err.width))
            try:
                time.sleep(min(PAUSE, wait - waited))
                found = _standing(call, found) | {"waited_ms": (time.monotonic() - began) * 1000}
            except KeyboardInterrupt:
                said = f"interrupted; purge {found['seq']} is recorded and goes on"
                raise CommandError(Ending.INTERRUPTED, said, found=found) from None
    return found


def _posted(call: Call, body: dict[str, object], until: float) -> Answered:
    """The answer to a purge. Where a worker says nothing another one is asked: to purge twice does no harm."""
    while True:
        left = until - time.monotonic()
        try:
            first = max(0, min(FIRST_WAIT_MS, round(left * 1000)))
            return call.server.post("/purge", body | {"wait_ms": first}, patience=RECORDING)
        except SilenceError as error:
            if time.monotonic() >= until:
                said = (
                    "; whether the purge is recorded is not known. To repeat it does no harm, and --direct asks Redis"
                )
                raise CommandError(Ending.UNREACHED, error.message + said) from None


def _standing(call: Call, found: dict[str, Any]) -> dict[str, Any]:
    """Where a recorded purge stands now. Who does not tell proves nothing: it counts as not done."""
    try:
        now = call.server.get(f"/purges/{found['epoch']}/{found['seq']}", patience=ASKING).found
    except CommandError as error:
        return found | {"detail": f"where it stands is not known: {error.message}"}
    # Who asks later is not told what was done at the beginning.
    return {**found, **now, **{name: found[name] for name in ("evicted", "soft") if found.get(name)}}


def _progress(found: Mapping[str, Any], waited: float) -> str:
    waiting = found.get("waiting_for") or ()
    whom = f"waiting for {counted(len(waiting), 'worker')}" if waiting else "waiting"
    return f"{waited:.1f} s: purge {found['seq']} is recorded, {whom} ({found.get('detail', '')})"


def _guarded(found: Mapping[str, Any]) -> str:
    said = str(found.get("error", "the purge is larger than purge_guard allows"))
    return f"{said}; nothing was purged. --dry-run shows what it would take, --confirm makes it"


def _report(call: Call, found: dict[str, Any]) -> None:
    """Say what became of it and end with its code."""
    state = found.get("state")
    if state == "dry-run":
        call.answer(found, *_preview(found))
    elif state == "done":
        call.answer(found, _done(found))
    elif state == "recorded":
        call.answer(found, plain(_recorded(found), "yellow"))
    else:
        detail = found.get("detail") or found.get("error") or found
        call.answer(found, plain(f"NOT purged: {detail}", "bold red"))
    call.end(_ENDINGS.get(str(state), Ending.UNREACHED))


def _done(found: Mapping[str, Any]) -> RenderableType:
    reach = "on every worker"
    if found.get("scope") == "process":
        reach = "in the one process that was asked: without redis_url a purge reaches no other"
    text = plain("done ", "bold green").append_text(
        plain(f"{reach}: purge {found['seq']}, {duration(float(found.get('waited_ms', 0)) / 1000)}")
    )
    if found.get("soft"):
        text.append(" (made soft by purge_guard)")
    for worker in found.get("evicted") or ():
        text.append(f"\n  {plain(worker)} fell silent; its right to serve from its cache has ended")
    return text


def _recorded(found: Mapping[str, Any]) -> str:
    certain = float(found.get("certain_in_ms") or 0) / 1000
    lines = [f"recorded as purge {found['seq']}, not yet certain to be done everywhere: {found.get('detail', '')}"]
    lines += [f"  waiting for {worker}" for worker in found.get("waiting_for") or ()]
    if certain:
        lines.append(f"  certain in {duration(certain)} at the latest; a longer --wait sees it done")
    return "\n".join(lines)


def _preview(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What a purge would take with it."""
    entries, render = int(found.get("entries", 0)), float(found.get("render_ms", 0)) / 1000
    exact, error = found.get("exact", True), float(found.get("error", 0))
    # Without an error it is not a sample: there is more that nobody could count.
    least, doubt = "" if exact or error else "at least ", f", give or take {count(error)}" if error else ""
    lines = [f"{least}{counted(entries, 'entry')}{doubt} would go ({size(float(found.get('bytes', 0)))})"]
    traffic = f" ({share(float(found['traffic']), 1)} of the traffic)" if "traffic" in found else ""
    lines.append(f"served {counted(int(found.get('hits', 0)), 'time')} from the cache so far{traffic}")
    lines.append(f"{duration(render)} of rendering to have them again")
    lines.append(f"counted in: {found.get('scope', 'the worker that was asked')}")
    yield plain("\n".join(lines))
    if found.get("urls"):
        yield table("the most used of them", rows=([url] for url in found["urls"]))
    yield plain("nothing was purged (--dry-run)", "dim")
