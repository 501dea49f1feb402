"""What the tour says, line by line: styled on a terminal, plain elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 78
BOLD, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = "1", "2", "31", "32", "33", "34", "35", "36"
LETTERS = {"A": CYAN, "B": MAGENTA}


class Screen:
    """Lines of at most 78 columns, each with its time on the right."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        # https://no-color.org
        self._styled = self._live and not os.environ.get("NO_COLOR")
        self._passing = False

    def title(self, text: str, right: str) -> None:
        """The first line of all."""
        gap = " " * (WIDTH - 2 - len(text) - len(right))
        self._write("", f"  {self._style(text, BOLD)}{gap}{self._style(right, DIM)}", f"  {'─' * (WIDTH - 2)}", "")

    def started(self, what: str, seconds: float) -> None:
        """Something runs now."""
        self._write(self._timed("  ", what, seconds))

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names with what they stand for."""
        width = max(len(name) for name, _ in rows) + 2
        self._write("", *(f"  {self._style(name.ljust(width), DIM)}{text}" for name, text in rows))

    def step(self, number: int, title: str, subject: str = "") -> None:
        """The beginning of a step, and what it is about."""
        gap = " " * max(2, WIDTH - 5 - len(title) - len(subject))
        head = self._style(f"{number:>3}", YELLOW, BOLD)
        self._write("", f"{head}  {self._style(title, BOLD)}{gap}{self._style(subject, DIM)}")

    def claim(self, who: str, text: str, seconds: float | None, seen: str | None) -> None:
        """Something that holds, or does not: then `seen` is what was found instead."""
        mark = self._style("✔", GREEN) if seen is None else self._style("✘", RED, BOLD)
        letter = self._style(who, LETTERS[who], BOLD) if who else " "
        self._write(self._timed(f"     {mark} {letter}  ", text, seconds, taken=10))
        if seen is not None:
            self._write(self._style(f"          instead: {seen}", RED))

    def note(self, *lines: str) -> None:
        """Plain lines after an empty one."""
        self._write("", *(f"  {line}".rstrip() for line in lines))

    def table(self, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """A column of words and three of numbers."""
        lines = ["     {:<43}{:>10}{:>10}{:>10}".format(*row).rstrip() for row in [heads, *rows]]
        self._write("", self._style(lines[0], DIM), *lines[1:])

    def verdict(self, text: str, *, good: bool) -> None:
        """The last word."""
        self._write("", f"  {self._style(text, GREEN if good else RED, BOLD)}")

    def passing(self, text: str) -> None:
        """A line that the next one replaces; on a terminal only."""
        if self._live:
            self._stream.write(f"\r\x1b[2K       {self._style(text, DIM)}")
            self._stream.flush()
            self._passing = True

    def _timed(self, indent: str, text: str, seconds: float | None, taken: int = 2) -> str:
        time = "" if seconds is None else duration(seconds)
        return f"{indent}{text.ljust(WIDTH - taken - 10)}{self._style(time.rjust(10), YELLOW)}".rstrip()

    def _style(self, text: str, *codes: str) -> str:
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self._styled and text else text

    def _write(self, *lines: str) -> None:
        if self._passing:
            self._stream.write("\r\x1b[2K")
            self._passing = False
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them.

    >>> [duration(seconds) for seconds in (0.000186, 0.0121, 0.412, 2.93)]
    ['186 µs', '12.1 ms', '412 ms', '2.9 s']
    """
    if seconds < 0.001:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.{1 if seconds < 0.1 else 0}f} ms"  # noqa: PLR2004
    return f"{seconds:.1f} s"
