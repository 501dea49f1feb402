"""The allocator's free memory: what entries of all sizes leave behind is too scattered to be used again, and glibc keeps it.

It gives each thread a heap, up to eight per core, and each keeps what is free in it to itself: entries whose bodies come from many
threads hold pages of all of them.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ARENAS: Final = 2
"""Heaps of a process. Threads of Python seldom meet in the allocator, which they call with the interpreter's lock."""
_ARENA_MAX: Final = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library, if it has it."""
    import ctypes  # noqa: PLC0415 - nobody needs it for importing the package

    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        # Another C library, which has its own ways.
        return None
    return found


_trim = cache(_function)


def give_back() -> None:
    """Give whole free pages back to the system; a millisecond for some tens of megabytes, without the interpreter's lock."""
    if trim := _trim("malloc_trim"):
        trim(0)


def share_arenas() -> None:
    """Let all threads that are to come share two heaps, unless the environment tells the C library how many to have."""
    if "MALLOC_ARENA_MAX" in os.environ or "glibc.malloc.arena_max" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    if limit := _function("mallopt"):
        limit(_ARENA_MAX, ARENAS)
