"""Runs one piece of code in the middle of another, at each of its bytecodes in turn, as a thread switch would."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cms_cache_mw.purge import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

MODULE = clock.__file__


def interrupted(outer: Callable[[], object], inner: Callable[[], object], at: int) -> bool:
    """Run `outer` with `inner` before its bytecode number `at` in the clock's module; false if it has fewer."""
    left = at
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 - as sys.settrace has it
        nonlocal left
        if frame.f_code.co_filename != MODULE:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if left == 0:
                sys.settrace(None)
                inner()
                sys.settrace(trace)
            left -= 1
        return trace

    sys.settrace(trace)
    try:
        outer()
    finally:
        sys.settrace(before)
    return left < 0


def every_switch(
    prepare: Callable[[], tuple[Callable[[], object], Callable[[], object], Callable[[], None]]],
) -> Iterator[int]:
    """Each point at which one of two threads can give way to the other, both ways round.

    `prepare` gives two actions and a judgement, all new, since each run starts from the same state. Yields after each run.
    """
    for swap in (False, True):
        at = 0
        while True:
            first, second, judge = prepare()
            outer, inner = (second, first) if swap else (first, second)
            if not interrupted(outer, inner, at):
                break
            judge()
            yield at
            at += 1
