"""The leaves by which the engine waits, on a loop and on a thread, and the work that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.runtime import HEAVY, Runtime, drive, running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


def _on_a_loop(work: Coroutine[object, object, object]) -> object:
    async def run() -> object:
        return await work

    return asyncio.run(run())


@pytest.fixture(params=[_on_a_loop, drive], ids=["loop", "thread"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[object, object, object]], object]:
    """Runs a coroutine of the engine: on an event loop, then driven on this thread."""
    found: Callable[[Coroutine[object, object, object]], object] = request.param
    return found


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """A runtime whose threads are ended."""
    runtime = Runtime()
    yield runtime
    drive(runtime.finish())


def test_wait_for_what_is_done(runtime: Runtime, run: Callable[[Coroutine[object, object, object]], object]) -> None:
    """What is done already is not waited for, with no patience either."""
    future: Future[int] = Future()
    future.set_result(1)
    assert run(runtime.wait(future, 0.0)) is True


def test_wait_in_vain(runtime: Runtime, run: Callable[[Coroutine[object, object, object]], object]) -> None:
    """Patience ends."""
    began = time.monotonic()
    assert run(runtime.wait(Future(), 0.05)) is False
    assert 0.04 < time.monotonic() - began < 1


def test_wait_for_another_thread(runtime: Runtime, run: Callable[[Coroutine[object, object, object]], object]) -> None:
    """What another thread lands wakes the waiter at once."""
    future: Future[int] = Future()
    timer = threading.Timer(0.05, future.set_result, (1,))
    timer.start()
    began = time.monotonic()
    assert run(runtime.wait(future, 10.0)) is True
    assert time.monotonic() - began < 5
    timer.join()


def test_wait_for_what_failed(runtime: Runtime, run: Callable[[Coroutine[object, object, object]], object]) -> None:
    """A future that ends with an exception is done; whoever wants its result will see."""
    future: Future[int] = Future()
    timer = threading.Timer(0.02, future.set_exception, (ValueError("no"),))
    timer.start()
    assert run(runtime.wait(future, 10.0)) is True
    timer.join()


def test_sleep(runtime: Runtime, run: Callable[[Coroutine[object, object, object]], object]) -> None:
    """Time passes."""
    began = time.monotonic()
    run(runtime.sleep(0.03))
    assert time.monotonic() - began >= 0.029


async def test_waiting_holds_up_nobody(runtime: Runtime) -> None:
    """On a loop others run while one waits."""
    future: Future[int] = Future()
    waiting = asyncio.ensure_future(runtime.wait(future, 5.0))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    future.set_result(1)
    assert await waiting is True


async def test_cancelled_waiter(runtime: Runtime) -> None:
    """Who is cancelled while waiting leaves the future as it was for the others."""
    future: Future[int] = Future()
    waiters = [asyncio.ensure_future(runtime.wait(future, 5.0)) for _ in range(2)]
    await asyncio.sleep(0.01)
    waiters[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiters[0]
    future.set_result(1)
    assert await waiters[1] is True


def test_landing_after_the_loop_has_gone(runtime: Runtime) -> None:
    """A flight may land when the loop of a waiter is closed."""
    future: Future[int] = Future()
    assert asyncio.run(runtime.wait(future, 0.01)) is False
    future.set_result(1)
    assert future.result() == 1


def test_drive() -> None:
    """A coroutine that never suspends runs to its end in place, and what it raises comes out."""

    async def inner(number: int) -> int:
        return number + 1

    async def outer() -> int:
        return await inner(1) + await inner(2)

    async def fails() -> None:
        raise ValueError("no")

    assert drive(outer()) == 5
    with pytest.raises(ValueError, match="no"):
        drive(fails())


def test_drive_refuses_to_suspend() -> None:
    """A coroutine that would need a loop is a fault, and what it had begun is ended."""
    ended = []

    async def suspends() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ended.append(True)

    with pytest.raises(RuntimeError, match="suspended outside an event loop"):
        drive(suspends())
    assert ended == [True]


async def test_drive_on_a_loop() -> None:
    """Where a loop runs, what has to wait is refused, and told where to go; what has not to wait is done."""
    runtime = Runtime()
    with pytest.raises(RuntimeError, match="call this on another thread"):
        drive(runtime.wait(Future(), 1.0))
    done: Future[int] = Future()
    done.set_result(1)
    assert drive(runtime.wait(done, 1.0)) is True


async def test_running_loop() -> None:
    """A loop is seen on its own thread alone."""
    assert running_loop() is asyncio.get_running_loop()
    assert await asyncio.to_thread(running_loop) is None


async def test_heavy_work_goes_aside(runtime: Runtime) -> None:
    """On a loop, work on many bytes is done by another thread, work on few at once."""
    here = threading.get_ident()
    assert await runtime.aside(threading.get_ident, HEAVY) == here
    assert await runtime.aside(threading.get_ident, HEAVY + 1) != here


def test_heavy_work_on_a_thread(runtime: Runtime) -> None:
    """Where there is no loop to hold up, the thread does it itself."""
    assert drive(runtime.aside(threading.get_ident, HEAVY + 1)) == threading.get_ident()


async def test_spawned_on_a_loop(runtime: Runtime) -> None:
    """Work that nobody waits for runs by itself; the end waits for it."""
    steps: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.02)
        steps.append("done")

    runtime.spawn(work())
    assert steps == []
    await runtime.finish()
    assert steps == ["done"]


async def test_what_spawned_work_raises(runtime: Runtime) -> None:
    """What it raises is nobody's trouble: no warning, no end of anything else."""

    async def fails() -> None:
        raise ValueError("no")

    runtime.spawn(fails())
    await runtime.finish()
    await asyncio.sleep(0)


