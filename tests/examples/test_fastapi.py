"""The example in FastAPI: pages and data are shared, and one purge is for both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw import Config
from tests.support.asgi import Visitor

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install fastapi")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EDITOR = "Authorization: Bearer let me in"


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """Somebody who reads the recipes."""
    from examples.fastapi import app as example

    recipes = dict(example.RECIPES)
    app = example.create_app(Config())
    yield Visitor(app)
    await app.cache.aclose()
    example.RECIPES.clear()
    example.RECIPES.update(recipes)


PATHS = ["/", "/recipes/1", "/recipes/2", "/api/recipes/1", "/api/recipes/2"]


async def test_pages_and_data_are_shared(visitor: Visitor) -> None:
    """Everything public comes from memory the second time, and no tag leaves the site."""
    for path in PATHS:
        first, second = await visitor.get(path), await visitor.get(path)
        assert (first.status, first.cache_status) == (200, "fwd=uri-miss; stored")
        assert (second.level, second.body) == ("memory", first.body)
        assert first.field("cache-tag") is None
    assert (await visitor.get("/recipes/9")).status == 404


async def test_change_is_live(visitor: Visitor) -> None:
    """After a change its page, its data and every page with the menu are new, and what does not show it is a hit."""
    for path in PATHS:
        await visitor.get(path)
    body = json.dumps({"title": "Crêpes", "ingredients": ["flour"]}).encode()
    json_lines = ("Content-Type: application/json", EDITOR)
    changed = await visitor.ask("/api/recipes/1", *json_lines, method="PUT", body=body)
    assert (changed.status, changed.json()["live"]) == (200, True)
    answers = {path: await visitor.get(path) for path in PATHS}
    assert {path for path, answer in answers.items() if answer.level is None} == set(PATHS) - {"/api/recipes/2"}
    assert "Crêpes".encode() in answers["/"].body
    assert answers["/api/recipes/1"].json()["title"] == "Crêpes"


async def test_strangers_change_nothing(visitor: Visitor) -> None:
    """Without the token nothing is saved."""
    body = json.dumps({"title": "Nothing", "ingredients": []}).encode()
    refused = await visitor.ask("/api/recipes/1", "Content-Type: application/json", method="PUT", body=body)
    assert refused.status == 401
    assert (await visitor.get("/api/recipes/1")).json()["title"] == "Pancakes"
