"""`python -m tests.soak [SECONDS [SEED]]`, half an hour if nothing is said: edits, restarts and faults of Redis under mixed traffic."""

# ruff: noqa: T201 - a program talks to its terminal
from __future__ import annotations

import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from examples.newsroom import seed as seed_content
from examples.newsroom.editor import Editor, EditorError
from tests.soak.gauge import Reading, grown, minutes, read
from tests.soak.people import People
from tests.support.server import Server
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 1_800.0
STEP: Final = 2.0
"""Seconds between readings."""
OPTIONS: Final = {"MAX_MEMORY_MB": "4", "MAX_BODY_BYTES": "1000000", "LEASE_SECONDS": "1"}
WRONG: Final = re.compile(r"Traceback|ResourceWarning|never (?:retrieved|awaited)|the cache failed|Task was destroyed")


class Events:
    """What happens to the site beside its visitors; the first worker is never restarted, so that it can be measured."""

    def __init__(self, site: Site, server: Server, chance: random.Random) -> None:
        self.edits = self.unrecorded = 0
        self._site, self._server, self._chance = site, server, chance
        self._number = 0

    def happen(self) -> str:
        """Let one thing happen, and tell which."""
        events: list[Callable[[], str]] = [
            self._edit,
            self._edit,
            self._edit,
            self._restart,
            self._fault,
            self._mend,
            self._mend,
        ]
        return self._chance.choice(events)()

    def _edit(self) -> str:
        self._number += 1
        with Editor(self._site.workers[0].url, host="newsroom.localhost") as editor:
            editor.sign_in()
            try:
                saved = editor.edit_block("notice", body=f"<p>Notice {self._number}</p>")
            except EditorError as error:
                return f"edit refused: {error}"
        self.edits += 1
        self.unrecorded += not saved.done
        return f"edit {self._number}: {'done' if saved.done else 'not certain yet'}"

    def _restart(self) -> str:
        worker = self._site.workers[-1]
        self._chance.choice((worker.stop, worker.kill))()
        worker.start()
        return "worker restarted"

    def _fault(self) -> str:
        proxy = self._chance.choice(self._site.proxies)
        fault = self._chance.choice(("hold", "delay", "cut", "refuse", "restart", "empty"))
        match fault:
            case "hold":
                proxy.hold()
            case "delay":
                proxy.delay(0.15)
            case "cut":
                proxy.cut()
            case "refuse":
                proxy.refuse()
            case "restart":
                self._server.restart()
            case _:
                self._server.client().flushall()
        return f"Redis: {fault}"

    def _mend(self) -> str:
        for proxy in self._site.proxies:
            proxy.heal()
        return "Redis: healed"


def main(seconds: float, seed: int) -> int:
    """Run, print what is wrong, and give the exit status."""
    print(f"seed {seed}, {seconds:g} s; again with: make soak SECONDS={seconds:g} SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, Server("valkey") as server:
        os.environ |= {
            "NEWSROOM_DATABASE": str(Path(folder) / "newsroom.sqlite3"),
            "PYTHONWARNINGS": "always::ResourceWarning",
        }
        seed_content.ensure(Path(os.environ["NEWSROOM_DATABASE"]))
        with Site(server, workers=2, proxied=True, options=OPTIONS, app="examples.newsroom.app:app") as site:
            people = People(lambda: [worker.port for worker in site.workers], seed)
            people.start()
            try:
                readings, events = _run(site, server, people, seconds, random.Random(seed))
            finally:
                people.stop()
            output = site.output
    wrong = [*grown(readings), *people.errors[:10], *(line for line in output.splitlines() if WRONG.search(line))]
    print(f"{sum(people.statuses.values())} requests {dict(people.statuses)}, {people.refused} met a restart")
    print(f"{events.edits} edits, {events.unrecorded} of them while Redis was away")
    print("The worker that is never restarted, in the median of each minute:")
    print("\n".join(f"{reading.at / 60:4.0f}  {reading}" for reading in minutes(readings)))
    print("\n".join(wrong) or "nothing wrong")
    if wrong:
        print(output[-10_000:])
    return min(1, len(wrong))


def _run(
    site: Site, server: Server, people: People, seconds: float, chance: random.Random
) -> tuple[list[Reading], Events]:
    events, readings = Events(site, server, chance), []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        told = events.happen()
        readings.append(read(site.workers[0].process.pid, passed))
        print(f"{passed:7.1f} s  {told}; {sum(people.statuses.values())} requests, {readings[-1]}", flush=True)
        time.sleep(STEP)
    for proxy in site.proxies:
        proxy.heal()
    return readings, events


if __name__ == "__main__":
    given = sys.argv[1:]
    wanted = float(given[0]) if given else SECONDS
    sys.exit(main(wanted, int(given[1]) if len(given) > 1 else random.randrange(10**6)))
