"""What is forgotten, unreadable or from another version: it costs entries and nothing else (scenarios 21, 22, 26, 28)."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from cms_cache_mw.core.tags import tag_print
from cms_cache_mw.purge.link import Link
from cms_cache_mw.purge.wire import packed
from tests.faults.scenarios import ARRIVAL
from tests.faults.scene import MARGIN
from tests.faults.stage import LEASE, slow
from tests.support.origin import versions
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.scene import Scene

AT_ONCE = 50
"""Purges that a worker which is awake may be behind."""
SUM = 8
"""Bytes of the check sum that a value begins with."""


@pytest.mark.parametrize(("purges", "logged"), [(1_000, 100), pytest.param(30_000, 20_000, marks=slow)])
def test_trimmed_log(scene: Scene, monkeypatch: pytest.MonkeyPatch, purges: int, logged: int) -> None:
    """21: a worker that slept while the log was trimmed past it drops its memory; Redis serves what CHECK finds valid."""
    monkeypatch.setattr("cms_cache_mw.purge.link.MAX_LOG", logged)
    scene.warm()
    kept = untouched(scene)
    scene.site.workers[1].pause()
    purge_others(scene, purges)
    scene.publish_done(within=LEASE + MARGIN)
    scene.site.workers[1].resume()
    for path in scene.pages:
        scene.read(1, path)
    until(lambda: scene.stage.holds(1), "worker 1 has a lease")
    assert "trimmed past this worker" in scene.reported(1)
    assert scene.read(1, kept).level == "shared"
    assert scene.in_memory(1, kept)
    assert scene.in_memory(0, kept)
    scene.cached()
    scene.verify()


def test_forgotten_purges(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """22: where Redis remembers 100 purges and there were 1,000, a worker that starts then misses what is older, and no more."""
    monkeypatch.setattr("cms_cache_mw.purge.link.MAX_RECORDS", 100)
    scene.warm()
    kept = untouched(scene)
    purge_others(scene, 1_000)
    assert int(scene.stage.meta(b"floor") or 0) > 100
    scene.kill(1)
    scene.publish_done(within=LEASE + MARGIN)
    before = scene.site.store.count("read", kept)
    scene.revive(1)
    until(lambda: scene.stage.holds(1), "worker 1 has a lease")
    # It may have rendered the page before anybody asks, to be warm.
    assert scene.read(1, kept).level in {None, "memory"}
    assert scene.site.store.count("read", kept) == before + 1
    assert scene.in_memory(1, kept)
    assert scene.in_memory(0, kept)
    scene.cached()
    scene.verify()


BREAKAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "cut": lambda value, _: value[:-1],
    "head": lambda value, _: value[:20],
    "empty": lambda value, _: b"",
    "longer": lambda value, _: value + b"more",
    "flipped": lambda value, _: value[:-5] + bytes([value[-5] ^ 1]) + value[-4:],
    "base": lambda value, _: value[: SUM + 17] + bytes([value[SUM + 17] ^ 1]) + value[SUM + 18 :],
    "foreign": lambda value, _: b"\x80\x04\x95" + secrets.token_bytes(len(value)),
    "swapped": lambda _, other: other,
    "later": lambda value, _: resummed(value[SUM : SUM + 1] + bytes([value[SUM + 1] + 1]) + value[SUM + 2 :]),
}
"""What may stand under a page's name in Redis; the second value is that of another page."""


def test_unreadable_entries(scene: Scene) -> None:
    """26, 28: what is corrupt, cut, somebody else's or of a later version is a miss, never another page, never an error."""
    scene.warm()
    for name, broken in BREAKAGES.items():
        (path, key), (_, other) = scene.stored(), scene.stored()
        values = [scene.stage.redis.get(name) for name in (key, other)]
        assert isinstance(values[0], bytes)
        assert isinstance(values[1], bytes)
        scene.stage.redis.set(key, broken(values[0], values[1]))
        answer = scene.read(1, path)
        assert answer.level is None, name
        assert set(versions(answer.body)) == set(path.removeprefix("/page/").split("+"))
        assert scene.in_memory(1, path)
    path, key = scene.stored()
    scene.stage.redis.delete(key)
    scene.stage.redis.lpush(key, "a list")
    assert scene.read(1, path).level is None
    scene.publish_done()
    scene.cached()
    scene.verify()


def test_purge_of_a_later_version(scene: Scene) -> None:
    """28: a kind of purge that this version does not know is a hard one."""
    scene.warm()
    scene.site.store.edit(scene.block)
    with closing(Link(scene.stage.server.url, "cms", timeout=5)) as link:
        recorded = link.purge(packed([tag_print(scene.block)]), kind="gentle")  # type: ignore[arg-type]
    for worker in (0, 1):
        until(partial(knows, scene, worker, recorded.seq), f"worker {worker} knows of it")
    scene.history.acknowledge(scene.block, 1)
    for path in scene.pages:
        scene.read(0, path)
        scene.read(1, path)
    scene.cached()
    scene.verify()


def knows(scene: Scene, worker: int, seq: int) -> bool:
    """Whether a worker has applied a purge."""
    position: int = scene.stage.stats(worker)["clock"]["position"]
    return position >= seq


def untouched(scene: Scene) -> str:
    """A page without the block, in both memories and in Redis."""
    path = scene.page().replace(f"{scene.block}+", "")
    for worker in (0, 1):
        until(partial(scene.in_memory, worker, path), f"{path} in worker {worker}")
        time.sleep(ARRIVAL)
    return path


def purge_others(scene: Scene, purges: int) -> None:
    """Purge tags that no page has, one after another, and no faster than worker 0 hears of them."""
    with closing(Link(scene.stage.server.url, "cms", timeout=5)) as link:
        for number in range(purges):
            link.purge(secrets.token_bytes(8), kind="hard")
            if number % AT_ONCE == AT_ONCE - 1:
                until(lambda: scene.stage.stats(0)["clock"]["position"] == scene.stage.seq(), "worker 0 has heard")


def resummed(rest: bytes) -> bytes:
    """A value with the check sum that belongs to it."""
    return blake3(rest).digest(SUM) + rest
