"""A purge call and its answer: done everywhere, recorded and certain in so many seconds, or not recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.purge.ledger import Motive
    from cms_cache_mw.purge.ticket import Ticket
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.runtime import Runtime
    from cms_cache_mw.stores.shared import Shared

RECORDING: Final = 2.0
"""Seconds a call waits at most for its purge to be recorded."""
LEAST: Final = 0.05
"""Seconds it waits for that even where the caller has no patience at all."""
KEEPS_TRYING: Final = "; this process keeps trying"


class Purge(Value, frozen=True):
    """What became of a purge. Only `done` promises that no worker serves what was rendered before it."""

    state: Literal["done", "recorded", "unrecorded"]
    seq: int
    """Its number in the purge clock; 0 while it is not recorded."""
    epoch: str
    waited_ms: float
    scope: Literal["everywhere", "process"]
    """Whether it reaches all workers, or, without Redis, this process only."""
    certain_in_ms: float = 0.0
    """When a recorded purge is done at the latest."""
    waiting_for: tuple[str, ...] = ()
    """The workers that have not acknowledged it yet."""
    evicted: tuple[str, ...] = ()
    """The workers that did not answer for a whole lease and were unregistered."""
    detail: str = ""
    """Why it is not done."""
    soft: bool = False
    """Whether `purge_guard` made a soft purge of it."""

    @property
    def done(self) -> bool:
        """Whether it is done everywhere it reaches."""
        return self.state == "done"


async def carried_out(
    worker: Worker,
    runtime: Runtime,
    prints: Iterable[int],
    *,
    kind: Literal["hard", "soft"] = "hard",
    grace: float = 0.0,
    names: Iterable[str] = (),
    motive: Motive | None = None,
    patience: float,
    now: Callable[[], float],
) -> Purge:
    """Purge and wait up to `patience` seconds for it to be done. The purge goes on by itself when the caller goes away.

    `names` and `motive` say in the logs what it was about.
    """
    began = now()
    ticket = worker.purge(prints, kind=kind, grace=grace, names=names, motive=motive)
    if await runtime.wait(ticket.recorded, max(LEAST, min(patience, RECORDING))):
        await runtime.wait(ticket.done, max(0.0, patience - (now() - began)))
    return reported(ticket, worker, now(), began)


def reported(ticket: Ticket, worker: Worker, now: float, began: float | None = None) -> Purge:
    """Where a purge stands, for a call that began at `began`; calls that come close together share a ticket."""
    epoch = f"{ticket.epoch:016x}" if ticket.epoch else ""
    began = ticket.began if began is None else began
    if ticket.done.done():
        waited = max(0.0, ticket.done_at - began) * 1000
        return Purge("done", ticket.seq, epoch, waited, worker.scope, evicted=ticket.evicted)
    waited = (now - began) * 1000
    if not ticket.recorded.done():
        detail = f"Redis did not record it ({ticket.trouble or 'no answer yet'}){KEEPS_TRYING}"
        return Purge("unrecorded", 0, "", waited, worker.scope, detail=detail)
    certain_in = max(0.0, (ticket.certain_at - now) * 1000)
    waiting = "not every worker has acknowledged it yet"
    early = "the purge clock is new: leases from before it have to end"
    detail = ticket.trouble or (waiting if ticket.settled else early)
    return Purge("recorded", ticket.seq, epoch, waited, worker.scope, certain_in, ticket.waiting_for, detail=detail)


async def stands(worker: Worker, shared: Shared | None, epoch: int, seq: int) -> Purge | None:
    """Where a purge stands by what Redis knows of it; `None` where it knows of no such purge.

    Raises `StoreError` where Redis does not tell.
    """
    named = f"{epoch:016x}"
    if shared is None:
        state = worker.clock.state
        known = epoch == state.epoch and 0 < seq <= state.pos
        return Purge("done", seq, named, 0.0, worker.scope) if known else None
    found = await worker.standing(shared, epoch, seq)
    if found is None:
        return None
    done, settled, waiting = found
    if done:
        return Purge("done", seq, named, 0.0, worker.scope)
    detail = "not every worker has acknowledged it yet"
    if not settled:
        detail = "the epoch is too new for acknowledgements to prove anything; ask again, or purge again and wait"
    return Purge("recorded", seq, named, 0.0, worker.scope, waiting_for=waiting, detail=detail)
