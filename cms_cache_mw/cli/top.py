"""`cms-cache top`: what the workers are doing now, anew every few seconds."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Group
from rich.live import Live

from cms_cache_mw.cli.call import Call, command, table
from cms_cache_mw.cli.ending import CommandError
from cms_cache_mw.cli.stats import clock_line, meaning, served
from cms_cache_mw.cli.text import count, duration, plain, share, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

ASKED: Final = 6
"""Connections for each look: processes behind one address take turns in answering."""
FORGOTTEN: Final = 5
"""Looks after which a worker that did not answer is left out."""
REASONS: Final = 12
HOTTEST: Final = 10


@dataclass
class Snapshot:
    """One worker as it was seen last, and the time before."""

    found: Mapping[str, Any]
    at: float
    look: int
    rates: Counter[str] = field(default_factory=Counter)
    """Answers a second by reason."""

    def again(self, found: Mapping[str, Any], at: float, look: int) -> Snapshot:
        """The same worker now; a worker that counts less than before has been started anew."""
        answers, before = found.get("answers", {}), self.found.get("answers", {})
        past = max(at - self.at, 1e-6)
        rates = Counter({word: max(0, number - before.get(word, 0)) / past for word, number in answers.items()})
        return Snapshot(found, at, look, rates)


class Fleet:
    """The workers that have answered."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, object], Snapshot] = {}
        self._look = 0
        self.hottest: list[Mapping[str, Any]] = []
        """The most used entries of the worker that answered last."""

    def look(self, call: Call) -> None:
        """Ask every server a few times, so that several of its processes answer. Raises what the last one to fail raised."""
        self._look += 1
        found: dict[tuple[str, object], Mapping[str, Any]] = {}
        trouble: CommandError | None = None
        for server in call.servers:
            try:
                for _ in range(ASKED):
                    stats: Mapping[str, Any] = server.get("/stats").found
                    found[server.server, stats.get("pid")] = stats
            except CommandError as error:
                trouble = error
        if not found and trouble:
            raise trouble
        try:
            self.hottest = call.server.get("/entries", {"limit": HOTTEST}).found["shown"]
        except CommandError:
            self.hottest = []
        now = time.monotonic()
        for name, stats in found.items():
            before = self._seen.get(name)
            self._seen[name] = before.again(stats, now, self._look) if before else Snapshot(stats, now, self._look)
        for name in [name for name, seen in self._seen.items() if seen.look <= self._look - FORGOTTEN]:
            del self._seen[name]

    def __iter__(self) -> Iterator[tuple[str, Snapshot]]:
        """The workers by address and process."""
        alone = len({address for address, _ in self._seen}) == 1
        for (address, pid), seen in sorted(self._seen.items(), key=str):
            yield str(pid) if alone else f"{address.partition('//')[2]} {pid}", seen

    def as_json(self) -> dict[str, Any]:
        """All of it for a script."""
        return {
            "workers": [
                {"worker": name, "answers_per_second": dict(seen.rates), "stats": seen.found} for name, seen in self
            ],
            "hottest": self.hottest,
        }


@click.command()
@click.option("--every", type=click.FloatRange(0.2, 60), default=2, show_default=True, metavar="SECONDS")
@click.option("--count", "looks", type=click.IntRange(0), default=0, metavar="N", help="Leave after N looks.")
@command
def top(call: Call, *, every: float, looks: int) -> None:
    """Show the workers, their answers a second and why, until Ctrl-C.

    Processes behind one address take turns in answering: a worker is shown once it has.
    """
    fleet = Fleet()
    fleet.look(call)
    live = not call.as_json and call.out.is_terminal
    try:
        if not live:
            _print(call, fleet, every, looks)
            return
        with Live(_shown(fleet), console=call.out, screen=True, auto_refresh=False) as screen:
            for _ in _turns(looks, every):
                fleet.look(call)
                screen.update(_shown(fleet), refresh=True)
    except KeyboardInterrupt:
        return


def _print(call: Call, fleet: Fleet, every: float, looks: int) -> None:
    for _ in _turns(looks, every):
        fleet.look(call)
        call.answer(fleet.as_json(), _shown(fleet))


def _turns(looks: int, every: float) -> Iterator[int]:
    """A turn every so many seconds: `looks` of them, or without end."""
    turn = 0
    while not looks or turn < looks:
        time.sleep(every)
        yield turn
        turn += 1


def _shown(fleet: Fleet) -> RenderableType:
    rows, rates = [], Counter[str]()
    for name, seen in fleet:
        hits, total = served(seen.found.get("answers", {}))
        _, now = served(seen.rates)
        memory = seen.found.get("memory", {})
        rows.append(
            (name, f"{now:.1f}", share(hits, total), count(total), size(memory.get("bytes", 0)), clock_line(seen.found))
        )
        rates.update(seen.rates)
    reasons = [(word, f"{rate:.1f}", meaning(word)) for word, rate in rates.most_common(REASONS) if rate]
    entries = [
        (each["site"] + each["url"], count(each["hits"]), size(each["bytes"]), duration(each["render_ms"] / 1000))
        for each in fleet.hottest
        if each["hits"]
    ]
    return Group(
        table("worker", "answers/s", "from cache", "answers", "memory", "purge clock", rows=rows, numbers=(1, 2, 3, 4)),
        plain(""),
        table("reason", "now/s", "meaning", rows=reasons, numbers=(1,))
        if reasons
        else plain("no answers just now", "dim"),
        plain(""),
        table("used most in the worker that answered last", "hits", "size", "render", rows=entries, numbers=(1, 2, 3)),
    )
