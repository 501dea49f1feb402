"""Where dependencies gather: one object that all tasks and threads of a render share."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import depends_on
from cms_cache_mw.collecting import MAX_COLLECTED, Collector, collecting, current

if TYPE_CHECKING:
    from tests.support.clock import Clock


def test_all_that_is_said_gathers(clock: Clock) -> None:
    """Tags and fields add up, the shortest lifetime wins, and it shrinks as time passes."""
    with collecting(Collector(clock.now)) as collector:
        depends_on("a:1", "b:2", ttl=60, vary="X-Theme")
        depends_on("a:1", ttl=90, vary=["X-Other"])
        clock.advance(10)
        depends_on("c:3", ttl=100)
    value = collector.value()
    assert value.tags == {"a:1", "b:2", "c:3"}
    assert value.lifetime == pytest.approx(50)
    assert value.vary == {"x-theme", "x-other"}
    assert not value.private
    clock.advance(1000)
    assert collector.value().lifetime == 0


def test_outside_of_renders_it_says_nothing() -> None:
    """`depends_on` in a script is no error."""
    assert current() is None
    depends_on("a:1", private=True)


def test_without_words_there_is_no_bound(clock: Clock) -> None:
    """Nothing noted is nothing bounded."""
    assert Collector(clock.now).value().lifetime == inf


@pytest.mark.parametrize("ttl", [-5.0, 0.0, float("nan")])
def test_a_lifetime_that_is_none_is_the_end(clock: Clock, ttl: float) -> None:
    """A lifetime below nothing, or of no number, is nothing."""
    with collecting(Collector(clock.now)) as collector:
        depends_on(ttl=ttl)
    assert collector.value().lifetime == 0


@pytest.mark.parametrize("tag", ["two words", "", "ü", 7, None])
def test_tags_that_cannot_be_told_are_doubt(clock: Clock, tag: Any) -> None:  # noqa: ANN401 - of any wrong type
    """What no purge could spell makes the whole unstorable and says why; it does not raise."""
    collector = Collector(clock.now)
    collector.tags.add(tag)
    value = collector.value()
    assert not value.storable
    assert collector.doubt.startswith("tag ")


def test_too_many_tags_are_doubt(clock: Clock) -> None:
    """The bound is the last that is kept."""
    collector = Collector(clock.now)
    collector.tags.update(f"t:{number}" for number in range(MAX_COLLECTED))
    assert collector.value().storable
    collector.tags.add("one:more")
    assert not collector.value().storable


def test_threads_lose_nothing(clock: Clock) -> None:
    """Eight threads note at once; all of it is there, and the shortest lifetime too."""
    collector = Collector(clock.now)

    def noted(number: int) -> None:
        for step in range(200):
            depends_on(f"t:{number}:{step}", ttl=10_000 - number * 200 - step)

    with collecting(collector), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: copy_context_run(collector, noted, number), range(8)))
    value = collector.value()
    assert len(value.tags) == 1600
    assert value.lifetime == 10_000 - 7 * 200 - 199


def copy_context_run(collector: Collector, work: Any, *arguments: Any) -> None:  # noqa: ANN401 - any function
    """Run something as a thread does that was started while the collector was open."""
    with collecting(collector):
        copy_context().run(work, *arguments)


async def test_parallel_renders_do_not_mix(clock: Clock) -> None:
    """Each task notes for its own page."""

    async def page(number: int) -> frozenset[str]:
        with collecting(Collector(clock.now)) as collector:
            depends_on(f"before:{number}")
            await asyncio.sleep(0)
            depends_on(f"after:{number}")
        return collector.value().tags

    found = await asyncio.gather(*(page(number) for number in range(5)))
    assert found == [{f"before:{number}", f"after:{number}"} for number in range(5)]


def test_a_fragment_knows_what_it_is_inside_of(clock: Clock) -> None:
    """All fragments around are known, by key."""
    outer = Collector(clock.now, None, (b"a",))
    inner = Collector(clock.now, outer, (b"b",))
    assert inner.within((b"a",))
    assert inner.within((b"b",))
    assert not outer.within((b"b",))
