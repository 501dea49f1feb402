"""Explain is right for every reason: each one is produced by requests over HTTP, and then asked about."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

import pytest

from cms_cache_mw.core.status import Reason
from tests.admin.test_explain import INSIDE
from tests.http.application import TOKEN
from tests.http.site import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.site import Site

    Asked: TypeAlias = "tuple[str, tuple[str, ...], str]"
    """A URL, what the visitor sends, and the method."""

FRESH = "Cache-Control: max-age=60"
SHORT = "Cache-Control: max-age=10, stale-while-revalidate=30"


def asked(url: str, *lines: str, method: str = "GET") -> Asked:
    """What is asked about."""
    return url, lines, method


def stored(*lines: str, visits: int = 1) -> Callable[[Site], Asked]:
    """A page that was asked for."""

    def made(site: Site) -> Asked:
        path = site.script(answer(*lines))
        for _ in range(visits):
            site.ask(path)
        return asked(path)

    return made


def sent(*lines: str, method: str = "GET", visit: bool = False, body: bytes = b"") -> Callable[[Site], Asked]:
    """A request for a page, with these fields."""

    def made(site: Site) -> Asked:
        path = site.script(answer(FRESH))
        if visit:
            site.ask(path, *lines, method=method, body=body)
        return asked(path, *lines, method=method)

    return made


def later(first: Any, *then: Any, seconds: float = 20, visit: bool = True) -> Callable[[Site], Asked]:  # noqa: ANN401
    """A page that was stored and has grown old; the next answers of the application are these."""

    def made(site: Site) -> Asked:
        path = site.script(first, *then)
        site.ask(path)
        site.advance(seconds)
        if visit:
            site.ask(path)
        return asked(path)

    return made


def varied(site: Site) -> Asked:
    """A page of which another variant is stored."""
    path = site.script(answer(FRESH, "Vary: X-Kind"))
    site.ask(path, "X-Kind: a")
    return asked(path, "X-Kind: b")


def purged(*, soft: bool) -> Callable[[Site], Asked]:
    """A page with a tag that was purged."""

    def made(site: Site) -> Asked:
        path = site.script(answer("Cache-Control: max-age=600", "Cache-Tag: menu:1"))
        site.ask(path)
        site.purge(tags=["menu:1"], soft=soft, reason="the menu")
        return asked(path)

    return made


def collapsed(site: Site) -> Asked:
    """Two requests for one render."""
    path = site.script(answer(FRESH, gate="go"))
    with site.visitor() as one, site.visitor() as other:
        one.send(path)
        site.wait(path, "begun")
        other.send(path)
        # The second one is in the flight as soon as it is answered for: a bypass beside it says that it has arrived.
        time.sleep(0.2)
        site.open(path, "go")
        one.read()
        other.read()
    return asked(path)


def overtaken(site: Site) -> Asked:
    """A page that was purged while it was rendered."""
    path = site.script(answer(FRESH, gate="go"))
    with site.visitor() as visitor:
        visitor.send(path)
        site.wait(path, "begun")
        site.purge(urls=[path])
        site.open(path, "go")
        visitor.read()
    return asked(path)


ETAGGED = ('ETag: "one"', "Cache-Control: max-age=10")

OVER_HTTP: dict[Reason, tuple[str, Callable[[Site], Asked]]] = {
    Reason.HIT: ("cms", stored(FRESH, visits=3)),
    Reason.STALE: ("cms", later(answer(SHORT), visit=False)),
    Reason.URI_MISS: ("cms", sent()),
    Reason.VARY_MISS: ("cms", varied),
    Reason.EXPIRED: ("cms", later(answer("Cache-Control: max-age=10"), visit=False)),
    Reason.MUST_VALIDATE: ("rfc", stored("Cache-Control: no-cache", 'ETag: "one"')),
    Reason.REQUEST: ("rfc", sent("Cache-Control: no-cache", visit=True)),
    Reason.PURGED: ("cms", purged(soft=False)),
    Reason.SOFT_PURGED: ("cms", purged(soft=True)),
    Reason.KNOWN_UNCACHEABLE: ("cms", stored("Cache-Control: private")),
    Reason.RANGE: ("cms", sent("Range: bytes=0-1")),
    Reason.HEAD: ("cms", sent(method="HEAD")),
    Reason.METHOD: ("cms", sent(method="POST", visit=True)),
    Reason.AUTHORIZATION: ("cms", sent("Authorization: Basic eDp5", visit=True)),
    Reason.API_KEY: ("cms", sent("X-Api-Key: 1", visit=True)),
    Reason.COOKIE: ("cms", sent("Cookie: sessionid=1; _ga=2", visit=True)),
    Reason.BODY: ("cms", sent("Content-Length: 5")),
    Reason.PRECONDITION: ("cms", sent('If-Match: "x"', visit=True)),
    Reason.UPGRADE: ("cms", sent("Upgrade: h2c")),
    Reason.OVERRIDE: ("cms", sent("X-HTTP-Method-Override: PUT", visit=True)),
    Reason.REVALIDATED: ("rfc", later(answer(*ETAGGED), answer('ETag: "one"', status=304, html=False))),
    Reason.MISMATCH: ("rfc", later(answer(*ETAGGED), answer('ETag: "two"', status=304, html=False))),
    Reason.STALE_ERROR: (
        "cms",
        later(answer("Cache-Control: max-age=10, stale-if-error=600"), answer(status=503)),
    ),
    Reason.STALE_GONE: ("cms", later(answer("Cache-Control: max-age=10"), answer(fails="raise"))),
    Reason.COLLAPSED: ("cms", collapsed),
    Reason.STORED: ("cms", stored(FRESH)),
    Reason.OVERTAKEN: ("cms", overtaken),
    Reason.STATUS: ("cms", lambda site: asked(_asked_once(site, answer(status=404)))),
    Reason.PARTIAL: ("cms", lambda site: asked(_asked_once(site, answer("Content-Range: bytes 0-1/9", status=206)))),
    Reason.NOT_MODIFIED: ("cms", lambda site: asked(_asked_once(site, answer(status=304, body="", html=False)))),
    Reason.REQUEST_NO_STORE: ("rfc", sent("Cache-Control: no-store", visit=True)),
    Reason.NO_STORE: ("cms", stored("Cache-Control: no-store")),
    Reason.PRIVATE: ("cms", stored("Cache-Control: private")),
    Reason.NO_CACHE: ("cms", stored("Cache-Control: no-cache")),
    Reason.PRAGMA: ("cms", stored("Pragma: no-cache")),
    Reason.SET_COOKIE: ("cms", stored(FRESH, "Set-Cookie: a=b")),
    Reason.AUTHORIZED: ("rfc", sent("Authorization: Basic eDp5", visit=True)),
    Reason.ANONYMOUS: ("cms", sent("Cookie: csrftoken=1", visit=True)),
    Reason.VARY_STAR: ("cms", stored(FRESH, "Vary: *")),
    Reason.VARY_USER_AGENT: ("cms", stored(FRESH, "Vary: User-Agent")),
    Reason.ENCODED: ("cms", stored(FRESH, "Content-Encoding: br")),
    Reason.STREAM: ("cms", stored(FRESH, "Content-Type: text/event-stream")),
    Reason.EXPIRES: ("cms", stored("Expires: Thu, 01 Jan 1970 00:00:00 GMT")),
    Reason.NO_LIFETIME: ("cms", stored("Content-Type: image/png")),
    Reason.TAGS: ("cms", stored(FRESH, "Cache-Tag: " + "x" * 300)),
    Reason.TOO_LARGE: ("cms", lambda site: asked(_asked_once(site, answer(FRESH, body="x", times=2_100_000)))),
    Reason.INCOMPLETE: ("cms", lambda site: asked(_asked_once(site, answer(FRESH, fails="cut")))),
}
"""A profile, and what produces the reason."""


def _asked_once(site: Site, first: Any) -> str:  # noqa: ANN401 - an answer
    path = site.script(first)
    site.ask(path)
    return path


def told(site: Site, endpoint: str, *pairs: tuple[str, str]) -> Any:  # noqa: ANN401 - JSON
    """What an admin endpoint says."""
    reply = site.ask(f"/_cache{endpoint}?{urlencode(pairs)}", f"Authorization: Bearer {TOKEN}")
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def explained(site: Site, what: Asked) -> Any:  # noqa: ANN401 - JSON
    """The explanation of what is asked about."""
    url, lines, method = what
    return told(site, "/explain", ("url", url), ("method", method), *(("header", line) for line in lines))


def reasons(explanation: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Every reason in an explanation, the one for a request made now first."""
    found = [explanation["why"]["reason"]]
    found += [explanation["not_stored"]["reason"]] if explanation["not_stored"] else []
    for decision in explanation["decisions"]:
        found += [decision["reason"], decision["detail"]]
    return found


