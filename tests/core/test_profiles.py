"""What the `cms` profile does differently from RFC 9111 on purpose; each row is a sentence of docs/http.md."""

from __future__ import annotations

import dataclasses
from math import inf
from typing import TypeAlias

import pytest

from cms_cache_mw.core.entry import Freshness
from cms_cache_mw.core.message import combined
from cms_cache_mw.core.policy import (
    Bypass,
    Fallback,
    Fetch,
    Relay,
    Revalidate,
    Serve,
    after,
    before,
    bypass,
    failed,
    heeded,
    relayed,
    to_fetch,
    to_validate,
)
from cms_cache_mw.core.rules import CMS, RFC, Rules
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.storing import Freshen, Store, settle
from cms_cache_mw.core.value import replace
from tests.core.messages import BORN, WALL, at, fields, head, request, stored

Lines: TypeAlias = list[str]
YES = Reason.STORED
HTML = "Content-Type: text/html; charset=utf-8"
FRESH = "Cache-Control: max-age=60"

STORING: list[tuple[str, str, int, Lines, Reason]] = [
    ("HTML that says nothing", "GET", 200, [HTML], YES),
    ("XML and feeds", "GET", 200, ["Content-Type: Application/RSS+xml"], YES),
    ("other types that say nothing", "GET", 200, ["Content-Type: application/json"], Reason.NO_LIFETIME),
    ("no type and no lifetime", "GET", 200, [], Reason.NO_LIFETIME),
    ("other types with a lifetime", "GET", 200, ["Content-Type: application/json", FRESH], YES),
    ("a stock Wagtail page", "GET", 200, [HTML, "Vary: Cookie, Accept-Encoding", "X-Frame-Options: DENY"], YES),
    ("HEAD", "HEAD", 200, [HTML, FRESH], Reason.HEAD),
    ("an error, though marked public", "GET", 404, [HTML, "Cache-Control: public, max-age=60", "Cache-Tag: a"], Reason.STATUS),
    ("a server error with a lifetime", "GET", 500, [HTML, FRESH], Reason.STATUS),
    ("a redirection", "GET", 301, [FRESH], Reason.STATUS),
    ("a part", "GET", 206, [FRESH], Reason.PARTIAL),
    ("Set-Cookie", "GET", 200, [HTML, FRESH, "Set-Cookie: a=b"], Reason.SET_COOKIE),
    ("private", "GET", 200, [HTML, "Cache-Control: private, max-age=60"], Reason.PRIVATE),
    ("private with field names", "GET", 200, [HTML, 'Cache-Control: private="x-a", max-age=60'], Reason.PRIVATE),
    ("no-store", "GET", 200, [HTML, "Cache-Control: no-store"], Reason.NO_STORE),
    ("no-store beside must-understand", "GET", 200, [HTML, "Cache-Control: no-store, must-understand, max-age=60"], Reason.NO_STORE),
    ("private with field names, for shared caches alone", "GET", 200, [HTML, 'CDN-Cache-Control: private="x-a", max-age=60'], Reason.PRIVATE),
    ("no-store beside must-understand, for shared caches alone", "GET", 200, [HTML, "CDN-Cache-Control: no-store, must-understand, max-age=60"], Reason.NO_STORE),
    ("no-cache, with a validator too", "GET", 200, [HTML, "Cache-Control: no-cache", 'ETag: "a"'], Reason.NO_CACHE),
    ("no-cache with field names", "GET", 200, [HTML, 'Cache-Control: no-cache="set-cookie", max-age=60'], Reason.NO_CACHE),
    ("no-cache for shared caches alone", "GET", 200, [HTML, "CDN-Cache-Control: no-cache", 'ETag: "a"'], Reason.NO_CACHE),
    ("no-cache for shared caches alone, of another type", "GET", 200, ["Content-Type: application/json", "CDN-Cache-Control: no-cache"], Reason.NO_CACHE),
    ("no-cache of another type", "GET", 200, ["Content-Type: application/json", "Cache-Control: no-cache"], Reason.NO_CACHE),
    ("max-age=0, with a validator and a window too", "GET", 200, [HTML, "Cache-Control: max-age=0, stale-while-revalidate=60", 'ETag: "a"'], Reason.EXPIRES),
    ("s-maxage=0", "GET", 200, [HTML, "Cache-Control: max-age=60, s-maxage=0"], Reason.EXPIRES),
    ("max-age=0 beside s-maxage", "GET", 200, [HTML, "Cache-Control: max-age=0, s-maxage=60"], YES),
    ("a past Expires", "GET", 200, [HTML, f"Expires: {at(-1)}"], Reason.EXPIRES),
    ("an unreadable Expires", "GET", 200, [HTML, "Expires: -1"], Reason.EXPIRES),
    ("Pragma: no-cache", "GET", 200, [HTML, "Pragma: no-cache"], Reason.PRAGMA),
    ("an age above the lifetime", "GET", 200, [HTML, FRESH, "Age: 60"], Reason.EXPIRES),
    ("an age above the default lifetime", "GET", 200, [HTML, "Age: 300"], Reason.NO_LIFETIME),
    ("Vary: *", "GET", 200, [HTML, FRESH, "Vary: *"], Reason.VARY_STAR),
    ("Vary: User-Agent", "GET", 200, [HTML, FRESH, "Vary: User-Agent"], Reason.VARY_USER_AGENT),
    ("a coding that Vary does not name", "GET", 200, [HTML, FRESH, "Content-Encoding: gzip"], Reason.ENCODED),
    ("a coding that Vary names", "GET", 200, [HTML, FRESH, "Content-Encoding: gzip", "Vary: Cookie, ACCEPT-Encoding"], YES),
    ("a coding and Vary: *", "GET", 200, [HTML, FRESH, "Content-Encoding: gzip", "Vary: *"], Reason.VARY_STAR),
    ("an event stream", "GET", 200, [FRESH, "Content-Type: text/event-stream"], Reason.STREAM),
    ("too large", "GET", 200, [HTML, FRESH, "Content-Length: 3000000"], Reason.TOO_LARGE),
]  # fmt: skip


