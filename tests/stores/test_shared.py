"""The second level on real servers, for loops and for threads: values, expiry, deadlines, and trouble as one exception."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.runtime import drive
from cms_cache_mw.stores.guard import TIMEOUT, Breaker, StoreError
from cms_cache_mw.stores.shared import LoopShared, Shared, ThreadShared
from tests.support.process import Port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.clock import Clock
    from tests.support.server import Server

KINDS: list[type[LoopShared | ThreadShared]] = [LoopShared, ThreadShared]
SLACK = 5.0
"""Seconds that a busy machine may add to a deadline, without which nothing would ever end."""

deadline = pytest.mark.deadline
hangs = pytest.mark.logs("the shared store is not asked for a while")


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """A breaker whose pauses do not end by themselves."""
    return Breaker(clock.now)


@pytest.fixture(params=KINDS, ids=["loop", "thread"])
async def opened(request: pytest.FixtureRequest, breaker: Breaker) -> AsyncIterator[Callable[[str], Shared]]:
    """Opens stores of each kind in turn, and closes them."""
    made: list[Shared] = []

    def open_(url: str) -> Shared:
        made.append(request.param(url, breaker))
        return made[-1]

    yield open_
    for shared in made:
        await shared.close()


@pytest.fixture
async def looped(breaker: Breaker, own_server: Server) -> AsyncIterator[LoopShared]:
    """A store for the test's loop on a server of its own."""
    shared = LoopShared(own_server.url, breaker)
    yield shared
    await shared.close()


@pytest.fixture
async def shared(opened: Callable[[str], Shared], redis_url: str) -> Shared:
    """A store on an empty server."""
    return opened(redis_url)


async def timed(work: Awaitable[object]) -> float:
    """How many seconds `work` takes to end in trouble."""
    began = time.perf_counter()
    with pytest.raises(StoreError):
        await work
    return time.perf_counter() - began


async def test_what_is_put_is_there(shared: Shared) -> None:
    """Any bytes come back, by the name they were put under."""
    assert await shared.get("a") is None
    await shared.put("a", value := bytes(range(256)) * 100, 60)
    await shared.put("b", b"", 60)
    assert await shared.get("a") == value
    assert await shared.get("b") == b""
    await shared.delete("a")
    await shared.delete("a")
    assert await shared.get("a") is None


async def test_values_go_by_themselves(shared: Shared, redis_server: Server) -> None:
    """Each value has its time to live, to the millisecond and never none."""
    await shared.put("a", b"x", 12.3456)
    await shared.put("b", b"x", 0.0)
    client = redis_server.client()
    assert 12_000 < client.pttl("a") <= 12_346
    await asyncio.sleep(0.01)
    assert await shared.get("b") is None


async def test_scripts(shared: Shared) -> None:
    """A server script gets keys and arguments, and its answer comes back."""
    found = await shared.run("return {KEYS[1], ARGV[1], #ARGV[2], 7}", ["k"], ["a", b"\x00\xff", 3])
    assert found == [b"k", b"a", 2, 7]


async def test_claims(shared: Shared, redis_server: Server) -> None:
    """A name is the first asker's until it is removed or its time is over."""
    assert await shared.claim("lock", "one", 60)
    assert not await shared.claim("lock", "other", 60)
    assert await shared.get("lock") == b"one"
    assert 0 < redis_server.client().pttl("lock") <= 60_000
    await shared.delete("lock")
    assert await shared.claim("lock", "other", 0.001)
    await asyncio.sleep(0.01)
    assert await shared.claim("lock", "third", 60)


async def test_together(shared: Shared) -> None:
    """Several commands are answered in order, and one that is refused is in nobody's way."""
    found = await shared.together([("SET", "a", "1"), ("HGET", "a", "x"), ("SET", "a", "2", "NX"), ("GET", "a")])
    assert isinstance(found[1], Exception)
    assert (found[2], found[3]) == (None, b"1")


async def test_many_at_once(shared: Shared, breaker: Breaker) -> None:
    """More askers than connections wait for one another and are all answered."""
    await shared.put("a", b"x", 60)
    assert await asyncio.gather(*(shared.get("a") for _ in range(50))) == [b"x"] * 50
    assert not breaker.open


async def test_value_of_another_type(shared: Shared, breaker: Breaker, redis_server: Server) -> None:
    """What the server refuses is trouble for that command, and no reason to stop asking."""
    redis_server.client().rpush("list", "x")
    for _ in range(5):
        with pytest.raises(StoreError, match="WRONGTYPE"):
            await shared.get("list")
    assert not breaker.open
    assert await shared.get("other") is None


async def test_full_server(opened: Callable[[str], Shared], own_server: Server, breaker: Breaker) -> None:
    """A server that is out of memory stores nothing more and is still read from."""
    shared = opened(own_server.url)
    await shared.put("a", b"x", 60)
    own_server.client().config_set("maxmemory", "1")
    for _ in range(5):
        with pytest.raises(StoreError, match="OutOfMemory"):
            await shared.put("b", b"x" * 1_000, 60)
    assert not breaker.open
    assert await shared.get("a") == b"x"


async def test_refused(opened: Callable[[str], Shared], breaker: Breaker) -> None:
    """Nobody listens: trouble at once."""
    port = Port()
    shared = opened(f"redis://127.0.0.1:{port.number}/0")
    assert await timed(shared.get("a")) < SLACK
    port.release()
    assert not breaker.open


