"""The simulator: its traffic is what its settings say, its traces can be written and read, and a policy's ratio is its own."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.stores.lru import LRU
from cms_cache_mw.stores.s3fifo import S3FIFO
from tests.policies.logs import read
from tests.policies.plot import drawn
from tests.policies.simulation import footprint, simulated
from tests.policies.traffic import SITES, Request, Site, trace

if TYPE_CHECKING:
    from pathlib import Path

QUIET = Site(crawlers=0.0, searches=0.0, listings=0.0, warm_every=0.0, edits=0.0, blocks=0.0, menus=0.0, published=0.0)


@pytest.mark.parametrize("name", SITES)
def test_same_seed_same_traffic(name: str) -> None:
    """Traffic can be had again, and another seed gives other traffic."""
    site = SITES[name]
    assert list(trace(site, 500)) == list(trace(site, 500)) != list(trace(site, 500, seed=2))


def test_popularity() -> None:
    """A tenth of the pages gets most of the requests; without editors nothing gets another version, and sizes stay."""
    requests = list(trace(replace(QUIET, languages=1, pages=1_000, zipf=1.0, fresh=0.0), 20_000))
    popular = sum(count for _, count in Counter(one.key for one in requests).most_common(100))
    assert 0.6 < popular / len(requests) < 0.8
    assert {one.version for one in requests} == {0}
    assert len({(one.key, one.size) for one in requests}) == len({one.key for one in requests})


def test_searches_and_crawlers() -> None:
    """What searches ask for nobody asks for again; crawlers together see each page as often as the next."""
    lone = Counter(one.key for one in trace(replace(QUIET, searches=1.0), 500))
    assert set(lone.values()) == {1}
    walked = Counter(one.key for one in trace(replace(QUIET, crawlers=1.0, pages=50, languages=2), 4_000))
    assert len(walked) == 100
    assert max(walked.values()) - min(walked.values()) <= 4


def test_warmers() -> None:
    """A warmer walks through all pages of all languages, once each time."""
    site = replace(QUIET, pages=100, languages=3, warm_every=1.0, per_second=1.0)
    requests = list(trace(site, 3_599 + 300 + 10))
    assert len({one.key for one in requests[3_600:3_900]}) == 300
    assert len({one.at for one in requests[3_600:3_900]}) == 1


def test_edits() -> None:
    """An edit gives its page another version, one of the menu gives all of a language one."""
    edited = list(trace(replace(QUIET, pages=20, languages=1, edits=3_600.0, fresh=0.0), 1_000))
    assert max(one.version for one in edited) > 1
    menus = list(trace(replace(QUIET, pages=20, languages=1, menus=36.0, fresh=0.0), 3_000))
    changes = max(one.version for one in menus)
    assert 0 < changes < 10
    last = {one.key: one.version for one in menus}
    assert set(last.values()) <= {changes, changes - 1}


def test_ratio_of_a_policy() -> None:
    """Hits are counted after a quarter of the trace; what has another version is a miss; what does not fit is none either."""
    known = [
        Request(0.0, key, 10, version)
        for key, version in [(1, 0), (2, 0), (1, 0), (2, 0), (1, 1), (1, 1), (3, 0), (2, 0)]
    ]
    assert simulated(LRU(), 20, known) == 3 / 6
    assert simulated(LRU(), 9, known) == 0
    assert footprint(known) == 30


def test_walks_cost_lru_more() -> None:
    """The reason for the default: with crawlers and attackers about, S3-FIFO keeps what LRU loses."""
    requests = list(trace(SITES["crawled"], 30_000))
    size = footprint(requests) // 50
    assert simulated(S3FIFO(), size, requests) > 1.2 * simulated(LRU(), size, requests)


def test_files(tmp_path: Path) -> None:
    """A trace that was written is read as it was; an access log gives the pages that were answered 200 to a GET."""
    file, requests = tmp_path / "trace.csv", list(trace(SITES["newsroom"], 50))
    with file.open("w", newline="") as opened:
        lines = csv.writer(opened)
        lines.writerow(Request._fields)
        lines.writerows(requests)
    assert read(file) == requests
    log = tmp_path / "access.log"
    log.write_text(
        '::1 - - [22/Nov/2026:10:00:00 +0000] "GET /a?b HTTP/1.1" 200 512 "-" "x"\n'
        '::1 - - [22/Nov/2026:10:00:01 +0000] "POST /a?b HTTP/1.1" 200 512\nrubbish\n'
        '::1 - - [22/Nov/2026:10:00:02 +0000] "GET /c HTTP/1.1" 404 9\n'
        '::1 - - [22/Nov/2026:10:00:03 +0000] "GET /a?b HTTP/2" 200 512\n'
    )
    assert [(one.key, one.size) for one in read(log)] == [(0, 512), (0, 512)]
    log.write_text("nothing\n")
    with pytest.raises(ValueError, match="or an access log"):
        read(log)


def test_drawing() -> None:
    """Each row has a mark for each policy, and names are escaped."""
    svg = drawn({"a & b": {"s3fifo": 0.5, "LRU": 0.25}, "c": {"s3fifo": 0.75, "LRU": 1.0}})
    assert svg.count("<circle") == 1 + 2
    assert svg.count("<path") == 1 + 2
    assert "a &amp; b" in svg
