"""The newsroom behind the cache, live: `make demo`.

This process stands outside and tidies up. All others are one process group below it, which ends when this process ends,
however that comes about. The environment: PORT (default 8000; 0 for any free one), CHECK=1 (leave after the tour, with its
result), TOUR=0 (serve at once).
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from examples.newsroom.tour.port import held, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
PORT = 8000
USAGE = 2
PATIENCE = 8
"""Seconds that the group gets for an orderly end."""


class Group:
    """The processes of the demonstration. The first signal asks them to end, a second one or the end of patience makes them."""

    def __init__(self) -> None:
        self._leader: subprocess.Popen[bytes] | None = None
        self._asked = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, self._pass_on)

    def run(self, command: Sequence[str]) -> int:
        """The exit code of `command`, after which nothing that it started is left."""
        # The pipe is how the group learns that we are gone without having said so.
        self._leader = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True)
        try:
            if self._asked:
                self._leader.terminate()
            code = self._leader.wait()
            return 128 + self._asked if code and self._asked else code
        finally:
            self._kill()

    def _pass_on(self, number: int, _: object) -> None:
        if self._asked:
            self._kill()
            return
        self._asked = number
        signal.alarm(PATIENCE)
        if self._leader:
            # Not `number`: a process that has just begun to run Python answers SIGINT with a traceback.
            self._leader.terminate()

    def _kill(self) -> None:
        if self._leader:
            with suppress(ProcessLookupError):
                os.killpg(self._leader.pid, signal.SIGKILL)


def wanted_port(environ: Mapping[str, str]) -> int:
    """The port that is asked for; ValueError where it cannot be one."""
    text = environ.get("PORT", "") or str(PORT)
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):  # noqa: PLR2004 - the largest port
        raise ValueError(f"PORT={text}: a port is a number from 1 to 65535, as in: make demo PORT=8001")
    return int(text)


def wanted_mode(environ: Mapping[str, str]) -> str:
    """What is done once the site runs: `check` takes the tour and leaves, `show` takes it and serves, `serve` only serves."""
    if environ.get("CHECK", "") not in {"", "0"}:
        return "check"
    return "serve" if environ.get("TOUR") == "0" else "show"


def refused(port: int, error: OSError) -> str:
    """Why a port cannot be had, and what to do about it."""
    other = port + 1 if PORT <= port < 65535 else PORT + 1  # noqa: PLR2004 - the largest port
    advice = f"choose another one: make demo PORT={other} (PORT=0 takes any that is free)"
    reasons = {
        errno.EADDRINUSE: f"port {port} is in use by another program",
        errno.EACCES: f"port {port} is for privileged programs",
    }
    return f"{reasons.get(error.errno or 0, f'port {port} cannot be had ({error.strerror})')}; {advice}"


def main() -> int:
    """Show the demonstration; its exit code."""
    try:
        port = wanted_port(os.environ)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    try:
        holder = held(port)
    except OSError as error:
        print(f"error: {refused(port, error)}", file=sys.stderr)
        return USAGE
    group = Group()
    with holder, tempfile.TemporaryDirectory(prefix="newsroom-", ignore_cleanup_errors=True) as folder:
        command = [
            sys.executable,
            "-m",
            "examples.newsroom.tour",
            str(number_of(holder)),
            folder,
            wanted_mode(os.environ),
        ]
        code = group.run(command)
        # Killed by a signal: as a shell would say it.
        return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
