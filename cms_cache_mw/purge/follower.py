"""A thread that follows the purge log, acknowledges what it has applied and holds the worker's lease.

A thread with a blocking client, for ASGI and WSGI alike: it goes on acknowledging while an event loop is busy. Three orders
matter (purge-protocol 2.4): the lease counts from before the request was sent; what came with a lease is applied before the
lease is used; a position is acknowledged after it is applied.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from cms_cache_mw.purge.clock import Clock, State
from cms_cache_mw.purge.link import EpochError, Gap, Leased, Link, LinkError
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.purge.link import Connect, Joined
    from cms_cache_mw.stores.guard import Breaker

log: Final = logging.getLogger("cms_cache_mw")

EPSILON: Final = 0.01
"""How much the rates of two hosts' clocks may differ over one lease."""
MARGIN: Final = 0.05
"""Seconds a purger waits beyond the lease."""


def longest(lease: float) -> float:
    """Seconds after which a lease of this length has ended on every host."""
    return lease * (1 + EPSILON) + MARGIN


class Follower:
    """Keeps one worker's clock. `reset` is called, on the follower's thread, when what the worker holds became worthless.

    While `breaker` is open it also asks, in place of the visitors, whether the shared store answers again.
    """

    def __init__(
        self,
        clock: Clock,
        connect: Connect,
        *,
        lease: float,
        reset: Callable[[], None],
        breaker: Breaker | None = None,
        now: Callable[[], float] = boottime,
    ) -> None:
        self.clock = clock
        self.worker = secrets.token_hex(16).encode()
        self.leased: Future[bool] = Future()
        """Done once the first lease is held."""
        self.trouble = ""
        """What went wrong last; empty while all is well."""
        self._connect, self._lease, self._reset, self._breaker, self._now = connect, lease, reset, breaker, now
        self._settled = False
        self._known_since = 0.0
        self._had_lease = False
        self._stopping = threading.Event()
        self._link: Link | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow; does nothing where it has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="cms-cache-follower", daemon=True)
            self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread has been started and lives."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Give up the lease, leave the registry so that no purge waits for this worker, and end the thread."""
        self._stopping.set()
        self.clock.revoke()
        if self._thread is None:
            return
        if self._link:
            self._link.close()
        self._thread.join(timeout=2 + self._lease)
        self._thread = None
        self._leave()

    def _leave(self) -> None:
        epoch = self.clock.state.epoch
        if not epoch or not self._had_lease:
            return
        try:
            link = self._connect(0.5)
            try:
                link.leave(epoch, self.worker)
            finally:
                link.close()
        except (LinkError, EpochError):
            pass  # the next purge waits one lease for us, and then no longer

    def _run(self) -> None:
        delay = 0.0
        while not self._stopping.wait(delay):
            try:
                self._link = self._connect(self._lease / 3 + 0.5)
                delay = 0.05
                self._follow(self._link)
            except LinkError as error:
                self.trouble = str(error)
            finally:
                if self._link:
                    self._link.close()
            self._note_lease()
            delay = min(2.0, delay * 2) * random.uniform(0.5, 1.0)  # noqa: S311
        self.clock.revoke()

    def _follow(self, link: Link) -> None:
        if not self.clock.state.epoch:
            self._join(link)
        while not self._stopping.is_set():
            self._turn(link)
            self.trouble = ""
            self._note_lease()
            self._probe(link)

    def _probe(self, link: Link) -> None:
        if self._breaker and self._breaker.wants_probe():
            try:
                link.ping()
            except LinkError as error:
                self._breaker.failed(error)
                raise
            self._breaker.succeeded()

    def _turn(self, link: Link) -> None:
        """One renewal and, where nothing was new, one wait for news."""
        state = self.clock.state
        sent = self._now()
        settled = not self._settled and sent - self._known_since >= longest(self._lease)
        try:
            answer = link.renew(state.epoch, state.pos, state.tip, self.worker, self._lease, settled=settled)
        except EpochError:
            self._reset_to_nothing()
            self._join(link)
            return
        self._settled = self._settled or settled
        if isinstance(answer, Gap):
            log.warning("the purge log was trimmed past this worker: its memory is dropped")
            self._start_over(State(state.epoch, answer.seq, answer.tip, floor=answer.seq))
            return
        self.clock.apply(answer.entries, self._now())
        if isinstance(answer, Leased):
            self.clock.grant(sent + self._lease * (1 - EPSILON))
            self._had_lease = True
            if not answer.entries:
                self._wait(link, state)

    def _wait(self, link: Link, state: State) -> None:
        news = link.follow(state.pos, self._lease / 3)
        if news and news[0].seq == state.pos + 1:
            self.clock.apply(news, self._now())
        if state.soft:
            self.clock.settle_soft(self._now())

    def _join(self, link: Link) -> None:
        """Enter the epoch in force and learn its recent purges; the first renewal then gives the lease."""
        known = self.clock.state
        joined = link.join(known.epoch, known.pos, known.tip)
        if joined.epoch == known.epoch and joined.seq == known.pos:
            return
        records, floor = link.purged(self.clock.capacity)
        self._enter(joined, records, floor)

    def _enter(self, joined: Joined, records: dict[int, int], floor: int) -> None:
        self._settled = joined.settled
        self._known_since = self._now()
        self._start_over(State(joined.epoch, joined.seq, joined.tip, floor=floor, hard=records))

    def _reset_to_nothing(self) -> None:
        log.warning(
            "the purge clock in Redis is not the one this worker knew (restart, failover or loss): starting cold"
        )
        self._start_over(State(epoch=0, pos=0, tip=b""))

    def _start_over(self, state: State) -> None:
        self.clock.begin(state)
        self._reset()

    def _note_lease(self) -> None:
        """Say once that the lease was lost, and once that it is back."""
        holds = self.clock.holds(self._now())
        if holds and not self.leased.done():
            self.leased.set_result(True)
        if self._had_lease and not holds and not self._stopping.is_set():
            self._had_lease = False
            log.warning("lease lost (%s): pages are rendered until it is back", self.trouble or "no answer in time")
        elif holds and not self._had_lease:
            self._had_lease = True
            log.info("lease back")
