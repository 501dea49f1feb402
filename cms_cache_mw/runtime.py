"""Where the engine's coroutines run: on an event loop, or driven in place on a worker's thread.

The engine is written once, as coroutines, and waits only by the leaves below (and by the shared store's, which are made the
same way). Each leaf looks where it is. With a loop running on this thread it suspends. Without one it blocks, so that the
coroutine never suspends, and `drive` runs it to its end with a single step: half a microsecond, and no event loop anywhere
near a WSGI worker. A coroutine that does suspend outside a loop is a fault, and `drive` says so.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from cms_cache_mw.aside import Aside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")

HEAVY: Final = 32_768
"""Bytes beyond which compressing is left to a thread where a loop would wait for it."""
LEAVE: Final = 2.0
"""Seconds that an orderly end waits for work under way."""
THREADS: Final = 4
"""Threads for work that nobody waits for, where there is no loop; as many again for what is slow."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs on this thread, or `None`."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def drive(work: Awaitable[T]) -> T:
    """Run a coroutine whose leaves block to its end, on this thread; `RuntimeError` if one of them suspends."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    if running_loop():
        raise RuntimeError("an event loop runs on this thread, which must not wait: call this on another thread")
    raise RuntimeError("a coroutine of the engine suspended outside an event loop; its leaves must block here")


class Runtime:
    """The leaves, and the work that was begun and that nobody waits for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._quick, self._slow = Aside("cms-cache-aside", THREADS), Aside("cms-cache-refresh", THREADS)

    async def wait(self, future: Future[T], patience: float) -> bool:
        """Whether the future is done within `patience` seconds."""
        if future.done():
            return True
        loop = running_loop()
        if loop is None:
            return bool(wait_for((future,), timeout=patience).done)
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

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if running_loop():
            await asyncio.sleep(seconds)
        else:
            time.sleep(seconds)  # noqa: ASYNC251 - there is no loop to hold up

    async def aside(self, work: Callable[[], T], weight: int) -> T:
        """What `work` gives; from another thread where its `weight`, in bytes to go through, would hold up a loop."""
        if weight > HEAVY and running_loop():
            return await asyncio.to_thread(work)
        return work()

    def spawn(self, work: Coroutine[object, object, object], *, slow: bool = False) -> None:
        """Run `work` without anybody waiting for it; what it raises is nobody's. On threads the `slow` is not in the way of the rest."""
        if running_loop() is None:
            if not (self._slow if slow else self._quick).do(partial(drive, work)):
                work.close()
            return
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Call `work` after some seconds."""
        if loop := running_loop():
            loop.call_later(seconds, work)
            return
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        timer.start()

    async def finish(self) -> None:
        """Wait for what was spawned on this loop and on threads, but not for ever."""
        loop = running_loop()
        if mine := {task for task in self._tasks if task.get_loop() is loop}:
            _, late = await asyncio.wait(mine, timeout=LEAVE)
            for task in late:
                task.cancel()
        # What is slow comes first: it spawns what is quick.
        self._slow.finish(LEAVE)
        self._quick.finish(LEAVE)

    def _let_go(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it
