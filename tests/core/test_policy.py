"""RFC 9111 as a table, one row per clause that binds a shared cache; the id names document and section.

The other standards that decide what is stored and served have their rows here too: 5861, 9110, 9211, 9213, 9875. What the `cms`
profile does differently on purpose is in `test_profiles.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from cms_cache_mw.core.answer import select
from cms_cache_mw.core.entry import Freshness
from cms_cache_mw.core.invalidation import groups, invalidated, invalidated_groups, origin
from cms_cache_mw.core.message import combined
from cms_cache_mw.core.policy import (
    After,
    Before,
    Bypass,
    Fallback,
    Fetch,
    Refuse,
    Relay,
    Revalidate,
    Serve,
    after,
    before,
    failed,
    to_fetch,
    to_validate,
)
from cms_cache_mw.core.rules import CMS, HEURISTIC_STATUSES, RFC
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.storing import Freshen, Store
from cms_cache_mw.core.value import replace
from cms_cache_mw.core.vary import variant
from tests.core.messages import BODY, BORN, WALL, at, fields, head, request, stored

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.message import Request

Lines: TypeAlias = list[str]
YES = Reason.STORED

STORING = [
    # Method and status.
    ("RFC9111 2, 3 only GET is stored", "HEAD", [], 200, ["Cache-Control: max-age=60"], Reason.HEAD),
    ("RFC9111 3 another method, even with explicit freshness", "POST", [], 200, ["Cache-Control: max-age=60"], Reason.METHOD),
    ("RFC9111 3 an interim status", "GET", [], 103, ["Cache-Control: max-age=60"], Reason.STATUS),
    ("RFC9111 3 any final status with explicit freshness: 200", "GET", [], 200, ["Cache-Control: max-age=60"], YES),
    ("RFC9111 3 any final status with explicit freshness: 302", "GET", [], 302, ["Cache-Control: max-age=60"], YES),
    ("RFC9111 3 any final status with explicit freshness: 400", "GET", [], 400, ["Cache-Control: max-age=60"], YES),
    ("RFC9111 3 any final status with explicit freshness: 503", "GET", [], 503, ["Cache-Control: max-age=60"], YES),
    ("RFC9111 3 any final status with explicit freshness: 599", "GET", [], 599, ["Cache-Control: max-age=60"], YES),
    ("RFC9111 3, 3.4 a 206 is stored only by caches that combine parts", "GET", [], 206, ["Cache-Control: max-age=60"], Reason.PARTIAL),
    ("RFC9111 3 a 304 is no response of its own", "GET", [], 304, ["Cache-Control: max-age=60"], Reason.NOT_MODIFIED),
    ("RFC9111 3 must-understand with a known status", "GET", [], 200, ["Cache-Control: max-age=60, must-understand"], YES),
    ("RFC9111 5.2.2.3 must-understand with an unknown status", "GET", [], 599, ["Cache-Control: max-age=60, must-understand"], Reason.STATUS),
    ("RFC9111 5.2.2.3 must-understand overrides no-store where the status is known", "GET", [], 200, ["Cache-Control: max-age=60, must-understand, no-store"], YES),
    ("RFC9111 5.2.2.3 no-store stands where the status is unknown", "GET", [], 599, ["Cache-Control: max-age=60, must-understand, no-store"], Reason.STATUS),
    # Directives that forbid it.
    ("RFC9111 5.2.2.5 no-store", "GET", [], 200, ["Cache-Control: no-store, max-age=60"], Reason.NO_STORE),
    ("RFC9111 5.2.2.5 no-store on a line of its own", "GET", [], 200, ["Cache-Control: max-age=60", "Cache-Control: no-store"], Reason.NO_STORE),
    ("RFC9111 5.2 directives are case-insensitive", "GET", [], 200, ["Cache-Control: No-StOrE, max-age=60"], Reason.NO_STORE),
    ("RFC9111 5.2 an argument where none belongs changes nothing", "GET", [], 200, ["Cache-Control: no-store=1, max-age=60"], Reason.NO_STORE),
    ("RFC9111 5.2.3 unknown directives are ignored", "GET", [], 200, ['Cache-Control: foo, bar=1, baz="no-store", max-age=60'], YES),
    ("RFC9111 5.2.1.5 the request's no-store", "GET", ["Cache-Control: no-store"], 200, ["Cache-Control: max-age=60"], Reason.REQUEST_NO_STORE),
    ("RFC9111 5.2.2.7 private", "GET", [], 200, ["Cache-Control: private, max-age=60"], Reason.PRIVATE),
    ("RFC9111 5.2.2.7 private with field names", "GET", [], 200, ['Cache-Control: private="x-a", max-age=60'], YES),
    ("RFC9111 5.2.2.7 private with and without field names", "GET", [], 200, ['Cache-Control: private="x-a", private, max-age=60'], Reason.PRIVATE),
    ("RFC9111 5.2 a semicolon is no separator, and hides nothing", "GET", [], 200, ["Cache-Control: private; max-age=60"], Reason.PRIVATE),
    ("RFC9111 5.2.2.7 private with an empty argument", "GET", [], 200, ['Cache-Control: private="", max-age=60'], Reason.PRIVATE),
    # Credentials.
    ("RFC9111 3.5 Authorization", "GET", ["Authorization: Basic eA=="], 200, ["Cache-Control: max-age=60"], Reason.AUTHORIZED),
    ("RFC9111 3.5, 5.2.2.9 Authorization, with public", "GET", ["Authorization: Basic eA=="], 200, ["Cache-Control: max-age=60, public"], YES),
    ("RFC9111 3.5, 5.2.2.2 Authorization, with must-revalidate", "GET", ["Authorization: Basic eA=="], 200, ["Cache-Control: max-age=60, must-revalidate"], YES),
    ("RFC9111 3.5, 5.2.2.10 Authorization, with s-maxage", "GET", ["Authorization: Basic eA=="], 200, ["Cache-Control: s-maxage=60"], YES),
    # Something that says how long.
    ("RFC9111 3 Expires", "GET", [], 200, [f"Expires: {at(60)}"], YES),
    ("RFC9111 3 s-maxage", "GET", [], 503, ["Cache-Control: s-maxage=60"], YES),
    ("RFC9111 3, 5.2.2.9 public, where the status is not on the list", "GET", [], 599, ["Cache-Control: public", f"Last-Modified: {at(-1000)}"], YES),
    ("RFC9111 3, 5.2.2.9 public and a validator only", "GET", [], 599, ["Cache-Control: public", 'ETag: "a"'], YES),
    ("RFC9111 4.2.2 no heuristic for a status that is not on the list", "GET", [], 302, [f"Last-Modified: {at(-1000)}"], Reason.NO_LIFETIME),
    ("RFC9111 4.2.2 nothing to reckon with", "GET", [], 200, [], Reason.NO_LIFETIME),
    ("RFC9111 4.2.2 a Last-Modified that is no date", "GET", [], 204, ["Last-Modified: yesterday"], YES),
    ("RFC9111 3, 4.3 a validator alone makes a 200 worth keeping", "GET", [], 200, ['ETag: "a"'], YES),
    ("RFC9111 3, 4.3 no lifetime left but a validator", "GET", [], 200, ["Cache-Control: max-age=0", 'ETag: "a"'], YES),
    ("RFC9111 3 no lifetime left and no validator", "GET", [], 200, ["Cache-Control: max-age=0"], Reason.EXPIRES),
    ("RFC9111 5.2.2.4 no-cache without validator could never be used", "GET", [], 200, ["Cache-Control: no-cache, max-age=60"], Reason.NO_CACHE),
    ("RFC9111 5.2.2.4 no-cache with a validator", "GET", [], 200, ["Cache-Control: no-cache", 'ETag: "a"'], YES),
    ("RFC9111 5.4 Pragma of a response says nothing beside Cache-Control", "GET", [], 200, ["Cache-Control: max-age=60", "Pragma: no-cache"], YES),
    ("RFC9111 5.4 Pragma of a response alone is taken at its word", "GET", [], 200, ["Pragma: no-cache", f"Expires: {at(60)}"], Reason.PRAGMA),
    ("RFC9111 5.4 Pragma: foo", "GET", [], 200, ["Pragma: foo", f"Expires: {at(60)}"], YES),
    ("RFC9111 4.1 Vary: *", "GET", [], 200, ["Cache-Control: max-age=60", "Vary: *"], Reason.VARY_STAR),
    ("RFC9111 4.1 Vary: * among names", "GET", [], 200, ["Cache-Control: max-age=60", "Vary: Foo, *"], Reason.VARY_STAR),
    ("RFC9111 4.1 Vary: * on a second line", "GET", [], 200, ["Cache-Control: max-age=60", "Vary: Foo", "Vary: *"], Reason.VARY_STAR),
    ("RFC9110 12.5.5 any field may be named, such as User-Agent", "GET", [], 200, ["Cache-Control: max-age=60", "Vary: User-Agent"], YES),
    ("RFC9111 7.3 Set-Cookie does not forbid it where freshness is explicit", "GET", [], 200, ["Cache-Control: max-age=60", "Set-Cookie: a=b"], YES),
    ("RFC9111 7.3 Set-Cookie without explicit freshness", "GET", [], 200, ["Set-Cookie: a=b", f"Last-Modified: {at(-1000)}"], Reason.SET_COOKIE),
    ("RFC5861 3 a window alone makes a response useful", "GET", [], 200, ["Cache-Control: max-age=0, stale-while-revalidate=60"], YES),
    ("RFC5861 4 a window for errors alone makes a response useful", "GET", [], 200, ["Cache-Control: max-age=0, stale-if-error=60"], YES),
    ("RFC9213 2.2 CDN-Cache-Control replaces a forbidding Cache-Control", "GET", [], 200, ["CDN-Cache-Control: max-age=60", "Cache-Control: no-store"], YES),
    ("RFC9213 2.2 CDN-Cache-Control forbids it", "GET", [], 200, ["CDN-Cache-Control: no-store", "Cache-Control: max-age=60"], Reason.NO_STORE),
    ("RFC9213 2.2 CDN-Cache-Control: private", "GET", [], 200, ["CDN-Cache-Control: private, max-age=60", "Cache-Control: max-age=60"], Reason.PRIVATE),
    ("RFC9213 2.2 private with a value that names no fields", "GET", [], 200, ["CDN-Cache-Control: private=x-a, max-age=60"], Reason.PRIVATE),
    ("RFC9213 2.2 private with field names", "GET", [], 200, ['CDN-Cache-Control: private="x-a", max-age=60'], YES),
    ("RFC9213 2.2 Pragma does not count beside CDN-Cache-Control", "GET", [], 200, ["CDN-Cache-Control: max-age=60", "Pragma: no-cache"], YES),
    ("Edge Architecture 4.1 Surrogate-Control forbids it", "GET", [], 200, ["Surrogate-Control: no-store", "Cache-Control: max-age=60"], Reason.NO_STORE),
    ("Edge Architecture 4.1 Pragma does not count beside Surrogate-Control", "GET", [], 200, ["Surrogate-Control: max-age=60", "Pragma: no-cache"], YES),
    ("Edge Architecture 4.1 nor does Expires", "GET", [], 200, ["Surrogate-Control: no-store=?0, max-age=60", "Expires: 0"], YES),
    ("WHATWG HTML 9.2 event streams never end", "GET", [], 200, ["Cache-Control: max-age=60", "Content-Type: text/event-stream; charset=utf-8"], Reason.STREAM),
    ("limit: Content-Length above max_body_bytes", "GET", [], 200, ["Cache-Control: max-age=60", "Content-Length: 2097153"], Reason.TOO_LARGE),
    ("limit: Content-Length of exactly max_body_bytes", "GET", [], 200, ["Cache-Control: max-age=60", "Content-Length: 2097152"], YES),
    ("limit: a head of exactly 64 KiB", "GET", [], 200, ["Cache-Control: max-age=60", f"X: {'x' * 65_512}"], YES),
    ("limit: a head above 64 KiB", "GET", [], 200, ["Cache-Control: max-age=60", f"X: {'x' * 65_513}"], Reason.TOO_LARGE),
    ("limit: Content-Length beyond counting", "GET", [], 200, ["Cache-Control: max-age=60", f"Content-Length: {'9' * 5000}"], Reason.TOO_LARGE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "asks", "status", "says", "reason"), [pytest.param(*row[1:], id=row[0]) for row in STORING]
)
def test_storing(method: str, asks: Lines, status: int, says: Lines, reason: Reason) -> None:
    """A response is stored, or relayed, for the reason the clause gives."""
    outcome = after(request(*asks, method=method), head(*says, status=status), RFC, BORN, WALL)

    assert outcome.reason is reason
    assert isinstance(outcome, Store if reason is YES else Relay)


LIFETIMES: list[tuple[str, Lines, float]] = [
    ("RFC9111 4.2.1, 5.2.2.10 s-maxage before max-age", ["Cache-Control: max-age=1, s-maxage=60"], 60),
    ("RFC9111 4.2.1 a shorter s-maxage too", ["Cache-Control: max-age=60, s-maxage=5"], 5),
    ("RFC9111 4.2.1, 5.2.2.1, 5.3 max-age before Expires", ["Cache-Control: max-age=60", f"Expires: {at(-60)}"], 60),
    ("RFC9111 5.3 max-age=0 before a later Expires", ["Cache-Control: max-age=0", f"Expires: {at(60)}"], 0),
    ("RFC9111 5.3 max-age before an Expires that is no date", ["Cache-Control: max-age=60", "Expires: 0"], 60),
    ("RFC9111 4.2.1 Expires less Date", [f"Expires: {at(100)}", f"Date: {at(-20)}"], 120),
    ("RFC9111 4.2.1 Expires less now where there is no Date", [f"Expires: {at(100)}"], 100),
    ("RFC9111 4.2.1 Expires less now where Date is no date", [f"Expires: {at(100)}", "Date: now"], 100),
    ("RFC9111 5.3 an Expires that is no date is in the past", ["Expires: 0"], 0),
    ("RFC9111 5.3 a past Expires", [f"Expires: {at(-100)}"], 0),
    ("RFC9111 4.2.1 of several Expires the earliest", [f"Expires: {at(100)}", f"Expires: {at(50)}"], 50),
    ("RFC9111 4.2.1 one unreadable Expires of several", [f"Expires: {at(100)}", "Expires: soon"], 0),
    ("RFC9111 4.2.1 of several max-age the smallest", ["Cache-Control: max-age=60, max-age=5"], 5),
    ("RFC9111 4.2.1 of several on two lines the smallest", ["Cache-Control: max-age=5", "Cache-Control: max-age=60"], 5),
    ("RFC9111 4.2.1 a max-age that is no number is stale", ["Cache-Control: max-age=a60"], 0),
    ("RFC9111 4.2.1 a number with something after it", ["Cache-Control: max-age=60a"], 0),
    ("RFC9111 4.2.1 a negative number", ["Cache-Control: max-age=-60"], 0),
    ("RFC9111 4.2.1 a fraction", ["Cache-Control: max-age=60.5"], 0),
    ("RFC9111 4.2.1 no argument", ["Cache-Control: max-age"], 0),
    ("RFC9111 4.2.1 single quotes are no quotes", ["Cache-Control: max-age='60'"], 0),
    ("RFC9111 5.2 a space before the equals sign", ["Cache-Control: max-age =60"], 0),
    ("RFC9111 5.2 a space after the equals sign", ["Cache-Control: max-age= 60"], 0),
    ("RFC9111 5.2 a quoted argument", ['Cache-Control: max-age="60"'], 60),
    ("RFC9111 5.2 leading zeros", ["Cache-Control: max-age=0060"], 60),
    ("RFC9111 5.2 letter case", ["Cache-Control: MaX-aGe=60"], 60),
    ("RFC9111 5.2 a directive inside a quoted argument is text", ['Cache-Control: foo="a, max-age=100", max-age=60'], 60),
    ("RFC9111 5.2 the same the other way round", ['Cache-Control: max-age=60, foo="a, max-age=5"'], 60),
    ("RFC9111 1.2.2 a number beyond 2^31 counts as 2^31", ["Cache-Control: max-age=99999999999"], 2**31),
    ("RFC9111 1.2.2 the largest number below that", ["Cache-Control: max-age=2147483647"], 2**31 - 1),
    ("RFC9111 4.2.2 a tenth of the time since Last-Modified", [f"Last-Modified: {at(-1000)}"], 100),
    ("RFC9111 4.2.2 by the Date of the response", [f"Last-Modified: {at(-1100)}", f"Date: {at(-100)}"], 100),
    ("RFC9111 4.2.2 at most a day", [f"Last-Modified: {at(-86_400 * 100)}"], 86_400),
    ("RFC9111 4.2.2 a Last-Modified in the future", [f"Last-Modified: {at(1000)}"], 0),
    ("RFC9111 4.2.2 no heuristic beside an explicit lifetime", ["Cache-Control: max-age=5", f"Last-Modified: {at(-1000)}"], 5),
    ("RFC9213 2.2 CDN-Cache-Control before Cache-Control", ["CDN-Cache-Control: max-age=60", "Cache-Control: max-age=1"], 60),
    ("RFC9213 2.2 and before Expires", ["CDN-Cache-Control: max-age=60", f"Expires: {at(1)}"], 60),
    ("RFC9213 2.2 and before s-maxage", ["CDN-Cache-Control: max-age=60", "Cache-Control: s-maxage=1"], 60),
    ("RFC9213 2.2 Expires does not fill in", ["CDN-Cache-Control: must-revalidate", f"Expires: {at(100)}"], 0),
    ("RFC9213 2.2 its members on two lines", ["CDN-Cache-Control: max-age=60", "CDN-Cache-Control: foo"], 60),
    ("RFC9213 2.1 unparsable: the field is ignored", ["CDN-Cache-Control: max-age=60, &&", "Cache-Control: max-age=1"], 1),
    ("RFC9213 2.1 upper case does not parse", ["CDN-Cache-Control: MAX-AGE=60", "Cache-Control: max-age=1"], 1),
    ("RFC9213 2.1 empty: the field is ignored", ["CDN-Cache-Control:", "Cache-Control: max-age=1"], 1),
    ("RFC9213 2.1 parameters are ignored", ["CDN-Cache-Control: max-age=60;foo=1", "Cache-Control: max-age=1"], 60),
    ("RFC9213 2.1 a value of another type is not converted", ['CDN-Cache-Control: max-age="60"', "Cache-Control: max-age=5"], 0),
    ("RFC9213 2.1 a decimal is not converted", ["CDN-Cache-Control: max-age=60.0", "Cache-Control: max-age=5"], 0),
    ("RFC9213 2.1 a negative number", ["CDN-Cache-Control: max-age=-60", "Cache-Control: max-age=5"], 0),
    ("RFC9213 2.1 a token is not converted", ["CDN-Cache-Control: max-age=a", "Cache-Control: max-age=5"], 0),
    ("RFC9213 2.1 a directive that is false is not there", ["CDN-Cache-Control: max-age=60, no-store=?0"], 60),
    ("Edge Architecture 4.1 Surrogate-Control before Cache-Control", ["Surrogate-Control: max-age=60", "Cache-Control: max-age=1"], 60),
    ("Edge Architecture 4.1 its members on two lines", ["Surrogate-Control: foo", "Surrogate-Control: max-age=60", "Cache-Control: max-age=1"], 60),
    ("Edge Architecture 4.1 content alone is no control", ['Surrogate-Control: content="ESI/1.0"', "Cache-Control: max-age=60"], 60),
    ("Edge Architecture 4.1 a directive for another surrogate", ["Surrogate-Control: max-age=5;abc", "Cache-Control: max-age=60"], 60),
    ("RFC9213 2.2 CDN-Cache-Control before Surrogate-Control", ["CDN-Cache-Control: max-age=60", "Surrogate-Control: max-age=1"], 60),
]  # fmt: skip


@pytest.mark.parametrize(("says", "lifetime"), [pytest.param(*row[1:], id=row[0]) for row in LIFETIMES])
def test_lifetime(says: Lines, lifetime: float) -> None:
    """The freshness lifetime is what the clause gives."""
    assert stored('ETag: "a"', *says).freshness.lifetime == lifetime


def test_statuses_with_an_explicit_lifetime() -> None:
    """RFC 9111 §3, RFC 9110 §15: any final status, with tags and without; one beyond 599 is none, and stored only where a purge could reach it."""
    stored_as = {
        (status, tagged)
        for status in range(100, 602)
        for tagged in (True, False)
        if isinstance(
            after(request(), head("Cache-Control: max-age=60", status=status), RFC, BORN, WALL, tagged=tagged), Store
        )
    }
    final = set(range(200, 600)) - {206, 304}
    assert {status for status, tagged in stored_as if not tagged} == final
    assert {status for status, tagged in stored_as if tagged} == final | {600, 601}


def test_statuses_with_a_heuristic_lifetime() -> None:
    """RFC9110 15.1: these are cacheable without explicit freshness, and no others; parts are not stored at all."""
    outcomes = {
        status: after(request(), head(f"Last-Modified: {at(-1000)}", status=status), RFC, BORN, WALL)
        for status in range(200, 600)
    }
    found = {status for status, outcome in outcomes.items() if isinstance(outcome, Store)}
    assert found == {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}
    assert 206 in HEURISTIC_STATUSES


@pytest.mark.parametrize(("says", "lifetime"), [(["Cache-Control: public"], 100), ([], None)])
def test_heuristic_lifetime_by_public(says: Lines, lifetime: float | None) -> None:
    """RFC9111 4.2.2: a status that is not on the list has a heuristic lifetime only where the response is public."""
    outcome = after(request(), head(f"Last-Modified: {at(-1000)}", *says, status=599), RFC, BORN, WALL)
    assert (outcome.freshness.lifetime if isinstance(outcome, Store) else None) == lifetime


AGES: list[tuple[str, float, Lines, float]] = [
    ("RFC9111 4.2.3 none", 0.0, [], 0),
    ("RFC9111 4.2.3 what upstream counted", 0.0, ["Age: 30"], 30),
    ("RFC9111 4.2.3 plus the time the response took", 2.5, ["Age: 30"], 32.5),
    ("RFC9111 4.2.3 apparent age by Date", 0.0, [f"Date: {at(-40)}"], 40),
    ("RFC9111 4.2.3 the larger: Date", 1.0, [f"Date: {at(-40)}", "Age: 30"], 40),
    ("RFC9111 4.2.3 the larger: Age", 1.0, [f"Date: {at(-10)}", "Age: 30"], 31),
    ("RFC9111 4.2.3 a Date in the future", 0.0, [f"Date: {at(40)}"], 0),
    ("RFC9111 5.1 of a list the first member", 0.0, ["Age: 30, 7"], 30),
    ("RFC9111 5.1 of two lines the first", 0.0, ["Age: 7", "Age: 30"], 7),
    ("RFC9111 5.1 no number", 0.0, ["Age: abc"], 0),
    ("RFC9111 5.1 negative", 0.0, ["Age: -30"], 0),
    ("RFC9111 5.1 fraction", 0.0, ["Age: 30.0"], 0),
    ("RFC9111 5.1 with a parameter", 0.0, ["Age: 30;foo=bar"], 0),
    ("RFC9111 5.1 empty", 0.0, ["Age:"], 0),
    ("RFC9111 1.2.2 beyond 2^31", 0.0, ["Age: 99999999999"], 2**31),
]  # fmt: skip


@pytest.mark.parametrize(("delay", "says", "age"), [pytest.param(*row[1:], id=row[0]) for row in AGES])
def test_age(delay: float, says: Lines, age: float) -> None:
    """RFC 9111 §4, §5.1: the age at arrival is what the clause gives, and Age on a hit counts on from there."""
    entry = stored("Cache-Control: max-age=60", 'ETag: "a"', *says, delay=delay)

    assert entry.age(BORN) == age
    assert combined(select(entry, request(), BORN + 5, WALL).fields, b"age") == b"%d" % (age + 5)


MAX_AGE = ["Cache-Control: max-age=60"]
TAGGED = [*MAX_AGE, 'ETag: "a"']

REUSE: list[tuple[str, Lines, float, Lines, str, type[Before], Reason]] = [
    ("RFC9111 4 fresh", MAX_AGE, 59, [], "GET", Serve, Reason.HIT),
    ("RFC9111 4.2 fresh means a lifetime greater than the age", MAX_AGE, 60, [], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 4, RFC9110 9.3.2 HEAD from a stored GET", MAX_AGE, 59, [], "HEAD", Serve, Reason.HIT),
    ("RFC9111 4 unsafe methods are written through", MAX_AGE, 1, [], "POST", Bypass, Reason.METHOD),
    ("RFC9111 4 so are safe ones that are no GET", MAX_AGE, 1, [], "OPTIONS", Bypass, Reason.METHOD),
    ("RFC9111 4 stale, and validated", TAGGED, 61, [], "GET", Revalidate, Reason.EXPIRED),
    ("RFC9111 4 stale, without validator", MAX_AGE, 61, [], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 4.3.5 a HEAD may validate too", TAGGED, 61, [], "HEAD", Revalidate, Reason.EXPIRED),
    ("RFC9111 3.5 credentials do not keep from what is shared already", MAX_AGE, 1, ["Authorization: Basic eA=="], "GET", Serve, Reason.HIT),
    ("RFC9111 2 cookies do not matter unless Vary says so", MAX_AGE, 1, ["Cookie: a=b"], "GET", Serve, Reason.HIT),
    ("RFC9111 4.3.2 If-Match is for the origin", MAX_AGE, 1, ['If-Match: "a"'], "GET", Bypass, Reason.PRECONDITION),
    ("RFC9111 4.3.2 If-Unmodified-Since is for the origin", MAX_AGE, 1, [f"If-Unmodified-Since: {at(0)}"], "GET", Bypass, Reason.PRECONDITION),
    ("RFC9110 9.3.1 a GET with content", MAX_AGE, 1, ["Content-Length: 3"], "GET", Bypass, Reason.BODY),
    ("RFC9110 9.3.1 a GET with content of unknown length", MAX_AGE, 1, ["Transfer-Encoding: chunked"], "GET", Bypass, Reason.BODY),
    ("RFC9110 9.3.1 a GET with content of a length that is none", MAX_AGE, 1, ["Content-Length: x"], "GET", Bypass, Reason.BODY),
    ("RFC9110 9.3.1 a GET with no content", MAX_AGE, 1, ["Content-Length: 0"], "GET", Serve, Reason.HIT),
    ("RFC9110 7.8 Upgrade", MAX_AGE, 1, ["Upgrade: websocket"], "GET", Bypass, Reason.UPGRADE),
    # The request's directives.
    ("RFC9111 5.2.1.1 max-age below the age", TAGGED, 10, ["Cache-Control: max-age=9"], "GET", Revalidate, Reason.REQUEST),
    ("RFC9111 5.2.1.1 max-age of the age", TAGGED, 10, ["Cache-Control: max-age=10"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.1.1 max-age asks for nothing beyond it", TAGGED, 59.5, ["Cache-Control: max-age=60"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.1.1 max-age=0", MAX_AGE, 0.5, ["Cache-Control: max-age=0"], "GET", Fetch, Reason.REQUEST),
    ("RFC9111 5.2.1.1 no stale response for max-age", [*TAGGED, "Cache-Control: stale-while-revalidate=60"], 61, ["Cache-Control: max-age=100"], "GET", Revalidate, Reason.EXPIRED),
    ("RFC9111 5.2.1.2 max-stale", MAX_AGE, 1000, ["Cache-Control: max-stale"], "GET", Serve, Reason.STALE),
    ("RFC9111 5.2.1.2 max-stale of enough seconds", MAX_AGE, 70, ["Cache-Control: max-stale=10"], "GET", Serve, Reason.STALE),
    ("RFC9111 5.2.1.2 max-stale of too few", MAX_AGE, 71, ["Cache-Control: max-stale=10"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.1.2 max-stale that is no number", MAX_AGE, 61, ["Cache-Control: max-stale=x"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.2.2 max-stale against must-revalidate", ["Cache-Control: max-age=60, must-revalidate"], 61, ["Cache-Control: max-stale"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.2.8 max-stale against proxy-revalidate", ["Cache-Control: max-age=60, proxy-revalidate"], 61, ["Cache-Control: max-stale"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.2.10 max-stale against s-maxage", ["Cache-Control: s-maxage=60"], 61, ["Cache-Control: max-stale"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.1.1, 5.2.1.2 max-stale within max-age", MAX_AGE, 61, ["Cache-Control: max-stale, max-age=61"], "GET", Serve, Reason.STALE),
    ("RFC9111 5.2.1.1, 5.2.1.2 max-stale does not lift max-age", MAX_AGE, 61.5, ["Cache-Control: max-stale, max-age=61"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.1.2, 5.2.1.3 max-stale does not lift min-fresh", MAX_AGE, 61, ["Cache-Control: max-stale, min-fresh=0"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.1.3 min-fresh within what is left", MAX_AGE, 50, ["Cache-Control: min-fresh=10"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.1.3 min-fresh beyond it", MAX_AGE, 51, ["Cache-Control: min-fresh=10"], "GET", Fetch, Reason.REQUEST),
    ("RFC9111 5.2.1.3 no stale response for min-fresh", ["Cache-Control: max-age=60, stale-while-revalidate=60"], 61, ["Cache-Control: min-fresh=0"], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.1.4 no-cache, with a validator", TAGGED, 1, ["Cache-Control: no-cache"], "GET", Revalidate, Reason.REQUEST),
    ("RFC9111 5.2.1.4 no-cache, without", MAX_AGE, 1, ["Cache-Control: no-cache"], "GET", Fetch, Reason.REQUEST),
    ("RFC9111 5.2.1.4 no-cache on a stale response in its window", [*TAGGED, "Cache-Control: stale-while-revalidate=60"], 61, ["Cache-Control: no-cache"], "GET", Revalidate, Reason.REQUEST),
    ("RFC9111 5.2.1.5 no-store may be answered from the store", MAX_AGE, 1, ["Cache-Control: no-store"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.1.7 only-if-cached, fresh", MAX_AGE, 1, ["Cache-Control: only-if-cached"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.1.6 no-transform: nothing is transformed anyway", MAX_AGE, 1, ["Cache-Control: no-transform"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.1.2, 5.2.1.7 only-if-cached, stale, with max-stale", MAX_AGE, 61, ["Cache-Control: only-if-cached, max-stale"], "GET", Serve, Reason.STALE),
    ("RFC9111 5.2.1.7 only-if-cached, stale", MAX_AGE, 61, ["Cache-Control: only-if-cached"], "GET", Refuse, Reason.EXPIRED),
    ("RFC9111 5.2.1.7 only-if-cached with a validator", TAGGED, 61, ["Cache-Control: only-if-cached"], "GET", Refuse, Reason.EXPIRED),
    ("RFC9111 5.2.3 an unknown directive", MAX_AGE, 1, ["Cache-Control: foo"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.4 Pragma: no-cache", TAGGED, 1, ["Pragma: no-cache"], "GET", Revalidate, Reason.REQUEST),
    ("RFC9111 5.4 Pragma beside Cache-Control", MAX_AGE, 1, ["Pragma: no-cache", "Cache-Control: foo"], "GET", Serve, Reason.HIT),
    ("RFC9111 5.4 Pragma: foo", MAX_AGE, 1, ["Pragma: foo"], "GET", Serve, Reason.HIT),
    # The response's directives.
    ("RFC9111 5.2.2.4 no-cache is validated before each use", ["Cache-Control: no-cache, max-age=60", 'ETag: "a"'], 1, [], "GET", Revalidate, Reason.MUST_VALIDATE),
    ("RFC9111 5.2.2.4 no-cache with field names is not", ['Cache-Control: no-cache="x-a", max-age=60', 'ETag: "a"'], 1, [], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.2.2 must-revalidate, fresh", ["Cache-Control: must-revalidate, max-age=60"], 59, [], "GET", Serve, Reason.HIT),
    ("RFC9111 5.2.2.2 must-revalidate, stale", ["Cache-Control: must-revalidate, max-age=60, stale-while-revalidate=60"], 61, [], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.2.8 proxy-revalidate, stale", ["Cache-Control: proxy-revalidate, max-age=60, stale-while-revalidate=60"], 61, [], "GET", Fetch, Reason.EXPIRED),
    ("RFC9111 5.2.2.10 s-maxage, stale", ["Cache-Control: s-maxage=60, stale-while-revalidate=60"], 61, [], "GET", Fetch, Reason.EXPIRED),
    ("RFC5861 3 stale-while-revalidate within its window", ["Cache-Control: max-age=60, stale-while-revalidate=60"], 119, [], "GET", Serve, Reason.STALE),
    ("RFC5861 3 stale-while-revalidate after it", ["Cache-Control: max-age=60, stale-while-revalidate=60"], 120, [], "GET", Fetch, Reason.EXPIRED),
    ("RFC8246 2 immutable changes nothing for a fresh response", ["Cache-Control: max-age=60, immutable"], 59, [], "GET", Serve, Reason.HIT),
    ("RFC8246 2 nor for a stale one", ["Cache-Control: max-age=60, immutable"], 61, [], "GET", Fetch, Reason.EXPIRED),
    # Ranges.
    ("RFC9110 14.2 Range from a stored whole", MAX_AGE, 1, ["Range: bytes=0-1"], "GET", Serve, Reason.HIT),
    ("RFC9110 14.2 Range of what is stale and cannot be validated", MAX_AGE, 61, ["Range: bytes=0-1"], "GET", Bypass, Reason.RANGE),
    ("RFC9110 14.2 Range of what can be validated", TAGGED, 61, ["Range: bytes=0-1"], "GET", Revalidate, Reason.EXPIRED),
    ("RFC9110 9.3.2 HEAD of what is stale and cannot be validated", MAX_AGE, 61, [], "HEAD", Bypass, Reason.HEAD),
]  # fmt: skip


@pytest.mark.parametrize(
    ("says", "elapsed", "asks", "method", "kind", "reason"), [pytest.param(*row[1:], id=row[0]) for row in REUSE]
)
def test_reuse(says: Lines, elapsed: float, asks: Lines, method: str, kind: type[Before], reason: Reason) -> None:  # noqa: PLR0917
    """A stored response is used, validated or replaced as the clause says."""
    outcome = before(request(*asks, method=method), stored(*says), RFC, BORN + elapsed)

    assert isinstance(outcome, kind)
    assert outcome.reason is reason


MISSES: list[tuple[str, Lines, str, type[Before], Reason]] = [
    ("RFC9111 4 nothing stored", [], "GET", Fetch, Reason.VARY_MISS),
    ("RFC9111 5.2.1.7 only-if-cached", ["Cache-Control: only-if-cached"], "GET", Refuse, Reason.VARY_MISS),
    ("RFC9110 14.2 Range", ["Range: bytes=0-1"], "GET", Bypass, Reason.RANGE),
    ("RFC9110 9.3.2 HEAD", [], "HEAD", Bypass, Reason.HEAD),
    ("RFC9110 9.2.1 another method", [], "DELETE", Bypass, Reason.METHOD),
]  # fmt: skip


@pytest.mark.parametrize(("asks", "method", "kind", "reason"), [pytest.param(*row[1:], id=row[0]) for row in MISSES])
def test_miss(asks: Lines, method: str, kind: type[Before], reason: Reason) -> None:
    """Without an entry the application is asked, under the reason that the look-up gave, or the request is refused."""
    outcome = before(request(*asks, method=method), None, RFC, BORN, missed=Reason.VARY_MISS)

    assert isinstance(outcome, kind)
    assert outcome.reason is reason


@pytest.mark.parametrize("path", [b"http://example.org/page", b"*", b""], ids=["absolute", "asterisk", "empty"])
def test_target(path: bytes) -> None:
    """RFC 9112 §3.2: a target that is no path is not looked up."""
    assert before(request(path=path), None, RFC, BORN) == Bypass(Reason.TARGET)


def test_a_stale_answer_is_refreshed() -> None:
    """RFC 5861 §3: only what is served inside stale-while-revalidate is replaced meanwhile."""
    entry = stored("Cache-Control: max-age=60, stale-while-revalidate=60")

    assert before(request(), entry, RFC, BORN + 61) == Serve(entry, Reason.STALE, refresh=True)
    assert before(request("Cache-Control: max-stale"), entry, RFC, BORN + 61) == Serve(
        entry, Reason.STALE, refresh=False
    )
    assert before(request(), entry, RFC, BORN + 59) == Serve(entry, Reason.HIT, refresh=False)


GONE: list[tuple[str, Lines, float, Lines, bool, bool]] = [
    ("RFC9111 4.2.4 disconnected", ["Cache-Control: max-age=60"], 60.5, [], False, True),
    ("RFC9111 4.2.4 disconnected for longer than anyone would want", ["Cache-Control: max-age=60"], 3660, [], False, False),
    ("RFC9111 4.2.4 must-revalidate", ["Cache-Control: max-age=60, must-revalidate, stale-if-error=60"], 61, [], False, False),
    ("RFC9111 4.2.4 proxy-revalidate", ["Cache-Control: max-age=60, proxy-revalidate, stale-if-error=60"], 61, [], False, False),
    ("RFC9111 4.2.4 s-maxage", ["Cache-Control: s-maxage=60, stale-if-error=60"], 61, [], False, False),
    ("RFC9111 4.2.4 no-cache", ["Cache-Control: max-age=60, no-cache, stale-if-error=60"], 1, [], False, False),
    ("RFC9111 5.2.1.4 the request's no-cache", ["Cache-Control: max-age=60"], 1, ["Cache-Control: no-cache"], False, False),
    ("RFC9111 5.2.1.1 the request's max-age", ["Cache-Control: max-age=60"], 10, ["Cache-Control: max-age=5"], False, False),
    ("RFC5861 4 stale-if-error within its window", ["Cache-Control: max-age=60, stale-if-error=60"], 119, [], True, True),
    ("RFC5861 4 stale-if-error after it", ["Cache-Control: max-age=60, stale-if-error=60"], 120, [], False, False),
    ("RFC5861 4 the request's stale-if-error", ["Cache-Control: max-age=60"], 119, ["Cache-Control: stale-if-error=60"], True, True),
    ("RFC5861 4 the request's stale-if-error, after it", ["Cache-Control: max-age=60, stale-if-error=0"], 120, ["Cache-Control: stale-if-error=60"], False, False),
    ("RFC9111 4.2.4 the request's stale-if-error against must-revalidate", ["Cache-Control: max-age=60, must-revalidate"], 61, ["Cache-Control: stale-if-error=60"], False, False),
    ("RFC5861 4 stale-if-error=0 forbids it", ["Cache-Control: max-age=60, stale-if-error=0"], 61, [], False, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("says", "elapsed", "asks", "on_error", "when_gone"), [pytest.param(*row[1:], id=row[0]) for row in GONE]
)
def test_standing_in(says: Lines, elapsed: float, asks: Lines, on_error: bool, when_gone: bool) -> None:
    """RFC 9111 §4.3.3: a stale response stands in for an error or for no answer at all exactly where its clause lets it."""
    entry, asked, now = stored('ETag: "a"', *says), request(*asks), BORN + elapsed

    for status in (500, 502, 503, 504):
        outcome = after(asked, head(status=status), RFC, now, WALL, entry=entry)
        assert outcome == (Fallback(entry, Reason.STALE_ERROR) if on_error else Relay(Reason.NO_LIFETIME))
    assert failed(asked, entry, RFC, now) == (Fallback(entry, Reason.STALE_GONE) if when_gone else None)


@pytest.mark.parametrize("status", [200, 404, 410, 501, 505])
def test_other_answers_are_no_errors(status: int) -> None:
    """RFC 5861 §4: an answer that is none of 500, 502, 503 and 504 is passed on."""
    entry = stored("Cache-Control: max-age=60, stale-if-error=600")

    outcome = after(request(), head("Cache-Control: no-store", status=status), RFC, BORN + 61, WALL, entry=entry)

    assert outcome == Relay(Reason.NO_STORE, supersedes=status in {200, 404, 410})


NOT_STORED: list[tuple[str, Lines]] = [
    ("RFC9111 3.1 Connection", ["Connection: close"]),
    ("RFC9111 3.1 what Connection names", ["Connection: X-A, x-b", "X-A: 1", "X-B: 2"]),
    ("RFC9110 7.6.1 Keep-Alive", ["Keep-Alive: timeout=5"]),
    ("RFC9110 7.6.1 Proxy-Connection", ["Proxy-Connection: close"]),
    ("RFC9110 7.6.1 TE", ["TE: trailers"]),
    ("RFC9110 7.6.1 Transfer-Encoding", ["Transfer-Encoding: chunked"]),
    ("RFC9110 7.6.1 Upgrade", ["Upgrade: h2c"]),
    ("RFC9110 6.6.2 Trailer, since trailers are dropped", ["Trailer: X-A"]),
    ("RFC9111 3.1 Proxy-Authenticate", ["Proxy-Authenticate: Basic"]),
    ("RFC9111 3.1 Proxy-Authentication-Info", ["Proxy-Authentication-Info: a=b"]),
    ("RFC9111 3.1 Proxy-Authorization", ["Proxy-Authorization: Basic eA=="]),
    ("RFC9111 5.1 Age, which each answer gets anew", ["Age: 1"]),
    ("contract: tag headers", ["Cache-Tag: a, b", "Surrogate-Key: a b", "xkey: a"]),
]  # fmt: skip


@pytest.mark.parametrize("says", [pytest.param(row[1], id=row[0]) for row in NOT_STORED])
def test_fields_that_are_not_stored(says: Lines) -> None:
    """Fields of one connection, and those between application and cache, are not sent from the store."""
    kept = fields("X-First: 1", "Cache-Control: max-age=60", "X-Last: 2", "X-First: 3")

    outcome = after(
        request(), head("X-First: 1", "Cache-Control: max-age=60", *says, "X-Last: 2", "X-First: 3"), RFC, BORN, WALL
    )

    assert isinstance(outcome, Store)
    assert outcome.fields == kept


@pytest.mark.parametrize("name", ["no-cache", "private"])
def test_named_fields_are_not_stored(name: str) -> None:
    """RFC 9111 §5.2.2.4, §5.2.2.7: fields that the directive names are not sent from the store."""
    entry = stored(
        f'Cache-Control: max-age=60, {name}="X-A, x-b"',
        f"Cache-Control: {name}=x-c",
        "X-A: 1",
        "X-B: 2",
        "X-C: 3",
        "X-D: 4",
    )

    assert not {name for name, _ in entry.fields} & {b"x-a", b"x-b", b"x-c"}
    assert (b"x-d", b"4") in entry.fields


@pytest.mark.parametrize("value", ['no-cache="x-a"', 'private="X-A"'])
def test_fields_named_by_a_targeted_field_are_not_stored(value: str) -> None:
    """RFC 9213 §2.1: in a structured field the names are a string."""
    assert b"x-a" not in dict(stored(f"CDN-Cache-Control: max-age=60, {value}", "X-A: 1").fields)


END_TO_END = [
    "Content-Type: text/html", "Content-Language: de", "Content-Encoding: foo", "Content-Location: /b", "Content-MD5: x",
    "Content-Range: bytes 0-1/2", "Content-Security-Policy: a", "Content-Foo: a", "X-Content-Foo: a", "Clear-Site-Data: a", "Date: x",
    'ETag: "b"', "Expires: x", "Last-Modified: x", "Link: </a>", "Public-Key-Pins: a", "Set-Cookie: a=b", "Set-Cookie2: a=b",
    "X-Frame-Options: deny", "X-XSS-Protection: 1", "Cache-Status: origin; hit", "Warning: 110 - a", "Via: 1.1 a", "Surrogate-Control: foo=1",
    'Cache-Groups: "a"', "CDN-Cache-Control: max-age=60",
]  # fmt: skip


@pytest.mark.parametrize("line", END_TO_END)
def test_end_to_end_fields_are_stored(line: str) -> None:
    """RFC 9111 §3.1: every other field is stored, as it came."""
    assert fields(line)[0] in stored("Cache-Control: max-age=60", line).fields


@pytest.mark.parametrize(
    ("says", "sent"),
    [
        pytest.param(['ETag: "a"'], ['If-None-Match: "a"'], id="RFC9111 4.3.1 an entity tag"),
        pytest.param(['ETag: W/"a"'], ['If-None-Match: W/"a"'], id="RFC9111 4.3.1 a weak one stays weak"),
        pytest.param([f"Last-Modified: {at(-9)}"], [f"If-Modified-Since: {at(-9)}"], id="RFC9111 4.3.1 Last-Modified"),
        pytest.param(
            ['ETag: "a"', f"Last-Modified: {at(-9)}"],
            ['If-None-Match: "a"', f"If-Modified-Since: {at(-9)}"],
            id="RFC9111 4.3.1 both",
        ),
    ],
)
def test_validation_request(says: Lines, sent: Lines) -> None:
    """The application is asked with the stored validators, in place of the visitor's conditions and ranges."""
    entry = stored("Cache-Control: max-age=60", *says)
    asked = request('If-None-Match: "x"', f"If-Modified-Since: {at(-1)}", "Range: bytes=0-1", 'If-Range: "x"', "X-A: 1")

    assert to_validate(asked, entry, RFC) == request("X-A: 1", *sent)


