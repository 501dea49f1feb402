"""Real servers with one worker in front of the WSGI shell: gunicorn's sync and gthread workers, granian, waitress."""

from __future__ import annotations

import gzip
import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

import pytest

from tests.support.client import HOST
from tests.support.origin import page
from tests.support.site import TOKEN, Site
from tests.support.wait import until
from tests.wsgi.servers import APP, Kind, under

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.client import Answer, Client

CROWD = 200


@pytest.fixture(scope="module", params=get_args(Kind))
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The site in memory mode under one of the servers."""
    kind: Kind = request.param
    with under(Site(None, workers=1, app=APP), kind, threads=CROWD) as site:
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    """A visitor, who may also purge."""
    with site.workers[0].client() as client:
        yield client


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A page that nobody has asked for yet."""
    return page(f"block:{abs(hash(request.node.nodeid))}")


def ask(site: Site, path: str) -> Answer:
    """The answer to a visitor of one request."""
    with site.workers[0].client() as client:
        return client.get(path)


def test_miss_hit_purge(client: Client, path: str) -> None:
    """A page is rendered once, comes from memory, and is rendered anew once it was purged."""
    first, second = client.get(path), client.get(path)
    assert (first.status, first.cache_status) == (200, "fwd=uri-miss; stored")
    assert (second.level, second.body) == ("memory", first.body)
    assert second.field("content-length") == str(len(first.body))
    assert first.field("cache-tag") is None
    assert client.purge(tags=[path.removeprefix("/page/")]).status == 200
    assert client.get(path).cache_status == "fwd=miss; stored; detail=purged"
    assert client.ask("PURGE", path, headers={"authorization": f"Bearer {TOKEN}"}).status == 200
    assert client.get(path).cache_status == "fwd=miss; stored; detail=purged"


def test_head_and_conditions(client: Client, path: str) -> None:
    """Heads and conditions are answered from memory, on a connection that stays usable."""
    whole = client.get(path)
    head = client.ask("HEAD", path)
    assert (head.status, head.body, head.level) == (200, b"", "memory")
    assert head.field("content-length") == str(len(whole.body))
    etag = head.field("etag")
    assert etag
    same = client.get(path, {"if-none-match": etag})
    assert (same.status, same.body, same.level) == (304, b"", "memory")
    part = client.get(path, {"range": "bytes=0-4"})
    assert (part.status, part.body) == (206, whole.body[:5])
    assert client.get(path).body == whole.body


def test_gzip(client: Client, path: str) -> None:
    """What is encoded on its way arrives as what it says it is."""
    path = path.replace("/page/", "/chunks/100/")
    answers = [client.get(path, {"accept-encoding": "gzip"}) for _ in range(2)]
    assert [answer.field("content-encoding") for answer in answers] == ["gzip", "gzip"]
    assert answers[1].level == "memory"
    bodies = [gzip.decompress(answer.body) for answer in answers]
    assert bodies == [client.get(path).body] * 2


def test_stream(client: Client, site: Site, path: str) -> None:
    """The first chunk arrives before the last is made, and the next request is a hit with the same bytes."""
    path = path.replace("/page/", "/chunks/10/")
    with site.store.held(path):
        response = client.open("GET", path)
        chunks = [response.read1()]
        assert site.store.count("done", path) == 0
    while chunk := response.read1():
        chunks.append(chunk)
    assert b"".join(chunks).count(b"chunk") == 9
    again = client.get(path)
    assert (again.level, again.body) == ("memory", b"".join(chunks))


def test_body_reaches_the_application(client: Client) -> None:
    """What is posted is the application's to read."""
    answer = client.ask("POST", "/echo", b"x" * 100_000)
    assert (answer.status, len(answer.body), answer.cache_status) == (200, 100_000, "fwd=method")


def test_crowd_causes_one_render(site: Site, path: str) -> None:
    """200 visitors at once, on as many threads where the server has them, of a page that nobody has: one render."""
    with ThreadPoolExecutor(CROWD) as pool:
        with site.store.held(path):
            asked = [pool.submit(ask, site, path) for _ in range(CROWD)]
            site.store.wait_for("held", path)
        answers = [answer.result(30) for answer in asked]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert site.store.count("read", path) == 1


def stats(site: Site) -> dict[str, object]:
    """What the worker says of itself."""
    with site.workers[0].client() as client:
        return client.ask("GET", "/_cache/stats", headers={"authorization": f"Bearer {TOKEN}"}).json()


def test_request_inside_a_request(client: Client, site: Site, path: str) -> None:
    """A render that asks the site for its own page and for another waits for nobody, on the only thread too."""
    path = path.replace("/page/", "/nest/")
    answer = client.get(path)
    assert (answer.status, answer.cache_status) == (200, "fwd=uri-miss; stored")
    assert answer.body.count(b"=") == 3
    assert client.get(path).level == "memory"


def test_failing_page(client: Client) -> None:
    """An error of the application is the server's 500, each time, and no flight is left."""
    for _ in range(2):
        try:
            assert client.get("/fail/x").status == 500
        except http.client.HTTPException:
            client.close()
    assert client.get("/ready").status == 204


def test_visitor_who_goes(site: Site, path: str) -> None:
    """When the visitor whose page is being rendered hangs up, those who wait for it, or come later, get it."""
    path = path.replace("/page/", "/chunks/500/")
    with site.store.held(path), socket.create_connection(("127.0.0.1", site.workers[0].port)) as leader:
        leader.sendall(f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        site.store.wait_for("held", path)
    assert ask(site, path).body.count(b"chunk") == 499
    until(lambda: stats(site)["flights"] == 0, "no flight is left")


def test_text_that_is_no_url(site: Site) -> None:
    """Raw bytes where an URL is expected, and in fields, make no error of ours."""
    before = len(site.output)
    for line in (b"GET /page/\xe2\x82\xac?\xe2\x82\xac", b"GET /page/a"):
        with socket.create_connection(("127.0.0.1", site.workers[0].port)) as visitor:
            visitor.sendall(
                line + b" HTTP/1.1\r\nHost: site.test\r\nX-Forwarded-Host: \xff\xe2\r\nConnection: close\r\n\r\n"
            )
            status = visitor.makefile("rb").readline().split()[1]
        assert status in {b"200", b"400"}
    assert "Traceback" not in site.output[before:]


def test_no_event_loop(client: Client) -> None:
    """A WSGI worker has the threads of its server and at most ours for what nobody waits for."""
    names = client.get("/threads").body.decode().splitlines()
    assert not any("loop" in name.lower() or "asyncio" in name.lower() for name in names)
