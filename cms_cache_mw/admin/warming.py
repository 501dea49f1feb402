"""Warming pages on demand, and where that stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError, Reply
from cms_cache_mw.warmth.errands import ErrandError, Wanted

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call, Nothing


class WarmOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is to be warmed, on one site: pages by path, those of a sitemap, the most used ones; or the rest of an errand."""

    site: str = ""
    """Empty for the site of the host that this request is sent to."""
    paths: list[str] = []
    sitemap: str = ""
    """Its path on the site, such as `/sitemap.xml`."""
    popular: int = 0
    """So many of the most used pages."""
    resume: str = ""
    """The id of an errand that stopped before its end."""


class Fault(msgspec.Struct, frozen=True):
    """An address that was not warmed, and why."""

    address: str
    error: str


class ErrandShown(msgspec.Struct, frozen=True):
    """Where an errand stands; the numbers are pages. What was `held` was there already."""

    id: str
    site: str
    state: Literal["waiting", "reading", "warming", "done", "stopped"]
    total: int
    done: int
    held: int
    rendered: int
    failed: int
    skipped: int
    sitemaps: int
    seconds: float
    errors: list[Fault]
    """The first twenty."""
    progress: str
    """The path that tells this anew."""


class ErrandsShown(msgspec.Struct, frozen=True):
    """The errands of the worker that was asked, the latest last."""

    errands: list[ErrandShown]


class Named(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An errand by its id."""

    id: str


async def warm(call: Call, order: WarmOrder) -> Reply:
    """Warm pages of one site, through the application in this process."""
    if order.resume and order != WarmOrder(resume=order.resume):
        raise RefusalError(400, "resume", "an errand is taken up as it was; leave the other fields out")
    call.cache.start()
    if refusal := call.cache.warmth.refusal:
        raise RefusalError(409, "", refusal)
    wanted = Wanted(order.site, tuple(order.paths), order.sitemap, order.popular, order.resume)
    try:
        errand = await call.cache.warmth.errands.order(wanted, call.request)
    except ErrandError as error:
        raise RefusalError(error.status, error.field, error.message) from None
    call.cache.warmth.wake()
    return Reply(202, _told(call, errand.progress()))


async def errand(call: Call, named: Named) -> ErrandShown:
    """Where an errand stands, whichever worker runs it."""
    found = await call.cache.warmth.errands.progress(named.id)
    if found is None:
        raise RefusalError(404, "id", f"no errand {named.id!r} in the last day, or Redis does not tell")
    return _told(call, found)


async def errands(call: Call, _: Nothing) -> ErrandsShown:
    """The errands of this worker."""
    return ErrandsShown([_told(call, progress) for progress in call.cache.warmth.errands.all()])


def _told(call: Call, progress: dict[str, Any]) -> ErrandShown:
    path = f"{call.cache.config.admin_path}/warm/{progress['id']}"
    return msgspec.convert(progress | {"progress": path}, ErrandShown)
