"""Who depends on something: what is in this worker's memory, exactly, and what Redis holds, by its index."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from cms_cache_mw.core.keys import key_digest
from cms_cache_mw.core.naming import languages
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import Value
from cms_cache_mw.depot import USABLE
from cms_cache_mw.explaining.counting import touched
from cms_cache_mw.explaining.index import Indexed
from cms_cache_mw.explaining.preview import Preview
from cms_cache_mw.fragments.namespaces import FRAGMENT
from cms_cache_mw.fragments.order import stored_name
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cms_cache_mw.core.entry import Entry, Key
    from cms_cache_mw.explaining.index import Facts, Index
    from cms_cache_mw.purge.clock import Clock
    from cms_cache_mw.stores.memory import Memory

SHOWN: Final = 20
"""URLs that a preview names."""
MEMORY: Final = "memory of this worker"
INDEX: Final = "memory of this worker and the index in Redis"
_VALID: Final = USABLE | {Reason.UNSURE, Reason.FLOOR}


class Dependent(Value, frozen=True):
    """An entry that depends on something."""

    site: str
    url: str
    """A page's path and query, a fragment's name."""
    level: str
    """`memory` where this worker holds it, else `shared`."""
    hits: int
    """By this worker since it holds it."""
    bytes: int
    """In memory everything that it costs; in Redis its body."""
    render_ms: float
    languages: tuple[str, ...]
    tags: tuple[str, ...]


class Dependents(msgspec.Struct, frozen=True):
    """Entries that have something in common. Sums are over all of them, estimated where `exact` is false."""

    entries: int
    exact: bool
    error: int
    """By how many `entries` may be wrong, 95 times in 100; 0 where it is exact, and where there may be more that could not be counted."""
    bytes: int
    hits: int
    """By the worker that was asked."""
    traffic: float
    """The part of its hits that these entries had, 0 to 1; of what is in its memory now."""
    render_ms: float
    """What rendering them one after the other would take, as they took last."""
    sites: dict[str, int]
    """Entries by site, of those that are known one by one."""
    languages: dict[str, int]
    scope: str
    shown: tuple[Dependent, ...]
    """Those that are known one by one, hottest first."""


class Census:
    """Answers who depends on what."""

    def __init__(self, memories: Mapping[str, Memory], index: Index, clock: Clock, now: Callable[[], float]) -> None:
        self._memories, self._index, self._clock, self._now = memories, index, clock, now

    async def on(self, wanted: Callable[[Entry | Facts], bool]) -> Dependents:
        """The entries of which `wanted` is true, and that may still be used."""
        now = self._now()
        resident, all_hits = self._resident(wanted, now)
        trouble = ""
        try:
            found = await self._index.read()
        except StoreError as error:
            found, trouble = None, f"; Redis does not tell more ({error})"
            exact = False
        else:
            exact = found is None or found.complete
        found = found or Indexed({})
        sampled = {name: facts for name, facts in found.entries.items() if wanted(facts) and self._valid(facts, now)}
        beyond = [facts for name, facts in sampled.items() if name not in resident]
        entries = max(len(resident), len(sampled) * found.factor) if found.level else len(resident) + len(beyond)
        missing = max(0, entries - len(resident))
        known = [_resident(entry) for entry in resident.values()] + [_shared(facts) for facts in beyond]
        known.sort(key=lambda dependent: -dependent.hits)
        hits = sum(entry.hits for entry in resident.values())
        return Dependents(
            entries=entries,
            exact=exact,
            error=found.error(len(sampled)),
            bytes=sum(entry.size for entry in resident.values()) + _scaled([one.bytes for one in beyond], missing),
            hits=hits,
            traffic=round(hits / all_hits, 4) if all_hits else 0.0,
            render_ms=round(
                sum(entry.render_ms for entry in resident.values())
                + _scaled([one.render_ms for one in beyond], missing),
                1,
            ),
            sites=dict(Counter(one.site for one in known if one.site)),
            languages=dict(Counter(language for one in known for language in one.languages)),
            scope=(INDEX if self._index.there else MEMORY) + trouble,
            shown=tuple(known),
        )

    async def preview(self, prints: frozenset[int]) -> Preview:
        """What purging these fingerprints would take with it."""
        found = await self.on(lambda entry: touched(entry.prints, prints))
        return Preview(
            entries=found.entries,
            bytes=found.bytes,
            hits=found.hits,
            render_ms=found.render_ms,
            urls=tuple(one.site + one.url for one in found.shown[:SHOWN]),
            scope=found.scope,
            traffic=found.traffic,
            exact=found.exact,
            error=found.error,
        )

    def _resident(self, wanted: Callable[[Entry | Facts], bool], now: float) -> tuple[dict[str, Entry], int]:
        """Entries in memory by the name they have in Redis, and the hits of all that is in memory."""
        found: dict[str, Entry] = {}
        hits = 0
        for memory in self._memories.values():
            for key, entry in memory.entries():
                hits += entry.hits
                if wanted(entry) and self._valid(entry, now):
                    found[_name(key, entry)] = entry
        return found, hits

    def _valid(self, dated: Entry | Facts, now: float) -> bool:
        """Whether it may be used, or may be again once this worker is sure; what was purged goes with no other purge."""
        return self._clock.check(dated, now) in _VALID


def _name(key: Key, entry: Entry) -> str:
    if key[0] == FRAGMENT:
        return stored_name(entry.url, key)
    return f"rendered:{entry.site}:{key_digest(key, entry.variant).hex()}"


def _resident(entry: Entry) -> Dependent:
    return Dependent(
        entry.site,
        entry.url,
        "memory",
        entry.hits,
        entry.size,
        round(entry.render_ms, 3),
        tuple(languages(entry)),
        entry.tags,
    )


def _shared(facts: Facts) -> Dependent:
    return Dependent(
        facts.site,
        facts.url,
        "shared",
        0,
        facts.bytes,
        round(facts.render_ms, 3),
        tuple(facts.languages),
        tuple(facts.tags),
    )


def _scaled(numbers: Iterable[float], count: int) -> int:
    """The sum of `count` such numbers, as far as these tell."""
    numbers = list(numbers)
    return round(sum(numbers) / len(numbers) * count) if numbers else 0
