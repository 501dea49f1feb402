"""What a worker says of itself: its health, its counters, and what its endpoints are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.value import asdict
from cms_cache_mw.metrics.worker import exposition
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call, Nothing


TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format."""


class Health(msgspec.Struct, frozen=True):
    """Up, or degraded: this worker cannot prove that it knows of every purge, and renders."""

    status: Literal["up", "degraded"]


async def health(call: Call, _: Nothing) -> Health:
    """Whether this worker serves from its cache; needs no token."""
    return Health("up" if call.cache.sure else "degraded")


async def metrics(call: Call, _: Nothing) -> Answer:
    """Counters, gauges and histograms of all workers on this host, for Prometheus."""
    try:
        body = exposition(call.cache.parts.metrics.all())
    except ImportError as error:
        raise RefusalError(501, "", str(error)) from None
    described = (
        (b"content-type", TEXT.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
    return Answer(200, described, (body,))


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
