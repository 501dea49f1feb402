"""Purges over HTTP: `POST /purge`, where one stands, and `PURGE` on any path of the site."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError, Reply
from cms_cache_mw.core.keys import shown_path, shown_query
from cms_cache_mw.core.target import Target
from cms_cache_mw.core.value import replace
from cms_cache_mw.explaining.preview import Preview
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call
    from cms_cache_mw.purges import Purge

log: Final = logging.getLogger("cms_cache_mw")

LONGEST_WAIT_MS: Final = 60_000
LONGEST_GRACE_MS: Final = 86_400_000
STATUS: Final[dict[Literal["done", "recorded", "unrecorded"], int]] = {"done": 200, "recorded": 202, "unrecorded": 503}


class PurgeOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of `POST /purge`."""

    tags: list[str] = []
    urls: list[str] = []
    prefixes: list[str] = []
    site: str = ""
    all: bool = False
    soft: bool = False
    grace_ms: int = 60_000
    dry_run: bool = False
    confirm: bool = False
    """Whether it is meant however large it is; there is nothing to confirm where no `purge_guard` is set."""
    wait_ms: int = 10_000
    reason: str = ""


class DryRun(Preview, frozen=True):
    """What a purge would take with it; nothing was purged."""

    state: Literal["dry-run"] = "dry-run"


class Guarded(msgspec.Struct, frozen=True):
    """A purge that was not made, since it is larger than `purge_guard` allows; `"confirm": true` makes it."""

    error: str
    preview: DryRun
    field: str = "confirm"


class Numbered(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which purge is meant."""

    epoch: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    seq: Annotated[int, msgspec.Meta(ge=0, le=999_999_999_999_999)]


async def purge(call: Call, order: PurgeOrder) -> Reply | DryRun:
    """Make everything that depends on what is named unusable, and wait until that is so everywhere."""
    if not 0 <= order.wait_ms <= LONGEST_WAIT_MS:
        raise RefusalError(400, "wait_ms", f"{order.wait_ms}: between 0 and {LONGEST_WAIT_MS}")
    if not 0 <= order.grace_ms <= LONGEST_GRACE_MS:
        raise RefusalError(400, "grace_ms", f"{order.grace_ms}: between 0 and {LONGEST_GRACE_MS}")
    target = Target(tuple(order.tags), tuple(order.urls), tuple(order.prefixes), order.site, order.all)
    guard = None if order.soft or order.confirm else call.cache.config.guard
    softened = False
    if order.dry_run or guard:
        found = await call.cache.preview(target)
        if order.dry_run:
            return _shown(found)
        if guard and (excess := guard.exceeded(found)):
            if not guard.soft:
                return Reply(409, Guarded(f"it would take {excess}", _shown(found)))
            softened = True
    made = await call.cache.carry_out(
        target,
        soft=order.soft or softened,
        grace=order.grace_ms / 1000,
        wait=order.wait_ms / 1000,
        who=call.who,
        reason=order.reason,
    )
    # Repr: what somebody sent must not make lines of its own.
    log.info("purge %d by %s: %r is %s (%r)", made.seq, call.who, target.names, made.state, order.reason)
    return told(replace(made, soft=softened))


def _shown(found: Preview) -> DryRun:
    return DryRun(**msgspec.structs.asdict(found))


async def standing(call: Call, numbered: Numbered) -> Reply:
    """Where a purge stands, whichever worker is asked."""
    try:
        found = await call.cache.standing(int(numbered.epoch, 16), numbered.seq)
    except StoreError as error:
        raise RefusalError(503, "", f"Redis does not tell where the purge stands ({error})") from None
    if found is None:
        raise RefusalError(
            404, "", "the purge clock knows of no such purge; if its epoch is over, all before it is gone"
        )
    return told(found)


async def purge_url(call: Call) -> Reply:
    """Purge the URL that a request with the method PURGE is for."""
    request = call.request
    hosts = request.lines(b"host")
    if len(hosts) != 1:
        raise RefusalError(400, "Host", "exactly one Host says whose URL is purged")
    query = f"?{shown_query(request.query)}" if request.query else ""
    url = f"{request.scheme}://{hosts[0].decode('latin-1')}{shown_path(request)}{query}"
    return told(await call.cache.carry_out(Target(urls=(url,)), who=call.who, reason="PURGE"))


def told(made: Purge) -> Reply:
    """A purge as an answer: 200 done, 202 recorded, 503 not even that."""
    later = ((b"retry-after", b"1"),) if made.state == "unrecorded" else ()
    return Reply(STATUS[made.state], made, later)
