"""A thread that follows the purge log, acknowledges what it has applied and holds the worker's lease.

A thread with a blocking client, for ASGI and WSGI alike: it goes on acknowledging while an event loop is busy. Three orders
matter (purge-protocol 2.4): the lease counts from before the request was sent; what came with a lease is applied before the
lease is used; a position is acknowledged after it is applied.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from contextlib import closing
from socket import gethostname
from typing import TYPE_CHECKING, Final

from cms_cache_mw.purge.clock import Clock, State
from cms_cache_mw.purge.lease import outlived, usable
from cms_cache_mw.purge.link import EpochError, IdentityError, Link, LinkError
from cms_cache_mw.purge.ticket import promise
from cms_cache_mw.purge.wire import Gap, Leased
from cms_cache_mw.stores.chance import between
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from cms_cache_mw.purge.clock import Logged
    from cms_cache_mw.purge.link import Connect
    from cms_cache_mw.stores.guard import Breaker

log: Final = logging.getLogger("cms_cache_mw")

SLACK: Final = 0.5
"""Seconds that an answer may take beyond the time for which a read blocks."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
JUMP: Final = 1.0
"""Seconds by which the machine's two clocks may part between two renewals."""
QUIET: Final = 60.0
"""Seconds without a purge after which one worker tries whether purges get through."""


def worker_name() -> str:
    """This process, for people: `HOST:PID`."""
    return f"{gethostname()[:64]}:{os.getpid()}"


