"""Split brain: a replica was promoted, and the old primary goes on for those who still reach it.

What talks to the old primary is written for one server: for its turn the two change places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import server, timing
from .state import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .state import State
    from .world import World


def exchanged(state: State) -> State:
    """The state as the other side sees it."""
    clock, identity = state.old, state.old_identity
    return state._replace(clock=clock, identity=identity, old=state.clock, old_identity=state.identity)


def is_old_side(state: State) -> bool:
    """Whether this is the state as seen from the old primary."""
    return state.identity < state.old_identity


def at_old_side(state: State, act: Callable[[State], Iterator[Step]]) -> Iterator[Step]:
    """What may happen between somebody and the old primary; nothing once it refuses."""
    if state.old.epoch:
        for step in act(exchanged(state)):
            yield step._replace(state=exchanged(step.state))


def split(_world: World, state: State) -> Iterator[Step]:
    """A replica is promoted, without what it had not got; B and some purgers stay with the old primary."""
    parted = state._replace(
        clock=state.replica, identity=state.identity + 1, old=state.clock, old_identity=state.identity, old_side=(1,)
    )
    yield Step("a replica is promoted, B still talks to the old primary", parted)


def separate(state: State) -> Iterator[Step]:
    """The old primary may be seen for what it is: B finds the new one."""
    if state.old_side and not state.workers[1].reply.under_way:
        yield Step("B finds the new primary", state._replace(old_side=()))


def old_primary_stops(world: World, state: State) -> State:
    """A wait in an unsettled epoch is long enough for the old primary to refuse writes and for its last leases to end."""
    if not state.old.epoch or is_old_side(state) or not world.protocol.min_replicas:
        return state
    state = timing.end(world, state, world.scope.old_lease)
    return state._replace(old=server.empty(0, 0, len(state.clock.acks), settled=True))
