"""What a worker says of itself: its health, its counters, and what its endpoints are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call, Nothing


class Health(msgspec.Struct, frozen=True):
    """Up, or degraded: this worker cannot prove that it knows of every purge, and renders."""

    status: Literal["up", "degraded"]


async def health(call: Call, _: Nothing) -> Health:
    """Whether this worker serves from its cache; needs no token."""
    return Health("up" if call.cache.sure else "degraded")


async def stats(call: Call, _: Nothing) -> dict[str, Any]:
    """Counters, memory, purge clock and Redis of this worker, and where every worker is."""
    told = dict(call.cache.stats())
    try:
        known = await call.cache.parts.history.registry()
    except StoreError as error:
        return told | {"workers": [], "workers_trouble": f"Redis does not tell who there is ({error})"}
    here = call.cache.parts.worker.name
    workers = [asdict(worker) | {"epoch": known.epoch, "here": worker.name == here} for worker in known.workers]
    return told | {"workers": workers}
