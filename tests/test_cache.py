"""The cache as applications hold it: purges from Python, what it says of itself, its beginning and end, its size."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import Cache, CacheMiddleware, Config
from cms_cache_mw.core.target import TargetError
from tests.support.asgi import HTML, Page, Pages, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.clock import Clock

ROOT = Path(__file__).resolve().parents[1]
MIB = 1_048_576


@pytest.fixture
def pages() -> Pages:
    """A page with two tags in German, and any others without."""
    return Pages({"/a": Page(lines=(HTML, "Cache-Tag: block:7, page:1, template:base", "Content-Language: de"))})


@pytest.fixture
async def site(pages: Pages, clock: Clock) -> AsyncIterator[CacheMiddleware]:
    """The application behind a cache in memory alone."""
    async with caching(pages, clock) as site:
        yield site


@pytest.fixture
def visitor(site: CacheMiddleware) -> Visitor:
    """Somebody without cookies."""
    return Visitor(site)


PURGES: list[tuple[dict[str, Any], bool]] = [
    ({"tags": ["block:7"]}, True),
    ({"tags": ("x", "page:1")}, True),
    ({"tags": (tag for tag in ("template:base",))}, True),
    ({"tags": ["page:1@de"]}, True),
    ({"tags": ["page:1@en"]}, False),
    ({"tags": ["block:8"]}, False),
    ({"urls": ["/a"]}, True),
    ({"urls": ["https://example.org/a"]}, True),
    ({"urls": ["/a"], "site": "example.org"}, True),
    ({"urls": ["/b"]}, False),
    ({"prefixes": ["/"]}, True),
    ({"prefixes": ["/a/"]}, False),
    ({"site": "example.org"}, True),
    ({"site": "example.com"}, False),
    ({"all": True}, True),
]


@pytest.mark.parametrize(("named", "gone"), PURGES)
async def test_purge(visitor: Visitor, site: CacheMiddleware, named: dict[str, Any], gone: bool) -> None:
    """A purge from Python is done when it returns: what depends on what was named is rendered anew, nothing else."""
    await visitor.get("/a")
    purge = await site.cache.purge(**named)
    assert purge.done
    assert (purge.state, purge.scope, purge.detail) == ("done", "process", "")
    assert ((await visitor.get("/a")).level is None) is gone


async def test_rules(visitor: Visitor, site: CacheMiddleware) -> None:
    """Each rule purges what depends on the thing it names."""
    cache = site.cache
    await visitor.get("/b")
    rules = [
        cache.block_changed(7),
        cache.page_changed("1"),
        cache.template_changed("base"),
        cache.translation_changed("de"),
        cache.translation_changed("de", page_id=1),
        cache.translation_changed("de", block_id=7),
    ]
    for rule in rules:
        await visitor.get("/a")
        assert (await visitor.get("/a")).level == "memory"
        assert (await rule).done
        assert (await visitor.get("/a")).level is None
    others = [
        cache.block_changed(8),
        cache.translation_changed("fr"),
        cache.translation_changed("fr", page_id=1),
        cache.translation_changed("de", page_id=2),
    ]
    for other in others:
        assert (await other).done
        assert (await visitor.get("/a")).level == "memory"
    assert (await visitor.get("/b")).level == "memory"


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({}, "tags"),
        ({"tags": ["a b"]}, "tags"),
        ({"urls": ["about"]}, "urls"),
        ({"prefixes": ["/a"]}, "prefixes"),
        ({"tags": ["a"], "site": "example.org"}, "site"),
        ({"tags": "block:7"}, "tags"),
        ({"urls": "/a"}, "urls"),
        ({"prefixes": "/"}, "prefixes"),
    ],
)
async def test_purge_that_cannot_be_meant(
    visitor: Visitor, site: CacheMiddleware, named: dict[str, Any], field: str
) -> None:
    """A mistake is an error that names the argument, also a text where a list belongs; nothing is purged."""
    await visitor.get("/a")
    with pytest.raises(TargetError) as caught:
        await site.cache.purge(**named)
    assert caught.value.field == field
    assert (await visitor.get("/a")).level == "memory"


async def test_soft_purge(visitor: Visitor, site: CacheMiddleware, clock: Clock, pages: Pages) -> None:
    """Softly purged, a page is stale until its grace ends, and replaced meanwhile."""
    await visitor.get("/a")
    assert (await site.cache.purge(tags=["block:7"], soft=True, grace=5.0)).done
    pages.pages["/a"] = Page(fails=RuntimeError("the application fails"))
    for _ in range(2):
        assert (await visitor.get("/a")).body == b"render 1"
        await asyncio.sleep(0.01)
    clock.advance(5)
    with pytest.raises(RuntimeError):
        await visitor.get("/a")


async def test_purge_by_hand(redis_url: str, namespace: str, pages: Pages) -> None:
    """A purge from a process that serves nothing, such as a script, reaches the workers."""
    options: dict[str, Any] = {"redis_url": redis_url, "namespace": namespace, "lease_seconds": 0.5}
    async with caching(pages, **options) as site:
        visitor = Visitor(site)
        await visitor.get("/a")
        assert (await visitor.get("/a")).level == "memory"
        script = Cache(Config(**options))
        purge = await script.purge(tags=["block:7"])
        assert (purge.done, purge.scope) == (True, "everywhere")
        assert (await visitor.get("/a")).level is None
        await script.aclose()


async def test_sure(redis_url: str, namespace: str) -> None:
    """A cache is sure while it can prove that it knows of every purge: at once without Redis, with a lease else."""
    alone = Cache()
    assert alone.sure
    await alone.aclose()
    cache = Cache(Config(redis_url=redis_url, namespace=namespace))
    assert not cache.sure
    cache.start()
    cache.start()
    deadline = time.monotonic() + 5
    await _until_sure(cache, deadline)
    await cache.aclose()
    assert not cache.sure


async def _until_sure(cache: Cache, deadline: float) -> None:
    while not cache.sure:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_closed_cache_renders(pages: Pages, redis_url: str, namespace: str) -> None:
    """After its end a cache serves nothing from memory, and the site still answers."""
    async with caching(pages, redis_url=redis_url, namespace=namespace) as site:
        visitor = Visitor(site)
        await visitor.get("/a")
        assert (await visitor.get("/a")).level == "memory"
        await site.cache.aclose()
        assert (await visitor.get("/a")).body == b"render 2"


async def test_end_does_not_wait_for_a_render_that_hangs(pages: Pages, clock: Clock) -> None:
    """A refresh whose application hangs holds up nobody's shutdown for longer than two seconds."""
    swr = (HTML, "Cache-Control: max-age=10, stale-while-revalidate=60")
    async with caching(pages, clock) as site:
        visitor = Visitor(site)
        pages.pages["/a"] = Page(lines=swr)
        await visitor.get("/a")
        clock.advance(15)
        pages.pages["/a"] = Page(gate=asyncio.Event())
        await visitor.get("/a")
        await asyncio.sleep(0.01)
        assert pages.running["/a"] == 1
        began = time.monotonic()
        await site.cache.aclose()
        assert time.monotonic() - began < 4
        await asyncio.sleep(0.01)
        assert pages.running["/a"] == 0


