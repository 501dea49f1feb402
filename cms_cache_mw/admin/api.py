"""From a request to the endpoint that it is for, and to an answer, for both shells.

Every error is JSON that names the field and the reason. Without a token nothing answers but what needs none, and what does
not exist is a bare 404. What is allowed is looked at before what is asked, so that nobody learns more than they may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from cms_cache_mw.admin import asking, explained
from cms_cache_mw.admin.endpoint import Call, Endpoint, Problem, RefusalError, Reply
from cms_cache_mw.admin.explained import Explained
from cms_cache_mw.admin.live import Live
from cms_cache_mw.admin.purging import purge_url
from cms_cache_mw.admin.table import ENDPOINTS
from cms_cache_mw.admin.tokens import Tokens
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.target import TargetError

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

    from cms_cache_mw.admin.endpoint import Scope
    from cms_cache_mw.cache import Cache
    from cms_cache_mw.core.message import Request

_CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="cms-cache"')


class Admin:
    """The endpoints of one cache."""

    max_body_bytes: Final = asking.MAX_BODY_BYTES

    def __init__(self, cache: Cache, endpoints: Iterable[Endpoint] = ENDPOINTS) -> None:
        self._cache, self._endpoints = cache, tuple(endpoints)
        self._tokens = Tokens(cache.config.tokens, cache.engine.now)
        self._path = cache.config.admin_path.encode()

    def wants(self, request: Request) -> bool:
        """Whether the request is for us; without any token nothing is."""
        if not self._tokens:
            return False
        before, ours, after = request.path.partition(self._path)
        return request.method == "PURGE" or bool(ours and not before and after[:1] in {b"", b"/"})

    async def answer(self, request: Request, body: bytes | None) -> Answer | Live:
        """The answer to a request that is for us; `body` is `None` where it was too long."""
        try:
            given = await self._run(request, body)
            return given if isinstance(given, Live) else _answer(given)
        except RefusalError as refusal:
            return _refused(refusal)
        except TargetError as error:
            return _answer(Reply(400, Problem(error.field, error.message)))

    async def explained(self, request: Request) -> Answer | Explained | None:
        """What to tell with a page; `None` where nobody wants to know it who may."""
        if not self._tokens or not explained.wanted(request):
            return None
        try:
            self._caller(request, "read")
        except RefusalError as refusal:
            # A token that is none of ours may be one of the application's.
            return None if refusal.status == 401 else _refused(refusal)  # noqa: PLR2004
        try:
            return await explained.explained(self._cache, request)
        except Exception as error:  # noqa: BLE001 - a fault of the cache must not become one of the site
            self._cache.parts.tally.fault(error)
            return Explained(b"fault")

    async def _run(self, request: Request, body: bytes | None) -> object:
        if request.method == "PURGE":
            return await purge_url(Call(self._cache, request, self._caller(request, "purge")))
        path = request.path[len(self._path) :].decode("latin-1" if request.raw else "utf-8", "replace") or "/"
        matching = [(endpoint, found) for endpoint in self._endpoints if (found := endpoint.pattern.fullmatch(path))]
        if not matching:
            self._caller(request, None)
            raise RefusalError(404, "", "not found")
        endpoint, found = self._chosen(request, matching)
        call = Call(self._cache, request, self._caller(request, endpoint.scope))
        if endpoint.takes_body:
            return await endpoint.run(call, asking.asked_by_body(endpoint, body))
        return await endpoint.run(call, asking.asked_by_path(endpoint, found, request))

    def _chosen(
        self, request: Request, matching: list[tuple[Endpoint, re.Match[str]]]
    ) -> tuple[Endpoint, re.Match[str]]:
        for endpoint, found in matching:
            if endpoint.method == request.method:
                return endpoint, found
        if all(endpoint.scope != "nobody" for endpoint, _ in matching):
            self._caller(request, None)
        allowed = ", ".join(endpoint.method for endpoint, _ in matching)
        raise RefusalError(405, "method", f"{allowed} only", (b"allow", allowed.encode()))

    def _caller(self, request: Request, scope: Scope | None) -> str:
        """The name of the request's token, which has to allow `scope`; any will do for `None`, and none for `nobody`."""
        lines = request.lines(b"authorization")
        owner = self._tokens.owner(lines[0]) if len(lines) == 1 else None
        if scope == "nobody":
            return owner.name if owner else ""
        if owner is None:
            if self._tokens.too_many():
                raise RefusalError(
                    429, "Authorization", "too many wrong tokens in this minute", (b"retry-after", b"60")
                )
            raise RefusalError(401, "Authorization", "a known token is needed: Authorization: Bearer TOKEN", _CHALLENGE)
        if scope and scope not in owner.scopes:
            may = " and ".join(sorted(owner.scopes))
            raise RefusalError(403, "Authorization", f"the token {owner.name!r} allows {may}; this needs {scope}")
        return owner.name


def _refused(refusal: RefusalError) -> Answer:
    return _answer(Reply(refusal.status, Problem(refusal.field, refusal.reason), refusal.fields))


def _answer(given: object) -> Answer:
    if isinstance(given, Answer):
        return given
    reply = given if isinstance(given, Reply) else Reply(200, given)
    body = msgspec.json.encode(reply.content)
    described = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
    return Answer(reply.status, described + reply.fields, (body,))


def missing() -> Answer:
    """The answer where there is no endpoint."""
    return _answer(Reply(404, Problem("", "not found")))
