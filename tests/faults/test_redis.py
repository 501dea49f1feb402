"""What happens to Redis itself: pauses, crashes, losses, full memory (scenarios 12 to 16)."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from tests.faults.scene import MARGIN
from tests.faults.stage import LEASE, LONG
from tests.faults.visitors import Visitors
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.scene import Scene
    from tests.faults.stage import Stage

Comeback: TypeAlias = Literal["empty", "old", "appended"]
Damage: TypeAlias = "Callable[[Stage], object]"

CONTROL = ("meta", "tags", "soft", "log", "acks", "grants", "leases", "low")
HARMLESS = frozenset({"script-flush", "without-low", "overwritten-low"})
"""Damages that are repaired without a new epoch."""


def _without(part: str) -> Damage:
    return lambda stage: stage.redis.delete(stage.control(part))


def _overwritten(part: str) -> Damage:
    return lambda stage: stage.redis.set(stage.control(part), "text")


DAMAGES: dict[str, Damage] = {
    "flushall": lambda stage: stage.redis.flushall(),
    "flushdb": lambda stage: stage.redis.flushdb(),
    "script-flush": lambda stage: stage.redis.script_flush(),
    **{f"without-{part}": _without(part) for part in CONTROL},
    **{f"overwritten-{part}": _overwritten(part) for part in CONTROL},
}


@pytest.mark.parametrize("way", ["pause", "sleep"])
def test_mute_redis(scene: Scene, way: str) -> None:
    """12: while Redis answers nobody for two leases no purge is done, and the site answers as fast as ever."""
    scene.warm()
    with scene.visitors():
        began = time.monotonic()
        if way == "pause":
            scene.stage.redis.client_pause(round(2000 * LEASE))
        else:
            scene.later(scene.stage.redis.execute_command, "DEBUG", "SLEEP", str(2 * LEASE))
            time.sleep(0.05)
        published = scene.publish()
        ended = time.monotonic() - began
        assert published.status in {200, 503}
        assert published.status == 503 or ended > 2 * LEASE - 0.05
        scene.cached()
    scene.publish_done(by=1, within=LEASE + MARGIN)
    scene.cached()
    scene.verify()
    assert max(map(scene.slowest, (0, 1))) < 1.0


@pytest.mark.parametrize("comeback", ["empty", "old", "appended"])
def test_killed_redis(scene: Scene, comeback: Comeback) -> None:
    """13: Redis killed during a purge comes back with nothing, with old data, or with nearly all: the epoch is another."""
    scene.warm()
    server, redis = scene.stage.server, scene.stage.redis
    if comeback == "old":
        redis.save()
        scene.publish_done()
    elif comeback == "appended":
        server.directives["appendonly"] = "yes"
        redis.config_set("appendonly", "yes")
        scene.publish_done()
    epoch, before = scene.stage.epoch(), scene.stage.seq()
    scene.site.workers[1].pause()
    interrupted = scene.later(scene.publish)
    until(lambda: scene.stage.seq() > before, "the purge is recorded")
    server.kill()
    if comeback == "empty":
        server.restart_empty()
    else:
        server.start()
    server.directives.pop("appendonly", None)
    first = scene.publish("page:first")
    assert first.status == 200
    assert LEASE < first.seconds < 2 * LEASE + MARGIN
    assert scene.stage.epoch() != epoch
    scene.site.workers[1].resume()
    assert interrupted.result(15).status in {200, 202, 503}
    with scene.visitors():
        scene.cached(within=3 + MARGIN)
        scene.publish_done(by=1, within=LEASE + MARGIN)
        scene.cached()
    scene.verify()


def test_absent_redis(scene: Scene) -> None:
    """14: while Redis is away no purge is done, the site goes on, at most two renders per page and worker; then all is new."""
    scene.warm()
    scene.stage.levers.set("delay", 0.05)
    busy = scene.pages[:2]
    with Visitors(scene.site, scene.history, busy, scene.down, pause=0.002, each=5):
        scene.stage.server.kill()
        end = time.monotonic() + 3 * LEASE
        while time.monotonic() < end:
            published = scene.publish(by=0, wait_ms=100)
            assert published.status == 503
        scene.stage.server.start()
        until(lambda: not any(scene.stage.stats(worker)["clock"]["unrecorded"] for worker in (0, 1)), "all is recorded")
        until(scene.stage.sure, "every worker has a lease")
    scene.stage.levers.release("delay")
    scene.publish_done()
    renders = scene.journal()
    assert max(_at_once(renders, path) for path in busy) <= 2
    scene.cached()
    scene.verify()


def test_purges_attempted_while_redis_was_away_are_made_up_for(scene: Scene) -> None:
    """14: a purge that could not be recorded is recorded when Redis is back, also where Redis has lost nothing."""
    scene.warm()
    for proxy in scene.site.proxies:
        proxy.refuse()
    assert scene.publish(wait_ms=100).status == 503
    for proxy in scene.site.proxies:
        proxy.heal()
    until(scene.stage.sure, "every worker has a lease")
    until(lambda: scene.stage.stats(0)["clock"]["unrecorded"] == 0, "the purge is recorded")
    # A later purge is done only when all before it are.
    scene.publish_done("page:other", by=1)
    scene.history.acknowledge(scene.block, 1)
    for path in scene.pages:
        scene.read(0, path)
        scene.read(1, path)
    scene.cached()
    scene.verify()


@pytest.mark.parametrize("detected", ["by the follower", "by the next purge"])
def test_damaged_clock(scene: Scene, detected: str) -> None:
    """15: whatever of the purge clock is deleted or overwritten, it is noticed, and costs entries but never shows old ones."""
    scene.warm()
    # Each damage costs a lease: the short form notices every other in one way, and the rest in the other.
    damages = list(DAMAGES.items())[0 if LONG or detected == "by the follower" else 1 :: 1 if LONG else 2]
    with scene.visitors():
        for name, damage in damages:
            epoch = scene.stage.epoch()
            damage(scene.stage)
            if detected == "by the follower" and name not in HARMLESS:
                until(partial(_is_another, scene.stage, epoch), f"{name} is noticed", LEASE / 3 + MARGIN)
            scene.publish_done(within=2 * LEASE + MARGIN)
            assert name in HARMLESS or _is_another(scene.stage, epoch), name
            scene.cached()
    scene.verify()


def test_full_redis(scene: Scene) -> None:
    """16: a Redis that takes no writes costs the second level and purges (503), and no visitor anything; then all is new."""
    scene.warm()
    scene.stage.redis.config_set("maxmemory", 1)
    with scene.visitors():
        published = scene.publish(wait_ms=500)
        assert published.status == 503
        assert "maxmemory" in str(published.told["detail"])
        assert scene.stage.holds(0), "leases need no memory"
        scene.read(0, fresh := scene.page())
        time.sleep(0.05)
        assert scene.read(1, fresh).level is None
        assert scene.in_memory(1, fresh)
        scene.stage.redis.config_set("maxmemory", 0)
        until(lambda: scene.stage.stats(0)["clock"]["unrecorded"] == 0, "the purge is recorded")
        scene.publish_done(by=1)
        scene.cached()
    scene.verify()


@pytest.mark.parametrize("policy", ["volatile-lru", "allkeys-random"])
def test_evicting_redis(scene: Scene, policy: str) -> None:
    """16: evicted entries are misses; where any key may be evicted the purge clock is, too, which costs epochs and a warning."""
    scene.warm()
    redis, epoch = scene.stage.redis, scene.stage.epoch()
    redis.config_set("maxmemory-policy", policy)
    scene.stage.cut_clients()
    until(scene.stage.sure, "every worker has looked at Redis again")
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) + 2_000_000)
    turn = 0
    with scene.visitors():
        # Which key goes is chance: a few turns may leave the purge clock alone.
        while turn < 4 or (policy == "allkeys-random" and turn < 50 and scene.stage.epoch() == epoch):
            for number in range(30):
                scene.read(turn % 2, f"/sized/65536/{scene.block}+page:flood-{turn}-{number}")
            assert scene.publish(by=turn % 2).status == 200
            turn += 1
    # A worker says it once in its life.
    if policy == "volatile-lru":
        assert scene.stage.epoch() == epoch
        assert not any("evicts any key" in scene.reported(number) for number in (0, 1))
    else:
        assert scene.stage.epoch() != epoch
        until(
            lambda: all("evicts any key" in worker.output for worker in scene.site.workers), "each worker says so once"
        )
    scene.stage.restore()
    scene.cached()
    scene.verify()


def _is_another(stage: Stage, epoch: bytes) -> bool:
    return stage.epoch() not in {b"", epoch}


def _at_once(journal: list[tuple[str, str, str]], path: str) -> int:
    """The largest number of renders of a page that one process ran at the same time."""
    under_way: dict[str, int] = {}
    most = 0
    for event, process, where in journal:
        if where == path and event in {"read", "done"}:
            under_way[process] = under_way.get(process, 0) + (1 if event == "read" else -1)
            most = max(most, under_way[process])
    return most