async def test_what_it_says_of_itself(visitor: Visitor, site: CacheMiddleware) -> None:
    """The counters are those of what happened, and JSON."""
    await visitor.get("/a")
    await visitor.get("/a")
    await visitor.get("/b")
    await visitor.get("/c", "Cookie: sid=1")
    await site.cache.purge(tags=["block:7"])
    await visitor.get("/a")
    stats = json.loads(json.dumps(site.cache.stats()))
    assert stats["pid"] == os.getpid()
    assert {word: stats["answers"][word] for word in ("hit", "memory", "uri-miss", "cookie", "purged")} == {
        "hit": 1,
        "memory": 1,
        "uri-miss": 2,
        "cookie": 1,
        "purged": 1,
    }
    rendered = stats["memory"]["namespaces"]["rendered"]
    assert (rendered["entries"], rendered["bytes"]) == (2, stats["memory"]["bytes"])
    assert stats["memory"]["max_bytes"] == 64 * MIB
    assert stats["clock"]["position"] == 2
    assert stats["redis"] == {"breaker_open": False, "unreadable": 0, "withheld": 0}


FORKED = """
import asyncio, os, sys
from cms_cache_mw import CacheMiddleware, Config
from tests.support.asgi import Pages, Visitor

async def twice(site):
    visitor = Visitor(site)
    return [(await visitor.get("/a")).level for _ in range(2)]

async def served(site):
    levels = await twice(site)
    epoch = site.cache.stats()["clock"]["epoch"]
    await site.cache.aclose()
    return levels, epoch

site = CacheMiddleware(Pages(), Config.from_env())
first = asyncio.run(twice(site))
child = os.fork()
if child == 0:
    levels, epoch = asyncio.run(served(site))
    # Nothing of the parent's memory; with Redis, what the parent wrote there.
    ok = levels[0] in (None, "shared") and levels[1] == "memory"
    os._exit(0 if ok else 1)
_, status = os.waitpid(child, 0)
again, _ = asyncio.run(served(site))
print(first, os.waitstatus_to_exitcode(status), again)
"""


@pytest.mark.parametrize("with_redis", [False, True])
def test_fork(with_redis: bool, redis_url: str, namespace: str) -> None:
    """A process that was forked after the cache was warm starts over; its parent goes on as before."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "CMS_CACHE_NAMESPACE": namespace}
    if with_redis:
        env["CMS_CACHE_REDIS_URL"] = redis_url
    done = subprocess.run(
        [sys.executable, "-c", FORKED], env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "[None, 'memory'] 0 ['memory', 'memory']\n", done.stderr


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc, which Linux has"
)
def test_grows_by_its_limit() -> None:
    """A flood of distinct URLs, variants, tags and fragments at `max_memory_mb=16`: it grows by at most 16 MiB and 15 %."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "growth.py"), "8000", "16"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert 12 * MIB < found["memory"]["bytes"] <= 16 * MIB
    assert found["memory"]["namespaces"]["rendered"]["evictions"] > 5_000
    assert found["memory"]["namespaces"]["blocks"]["evictions"] > 2_000
    assert found["grown"] <= 1.15 * 16 * MIB
