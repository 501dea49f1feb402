"""The operations pages keep to what there is: tests, metrics, flags, anchors."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cms_cache_mw.metrics.measures import MEASURES
from cms_cache_mw.switching.flags import MEANINGS

DOCS = Path(__file__).parents[1] / "docs"
ROOT = DOCS.parent
PAGES = [*sorted((DOCS / "operations").glob("*.md")), DOCS / "faults.md"]
SUFFIXES = {"counter": ("_total",), "sum": ("",), "max": ("",), "histogram": ("_bucket", "_count", "_sum")}
SERIES = {f"cms_cache_{name}{end}" for name, measure in MEASURES.items() for end in SUFFIXES[measure.kind]}


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of the functions of a file."""
    found = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def rows(page: Path) -> list[list[str]]:
    """The cells of a page's table rows."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_exist(page: Path) -> None:
    """A test that a page names is there, so that what the page says is shown by something."""
    for path, name in re.findall(r"`(tests/[\w/.]+)::(\w+)`", page.read_text()):
        assert name in functions_of(ROOT / path), f"{page.name}: {path} has no {name}"


@pytest.mark.parametrize("page", [DOCS / "operations" / "failures.md", DOCS / "faults.md"], ids=lambda page: page.name)
def test_every_row_is_shown(page: Path) -> None:
    """Each row of the failure tables is whole and names its test."""
    found = rows(page)
    assert len(found) >= 29
    for cells in found:
        assert len(cells) == 4, cells
        assert re.search(r"`tests/[\w/.]+::test_\w+`", cells[-1]), cells


def test_every_fault_scenario_is_listed() -> None:
    """Each test of `tests/faults` stands in the table of scenarios, or with what is around it."""
    text = (DOCS / "faults.md").read_text()
    beside = {
        "test_edited_block_is_new_everywhere", "test_streamed_page_is_forwarded_and_kept", "test_crowd_causes_one_render",
        "test_failing_page_leaves_nobody_waiting", "test_leader_that_hangs_up_leaves_nobody_waiting",
        "test_memory_limit_is_kept", "test_stale_part_is_not_reused",
    }  # fmt: skip
    for path in (ROOT / "tests" / "faults").glob("test_*.py"):
        for name in functions_of(path):
            assert not name.startswith("test_") or name in beside or f"::{name}`" in text, name


def test_every_flag_is_explained() -> None:
    """The table of flags is that of the code."""
    found = {cells[0].strip("`"): cells[1] for cells in rows(DOCS / "operations" / "switches.md")}
    assert found == MEANINGS


def test_every_metric_is_explained() -> None:
    """The table of metrics is that of the code."""
    found = {
        cells[0].split("`")[1].removesuffix("_total"): cells[1] for cells in rows(DOCS / "operations" / "metrics.md")
    }
    assert found == {name: measure.meaning for name, measure in MEASURES.items()}


def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load((DOCS / "operations" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_alert(rule: dict[str, Any]) -> None:
    """An alert asks for series that there are, and its runbook link leads to a row that says what to do."""
    assert set(re.findall(r"cms_cache_\w+", rule["expr"])) <= SERIES
    page, _, anchor = rule["annotations"]["runbook_url"].partition(".html#")
    assert f'<a id="{anchor}"></a>' in (DOCS / "operations" / f"{page}.md").read_text()


def test_grafana() -> None:
    """The dashboard is JSON with panels of series that there are, each with an id of its own."""
    board = json.loads((DOCS / "operations" / "grafana.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) >= 12
    for expression in asked:
        series = set(re.findall(r"cms_cache_\w+", expression))
        assert series
        assert series <= SERIES, expression
        assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to another page leads to one."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
