"""A request that waits for somebody else's render of what it asks for, and what of it it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.core import policy, vary
from cms_cache_mw.core.policy import Serve
from cms_cache_mw.core.status import Reason, write
from cms_cache_mw.core.value import Value
from cms_cache_mw.levels import Found
from cms_cache_mw.merging import AGAIN, ALONE, Again, Permit

if TYPE_CHECKING:
    from cms_cache_mw.core.answer import Answer
    from cms_cache_mw.core.keys import Asked
    from cms_cache_mw.engine import Engine, Stale
    from cms_cache_mw.flight import Flight, Place


class Visitor(Value, frozen=True):
    """A request that waits for somebody else's render of what it asks for."""

    engine: Engine
    asked: Asked
    arrived: float

    def place(self) -> Place:
        """Where those meet who may share."""
        return self.asked.key, self.engine.levels.variant(self.asked)

    def delivered(self, flight: Flight) -> Answer | Stale | Again | Permit:
        """What may be taken is decided now, by the clock. A render that began after the asker arrived is always new enough."""
        engine, asked, landing, now = self.engine, self.asked, flight.landing.result(), self.engine.now()
        entry = landing.entry
        if entry is None:
            return ALONE if landing.uncacheable or engine.tally.uncacheable(asked.key, now) else AGAIN
        why = engine.worker.clock.check(entry, now)
        if why not in {None, Reason.SOFT_PURGED} and (landing.shared or flight.begun <= self.arrived):
            return AGAIN
        names = tuple(name for name, _ in entry.variant)
        if vary.variant(asked.request, names, engine.rules) != entry.variant:
            return AGAIN if self.place() != flight.place else ALONE
        serve = policy.before(asked.request, entry, engine.rules, now)
        if not isinstance(serve, Serve):
            return ALONE
        if landing.shared:
            return engine.served(asked, Found(entry, why or Reason.HIT, shared=True), serve, now)
        engine.tally.count(Reason.URI_MISS)
        engine.tally.count("collapsed")
        engine.tally.note_sent(now, self.arrived, asked, Reason.URI_MISS, detail=Reason.COLLAPSED, status=entry.status)
        return engine.present(entry, asked.request, write(Reason.URI_MISS, collapsed=True))

    def held(self) -> Answer | Stale | None:
        """An answer from memory, which somebody else has filled meanwhile."""
        found = self.engine.levels.held(self.asked, now := self.engine.now())
        serve = found.entry and policy.before(self.asked.request, found.entry, self.engine.rules, now)
        if isinstance(serve, Serve) and self.engine.placeholders.ready(serve.entry, now):
            return self.engine.served(self.asked, found, serve, now)
        return None
