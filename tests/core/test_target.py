"""What a purge names comes to the fingerprints that entries have, or to an error before anything is done."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.cookies import Cookies
from cms_cache_mw.core.keys import Asked, Keys, shown_path, shown_query
from cms_cache_mw.core.message import Request
from cms_cache_mw.core.tags import (
    all_print,
    implicit_prints,
    prefix_print,
    site_print,
    tag_print,
    url_print,
)
from cms_cache_mw.core.target import MAX_TARGETS, Target, TargetError

OPEN = Keys(cookies=Cookies())
NAMED = Keys(cookies=Cookies(), sites={"www.example.org": "main", "shop.example.org": "shop"})


def prints(target: Target, keys: Keys = OPEN) -> frozenset[int]:
    """The fingerprints of a target on the sites of `keys`."""
    return target.prints(keys.site_of, keys.sites, keys.query_of)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(tags=("block:7", "page:1@de")), {tag_print("block:7"), tag_print("page:1@de")}),
        (Target(tags=("*",)), {tag_print("*")}),
        (Target(everything=True), {all_print()}),
        (Target(everything=True, tags=("a",)), {all_print(), tag_print("a")}),
        (Target(site="www.example.org"), {site_print("www.example.org")}),
        (Target(urls=("/about/",)), {url_print(None, "/about/")}),
        (Target(urls=("/about/?a=1",)), {url_print(None, "/about/", "a=1")}),
        (Target(urls=("/about/?",)), {url_print(None, "/about/")}),
        (Target(urls=("/about/#team",)), {url_print(None, "/about/")}),
        (Target(urls=("/a?b#c?d",)), {url_print(None, "/a", "b")}),
        (Target(urls=("/%7ejo/../é",)), {url_print(None, "/%C3%A9")}),
        (Target(urls=("/a?q=é&r=%c3%a9",)), {url_print(None, "/a", "q=%C3%A9&r=%c3%a9")}),
        (Target(urls=("/a?utm_source=x",)), {url_print(None, "/a")}),
        (Target(urls=("/a?utm_source=x&b=1",)), {url_print(None, "/a", "b=1")}),
        (Target(urls=("/a",), site="s"), {url_print("s", "/a")}),
        (Target(urls=("https://Example.org:8000/a?b=1#c",)), {url_print("example.org", "/a", "b=1")}),
        (Target(urls=("http://example.org",)), {url_print("example.org", "/")}),
        (Target(urls=("https://example.org?a",)), {url_print("example.org", "/", "a")}),
        (Target(urls=("HTTPS://me:secret@example.org/",)), {url_print("example.org", "/")}),
        (Target(urls=("https://[::1]:80/",)), {url_print("[::1]", "/")}),
        (Target(urls=("https://example.org/a;b=c",)), {url_print("example.org", "/a;b=c")}),
        (Target(urls=("https://s/a",), site="s"), {url_print("s", "/a")}),
        (Target(prefixes=("/",)), {prefix_print(None, "/")}),
        (Target(prefixes=("/news/",), site="s"), {prefix_print("s", "/news/")}),
        (Target(prefixes=("https://s/1/2/3/4/5/6/7/8/",)), {prefix_print("s", "/1/2/3/4/5/6/7/8/")}),
        (Target(prefixes=("/news/..",)), {prefix_print(None, "/")}),
        (
            Target(urls=("/a",), prefixes=("/b/",), tags=("c",)),
            {url_print(None, "/a"), prefix_print(None, "/b/"), tag_print("c")},
        ),
    ],
)
def test_prints(target: Target, expected: set[int]) -> None:
    """Tags, URLs, prefixes, sites and everything are what entries are fingerprinted by."""
    assert prints(target) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(urls=("https://WWW.example.org:8443/a",)), {url_print("main", "/a")}),
        (Target(site="shop"), {site_print("shop")}),
        (Target(urls=("https://www.example.org/a",), site="main"), {url_print("main", "/a")}),
    ],
)
def test_prints_on_named_sites(target: Target, expected: set[int]) -> None:
    """Where sites are named, a host stands for its site."""
    assert prints(target, NAMED) == expected


@pytest.mark.parametrize(
    ("target", "field", "said"),
    [
        (Target(), "tags", "nothing to purge"),
        (Target(tags=("ok", "a b")), "tags", "'a b'"),
        (Target(tags=("",)), "tags", "a tag is 1 to 256 characters"),
        (Target(tags=("x",) * 501), "tags", "501 at once; at most 500"),
        (Target(urls=("/",) * 501), "urls", "501 at once; at most 500"),
        (Target(prefixes=("/",) * 501), "prefixes", "501 at once; at most 500"),
        (Target(tags=("a",), site="main"), "site", "tags are the same on every site"),
        (Target(site="other"), "site", "no site 'other'; there are main, shop"),
        (Target(urls=("",)), "urls", "'' is neither a path"),
        (Target(urls=("about",)), "urls", "'about' is neither a path such as '/news/'"),
        (Target(urls=("//www.example.org/a",)), "urls", "neither a path"),
        (Target(urls=("ftp://www.example.org/a",)), "urls", "neither a path"),
        (Target(urls=("https:///a",)), "urls", "neither a path"),
        (Target(urls=("https://me@/a",)), "urls", "neither a path"),
        (Target(urls=("https://[::1/a",)), "urls", "neither a path"),
        (Target(urls=("/a b",)), "urls", "has a space or a control character; percent-encode it"),
        (Target(urls=("/a\n",)), "urls", "has a space"),
        (Target(urls=("/\udcff",)), "urls", "has a space or a control character"),
        (Target(urls=("https://other.org/a",)), "urls", "'https://other.org/a' is on no site of this cache"),
        (Target(urls=("https://shop.example.org/a",), site="main"), "urls", "is on the site 'shop', not on 'main'"),
        (Target(prefixes=("/news",)), "prefixes", "'/news' does not end in '/'"),
        (Target(prefixes=("/news/?a=1/",)), "prefixes", "does not end in '/'"),
        (Target(prefixes=("/1/2/3/4/5/6/7/8/9/",)), "prefixes", "deeper than 8 levels"),
        (Target(prefixes=("https://other.org/",)), "prefixes", "on no site"),
    ],
)
def test_what_cannot_be_meant(target: Target, field: str, said: str) -> None:
    """An error names the field, what is wrong with it and what would be right."""
    with pytest.raises(TargetError) as caught:
        prints(target, NAMED)
    assert caught.value.field == field
    assert said in caught.value.message
    assert str(caught.value) == f"{field}: {caught.value.message}"


def test_host_without_a_name() -> None:
    """A URL whose host is a port alone is on no site, rather than on all of them."""
    with pytest.raises(TargetError, match="on no site"):
        prints(Target(urls=("https://:80/a",)))


def test_as_many_as_there_may_be() -> None:
    """500 of each are purged at once."""
    target = Target(
        tuple(f"t:{n}" for n in range(MAX_TARGETS)),
        tuple(f"/u{n}" for n in range(MAX_TARGETS)),
        tuple(f"/p{n}/" for n in range(MAX_TARGETS)),
    )
    assert len(prints(target)) == 3 * MAX_TARGETS == 1500


def test_named_one_by_one() -> None:
    """The parts of a target may come from anything that gives texts."""
    target = Target.named((tag for tag in ["a"]), ["/b"], ("/c/",), "s", everything=True)
    assert target == Target(("a",), ("/b",), ("/c/",), "s", everything=True)


@pytest.mark.parametrize("field", ["tags", "urls", "prefixes"])
@pytest.mark.parametrize("text", ["block:7", "", b"block:7"])
def test_text_where_a_list_belongs(field: str, text: Any) -> None:  # noqa: ANN401 - a text, in fact
    """A text is not a list of its letters."""
    named: dict[str, Any] = {"tags": [], "urls": [], "prefixes": []} | {field: text}
    with pytest.raises(TargetError, match="give a list") as caught:
        Target.named(named["tags"], named["urls"], named["prefixes"], "", everything=False)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Target(), ()),
        (Target(("a", "b"), ("/c",), ("/d/",)), ("a", "b", "/c", "/d/")),
        (Target(site="s"), ("site s",)),
        (Target(urls=("/c",), site="s"), ("/c",)),
        (Target(everything=True), ("everything",)),
    ],
)
def test_names(target: Target, names: tuple[str, ...]) -> None:
    """For people a target is what it names; a site counts where all of it is meant."""
    assert target.names == names


def test_query_as_it_is_by_itself() -> None:
    """Without a rule for queries each counts as it is."""
    assert Target(urls=("/a?utm_x=1",)).prints(OPEN.site_of) == {url_print(None, "/a", "utm_x=1")}


SEGMENTS = st.lists(st.text(st.sampled_from(list("aZ09-._~%2e!$é ")), min_size=1, max_size=5), min_size=1, max_size=4)
QUERIES = st.text(st.sampled_from(list("ab=&%2eé+/?")), max_size=8)


@given(SEGMENTS, QUERIES, st.booleans(), st.sampled_from(["", "utm_source=x"]))
def test_what_a_visitor_asked_for_can_be_purged(segments: list[str], query: str, slash: bool, tracking: str) -> None:
    """The URL of any request, with a host, as a path, and below any of its ancestors, is among the entry's fingerprints."""
    path = "/" + "/".join(segments) + ("/" if slash else "")
    sent = "&".join(part for part in (query, tracking) if part)
    request = Request("GET", "https", path.encode(), sent.encode(), ((b"host", b"example.org"),))
    asked = OPEN.ask(request)
    assert isinstance(asked, Asked)
    entry = set(implicit_prints(asked.site, shown_path(asked.request), shown_query(asked.request.query)))
    shown = path.replace(" ", "%20") + (f"?{sent}" if sent else "")
    assert prints(Target(urls=(shown,))) <= entry
    assert prints(Target(urls=(f"https://example.org{shown}",))) <= entry
    assert prints(Target(urls=(f"https://example.com{shown}",))).isdisjoint(entry)
    assert prints(Target(site="example.org")) <= entry
    above = shown_path(asked.request).rpartition("/")[0] + "/"
    assert prints(Target(prefixes=(above,))) <= entry
    assert prints(Target(prefixes=("/elsewhere/",))).isdisjoint(entry)
