"""What may go wrong, each at any moment, as often as the scope allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import server
from .follower import FRESH_WORKER, NAMES, OUTSIDE
from .split import separate, split
from .state import ABSENT, NO_REPLY, TAGS, Step, put, with_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .state import State
    from .world import World


def break_something(world: World, state: State) -> Iterator[Step]:
    """Everything that may break next."""
    if world.protocol.registry_expires:
        yield from _expire(state)
    yield from separate(state)
    if not state.faults:
        return
    if world.scope.replicated and state.replica != state.clock:
        yield Step("the replica catches up", state._replace(replica=state.clock))
    spent = state._replace(faults=state.faults - 1)
    for fault in world.scope.faults:
        for step in FAULTS[fault](world, spent):
            yield step if step.state.faults else step._replace(state=_without_replica(step.state))


def _without_replica(state: State) -> State:
    return state._replace(replica=server.empty(0, 0, len(state.clock.acks), settled=True))


def _flush(world: World, state: State) -> Iterator[Step]:
    """FLUSHALL, a restart without its data, a lost volume. L2 keeps its entries, which is worse than losing them."""
    clock = state.clock
    if clock.epoch:
        epoch = 0 if world.protocol.notices_loss else clock.epoch
        emptied = server.empty(epoch, clock.identity, len(clock.acks), settled=True)
        yield Step("Redis loses its control keys", state._replace(clock=emptied))


def _failover(_world: World, state: State) -> Iterator[Step]:
    """A replica is promoted, or Redis restarts from a file: whatever was written since the replica caught up is lost."""
    identity = state.identity + 1
    yield Step(
        "a replica takes over, without what it had not got", state._replace(clock=state.replica, identity=identity)
    )


def _forget(_world: World, state: State) -> Iterator[Step]:
    """A replica takes over that lacks the last purge and nothing else; every worker has applied that purge."""
    clock = state.clock
    if not clock.log or any(worker.pos < clock.seq for worker in state.workers):
        return
    seq, log = clock.seq - 1, clock.log[:-1]
    first = seq - len(log) + 1
    hard = tuple(max((at for at, one in enumerate(log, first) if one.tag == tag), default=0) for tag in TAGS)
    lacking = clock._replace(
        seq=seq, tip=log[-1].nonce if log else 0, log=log, hard=(hard[0], hard[1]), low=min(clock.low, seq),
        acks=tuple(min(ack, seq) for ack in clock.acks), grants=tuple(min(grant, seq) for grant in clock.grants),
    )  # fmt: skip
    text = f"a replica takes over that lacks purge {clock.seq}, which every worker has applied"
    yield Step(text, state._replace(clock=lacking, identity=state.identity + 1))


def _trim(_world: World, state: State) -> Iterator[Step]:
    if state.clock.log:
        yield Step("the log is trimmed", state._replace(clock=state.clock._replace(log=())))


def _prune_server(_world: World, state: State) -> Iterator[Step]:
    clock = state.clock
    oldest = min((seq for seq in clock.hard if seq), default=0)
    if oldest:
        hard = put(clock.hard, clock.hard.index(oldest), 0)
        pruned = clock._replace(hard=hard, floor=max(clock.floor, oldest))
        yield Step(f"the server drops the record of purge {oldest}", state._replace(clock=pruned))


def _prune(world: World, state: State) -> Iterator[Step]:
    for index, worker in enumerate(state.workers):
        oldest = min((seq for seq in worker.hard if seq and seq <= worker.pos), default=0)
        if oldest:
            hard = put(worker.hard, worker.hard.index(oldest), 0)
            floor = max(worker.floor, oldest) if world.protocol.floor_follows else worker.floor
            pruned = with_worker(state, index, worker._replace(hard=hard, floor=floor))
            yield Step(f"{NAMES[index]} drops its record of purge {oldest}", pruned)


def _crash(world: World, state: State) -> Iterator[Step]:
    """A worker dies and is replaced by a new one; its place in the registry stays."""
    for index, worker in enumerate(state.workers):
        if worker.epoch == OUTSIDE or not worker.following:
            continue
        clock = state.clock
        if clock.acks[index] != ABSENT and clock.acks[-1] == ABSENT:
            acks = (*clock.acks[:-1], clock.acks[index])
            grants = (*clock.grants[:-1], clock.grants[index])
            clock = clock._replace(acks=acks, grants=grants)
        born = with_worker(state._replace(clock=server.forgotten(clock, index)), index, FRESH_WORKER)
        yield Step(f"{NAMES[index]} is killed and starts again", born)


def _fork(world: World, state: State) -> Iterator[Step]:
    """B is a child that A forks after it has warmed up."""
    parent, child = state.workers
    if child.epoch != OUTSIDE:
        return
    child = FRESH_WORKER if world.protocol.fork_resets else parent._replace(following=False, reply=NO_REPLY)
    yield Step("A forks B", with_worker(state, 1, child))


def _leave(world: World, state: State) -> Iterator[Step]:
    for index, worker in enumerate(state.workers):
        if worker.epoch <= 0 or not worker.following or state.clock.epoch != worker.epoch:
            continue
        gone = FRESH_WORKER._replace(epoch=OUTSIDE, following=False)
        if not world.protocol.stops_before_leaving:
            gone = worker._replace(following=False, reply=NO_REPLY)
        left = with_worker(state._replace(clock=server.unregister(state.clock, index)), index, gone)
        yield Step(f"{NAMES[index]} leaves", left)


def _expire(state: State) -> Iterator[Step]:
    for index in range(len(state.workers)):
        if state.clock.acks[index] != ABSENT:
            expired = state._replace(clock=server.forgotten(state.clock, index))
            yield Step(f"{NAMES[index]}'s registration expires", expired)


def _lose(key: str) -> Callable[[World, State], Iterator[Step]]:
    def lose(world: World, state: State) -> Iterator[Step]:
        clock = state.clock
        if not clock.epoch:
            return
        blank = server.empty(clock.epoch, clock.identity, len(clock.acks), settled=clock.settled)
        lost = clock._replace(**{key: getattr(blank, key)})
        if key in world.protocol.guarded:
            lost = lost._replace(intact=False)
        yield Step(f"Redis loses the key '{key}'", state._replace(clock=lost))

    return lose


FAULTS: Final[dict[str, Callable[[World, State], Iterator[Step]]]] = {
    "flush": _flush,
    "failover": _failover,
    "forget": _forget,
    "trim": _trim,
    "prune": _prune,
    "prune-server": _prune_server,
    "crash": _crash,
    "fork": _fork,
    "split": split,
    "leave": _leave,
    **{f"lose-{key}": _lose(key) for key in ("hard", "soft", "acks", "grants", "log", "low")},
}
