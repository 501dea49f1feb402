"""Which pages are used most, over all workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.runtime import drive
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.shared import ThreadShared
from cms_cache_mw.warmth import popularity as module
from cms_cache_mw.warmth.popularity import HALF_LIFE, STEP, Popularity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.clock import Clock
    from tests.support.server import Server


@pytest.fixture
def shared(redis_url: str) -> Iterator[ThreadShared]:
    """A store for this thread, whose server may take its time."""
    store = ThreadShared(redis_url, Breaker(), timeout=10)
    yield store
    drive(store.close())


@pytest.fixture
def popularity(shared: ThreadShared, namespace: str, clock: Clock) -> Popularity:
    """What workers of a namespace use most."""
    return Popularity(lambda: shared, namespace, clock.now)


def names(popularity: Popularity, site: str = "main") -> list[bytes]:
    """The names of a site, most used first."""
    return [name for name, _ in drive(popularity.top(site))]


def test_most_used_first(popularity: Popularity) -> None:
    """Uses of several batches add up, for each site apart."""
    drive(popularity.feed("main", {b"a": 2, b"b": 3}))
    drive(popularity.feed("main", {b"a": 2, b"c": 1}))
    drive(popularity.feed("shop", {b"z": 9}))
    assert drive(popularity.top("main")) == [(b"a", 4.0), (b"b", 3.0), (b"c", 1.0)]
    assert drive(popularity.sites()) == ["shop", "main"]


def test_old_use_fades(popularity: Popularity, clock: Clock) -> None:
    """Use of a half-life ago counts half."""
    drive(popularity.feed("main", {b"old": 10}))
    clock.advance(HALF_LIFE)
    drive(popularity.feed("main", {b"new": 6}))
    assert drive(popularity.top("main")) == [(b"new", 6.0), (b"old", pytest.approx(5.0))]


def test_fading_is_the_same_however_often_it_is_fed(popularity: Popularity, clock: Clock) -> None:
    """Many small steps fade as much as one large one."""
    drive(popularity.feed("main", {b"old": 64}))
    for _ in range(10):
        clock.advance(HALF_LIFE / 10)
        drive(popularity.feed("main", {b"new": 1}))
    clock.advance(STEP)
    drive(popularity.feed("main", {b"new": 1}))
    assert dict(drive(popularity.top("main")))[b"old"] == pytest.approx(32.0 * 0.5 ** (STEP / HALF_LIFE), rel=1e-6)


def test_bounded(popularity: Popularity, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more names than a site may have, the most used stay."""
    monkeypatch.setattr(module, "MOST", 10)
    for start in range(0, 100, 5):
        drive(popularity.feed("main", {b"%03d" % number: 100 - number for number in range(start, start + 5)}))
    assert names(popularity) == [b"%03d" % number for number in range(10)]


def test_sites_are_bounded(popularity: Popularity, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that somebody makes up do not add up."""
    monkeypatch.setattr(module, "MOST_SITES", 3)
    for number in range(10):
        drive(popularity.feed(f"host{number}", {b"a": number + 1}))
    assert drive(popularity.sites()) == ["host9", "host8", "host7"]


def test_batch_is_bounded(popularity: Popularity, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch adds the most used of its names and no more."""
    monkeypatch.setattr(module, "BATCH", 2)
    drive(popularity.feed("main", {b"a": 1, b"b": 3, b"c": 2}))
    assert names(popularity) == [b"b", b"c"]


def test_forgotten_when_nobody_feeds(popularity: Popularity, redis_server: Server, namespace: str) -> None:
    """The list of a site that is gone goes by itself."""
    drive(popularity.feed("main", {b"a": 1}))
    client = redis_server.client()
    for site in ("main", ""):
        assert 0 < int(str(client.ttl(f"{namespace}:popular:{site}"))) <= module.KEPT


def test_read_in_parts(popularity: Popularity, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long list is read by several short commands, each name once."""
    monkeypatch.setattr(module, "PAGE", 3)
    drive(popularity.feed("main", {b"%d" % number: 9 - number for number in range(8)}))
    assert names(popularity) == [b"%d" % number for number in range(8)]
    assert len(drive(popularity.top("main", 4))) == 4


def test_without_redis() -> None:
    """Where there is none, nothing is fed, nothing is found and nothing is raised."""
    alone = Popularity(lambda: None, "cms", lambda: 0.0)
    assert not alone.kept
    assert not drive(alone.feed("main", {b"a": 1}))
    assert drive(alone.top("main")) == []


@pytest.mark.logs("the shared store is not asked")
def test_redis_away(own_server: Server, namespace: str) -> None:
    """Trouble with Redis is told to nobody; once the breaker is open nothing is asked any more."""
    store = ThreadShared(own_server.url, Breaker())
    popularity = Popularity(lambda: store, namespace, lambda: 0.0)
    own_server.stop()
    assert not any(drive(popularity.feed("main", {b"a": 1})) for _ in range(3))
    assert drive(popularity.top("main")) == []
    assert not popularity.kept
    drive(store.close())
