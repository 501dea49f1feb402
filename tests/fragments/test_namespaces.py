"""`cache.blocks` and its siblings: fragments by key."""

from __future__ import annotations

from typing import Any

import pytest

from cms_cache_mw import Cache, Config
from tests.support.clock import Clock

NAMES = ("blocks", "pages", "templates", "rendered")


@pytest.mark.parametrize("name", NAMES)
async def test_put_get_delete(name: str) -> None:
    """What is put is there, what is deleted is not; synchronous callers find the same."""
    cache = Cache(Config())
    cache.start()
    namespace = cache.namespaces[name]
    await namespace.put("a", {"x": [1]})
    namespace.put_sync("b", b"bytes")
    assert await namespace.get("a") == namespace.get_sync("a") == {"x": [1]}
    assert await namespace.get("b") == b"bytes"
    await namespace.delete("a")
    assert await namespace.get("a") is None
    await cache.aclose()


async def test_an_id_and_its_whole_name_are_one() -> None:
    """`7`, `"7"` and `"block:7"` are the block 7."""
    cache = Cache(Config())
    cache.start()
    await cache.blocks.put(7, "seven")
    assert [await cache.blocks.get(key) for key in (7, "7", "block:7")] == ["seven"] * 3
    assert (await cache.block_changed(7)).done
    assert await cache.blocks.get(7) is None
    await cache.aclose()


async def test_namespaces_are_apart() -> None:
    """The same id is another thing in each, and a rule reaches its own."""
    cache = Cache(Config())
    cache.start()
    for name in NAMES:
        await cache.namespaces[name].put(1, name)
    await cache.template_changed(1)
    assert [await cache.namespaces[name].get(1) for name in NAMES] == ["blocks", "pages", None, "rendered"]
    await cache.page_changed(1)
    assert [await cache.namespaces[name].get(1) for name in NAMES] == ["blocks", None, None, "rendered"]
    await cache.aclose()


async def test_each_namespace_has_its_limit_and_its_lifetime() -> None:
    """`max_items_per_type` and `default_ttl` hold for each by itself."""
    clock = Clock()
    options: dict[str, Any] = {"max_items_per_type": 3, "default_ttl": {"blocks": 10, "pages": 100}}
    cache = Cache(Config(**options), now=clock.now)
    cache.start()
    for number in range(5):
        await cache.blocks.put(number, "block")
        await cache.pages.put(number, "page", ttl=1000 if number == 4 else None)
    assert {kind: memory.items for kind, memory in cache.parts.memories.items() if memory.items} == {
        "blocks": 3,
        "pages": 3,
    }
    clock.advance(50)
    assert [await cache.blocks.get(4), await cache.pages.get(3)] == [None, "page"]
    clock.advance(100)
    assert [await cache.pages.get(3), await cache.pages.get(4)] == [None, "page"]
    await cache.aclose()


async def test_rules_say_what_would_go_and_leave_it() -> None:
    """With `dry_run` a rule counts what depends on the edit, names it, and purges nothing."""
    cache = Cache(Config())
    cache.start()
    for number in range(3):
        await cache.rendered.put(
            f"teaser:{number}", "x", tags=["block:7", "page:1", "template:t", f"lang:{'ed'[number % 2]}n"]
        )
    await cache.blocks.put(7, "seven")
    seq = cache.worker.clock.state.pos
    found = await cache.block_changed(7, dry_run=True)
    assert found.entries == 4
    assert set(found.urls) == {"block:7", "rendered:teaser:0", "rendered:teaser:1", "rendered:teaser:2"}
    assert (await cache.page_changed(1, dry_run=True)).entries == 3
    assert (await cache.template_changed("t", dry_run=True)).entries == 3
    assert (await cache.translation_changed("en", block_id=7, dry_run=True)).entries == 3
    assert (await cache.translation_changed("dn", dry_run=True)).entries == 2
    assert cache.worker.clock.state.pos == seq
    assert await cache.blocks.get(7) == "seven"
    await cache.aclose()


async def test_one_rule_is_one_number() -> None:
    """Each rule is one purge, however many fingerprints it has."""
    cache = Cache(Config())
    cache.start()
    numbers = [
        (await cache.block_changed(1)).seq,
        (await cache.translation_changed("de", page_id=1, block_id=2)).seq,
        (await cache.page_changed(3)).seq,
    ]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    await cache.aclose()
