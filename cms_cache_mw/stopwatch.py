"""Times one plain hit now and then, and costs the others nothing: it stands in for `Hits` during one request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.core.message import Field
    from cms_cache_mw.engine import Engine
    from cms_cache_mw.histogram import Histogram
    from cms_cache_mw.hits import Hit, Hits


def time_next(engine: Engine, histogram: Histogram) -> None:
    """Time the next plain hit, from the first look at its fields until it is known what to send."""
    if not isinstance(engine.hits, Stopwatch):
        engine.hits = Stopwatch(engine, engine.hits, histogram)  # type: ignore[assignment]


class Stopwatch:
    """`Hits` for one request; it steps aside when it was asked, or asked for anything else."""

    def __init__(self, engine: Engine, hits: Hits, histogram: Histogram) -> None:
        self._engine, self._hits, self._histogram = engine, hits, histogram
        self._began = 0.0

    @property
    def notable(self) -> frozenset[bytes]:
        """The request fields to look at, which is what is asked for first."""
        self._began = time.perf_counter()
        return self._hits.notable

    def find(self, key: Key, cookie: bytes | None, accept: bytes | None, others: Collection[Field] = ()) -> Hit | None:
        """The page in memory, and what finding it took."""
        self._engine.hits = self._hits
        hit = self._hits.find(key, cookie, accept, others)
        if hit is not None:
            self._histogram.observe(time.perf_counter() - self._began)
        return hit

    def __getattr__(self, name: str) -> object:
        self._engine.hits = self._hits
        return getattr(self._hits, name)
