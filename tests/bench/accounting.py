"""What all accounting costs on a hit from memory: the counter of the entry, that of the worker, and the journal."""

from __future__ import annotations

from timeit import repeat
from typing import TYPE_CHECKING

from cms_cache_mw import Cache, Config
from cms_cache_mw.core.entry import Entry, Freshness
from tests.bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMES = 2_000
RUNS = 500
"""Short ones, of which some are not interrupted on a busy machine either."""


def measure() -> Iterator[Figure]:
    """The quickest of many short runs, less the loop."""
    account = Cache(Config()).engine.hits.account
    entry = Entry(200, (), b"", Freshness(60.0), 0.0, 1, 1, (), site="site", url="/a")
    spent = min(repeat(lambda: account(entry, 1.0), number=TIMES, repeat=RUNS))
    idle = min(repeat(lambda: None, number=TIMES, repeat=RUNS))
    yield Figure("accounting on a hit from memory", (spent - idle) / TIMES * 1e6, "µs", 0.15)
