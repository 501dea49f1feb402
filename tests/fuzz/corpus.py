"""The corpus: inputs that once broke something or reach far, a file each, in a folder for each target."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).resolve().parent / "inputs"


@cache
def corpus_of(name: str) -> tuple[bytes, ...]:
    """The inputs of a target, in order of their names."""
    return tuple(path.read_bytes() for path in sorted((CORPUS / name).iterdir()))