def test_the_requests_directives_are_passed_on() -> None:
    """RFC 9111 §5.2: whoever comes after a cache is told what the visitor said, on a miss and on a validation."""
    asked = request("Cache-Control: no-cache, x=1", "Pragma: no-cache")

    for rules in (RFC, CMS):
        assert to_fetch(asked, rules) == asked
        assert to_validate(asked, stored("Cache-Control: max-age=60"), rules) == asked


def test_no_warning_is_made() -> None:
    """RFC 9111 §5.5: a stale answer has the fields of a fresh one and its Age."""
    entry = stored("Cache-Control: max-age=60", "X-A: 1")

    assert select(entry, request(), BORN + 61, WALL).fields == (*entry.fields, (b"age", b"61"))


def test_conditions_are_forwarded_on_a_miss() -> None:
    """RFC 9111 §4.3.2: without a stored response the visitor's conditions are the application's business."""
    asked = request('If-None-Match: "x"', f"If-Modified-Since: {at(-1)}", "Accept-Encoding: gzip")

    assert to_fetch(asked, RFC) == asked


UPDATES = [
    *("Cache-Control: max-age=90", "X-A: 2", "Set-Cookie: a=c", "Content-Location: /c", "Content-Foo: b", "X-Frame-Options: same"),
    *("Content-Type: text/plain", "Content-Security-Policy: b", f"Expires: {at(90)}", "Content-Language: en", f"Last-Modified: {at(-1)}"),
    f"Date: {at(0)}",
]  # fmt: skip
PRESERVED = [
    *("Content-Encoding: b", "Content-Length: 99999999", "Content-Range: bytes 0-1/99", "Content-MD5: y", 'ETag: W/"a"'),
    *("Content-Digest: sha-256=:eA==:", "Repr-Digest: sha-256=:eA==:"),
]  # fmt: skip
STORED_BEFORE = [
    *("Cache-Control: max-age=60", "X-A: 1", "Set-Cookie: a=b", "Content-Location: /b", "Content-Foo: a", "X-Frame-Options: deny"),
    *("Content-Type: text/html", "Content-Security-Policy: a", f"Expires: {at(60)}", "Content-Language: de", f"Last-Modified: {at(-2)}"),
    *("Content-Encoding: a", "Content-Range: bytes 0-1/2", "Content-MD5: x", 'ETag: "a"', f"Date: {at(-5)}", "X-B: stays"),
    *("Content-Digest: sha-256=:eQ==:", "Repr-Digest: sha-256=:eQ==:"),
]  # fmt: skip


