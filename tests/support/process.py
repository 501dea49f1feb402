"""Processes that cannot outlive the tests: each in a group of its own, all on a leash held by this process.

The leash is one small process that reads the groups from a pipe. When the tests die, however they die, the pipe closes
and the leash kills what is still there: a stopped process and a server's own children included.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LEASH = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    verb, group = line.split()
    (groups.add if verb == "hold" else groups.discard)(int(group))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class Leash:
    """The process that ends our processes when we are gone."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEASH], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def hold(self, group: int) -> None:
        """End the process group when this process ends."""
        self._tell(f"hold {group}\n")

    def release(self, group: int) -> None:
        """Forget a process group that has ended."""
        self._tell(f"free {group}\n")

    def close(self) -> None:
        """End every group still held, and the leash; does nothing in a forked child."""
        if self._owner == os.getpid():
            self._process.communicate(timeout=10)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()


class Process:
    """A running command with its own process group; its output goes to a file."""

    _leash: Leash | None = None

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        self.pid = self._popen.pid
        """Its process id, and the id of its group."""
        Process.leash().hold(self.pid)

    @classmethod
    def leash(cls) -> Leash:
        """The leash of this process, made when the first command starts."""
        if cls._leash is None:
            cls._leash = Leash()
            atexit.register(cls._leash.close)
        return cls._leash

    @property
    def alive(self) -> bool:
        """Whether the command is there, running or stopped."""
        return self._popen.poll() is None

    @property
    def output(self) -> str:
        """What it has written so far, standard output and errors in one."""
        return self.log.read_text(errors="replace")

    def pause(self) -> None:
        """Stop the whole group where it is (SIGSTOP), and return when each of its threads stands still."""
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + 5
        # On a busy machine a thread may go on for a while before it gets the processor that it is stopped on.
        while set(_states(self.pid)) - set("TtZX") and time.monotonic() < deadline:
            time.sleep(0.001)

    def resume(self) -> None:
        """Let the whole group go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the whole group without a chance to tidy up (SIGKILL), and return when it is gone."""
        self._signal(signal.SIGKILL)
        self._forget()

    def stop(self, patience: float = 5.0) -> None:
        """Ask it to end (SIGTERM), and kill what is left of its group after `patience` seconds."""
        if self.alive:
            self._popen.terminate()
            self.resume()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(patience)
        self.kill()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within `seconds`."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _forget(self) -> None:
        self._popen.wait(10)
        deadline = time.monotonic() + 5
        while _has_members(self.pid) and time.monotonic() < deadline:
            time.sleep(0.005)
        Process.leash().release(self.pid)


def members(group: int) -> Iterator[tuple[Path, list[str]]]:
    """The processes of a group as /proc has them, each folder with the facts of its `stat` from the state on; none where there is no /proc."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            facts = stat.read_text().rpartition(")")[2].split()
            if int(facts[2]) == group:
                yield stat.parent, facts


def _states(group: int) -> Iterator[str]:
    """The states of all threads of a process group."""
    for folder, _ in members(group):
        with contextlib.suppress(OSError):
            for task in folder.glob("task/*/stat"):
                yield task.read_text().rpartition(")")[2].split()[0]


def _has_members(group: int) -> bool:
    """Whether a process group has a process that still runs; one that only waits to be collected counts on macOS alone."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, 0)
            return True
        return False
    # The first thread of a dying process is a zombie already while others still hold its sockets.
    return any(facts[0] != "Z" or int(facts[17]) > 1 for _, facts in members(group))


class Port:
    """A port of the loopback interface, chosen by the kernel and kept for one server across its restarts.

    A bound socket that never listens holds it: a server may listen there (both set SO_REUSEADDR), a connection is
    refused while none does, and no outgoing connection is given the number, which would then be connected to itself.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Give the number back."""
        self._socket.close()
