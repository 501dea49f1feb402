"""Servers of the tricky origin: uvicorn on a thread of the tests, where the package can be broken on purpose, and others as processes."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import uvicorn

from tests.support.process import Port, Process
from tests.support.site import ROOT
from tests.support.wait import until
from tests.wsgi.servers import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

Kind: TypeAlias = Literal["uvicorn-httptools", "uvicorn-h11", "granian", "granian-wsgi", "gthread", "waitress"]

KINDS: Final[tuple[Kind, ...]] = ("uvicorn-httptools", "uvicorn-h11", "granian", "granian-wsgi", "gthread", "waitress")


@contextmanager
def on_a_thread(
    app: ASGIApp,
    *,
    http: Literal["h11", "httptools"] = "httptools",
    loop: Literal["auto", "asyncio"] = "auto",
    send_buffer: int | None = None,
) -> Iterator[int]:
    """The port of uvicorn on a thread of its own; the kernel holds `send_buffer` bytes for a client that does not read."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        if send_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        config = uvicorn.Config(app, http=http, loop=loop, ws="none", log_level="critical", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="uvicorn")
        thread.start()
        try:
            until(lambda: server.started, "uvicorn answers")
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def as_process(kind: Kind, **options: str) -> Iterator[tuple[int, Process]]:
    """The port of a server process, and the process; `options` are those of the cache."""
    port = Port()
    app = "tests.security.origin:app"
    if kind == "granian":
        address = ["--host", "127.0.0.1", "--port", str(port.number), "--log-level", "warning"]
        line = [
            sys.executable,
            "-m",
            "granian",
            *address,
            "--interface",
            "asgi",
            "--workers",
            "1",
            "--no-ws",
            "--factory",
            app,
        ]
    elif kind == "granian-wsgi":
        line = command("granian", port.number, "--factory", threads=8, app="tests.security.origin:wsgi_app")
    else:
        called = "tests.security.origin:wsgi_app" + ("()" if kind == "gthread" else "")
        more = ["--call"] if kind == "waitress" else []
        line = command("gthread" if kind == "gthread" else "waitress", port.number, *more, threads=8, app=called)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CMS_CACHE_")}
    environment = {f"CMS_CACHE_{name.upper()}": value for name, value in options.items()}
    with tempfile.TemporaryDirectory() as folder:
        process = Process(line, Path(folder) / "log", inherited | {"PYTHONPATH": str(ROOT)} | environment)
        try:
            until(lambda: _answers(port.number), f"{kind} answers", 20)
            yield port.number, process
        finally:
            process.stop()
            port.release()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
