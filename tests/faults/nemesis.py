"""The random scenario: faults chosen by a seed, one or two at a time, while visitors read and an editor publishes (29)."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

from redis.exceptions import RedisError

from tests.faults.scene import Scene
from tests.faults.stage import BROKEN, LEASE
from tests.faults.test_failover import promote, replicated
from tests.faults.test_redis import DAMAGES
from tests.faults.visitors import Visitors
from tests.support.recorder import History, Read, StaleRead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.faults.stage import Stage
    from tests.support.proxy import Direction

PATIENCE_MS = 5_000
"""How long the editor waits for a purge."""

Fault: TypeAlias = "Callable[[Nemesis], AbstractContextManager[None]]"


class Nemesis:
    """One run. `told` takes a line about each fault, for people."""

    def __init__(self, stage: Stage, seed: int, told: Callable[[str], None] = print) -> None:
        self.stage, self.scene = stage, Scene(stage)
        self.dice = random.Random(seed)
        self.purges: Counter[int] = Counter()
        """Answers to purges, by status; 0 where the worker died."""
        self.hits: Counter[tuple[int, str]] = Counter()
        """Hits after an acknowledged purge, by worker and level."""
        self.reads = 0
        self.stale: list[StaleRead] = []
        self._told, self._whims = told, random.Random(seed + 1)
        self._taken: list[Read] = []
        self._stopping = threading.Event()

    def run(self, seconds: float) -> None:
        """Do harm for so long, undo it, and demand what is demanded of every scenario."""
        scene, end = self.scene, time.monotonic() + seconds
        with scene:
            scene.warm()
            editor = scene.later(self._edit)
            with Visitors(scene.site, scene.history, scene.pages, scene.down, pause=0.0, each=2):
                try:
                    while time.monotonic() < end:
                        self._harm(min(end, time.monotonic() + self.dice.uniform(0.5, 3.0)))
                        self._judge()
                finally:
                    self._stopping.set()
                editor.result(60)
                self.stage.restore()
                scene.publish_done(within=PATIENCE_MS / 1000)
            self._judge()
            scene.cached()
            self._judge()
            self._judge()
        self._demand()

    def worker(self) -> int:
        """Any worker."""
        return self.dice.randrange(len(self.stage.site.workers))

    @contextmanager
    def unreachable(self, worker: int) -> Iterator[None]:
        """While this lasts visitors may fail to reach a worker."""
        self.scene.down.add(worker)
        try:
            yield
        finally:
            self.scene.down.discard(worker)

    def __str__(self) -> str:
        """How far it has come."""
        purges = ", ".join(f"{count} of {status}" for status, count in sorted(self.purges.items()))
        levels = {level: sum(n for (_, at), n in self.hits.items() if at == level) for level in ("memory", "shared")}
        return (
            f"{self.reads:,} reads, after an acknowledged purge {levels['memory']:,} hits from memory and"
            f" {levels['shared']:,} from Redis; purges: {purges}; {len(self.stale)} stale, {len(self.scene.history.errors)} errors"
        )

    def _harm(self, until: float) -> None:
        names = self.dice.sample(sorted(FAULTS), self.dice.choice((1, 1, 2)))
        self._told(f"{' and '.join(names)} for {max(0.0, until - time.monotonic()):.1f} s")
        with ExitStack() as faults:
            for name in names:
                faults.enter_context(FAULTS[name](self))
            time.sleep(max(0.0, until - time.monotonic()))
        self.stage.restore()

    def _edit(self) -> None:
        # Dice of their own: how often the editor gets to throw them must not change what happens.
        while not self._stopping.wait(self._whims.uniform(0.0, 0.2)):
            by = self._whims.randrange(len(self.stage.site.workers))
            try:
                with self.stage.site.workers[by].client(timeout=20) as client:
                    published = self.scene.published(client, self.scene.block, wait_ms=PATIENCE_MS)
                self.purges[published.status] += 1
            except BROKEN as error:
                self.purges[0] += 1
                if by not in self.scene.down:
                    self.scene.history.errors.append(f"worker {by}, asked to purge: {error!r}")

    def _judge(self) -> None:
        """Judge what was read until the last time: reads of just now may still be on their way into the list."""
        history = self.scene.history
        judged = History()
        judged.reads, self._taken = self._taken, history.reads
        history.reads = []
        judged._acks = history._acks
        self.reads += len(judged.reads)
        self.stale += judged.stale()
        for worker in range(len(self.stage.site.workers)):
            self.hits.update({(worker, level): n for level, n in judged.hits(after_ack=True, worker=worker).items()})

    def _demand(self) -> None:
        assert not self.stale, self.stale[:5]
        assert not self.scene.history.errors, self.scene.history.errors[:5]
        assert self.purges[200]
        for worker in range(len(self.stage.site.workers)):
            assert self.hits[worker, "memory"], f"worker {worker} never served from memory after a purge"
            assert self.hits[worker, "shared"], f"worker {worker} never served from Redis after a purge"
            reported = self.scene.reported(worker)
            assert "Traceback" not in reported, reported[-3000:]


@contextmanager
def _stopped(nemesis: Nemesis) -> Iterator[None]:
    worker = nemesis.stage.site.workers[nemesis.worker()]
    worker.pause()
    yield
    if worker.alive:
        worker.resume()


@contextmanager
def _killed(nemesis: Nemesis) -> Iterator[None]:
    number = nemesis.worker()
    worker = nemesis.stage.site.workers[number]
    with nemesis.unreachable(number):
        worker.kill()
        yield
        if not worker.alive:
            worker.start()


@contextmanager
def _ended(nemesis: Nemesis) -> Iterator[None]:
    number = nemesis.worker()
    worker = nemesis.stage.site.workers[number]
    with nemesis.unreachable(number):
        worker.stop()
        yield
        if not worker.alive:
            worker.start()


@contextmanager
def _cut_off(nemesis: Nemesis) -> Iterator[None]:
    proxy = nemesis.stage.site.proxies[nemesis.worker()]
    proxy.hold(*nemesis.dice.choice(DIRECTIONS))
    yield
    if nemesis.dice.random() < 0.5:
        proxy.cut()
    proxy.heal()


@contextmanager
def _refused(nemesis: Nemesis) -> Iterator[None]:
    proxies = nemesis.stage.site.proxies
    for proxy in nemesis.dice.sample(proxies, nemesis.dice.randint(1, len(proxies))):
        proxy.refuse()
    yield
    for proxy in proxies:
        proxy.heal()


@contextmanager
def _slow(nemesis: Nemesis) -> Iterator[None]:
    proxy = nemesis.stage.site.proxies[nemesis.worker()]
    proxy.delay(nemesis.dice.uniform(0.01, LEASE / 2))
    yield
    proxy.heal()


@contextmanager
def _interrupted(nemesis: Nemesis) -> Iterator[None]:
    for _ in range(10):
        for proxy in nemesis.stage.site.proxies:
            proxy.cut()
        time.sleep(0.1)
    yield


@contextmanager
def _mute(nemesis: Nemesis) -> Iterator[None]:
    nemesis.stage.in_charge.pause()
    yield
    nemesis.stage.in_charge.resume()


@contextmanager
def _crashed(nemesis: Nemesis) -> Iterator[None]:
    stage, server = nemesis.stage, nemesis.stage.in_charge
    if nemesis.dice.random() < 0.5:
        server.resume()
        with suppress(RedisError):
            stage.redis.save()
    server.kill()
    time.sleep(nemesis.dice.uniform(0, 2 * LEASE))
    server.start()
    yield


@contextmanager
def _damaged(nemesis: Nemesis) -> Iterator[None]:
    nemesis.stage.in_charge.resume()
    DAMAGES[nemesis.dice.choice(sorted(DAMAGES))](nemesis.stage)
    yield


@contextmanager
def _full(nemesis: Nemesis) -> Iterator[None]:
    nemesis.stage.in_charge.resume()
    nemesis.stage.redis.config_set("maxmemory", 1)
    yield


@contextmanager
def _replaced(nemesis: Nemesis) -> Iterator[None]:
    nemesis.stage.restore()
    with replicated(nemesis.scene, fewest=0) as (replica, way):
        way.hold("replies")
        time.sleep(nemesis.dice.uniform(0, 0.5))
        nemesis.stage.server.kill()
        promote(replica, way)
        nemesis.stage.follow(replica)
        yield


@contextmanager
def _skewed(nemesis: Nemesis) -> Iterator[None]:
    nemesis.stage.levers.set("skew", nemesis.dice.uniform(-3_600, 3_600))
    yield
    nemesis.stage.levers.release("skew")


@contextmanager
def _busy(nemesis: Nemesis) -> Iterator[None]:
    busy = nemesis.scene.visit(nemesis.worker(), f"/busy/{nemesis.dice.uniform(0.1, 2 * LEASE)}")
    yield
    busy.exception(30)


@contextmanager
def _slow_renders(nemesis: Nemesis) -> Iterator[None]:
    nemesis.stage.levers.set("delay", nemesis.dice.uniform(0.05, 2 * LEASE))
    yield
    nemesis.stage.levers.release("delay")


DIRECTIONS: list[tuple[Direction, ...]] = [(), ("requests",), ("replies",)]

FAULTS: dict[str, Fault] = {
    "a worker stopped": _stopped,
    "a worker killed": _killed,
    "a worker restarted": _ended,
    "a worker cut off": _cut_off,
    "Redis refused": _refused,
    "a slow way to Redis": _slow,
    "connections broken again and again": _interrupted,
    "a mute Redis": _mute,
    "a crash of Redis": _crashed,
    "a damaged purge clock": _damaged,
    "a full Redis": _full,
    "a failover": _replaced,
    "wrong wall clocks": _skewed,
    "a busy event loop": _busy,
    "slow renders": _slow_renders,
}
"""Scenarios 4 to 17, and some that slow things down."""
