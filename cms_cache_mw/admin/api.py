"""The admin endpoints as plain functions from a request to an answer, for both shells.

Every answer is JSON and `no-store`; every error names the field and the reason. Nothing but `/health` answers without a token,
and what does not exist is a bare 404.
"""

from __future__ import annotations

import logging
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from cms_cache_mw.admin.tokens import Tokens
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.keys import shown_path, shown_query
from cms_cache_mw.core.target import Target, TargetError
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from cms_cache_mw.cache import Cache
    from cms_cache_mw.core.message import Request
    from cms_cache_mw.purges import Purge

log: Final = logging.getLogger("cms_cache_mw")

LONGEST_WAIT_MS: Final = 60_000
_STANDING = re.compile(rb"/purges/([0-9a-f]{16})/([0-9]{1,15})")
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_STATUS: Final[dict[Literal["done", "recorded", "unrecorded"], int]] = {"done": 200, "recorded": 202, "unrecorded": 503}


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
    """For scripts that may meet a guard; there is nothing to confirm where none is set."""
    wait_ms: int = 10_000
    reason: str = ""


class RefusalError(Exception):
    """A request that is answered with an error: status, what is at fault (empty: nothing in particular) and the reason."""

    def __init__(self, status: int, field: str, reason: str, *fields: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        self.status, self.field, self.reason, self.fields = status, field, reason, fields


class Admin:
    """The endpoints of one cache."""

    max_body_bytes: Final = 65_536

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._tokens = Tokens(cache.config.tokens, cache.engine.now)
        self._path = cache.config.admin_path.encode()

    def wants(self, request: Request) -> bool:
        """Whether the request is for us; without any token nothing is."""
        if not self._tokens:
            return False
        before, ours, after = request.path.partition(self._path)
        return request.method == "PURGE" or bool(ours and not before and after[:1] in {b"", b"/"})

    async def answer(self, request: Request, body: bytes | None) -> Answer:
        """The answer to a request that is for us; `body` is `None` where it was too long."""
        try:
            return await self._routed(request, body)
        except RefusalError as refusal:
            return _json(refusal.status, {"field": refusal.field, "error": refusal.reason}, *refusal.fields)
        except TargetError as error:
            return _json(400, {"field": error.field, "error": error.message})

    async def _routed(self, request: Request, body: bytes | None) -> Answer:
        if request.method == "PURGE":
            self._authorised(request)
            return await self._purge_url(request)
        path = request.path[len(self._path) :]
        if path == b"/health":
            _only("GET", request)
            return _json(200, {"status": "up" if self._cache.sure else "degraded"})
        owner = self._authorised(request)
        if path == b"/purge":
            _only("POST", request)
            return await self._purge(body, owner)
        if path == b"/stats":
            _only("GET", request)
            return _json(200, self._cache.stats())
        if named := _STANDING.fullmatch(path):
            _only("GET", request)
            return await self._standing(int(named[1], 16), int(named[2]))
        raise RefusalError(404, "", "not found")

    def _authorised(self, request: Request) -> str:
        lines = request.lines(b"authorization")
        owner = self._tokens.owner(lines[0]) if len(lines) == 1 else None
        if owner is None:
            if self._tokens.too_many():
                raise RefusalError(
                    429, "Authorization", "too many wrong tokens in this minute", (b"retry-after", b"60")
                )
            raise RefusalError(
                401,
                "Authorization",
                "a known token is needed: Authorization: Bearer TOKEN",
                (b"www-authenticate", b'Bearer realm="cms-cache"'),
            )
        return owner

    async def _purge(self, body: bytes | None, owner: str) -> Answer:
        order = _order(body)
        target = Target(tuple(order.tags), tuple(order.urls), tuple(order.prefixes), order.site, order.all)
        if order.dry_run:
            return _json(200, {"state": "dry-run"} | asdict(self._cache.preview(target)))
        purge = await self._cache.carry_out(
            target, soft=order.soft, grace=order.grace_ms / 1000, wait=order.wait_ms / 1000
        )
        # Repr: what somebody sent must not make lines of its own.
        log.info("purge %d by %s: %r is %s (%r)", purge.seq, owner, target.names, purge.state, order.reason)
        return _purged(purge)

    async def _standing(self, epoch: int, seq: int) -> Answer:
        try:
            purge = await self._cache.standing(epoch, seq)
        except StoreError as error:
            raise RefusalError(503, "", f"Redis does not tell where the purge stands ({error})") from None
        if purge is None:
            raise RefusalError(
                404, "", "the purge clock knows of no such purge; if its epoch is over, all before it is gone"
            )
        return _purged(purge)

    async def _purge_url(self, request: Request) -> Answer:
        hosts = request.lines(b"host")
        if len(hosts) != 1:
            raise RefusalError(400, "Host", "exactly one Host says whose URL is purged")
        query = f"?{shown_query(request.query)}" if request.query else ""
        url = f"{request.scheme}://{hosts[0].decode('latin-1')}{shown_path(request)}{query}"
        return _purged(await self._cache.carry_out(Target(urls=(url,))))


def _order(body: bytes | None) -> PurgeOrder:
    if body is None:
        raise RefusalError(413, "body", f"the body is longer than {Admin.max_body_bytes} bytes")
    try:
        order = msgspec.json.decode(body, type=PurgeOrder)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise RefusalError(400, "body", 'not JSON such as {"tags": ["block:7"]}') from None
    if not 0 <= order.wait_ms <= LONGEST_WAIT_MS:
        raise RefusalError(400, "wait_ms", f"{order.wait_ms}: between 0 and {LONGEST_WAIT_MS}")
    if not 0 <= order.grace_ms <= 86_400_000:  # noqa: PLR2004 - a day
        raise RefusalError(400, "grace_ms", f"{order.grace_ms}: between 0 and 86400000")
    return order


def _invalid(message: str) -> RefusalError:
    at, unknown = _AT.search(message), _UNKNOWN.search(message)
    if unknown:
        names = ", ".join(field.name for field in msgspec.structs.fields(PurgeOrder))
        return RefusalError(400, unknown[1], f"there is no field {unknown[1]!r}; the fields are {names}")
    return RefusalError(400, at[1] if at else "body", _AT.sub("", message))


def _only(method: str, request: Request) -> None:
    if request.method != method:
        raise RefusalError(405, "method", f"{method} only", (b"allow", method.encode()))


def _purged(purge: Purge) -> Answer:
    found = asdict(purge)
    del found["state"]
    later = ((b"retry-after", b"1"),) if purge.state == "unrecorded" else ()
    return _json(_STATUS[purge.state], {"state": purge.state} | found, *later)


def _json(status: int, content: object, *fields: tuple[bytes, bytes]) -> Answer:
    body = msgspec.json.encode(content)
    described = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
    return Answer(status, described + fields, (body,))
