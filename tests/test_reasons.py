"""Every branch of policy and validity has a reason of its own."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from cms_cache_mw.core.status import Reason

PACKAGE = Path(__file__).resolve().parents[1] / "cms_cache_mw"

DECIDING = [
    "core/policy.py",
    "core/storing.py",
    "core/keys.py",
    "purge/clock.py",
    "levels.py",
]
"""Where it is decided what becomes of a request, of an answer, and of an entry."""

SHARED = {
    "AUTHORIZATION": "two fields that carry credentials",
    "METHOD": "asked before the application, and of its answer",
    "NO_CACHE": "with and without validators",
    "STATUS": "statuses of no use, of no known meaning, and not in store_statuses",
    "HEAD": "asked before the application, and of its answer",
    "NO_LIFETIME": "with and without a heuristic one",
    "OVERRIDE": "three spellings of one field",
    "PRECONDITION": "two fields with one meaning",
    "PURGED": "hard, outdated here, and soft past its grace",
    "SOFT_PURGED": "found and judged",
    "REVALIDATED": "by a visitor's own request and by ours",
    "EXPIRED": "found and judged",
    "STALE": "while it is revalidated, and because the visitor takes it",
    "REQUEST": "max-age, min-fresh and no-cache of a visitor",
    "HIT": "in memory, and from Redis",
    "MUST_VALIDATE": "found and judged",
    "UNSURE": "found and judged",
    "NO_STORE": "in the directives in force, and in fields that proxies are told by",
    "PRIVATE": "in the directives in force, and in fields that proxies are told by",
    "URI_MISS": "nothing under the key, and the default of who does not say",
    "VARY_MISS": "in memory, and in Redis",
    "TARGET": "asked with the key, and without one",
}
"""Reasons that several branches give, and what these have in common."""


def given(name: str) -> Counter[str]:
    """How often a module gives each reason: what it returns, or makes a decision of."""
    found: Counter[str] = Counter()
    for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason":
            found[node.attr] += 1
    return found


def test_reasons_are_not_shared() -> None:
    """Two branches with the same reason could not be told apart; where they need not be, that is said here."""
    counted: Counter[str] = Counter()
    for name in DECIDING:
        counted += given(name)
    assert {reason for reason, times in counted.items() if times > 1} <= set(SHARED)


def test_every_reason_is_given() -> None:
    """No reason is left over that no branch gives."""
    counted: Counter[str] = Counter()
    for path in PACKAGE.rglob("*.py"):
        counted += given(str(path.relative_to(PACKAGE)))
    assert {reason.name for reason in Reason} <= set(counted)


def test_every_decision_has_a_reason() -> None:
    """Each decision that policy makes is made with one: none is constructed bare."""
    decisions = {"Serve", "Revalidate", "Fetch", "Bypass", "Refuse", "Fallback", "Relay"}
    tree = ast.parse((PACKAGE / "core/policy.py").read_text())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in decisions
    ]
    assert len(calls) > len(decisions)
    for call in calls:
        needed = 2 if call.func.id in {"Serve", "Revalidate", "Fallback"} else 1  # type: ignore[attr-defined]
        assert len(call.args) >= needed, ast.unparse(call)