def confirmed(entry: Entry, *says: str, method: str = "GET", status: int = 304) -> Freshen:
    """What a confirmation two minutes later makes of an entry."""
    outcome = after(request(method=method), head(*says, status=status), RFC, BORN + 120, WALL, entry=entry)
    assert isinstance(outcome, Freshen), outcome
    return outcome


@pytest.mark.parametrize("line", UPDATES)
def test_a_304_updates(line: str) -> None:
    """RFC 9111 §3.2, §4.3.4: a field of the 304 takes the place of the stored one."""
    outcome = confirmed(stored(*STORED_BEFORE), line)
    name, value = fields(line)[0]

    assert [field for field in outcome.fields if field[0] == name] == [(name, value)]
    assert (b"x-b", b"stays") in outcome.fields
    assert outcome.refused is None


@pytest.mark.parametrize("line", PRESERVED)
def test_a_304_leaves(line: str) -> None:
    """RFC 9111 §3.2: what describes the stored bytes is not the 304's to change."""
    name, value = fields(line)[0]

    outcome = confirmed(stored(*STORED_BEFORE), line)

    assert (name, value) not in outcome.fields
    assert outcome.refused is None


@pytest.mark.parametrize("says", [pytest.param(row[1], id=row[0]) for row in NOT_STORED])
def test_a_304_adds_nothing_that_is_not_stored(says: Lines) -> None:
    """RFC 9111 §3.2: what is excepted from storing is excepted from updating too."""
    entry = stored("Cache-Control: max-age=60", 'ETag: "a"')

    assert confirmed(entry, *says).fields == tuple(field for field in entry.fields if field[0] != b"content-length")


