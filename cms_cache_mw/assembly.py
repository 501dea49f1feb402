"""Puts the parts of a cache together; the one module that names concrete classes."""

from __future__ import annotations

import threading
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from cms_cache_mw.adaptive import Adaptive
from cms_cache_mw.allowance import Allowance
from cms_cache_mw.auditing.audit import Audit
from cms_cache_mw.core.cookies import Cookies
from cms_cache_mw.core.keys import Keys, family
from cms_cache_mw.core.tags import all_print, remembered_bytes
from cms_cache_mw.core.value import replace
from cms_cache_mw.depot import Depot
from cms_cache_mw.engine import Engine
from cms_cache_mw.explaining.counting import Counting
from cms_cache_mw.explaining.dependents import Census
from cms_cache_mw.explaining.explain import Explainer
from cms_cache_mw.explaining.history import History
from cms_cache_mw.explaining.index import Index
from cms_cache_mw.fill import FillLocks
from cms_cache_mw.flight import Flights
from cms_cache_mw.fragments.caching import Fragments
from cms_cache_mw.fragments.namespaces import NAMES, Namespaces
from cms_cache_mw.fragments.placeholders import Placeholders
from cms_cache_mw.histogram import HIT_SECONDS, Histogram
from cms_cache_mw.levels import Levels
from cms_cache_mw.merging import Merging
from cms_cache_mw.metrics.worker import Metrics
from cms_cache_mw.origin import Origin
from cms_cache_mw.outdated import Outdated
from cms_cache_mw.purge.worker import Worker
from cms_cache_mw.runtime import Runtime, running_loop
from cms_cache_mw.slots import Slots
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.heap import share_arenas
from cms_cache_mw.stores.memory import Budget, Memory
from cms_cache_mw.stores.policies import POLICIES
from cms_cache_mw.stores.shared import LoopShared, ThreadShared
from cms_cache_mw.stores.shares import Shares
from cms_cache_mw.superseded import Superseded
from cms_cache_mw.switching.flags import Flags
from cms_cache_mw.switching.gate import Gate
from cms_cache_mw.switching.switches import Switchboard
from cms_cache_mw.tally import Tally
from cms_cache_mw.warmth.errands import Errands
from cms_cache_mw.warmth.pace import Pace
from cms_cache_mw.warmth.place import Nobody
from cms_cache_mw.warmth.popularity import Popularity
from cms_cache_mw.warmth.renewal import Renewal
from cms_cache_mw.warmth.start import Start
from cms_cache_mw.warmth.use import Use
from cms_cache_mw.warmth.warmth import Warmth

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.config import Config
    from cms_cache_mw.core.rules import Rules
    from cms_cache_mw.purge.link import Link
    from cms_cache_mw.switching.switches import Switches

PATIENCE: Final = 0.5
"""Seconds that a thread waits for Redis which nobody waits for."""
PURGED_BYTES: Final = 150
"""What the worker's memory of one purge costs."""


class Second:
    """The second level as it can be used where it is asked for: on a loop, or on a thread; nothing without a URL."""

    def __init__(self, url: str | None, breaker: Breaker) -> None:
        self._url, self._breaker = url, breaker
        self._looped: LoopShared | None = None
        self._threaded: ThreadShared | None = None
        self._patient: ThreadShared | None = None
        self._here = threading.local()
        self._lock = threading.Lock()

    def __call__(self) -> LoopShared | ThreadShared | None:
        """The store for this thread."""
        if self._url is None:
            return None
        if running_loop() is None:
            return self._of_thread(self._url)
        if self._looped is None or not self._looped.usable:
            self._looped = LoopShared(self._url, self._breaker)
        return self._looped

    def be_patient(self) -> None:
        """On this thread wait longer for Redis; nobody waits for the thread, and what it meets says nothing about visitors'."""
        self._here.patient = True

    def _of_thread(self, url: str) -> ThreadShared:
        with self._lock:
            if getattr(self._here, "patient", False):
                if self._patient is None:
                    self._patient = ThreadShared(url, self._breaker, timeout=PATIENCE, judges=False)
                return self._patient
            if self._threaded is None:
                self._threaded = ThreadShared(url, self._breaker)
            return self._threaded

    async def close(self) -> None:
        """Give back the connections of this loop and of the threads."""
        if self._looped and running_loop() and self._looped.usable:
            await self._looped.close()
        for threaded in filter(None, (self._threaded, self._patient)):
            await threaded.close()
        self._looped = self._threaded = self._patient = None


