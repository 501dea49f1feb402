"""Metrics: those of all workers of a host add up, none ever falls, and no label is a visitor's to choose."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cms_cache_mw.core.status import Reason
from cms_cache_mw.histogram import Histogram
from cms_cache_mw.hits import Hits
from cms_cache_mw.metrics.measures import MEASURES, joined
from cms_cache_mw.metrics.published import Published
from cms_cache_mw.metrics.worker import exposition
from cms_cache_mw.stopwatch import time_next
from tests.support.asgi import HTML, Page, Pages, Visitor, caching
from tests.support.site import TOKEN as SERVERS_TOKEN
from tests.support.site import Site as Workers
from tests.support.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from cms_cache_mw import CacheMiddleware
    from tests.support.clock import Clock
    from tests.support.server import Server
    from tests.support.site import Worker

TOKEN = "a-token-for-the-tests"
MAY = f"Authorization: Bearer {TOKEN}"
Rows = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(site: CacheMiddleware) -> Rows:
    """What Prometheus reads, by name and labels."""
    reply = await Visitor(site).get("/_cache/metrics", MAY)
    assert reply.status == 200
    assert (reply.field("content-type") or "").startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(reply.body.decode())
    return {(row.name, frozenset(row.labels.items())): row.value for family in families for row in family.samples}


def row(rows: Rows, name: str, **labels: str) -> float:
    """One value; 0 where there is none yet."""
    return rows.get((f"cms_cache_{name}", frozenset(labels.items())), 0.0)


async def test_what_is_counted(clock: Clock, tmp_path: Path) -> None:
    """Answers by outcome, hits by level, what is not stored by reason, and memory by namespace."""
    pages = Pages({"/private": Page(lines=(HTML, "Cache-Control: private"))})
    async with caching(pages, clock, admin_token=TOKEN, metrics_dir=str(tmp_path / "m")) as site:
        visitor = Visitor(site)
        for target in ("/a", "/a", "/a", "/b", "/private"):
            await visitor.get(target)
        await visitor.get("/a", "Authorization: x")
        rows = await scraped(site)
    assert row(rows, "answers_total", outcome="hit") == 2
    assert row(rows, "hits_total", level="memory") == 2
    assert row(rows, "answers_total", outcome="uri-miss") == 3
    assert row(rows, "answers_total", outcome="authorization") == 1
    assert row(rows, "not_stored_total", reason="private") == 1
    assert row(rows, "entries", namespace="rendered") == 2
    assert row(rows, "workers") == row(rows, "workers_leased") == 1
    assert row(rows, "render_seconds_count") == 4
    assert 0 < row(rows, "memory_bytes", namespace="rendered") <= row(rows, "memory_used_bytes")
    assert row(rows, "staleness_ratio", bound="high") == 1


async def test_workers_add_up(clock: Clock, tmp_path: Path) -> None:
    """Whichever worker is asked tells the sum of all, and goes on telling it when others end and begin."""
    options = {"admin_token": TOKEN, "metrics_dir": str(tmp_path / "m")}
    async with caching(Pages(), clock, **options) as one:
        async with caching(Pages(), clock, **options) as two:
            for site, hits in ((one, 3), (two, 5)):
                for _ in range(hits + 1):
                    await Visitor(site).get("/a")
            await scraped(two)
            both = await scraped(one)
            assert row(both, "answers_total", outcome="hit") == 8
            assert row(both, "workers") == 2
            assert row(both, "entries", namespace="rendered") == 2
        for _ in range(2):
            after = await scraped(one)
            assert row(after, "answers_total", outcome="hit") == 8
            assert row(after, "workers") == row(after, "entries", namespace="rendered") == 1
    async with caching(Pages(), clock, **options) as third:
        await Visitor(third).get("/a")
        rows = await scraped(third)
    assert row(rows, "answers_total", outcome="hit") == 8
    assert row(rows, "answers_total", outcome="uri-miss") == 3


KILLED = """
import sys, time
from pathlib import Path
from cms_cache_mw.metrics.published import Published
published = Published(Path(sys.argv[1]))
published.put({"answers|hit": 7.0, "workers": 1.0})
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_worker(tmp_path: Path) -> None:
    """What a worker had published when it was killed stays in the sum, once."""
    published = Published(tmp_path / "m")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "m")], stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"ready\n"
        own = {"answers|hit": 2.0, "workers": 1.0}
        assert published.of_all(own) == {"answers|hit": 9.0, "workers": 2.0}
        other.send_signal(signal.SIGKILL)
        other.wait(30)
    for _ in range(2):
        assert published.of_all(own) == {"answers|hit": 9.0, "workers": 1.0}
    published.close(own)


