"""Parts of pages, cached like pages: two levels, flights, tags and the purge clock; what they depend on bubbles up.

A part is checked when it is used and then counts as of that position; the page keeps the position at which it began itself
(purge-protocol 2.5). So a part that is stale in any way is not used but rendered, and a page made of parts becomes a hit again
after whatever purge.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cms_cache_mw.collecting import Collector, collecting, current
from cms_cache_mw.core.cacheability import Cacheability
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.holes import joined
from cms_cache_mw.core.language import of_any
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.tags import all_print, read_tag, tagging
from cms_cache_mw.core.value import Value
from cms_cache_mw.flight import NOTHING, Landing
from cms_cache_mw.fragments.values import TEXT, as_text, encoded
from cms_cache_mw.merging import AGAIN, ALONE, Again, Merging, Permit
from cms_cache_mw.runtime import drive, running_loop
from cms_cache_mw.stores import guard
from cms_cache_mw.switching.flags import Flags

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from cms_cache_mw.core.entry import Holes
    from cms_cache_mw.depot import Depot
    from cms_cache_mw.flight import Flight, Place
    from cms_cache_mw.fragments.order import Order
    from cms_cache_mw.purge.clock import Clock, Token
    from cms_cache_mw.tally import Tally

LONGEST: Final = 31_536_000.0
"""Seconds that a fragment is kept at most."""
_afresh: Final[ContextVar[bool]] = ContextVar("cms_cache_afresh", default=False)


class Fragments:
    """The fragments of a process, at both levels."""

    def __init__(
        self,
        clock: Clock,
        depot: Depot,
        merging: Merging[Entry],
        tally: Tally,
        *,
        memory_body_bytes: int,
        now: Callable[[], float],
        spawn: Callable[[Any], None],
        flags: Flags | None = None,
    ) -> None:
        self._clock, self._depot, self._merging, self._tally = clock, depot, merging, tally
        self.inlined: Callable[[str], str] = lambda _: ""
        """What gives the parts of fragments with holes where nobody fills these later."""
        self._memory_body_bytes, self.now, self._spawn = memory_body_bytes, now, spawn
        self._flags, self._replays = flags or Flags(), 0

    @contextmanager
    def afresh(self) -> Iterator[None]:
        """While the block runs, what is rendered here uses no fragment that was kept, and keeps none."""
        self._replays += 1
        token = _afresh.set(True)
        try:
            yield
        finally:
            _afresh.reset(token)
            self._replays -= 1

    @property
    def _unkept(self) -> bool:
        return not self._flags.fragments or (self._replays > 0 and _afresh.get())

    async def rendered(self, order: Order, make: Callable[[], Awaitable[object]]) -> object:
        """The fragment's value, from memory, from Redis, from somebody else's render, or from `make`.

        Raises what `make` raises, and `TypeError` for a value that cannot be stored.
        """
        parent = current()
        entry = self.held(order)
        if entry is None:
            if self._unkept or (parent and parent.within(order.key)):
                # It is being rendered around here, and must not wait for itself.
                return (await self._made(order, make, parent))[1]
            admitted = await self._merging.admitted(_Part(self, order, self.now()))
            if isinstance(admitted, Permit):
                return await self._led(order, make, admitted, parent)
            entry = admitted
        used = self._used(order, entry, parent)
        return used[0] if used else (await self._made(order, make, parent))[1]

    def rendered_here(self, order: Order, make: Callable[[], object]) -> object:
        """The same for synchronous callers. On a running loop's thread it neither blocks nor waits: memory, or `make`."""
        entry = self.held(order)
        if entry is not None and (used := self._used(order, entry, current())):
            return used[0]

        async def made() -> object:
            return make()

        if running_loop() is None:
            return drive(self.rendered(order, made))
        return drive(self._made(order, made, current()))[1]

    async def found(self, order: Order) -> object:
        """The fragment's value from memory or Redis, or `None`."""
        return self._looked_at(order, self.held(order) or await self.fetched(order))

    def found_here(self, order: Order) -> object:
        """The same for synchronous callers; on a running loop's thread from memory alone."""
        if running_loop() is None:
            return drive(self.found(order))
        return self._looked_at(order, self.held(order))

    def held(self, order: Order) -> Entry | None:
        """The fragment in memory, if it is fresh and valid."""
        entry = order.memory.get(order.key)
        if not isinstance(entry, Entry) or self._unkept:
            return None
        now = self.now()
        why = self._clock.check(entry, now)
        if why is None and entry.remaining(now) > 0:
            order.memory.touch(order.key, entry)
            return entry
        if why is not Reason.UNSURE:
            order.memory.drop(order.key, entry)
        return None

    async def fetched(self, order: Order) -> Entry | None:
        """The fragment in Redis, if it is fresh and valid; memory has it afterwards."""
        if self._unkept:
            return None
        until = self.now() + guard.TIMEOUT
        found = await self._depot.read(*order.stored, until)
        if not isinstance(found, Entry) or await self._depot.checked(found, until) or found.remaining(self.now()) <= 0:
            return None
        _revive(found)
        self._hold(order, found)
        return found

    def valid(self, entry: Entry) -> bool:
        """Whether an entry that somebody else brought may be used."""
        return self._clock.check(entry, self.now()) is None

    def store(self, order: Order, value: object) -> None:
        """Keep a value at both levels, as of now; `TypeError` where it cannot be stored, `TagError` for tags that cannot be."""
        part = Cacheability(frozenset((order.name, *map(read_tag, order.tags))), order.ttl)
        if not self._unkept:
            self._kept(order, value, part, self._clock.token, collector=current())
        if parent := current():
            parent.add(part)

    async def forget(self, order: Order) -> None:
        """Remove a fragment from this worker's memory and from Redis; other workers keep theirs: purge to reach them."""
        if isinstance(entry := order.memory.get(order.key), Entry):
            order.memory.drop(order.key, entry)
        await self._depot.remove(order.stored[0])

    async def _led(
        self, order: Order, make: Callable[[], Awaitable[object]], permit: Permit, parent: Collector | None
    ) -> object:
        landing = NOTHING
        try:
            # Memory again: somebody may have landed between our look and this flight.
            entry = self.held(order) or await self.fetched(order)
            if entry is not None and (used := self._used(order, entry, parent)):
                landing = Landing(entry, shared=True)
                return used[0]
            made, value = await self._made(order, make, parent)
            landing = Landing(made, uncacheable=made is None)
            return value
        finally:
            permit.land(landing)

    async def _made(
        self, order: Order, make: Callable[[], Awaitable[object]], parent: Collector | None
    ) -> tuple[Entry | None, object]:
        """Render a fragment; the entry is `None` where it may not be kept."""
        token, began = self._clock.token, self.now()
        collector = Collector(self.now, parent, order.key)
        try:
            with collecting(collector):
                value = await make()
        finally:
            # Also where it failed: what is shown in its place is good as long as it would have been.
            collector.add(Cacheability(frozenset((order.name, *order.tags)), order.ttl))
            part = collector.value()
            if parent:
                parent.add(part)
                parent.doubtful(collector.doubt)
            elif collector.doubt:
                self._tally.warn_tags(order.name, collector.doubt)
        self._tally.count("fragment-miss")
        if self._unkept or part.private or part.vary or not part.storable or part.lifetime <= 0:
            encoded(order.name, value)
            return None, value
        entry = self._kept(order, value, part, token, render_ms=(self.now() - began) * 1000, collector=collector)
        return (entry, self._value(order, entry, parent)) if entry else (None, value)

    def _kept(
        self,
        order: Order,
        value: object,
        part: Cacheability,
        token: Token,
        *,
        render_ms: float = 0.0,
        collector: Collector | None,
    ) -> Entry | None:
        """The entry of a value, kept where it is still valid; nothing for data that has marks of its response in it."""
        kind, body = encoded(order.name, value)
        holes: Holes = ()
        if collector and collector.marks and collector.marks.used:
            bare, holes = collector.marks.split(body)
            if kind == b"msgpack" and holes:
                return None
            body = bare
        tags = tagging(sorted(part.tags), (all_print(), *of_any(part.tags)))
        entry = Entry(
            status=200,
            fields=((b"kind", kind),),
            body=body,
            freshness=Freshness(min(part.lifetime, LONGEST)),
            born=self.now(),
            epoch=token.epoch,
            base=token.pos,
            prints=tags.prints,
            tags=tags.names,
            url=order.name,
            render_ms=render_ms,
            holes=holes,
        )
        _revive(entry)
        if self._clock.check(entry, self.now()) in {None, Reason.UNSURE}:
            self._hold(order, entry)
            if self._depot.takes(entry):
                self._spawn(self._depot.write(*order.stored, entry))
        return entry

    def _used(self, order: Order, entry: Entry, parent: Collector | None) -> tuple[object] | None:
        """The value, with what it depends on noted; nothing where it is not of the type that is wanted."""
        try:
            value = self._value(order, entry, parent)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            order.memory.drop(order.key, entry)
            self._tally.count("fragment-unreadable")
            return None
        if parent:
            parent.note(entry.tags, entry.born + entry.freshness.lifetime)
        entry.hits += 1
        self._tally.count("fragment-hit")
        return (value,)

    def _value(self, order: Order, entry: Entry, parent: Collector | None) -> object:
        """The value in an entry, with marks of the response around here where it has holes."""
        if entry.value is not None:
            return entry.value
        kind, body = entry.fields[0][1], entry.body
        if entry.holes and parent and parent.marks:
            body = parent.marks.restored(body, entry.holes)
        elif entry.holes:
            parts = [self.inlined(name).encode("utf-8", "surrogatepass") for _, name in entry.holes]
            body = joined(body, entry.holes, parts)
        if kind in TEXT:
            return as_text(kind, body)
        return body if kind == b"bytes" else msgspec.msgpack.decode(body, type=order.type or Any)

    def _looked_at(self, order: Order, entry: Entry | None) -> object:
        """The value of what was found, if anything was: its absence is something to depend on, too."""
        parent = current()
        used = self._used(order, entry, parent) if entry else None
        if used:
            return used[0]
        if parent:
            parent.note((order.name,), inf)
        return None

    def _hold(self, order: Order, entry: Entry) -> None:
        if len(entry.body) <= self._memory_body_bytes:
            order.memory.put(order.key, entry)


class _Part(Value, frozen=True):
    """Somebody who wants a fragment."""

    fragments: Fragments
    order: Order
    arrived: float

    def place(self) -> Place:
        """Where those meet who may share."""
        return self.order.place

    def delivered(self, flight: Flight) -> Entry | Again | Permit:
        """What may be taken of a landed flight."""
        landing = flight.landing.result()
        if landing.entry is None:
            return ALONE if landing.uncacheable else AGAIN
        new_enough = not landing.shared and flight.begun > self.arrived
        return landing.entry if new_enough or self.fragments.valid(landing.entry) else AGAIN

    def held(self) -> Entry | None:
        """The fragment in memory, which somebody else has filled meanwhile."""
        return self.fragments.held(self.order)


def _revive(entry: Entry) -> None:
    """Make text of the bytes at once, if it is whole: it is what most fragments are."""
    if not entry.holes and (kind := entry.fields[0][1]) in TEXT:
        entry.value = as_text(kind, entry.body)