async def test_end_is_not_waited_for_for_ever(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that hangs is cancelled in the end."""
    monkeypatch.setattr("cms_cache_mw.runtime.LEAVE", 0.05)
    cancelled = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    runtime.spawn(hangs())
    began = time.monotonic()
    await runtime.finish()
    assert time.monotonic() - began < 1
    async with asyncio.timeout(1):
        await cancelled.wait()


def test_spawned_on_a_thread(runtime: Runtime) -> None:
    """Without a loop the work goes to threads of its own, and the end waits for them."""
    idents: list[int] = []

    async def work() -> None:
        idents.append(threading.get_ident())

    for _ in range(10):
        runtime.spawn(work())
    drive(runtime.finish())
    assert len(idents) == 10
    assert threading.get_ident() not in idents
    runtime.spawn(work())
    drive(runtime.finish())
    assert len(idents) == 11


def test_what_is_spawned_by_spawned_work(runtime: Runtime) -> None:
    """The end waits for that too, be it quick or slow."""
    done: list[int] = []

    async def work(depth: int) -> None:
        if depth:
            runtime.spawn(work(depth - 1))
        done.append(depth)

    runtime.spawn(work(3), slow=True)
    drive(runtime.finish())
    assert done.count(0) == 1


def test_slow_work_is_not_in_the_way(runtime: Runtime) -> None:
    """However much that is slow hangs, what is quick is done."""
    free, done = threading.Event(), threading.Event()

    async def hangs() -> None:
        free.wait(10)

    async def quick() -> None:
        done.set()

    for _ in range(20):
        runtime.spawn(hangs(), slow=True)
    runtime.spawn(quick())
    assert done.wait(5)
    free.set()


def test_end_leaves_hanging_threads_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A render that hangs on a thread is not waited for for ever, and keeps no process from ending."""
    monkeypatch.setattr("cms_cache_mw.runtime.LEAVE", 0.05)
    runtime, free, hanging = Runtime(), threading.Event(), threading.Event()

    async def hangs() -> None:
        hanging.set()
        free.wait(10)

    runtime.spawn(hangs(), slow=True)
    assert hanging.wait(5)
    began = time.monotonic()
    drive(runtime.finish())
    assert time.monotonic() - began < 1
    left = [thread for thread in threading.enumerate() if thread.name == "cms-cache-refresh"]
    assert [thread.daemon for thread in left] == [True]
    free.set()
    drive(runtime.finish())
    assert not any(thread.is_alive() for thread in left)


async def test_later_on_a_loop(runtime: Runtime) -> None:
    """Work can be put off."""
    called = asyncio.Event()
    runtime.later(0.02, called.set)
    assert not called.is_set()
    async with asyncio.timeout(5):
        await called.wait()


def test_later_on_a_thread(runtime: Runtime) -> None:
    """Without a loop too."""
    called = threading.Event()
    runtime.later(0.02, called.set)
    assert not called.is_set()
    assert called.wait(5)