@pytest.mark.parametrize(("method", "status", "says", "reason"), [pytest.param(*row[1:], id=row[0]) for row in STORING])
def test_storing(method: str, status: int, says: Lines, reason: Reason) -> None:
    """A public page is stored; whatever might be meant for one visitor, or for no cache, is not."""
    outcome = after(request(method=method), head(*says, status=status), CMS, BORN, WALL)

    assert outcome.reason is reason
    assert isinstance(outcome, Store if reason is YES else Relay)


def test_default_lifetime() -> None:
    """What says nothing stays fresh for `default_ttl`, and stands in for errors for `stale_if_error`."""
    entry = stored(HTML, "Cache-Control: public", rules=CMS)

    assert entry.freshness == Freshness(300.0, if_error=3600.0, if_gone=3600.0, most=inf)


def test_lifetimes_that_may_be_chosen() -> None:
    """Only what says nothing of its lifetime may be given a longer one, but for what is to be validated each time."""
    told = stored(HTML, "Cache-Control: public, max-age=60", rules=CMS).freshness
    quiet = stored(HTML, rules=CMS).freshness

    assert (told.lifetime, told.most) == (60.0, 0.0)
    assert (quiet.lifetime, quiet.most) == (300.0, inf)
    assert stored('ETag: "a"').freshness.most == 0.0
    assert stored(f"Last-Modified: {at(-10)}").freshness == Freshness(1.0, if_gone=3600.0, most=inf)
    assert (quiet.within(900.0).lifetime, quiet.within(900.0).most) == (300.0, 900.0)
    assert (quiet.within(20.0).lifetime, quiet.within(20.0).most) == (20.0, 20.0)


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/html", "application/xhtml+xml", "text/xml", "application/xml"),
        *("application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json"),
    ],
)
def test_pages_and_feeds_have_a_default_lifetime(media_type: str) -> None:
    """HTML, XML and feeds are what a CMS renders without saying how long it lasts."""
    assert stored(f"Content-Type: {media_type}", rules=CMS).freshness.lifetime == 300.0


def test_profiles_have_the_names_of_the_option() -> None:
    """`profile` says `cms` or `rfc`, and so do explain and the log."""
    assert (CMS.name, RFC.name) == ("cms", "rfc")


@pytest.mark.parametrize("rules", [CMS, RFC], ids=["cms", "rfc"])
def test_what_a_url_may_take(rules: Rules) -> None:
    """A URL has at most 32 variants of at most 2 MiB, unless a deployment says otherwise."""
    assert (rules.max_variants, rules.max_body_bytes) == (32, 2 * 1024**2)


