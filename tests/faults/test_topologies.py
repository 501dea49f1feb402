"""Sentinel and Cluster: a primary that dies or is exchanged, and a slot that moves (scenarios 17 and 19)."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.faults.scene import MARGIN, Scene
from tests.faults.stage import LEASE, slow
from tests.faults.test_failover import LAG
from tests.faults.topologies import ClusterStage, SentinelStage
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = LEASE + LAG + MARGIN
"""Seconds that a purge may take while leases of an earlier primary may still run."""


@pytest.mark.parametrize("how", ["killed", pytest.param("exchanged", marks=slow)])
def test_sentinel_fails_over(how: str) -> None:
    """17: when the primary dies or is exchanged, workers find the new one, and cache again three seconds after it is there."""
    with SentinelStage() as stage, Scene(stage) as scene:
        scene.warm()
        scene.publish_done(within=FIRST)
        primary, epoch = stage.primary(), stage.epoch()
        with scene.visitors():
            publishing = scene.later(scene.publish, by=1)
            if how == "killed":
                stage.server.kill()
            else:
                stage.fail_over()
            until(lambda: stage.primary() != primary, "the Sentinel has made the replica a primary", 20)
            # One that was exchanged goes on until it finds itself without replicas.
            recovery = 3 + MARGIN + (LAG if how == "exchanged" else 0)
            until(lambda: stage.epoch() not in {b"", epoch}, "the workers have found it", recovery)
            for worker in (0, 1):
                until(partial(scene.in_memory, worker, scene.pages[0]), f"worker {worker} serves from memory", recovery)
            # Entries may go on being looked for at the old one until the Sentinel has made it a replica.
            scene.cached(within=20)
            assert publishing.result(20).status in {200, 202, 503}
            scene.publish_done(within=FIRST)
            scene.cached()
        scene.verify()


def _killed(scene: Scene, stage: ClusterStage) -> None:
    """The node with the purge clock is killed."""
    holder = stage.holder()
    stage.nodes[holder].kill()
    until(lambda: stage.holder() not in {-1, holder}, "its replica has taken over", 20)


def _migrated(scene: Scene, stage: ClusterStage) -> None:
    """The slot of the purge clock moves to another node, and stays half-way for longer than a lease."""
    source = stage.holder()
    stage.migrate(source, (source + 1) % 3, lambda: time.sleep(1.5 * LEASE))


@pytest.mark.parametrize("fault", [pytest.param(_killed, marks=slow), _migrated])
def test_cluster(fault: Callable[[Scene, ClusterStage], None]) -> None:
    """19: a node that dies, or a slot that moves, is a new history for purges; visitors see no MOVED, ASK or TRYAGAIN."""
    with ClusterStage() as stage, Scene(stage) as scene:
        scene.warm()
        scene.publish_done(within=FIRST)
        epoch = stage.epoch()
        with scene.visitors():
            publishing = scene.later(scene.publish, by=1)
            fault(scene, stage)
            assert publishing.result(20).status in {200, 202, 503}
            until(lambda: stage.epoch() not in {b"", epoch}, "the workers have found it", 10)
            scene.publish_done(within=FIRST)
            scene.cached()
        scene.verify()
