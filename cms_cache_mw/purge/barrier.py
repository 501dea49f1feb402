"""Records purges, and waits until no worker can serve what was rendered before them.

Two threads per process, started when there is something for them to do. The *recorder* gives purges their numbers; one that
cannot be recorded stays with the process and is tried again. The *watcher* waits for the slowest worker's acknowledgement,
or for the end of every lease granted before the purge, after which the silent workers are unregistered. Callers, threads
and coroutines alike, wait on a future; one that goes away changes nothing.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from cms_cache_mw.purge import ledger
from cms_cache_mw.purge.lease import longest
from cms_cache_mw.purge.link import EpochError, LinkError
from cms_cache_mw.purge.ticket import Unrecorded
from cms_cache_mw.purge.wire import packed
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.purge.ledger import Motive
    from cms_cache_mw.purge.link import Connect, Link
    from cms_cache_mw.purge.ticket import Ticket
    from cms_cache_mw.purge.wire import Kind, Recorded

log: Final = logging.getLogger("cms_cache_mw")

IDLE: Final = 30.0
"""Seconds after which a thread without work ends."""
TIMEOUT: Final = 1.5
"""Seconds that Redis has for an answer."""
FIRST_LOOK: Final = 0.1
"""Seconds after which it is asked for whom a purge waits."""
LOOK: Final = 1.0
"""Seconds between such questions."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0


