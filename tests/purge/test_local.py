"""The purge clock of a single process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cms_cache_mw.core.status import Reason
from cms_cache_mw.purge.clock import Clock
from cms_cache_mw.purge.local import LocalBarrier
from tests.purge.member import Page

if TYPE_CHECKING:
    from tests.support.clock import Clock as Ticker

PAGE = 5


def page(clock: Clock, *tags: int) -> Page:
    """An entry whose render begins now."""
    token = clock.token
    return Page(token.epoch, token.pos, tags)


def test_is_always_sure(clock: Ticker) -> None:
    """A process of its own needs no lease from anybody; two of them share no epoch."""
    first, second = Clock(now=clock.now), Clock(now=clock.now)
    LocalBarrier(first, now=clock.now)
    LocalBarrier(second, now=clock.now)
    clock.advance(1e9)
    assert first.check(page(first, PAGE), clock.now()) is None
    assert first.check(page(second, PAGE), clock.now()) is Reason.EPOCH


def test_purge_is_done_at_once(clock: Ticker) -> None:
    """A purge counts as soon as the call returns, and each has the next number."""
    local = Clock(now=clock.now)
    barrier = LocalBarrier(local, now=clock.now)
    before = page(local, PAGE)
    tickets = [barrier.purge({PAGE}), barrier.purge({PAGE})]
    assert [ticket.done.result(0) and ticket.recorded.result(0) for ticket in tickets] == [True, True]
    assert [ticket.seq for ticket in tickets] == [2, 3]
    assert {ticket.epoch for ticket in tickets} == {before.epoch}
    assert local.check(before, clock.now()) is Reason.PURGED
    assert local.check(page(local, PAGE), clock.now()) is None
    barrier.close()


def test_soft_purge_has_its_grace(clock: Ticker) -> None:
    """A soft purge leaves entries stale for its grace; what is over is tidied up by the next purge."""
    local = Clock(now=clock.now)
    barrier = LocalBarrier(local, now=clock.now)
    before = page(local, PAGE)
    barrier.purge({PAGE}, kind="soft", grace=10)
    assert local.check(before, clock.now()) is Reason.SOFT_PURGED
    clock.advance(10)
    assert local.check(before, clock.now()) is Reason.PURGED
    barrier.purge((), kind="noop")
    assert not local.state.soft
    assert local.check(before, clock.now()) is Reason.PURGED


def test_many_threads_purge(clock: Ticker) -> None:
    """Purges from many threads get numbers of their own and are all in force."""
    local = Clock(now=clock.now)
    barrier = LocalBarrier(local, now=clock.now)
    pages = [page(local, tag) for tag in range(400)]
    with ThreadPoolExecutor(8) as pool:
        seqs = list(pool.map(lambda tag: barrier.purge({tag}).seq, range(400)))
    assert sorted(seqs) == list(range(2, 402))
    assert {local.check(entry, clock.now()) for entry in pages} == {Reason.PURGED}


def test_settles_as_with_redis(clock: Ticker) -> None:
    """With a lagging database what is rendered soon after a purge is void, in memory mode too."""
    local = Clock(settle=2.0, now=clock.now)
    barrier = LocalBarrier(local, now=clock.now)
    clock.advance(60)
    barrier.purge({PAGE})
    clock.advance(1)
    assert local.check(page(local, PAGE), clock.now()) is Reason.PURGED
    clock.advance(1)
    assert local.check(page(local, PAGE), clock.now()) is None
