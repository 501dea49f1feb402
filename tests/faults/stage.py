"""The processes of a fault scenario: one server, a site of several workers, each with a proxy in front of Redis.

Starting them takes longer than most scenarios, so that a stage is used again: whatever was done to it, `restore` brings back
servers, workers and connections, and returns when every worker serves from its cache.
"""

from __future__ import annotations

import http.client
import os
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
from redis.exceptions import ResponseError

from tests.faults.levers import Levers
from tests.support.server import Server
from tests.support.site import TOKEN, Site
from tests.support.wait import until

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.server import Kind

LEASE = 0.8
"""Seconds of a lease on these stages."""
KIND = cast("Kind", os.environ.get("FAULTS_SERVER", "valkey"))
LONG = os.environ.get("FAULTS") == "long"
"""Whether the long scenarios are asked for."""
slow = pytest.mark.skipif(not LONG, reason="takes more than 15 s: `make chaos` runs it, or FAULTS=long")
APP = "tests.faults.app:app"


class Stage:
    """A server and a site, started when first needed. Without a `url` each worker has a proxy in front of the server."""

    def __init__(
        self, *, workers: int = 2, app: str = APP, server: Server | None = None, url: str | None = None
    ) -> None:
        self.server = server or Server(KIND)
        options = {"LEASE_SECONDS": str(LEASE), "MAX_MEMORY_MB": "32"} | ({"REDIS_URL": url} if url else {})
        self.site = Site(self.server, workers=workers, proxied=url is None, options=options, app=app)
        self.levers = Levers(self.site.store.folder)
        self.scenes = 0
        """Scenarios played here so far."""
        self.in_charge = self.server
        """Where the workers find the purge clock."""
        self._redis: Redis | None = None

    def __enter__(self) -> Self:
        try:
            self.restore()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def redis(self) -> Redis:
        """A client of the server in charge, by a way of its own."""
        if self._redis is None:
            self._redis = self.in_charge.client()
        return self._redis

    def follow(self, server: Server, *workers: int) -> None:
        """Send the workers (none named: all) to another server, as an address does that moves with the primary."""
        self.in_charge, self._redis = server, None
        for number in workers or range(len(self.site.proxies)):
            self.site.proxies[number].target = ("127.0.0.1", server.port)
            self.site.proxies[number].cut()

    def restore(self) -> None:
        """Undo what a scenario has done, and return when every worker serves from its cache."""
        self.levers.clear()
        self.restore_servers()
        for proxy in self.site.proxies:
            proxy.heal()
        for worker in self.site.workers:
            if worker.alive:
                worker.resume()
            else:
                worker.launch()
        for worker in self.site.workers:
            worker.wait_until_ready()
        until(self.sure, "every worker holds a lease and reaches Redis", 20)

    def sure(self) -> bool:
        """Whether every worker holds a lease in a settled epoch, and asks Redis for entries."""
        return bool(self.meta(b"settled")) and all(self.holds(number) for number in range(len(self.site.workers)))

    def holds(self, worker: int) -> bool:
        """Whether a worker holds a lease and asks Redis for entries."""
        stats = self.stats(worker)
        return bool(stats["clock"]["lease_ms"]) and not stats["redis"]["breaker_open"]

    def stats(self, worker: int) -> dict[str, Any]:
        """What a worker says of itself."""
        with self.site.workers[worker].client() as client:
            return client.ask("GET", "/_cache/stats", headers={"authorization": f"Bearer {TOKEN}"}).json()

    def meta(self, field: bytes) -> bytes | None:
        """A field of the purge clock, from Redis; `None` where that is damaged."""
        try:
            return cast("bytes | None", self.redis.hget(self.control("meta"), field.decode()))
        except ResponseError:
            return None

    def epoch(self) -> bytes:
        """The present epoch, from Redis; empty where there is none."""
        return self.meta(b"epoch") or b""

    def seq(self) -> int:
        """The number of the last purge, from Redis."""
        return int(self.meta(b"seq") or 0)

    def cut_clients(self) -> None:
        """Let Redis end the connections of all its clients but ours."""
        self.redis.client_kill_filter(_type="normal", skipme=True)

    @staticmethod
    def control(part: str) -> str:
        """The name of a key of the purge clock."""
        return f"{{cms}}:clock:{part}"

    def close(self) -> None:
        """End all processes and remove what they left."""
        self.site.close()
        self.server.close()

    def restore_servers(self) -> None:
        """Have the server run, as it was made."""
        if self.in_charge is not self.server:
            # What it missed while another was in charge it would never learn.
            self.server.restart_empty()
            self.follow(self.server)
        elif not self.server.alive:
            self.server.start()
        self.server.resume()
        self.redis.client_unpause()
        for name, value in _SETTINGS.items():
            self.redis.config_set(name, value)


_SETTINGS: dict[str, str | int] = {
    "maxmemory": 0,
    "maxmemory-policy": "noeviction",
    "min-replicas-to-write": 0,
    "min-replicas-max-lag": 10,
}
BROKEN = (OSError, http.client.HTTPException)
"""What a visitor sees of a worker that is not there."""