def test_the_cookie_classes_have_settled_vary() -> None:
    """`Vary: Cookie` makes no variants, nor does Accept-Encoding, since the application sees neither."""
    outcome = after(request(), head(HTML, "Vary: Cookie, Accept-Encoding, X-A"), CMS, BORN, WALL)

    assert isinstance(outcome, Store)
    assert outcome.vary == (b"x-a",)
    assert combined(outcome.fields, b"vary") == b"Cookie, Accept-Encoding, X-A"


def test_other_statuses() -> None:
    """A status that is allowed besides 200 needs tags, and gets at most a minute without explicit freshness."""
    rules = replace(CMS, store_statuses=frozenset({200, 404}))

    def outcome(*says: str, tagged: bool) -> object:
        found = after(request(), head(*says, status=404), rules, BORN, WALL, tagged=tagged)
        return found.freshness.lifetime if isinstance(found, Store) else found

    assert outcome(tagged=True) == 60
    assert outcome("Cache-Control: max-age=600", tagged=True) == 600
    assert outcome("Cache-Control: max-age=600", tagged=False) == Relay(Reason.UNTAGGED)
    assert isinstance(after(request(), head(HTML), rules, BORN, WALL, tagged=False), Store)


def test_anonymous_cookies() -> None:
    """What is rendered for a cookie of the anonymous class is not stored, not even as the fields of a 304."""
    entry = stored(HTML, FRESH, 'ETag: "a"', rules=CMS)

    assert after(request(), head(HTML), CMS, BORN, WALL, anonymous=True) == Relay(Reason.ANONYMOUS)
    outcome = after(request(), head("X-A: 1", status=304), CMS, BORN + 61, WALL, entry=entry, anonymous=True)
    assert outcome == Fallback(entry, Reason.REVALIDATED)


BYPASSES: list[tuple[Lines, Reason]] = [
    (["Authorization: Basic eA=="], Reason.AUTHORIZATION),
    (["Proxy-Authorization: Basic eA=="], Reason.AUTHORIZATION),
    (["X-Api-Key: a"], Reason.API_KEY),
    (['If-Match: "a"'], Reason.PRECONDITION),
    ([f"If-Unmodified-Since: {at(0)}"], Reason.PRECONDITION),
    (["Upgrade: h2c"], Reason.UPGRADE),
    (["X-HTTP-Method-Override: DELETE"], Reason.OVERRIDE),
    (["X-HTTP-Method: DELETE"], Reason.OVERRIDE),
    (["X-Method-Override: DELETE"], Reason.OVERRIDE),
    (["Content-Length: 1"], Reason.BODY),
    (["Content-Length: +0"], Reason.BODY),
    (["Transfer-Encoding: chunked"], Reason.BODY),
]


@pytest.mark.parametrize(("asks", "reason"), BYPASSES, ids=[row[0][0] for row in BYPASSES])
def test_bypass(asks: Lines, reason: Reason) -> None:
    """Such a request is neither answered from the cache nor stored."""
    entry = stored(HTML, rules=CMS)

    assert before(request(*asks), entry, CMS, BORN) == Bypass(reason)
    assert before(request(*asks), None, CMS, BORN) == Bypass(reason)


SIGNED_IN = (
    "authorization proxy-authorization api-key x-auth-token x-access-token x-authorization remote-user remote-email "
    "remote-groups x-remote-user x-authenticated-user x-authenticated-userid x-webauth-user x-vouch-user x-forwarded-user "
    "x-forwarded-email x-forwarded-preferred-username x-forwarded-groups x-forwarded-access-token x-auth-request-user "
    "x-auth-request-email x-auth-request-access-token x-amzn-oidc-identity x-amzn-oidc-data x-amzn-oidc-accesstoken "
    "x-goog-iap-jwt-assertion x-goog-authenticated-user-email x-goog-authenticated-user-id cf-access-jwt-assertion "
    "cf-access-authenticated-user-email x-ms-client-principal x-ms-client-principal-id x-ms-client-principal-name "
    "x-ms-token-aad-access-token x-ms-token-aad-id-token x-pomerium-jwt-assertion x-authentik-username x-authentik-jwt "
    "tailscale-user-login x-ssl-client-cert x-ssl-client-dn x-ssl-client-s-dn ssl-client-cert x-client-cert x-client-dn"
)


