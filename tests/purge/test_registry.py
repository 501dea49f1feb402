"""Who follows the purge clock, read from what the script answers."""

from __future__ import annotations

import pytest

from cms_cache_mw.purge.registry import Registered, Registry, registry

EPOCH = b"00000000000000ee"


def answer(*tables: list[bytes], seq: bytes = b"9", settled: bytes = b"1", low: bytes = b"7") -> list[object]:
    """What the script gives: the clock, then positions, last grants and leases, each with the mark of the epoch."""
    mark = [b"@" + EPOCH, b"inf"]
    return [EPOCH, seq, settled, low, *([*table, *mark] for table in tables)]


def test_workers_in_order() -> None:
    """Each registered worker is told with its position, lag, last grant and lease; the mark of the epoch is none of them."""
    found = registry(
        answer([b"w:2", b"9", b"w:1", b"7"], [b"w:1", b"6", b"w:2", b"8"], [b"w:1", b"3000", b"w:2", b"60000"])
    )
    workers = (Registered("w:1", 7, 2, 6, 3000), Registered("w:2", 9, 0, 8, 60_000))
    assert found == Registry(EPOCH.decode(), 9, 7, workers)


def test_worker_without_a_lease() -> None:
    """A worker that has joined and holds no lease yet has none."""
    assert registry(answer([b"new", b"9"], [], [])).workers == (Registered("new", 9, 0, 0, 0),)


def test_is_never_ahead() -> None:
    """A worker that has acknowledged a purge while the script's caller looked is not a negative number of purges behind."""
    assert registry(answer([b"w", b"12"], [], [])).workers[0].lag == 0


@pytest.mark.parametrize(("settled", "done"), [(b"1", 7), (b"", 0)])
def test_young_epoch_proves_nothing(settled: bytes, done: int) -> None:
    """Until an epoch has settled no purge is known to be done, whatever was acknowledged."""
    assert registry(answer([], [], [], settled=settled)).done == done


def test_empty_server() -> None:
    """Where nobody has ever joined there is no epoch, no purge and no worker."""
    assert registry([b"", b"0", b"", b"0", [], [], []]) == Registry("", 0, 0, ())


def test_any_name_is_readable() -> None:
    """What others have written into the table is shown as it is, and breaks nothing."""
    assert registry(answer([b"\xff", b"1e3"], [], [], seq=b"1000")).workers[0].name == "ÿ"


def test_half_a_pair() -> None:
    """A table that was cut is no table: a worker would be overlooked, and a purge told as done."""
    with pytest.raises(ValueError, match="argument"):
        registry([EPOCH, b"9", b"1", b"7", [b"w"], [], []])
