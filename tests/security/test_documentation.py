"""`docs/security.md` names tests that are there, and one careless variant for each class of attack."""

from __future__ import annotations

import re

from tests.support.site import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def rows() -> list[list[str]]:
    """The rows of the table, less its head."""
    found = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in found[1:]]


def test_named_tests_exist() -> None:
    """Each file and each function is there."""
    named = NAMED.findall(PAGE)
    assert len(named) > 25
    for path, function in named:
        text = (ROOT / path).read_text()
        assert not function or re.search(rf"^(?:async )?def {function}\(", text, re.MULTILINE), f"{path}::{function}"


def test_each_class_has_a_rule_a_test_and_a_careless_variant() -> None:
    """No class is only claimed."""
    assert len(rows()) > 12
    for row in rows():
        assert len(row) == 4, row
        assert NAMED.search(row[2]), row[0]
        assert NAMED.search(row[3]), row[0]


def test_threat_model() -> None:
    """`SECURITY.md` says who is trusted, what the defaults do, and what is left to the deployer."""
    headings = re.findall(r"^## (.*)$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)
    assert headings == [
        "Who is trusted with what",
        "What the defaults protect",
        "What a deployer has to do",
        "Known limits",
    ]
