"""Requests to an ASGI application that no client sent: on its loop, with scopes as its server makes them.

What a scope has of the server is learnt from the first request that is not answered from the cache; nothing of a visitor's is
kept of it. The lifespan's state is given to each as servers do.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.shells.scope import scope_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from starlette.types import Message, Scope, Send

    from cms_cache_mw.core.message import Request
    from cms_cache_mw.recorder import Recorder
    from cms_cache_mw.runtime import Runtime

PATIENCE: Final = 30.0
"""Seconds after which a render that nobody waits for is given up."""
_OF_THE_SERVER: Final = ("asgi", "http_version", "server", "root_path")


class AsgiInside:
    """The application as the background reaches it. `render` lets it answer through a recorder, for a scope, to a `send`."""

    def __init__(
        self, render: Callable[[Recorder, Scope, Send], Awaitable[None]], runtime: Callable[[], Runtime]
    ) -> None:
        self.state: Mapping[str, Any] | None = None
        """What the application's lifespan gives to each request."""
        self._render, self._runtime = render, runtime
        self._sample: Scope | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended = False

    def seen(self, scope: Scope) -> None:
        """Learn from a request how this server presents them."""
        if self._sample is None:
            self._loop = asyncio.get_running_loop()
            self._sample = {name: scope[name] for name in _OF_THE_SERVER if name in scope}

    @property
    def ready(self) -> bool:
        """Whether it is known how to ask."""
        return self._sample is not None and self._loop is not None and not self._loop.is_closed() and not self._ended

    refusal = ""
    """Why the application is not asked in the background, where it never is."""

    def render(self, recorder: Recorder) -> Future[None]:
        """Let the application answer through a recorder, which is closed in the end."""
        future: Future[None] = Future()

        async def work() -> None:
            await self._render(recorder, self._scope(recorder.request), nowhere)

        self._begin(work, recorder, future)
        return future

    def read(self, recorder: Recorder, most: int) -> Future[tuple[int, bytes]]:
        """Status and body of what the application answers; `ValueError` for more than `most` bytes."""
        future: Future[tuple[int, bytes]] = Future()
        answer = _Answer(most)

        async def work() -> tuple[int, bytes]:
            await self._render(recorder, self._scope(recorder.request), answer.send)
            return answer.status, bytes(answer.body)

        self._begin(work, recorder, future)
        return future

    def end(self) -> None:
        """Give up what is under way."""
        self._ended = True
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, Any]], recorder: Recorder, future: Future[Any]) -> None:
        try:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(lambda: self._runtime().spawn(self._run(work, recorder, future)))
        except RuntimeError as error:  # the loop is closed
            recorder.close()
            future.set_exception(error)

    async def _run(self, work: Callable[[], Coroutine[Any, Any, Any]], recorder: Recorder, future: Future[Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self._ended:
            task.cancel()
        try:
            async with asyncio.timeout(PATIENCE):
                future.set_result(await work())
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else TimeoutError("given up"))
            raise
        finally:
            self._tasks.discard(task)
            recorder.close()

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _scope(self, request: Request) -> Scope:
        scope = {**scope_for(request), **(self._sample or {})}
        if self.state is not None:
            scope["state"] = dict(self.state)
        return scope


class _Answer:
    """The `send` of a render whose body is wanted."""

    def __init__(self, most: int) -> None:
        self.status = 0
        self.body = bytearray()
        self._most = most

    async def send(self, message: Message) -> None:
        """Take a message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if len(self.body) > self._most:
                raise ValueError(f"more than {self._most} bytes")


async def nowhere(_: Message) -> None:
    """The `send` of a render that no client waits for."""
