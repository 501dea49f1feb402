"""What purges took with them, and which of them changed nothing."""

from __future__ import annotations

from cms_cache_mw.core.coding import own_tag
from cms_cache_mw.core.entry import Entry, Freshness, Key
from cms_cache_mw.core.tags import tag_print
from cms_cache_mw.purge.clock import Clock, Logged, State
from cms_cache_mw.warmth.aftermath import BURST, QUIET, Aftermath

KEY: Key = (b"https", b"h", b"/", b"")


def a_clock() -> Clock:
    """A purge clock with a lease, at position 1."""
    clock = Clock()
    clock.begin(State(epoch=7, pos=1, tip=b""))
    clock.grant(1e9)
    return clock


def purge(clock: Clock, *tags: str, kind: str = "hard", now: float = 0.0) -> None:
    """Apply a purge."""
    seq = clock.state.pos + 1
    clock.apply([Logged(seq, b"n%d" % seq, kind, tuple(map(tag_print, tags)), 60.0)], now)


def page(
    clock: Clock, path: bytes = b"/", *, hits: int = 9, ms: float = 20.0, body: bytes = b"x", etag: bytes = b""
) -> tuple[Key, Entry]:
    """A page that depends on a menu and a block, rendered now."""
    tags = ("block:7", "menu:1")
    fields = ((b"content-type", b"text/html"), (b"etag", etag or own_tag(body)))
    entry = Entry(
        *(200, fields, body, Freshness(300), 0.0, 7, clock.token.pos, tuple(map(tag_print, tags)), tags),
        site="main",
        hits=hits,
        render_ms=ms,
    )
    return (*KEY[:2], path, b""), entry


def test_most_valuable_first() -> None:
    """Used pages come back by use times cost."""
    clock = a_clock()
    aftermath = Aftermath(clock)
    pages = [page(clock, b"/a", hits=10, ms=10), page(clock, b"/b", hits=6, ms=100), page(clock, b"/c", hits=300, ms=1)]
    purge(clock, "block:7")
    assert [wish.place[0][2] for wish in aftermath.look(pages, 0.0)] == [b"/b", b"/c", b"/a"]


def test_unused_and_untouched_pages_are_left_alone() -> None:
    """Pages that were hardly used, and those that do not depend on what was purged, do not come back."""
    clock = a_clock()
    aftermath = Aftermath(clock)
    hardly, used = page(clock, b"/hardly", hits=2), page(clock, b"/used")
    purge(clock, "block:8")
    assert aftermath.look([hardly, used], 0.0) == []
    purge(clock, "block:7", kind="soft")
    assert [wish.place[0][2] for wish in aftermath.look([hardly, used], 0.0)] == [b"/used"]


def test_bursts_are_merged() -> None:
    """Purges that follow one another are looked at once, when they have ended or have gone on for long."""
    clock = a_clock()
    aftermath = Aftermath(clock)
    assert not aftermath.due(0.0)
    now = 0.0
    while now < BURST - 0.1:
        purge(clock, "block:7")
        assert not aftermath.due(now)
        now += QUIET * 0.9
    purge(clock, "block:7")
    assert aftermath.due(BURST + 0.01)
    assert aftermath.look([], BURST) == []
    assert not aftermath.due(BURST + 1)
    purge(clock, "block:7")
    assert not aftermath.due(10.0)
    assert aftermath.due(10.0 + QUIET)


def test_needless_purges_are_counted_by_tag() -> None:
    """Where the new page is the old one byte for byte, the purge of its tag was needless, and the old validators stay."""
    clock = a_clock()
    aftermath = Aftermath(clock)
    key, old = page(clock, etag=b'"first"')
    purge(clock, "block:7")
    aftermath.look([(key, old)], 0.0)
    _, new = page(clock, etag=b'"second"')
    aftermath.renewed(key, new)
    assert dict(aftermath.needless) == {"block:7": 1}
    assert dict(new.fields)[b"etag"] == b'"first"'
    assert dict(new.fields)[b"content-type"] == b"text/html"


def test_changed_pages_are_not_needless() -> None:
    """A page that has changed has its own validators, and its purge was needed."""
    clock = a_clock()
    aftermath = Aftermath(clock)
    key, old = page(clock)
    purge(clock, "block:7", kind="soft")
    aftermath.look([(key, old)], 0.0)
    _, new = page(clock, body=b"y", etag=b'"new"')
    aftermath.renewed(key, new)
    assert not aftermath.needless
    assert dict(new.fields)[b"etag"] == b'"new"'


def test_compared_once() -> None:
    """The second render after a purge is not compared any more: nobody purged anything for it."""
    clock = a_clock()
    aftermath = Aftermath(clock)
    key, old = page(clock)
    purge(clock, "block:7", "menu:1")
    aftermath.look([(key, old)], 0.0)
    aftermath.renewed(key, page(clock)[1])
    aftermath.renewed(key, page(clock)[1])
    assert dict(aftermath.needless) == {"block:7": 1, "menu:1": 1}