class Barrier:
    """One process's purges. `lease` is what this process's own worker may serve for after its last proof, in seconds."""

    def __init__(self, connect: Connect, *, lease: float, everything: int, now: Callable[[], float] = boottime) -> None:
        self._connect, self._lease, self._now = connect, lease, now
        self._unrecorded = Unrecorded(everything)
        self._recording: Ticket | None = None
        self._waiting: list[Ticket] = []
        self._work = threading.Condition()
        self._threads: dict[str, threading.Thread] = {}
        self._links: dict[str, Link] = {}
        self._closed = False

    def purge(
        self,
        prints: Iterable[int],
        *,
        kind: Kind = "hard",
        grace: float = 0.0,
        names: Iterable[str] = (),
        motive: Motive | None = None,
    ) -> Ticket:
        """Begin a purge; the ticket's futures tell when it is recorded and when it is done. `names` and `motive` are for the log."""
        with self._work:
            ticket = self._unrecorded.add(prints, kind, grace, names, self._now(), motive=motive)
            if self._closed:
                ticket.trouble = "this process has stopped purging"
            else:
                self._wake("recorder", self._record)
        return ticket

    @property
    def unrecorded(self) -> int:
        """Purges that Redis has not taken yet."""
        return self._unrecorded.purges + (self._recording is not None and self._recording.kind != "noop")

    def close(self) -> None:
        """Try once more to record what waits, and end the threads; purges that Redis never took are named in a warning."""
        with self._work:
            if self._closed:
                return
            self._closed = True
            self._work.notify_all()
            threads, watched = list(self._threads.values()), self._links.get("watcher")
        if watched:
            watched.close()
        for thread in threads:
            thread.join(timeout=2 * TIMEOUT)
        with self._work:
            if self._recording:
                self._unrecorded.give_back(self._recording)
            count, named = self._unrecorded.named()
        if count:
            log.warning("exiting with purges that Redis never took (%d): %s; purge again when it is back", count, named)

    def _wake(self, name: str, work: Callable[[], None]) -> None:
        """Start a thread or tell it of work; the lock is held."""
        thread = self._threads.get(name)
        if thread is None or not thread.is_alive():
            self._threads[name] = threading.Thread(target=work, name=f"cms-cache-{name}", daemon=True)
            self._threads[name].start()
        self._work.notify_all()

    def _leave(self, name: str) -> None:
        """What a thread does last, under the lock under which it saw that there is no work: whoever brings some starts another."""
        self._threads.pop(name, None)
        self._drop_link(name)

    def _record(self) -> None:
        pause = 0.0
        while ticket := self._next(pause):
            try:
                self._hand_over(ticket, self._recorded(ticket))
                pause = 0.0
            except Exception as error:  # noqa: BLE001 - whatever it is, the purge stays with us
                self._fail("recorder", [ticket], error)
                with self._work:
                    if self._recording:
                        self._unrecorded.give_back(ticket, first=isinstance(error, LinkError))
                        self._recording = None
                pause = min(LONGEST_PAUSE, pause * 2 or FIRST_PAUSE)

    def _next(self, pause: float) -> Ticket | None:
        """The next ticket to record, after a pause; `None` once there was none for long, or at the end."""
        with self._work:
            if pause:
                self._work.wait_for(lambda: self._closed, timeout=pause)
            self._work.wait_for(lambda: self._unrecorded or self._closed, timeout=IDLE)
            if self._unrecorded and not (pause and self._closed):
                self._recording = self._unrecorded.take()
                return self._recording
            self._leave("recorder")
            return None

    def _recorded(self, ticket: Ticket) -> Recorded:
        """Record a purge, in a new epoch if need be."""
        link = self._link("recorder")
        prints, line = packed(ticket.prints), ledger.begun(ticket)
        try:
            return link.purge(prints, kind=ticket.kind, grace=ticket.grace, line=line)
        except EpochError:
            link.join(0, 0, b"", self._lease)
        try:
            return link.purge(prints, kind=ticket.kind, grace=ticket.grace, line=line)
        except EpochError as error:
            raise LinkError("the purge clock's epoch keeps changing") from error

    def _hand_over(self, ticket: Ticket, recorded: Recorded) -> None:
        """Let the watcher wait for the acknowledgements of a recorded purge, if there are any to wait for."""
        now = self._now()
        # The registry knows every lease there is, except in a new epoch those of the old one.
        lease = recorded.lease if recorded.settled else max(self._lease, recorded.lease)
        ticket.epoch, ticket.seq, ticket.settled = recorded.epoch, recorded.seq, recorded.settled
        ticket.certain_at, ticket.trouble = now + longest(lease), ""
        if not ticket.recorded.done():
            ticket.recorded.set_result(True)
        if alone := recorded.settled and recorded.low >= recorded.seq:
            ticket.finish(now)
            self._report("recorder", [ticket])
        with self._work:
            self._recording = None
            if not alone:
                self._waiting.append(ticket)
                self._wake("watcher", self._watch)

    def _watch(self) -> None:
        while tickets := self._watched():
            try:
                self._look(tickets)
            except Exception as error:  # noqa: BLE001 - whatever it is, there are some who wait
                self._fail("watcher", tickets, error)
                with self._work:
                    self._work.wait_for(lambda: self._closed, timeout=FIRST_PAUSE)

    def _watched(self) -> list[Ticket]:
        """The tickets to wait for; none once there were none for long, or at the end."""
        with self._work:
            self._work.wait_for(lambda: self._waiting or self._closed, timeout=IDLE)
            if self._waiting and not self._closed:
                return list(self._waiting)
            self._leave("watcher")
            return []

    def _look(self, tickets: list[Ticket]) -> None:
        """Wait for acknowledgements, or for leases to end, until something has come of it or a while has passed."""
        now = self._now()
        due = [ticket for ticket in tickets if ticket.certain_at <= now]
        if due:
            return self._end_leases(due)
        left = max(0.001, min(ticket.certain_at for ticket in tickets) - now)
        provable = [ticket for ticket in tickets if ticket.settled]
        if provable:
            return self._await_acknowledgement(provable, left)
        with self._work:
            self._work.wait_for(lambda: self._closed or len(self._waiting) > len(tickets), timeout=left)
            return None

    def _await_acknowledgement(self, tickets: list[Ticket], left: float) -> None:
        link = self._link("watcher")
        looked = all(ticket.waiting_for for ticket in tickets)
        found = link.low(min(ticket.seq for ticket in tickets) - 1, min(left, LOOK if looked else FIRST_LOOK))
        if found is None:
            behind = link.behind(max(ticket.seq for ticket in tickets))
            for ticket in tickets:
                ticket.trouble = ""
                ticket.waiting_for = tuple(worker.decode("latin-1") for worker, at in behind if at < ticket.seq)
                ticket.slow.update(ticket.waiting_for)
            return
        epoch, low = found
        self._finish([ticket for ticket in tickets if ticket.epoch == epoch and ticket.seq <= low])
        self._repeat([ticket for ticket in tickets if ticket.epoch != epoch])

    def _end_leases(self, due: list[Ticket]) -> None:
        """Every lease granted before these purges has ended: unregister whoever did not acknowledge."""
        link = self._link("watcher")
        for epoch in {ticket.epoch for ticket in due}:
            these = [ticket for ticket in due if ticket.epoch == epoch]
            try:
                gone = link.evict(epoch, max(ticket.seq for ticket in these))
            except EpochError:
                self._repeat(these)
                continue
            evicted = tuple(worker.decode("latin-1") for worker in gone)
            if evicted:
                log.info("unregistered, for they acknowledged no purge for a whole lease: %s", ", ".join(evicted))
            self._finish(these, evicted)

    def _finish(self, tickets: list[Ticket], evicted: tuple[str, ...] = ()) -> None:
        self._forget(tickets)
        now = self._now()
        for ticket in tickets:
            ticket.evicted = evicted
            ticket.finish(now)
        self._report("watcher", tickets)

    def _report(self, name: str, tickets: list[Ticket]) -> None:
        """Put into the log that purges are done; nobody waits for that, and it is not tried twice."""
        try:
            for ticket in tickets:
                if ticket.kind != "noop":
                    self._link(name).report(ledger.named(ticket.epoch, ticket.seq), ledger.ended(ticket))
        except LinkError as error:
            log.debug("not in the purge log: %s", error)
            self._drop_link(name)

    def _repeat(self, tickets: list[Ticket]) -> None:
        """Record purges again: their record went with their epoch.

        What was rendered in the new one may be older than they are, if it began on another server.
        """
        if not tickets:
            return
        self._forget(tickets)
        self._drop_link("watcher")
        with self._work:
            for ticket in tickets:
                ticket.trouble = "the purge clock has begun a new epoch, in which it is recorded again"
                ticket.certain_at = self._now() + longest(self._lease)
            self._unrecorded.repeat(tickets)
            if not self._closed:
                self._wake("recorder", self._record)
            # Two servers that contradict each other must not make us go round and round.
            self._work.wait_for(lambda: self._closed, timeout=FIRST_PAUSE)

    def _forget(self, tickets: list[Ticket]) -> None:
        """Wait for these no longer."""
        gone = set(tickets)
        with self._work:
            self._waiting = [ticket for ticket in self._waiting if ticket not in gone]

    def _fail(self, name: str, tickets: list[Ticket], error: Exception) -> None:
        """Tell those who wait what went wrong, and make a new connection for the next attempt."""
        if not isinstance(error, LinkError):
            log.error("a purge met with a fault", exc_info=error)
        for ticket in tickets:
            ticket.trouble = str(error) or repr(error)
        self._drop_link(name)

    def _link(self, name: str) -> Link:
        if name not in self._links:
            self._links[name] = self._connect(TIMEOUT)
        return self._links[name]

    def _drop_link(self, name: str) -> None:
        if link := self._links.pop(name, None):
            link.close()
