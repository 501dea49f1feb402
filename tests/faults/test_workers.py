"""Workers that are stopped, killed, forked and kept busy (scenarios 4, 6, 8, 20, 23 and 24)."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.faults.scene import MARGIN
from tests.faults.stage import BROKEN, LEASE
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.faults.scene import Scene


@pytest.mark.parametrize("leases", [0.5, 1.0, 3.0])
def test_stopped_worker_shows_nothing_old(scene: Scene, leases: float) -> None:
    """4: a worker that stood still during a purge shows nothing old, whenever it goes on and whoever asked it meanwhile."""
    scene.warm()
    stopped = scene.site.workers[1]
    stopped.pause()
    began = time.monotonic()
    publishing = scene.later(scene.publish)
    early = [scene.visit(1, path) for path in scene.pages]
    time.sleep(leases * LEASE)
    if leases < 1:
        stopped.resume()
    published = publishing.result(10)
    late = [scene.visit(1, path) for path in scene.pages]
    time.sleep(max(0.0, began + leases * LEASE - time.monotonic()))
    stopped.resume()
    assert published.status == 200
    assert min(leases, 1) * LEASE < published.seconds < LEASE + MARGIN
    assert {answer.result(10).status for answer in early + late} == {200}
    scene.cached()
    scene.publish_done(by=1)
    scene.verify()


def test_other_workers_do_not_notice_a_stopped_one(scene: Scene) -> None:
    """4: while a purge waits for a worker that stands still, the others serve the new page from memory."""
    scene.warm()
    scene.down.add(1)
    scene.site.workers[1].pause()
    publishing = scene.later(scene.publish)
    until(lambda: scene.site.store.version(scene.block) == 1, "the edit is made")
    for path in scene.pages:
        until(partial(scene.in_memory, 0, path), f"{path} is cached")
    assert publishing.result(10).status == 200
    scene.site.workers[1].resume()
    scene.down.discard(1)
    scene.cached()
    scene.verify()


def test_killed_worker_costs_one_wait(scene: Scene) -> None:
    """6: the first purge after a worker was killed takes a lease, the second is fast; the dead worker is named."""
    scene.warm()
    scene.kill(1)
    first = scene.publish_done(within=LEASE + MARGIN)
    assert first.seconds > LEASE
    assert len(first.told["evicted"]) == 1  # type: ignore[arg-type]
    assert scene.publish_done(within=LEASE).seconds < LEASE
    scene.revive(1)
    scene.cached()
    scene.verify()


def test_purge_of_a_killed_worker_is_repeated(scene: Scene) -> None:
    """8: a worker killed while its purge waits has promised nothing; the log has the purge, and it can be repeated."""
    scene.warm()
    scene.site.workers[1].pause()
    before = scene.stage.seq()
    publishing = scene.later(scene.publish)
    until(lambda: scene.stage.seq() > before, "the purge is recorded")
    scene.kill(0)
    assert isinstance(publishing.exception(10), BROKEN)
    scene.site.workers[1].resume()
    scene.publish_done(by=1, within=LEASE + MARGIN)
    assert scene.stage.seq() >= before + 2
    scene.revive(0)
    scene.cached()
    scene.verify()


def test_restarted_worker_says_goodbye(scene: Scene) -> None:
    """6: a worker that is stopped in an orderly way is waited for by no purge."""
    scene.warm()
    scene.down.add(1)
    scene.site.workers[1].stop()
    assert scene.publish_done().told["evicted"] == []
    scene.revive(1)
    scene.cached()
    scene.verify()


@pytest.mark.parametrize("hours", [1, -1])
def test_wrong_wall_clock_changes_nothing(scene: Scene, hours: int) -> None:
    """20: a wall clock that jumps by an hour has no effect on purges, leases and acknowledgements."""
    scene.warm()
    with scene.visitors():
        scene.stage.levers.set("skew", hours * 3600)
        for turn in range(6):
            scene.publish_done(by=turn % 2)
            time.sleep(LEASE / 3)
        for worker in (0, 1):
            for path in scene.pages:
                until(partial(scene.in_memory, worker, path), f"{path} is cached")
        scene.stage.levers.release("skew")
        scene.publish_done(within=LEASE + MARGIN)
    scene.cached()
    scene.verify()


def test_busy_worker_acknowledges(scene: Scene) -> None:
    """24: a worker whose event loop runs one long computation acknowledges purges all the same, and shows nothing old after."""
    scene.warm()
    busy = scene.visit(1, f"/busy/{2 * LEASE}")
    time.sleep(0.1)
    published = scene.publish_done()
    waiting = [scene.visit(1, path) for path in scene.pages]
    assert not busy.done(), published
    assert {answer.result(10).status for answer in (busy, *waiting)} == {200}
    scene.cached()
    scene.verify()


def test_crowded_threads_and_slow_clients_hold_nothing_up(scene: Scene) -> None:
    """24: neither a pool of threads without a free one nor clients that send a byte now and then delay purges or pages."""
    scene.warm()
    address = ("127.0.0.1", scene.site.workers[1].port)
    with ExitStack() as slow, scene.visitors():
        for _ in range(50):
            slow.enter_context(socket.create_connection(address)).sendall(b"GET /page/block:1 HTTP/1.1\r\nhost: si")
        scene.read(1, f"/crowd/200/{LEASE / 10}")
        for turn in range(4):
            scene.publish_done(by=turn % 2)
        scene.cached()
    scene.verify()