@pytest.mark.parametrize("name", SIGNED_IN.split())
def test_whoever_is_signed_in_is_not_the_caches_business(name: str) -> None:
    """Each field by which visitors, or proxies that sign them in, say who is asking: a letter more in one would share their pages."""
    assert bypass(request(f"{name}: somebody"), CMS) is Reason.AUTHORIZATION


@pytest.mark.parametrize("name", ["x-http-method-override", "x-http-method", "x-method-override"])
def test_another_method_in_a_field(name: str) -> None:
    """Each field by which frameworks let a GET be something else."""
    assert bypass(request(f"{name}: DELETE"), CMS) is Reason.OVERRIDE


def test_no_bypass() -> None:
    """An ordinary request is the cache's business, also with an empty body."""
    assert bypass(request("Content-Length: 0", "Cookie: a=b", "Upgrade-Insecure-Requests: 1"), CMS) is None


def test_a_field_that_a_deployment_adds() -> None:
    """A field that is named in the rules alone bypasses under the general reason."""
    assert bypass(request("X-Preview: 1"), replace(CMS, bypass=frozenset({b"x-preview"}))) is Reason.OFF


@pytest.mark.parametrize(
    "line",
    [
        "Cache-Control: no-cache",
        "Cache-Control: max-age=0",
        "Cache-Control: no-store",
        "Pragma: no-cache",
        "Cache-Control: only-if-cached",
    ],
)
def test_visitors_do_not_control_the_cache(line: str) -> None:
    """A hard reload is a hit, and a miss is stored whatever the visitor says."""
    entry = stored(HTML, rules=CMS)

    assert before(request(line), entry, CMS, BORN + 1) == Serve(entry, Reason.HIT)
    assert before(request(line), None, CMS, BORN) == Fetch(Reason.URI_MISS)
    assert isinstance(after(request(line), head(HTML), CMS, BORN, WALL), Store)


def test_what_the_application_sees_on_a_miss() -> None:
    """Conditions and Accept-Encoding are taken off a render that may be stored; the rest stays."""
    asked = request('If-None-Match: "x"', f"If-Modified-Since: {at(-1)}", "Accept-Encoding: gzip", "X-A: 1")

    assert to_fetch(asked, CMS) == request("X-A: 1")
    assert to_validate(asked, stored(HTML, 'ETag: "a"', rules=CMS), CMS) == request("X-A: 1", 'If-None-Match: "a"')


def test_own_tags_are_no_validators() -> None:
    """The application is not asked about an entity tag that the cache made itself."""
    own = stored(HTML, rules=CMS)

    assert combined(own.fields, b"etag")
    assert before(request(), own, CMS, BORN + 301) == Fetch(Reason.EXPIRED)
    assert isinstance(before(request(), stored(HTML, 'ETag: "a"', rules=CMS), CMS, BORN + 301), Revalidate)


STALE: list[tuple[str, str, bool]] = [
    ("nothing said", "public", True),
    ("stale-if-error=0", "max-age=300, stale-if-error=0", False),
    ("must-revalidate", "max-age=300, must-revalidate", False),
    ("proxy-revalidate", "max-age=300, proxy-revalidate", False),
    ("s-maxage", "s-maxage=300", False),
    ("s-maxage with an own window", "s-maxage=300, stale-if-error=60", True),
    ("s-maxage with must-revalidate and an own window", "s-maxage=300, must-revalidate, stale-if-error=60", False),
]


@pytest.mark.parametrize(("says", "stands"), [pytest.param(*row[1:], id=row[0]) for row in STALE])
def test_a_stale_page_is_better_than_an_error(says: str, stands: bool) -> None:
    """The stored page stands in when the application fails or is gone, unless a directive forbids it."""
    entry = stored(HTML, f"Cache-Control: {says}", rules=CMS)

    outcome = after(request(), head(status=500), CMS, BORN + 301, WALL, entry=entry)
    assert outcome == (Fallback(entry, Reason.STALE_ERROR) if stands else Relay(Reason.STATUS))
    assert failed(request(), entry, CMS, BORN + 301) == (Fallback(entry, Reason.STALE_GONE) if stands else None)
    assert failed(request(), entry, CMS, BORN + 300 + 3600) is None


