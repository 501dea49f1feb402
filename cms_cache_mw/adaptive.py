"""Lifetimes that follow what is seen to change: each render of a page tells whether its bytes differ from those before.

A page that is new takes after its route, a route after the lifetimes that its pages were given. What is seen is this worker's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.change import Observed, lifetime
from cms_cache_mw.core.value import replace

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry, Freshness, Key

PAGES: Final = 10_000
ROUTES: Final = 1_000
RECORD_BYTES: Final = 700
"""What is remembered of a page or a route."""


@dataclass(slots=True)
class _Page:
    """What a page was at its last render."""

    body: int
    born: float
    hits: int = 0
    """Uses of an entry that was let go of since."""
    observed: Observed = field(default_factory=Observed.nothing)


class Adaptive:
    """What this worker has seen of pages and routes. `stale` is the share of answers that may be out of date."""

    def __init__(self, stale: float, min_ttl: float, max_ttl: float) -> None:
        self._stale, self._min_ttl, self._max_ttl = stale, min_ttl, max_ttl
        self._pages: OrderedDict[int, _Page] = OrderedDict()
        self._routes: OrderedDict[int, Observed] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What all of it takes."""
        return RECORD_BYTES * (len(self._pages) + len(self._routes))

    def leave(self, key: Key, entry: Entry) -> None:
        """Note the uses of an entry that is let go of before another one replaces it."""
        with self._lock:
            if page := self._pages.get(hash((key, entry.variant))):
                page.hits += entry.hits

    def fit(self, key: Key, entry: Entry, replaced: Entry | None) -> None:
        """Give a new entry the lifetime that fits what was seen of it, within what its response allows."""
        with self._lock:
            route = self._routes.setdefault(_route(entry), Observed.nothing())
            self._routes.move_to_end(_route(entry))
            page = self._observed(hash((key, entry.variant)), entry, replaced, route)
            while len(self._pages) > PAGES:
                self._pages.popitem(last=False)
            while len(self._routes) > ROUTES:
                self._routes.popitem(last=False)
            entry.freshness = self._fitted(entry.freshness, page.observed, route)

    def _observed(self, name: int, entry: Entry, replaced: Entry | None, route: Observed) -> _Page:
        body, page = hash(entry.body), self._pages.get(name)
        if page is None:
            page = self._pages[name] = _Page(body, entry.born)
        elif (passed := entry.born - page.born) > 0:
            uses = 1 + page.hits + (replaced.hits if replaced else 0)
            for observed in (page.observed, route):
                observed.add(passed, uses, changed=body != page.body)
            page.body, page.born, page.hits = body, entry.born, 0
        self._pages.move_to_end(name)
        return page

    def _fitted(self, given: Freshness, page: Observed, route: Observed) -> Freshness:
        if given.validate or given.lifetime <= 0:
            return given
        # The rate at which the given lifetime would be right for what is used all the time.
        assumed = 2 * self._stale / given.lifetime
        fitting = lifetime(self._stale, page.changes(route.changes(assumed)), page.uses)
        most = max(given.most, given.lifetime)
        return replace(given, lifetime=min(max(fitting, self._min_ttl), self._max_ttl, most))


def _route(entry: Entry) -> int:
    """Pages of a site that begin alike and are as deep: the application's own routes are not known here."""
    parts = entry.url.partition("?")[0].split("/")
    return hash((entry.site, parts[1] if len(parts) > 2 else "", len(parts)))  # noqa: PLR2004
