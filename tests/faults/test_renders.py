"""Renders, replies and parts that a purge overtakes (scenarios 2, 3, 5 and 7)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults import scenarios
from tests.faults.scene import MARGIN
from tests.faults.stage import LEASE

if TYPE_CHECKING:
    from tests.faults.scene import Scene


def test_overtaken_render_is_never_served(scene: Scene) -> None:
    """2: what was rendered from before a purge is neither in the worker's memory nor, for the others, in Redis."""
    scene.warm()
    scenarios.overtaken_render(scene)
    scene.cached()
    scene.verify()


def test_late_joiner_gets_the_new_version(scene: Scene) -> None:
    """3: who arrives after the 200 is not given the result of a render that began before."""
    scene.warm()
    scenarios.late_joiner(scene)
    scene.cached()
    scene.verify()


def test_overtaken_reply_is_not_used(scene: Scene) -> None:
    """5: an entry that Redis handed out before a purge is not used after it, nor kept in memory as if it were newer."""
    scene.warm()
    scenarios.overtaken_reply(scene)
    scene.cached()
    scene.verify()


def test_worker_stopped_between_reply_and_use(scene: Scene) -> None:
    """5: the same where the whole process stood still in between, for longer than its lease."""
    scene.warm()
    path, first = scenarios.handed_over(scene, "stop")
    scene.stage.levers.release("reply")
    published = scene.publish_done(by=0, within=LEASE + MARGIN)
    assert published.seconds > LEASE
    scene.site.workers[1].resume()
    first.result(10)
    scene.read(1, path)
    scene.cached()
    scene.verify()


def test_killed_leader_keeps_nobody_waiting(scene: Scene) -> None:
    """7: when the worker that renders a page is killed, 200 visitors of the other are answered, by at most two renders."""
    scene.warm()
    path, store = scene.page(), scene.site.store
    with store.held(path):
        scene.down.add(0)
        lost = scene.visit(0, path)
        store.wait_for("held", path)
        waiting = [scene.visit(1, path) for _ in range(200)]
        time.sleep(scenarios.ARRIVAL)
        scene.kill(0)
        assert lost.exception(10)
    began = time.monotonic()
    assert {answer.result(20).status for answer in waiting} == {200}
    assert time.monotonic() - began < 2.0 + MARGIN
    assert store.count("read", path) <= 1 + 2
    scene.revive(0)
    scene.publish_done(by=1, within=LEASE + MARGIN)
    scene.cached()
    scene.verify()


def test_stale_part_is_not_reused(scene: Scene) -> None:
    """A page that is rendered after a purge is not made of parts from before it."""
    scene.warm()
    scenarios.reused_parts(scene)
    assert scene.site.store.count("part") > 0
    scene.cached()
    scene.verify()
