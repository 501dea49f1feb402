"""What unsafe requests and purges outdate, and what a flood of them costs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.http.conftest import launched
from tests.http.site import Site, answer
from tests.support.server import Server

if TYPE_CHECKING:
    import redis

    from tests.http.site import Profile

FRESH = "Cache-Control: max-age=600"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])
def test_the_target(site: Site, method: str) -> None:
    """RFC 9111 §4.4: an unsafe request that was carried out outdates its URL, unknown methods too."""
    path = site.script(answer(FRESH))
    site.ask(path)

    assert site.ask(path, method=method).cache_status == "fwd=method"
    assert site.ask(path).body == b"answer 3"


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_not_after_an_error(site: Site, status: int) -> None:
    """RFC 9111 §4.4: a request that was refused has changed nothing."""
    path = site.script(answer(FRESH), answer(status=status))
    site.ask(path)

    assert site.ask(path, method="POST").status == status
    assert site.ask(path).body == b"answer 1"


@pytest.mark.parametrize("status", [200, 201, 204, 302, 303])
@pytest.mark.parametrize("name", ["Location", "Content-Location"])
def test_what_the_answer_points_to(site: Site, name: str, status: int) -> None:
    """RFC 9111 §4.4: Location and Content-Location on the same origin, relative or absolute."""
    other, third, elsewhere = (site.script(answer(FRESH)) for _ in range(3))
    for path in (other, third, elsewhere):
        site.ask(path)
    base = "http://" + site.visitor().host
    for reference in (other, f"{base}{third}", f"http://other.test{elsewhere}"):
        target = site.script(answer(f"{name}: {reference}", status=status, body="" if status == 204 else "done"))
        site.ask(target, method="POST", body=b"a=b")

    assert [site.ask(path).body for path in (other, third, elsewhere)] == [b"answer 2", b"answer 2", b"answer 1"]


def test_queries_are_urls_of_their_own(site: Site) -> None:
    """RFC 9111 §4.4: the target URI is path and query."""
    path = site.script(answer(FRESH))
    for target in (path, f"{path}?a=1", f"{path}?a=2"):
        site.ask(target)

    site.ask(f"{path}?a=1", method="POST")
    levels = [site.ask(target).level for target in (path, f"{path}?a=1", f"{path}?a=2")]
    assert levels == ["memory", None, "memory"]


def test_all_variants(site: Site) -> None:
    """RFC 9111 §4.4: all stored responses of a URL are outdated."""
    path = site.script(answer(FRESH, "Vary: X-A"))
    for value in "12":
        site.ask(path, f"X-A: {value}")

    site.ask(path, method="POST")
    assert [site.ask(path, f"X-A: {value}").level for value in "12"] == [None, None]


def test_a_render_under_way(site: Site) -> None:
    """A page that was being rendered while an unsafe request was carried out may be too old: it is not stored."""
    path = site.script(answer(FRESH, gate="go"), answer(FRESH))
    visitor = site.visitor().send(path)
    site.wait(path, "begun")
    site.ask(path, method="POST")
    site.open(path, "go")

    assert visitor.read().body == b"answer 1"
    assert site.ask(path).body == b"answer 3"


def test_groups(site: Site) -> None:
    """RFC 9875 §3: the groups that an unsafe request's answer names are outdated, and no others."""
    name = site.script(answer(FRESH)).strip("/")
    first = site.script(answer(FRESH, f'Cache-Groups: "a{name}", "b{name}"'))
    second = site.script(answer(FRESH, f'Cache-Groups: "b{name}"'))
    third = site.script(answer(FRESH, f'Cache-Groups: "c{name}"'))
    poster = site.script(answer(f'Cache-Group-Invalidation: "b{name}"'))
    for path in (first, second, third):
        site.ask(path)

    site.ask(poster)
    assert [site.ask(path).level for path in (first, second, third)] == ["memory"] * 3
    site.ask(poster, method="POST")
    assert [site.ask(path).level for path in (first, second, third)] == [None, None, "memory"]


def test_groups_of_another_origin(site: Site) -> None:
    """RFC 9875 §2: a group is of one origin; another port's application cannot empty it."""
    name = site.script(answer(FRESH)).strip("/")
    path = site.script(answer(FRESH, f'Cache-Groups: "{name}"'))
    poster = site.script(answer(f'Cache-Group-Invalidation: "{name}"'))
    site.ask(path)

    with site.visitor() as stranger:
        stranger.host += ":8443"
        stranger.ask(poster, method="POST")
    assert site.ask(path).level == "memory"


@pytest.mark.parametrize("profile", ["cms"])
def test_a_flood(profile: Profile) -> None:
    """200 POSTs cost at most 5 purge records a second, and each is felt at once where it was sent."""
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        worker = launched("uvicorn", "tests.http.application:app", Path(folder) / "log", CMS_CACHE_REDIS_URL=server.url)
        site = Site(worker.port, profile, "uvicorn")
        try:
            path = site.script(answer(FRESH))
            client = server.client()
            records, began = _records(client), time.monotonic()
            with site.visitor() as visitor:
                for number in range(200):
                    visitor.ask(f"{path}?{number % 20}", method="POST", body=b"a=b")
                visitor.ask(path)
                visitor.ask(path, method="POST")
                assert visitor.ask(path).body == b"answer 203"
            written = _records(client) - records
            assert 1 <= written <= 5 * (time.monotonic() - began) + 1
        finally:
            site.close()
            worker.close()


def _records(client: redis.Redis) -> int:
    """How many records the purge clock has."""
    return client.xlen("{cms}:clock:log")
