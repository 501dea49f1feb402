"""The switches over HTTP: seen with one scope, changed with another, and who did it in the log."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw.switching.flags import MEANINGS
from tests.support.asgi import Pages, Reply, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKENS: dict[str, Any] = {"ann": "token-of-ann", "desk": ("token-of-desk", ("read", "purge"))}
ANN, DESK = (f"Authorization: Bearer token-of-{name}" for name in TOKENS)


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """Somebody who asks a site in memory alone; one flag of it is configured to be off."""
    async with caching(Pages(), admin_tokens=TOKENS, flags={"fragments": False}) as site:
        yield Visitor(site)


async def switch(visitor: Visitor, order: object, *lines: str) -> Reply:
    """The reply to a change."""
    return await visitor.ask("/_cache/switches", *(lines or (ANN,)), method="POST", body=json.dumps(order).encode())


async def test_seen(visitor: Visitor) -> None:
    """Whoever may look sees every flag with its meaning, how it stands and how it was configured."""
    shown = (await visitor.get("/_cache/switches", DESK)).json()
    assert (shown["enable_for"], shown["audit_rate"], shown["version"]) == (1.0, 0.0, 0)
    assert {name: flag["on"] for name, flag in shown["flags"].items()} == {
        name: name != "fragments" for name in MEANINGS
    }
    assert shown["flags"]["fragments"]["configured"] is False
    assert shown["flags"]["shared"]["meaning"] == MEANINGS["shared"]


async def test_changed(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """A change is in force when it is answered; what it did not name stays, and null goes back to the configuration."""
    caplog.set_level(logging.INFO, "cms_cache_mw")
    reply = await switch(visitor, {"enable_for": 0, "flags": {"fragments": True, "shared": False}, "reason": "a test"})
    shown = reply.json()
    assert (reply.status, shown["state"], shown["scope"]) == (200, "done", "process")
    assert (shown["by"], shown["reason"], shown["version"]) == ("ann", "a test", 1)
    assert "switches changed by ann: enable_for=0.0, fragments on, shared off ('a test')" in caplog.text
    assert "detail=off" in (await visitor.get("/a")).cache_status
    shown = (await switch(visitor, {"enable_for": ["/a*"], "flags": {"fragments": None}})).json()
    assert shown["enable_for"] == ["/a*"]
    assert not shown["flags"]["fragments"]["on"]
    assert not shown["flags"]["shared"]["on"]
    assert "detail=off" not in (await visitor.get("/a")).cache_status


async def test_who_may_not(visitor: Visitor) -> None:
    """A token to purge does not switch the cache off."""
    assert (await switch(visitor, {"enable_for": 0}, DESK)).status == 403
    assert "detail=off" not in (await visitor.get("/a")).cache_status


@pytest.mark.parametrize(
    ("order", "field", "said"),
    [
        ({"flags": {"cookies": False}}, "flags", "the flags are shared, coalescing"),
        ({"flags": {"shared": 1}}, "flags[...]", "bool"),
        ({"enable_for": 1.5}, "enable_for", "a share between 0 and 1"),
        ({"enable_for": "all"}, "enable_for", "Expected"),
        ({"audit_rate": -1}, "audit_rate", "a share between 0 and 1"),
        ({"audit": 1}, "audit", "the fields are enable_for, audit_rate, flags, reason"),
    ],
)
async def test_refused(visitor: Visitor, order: object, field: str, said: str) -> None:
    """What cannot be meant names the field and what would be right, and changes nothing."""
    reply = await switch(visitor, order)
    assert reply.status == 400
    assert reply.json()["field"] == field
    assert said in reply.json()["error"]
    assert (await visitor.get("/_cache/switches", ANN)).json()["version"] == 0