def test_a_forked_child(tmp_path: Path) -> None:
    """A child's numbers are its own: the parent's are neither doubled by it nor ended with it."""
    published = Published(tmp_path / "m")
    published.put({"answers|hit": 5.0})
    child = os.fork()
    if not child:
        published.forget()
        mine = Published(tmp_path / "m")
        mine.put({"answers|hit": 1.0})
        os._exit(0 if mine.of_all({"answers|hit": 1.0}) == {"answers|hit": 6.0} else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert published.of_all({"answers|hit": 5.0}) == {"answers|hit": 6.0}
    published.close({"answers|hit": 5.0})


@pytest.mark.logs("metrics are those of one process")
@pytest.mark.parametrize("trouble", ["writable by others", "a link", "a file"])
def test_a_directory_of_somebody_elses(tmp_path: Path, trouble: str) -> None:
    """Where the directory cannot be trusted or used, the metrics are those of this process, and the log says so."""
    place = tmp_path / "m"
    if trouble == "writable by others":
        place.mkdir()
        place.chmod(0o777)
    elif trouble == "a link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_text("")
    published = Published(place)
    assert published.of_all({"answers|hit": 5.0}) == {"answers|hit": 5.0}
    assert not list((tmp_path / "elsewhere").glob("*")) if trouble == "a link" else True


def test_only_this_user_reads_the_files(tmp_path: Path) -> None:
    """The directory is this user's alone."""
    published = Published(tmp_path / "m")
    published.put({})
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o700
    published.close({})


def test_numbers_of_another_version() -> None:
    """While versions of the code are mixed, a measure that this one does not know is left out."""
    assert joined([{"of_tomorrow": 1.0, "workers": 1.0}], {"of_tomorrow|x": 2.0}) == {"workers": 1.0}


def test_labels_are_bounded() -> None:
    """The only label values are our own words, so no visitor, page, tag or host can make more series."""
    assert {measure.label for measure in MEASURES.values()} == {"", "outcome", "level", "reason", "namespace", "bound"}


async def test_hostile_names_are_no_labels(clock: Clock, tmp_path: Path) -> None:
    """Paths, hosts, cookies, tags and methods that visitors choose appear nowhere in the metrics."""
    pages = Pages({"/": Page(lines=(HTML, "Cache-Tag: evil-tag"))})
    async with caching(pages, clock, admin_token=TOKEN, metrics_dir=str(tmp_path / "m")) as site:
        for target in ("/evil-path", "/?evil-query=1", "/"):
            await Visitor(site, host="evil-host").get(target, "Cookie: evil-cookie=1", "Evil-Header: 1")
            await Visitor(site, host="evil-host").ask(target, method="EVIL-METHOD")
        await Visitor(site).get("/")
        rows = await scraped(site)
    assert "evil" not in str(rows).lower()
    outcomes = {dict(labels)["outcome"] for name, labels in rows if name == "cms_cache_answers_total"}
    assert outcomes <= {reason.value for reason in Reason}


async def test_a_hit_is_timed_now_and_then(clock: Clock, tmp_path: Path) -> None:
    """One plain hit a second is timed, and between those nothing stands in the way of a hit."""
    async with caching(Pages(), clock, admin_token=TOKEN, metrics_dir=str(tmp_path / "m")) as site:
        visitor, engine = Visitor(site), site.cache.engine
        for _ in range(4):
            await visitor.get("/a")
        timed = site.cache.parts.hit_seconds
        before = sum(timed.counts)
        for _ in range(5):
            clock.advance(1.0)
            site.cache.parts.metrics.due()
            for _ in range(3):
                await visitor.get("/a")
            assert type(engine.hits) is Hits
        assert sum(timed.counts) == before + 5
        time_next(engine, timed)
        assert (await visitor.get("/b")).level is None
        assert type(engine.hits) is Hits
        assert row(await scraped(site), "hit_seconds_count") == before + 5


async def test_without_tokens_nothing_is_published(tmp_path: Path) -> None:
    """Where nobody could ask for metrics no file is written."""
    async with caching(Pages(), metrics_dir=str(tmp_path / "m")) as site:
        await Visitor(site).get("/a")
    assert not (tmp_path / "m").exists()


async def test_scrapes_need_a_token(tmp_path: Path) -> None:
    """Metrics are for those who may look."""
    async with caching(Pages(), admin_token=TOKEN, metrics_dir=str(tmp_path / "m")) as site:
        assert (await Visitor(site).get("/_cache/metrics")).status == 401


def test_histogram() -> None:
    """A duration counts in the first bucket that it fits into, its bound included, and buckets are written as running sums."""
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(seconds)
    assert (histogram.counts, round(histogram.total, 2)) == ([2, 1, 1], 7.65)
    text = exposition(
        {"render_seconds|0.1": 2.0, "render_seconds|1.0": 3.0, "render_seconds|+Inf": 4.0, "render_seconds|sum": 7.65}
    ).decode()
    assert 'cms_cache_render_seconds_bucket{le="1.0"} 3.0' in text
    assert "cms_cache_render_seconds_count 4.0" in text


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without prometheus-client the error names the extra."""
    monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
    with pytest.raises(ImportError, match=r"cms_cache_mw\[prometheus\]"):
        exposition({})


def total(worker: Worker) -> int:
    """All answers of all workers, as one of them tells."""
    with worker.client() as client:
        reply = client.ask("GET", "/_cache/metrics", headers={"authorization": f"Bearer {SERVERS_TOKEN}"})
    assert reply.status == 200
    families = {family.name: family for family in text_string_to_metric_families(reply.body.decode())}
    return round(sum(sample.value for sample in families["cms_cache_answers"].samples))


@pytest.mark.logs("starting cold")
def test_servers_that_restart(redis_server: Server, tmp_path: Path) -> None:
    """With real servers the counters of both add up, and neither an orderly end, a kill nor a new start lets them fall."""
    with Workers(redis_server, workers=2, options={"METRICS_DIR": str(tmp_path / "m")}) as site:
        one, two = site.workers
        for worker, requests in ((one, 4), (two, 7)):
            with worker.client() as client:
                for _ in range(requests):
                    client.get("/ready")
        until(lambda: total(one) == total(two) >= 11, "both tell the sum")
        known = total(one)
        two.stop()
        assert total(one) == known
        two.start()
        until(lambda: total(one) > known, "the new worker's answers count")
        until(lambda: total(one) == total(two), "both tell the sum again")
        known = total(one)
        two.kill()
        assert total(one) == known
        one.stop()
        two.start()
        assert total(two) >= known
