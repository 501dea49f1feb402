"""`cms-cache stats` and `cms-cache top`: what workers have answered, and what they answer now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cms_cache_mw.cli.stats import served
from cms_cache_mw.cli.top import Fleet, Snapshot
from tests.support.cli import Shell
from tests.support.origin import page

if TYPE_CHECKING:
    from tests.support.site import Site


def test_for_people(site: Site, shell: Shell) -> None:
    """Answers by reason with what each means, memory, cookies, and whether the worker may serve from its cache."""
    with site.workers[0].client() as client:
        client.get(page("block:s1"))
        client.get(page("block:s1"))
        client.get(page("block:s1"), {"Cookie": "ab_test=1"})
    ended = shell.run("stats")
    assert ended.code == 0
    assert "up to date at purge" in ended.out
    assert "a fresh stored response was served" in ended.out
    assert "ab_test" in ended.out
    assert "rendered" in ended.out


def test_several_servers(site: Site) -> None:
    """Each server that is named is asked; JSON has them by address."""
    addresses = [worker.url for worker in site.workers]
    found = Shell(*addresses).run("stats", "--json").found
    assert set(found) == set(addresses)
    assert found[addresses[0]]["pid"] != found[addresses[1]]["pid"]
    ended = Shell(*addresses).run("stats")
    assert all(address in ended.out for address in addresses)


def test_what_counts_as_served() -> None:
    """Every request counts once, though the reasons for not storing and the levels are counted beside."""
    assert served(
        {"hit": 6, "stale": 1, "uri-miss": 2, "cookie": 1, "no-store": 2, "memory": 7, "fragment-hit": 9}
    ) == (7, 10)


def test_top(site: Site) -> None:
    """A look at each worker, as a line of JSON or a table."""
    shell = Shell(*(worker.url for worker in site.workers))
    ended = shell.run("top", "--count", "2", "--every", "0.2", "--json")
    looks = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, len(looks)) == (0, 2)
    assert [len(look["workers"]) for look in looks] == [2, 2]
    ended = shell.run("top", "--count", "1", "--every", "0.2")
    assert "answers/s" in ended.out
    assert "used most in the worker that answered last" in ended.out


def test_rates() -> None:
    """Answers a second are what was counted since the last look; a worker that counts less has been started anew."""
    before: dict[str, Any] = {"answers": {"hit": 10, "cookie": 5}}
    seen = Snapshot(before, at=100.0, look=1).again({"answers": {"hit": 30, "cookie": 0, "stale": 4}}, 102.0, 2)
    assert dict(seen.rates) == {"hit": 10.0, "cookie": 0.0, "stale": 2.0}
    assert list(Fleet()) == []


def test_top_without_a_site() -> None:
    """Nobody there is said once, and ends it."""
    ended = Shell("http://127.0.0.1:1").run("top")
    assert ended.code == 3
    assert ended.err.count("cannot be reached") == 1
