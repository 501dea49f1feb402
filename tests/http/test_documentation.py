"""The commands in `docs/http.md` answer what the page says they answer."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.http.conftest import launched
from tests.support.site import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "http.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_commands(tmp_path: Path) -> None:
    """Each block of commands, in order, prints the block that follows it; … stands for anything."""
    blocks = BLOCK.findall(PAGE)
    (program,) = [text for kind, text in blocks if kind == "python"]
    (tmp_path / "page.py").write_text(program)
    pairs = [(text, blocks[place + 1]) for place, (kind, text) in enumerate(blocks) if kind == "sh"]
    worker = launched("uvicorn", "page:app", tmp_path / "log", PYTHONPATH=f"{ROOT}:{tmp_path}", UVICORN_DATE_HEADER="1")
    try:
        for commands, (kind, expected) in pairs:
            assert kind == "text"
            command = commands.replace("localhost:8000", f"127.0.0.1:{worker.port}")
            ran = subprocess.run(
                ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
            )
            assert re.fullmatch(_pattern(expected), ran.stdout.strip()), f"{commands}{ran.stdout}"
    finally:
        worker.close()
    assert len(pairs) == 6


def _pattern(expected: str) -> str:
    """What the text stands for."""
    lines = [".*".join(map(re.escape, line.split("…"))) for line in expected.strip().splitlines()]
    return "\\s*\n".join(lines)