def test_a_304_begins_a_new_life() -> None:
    """RFC 9111 §4.3.4: lifetime and age are reckoned again, from the 304."""
    entry = stored("Cache-Control: max-age=60", 'ETag: "a"', f"Date: {at(-30)}", "Vary: Foo")

    assert confirmed(entry).freshness.lifetime == 60
    assert confirmed(entry).age == 0
    assert combined(confirmed(entry).fields, b"date") == at(0).encode()
    assert confirmed(entry).vary == (b"foo",)
    assert confirmed(entry, "Cache-Control: max-age=90", "Age: 7").freshness.lifetime == 90
    assert confirmed(entry, "Age: 7").age == 7
    assert b"age" not in dict(confirmed(entry, "Age: 7").fields)
    assert confirmed(entry, f"Date: {at(-9)}").age == 9
    assert b"date" not in dict(confirmed(stored("Cache-Control: max-age=60", 'ETag: "a"')).fields)


def test_a_304_that_forbids_storing() -> None:
    """RFC 9111 §5.2.2.5: the asker gets the response under the new fields, and the entry goes."""
    outcome = confirmed(
        stored("Cache-Control: max-age=60", 'ETag: "a"', "X-A: 1"), "Cache-Control: no-store", "Connection: x"
    )

    assert outcome.refused is Reason.NO_STORE
    assert outcome.freshness == Freshness(0.0)
    assert combined(outcome.fields, b"cache-control") == b"no-store"
    assert (b"x-a", b"1") in outcome.fields
    assert b"connection" not in dict(outcome.fields)


