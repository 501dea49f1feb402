"""What a hit costs through whole servers, beside their bare applications, nginx's `proxy_cache` and Varnish: processor time per request.

All of them stand at the same time, with one worker each, and are asked in short turns by `wrk`. The processor time is that of a server's
whole session of processes. What is not installed is left out. Nothing here is checked: between two runs on a busy machine ratios differ by a third.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cms_cache_mw import CacheMiddleware, Config, WSGICacheMiddleware
from tests.bench.browser import _FIELDS, cookies
from tests.bench.figure import Figure
from tests.bench.hits import HEAD, PAGE
from tests.support.asgi import fields
from tests.support.process import Process
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUNDS, SECONDS, CONNECTIONS = 5, 1, 16
HEAD_SENT = (*HEAD[:-1], f"Content-Length: {len(PAGE)}", 'ETag: "tag"')
PAIRS = (("uvicorn", 1 / 0.92), ("granian ASGI", 1 / 0.87), ("granian WSGI", float("inf")))
"""Servers, and how many times its bare application's processor time a hit may take there."""
OTHERS = (("Varnish", 1 / 1.2), ("nginx", 1 / 0.6))
"""What one would put in front, and how many times its processor time a hit under granian WSGI may take."""


def asgi_bare() -> ASGIApp:
    """An application that sends two messages made beforehand."""
    start: Message = {"type": "http.response.start", "status": 200, "headers": fields(*HEAD_SENT)}
    body: Message = {"type": "http.response.body", "body": PAGE}

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start)
        await send(body)

    return bare


def asgi_ours() -> ASGIApp:
    """The same behind the cache."""
    return CacheMiddleware(asgi_bare(), Config(warm_on_start=False))


def wsgi_bare() -> Any:  # noqa: ANN401 - an application
    """An application that returns a list made beforehand."""
    head = [(name.decode(), value.decode()) for name, value in fields(*HEAD_SENT)]

    def bare(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401
        start_response("200 OK", head)
        return [PAGE]

    return bare


def wsgi_ours() -> Any:  # noqa: ANN401 - an application
    """The same behind the cache."""
    return WSGICacheMiddleware(wsgi_bare(), Config(warm_on_start=False))


def measure() -> Iterator[Figure]:
    """The figures of the servers that are installed; none without `wrk`."""
    if not shutil.which("wrk"):
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        standing = {name: (port, session) for name, port, session in _standing(stack, folder)}
        best = dict.fromkeys(standing, float("inf"))
        most = dict.fromkeys(standing, 0.0)
        for _ in range(ROUNDS):
            for name, (port, session) in standing.items():
                spent, rate = _asked(port, session)
                best[name], most[name] = min(best[name], spent), max(most[name], rate)
    for name, seconds in best.items():
        yield Figure(f"{name}, processor time of a request", seconds * 1e6, "µs", float("inf"))
        yield Figure(f"{name}, thousand requests a second", most[name] / 1e3, "k", float("inf"))
    for name, goal in PAIRS:
        yield Figure(
            f"{name}, a hit in requests to its bare application",
            best[name] / best[f"{name}, bare"],
            "x",
            goal,
            checked=False,
        )
    for name, goal in OTHERS:
        if name in best:
            yield Figure(
                f"a hit under granian WSGI, in hits of {name}",
                best["granian WSGI"] / best[name],
                "x",
                goal,
                checked=False,
            )


def _standing(stack: ExitStack, folder: Path) -> Iterator[tuple[str, int, int]]:
    """Name, port and session of each server, once it answers."""
    upstream = 0
    for kind, name in (("wsgi", "granian WSGI"), ("asgi", "granian ASGI"), ("uvicorn", "uvicorn")):
        for which, said in (("bare", f"{name}, bare"), ("ours", name)):
            port = _free_port()
            app = f"tests.bench.servers:{'asgi' if kind == 'uvicorn' else kind}_{which}"
            yield said, port, _started(stack, folder, said, port, _python_server(kind, app, port))
            upstream = upstream or port
    if nginx := shutil.which("nginx"):
        port = _free_port()
        (folder / "nginx.conf").write_text(_nginx(folder, port, upstream))
        yield (
            "nginx",
            port,
            _started(stack, folder, "nginx", port, [nginx, "-c", f"{folder}/nginx.conf", "-p", f"{folder}"]),
        )
    if varnish := shutil.which("varnishd"):
        port = _free_port()
        (folder / "site.vcl").write_text(_VCL % upstream)
        command = [
            varnish,
            "-F",
            "-n",
            f"{folder}/varnish",
            "-a",
            f"127.0.0.1:{port}",
            "-f",
            f"{folder}/site.vcl",
            "-j",
            "none",
        ]
        yield "Varnish", port, _started(stack, folder, "varnish", port, [*command, "-s", "malloc,64m"])


def _started(
    stack: ExitStack, folder: Path, name: str, port: int, command: list[str], *, there: dict[str, str] | None = None
) -> int:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(there or {})}
    process = Process(command, folder / f"{name}.log", environment)
    stack.callback(process.stop)
    until(lambda: _wrk(port) > 0, f"{name} answers", 60)  # which fills caches, too
    return process.pid


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _python_server(kind: str, app: str, port: int, workers: int = 1) -> list[str]:
    address = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    if kind == "uvicorn":
        return [
            sys.executable,
            "-m",
            "uvicorn",
            *address,
            "--factory",
            "--no-access-log",
            "--log-level",
            "warning",
            app,
        ]
    return [
        sys.executable,
        "-m",
        "granian",
        *address,
        "--interface",
        kind,
        "--no-ws",
        "--factory",
        app,
    ]


def _asked(port: int, session: int, connections: int = CONNECTIONS) -> tuple[float, float]:
    """Processor seconds of the server for a request, and requests a second."""
    before = _spent(session)
    requests = _wrk(port, connections)
    return (_spent(session) - before) / requests, requests / SECONDS


def _wrk(port: int, connections: int = CONNECTIONS) -> float:
    """How many requests are answered with success in a moment, with what a browser sends and no coding accepted; 0 with any error."""
    lines = {**_FIELDS, "accept-encoding": "identity", "cookie": cookies(random.Random(1))}
    asked = [part for name, value in lines.items() if name != "host" for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", *asked, f"http://127.0.0.1:{port}/page"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) requests in", ran.stdout)
    return float(found[1]) if found and "Non-2xx" not in ran.stdout else 0.0


def _spent(session: int) -> float:
    """Processor seconds of all processes of a session, so far."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        try:
            rest = (entry / "stat").read_text().rpartition(") ")[2].split() if entry.name.isdigit() else []
        except OSError:
            continue
        if rest and int(rest[3]) == session:
            ticks += int(rest[11]) + int(rest[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _nginx(folder: Path, port: int, upstream: int) -> str:
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache keys_zone=pages:10m;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_cache pages; proxy_cache_valid 200 1h; proxy_pass http://127.0.0.1:{upstream}; }}
  }}
}}
"""


_VCL = """vcl 4.1;
backend site { .host = "127.0.0.1"; .port = "%d"; }
sub vcl_recv { unset req.http.Cookie; }
"""
