"""What goes over the wire: fingerprints, and log entries that belong together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms_cache_mw.purge.clock import Logged
from cms_cache_mw.purge.wire import Row, consecutive, logged, nonce, packed, paired, unpacked

EPOCH = 0x1E


def row(seq: int, epoch: int = EPOCH, kind: bytes = b"hard", prints: bytes = b"", grace: int = 0) -> Row:
    """An entry of the log as the client gives it."""
    return b"%d-0" % seq, {b"n": b"n", b"e": b"%016x" % epoch, b"k": kind, b"t": prints, b"g": b"%d" % grace}


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1)))
def test_fingerprints_survive(prints: list[int]) -> None:
    """Packing and unpacking give back what went in."""
    assert list(unpacked(packed(prints))) == prints


def test_half_a_fingerprint() -> None:
    """A row of the wrong length is refused, not cut."""
    with pytest.raises(ValueError, match="9 bytes"):
        unpacked(b"123456789")


def test_entry() -> None:
    """An entry of the log has all that was recorded, the grace in seconds."""
    entry = logged(*row(7, kind=b"soft", prints=packed([1, 2]), grace=1500))
    assert entry == Logged(7, b"n", "soft", (1, 2), 1.5)


def test_fields_come_in_pairs() -> None:
    """A script's reply alternates names and values; an odd one out is an error."""
    assert paired([b"a", b"1", b"b", b"2"]) == {b"a": b"1", b"b": b"2"}
    with pytest.raises(ValueError, match="argument"):
        paired([b"a", b"1", b"b"])


@pytest.mark.parametrize(
    ("rows", "seqs"),
    [
        ([], []),
        ([row(4), row(5)], [4, 5]),
        ([row(5)], []),
        ([row(4), row(6)], [4]),
        ([row(4, epoch=0x1F)], []),
        ([row(4), row(5, epoch=0x1F), row(6)], [4]),
    ],
)
def test_only_what_follows_in_this_epoch(rows: list[Row], seqs: list[int]) -> None:
    """Of what was read, the entries count that go on from the position without a hole and in the same epoch."""
    assert [entry.seq for entry in consecutive(rows, EPOCH, 3)] == seqs


def test_nonces_differ() -> None:
    """A nonce is sixteen hexadecimal digits, never the same."""
    assert len({nonce() for _ in range(1_000)}) == 1_000
    assert int(nonce(), 16) < 2**64
    assert len(nonce()) == 16
