"""Redis as an untrusted neighbour: what it answers, holds or refuses costs hits and never a page; nobody learns its password."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from cms_cache_mw import Config
from cms_cache_mw.core import codec
from cms_cache_mw.runtime import drive
from cms_cache_mw.stores import shared
from cms_cache_mw.stores.guard import Breaker, StoreError
from cms_cache_mw.stores.shared import LoopShared, Shared, ThreadShared
from tests.support.asgi import Page, Pages, Visitor, caching
from tests.support.process import Port
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.server import Server

SECRET: Final = "s3cret-of-the-tests"

GARBAGE: Final[dict[str, bytes]] = {
    "text": b"what do you want?\r\n" * 3,
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "zeros": b"\0" * 100 + b"\r\n",
    "a length that is none": b"$abc\r\n",
    "a negative length": b"$-7\r\n",
    "a length without end": b"$99999999999\r\nabc",
    "a number that is none": b":12x\r\n",
    "a list of too many": b"*99999999\r\n",
    "a list of fewer than none": b"*-5\r\n",
    "nested without end": b"*1\r\n" * 5_000,
    "another protocol": b"%1\r\n+a\r\n+b\r\n",
    "a status": b"+OK\r\n",
    "a number": b":1\r\n",
    "a list": b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
    "an error": b"-ERR no\r\n",
    "an error that is no text": b"-\xff\xfe\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "moved": b"-MOVED 1 127.0.0.1:1\r\n",
    "no permission": b"-NOPERM this user has no permissions\r\n",
    "full": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "read-only": b"-READONLY You can't write against a read only replica.\r\n",
    "silence": b"",
}


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """The URL of a server that gives the same answer to whatever it is sent."""
    stopping = threading.Event()
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        try:
            while connection.recv(65_536) and not stopping.is_set():
                connection.sendall(reply)
        except OSError:
            pass  # the other side hung up, as it should

    def listen(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            if stopping.is_set():
                connection.close()
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = [threading.Thread(target=listen, args=(listening,))]
        threads[0].start()
        port = listening.getsockname()[1]
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            for connection in connections:
                hung_up(connection)
            for thread in threads:
                thread.join(10)


def hung_up(connection: socket.socket) -> None:
    """Hang up, if that did not happen before."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


async def commands(store: Shared) -> None:
    """Every command; each gives something or raises `StoreError`."""
    calls: list[Callable[[], Any]] = [
        lambda: store.get("a"),
        lambda: store.put("a", b"b", 1.0),
        lambda: store.claim("a", "b", 1.0),
        lambda: store.delete("a"),
        lambda: store.run("return 1", ["a"], []),
    ]
    for call in calls:
        try:
            found = await call()
        except StoreError:
            continue
        assert not isinstance(found, BaseException)


@pytest.mark.deadline
@pytest.mark.parametrize("world", ["loop", "threads"])
@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.logs("is not asked for a while")
@pytest.mark.deadline
async def test_garbage_is_trouble_with_the_store(garbage: str, world: str) -> None:
    """Whatever comes back, a command gives a value or raises the one exception that everybody expects, in time."""
    with answering(GARBAGE[garbage]) as url:
        breaker = Breaker()
        if world == "loop":
            looped = LoopShared(url, breaker)
            await asyncio.wait_for(commands(looped), 10)
            await looped.close()
        else:

            def threaded() -> None:
                store = ThreadShared(url, breaker)
                drive(commands(store))
                drive(store.close())

            await asyncio.to_thread(threaded)


@pytest.mark.logs("is not asked for a while")
async def test_unexpected_garbage_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the network's errors are expected, a reply that is none is a fault of the site."""

    async def ask(store: Shared, within: float, *words: str | bytes | int) -> object:
        try:
            return await store._command(within, *words)
        except OSError as error:
            raise StoreError(str(error)) from error

    monkeypatch.setattr(Shared, "_ask", ask)
    found: list[str] = []
    for garbage, reply in GARBAGE.items():
        with answering(reply) as url:
            store = LoopShared(url, Breaker())
            try:
                await commands(store)
            except StoreError:
                pass
            except Exception:  # noqa: BLE001 - any of them is the finding
                found.append(garbage)
            await store.close()
    assert found


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.logs("is not asked for a while", "Redis does not tell who it is")
async def test_site_answers_beside_a_neighbour_that_talks_garbage(garbage: str) -> None:
    """With such a Redis every page is rendered, and none is the cache's fault."""
    with answering(GARBAGE[garbage]) as url:
        async with caching(Pages(), redis_url=url) as site:
            visitor = Visitor(site)
            for number in range(1, 4):
                reply = await visitor.get("/a")
                assert (reply.status, reply.body) == (200, b"render %d" % number)
            answers: Any = site.cache.stats()["answers"]
            assert "fault" not in answers


