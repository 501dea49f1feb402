"""Records purges, and waits until no worker can serve what was rendered before them.

Two threads per process, started by the first purge. The *recorder* takes all purges that have gathered and gives them one
number; one that cannot be recorded stays with the process and is tried again. The *watcher* waits for the slowest worker's
acknowledgement, or for the end of every lease granted before the purge, after which the silent workers are unregistered.
Callers, threads and coroutines alike, wait on a future; one that goes away changes nothing.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from cms_cache_mw.purge.follower import longest
from cms_cache_mw.purge.link import EpochError, Link, LinkError, packed
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.purge.link import Connect, Recorded

log: Final = logging.getLogger("cms_cache_mw")

MAX_PENDING: Final = 10_000
"""Fingerprints kept while Redis is away; beyond it they become a purge of everything."""
IDLE: Final = 30.0
"""Seconds after which a thread without work ends."""


@dataclass(slots=True)
class Ticket:
    """One call's purge on its way: recorded, then done."""

    prints: frozenset[int]
    kind: Literal["hard", "soft", "noop"] = "hard"
    grace: float = 0.0
    began: float = 0.0
    epoch: int = 0
    seq: int = 0
    settled: bool = False
    """Whether acknowledgements prove anything: in a new epoch leases of the old one may still run (2.11)."""
    certain_at: float = 0.0
    """The instant, on this worker's clock, at which the purge is done at the latest."""
    waited: float = 0.0
    """Seconds from the call until it was done."""
    evicted: tuple[str, ...] = ()
    """Workers that did not acknowledge it for a whole lease."""
    waiting_for: tuple[str, ...] = ()
    """Workers that had not acknowledged it when that was last looked at."""
    trouble: str = ""
    recorded: Future[bool] = field(default_factory=Future)
    done: Future[bool] = field(default_factory=Future)


