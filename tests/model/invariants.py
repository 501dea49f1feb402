"""What holds in every state of the right protocol: the invariants I1 to I6 of the design, in the terms of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import server
from .state import ABSENT, Phase

if TYPE_CHECKING:
    from .state import State, Worker
    from .world import World


def broken_invariant(world: World, state: State) -> str | None:
    """The name of an invariant that does not hold here."""
    for index, worker in enumerate(state.workers):
        if index in state.old_side or worker.epoch <= 0:
            continue
        if worker.lease != ABSENT and _misses_purge(state, worker):
            return "I1 or I3: a lease in use, and a purge that is acknowledged or older than the lease is not applied"
        if worker.epoch == state.clock.epoch and not _knows_acknowledged(state, index, worker):
            return "I2: what was acknowledged is in the map, or below the floor"
        if worker.epoch == worker.render.epoch and worker.render.base > worker.pos:
            return "I4: a render's base is a position its worker had"
        if worker.lease != ABSENT and not _is_counted(world, state, index, worker):
            return "I5: who holds a live lease is registered, or the epoch is unsettled"
    return None


def shrinks(before: State, after: State) -> bool:
    """I6: whether a position or a floor got smaller within an epoch."""
    left, right = before.clock, after.clock
    goes_on = left is not right and left.epoch == right.epoch and before.identity == after.identity and right.intact
    if goes_on and (right.seq < left.seq or right.floor < left.floor):
        return True
    if before.workers is after.workers:
        return False
    for old, new in zip(before.workers, after.workers, strict=True):
        if old is not new and old.epoch == new.epoch and (new.pos < old.pos or new.floor < old.floor):
            return True
    return False


def _misses_purge(state: State, worker: Worker) -> bool:
    """A wait marks the leases that were asked for before it: one without the mark was granted after the purge."""
    for index, purge in enumerate(state.purges):
        if purge.epoch != worker.epoch or worker.pos >= purge.seq:
            continue
        if purge.phase >= Phase.ACKNOWLEDGED or (purge.phase == Phase.RECORDED and not worker.lease >> index & 1):
            return True
    return False


def _knows_acknowledged(state: State, index: int, worker: Worker) -> bool:
    clock = state.clock
    if clock.acks[index] > worker.pos:
        return False
    first = clock.seq - len(clock.log) + 1
    for seq, record in enumerate(clock.log, first):
        known = max(worker.hard[record.tag], worker.soft[record.tag], worker.floor)
        if seq <= clock.acks[index] and known < seq:
            return False
    return True


def _is_counted(world: World, state: State, index: int, worker: Worker) -> bool:
    clock = state.clock
    if not server.same(world, state) or not clock.settled:
        return True
    return worker.epoch == clock.epoch and clock.acks[index] != ABSENT
