"""The index in Redis: exact while it is complete, and beyond that an estimate that keeps to the error stated with it, under load."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.explaining.counting import touched
from cms_cache_mw.explaining.dependents import Census
from cms_cache_mw.explaining.index import LEVEL, Index
from cms_cache_mw.purge.clock import Clock
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.shared import LoopShared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    import pytest

    from cms_cache_mw.explaining.dependents import Dependents

TAGS = 100
WORKERS = 4
ENTRIES = 600
LIMIT = 100
FILLS = 6
LOOKS = 3
"""How often it is looked while it is filled."""
EACH = 300.0
"""Seconds that entries are stored for."""


class Noted(NamedTuple):
    """An entry by its name, with the tags it has, as numbers."""

    name: str
    tags: frozenset[int]

    @property
    def entry(self) -> Entry:
        """It, as far as the index asks."""
        fresh = Freshness(EACH)
        return Entry(200, (), b"x" * 100, fresh, born=0.0, epoch=0, base=0, prints=tuple(self.tags), url=self.name)


class Fleet:
    """Workers that note entries in one index, and one that only asks."""

    def __init__(self, indexes: list[Index]) -> None:
        self.indexes = indexes
        clock = Clock(now=lambda: 0.0)
        self._census = Census({}, indexes[-1], clock, lambda: 0.0)

    async def note(self, entries: list[Noted], told: list[Noted], done: list[Noted]) -> None:
        """Note entries, each worker its part of them; `told` and `done` know what was begun and what is over."""

        async def noting(index: Index, part: Iterable[Noted]) -> None:
            for one in part:
                told.append(one)
                await index.note(one.name, one.entry, EACH)
                done.append(one)

        workers = self.indexes[:-1]
        await asyncio.gather(*(noting(index, entries[n :: len(workers)]) for n, index in enumerate(workers)))

    async def on(self, tag: int) -> Dependents:
        """Who depends on a tag."""
        return await self._census.on(lambda entry: touched(entry.prints, frozenset({tag})))

    async def estimates(self) -> dict[int, tuple[int, int]]:
        """The estimate and its error for every tag, of one look at the index."""
        found = await self.indexes[-1].read()
        assert found
        counted = {tag: sum(tag in facts.prints for facts in found.entries.values()) for tag in range(1, TAGS + 1)}
        return {tag: (count * found.factor, found.error(count)) for tag, count in counted.items()}


@asynccontextmanager
async def fleet(url: str, namespace: str, limit: int = LIMIT) -> AsyncIterator[Fleet]:
    """Workers with a connection each."""
    stores = [LoopShared(url, Breaker(lambda: 0.0)) for _ in range(WORKERS + 1)]

    def index(store: LoopShared) -> Index:
        return Index(lambda: store, namespace, lambda: 1_000.0, limit)

    try:
        yield Fleet([index(store) for store in stores])
    finally:
        for store in stores:
            await store.close()


def entries(random: Random, prefix: str, count: int = ENTRIES) -> list[Noted]:
    """Entries with tags of all frequencies, from one in a hundred to nearly all."""
    shares = [(tag, tag / (TAGS + 1)) for tag in range(1, TAGS + 1)]
    return [
        Noted(f"{prefix}:{number}", frozenset(tag for tag, share in shares if random.random() < share))
        for number in range(count)
    ]


def count(noted: Iterable[Noted], tag: int) -> int:
    """How many of them have a tag."""
    return sum(tag in one.tags for one in noted)


async def test_exact_up_to_its_limit(redis_url: str, namespace: str) -> None:
    """As long as there is room for all of it, every count is the number there is, however many write at once."""
    async with fleet(redis_url, namespace, limit=ENTRIES) as workers:
        every = entries(Random(1), "a")
        await workers.note(every, [], [])
        for tag in (1, 7, 50, TAGS):
            found = await workers.on(tag)
            assert (found.entries, found.exact, found.error) == (count(every, tag), True, 0)


async def test_estimates_keep_to_their_error(redis_url: str, namespace: str) -> None:
    """Past its limit, at least 95 of 100 counts are within the error stated with them: while workers write, and afterwards."""
    random = Random(7)
    during: list[bool] = []
    after: list[bool] = []
    for fill in range(FILLS):
        async with fleet(redis_url, f"{namespace}{fill}") as workers:
            every, told, done = entries(random, f"{fill}"), list[Noted](), list[Noted]()
            writing = asyncio.ensure_future(workers.note(every, told, done))
            for looks in range(1, LOOKS + 1):
                async with asyncio.timeout(30):
                    while len(done) < looks * ENTRIES // (LOOKS + 1):  # noqa: ASYNC110 - four workers write
                        await asyncio.sleep(0.001)
                before = list(done)
                estimates = await workers.estimates()
                assert not writing.done()
                for tag, (estimate, error) in estimates.items():
                    during.append(count(before, tag) - error <= estimate <= count(told, tag) + error)
            await writing
            for tag, (estimate, error) in (await workers.estimates()).items():
                after.append(abs(estimate - count(every, tag)) <= error)
                assert error > 0
            assert not (await workers.on(1)).exact
    assert len(after) == FILLS * TAGS
    assert len(during) == FILLS * LOOKS * TAGS
    assert sum(after) >= 0.95 * len(after)
    assert sum(during) >= 0.95 * len(during)


async def test_swept_while_it_is_read(redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads while another worker halves the sample multiplies by what the sample is then."""
    monkeypatch.setattr("cms_cache_mw.explaining.index.PAGE", 20)
    # More than a small hash, which Redis tells all at once.
    async with fleet(redis_url, namespace, limit=2_000) as workers:
        every = entries(Random(3), "a", 1_600)
        await workers.note(every, [], [])
        asked, halving = workers.indexes[-1], workers.indexes[0]
        halving._limit = 600
        store = halving._shared()
        assert store
        await halving._sweep(store, 0)
        scanned, swept = Index._scanned, list[bytes]()

        async def interrupted(index: Index, shared: Any) -> Any:  # noqa: ANN401 - as it is
            async for name, value in scanned(index, shared):
                yield name, value
                if name == LEVEL and index is asked and not swept:
                    swept.append(value)
                    await halving._sweep(store, int(value))

        monkeypatch.setattr(Index, "_scanned", interrupted)
        found = await workers.on(TAGS)
        assert swept == [b"1"]
        assert not found.exact
        assert abs(found.entries - count(every, TAGS)) <= found.error
