"""What hits cost with 1 to 8 workers of granian, with a real Valkey, beside its bare application with as many.

The servers stand at the same time and are asked in short turns. On two processors, which `wrk` and Valkey share, more workers cannot
answer more; what is seen is whether they make a hit dearer than a bare request. Nothing here is checked, as in `servers`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from math import inf
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.request import urlopen

from cms_cache_mw import CacheMiddleware, Config
from tests.bench.figure import Figure
from tests.bench.servers import _asked, _free_port, _python_server, _started, asgi_bare
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

WORKERS = (1, 2, 4, 8)
APPS = {"ours": "tests.bench.workers:asgi_ours", "bare": "tests.bench.servers:asgi_bare"}
ROUNDS, CONNECTIONS = 5, 64


def asgi_ours() -> ASGIApp:
    """An application behind the cache, in a worker of several."""
    return CacheMiddleware(asgi_bare(), Config(redis_url=os.environ["BENCH_REDIS_URL"], warm_on_start=False))


def measure() -> Iterator[Figure]:
    """The figures of granian's workers; none without `wrk`."""
    if not shutil.which("wrk"):
        return
    spent: dict[tuple[str, int], list[float]] = {(which, count): [] for count in WORKERS for which in APPS}
    rates: dict[tuple[str, int], list[float]] = {standing: [] for standing in spent}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(Server())
        sessions = {standing: _standing(stack, folder, *standing, redis.url) for standing in spent}
        for _ in range(ROUNDS):
            for standing, (port, session) in sessions.items():
                seconds, rate = _asked(port, session, CONNECTIONS)
                spent[standing].append(seconds)
                rates[standing].append(rate)
    for (which, count), times in spent.items():
        name = f"granian, {which}, {count} workers"
        yield Figure(f"{name}: processor time of a request", min(times) * 1e6, "µs", inf)
        yield Figure(f"{name}: thousand requests a second", max(rates[which, count]) / 1e3, "k", inf, checked=False)
        more = _compared(rates[which, count], rates[which, 1])
        yield Figure(f"{name}: requests a second, in those of 1", more, "x", inf, checked=False)
    for count in WORKERS:
        dearer = _compared(spent["ours", count], spent["bare", count])
        yield Figure(f"granian, {count} workers: a hit in bare applications", dearer, "x", 1 / 0.87, checked=False)


def _compared(these: list[float], those: list[float]) -> float:
    return median(this / that for this, that in zip(these, those, strict=True))


def _standing(stack: ExitStack, folder: Path, which: str, count: int, url: str) -> tuple[int, int]:
    """Port and session of a server with so many workers; behind the cache it answers from memory by then."""
    port = _free_port()
    command = _python_server("asgi", APPS[which], port, count)
    session = _started(stack, folder, f"{which}-{count}", port, command, there={"BENCH_REDIS_URL": url})
    with urlopen(f"http://127.0.0.1:{port}/page") as answer:
        assert which == "bare" or "; hit;" in answer.headers["cache-status"], answer.headers["cache-status"]
    return port, session