def test_a_304_about_another_response() -> None:
    """RFC 9111 §4.3.4: a 304 with another entity tag updates nothing; a weak one may be that of a strong response."""
    entry = stored("Cache-Control: max-age=60", 'ETag: "a"')

    def outcome(*says: str) -> After:
        return after(request(), head(*says, status=304), RFC, BORN + 61, WALL, entry=entry)

    assert outcome('ETag: "b"') == Fallback(entry, Reason.MISMATCH)
    assert isinstance(outcome('ETag: "a"'), Freshen)
    assert outcome('ETag: W/"b"') == Fallback(entry, Reason.MISMATCH)
    assert isinstance(outcome('ETag: W/"a"'), Freshen)
    assert isinstance(outcome(), Freshen)


def test_a_304_nobody_asked_for() -> None:
    """RFC 9111 §4.3.3: without a stored validator a 304 answers the visitor's own condition."""
    entry = stored("Cache-Control: max-age=60")

    assert after(request(), head(status=304), RFC, BORN, WALL) == Relay(Reason.NOT_MODIFIED)
    assert after(request(), head(status=304), RFC, BORN + 61, WALL, entry=entry) == Relay(Reason.NOT_MODIFIED)


def test_a_304_to_a_request_with_no_store() -> None:
    """RFC 9111 §5.2.1.5: nothing of such an answer is stored, so the entry is served as it was."""
    entry = stored("Cache-Control: max-age=60", 'ETag: "a"')

    outcome = after(request("Cache-Control: no-store"), head("X-A: 2", status=304), RFC, BORN + 61, WALL, entry=entry)

    assert outcome == Fallback(entry, Reason.REVALIDATED)


