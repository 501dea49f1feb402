"""Where two texts differ, less the noise, and how a difference is shown."""

from __future__ import annotations

import pytest

from cms_cache_mw.auditing.difference import Comparison
from cms_cache_mw.auditing.staleness import measured

PAGE = b'<p class="a">Hello <b>world</b></p>\n<form><input value="%s"></form>\n<i>%s</i>'


@pytest.mark.parametrize(
    ("rendered", "again", "served", "differs"),
    [
        (b"a b c", b"a b c", b"a b c", False),
        (b"a b c", b"a b c", b"a x c", True),
        (b"a b c", b"a z c", b"a x c", False),
        (b"a b c", b"a z c", b"x b c", True),
        (b"a b c", b"a b c", b"", True),
        (b"", b"", b"x", True),
        (b"a c", b"a b c", b"a x y c", False),
        (PAGE % (b"t1-x", b"1"), PAGE % (b"t2-y-z", b"2"), PAGE % (b"t3", b"3"), False),
        (PAGE % (b"t1-x", b"1"), PAGE % (b"t2-y-z", b"2"), (PAGE % (b"t3", b"3")).replace(b"world", b"moon"), True),
        (b"x" + b" a" * 9_000, b"x" + b" a" * 9_000, b"y" + b" b" * 9_000, True),
        (b"\xff\x00 <", b"\xff\x00 <", b"\xfe\x00 <", True),
    ],
)
def test_differs(rendered: bytes, again: bytes, served: bytes, *, differs: bool) -> None:
    """What two renders say differently is noise, and anything else counts, however much of it there is."""
    comparison = Comparison(rendered)
    comparison.learn(again)
    assert comparison.differs(served) is differs


def test_noise_adds_up() -> None:
    """Each further render teaches more noise."""
    comparison = Comparison(b"a b c d e f g h")
    comparison.learn(b"a X c d e f g h")
    assert comparison.differs(b"a Y c d e f g Z")
    comparison.learn(b"a b c d e f g Y")
    assert not comparison.differs(b"a Y c d e f g Z")


def test_shown() -> None:
    """A difference is shown between the words around it: what was served, and what would have been."""
    comparison = Comparison(b'<a href="/new">Menu</a> and more')
    assert comparison.shown(b'<a href="/old">Menu</a> and more', both=True) == '…<a href="[-/old-]{+/new+}">Menu</a>…'


def test_shown_of_a_visitors_own() -> None:
    """Of a visitor's own render only the length of what differs is told."""
    comparison = Comparison(b"<p>Hello Ann Secret!</p>")
    shown = comparison.shown(b"<p>Hello guest!</p>", both=False)
    assert "Secret" not in shown
    assert "Ann" not in shown
    assert "[-guest!-]" in shown
    assert "bytes, not shown" in shown


def test_shown_is_bounded() -> None:
    """However much differs, a report stays small."""
    comparison = Comparison(b" ".join(b"w%d a%d" % (n, n) for n in range(200)))
    shown = comparison.shown(b" ".join(b"w%d b%d" % (n, n) for n in range(200)), both=True)
    assert "and 195 more places" in shown
    assert len(shown) < 5_000
    assert len(Comparison(b"\xff" * 100_000).shown(b"y" * 100_000, both=True)) < 5_000


@pytest.mark.parametrize(
    ("samples", "different", "low", "high"),
    [(0, 0, 0.0, 1.0), (10, 0, 0.0, 0.2775), (100, 0, 0.0, 0.0370), (100, 5, 0.0215, 0.1118), (10, 10, 0.7225, 1.0)],
)
def test_interval(samples: int, different: int, low: float, high: float) -> None:
    """The bounds are those of Wilson's score interval at 95 %, as tables give them."""
    interval = measured(samples, different)
    assert interval.share == (different / samples if samples else 0.0)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