def test_every_reason_is_produced() -> None:
    """A branch with a new reason needs a way to produce it, here or, where HTTP alone cannot, with a hand inside."""
    assert set(OVER_HTTP) | set(INSIDE) == set(Reason)
    assert not set(OVER_HTTP) & set(INSIDE)


@pytest.mark.parametrize("reason", list(OVER_HTTP), ids=str)
@pytest.mark.parametrize("profile", [None], ids=[""])
def test_reason(server: tuple[Any, int], reason: Reason, profile: None) -> None:
    """What a request got, or would get, is explained by its reason, in words."""
    from tests.http.site import Site as Visited

    kind, port = server
    wanted, produce = OVER_HTTP[reason]
    site = Visited(port, wanted, kind)  # type: ignore[arg-type] # it is a profile
    try:
        what = produce(site)
        explanation = explained(site, what)
        assert reason in reasons(explanation), explanation
        assert explanation["why"]["meaning"]
        if explanation["action"] == "serve":
            assert explanation["stored"][0]["usable"]
        assert told(site, "/decisions", ("url", what[0]))["decisions"][:5] == explanation["decisions"]
    finally:
        site.close()


@pytest.mark.parametrize("profile", ["cms"])
def test_what_explain_says_is_what_comes(site: Site) -> None:
    """The answer that is explained is the one that the next visitor gets."""
    for produce, served in ((stored(FRESH), True), (purged(soft=False), False), (purged(soft=True), True)):
        what = produce(site)
        assert (explained(site, what)["action"] == "serve") == served
        assert (site.ask(what[0]).level is not None) == served


