"""The two questions of the cache: what to do before the application is asked, and what with its answer (RFC 9111 §3, §4).

Every function is a ladder of early returns, the standard's order or the most telling reason first; each rung is a `Reason`.
Rules are asked, never profiles.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from cms_cache_mw.core.coding import OWN_TAG
from cms_cache_mw.core.fields import Directives, directives, mentions, seconds
from cms_cache_mw.core.keys import seen
from cms_cache_mw.core.message import without
from cms_cache_mw.core.rules import IDENTITIES
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.storing import FAILING, Freshen, Store, describes, freshen, settle
from cms_cache_mw.core.value import Value, replace

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.message import Fields, Head, Request
    from cms_cache_mw.core.rules import Rules

GUARDS: Final = dict.fromkeys(IDENTITIES, Reason.AUTHORIZATION) | {
    b"authorization": Reason.AUTHORIZATION,
    b"proxy-authorization": Reason.AUTHORIZATION,
    b"x-api-key": Reason.API_KEY,
    b"if-match": Reason.PRECONDITION,
    b"if-unmodified-since": Reason.PRECONDITION,
    b"upgrade": Reason.UPGRADE,
    b"x-http-method-override": Reason.OVERRIDE,
    b"x-http-method": Reason.OVERRIDE,
    b"x-method-override": Reason.OVERRIDE,
}
"""The request fields that a profile may bypass for, and the reason for each."""
_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since"})
_RANGES: Final = frozenset({b"range", b"if-range"})


class Serve(Value, frozen=True):
    """Answer with the entry."""

    entry: Entry
    reason: Reason
    refresh: bool = False
    """Whether one render is to replace it meanwhile (RFC 5861 §3)."""


class Revalidate(Value, frozen=True):
    """Ask the application whether the entry still holds, with `to_validate`."""

    entry: Entry
    reason: Reason


class Fetch(Value, frozen=True):
    """Ask the application, with `to_fetch`; one render may serve many askers."""

    reason: Reason


class Bypass(Value, frozen=True):
    """Let the application answer this very request; nothing is read, stored or shared."""

    reason: Reason


class Refuse(Value, frozen=True):
    """Answer 504: only a stored response was wanted, and none will do (RFC 9111 §5.2.1.7)."""

    reason: Reason


class Fallback(Value, frozen=True):
    """Answer with the entry, stale as it is, in place of what the application did."""

    entry: Entry
    reason: Reason


class Relay(Value, frozen=True):
    """Pass the answer on and store nothing."""

    reason: Reason
    supersedes: bool = False
    """Whether the entry that the request found is outdated by this answer and must go."""


Before: TypeAlias = Serve | Revalidate | Fetch | Bypass | Refuse
After: TypeAlias = Store | Freshen | Fallback | Relay


def bypass(request: Request, rules: Rules) -> Reason | None:
    """Why a request is none of the cache's business, or `None`; cookies and Host are judged with the key."""
    if request.method not in {"GET", "HEAD"}:
        return Reason.METHOD
    if request.path[:1] != b"/":
        return Reason.TARGET
    if not mentions(request.fields, _notable(rules.bypass)):
        return None
    for name, value in request.fields:
        if name in rules.bypass:
            return GUARDS.get(name, Reason.OFF)
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b" \t0")):
            return Reason.BODY
    return None


def heeded(rules: Rules) -> frozenset[bytes]:
    """The request fields without which `before` judges a GET or HEAD by the entry alone."""
    return _notable(rules.bypass) | (
        frozenset({b"cache-control", b"pragma"}) if rules.client_directives else frozenset()
    )


@lru_cache(maxsize=8)
def _notable(guarded: frozenset[bytes]) -> frozenset[bytes]:
    """The fields that `bypass` looks at."""
    return guarded | _BODY


def before(
    request: Request, entry: Entry | None, rules: Rules, now: float, *, missed: Reason = Reason.URI_MISS
) -> Before:
    """What to do with a request, given the valid entry that was found, or `missed`: why there is none."""
    if reason := bypass(request, rules):
        return Bypass(reason)
    asked = client_directives(request, rules)
    if entry is None:
        return Refuse(missed) if b"only-if-cached" in asked else _without_entry(request, missed)
    reason = _unfit(asked, entry, now)
    if reason is None:
        return Serve(entry, Reason.HIT)
    if reason is Reason.EXPIRED and (answer := _stale(asked, entry, rules, now)):
        return answer
    if b"only-if-cached" in asked:
        return Refuse(reason)
    if validators(entry):
        return Revalidate(entry, reason)
    return _without_entry(request, reason)


def _without_entry(request: Request, reason: Reason) -> Fetch | Bypass:
    """A miss, unless what comes back could not be stored and shared anyway."""
    if request.method == "HEAD":
        return Bypass(Reason.HEAD)
    if request.lines(b"range"):
        return Bypass(Reason.RANGE)
    return Fetch(reason)


def _unfit(asked: Directives, entry: Entry, now: float) -> Reason | None:
    """Why the entry cannot be served as fresh (RFC 9111 §4, §5.2.1), or `None`."""
    age, freshness = entry.age(now), entry.freshness
    if freshness.validate:
        return Reason.MUST_VALIDATE
    if b"no-cache" in asked:
        return Reason.REQUEST
    if age >= freshness.lifetime:
        return Reason.EXPIRED
    if not asked:
        return None
    max_age, min_fresh = seconds(asked, b"max-age"), seconds(asked, b"min-fresh")
    if (max_age is not None and age > max_age) or freshness.lifetime - age < (min_fresh or 0):
        return Reason.REQUEST
    return None


