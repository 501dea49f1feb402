"""Writes the newsroom's database: `python -m examples.newsroom.seed PATH`."""

from __future__ import annotations

import sys
from pathlib import Path

from examples.newsroom.seed import ensure

match sys.argv[1:]:
    case [path] if not path.startswith("-"):
        ensure(Path(path))
    case _:
        sys.exit("usage: python -m examples.newsroom.seed PATH")
