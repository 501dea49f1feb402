"""The history of a test and the judge of it.

One process, one monotonic clock. A read that starts after the 200 of the purge of version v has to show a version ≥ v.
"""

from __future__ import annotations

import bisect
import http.client
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Self

from tests.support.origin import versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.client import Answer, Client, Level
    from tests.support.site import Site


@dataclass(frozen=True, slots=True)
class Read:
    """One answer to one visitor, with what it stated."""

    worker: int
    path: str
    began: float
    ended: float
    level: Level | None
    versions: dict[str, int]


@dataclass(frozen=True, slots=True)
class StaleRead:
    """A broken promise: `read` shows `shown` of `name` although a purge after `acknowledged` was answered 200 before."""

    read: Read
    name: str
    shown: int
    acknowledged: int


class History:
    """Reads and acknowledged purges; any thread may add to it."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.errors: list[str] = []
        """What visitors got instead of a page: other statuses, broken connections."""
        self._acks: dict[str, list[tuple[float, int]]] = defaultdict(list)

    def read(self, client: Client, path: str, worker: int = 0) -> Answer:
        """Ask for a page and record what came; raises what the client raises."""
        began = time.monotonic()
        answer = client.get(path)
        ended = time.monotonic()
        if answer.status == 200:
            self.reads.append(Read(worker, path, began, ended, answer.level, versions(answer.body)))
        else:
            self.errors.append(f"worker {worker} answered {answer.status} for {path}")
        return answer

    def acknowledge(self, name: str, version: int) -> None:
        """Record that the purge which followed version `version` of `name` was answered 200, just now."""
        self._acks[name].append((time.monotonic(), version))

    def publish(self, site: Site, client: Client, *names: str, **fields: object) -> Answer:
        """Edit `names` at the origin, purge them as tags, and record the 200 if that is the answer."""
        edited = {name: site.store.edit(name) for name in names}
        answer = client.purge(tags=list(names), **fields)
        if answer.status == 200:
            for name, version in edited.items():
                self.acknowledge(name, version)
        return answer

    def stale(self) -> list[StaleRead]:
        """Every read that breaks the guarantee."""
        promised = {name: _ascending(acks) for name, acks in self._acks.items()}
        found = []
        for read in self.reads:
            for name, shown in read.versions.items():
                owed = _before(promised.get(name, []), read.began)
                if shown < owed:
                    found.append(StaleRead(read, name, shown, owed))
        return found

    def hits(self, *, after_ack: bool, worker: int | None = None) -> Counter[Level]:
        """Hits per level, of those reads that began after (or before) some purge of what they show was acknowledged."""
        promised = {name: _ascending(acks) for name, acks in self._acks.items()}
        counts: Counter[Level] = Counter()
        for read in self.reads:
            owed = any(_before(promised.get(name, []), read.began) for name in read.versions)
            if read.level is not None and owed == after_ack and worker in {None, read.worker}:
                counts[read.level] += 1
        return counts

    def assert_held(self) -> None:
        """Fail with the first stale reads, or where nothing was read at all."""
        assert self.reads, "nothing was read: the history proves nothing"
        stale = self.stale()
        listed = "\n".join(str(read) for read in stale[:5])
        assert not stale, f"{len(stale)} of {len(self.reads)} reads are stale:\n{listed}"


class Readers:
    """Threads that read the given pages from every worker without a pause, until the `with` ends."""

    def __init__(self, site: Site, history: History, paths: Sequence[str], per_worker: int = 1) -> None:
        self._stopping = threading.Event()
        self._history = history
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(worker.client(timeout=10.0), number, [*paths[turn:], *paths[:turn]]),
                name=f"reader-{number}-{turn}",
            )
            for number, worker in enumerate(site.workers)
            for turn in range(per_worker)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: Client, worker: int, paths: Iterable[str]) -> None:
        with client:
            for path in cycle(paths):
                if self._stopping.is_set():
                    return
                try:
                    self._history.read(client, path, worker)
                except (OSError, http.client.HTTPException) as error:
                    self._history.errors.append(f"worker {worker}: {error!r} for {path}")
                    self._stopping.wait(0.05)


def _ascending(acks: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """The acknowledgements in order of time, each with the highest version promised until then."""
    promised: list[tuple[float, int]] = []
    for at, version in sorted(acks):
        promised.append((at, max(version, promised[-1][1] if promised else 0)))
    return promised


def _before(promised: list[tuple[float, int]], instant: float) -> int:
    """The version owed to a read that began at `instant`; 0 where none is."""
    place = bisect.bisect_left(promised, (instant, 0))
    return promised[place - 1][1] if place else 0
