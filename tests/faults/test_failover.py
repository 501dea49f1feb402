"""Another server takes over, reached at the same address: a failover, and two primaries at once (scenarios 17 and 18)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.scene import MARGIN
from tests.faults.stage import KIND, LEASE
from tests.support.proxy import Proxy
from tests.support.server import Server
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.scene import Scene

LAG = 2.0
"""Seconds for which a primary without replicas takes writes at most: `min-replicas-max-lag 1`, and one of Redis's own."""


@contextmanager
def replicated(scene: Scene, *, fewest: int) -> Iterator[tuple[Server, Proxy]]:
    """A replica of the stage's server and the way between them; `fewest` replicas have to follow for writes to be taken."""
    primary = scene.stage.server
    with (
        Proxy(primary.port) as way,
        Server(KIND, {"replicaof": f"127.0.0.1 {way.port}", "min-replicas-max-lag": "1"}) as replica,
    ):
        follower = replica.client()
        until(lambda: follower.info("replication").get("master_link_status") == "up", "the replica follows", 20)
        scene.stage.redis.config_set("min-replicas-max-lag", 1)
        until(lambda: bool(scene.stage.redis.info("replication").get("connected_slaves")), "the primary knows it")
        scene.stage.redis.config_set("min-replicas-to-write", fewest)
        # The first replica of its life gives a server a new history; and a follower looks around when it connects.
        scene.publish("page:first")
        scene.stage.cut_clients()
        until(scene.stage.sure, "every worker knows of the replica")
        yield replica, way
        scene.stage.restore()


def promote(replica: Server, way: Proxy) -> None:
    """Make a replica a primary of its own; what was on the way is lost."""
    way.refuse()
    replica.client().replicaof("NO", "ONE")


def test_failover_that_loses_an_acknowledged_purge(scene: Scene) -> None:
    """17: a replica that was behind takes over without the last purge: a new epoch, nothing old, caching within seconds."""
    with replicated(scene, fewest=0) as (replica, way):
        scene.warm()
        epoch = scene.stage.epoch()
        with scene.visitors():
            way.hold("replies")
            scene.publish_done()
            scene.stage.server.kill()
            promote(replica, way)
            scene.stage.follow(replica)
            until(lambda: scene.stage.epoch() != epoch, "the new history is noticed", 3 + MARGIN)
            scene.cached(within=3 + MARGIN)
            scene.publish_done(within=LEASE + LAG + MARGIN)
            scene.publish_done(by=1, within=LEASE + LAG + MARGIN)
            scene.cached()
    scene.verify()


def test_two_primaries(scene: Scene) -> None:
    """18: a worker that stays with the old primary loses its lease before a purge at the new one is done."""
    with replicated(scene, fewest=1) as (replica, way):
        scene.warm()
        with scene.visitors():
            promoted = time.monotonic()
            promote(replica, way)
            scene.stage.follow(replica, 0)
            scene.publish_done(by=0, within=LEASE + LAG + MARGIN)
            assert time.monotonic() - promoted > LEASE + LAG
            assert "detail=unsure" in scene.read(1, scene.pages[0]).cache_status
            scene.stage.follow(replica)
            scene.cached(within=3 + MARGIN)
        scene.publish_done(by=1, within=LEASE + LAG + MARGIN)
        scene.cached()
    scene.verify()


def test_two_primaries_without_a_minimum(scene: Scene) -> None:
    """18: with `min-replicas-to-write 0` nothing bounds that, which is said at start, and is so."""
    with replicated(scene, fewest=0) as (replica, way):
        scene.warm()
        assert "min-replicas-to-write is 0" in scene.site.workers[1].output
        promote(replica, way)
        scene.stage.follow(replica, 0)
        assert scene.publish(by=0).status == 200
        time.sleep(LEASE)
        shown = [scene.read(1, path).level for path in scene.pages]
    assert "memory" in shown
    assert scene.history.stale()
