"""How a command ends: its exit code, and the error that ends one early."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ending(IntEnum):
    """The exit codes."""

    DONE = 0
    """What was asked for is done."""
    FOUND = 1
    """`doctor` found something that should be changed; a page could not be warmed; the tour of `demo` did not hold."""
    USAGE = 2
    """The command, an option or a target cannot be meant."""
    UNREACHED = 3
    """No answer from the site or from Redis. A purge is not recorded."""
    REFUSED = 4
    """The token is missing, wrong, or may not do this."""
    UNCERTAIN = 5
    """A purge is recorded and was not certain to be done everywhere when the waiting ended."""
    UNCONFIRMED = 6
    """A purge is larger than `purge_guard` allows and was not made; `--confirm` makes it."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CommandError(Exception):
    """Ends a command: with which code, what was wrong and what would be right; `found` is the answer that said so, if any."""

    def __init__(
        self, ending: Ending, message: str, *, field: str = "", found: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.ending, self.message, self.field, self.found = ending, message, field, found

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return dict(self.found or {}) | {"field": self.field, "error": self.message}


class SilenceError(CommandError):
    """Nobody answered in time. Another worker behind the same address may."""

    def __init__(self, message: str) -> None:
        super().__init__(Ending.UNREACHED, message)
