"""What the whole is for: a block is edited, and when the purge has answered, nobody is shown the page of before.

600 addresses (300 pages in two languages), warm in two worker processes, asked by HTTP.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.scene import MARGIN, Scene
from tests.faults.stage import APP, KIND, LEASE, slow
from tests.faults.visitors import Quick
from tests.support.client import HOST
from tests.support.origin import page, versions
from tests.support.server import Server
from tests.support.site import Site
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.stage import Stage

BLOCKS = ("block:plain", "block:overtaken", "block:stopped", "block:killed")
"""One for each test, on the same pages."""
FEATURED = [page(f"page:{number}", f"lang:{language}", *BLOCKS) for number in range(20) for language in ("en", "de")]
OTHERS = [page(f"page:{number}", f"lang:{language}") for number in range(20, 300) for language in ("en", "de")]


class Newspaper(Scene):
    """The 600 addresses, and what is demanded of them after an edit."""

    def warm(self) -> None:
        """Have every address in every worker's memory."""
        for worker in range(len(self.site.workers)):
            for path in FEATURED + OTHERS:
                until(partial(self.in_memory, worker, path), f"{path} in worker {worker}")

    def demand_new(self, block: str, worker: int) -> None:
        """Demand that the next answer for each featured address shows the block as it is now."""
        edited = self.site.store.version(block)
        shown = [versions(self.read(worker, path).body)[block] for path in FEATURED]
        assert shown == [edited] * 40

    def demand_hits(self, worker: int) -> None:
        """Demand that every other address is a hit."""
        levels = [self.read(worker, path).level for path in OTHERS]
        assert len(levels) == 560
        assert None not in levels

    def demand_no_errors(self) -> None:
        """Demand that nobody was shown what is old, or an error."""
        self.history.assert_held()
        assert self.history.errors == []


@pytest.fixture
def newspaper(stage: Stage) -> Iterator[Newspaper]:
    """The warm addresses."""
    with Newspaper(stage) as newspaper:
        newspaper.warm()
        yield newspaper


def test_edited_block_is_new_everywhere(newspaper: Newspaper) -> None:
    """After the 200, 40 addresses are new on both workers at their next answer, and 560 are hits."""
    newspaper.publish_done("block:plain")
    for worker in (0, 1):
        newspaper.demand_new("block:plain", worker)
        newspaper.demand_hits(worker)
    newspaper.demand_no_errors()


def test_render_from_before_the_purge_is_not_kept(newspaper: Newspaper) -> None:
    """Renders that began before the purge and end after it are served to those who waited, and to nobody else."""
    overtaken, store = FEATURED[:4], newspaper.site.store
    newspaper.publish_done("page:0", "page:1")
    with ExitStack() as gates:
        for path in overtaken:
            gates.enter_context(store.held(path))
        before = [store.count("held", path) for path in overtaken]
        waiting = [newspaper.visit(worker, path) for worker in (0, 1) for path in overtaken]
        for path, times in zip(overtaken, before, strict=True):
            store.wait_for("held", path, times + 2)
        newspaper.publish_done("block:overtaken")
    edited = store.version("block:overtaken")
    assert [versions(answer.result(10).body)["block:overtaken"] for answer in waiting] == [edited - 1] * 8
    for worker in (0, 1):
        newspaper.demand_new("block:overtaken", worker)
        newspaper.demand_hits(worker)
    newspaper.demand_no_errors()


def test_stopped_worker_shows_nothing_old_when_it_goes_on(newspaper: Newspaper) -> None:
    """A worker that was stopped during the purge shows the new page in its first answer after the 200; it keeps the others."""
    newspaper.site.workers[1].pause()
    published = newspaper.publish_done("block:stopped", within=LEASE + MARGIN)
    assert published.seconds > LEASE
    newspaper.demand_new("block:stopped", 0)
    newspaper.demand_hits(0)
    newspaper.site.workers[1].resume()
    newspaper.demand_new("block:stopped", 1)
    until(lambda: newspaper.stage.holds(1), "worker 1 has a lease again")
    newspaper.demand_hits(1)
    newspaper.demand_no_errors()


