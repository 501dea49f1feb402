"""The promise of a purge under WSGI servers: stopped and killed workers, a lost way to Redis, renders that a purge overtakes.

Two workers, each with its own way to one real server, asked by HTTP; the whole list of faults is `tests/faults`.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, cast

import pytest

from tests.faults.scene import MARGIN
from tests.faults.stage import KIND, LEASE, Stage
from tests.support.origin import versions
from tests.support.server import Server
from tests.support.site import TOKEN, Site
from tests.support.wait import until
from tests.wsgi.servers import APP, under

if TYPE_CHECKING:
    from redis import Redis

    from tests.faults.scene import Scene
    from tests.wsgi.servers import Kind

threaded = pytest.mark.parametrize("kind", ["gthread", "granian"])


def demand_new(scene: Scene, *workers: int) -> None:
    """Demand that the next answer for each page shows the block as it is now."""
    edited = scene.site.store.version(scene.block)
    for worker in workers:
        assert [versions(scene.read(worker, path).body)[scene.block] for path in scene.pages] == [edited] * len(
            scene.pages
        )


def registered(redis: Redis) -> int:
    """How many workers purges would wait for."""
    members = cast("list[bytes]", redis.zrange(Stage.control("acks"), 0, -1))
    return sum(not member.startswith(b"@") for member in members)


@threaded
def test_purges_under_load(scene: Scene, kind: Kind) -> None:
    """While visitors read from every worker, 20 purges are each done on both workers at once, and no read is stale."""
    scene.warm()
    with scene.visitors():
        seconds = [scene.publish_done(by=number % 2).seconds for number in range(20)]
        scene.warm()
    assert sorted(seconds)[10] < 0.3
    scene.verify()


@threaded
def test_stopped_worker(scene: Scene, kind: Kind) -> None:
    """A purge waits a lease for a worker that was stopped, whose first answers when it goes on are new."""
    scene.warm()
    until(lambda: scene.stage.holds(1), "worker 1 has a lease to wait for")
    scene.site.workers[1].pause()
    published = scene.publish_done(within=LEASE + MARGIN)
    assert published.seconds > LEASE
    demand_new(scene, 0)
    scene.site.workers[1].resume()
    demand_new(scene, 1)
    until(lambda: scene.stage.holds(1), "worker 1 has a lease again")
    scene.warm()
    scene.history.assert_held()


@threaded
def test_killed_worker(scene: Scene, kind: Kind) -> None:
    """A purge waits a lease for a worker that was killed, the next one waits for nothing; started again it shows nothing old."""
    scene.warm()
    scene.kill(1)
    assert scene.publish_done(within=LEASE + MARGIN).seconds > LEASE / 2
    assert scene.publish_done(within=LEASE).told["evicted"] == []
    demand_new(scene, 0)
    scene.revive(1)
    demand_new(scene, 1)
    scene.history.assert_held()


@pytest.mark.parametrize(("kind", "how"), [("gthread", "held"), ("gthread", "refused"), ("granian", "held")])
def test_lost_way_to_redis(scene: Scene, kind: Kind, how: str) -> None:
    """A worker that cannot reach Redis shows nothing old after a purge, fails no visitor, and comes back by itself."""
    scene.warm()
    proxy = scene.site.proxies[1]
    proxy.hold() if how == "held" else proxy.refuse()
    with scene.visitors():
        scene.publish_done(within=LEASE + MARGIN)
        demand_new(scene, 0, 1)
        if how == "held":
            proxy.cut()
        proxy.heal()
        until(lambda: scene.stage.holds(1), "worker 1 has a lease again", 20)
        scene.publish_done(within=LEASE + MARGIN)
        scene.warm()
    demand_new(scene, 0, 1)
    scene.history.assert_held()
    assert not scene.history.errors, scene.history.errors[:5]


@threaded
def test_render_that_a_purge_overtakes(scene: Scene, kind: Kind) -> None:
    """Whoever asked before the purge may get the old render; whoever asks after it gets a new one although the old one runs."""
    path = scene.page()
    store = scene.site.store
    with store.held(path):
        early = [scene.visit(worker, path) for worker in (0, 1)]
        store.wait_for("held", path)
        scene.publish_done()
        joined = [scene.visit(worker, path) for worker in (0, 1)]
        time.sleep(0.2)  # so that they wait for the old render, and not for us
    assert {answer.result(20).status for answer in early} == {200}
    edited = store.version(scene.block)
    assert [versions(answer.result(20).body)[scene.block] for answer in joined] == [edited] * 2
    assert [versions(scene.read(worker, path).body)[scene.block] for worker in (0, 1)] == [edited] * 2
    until(lambda: scene.in_memory(0, path) and scene.in_memory(1, path), "both workers keep the new one")
    scene.history.assert_held()


@pytest.mark.parametrize("kind", ["sync", "gthread", "granian", "waitress"])
def test_orderly_end_leaves_the_registry(kind: Kind) -> None:
    """A server that ends its workers in order says goodbye for them, so that no purge waits; waitress does so on SIGINT alone."""
    with Server(KIND) as server, under(Site(server, workers=1, app=APP), kind) as site:
        redis = server.client()
        until(lambda: registered(redis) == 1, "the worker is registered", 20)
        process = site.workers[0].process
        if kind == "waitress":
            process._signal(signal.SIGINT)
            assert process.wait(10)
        else:
            site.workers[0].stop()
        assert registered(redis) == 0, site.output[-2000:]


@pytest.mark.parametrize("kind", ["gthread"])
def test_preloaded_application(kind: Kind) -> None:
    """With gunicorn's --preload the workers are forked after the import; each follows the purges by itself."""
    with Server(KIND) as server:
        site = Site(server, workers=1, app=APP)
        with under(site, kind, "--preload", "--workers", "2") as site:
            redis = server.client()
            worker = site.workers[0]

            pids: set[object] = set()

            def both_asked() -> bool:
                with worker.client() as client:
                    client.get("/ready")
                    stats = client.ask("GET", "/_cache/stats", headers={"authorization": f"Bearer {TOKEN}"})
                pids.add(stats.json()["pid"])
                return len(pids) == 2

            until(both_asked, "both workers were asked", 20)
            until(lambda: registered(redis) == 2, "both workers are registered", 20)
            with worker.client() as client:
                before = client.get("/page/block:1").body
                site.store.edit("block:1")
                purged = client.purge(tags=["block:1"])
            assert (purged.status, purged.json()["waiting_for"]) == (200, [])
            for _ in range(20):
                with worker.client() as client:
                    assert client.get("/page/block:1").body != before
            worker.stop()
            assert registered(redis) == 0
