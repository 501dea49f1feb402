"""What the tests stand on holds: servers, processes, proxies, sites, the judge of histories."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 -- Redis's, not Python's
from redis.retry import Retry

from tests.support.client import Answer
from tests.support.origin import page, versions
from tests.support.process import Port, Process
from tests.support.recorder import History, Read, Readers, StaleRead
from tests.support.server import Server
from tests.support.site import Site
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.support.clock import Clock
    from tests.support.proxy import Proxy
    from tests.support.site import Kind


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
        until(lambda: replica.client().get("key") == b"value", "the replica has it")


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
    until(lambda: process.output.strip() != "", "the child is named")
    child = int(process.output)
    process.pause()
    process.stop(patience=0.5)
    assert not process.alive
    until(lambda: not _running(child), "the child has ended")


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
    until(lambda: not _running(child), "the child has ended")


def test_proxy_passes_what_it_is_given(proxy: Proxy) -> None:
    """An undisturbed proxy hands on requests and replies, large ones whole."""
    with _through(proxy) as client:
        value = bytes(range(256)) * 4_096
        client.set("key", value)
        assert client.get("key") == value
        assert proxy.connections == 1


def test_proxy_holds_replies_and_hands_them_on(proxy: Proxy) -> None:
    """Held replies arrive after healing, on the same connection; the requests had reached the server before."""
    with _through(proxy, timeout=0.2) as client, Connection(proxy.port) as raw:
        raw.send("SET key value")
        assert raw.line() == "+OK"
        proxy.hold("replies")
        raw.send("INCR counter")
        with pytest.raises(TimeoutError):
            client.ping()
        proxy.heal()
        assert raw.line() == ":1"


def test_proxy_holds_requests(proxy: Proxy) -> None:
    """A held request does not reach the server until the proxy heals."""
    with Connection(proxy.port) as raw, Connection(proxy.target[1]) as direct:
        raw.send("PING")
        assert raw.line() == "+PONG"
        proxy.hold("requests")
        raw.send("SET key value")
        direct.send("EXISTS key")
        assert direct.line() == ":0"
        proxy.heal()
        assert raw.line() == "+OK"


def test_cut_connections_are_reset_and_lose_what_was_held(proxy: Proxy) -> None:
    """A cut is seen as a reset; the request that was held is lost, and new connections pass."""
    with Connection(proxy.port) as raw:
        raw.send("PING")
        assert raw.line() == "+PONG"
        proxy.hold("requests")
        raw.send("SET key value")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            raw.line()
    proxy.heal()
    with _through(proxy) as client:
        assert not client.exists("key")


def test_refusing_proxy_comes_back_on_its_port(proxy: Proxy) -> None:
    """A refusing proxy is like a server that is down; healed, it is there again."""
    with _through(proxy) as client:
        assert client.ping()
        proxy.refuse()
        with pytest.raises(ConnectionError):
            client.ping()
        proxy.heal()
        assert client.ping()
        assert proxy.connections == 1


def test_delay_is_added_to_each_direction(proxy: Proxy) -> None:
    """A delay of 50 ms in both directions makes a round trip take 100 ms."""
    with _through(proxy) as client:
        client.ping()
        proxy.delay(0.05)
        began = time.monotonic()
        client.ping()
        assert 0.1 <= time.monotonic() - began < 1


def test_proxy_follows_its_target(proxy: Proxy, own_server: Server) -> None:
    """New connections lead to where the target says, as after a failover."""
    with _through(proxy) as client:
        client.set("key", "value")
        with Server(own_server.kind) as other:
            proxy.target = ("127.0.0.1", other.port)
            proxy.cut()
            assert not client.exists("key")


@pytest.mark.parametrize("kind", ["granian", "uvicorn"])
def test_workers_answer_one_by_one(kind: Kind) -> None:
    """Each worker of a site is a process of its own that can be asked, paused, killed and started again."""
    with Site(None, kind=kind, app="tests.support.uncached:app") as site:
        first, second = site.workers
        path = page("block:7", "page:1")
        assert site.store.edit("block:7") == 1
        with first.client() as client:
            answer = client.get(path)
            assert (answer.status, answer.field("cache-tag")) == (200, "block:7,page:1")
            assert versions(answer.body) == {"block:7": 1, "page:1": 0}
        first.pause()
        with first.client(timeout=0.2) as client, pytest.raises(OSError, match="timed out"):
            client.get(path)
        first.resume()
        second.kill()
        with second.client() as client, pytest.raises(OSError, match="refused"):
            client.get(path)
        second.start()
        with second.client() as client:
            assert client.get(path).status == 200
        first.stop()
        assert not first.alive
        assert site.store.count("read", path) >= 2


def test_render_waits_at_its_gate() -> None:
    """A held render has read its versions already, and ends when it is let go."""
    with Site(None, workers=1, app="tests.support.uncached:app") as site, ThreadPoolExecutor() as pool:
        path = page("block:1")
        with site.workers[0].client() as client:
            with site.store.held(path):
                answer = pool.submit(client.get, path)
                site.store.wait_for("held", path)
                site.store.edit("block:1")
                assert not answer.done()
            assert versions(answer.result(10).body) == {"block:1": 0}
            assert versions(client.get(path).body) == {"block:1": 1}


def test_chunks_leave_before_the_next_is_made() -> None:
    """A streamed page can be read chunk by chunk while its render waits."""
    with Site(None, workers=1, app="tests.support.uncached:app") as site, site.workers[0].client() as client:
        path = "/chunks/3/block:1"
        with site.store.held(path):
            response = client.open("GET", path)
            assert response.read1() == b"block:1=0\n"
            assert site.store.count("done", path) == 0
        assert response.read() == b"chunk 1\nchunk 2\n"


def test_failing_page_fails() -> None:
    """The page that fails raises in the application, which servers answer with a 500."""
    with Site(None, workers=1, app="tests.support.uncached:app") as site, site.workers[0].client() as client:
        assert client.get("/fail/block:1").status == 500
        until(lambda: "as it was asked to" in site.output, "the error is in the output")


def test_worker_that_cannot_start_says_why() -> None:
    """The error of a worker that does not come up holds its output, and nothing is left behind."""
    site = Site(None, workers=1, app="tests.support.no_such_module:app")
    with pytest.raises(RuntimeError, match="no_such_module"), site:
        pytest.fail("the site came up")
    assert not site.workers[0].alive


def test_judge_finds_stale_reads() -> None:
    """A read that began after the 200 and shows less than was promised is stale; one that began before is not."""
    history = History()
    early = time.monotonic()
    history.acknowledge("block:1", 3)
    late = time.monotonic()
    history.reads += [
        Read(0, "/early", early, late, "memory", {"block:1": 2}),
        Read(0, "/new", late, late, "memory", {"block:1": 3}),
        Read(1, "/old", late, late, "shared", {"block:1": 2, "page:1": 0}),
    ]
    assert history.stale() == [StaleRead(history.reads[2], "block:1", shown=2, acknowledged=3)]
    with pytest.raises(AssertionError, match="1 of 3 reads are stale"):
        history.assert_held()


def test_judge_remembers_the_highest_promise() -> None:
    """An acknowledgement that comes out of order takes nothing back."""
    history = History()
    history.acknowledge("block:1", 5)
    history.acknowledge("block:1", 4)
    history.reads.append(Read(0, "/", time.monotonic(), time.monotonic(), None, {"block:1": 4}))
    assert [stale.acknowledged for stale in history.stale()] == [5]


def test_judge_is_content_with_a_cached_site(own_server: Server) -> None:
    """Two workers with one Redis: hits from both levels, before and after purges, and none of them stale."""
    paths = [page("block:1", f"page:{number}") for number in range(4)]
    history = History()
    with Site(own_server, proxied=True, options={"LEASE_SECONDS": "1"}) as site, site.workers[0].client() as editor:
        for path in paths:
            history.read(editor, path)
        redis_client = own_server.client()
        until(lambda: len(redis_client.keys("cms:rendered:*")) == len(paths), "all pages are in Redis")
        with Readers(site, history, paths):
            until(lambda: history.hits(after_ack=False)["shared"] > 0, "a hit from Redis")
            assert [history.publish(site, editor, "block:1").status for _ in range(3)] == [200, 200, 200]
            until(
                lambda: all(history.hits(after_ack=True, worker=number)["memory"] for number in (0, 1)),
                "hits in both workers after the purges",
            )
        history.assert_held()
        assert history.errors == []


def test_judge_catches_a_site_that_breaks_the_promise() -> None:
    """Two workers without Redis do not hear of each other's purges: what the other one serves is found to be stale."""
    history = History()
    path = page("block:1")
    with Site(None) as site, site.workers[0].client() as editor, site.workers[1].client() as visitor:
        assert history.read(visitor, path, worker=1).level is None
        assert history.publish(site, editor, "block:1").status == 200
        assert history.read(visitor, path, worker=1).level == "memory"
    assert [(stale.shown, stale.acknowledged) for stale in history.stale()] == [(0, 1)]


