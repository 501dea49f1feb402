"""What visitors get is the same in both worlds, however the application gives its answer. A difference is a bug."""

from __future__ import annotations

import pytest

from tests.support.asgi import HTML
from tests.wsgi.scenarios import BEARER, STREAMS, STYLES, Behaviour, Scenario, Step, World, played

MISS = "fwd=uri-miss; stored"
HIT = "hit; ttl=300; detail=memory"
SHORT = (HTML, "Cache-Control: max-age=10")
GZIP = "Accept-Encoding: gzip"

SCENARIOS = [
    Scenario(
        "a page is rendered once",
        [
            Step(says=MISS, shows=b"render 1", has={"cache-tag": None, "content-type": "text/html; charset=utf-8"}),
            Step(says="hit; ttl=290; detail=memory", shows=b"render 1", has={"age": "10"}, after=10),
            Step(says=MISS.replace("uri-miss", "stale") + "; detail=expired", shows=b"render 2", after=290),
        ],
        Behaviour(lines=(HTML, "Cache-Tag: a")),
    ),
    Scenario(
        "chunks and empty chunks",
        [Step(says=MISS, shows=b"a1b1"), Step(says=HIT, shows=b"a1b1", has={"content-length": "4"})],
        Behaviour(chunks=(b"", b"a%d", b"", b"b%d", b"")),
    ),
    Scenario("an empty body", [Step(says=MISS, shows=b""), Step(says=HIT, shows=b"")], Behaviour(chunks=())),
    Scenario(
        "a body as long as it was said to be",
        [Step(says=MISS, shows=b"a1b1", has={"content-length": "4"}), Step(says=HIT, shows=b"a1b1")],
        Behaviour(chunks=(b"a%d", b"b%d"), lines=(HTML, "Content-Length: 4")),
    ),
    Scenario(
        "a body that is shorter than it was said to be is not stored",
        [Step(says=MISS, shows=b"a1b1"), Step(says=MISS, shows=b"a2b2")],
        Behaviour(chunks=(b"a%d", b"b%d"), lines=(HTML, "Content-Length: 9")),
    ),
    Scenario(
        "heads",
        [
            Step(method="HEAD", says="fwd=uri-miss; detail=head"),
            Step(says=MISS, shows=b"render 2"),
            Step(method="HEAD", says=HIT, shows=b"", has={"content-length": "8"}),
        ],
    ),
    Scenario(
        "a condition that holds for a hit and for a miss",
        [
            Step(says=MISS, shows=b"render 1"),
            Step(lines=['If-None-Match: "x"'], says=HIT, shows=b"render 1"),
            Step(lines=["If-None-Match: {etag}"], says=HIT, status=304, shows=b""),
            Step("/b", lines=['If-None-Match: "x"'], says=MISS, shows=b"render 1"),
        ],
    ),
    Scenario(
        "a visitor who has what is rendered is told so, and the page is kept",
        [
            Step(lines=['If-None-Match: "v1"'], says=MISS, status=304, shows=b""),
            Step(says=HIT, shows=b"render 1 more", has={"etag": '"v1"'}),
        ],
        Behaviour(etag='"v1"', chunks=(b"render %d", b" more")),
    ),
    Scenario(
        "a stale page is confirmed",
        [
            Step(says=MISS, shows=b"render 1"),
            Step(says="fwd=stale; fwd-status=304; stored; detail=revalidated", shows=b"render 1", after=20),
            Step(says="hit; ttl=10; detail=memory", shows=b"render 1"),
        ],
        Behaviour(etag='"v1"', lines=SHORT),
    ),
    Scenario(
        "parts of a page",
        [
            Step(lines=["Range: bytes=0-2"], says="fwd=uri-miss; detail=range", shows=b"render 1"),
            Step(says=MISS, shows=b"render 2"),
            Step(lines=["Range: bytes=0-2"], says=HIT, status=206, shows=b"ren", has={"content-range": "bytes 0-2/8"}),
            Step(lines=["Range: bytes=99-"], says=HIT, status=416),
        ],
    ),
    Scenario(
        "a post passes with its body, and what it was sent to is rendered again",
        [
            Step(says=MISS, shows=b"render 1"),
            Step(method="POST", sent=b"a=1", lines=["Content-Type: text/plain"], says="fwd=method", shows=b"render 2"),
            Step(says="fwd=miss; stored; detail=purged", shows=b"render 3"),
        ],
    ),
    Scenario(
        "somebody known is served by the application alone",
        [
            Step(says=MISS, shows=b"/a  render 1"),
            Step(lines=["Cookie: s=1"], says="fwd=bypass; detail=cookie", shows=b"/a cookie=s=1 render 2"),
            Step(lines=["Authorization: x"], says="fwd=bypass; detail=authorization"),
            Step(lines=["Content-Length: 1"], sent=b"x", says="fwd=bypass; detail=body"),
            Step(says=HIT, shows=b"/a  render 1"),
        ],
        Behaviour(chunks=(b"%s render %d",)),
    ),
    Scenario(
        "what the key leaves out the application does not see",
        [
            Step(
                "/a?utm_source=x&b=1",
                lines=["Cookie: _ga=1", GZIP, 'If-None-Match: "x"', "X-Y: 1"],
                says=MISS,
                has={"content-encoding": "gzip"},
            ),
            Step("/a?b=1", says=HIT, shows=b"/a?b=1 x-y=1"),
        ],
        Behaviour(chunks=(b"%s",)),
    ),
    Scenario(
        "forwarding fields are part of the key",
        [
            Step(lines=["X-Forwarded-Host: evil.example"], says=MISS, shows=b"render 1"),
            Step(says=MISS, shows=b"render 2"),
            Step(lines=["X-Forwarded-Host: evil.example"], says=HIT, shows=b"render 1"),
        ],
    ),
    Scenario(
        "a target that is no path, and a host that is none",
        [
            Step("http://example.org/a", says="fwd=bypass; detail=target"),
            Step(lines=["Host: evil.example"], says="fwd=bypass; detail=host"),
        ],
    ),
    Scenario(
        "languages",
        [
            Step(lines=["Accept-Language: de"], says=MISS, shows=b"/a accept-language=de 1"),
            Step(lines=["Accept-Language: en"], says="fwd=vary-miss; stored", shows=b"/a accept-language=en 2"),
            Step(lines=["Accept-Language: de"], says=HIT, shows=b"/a accept-language=de 1"),
        ],
        Behaviour(chunks=(b"%s %d",), lines=(HTML, "Vary: Accept-Language")),
    ),
    Scenario(
        "codings",
        [
            Step(lines=[GZIP], says=MISS, has={"content-encoding": "gzip", "vary": "Accept-Encoding"}),
            Step(lines=[GZIP], says=HIT, has={"content-encoding": "gzip", "vary": "Accept-Encoding"}),
            Step(says=HIT, shows=b"render 1 " * 99, has={"content-encoding": None}),
        ],
        Behaviour(chunks=(b"render %d " * 33,) * 3),
    ),
    Scenario(
        "a purge by tag, by address and by path",
        [
            Step(says=MISS, shows=b"render 1"),
            Step(says="fwd=miss; stored; detail=purged", shows=b"render 2", purges=["block:1"]),
            Step(method="PURGE", lines=[BEARER], status=200),
            Step(says="fwd=miss; stored; detail=purged", shows=b"render 3"),
            Step("/_cache/purge", method="POST", lines=[BEARER], sent=b'{"prefixes": ["/"], "site": "example.org"}'),
            Step(says="fwd=miss; stored; detail=purged", shows=b"render 4"),
            Step(says=HIT, purges=["block:2"]),
        ],
        Behaviour(lines=(HTML, "Surrogate-Key: block:1 x")),
    ),
    Scenario(
        "a soft purge serves once more and renders beside",
        [
            Step(says=MISS, shows=b"render 1"),
            Step(says=HIT, shows=b"render 1", purges=["a"], soft=True),
            Step(says=HIT, shows=b"render 2"),
        ],
        Behaviour(lines=(HTML, "Cache-Tag: a")),
    ),
    Scenario(
        "stale while it is revalidated, without the first visitor's cookie",
        [
            Step(says=MISS, shows=b"/a  render 1"),
            Step(lines=["Cookie: csrftoken=1"], says="hit; ttl=-10; detail=memory", shows=b"/a  render 1", after=20),
            Step(says="hit; ttl=10; detail=memory", shows=b"/a  render 2"),
        ],
        Behaviour(chunks=(b"%s render %d",), lines=(HTML, "Cache-Control: max-age=10, stale-while-revalidate=60")),
    ),
    Scenario(
        "a stale page stands in for an error, and for none at all",
        [
            Step(says=MISS, shows=b"render 1"),
            Step(
                says="fwd=stale; fwd-status=503; detail=stale-error",
                shows=b"render 1",
                after=20,
                now=Behaviour(status=503, lines=SHORT),
            ),
            Step(says="fwd=stale; detail=stale-gone", shows=b"render 1", now=Behaviour(fails="early")),
            Step(
                says="fwd=miss; detail=status", status=503, shows=b"render 4", purges=["a"], now=Behaviour(status=503)
            ),
        ],
        Behaviour(lines=(*SHORT, "Cache-Tag: a")),
    ),
    Scenario(
        "an application that raises",
        [Step(raises=True, status=0), Step(says=MISS, shows=b"render 2", now=Behaviour())],
        Behaviour(fails="early"),
    ),
    Scenario(
        "an application that raises in the middle of a body",
        [Step(raises=True, says=MISS, shows=b"a"), Step(says=MISS, shows=b"render 2", now=Behaviour())],
        Behaviour(chunks=(b"a", b"b"), fails="late"),
        worlds=("asgi", *STREAMS),
    ),
    Scenario(
        "an application that raises in the middle of a body that another answer was given for",
        [
            Step(says=MISS, shows=b"render 1"),
            Step(
                says="fwd=stale; fwd-status=503; detail=stale-error",
                shows=b"render 1",
                raises=True,
                after=20,
                now=Behaviour(status=503, chunks=(b"a", b"b"), fails="late"),
            ),
        ],
        Behaviour(lines=SHORT),
        worlds=("asgi", *STREAMS),
    ),
    *(
        Scenario(
            f"{line}: not stored",
            [
                Step(says=f"fwd=uri-miss; detail={why}", shows=b"render 1"),
                Step(says=f"fwd=uri-miss; detail={why}", shows=b"render 2"),
            ],
            Behaviour(lines=(HTML, line)),
        )
        for line, why in [
            ("Set-Cookie: s=1", "set-cookie"),
            ("Cache-Control: private", "private"),
            ("Cache-Control: no-store", "no-store"),
            ("Vary: *", "vary-star"),
            ("Content-Encoding: br", "encoded"),
        ]
    ),
    Scenario(
        "other statuses",
        [Step(status=404, says="fwd=uri-miss; detail=status", has={"xkey": None}), Step(status=404, shows=b"render 2")],
        Behaviour(status=404, lines=(HTML, "xkey: a")),
    ),
    Scenario(
        "a body that is too large is forwarded and not stored",
        [Step(says=MISS, shows=b"1" * 2_000), Step(says=f"{MISS}; detail=known-uncacheable", shows=b"2" * 2_000)],
        Behaviour(chunks=(b"%d" * 1_000,) * 2),
        options={"max_body_bytes": 1_500},
    ),
    Scenario(
        "tags in the set that the application is given, said while the body is sent, and of a part",
        [
            Step(says=MISS, shows=b"a1 part 1b1"),
            Step(says="hit; ttl=60; detail=memory", shows=b"a1 part 1b1"),
            Step(says="fwd=miss; stored; detail=purged", shows=b"a2 part 1b2", purges=["set:1"]),
            Step(says="fwd=miss; stored; detail=purged", shows=b"a3 part 1b3", purges=["late:1"]),
            Step(says="fwd=miss; stored; detail=purged", shows=b"a4 part 2b4", purges=["block:scenario:one"]),
        ],
        Behaviour(chunks=(b"a%d", b"b%d"), tags=("set:1",), late_tag="late:1", part="one"),
    ),
    Scenario(
        "only what is stored",
        [
            Step(lines=["Cache-Control: only-if-cached"], status=504, shows=b"", says="detail=only-if-cached"),
            Step(says=MISS, shows=b"render 1"),
            Step(lines=["Cache-Control: only-if-cached"], says="hit; ttl=10; detail=memory", shows=b"render 1"),
        ],
        Behaviour(lines=SHORT),
        options={"profile": "rfc"},
    ),
    Scenario(
        "an editor's endpoints, and a stranger",
        [
            Step("/_cache/health", status=200),
            Step("/_cache/stats", status=401),
            Step("/_cache/purge", method="POST", sent=b"{}", status=401),
            Step("/_cache/purge", method="POST", lines=[BEARER], sent=b'{"tag": 1}', status=400),
            Step("/_cache/purge", method="POST", lines=[BEARER], sent=b" " * 99_999, status=413),
            Step("/_cache/nothing", lines=[BEARER], status=404),
        ],
    ),
]


@pytest.mark.parametrize(
    ("scenario", "world"),
    [pytest.param(s, world, id=f"{s.name}-{world}") for s in SCENARIOS for world in s.worlds],
)
def test_scenario(scenario: Scenario, world: World) -> None:
    """Each step has the outcome that the table says."""
    _, outcomes = played(scenario, world)
    for step, outcome in zip(scenario.steps, outcomes, strict=True):
        reply = outcome.reply
        assert (reply.status, outcome.raised) == (step.status, step.raises), step
        if step.says is not None:
            assert reply.cache_status == step.says, step
        if step.shows is not None:
            assert reply.body == step.shows, step
        for name, value in step.has.items():
            assert reply.field(name) == value, step


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_worlds_agree(scenario: Scenario) -> None:
    """Status, every field and every byte are the same, and so is what the application sees."""
    application, outcomes = played(scenario, "asgi")
    expected = [outcome.whole for outcome in outcomes]
    for world in (world for world in STYLES if world in scenario.worlds):
        other, outcomes = played(scenario, world)
        assert [outcome.whole for outcome in outcomes] == expected, world
        assert other.seen == application.seen, world
