"""What is fuzzed: each target takes any bytes, and raises only where the package broke a promise."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cms_cache_mw.admin.api import Admin
from cms_cache_mw.admin.live import Live
from cms_cache_mw.cache import Cache
from cms_cache_mw.config import Config
from cms_cache_mw.core import codec, cookies, dates, fields, tags, vary
from cms_cache_mw.core.answer import select
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.keys import Asked, Keys, forwarded, key_digest, normal_path, seen, shown_path, shown_query
from cms_cache_mw.core.message import Head, Request
from cms_cache_mw.core.policy import after, before, to_fetch
from cms_cache_mw.core.rules import CMS, RFC
from cms_cache_mw.core.storing import Store
from cms_cache_mw.core.structured import dictionary

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN: Final = "token-of-the-fuzzer"
DIGEST: Final = b"0123456789abcdef"
WALL: Final = 1_800_000_000.0

_keys = Keys(cookies=cookies.Cookies(keyed=("currency",)))


def parsed(raw: bytes) -> tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]:
    """Path, query and fields in some bytes, written as in HTTP: `/path?query`, then a field on each line."""
    first, *lines = raw.split(b"\n")
    path, _, query = first.partition(b"?")
    pairs = [line.partition(b":") for line in lines[:50]]
    return b"/" + path, query, tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)


def values(raw: bytes) -> None:
    """Parsers of single values give something for any bytes, and what they wrote themselves they read the same."""
    found = fields.directives([raw])
    fields.seconds(found, b"max-age")
    fields.named(found, b"private")
    assert fields.elements(b", ".join(fields.elements(raw))) is not None
    dates.parse_date(raw, WALL)
    dictionary(raw)
    jar = cookies.Cookies().sort(raw)
    assert jar.other is not None or cookies.Cookies().sort(jar.sent or b"").other is None
    vary.names(Head(200, ((b"vary", raw),)), CMS)
    assert forwarded(forwarded(raw)) == forwarded(raw)
    try:
        found_tags = tags.read_tags(((b"cache-tag", raw),), CMS.tag_headers)
        assert len(found_tags) <= tags.MAX_TAGS
    except tags.TagError:
        pass
    text = raw.decode("utf-8", "surrogateescape")
    assert normal_path(normal_path("/" + text)) == normal_path("/" + text)


def keys(raw: bytes) -> None:
    """Two requests with one key and one digest are one to the application; what is shown names no ignored input."""
    path, query, given = parsed(raw)
    request = Request("GET", "https", path, query, ((b"host", b"a.test"), *given))
    asked = _keys.ask(request)
    shown_path(request)
    shown_query(query)
    if not isinstance(asked, Asked):
        return
    assert asked.key[:4] == (b"https", b"a.test", path, asked.request.query)
    again = _keys.ask(asked.request)
    assert isinstance(again, Asked)
    assert (again.key, key_digest(again.key)) == (asked.key, key_digest(asked.key))
    assert not any(b"_" in name for name, _ in to_fetch(asked.request, CMS).fields)
    assert seen(seen(given)) == seen(given)


def policy(raw: bytes) -> None:
    """Any answer to any request gets a decision; what is stored has neither tags nor a cookie, and can be served."""
    asked, _, said = raw.partition(b"\n\n")
    path, query, given = parsed(asked)
    request = Request("GET", "https", path, query, ((b"host", b"a.test"), *given))
    _, _, answered = parsed(b"\n" + said)
    for rules in (CMS, RFC):
        before(request, None, rules, 1.0)
        decision = after(request, Head(200, answered), rules, 1.0, WALL)
        if isinstance(decision, Store):
            names = {name for name, _ in decision.fields}
            assert not names & CMS.tag_headers
            assert rules.set_cookie or b"set-cookie" not in names
            entry = replace(_entry(), fields=decision.fields, freshness=decision.freshness)
            assert select(entry, request, 2.0, WALL).status in {200, 206, 304, 412, 416}


def _entry() -> Entry:
    return Entry(
        status=200,
        fields=((b"content-type", b"text/html"),),
        body=b"0123456789",
        freshness=Freshness(300.0),
        born=0.0,
        epoch=1,
        base=1,
        prints=(1, 2),
        tags=("a",),
        site="a.test",
        url="/",
        variant=(),
        render_ms=1.0,
    )


def decoder(raw: bytes) -> None:
    """Any bytes in Redis are an entry, names or nothing, also where their sum is right."""
    for data in (raw, codec._sum(None, raw) + raw, codec._sum(None, _head(raw)) + _head(raw)):
        found = codec.decode(data, DIGEST, now=1.0, wall=WALL)
        if isinstance(found, Entry):
            again = codec.decode(codec.encode(found, DIGEST, now=1.0, wall=WALL), DIGEST, now=1.0, wall=WALL)
            assert isinstance(again, Entry)
            assert (again.body, again.prints, again.fields) == (found.body, found.prints, found.fields)


def _head(raw: bytes) -> bytes:
    """A right head before some bytes, so that they are read as the rest of an entry."""
    return codec._HEAD.pack(codec.MAGIC, codec.FORMAT, 1, 1, 1, len(raw) // 2, DIGEST) + raw


def admin(raw: bytes) -> None:
    """The admin API answers any order with JSON and a status below 500, or says that it could not be carried out."""
    line, _, body = raw.partition(b"\n")
    method, _, target = line.partition(b" ")
    path, _, query = target.partition(b"?")
    given = ((b"host", b"a.test"), (b"authorization", b"Bearer " + TOKEN.encode()))
    request = Request(method.decode("latin-1") or "POST", "https", b"/_cache" + path, query, given)
    endpoints = _admin()
    if endpoints.wants(request):
        found = asyncio.run(endpoints.answer(request, body[: Admin.max_body_bytes]))
        answer = found.begun if isinstance(found, Live) else found
        assert 200 <= answer.status < 500 or answer.status == 503
        assert TOKEN.encode() not in b"".join(answer.body)
        if (b"content-type", b"application/json") in answer.fields:
            json.loads(b"".join(answer.body) or b"null")


_made: list[Admin] = []


def _admin() -> Admin:
    if not _made:
        _made.append(Admin(Cache(Config(admin_token=TOKEN))))
    return _made[0]


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "values": values,
    "keys": keys,
    "policy": policy,
    "decoder": decoder,
    "admin": admin,
}
