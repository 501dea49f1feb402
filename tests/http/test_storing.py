"""Storing and serving as it crosses the wire: freshness, Age, Date, fields of one connection, bodies of every shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer

if TYPE_CHECKING:
    from tests.http.site import Site

FRESH = "Cache-Control: max-age=60"


def test_a_page_is_rendered_once(site: Site) -> None:
    """A fresh page comes from memory, until its lifetime is over."""
    path = site.script(answer(FRESH))

    assert site.ask(path).cache_status == "fwd=uri-miss; stored"
    site.advance(30)
    hit = site.ask(path)
    assert (hit.body, hit.level) == (b"answer 1", "memory")
    site.advance(31)
    late = site.ask(path)
    assert late.body == b"answer 2"
    assert late.cache_status.startswith("fwd=stale")
    assert site.ask(path).body == b"answer 2"


def test_the_next_request_hits(site: Site) -> None:
    """RFC 9111 §4: whoever asks after the last byte of a miss gets the stored page."""
    for _ in range(20):
        path = site.script(answer(FRESH, chunks=["one", "two"]))
        with site.visitor() as visitor:
            visitor.ask(path)
            assert visitor.ask(path).level == "memory"


def test_age(site: Site) -> None:
    """RFC 9111 §5.1: a hit says how old it is, what upstream counted included; a miss says what upstream said."""
    path = site.script(answer(FRESH, "Age: 20"))

    assert site.ask(path).lines("age") == ["20"]
    site.advance(10)
    (age,) = site.ask(path).lines("age")
    assert 30 <= int(age) <= 35
    site.advance(31)
    assert site.ask(path).body == b"answer 2"


def test_date_is_the_origins(site: Site) -> None:
    """RFC 9110 §6.6.1: Date stays what the application said, and counts for the age."""
    made = site.now(-5)
    path = site.script(answer("Cache-Control: max-age=60", f"Date: {made}"))

    site.ask(path)
    hit = site.ask(path)
    assert made in hit.lines("date")
    assert int(hit.lines("age")[0]) >= 5


def test_expires(site: Site) -> None:
    """RFC 9111 §5.3: the lifetime is Expires less Date."""
    path = site.script(answer(f"Expires: {site.now(60)}", f"Date: {site.now()}"))
    past = site.script(answer(f"Expires: {site.now(-60)}", f"Date: {site.now()}"))

    for target in (path, path, past, past):
        site.ask(target)
    assert (site.renders(path), site.renders(past)) == (1, 2)


def test_fields_of_one_connection(site: Site) -> None:
    """RFC 9110 §7.6.1: hop-by-hop fields and those that Connection names are not served from the store."""
    path = site.script(
        answer(FRESH, "Keep-Alive: timeout=5", "Connection: X-Hop", "X-Hop: 1", "Proxy-Authenticate: Basic", "X-End: 1")
    )

    site.ask(path)
    hit = site.ask(path)
    assert hit.level == "memory"
    assert hit.lines("x-end") == ["1"]
    for name in ("keep-alive", "x-hop", "proxy-authenticate"):
        assert hit.lines(name) == []
    assert "X-Hop" not in hit.lines("connection")


def test_repeated_fields_keep_their_order(site: Site) -> None:
    """RFC 9110 §5.3: repeated lines stay repeated, and in order."""
    path = site.script(answer(FRESH, "Link: </a>", "X-A: 1", "Link: </b>", "X-A: 2", "Link: </c>"))

    site.ask(path)
    hit = site.ask(path)
    assert hit.lines("link") == ["</a>", "</b>", "</c>"]
    assert hit.lines("x-a") == ["1", "2"]


def test_tag_headers_never_leave(site: Site) -> None:
    """Tags are between the application and the cache: no answer has them, whatever became of it."""
    tags = ("Cache-Tag: a:1", "Surrogate-Key: b:1 c:1", "xkey: d:1")
    stored = site.script(answer(FRESH, 'ETag: "a"', *tags))
    refused = site.script(answer("Cache-Control: no-store", *tags))

    replies = [
        site.ask(stored),
        site.ask(stored),
        site.ask(stored, method="HEAD"),
        site.ask(stored, 'If-None-Match: "a"'),
    ]
    replies += [site.ask(refused), site.ask(refused, method="HEAD"), site.ask(refused, method="POST")]
    assert replies[3].status == 304
    for reply in replies:
        assert not {name for name, _ in reply.fields} & {b"cache-tag", b"surrogate-key", b"xkey"}


@pytest.mark.parametrize("status", [203, 301, 404, 410, 503])
def test_other_statuses(site: Site, status: int) -> None:
    """RFC 9111 §3: any final status with explicit freshness in `rfc`; 200 alone in a stock `cms`."""
    path = site.script(answer(FRESH, status=status))

    site.ask(path)
    reply = site.ask(path)
    assert reply.status == status
    assert (reply.level == "memory") is (site.profile == "rfc")


@pytest.mark.parametrize(
    ("says", "stored"),
    [
        (["Cache-Control: no-store, max-age=60"], ""),
        (["Cache-Control: private, max-age=60"], ""),
        (["Cache-Control: max-age=60", "Vary: *"], ""),
        (["Cache-Control: max-age=60", "Set-Cookie: a=b"], "rfc"),
        (["Pragma: no-cache"], ""),
        (['Cache-Control: private="X-Private", max-age=60', "X-Private: 1"], "rfc"),
        (["Cache-Control: s-maxage=60"], "cms rfc"),
        (["Cache-Control: max-age=60", "Pragma: no-cache"], "cms rfc"),
        (["CDN-Cache-Control: max-age=60", "Cache-Control: no-store"], "cms rfc"),
        (["CDN-Cache-Control: no-store", "Cache-Control: max-age=60"], ""),
        (["CDN-Cache-Control: max-age=60, &&", "Cache-Control: no-store"], ""),
        (["Surrogate-Control: max-age=60", "Cache-Control: no-store"], "cms rfc"),
        ([], "cms"),
    ],
    ids=lambda value: "; ".join(value) if isinstance(value, list) else f"in {value or 'neither'}",
)
def test_directives(site: Site, says: list[str], stored: str) -> None:
    """RFC 9111 §3, RFC 9213 §2: what the response says about storing holds in each profile."""
    path = site.script(answer(*says))

    site.ask(path)
    reply = site.ask(path)
    assert (reply.level == "memory") is (site.profile in stored.split())
    assert not (reply.level and reply.lines("x-private"))


def test_targeted_fields_are_sent_on(site: Site) -> None:
    """RFC 9213 §2: a CDN further down wants its field too."""
    path = site.script(answer("CDN-Cache-Control: max-age=60", "Cache-Control: no-cache"))

    for reply in (site.ask(path), site.ask(path)):
        assert reply.lines("cdn-cache-control") == ["max-age=60"]
        assert reply.lines("cache-control") == ["no-cache"]


def test_cache_status_is_appended(site: Site) -> None:
    """RFC 9211 §2: ours comes after that of a cache below, on misses, hits and what is not stored."""
    path = site.script(answer(FRESH, "Cache-Status: below; hit; ttl=7"))
    refused = site.script(answer("Cache-Control: no-store", "Cache-Status: below; fwd=miss"))

    miss, hit, relayed = site.ask(path), site.ask(path), site.ask(refused)
    assert miss.lines("cache-status") == ["below; hit; ttl=7", "cms-cache; fwd=uri-miss; stored"]
    assert hit.lines("cache-status")[0] == "below; hit; ttl=7"
    assert hit.lines("cache-status")[1].startswith("cms-cache; hit; ttl=")
    assert relayed.lines("cache-status") == ["below; fwd=miss", "cms-cache; fwd=uri-miss; detail=no-store"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(answer(FRESH, chunks=["one ", "two ", "three"]), id="chunks"),
        pytest.param(answer(FRESH, body="alone", trailing=True), id="an empty chunk at the end"),
        pytest.param(answer(FRESH, chunks=["", "late", ""]), id="empty chunks around"),
        pytest.param(answer(FRESH, body=""), id="nothing"),
        pytest.param(answer(FRESH, "Content-Length: 0", body=""), id="nothing, and says so"),
        pytest.param(answer(FRESH, "Content-Length: 5", body="alone"), id="a length"),
        pytest.param(answer(FRESH, chunks=[f"{number:04}" * 20 for number in range(200)]), id="many chunks"),
        pytest.param(answer(FRESH, body="0123456789abcdef", times=131_072), id="2 MiB, the most that is stored"),
    ],
)
def test_bodies(site: Site, body: dict[str, object]) -> None:
    """A body of any shape is stored whole and served with its length."""
    path = site.script(body)
    chunks, times = body["chunks"], body["times"]
    assert isinstance(chunks, list)
    assert isinstance(times, int)
    whole = b"".join(chunk.encode() * times for chunk in chunks)

    miss, hit, head = site.ask(path), site.ask(path), site.ask(path, method="HEAD")
    assert miss.body == hit.body == whole
    assert hit.level == head.level == "memory"
    assert hit.lines("content-length") == head.lines("content-length") == [str(len(whole))]
    assert head.body == b""
    assert site.renders(path) == 1


def test_too_large(site: Site) -> None:
    """A body of one byte more than `max_body_bytes` reaches its visitor and is not stored, with a length and without."""
    size = 2_097_153
    known = site.script(answer(FRESH, f"Content-Length: {size}", body="x", times=size))
    unknown = site.script(answer(FRESH, body="x", times=size))

    for path in (known, unknown):
        assert len(site.ask(path).body) == size
        assert len(site.ask(path).body) == size
        assert site.renders(path) == 2


def test_no_content(site: Site) -> None:
    """RFC 9110 §8.6, §15.3.5: a 204 has neither body nor length, from the application and from the store."""
    path = site.script(answer(FRESH, status=204, body="", html=False))

    for _ in range(2):
        reply = site.ask(path)
        assert (reply.status, reply.body) == (204, b"")
        assert reply.lines("content-length") == reply.lines("transfer-encoding") == []
    assert site.renders(path) == (1 if site.profile == "rfc" else 2)


def test_a_broken_body_is_not_stored(site: Site) -> None:
    """RFC 9111 §3.3: what the application did not finish is not stored, and the visitor sees that it is broken."""
    path = site.script(answer(FRESH, chunks=["one", "two"], fails="cut"), answer(FRESH))

    assert site.ask(path).broken
    assert site.ask(path).body == b"answer 2"
    assert site.ask(path).level == "memory"


def test_a_short_body_is_not_stored(site: Site) -> None:
    """RFC 9111 §3.3: less than Content-Length says is not the whole."""
    path = site.script(answer(FRESH, "Content-Length: 99", body="short"), answer(FRESH))

    with site.visitor() as visitor:
        # Some servers notice and hang up, some leave the visitor waiting for the rest.
        visitor.send(path).until(5)
        site.wait(path, "over")
    assert site.ask(path).body == b"answer 2"


def test_a_stored_copy_does_not_need_its_visitor(site: Site) -> None:
    """A visitor who hangs up after the first chunk changes nothing for those who come later."""
    path = site.script(answer(FRESH, chunks=["one ", "two %d"], chunk_gate="go"))
    with site.visitor() as visitor:
        visitor.send(path).until(3)
    site.open(path, "go")
    site.wait(path, "begun")

    reply = site.ask(path)
    assert reply.body in {b"one two 1", b"one two 2"}
    assert site.ask(path).body == reply.body


def test_head_from_a_stored_get(site: Site) -> None:
    """RFC 9110 §9.3.2: HEAD has all fields of the GET; it stores nothing itself."""
    path = site.script(answer(FRESH, 'ETag: "a"', "X-A: 1"))

    assert site.ask(path, method="HEAD").cache_status == "fwd=uri-miss; detail=head"
    whole, head = site.ask(path), site.ask(path, method="HEAD")
    assert (whole.body, head.body) == (b"answer 2", b"")
    assert head.level == "memory"
    for name in ("etag", "x-a", "content-type", "cache-control", "vary"):
        assert head.lines(name) == whole.lines(name)


def test_only_get_and_head(site: Site) -> None:
    """RFC 9111 §2: other methods go to the application, safe ones without outdating anything."""
    path = site.script(answer(FRESH))

    site.ask(path)
    assert site.ask(path, method="OPTIONS").cache_status == "fwd=method"
    assert site.ask(path).body == b"answer 1"


def test_credentials(site: Site) -> None:
    """RFC 9111 §3.5: what an authorized request got is shared only where the response says so, and never in `cms`."""
    path = site.script(answer(FRESH))
    public = site.script(answer("Cache-Control: max-age=60, public"))

    for target in (path, public):
        for _ in range(2):
            site.ask(target, "Authorization: Bearer x")
    assert site.renders(path) == 2
    assert site.renders(public) == (1 if site.profile == "rfc" else 2)


def test_one_render_for_many(site: Site) -> None:
    """RFC 9111 §4: those who ask while a page is rendered get that render."""
    path = site.script(answer(FRESH, gate="go"))
    first = site.visitor().send(path)
    site.wait(path, "begun")
    others = [site.visitor().send(path) for _ in range(5)]
    site.open(path, "go")

    assert {visitor.read().body for visitor in (first, *others)} == {b"answer 1"}
    assert site.renders(path) == 1


def test_private_renders_are_not_shared(site: Site) -> None:
    """Those who waited for what turns out to be private get a render of their own."""
    path = site.script(answer("Cache-Control: private", gate="go"))
    visitors = [site.visitor().send(path) for _ in range(4)]
    site.wait(path, "begun")
    site.open(path, "go")

    assert len({visitor.read().body for visitor in visitors}) == 4
