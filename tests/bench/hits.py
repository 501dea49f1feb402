"""What a hit costs in process, under ASGI and WSGI, as a ratio to a bare application in the same rounds."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from typing import TYPE_CHECKING, Any

from cms_cache_mw import CacheMiddleware, Config, WSGICacheMiddleware
from tests.bench.browser import environ, scope
from tests.bench.figure import Figure
from tests.support.asgi import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Ask = tuple[Callable[[list[Any]], float], Callable[[], Any]]
    """A loop over prepared requests that gives its seconds, and what prepares one."""

REQUESTS = 40
ROUNDS = 500
PAGE = b"".join(b"<p>Paragraph %d of a page of 12 KiB.</p>\n" % n for n in range(400))[: 12 * 1024]
HEAD: tuple[str, ...] = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: s-maxage=3600",
    "Last-Modified: Sat, 01 Nov 2025 08:00:00 GMT",
)
HEAD += ("Content-Language: en", "X-Frame-Options: DENY", "Cache-Tag: page:1, block:7, template:home, lang:en")

KINDS: dict[str, tuple[tuple[tuple[str, str], ...], str, float]] = {
    "hit, gzip": ((), "GET", 10),
    "hit, identity": ((("accept-encoding", "identity"),), "GET", 10),
    "hit of a visitor without cookies": ((("cookie", ""),), "GET", 10),
    "hit of a visitor with a csrftoken": (
        (("cookie", "csrftoken=b83hd8Jd02Kd; _ga=GA1.1.391821234.1730452113"),),
        "GET",
        20,
    ),
    "304": ((("if-none-match", '"tag-gz"'),), "GET", 25),
    "HEAD": ((), "HEAD", 25),
    "range": ((("range", "bytes=0-1023"), ("accept-encoding", "identity")), "GET", 40),
}
"""What is asked for, with its request fields, its method and the goal."""


def measure() -> Iterator[Figure]:
    """The figures of hits."""
    yield from asyncio.run(_asgi())
    yield from _wsgi()


def ratios(bare: Ask, *others: Ask, rounds: int = ROUNDS) -> list[float]:
    """How many times the bare application's time others take: the best of each over rounds that take turns, on new requests."""
    best = [float("inf")] * (1 + len(others))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for place, (ask, request) in enumerate((bare, *others)):
                best[place] = min(best[place], ask([request() for _ in range(REQUESTS)]))
    finally:
        gc.enable()
    return [seconds / best[0] for seconds in best[1:]]


def under_asgi(app: ASGIApp) -> Callable[[list[Scope]], float]:
    """A loop that asks an ASGI application, without a server or an event loop around it."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        pass

    def ask(scopes: list[Scope]) -> float:
        began = time.perf_counter()
        for asked in scopes:
            # As servers do it: the coroutine is stepped until it ends, and a hit ends in one step.
            try:  # noqa: SIM105 - a context manager takes longer than what is measured
                app(asked, receive, send).send(None)  # type: ignore[attr-defined]
            except StopIteration:
                pass
        return time.perf_counter() - began

    return ask


def under_wsgi(app: Any) -> Callable[[list[dict[str, Any]]], float]:  # noqa: ANN401 - an application, and what a server gives it
    """A loop that asks a WSGI application, without a server around it."""

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        pass

    def ask(environs: list[dict[str, Any]]) -> float:
        began = time.perf_counter()
        for asked in environs:
            app(asked, start_response)
        return time.perf_counter() - began

    return ask


async def _asgi() -> list[Figure]:
    start: Message = {"type": "http.response.start", "status": 200, "headers": fields(*HEAD[:-1])}
    body: Message = {"type": "http.response.body", "body": PAGE}

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start)
        await send(body)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields(*HEAD, 'ETag: "tag"')})
        await send({"type": "http.response.body", "body": PAGE})

    draw = random.Random(1)
    app = CacheMiddleware(application, Config())

    async def discard(message: Message) -> None:
        pass

    for more, method, _ in KINDS.values():
        for _ in range(3):
            await app(scope(draw, "/page", *more, method=method), _nothing, discard)
            await asyncio.gather(*app.cache.runtime._tasks)

    def asked(kind: str) -> Callable[[], Scope]:
        more, method, _ = KINDS[kind]
        return lambda: scope(draw, "/page", *more, method=method)

    kinds = [(under_asgi(app), asked(kind)) for kind in KINDS]
    found = await asyncio.to_thread(ratios, (under_asgi(bare), asked("hit, gzip")), *kinds)
    await app.cache.aclose()
    return [
        Figure(f"ASGI {kind}, in bare applications", x, "x", KINDS[kind][2])
        for kind, x in zip(KINDS, found, strict=True)
    ]


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _wsgi() -> Iterator[Figure]:
    status, head = "200 OK", [(name.decode(), value.decode()) for name, value in fields(*HEAD[:-1])]

    def bare(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401
        start_response(status, head)
        return [PAGE]

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401
        lines = (line.partition(": ") for line in (*HEAD, 'ETag: "tag"'))
        start_response(status, [(name, value) for name, _, value in lines])
        return [PAGE]

    draw = random.Random(1)
    app = WSGICacheMiddleware(application, Config())
    ask = under_wsgi(app)

    def asked(kind: str) -> Callable[[], dict[str, Any]]:
        more, method, _ = KINDS[kind]
        return lambda: environ(draw, "/page", *more, method=method)

    for kind in KINDS:
        for _ in range(3):
            ask([asked(kind)()])
            time.sleep(0.01)
    found = ratios((under_wsgi(bare), asked("hit, gzip")), *((ask, asked(kind)) for kind in KINDS))
    app.cache.close()
    for kind, x in zip(KINDS, found, strict=True):
        yield Figure(f"WSGI {kind}, in bare applications", x, "x", KINDS[kind][2] * 1.3)