def _stale(asked: Directives, entry: Entry, rules: Rules, now: float) -> Serve | None:
    """The entry past its lifetime, where the response or the request allows that (RFC 5861 §3, RFC 9111 §5.2.1.2)."""
    age, freshness = entry.age(now), entry.freshness
    if b"min-fresh" in asked:
        return None
    max_age = seconds(asked, b"max-age")
    if b"max-stale" in asked and not freshness.strict and (max_age is None or age <= max_age):
        most = None if None in asked[b"max-stale"] else seconds(asked, b"max-stale")
        if most is None or age <= freshness.lifetime + most:
            return Serve(entry, Reason.STALE)
    if not rules.while_revalidate or max_age is not None:
        return None
    if age >= freshness.lifetime + freshness.while_revalidate:
        return None
    return Serve(entry, Reason.STALE, refresh=True)


def client_directives(request: Request, rules: Rules) -> Directives:
    """The request's directives where they count; Pragma speaks where Cache-Control does not (RFC 9111 §5.4)."""
    if not rules.client_directives:
        return {}
    if lines := request.lines(b"cache-control"):
        return directives(lines)
    pragma = directives(request.lines(b"pragma"))
    return {b"no-cache": (None,)} if b"no-cache" in pragma else {}


def validators(entry: Entry) -> Fields:
    """The conditions that ask the application about the entry; none where it gave no validator (RFC 9111 §4.3.1)."""
    found: list[tuple[bytes, bytes]] = []
    for name, value in entry.fields:
        if name == b"etag" and not value.startswith(OWN_TAG):
            found.append((b"if-none-match", value))
        elif name == b"last-modified":
            found.append((b"if-modified-since", value))
    return tuple(found)


def to_fetch(request: Request, rules: Rules) -> Request:
    """The request as the application sees it on a miss: nothing that others would not get the answer for.

    A whole response is wanted, encoded by nobody if the cache does that.
    """
    unwanted = frozenset() if rules.forward_conditions else _CONDITIONS
    fields = without(request.fields, unwanted | {b"accept-encoding"} if rules.store_identity else unwanted)
    return replace(request, fields=seen(fields))


def to_validate(request: Request, entry: Entry, rules: Rules) -> Request:
    """The request as the application sees it when it is asked about the entry; a refresh asks the same with GET.

    The visitor's own conditions and ranges are answered from what comes of it.
    """
    fields = without(to_fetch(request, rules).fields, _CONDITIONS | _RANGES)
    return replace(request, fields=fields + validators(entry))


def after(
    request: Request,
    head: Head,
    rules: Rules,
    now: float,
    wall: float,
    *,
    delay: float = 0.0,
    entry: Entry | None = None,
    tagged: bool = True,
    anonymous: bool = False,
) -> After:
    """What to do with the application's answer to a request that `before` sent on.

    `now` is on the clock of `Entry.born`, `wall` is seconds since 1970, both at the arrival of the head; `delay` is what that
    took. `entry` is the stale entry that the request found, `tagged` whether the answer has tags, `anonymous` whether the
    request had a cookie of the anonymous class.
    """
    private = Reason.ANONYMOUS if anonymous else None
    if b"no-store" in client_directives(request, rules):
        private = Reason.REQUEST_NO_STORE
    if entry is not None:
        if _confirms(request, head, entry):
            if private:
                return Fallback(entry, Reason.REVALIDATED)
            fresh = freshen(request, entry, head, rules, wall=wall, delay=delay)
            return Fallback(entry, fresh) if isinstance(fresh, Reason) else fresh
        if head.status in FAILING and _stands_in(request, entry, rules, now, entry.freshness.if_error):
            return Fallback(entry, Reason.STALE_ERROR)
    if private:
        return Relay(private)
    stored = settle(request, head, rules, wall, delay, tagged=tagged)
    if isinstance(stored, Reason):
        return Relay(stored, supersedes=entry is not None and _final(request, head))
    return stored


def _confirms(request: Request, head: Head, entry: Entry) -> bool:
    """Whether the answer says that the entry still holds (RFC 9111 §4.3.3, §4.3.5)."""
    if head.status == 304:  # noqa: PLR2004
        return bool(validators(entry))
    return request.method == "HEAD" and describes(head, entry)


def _final(request: Request, head: Head) -> bool:
    """Whether the answer says what this URL is now, rather than something about the visitor or the application's health."""
    settled = 200 <= head.status < 400 or head.status in {404, 410}  # noqa: PLR2004
    return settled and request.method == "GET" and head.status not in {206, 304}


def failed(request: Request, entry: Entry, rules: Rules, now: float) -> Fallback | None:
    """The entry in place of an answer that never came: the application raised, or was gone (RFC 9111 §4.2.4)."""
    if _stands_in(request, entry, rules, now, entry.freshness.if_gone):
        return Fallback(entry, Reason.STALE_GONE)
    return None


def _stands_in(request: Request, entry: Entry, rules: Rules, now: float, window: float) -> bool:
    asked = client_directives(request, rules)
    if not rules.stand_in or _unfit(asked, entry, now) in {Reason.MUST_VALIDATE, Reason.REQUEST}:
        return False
    if not entry.freshness.strict:
        window = max(window, seconds(asked, b"stale-if-error") or 0)
    return entry.age(now) < entry.freshness.lifetime + window


def relayed(fields: Fields, rules: Rules) -> Fields:
    """The response fields less those that are between the application and the cache: every answer loses its tags."""
    return without(fields, rules.tag_headers) if mentions(fields, rules.tag_headers) else fields