@pytest.mark.parametrize(
    ("says", "status", "updates"),
    [
        pytest.param(['ETag: "a"', "Content-Length: 10", f"Last-Modified: {at(-9)}"], 200, True, id="all the same"),
        pytest.param([], 200, True, id="nothing that could differ"),
        pytest.param(['ETag: "b"'], 200, False, id="another entity tag"),
        pytest.param([f"Last-Modified: {at(-8)}"], 200, False, id="another Last-Modified"),
        pytest.param(["Content-Length: 11"], 200, False, id="another length"),
        pytest.param([], 410, False, id="another status"),
    ],
)
def test_head_freshens(says: Lines, status: int, updates: bool) -> None:
    """RFC 9111 §4.3.5: an answer to HEAD that is about the stored response updates it; any other is passed on."""
    entry = stored("Cache-Control: max-age=60", 'ETag: "a"', f"Last-Modified: {at(-9)}")

    outcome = after(
        request(method="HEAD"),
        head("Cache-Control: max-age=90", *says, status=status),
        RFC,
        BORN + 61,
        WALL,
        entry=entry,
    )

    assert isinstance(outcome, Freshen if updates else Relay)
    if isinstance(outcome, Freshen):
        assert outcome.freshness.lifetime == 90
    else:
        assert outcome == Relay(Reason.HEAD)


