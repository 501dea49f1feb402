"""One scenario on a stage: pages of its own, an editor, visitors, and the history that is judged in the end.

Demanded of every scenario (`verify`): no read that began after a 200 shows what is older; visitors got a page each time they
asked; every worker served from its memory and from Redis, before and after a purge; no worker reports an error.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from tests.faults.visitors import Quick, Visitors
from tests.support.origin import page
from tests.support.recorder import History
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from tests.faults.stage import Stage
    from tests.support.client import Answer, Client

P = ParamSpec("P")
T = TypeVar("T")

PAGES = 6
MARGIN = 1.5
"""Seconds that anything may take longer than the protocol needs, on a machine that others use."""


@dataclass(frozen=True, slots=True)
class Published:
    """What came of an edit and its purge."""

    status: int
    told: dict[str, object]
    seconds: float
    """From the call to its answer."""


class Scene:
    """A scenario. `block` is on each of `pages`, and each page has a tag of its own."""

    def __init__(self, stage: Stage) -> None:
        stage.scenes += 1
        self.stage, self.site = stage, stage.site
        self.history = History()
        self.down: set[int] = set()
        """Workers that visitors cannot reach, as the scenario wants it."""
        self.block = f"block:{stage.scenes}"
        self._numbers = count()
        self.pages = [self.page() for _ in range(PAGES)]
        self._clients = [Quick(worker.port) for worker in self.site.workers]
        self._logged = [len(worker.output) for worker in self.site.workers]
        self._journaled = len((self.site.store.folder / "journal").read_text().splitlines())
        self._editing = threading.Lock()
        self._pool = ThreadPoolExecutor(256)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for client in self._clients:
            client.close()

    def page(self, *names: str) -> str:
        """A page that nobody has asked for yet, with the block and more if wished."""
        return page(self.block, *names, f"page:{self.stage.scenes}-{next(self._numbers)}")

    def read(self, worker: int, path: str) -> Answer:
        """Ask a worker for a page, for the history."""
        return self.history.read(self._clients[worker], path, worker)

    def in_memory(self, worker: int, path: str) -> bool:
        """Whether a worker answers from its memory."""
        return self.read(worker, path).level == "memory"

    def visit(self, worker: int, path: str) -> Future[Answer]:
        """The same from a connection of its own, in the background; it may take long."""

        def visit() -> Answer:
            with self.site.workers[worker].client() as client:
                return self.history.read(client, path, worker)

        return self.later(visit)

    def stored(self) -> tuple[str, bytes]:
        """A page that worker 0 has rendered, and its name in Redis."""
        path, before = self.page(), self._entries()
        self.read(0, path)
        until(lambda: len(self._entries()) > len(before), f"{path} is in Redis")
        return path, (self._entries() - before).pop()

    def later(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin something in the background."""
        return self._pool.submit(work, *args, **kwargs)

    def publish(self, *names: str, by: int = 0, **fields: object) -> Published:
        """Edit the block, or what is named, and purge it through a worker; a 200 goes into the history."""
        with self.site.workers[by].client() as client:
            return self.published(client, *names or (self.block,), **fields)

    def published(self, client: Client, *names: str, **fields: object) -> Published:
        """The same through a client."""
        with self._editing:
            edited = {name: self.site.store.edit(name) for name in names}
        began = time.monotonic()
        answer = client.purge(tags=list(names), **fields)
        seconds = time.monotonic() - began
        if answer.status == 200:
            for name, version in edited.items():
                self.history.acknowledge(name, version)
        return Published(answer.status, answer.json(), seconds)

    def publish_done(self, *names: str, by: int = 0, within: float = MARGIN) -> Published:
        """Publish, and demand a 200 within some seconds."""
        published = self.publish(*names, by=by)
        assert published.status == 200, published
        assert published.seconds < within, published
        return published

    @contextmanager
    def visitors(self, *paths: str, pause: float = 0.002) -> Iterator[Visitors]:
        """Visitors of every worker, for as long as the block runs."""
        with Visitors(self.site, self.history, paths or self.pages, self.down, pause=pause) as visitors:
            yield visitors

    def kill(self, worker: int) -> None:
        """Kill a worker (SIGKILL)."""
        self.down.add(worker)
        self.site.workers[worker].kill()

    def revive(self, worker: int) -> None:
        """Start a worker that was killed."""
        self.site.workers[worker].start()
        self.down.discard(worker)

    def cached(self, within: float = 5.0) -> float:
        """Demand that every worker serves from Redis and then from memory, pages it never saw; gives the seconds it took."""
        began = time.monotonic()
        workers = [number for number in range(len(self.site.workers)) if number not in self.down]
        for worker in workers:
            other = next((number for number in workers if number != worker), worker)
            cached = partial(self._is_cached, worker, other)
            until(cached, f"worker {worker} serves from Redis and from memory", within)
        return time.monotonic() - began

    def warm(self) -> None:
        """Have every page in every worker's memory, and demand hits from both levels."""
        self.cached()
        for worker in range(len(self.site.workers)):
            for path in self.pages:
                until(partial(self.in_memory, worker, path), f"{path} in worker {worker}")

    def verify(self) -> None:
        """Demand what is demanded of every scenario."""
        self.history.assert_held()
        assert not self.history.errors, self.history.errors[:5]
        for worker in range(len(self.site.workers)):
            for after_ack in (False, True):
                hits = self.history.hits(after_ack=after_ack, worker=worker)
                assert hits["memory"], f"no hit from memory, worker {worker}, {after_ack=}"
                assert hits["shared"], f"no hit from Redis, worker {worker}, {after_ack=}"
            reported = self.reported(worker)
            assert "Traceback" not in reported, reported[-3000:]
            assert " ERROR " not in reported, reported[-3000:]

    def reported(self, worker: int) -> str:
        """What a worker has written since the scenario began."""
        return self.site.workers[worker].output[self._logged[worker] :]

    def journal(self) -> list[tuple[str, str, str]]:
        """What renders did since the scenario began: the event, the process, the page."""
        lines = (self.site.store.folder / "journal").read_text().splitlines()[self._journaled :]
        return [(event, process, path) for event, process, path in map(str.split, lines)]

    def slowest(self, worker: int) -> float:
        """Seconds that the slowest read from a worker took."""
        return max(read.ended - read.began for read in self.history.reads if read.worker == worker)

    def _entries(self) -> set[bytes]:
        return {name for name in self.stage.redis.keys("cms:rendered:*") if isinstance(name, bytes)}

    def _is_cached(self, worker: int, other: int) -> bool:
        for wait in (0.002, 0.01, 0.03):
            path = self.page()
            self.read(other, path)
            # A page is written to Redis off the visitor's path, a moment after the answer.
            time.sleep(wait)
            if self.read(worker, path).level == "shared":
                return self.in_memory(worker, path)
        return False
