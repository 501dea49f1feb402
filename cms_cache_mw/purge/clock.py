"""The purge clock as one worker knows it: how far it has applied purges, and until when it may trust that.

Every purge has a number. An entry remembers the number its worker had applied when its render began (`base`) and is valid
if none of its tags was purged later. The follower thread writes here, request code reads, and no lock is taken: the writer
sets a tag's number before the position, the reader reads the position before the tags' numbers; a soft purge becomes a hard
one before it is forgotten, the reader looks at the soft ones first; pruning raises the floor before it forgets, the reader
looks at the floor last. A new epoch is a new `State`; a reader that holds the old one finds
its lease ended or, at worst, finishes a check that began before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from cms_cache_mw.core.status import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEVER: Final = -inf


class Token(NamedTuple):
    """What a render remembers of the clock when it begins."""

    epoch: int
    pos: int


class Dated(Protocol):
    """Anything that purges are checked against: an entry, a flight's result, a fragment."""

    epoch: int
    base: int
    prints: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Soft:
    """A soft purge: what is older is stale until the grace ends, and purged after it."""

    seq: int
    until: float


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the purge log."""

    seq: int
    nonce: bytes
    kind: str
    prints: tuple[int, ...]
    grace: float
    """Seconds for which a soft purge leaves what it touched usable as stale."""


@dataclass(slots=True)
class State:
    """One epoch as this worker has seen it."""

    epoch: int
    pos: int
    tip: bytes
    floor: int = 0
    """Entries whose base is below it may have been purged by something forgotten."""
    lease_until: float = NEVER
    hard: dict[int, int] = field(default_factory=dict)
    soft: dict[int, Soft] = field(default_factory=dict)


class Clock:
    """The worker's copy of the purge clock. `capacity` bounds the purges it remembers, in fingerprints."""

    def __init__(self, capacity: int = 50_000) -> None:
        self.capacity = capacity
        self.state = State(epoch=0, pos=0, tip=b"")

    @property
    def token(self) -> Token:
        """The position to give a render that begins now; epoch 0 before the first epoch is known."""
        state = self.state
        return Token(state.epoch, state.pos)

    @property
    def remembered(self) -> int:
        """Purges it remembers, in fingerprints."""
        return len(self.state.hard) + len(self.state.soft)

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
        pos, base = state.pos, dated.base
        if base == pos:
            return None
        softly = self._softly(state.soft, dated, now) if state.soft else None
        hard = state.hard
        for tag in dated.prints:
            if hard.get(tag, 0) > base:
                return Reason.PURGED
        if base < state.floor:
            return Reason.FLOOR
        if softly:
            return softly
        if pos > base:
            # Sound, for nothing it depends on was purged in between, and the next check is one comparison.
            dated.base = pos
        return None

    @staticmethod
    def _softly(soft: Mapping[int, Soft], dated: Dated, now: float) -> Reason | None:
        pending = [record for tag in dated.prints if (record := soft.get(tag)) and record.seq > dated.base]
        if not pending:
            return None
        return Reason.PURGED if any(now >= record.until for record in pending) else Reason.SOFT_PURGED

    def begin(self, state: State) -> None:
        """Start over with another history, or with one whose past was trimmed away."""
        self.state.lease_until = NEVER
        self.state = state

    def apply(self, entries: Iterable[Logged], now: float) -> None:
        """Apply purges in the log's order; `ValueError` if one is missing in between."""
        state = self.state
        for entry in entries:
            if entry.seq != state.pos + 1:
                raise ValueError(f"purge {entry.seq} after {state.pos}: the log has a gap")
            if entry.kind == "hard":
                for tag in entry.prints:
                    state.hard[tag] = entry.seq
            elif entry.kind == "soft":
                for tag in entry.prints:
                    self._soften(state, tag, entry, now)
            state.tip = entry.nonce
            state.pos = entry.seq
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
            # Repeated soft purges do not prolong the grace of what the first one touched.
            until = min(until, earlier.until)
        state.soft[tag] = Soft(entry.seq, until)

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
        """Treat fingerprints as purged from here on, in this worker alone, until their purge is recorded and applied."""
        state = self.state
        following = state.pos + 1
        for tag in prints:
            state.hard[tag] = max(following, state.hard.get(tag, 0))

    def grant(self, until: float) -> None:
        """Extend the lease; it never gets shorter."""
        self.state.lease_until = max(self.state.lease_until, until)

    def revoke(self) -> None:
        """End the lease at once."""
        self.state.lease_until = NEVER
