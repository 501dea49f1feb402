"""Where the time of a hit goes, part by part; nanoseconds, for orientation. What both worlds share is under ASGI."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from typing import TYPE_CHECKING, Any

from cms_cache_mw import CacheMiddleware, Config, WSGICacheMiddleware
from cms_cache_mw.core.entry import Entry
from cms_cache_mw.core.status import held
from cms_cache_mw.shells import environ as environs
from cms_cache_mw.shells.scope import hit_of
from tests.bench.browser import environ, scope
from tests.bench.figure import Figure
from tests.bench.hits import HEAD, PAGE, under_asgi, under_wsgi
from tests.support.asgi import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Message, Receive, Scope, Send

REQUESTS, ROUNDS = 40, 150


def measure() -> Iterator[Figure]:
    """The figures of the parts."""
    app = asyncio.run(_warmed())
    gc.disable()
    draw, engine = random.Random(1), app.cache.engine
    hits, memory = engine.hits, engine.levels.memory
    ((key, entry),) = memory.entries()
    cookies: Any = engine.keys.cookies

    def asked() -> Scope:
        return scope(draw, "/page")

    def scan(asked: Scope) -> None:
        for field in asked["headers"]:
            if field[0] in hits.notable:
                pass

    def jar(asked: Scope) -> None:
        cookies.sort(asked["headers"][-1][1])

    def fresh_key(_: Scope) -> Entry:
        found = memory.get((key[0], bytes(bytearray(key[1])), bytes(bytearray(key[2])), key[3]))
        assert isinstance(found, Entry)
        return found

    now = engine.now()
    parts: dict[str, Callable[[Scope], object]] = {
        "the loop itself": lambda _: None,
        "request fields looked through": scan,
        "cookies": jar,
        "key and memory": fresh_key,
        "clock": lambda _: engine.now(),
        "purge check": lambda _: engine.worker.clock.check(entry, now),
        "accounting": lambda _: hits.account(entry, now),
        "Age and Cache-Status": lambda _: held(3.0, 5.0),
        "all but the messages sent": lambda asked: hit_of(asked, engine),
    }
    for name, work in parts.items():
        yield Figure(f"ASGI hit, {name}", _best(work, asked) * 1e9, "ns", float("inf"))
    ask = under_asgi(app)
    whole = min(ask([asked() for _ in range(REQUESTS)]) for _ in range(ROUNDS)) / REQUESTS
    yield Figure("ASGI hit, whole", whole * 1e9, "ns", float("inf"))
    yield from _wsgi()
    gc.enable()
    app.cache.close()


def _wsgi() -> Iterator[Figure]:
    """The parts that only WSGI has, and the whole."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401
        start_response("200 OK", [(name.decode(), value.decode()) for name, value in fields(*HEAD)])
        return [PAGE]

    draw, app = random.Random(1), WSGICacheMiddleware(application, Config(warm_on_start=False, refresh_ahead=False))
    engine, ask = app.cache.engine, under_wsgi(app)
    for _ in range(4):
        ask([environ(draw, "/page")])
    ((key, entry),) = engine.levels.memory.entries()
    texts, rare = tuple(environs.headers_of(entry.fields)), environs._rare(engine.hits.notable)

    def asked() -> dict[str, Any]:
        return environ(draw, "/page")

    parts: dict[str, Callable[[dict[str, Any]], object]] = {
        "environ looked through": rare.isdisjoint,
        "key encoded": lambda made: [
            made[name].encode("latin-1") for name in ("PATH_INFO", "QUERY_STRING", "HTTP_HOST")
        ],
        "cookies encoded": lambda made: made["HTTP_COOKIE"].encode("latin-1"),
        "memory, freshness, purge check, accounting": lambda _: engine.hits.find(key, None, None),
        "status and list of fields": lambda _: (environs.status_of(200), [*texts, *environs._held(3.0, 5.0)]),
        "all but start_response": lambda made: environs.hit_of(made, engine),
    }
    for name, work in parts.items():
        yield Figure(f"WSGI hit, {name}", _best(work, asked) * 1e9, "ns", float("inf"))
    whole = min(ask([asked() for _ in range(REQUESTS)]) for _ in range(ROUNDS)) / REQUESTS
    yield Figure("WSGI hit, whole", whole * 1e9, "ns", float("inf"))
    app.cache.close()


def _best(work: Callable[[Any], object], asked: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        scopes = [asked() for _ in range(REQUESTS)]
        began = time.perf_counter()
        for each in scopes:
            work(each)
        best = min(best, time.perf_counter() - began)
    return best / REQUESTS


async def _warmed() -> CacheMiddleware:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields(*HEAD)})
        await send({"type": "http.response.body", "body": PAGE})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        return None

    app = CacheMiddleware(application, Config(warm_on_start=False, refresh_ahead=False))
    for _ in range(4):
        await app(scope(random.Random(1), "/page"), receive, send)
        await asyncio.gather(*app.cache.runtime._tasks)
    return app
