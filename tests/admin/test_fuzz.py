"""The API as its own document describes it: whatever is asked, the answer is one that the document knows, and never a 5xx."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms_cache_mw import CacheMiddleware, Config
from cms_cache_mw.admin import openapi
from cms_cache_mw.admin.table import ENDPOINTS
from tests.support.asgi import HTML, Page, Pages, Reply, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cms_cache_mw.admin.endpoint import Endpoint
    from tests.support.server import Server

TOKEN = "a-token-for-the-tests"
MAY = f"Authorization: Bearer {TOKEN}"
DOCUMENT: dict[str, Any] = openapi.document(ENDPOINTS, "/_cache")

EXAMPLES = 300 if os.environ.get("FAULTS") == "long" else 20

TEXTS = st.one_of(
    st.sampled_from(
        ["", "menu:1", "/", "/a", "example.org", "https://example.org/a", "0" * 16, "*", "hit", "\x00", "'\"<%"]
    ),
    st.text(max_size=40),
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that goes on goes on without pause."""
    monkeypatch.setattr("cms_cache_mw.shells.messages.EVERY", 0.0)


def meant(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows, or nearly."""
    if reference := schema.get("$ref"):
        return meant(DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]])
    if kinds := schema.get("anyOf"):
        return st.one_of([meant(kind) for kind in kinds])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            low, high = schema.get("minimum", -(10**6)), schema.get("maximum", 10**6)
            return st.integers(low - 1, high + 1)
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(meant(schema.get("items") or {}), max_size=4)
        case "object":
            named = {name: meant(kind) for name, kind in schema.get("properties", {}).items()}
            required = {name: named[name] for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional={n: k for n, k in named.items() if n not in required})
        case "string":
            return TEXTS
        case _:
            return JUNK


def operation_of(endpoint: Endpoint) -> dict[str, Any]:
    """What the document says of an endpoint."""
    operation: dict[str, Any] = DOCUMENT["paths"][endpoint.path.replace(":path}", "}")][endpoint.method.lower()]
    return operation


@st.composite
def requests(draw: st.DrawFn, endpoint: Endpoint) -> tuple[str, bytes]:
    """A target and a body for an endpoint: mostly what is documented, sometimes anything."""
    operation = operation_of(endpoint)
    if endpoint.takes_body:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        content = draw(meant(schema) if draw(st.integers(0, 4)) else JUNK)
        if isinstance(content, dict):
            content = draw(st.sampled_from([content, content | {"wait_ms": 0}]))
        body = json.dumps(content).encode() if draw(st.integers(0, 9)) else draw(st.binary(max_size=40))
        return "/_cache" + endpoint.path, body
    path, query = endpoint.path.replace(":path}", "}"), []
    for parameter in operation["parameters"]:
        value = draw(meant(parameter["schema"]) if draw(st.integers(0, 3)) else JUNK)
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(str(value), safe="", errors="replace") or "-")
        elif draw(st.booleans()):
            query += [(parameter["name"], str(one)) for one in (value if isinstance(value, list) else [value])]
    if not draw(st.integers(0, 9)):
        query.append((draw(TEXTS), draw(TEXTS)))
    return "/_cache" + path + ("?" + urlencode(query, errors="replace") if query else ""), b""


@pytest.fixture
def asking() -> Iterator[tuple[asyncio.Runner, Visitor]]:
    """A site in memory alone with something in it, and the loop that it lives on."""
    pages = Pages({"/a": Page(lines=(HTML, "Cache-Tag: menu:1, lang:de"))})
    with asyncio.Runner() as runner:
        site = CacheMiddleware(pages, Config(admin_token=TOKEN, refresh_ahead=False, warm_on_start=False))
        visitor = Visitor(site)
        runner.run(visitor.get("/a"))
        yield runner, visitor
        runner.run(site.cache.aclose())


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: f"{row.method} {row.path}")
@pytest.mark.logs("the cache is", "not warmed", "cannot")
def test_every_answer_is_documented(asking: tuple[asyncio.Runner, Visitor], endpoint: Endpoint) -> None:
    """Status and content of each answer are among those that the document gives for the endpoint."""
    runner, visitor = asking
    told = operation_of(endpoint)["responses"]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(requests(endpoint))
    def ask(request: tuple[str, bytes]) -> None:
        target, body = request
        reply = runner.run(visitor.ask(target, MAY, method=endpoint.method, body=body))
        assert str(reply.status) in told, (target, body, reply.status, reply.body)
        assert reply.status < 500, (target, body, reply.body)
        content = told[str(reply.status)]["content"]
        media_type = reply.field("content-type") or ""
        assert media_type in content
        if media_type == "application/json":
            schema = {"components": DOCUMENT["components"], **content[media_type]["schema"]}
            jsonschema.Draft202012Validator(schema).validate(reply.json())

    ask()


BODIES: dict[str, dict[str, object]] = {
    "/purge": {"tags": ["menu:1"], "wait_ms": 0},
    "/switches": {"audit_rate": 0.1, "reason": "a test"},
}
"""What is sent to endpoints that need more than an empty object."""


async def asked(visitor: Visitor, endpoint: Endpoint) -> tuple[Endpoint, Reply]:
    """An endpoint, and what it answers to a question that it understands."""
    body = json.dumps(BODIES.get(endpoint.path, {})).encode() if endpoint.takes_body else b""
    target = endpoint.path.replace("{epoch}", "0" * 16).replace("{seq}", "1").replace("{tag:path}", "menu:1")
    target += "?url=/a" if endpoint.path == "/explain" else ""
    return endpoint, await visitor.ask(f"/_cache{target}", MAY, method=endpoint.method, body=body)


@pytest.mark.logs("lease lost", "the shared store is not asked", "that Redis never took", "not")
@pytest.mark.parametrize("way", ["stopped", "mute", "stopped while they ask"])
async def test_without_redis(own_server: Server, namespace: str, way: str) -> None:
    """With Redis gone or mute, before or meanwhile, each endpoint answers, says so where it matters, and no purge is done."""
    options: dict[str, Any] = {"redis_url": own_server.url, "namespace": namespace, "lease_seconds": 0.5}
    async with caching(Pages(), admin_token=TOKEN, **options) as site:
        visitor = Visitor(site)
        await visitor.get("/a")
        if way == "stopped":
            own_server.kill()
        else:
            own_server.pause()
        asking = [asyncio.ensure_future(asked(visitor, endpoint)) for endpoint in ENDPOINTS]
        if way == "stopped while they ask":
            # What needs no Redis has answered; what does is waiting for it.
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            assert not all(one.done() for one in asking)
            own_server.kill()
        for endpoint, reply in await asyncio.gather(*asking):
            assert b"Traceback" not in reply.body
            assert str(reply.status) in operation_of(endpoint)["responses"], (endpoint, reply.status, reply.body)
            if endpoint.path == "/purge":
                assert (reply.status, reply.json()["state"]) == (503, "unrecorded")
            elif reply.status >= 500:
                assert "Redis" in reply.json()["error"], reply.body
        if way == "mute":
            own_server.resume()
        else:
            by_method = await visitor.ask("/a", MAY, method="PURGE")
            assert (by_method.status, by_method.json()["state"]) == (503, "unrecorded")
