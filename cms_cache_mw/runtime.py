"""Where the engine's coroutines run: on an event loop, or driven in place on a worker's thread.

The engine is written once, as coroutines, and waits only through the leaves of a `Runtime`. On a loop a leaf suspends. On a
thread a leaf blocks, so that the coroutine never suspends and `drive` runs it to its end with a single `send`: half a
microsecond, and no event loop anywhere near a WSGI worker.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")
HEAVY: Final = 32_768
"""Bytes beyond which compressing is left to a thread."""


class Runtime(Protocol):
    """What the engine waits by."""

    async def wait(self, future: Future[T], patience: float) -> bool:
        """Whether the future is done within `patience` seconds."""
        ...

    def spawn(self, work: Coroutine[object, object, object]) -> None:
        """Run `work` without anybody waiting for it; what it raises is nobody's."""
        ...

    async def aside(self, work: Callable[[], T], weight: int) -> T:
        """What `work` gives; off the loop where its `weight`, in bytes to go through, would hold up others."""
        ...

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Call `work` after some seconds."""
        ...


class Loop:
    """The runtime on an event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    async def wait(self, future: Future[T], patience: float) -> bool:
        """Whether the future is done within `patience` seconds."""
        if future.done():
            return True
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake(_: Future[T]) -> None:
            # The loop may be closed by the time another thread lands the flight.
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)

        future.add_done_callback(wake)
        try:
            async with asyncio.timeout(patience):
                await woken.wait()
        except TimeoutError:
            return future.done()
        return True

    def spawn(self, work: Coroutine[object, object, object]) -> None:
        """Run `work` as a task."""
        self._keep(asyncio.ensure_future(work))

    async def aside(self, work: Callable[[], T], weight: int) -> T:
        """What `work` gives, from a thread where it is heavy."""
        return await asyncio.to_thread(work) if weight > HEAVY else work()

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Call `work` on the loop."""
        asyncio.get_running_loop().call_later(seconds, work)

    async def finish(self) -> None:
        """Wait for all that was spawned or left to end."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _keep(self, task: asyncio.Task[object]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it


def drive(work: Awaitable[T]) -> T:
    """Run a coroutine whose leaves block to its end, on this thread; `RuntimeError` if one of them suspends."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("a coroutine of the engine suspended outside an event loop; its leaves must block here")
