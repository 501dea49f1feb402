"""Runs the tests of the pure code and demands that they take every branch of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

VALUES = ("clock", "lease", "ledger", "registry", "ticket", "wire")
"""The part of `purge/` that decides and does not do."""

PURE = ["cms_cache_mw/core/*", *(f"cms_cache_mw/purge/{name}.py" for name in VALUES)]
"""What has every branch taken by its own tests, without a server."""

TESTS = ["tests/core", *(test for name in VALUES if (ROOT / (test := f"tests/purge/test_{name}.py")).exists())]


def main() -> int:
    """The exit status: 0 where every branch was taken."""
    measured = ["run", "--branch", "-m", "pytest", "-q", *TESTS]
    reported = ["report", f"--include={','.join(PURE)}", "--skip-covered", "--show-missing", "--fail-under=100"]
    for command in (measured, reported):
        status = subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