class Barrier:
    """One process's purges. `lease` is the worker's own lease in seconds; a longer one in the registry counts instead."""

    def __init__(self, connect: Connect, *, lease: float, everything: int, now: Callable[[], float] = boottime) -> None:
        self._connect, self._lease, self._everything, self._now = connect, lease, everything, now
        self._pending: list[Ticket] = []
        self._waiting: list[Ticket] = []
        self._work = threading.Condition()
        self._threads: dict[str, threading.Thread] = {}
        self._links: dict[str, Link] = {}
        self._closed = False

    def purge(
        self, prints: Iterable[int], *, kind: Literal["hard", "soft", "noop"] = "hard", grace: float = 0.0
    ) -> Ticket:
        """Begin a purge; the ticket's futures tell when it is recorded and when it is done."""
        ticket = Ticket(frozenset(prints), kind, grace, began=self._now())
        with self._work:
            self._pending.append(ticket)
            self._wake("recorder", self._record)
        return ticket

    @property
    def unrecorded(self) -> int:
        """Purges that Redis has not taken yet."""
        return len(self._pending)

    def close(self) -> None:
        """End the threads; purges that were never recorded are named in a warning."""
        with self._work:
            self._closed = True
            lost = list(self._pending)
            self._work.notify_all()
        for link in list(self._links.values()):
            link.close()
        for thread in list(self._threads.values()):
            thread.join(timeout=3)
        if lost:
            count = sum(len(ticket.prints) for ticket in lost)
            log.warning(
                "exiting with %d purges (%d tags) that Redis never took: purge all when it is back", len(lost), count
            )

    def _wake(self, name: str, target: Callable[[], None]) -> None:
        """Start a thread or tell it of work; the lock is held."""
        if name not in self._threads:
            self._threads[name] = threading.Thread(target=target, name=f"cms-cache-{name}", daemon=True)
            self._threads[name].start()
        self._work.notify_all()

    def _idle(self, name: str, work: list[Ticket]) -> bool:
        """Wait for work; true once there was none for long, or at the end, and the thread is to leave."""
        with self._work:
            if not work and not self._closed:
                self._work.wait_for(lambda: work or self._closed, timeout=IDLE)
            if work and not self._closed:
                return False
            self._threads.pop(name, None)
            self._drop_link(name)
            return True

    def _record(self) -> None:
        delay = 0.0
        while not self._idle("recorder", self._pending):
            with self._work:
                self._work.wait_for(lambda: self._closed, timeout=delay)
                batch = self._batch()
            try:
                self._hand_over(batch, self._recorded(batch))
                delay = 0.0
            except LinkError as error:
                self._drop_link("recorder")
                for ticket in batch:
                    ticket.trouble = str(error)
                delay = min(2.0, delay * 2 or 0.05)

    def _batch(self) -> list[Ticket]:
        """The pending purges that can share a number with the first; what is too much becomes a purge of everything."""
        first = self._pending[0]
        batch = [ticket for ticket in self._pending if (ticket.kind, ticket.grace) == (first.kind, first.grace)]
        if sum(len(ticket.prints) for ticket in batch) > MAX_PENDING:
            for ticket in batch:
                ticket.prints = frozenset({self._everything})
        return batch

    def _recorded(self, batch: list[Ticket]) -> Recorded:
        """Record a batch under one number, in a new epoch if need be."""
        link = self._link("recorder")
        prints = packed(frozenset[int]().union(*(ticket.prints for ticket in batch)))
        try:
            return link.purge(prints, kind=batch[0].kind, grace=batch[0].grace)
        except EpochError:
            link.join(0, 0, b"")
        try:
            return link.purge(prints, kind=batch[0].kind, grace=batch[0].grace)
        except EpochError as error:
            raise LinkError("the purge clock's epoch keeps changing") from error

    def _hand_over(self, batch: list[Ticket], recorded: Recorded) -> None:
        certain_at = self._now() + longest(max(self._lease, recorded.lease))
        with self._work:
            for ticket in batch:
                self._pending.remove(ticket)
                ticket.epoch, ticket.seq, ticket.trouble = recorded.epoch, recorded.seq, ""
                ticket.settled, ticket.certain_at = recorded.settled, certain_at
                if recorded.settled and recorded.low >= recorded.seq:
                    self._finish(ticket)
                else:
                    self._waiting.append(ticket)
            if self._waiting:
                self._wake("watcher", self._watch)
        for ticket in batch:
            if not ticket.recorded.done():
                ticket.recorded.set_result(True)

    def _watch(self) -> None:
        while not self._idle("watcher", self._waiting):
            tickets = list(self._waiting)
            block = min(1.0, max(0.001, min(ticket.certain_at for ticket in tickets) - self._now()))
            try:
                self._wait_for_acknowledgement([ticket for ticket in tickets if ticket.settled], block)
                self._end_leases([ticket for ticket in tickets if self._now() >= ticket.certain_at])
            except LinkError as error:
                self._drop_link("watcher")
                for ticket in tickets:
                    ticket.trouble = str(error)
                self._pause(0.1)

    def _wait_for_acknowledgement(self, tickets: list[Ticket], block: float) -> None:
        if not tickets:
            return self._pause(block)
        found = self._link("watcher").low(min(ticket.seq for ticket in tickets) - 1, block)
        if found is None:
            behind = tuple(worker.decode() for worker in self._link("watcher").behind(tickets[0].seq))
            for ticket in tickets:
                ticket.waiting_for = behind
            return None
        epoch, low = found
        done = [ticket for ticket in tickets if ticket.epoch == epoch and ticket.seq <= low]
        with self._work:
            for ticket in done:
                self._waiting.remove(ticket)
                self._finish(ticket)
        # An answer of another epoch comes again at once.
        return None if done else self._pause(min(block, 0.05))

    def _end_leases(self, tickets: list[Ticket]) -> None:
        """Every lease granted before these purges has ended: unregister whoever did not acknowledge."""
        for ticket in tickets:
            if ticket not in self._waiting:
                continue
            try:
                gone = self._link("watcher").evict(ticket.epoch, ticket.seq)
            except EpochError:
                # The record went with its epoch; what was rendered in the new one may be older than the purge.
                with self._work:
                    self._waiting.remove(ticket)
                    self._pending.append(ticket)
                    self._wake("recorder", self._record)
                continue
            ticket.evicted = tuple(worker.decode() for worker in gone)
            with self._work:
                self._waiting.remove(ticket)
                self._finish(ticket)

    def _finish(self, ticket: Ticket) -> None:
        ticket.waited = self._now() - ticket.began
        ticket.done.set_result(True)

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until there is something new."""
        with self._work:
            if not self._closed:
                self._work.wait(timeout=seconds)

    def _link(self, name: str) -> Link:
        if name not in self._links:
            self._links[name] = self._connect(1.5)
        return self._links[name]

    def _drop_link(self, name: str) -> None:
        if link := self._links.pop(name, None):
            link.close()
