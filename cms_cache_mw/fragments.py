"""Parts of pages, cached like pages: two levels, flights, tags and the purge clock; what they depend on bubbles up.

A part is checked when it is used and then counts as of that position; the page keeps the position at which it began itself
(purge-protocol 2.5). So a part that is stale in any way is not used but rendered, and a page made of parts becomes a hit again
after whatever purge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cms_cache_mw.collecting import Collector, collecting, current
from cms_cache_mw.core.cacheability import Cacheability
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.keys import key_digest
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.tags import all_print, read_tag, tagging
from cms_cache_mw.flight import NOTHING, Landing
from cms_cache_mw.merging import AGAIN, ALONE, Again, Merging, Permit
from cms_cache_mw.runtime import drive, running_loop
from cms_cache_mw.stores.shared import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.depot import Depot
    from cms_cache_mw.flight import Flight, Place
    from cms_cache_mw.purge.clock import Clock, Token
    from cms_cache_mw.stores.memory import Memory
    from cms_cache_mw.tally import Tally

READABLE: Final = 128
"""Characters of a key that are worth being read in Redis; longer ones are a digest."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be had: a fragment's name, its identity, its own tags and lifetime, and the type of its value."""

    name: str
    """For people and as a tag: `block:7`."""
    key: Key
    """Its parts, length-safe."""
    memory: Memory
    ttl: float
    tags: tuple[str, ...] = ()
    type: Any = None
    """What a stored value is decoded to; plain data without it. Text and bytes need none."""

    @property
    def place(self) -> Place:
        """Where those meet who want the same."""
        return self.key, ()


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
    ) -> None:
        self._clock, self._depot, self._merging, self._tally = clock, depot, merging, tally
        self._memory_body_bytes, self.now, self._spawn = memory_body_bytes, now, spawn

    async def rendered(self, order: Order, make: Callable[[], Awaitable[object]]) -> object:
        """The fragment's value, from memory, from Redis, from somebody else's render, or from `make`.

        Raises what `make` raises, and `TypeError` for a value that cannot be stored.
        """
        parent = current()
        entry = self.held(order)
        if entry is None and parent and parent.within(order.key):
            return await make()
        if entry is None:
            admitted = await self._merging.admitted(_Part(self, order, self.now()))
            if isinstance(admitted, Permit):
                return await self._led(order, make, admitted, parent)
            entry = admitted
        return self._used(order, entry, parent)

    def rendered_here(self, order: Order, make: Callable[[], object]) -> object:
        """The same for synchronous callers. On a running loop's thread it neither blocks nor waits: memory, or `make`."""
        if entry := self.held(order):
            return self._used(order, entry, current())

        async def made() -> object:
            return make()

        if running_loop() is None:
            return drive(self.rendered(order, made))
        return drive(self._made(order, made, current()))[1]

    def held(self, order: Order) -> Entry | None:
        """The fragment in memory, if it is fresh and valid."""
        entry = order.memory.get(order.key)
        if not isinstance(entry, Entry):
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
        until = self.now() + TIMEOUT
        found = await self._depot.read(*_named(order), until)
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
        self._kept(order, value, part, self._clock.token, 0.0)

    def value(self, order: Order, entry: Entry) -> object:
        """The value in an entry."""
        if entry.value is not None:
            return entry.value
        if entry.fields[0][1] == b"bytes":
            return entry.body
        return msgspec.msgpack.decode(entry.body, type=order.type or Any)

    async def forget(self, order: Order) -> None:
        """Remove a fragment from this worker's memory and from Redis; other workers keep theirs: purge to reach them."""
        if isinstance(entry := order.memory.get(order.key), Entry):
            order.memory.drop(order.key, entry)
        await self._depot.remove(_named(order)[0])

    async def _led(
        self, order: Order, make: Callable[[], Awaitable[object]], permit: Permit, parent: Collector | None
    ) -> object:
        landing = NOTHING
        try:
            entry = await self.fetched(order)
            if entry is not None:
                landing = Landing(entry, shared=True)
                return self._used(order, entry, parent)
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
        with collecting(Collector(parent, order.key)) as collector:
            value = await make()
        collector.add(Cacheability(frozenset((order.name, *order.tags)), order.ttl))
        part = collector.value()
        if collector.doubt:
            self._tally.warn_tags(order.name, collector.doubt)
        if parent:
            parent.add(part)
        self._tally.count("fragment-miss")
        if part.private or part.vary or not part.storable:
            return None, value
        entry = self._kept(order, value, part, token, (self.now() - began) * 1000)
        return entry, self.value(order, entry)

    def _kept(self, order: Order, value: object, part: Cacheability, token: Token, render_ms: float) -> Entry:
        kind, body = _encoded(order, value)
        tags = tagging(sorted(part.tags), (all_print(),))
        entry = Entry(
            status=0,
            fields=((b"kind", kind),),
            body=body,
            freshness=Freshness(part.lifetime),
            born=self.now(),
            epoch=token.epoch,
            base=token.pos,
            prints=tags.prints,
            tags=tags.names,
            url=order.name,
            render_ms=render_ms,
            value=value if isinstance(value, str) else None,
        )
        if self._clock.check(entry, self.now()) in {None, Reason.UNSURE}:
            self._hold(order, entry)
            if self._depot.takes(entry):
                self._spawn(self._depot.write(*_named(order), entry))
        return entry

    def _used(self, order: Order, entry: Entry, parent: Collector | None) -> object:
        if parent:
            parent.note(entry.tags, entry.remaining(self.now()))
        entry.hits += 1
        self._tally.count("fragment-hit")
        return self.value(order, entry)

    def _hold(self, order: Order, entry: Entry) -> None:
        if len(entry.body) <= self._memory_body_bytes:
            order.memory.put(order.key, entry)


@dataclass(frozen=True, slots=True)
class _Part:
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
        new_enough = not landing.shared and flight.begun >= self.arrived
        return landing.entry if new_enough or self.fragments.valid(landing.entry) else AGAIN

    def held(self) -> Entry | None:
        """The fragment in memory, which somebody else has filled meanwhile."""
        return self.fragments.held(self.order)


def _named(order: Order) -> tuple[str, bytes]:
    """A fragment's name in Redis and the digest that binds it."""
    digest = key_digest(order.key)
    text = order.name
    if len(order.key) == 2 and len(text) <= READABLE and text.isprintable() and " " not in text:  # noqa: PLR2004
        return text, digest
    return f"{text.partition(':')[0][:16]}:{digest.hex()}", digest


def _encoded(order: Order, value: object) -> tuple[bytes, bytes]:
    if isinstance(value, str):
        return b"str", value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return b"bytes", value
    try:
        return b"msgpack", msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TypeError(
            f"fragment {order.name!r}: {type(value).__name__} cannot be stored ({error}); give text or data"
        ) from error


def _revive(entry: Entry) -> None:
    if entry.fields[0][1] == b"str":
        entry.value = entry.body.decode("utf-8", "surrogatepass")
