"""`cms-cache doctor`: what is wrong with a deployment is found, and comes with the line to change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw.cli.advice import CHANGES, change_for
from cms_cache_mw.cli.demo import served
from cms_cache_mw.cli.redis_findings import of_redis
from cms_cache_mw.cli.remote import Page
from cms_cache_mw.cli.rounds import Visit, of_visits, said_of
from cms_cache_mw.cli.worker_findings import of_worker
from cms_cache_mw.config import Config
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import replace
from cms_cache_mw.purge.checkup import Checkup
from cms_cache_mw.purge.link import Link
from cms_cache_mw.purge.survey import Survey
from tests.support.careless import Careless
from tests.support.cli import Shell
from tests.support.origin import page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.cli.finding import Finding
    from tests.support.server import Server
    from tests.support.site import Site

WELL = Checkup(
    server="Redis",
    version="7.2.4",
    identified=True,
    survey=Survey(policy="volatile-lru"),
    used_bytes=1_000_000,
    max_bytes=1_000_000_000,
    evicted=0,
    drift=0.001,
    latencies=(0.0001, 0.0002, 0.0009),
    epoch="00000000000000aa",
    position=12,
    settled=True,
    workers=4,
)
WORKER: dict[str, Any] = {
    "answers": {"hit": 900, "uri-miss": 100},
    "bypass_cookies": {},
    "memory": {"bytes": 1_000, "max_bytes": 67_108_864, "namespaces": {"rendered": {"evictions": 0}}},
    "clock": {"scope": "everywhere", "position": 12, "lease_ms": 2_000, "unrecorded": 0, "trouble": ""},
    "redis": {"breaker_open": False},
}


def worst(findings: Iterable[Finding]) -> tuple[str, str, str]:
    """Level, subject and change of the worst finding."""
    order = ["bad", "note", "good"]
    found = min(findings, key=lambda finding: order.index(finding.level))
    return found.level, found.subject, found.change


def test_a_redis_that_is_well() -> None:
    """Nothing is said against a Redis that is set up as the documentation says."""
    assert {finding.level for finding in of_redis(WELL, Config())} == {"good"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"version": "6.2.14"}, ("bad", "Redis", "install Redis 7.0 or newer, or Valkey")),
        ({"survey": Survey(policy="allkeys-lru")}, ("bad", "eviction", "maxmemory-policy volatile-lru")),
        ({"survey": Survey(policy="noeviction")}, ("note", "eviction", "maxmemory-policy volatile-lru")),
        ({"survey": Survey()}, ("note", "eviction", "maxmemory-policy volatile-lru")),
        ({"max_bytes": 0}, ("note", "eviction", "maxmemory 1gb")),
        ({"evicted": 5}, ("note", "eviction", "maxmemory 2.0 GB")),
        ({"survey": Survey(policy="volatile-lru", replicas=2)}, ("bad", "replication", "min-replicas-to-write 1")),
        (
            {"survey": Survey(policy="volatile-lru", replicas=2, min_replicas=1)},
            ("note", "replication", "CMS_CACHE_WAIT_REPLICAS=1"),
        ),
        ({"drift": -7.0}, ("note", "clock", "run an NTP client on both machines")),
        ({"latencies": (0.01,) * 5}, ("note", "latency", "put Redis nearer to the workers")),
        ({"latencies": (0.09,) * 5}, ("bad", "latency", "put Redis into the workers' network")),
        ({"epoch": ""}, ("note", "purges", "CMS_CACHE_NAMESPACE=… as the site has it")),
        ({"workers": 0}, ("note", "purges", "")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_weakens_it(changed: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """Each setting of Redis that costs something is named with the line to change."""
    assert worst(of_redis(replace(WELL, **changed), Config())) == expected


def test_a_redis_that_hides() -> None:
    """INFO refused is bad, unless the site was told to do without."""
    hidden = replace(WELL, identified=False)
    assert worst(of_redis(hidden, Config()))[0] == "bad"
    assert worst(of_redis(hidden, Config(redis_identity="none")))[0] == "good"


def test_checkup_of_a_real_server(own_server: Server) -> None:
    """Redis and Valkey tell their version, limit, policy, clock and latency; who has not joined is not registered."""
    client = own_server.client()
    client.config_set("maxmemory", "100mb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    link = Link(own_server.url, "cms", timeout=2)
    found = link.checkup(time.time)
    link.close()
    assert found.server.lower() == own_server.kind
    assert found.version[0].isdigit()
    assert found.identified
    assert (found.max_bytes, found.survey.policy) == (104_857_600, "allkeys-lru")
    assert abs(found.drift) < 5
    assert found.latencies == tuple(sorted(found.latencies))
    assert (found.epoch, found.workers) == ("", 0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("good", "purges", "")),
        ({"clock": {"scope": "process"}}, ("note", "purges", "CMS_CACHE_REDIS_URL=redis://localhost:6379/0")),
        ({"clock": {"scope": "everywhere", "lease_ms": 0}}, ("bad", "purges", "see Redis")),
        ({"clock": {"scope": "everywhere", "lease_ms": 9, "unrecorded": 1}}, ("bad", "purges", "see Redis")),
        (
            {"memory": {"bytes": 99, "max_bytes": 100, "namespaces": {"rendered": {"evictions": 3}}}},
            ("note", "memory", "CMS_CACHE_MAX_MEMORY_MB=0"),
        ),
        (
            {"memory": {"bytes": 9, "max_bytes": 100, "namespaces": {"rendered": {"evictions": 3}}}},
            ("note", "memory", "CMS_CACHE_MAX_ITEMS_PER_TYPE=50000"),
        ),
        (
            {"bypass_cookies": {"ab_test": 50}},
            ("note", "cookies", 'Config(ignored_cookies=(*IGNORED, "ab_test"))   (if no page is rendered from it)'),
        ),
        ({"bypass_cookies": {"sessionid": 500}}, ("good", "purges", "")),
        ({"bypass_cookies": {"ab_test": 5}}, ("good", "purges", "")),
        ({"answers": {"hit": 1, "uri-miss": 9, "no-store": 9}}, ("note", "answers", CHANGES[Reason.NO_STORE])),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_worker_tells(changed: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """Doubt, want of memory and cookies that spoil the hit rate are read off a worker's statistics."""
    assert worst(of_worker(WORKER | changed)) == expected


