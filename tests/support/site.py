"""A site with several worker processes, each with a port, an environment and a way to Redis of its own."""

from __future__ import annotations

import http.client
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from tests.support.client import Client
from tests.support.origin import Store
from tests.support.process import Port, Process
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.server import Server

Kind: TypeAlias = Literal["granian", "uvicorn"]

TOKEN = "secret-of-the-tests"
ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """One worker process: a server of the given kind with a single worker on its own port."""

    def __init__(self, app: str, env: Mapping[str, str], log: Path, kind: Kind = "granian") -> None:
        self._port = Port()
        self._env = dict(env)
        self._log = log
        self._command = _command(kind, app, self._port.number)
        self._process: Process | None = None

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return self._port.number

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What it has written, of all its runs."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def alive(self) -> bool:
        """Whether it is there, running or paused."""
        return self._process is not None and self._process.alive

    @property
    def process(self) -> Process:
        """Its present run."""
        assert self._process is not None, "the worker was not started"
        return self._process

    def launch(self) -> None:
        """Start it without waiting."""
        assert not self.alive, f"the worker on port {self.port} runs already"
        self._process = Process(self._command, self._log, self._env)

    def wait_until_ready(self, patience: float = 20.0) -> None:
        """Return when it answers HTTP; RuntimeError with its output if it does not within `patience` seconds."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                with Client(self.port, timeout=patience) as client:
                    client.get("/ready")
            except (OSError, http.client.HTTPException):
                if self.process.wait(0.02):
                    break
            else:
                return
        self.kill()
        raise RuntimeError(f"the worker on port {self.port} did not answer; its output ends:\n{self.output[-3000:]}")

    def start(self) -> None:
        """Start it, again if need be, and wait until it answers."""
        self.launch()
        self.wait_until_ready()

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM)."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """Stop it where it is (SIGSTOP)."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.resume()

    def client(self, timeout: float = 30.0) -> Client:
        """A visitor's connection to it, who may also purge."""
        return Client(self.port, token=TOKEN, timeout=timeout)

    def close(self) -> None:
        """Kill it and give its port back."""
        self.kill()
        self._port.release()


class Site:
    """The instrumented site of `origin.py` behind the cache, in several workers; use it in a `with`.

    `options` are environment variables of the cache less their prefix: `{"LEASE_SECONDS": "1"}`. With `proxied` each
    worker reaches Redis through `proxies` at its own index.
    """

    def __init__(
        self,
        redis: Server | None,
        *,
        workers: int = 2,
        proxied: bool = False,
        kind: Kind = "granian",
        options: Mapping[str, str] | None = None,
        app: str = "tests.support.cached:app",
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="site-"))
        self.store = Store(self._folder / "store")
        self.proxies = [Proxy(redis.port) for _ in range(workers)] if redis and proxied else []
        direct = [redis.url if redis else None for _ in range(workers)]
        urls = [proxy.url for proxy in self.proxies] or direct
        self.workers = [
            Worker(app, self._environment(url, options or {}), self._folder / f"worker{number}.log", kind)
            for number, url in enumerate(urls)
        ]

    def __enter__(self) -> Self:
        try:
            for worker in self.workers:
                worker.launch()
            for worker in self.workers:
                worker.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def output(self) -> str:
        """What all workers have written."""
        return "\n".join(f"--- worker {number}\n{worker.output}" for number, worker in enumerate(self.workers))

    def close(self) -> None:
        """End the workers, then their proxies, and remove what they left."""
        for worker in self.workers:
            worker.close()
        for proxy in self.proxies:
            proxy.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _environment(self, url: str | None, options: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CMS_CACHE_")}
        own = {"ORIGIN_STORE": str(self.store.folder), "PYTHONPATH": str(ROOT), "CMS_CACHE_ADMIN_TOKEN": TOKEN}
        if url is not None:
            own["CMS_CACHE_REDIS_URL"] = url
        return inherited | own | {f"CMS_CACHE_{name}": value for name, value in options.items()}


def _command(kind: Kind, app: str, port: int) -> list[str]:
    address = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    if kind == "uvicorn":
        return [sys.executable, "-m", "uvicorn", *address, "--timeout-graceful-shutdown", "2", app]
    return [sys.executable, "-m", "granian", *address, "--interface", "asgi", "--workers", "1", "--no-ws", app]
