"""The metrics of one worker: taken, published to its siblings about once a second, and joined with theirs when asked for.

It has no thread of its own. Whoever comes by (the thread that follows the purge log, a request that is no plain hit, whoever
asks for the metrics) publishes when a second has passed, and has the next plain hit timed.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from cms_cache_mw.auditing.staleness import measured
from cms_cache_mw.metrics.measures import MEASURES, Numbers, taken
from cms_cache_mw.metrics.published import EVERY, Published, usual_directory
from cms_cache_mw.stopwatch import time_next

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Metric

    from cms_cache_mw.assembly import Parts
    from cms_cache_mw.config import Config


class Metrics:
    """The metrics of a cache. Where there are no admin endpoints nobody could ask for them, and nothing is published."""

    def __init__(self, config: Config, parts: Parts, now: Callable[[], float]) -> None:
        self._parts, self._now = parts, now
        directory = Path(config.metrics_dir) if config.metrics_dir else usual_directory(config.namespace)
        self._published = Published(directory) if config.tokens else None
        self._next = 0.0
        self._busy = threading.Lock()

    def due(self) -> None:
        """Publish, unless that was done a moment ago."""
        if self._published and self._now() >= self._next and self._busy.acquire(blocking=False):
            try:
                self._next = self._now() + EVERY
                self._published.put(self._own())
                time_next(self._parts.engine, self._parts.hit_seconds)
            finally:
                self._busy.release()

    def all(self) -> Numbers:
        """The numbers of all workers on this host, by measure and label; the staleness measured by all of them besides."""
        with self._busy:
            own = self._own()
            numbers = self._published.of_all(own) if self._published else own
        same, wrong = (
            numbers.get("audit|same", 0.0),
            numbers.get("audit|stale", 0.0) + numbers.get("audit|unkeyed", 0.0),
        )
        interval = measured(int(same + wrong), int(wrong))
        return numbers | {f"staleness_ratio|{name}": value for name, value in interval._asdict().items()}

    def close(self) -> None:
        """Leave what counts up to the others."""
        if self._published:
            with self._busy:
                self._published.close(self._own())

    def forget(self) -> None:
        """In a forked child: what was published is the parent's."""
        if self._published:
            self._published.forget()

    def _own(self) -> Numbers:
        return taken(self._parts, self._now())


def exposition(numbers: Numbers) -> bytes:
    """Numbers in Prometheus's text format; `ImportError` names the extra that it takes."""
    try:
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )
        from prometheus_client.exposition import generate_latest  # noqa: PLC0415
    except ImportError:
        raise ImportError("metrics need prometheus-client: install cms_cache_mw[prometheus]") from None

    families: list[Metric] = []
    for name, measure in MEASURES.items():
        title, prefix = f"cms_cache_{name}", f"{name}|"
        rows = {key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)}
        if measure.kind == "histogram":
            total = rows.pop("sum", 0.0)
            buckets = sorted(rows.items(), key=lambda row: float(row[0]))
            made = HistogramMetricFamily(title, measure.meaning)
            if buckets:
                made.add_metric([], buckets, total)
            families.append(made)
            continue
        kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
        family = kind(title, measure.meaning, labels=[measure.label] if measure.label else [])
        for label, value in sorted(rows.items()) if measure.label else ():
            family.add_metric([label], value)
        if not measure.label and name in numbers:
            family.add_metric([], numbers[name])
        families.append(family)
    return generate_latest(_Collected(families))


class _Collected:
    """What prometheus-client asks of a registry."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """All of it."""
        return self._families
