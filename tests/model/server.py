"""The server's scripts (JOIN, RENEW, PURGE, EVICT, CHECK) as functions of the control keys. Each is atomic, as in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import timing
from .state import ABSENT, Clock, Entry, Record, put

if TYPE_CHECKING:
    from .state import State, Worker
    from .world import Plan, World


def empty(epoch: int, identity: int, places: int, *, settled: bool) -> Clock:
    """The control keys of an epoch that has just begun; epoch 0 means that there are none."""
    nobody = (ABSENT,) * places
    return Clock(
        epoch=epoch, identity=identity, intact=True, seq=0, tip=0, log=(), hard=(0, 0), soft=(0, 0), floor=0,
        acks=nobody, grants=(0,) * places, low=0, settled=settled,
    )  # fmt: skip


def same(world: World, state: State) -> bool:
    """Whether the control keys are those of one unbroken history, on the server that wrote them."""
    clock = state.clock
    if not clock.epoch or not clock.intact:
        return False
    return clock.identity == state.identity or not world.protocol.notices_identity


def nonce_at(clock: Clock, pos: int) -> int | None:
    """The nonce recorded at a position; None if the log was trimmed past it."""
    if pos == clock.seq:
        return clock.tip
    at = len(clock.log) - (clock.seq - pos) - 1
    return clock.log[at].nonce if at >= 0 else None


def knows(world: World, clock: Clock, pos: int, tip: int) -> bool:
    """Whether the history holds this position with this nonce; a position that was trimmed away is believed."""
    return not world.protocol.chain or (pos <= clock.seq and nonce_at(clock, pos) in {tip, None})


def records_after(clock: Clock, pos: int) -> tuple[Record, ...] | None:
    """The records after a position; None if the log was trimmed past it."""
    missing = clock.seq - pos
    if missing <= 0:
        return ()
    return clock.log[-missing:] if missing <= len(clock.log) else None


def new_epoch(world: World, state: State) -> State:
    """JOIN on control keys that cannot be trusted: all gone, a new epoch, and the wait that settles it begins."""
    epoch = state.epochs + 1
    clock = empty(epoch, state.identity, len(state.clock.acks), settled=not world.protocol.grace)
    state = state._replace(clock=clock, epochs=epoch)
    return timing.begin(state, world.scope.settle_wait) if world.protocol.grace else state


def acknowledge(state: State, index: int, worker: Worker) -> State:
    """RENEW, first half: the position counts as an acknowledgement and is never lowered."""
    clock = state.clock
    if clock.acks[index] < worker.heard:
        clock = clock._replace(acks=_at(clock.acks, index, worker.heard))
    return state._replace(clock=advanced(clock))


def grant(state: State, index: int) -> State:
    """RENEW, second half: note at which number a lease was granted."""
    clock = state.clock
    return state._replace(clock=clock._replace(grants=_at(clock.grants, index, clock.seq)))


def record(state: State, plan: Plan, nonce: int) -> State:
    """PURGE: the next number, in the version table and in the log."""
    clock = state.clock
    seq = clock.seq + 1
    hard = clock.hard if plan.soft else put(clock.hard, plan.tag, seq)
    soft = put(clock.soft, plan.tag, seq) if plan.soft else clock.soft
    log = (*clock.log, Record(plan.tag, plan.soft, nonce))
    clock = advanced(clock._replace(seq=seq, tip=nonce, hard=hard, soft=soft, log=log))
    return state._replace(clock=clock, edits=put(state.edits, plan.tag, state.edits[plan.tag] + 1))


def evict(world: World, clock: Clock, seq: int) -> Clock:
    """EVICT: whoever had neither acknowledged nor been granted this number is off the registry."""
    acks, grants = list(clock.acks), list(clock.grants)
    for index, ack in enumerate(clock.acks):
        if ABSENT < ack < seq and (world.protocol.evicts_by == "ack" or clock.grants[index] < seq):
            acks[index], grants[index] = ABSENT, 0
    return advanced(clock._replace(acks=tuple(acks), grants=tuple(grants)))


def unregister(clock: Clock, index: int) -> Clock:
    """LEAVE: a worker that serves no more."""
    return advanced(forgotten(clock, index))


def forgotten(clock: Clock, index: int) -> Clock:
    """The registry without a worker; nobody has looked at what that changes yet."""
    return clock._replace(acks=_at(clock.acks, index, ABSENT), grants=_at(clock.grants, index, 0))


def advanced(clock: Clock) -> Clock:
    """The end of every script that touches the registry: tell the purgers the smallest acknowledged position."""
    low = min((ack for ack in clock.acks if ack != ABSENT), default=clock.seq)
    return clock._replace(low=low) if low > clock.low else clock


def check(world: World, state: State, entry: Entry) -> Entry | None:
    """CHECK: the entry as of the server's number if nothing it depends on was purged since, else None."""
    clock = state.clock
    alive = same(world, state) if world.protocol.reads_know_server else clock.intact
    if not alive or entry.epoch != clock.epoch or entry.base < clock.floor:
        return None
    for tag, version in enumerate(entry.content):
        soft = clock.soft[tag] if world.protocol.check_knows_soft else 0
        if version >= 0 and max(clock.hard[tag], soft) > entry.base:
            return None
    return entry._replace(base=clock.seq)


def _at(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])
