"""The demonstration, as `make demo` runs it: its tour holds, and nothing outlives it, however it ends."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from examples.newsroom.tour.steps import STEPS
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds for what takes a few where nothing else runs."""

pytestmark = pytest.mark.timeout(240)


class Demo:
    """A running demonstration; its output goes to a file."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder / "temporary"
        self.folder.mkdir()
        self._log = folder / "output"
        inherited = {name: value for name, value in os.environ.items() if name not in {"CHECK", "PORT", "TOUR"}}
        with self._log.open("wb") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "examples.newsroom.demo"],
                cwd=ROOT,
                env=inherited | {"PORT": "0", "TMPDIR": str(self.folder)} | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.wait()

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Return once it has written `text`; fail where it ends before or takes too long."""
        until(lambda: text in self.output or self._popen.poll() is not None, f"{text!r} in the output", PATIENCE)
        assert text in self.output, self.output

    def found(self, pattern: str) -> str:
        """The part of its output that a pattern's group matches."""
        match = re.search(pattern, self.output)
        assert match, f"no {pattern!r} in:\n{self.output}"
        return match[1]

    def group(self) -> int:
        """The process group of all that it has started."""
        (group,) = {group for _, parent, group, _ in processes() if parent == self._popen.pid}
        return group

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, and it alone."""
        self._popen.send_signal(number)

    def code(self) -> int:
        """Its exit code, once it has ended."""
        return self._popen.wait(PATIENCE)


def processes() -> Iterator[tuple[int, int, int, str]]:
    """Process id, parent, group and state of all processes."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], check=True, capture_output=True, text=True
    ).stdout
    for line in listing.splitlines():
        pid, parent, group, state = line.split()
        yield int(pid), int(parent), int(group), state


def assert_nothing_left(demo: Demo, group: int) -> None:
    """Fail where a process of the group still runs (one that nobody collects does not), or a file is left."""
    until(
        lambda: all(of != group or state.startswith("Z") for _, _, of, state in processes()), "the group has ended", 5.0
    )
    assert list(demo.folder.iterdir()) == []


def test_check_takes_the_tour_and_leaves(tmp_path: Path) -> None:
    """With CHECK=1 every claim of every step holds, the exit code is 0, and nothing is left."""
    with Demo(tmp_path, CHECK="1") as demo:
        demo.says("Two workers")
        group = demo.group()
        assert demo.code() == 0, demo.output
        assert "✘" not in demo.output
        assert f"All {demo.output.count('✔')} claims held" in demo.output
        for number, (title, _, _) in enumerate(STEPS, 1):
            step = re.search(rf"^ *{number}  {title} .*\n((?: +✔ .*\n)+)", demo.output, re.MULTILINE)
            assert step, f"step {number} claims nothing:\n{demo.output}"
        assert max(map(len, demo.output.splitlines())) <= 80, "a line is wider than a terminal"
        assert "\x1b" not in demo.output, "a file is no terminal"
        assert_nothing_left(demo, group)


def test_check_fails_with_a_claim(tmp_path: Path) -> None:
    """With CHECK=1 and a worker that dies on the tour the exit code is 1, and what did not hold is said."""
    with Demo(tmp_path, CHECK="1") as demo:
        demo.says("The whole site")
        group = demo.group()
        os.kill(int(demo.found(r"B is process (\d+)")), signal.SIGKILL)
        assert demo.code() == 1, demo.output
        assert re.search(r"✘.*\n +instead: ", demo.output), demo.output
        assert re.search(r"\d+ of \d+ claims did not hold", demo.output)
        assert_nothing_left(demo, group)


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        pytest.param("Valkey", signal.SIGINT, 130, id="while the database is written"),
        pytest.param("The whole site", signal.SIGTERM, 143, id="on the tour"),
    ],
)
def test_interrupted_it_leaves_nothing(tmp_path: Path, moment: str, number: signal.Signals, code: int) -> None:
    """A signal ends everything at any moment; the exit code says that the tour was not finished."""
    with Demo(tmp_path) as demo:
        demo.says(moment)
        group = demo.group()
        demo.signal(number)
        assert demo.code() == code, demo.output
        assert "Traceback" not in demo.output
        assert_nothing_left(demo, group)


def test_serves_until_interrupted(tmp_path: Path) -> None:
    """With TOUR=0 the site is served at once, in both languages and on both hosts, and Ctrl-C is its regular end."""
    with Demo(tmp_path, TOUR="0") as demo:
        demo.says("Ctrl-C ends everything")
        group = demo.group()
        port = int(demo.found(r"http://127\.0\.0\.1:(\d+)/en/"))
        for host, path, title in [
            ("127.0.0.1", "/en/", "Batteries Included"),
            ("127.0.0.1", "/de/", "Titelseite|Ressorts"),
            ("docs.localhost", "/en/", "Reference Desk"),
        ]:
            status, body = fetched(port, host, path)
            assert status == 200
            assert re.search(title, body)
        demo.signal(signal.SIGINT)
        assert demo.code() == 0, demo.output
        assert_nothing_left(demo, group)


def test_killed_it_leaves_no_process(tmp_path: Path) -> None:
    """What was started ends by itself when the process in front of it is killed without a chance to tidy up."""
    with Demo(tmp_path) as demo:
        demo.says("Valkey")
        group = demo.group()
        demo.signal(signal.SIGKILL)
        demo.code()
        assert_nothing_left(demo, group)


def test_port_in_use_is_said(tmp_path: Path) -> None:
    """A port in use is named, with the option that chooses another; the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Demo(tmp_path, PORT=str(port)) as demo:
            assert demo.code() == 2
            assert re.fullmatch(rf"error: port {port} is in use .* make demo PORT=\d+ .*\n", demo.output), demo.output


@pytest.mark.parametrize("port", ["abc", "70000", "-1", "8000.5", "²"])
def test_port_has_to_be_one(tmp_path: Path, port: str) -> None:
    """Anything but a port is refused, with an example of one; the exit code is 2."""
    with Demo(tmp_path, PORT=port) as demo:
        assert demo.code() == 2
        assert re.fullmatch(rf"error: PORT={re.escape(port)}: .* make demo PORT=8001\n", demo.output), demo.output


def fetched(port: int, host: str, path: str) -> tuple[int, str]:
    """The status and body of a page of the site."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{port}"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
