"""The purge log: what was purged, by whom, why, how long it took, and whether it was needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.purge.ledger import Account
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call


class PurgesAsked(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which purges are wanted: the newest `limit` that name `tag` and were made by `who`, where these are given."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=4_000)] = 100
    tag: str = ""
    who: str = ""
    format: Literal["json", "jsonl"] = "json"
    """As one document, or as a line of JSON for each, oldest first."""


class Purges(msgspec.Struct, frozen=True):
    """The purge log, newest first."""

    purges: list[Account]


async def purges(call: Call, asked: PurgesAsked) -> Purges | Answer:
    """The purge log, newest first; as JSON lines oldest first."""
    try:
        found = await call.cache.parts.history.purges()
    except StoreError as error:
        raise RefusalError(503, "", f"the purge log is in Redis, which does not tell it ({error})") from None
    found = [
        account
        for account in found
        if (not asked.tag or asked.tag in account.tags) and (not asked.who or asked.who in account.who.split("; "))
    ][: asked.limit]
    if asked.format == "json":
        return Purges(found)
    body = b"".join(msgspec.json.encode(account) + b"\n" for account in reversed(found))
    fields = ((b"content-type", b"application/jsonl"), (b"content-length", b"%d" % len(body)))
    return Answer(200, (*fields, (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")), (body,))