def test_a_full_answer_replaces() -> None:
    """RFC 9111 §4.3.3: an answer to a validation that is no 304 takes the entry's place, or outdates it where it cannot be stored."""
    entry = stored("Cache-Control: max-age=60", 'ETag: "a"')

    assert isinstance(after(request(), head("Cache-Control: max-age=5"), RFC, BORN + 61, WALL, entry=entry), Store)
    assert after(request(), head(), RFC, BORN + 61, WALL, entry=entry) == Relay(Reason.NO_LIFETIME, supersedes=True)
    for status in (206, 400, 401, 403, 429, 500, 103):
        assert not getattr(
            after(request(), head(status=status), RFC, BORN + 61, WALL, entry=entry), "supersedes", False
        )


VARY: list[tuple[str, str, Lines, Lines, bool]] = [
    ("RFC9111 4.1 the same value", "Foo", ["Foo: 1"], ["Foo: 1"], True),
    ("RFC9111 4.1 another value", "Foo", ["Foo: 1"], ["Foo: 2"], False),
    ("RFC9111 4.1 absent now", "Foo", ["Foo: 1"], [], False),
    ("RFC9111 4.1 absent then", "Foo", [], ["Foo: 1"], False),
    ("RFC9111 4.1 absent both times", "Foo", [], ["Bar: 1"], True),
    ("RFC9111 4.1 absent and empty differ", "Foo", [], ["Foo:"], False),
    ("RFC9111 4.1 names are case-insensitive", "FOO", ["Foo: 1"], ["foo: 1"], True),
    ("RFC9111 4.1 all of several names", "Foo, Bar", ["Foo: 1", "Bar: 2"], ["Bar: 2", "Foo: 1"], True),
    ("RFC9111 4.1 one of several differs", "Foo, Bar", ["Foo: 1", "Bar: 2"], ["Foo: 1", "Bar: 3"], False),
    ("RFC9110 5.6.1 empty members", ", Foo ,,", ["Foo: 1"], ["Foo: 2"], False),
    ("RFC9111 4.1 whitespace", "Foo", ["Foo: 1,2"], ["Foo:  1 ,  2 "], True),
    ("RFC9111 4.1 lines joined", "Foo", ["Foo: 1, 2"], ["Foo: 1", "Foo: 2"], True),
    ("RFC9111 4.1 whitespace inside quotes is text", "Foo", ['Foo: "1,2"'], ['Foo: "1, 2"'], False),
    ("RFC9111 4.1 letter case of unknown fields matters", "Foo", ["Foo: a"], ["Foo: A"], False),
    ("RFC9111 4.1 order of unknown fields matters", "Foo", ["Foo: a, b"], ["Foo: b, a"], False),
    ("RFC9110 12.5.4 languages: case", "Accept-Language", ["Accept-Language: en-GB"], ["Accept-Language: EN-gb"], True),
    ("RFC9110 12.5.4 languages: whitespace", "Accept-Language", ["Accept-Language: en,de;q=0.5"], ["Accept-Language: en , de; q=0.50"], True),
    ("RFC9110 12.5.4 languages: order of equals", "Accept-Language", ["Accept-Language: en, de"], ["Accept-Language: de, en"], True),
    ("RFC9110 12.5.4 languages: weights", "Accept-Language", ["Accept-Language: en, de;q=0.5"], ["Accept-Language: en;q=0.5, de"], False),
    ("RFC9110 12.5.3 codings: order", "Accept-Encoding", ["Accept-Encoding: gzip, br"], ["Accept-Encoding: br,GZIP"], True),
    ("RFC9110 12.5.3 codings: refused", "Accept-Encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip;q=0"], False),
    ("RFC9111 4.1 cookies are compared as they are", "Cookie", ["Cookie: a=1, b"], ["Cookie: a=1,b"], False),
]  # fmt: skip


@pytest.mark.parametrize(("vary", "first", "second", "same"), [pytest.param(*row[1:], id=row[0]) for row in VARY])
def test_vary(vary: str, first: Lines, second: Lines, same: bool) -> None:
    """A stored response is a variant for another request only where all fields that Vary names say the same."""
    outcome = after(request(*first), head("Cache-Control: max-age=60", f"Vary: {vary}"), RFC, BORN, WALL)

    assert isinstance(outcome, Store)
    assert (variant(request(*first), outcome.vary, RFC) == variant(request(*second), outcome.vary, RFC)) is same


