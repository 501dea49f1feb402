"""The allocator's free memory: what entries of all sizes leave behind is too scattered to be used again, and glibc keeps it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _trimmer() -> Callable[[int], object]:
    import ctypes  # noqa: PLC0415 - not before there is much to give back

    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        # Another C library, which has its own ways.
        return lambda _: None
    return found


_known = cache(_trimmer)


def give_back() -> None:
    """Give whole free pages back to the system; a millisecond for some tens of megabytes, without the interpreter's lock."""
    _known()(0)
