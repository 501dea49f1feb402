"""What a purge does, from the call to the 200: record, wait for the registry or for a lease time, evict."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from . import server, timing
from .check import applied, concerns, grace_over, noted, tidy
from .follower import NAMES
from .split import at_old_side, is_old_side, old_primary_stops
from .state import ABSENT, NOTHING, PLANNED_PURGE, Phase, Purge, Step, put, with_purge, with_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import State, Worker
    from .world import Plan, World


def purge(world: World, state: State) -> Iterator[Step]:
    """Everything that purgers may do next. Purges are recorded in the order in which they are planned."""
    for index, (plan, current) in enumerate(zip(world.scope.plans, state.purges, strict=True)):
        if current.phase in {Phase.PLANNED, Phase.CALLED}:
            yield from _record(world, state, index, plan)
            if state.old_side:
                yield from at_old_side(state, partial(_record, world, index=index, plan=plan))
            return
        if current.phase == Phase.RECORDED and current.old_side:
            yield from at_old_side(state, partial(_conclude, world, index=index))
        elif current.phase == Phase.RECORDED:
            yield from _conclude(world, state, index)
            yield from _apply_own(world, state, index, plan)
        elif current.phase == Phase.ACKNOWLEDGED and (plan.soft or world.scope.lag):
            yield _bound(world, state, index, plan)


def _record(world: World, state: State, index: int, plan: Plan) -> Iterator[Step]:
    early = world.protocol.wait_from == "call"
    if early and state.purges[index].phase == Phase.PLANNED:
        called = timing.begin(with_purge(state, index, PLANNED_PURGE._replace(phase=Phase.CALLED)), 1 << index)
        yield Step(f"purge {index + 1} is called, its wait begins", called)
        return
    begins = not server.same(world, state)
    if begins:
        state = server.new_epoch(world, state)
    state = server.record(state, plan, index + 1)
    if not world.protocol.compares and concerns(state.shared, plan.tag):
        state = state._replace(shared=NOTHING)
    clock = state.clock
    seq, epoch = clock.seq, clock.epoch
    # A purger that trusts what it learnt once need not ask again: only the mistaken ones do.
    settled = clock.settled and world.protocol.proof == "none"
    recorded = Purge(Phase.RECORDED, seq, epoch, settled=settled, old_side=is_old_side(state))
    state = with_purge(state, index, recorded)
    if not early:
        state = timing.begin(state, 1 << index)
    kind = f"{'soft ' if plan.soft else ''}purge of {'the page' if plan.tag == 0 else 'the other tag'}"
    where = f" in a new epoch {epoch}" if begins else ""
    yield Step(f"an edit is committed; its {kind} is recorded{where} as number {seq}", state)


def _acknowledged(state: State, index: int) -> State:
    done = state.purges[index]._replace(phase=Phase.ACKNOWLEDGED, settled=False)
    return with_purge(timing.forget(state, 1 << index), index, done)


def _conclude(world: World, state: State, index: int) -> Iterator[Step]:
    current = state.purges[index]
    if current.old_side and world.protocol.wait_replicas:
        return  # its replica is a primary by now and confirms nothing
    if _confirmed(world, state, current):
        how = "nobody registered is behind" if world.protocol.barrier else "nobody is waited for"
        yield Step(f"purge {index + 1}: {how}: 200", _acknowledged(state, index))
    elif not (current.old_side and world.protocol.min_replicas):  # by then the old primary refuses to evict
        yield _wait(world, state, index, current)


def _confirmed(world: World, state: State, current: Purge) -> bool:
    """The early return: everybody registered has acknowledged, in an epoch in which that means something."""
    protocol, clock = world.protocol, state.clock
    if not protocol.barrier:
        return True
    if clock.low < current.seq or not (clock.settled or current.settled):
        return False
    return protocol.proof == "none" or clock.epoch == current.epoch


def _wait(world: World, state: State, index: int, current: Purge) -> Step:
    """The late return: a lease time has passed since the purge was recorded; the silent ones go off the registry."""
    whole = not state.clock.settled
    state = timing.end(world, state, 1 << index)
    if whole:
        state = old_primary_stops(world, state)
    if server.same(world, state) and state.clock.epoch == current.epoch:
        state = state._replace(clock=server.evict(world, state.clock, current.seq))
    return Step(f"purge {index + 1}: a lease time has passed: 200", _acknowledged(state, index))


def _apply_own(world: World, state: State, index: int, plan: Plan) -> Iterator[Step]:
    """A worker that purges notes its own purge at once; its position follows the log."""
    current = state.purges[index]
    if plan.by is None:
        return
    worker = state.workers[plan.by]
    if worker.epoch != current.epoch or worker.pos >= current.seq or worker.hard[plan.tag] >= current.seq:
        return
    record = state.clock.log[-1]
    if worker.pos + 1 == current.seq and not worker.reply.under_way and not worker.half:
        after = applied(world, state, worker, record)
    else:
        after = noted(world, state, worker, record, current.seq)
        if world.protocol.own_purge_jumps:
            after = after._replace(pos=current.seq, heard=current.seq, tip=index + 1)
    yield Step(f"{NAMES[plan.by]} applies its own purge", with_worker(state, plan.by, tidy(world, after)))


def _bound(world: World, state: State, index: int, plan: Plan) -> Step:
    """The promised time has passed since the 200: graces that began before it are over, databases have caught up."""
    if plan.soft:
        workers = tuple(_past_grace(world, worker, plan.tag, 1 << index) for worker in state.workers)
        state = state._replace(workers=workers)
    if world.scope.lag:
        shown = max(state.shown[plan.tag], world.scope.versions[index])
        state = state._replace(shown=put(state.shown, plan.tag, shown))
    done = with_purge(state, index, state.purges[index]._replace(phase=Phase.BOUNDED))
    return Step(f"the grace of purge {index + 1} has passed since its 200", done)


def _past_grace(world: World, worker: Worker, tag: int, bit: int) -> Worker:
    if worker.grace[tag] == ABSENT or not worker.grace[tag] & bit:
        return worker
    return tidy(world, grace_over(world.protocol, worker, tag))
