"""The purge clock as one worker knows it: how far it has applied purges, and until when it may trust that.

Every purge has a number. An entry remembers the number its worker had applied when its render began (`base`) and is valid
if none of its tags was purged later. The follower thread writes here, request code reads, and no lock is taken: the writer
sets a tag's number before the position, the reader reads the position before the tags' numbers; a soft purge becomes a hard
one before it is forgotten, the reader looks at the soft ones first; pruning raises the floor before it forgets, the reader
looks at the floor last. A new epoch, or a history with a hole in it, is a new `State`; a reader that holds the old one finds
its lease ended or, at worst, finishes a check that began before.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import Value
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NEVER: Final = -inf
MARKS: Final = 16
"""Marks that the settling time is divided by: how precisely the clock knows where it stood that long ago."""


_NOBODYS: Final = -1
"""No tag's fingerprint."""


class Token(NamedTuple):
    """What a render remembers of the clock when it begins."""

    epoch: int
    pos: int


class Dated(Protocol):
    """Anything that purges are checked against: an entry, a flight's result, a fragment."""

    epoch: int
    base: int
    prints: tuple[int, ...]


class Soft(Value, frozen=True):
    """A soft purge: what is older is stale until the grace ends, and purged after it."""

    seq: int
    until: float


class Logged(Value, frozen=True):
    """One entry of the purge log."""

    seq: int
    nonce: bytes
    kind: str
    """`hard`, `soft` or `noop`; anything else, from a later version, counts as hard."""
    prints: tuple[int, ...]
    grace: float
    """Seconds for which a soft purge leaves what it touched usable as stale."""


class Mark(NamedTuple):
    """Where the clock stood at an instant."""

    at: float
    pos: int


@dataclass(slots=True)
class State:
    """One epoch as this worker has seen it. Position, tip and floor only grow."""

    epoch: int
    pos: int
    tip: bytes
    floor: int = 0
    """Entries whose base is below it may have been purged by something forgotten."""
    lease_until: float = NEVER
    hard: dict[int, int] = field(default_factory=dict)
    soft: dict[int, Soft] = field(default_factory=dict)
    outdated: dict[int, int] = field(default_factory=dict)
    """What counts as purged in this worker already, with the number from which on its entries do not; empty nearly always."""
    marks: tuple[Mark, ...] = ()
    """Where it stood, oldest first, back to the settling time; replaced as a whole."""


