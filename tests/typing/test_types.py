"""The public types are what programs of others are checked against, by pyright as well as by mypy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYRIGHT = shutil.which("basedpyright", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(PYRIGHT is None, reason="no basedpyright")
def test_pyright_agrees(tmp_path: Path) -> None:
    """Each line that is right passes, and each that is marked as wrong is wrong."""
    settings = {
        "include": [str(ROOT / "tests" / "typing" / "api.py")],
        "extraPaths": [str(ROOT)],
        "pythonVersion": "3.11",
        "typeCheckingMode": "standard",
        "enableTypeIgnoreComments": True,
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(PYRIGHT), "--project", str(tmp_path), "--pythonpath", sys.executable, "--outputjson"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=110, check=False).stdout)
    assert told["summary"]["filesAnalyzed"] == 1
    wrong = [f"{found['range']['start']['line'] + 1}: {found['message']}" for found in told["generalDiagnostics"]]
    assert not wrong
