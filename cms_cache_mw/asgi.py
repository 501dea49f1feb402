"""The ASGI shell: translates between scopes, messages and the engine, and decides nothing."""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeVar

from cms_cache_mw.admin.door import opened
from cms_cache_mw.auditing.audit import Sampled
from cms_cache_mw.cache import Cache
from cms_cache_mw.collecting import apart, current
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.policy import relayed
from cms_cache_mw.core.tags import TagError, read_tags
from cms_cache_mw.engine import Stale
from cms_cache_mw.flight import PATIENCE
from cms_cache_mw.shells.inside_asgi import AsgiInside, nowhere
from cms_cache_mw.shells.messages import Bodiless, body_of, fields_of, send_answer, send_explained, send_live
from cms_cache_mw.shells.scope import hit_of, request_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cms_cache_mw.collecting import Collector
    from cms_cache_mw.config import Config
    from cms_cache_mw.core.rules import Rules
    from cms_cache_mw.recorder import Recorder

T = TypeVar("T")


class CacheMiddleware:
    """An ASGI application around another one, which it answers for where its cache can. `cache` is that cache."""

    def __init__(self, app: ASGIApp, config: Config | None = None) -> None:
        self.app = app
        self.cache = Cache(config)
        self._admin = opened(self.cache)
        self._inside = AsgiInside(
            lambda recorder, scope, send: self._render(recorder, scope, _Nobody(), send), lambda: self.cache.runtime
        )
        self.cache.application = self._inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application answer it."""
        if scope["type"] != "http":
            application = self._lifespan if scope["type"] == "lifespan" else self.app
            return await application(scope, receive, send)
        render = current()
        if render is None and (hit := hit_of(scope, self.cache.engine)):
            start, body = hit
            await send(start)
            return await send(body)
        request = request_of(scope)
        if self._admin and self._admin.wants(request):
            self._inside.seen(scope)
            answer = await self._admin.answer(request, await body_of(receive, self._admin.max_body_bytes))
            return await (send_answer(answer, send) if isinstance(answer, Answer) else send_live(answer, receive, send))
        if render:
            return await self._part(render, scope, receive, send)
        self.cache.start()
        if self._admin and (told := await self._admin.explained(request)):
            return await send_explained(self, told, scope, receive, send)
        step = await self.cache.engine.step(request)
        if isinstance(step, Sampled):
            self.cache.runtime.spawn(step.sample(partial(self._refresh, scope=scope)), slow=True)
            step = step.step
        if isinstance(step, Answer):
            return await send_answer(step, send)
        if isinstance(step, Stale):
            if step.refresh:
                self.cache.runtime.spawn(self._refresh(step.refresh, scope))
            return await send_answer(step.answer, send)
        return await self._render(step, scope, receive, send)

    async def _part(self, render: Collector, scope: Scope, receive: Receive, send: Send) -> None:
        """A request made by a render is part of it: it waits for nobody, who might be waiting for it, and its tags are the page's."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                try:
                    render.note(read_tags(fields_of(message), self.cache.engine.rules.tag_headers), inf)
                except TagError as error:
                    render.doubtful(str(error))
            await send(message)

        await self.app(scope, receive, noted)

    async def _render(self, recorder: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer through the recorder."""
        self._inside.seen(scope)
        response = _Response(recorder, send, self.cache.engine.rules)
        try:
            try:
                with self.cache.rendering(recorder.collector):
                    hears = partial(_apart, receive)
                    await self.app(
                        _asked(scope, recorder), hears if recorder.bypassed else Bodiless(hears, recorder), response
                    )
            except Exception:
                if not await response.fall_back():
                    raise
            else:
                await response.fall_back()
        finally:
            recorder.close()

    async def _refresh(self, recorder: Recorder, scope: Scope) -> None:
        """Let the application render for nobody but the cache."""
        await self._render(recorder, scope, _Nobody(), nowhere)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and end the cache with the application, also with one that knows nothing of lifespans."""
        self._inside.state = scope.get("state")
        span = _Lifespan(self.cache, receive, send)
        try:
            await self.app(scope, span.receive, span.send)
        except Exception:
            if span.begun:
                raise
        if not span.begun:
            await span.finish()


class _Lifespan:
    """The lifespan protocol between server and application, with the cache listening."""

    def __init__(self, cache: Cache, receive: Receive, send: Send) -> None:
        self.begun = False
        """Whether the application has answered to its start-up."""
        self._asked = False
        self._cache, self._receive, self._send = cache, receive, send

    async def receive(self) -> Message:
        """The server's next message, for the application."""
        message = await self._receive()
        if message["type"] == "lifespan.startup":
            self._asked = True
            self._cache.start()
        return message

    async def send(self, message: Message) -> None:
        """Pass on what the application answers; the cache ends with it. Raises where it takes this for a request."""
        if not message["type"].startswith("lifespan."):
            raise ValueError(f"{message['type']} is no answer to a lifespan")
        self.begun = True
        if message["type"] != "lifespan.startup.complete":
            await self._cache.aclose()
        await self._send(message)

    async def finish(self) -> None:
        """Keep to the protocol in place of an application that does not."""
        if not self._asked:
            await self.receive()
        await self.send({"type": "lifespan.startup.complete"})
        await self._receive()
        await self.send({"type": "lifespan.shutdown.complete"})


class _Response:
    """The application's `send`: holds the start until the policy has decided, then passes everything on at once."""

    def __init__(self, recorder: Recorder, send: Send, rules: Rules) -> None:
        self._begun = False
        self._recorder, self._send, self._rules = recorder, partial(_apart, send), rules
        self._instead = False
        self._ended = False
        self._patience = PATIENCE
        """Seconds that sending may yet take before others go on by themselves."""

    async def __call__(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                await self._start(message)
            case "http.response.body":
                await self._chunk(message)
            case "http.response.pathsend" | "http.response.zerocopysend":
                # A file that the server sends by itself passes unseen and hence unstored.
                if not self._instead:
                    self._recorder.close()
                    await self._send(message)
            case "http.response.trailers":
                if not self._instead:
                    trailers = ((bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ()))
                    await self._send({**message, "headers": list(relayed(tuple(trailers), self._rules))})
            case _:
                if not self._instead:
                    await self._send(message)

    async def fall_back(self) -> bool:
        """Answer in place of an application that gave no answer, where something stored may stand in for it."""
        answer = None if self._begun else self._recorder.fail()
        if answer is None:
            return False
        self._begun = True
        await send_answer(answer, self._send)
        return True

    async def _chunk(self, message: Message) -> None:
        last = not message.get("more_body", False)
        if not self._ended:
            self._ended = last
            if self._recorder.marks.wanted:
                await self._recorder.settle()
            chunk = bytes(message.get("body", b""))
            message = {**message, "body": self._recorder.write(chunk, last=last)}
        if not self._instead:
            await (self._send(message) if last else self._sent_in_time(message))

    async def _sent_in_time(self, message: Message) -> None:
        """Send a chunk. A client that takes none holds up its own render, and for long nobody who waits for the same."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        timer = loop.call_later(max(0.0, self._patience), self._recorder.let_go)
        try:
            await self._send(message)
        finally:
            timer.cancel()
            self._patience -= loop.time() - began

    async def _start(self, message: Message) -> None:
        if message.get("trailers"):
            self._recorder.collector.doubtful("trailers follow, which may hold tags")
        begun = self._recorder.begin(message["status"], fields_of(message))
        self._begun = True
        if isinstance(begun, Answer):
            self._instead = True
            await send_answer(begun, self._send)
        else:
            await self._send({**message, "headers": list(begun)})


async def _apart(server: Callable[..., Awaitable[T]], *message: Message) -> T:
    """Call a server's `send` or `receive`. The connection's next request, which it may begin or read there, is no part of this render."""
    with apart():
        return await server(*message)


def _asked(scope: Scope, recorder: Recorder) -> Scope:
    """The scope as the application is to see it, with the set that it may add tags to."""
    request = recorder.request
    return {
        **scope,
        "cms_cache.tags": recorder.collector.tags,
        "method": request.method,
        "query_string": request.query,
        # Some servers leave the query in it.
        "raw_path": scope["raw_path"].partition(b"?")[0] if scope.get("raw_path") else None,
        "headers": list(request.fields),
    }


class _Nobody:
    """The `receive` of a render that no client asked for: an empty body was sent, and nobody hangs up."""

    def __init__(self) -> None:
        self._asked = False

    async def __call__(self) -> Message:
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}