@hangs
@deadline
async def test_hung(opened: Callable[[str], Shared], own_server: Server, breaker: Breaker) -> None:
    """A mute server costs the deadline three times, and then nothing."""
    shared = opened(own_server.url)
    await shared.put("a", b"x", 60)
    own_server.pause()
    for _ in range(3):
        assert not breaker.open
        assert TIMEOUT * 0.9 < await timed(shared.get("a")) < TIMEOUT + SLACK
    assert breaker.open
    with pytest.raises(StoreError, match="the breaker is open"):
        await shared.put("a", b"y", 60)
    own_server.resume()


@hangs
async def test_closed_breaker_asks_again(opened: Callable[[str], Shared], own_server: Server, breaker: Breaker) -> None:
    """While the breaker is open nobody asks, though the server is back; once it is closed everybody does."""
    shared = opened(own_server.url)
    own_server.kill()
    for _ in range(3):
        with pytest.raises(StoreError):
            await shared.get("a")
    own_server.start()
    own_server.client().set("a", "x")
    with pytest.raises(StoreError, match="the breaker is open"):
        await shared.get("a")
    breaker.succeeded()
    assert await shared.get("a") == b"x"


async def test_server_that_restarts(opened: Callable[[str], Shared], own_server: Server, breaker: Breaker) -> None:
    """Connections that broke are made anew; what fails on the way is trouble, nothing else."""
    shared = opened(own_server.url)
    await shared.put("a", b"x", 60)
    own_server.restart_empty()
    found: bytes | None = b"not asked"
    for _ in range(2):
        try:
            found = await shared.get("a")
            break
        except StoreError:
            pass
    assert found is None
    assert not breaker.open


@deadline
async def test_server_that_dies_under_a_command(opened: Callable[[str], Shared], own_server: Server) -> None:
    """A connection that breaks while the answer is awaited is trouble."""
    shared = opened(own_server.url)
    await shared.put("a", b"x", 60)
    own_server.pause()
    if isinstance(shared, LoopShared):
        asked = asyncio.ensure_future(shared.get("a"))
        await asyncio.sleep(0.01)
        own_server.kill()
        assert await timed(asked) < TIMEOUT + SLACK
    else:
        own_server.kill()
        assert await timed(shared.get("a")) < TIMEOUT + SLACK


async def test_time_that_is_left(opened: Callable[[str], Shared], own_server: Server, breaker: Breaker) -> None:
    """Who has less time left than the deadline waits that long; who has none is not kept."""
    shared = opened(own_server.url)
    await shared.put("a", b"x", 60)
    own_server.pause()
    for asked in (shared.get("a", within=0.0), shared.run("return 1", [], [], within=-1.0)):
        with pytest.raises(StoreError, match="no time is left"):
            await asked
    if isinstance(shared, LoopShared):
        with pytest.raises(StoreError, match="no answer in 20 ms"):
            await shared.get("a", within=0.02)
    own_server.resume()
    assert not breaker.open


async def test_asker_who_goes_away(looped: LoopShared, breaker: Breaker, own_server: Server) -> None:
    """A visitor who leaves does not take the connection along: the command ends by itself, and the next one uses it."""
    await looped.put("a", b"x", 60)
    before = own_server.client().info("stats")["total_connections_received"]
    for _ in range(10):
        own_server.pause()
        asked = asyncio.ensure_future(looped.get("a"))
        await asyncio.sleep(0.005)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        own_server.resume()
        await asyncio.sleep(0.01)
        assert await looped.get("a") == b"x"
    after = own_server.client().info("stats")["total_connections_received"]
    assert after - before <= 2, "one for each of the two questions about it"
    assert not breaker.open


async def test_belongs_to_its_loop(looped: LoopShared) -> None:
    """A store knows whether the running loop is the one it was opened on."""
    assert looped.usable

    def elsewhere() -> bool:
        async def usable() -> bool:
            return looped.usable

        return asyncio.run(usable())

    assert not await asyncio.to_thread(elsewhere)


async def test_closing_waits_for_what_is_under_way(looped: LoopShared, own_server: Server) -> None:
    """A write that has begun is not lost to an orderly end."""
    await looped.put("warm", b"x", 60)
    writing = asyncio.ensure_future(looped.put("a", b"x" * 100_000, 60))
    await asyncio.sleep(0)
    await looped.close()
    await writing
    assert own_server.client().strlen("a") == 100_000


@pytest.mark.logs("the shared store is not asked")
def test_onlooker_does_not_judge(own_server: Server) -> None:
    """A store that nobody waits for neither opens the breaker nor closes it, and asks nothing while it is open."""
    breaker = Breaker()
    onlooker = ThreadShared(own_server.url, breaker, timeout=5, judges=False)
    drive(onlooker.put("a", b"1", 60))
    own_server.stop()
    for _ in range(5):
        with pytest.raises(StoreError):
            drive(onlooker.get("a"))
    opened = [breaker.open]
    for _ in range(3):
        breaker.failed(OSError("away"))
    own_server.start()
    with pytest.raises(StoreError, match="breaker"):
        drive(onlooker.get("a"))
    assert [*opened, breaker.open] == [False, True]
    drive(onlooker.close())
