"""The admin endpoints on a port of their own: the same answers, and nothing of the site."""

from __future__ import annotations

import asyncio
import json
from wsgiref.util import setup_testing_defaults

import pytest

from cms_cache_mw import Cache, Config
from cms_cache_mw.admin.app import AdminApp, WSGIAdminApp
from cms_cache_mw.options import ConfigError
from tests.support.asgi import Pages, Visitor, caching

TOKEN = "a-token-for-the-tests"
MAY = f"Authorization: Bearer {TOKEN}"


async def test_asgi() -> None:
    """Purges and questions work as they do beside the site; other paths are not found."""
    async with caching(Pages(), admin_token=TOKEN) as site:
        visitor, admin = Visitor(site), Visitor(AdminApp(site.cache))
        await visitor.get("/a")
        assert (await admin.get("/_cache/stats", MAY)).json()["answers"]["uri-miss"] == 1
        assert (await admin.get("/_cache/stats")).status == 401
        assert (await admin.get("/a", MAY)).status == 404
        assert (await admin.ask("/_cache/purge", MAY, method="POST", body=b" " * 70_000)).status == 413
        assert (await admin.ask("/a", MAY, method="PURGE")).status == 200
        assert (await visitor.get("/a")).level is None


async def test_lifespan() -> None:
    """It starts and stops as servers want it."""
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return next(events)

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message["type"])

    async with caching(Pages(), admin_token=TOKEN) as site:
        await AdminApp(site.cache)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_wsgi() -> None:
    """The same from a thread, for a site of either kind."""
    async with caching(Pages(), admin_token=TOKEN) as site:
        admin = WSGIAdminApp(site.cache)

        def ask(path: str, *, method: str = "GET", token: str = TOKEN) -> tuple[str, object]:
            environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_AUTHORIZATION": f"Bearer {token}"}
            environ["HTTP_HOST"] = "example.org"
            setup_testing_defaults(environ)
            statuses: list[str] = []
            body = admin(environ, lambda status, headers, exc_info=None: statuses.append(status))  # type: ignore[arg-type]
            return statuses[0], json.loads(b"".join(body))

        assert (await asyncio.to_thread(ask, "/_cache/health")) == ("200 OK", {"status": "up"})
        assert (await asyncio.to_thread(ask, "/_cache/stats", token="wrong"))[0] == "401 Unauthorized"
        assert (await asyncio.to_thread(ask, "/a"))[0] == "404 Not Found"
        status, made = await asyncio.to_thread(lambda: ask("/a", method="PURGE"))
        assert isinstance(made, dict)
        assert (status, made["state"]) == ("200 OK", "done")


def test_without_a_token() -> None:
    """Endpoints that nobody may use are a mistake in the configuration."""
    for kind in (AdminApp, WSGIAdminApp):
        with pytest.raises(ConfigError, match="admin_tokens"):
            kind(Cache(Config()))
