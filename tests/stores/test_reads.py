"""Reads that a worker asks for at once: one command for them, and each has its own deadline and its own fate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw.stores.guard import Breaker, StoreError
from cms_cache_mw.stores.reads import MOST
from cms_cache_mw.stores.shared import LoopShared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.server import Server


@pytest.fixture
async def shared(own_server: Server) -> AsyncIterator[LoopShared]:
    """A store with a patient deadline, on a server of its own."""
    store = LoopShared(own_server.url, Breaker(), timeout=5)
    yield store
    await store.close()


def reads(server: Server) -> dict[str, int]:
    """How many commands of each kind that read the server has seen."""
    stats: Any = server.client().info("commandstats")
    return {name: stats[f"cmdstat_{name}"]["calls"] for name in ("get", "mget") if f"cmdstat_{name}" in stats}


async def test_reads_of_one_turn_are_one_command(shared: LoopShared, own_server: Server) -> None:
    """What is asked for in the same turn of the loop comes with one command, in the right hands, and what is missing is missing."""
    for number in range(3):
        await shared.put(f"page:{number}", b"%d" % number, 60)
    wanted = [f"page:{number}" for number in (2, 0, 7, 1, 0)]
    assert await asyncio.gather(*(shared.get(name, 5) for name in wanted)) == [b"2", b"0", None, b"1", b"0"]
    assert reads(own_server) == {"mget": 1}


async def test_a_read_alone_is_a_get(shared: LoopShared, own_server: Server) -> None:
    """One read at a time is an ordinary GET, which also says when a value is of another type."""
    own_server.client().rpush("list", "x")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await shared.get("list", 5)
    assert await shared.get("page", 5) is None
    assert reads(own_server) == {"get": 2}


async def test_many_reads_are_a_few_commands(shared: LoopShared, own_server: Server) -> None:
    """No reply is so long that the first page waits for the fortieth."""
    await shared.put("page", b"x", 60)
    assert await asyncio.gather(*(shared.get("page", 5) for _ in range(2 * MOST + 2))) == [b"x"] * (2 * MOST + 2)
    assert reads(own_server) == {"mget": 3}


async def test_who_goes_away_takes_nobody_along(shared: LoopShared, own_server: Server) -> None:
    """A visitor who hangs up, and one who has less time, leave the others their values and the connection as it was."""
    await shared.put("page", b"x", 60)
    own_server.pause()
    try:
        gone, hurried, patient = (asyncio.ensure_future(shared.get("page", within)) for within in (5, 0.02, 5))
        with pytest.raises(StoreError, match="20 ms"):
            await hurried
        gone.cancel()
    finally:
        own_server.resume()
    assert await patient == b"x"
    assert gone.cancelled()
    assert await shared.get("page", 5) == b"x"


@pytest.mark.logs("the shared store is not asked for a while")
async def test_a_server_that_dies_fails_each_read(shared: LoopShared, own_server: Server) -> None:
    """Trouble with the command is trouble for all that wait for it, and for nobody later."""
    asked = [asyncio.ensure_future(shared.get(f"page:{number}", 5)) for number in range(3)]
    own_server.kill()
    failures = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(failure) for failure in failures] == [StoreError] * 3
