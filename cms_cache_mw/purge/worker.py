"""This process as a member of the namespace: its clock, its follower and its purges, started when first needed.

Without Redis the same with a local clock, where a purge reaches this process only.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, Final, Literal

from cms_cache_mw.purge.barrier import Barrier
from cms_cache_mw.purge.calls import check_call, lines_call, registry_call, report_call, standing_call
from cms_cache_mw.purge.clock import Clock
from cms_cache_mw.purge.follower import Follower, worker_name
from cms_cache_mw.purge.ledger import LINES, rows
from cms_cache_mw.purge.link import Link
from cms_cache_mw.purge.local import LocalBarrier
from cms_cache_mw.purge.process import unfit
from cms_cache_mw.purge.registry import MAX_WORKERS, registry
from cms_cache_mw.purge.shelf import switch_call, switches_key
from cms_cache_mw.purge.wire import packed
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.purge.ledger import Motive, Row
    from cms_cache_mw.purge.link import Identity
    from cms_cache_mw.purge.registry import Registry
    from cms_cache_mw.purge.ticket import Ticket
    from cms_cache_mw.purge.wire import Kind
    from cms_cache_mw.stores.guard import Breaker
    from cms_cache_mw.stores.shared import Shared

ASKING: Final = 1.0
"""Seconds that somebody who asks about the cache, not a visitor, waits for Redis."""


class Worker:
    """The purge clock's member in this process. Durations are in seconds.

    `lease` is how long it may serve from its cache after its last proof of being up to date, `unsure_max` how much longer
    where Redis is away: all purges wait for both together if a worker falls silent. `wait_replicas` replicas have to confirm
    a purge. `settle` is how far behind the application's database replicas may be. `reset` is called when all that memory
    holds became worthless, `tend` on the follower's thread after each exchange with Redis, `learn` before a purge of nothing is acknowledged. Raises `RuntimeError` where threads cannot run beside the application.
    """

    def __init__(
        self,
        url: str | None,
        namespace: str,
        *,
        everything: int,
        lease: float,
        unsure_max: float = 0.0,
        settle: float = 0.0,
        identity: Identity = "info",
        wait_replicas: int = 0,
        reset: Callable[[], None],
        tend: Callable[[], None] = lambda: None,
        learn: Callable[[Link], None] = lambda _: None,
        breaker: Breaker,
        now: Callable[[], float] = boottime,
    ) -> None:
        self.clock = Clock(settle=settle, now=now)
        self.lease = lease
        self.scope: Literal["everywhere", "process"] = "everywhere" if url else "process"
        self.follower: Follower | None = None
        self.propagation: float | None = None
        """Seconds that the latest trial took to be done everywhere; `None` before there was one."""
        self._barrier: Barrier | LocalBarrier | None = None
        self._lock = threading.Lock()
        self._stopped = self._minded = False
        self._url, self._namespace, self._identity, self._replicas = url, namespace, identity, wait_replicas
        self._everything, self._unsure, self._reset, self._breaker = everything, unsure_max, reset, breaker
        self._tend, self._learn, self._now = tend, learn, now
        if url:
            if why := unfit():
                raise RuntimeError(why)
        else:
            self._barrier = LocalBarrier(self.clock, now=now)

    def start(self) -> None:
        """Begin to follow the purge log; does nothing where that is under way, or over."""
        if not self._url or self.follower:
            return
        with self._lock:
            if self.follower is None and not self._stopped:
                self._mind_the_end()
                self.follower = Follower(
                    self.clock,
                    self.link,
                    lease=self.lease,
                    unsure=self._unsure,
                    reset=self._reset,
                    tend=self._tend,
                    learn=self._learn,
                    quiet=self._try_purging,
                    breaker=self._breaker,
                    now=self._now,
                )
                self.follower.start()

    def purge(
        self,
        prints: Iterable[int],
        *,
        kind: Kind = "hard",
        grace: float = 0.0,
        names: Iterable[str] = (),
        motive: Motive | None = None,
    ) -> Ticket:
        """Begin a purge; the ticket tells when it is recorded and when it is done. `names` and `motive` are for the log."""
        with self._lock:
            if self._barrier is None:
                self._mind_the_end()
                self._barrier = Barrier(
                    self.link, lease=self.lease + self._unsure, everything=self._everything, now=self._now
                )
            barrier = self._barrier
            if self._stopped:
                barrier.close()
        return barrier.purge(prints, kind=kind, grace=grace, names=names, motive=motive)

    @property
    def name(self) -> str:
        """What it is called in the registry, and in the purge log."""
        return self.follower.worker.decode() if self.follower else worker_name()

    @property
    def unrecorded(self) -> int:
        """Purges that Redis has not taken yet."""
        return self._barrier.unrecorded if self._barrier else 0

    async def validated(self, shared: Shared, entry: Entry, within: float) -> int | None:
        """The position up to which the server knows an entry to be valid, for one older than this worker remembers."""
        state = self.clock.state
        script, keys, arguments = check_call(
            self._namespace, entry.epoch, entry.base, packed(entry.prints), known=(state.pos, state.tip)
        )
        found = await shared.run(script, keys, arguments, within)
        return int(found[1]) if isinstance(found, list) and found[0] == b"OK" else None

    async def standing(self, shared: Shared, epoch: int, seq: int) -> tuple[bool, bool, tuple[str, ...]] | None:
        """Whether a purge is done, whether acknowledgements prove that, and who has not acknowledged; `None` if it is unknown.

        Raises `StoreError` where Redis does not tell.
        """
        script, keys, arguments = standing_call(self._namespace, seq)
        found = await shared.run(script, keys, arguments, ASKING)
        if not isinstance(found, list) or found[0] != f"{epoch:016x}".encode() or not 0 < seq <= int(found[1]):
            return None
        settled = bool(found[2])
        return settled and int(found[3]) >= seq, settled, tuple(name.decode() for name in found[4] if name[:1] != b"@")

    async def switched(self, shared: Shared, known: bytes | None, wanted: bytes) -> bool:
        """Write the switches in place of what is known to be there; false where that is something else by now."""
        script, keys, arguments = switch_call(self._namespace, known or b"", wanted)
        return bool(await shared.run(script, keys, arguments, ASKING))

    async def switches(self, shared: Shared) -> bytes | None:
        """The switches as they are stored."""
        return await shared.get(switches_key(self._namespace), ASKING)

    async def registry(self, shared: Shared) -> Registry:
        """Who follows the clock; raises `StoreError` where Redis does not tell."""
        script, keys, arguments = registry_call(self._namespace, MAX_WORKERS - 1)
        return registry(await shared.run(script, keys, arguments, ASKING))

    async def lines(self, shared: Shared | None, most: int = LINES) -> list[Row]:
        """The newest lines of the purge log; raises `StoreError` where Redis does not tell."""
        if isinstance(self._barrier, LocalBarrier):
            return list(self._barrier.lines)
        if shared is None:
            return []
        script, keys, arguments = lines_call(self._namespace, most)
        return rows(await shared.run(script, keys, arguments, ASKING))

    async def report(self, shared: Shared | None, purge: str, line: bytes) -> None:
        """Add a line to the purge log; raises `StoreError` where Redis does not take it."""
        if isinstance(self._barrier, LocalBarrier):
            self._barrier.report(purge, line)
        elif shared is not None:
            await shared.run(*report_call(self._namespace, purge, line))

    def link(self, timeout: float) -> Link:
        """A connection of its own to the purge clock, for one thread."""
        assert self._url is not None
        return Link(self._url, self._namespace, identity=self._identity, replicas=self._replicas, timeout=timeout)

    def stop(self) -> None:
        """Stop serving from the cache, leave the registry, end the threads."""
        atexit.unregister(self._end)
        with self._lock:
            self._stopped = True
        if self.follower:
            self.follower.stop()
        if self._barrier:
            self._barrier.close()

    def _mind_the_end(self) -> None:
        """See to it that the process does not end without `stop`: a purge may wait to be recorded, others would wait for us.

        That holds us until then, whoever forgets us; a forked child is not ours.
        """
        if not self._minded:
            self._minded = True
            atexit.register(self._end, os.getpid())

    def _end(self, pid: int) -> None:
        if pid == os.getpid():
            self.stop()

    def _try_purging(self) -> None:
        """Purge nothing and note how long that takes."""
        ticket = self.purge((), kind="noop")

        def note(_: Future[bool]) -> None:
            self.propagation = ticket.waited

        ticket.done.add_done_callback(note)
