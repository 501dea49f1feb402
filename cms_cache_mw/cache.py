"""One process's cache: puts the parts together, starts and ends them, and is what applications purge by."""

from __future__ import annotations

import os
import threading
import time
import weakref
from importlib import import_module
from ipaddress import ip_network
from typing import TYPE_CHECKING

from blake3 import blake3

from cms_cache_mw.config import Config
from cms_cache_mw.core.cookies import Cookies
from cms_cache_mw.core.keys import Keys
from cms_cache_mw.core.tags import all_print
from cms_cache_mw.core.target import Target
from cms_cache_mw.engine import Engine
from cms_cache_mw.flight import Flights
from cms_cache_mw.levels import Levels
from cms_cache_mw.outdated import Outdated
from cms_cache_mw.purge.worker import Worker
from cms_cache_mw.purges import Purge, carried_out
from cms_cache_mw.runtime import Runtime, running_loop
from cms_cache_mw.stores.eviction import LRU
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.memory import Memory
from cms_cache_mw.stores.shared import LoopShared, ThreadShared
from cms_cache_mw.stores.ticker import boottime
from cms_cache_mw.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PURGED_BYTES = 150
"""What the worker's memory of one purge costs."""


class Cache:
    """The cache of one process. `now` and `wall` are its clocks, in seconds: one for leases and ages, one since 1970."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        now: Callable[[], float] = boottime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.config = config or Config()
        self._now, self._wall = now, wall
        self._looped: LoopShared | None
        self._threaded: ThreadShared | None
        self.worker: Worker
        if self.config.redis_url:
            # Importing it takes longer than the first request waits for a lease.
            import_module("redis.asyncio")
        self._assemble()
        os.register_at_fork(after_in_child=_forked(weakref.ref(self)))

    async def purge(
        self,
        *,
        tags: Iterable[str] = (),
        urls: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        site: str = "",
        all: bool = False,  # noqa: A002 - the contract's word
        soft: bool = False,
        grace: float = 60.0,
        wait: float = 10.0,
    ) -> Purge:
        """Make everything that depends on what is named unusable, and wait up to `wait` seconds until that is so everywhere.

        A `soft` purge leaves it usable as stale for `grace` seconds, while one render replaces it. URLs are whole, or paths on `site`, or on any site. Raises `TargetError` for a target that cannot be meant; trouble
        with Redis raises nothing and is told in the answer.
        """
        target = Target(tuple(tags), tuple(urls), tuple(prefixes), site, all)
        return await self.carry_out(target, soft=soft, grace=grace, wait=wait)

    async def carry_out(self, target: Target, *, soft: bool = False, grace: float = 60.0, wait: float = 10.0) -> Purge:
        """Purge a target, as `purge` does."""
        return await carried_out(
            self.worker,
            self.runtime,
            target.prints(self.keys.site_of, self.keys.sites),
            kind="soft" if soft else "hard",
            grace=grace,
            patience=wait,
            now=self._now,
        )

    @property
    def sure(self) -> bool:
        """Whether this worker can prove that it knows of every purge, and hence serves from its cache."""
        return self.worker.clock.holds(self._now())

    def stats(self) -> dict[str, object]:
        """Counters, memory, purge clock and Redis of this worker, for JSON."""
        state, now = self.worker.clock.state, self._now()
        return {
            "pid": os.getpid(),
            "answers": dict(self.tally.answers),
            "bypass_cookies": dict(self.tally.cookies.most_common(20)),
            "memory": {
                "bytes": self.memory.bytes,
                "max_bytes": self.memory.max_bytes,
                "entries": self.memory.items,
                "evictions": self.memory.evictions,
                "collecting_bytes": self.tally.collected,
            },
            "clock": {
                "scope": self.worker.scope,
                "epoch": f"{state.epoch:016x}",
                "position": state.pos,
                "floor": state.floor,
                "lease_ms": max(0, round(min(1e9, state.lease_until - now) * 1000)) if self.sure else 0,
                "unrecorded": self.worker.unrecorded,
                "trouble": self.worker.follower.trouble if self.worker.follower else "",
            },
            "flights": self.engine.flights.open,
            "redis": {"breaker_open": self.breaker.open, "unreadable": self.engine.levels.unreadable},
        }

    def start(self) -> None:
        """Begin to follow the purge log; a cache that serves before that is called starts by itself."""
        self.worker.start()

    async def aclose(self) -> None:
        """Stop serving from the cache, leave the registry and give back threads and connections."""
        self.worker.stop()
        await self.runtime.finish()
        for shared in (self._looped, self._threaded):
            if shared:
                await shared.close()
        self._looped = self._threaded = None

    def _assemble(self) -> None:
        config, rules = self.config, self.config.rules()
        self.keys = Keys(
            cookies=None
            if rules.literal_cookies
            else Cookies(config.ignored_cookies, config.keyed_cookies, config.anonymous_cookies),
            ignored_query=() if rules.literal_cookies else config.ignored_query,
            sites=config.sites,
            trusted=[ip_network(network) for network in config.trusted_proxies],
        )
        self.breaker = Breaker(self._now)
        self.runtime = Runtime()
        self.tally = Tally(config.max_memory_bytes // 4)
        self._looped = self._threaded = None
        self._lock = threading.Lock()
        self.memory = Memory(
            LRU(),
            max_bytes=config.max_memory_bytes,
            max_items=config.max_items_per_type,
            max_variants=rules.max_variants,
            reserved=self._reserved,
        )
        self.worker = Worker(
            config.redis_url,
            config.namespace,
            everything=all_print(),
            lease=config.lease_seconds,
            identity=config.redis_identity,
            reset=self.memory.clear,
            breaker=self.breaker,
            now=self._now,
        )
        levels = Levels(
            self.memory,
            self.worker,
            rules,
            shared=self._shared_level,
            namespace=config.namespace,
            memory_body_bytes=config.memory_body_bytes,
            secret=blake3(config.redis_secret.encode()).digest() if config.redis_secret else None,
            now=self._now,
            wall=self._wall,
        )
        self.engine = Engine(
            rules=rules,
            keys=self.keys,
            levels=levels,
            worker=self.worker,
            flights=Flights(),
            runtime=self.runtime,
            tally=self.tally,
            outdated=Outdated(
                self.worker, self.runtime, self.keys.site_of, interval=rules.purge_interval, now=self._now
            ),
            now=self._now,
            wall=self._wall,
        )

    def _reserved(self) -> int:
        """Bytes of the limit that are not for entries."""
        return self.tally.collected + PURGED_BYTES * self.worker.clock.remembered

    def _shared_level(self) -> LoopShared | ThreadShared | None:
        """The second level as it can be used here: on a loop, or on a thread."""
        url = self.config.redis_url
        if url is None:
            return None
        if running_loop() is None:
            with self._lock:
                if self._threaded is None:
                    self._threaded = ThreadShared(url, self.breaker)
            return self._threaded
        if self._looped is None or not self._looped.usable:
            self._looped = LoopShared(url, self.breaker)
        return self._looped


def _forked(cache: weakref.ref[Cache]) -> Callable[[], None]:
    """What the child of a fork does: nothing of the parent's memory, threads, connections or lease is its own."""

    def start_over() -> None:
        if alive := cache():
            alive._assemble()  # noqa: SLF001 - a function of this class in all but place

    return start_over
