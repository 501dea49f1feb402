"""Time without a clock: a wait outlasts every lease whose request was sent before the wait began.

That is all the protocol asks of clocks (assumption A2: a lease is shorter than a wait by more than the rates of two
clocks can differ), so it is all the model knows. Each wait owns one bit. When it begins, the bit is set in each lease
that exists then, used or on its way; when it is over, leases that carry the bit are over too. Leases may also end
earlier, at any moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .state import ABSENT, NO_REPLY

if TYPE_CHECKING:
    from .state import State, Worker
    from .world import World


def _marked(worker: Worker, wait: int) -> Worker:
    lease, reply = worker.lease, worker.reply
    if reply.lease != ABSENT:
        worker = worker._replace(reply=reply._replace(lease=reply.lease | wait))
    return worker if lease == ABSENT else worker._replace(lease=lease | wait)


def _ended(worker: Worker, wait: int) -> Worker:
    lease, reply = worker.lease, worker.reply
    if reply.lease != ABSENT and reply.lease & wait:
        worker = worker._replace(reply=reply._replace(lease=ABSENT) if reply.records else NO_REPLY)
    return worker._replace(lease=ABSENT) if lease != ABSENT and lease & wait else worker


def _unmarked(worker: Worker, wait: int) -> Worker:
    lease, reply = worker.lease, worker.reply
    if reply.lease != ABSENT and reply.lease & wait:
        worker = worker._replace(reply=reply._replace(lease=reply.lease & ~wait))
    return worker._replace(lease=lease & ~wait) if lease != ABSENT and lease & wait else worker


def begin(state: State, wait: int) -> State:
    """The wait begins: what holds a lease now, or has one on its way, will not outlast it."""
    return state._replace(workers=tuple(_marked(worker, wait) for worker in state.workers))


def end(world: World, state: State, wait: int) -> State:
    """The wait is over, and so are the leases that were asked for before it began."""
    if not world.protocol.clocks_agree:
        return state
    return state._replace(workers=tuple(_ended(worker, wait) for worker in state.workers))


def forget(state: State, wait: int) -> State:
    """Nobody waits any more: the mark says nothing about the leases that carry it."""
    return state._replace(workers=tuple(_unmarked(worker, wait) for worker in state.workers))
