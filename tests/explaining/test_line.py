"""An explanation in one line is a field that every server and proxy takes, whatever was explained."""

from __future__ import annotations

import http_sf
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cms_cache_mw.explaining.explanation import ClockTold, Explanation, LeftOut, PurgedBy, Stored, Why
from cms_cache_mw.explaining.line import line

STORED = Stored(
    level="shared", usable=True, validity=None, status=200, stored_at="", age=1.25, lifetime=300.0, fresh_for=298.75,
    stale_while_revalidate=0.0, stale_if_error=0.0, stale_if_gone=0.0, arithmetic="", tags=("page:1",), implicit=(),
    base=7, epoch="0" * 16, variant={}, bytes=9, encodings=(), parts=(), hits=2, render_ms=3.0, purged_by=(),
    last_purge=None,
)  # fmt: skip
EXPLANATION = Explanation(
    url="/a", site="main", action="serve", why=Why("hit", ""), not_stored=None, key=("http", "a.test", "/a", ""),
    left_out=LeftOut(), variant={}, stored=(STORED,), clock=ClockTold(sure=True, epoch="", position=9, floor=0, lease_ms=1),
    decisions=(), trouble="",
)  # fmt: skip


def test_all_of_it() -> None:
    """The decision, the worker, the key, and the entry that is used."""
    assert line(EXPLANATION, "web-1") == (
        b'action=serve, reason=hit, worker="web-1", position=9, site="main", key=("http" "a.test" "/a" ""), level=shared, '
        b'age=1.25, lifetime=300.0, base=7, epoch="0000000000000000", hits=2, tags=("page:1")'
    )


def test_which_entry() -> None:
    """The entry that may be used is told of, not one before it that may not."""
    gone = replace(STORED, level="memory", usable=False, base=1)
    assert b"level=shared, " in line(replace(EXPLANATION, stored=(gone, STORED)), "")
    assert b"level=memory, " in line(replace(EXPLANATION, stored=(gone,)), "")


def test_too_much() -> None:
    """What makes a list too long is counted in place of told."""
    many = replace(STORED, tags=tuple(f"page:{number:03}" for number in range(500)))
    told = http_sf.parse(line(replace(EXPLANATION, stored=(many,)), "w"), tltype="dictionary")
    assert isinstance(told, dict)
    tags = told["tags"]
    assert isinstance(tags, tuple)
    assert isinstance(tags[0], list)
    assert (len(tags[0]), tags[1]) == (100, {"of": 500})


TEXT = st.text(max_size=300)
PURGE = st.builds(PurgedBy, TEXT, st.integers(0, 10**12), st.sampled_from(["hard", "soft"]), TEXT, TEXT, TEXT)


@given(
    st.lists(TEXT, max_size=30),
    st.lists(PURGE, max_size=30),
    st.dictionaries(TEXT, st.none() | TEXT, max_size=5),
    st.floats(0, 1e300),
)
def test_any_text(texts: list[str], purges: list[PurgedBy], variant: dict[str, str | None], age: float) -> None:
    """Any text, by whomever, makes one line of at most some KB that reads as what it is."""
    entry = replace(STORED, tags=tuple(texts), purged_by=tuple(purges), age=age)
    explanation = replace(
        EXPLANATION, key=tuple(texts), left_out=LeftOut(tuple(texts), (), "x" * 999), variant=variant, stored=(entry,)
    )
    told = line(explanation, "worker")
    assert told.isascii()
    assert told.decode().isprintable()
    assert isinstance(http_sf.parse(told, tltype="dictionary"), dict)
    assert len(told) < 12_000
