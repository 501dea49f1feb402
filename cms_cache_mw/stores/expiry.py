"""When entries lapse: from then on they are of use only where the application fails, and go first when room is needed.

Looked at when room is needed, never on a hit, and each entry at most twice: once it has lapsed it waits for the end of its grace.
An entry that was replaced or dropped stays noted until its time comes, or until there are too many such.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cms_cache_mw.core.entry import Entry, Key, Variant

    Place: TypeAlias = tuple[Key, Variant]
    Noted: TypeAlias = tuple[float, int, Place]

_SPARE: Final = 64
"""Outdated notes that there may be in any case."""


def lapse(entry: Entry) -> float:
    """The instant after which an entry is served no more unless the application fails; never for one that is always validated."""
    fresh = entry.freshness
    return inf if fresh.validate else entry.born + fresh.lifetime + fresh.while_revalidate


def end(entry: Entry) -> float:
    """The instant after which an entry is of no use at all."""
    return entry.born + entry.freshness.lifetime + entry.freshness.grace


class Expiry:
    """The places of entries by the instants of their lapses; `held` gives what is at a place now."""

    def __init__(self, held: Callable[[Place], Entry | None]) -> None:
        self._held = held
        self._lapses: list[Noted] = []
        self._ends: list[Noted] = []
        self._numbers = count()

    def note(self, place: Place, entry: Entry, items: int, everything: Callable[[], Iterable[Place]]) -> None:
        """Note an entry; `items` are held in all, and `everything` gives their places."""
        if (due := lapse(entry)) < inf:
            heappush(self._lapses, (due, next(self._numbers), place))
        if len(self._lapses) + len(self._ends) > items + items // 4 + _SPARE:
            self._begin_again(everything())

    def lapsed(self, now: float) -> Iterator[tuple[Place, Entry]]:
        """The entries that have lapsed, in the order in which their grace ends; each is forgotten here once it is given."""
        while self._lapses and self._lapses[0][0] <= now:
            due, number, place = heappop(self._lapses)
            entry = self._held(place)
            if entry and lapse(entry) == due:
                heappush(self._ends, (end(entry), number, place))
        while self._ends:
            due, _, place = heappop(self._ends)
            entry = self._held(place)
            if entry and end(entry) == due and lapse(entry) <= now:
                yield place, entry

    def clear(self) -> None:
        """Forget everything."""
        self._lapses.clear()
        self._ends.clear()

    def _begin_again(self, places: Iterable[Place]) -> None:
        self._ends.clear()
        entries = ((place, self._held(place)) for place in places)
        self._lapses = [
            (due, next(self._numbers), place) for place, entry in entries if entry and (due := lapse(entry)) < inf
        ]
        heapify(self._lapses)
