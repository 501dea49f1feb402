"""A timetable: stops that departures are shown on. `app` is for servers; `CMS_CACHE_*` configures the cache."""

from __future__ import annotations

import hmac
import os
from html import escape
from typing import TYPE_CHECKING, Any, Final, cast

from litestar import Litestar, MediaType, Request, Response, get, put
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, JSONBody  # noqa: TC002 - read when the routes are made

from cms_cache_mw import CacheMiddleware, Config, depends_on, fragment

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from cms_cache_mw import Cache

STOPS: Final = {"harbour": ["12", "31"], "market": ["12"], "museum": ["31"]}
"""Which lines stop where."""
LINES: Final = {"12": "every 10 minutes", "31": "every 20 minutes"}
"""One process's timetable: with several workers it would be a database."""


@fragment("block:line-{number}", ttl=600)
async def line(number: str) -> str:
    """A line, as every stop shows it."""
    return f"<p>Line {escape(number)}: {escape(LINES[number])}</p>"


@get("/", media_type=MediaType.HTML)
async def index() -> str:
    """All stops."""
    depends_on("list:stops")
    return "<!doctype html><title>Stops</title>" + "".join(
        f'<p><a href="/stops/{s}">{s}</a></p>' for s in sorted(STOPS)
    )


@get("/stops/{name:str}", media_type=MediaType.HTML)
async def stop(name: FromPath[str]) -> Response[str]:
    """A stop, with the lines that stop there: their tags are the page's."""
    if name not in STOPS:
        raise NotFoundException
    lines = [await line(number) for number in STOPS[name]]
    body = f"<!doctype html><title>{escape(name)}</title><h1>{escape(name)}</h1>{''.join(lines)}"
    return Response(body, headers={"Cache-Tag": f"page:{name}"})


def create_app(config: Config | None = None) -> CacheMiddleware:
    """The site behind its cache."""

    @put("/lines/{number:str}")
    async def change(
        number: FromPath[str], data: JSONBody[dict[str, str]], request: Request[Any, Any, Any]
    ) -> dict[str, Any]:
        token = f"Bearer {os.environ.get('EDITOR_TOKEN', 'let me in')}"
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), token.encode()):
            raise PermissionDeniedException
        if number not in LINES:
            raise NotFoundException
        LINES[number] = data["runs"]
        purge = await cache.block_changed(f"line-{number}")
        return {"live": purge.state == "done", "workers": purge.scope}

    site = Litestar([index, stop, change], logging_config=None)  # the server logs
    app = CacheMiddleware(cast("ASGIApp", site), config or Config.from_env())
    cache: Cache = app.cache
    return app


app = create_app()
