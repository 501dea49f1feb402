"""Waiting, on an event loop, for what another thread or task brings about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def soon(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail with `what` was expected if it does not within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
