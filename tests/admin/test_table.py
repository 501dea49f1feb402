"""The table of endpoints: what a row needs, who may call it, and the document that is made of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cms_cache_mw.admin.table import ENDPOINTS
from tests.support.asgi import Page, Pages, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cms_cache_mw import CacheMiddleware
    from cms_cache_mw.admin.endpoint import Endpoint

TOKENS: dict[str, Any] = {
    "ops": "token-of-ops",
    "desk": ("token-of-desk", ("read",)),
    "hook": ("token-of-hook", ("purge",)),
    "duty": ("token-of-duty", ("switch",)),
}
OPS, DESK, HOOK, DUTY = (f"Authorization: Bearer token-of-{name}" for name in TOKENS)


@pytest.fixture
async def site() -> AsyncIterator[CacheMiddleware]:
    """A site in memory alone with a token for everything, one to look and one to purge."""
    async with caching(Pages({"/a": Page()}), admin_tokens=TOKENS) as site:
        yield site


@pytest.fixture
def visitor(site: CacheMiddleware) -> Visitor:
    """Somebody without a token."""
    return Visitor(site)


def of(endpoint: Endpoint) -> str:
    """A row's name, for test reports."""
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint) -> str:
    """A path that the row matches."""
    return "/_cache" + re.sub(r"\{(\w+)(:path)?\}", "1", endpoint.path)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=of)
def test_row(endpoint: Endpoint) -> None:
    """Each row says what it is asked and what it answers, and its function what it does."""
    assert endpoint.answers
    assert (endpoint.run.__doc__ or "").endswith(".")
    assert set(endpoint.parameters) <= set(endpoint.asks.__struct_fields__)


def test_rows_are_told_apart() -> None:
    """No two rows take the same request, and no two functions have the same name."""
    assert len({of(endpoint) for endpoint in ENDPOINTS}) == len(ENDPOINTS)
    assert len({endpoint.run.__name__ for endpoint in ENDPOINTS}) == len(ENDPOINTS)


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.scope != "nobody"], ids=of)
async def test_scopes(visitor: Visitor, endpoint: Endpoint) -> None:
    """A token opens what its scopes allow; anything else is 403, which says what it lacks."""
    may, may_not = {"read": (DESK, HOOK), "purge": (HOOK, DESK), "switch": (DUTY, HOOK)}[endpoint.scope]
    refused = await visitor.ask(path_of(endpoint), may_not, method=endpoint.method, body=b"{}")
    assert (refused.status, refused.json()["field"]) == (403, "Authorization")
    assert f"this needs {endpoint.scope}" in refused.json()["error"]
    assert (await visitor.ask(path_of(endpoint), may, method=endpoint.method, body=b"{}")).status not in {401, 403}
    assert (await visitor.ask(path_of(endpoint), method=endpoint.method, body=b"{}")).status == 401


async def test_purge_method_needs_the_scope(visitor: Visitor) -> None:
    """PURGE on a path of the site is a purge: a token to look is not enough."""
    await visitor.get("/a")
    assert (await visitor.ask("/a", DESK, method="PURGE")).status == 403
    assert (await visitor.get("/a")).level == "memory"
    assert (await visitor.ask("/a", HOOK, method="PURGE")).status == 200
    assert (await visitor.get("/a")).level is None


async def test_document(visitor: Visitor) -> None:
    """The document names every row with its question, its answers and the scope that it needs."""
    reply = await visitor.get("/_cache/openapi.json", DESK)
    assert reply.status == 200
    document = reply.json()
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/_cache"}]
    for endpoint in ENDPOINTS:
        operation = document["paths"][endpoint.path.replace(":path}", "}")][endpoint.method.lower()]
        assert set(map(str, endpoint.answers)) <= set(operation["responses"])
        assert bool(operation["security"]) == (endpoint.scope != "nobody")
        assert ("requestBody" in operation) == endpoint.takes_body


async def test_document_holds_together(visitor: Visitor) -> None:
    """Every reference leads somewhere, and every structure is a JSON schema."""
    document = (await visitor.get("/_cache/openapi.json", OPS)).json()
    schemas = document["components"]["schemas"]
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("query", "field"),
    [("?x=1", "x"), ("?x=1&x=2", "x"), ("?" + "&".join(f"x{n}=1" for n in range(60)), "query"), ("?%ff=1", "\ufffd")],
)
async def test_unknown_parameters(visitor: Visitor, query: str, field: str) -> None:
    """A parameter that there is not, or that is there twice, is an error that names it."""
    reply = await visitor.get(f"/_cache/stats{query}", OPS)
    assert (reply.status, reply.json()["field"]) == (400, field)
