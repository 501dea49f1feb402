"""Threads for work that nobody waits for: few, in order, and gone when they are told to go."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.aside import Aside

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def aside() -> Iterator[Aside]:
    """Two threads at most."""
    aside = Aside("aside-of-the-tests", 2)
    yield aside
    assert aside.finish(10)


def threads() -> list[threading.Thread]:
    """Those of the fixture."""
    return [thread for thread in threading.enumerate() if thread.name == "aside-of-the-tests"]


def test_no_thread_before_there_is_work(aside: Aside) -> None:
    """Threads are started for work, one for each piece and two at most, and serve for more."""
    assert threads() == []
    free, done = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        free.wait(10)
        done.release()

    for count in (1, 2, 2):
        assert aside.do(work)
        assert len(threads()) == count
    free.set()
    assert all(done.acquire(timeout=10) for _ in range(3))
    assert aside.do(work)
    assert len(threads()) <= 2


def test_all_is_done_before_the_end(aside: Aside) -> None:
    """What was given is done, in order where there is one thread; afterwards there is none, until there is work again."""
    single, done = Aside("aside-of-the-tests", 1), list[int]()
    for number in range(200):
        single.do(lambda number=number: done.append(number))  # type: ignore[misc]
    assert single.finish(10)
    assert done == list(range(200))
    assert threads() == []
    single.do(lambda: done.append(200))
    assert single.finish(10)
    assert done[-1] == 200


def test_failing_work_ends_no_thread(aside: Aside) -> None:
    """What work raises is nobody's."""
    done = threading.Event()

    def fails() -> None:
        raise ValueError

    for _ in range(5):
        aside.do(fails)
    aside.do(done.set)
    assert done.wait(10)


def test_end_has_limits(aside: Aside) -> None:
    """Whoever waits for the end is told that it has not come."""
    free = threading.Event()
    aside.do(lambda: free.wait(10))
    assert not aside.finish(0.02)
    free.set()
    assert aside.finish(10)


def test_end_of_the_interpreter(aside: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started any more, that is said and nothing is left behind."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert not aside.do(lambda: None)
    done = threading.Event()
    assert aside.do(done.set)
    assert done.wait(10)