UNSAFE: list[tuple[str, str, int, Lines, list[bytes]]] = [
    ("RFC9111 4.4 the target of a POST", "POST", 200, [], [b"/page?a=1"]),
    ("RFC9111 4.4 of a PUT", "PUT", 204, [], [b"/page?a=1"]),
    ("RFC9111 4.4 of a DELETE", "DELETE", 202, [], [b"/page?a=1"]),
    ("RFC9111 4.4 of a method nobody knows", "M-SEARCH", 200, [], [b"/page?a=1"]),
    ("RFC9111 4.4 after a redirection", "POST", 303, [], [b"/page?a=1"]),
    ("RFC9111 4.4 not after a client error", "POST", 400, ["Location: /b"], []),
    ("RFC9111 4.4 not after a server error", "POST", 500, ["Content-Location: /b"], []),
    ("RFC9111 4.4 not for a safe method", "GET", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for HEAD, registered as safe", "HEAD", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for OPTIONS, registered as safe", "OPTIONS", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for TRACE, registered as safe", "TRACE", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for PRI, registered as safe", "PRI", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for PROPFIND, registered as safe", "PROPFIND", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for QUERY, registered as safe", "QUERY", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for REPORT, registered as safe", "REPORT", 200, ["Location: /b"], []),
    ("RFC9111 4.4 nor for SEARCH, registered as safe", "SEARCH", 200, ["Location: /b"], []),
    ("RFC9111 4.4 Location", "POST", 201, ["Location: /b?c=d#e"], [b"/page?a=1", b"/b?c=d"]),
    ("RFC9111 4.4 Content-Location", "POST", 200, ["Content-Location: https://example.org/b"], [b"/page?a=1", b"/b"]),
    ("RFC9111 4.4 both", "POST", 200, ["Location: b", "Content-Location: ?x"], [b"/page?a=1", b"/b", b"/page?x"]),
    ("RFC9111 4.4 the same three times", "POST", 200, ["Location: /b", "Content-Location: /b"], [b"/page?a=1", b"/b"]),
    ("RFC9111 4.4 the origin's bare name", "POST", 200, ["Location: https://example.org"], [b"/page?a=1", b"/"]),
    ("RFC9110 4.3.1 the default port is the same origin", "POST", 200, ["Location: https://EXAMPLE.org:443/b"], [b"/page?a=1", b"/b"]),
    ("RFC9111 4.4 another host", "POST", 200, ["Location: https://other.org/b"], [b"/page?a=1"]),
    ("RFC9110 4.3.1 another scheme", "POST", 200, ["Location: http://example.org/b"], [b"/page?a=1"]),
    ("RFC9110 4.3.1 another port", "POST", 200, ["Location: https://example.org:8443/b"], [b"/page?a=1"]),
    ("RFC9110 4.3.1 a port that is none", "POST", 200, ["Location: https://example.org:x/b"], [b"/page?a=1"]),
    ("RFC9111 4.4 a reference that is none", "POST", 200, ["Location: https://[/b"], [b"/page?a=1"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "status", "says", "outdated"), [pytest.param(*row[1:], id=row[0]) for row in UNSAFE]
)
def test_invalidation(method: str, status: int, says: Lines, outdated: list[bytes]) -> None:
    """An unsafe request that was carried out outdates its target and what the answer points to on the same origin."""
    assert list(invalidated(request(method=method, query=b"a=1"), head(*says, status=status))) == outdated


def test_invalidation_without_host() -> None:
    """RFC 9111 §4.4: without a known origin only the target is outdated."""
    asked = replace(request(method="POST"), fields=())

    assert invalidated(asked, head("Location: /b")) == (b"/page",)


def test_origin() -> None:
    """RFC 9110 §4.3.1: an origin has one spelling."""
    assert origin(request()) == "https://example.org"
    assert origin(replace(request(), fields=fields("Host: EXAMPLE.org:443"))) == "https://example.org"
    assert origin(replace(request(), fields=fields("Host: example.org:8443"))) == "https://example.org:8443"
    assert origin(replace(request(), scheme="http", fields=fields("Host: example.org:80"))) == "http://example.org"


def test_invalidation_over_http() -> None:
    """RFC 9110 §4.3.1: the default port of http is 80."""
    asked = replace(request(method="POST"), scheme="http")

    assert invalidated(asked, head("Location: http://example.org:80/b")) == (b"/page", b"/b")
    assert invalidated(asked, head("Location: http://example.org:443/b")) == (b"/page",)


GROUPS: list[tuple[str, str, int, list[str]]] = [
    ("RFC9875 3 named by an unsafe request's answer", "POST", 200, ["a", "b c"]),
    ("RFC9875 3 ignored for a safe method", "GET", 200, []),
    ("RFC9111 4.4 nothing was changed", "POST", 403, []),
]  # fmt: skip
MANY = tuple(f"{number:032}" for number in range(32))


@pytest.mark.parametrize(("method", "status", "outdated"), [pytest.param(*row[1:], id=row[0]) for row in GROUPS])
def test_group_invalidation(method: str, status: int, outdated: list[str]) -> None:
    """Cache groups are outdated by unsafe requests that were carried out."""
    answer = head('Cache-Group-Invalidation: "a"', 'Cache-Group-Invalidation: "b c"', status=status)

    assert list(invalidated_groups(request(method=method), answer)) == outdated


@pytest.mark.parametrize(
    ("says", "found"),
    [
        pytest.param(['Cache-Groups: "a", "B"', 'Cache-Groups: "c";d'], ("a", "B", "c"), id="RFC9875 2 a list of strings, case-sensitive"),
        pytest.param(["Cache-Groups: a"], (), id="RFC9875 2 tokens are no strings"),
        pytest.param(['Cache-Groups: "a", ("b")'], (), id="RFC9875 2 nor are inner lists"),
        pytest.param(['Cache-Groups: "a'], (), id="RFC9875 2 unparsable"),
        pytest.param([], (), id="RFC9875 2 absent"),
        pytest.param(['Cache-Groups: "' + '", "'.join(MANY) + '"'], MANY, id="RFC9875 2 at least 32 members of 32 characters"),
    ],
)  # fmt: skip
def test_groups(says: Lines, found: tuple[str, ...]) -> None:
    """The groups of a response are read strictly."""
    assert groups(head(*says)) == found


CONDITIONS: list[tuple[str, Lines, Lines, bool]] = [
    ("RFC9111 4.3.2 the stored entity tag", ['ETag: "a"'], ['If-None-Match: "a"'], True),
    ("RFC9111 4.3.2 another", ['ETag: "a"'], ['If-None-Match: "b"'], False),
    ("RFC9110 13.1.2 weak comparison", ['ETag: "a"'], ['If-None-Match: W/"a"'], True),
    ("RFC9110 13.1.2 a stored weak one", ['ETag: W/"a"'], ['If-None-Match: "a"'], True),
    ("RFC9110 13.1.2 one of a list", ['ETag: "b"'], ['If-None-Match: "a" , W/"b","c"'], True),
    ("RFC9110 13.1.2 one of two lines", ['ETag: "b"'], ['If-None-Match: "a"', 'If-None-Match: "b"'], True),
    ("RFC9110 8.8.3 a comma in a tag", ['ETag: "a,b"'], ['If-None-Match: "x", "a,b"'], True),
    ("RFC9110 8.8.3 bytes beyond ASCII", ['ETag: "\xe4"'], ['If-None-Match: "\xe4"'], True),
    ("RFC9110 13.1.2 *", ['ETag: "a"'], ["If-None-Match: *"], True),
    ("RFC9110 13.1.2 * in a list means nothing", ['ETag: "a"'], ['If-None-Match: "b", *'], False),
    ("RFC9110 8.8.3 a tag that lost its quotes", ['ETag: "a"'], ["If-None-Match: a"], True),
    ("RFC9110 8.8.3 a stored tag without quotes", ["ETag: a"], ['If-None-Match: "a"'], True),
    ("RFC9110 13.1.3 If-Modified-Since at Last-Modified", [f"Last-Modified: {at(-9)}"], [f"If-Modified-Since: {at(-9)}"], True),
    ("RFC9111 4.3.2 later", [f"Last-Modified: {at(-9)}"], [f"If-Modified-Since: {at(-8)}"], True),
    ("RFC9111 4.3.2 earlier", [f"Last-Modified: {at(-9)}"], [f"If-Modified-Since: {at(-10)}"], False),
    ("RFC9111 4.3.2 Date where there is no Last-Modified", [f"Date: {at(-9)}"], [f"If-Modified-Since: {at(-9)}"], True),
    ("RFC9111 4.3.2 before that Date", [f"Date: {at(-9)}"], [f"If-Modified-Since: {at(-10)}"], False),
    ("RFC9110 13.1.3 nothing to compare with", ["X-A: 1"], [f"If-Modified-Since: {at(0)}"], False),
    ("RFC9110 13.1.3 no date", [f"Last-Modified: {at(-9)}"], ["If-Modified-Since: today"], False),
    ("RFC9110 13.1.3 two dates", [f"Last-Modified: {at(-9)}"], [f"If-Modified-Since: {at(0)}", f"If-Modified-Since: {at(0)}"], False),
    ("RFC9110 13.1.3 a Last-Modified that is no date", ["Last-Modified: x"], [f"If-Modified-Since: {at(0)}"], False),
    ("RFC9110 13.2.2 If-None-Match decides, though the date matches", ['ETag: "a"', f"Last-Modified: {at(-9)}"], ['If-None-Match: "b"', f"If-Modified-Since: {at(0)}"], False),
    ("RFC9110 13.2.2 If-None-Match decides, though the date does not", ['ETag: "a"', f"Last-Modified: {at(-9)}"], ['If-None-Match: "a"', f"If-Modified-Since: {at(-99)}"], True),
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("says", "asks", "holds"), [pytest.param(*row[1:], id=row[0]) for row in CONDITIONS])
def test_conditional_request(says: Lines, asks: Lines, holds: bool, method: str) -> None:
    """The cache answers 304 to whoever holds the stored response, and the response to anybody else."""
    answer = select(stored("Cache-Control: max-age=60", *says), request(*asks, method=method), BORN + 1, WALL)

    assert answer.status == (304 if holds else 200)
    assert answer.body == (() if holds or method == "HEAD" else (BODY,))


def fetched(asked: Request) -> Before:
    """What becomes of a request for a fresh entry."""
    return before(asked, stored("Cache-Control: max-age=60"), RFC, BORN + 1)


def test_repeated_directives_and_lines_are_read_together() -> None:
    """RFC 9110 §5.3: several lines of a request are one list."""
    assert isinstance(fetched(request("Cache-Control: foo", "Cache-Control: no-cache")), Fetch)
    assert isinstance(fetched(request("Pragma: foo", "Pragma: no-cache")), Fetch)
