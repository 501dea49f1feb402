"""Dry runs, and where a purge stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.asgi import HTML, Page, Pages, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cms_cache_mw import CacheMiddleware
    from tests.support.clock import Clock

TOKEN = "0123456789-token"
BEARER = f"Authorization: Bearer {TOKEN}"


@pytest.fixture
async def site(clock: Clock) -> AsyncIterator[CacheMiddleware]:
    """A site in memory with an admin token, whose pages depend on one block or another."""
    pages = Pages({f"/{n}": Page(lines=(HTML, f"Cache-Tag: block:{n % 2}")) for n in range(4)})
    async with caching(pages, clock, admin_token=TOKEN) as middleware:
        yield middleware


async def test_dry_run_counts_and_purges_nothing(site: CacheMiddleware) -> None:
    """It names what depends on the tag, the most used first, and all of it is a hit afterwards."""
    visitor = Visitor(site)
    for path in ("/0", "/1", "/2", "/3", "/2"):
        await visitor.get(path)
    reply = await visitor.ask("/_cache/purge", BEARER, method="POST", body=b'{"tags": ["block:0"], "dry_run": true}')
    told = json.loads(reply.body)
    assert (reply.status, told["state"], told["entries"]) == (200, "dry-run", 2)
    assert [url.rpartition("/")[2] for url in told["urls"]] == ["2", "0"]
    assert told["bytes"] > 0
    assert (await visitor.get("/0")).level == "memory"


async def test_standing_of_a_purge(site: CacheMiddleware) -> None:
    """A purge is known by its epoch and number, an unknown one is not."""
    visitor = Visitor(site)
    purged = json.loads((await visitor.ask("/_cache/purge", BEARER, method="POST", body=b'{"all": true}')).body)
    reply = await visitor.ask(f"/_cache/purges/{purged['epoch']}/{purged['seq']}", BEARER)
    assert (reply.status, json.loads(reply.body)["state"]) == (200, "done")
    for unknown in (f"{purged['epoch']}/{purged['seq'] + 1}", f"{'0' * 16}/1", f"{purged['epoch']}/0"):
        assert (await visitor.ask(f"/_cache/purges/{unknown}", BEARER)).status == 404
