"""Reads of one worker, those of a turn of its event loop as one command: most of what a read costs is the command, not the value."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

MOST: Final = 16
"""Values in one reply: the first would wait for the last."""

Waiting: TypeAlias = "tuple[str, asyncio.Future[object]]"


class Reads:
    """Values by name. `ask` begins a command; `most` is how many names one may have: in a cluster each is on a node of its own."""

    def __init__(
        self, ask: Callable[..., asyncio.Task[object]], loop: asyncio.AbstractEventLoop, *, most: int = MOST
    ) -> None:
        self._ask, self._loop, self._most = ask, loop, most
        self._waiting: list[Waiting] = []

    async def value(self, name: str, within: float) -> object:
        """What the server has under a name; `TimeoutError` after so many seconds. Whoever stops waiting stops nobody else's read."""
        if not self._waiting:
            self._loop.call_soon(self._send)
        answer: asyncio.Future[object] = self._loop.create_future()
        self._waiting.append((name, answer))
        late = self._loop.call_later(within, _give_up, answer, within)
        try:
            return await answer
        finally:
            late.cancel()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), self._most):
            batch = waiting[start : start + self._most]
            names = [name for name, _ in batch]
            asked = self._ask("MGET", *names) if len(names) > 1 else self._ask("GET", *names)
            asked.add_done_callback(partial(_deliver, batch))


def _deliver(batch: list[Waiting], asked: asyncio.Task[object]) -> None:
    error: BaseException | None = TimeoutError("the command was cancelled") if asked.cancelled() else asked.exception()
    values: Any = [] if error else asked.result() if len(batch) > 1 else [asked.result()]
    if error is None and not (isinstance(values, list) and len(values) == len(batch)):
        error = ValueError("a reply that is none")
    for place, (_, answer) in enumerate(batch):
        if answer.done():
            continue
        if error:
            answer.set_exception(error)
        else:
            answer.set_result(values[place])


def _give_up(answer: asyncio.Future[object], within: float) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError(f"no answer in {within * 1000:.0f} ms"))
