"""Levers in the worker processes that a test moves from outside: files, read where their effect is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

Lever: TypeAlias = Literal["skew", "reply", "delay"]
"""`skew`: seconds by which the workers' wall clocks are wrong. `reply`: what happens to a worker when an entry from Redis has
arrived: it is `stop`ped as a process, or the request is `held` for as long as the lever says so. `delay`: seconds that each
render takes beyond its own time.
"""


class Levers:
    """The levers of one site, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "levers"
        self._folder.mkdir(parents=True, exist_ok=True)

    def set(self, lever: Lever, position: str | float) -> None:
        """Move a lever."""
        draft = self._folder / f"{lever}.draft"
        draft.write_text(str(position))
        draft.replace(self._folder / lever)

    def get(self, lever: Lever) -> str:
        """Where a lever is; empty where nobody has moved it."""
        try:
            return (self._folder / lever).read_text()
        except FileNotFoundError:
            return ""

    def release(self, lever: Lever) -> None:
        """Put a lever back."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / lever).unlink()

    def clear(self) -> None:
        """Put all levers back."""
        for lever in self._folder.iterdir():
            lever.unlink()
