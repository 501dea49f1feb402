"""Many purges, many visitors, many dependents (scenarios 1, 25 and 27)."""

from __future__ import annotations

import secrets
import time
from contextlib import closing

import pytest

from cms_cache_mw.purge.link import Link
from tests.faults import scenarios
from tests.faults.scene import MARGIN, Scene
from tests.faults.stage import LEASE, Stage, slow
from tests.faults.test_acceptance import resident
from tests.support.wait import until


def test_brisk_editing(scene: Scene) -> None:
    """1: without any fault purges are done in milliseconds while visitors read, and nothing old is shown."""
    scene.warm()
    published = scenarios.brisk_editing(scene)
    assert {each.status for each in published} == {200}
    took = sorted(each.seconds for each in published)
    assert took[0] < 0.1, "the quickest of them, whatever else the machine does"
    assert took[round(0.99 * (len(took) - 1))] < 0.1 + MARGIN / 3
    scene.cached()
    scene.verify()


@slow
@pytest.mark.timeout(300)
def test_brisk_editing_for_a_minute() -> None:
    """1: the same with four workers for a minute."""
    with Stage(workers=4) as stage, Scene(stage) as scene:
        scene.warm()
        published = scenarios.brisk_editing(scene, seconds=60)
        assert {each.status for each in published} == {200}
        took = sorted(each.seconds for each in published)
        assert took[round(0.99 * (len(took) - 1))] < 0.1 + MARGIN / 3
        scene.cached()
        scene.verify()


def test_purge_of_half_a_million_dependents(scene: Scene) -> None:
    """25: with 500,000 entries in Redis that depend on a tag its purge is as fast as any, and no command of it is slow."""
    scene.warm()
    redis = scene.stage.redis
    _, name = scene.stored()
    value = redis.get(name)
    assert isinstance(value, bytes)
    for batch in range(500):
        redis.mset({f"cms:rendered:site.test:{batch:08x}{number:024x}": value for number in range(1_000)})
    redis.slowlog_reset()
    with scene.visitors():
        took = sorted(scene.publish_done().seconds for _ in range(20))
    assert took[0] < 0.1, "the quickest of them, whatever else the machine does"
    assert redis.slowlog_get() == []
    scene.cached()
    scene.verify()


@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=slow)])
def test_purge_storm(scene: Scene, seconds: float) -> None:
    """27: thousands of purges with 50 tags each: workers keep up or render, stay small, and cache again when it is over."""
    scene.warm()
    before = [resident(worker.process.pid) for worker in scene.site.workers]
    end = time.monotonic() + seconds
    with scene.visitors():
        storms = [scene.later(_storm, scene, end) for _ in range(2)]
        while time.monotonic() < end:
            scene.publish(by=1)
        purges = sum(storm.result(30) for storm in storms)
        assert purges > 20 * seconds
        until(scene.stage.sure, "every worker has a lease", 3 + MARGIN)
        scene.publish_done(within=LEASE + MARGIN)
        scene.cached()
    scene.verify()
    grown = [resident(worker.process.pid) - was for worker, was in zip(scene.site.workers, before, strict=True)]
    assert max(grown) < 64 * 1_048_576


def _storm(scene: Scene, end: float) -> int:
    purges = 0
    with closing(Link(scene.stage.server.url, "cms", timeout=5)) as link:
        while time.monotonic() < end:
            link.purge(secrets.token_bytes(50 * 8), kind="hard")
            purges += 1
    return purges
