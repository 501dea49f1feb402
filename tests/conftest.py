"""Fixtures for every test, and the order that each must leave behind: no thread, task, flight or log warning."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, cast

import pytest

from cms_cache_mw.flight import Flights
from cms_cache_mw.fragments import decorated, decorator
from tests.support.clock import Clock
from tests.support.proxy import Proxy
from tests.support.server import INSTALL_REDIS, Kind, Server, binary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

PATIENCE = 2.0
"""Seconds that threads and tasks are given to end after a test."""

SERVERS = os.environ.get("TEST_SERVERS", "").split()
"""The kinds of server that must be there; without it Valkey, and Redis where it is installed."""

_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Name our markers, and part the processes that run the tests: caches without Redis in siblings of one folder warn each other."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores it, and so would every server that a test interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.get("PYTEST_XDIST_WORKER"):
        tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp()
    config.addinivalue_line("markers", "thorough: for `make ci-full` alone, which sets TEST_WAGTAIL=thorough")
    config.addinivalue_line("markers", "deadline: about how long a visitor waits for Redis, a tenth of a second")
    config.addinivalue_line(
        "markers", "logs(*patterns): warnings of cms_cache_mw that contain one of these are expected"
    )


def pytest_unconfigure() -> None:
    """Remove what `pytest_configure` made."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Let each test know the threads that were there before its fixtures were."""
    item.stash[_threads] = frozenset(threading.enumerate())
    return (yield)


_threads: pytest.StashKey[frozenset[threading.Thread]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that leaves a thread running after its fixtures are gone."""
    yield
    deadline = time.monotonic() + PATIENCE
    left = [thread for thread in threading.enumerate() if thread not in item.stash[_threads]]
    for thread in left:
        thread.join(max(0.0, deadline - time.monotonic()))
    names = [thread.name for thread in left if thread.is_alive()]
    if names:
        pytest.fail(f"threads still running after the test: {names}; close what started them", pytrace=False)


@pytest.fixture(autouse=True)
def no_task_left(request: pytest.FixtureRequest) -> None:
    """In asynchronous tests, the check that no task outlives them; it is the first fixture, hence the last to end."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_tasks_ended")


@pytest.fixture
async def _tasks_ended() -> AsyncIterator[None]:
    yield
    tasks = asyncio.all_tasks() - {cast("asyncio.Task[object]", asyncio.current_task())}
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=PATIENCE)
        if pending:
            pytest.fail(f"tasks still running after the test: {[task.get_coro() for task in pending]}", pytrace=False)


@pytest.fixture(autouse=True)
def no_flight_left(monkeypatch: pytest.MonkeyPatch, no_task_left: None) -> Iterator[None]:
    """Fail a test after which some cache still has a render under way or somebody waiting for one."""
    begun: list[Flights] = []

    class Remembered(Flights):
        def __init__(self) -> None:
            super().__init__()
            begun.append(self)

    monkeypatch.setattr("cms_cache_mw.assembly.Flights", Remembered)
    yield
    open_flights = sum(flights.open for flights in begun)
    if open_flights:
        pytest.fail(f"{open_flights} flights still open after the test", pytrace=False)


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def own_fragments(no_task_left: None) -> Iterator[None]:
    """Keep from a test the fragments that others decorate and the caches that they have left to the garbage collector."""
    before = dict(decorated._renderers)
    decorator._alive.clear()
    yield
    decorated._renderers.clear()
    decorated._renderers.update(before)


@pytest.fixture(autouse=True)
def no_unexpected_warning(request: pytest.FixtureRequest, no_task_left: None) -> Iterator[None]:
    """Fail a test in which the package logs a warning that no `@pytest.mark.logs("part of it")` announces."""
    expected = [pattern for mark in request.node.iter_markers("logs") for pattern in mark.args]
    warnings = _Warnings()
    logger = logging.getLogger("cms_cache_mw")
    logger.addHandler(warnings)
    yield
    logger.removeHandler(warnings)
    surprises = [text for text in warnings.messages if not any(pattern in text for pattern in expected)]
    if surprises:
        pytest.fail(f"unexpected warnings in the log: {surprises}", pytrace=False)


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Redis as long as a busy machine may need, in tests that are not about that time."""
    if not request.node.get_closest_marker("deadline"):
        monkeypatch.setattr("cms_cache_mw.stores.guard.TIMEOUT", 10.0)
        monkeypatch.setattr("cms_cache_mw.assembly.PATIENCE", 10.0)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test advances it."""
    return Clock()


@pytest.fixture(scope="session", params=["valkey", "redis"])
def server_kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of server in turn; a test that asks for a server runs once on each."""
    kind = cast("Kind", request.param)
    if SERVERS and kind not in SERVERS:
        pytest.skip(f"TEST_SERVERS={' '.join(SERVERS)} leaves {kind} out")
    if binary(kind) is None:
        if SERVERS:
            pytest.fail(INSTALL_REDIS)
        pytest.skip(INSTALL_REDIS)
    return kind


@pytest.fixture(scope="session")
def redis_server(server_kind: Kind) -> Iterator[Server]:
    """A running server, shared by all tests of its kind: not to be stopped or configured."""
    with Server(server_kind) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Server) -> str:
    """The address of a running server that is empty."""
    redis_server.client().flushall()
    return redis_server.url


@pytest.fixture
def own_server(server_kind: Kind) -> Iterator[Server]:
    """A running server for this test alone, to be stopped, killed, emptied or configured at will."""
    with Server(server_kind) as server:
        yield server


@pytest.fixture
def proxy(own_server: Server) -> Iterator[Proxy]:
    """A proxy in front of `own_server`, for this test alone."""
    with Proxy(own_server.port) as proxy:
        yield proxy


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"test{next(_numbers)}"
