"""A purge call and what it answers, to coroutines and to plain calls alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.purge.lease import longest
from cms_cache_mw.purges import RECORDING, carried_out, reported
from cms_cache_mw.runtime import Runtime, drive
from cms_cache_mw.stores.ticker import boottime
from tests.purge.member import Member
from tests.support.proxy import Proxy
from tests.support.wait import until

if TYPE_CHECKING:
    from contextlib import ExitStack

    from cms_cache_mw.purges import Purge
    from tests.purge.member import Enlist
    from tests.support.server import Server

PAGE = 5


async def call(member: Member, patience: float = 10.0, **options: object) -> Purge:
    """Purge as the endpoint does."""
    return await carried_out(
        member.worker,
        Runtime(),
        {PAGE},
        patience=patience,
        now=boottime,
        **options,  # type: ignore[arg-type]
    )


async def test_done(enlist: Enlist, redis_url: str) -> None:
    """With everybody there the answer says done, by number and epoch."""
    member = enlist(redis_url)
    member.settle()
    purge = await call(member)
    assert purge.done
    assert purge.state == "done"
    assert purge.seq == 2
    assert int(purge.epoch, 16) == member.worker.clock.token.epoch
    assert purge.scope == "everywhere"
    assert 0 < purge.waited_ms < 900
    assert purge.detail == ""


def test_done_without_a_loop(enlist: Enlist, redis_url: str) -> None:
    """The same from a thread without an event loop."""
    member = enlist(redis_url)
    member.settle()
    assert drive(call(member)).done


async def test_done_in_memory_mode(namespace: str) -> None:
    """Without Redis it is done at once, in this process."""
    purge = await call(Member(None, namespace, lease=1.0))
    assert purge.done
    assert purge.scope == "process"


@pytest.mark.logs("lease lost")
async def test_recorded(enlist: Enlist, redis_url: str, redis_server: Server) -> None:
    """With a silent worker and little patience the answer says recorded, for whom it waits and until when; later done."""
    with Proxy(redis_server.port) as proxy:
        alive, silent = enlist(redis_url, lease=2.0), enlist(proxy.url, lease=2.0)
        alive.settle()
        proxy.hold()
        purge = await call(alive, patience=0.5)
        assert purge.state == "recorded"
        assert not purge.done
        assert purge.seq == 2
        assert 500 <= purge.waited_ms < 1_500
        assert 0 < purge.certain_in_ms <= longest(2.0) * 1000 - 400
        assert purge.waiting_for == (silent.name,)
        assert "acknowledged" in purge.detail
        assert (await call(alive)).done
        silent.follower._stopping.set()


async def test_recorded_in_a_new_epoch(enlist: Enlist, redis_url: str) -> None:
    """In a clock that has just begun the answer says why nobody's word counts yet."""
    purge = await call(enlist(redis_url, lease=5.0), patience=0.2)
    assert purge.state == "recorded"
    assert "clock is new" in purge.detail
    assert 4_000 < purge.certain_in_ms <= longest(5.0) * 1000


@pytest.mark.logs("never took")
async def test_unrecorded(namespace: str, ended: ExitStack) -> None:
    """Without an answer from Redis the call gives up soon and says that nothing is recorded, and why."""
    member = Member("redis://127.0.0.1:1/0", namespace, lease=1.0)
    ended.callback(member.close)
    began = boottime()
    purge = await call(member, patience=60.0, names=["page:5"])
    assert boottime() - began <= RECORDING + 0.5
    assert purge.state == "unrecorded"
    assert (purge.seq, purge.epoch) == (0, "")
    assert "ConnectionError" in purge.detail
    assert "keeps trying" in purge.detail
    assert member.worker.unrecorded == 1


async def test_no_patience(enlist: Enlist, redis_url: str) -> None:
    """Without any patience the purge is begun all the same."""
    member = enlist(redis_url, lease=1.0)
    member.settle()
    purge = await call(member, patience=0.0)
    assert purge.state in {"recorded", "done", "unrecorded"}
    until(lambda: member.worker.clock.token.pos == 2, "it is applied")


def test_time_is_that_of_the_call(enlist: Enlist, redis_url: str) -> None:
    """Of two calls that share a ticket each is told its own wait."""
    member = enlist(redis_url)
    ticket = member.worker.purge({PAGE})
    assert ticket.done.result(10)
    own = reported(ticket, member.worker, boottime(), ticket.done_at - 0.25)
    assert own.waited_ms == pytest.approx(250)
    assert reported(ticket, member.worker, boottime()).waited_ms == pytest.approx(ticket.waited * 1000)
