"""What a purge costs, with eight workers in this process and a real Valkey, and what it adds to a hit."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.purge.worker import Worker
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.lru import LRU
from cms_cache_mw.stores.memory import Budget, Memory
from cms_cache_mw.stores.ticker import boottime
from tests.bench.figure import Figure, interleaved, percentile
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 8
PURGES = 300
DEPENDENTS = 500_000
READS = 1_000
"""Reads a second, of a purged tag among others, in the process that also holds all followers."""


def measure() -> Iterator[Figure]:
    """The figures of purging."""
    with Server() as server:
        workers = [_worker(server.url) for _ in range(WORKERS)]
        try:
            yield from _latency(server, workers)
            yield from _dependents(workers)
            yield from _fresh(server.url, workers)
        finally:
            for worker in workers:
                worker.stop()
    yield from _check()


def _worker(url: str) -> Worker:
    worker = Worker(url, "bench", everything=1, lease=3.0, reset=lambda: None, breaker=Breaker())
    worker.start()
    assert worker.follower is not None
    worker.follower.leased.result(5)
    return worker


def _purged(worker: Worker, tag: int) -> float:
    began = boottime()
    ticket = worker.purge([tag])
    ticket.done.result(30)
    return boottime() - began


def _settle(workers: list[Worker]) -> None:
    """Wait until acknowledgements prove something: the first purge of a new epoch waits for the leases before it."""
    for _ in range(4):
        _purged(workers[0], 2)
        time.sleep(1)


def _latency(server: Server, workers: list[Worker]) -> Iterator[Figure]:
    _settle(workers)
    client: Any = server.client()
    client.config_resetstat()
    idle = [_paced(workers, number) for number in range(PURGES)]
    yield Figure("purge to 200, 8 workers idle, median", percentile(idle, 0.5) * 1000, "ms", 5)
    spent = client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"]
    yield Figure("Redis time of a purge or a renewal, mean", spent, "µs", 50)
    stop = threading.Event()
    reader = threading.Thread(target=_read, args=(workers, stop))
    reader.start()
    try:
        busy = [_paced(workers, number) for number in range(PURGES)]
    finally:
        stop.set()
        reader.join()
    yield Figure("purge to 200 under 1,000 reads a second, 99th percentile", percentile(busy, 0.99) * 1000, "ms", 100)


def _paced(workers: list[Worker], number: int) -> float:
    time.sleep(0.005)
    return _purged(workers[number % WORKERS], 100 + number)


def _read(workers: list[Worker], stop: threading.Event) -> None:
    entries = [_entry(worker, tag) for worker in workers for tag in range(100, 120)]
    while not stop.wait(1 / READS):
        for place, worker in enumerate(workers):
            worker.clock.check(entries[place], boottime())


def _entry(worker: Worker, tag: int, size: int = 200) -> Entry:
    epoch, pos = worker.clock.token
    return Entry(200, (), b"x" * size, Freshness(300), boottime(), epoch, pos, (1, tag))


def _dependents(workers: list[Worker]) -> Iterator[Figure]:
    """One worker holds half a million pages with a tag; a purge of it takes as long as one of a tag of a single page."""
    memory = Memory(LRU(), Budget(2_000_000_000), max_items=DEPENDENTS)
    for number in range(DEPENDENTS):
        memory.put((b"http", b"h", b"/%d" % number, b""), _entry(workers[0], 7))
    many, one = [], []
    for _ in range(100):
        many.append(_purged(workers[0], 7))
        one.append(_purged(workers[0], 8))
        time.sleep(0.005)
    ratio = percentile(many, 0.5) / percentile(one, 0.5)
    yield Figure(f"purge of a tag of {DEPENDENTS:,} pages against one page", ratio, "x", 2)


def _fresh(url: str, workers: list[Worker]) -> Iterator[Figure]:
    """A process that has just started and never served, such as a command line."""
    alone = [Worker(url, "bench", everything=1, lease=3.0, reset=lambda: None, breaker=Breaker()) for _ in range(20)]
    first = [_purged(worker, 9) for worker in alone]
    for worker in alone:
        worker.stop()
    usual = [_purged(workers[0], 9) for _ in range(20)]
    ratio = percentile(first, 0.5) / percentile(usual, 0.5)
    yield Figure("first purge of a process that only purges, against a worker's", ratio, "x", 5)


def _check() -> Iterator[Figure]:
    """What the clock adds to a hit, in units of an empty call, and in nanoseconds for orientation."""
    clock = Worker(None, "bench", everything=1, lease=3.0, reset=lambda: None, breaker=Breaker()).clock
    epoch, pos = clock.token
    prints = tuple(range(1_000, 1_020))
    clock.state.pos += 1
    current = Entry(200, (), b"", Freshness(300), 0.0, epoch, pos + 1, prints)
    old = Entry(200, (), b"", Freshness(300), 0.0, epoch, pos, prints)

    def all_tags() -> None:
        old.base = pos
        clock.check(old, 1.0)

    works = (lambda: None, lambda: clock.check(current, 1.0), all_tags)
    nothing, unchanged, tags = interleaved(*works, calls=20_000)
    yield Figure("serving check, nothing purged since", (unchanged - nothing) * 1e6, "µs", 0.3)
    yield Figure("serving check after a purge, once, for each tag", (tags - nothing) / len(prints) * 1e9, "ns", 80)
