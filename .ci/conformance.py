"""Which clauses of which standard have a test: `docs/reference/conformance.md`, as the names of rows and the docstrings of tests say."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("tests/core", "tests/http")
DOCUMENT = r"(?:RFC ?\d+|Edge Architecture)"
ROW = re.compile(rf"({DOCUMENT} §?\d[\d.]*(?:, (?:{DOCUMENT} )?§?\d[\d.]*)*):? (.+?)\.?")
PLACE = re.compile(rf"(?:({DOCUMENT}) )?§?(\d+(?:\.\d+)*)")

TITLES = {
    "RFC9110": "HTTP Semantics",
    "RFC9111": "HTTP Caching",
    "RFC5861": "HTTP Cache-Control Extensions for Stale Content",
    "RFC9213": "Targeted HTTP Cache Control",
    "RFC9875": "HTTP Cache Groups",
    "RFC9112": "HTTP/1.1",
    "RFC9211": "The Cache-Status HTTP Response Header Field",
    "RFC8246": "HTTP Immutable Responses",
    "Edge Architecture": "Edge Architecture Specification (Surrogate-Control)",
}

HEAD = """# Conformance

Each clause here is what a test that passes says of itself, in the place of the standard that it is about. [HTTP, clause by clause](../http.md) says what is done in words, in both profiles,
and what is deliberately left out and why.

`make test ARGS="tests/core tests/http"` runs all of them, `make test ARGS="tests/core/test_policy.py -v -k 5.2.2"` those of a section.

"""


def clauses() -> dict[str, dict[str, list[str]]]:
    """What is tested, by document and section; a clause of several sections stands in each."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(path for folder in TESTS for path in (ROOT / folder).rglob("test_*.py")):
        for text in _named(ast.parse(path.read_text())):
            if row := ROW.fullmatch(text):
                document = ""
                for place in PLACE.finditer(row[1]):
                    document = (place[1] or document).replace("RFC ", "RFC")
                    known = found[document][place[2]]
                    if row[2] not in known:
                        known.append(row[2])
    return found


def _named(tree: ast.Module) -> Iterator[str]:
    """The names of rows, and the first lines of the docstrings of tests."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield (ast.get_docstring(node) or "").partition("\n")[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "§" not in node.value:
            yield node.value


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
    return len({clause for clauses in sections.values() for clause in clauses})


def _cell(text: str) -> str:
    return re.sub(r"`[^`]*`|([|*_<>\[\]])", lambda found: f"\\{found[1]}" if found[1] else found[0], text)
