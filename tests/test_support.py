"""What the tests stand on holds: servers, processes, clock."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 -- Redis's, not Python's

from tests.support.process import Port, Process
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.clock import Clock


def test_clock_moves_only_when_told(clock: Clock) -> None:
    """A clock stands still between two calls of `advance`."""
    before = clock.now()
    assert clock.now() == before
    assert clock.advance(2.5) == clock.now() == before + 2.5


def test_url_is_of_an_empty_server(redis_server: Server, redis_url: str) -> None:
    """The shared server is empty when a test gets its address."""
    client = redis_server.client()
    assert redis_url == redis_server.url
    assert client.dbsize() == 0
    client.set("left", "behind")
    assert client.dbsize() == 1


def test_server_says_what_it_is(redis_server: Server) -> None:
    """The two kinds of server are really two."""
    facts = redis_server.client().info("server")
    assert facts.get("server_name", "redis") == redis_server.kind


def test_killed_server_comes_back_on_its_port(own_server: Server) -> None:
    """A server restarted empty is another run at the same address, and refuses connections in between."""
    client = own_server.client()
    client.set("key", "value")
    before = client.info("server")["run_id"]
    own_server.kill()
    with pytest.raises(ConnectionError):
        client.ping()
    own_server.start()
    assert client.get("key") is None
    assert client.info("server")["run_id"] != before
    client.set("key", "value")
    own_server.restart_empty()
    assert client.dbsize() == 0


def test_appendonly_server_keeps_its_keys() -> None:
    """Directives reach the server: with an append-only file a restart loses nothing, an empty restart everything."""
    with Server("valkey", {"appendonly": "yes", "appendfsync": "always"}) as server:
        client = server.client()
        client.set("key", "value")
        server.restart()
        assert client.get("key") == b"value"
        server.restart_empty()
        assert client.get("key") is None


def test_replica_follows_its_primary(own_server: Server) -> None:
    """A server can be made the replica of another."""
    with Server(own_server.kind, {"replicaof": f"127.0.0.1 {own_server.port}"}) as replica:
        client = own_server.client()
        client.set("key", "value")
        assert client.wait(1, 5_000) == 1
        assert replica.client().get("key") == b"value"


def test_paused_server_is_mute(own_server: Server) -> None:
    """A paused server takes connections and answers nothing until it is resumed."""
    client = own_server.client(timeout=0.1)
    own_server.pause()
    with pytest.raises(TimeoutError):
        client.ping()
    own_server.resume()
    assert own_server.client().ping()


def test_server_that_cannot_start_says_why() -> None:
    """The error of a server that does not come up holds its log."""
    server = Server("valkey", {"maxmemory-policy": "no-such-policy"})
    with pytest.raises(RuntimeError, match="no-such-policy"):
        server.start()
    server.close()


def test_port_held_without_a_server_refuses() -> None:
    """A held port refuses connections while nobody listens on it."""
    port = Port()
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port.number))
    port.release()


def test_stopped_process_is_killed_with_its_children(tmp_path: Path) -> None:
    """Stopping a paused command ends it, and the children it made."""
    process = Process(["sh", "-c", "sleep 60 & echo $!; wait"], tmp_path / "log")
    _until(lambda: process.output.strip() != "")
    child = int(process.output)
    process.pause()
    process.stop(patience=0.5)
    assert not process.alive
    _until(lambda: not _running(child))


def test_processes_end_with_the_tests(tmp_path: Path) -> None:
    """When the process that started others is killed, the leash ends them, even stopped ones."""
    script = (
        "import pathlib, sys, os, signal\n"
        "from tests.support.process import Process\n"
        f"p = Process(['sleep', '60'], pathlib.Path({str(tmp_path / 'log')!r}))\n"
        "p.pause()\n"
        "print(p.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=20)
    child = int(ended.stdout)
    _until(lambda: not _running(child))


def _running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return listed.stdout.strip()[:1] not in {"", "Z"}


def _until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not become true in time"
        time.sleep(0.01)
