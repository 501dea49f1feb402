"""What a worker's follower thread does: renew, apply, join; and how leases end and epochs settle.

A request that is executed late is the same as one sent late, so RENEW is sent and executed in one step; only its reply
takes time. (The lease then counts from the execution, the latest moment that may be right: the model's leases are
longer than the product's.) A refusal leads to JOIN without delay, for the same reason.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from . import server, timing
from .check import applied, grace_over, noted, tidy, with_grace
from .split import at_old_side, is_old_side, old_primary_stops
from .state import ABSENT, IDLE, NO_FETCH, NO_REPLY, NOTHING, TAGS, Reply, Step, Worker, put, with_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import State
    from .world import World

NAMES = "AB"

OUTSIDE = -2
"""The epoch of a worker that is not there, yet or any more."""

FRESH_WORKER = Worker(
    epoch=0, pos=0, heard=0, tip=0, hard=(0, 0), soft=(0, 0), grace=(ABSENT, ABSENT), floor=0, lease=ABSENT,
    reply=NO_REPLY, page=NOTHING, part=NOTHING, render=IDLE, part_render=IDLE, fetch=NO_FETCH, put=NOTHING,
    glance=ABSENT, passed=False, half=(), lagging=(0, 0), following=True,
)  # fmt: skip


def follow(world: World, state: State) -> Iterator[Step]:
    """Everything that followers may do next, each with the server it talks to."""
    for index, worker in enumerate(state.workers):
        if worker.lease != ABSENT:
            ended = with_worker(state, index, worker._replace(lease=ABSENT))
            yield Step(f"{NAMES[index]}'s lease ends", ended)
        if worker.following and index in state.old_side:
            yield from at_old_side(state, partial(_follow_one, world, index=index))
        elif worker.following:
            yield from _follow_one(world, state, index)
    yield from _settle(world, state)


def _follow_one(world: World, state: State, index: int) -> Iterator[Step]:
    worker = state.workers[index]
    if worker.reply.under_way:
        yield from _receive(world, state, index, worker)
    elif worker.half:
        yield from _finish_applying(world, state, index, worker)
    else:
        yield from _renew(world, state, index, worker)
        yield from _hear(world, state, index, worker)
    yield from _apply_heard(world, state, index, worker)
    yield from _grace_over(world, state, index, worker)


def _renew(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    clock, name = state.clock, NAMES[index]
    alive = server.same(world, state)
    if not alive or worker.epoch != clock.epoch or not server.knows(world, clock, worker.heard, worker.tip):
        yield _join(world, state, index, worker, begins=not alive or worker.epoch == clock.epoch)
        return
    records = server.records_after(clock, worker.heard)
    if records is None:
        yield _gap(world, server.acknowledge(state, index, worker), index, worker)
        return
    up_to_date = not records and clock.acks[index] == worker.heard and clock.grants[index] == clock.seq
    if up_to_date and worker.lease == 0:
        return
    state = server.acknowledge(state, index, worker)
    lease = world.scope.old_lease if is_old_side(state) else 0
    refused = len(records) > world.scope.list_cap or (records and world.protocol.behind == "refuse")
    reply = Reply(under_way=True, records=records[: world.scope.list_cap], lease=ABSENT if refused else lease)
    if not refused:
        state = server.grant(state, index)
    what = f"a list of {len(reply.records)}" if reply.records else "nothing new"
    text = f"{name} renews at {worker.heard}: Redis notes it and replies {what}{' and no lease' if refused else ''}"
    yield Step(text, with_worker(state, index, worker._replace(reply=reply)))


def _receive(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    reply, protocol = worker.reply, world.protocol
    lease = 0 if protocol.lease_from == "reply" else reply.lease
    if protocol.acks == "heard":
        for record in state.clock.log[worker.pos : worker.heard]:
            worker = applied(world, state, worker, record)
    if protocol.lease_after_apply:
        for record in reply.records:
            worker = applied(world, state, worker, record)
    else:
        worker = worker._replace(heard=worker.pos + len(reply.records))
    worker = worker._replace(reply=NO_REPLY, lease=worker.lease if lease == ABSENT else lease)
    what = "" if lease == ABSENT else " and has a lease"
    yield Step(f"{NAMES[index]} gets the reply: is at {worker.pos}{what}", with_worker(state, index, worker))


def _hear(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    """XREAD: the next record of whatever log is there; it carries no epoch."""
    records = server.records_after(state.clock, worker.heard)
    if not records or worker.epoch == OUTSIDE or not worker.epoch:
        return
    record, name = records[0], NAMES[index]
    if world.protocol.acks == "heard":
        after = with_worker(state, index, worker._replace(heard=worker.heard + 1, tip=record.nonce))
        yield Step(f"{name} reads purge {worker.heard + 1} from the log", after)
    elif world.scope.threads:
        if world.protocol.map_first:
            worker, what = noted(world, state, worker, record, worker.pos + 1), "map"
        else:
            seq = worker.pos + 1
            worker, what = worker._replace(pos=seq, heard=seq, tip=record.nonce), "position"
        half = with_worker(state, index, worker._replace(half=(record,)))
        yield Step(f"{name}'s follower applies purge {state.clock.seq}, first half: the {what}", half)
    else:
        after = with_worker(state, index, applied(world, state, worker, record))
        yield Step(f"{name} hears and applies purge {worker.pos + 1}", after)


def _finish_applying(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    record = worker.half[0]
    worker = worker._replace(half=())
    if world.protocol.map_first:
        worker = worker._replace(pos=worker.pos + 1, heard=worker.pos + 1, tip=record.nonce)
    else:
        worker = noted(world, state, worker, record, worker.pos)
    yield Step(f"{NAMES[index]}'s follower applies it, second half", with_worker(state, index, tidy(world, worker)))


def _apply_heard(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    """Only where a worker hears before it applies: a mistake."""
    if worker.pos < worker.heard and worker.pos < len(state.clock.log):
        after = applied(world, state, worker, state.clock.log[worker.pos])
        yield Step(f"{NAMES[index]} applies purge {after.pos}", with_worker(state, index, after))


def _join(world: World, state: State, index: int, worker: Worker, *, begins: bool) -> Step:
    """JOIN: drop everything, take the position and the version table of the epoch there is, or of a new one."""
    if begins:
        state = server.new_epoch(world, state)
        worker = state.workers[index]
    clock, protocol = state.clock, world.protocol
    joined = FRESH_WORKER._replace(
        epoch=clock.epoch, pos=clock.seq, heard=clock.seq, tip=clock.tip, hard=clock.hard, floor=clock.floor,
        render=worker.render, part_render=worker.part_render, fetch=worker.fetch, put=worker.put,
    )  # fmt: skip
    for tag in TAGS:
        if clock.soft[tag] and protocol.grace_needs_lease:
            joined = joined._replace(hard=put(joined.hard, tag, max(joined.hard[tag], clock.soft[tag])))
        elif clock.soft[tag]:
            joined = with_grace(world, state, joined._replace(soft=put(joined.soft, tag, clock.soft[tag])), tag)
    if world.scope.lag and protocol.settles and protocol.window_at_join:
        joined = joined._replace(lagging=state.edits)
    what = f"begins epoch {clock.epoch}" if begins else f"joins epoch {clock.epoch} at {clock.seq}"
    return Step(f"{NAMES[index]} {what}", with_worker(state, index, tidy(world, joined)))


def _gap(world: World, state: State, index: int, worker: Worker) -> Step:
    """The log was trimmed past the worker: it knows nothing about what is older than now."""
    clock = state.clock
    worker = worker._replace(pos=clock.seq, heard=clock.seq, tip=clock.tip)
    if world.protocol.gap_clears:
        worker = worker._replace(
            hard=(0, 0), soft=(0, 0), grace=(ABSENT, ABSENT), floor=clock.seq, page=NOTHING, part=NOTHING
        )
    if world.scope.lag and world.protocol.settles and world.protocol.window_at_join:
        worker = worker._replace(lagging=state.edits)
    return Step(f"{NAMES[index]} finds the log trimmed, goes on at {clock.seq}", with_worker(state, index, worker))


def _grace_over(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    for tag in TAGS:
        if worker.grace[tag] != ABSENT:
            after = tidy(world, grace_over(world.protocol, worker, tag))
            yield Step(f"the grace of a soft purge ends at {NAMES[index]}", with_worker(state, index, after))


def _settle(world: World, state: State) -> Iterator[Step]:
    if not state.clock.settled and server.same(world, state):
        after = old_primary_stops(world, timing.end(world, state, world.scope.settle_wait))
        yield Step(
            "a lease time has passed in this epoch: settled", after._replace(clock=after.clock._replace(settled=True))
        )