def test_own_windows_beside_s_maxage() -> None:
    """`s-maxage=…, stale-while-revalidate=…` means both, as everybody who writes it thinks."""
    entry = stored(HTML, "Cache-Control: s-maxage=60, stale-while-revalidate=60", rules=CMS)

    assert before(request(), entry, CMS, BORN + 61) == Serve(entry, Reason.STALE, refresh=True)


def test_a_304_with_a_cookie() -> None:
    """A 304 that sets a cookie goes to its asker, and nothing of it stays stored."""
    entry = stored(HTML, FRESH, 'ETag: "a"', rules=CMS)

    outcome = after(request(), head("Set-Cookie: a=b", status=304), CMS, BORN + 61, WALL, entry=entry)

    assert isinstance(outcome, Freshen)
    assert outcome.refused is Reason.SET_COOKIE


def test_a_304_keeps_what_the_tags_allow() -> None:
    """A page of another status stays stored by a 304 only as long as the entry has tags."""
    rules = replace(CMS, store_statuses=frozenset({200, 404}))
    entry = dataclasses.replace(stored(FRESH, 'ETag: "a"', status=404, rules=rules), tags=("a",))

    def refused(found: object) -> object:
        assert isinstance(found, Freshen)
        return found.refused

    assert refused(after(request(), head(status=304), rules, BORN + 61, WALL, entry=entry)) is None
    untagged = dataclasses.replace(entry, tags=())
    assert refused(after(request(), head(status=304), rules, BORN + 61, WALL, entry=untagged)) is Reason.UNTAGGED


@pytest.mark.parametrize("rules", [CMS, RFC], ids=["cms", "rfc"])
def test_every_answer_loses_its_tags(rules: Rules) -> None:
    """Tag headers are between the application and the cache."""
    says = fields("Cache-Tag: a", "X-A: 1", "Surrogate-Key: b", "xkey: c", 'Cache-Groups: "d"')

    assert relayed(says, rules) == fields("X-A: 1", 'Cache-Groups: "d"')
    assert relayed(fields("X-A: 1"), CMS) == fields("X-A: 1")


def test_a_heads_way_through_a_stale_entry() -> None:
    """HEAD is answered from a stored GET, asks about a stale one, and is the application's business without one."""
    entry = stored(HTML, FRESH, 'ETag: "a"', rules=CMS)
    asked = request(method="HEAD")

    assert before(asked, entry, CMS, BORN) == Serve(entry, Reason.HIT)
    assert before(asked, entry, CMS, BORN + 61) == Revalidate(entry, Reason.EXPIRED)
    assert before(asked, None, CMS, BORN) == Bypass(Reason.HEAD)


WARY = [
    ("public;private", Reason.PRIVATE),
    ("public PRIVATE", Reason.PRIVATE),
    ('max-age=60, "no-store"', Reason.NO_STORE),
    ("public; no-cache", Reason.NO_CACHE),
]


@pytest.mark.parametrize(("value", "reason"), WARY)
def test_forbidding_words_count_wherever_they_stand(value: str, reason: Reason) -> None:
    """`cms` heeds no-store, private and no-cache where Cache-Control cannot be parsed; `rfc` goes by the grammar."""
    answer = head(f"Cache-Control: {value}", "Content-Type: text/html", "CDN-Cache-Control:")
    refused = settle(request(), answer, CMS, WALL, 0.0, tagged=True)
    assert refused is reason
    assert settle(request(), answer, RFC, WALL, 0.0, tagged=True) is not reason


@pytest.mark.parametrize("line", ["Set-Cookie2: a=1", 'Clear-Site-Data: "*"', "X-Long: " + "a" * 65_536])
def test_heads_that_are_not_for_everybody(line: str) -> None:
    """What changes a visitor's browser, and a head that no client takes, is not stored."""
    answer = head("Cache-Control: max-age=60", line)
    assert settle(request(), answer, CMS, WALL, 0.0, tagged=True) in {Reason.SET_COOKIE, Reason.TOO_LARGE}


def test_fields_that_a_hit_has_to_heed() -> None:
    """What makes a request bypass, and, where visitors may say so, their Cache-Control."""
    assert b"authorization" in heeded(CMS)
    assert not {b"cache-control", b"pragma"} & heeded(CMS)
    assert {b"cache-control", b"pragma"} <= heeded(RFC)
