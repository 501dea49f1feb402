"""What a hit costs with what one could take instead, each as its own documentation says, for the same page and the same requests.

Not all of them do the same: the decorators know nothing of HTTP, and none of them purges. What is not installed is left out.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from cms_cache_mw import CacheMiddleware, Config, WSGICacheMiddleware
from tests.bench.browser import environ, scope
from tests.bench.figure import Figure
from tests.bench.hits import HEAD, PAGE, under_wsgi
from tests.support.asgi import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = 20
ROUNDS = 40
TEXT = PAGE.decode()


def measure() -> Iterator[Figure]:
    """The figures of the peers that are installed: their hits in hits of ours."""
    yield from asyncio.run(_asgi())
    yield from _wsgi()


def _bare() -> ASGIApp:
    start: Message = {"type": "http.response.start", "status": 200, "headers": fields(*HEAD[:-1])}
    body: Message = {"type": "http.response.body", "body": PAGE}

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start)
        await send(body)

    return bare


def _ours() -> ASGIApp:
    return CacheMiddleware(_bare(), Config())


def _starlette() -> ASGIApp:
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    async def page(_: object) -> HTMLResponse:
        return HTMLResponse(TEXT)

    return Starlette(routes=[Route("/page", page)])


def _hishel() -> ASGIApp:
    from hishel import AsyncSqliteStorage
    from hishel.asgi import ASGICacheMiddleware

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": fields("Cache-Control: max-age=3600", *HEAD[:1])}
        )
        await send({"type": "http.response.body", "body": PAGE})

    return ASGICacheMiddleware(application, storage=AsyncSqliteStorage(database_path=":memory:"))


def _aiocache() -> ASGIApp:
    import aiocache
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    async def render(path: str) -> str:
        return TEXT

    rendered: Any = aiocache.cached(ttl=3600)(render)

    async def page(request: Any) -> HTMLResponse:  # noqa: ANN401 - a request of Starlette's
        return HTMLResponse(await rendered(request.url.path))

    return Starlette(routes=[Route("/page", page)])


def _cashews() -> ASGIApp:
    import cashews
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    cashews.cache.setup("mem://")

    @cashews.cache(ttl="1h", key="{path}")
    async def rendered(path: str) -> str:
        return TEXT

    async def page(request: Any) -> HTMLResponse:  # noqa: ANN401 - a request of Starlette's
        return HTMLResponse(await rendered(request.url.path))

    return Starlette(routes=[Route("/page", page)])


def _fastapi_cache() -> ASGIApp:
    from fastapi import FastAPI
    from fastapi_cache import FastAPICache
    from fastapi_cache.backends.inmemory import InMemoryBackend
    from fastapi_cache.decorator import cache

    FastAPICache.init(InMemoryBackend())
    app = FastAPI()

    @app.get("/page")
    @cache(expire=3600)
    async def page() -> str:
        return TEXT

    return app


def _flask() -> Any:  # noqa: ANN401 - a WSGI application
    from flask import Flask
    from flask_caching import Cache

    app = Flask("peer")
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 3600})

    @app.get("/page")
    @cache.cached()
    def page() -> str:
        return TEXT

    return app


def _django(package: str = "django.middleware.cache") -> Any:  # noqa: ANN401 - a WSGI application
    """A project of Django with the cache middleware of this package around every view."""
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=(path("page", lambda _: HttpResponse(TEXT)),),
            CACHES={
                name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}
                for name in ("default", "wagtail")
            },
            CACHE_MIDDLEWARE_SECONDS=3600,
            WAGTAIL_CACHE_BACKEND="wagtail",
        )
        django.setup()
    settings.MIDDLEWARE = [f"{package}.{name}" for name in ("UpdateCacheMiddleware", "FetchFromCacheMiddleware")]
    return WSGIHandler()


ASGI: dict[str, tuple[str, Callable[[], ASGIApp]]] = {
    "cms_cache_mw": ("cms_cache_mw", _ours),
    "Starlette's smallest answer, no cache": ("starlette", _starlette),
    "aiocache in Starlette": ("aiocache", _aiocache),
    "cashews in Starlette": ("cashews", _cashews),
    "fastapi-cache2 in FastAPI": ("fastapi-cache2", _fastapi_cache),
    "hishel": ("hishel", _hishel),
}
WSGI: dict[str, tuple[str, Callable[[], Any]]] = {
    "flask-caching in Flask": ("flask-caching", _flask),
    "Django's cache middleware": ("django", _django),
    "wagtail-cache": ("wagtail-cache", lambda: _django("wagtailcache.cache")),
}


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


async def _asgi() -> list[Figure]:
    draw = random.Random(1)
    apps = {f"{name} ({_installed(package)})": make() for name, (package, make) in ASGI.items() if _installed(package)}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200

    async def spent(app: ASGIApp) -> float:
        scopes = [scope(draw, "/page") for _ in range(REQUESTS)]
        began = time.perf_counter()
        for asked in scopes:
            await app(asked, receive, send)
        return time.perf_counter() - began

    best = dict.fromkeys(apps, float("inf"))
    gc.disable()
    for number in range(ROUNDS):
        for name, app in apps.items():
            taken = await spent(app)
            best[name] = min(best[name], taken) if number > 1 else best[name]
        await asyncio.sleep(0)
    gc.enable()
    return list(_compared("ASGI", best))


def _wsgi() -> Iterator[Figure]:
    draw = random.Random(1)
    head = [(name.decode(), value.decode()) for name, value in fields(*HEAD)]

    def bare(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401
        start_response("200 OK", head)
        return [PAGE]

    ours = WSGICacheMiddleware(bare, Config())
    apps: dict[str, Any] = {f"cms_cache_mw ({_installed('cms_cache_mw')})": ours}
    apps |= {f"{name} ({_installed(package)})": make() for name, (package, make) in WSGI.items() if _installed(package)}
    asks = {name: under_wsgi(app) for name, app in apps.items()}
    best = dict.fromkeys(asks, float("inf"))
    for number in range(ROUNDS):
        for name, ask in asks.items():
            taken = ask([environ(draw, "/page") for _ in range(REQUESTS)])
            best[name] = min(best[name], taken) if number > 1 else best[name]
    ours.cache.close()
    yield from _compared("WSGI", best)


def _compared(kind: str, best: dict[str, float]) -> Iterator[Figure]:
    ours = next(name for name in best if name.startswith("cms_cache_mw"))
    for name in (name for name in best if name not in {ours, "bare"}):
        yield Figure(f"{kind}, {name}, in hits of ours", best[name] / best[ours], "x", float("inf"), checked=False)
