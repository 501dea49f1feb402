"""One process's cache: puts the parts together, starts and ends them, and is what applications purge by."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from cms_cache_mw.assembly import Parts
from cms_cache_mw.changes import Changes
from cms_cache_mw.collecting import Collector, collecting, gather
from cms_cache_mw.config import Config
from cms_cache_mw.core.language import purged_with
from cms_cache_mw.core.target import Target
from cms_cache_mw.fragments.decorator import forget, register, serving
from cms_cache_mw.hold import Hold
from cms_cache_mw.purge.ledger import Motive
from cms_cache_mw.purges import Purge, carried_out, stands
from cms_cache_mw.runtime import drive, running_loop
from cms_cache_mw.siblings import notice
from cms_cache_mw.stores.ticker import boottime
from cms_cache_mw.switching.switches import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cms_cache_mw.explaining.preview import Preview
    from cms_cache_mw.fragments.namespaces import Namespace
    from cms_cache_mw.switching.switches import SwitchOrder
    from cms_cache_mw.warmth.renewal import Application


class Cache(Changes):
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
        self._noticed = False
        self.application: Application | None = None
        """What pages are rendered by in the background; set by the middleware."""
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
        who: str = "",
        reason: str = "",
    ) -> Purge:
        """Make everything that depends on what is named unusable, and wait up to `wait` seconds until that is so everywhere.

        A `soft` purge leaves it usable as stale for `grace` seconds, while one render replaces it. URLs are
        whole, or paths on `site`, or on any site. `who` purges, and for what `reason`, is put into the purge log. Raises
        `TargetError` for a target that cannot be meant; trouble with Redis raises nothing and is told in the answer.
        """
        target = Target.named(tags, urls, prefixes, site, everything=all)
        return await self.carry_out(target, soft=soft, grace=grace, wait=wait, who=who, reason=reason)

    def purge_sync(
        self,
        *,
        tags: Iterable[str] = (),
        urls: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        site: str = "",
        all: bool = False,  # noqa: A002 - the contract's word
        soft: bool = False,
        grace: float = 60.0,
        wait: float = 1.0,
        who: str = "",
        reason: str = "",
    ) -> Purge:
        """`purge` for synchronous callers: scripts, and functions that run on commit. `RuntimeError` on a running loop's thread."""
        target = Target.named(tags, urls, prefixes, site, everything=all)
        return self.carry_out_sync(target, soft=soft, grace=grace, wait=wait, who=who, reason=reason)

    def hold(self, *, wait: float = 1.0) -> Hold:
        """Purges to be made when a transaction commits: `async with cache.hold() as held: held.purge(tags=[…])`."""
        return Hold(self, wait)

    async def carry_out(
        self,
        *targets: Target,
        soft: bool = False,
        grace: float = 60.0,
        wait: float = 10.0,
        who: str = "",
        reason: str = "",
    ) -> Purge:
        """Purge targets, under one number."""
        prints = frozenset[int]().union(*map(self.prints, targets))
        entries, render_ms = self.parts.counting.counted(prints)
        return await carried_out(
            self.worker,
            self.runtime,
            prints,
            motive=Motive(who, reason, entries, render_ms),
            kind="soft" if soft else "hard",
            grace=grace,
            names=[name for target in targets for name in target.names],
            patience=wait,
            now=self._now,
        )

    def carry_out_sync(
        self,
        *targets: Target,
        soft: bool = False,
        grace: float = 60.0,
        wait: float = 1.0,
        who: str = "",
        reason: str = "",
    ) -> Purge:
        """The same for synchronous callers."""
        if running_loop():
            raise RuntimeError("an event loop runs on this thread and would stand still: use `await cache.purge(…)`")
        return drive(self.carry_out(*targets, soft=soft, grace=grace, wait=wait, who=who, reason=reason))

    def prints(self, target: Target) -> frozenset[int]:
        """The fingerprints of a target on this cache's sites; raises `TargetError`."""
        keys = self.parts.keys
        return target.prints(keys.site_of, keys.sites, keys.query_of) | purged_with(target.tags)

    async def preview(self, *targets: Target) -> Preview:
        """What purging these targets would take with it, by this worker's memory and, where it can be had, the index in Redis."""
        return await self.parts.census.preview(frozenset[int]().union(*map(self.prints, targets)))

    async def switch(self, order: SwitchOrder, *, by: str, wait: float = 10.0) -> Literal["done", "recorded"]:
        """Change switches in all workers; what an unknown flag or a Redis that is away raises, `changed` says."""
        parts = self.parts
        shared = parts.second()
        at = self._wall()
        return await changed(parts.switchboard, self.worker, shared, self.runtime, order, by=by, at=at, patience=wait)

    async def standing(self, epoch: int, seq: int) -> Purge | None:
        """Where a purge stands, whichever worker was asked for it; `None` where the clock knows of no such purge."""
        return await stands(self.worker, self.parts.second(), epoch, seq)

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

    def placeholder(self, name: str) -> str:
        """A hole in the page being rendered, to be filled from the fragment `name` whenever the page is served.

        The page does not depend on that fragment: an edit renders the fragment once, and no page. Raises `LookupError` where
        no function decorated with `@fragment` gives a fragment of this name.
        """
        return self.parts.placeholders.placeholder(name)

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
        parts, state, now = self.parts, self.worker.clock.state, self._now()
        return {
            "pid": os.getpid(),
            "answers": dict(parts.tally.answers),
            "bypass_cookies": dict(parts.tally.cookies.most_common(20)),
            "memory": {
                "bytes": parts.budget.used,
                "max_bytes": parts.budget.max_bytes,
                "collecting_bytes": parts.tally.collected,
                "namespaces": {
                    name: {"entries": memory.items, "bytes": memory.bytes, "evictions": memory.evictions}
                    for name, memory in parts.memories.items()
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
            "warmth": self.warmth.stats(),
            "redis": {
                "breaker_open": parts.breaker.open,
                "unreadable": parts.depot.unreadable,
                "withheld": parts.engine.levels.allowance.withheld,
            },
            "audit": parts.audit.stats(),
        }

    def start(self) -> None:
        """Begin to follow the purge log; a cache that serves before that is called starts by itself."""
        self.worker.start()
        self.parts.metrics.due()
        if not self._noticed:
            self._noticed = True
            if self.config.redis_url is None:
                notice(self.config.namespace)
            self.warmth.start(self.application)

    async def aclose(self) -> None:
        """Stop serving from the cache, leave the registry and give back threads and connections."""
        forget(self.namespaces)
        self.warmth.stop()
        self.worker.stop()
        self.parts.metrics.close()
        await self.runtime.finish()
        await self.parts.second.close()

    def close(self) -> None:
        """Stop serving from the cache, leave the registry and end the threads; for synchronous callers and at exit."""
        forget(self.namespaces)
        self.warmth.stop()
        self.worker.stop()
        self.parts.metrics.close()
        if running_loop() is None:
            drive(self.runtime.finish())

    def _assemble(self) -> None:
        self.parts = Parts(self.config, now=self._now, wall=self._wall)
        self.engine, self.worker, self.runtime = self.parts.engine, self.parts.worker, self.parts.runtime
        self.namespaces, self.warmth = self.parts.namespaces, self.parts.warmth
        register(self.namespaces)


def _forked(cache: weakref.ref[Cache]) -> Callable[[], None]:
    """What the child of a fork does: nothing of the parent's memory, threads, connections or lease is its own."""

    def start_over() -> None:
        if alive := cache():
            alive._noticed = False  # noqa: SLF001 - the same
            alive.parts.metrics.forget()
            alive._assemble()  # noqa: SLF001 - a function of this class in all but place

    return start_over


def _ended(cache: weakref.ref[Cache]) -> None:
    """At the end of the process: a worker that says goodbye is waited for by no purge."""
    if alive := cache():
        alive.close()
