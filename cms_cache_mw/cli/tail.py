"""`cms-cache tail`: what workers decide about requests, as it happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from cms_cache_mw.cli.call import Call, command
from cms_cache_mw.cli.decision import row
from cms_cache_mw.cli.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cms_cache_mw.cli.remote import Remote

ASKED: Final = 4
"""Connections for each look: processes behind one address take turns in answering."""
PAUSE: Final = 0.5
MOST: Final = 2_000
FORGOTTEN: Final = 60.0
"""Seconds after which a worker that does not answer any more is no longer waited for."""
_WIDTHS: Final = (9, 4, 22, 26, 9, 0)


class Trail:
    """What was seen of the workers behind one address."""

    def __init__(self, server: Remote, wanted: dict[str, str], last: int) -> None:
        self._server, self._wanted, self._last = server, wanted, last
        self._seen: dict[str, tuple[float, float]] = {}
        """By worker: the instant of its newest decision that was seen, and when it answered."""

    def look(self) -> Iterator[dict[str, Any]]:
        """New decisions of the worker that happens to answer, oldest first."""
        now = time.monotonic()
        self._seen = {name: seen for name, seen in self._seen.items() if seen[1] > now - FORGOTTEN}
        after = min((newest for newest, _ in self._seen.values()), default=0.0)
        limit = MOST if self._seen else max(1, self._last)
        found = self._server.get("/decisions", {**self._wanted, "after": after or "", "limit": limit}).found
        worker, decisions = found["worker"], found["decisions"]
        known = worker in self._seen
        newest = self._seen[worker][0] if known else 0.0
        fresh = [each for each in decisions if each["at"] > newest]
        if not known:
            fresh = fresh[: self._last]
        self._seen[worker] = (decisions[0]["at"] if decisions else newest, now)
        for each in reversed(fresh):
            yield {"worker": worker} | each


@click.command()
@click.argument("url", default="")
@click.option("--site", default="", metavar="SITE", help="Only requests for this site.")
@click.option("--reason", default="", metavar="WORD", help="Only decisions with this reason, such as cookie or purged.")
@click.option("--last", type=click.IntRange(0, MOST), default=10, show_default=True, help="Earlier ones to begin with.")
@click.option("--no-follow", is_flag=True, help="Leave after those.")
@command
def tail(call: Call, *, url: str, site: str, reason: str, last: int, no_follow: bool) -> None:
    """Show decisions about requests for URLs that contain URL, until Ctrl-C.

    Processes behind one address take turns in answering: what one of them decided may come a moment later than that of another.
    """
    wanted = {"url": url, "site": site, "reason": reason}
    trails = [Trail(server, wanted, last) for server in call.servers]
    try:
        while True:
            found = [each for trail in trails for _ in range(ASKED) for each in trail.look()]
            for each in sorted(found, key=lambda each: each["at"]):
                _print(call, each)
            if no_follow:
                return
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        return


def _print(call: Call, found: dict[str, Any]) -> None:
    if call.as_json:
        call.line(found)
        return
    line = plain("")
    for cell, width in zip(row(found), _WIDTHS, strict=True):
        text = cell.copy() if hasattr(cell, "copy") else plain(cell)
        text.pad_right(max(1, width - len(text)) if width else 0)
        line.append_text(text)
    call.out.print(line, soft_wrap=True)