def _resummed(value: bytes, secret: bytes | None) -> bytes:
    return codec._sum(secret, value[8:]) + value[8:]


FORGED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "without the secret": lambda value: _resummed(value.replace(b"render 1", b"forged 1"), None),
    "with another secret": lambda value: _resummed(value.replace(b"render 1", b"forged 1"), b"x" * 32),
    "with the old sum": lambda value: value.replace(b"render 1", b"forged 1"),
    "cut": lambda value: value[:-3],
    "a pickle": lambda _: b"cos\nsystem\n(S'true'\ntR.",
}


async def served_after(forge: Callable[[bytes], bytes], server: Server, namespace: str) -> tuple[bytes, int]:
    """What another worker serves once somebody has rewritten a page in Redis, and how many values it could not read."""
    options: dict[str, Any] = {"redis_url": server.url, "namespace": namespace, "redis_secret": SECRET}
    pages = Pages({"/a": Page(b"render %d" + b" " * 50)})
    client = server.client()
    async with caching(pages, **options) as first:
        await Visitor(first).get("/a")
        await asyncio.to_thread(until, lambda: bool(client.keys(f"{namespace}:rendered:*")), "the page is in Redis")
    (name,) = client.keys(f"{namespace}:rendered:*")
    value = client.get(name)
    assert isinstance(value, bytes)
    client.set(name, forge(value))
    async with caching(pages, **options) as second:
        body = (await Visitor(second).get("/a")).body.strip()
        return body, second.cache.parts.depot.unreadable


@pytest.mark.parametrize("forged", FORGED)
async def test_forged_values_are_misses(forged: str, redis_server: Server, namespace: str) -> None:
    """With `redis_secret` whoever can write to Redis cannot write a page: it is rendered, and counted as unreadable."""
    assert await served_after(FORGED[forged], redis_server, namespace) == (b"render 2", 1)


async def test_forgery_is_found(redis_server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sum is not compared the forged page is served."""
    monkeypatch.setattr(codec, "_sum", lambda *_: b"12345678")
    body, _ = await served_after(lambda value: value.replace(b"render 1", b"forged 1"), redis_server, namespace)
    assert body == b"forged 1"


# Nobody learns the password.

PASSWORD: Final = "pa55-word-of-the-tests"


async def told(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """All that a cache says of itself while it cannot log in: log, statistics, options, errors."""
    caplog.set_level(logging.DEBUG)
    async with caching(Pages(), redis_url=url, redis_secret=SECRET, admin_token=PASSWORD + "-admin") as site:
        reply = await Visitor(site).get("/a")
        purge = await site.cache.purge(tags=["a"], wait=0.2)
        said = [
            repr(site.cache.config),
            str(site.cache.stats()),
            repr(purge),
            str(reply.fields),
            repr(vars(site.cache)),
        ]
        asked = ("/_cache/stats", "/_cache/health", "/_cache/openapi.json")
        token = f"Authorization: Bearer {PASSWORD}-admin"
        said += [(await Visitor(site).get(path, token)).body.decode() for path in asked]
    try:
        Config(redis_url=url.replace("redis:", "radish:"), redis_secret="short", admin_token="x")
    except ValueError as error:
        said.append(str(error))
    return "\n".join([*said, caplog.text])


@pytest.mark.parametrize("url", ["redis://:{}@127.0.0.1:{}/0", "redis://ann:{}@127.0.0.1:{}/0?socket_timeout=1"])
@pytest.mark.logs("is not asked for a while", "exiting with purges")
async def test_credentials_are_nowhere(url: str, own_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Log, statistics, errors and `repr` name neither the password of Redis nor the secret nor a token."""
    told_ = await told(url.format(PASSWORD, own_server.port), caplog)
    assert PASSWORD not in told_
    assert SECRET not in told_


@pytest.mark.logs("is not asked for a while", "exiting with purges")
async def test_credentials_are_nowhere_when_nobody_answers(caplog: pytest.LogCaptureFixture) -> None:
    """The same while there is no server at all."""
    port = Port()
    try:
        assert PASSWORD not in await told(f"redis://:{PASSWORD}@127.0.0.1:{port.number}/0", caplog)
    finally:
        port.release()


@pytest.mark.logs("is not asked for a while", "exiting with purges")
async def test_credentials_are_found(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that shows the address it failed at is noticed."""
    monkeypatch.setattr(shared.Shared, "closed", property(lambda _: True))
    monkeypatch.setattr(Config, "__repr__", lambda config: f"Config({vars(config)})")
    port = Port()
    try:
        assert PASSWORD in await told(f"redis://:{PASSWORD}@127.0.0.1:{port.number}/0", caplog)
    finally:
        port.release()
