"""Real WSGI servers as worker processes, each started as `docs/wsgi.md` says."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

if TYPE_CHECKING:
    from tests.support.site import Site

APP = "tests.wsgi.site:app"
THREADS = 64

Kind: TypeAlias = Literal["sync", "gthread", "granian", "waitress"]


def command(kind: Kind, port: int, *more: str, threads: int = THREADS, app: str = APP) -> list[str]:
    """The command line of a server with one worker on a port of the loopback interface; `more` goes before the application."""
    python = [sys.executable, "-m"]
    match kind:
        case "sync" | "gthread":
            threaded = ["--threads", str(threads)] if kind == "gthread" else []
            quiet = ["--no-control-socket", "--log-level", "warning", "--graceful-timeout", "5"]
            return [*python, "gunicorn", "-k", kind, *threaded, *quiet, "-b", f"127.0.0.1:{port}", *more, app]
        case "granian":
            address = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--workers", "1"]
            threaded = ["--interface", "wsgi", "--blocking-threads", str(threads), "--no-ws"]
            return [*python, "granian", *address, *threaded, *more, app]
        case "waitress":
            return [*python, "waitress", f"--listen=127.0.0.1:{port}", f"--threads={threads}", *more, app]


def needed(kind: Kind) -> str:
    """The package of a server."""
    return "gunicorn" if kind in {"sync", "gthread"} else kind


def need(kind: Kind) -> None:
    """Skip where a server is not installed."""
    if importlib.util.find_spec(needed(kind)) is None:
        pytest.skip(f"{needed(kind)} is not installed: pip install {needed(kind)}")


def under(site: Site, kind: Kind, *more: str, threads: int = THREADS) -> Site:
    """A site whose workers run under a WSGI server."""
    need(kind)
    for worker in site.workers:
        worker._command = command(kind, worker.port, *more, threads=threads)
    return site
