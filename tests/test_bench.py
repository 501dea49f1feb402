"""The check of the benchmarks can fail, and what is drawn is what was recorded."""

from __future__ import annotations

import json
import math

import pytest

from tests.bench.__main__ import RECORDED, reported
from tests.bench.figure import Figure
from tests.bench.plot import DRAWN, drawn, panels

HIT = "hit, in bare applications"


@pytest.mark.parametrize(
    ("figure", "before", "worse"),
    [
        pytest.param(Figure(HIT, 11.4, "x", 10), {HIT: 10.0}, 0, id="by 14 %"),
        pytest.param(Figure(HIT, 11.6, "x", 10), {HIT: 10.0}, 1, id="by 16 %"),
        pytest.param(Figure(HIT, 11.6, "x", math.inf), {HIT: 10.0}, 1, id="by 16 % without a goal"),
        pytest.param(Figure(HIT, 9.0, "x", 10), {}, 0, id="within its goal, not recorded"),
        pytest.param(Figure(HIT, 11.0, "x", 10), {}, 1, id="missed, not recorded"),
        pytest.param(Figure(HIT, 99.0, "x", 10, checked=False), {HIT: 10.0}, 0, id="shown only"),
    ],
)
def test_a_ratio_that_is_worse_than_recorded_fails(figure: Figure, before: dict[str, float], worse: int) -> None:
    """More than 15 % over what is recorded fails; without a record, more than the goal; the new ratio is what is recorded next."""
    assert reported([figure], before) == worse
    assert before[HIT] == figure.value


def test_a_time_is_shown_only() -> None:
    """A slow moment of the machine fails nothing; a count that misses its goal does."""
    assert reported([Figure("hit", 99.0, "µs", 10)], {}) == 0
    assert reported([Figure("renders at once", 5, "", 4)], {}) == 1


def test_each_panel_of_the_drawing_has_what_it_compares() -> None:
    """Peers in both worlds, 1 to 1,000,000 entries, and 1 to 8 workers are recorded."""
    peers, entries, spent, rates = panels(json.loads(RECORDED.read_text())).values()
    assert {"hishel", "aiocache", "wagtail-cache", "Django's"} <= {name.split()[0] for name, _, _ in peers}
    assert [name for name, _, _ in entries] == ["1", "1,000", "10,000", "100,000", "1,000,000"]
    assert [name for name, _, _ in spent] == ["1", "2", "4", "8"]
    assert {name for name, _, _ in rates} == {f"{kind}, {count}" for kind in ("hits", "bare") for count in (1, 2, 4, 8)}


def test_the_drawing_is_of_what_is_recorded() -> None:
    """After RECORD=1 `python -m tests.bench.plot` has to be run."""
    assert DRAWN.read_text() == drawn(json.loads(RECORDED.read_text()))
