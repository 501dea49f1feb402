"""An application that answers as a test has told it to, behind a cache of either profile, and a way in beside the cache.

The host name chooses the profile (`cms.test`, `rfc.test`). Requests below `/-/` are not the cache's: they say what a path answers,
what was asked of it, and what time it is, so that no test waits for time to pass.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import secrets
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest.mock import patch
from urllib.parse import parse_qsl

from cms_cache_mw import Cache, CacheMiddleware, Config
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive, Scope, Send

Answer: TypeAlias = dict[str, Any]
TOKEN = "secret-of-the-tests"
READY: Answer = {
    "status": 204,
    "fields": [],
    "chunks": [""],
    "times": 1,
    "early": [],
    "gate": None,
    "trailing": False,
    "fails": None,
}
"""What a server is asked until it is up."""


class Script:
    """What one path answers, request by request (the last answer repeats), and what it was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.seen: list[dict[str, Any]] = []
        self.events: list[str] = []
        """`begun`, `first` when the first chunk has left, then `ended` or `failed`, and `over`."""
        self.news = asyncio.Condition()
        self.gates: set[str] = set()

    async def note(self, event: str) -> None:
        """Tell who waits for it."""
        async with self.news:
            self.events.append(event)
            self.news.notify_all()

    async def gate(self, name: str | None) -> None:
        """Wait until the test opens a gate; at once where there is none."""
        if name:
            async with self.news:
                await self.news.wait_for(lambda: name in self.gates)


class Origin:
    """The application: paths with a script, and `/stock/…`, a site like one of Django's."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.scripts = {"/ready": Script([READY])}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the script of the path says."""
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if path.startswith("/stock/"):
            return await stock(scope, send)
        script = self.scripts[path]
        answer = script.answers[min(len(script.seen), len(script.answers) - 1)]
        asked = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        number = len(script.seen) + 1
        script.seen.append(
            {"method": scope["method"], "query": scope["query_string"].decode("latin-1"), "fields": asked}
        )
        await script.note("begun")
        try:
            await _play(script, answer, number, self._wall(), send)
        except BaseException:
            await script.note("failed")
            raise
        else:
            await script.note("ended")
        finally:
            await script.note("over")


async def _play(script: Script, answer: Answer, number: int, now: float, send: Send) -> None:
    for lines in answer["early"]:
        await send({"type": "http.response.early_hint", "links": lines})
    await script.gate(answer["gate"])
    if answer["fails"] == "raise":
        raise RuntimeError("the application fails, as it was asked to")
    if answer["fails"] == "silent":
        return
    date = formatdate(now, usegmt=True)
    headers = [(name.encode(), value.replace("{now}", date).encode("latin-1")) for name, value in answer["fields"]]
    await send({"type": "http.response.start", "status": answer["status"], "headers": headers})
    chunks = answer["chunks"]
    for place, chunk in enumerate(chunks):
        if place:
            await script.gate(answer["chunk_gate"])
        body = chunk.replace("%d", str(number)).encode("latin-1") * answer["times"]
        more = place + 1 < len(chunks) or answer["fails"] == "cut" or answer["trailing"]
        await send({"type": "http.response.body", "body": body, "more_body": more})
        if not place:
            await script.note("first")
    if answer["fails"] == "cut":
        raise RuntimeError("the application fails in the middle, as it was asked to")
    if answer["trailing"]:
        await send({"type": "http.response.body", "body": b""})


async def stock(scope: Scope, send: Send) -> None:
    """A page as a stock CMS on Django sends it: no word about caching, an own gzip with random padding, cookies on forms."""
    fields = dict(scope["headers"])
    body = f"<!doctype html><title>{scope['path']}</title>".encode() + b"<p>The same words again.</p>" * 40
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"vary", b"Cookie, Accept-Encoding")]
    if b"sessionid" in fields.get(b"cookie", b""):
        body += b"<p>editor's toolbar</p>"
    if scope["path"].endswith("/form"):
        body += b"<input type=hidden name=csrfmiddlewaretoken value=%s>" % secrets.token_hex(32).encode()
        headers.append((b"set-cookie", b"csrftoken=abc; Path=/; SameSite=Lax; Max-Age=31449600"))
    if b"gzip" in fields.get(b"accept-encoding", b""):
        body = gzip.compress(body + b"<!--" + secrets.token_hex(secrets.randbelow(50)).encode() + b"-->")
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Front:
    """Both caches around one application, and the way in beside them."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.origin = Origin(self._wall)
        timed = partial(Cache, now=lambda: boottime() + self._ahead, wall=self._wall)
        url = os.environ.get("CMS_CACHE_REDIS_URL")
        with patch("cms_cache_mw.asgi.Cache", timed):
            self.caches = {
                "cms.test": CacheMiddleware(self.origin, Config(redis_url=url, namespace="cms", admin_token=TOKEN)),
                "rfc.test": CacheMiddleware(
                    self.origin, Config(redis_url=url, profile="rfc", namespace="rfc", admin_token=TOKEN)
                ),
            }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the cache that its host names, or carry out what a test wants."""
        if scope["type"] == "lifespan":
            return await self.caches["cms.test"](scope, receive, send)
        if scope["path"].startswith("/-/"):
            return await self._control(scope, receive, send)
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").partition(":")[0]
        return await self.caches.get(host, self.caches["cms.test"])(scope, receive, send)

    def _wall(self) -> float:
        return time.time() + self._ahead

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = dict(parse_qsl(scope["query_string"].decode()))
        body = await _read(receive)
        result: object = None
        script = self.origin.scripts.get(asked.get("path", ""))
        match scope["path"]:
            case "/-/script":
                self.origin.scripts[asked["path"]] = Script(json.loads(body))
            case "/-/advance":
                self._ahead += float(asked["seconds"])
            case "/-/now":
                result = self._wall()
            case "/-/seen" if script:
                result = script.seen
            case "/-/open" if script:
                async with script.news:
                    script.gates.add(asked["gate"])
                    script.news.notify_all()
            case "/-/wait" if script:
                times = int(asked["times"])
                async with asyncio.timeout(15), script.news:
                    await script.news.wait_for(lambda: script.events.count(asked["event"]) >= times)
        content = json.dumps(result).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]}
        )
        await send({"type": "http.response.body", "body": content})


async def _read(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message: Message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


app = Front()
