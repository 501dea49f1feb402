"""Redis stops during each command, or is away before it: a clear message, never a traceback, and no purge is reported done."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from cms_cache_mw.cli.commands import commands
from tests.support.cli import Shell
from tests.support.server import Server
from tests.support.site import ROOT, Site
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS: Final[dict[str, tuple[tuple[str, ...], int, str]]] = {
    "purge": (("block:1", "--wait", "1"), 3, "NOT purged: Redis did not record it"),
    "purge --direct": (("block:1", "--wait", "1", "--direct"), 3, "NOT purged: Redis did not record it"),
    "purge --dry-run": (("block:1", "--dry-run"), 0, "Redis does not tell more"),
    "purges": ((), 3, "the purge log is in Redis, which does not tell it"),
    "explain": (("/page/block:1",), 0, "Redis does not tell who purged what"),
    "tail": (("--no-follow",), 0, ""),
    "warm": (("/page/block:1", "--wait", "5"), 0, ""),
    "stats": ((), 0, "Redis does not tell who there is"),
    "top": (("--count", "2", "--every", "0.2"), 0, "answers/s"),
    "doctor": (("--pages", "1"), 1, "it does not answer"),
}
"""Each command with its arguments, what it ends with while Redis is away, and what it says."""
WITHOUT: Final = {"demo": "is a site of its own in memory", "completion": "prints a script"}
"""Commands that know of no Redis."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Valkey to be stopped."""
    with Server("valkey") as server:
        yield server


@pytest.fixture(scope="module")
def shell(server: Server) -> Iterator[Shell]:
    """Somebody who asks a worker that has a page in memory."""
    with Site(server, workers=1, options={"LEASE_SECONDS": "60"}) as site:
        with site.workers[0].client() as client:
            until(lambda: client.get("/page/block:1").level == "memory", "it is in memory", 20)
        yield Shell(site.workers[0].url, CMS_CACHE_REDIS_URL=server.url)


def test_every_command_is_here() -> None:
    """A new command needs a row: what it says while Redis is away."""
    assert {name.partition(" ")[0] for name in COMMANDS} | set(WITHOUT) == set(commands.commands)


@contextmanager
def running(shell: Shell) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Every command at once, each in a process of its own."""
    begun = {name: _started(shell, name) for name in COMMANDS}
    try:
        yield begun
    finally:
        for process in begun.values():
            process.kill()
            process.communicate()


def _started(shell: Shell, name: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "cms_cache_mw.cli", name.partition(" ")[0], *COMMANDS[name][0]]
    environ = shell.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.Popen(line, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_redis_stops_during_each(server: Server, shell: Shell) -> None:
    """Commands that have asked when Redis dies, and those that ask afterwards, say what they could not know or do."""
    server.pause()
    with running(shell) as begun:
        # It needs no Redis: once it has ended the others, which began with it, ask or wait.
        begun["tail"].wait(60)
        server.kill()
        ended = {name: (*process.communicate(timeout=60), process.returncode) for name, process in begun.items()}
    for name, (out, err, returned) in ended.items():
        _, code, said = COMMANDS[name]
        assert (returned, said in out + err) == (code, True), (name, out, err)
        assert "Traceback" not in out + err, name
        assert "done" not in out + err or name == "warm", name
    for name, (words, code, said) in COMMANDS.items():
        later = shell.run(name.partition(" ")[0], *words)
        assert (later.code, said in later.out + later.err) == (code, True), (name, later)
    assert shell.run("purge", "block:1", "--wait", "0.5", "--json").found["state"] == "unrecorded"
