"""The example in Litestar: lines are fragments, and a change of one is new on every stop that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw import Config
from tests.support.asgi import Visitor

pytest.importorskip("litestar", reason="Litestar is not installed: pip install litestar")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATHS = ["/", "/stops/harbour", "/stops/market", "/stops/museum"]


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """Somebody who waits for a bus."""
    from examples.litestar import app as example

    lines = dict(example.LINES)
    app = example.create_app(Config())
    yield Visitor(app)
    await app.cache.aclose()
    example.LINES.update(lines)


async def test_pages_are_shared(visitor: Visitor) -> None:
    """Every page comes from memory the second time."""
    for path in PATHS:
        first, second = await visitor.get(path), await visitor.get(path)
        assert (first.status, first.cache_status) == (200, "fwd=uri-miss; stored")
        assert (second.level, second.body) == ("memory", first.body)
        assert first.field("cache-tag") is None
    assert (await visitor.get("/stops/moon")).status == 404


async def test_change_is_live(visitor: Visitor) -> None:
    """A line that was changed is new on the stops that it has, and the other pages are hits."""
    for path in PATHS:
        await visitor.get(path)
    lines = ("Content-Type: application/json", "Authorization: Bearer let me in")
    changed = await visitor.ask("/lines/12", *lines, method="PUT", body=b'{"runs": "every 5 minutes"}')
    assert (changed.status, changed.json()) == (200, {"live": True, "workers": "process"})
    answers = {path: await visitor.get(path) for path in PATHS}
    assert {path for path, answer in answers.items() if answer.level is None} == {"/stops/harbour", "/stops/market"}
    assert b"every 5 minutes" in answers["/stops/market"].body


async def test_strangers_change_nothing(visitor: Visitor) -> None:
    """Without the token nothing is saved."""
    lines = ("Content-Type: application/json",)
    refused = await visitor.ask("/lines/12", *lines, method="PUT", body=b'{"runs": "never"}')
    assert refused.status == 403
    assert b"every 10 minutes" in (await visitor.get("/stops/market")).body
