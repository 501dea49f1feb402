"""Writes the newsroom's database: `python -m examples.newsroom.seed PATH`."""

from __future__ import annotations

import sys
from pathlib import Path

from . import ensure

if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
    sys.exit("usage: python -m examples.newsroom.seed PATH")
ensure(Path(sys.argv[1]))
