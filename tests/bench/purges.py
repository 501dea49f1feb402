"""What a purge costs, with eight workers and a real Valkey, and what it adds to a hit."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.purge.link import Link
from cms_cache_mw.purge.wire import packed
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
LEASE = 3.0
PURGES = 300
DEPENDENTS = 500_000
READS = 1_000
"""Reads a second in all processes, of a purged tag among others."""
CALLS = 3_000
LINE = b'{"type":"begun","kind":"hard","who":"admin","reason":"","names":["page:7"],"named":1,"render_ms":0.0}'


def measure() -> Iterator[Figure]:
    """The figures of purging."""
    with Server() as server:
        worker = _worker(server.url)
        try:
            yield from _latency(server, worker)
            yield from _dependents(worker)
            yield from _fresh(server.url, worker)
        finally:
            worker.stop()
        yield from _redis_time(server)
    yield from _check()


def _worker(url: str) -> Worker:
    worker = Worker(url, "bench", everything=1, lease=LEASE, reset=lambda: None, breaker=Breaker())
    worker.start()
    assert worker.follower is not None
    worker.follower.leased.result(5)
    return worker


def _purged(worker: Worker, tag: int) -> float:
    began = boottime()
    ticket = worker.purge([tag])
    ticket.done.result(30)
    return boottime() - began


def _settle(worker: Worker) -> None:
    """Wait until acknowledgements prove something: the first purge of a new epoch waits for the leases before it."""
    for _ in range(4):
        _purged(worker, 2)
        time.sleep(1)


def _latency(server: Server, worker: Worker) -> Iterator[Figure]:
    """Seven workers in processes of their own, as a server has them, and this one, which purges."""
    with ExitStack() as ended:
        others = [ended.enter_context(_process(server.url)) for _ in range(WORKERS - 1)]
        _settle(worker)
        idle = [_paced(worker, number) for number in range(PURGES)]
        yield Figure("purge to 200, 8 workers idle, median", percentile(idle, 0.5) * 1000, "ms", 5)
        for other in others:
            _tell(other, "read")
        busy = [_paced(worker, number) for number in range(PURGES)]
        yield Figure(
            "purge to 200 under 1,000 reads a second, 99th percentile", percentile(busy, 0.99) * 1000, "ms", 100
        )
        others[0].kill()
        others[0].wait()
        met = _purged(worker, 2) - LEASE
        yield Figure("purge that meets a killed worker, beyond its lease", met * 1000, "ms", 100)
        yield Figure("the purge after that one", _purged(worker, 2) * 1000, "ms", 100)


def _redis_time(server: Server) -> Iterator[Figure]:
    """What Redis spends on one, with nobody else at work on the processors."""
    client: Any = server.client()
    link = Link(server.url, "bench", timeout=1.0)
    joined = link.join(0, 0, b"", LEASE)
    place = joined.epoch, joined.seq, joined.tip
    for what, call in (
        ("renewal", lambda: link.renew(*place, b"bench", lease=LEASE)),
        ("purge", lambda: link.purge(packed([7]), kind="hard", line=LINE)),
    ):
        call()
        client.config_resetstat()
        for _ in range(CALLS):
            call()
        spent = client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"]
        yield Figure(f"Redis time of a {what}, mean", spent, "µs", 50)
    link.close()


@contextmanager
def _process(url: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own that follows, and reads once it is told to."""
    command = [sys.executable, "-m", "tests.bench.purges", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "leased\n"
        yield process
        if process.poll() is None:
            _tell(process, "end")


def _tell(process: subprocess.Popen[str], what: str) -> None:
    assert process.stdin
    process.stdin.write(f"{what}\n")
    process.stdin.flush()


def _serve(url: str) -> None:
    """Follow purges, and after a line of input read, until the next."""
    worker = _worker(url)
    sys.stdout.write("leased\n")
    sys.stdout.flush()
    stop = threading.Event()
    reader = threading.Thread(target=_read, args=(worker, stop))
    for line in sys.stdin:
        if line == "end\n":
            break
        reader.start()
    stop.set()
    worker.stop()


def _read(worker: Worker, stop: threading.Event) -> None:
    entries = [_entry(worker, tag) for tag in range(100, 120)]
    number = 0
    while not stop.wait(WORKERS / READS):
        number += 1
        worker.clock.check(entries[number % len(entries)], boottime())


def _paced(worker: Worker, number: int) -> float:
    time.sleep(0.005)
    return _purged(worker, 100 + number)


def _entry(worker: Worker, tag: int, size: int = 200) -> Entry:
    epoch, pos = worker.clock.token
    return Entry(200, (), b"x" * size, Freshness(300), boottime(), epoch, pos, (1, tag))


def _dependents(worker: Worker) -> Iterator[Figure]:
    """One worker holds half a million pages with a tag; a purge of it takes as long as one of a tag of a single page."""
    memory = Memory(LRU(), Budget(2_000_000_000), max_items=DEPENDENTS)
    for number in range(DEPENDENTS):
        memory.put((b"http", b"h", b"/%d" % number, b""), _entry(worker, 7))
    many, one = [], []
    for _ in range(100):
        many.append(_purged(worker, 7))
        one.append(_purged(worker, 8))
        time.sleep(0.005)
    ratio = percentile(many, 0.5) / percentile(one, 0.5)
    yield Figure(f"purge of a tag of {DEPENDENTS:,} pages against one page", ratio, "x", 2)


def _fresh(url: str, worker: Worker) -> Iterator[Figure]:
    """A process that has just started and never served, such as a command line."""
    alone = [Worker(url, "bench", everything=1, lease=LEASE, reset=lambda: None, breaker=Breaker()) for _ in range(20)]
    first = [_purged(each, 9) for each in alone]
    for each in alone:
        each.stop()
    usual = [_purged(worker, 9) for _ in range(20)]
    ratio = percentile(first, 0.5) / percentile(usual, 0.5)
    yield Figure("first purge of a process that only purges, against a worker's", ratio, "x", 5, checked=False)


def _check() -> Iterator[Figure]:
    """What the clock adds to a hit, in units of an empty call, and in nanoseconds for orientation."""
    clock = Worker(None, "bench", everything=1, lease=LEASE, reset=lambda: None, breaker=Breaker()).clock
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


if __name__ == "__main__":
    _serve(sys.argv[1])
