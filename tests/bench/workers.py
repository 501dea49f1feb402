"""What hits cost with 1 to 8 workers under one listener, with a real Valkey: requests a second and processor time, beside one worker.

The servers stand at the same time and are asked in short turns. On two processors, which `wrk` and Valkey share, more workers than
two cannot answer more; what is seen is whether each of them makes a hit dearer. Nothing here is checked, as in `servers`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from cms_cache_mw import CacheMiddleware, Config
from tests.bench.figure import Figure
from tests.bench.servers import _asked, _free_port, _python_server, _started, asgi_bare
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

WORKERS = (1, 2, 4, 8)
ROUNDS, CONNECTIONS = 7, 64
GOAL = 1.25
"""How many times one worker's processor time a hit may take with several."""


def asgi_ours() -> ASGIApp:
    """An application behind the cache, in a worker of several."""
    return CacheMiddleware(asgi_bare(), Config(redis_url=os.environ["BENCH_REDIS_URL"], warm_on_start=False))


def measure() -> Iterator[Figure]:
    """The figures of the servers that are installed; none without `wrk`."""
    if not shutil.which("wrk"):
        return
    for server in ("granian", "uvicorn"):
        yield from _scaled(server)


def _scaled(server: str) -> Iterator[Figure]:
    spent: dict[int, list[float]] = {count: [] for count in WORKERS}
    rates: dict[int, list[float]] = {count: [] for count in WORKERS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(Server())
        sessions = {count: _standing(stack, folder, server, count, redis.url) for count in WORKERS}
        for _ in range(ROUNDS):
            for count, (port, session) in sessions.items():
                seconds, rate = _asked(port, session, CONNECTIONS)
                spent[count].append(seconds)
                rates[count].append(rate)
    for count in WORKERS:
        yield Figure(f"{server}, {count} workers: processor time of a hit", min(spent[count]) * 1e6, "µs", float("inf"))
        yield Figure(
            f"{server}, {count} workers: thousand hits a second",
            max(rates[count]) / 1e3,
            "k",
            float("inf"),
            checked=False,
        )
    for count in WORKERS[1:]:
        dearer = median(each / one for each, one in zip(spent[count], spent[1], strict=True))
        more = median(each / one for each, one in zip(rates[count], rates[1], strict=True))
        yield Figure(f"{server}, {count} workers: processor time, in that of 1", dearer, "x", GOAL, checked=False)
        yield Figure(f"{server}, {count} workers: hits a second, in those of 1", more, "x", float("inf"), checked=False)


def _standing(stack: ExitStack, folder: Path, server: str, count: int, url: str) -> tuple[int, int]:
    """Port and session of one server with so many workers, each of which has the page in memory by then."""
    port, kind = _free_port(), "uvicorn" if server == "uvicorn" else "asgi"
    command = _python_server(kind, "tests.bench.workers:asgi_ours", port, count)
    there = {"BENCH_REDIS_URL": url}
    return port, _started(stack, folder, f"{server}-{count}", port, command, there=there)