class Parts:
    """One cache's parts, joined. `now` and `wall` are its clocks."""

    def __init__(self, config: Config, *, now: Callable[[], float], wall: Callable[[], float]) -> None:
        share_arenas()
        rules = config.rules()
        self.keys = _keys(config, rules)
        self.nobody = Nobody(self.keys, rules, _proxy(config))
        self.breaker = Breaker(now)
        self.runtime = Runtime()
        self.tally = Tally(config.max_memory_bytes // 4)
        self.flags = Flags()
        self.hit_seconds = Histogram(HIT_SECONDS)
        self.second = Second(config.redis_url, self.breaker)
        locks = FillLocks(self.second, self.runtime, config.namespace, now, self.flags)
        self.origin = Origin(Slots(config.origin_concurrency), locks, self.runtime, now)
        self.adaptive = Adaptive(stale, config.min_ttl, config.max_ttl) if (stale := config.stale_share) else None
        self.budget = Budget(config.max_memory_bytes, self._reserved)
        self.memories = {name: self._memory(name, config, rules, now) for name in NAMES}
        self.worker = Worker(
            config.redis_url,
            config.namespace,
            everything=all_print(),
            lease=config.lease_seconds,
            unsure_max=config.unsure_max or 0.0,
            settle=config.settle,
            identity=config.redis_identity,
            wait_replicas=config.wait_replicas,
            reset=self._reset,
            tend=locks.extend,
            learn=self._learn,
            breaker=self.breaker,
            now=now,
        )
        self.depot = self._depot(config, now, wall)
        self._join(config, rules, now, wall)
        self._inform(now)
        self.audit = Audit(self.engine, self.namespaces.fragments, self.memories.values())
        self.switchboard = Switchboard(config.switches(), self._switch)
        self.metrics = Metrics(config, self, now)

    def _inform(self, now: Callable[[], float]) -> None:
        """What answers questions about the cache."""
        self.engine.levels.superseded = Superseded(self.worker, self.second, self.runtime.spawn)
        self.history = History(self.worker, self.second)
        self.counting = Counting(self.memories.values(), now)
        self.census = Census(self.memories, self.index, self.worker.clock, now)
        self.explainer = Explainer(self.engine, self.history)

    def _depot(self, config: Config, now: Callable[[], float], wall: Callable[[], float]) -> Depot:
        self.index = Index(self.second, config.namespace, wall)
        return Depot(
            self.worker,
            self.second,
            config.namespace,
            secret=blake3(config.redis_secret.encode()).digest() if config.redis_secret else None,
            index=self.index,
            flags=self.flags,
            now=now,
            wall=wall,
        )

    def _join(self, config: Config, rules: Rules, now: Callable[[], float], wall: Callable[[], float]) -> None:
        flights, clock = Flights(), self.worker.clock
        # Without Redis there is no other place for large bodies.
        memory_body_bytes = config.memory_body_bytes if config.redis_url else config.max_body_bytes
        allowance = Allowance(known=bool(config.sites))
        pages, most = self.memories["rendered"], memory_body_bytes
        levels = Levels(pages, self.depot, clock, rules, memory_body_bytes=most, allowance=allowance, now=now)
        levels.adaptive = self.adaptive
        fragments = Fragments(
            clock,
            self.depot,
            Merging(flights, self.runtime, clock, now, self.flags),
            self.tally,
            memory_body_bytes=memory_body_bytes,
            now=now,
            spawn=self.runtime.spawn,
            flags=self.flags,
        )
        self.namespaces = Namespaces(fragments, self.memories, config.ttl_of)
        self.placeholders = Placeholders(self.namespaces, clock, now)
        interval, flags = rules.purge_interval, self.flags
        outdated = Outdated(self.worker, self.runtime, self.keys, interval=interval, flags=flags, now=now)
        self.engine = Engine(
            rules=rules,
            keys=self.keys,
            levels=levels,
            worker=self.worker,
            flights=flights,
            runtime=self.runtime,
            tally=self.tally,
            origin=self.origin,
            placeholders=self.placeholders,
            outdated=outdated,
            flags=self.flags,
            now=now,
            wall=wall,
        )
        self.warmth = self._warmth(config, fragments, now, wall)

    def _warmth(
        self, config: Config, fragments: Fragments, now: Callable[[], float], wall: Callable[[], float]
    ) -> Warmth:
        changed = threading.Event()
        popularity = Popularity(self.second, config.namespace, wall)
        pace = Pace(config.background_renders)
        renewal = Renewal(self.engine, self.nobody, pace, changed.set)
        admin = config.admin_path.encode()
        errands = Errands(
            self.keys,
            self.memories["rendered"],
            popularity,
            self.second,
            config.namespace,
            read=renewal.read,
            closed=lambda path: bool(config.tokens) and path.startswith(admin),
            now=now,
        )
        start = partial(
            Start,
            popularity,
            renewal,
            fragments,
            self.memories,
            sites=self.keys.sites,
            budget=config.max_memory_bytes,
            now=now,
        )
        return Warmth(
            self.engine,
            renewal,
            pace,
            Use(popularity, self.memories),
            errands,
            flags=self.flags,
            changed=changed,
            settle=self.second.be_patient,
            start=start if config.warm_on_start else None,
            refreshes=min(config.refresh_concurrency, config.background_renders) if config.refresh_ahead else 0,
        )

    def _learn(self, link: Link) -> None:
        self.switchboard.learn(link)
        self.metrics.due()

    def _switch(self, positions: Switches) -> None:
        """Put switches into their positions; any thread may do so."""
        usual = positions.enable_for == 1 and not positions.audit_rate
        gate = Gate(self.engine, positions.enable_for, self.audit, positions.audit_rate)
        self.engine.gate = None if usual else gate
        self.flags.turn(positions.flags)
        self.engine.rules = replace(
            self.engine.rules, while_revalidate=self.flags.stale_while_revalidate, stand_in=self.flags.stale_if_error
        )

    def _memory(self, name: str, config: Config, rules: Rules, now: Callable[[], float]) -> Memory:
        policy = POLICIES[config.eviction_policy]
        return Memory(
            # Sites that are not configured are made up by whoever sends a Host.
            Shares(policy) if name == "rendered" and len(self.keys.sites) > 1 else policy(),
            self.budget,
            max_items=config.max_items_per_type,
            max_variants=rules.max_variants,
            family=family if name == "rendered" else lambda _: None,
            now=now,
        )

    def _reset(self) -> None:
        for memory in self.memories.values():
            memory.clear()

    def _reserved(self) -> int:
        """Bytes of the limit that are not for entries."""
        learnt = self.adaptive.bytes if self.adaptive else 0
        return learnt + self.tally.bytes + remembered_bytes() + PURGED_BYTES * self.worker.clock.remembered


def _proxy(config: Config) -> str:
    """The address of a trusted proxy, if any is."""
    return str(ip_network(config.trusted_proxies[0]).network_address) if config.trusted_proxies else ""


def _keys(config: Config, rules: Rules) -> Keys:
    literal = rules.literal_cookies
    return Keys(
        cookies=None if literal else Cookies(config.ignored_cookies, config.keyed_cookies, config.anonymous_cookies),
        ignored_query=() if literal else config.ignored_query,
        sites=config.sites,
        trusted=[ip_network(network) for network in config.trusted_proxies],
    )
