"""`cms-cache explain URL`: why a URL is served the way it is, by each server that is asked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from cms_cache_mw.cli.advice import change_for
from cms_cache_mw.cli.call import Call, command, table
from cms_cache_mw.cli.decision import COLUMNS, row
from cms_cache_mw.cli.ending import CommandError, Ending
from cms_cache_mw.cli.text import counted, duration, moment, plain, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType
    from rich.text import Text

_ACTIONS: Final = {
    "serve": ("from the cache", "bold green"),
    "revalidate": ("from the cache, once the application has confirmed it", "bold yellow"),
    "fetch": ("rendered by the application", "bold yellow"),
    "bypass": ("past the cache", "bold yellow"),
    "refuse": ("refused: nothing is stored, and only a stored answer was wanted", "bold yellow"),
}
NAMED: Final = 16
"""Tags that are shown."""
_LEVELS: Final = {"memory": "in this worker's memory", "shared": "in Redis"}


@click.command()
@click.argument("url")
@click.option(
    "--header", "headers", multiple=True, metavar="FIELD", help="What the visitor sends: 'Cookie: sessionid=1'."
)
@click.option("--method", default="GET", show_default=True, metavar="METHOD")
@command
def explain(call: Call, *, url: str, headers: tuple[str, ...], method: str) -> None:
    """Tell why URL (or a path on the server's own host) is served the way it is: from where, how old, until when, or why not.

    With several --server each is asked, one after the other. Nothing is rendered, stored or counted.
    """
    told: dict[str, dict[str, Any]] = {}
    trouble: CommandError | None = None
    for server in call.servers:
        try:
            told[server.server] = server.get("/explain", {"url": url, "method": method, "header": headers}).found
        except CommandError as error:
            if len(call.servers) == 1 or error.ending is Ending.USAGE:
                raise
            trouble = error
            told[server.server] = error.as_json()
    parts: list[RenderableType] = []
    for address, found in told.items():
        parts += [plain(address, "bold underline")] if len(told) > 1 else []
        parts += [plain(found["error"], "bold red")] if "error" in found else shown(found)
    call.answer(told if len(told) > 1 else told[call.server.server], *parts)
    call.end(trouble.ending if trouble else Ending.DONE)


def shown(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """An explanation as a page."""
    what, style = _ACTIONS.get(found["action"], (found["action"], "bold"))
    why = found["why"]
    where = f"{found['url']} of the site {found['site']}" if found["site"] else found["url"]
    yield (
        plain(f"{where}\n").append_text(plain(what, style)).append_text(plain(f" ({why['reason']}): {why['meaning']}"))
    )
    refused = found["not_stored"]
    if refused:
        change = change_for(refused["reason"])
        yield plain(f"the last answer was not stored ({refused['reason']}): {refused['meaning']}")
        if change:
            yield plain(f"    → {change}", "cyan")
    for entry in found["stored"]:
        yield ""
        yield from _stored(entry)
    if not found["stored"]:
        yield plain("nothing is stored for it, neither in this worker's memory nor in Redis")
    yield ""
    yield from _key(found)
    if found["trouble"]:
        yield plain(found["trouble"], "yellow")
    if found["decisions"]:
        yield ""
        rows = (row(each)[:-1] for each in found["decisions"])
        yield table(*COLUMNS[:-1], rows=rows, title="its last answers by this worker", numbers=(1,))
    yield ""


def _stored(entry: Mapping[str, Any]) -> Iterator[Text]:
    """An entry at one of the levels."""
    state = "usable" if entry["usable"] else "NOT usable"
    text = plain(f"{_LEVELS.get(entry['level'], entry['level'])}: {state}", "bold")
    if entry["validity"]:
        text.append_text(plain(f" ({entry['validity']['reason']}: {entry['validity']['meaning']})"))
    yield text
    for purge in entry["purged_by"]:
        yield plain(f"  {_purge(purge)}", "yellow")
    yield plain(f"  {entry['arithmetic']}")
    coded = f", also as {' and '.join(entry['encodings'])}" if entry["encodings"] else ""
    served = f"; served {counted(entry['hits'], 'time')} by this worker" if entry["level"] == "memory" else ""
    made = f"made at {_at(entry['stored_at'])} in {duration(entry['render_ms'] / 1000)}"
    yield plain(f"  {made}; {size(entry['bytes'])}{coded}{served}")
    yield plain(f"  depends on {_tags(entry['tags'])}")
    if entry["parts"]:
        yield plain(f"  filled in whenever it is served: {', '.join(entry['parts'])}")
    if last := entry["last_purge"]:
        yield plain(f"  made after {_purge(last).removeprefix('purged by ')}")


def _tags(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - NAMED} more (--json has them)" if len(tags) > NAMED else ""
    return ", ".join(tags[:NAMED]) + more if tags else "no tag: only its URL, prefixes and site purge it"


def _purge(purge: Mapping[str, Any]) -> str:
    kind = "soft purge" if purge["kind"] == "soft" else "purge"
    text = f"purged by {kind} {purge['seq']} of {purge['tag']}"
    if purge["at"]:
        text += f" at {_at(purge['at'])}"
    if purge["who"]:
        text += f" by {purge['who']}"
    return text + (f" ({purge['reason']})" if purge["reason"] else "")


def _key(found: Mapping[str, Any]) -> Iterator[Text]:
    """What a visitor's request is looked up under, and by whom."""
    if found["key"]:
        yield plain(f"key      {' | '.join(found['key'])}")
    if found["variant"]:
        yield plain(
            "variant  " + ", ".join(f"{name}: {value or '(absent)'}" for name, value in found["variant"].items())
        )
    left = found["left_out"]
    without = [*left["parameters"], *(f"cookie {name}" for name in left["cookies"])]
    if without:
        yield plain(f"without  {', '.join(without)}")
    if left["bypassing_cookie"]:
        yield plain(f"cookie   {left['bypassing_cookie']} makes its visitor somebody")
    clock = found["clock"]
    sure = f"up to date at purge {clock['position']}" if clock["sure"] else "UNSURE of purges: it renders every page"
    lease = f", for another {duration(clock['lease_ms'] / 1000)}" if clock["lease_ms"] > 0 else ""
    yield plain(f"worker   {sure}{lease}", "" if clock["sure"] else "bold yellow")


def _at(text: str) -> str:
    return moment(datetime.fromisoformat(text).timestamp())