@pytest.mark.parametrize("profile", ["cms"])
def test_who_purged_it(site: Site) -> None:
    """A purged page says which tag, which purge, who, when and why; the one rendered after it that it reflects that purge."""
    path, _, _ = purged(soft=False)(site)
    (entry,) = explained(site, asked(path))["stored"]
    assert not entry["usable"]
    assert entry["validity"]["reason"] == "purged"
    (purge,) = entry["purged_by"]
    assert (purge["tag"], purge["who"], purge["reason"], purge["kind"]) == ("menu:1", "admin", "the menu", "hard")
    assert purge["seq"] > entry["base"]
    assert purge["at"]
    site.ask(path)
    (entry,) = explained(site, asked(path))["stored"]
    assert (entry["usable"], entry["purged_by"], entry["last_purge"]) == (True, [], purge)


@pytest.mark.parametrize("profile", ["cms"])
def test_all_about_an_entry(site: Site) -> None:
    """Key and what was left out of it, variant, age and lifetime with the arithmetic, tags by name."""
    path = site.script(answer("Cache-Control: max-age=100", "Age: 20", "Vary: X-Kind", "Cache-Tag: page:1, lang:de"))
    site.ask(f"{path}?a=1", "X-Kind: a")
    site.advance(30)
    found = explained(site, asked(f"{path}?a=1&utm_source=x", "X-Kind: a", "Cookie: _ga=1"))
    assert found["key"] == ["http", "cms.test", path, "a=1"]
    assert found["left_out"] == {"parameters": ["utm_source"], "cookies": ["_ga"], "bypassing_cookie": ""}
    assert found["variant"] == {"x-kind": "a"}
    (entry,) = found["stored"]
    assert 50 <= entry["age"] < 60
    assert entry["lifetime"] == 100
    assert entry["fresh_for"] == pytest.approx(100 - entry["age"], abs=0.01)
    assert entry["arithmetic"].startswith("age 5")
    assert "< lifetime 100 s: fresh for " in entry["arithmetic"]
    assert entry["tags"] == ["page:1", "lang:de"]
    assert {"page:1@de", f"url {path}?a=1", "site cms.test", "prefix /", "everything"} <= set(entry["implicit"])
    assert entry["level"] == "memory"
    elsewhere = explained(site, asked(f"{path}?a=1", "Cookie: sessionid=1"))
    assert (elsewhere["why"]["reason"], elsewhere["left_out"]["bypassing_cookie"]) == ("cookie", "sessionid")
