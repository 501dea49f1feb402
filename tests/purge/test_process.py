"""Servers under which no thread of ours could run are refused with a sentence; the end of a child of multiprocessing is heard."""

from __future__ import annotations

import http.client
import importlib.util
import multiprocessing
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.purge.process import at_end, unfit
from tests.support.client import Client
from tests.support.process import Port, Process
from tests.support.site import ROOT
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from tests.support.client import Answer

APP = "tests.wsgi.site:app"


@pytest.fixture
def port() -> Iterator[int]:
    """A port for a server."""
    port = Port()
    yield port.number
    port.release()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a server as a command."""
    started: list[Process] = []

    def start(*command: str) -> Process:
        env = {**os.environ, "ORIGIN_STORE": str(tmp_path / "store"), "PYTHONPATH": str(ROOT)}
        started.append(Process(command, tmp_path / "log", env))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def need(module: str, package: str) -> None:
    """Skip where a server is not installed."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{package} is not installed: pip install {package}")


def answer(process: Process, port: int) -> Answer:
    """The first answer of a server that was started."""
    found: list[Answer] = []

    def ask() -> bool:
        assert process.alive, process.output
        with suppress(OSError, http.client.HTTPException), Client(port) as client:
            found.append(client.get("/page/a"))
        return bool(found)

    until(ask, "the server answers", 30)
    return found[0]


def gunicorn(port: int, *options: str) -> list[str]:
    """A worker of gunicorn with gevent."""
    address = ["--no-control-socket", "-b", f"127.0.0.1:{port}"]
    return [sys.executable, "-m", "gunicorn", "-k", "gevent", *address, *options, APP]


def test_gevent(start: Callable[..., Process], port: int) -> None:
    """A worker whose threads gevent has patched does not start, and says why and what to do."""
    need("gevent", "gevent")
    need("gunicorn", "gunicorn")
    server = start(*gunicorn(port))
    assert server.wait(30)
    assert "ConfigError: gevent has patched threading" in server.output
    assert "Use gunicorn's gthread workers, granian, or ASGI." in server.output


def test_gevent_after_the_import(start: Callable[..., Process], port: int) -> None:
    """Where the application was imported before gevent patched threads, the site is served without its cache, and that is said."""
    need("gevent", "gevent")
    need("gunicorn", "gunicorn")
    server = start(*gunicorn(port, "--preload"))
    first = answer(server, port)
    assert (first.status, first.cache_status) == (200, "fwd=bypass; detail=fault")
    assert first.field("cache-tag") is None
    answer(server, port)
    assert server.output.count("nothing is served from the cache: gevent has patched threading") == 1


@pytest.mark.parametrize("threads", [(), ("--enable-threads",), ("--threads", "2")], ids=["none", "enabled", "two"])
def test_uwsgi(start: Callable[..., Process], port: int, threads: tuple[str, ...]) -> None:
    """UWSGI is refused unless it runs threads of Python's."""
    need("pyuwsgi", "pyuwsgi")
    uwsgi = Path(sys.executable).with_name("pyuwsgi")
    server = start(str(uwsgi), "--http-socket", f"127.0.0.1:{port}", "--need-app", "--module", APP, *threads)
    if threads:
        assert answer(server, port).cache_status == "fwd=uri-miss; stored"
    else:
        assert server.wait(30)
        assert (
            "uWSGI runs without threads, so nothing can hold this worker's lease: start it with --enable-threads"
            in (server.output)
        )


def test_plain_process() -> None:
    """Here threads run."""
    assert unfit() == ""


class _Thing:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def end(self) -> None:
        self._pipe.send("ended")


def _child(pipe: Connection) -> None:
    thing, forgotten = _Thing(pipe), _Thing(pipe)
    for each in (thing, forgotten):
        at_end(each.end)
    del forgotten
    sys.modules[__name__].__dict__["_kept"] = thing


def test_end_of_a_child() -> None:
    """The method of what is left is called once."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs,))
    child.start()
    theirs.close()
    assert ours.recv() == "ended"
    with pytest.raises(EOFError):
        ours.recv()
    child.join(20)
