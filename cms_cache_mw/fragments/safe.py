"""Text that is marked as safe HTML, as template engines tell it from text that they have to escape."""

from __future__ import annotations

from functools import cache
from importlib import import_module


class Safe(str):
    """HTML where markupsafe is not installed; engines that look for `__html__` leave it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        """The text itself."""
        return self


@cache
def markup() -> type[str]:
    """The type of safe HTML: markupsafe's, which Jinja uses, where it is installed."""
    try:
        found: type[str] = import_module("markupsafe").Markup
    except ImportError:
        return Safe
    return found


def is_safe(text: object) -> bool:
    """Whether a template engine takes it as it is."""
    return hasattr(text, "__html__")
