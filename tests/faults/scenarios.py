"""Scenarios that are played twice: on the package as it is, and on one with a planted bug.

On the first they must show nothing old, on the second the judge must find what they show. Each only acts and lets the
history record; what is demanded is up to the test.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from tests.faults.stage import LEASE

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.faults.scene import Published, Scene
    from tests.support.client import Answer

ARRIVAL = 0.3
"""Seconds that are given to requests to arrive and wait, which nothing tells."""


def overtaken_render(scene: Scene) -> None:
    """A render begins in one worker, a purge through the other is answered 200, the render ends; then all ask, twice."""
    path = scene.page()
    with scene.site.store.held(path):
        first = scene.visit(0, path)
        scene.site.store.wait_for("held", path)
        scene.publish(by=1)
    first.result(10)
    for worker in range(len(scene.site.workers)):
        scene.read(worker, path)
        scene.read(worker, path)


def late_joiner(scene: Scene) -> None:
    """Visitors arrive after the 200, while a render that began before the purge still runs."""
    path = scene.page()
    with scene.site.store.held(path):
        first = scene.visit(0, path)
        scene.site.store.wait_for("held", path)
        scene.publish(by=1)
        joiners = [scene.visit(0, path) for _ in range(5)]
        time.sleep(ARRIVAL)
    for answer in (first, *joiners):
        answer.result(10)


def handed_over(scene: Scene, position: Literal["stop", "held"]) -> tuple[str, Future[Answer]]:
    """A page that Redis has handed to worker 1, which stopped or held it before it was used, and the answer that will come."""
    store, levers = scene.site.store, scene.stage.levers
    for _ in range(10):
        path, _ = scene.stored()
        before = store.count("arrived")
        levers.set("reply", position)
        answer, end = scene.visit(1, path), time.monotonic() + 1
        while store.count("arrived") == before and time.monotonic() < end:
            time.sleep(0.005)
        if store.count("arrived") > before:
            return path, answer
        # Redis took too long, and the page was rendered.
        levers.release("reply")
        answer.result(10)
    raise AssertionError("worker 1 never got an entry from Redis in time")


def overtaken_reply(scene: Scene) -> None:
    """Redis hands out an entry, a purge is answered 200, only then the worker gets to use what it was handed."""
    path, first = handed_over(scene, "held")
    scene.publish(by=0)
    scene.stage.levers.release("reply")
    first.result(10)
    scene.read(1, path)
    scene.read(1, path)


def cut_off(scene: Scene, seconds: float = 3 * LEASE) -> Published:
    """A worker's way to Redis swallows everything for a while; somebody publishes meanwhile, and visitors go on reading."""
    proxy, end = scene.site.proxies[1], time.monotonic() + seconds
    with scene.visitors():
        proxy.hold()
        published = scene.publish(by=0)
        time.sleep(max(0.0, end - time.monotonic()))
        proxy.heal()
    return published


def brisk_editing(scene: Scene, seconds: float = 3.0, pause: float = 0.02) -> list[Published]:
    """An editor publishes, again and again, through one worker and the other, while visitors read."""
    published: list[Published] = []
    end = time.monotonic() + seconds
    with scene.visitors(pause=0.001):
        while time.monotonic() < end:
            published.append(scene.publish(by=len(published) % len(scene.site.workers)))
            time.sleep(pause)
    return published


def reused_parts(scene: Scene) -> None:
    """Pages made of parts are read, a part is edited, and the pages are made again of what parts there are."""
    paths = [scene.page().replace("/page/", "/parts/") for _ in range(3)]
    for turn in range(4):
        for worker in range(len(scene.site.workers)):
            for path in paths:
                scene.read(worker, path)
        scene.publish(by=turn % 2)
    for worker in range(len(scene.site.workers)):
        for path in paths:
            scene.read(worker, path)
