"""Two releases beside each other on one Redis, as during a rolling deployment: each sees misses where the other wrote."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from cms_cache_mw import CacheMiddleware, Config
from cms_cache_mw.core import codec

if TYPE_CHECKING:
    import pytest
    from starlette.types import Receive, Scope, Send


class Site:
    """A page with a tag and a text."""

    def __init__(self) -> None:
        self.text = b"old"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the text."""
        headers = [(b"content-type", b"text/html"), (b"cache-tag", b"block:1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.text})


async def asked(worker: CacheMiddleware) -> tuple[str, str]:
    """The page and where it came from, once all that the worker writes is written."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=worker), base_url="http://example.org") as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    await asyncio.gather(*worker.cache.runtime._tasks)
    return answer.text, answer.headers["cache-status"].partition("; ttl=")[0]


async def test_formats_beside_each_other(redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one format wrote is a miss to the other and no error, either way; a purge reaches both."""
    site, config = Site(), Config(redis_url=redis_url, namespace=namespace)
    workers = [CacheMiddleware(site, config) for _ in range(4)]
    old, new, again, beside = workers
    try:
        assert await asked(old) == ("old", "cms-cache; fwd=uri-miss; stored")
        with monkeypatch.context() as patched:
            patched.setattr(codec, "FORMAT", codec.FORMAT + 1)
            assert await asked(new) == ("old", "cms-cache; fwd=miss; stored; detail=unreadable")
        assert await asked(again) == ("old", "cms-cache; fwd=miss; stored; detail=unreadable")
        assert await asked(beside) == ("old", "cms-cache; hit")
        site.text = b"new"
        assert (await old.cache.purge(tags=["block:1"])).done
        assert [(await asked(worker))[0] for worker in workers] == ["new"] * 4
    finally:
        for worker in workers:
            await worker.cache.aclose()
