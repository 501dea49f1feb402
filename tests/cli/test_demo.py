"""`cms-cache demo`: a small site that needs nothing but the package, and a tour of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from tests.support.cli import Shell
from tests.support.site import ROOT


def test_tour() -> None:
    """Every step of the tour holds: rendered, hit, edited, seen."""
    ended = Shell().run("demo", "--small", "--check", "--port", "0", "--json")
    assert ended.code == 0
    found = ended.found
    assert found["held"]
    assert [step["held"] for step in found["steps"]] == [True] * 6


def test_for_people() -> None:
    """On a terminal each step is a line with its time and its Cache-Status."""
    ended = Shell().run("demo", "--small", "--check", "--port", "0")
    assert ended.code == 0
    assert ended.out.count("✓") == 6
    assert "detail=memory" in ended.out


def test_port_in_use() -> None:
    """A port that somebody has is said in a sentence."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = Shell().run("demo", "--small", "--port", str(taken.getsockname()[1]))
    assert ended.code == 2
    assert "choose another one with --port" in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_serves_until_interrupted(number: signal.Signals) -> None:
    """The site stays for visitors and for other commands until Ctrl-C, which ends it well."""
    command = [sys.executable, "-m", "cms_cache_mw.cli", "demo", "--small", "--port", "0"]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        told: dict[str, str] = {}
        for line in running.stdout:
            if line.strip().startswith("export "):
                told = dict(word.split("=", 1) for word in line.split()[1:])
            if "cms-cache stats" in line:
                break
        address = told["CMS_CACHE_SERVER"]
        shell = Shell(address, CMS_CACHE_TOKEN=told["CMS_CACHE_TOKEN"])
        assert shell.run("purge", "block:footer").out.startswith("done in the one process that was asked")
        with urlopen(f"{address}/edit", data=b"Third footer <b>") as answer:
            assert answer.status == 200
        with urlopen(f"{address}/en/") as answer:
            assert b"<footer>Third footer &lt;b&gt;</footer>" in answer.read()
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    assert (running.returncode, err) == (0, "")