def test_killed_worker_delays_one_purge(newspaper: Newspaper) -> None:
    """With a worker killed a purge takes a lease, the next one does not; started again it shows nothing old."""
    newspaper.kill(1)
    newspaper.publish_done("block:killed", within=LEASE + MARGIN)
    assert newspaper.publish_done("block:killed", within=LEASE).told["evicted"] == []
    newspaper.demand_new("block:killed", 0)
    newspaper.demand_hits(0)
    newspaper.revive(1)
    until(lambda: newspaper.stage.holds(1), "worker 1 has a lease")
    newspaper.demand_new("block:killed", 1)
    newspaper.demand_hits(1)
    newspaper.demand_no_errors()


def test_streamed_page_is_forwarded_and_kept(scene: Scene) -> None:
    """Of ten chunks the first arrives before the last is made, and the next request is a hit with the same bytes."""
    path = f"/chunks/10/{scene.block}"
    with scene.site.workers[0].client() as client:
        with scene.site.store.held(path):
            response = client.open("GET", path)
            chunks = [response.read1()]
            assert scene.site.store.count("done", path) == 0
        while chunk := response.read1():
            chunks.append(chunk)
        again = client.get(path)
    assert chunks[0] == f"{scene.block}=0\n".encode()
    assert b"".join(chunks).count(b"chunk") == 9
    assert (again.level, again.body) == ("memory", b"".join(chunks))


def test_crowd_causes_one_render(scene: Scene) -> None:
    """200 requests at once for a page that nobody has are one render."""
    path = scene.page()
    scene.stage.levers.set("delay", 1.0)
    answers = [answer.result(10) for answer in [scene.visit(0, path) for _ in range(200)]]
    assert {answer.body for answer in answers} == {answers[0].body}
    assert scene.site.store.count("read", path) == 1
    assert scene.history.errors == []


def test_failing_page_leaves_nobody_waiting(scene: Scene) -> None:
    """When the application raises, each of those who ask at once gets an error, soon."""

    def ask() -> int:
        with scene.site.workers[0].client() as client:
            return client.get(f"/fail/{scene.block}").status

    assert {status.result(10) for status in [scene.later(ask) for _ in range(40)]} == {500}
    assert scene.stage.stats(0)["flights"] == 0


def test_leader_that_hangs_up_leaves_nobody_waiting(scene: Scene) -> None:
    """When the visitor whose request is being rendered goes away, those who wait for the same page get it."""
    path = scene.page()
    with scene.site.store.held(path), socket.create_connection(("127.0.0.1", scene.site.workers[0].port)) as leader:
        leader.sendall(f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        scene.site.store.wait_for("held", path)
        followers = [scene.visit(0, path) for _ in range(5)]
    assert {follower.result(10).status for follower in followers} == {200}
    until(lambda: scene.stage.stats(0)["flights"] == 0, "no flight is left")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("pages", "shared"), [(6_000, False), pytest.param(20_000, True, marks=slow)])
def test_memory_limit_is_kept(pages: int, shared: bool) -> None:
    """With 32 MB for entries, a flood of pages of 8 KiB makes a worker grow by no more than a quarter beyond that."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(KIND)) if shared else None
        site = stack.enter_context(Site(server, workers=1, options={"MAX_MEMORY_MB": "32"}, app=APP))
        worker = site.workers[0]
        visitor = stack.enter_context(Quick(worker.port))
        for number in range(200):
            visitor.get(f"/sized/8192/early:{number}")
        before = resident(worker.process.pid)
        for number in range(pages):
            assert visitor.get(f"/sized/8192/page:{number}").status == 200
        grown = resident(worker.process.pid) - before
    assert 16 * 1_048_576 < grown <= 32 * 1.25 * 1_048_576


def resident(group: int) -> int:
    """Bytes of memory that the processes of a group occupy together."""
    pages = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((process / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                pages += int((process / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
