"""`GET /explain`: why a URL is served the way it is; `GET /decisions`: the last ones of the worker that is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError
from cms_cache_mw.core.message import Request
from cms_cache_mw.explaining.explanation import Told
from cms_cache_mw.explaining.journal import LAST

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call
    from cms_cache_mw.core.message import Field
    from cms_cache_mw.explaining.explanation import Explanation

MAX_FIELDS = 20


class ExplainAsked(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which URL, whole or a path on the host that is asked; and what the visitor would send."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=8_000)]
    method: Annotated[str, msgspec.Meta(pattern="^[A-Z]{1,20}$")] = "GET"
    header: list[str] = []
    """Fields such as `Cookie: sessionid=1`, each as a parameter of its own."""


class DecisionsAsked(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which decisions are wanted: about URLs that contain `url`, of a site, with a reason, after an instant."""

    url: str = ""
    site: str = ""
    reason: str = ""
    after: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Seconds since 1970: the `at` of the newest one that was seen before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LAST)] = 100


class Decisions(msgspec.Struct, frozen=True):
    """Decisions of one worker, newest first."""

    worker: str
    decisions: tuple[Told, ...]


async def explain(call: Call, asked: ExplainAsked) -> Explanation:
    """Why a URL is served the way it is."""
    return await call.cache.parts.explainer.explain(_request(call, asked))


async def decisions(call: Call, asked: DecisionsAsked) -> Decisions:
    """The last decisions of this worker, newest first."""
    explainer = call.cache.parts.explainer
    found = call.cache.engine.tally.journal.search(
        text=asked.url,
        site=asked.site,
        reason=asked.reason,
        # What was told was rounded.
        after=asked.after - explainer.began + 1e-6 if asked.after else 0.0,
        most=asked.limit,
    )
    return Decisions(call.cache.worker.name, explainer.decisions(found))


def _request(call: Call, asked: ExplainAsked) -> Request:
    """The request that is asked about, as the shell that is asked would have made it."""
    url, scheme, host = asked.url, call.request.scheme, (call.request.value(b"host") or b"").decode("latin-1")
    if not url.isprintable() or " " in url:
        raise RefusalError(400, "url", "it has a space or a control character; percent-encode it")
    if url[:1] != "/" or url[:2] == "//":
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise RefusalError(400, "url", f"{url!r} is neither a path such as '/news/' nor a URL")
        scheme, host = parts.scheme, parts.netloc.rpartition("@")[2]
        url = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    path, _, query = url.partition("#")[0].partition("?")
    raw = call.request.raw
    return Request(
        method=asked.method,
        scheme=scheme,
        path=path.encode() if raw else unquote_to_bytes(path),
        query=query.encode(),
        fields=((b"host", host.encode()), *_fields(asked.header)),
        raw=raw,
    )


def _fields(texts: list[str]) -> tuple[Field, ...]:
    if len(texts) > MAX_FIELDS:
        raise RefusalError(400, "header", f"{len(texts)} fields; at most {MAX_FIELDS}")
    found = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.isascii() or not name.strip() or not text.isprintable() or name.lower() == "host":
            raise RefusalError(
                400, "header", f"{text!r} is no field such as 'Cookie: sessionid=1'; the host is in the URL"
            )
        found.append((name.strip().lower().encode(), value.strip().encode("utf-8")))
    return tuple(found)