def answered(item: str | None, **fields: str) -> Page:
    """A page with our item in Cache-Status."""
    status = {} if item is None else {"cache-status": f"cdn; hit, cms-cache; {item}"}
    return Page(200, status | {name.replace("_", "-"): value for name, value in fields.items()}, b"")


@pytest.mark.parametrize(
    ("item", "fields", "expected"),
    [
        ("hit; ttl=9; detail=memory", {}, ("good", "pages", "")),
        (None, {}, ("bad", "pages", "wrap the application: app = CacheMiddleware(app, config)")),
        ("fwd=uri-miss; detail=no-store", {}, ("note", "pages", CHANGES[Reason.NO_STORE])),
        (
            "fwd=uri-miss; detail=set-cookie",
            {"set_cookie": "seen=1; Path=/"},
            ("note", "pages", "do not send Set-Cookie: seen=… on a page for everybody"),
        ),
    ],
)
def test_what_a_visit_tells(item: str | None, fields: dict[str, str], expected: tuple[str, str, str]) -> None:
    """A page that could come from the cache and does not is named with what its answer would have to say."""
    visit = Visit("/a", answered(item, **fields), answered(item, **fields))
    found = list(of_visits([visit]))
    assert worst(found) == expected
    assert any("/a" in finding.said for finding in found) or expected[0] == "good"


def test_items_of_other_caches() -> None:
    """Only our own item counts, which is the last one, whatever others below said."""
    assert said_of(answered("fwd=miss; stored")) == {"fwd": "miss", "stored": ""}
    assert said_of(Page(200, {"cache-status": "cms-cache; hit, edge; fwd=miss"}, b"")) == {}


NOTHING_TO_CHANGE = {
    Reason.HIT, Reason.STALE, Reason.COLLAPSED, Reason.STORED, Reason.STATUS, Reason.PARTIAL, Reason.NOT_MODIFIED,
    Reason.REQUEST_NO_STORE, Reason.AUTHORIZED, Reason.ANONYMOUS, Reason.STREAM, Reason.INCOMPLETE, Reason.OVERTAKEN,
    Reason.WARMED,
}  # fmt: skip
"""Reasons that are as they should be, or about a request rather than a site."""


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.fwd])
def test_every_reason_has_a_change_or_needs_none(reason: Reason) -> None:
    """Each reason why an answer was not stored tells what would let it in, unless nothing should."""
    assert bool(change_for(reason.value)) is (reason not in NOTHING_TO_CHANGE)


def test_a_deployment(site: Site, shell: Shell) -> None:
    """Redis, worker and pages of a running site are examined, and nothing is wrong with it."""
    ended = shell.run("doctor", page("block:d1"), "--json")
    found = ended.found
    assert (ended.code, found["bad"]) == (0, 0)
    subjects = {finding["subject"] for finding in found["findings"]}
    assert subjects >= {"Redis", "eviction", "replication", "clock", "latency", "purges", "site", "memory", "pages"}
    said = [finding["said"] for finding in found["findings"] if finding["subject"] == "pages"]
    assert said == ["1 of 1 page came from the cache when asked for again"]


def test_for_people(shell: Shell) -> None:
    """On a terminal each finding is a line, with the change below it."""
    ended = shell.run("doctor", "--pages", "0")
    assert "✓ Redis" in ended.out
    assert "    → maxmemory 1gb" in ended.out
    assert ended.err == ""


def test_redis_and_site_are_gone() -> None:
    """What cannot be reached is found, not raised, and the rest is examined all the same."""
    ended = Shell("http://127.0.0.1:1", CMS_CACHE_REDIS_URL="redis://127.0.0.1:1/0").run("doctor", "--json")
    bad = [finding["subject"] for finding in ended.found["findings"] if finding["level"] == "bad"]
    assert (ended.code, bad) == (1, ["Redis", "site", "pages"])


def test_a_wrong_token(shell: Shell) -> None:
    """A token that the site does not know is found, too."""
    ended = shell.run("doctor", "--pages", "0", CMS_CACHE_TOKEN="not-the-token")
    assert ended.code == 1
    assert "a known token is needed" in ended.out


def test_a_careless_site() -> None:
    """What a real site does wrong is found on its pages, which are reached along their links."""
    with served(Careless(), 0) as port:
        ended = Shell(f"http://127.0.0.1:{port}").run(
            "doctor", "/a", "/cache-tag=page:1", "/set-cookie=seen=1", "--json"
        )
    found = {(finding["said"], finding["change"]) for finding in ended.found["findings"] if finding["level"] == "note"}
    assert (
        "/a: no tags, so that an edit cannot purge them, except by URL",
        "Cache-Tag: page:12, block:footer   (what the page is made of)",
    ) in found
    assert (f"/cache-control=no-store: {Reason.NO_STORE.meaning}", CHANGES[Reason.NO_STORE]) in found
    assert (
        f"/set-cookie=seen=1: {Reason.SET_COOKIE.meaning}",
        "do not send Set-Cookie: seen=… on a page for everybody",
    ) in found
    assert not any("/cache-tag=page:1" in said for said, _ in found)