class Follower:
    """Keeps one worker's clock. `reset` is called, on the follower's thread, when what the worker holds became worthless.

    After the last proof of being up to date the worker may serve for `lease` seconds, and for `unsure` seconds more where a
    site prefers that to rendering. `tend` is called after each exchange with Redis that succeeded, `quiet`
    about once a minute by one of the workers, when nothing was purged. `learn` is called three times in each lease, and
    between a purge of nothing and its acknowledgement.
    While `breaker` is open the thread also asks, in place of the visitors, whether the shared store answers again.
    """

    def __init__(
        self,
        clock: Clock,
        connect: Connect,
        *,
        lease: float,
        unsure: float = 0.0,
        reset: Callable[[], None],
        tend: Callable[[], None] = lambda: None,
        learn: Callable[[Link], None] = lambda _: None,
        quiet: Callable[[], None] | None = None,
        breaker: Breaker | None = None,
        now: Callable[[], float] = boottime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.worker = f"{worker_name()}:{secrets.token_hex(8)}".encode()
        """Its name in the registry, for people and unlike any other's, also after a fork."""
        self.leased: Future[bool] = promise()
        """Done once the first lease is held."""
        self.trouble = ""
        """What went wrong last; empty while all is well."""
        self.behind = 0
        """Purges that Redis had recorded at the last renewal and that are still to be applied."""
        self._connect, self._poll, self._lease = connect, lease / 3, lease + unsure
        self._reset, self._quiet, self._breaker, self._now, self._wall = reset, quiet, breaker, now, wall
        self._tend, self._learn = tend, learn
        self._learn_at = 0.0
        self._lag = 0.0
        self._entered = False
        self._known_since = 0.0
        self._failures = 0
        self._held = False
        self._said: set[str] = set()
        self._apart = wall() - now()
        self._quiet_at = self._next_quiet()
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
        thread = self._thread
        self._stopping.set()
        self.clock.revoke()
        if thread is None:
            return
        end = time.monotonic() + self._poll + 2 * SLACK
        while thread.is_alive() and time.monotonic() < end:
            # Not once: a read that was just about to begin makes a new connection, and would wait on it.
            if link := self._link:
                link.close()
            thread.join(timeout=SLACK / 10)
        # A thread that is stuck might yet take a lease: then the next purge waits for its end instead.
        if not thread.is_alive() and self._entered:
            self._leave()

    def _leave(self) -> None:
        try:
            with closing(self._connect(SLACK)) as link:
                link.leave(self.clock.state.epoch, self.worker)
        except (LinkError, EpochError) as error:
            log.debug("not unregistered: %s", error)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                with closing(self._connect(self._poll + SLACK)) as self._link:
                    self._follow(self._link)
            except LinkError as error:
                self._fail(error)
            except Exception as error:
                # A fault of ours, or of what we call: without this thread there is no cache, so it goes on, from the start.
                log.exception("following the purge log failed")
                self.clock.revoke()
                self._entered = False
                self._fail(LinkError(repr(error)))
            self._note_lease()
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures, 10)) * between(0.5, 1.0)
        self.clock.revoke()

    def _follow(self, link: Link) -> None:
        self._look_around(link)
        while not self._stopping.is_set():
            self._mind_clocks()
            if not self._entered:
                self._enter(link)
            self._listen(link)
            up_to_date = self._renew(link)
            self._note_lease()
            self._probe(link)
            self._tend()
            self._break_silence()
            if up_to_date and not self._stopping.is_set():
                self._await_news(link)

    def _look_around(self, link: Link) -> None:
        """Learn what the server is like, and say once what weakens the promise of a purge."""
        survey = link.survey()
        self._lag = survey.lag
        for warning in survey.warnings():
            self._say_once(logging.WARNING, warning)

    def _enter(self, link: Link) -> None:
        """Enter the epoch in force and learn its recent purges; the first renewal then gives the lease.

        What this worker knew of an epoch is claimed: where the server does not have it, purges were lost, and a new epoch
        has to begin.
        """
        known = self.clock.state
        joined = link.join(known.epoch, known.pos, known.tip, self._registered)
        since = self._now()
        records, floor = link.purged(self.clock.capacity)
        self._start_over(State(joined.epoch, joined.seq, joined.tip, floor=max(floor, joined.floor), hard=records))
        self._known_since, self._entered = since, True

    def _listen(self, link: Link) -> None:
        """Learn what else is to be known, before the position is acknowledged: a purge of nothing announces it."""
        if self._now() >= self._learn_at:
            self._learn_at = self._now() + self._poll
            self._learn(link)

    def _renew(self, link: Link) -> bool:
        """Acknowledge, ask for a lease and apply what is new; false where another renewal has to follow at once."""
        state, sent = self.clock.state, self._now()
        outlasted = outlived(sent - self._known_since)
        try:
            answer = link.renew(
                state.epoch, state.pos, state.tip, self.worker, lease=self._registered, outlived=outlasted
            )
        except EpochError:
            self._lose_epoch()
            return False
        self._failures, self.trouble = 0, ""
        if isinstance(answer, Gap):
            log.warning("the purge log was trimmed past this worker: its memory is dropped")
            self._start_over(State(state.epoch, answer.seq, answer.tip, floor=answer.seq))
            return False
        self._apply(answer.entries)
        if not isinstance(answer, Leased):
            self.behind = answer.behind
            return False
        self.behind = 0
        if not self._stopping.is_set():
            self.clock.grant(sent + usable(self._lease))
        # What has just been applied is acknowledged by the next renewal.
        return not answer.entries

    def _await_news(self, link: Link) -> None:
        """Wait for the next purge, a third of the lease at most, so that a lease is asked for three times before it ends."""
        state = self.clock.state
        self._apply(link.follow(state.epoch, state.pos, self._poll))
        self.clock.settle_soft(self._now())

    def _apply(self, entries: list[Logged]) -> None:
        if entries:
            self.clock.apply(entries, self._now())
            self._quiet_at = self._next_quiet()
            if any(entry.kind == "noop" for entry in entries):
                self._learn_at = 0.0

    @property
    def _registered(self) -> float:
        """How long purgers have to wait for this worker if it falls silent."""
        return self._lease + self._lag

    def _lose_epoch(self) -> None:
        log.warning(
            "the purge clock in Redis is not the one this worker knew (restart, failover or loss): starting cold"
        )
        self.clock.revoke()
        self._entered = self._held = False
        self._reset()

    def _start_over(self, state: State) -> None:
        self.clock.begin(state)
        self._held = False
        self._reset()

    def _mind_clocks(self) -> None:
        """Drop the lease where the machine's clocks have parted: it may have been frozen together with one of them."""
        apart = self._wall() - self._now()
        if abs(apart - self._apart) > JUMP:
            log.info("the clocks of this machine parted by %.1f s: the lease has to be renewed", apart - self._apart)
            self.clock.revoke()
        self._apart = apart

    def _probe(self, link: Link) -> None:
        if self._breaker and self._breaker.wants_probe():
            try:
                link.ping()
            except LinkError as error:
                self._breaker.failed(error)
                raise
            self._breaker.succeeded()

    def _break_silence(self) -> None:
        """After a quiet minute purge nothing: it shows how long purges take, and unregisters the dead.

        Whoever does it first makes it unnecessary for the others, who all apply it.
        """
        if self._quiet and self._now() >= self._quiet_at:
            self._quiet_at = self._next_quiet()
            self._quiet()

    def _next_quiet(self) -> float:
        return self._now() + QUIET * between(1.0, 1.2)

    def _fail(self, error: LinkError) -> None:
        self.trouble = str(error)
        self._failures += 1
        if isinstance(error, IdentityError):
            self._say_once(
                logging.ERROR,
                f"Redis does not tell who it is ({error}), so nothing is served from the cache: allow the command INFO,"
                ' or accept with redis_identity="none" that a replaced server is noticed less surely',
            )

    def _say_once(self, level: int, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            log.log(level, "%s", text)

    def _note_lease(self) -> None:
        """Say once that the lease was lost, and once that it is back."""
        holds = self.clock.holds(self._now())
        if holds and not self.leased.done():
            self.leased.set_result(True)
        elif holds and not self._held:
            log.info("lease back")
        elif self._held and not holds and not self._stopping.is_set():
            log.warning("lease lost (%s): pages are rendered until it is back", self.trouble or "no answer in time")
        self._held = holds
