"""One process's cache: puts the parts together, starts and ends them, and is what applications purge by."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from contextlib import contextmanager
from importlib import import_module
from ipaddress import ip_network
from typing import TYPE_CHECKING

from blake3 import blake3

from cms_cache_mw.collecting import Collector, collecting, gather
from cms_cache_mw.config import Config
from cms_cache_mw.core.cookies import Cookies
from cms_cache_mw.core.keys import Keys, family
from cms_cache_mw.core.tags import all_print
from cms_cache_mw.core.target import Target
from cms_cache_mw.decorator import register, serving
from cms_cache_mw.depot import Depot
from cms_cache_mw.engine import Engine
from cms_cache_mw.flight import Flights
from cms_cache_mw.fragments import Fragments
from cms_cache_mw.levels import Levels
from cms_cache_mw.merging import Merging
from cms_cache_mw.namespaces import NAMES, Namespace, Namespaces
from cms_cache_mw.outdated import Outdated
from cms_cache_mw.purge.worker import Worker
from cms_cache_mw.purges import Purge, carried_out
from cms_cache_mw.runtime import Runtime, drive, running_loop
from cms_cache_mw.stores.eviction import LRU
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.memory import Budget, Memory
from cms_cache_mw.stores.shared import LoopShared, ThreadShared
from cms_cache_mw.stores.ticker import boottime
from cms_cache_mw.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
        atexit.register(_ended, weakref.ref(self))
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
            target.prints(self.keys.site_of, self.keys.sites, self.keys.query_of),
            kind="soft" if soft else "hard",
            grace=grace,
            patience=wait,
            now=self._now,
        )

    async def block_changed(self, id: str | int, *, wait: float = 10.0) -> Purge:  # noqa: A002 - the contract's word
        """A block was edited: its fragment and everything that shows it are purged, on whatever level it is contained."""
        return await self.purge(tags=[f"block:{id}"], wait=wait)

    async def template_changed(self, id: str | int, *, wait: float = 10.0) -> Purge:  # noqa: A002 - the same
        """A template was edited: its fragment and everything rendered with it are purged."""
        return await self.purge(tags=[f"template:{id}"], wait=wait)

    async def page_changed(self, id: str | int, *, wait: float = 10.0) -> Purge:  # noqa: A002 - the same
        """A page was edited: its fragment, its rendered versions and everything that shows part of it are purged."""
        return await self.purge(tags=[f"page:{id}"], wait=wait)

    async def translation_changed(
        self,
        language: str,
        *,
        page_id: str | int | None = None,
        block_id: str | int | None = None,
        wait: float = 10.0,
    ) -> Purge:
        """A translation was edited: the versions in that language of a page, of what shows a block, or of everything."""
        named = {"page": page_id, "block": block_id}
        tags = [f"{kind}:{id_}@{language}" for kind, id_ in named.items() if id_ is not None]
        return await self.purge(tags=tags or [f"lang:{language}"], wait=wait)

    @property
    def blocks(self) -> Namespace:
        """Fragments called `block:ID`."""
        return self.namespaces["blocks"]

    @property
    def pages(self) -> Namespace:
        """Fragments called `page:ID`: parts that belong to one page."""
        return self.namespaces["pages"]

    @property
    def templates(self) -> Namespace:
        """Fragments called `template:ID`, such as compiled templates."""
        return self.namespaces["templates"]

    @property
    def rendered(self) -> Namespace:
        """Fragments of other names, beside the rendered pages."""
        return self.namespaces["rendered"]

    @contextmanager
    def rendering(self, collector: Collector) -> Iterator[None]:
        """While the block runs, what is rendered here is ours: dependencies gather in `collector`, fragments are kept here."""
        token = serving.set(self.namespaces)
        try:
            with collecting(collector):
                yield
        finally:
            serving.reset(token)

    def enter(self, collector: Collector) -> None:
        """The same for the rest of the context it is called in."""
        serving.set(self.namespaces)
        gather(collector)

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
                "bytes": self.budget.used,
                "max_bytes": self.budget.max_bytes,
                "collecting_bytes": self.tally.collected,
                "namespaces": {
                    name: {"entries": memory.items, "bytes": memory.bytes, "evictions": memory.evictions}
                    for name, memory in self.memories.items()
                },
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
            "redis": {"breaker_open": self.breaker.open, "unreadable": self.engine.levels.depot.unreadable},
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

    def close(self) -> None:
        """Stop serving from the cache, leave the registry and end the threads; for synchronous callers and at exit."""
        self.worker.stop()
        if running_loop() is None:
            drive(self.runtime.finish())

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
        self.budget = Budget(config.max_memory_bytes, self._reserved)
        self.memories = {
            name: Memory(
                LRU(),
                self.budget,
                max_items=config.max_items_per_type,
                max_variants=rules.max_variants,
                family=family if name == "rendered" else lambda _: None,
            )
            for name in NAMES
        }
        self.worker = Worker(
            config.redis_url,
            config.namespace,
            everything=all_print(),
            lease=config.lease_seconds,
            identity=config.redis_identity,
            reset=self._reset,
            breaker=self.breaker,
            now=self._now,
        )
        depot = Depot(
            self.worker,
            self._shared_level,
            config.namespace,
            secret=blake3(config.redis_secret.encode()).digest() if config.redis_secret else None,
            now=self._now,
            wall=self._wall,
        )
        flights, clock = Flights(), self.worker.clock
        # Without Redis there is no other place for large bodies.
        memory_body_bytes = config.memory_body_bytes if config.redis_url else config.max_body_bytes
        levels = Levels(
            self.memories["rendered"], depot, clock, rules, memory_body_bytes=memory_body_bytes, now=self._now
        )
        fragments = Fragments(
            clock,
            depot,
            Merging(flights, self.runtime, clock, self._now),
            self.tally,
            memory_body_bytes=memory_body_bytes,
            now=self._now,
            spawn=self.runtime.spawn,
        )
        self.namespaces = Namespaces(fragments, self.memories, config.ttl_of)
        register(self.namespaces)
        self.engine = Engine(
            rules=rules,
            keys=self.keys,
            levels=levels,
            worker=self.worker,
            flights=flights,
            runtime=self.runtime,
            tally=self.tally,
            outdated=Outdated(self.worker, self.runtime, self.keys, interval=rules.purge_interval, now=self._now),
            now=self._now,
            wall=self._wall,
        )

    def _reset(self) -> None:
        for memory in self.memories.values():
            memory.clear()

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


def _ended(cache: weakref.ref[Cache]) -> None:
    """At the end of the process: a worker that says goodbye is waited for by no purge."""
    if alive := cache():
        alive.close()