def test_judge_accepts_no_silence() -> None:
    """A history without reads proves nothing."""
    with pytest.raises(AssertionError, match="nothing was read"):
        History().assert_held()


def test_judge_counts_hits_before_and_after() -> None:
    """Hits are told apart by level, by worker, and by whether a purge of what they show was acknowledged before."""
    history = History()
    early = time.monotonic()
    history.acknowledge("block:1", 1)
    late = time.monotonic()
    history.reads += [
        Read(0, "/", early, early, "memory", {"block:1": 0}),
        Read(0, "/", late, late, "memory", {"block:1": 1}),
        Read(1, "/", late, late, "shared", {"block:1": 1}),
        Read(1, "/", late, late, None, {"block:1": 1}),
        Read(1, "/other", late, late, "memory", {"block:2": 0}),
    ]
    assert history.hits(after_ack=True) == {"memory": 1, "shared": 1}
    assert history.hits(after_ack=True, worker=1) == {"shared": 1}
    assert history.hits(after_ack=False) == {"memory": 2}


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("cms-cache; hit; ttl=299; detail=memory", "memory"),
        ("other; fwd=miss, cms-cache; hit; ttl=1; detail=shared", "shared"),
        ("cms-cache; fwd=uri-miss; stored", None),
    ],
)
def test_level_is_read_from_cache_status(value: str, level: str | None) -> None:
    """An answer's level is what the last item of Cache-Status says."""
    assert Answer(200, (("Cache-Status", value),), b"").level == level


def _through(proxy: Proxy, timeout: float = 5.0) -> redis.Redis:
    return redis.Redis(
        host="127.0.0.1",
        port=proxy.port,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


class Connection:
    """A connection that speaks Redis's inline protocol, where the moment of each byte matters."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._lines = self._socket.makefile("r", newline="\r\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, command: str) -> None:
        """Send one command."""
        self._socket.sendall(f"{command}\r\n".encode())

    def line(self) -> str:
        """The next line of the replies."""
        return self._lines.readline().strip()


def _running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return listed.stdout.strip()[:1] not in {"", "Z"}
