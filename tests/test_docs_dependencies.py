"""The code in `docs/dependencies.md` runs as it stands there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "dependencies.md"


async def test_the_examples_run_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    """Each block of code, in order, in one namespace, with `get` asking the application as a browser does."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7

    async def get(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://example.org") as client:
            return await client.get(path)

    names: dict[str, Any] = {"get": get}
    try:
        for block in blocks:
            code = compile(block, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)
            if running is not None:
                await running
    finally:
        await names["app"].cache.aclose()
    assert "example.org/en/1" in capsys.readouterr().out
