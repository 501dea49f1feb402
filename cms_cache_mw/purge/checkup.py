"""What a Redis is like to somebody who examines a deployment: version, memory, clock, latency, and the purge clock in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.core.value import Value
from cms_cache_mw.purge.survey import surveyed

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from cms_cache_mw.purge.survey import Survey

PINGS: Final = 20


class Checkup(Value, frozen=True):
    """A server in use. What it does not tell is empty, or 0."""

    server: str
    """`Redis` or `Valkey`."""
    version: str
    identified: bool
    """Whether INFO tells who it is, by which a replaced server is noticed."""
    survey: Survey
    used_bytes: int
    max_bytes: int
    evicted: int
    """Keys that had to go for lack of memory since it was started."""
    drift: float
    """Seconds that its time of day is ahead of ours."""
    latencies: tuple[float, ...]
    """Seconds that answers took, the shortest first."""
    epoch: str
    """The purge clock's history; empty where no worker has ever joined."""
    position: int
    settled: bool
    workers: int
    """Workers registered in the purge clock."""


def checked(client: Redis, meta: str, acks: str, wall: Callable[[], float]) -> Checkup:
    """A checkup over a client; `meta` and `acks` are keys of the purge clock, `wall` gives the time of day."""
    pipeline = client.pipeline(transaction=False)
    pipeline.info()
    pipeline.time()
    pipeline.hmget(meta, "epoch", "seq", "settled")
    pipeline.zcard(acks)
    client.ping()
    before = wall()
    told, instant, clock, registered = pipeline.execute(raise_on_error=False)
    middle = (before + wall()) / 2
    about: dict[str, Any] = told if isinstance(told, dict) else {}
    epoch, seq, settled = clock if isinstance(clock, list) else (None, None, None)
    ahead = instant[0] + instant[1] / 1e6 - middle if isinstance(instant, tuple) else 0.0
    valkey = "valkey_version" in about
    return Checkup(
        server="Valkey" if valkey else "Redis",
        version=str(about.get("valkey_version" if valkey else "redis_version", "")),
        identified=bool(about.get("run_id") and about.get("master_replid")),
        survey=surveyed(client),
        used_bytes=int(about.get("used_memory", 0)),
        max_bytes=int(about.get("maxmemory", 0)),
        evicted=int(about.get("evicted_keys", 0)),
        drift=ahead,
        latencies=tuple(sorted(_ping(client) for _ in range(PINGS))),
        epoch=(epoch or b"").decode(),
        position=int(seq or 0),
        settled=bool(settled),
        # One member is the mark of the epoch.
        workers=max(0, registered - 1) if isinstance(registered, int) else 0,
    )


def _ping(client: Redis) -> float:
    began = time.perf_counter()
    client.ping()
    return time.perf_counter() - began