class Clock:
    """The worker's copy of the purge clock.

    `capacity` bounds the purges it remembers, in fingerprints. With a `settle` time, in seconds, a render counts as begun
    that much earlier: it may have read from a database replica that did not have the edit yet, so what was purged within
    that time before it began counts as purged after.
    """

    def __init__(self, capacity: int = 50_000, *, settle: float = 0.0, now: Callable[[], float] = boottime) -> None:
        self.capacity = capacity
        self.state = State(epoch=0, pos=0, tip=b"")
        self._settle, self._now = settle, now
        self._outdating = threading.Lock()

    @property
    def token(self) -> Token:
        """The position to give a render that begins now; epoch 0 before the first epoch is known."""
        state = self.state
        if not self._settle:
            return Token(state.epoch, state.pos)
        pos, due = 0, self._now() - self._settle
        for mark in state.marks:
            if mark.at > due:
                break
            pos = mark.pos
        return Token(state.epoch, pos)

    @property
    def remembered(self) -> int:
        """Purges it remembers, in fingerprints."""
        state = self.state
        return len(state.hard) + len(state.soft) + len(state.outdated)

    def holds(self, now: float) -> bool:
        """Whether the worker holds a lease at `now`."""
        return now < self.state.lease_until

    def check(self, dated: Dated, now: float) -> Reason | None:
        """Why `dated` must not be used at `now`; `None` if it is valid, `SOFT_PURGED` if it may be used as stale."""
        state = self.state
        if now >= state.lease_until:
            return Reason.UNSURE
        if dated.epoch != state.epoch:
            return Reason.EPOCH
        outdated, pos, base = state.outdated, state.pos, dated.base
        if base == pos and not outdated:
            return None
        # The order matters: soft and outdated, hard, floor, since that is how the writer moves what it knows.
        softly = self._softly(state, dated, now) if state.soft else None
        if softly is Reason.PURGED or self._purged(state, dated):
            return Reason.PURGED
        if base < state.floor:
            return Reason.FLOOR
        if softly is None and pos > base:
            # Sound, for nothing it depends on was purged in between, and the next check is one comparison.
            dated.base = pos
        return softly

    @staticmethod
    def _softly(state: State, dated: Dated, now: float) -> Reason | None:
        soft = state.soft
        pending = [record for tag in dated.prints if (record := soft.get(tag)) and record.seq > dated.base]
        if not pending:
            return None
        return Reason.PURGED if any(now >= record.until for record in pending) else Reason.SOFT_PURGED

    @staticmethod
    def _purged(state: State, dated: Dated) -> bool:
        outdated, known, base = state.outdated, state.hard.get, dated.base
        if outdated and any(outdated.get(tag, 0) > base for tag in dated.prints):
            return True
        for tag in dated.prints:  # noqa: SIM110 - a generator takes twice as long
            if known(tag, 0) > base:
                return True
        return False

    def begin(self, state: State) -> None:
        """Start over with another history, or with one whose past was trimmed away."""
        known = self.state
        assert state.epoch != known.epoch or state.pos >= known.pos, "a position only grows within an epoch"
        if self._settle:
            # What was purged before counts as purged just now, hence a base below every floor until that has settled.
            state.floor = max(1, state.floor)
            state.marks = (Mark(NEVER, 0), Mark(self._now(), state.pos))
        known.lease_until = NEVER
        self.state = state

    def apply(self, entries: Iterable[Logged], now: float) -> None:
        """Apply purges in the log's order, none left out."""
        state = self.state
        # A grace counts from now only if nobody can have been told before that the purge is done, which a lease proves.
        in_time = now < state.lease_until
        for entry in entries:
            assert entry.seq == state.pos + 1, f"purge {entry.seq} after {state.pos}: the log has a hole"
            if entry.kind == "soft" and in_time:
                for tag in entry.prints:
                    self._soften(state, tag, entry, now)
            elif entry.kind != "noop":
                for tag in entry.prints:
                    state.hard[tag] = entry.seq
            state.tip = entry.nonce
            state.pos = entry.seq
        if state.outdated:
            self._forget_outdated(state)
        if self._settle:
            self._mark(state, now)
        if len(state.soft) > self.capacity:
            self.settle_soft(inf)
        if len(state.hard) > self.capacity:
            self._prune(state)

    @staticmethod
    def _soften(state: State, tag: int, entry: Logged, now: float) -> None:
        until = now + entry.grace
        earlier = state.soft.get(tag)
        if earlier and earlier.until <= now:
            state.hard[tag] = max(earlier.seq, state.hard.get(tag, 0))
        elif earlier:
            # A repeated soft purge does not prolong the grace of what the first one touched; what began between shares it.
            until = min(until, earlier.until)
        state.soft[tag] = Soft(entry.seq, until)

    def _mark(self, state: State, now: float) -> None:
        """Note where the clock stands, in place of the latest note if that is recent: a higher position later is on the safe side."""
        marks, due = list(state.marks), now - self._settle
        while len(marks) > 1 and marks[1].at <= due:
            del marks[0]
        if len(marks) > 1 and now - marks[-2].at < self._settle / MARKS:
            del marks[-1]
        state.marks = (*marks, Mark(now, state.pos))

    def _prune(self, state: State) -> None:
        """Forget the oldest tenth of the purges."""
        excess = len(state.hard) - self.capacity
        oldest = sorted(state.hard.items(), key=lambda record: record[1])[: excess + self.capacity // 10]
        state.floor = max(state.floor, oldest[-1][1])
        for tag, _ in oldest:
            del state.hard[tag]

    def settle_soft(self, now: float) -> None:
        """Turn soft purges whose grace has ended into hard ones, so that the table of soft ones stays small."""
        state = self.state
        for tag, record in list(state.soft.items()):
            if record.until <= now:
                state.hard[tag] = max(record.seq, state.hard.get(tag, 0))
                del state.soft[tag]

    def outdate(self, prints: Iterable[int]) -> None:
        """Treat fingerprints as purged in this worker, from now until their purge is recorded and applied. Any thread may call it."""
        state = self.state
        with self._outdating:
            following = state.pos + 1
            state.outdated.update(dict.fromkeys(prints, following))
            if len(state.outdated) > self.capacity:
                # Too many to tell apart: everything there is counts as purged until the log goes on.
                state.floor = max(state.floor, following)
                state.outdated = {_NOBODYS: 0}

    def _forget_outdated(self, state: State) -> None:
        """Let go of what the log says by now. All that was rendered here before a purge was applied is older than it."""
        with self._outdating:
            state.outdated = {tag: number for tag, number in state.outdated.items() if state.hard.get(tag, 0) < number}

    def grant(self, until: float) -> None:
        """Extend the lease; it never gets shorter."""
        state = self.state
        state.lease_until = max(state.lease_until, until)

    def revoke(self) -> None:
        """End the lease at once."""
        self.state.lease_until = NEVER
