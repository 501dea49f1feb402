"""What a worker knows: applying a record, and the check that stands before every cached answer."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from .state import ABSENT, IDLE, NOTHING, TAGS, Entry, Phase, put

if TYPE_CHECKING:
    from .state import Record, Render, State, Worker
    from .world import Protocol, World


class Verdict(IntEnum):
    """What the check says; from `STALE` on an entry may be served."""

    GONE = 0
    UNKNOWN = 1
    STALE = 2
    FRESH = 3


def verdict(protocol: Protocol, worker: Worker, entry: Entry | Render) -> Verdict:
    """Judge an entry by what this worker has applied."""
    if entry.epoch != worker.epoch:
        return Verdict.GONE
    if not protocol.compares or not protocol.tags_complete or entry.base == worker.pos:
        return Verdict.FRESH
    for tag in TAGS:
        if entry.content[tag] != ABSENT and worker.hard[tag] > entry.base:
            return Verdict.GONE
    if entry.base < worker.floor:
        return Verdict.UNKNOWN
    pending = [tag for tag in TAGS if entry.content[tag] != ABSENT and worker.soft[tag] > entry.base]
    if not pending:
        return Verdict.FRESH
    return Verdict.STALE if all(worker.grace[tag] != ABSENT for tag in pending) else Verdict.GONE


def leased(protocol: Protocol, worker: Worker) -> bool:
    """Whether the worker may answer from a cache at all."""
    return worker.lease != ABSENT or not protocol.leases


def serves(protocol: Protocol, worker: Worker, entry: Entry) -> bool:
    """Whether a hit in memory is answered."""
    return leased(protocol, worker) and verdict(protocol, worker, entry) >= Verdict.STALE


def raised(protocol: Protocol, worker: Worker, entry: Entry) -> Entry:
    """The entry after a hit: nothing it depends on was purged up to the worker's position."""
    sure = Verdict.STALE if protocol.raises_past_soft else Verdict.FRESH
    if entry.base >= worker.pos or verdict(protocol, worker, entry) < sure:
        return entry
    return entry._replace(base=worker.pos)


def noted(world: World, state: State, worker: Worker, record: Record, seq: int) -> Worker:
    """The worker with a record in its map, its position unchanged."""
    tag = record.tag
    if not record.soft:
        worker = worker._replace(hard=put(worker.hard, tag, max(worker.hard[tag], seq)))
    elif world.protocol.grace_needs_lease and worker.lease == ABSENT:
        # Somebody may have been told 200 long ago: a grace counted from now would be too late.
        worker = worker._replace(hard=put(worker.hard, tag, max(worker.hard[tag], seq)))
    else:
        worker = with_grace(world, state, worker._replace(soft=put(worker.soft, tag, seq)), tag)
    if world.scope.lag and not record.soft and world.protocol.settles:
        worker = worker._replace(lagging=put(worker.lagging, tag, state.edits[tag]))
    if not world.protocol.compares and concerns(worker.page, tag):
        worker = worker._replace(page=NOTHING)
    return worker


def concerns(entry: Entry, tag: int) -> bool:
    """Whether the entry depends on the tag."""
    return entry.content[tag] != ABSENT


def with_grace(world: World, state: State, worker: Worker, tag: int) -> Worker:
    """Start the grace of a soft purge: one bit for each purge that is not acknowledged yet, and so will outlast it."""
    if worker.grace[tag] != ABSENT and not world.protocol.grace_restarts:
        return worker
    bits = sum(
        1 << index
        for index, (plan, purge) in enumerate(zip(world.scope.plans, state.purges, strict=True))
        if plan.soft and plan.tag == tag and purge.phase < Phase.ACKNOWLEDGED
    )
    return worker._replace(grace=put(worker.grace, tag, bits))


def grace_over(protocol: Protocol, worker: Worker, tag: int) -> Worker:
    """The grace of a tag has passed: from now on its soft purges are hard ones."""
    worker = worker._replace(grace=put(worker.grace, tag, ABSENT))
    if not protocol.hardens:
        return worker
    return worker._replace(
        hard=put(worker.hard, tag, max(worker.hard[tag], worker.soft[tag])), soft=put(worker.soft, tag, 0)
    )


def applied(world: World, state: State, worker: Worker, record: Record) -> Worker:
    """The worker after the next record of the log: the map first, the position last."""
    seq = worker.pos + 1
    worker = noted(world, state, worker, record, seq)
    return tidy(world, worker._replace(pos=seq, heard=max(worker.heard, seq), tip=record.nonce))


def tidy(world: World, worker: Worker) -> Worker:
    """Forget what can never be served again: it would only multiply the states."""
    protocol = world.protocol
    if not protocol.compares or not protocol.tags_complete:
        return worker
    if worker.page is not NOTHING and worker.glance == ABSENT and _dead(worker, worker.page):
        worker = worker._replace(page=NOTHING)
    if worker.part is not NOTHING and _dead(worker, worker.part) and protocol.part_checked:
        worker = worker._replace(part=NOTHING)
    if protocol.stamp == "start" and protocol.flight_checked and protocol.unsure_flight_checked:
        if not world.scope.parts and worker.render is not IDLE and _dead(worker, worker.render):
            worker = worker._replace(render=IDLE)
        if protocol.part_flight_checked and worker.part_render is not IDLE and _dead(worker, worker.part_render):
            worker = worker._replace(part_render=IDLE)
    return worker


def _dead(worker: Worker, entry: Entry | Render) -> bool:
    if entry.epoch != worker.epoch:
        return True
    content, hard = entry.content, worker.hard
    return entry.base < worker.pos and (
        (content[0] != ABSENT and hard[0] > entry.base) or (content[1] != ABSENT and hard[1] > entry.base)
    )
