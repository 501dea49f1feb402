"""The changelog is made of fragments, a file for each change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHANGES = ROOT / ".changes"
KINDS = {"added", "changed", "deprecated", "removed", "fixed", "security"}
FRAGMENTS = sorted(set(CHANGES.iterdir()) - {CHANGES / "README.md", CHANGES / "template.md.jinja"})


def draft() -> str:
    """What the next version's section would be."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_fragments_have_a_kind(path: Path) -> None:
    """A file that towncrier would pass over is a change that nobody is told of."""
    name, _, kind = path.stem.rpartition(".")
    assert name.startswith("+"), f"{path.name}: +SHORT-NAME.KIND.md"
    assert kind in KINDS, f"{path.name}: one of {', '.join(sorted(KINDS))}"
    assert path.read_text().strip()


def test_fragments_become_a_section() -> None:
    """Each stands in the section as a point of a list, under its kind."""
    section = draft()
    assert "## [next] - " in section
    for path in FRAGMENTS:
        first = path.read_text().splitlines()[0]
        kind = path.stem.rpartition(".")[2].capitalize()
        assert f"- {first}" in section.partition(f"### {kind}\n")[2]
