"""The switches over HTTP: what they are, who changed them last, and changing them in all workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError, Reply
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.switching.flags import MEANINGS
from cms_cache_mw.switching.switches import SwitchError

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call, Nothing
    from cms_cache_mw.cache import Cache
    from cms_cache_mw.switching.switches import SwitchOrder


class Flag(msgspec.Struct, frozen=True):
    """One optional behaviour."""

    on: bool
    configured: bool
    meaning: str


class SwitchPositions(msgspec.Struct, frozen=True):
    """Where the switches stand in this worker, and who changed them last."""

    state: Literal["done", "recorded"]
    """With `recorded` some worker has not acknowledged the change yet; it will, within a lease."""
    scope: Literal["everywhere", "process"]
    enable_for: float | tuple[str, ...]
    audit_rate: float
    flags: dict[str, Flag]
    version: int
    """Changes since the beginning; 0 where all is as configured."""
    by: str
    reason: str
    at: float
    """Seconds since 1970."""


async def switches(call: Call, _: Nothing) -> SwitchPositions:
    """Where the switches stand, and what each flag means."""
    return _positions(call.cache, "done")


async def switch(call: Call, order: SwitchOrder) -> Reply:
    """Change switches in all workers; what is not named stays, null goes back to the configuration."""
    try:
        state = await call.cache.switch(order, by=call.who)
    except SwitchError as error:
        raise RefusalError(400, error.field, error.message) from None
    except StoreError as error:
        raise RefusalError(503, "", f"Redis did not take the change, so no worker has it ({error})") from None
    return Reply(200 if state == "done" else 202, _positions(call.cache, state))


def _positions(cache: Cache, state: Literal["done", "recorded"]) -> SwitchPositions:
    board = cache.parts.switchboard
    configured, positions, change = board.configured, board.positions, board.change
    flags = {
        name: Flag(positions.flags.get(name, True), configured.flags.get(name, True), meaning)
        for name, meaning in MEANINGS.items()
    }
    return SwitchPositions(
        state,
        cache.worker.scope,
        positions.enable_for,
        positions.audit_rate,
        flags,
        change.version,
        change.by,
        change.reason,
        change.at,
    )
