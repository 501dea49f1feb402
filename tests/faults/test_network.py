"""Ways to Redis that swallow, drop and break (scenarios 9, 10 and 11)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import pytest

from tests.faults.scene import MARGIN
from tests.faults.stage import LEASE
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.faults.scene import Scene
    from tests.support.proxy import Direction


def test_cut_off_worker_stops_using_its_cache(scene: Scene) -> None:
    """9: a worker that reaches nobody serves from memory until its lease ends and then renders, says so, and comes back."""
    scene.warm()
    scene.down.add(1)
    with scene.visitors():
        scene.site.proxies[1].hold()
        assert scene.in_memory(1, scene.pages[0])
        published = scene.publish_done(within=LEASE + MARGIN)
        assert published.seconds > LEASE
        assert "detail=unsure" in scene.read(1, scene.pages[0]).cache_status
        time.sleep(2 * LEASE)
        scene.site.proxies[1].heal()
        scene.down.discard(1)
        assert scene.cached(within=3 + MARGIN)
    scene.publish_done()
    scene.verify()


@pytest.mark.parametrize("direction", ["requests", "replies"])
@pytest.mark.parametrize("fate", ["lost", "late"])
def test_one_way_loss(scene: Scene, direction: Direction, fate: Literal["lost", "late"]) -> None:
    """10: where only requests or only replies get lost, or arrive three leases late, no lease comes of them."""
    scene.warm()
    scene.down.add(1)
    with scene.visitors():
        scene.site.proxies[1].hold(direction)
        scene.publish_done(within=LEASE + MARGIN)
        time.sleep(2 * LEASE)
        assert "detail=unsure" in scene.read(1, scene.pages[0]).cache_status
        if fate == "lost":
            scene.site.proxies[1].cut()
        scene.site.proxies[1].heal()
        scene.down.discard(1)
        scene.cached(within=3 + MARGIN)
    scene.publish_done()
    scene.verify()


def test_slow_network_only_slows(scene: Scene) -> None:
    """10: with 40 ms to Redis and back purges take a few of these, and nothing else changes."""
    scene.warm()
    for proxy in scene.site.proxies:
        proxy.delay(0.02)
    with scene.visitors():
        for turn in range(5):
            scene.publish_done(by=turn % 2)
        scene.cached()
    scene.verify()


@pytest.mark.parametrize("kind", ["normal", "every"])
def test_killed_connections(scene: Scene, kind: str) -> None:
    """11: with all connections to Redis killed every 100 ms no purge is late by more than a lease, and nobody notices."""
    scene.warm()
    end = time.monotonic() + 3.0
    with scene.visitors():
        publishing = scene.later(_publish_until, scene, end)
        while time.monotonic() < end:
            if kind == "normal":
                scene.stage.cut_clients()
            else:
                for proxy in scene.site.proxies:
                    proxy.cut()
            time.sleep(0.1)
        purges = publishing.result(10)
        assert purges > 2
        until(scene.stage.sure, "every worker has a lease again")
    scene.cached()
    scene.verify()


def _publish_until(scene: Scene, end: float) -> int:
    purges = 0
    while time.monotonic() < end:
        scene.publish_done(by=purges % 2, within=LEASE + MARGIN)
        purges += 1
    return purges
