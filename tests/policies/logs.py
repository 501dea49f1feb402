"""Traces in files: what `traffic.py` writes, and access logs of web servers."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Final

from tests.policies.traffic import Request

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LINE: Final = re.compile(r'"GET (\S+)[^"]*" 200 (\d+)')
"""A line of the common or combined log format: which page, and its bytes."""


def read(path: Path) -> list[Request]:
    """The requests in a file; `ValueError` where it holds none. An access log says nothing of edits."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        first = file.readline()
        file.seek(0)
        found = _written(file) if first.strip() == ",".join(Request._fields) else _logged(file)
    if not found:
        raise ValueError(
            f'{path}: a trace of traffic.py, or an access log with lines such as … "GET /a HTTP/1.1" 200 512'
        )
    return found


def _written(lines: Iterable[str]) -> list[Request]:
    return [
        Request(float(one["at"]), int(one["key"]), int(one["size"]), int(one["version"]))
        for one in csv.DictReader(lines)
    ]


def _logged(lines: Iterable[str]) -> list[Request]:
    keys: dict[str, int] = {}
    found = []
    for number, line in enumerate(lines):
        if match := LINE.search(line):
            key = keys.setdefault(match[1], len(keys))
            found.append(Request(float(number), key, max(1, int(match[2])), 0))
    return found
