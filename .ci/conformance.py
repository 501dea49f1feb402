"""Which clauses of which standard have a test: `docs/reference/conformance.md`, as the names of the rows in the tests say."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("tests/core", "tests/http")
ROW = re.compile(r"(RFC ?\d+|Edge Architecture) (\d+(?:\.\d+)*)(?:, \d[\d.]*)* (.+)")

TITLES = {
    "RFC9110": "HTTP Semantics",
    "RFC9111": "HTTP Caching",
    "RFC5861": "HTTP Cache-Control Extensions for Stale Content",
    "RFC9213": "Targeted HTTP Cache Control",
    "RFC9875": "HTTP Cache Groups",
    "RFC8246": "HTTP Immutable Responses",
    "Edge Architecture": "Edge Architecture Specification (Surrogate-Control)",
}

HEAD = """# Conformance

Each clause here is the name of a test that passes, in the place of the standard that it is about. [HTTP, clause by clause](../http.md) says what is done in words, in both profiles,
and what is deliberately left out and why.

`make test ARGS="tests/core tests/http"` runs all of them, `make test ARGS="tests/core/test_policy.py -v -k 5.2.2"` those of a section.

"""


def clauses() -> dict[str, dict[str, list[str]]]:
    """What is tested, by document and section."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(path for folder in TESTS for path in (ROOT / folder).rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and (row := ROW.fullmatch(node.value)):
                document, section, clause = row.groups()
                known = found[document.replace("RFC ", "RFC")][section]
                if clause not in known:
                    known.append(clause)
    return found


def conformance() -> str:
    """The page."""
    found = clauses()
    page = HEAD + "| standard | clauses tested |\n| --- | --- |\n"
    for document in sorted(found, key=lambda name: -_count(found[name])):
        page += f"| {document}, {TITLES[document]} | {_count(found[document])} |\n"
    for document in sorted(found, key=lambda name: -_count(found[name])):
        page += f"\n## {document}: {TITLES[document]}\n\n| section | what is tested |\n| --- | --- |\n"
        for section in sorted(found[document], key=lambda name: [int(part) for part in name.split(".")]):
            shown = "; ".join(_cell(clause) for clause in found[document][section])
            page += f"| {section} | {shown} |\n"
    return page


def _count(sections: dict[str, list[str]]) -> int:
    return sum(map(len, sections.values()))


def _cell(text: str) -> str:
    return re.sub(r"([|*_<>\[\]`])", r"\\\1", text)
