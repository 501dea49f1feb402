"""Values as people read them. Whatever others sent, such as a cookie's name, reaches the terminal without control characters."""

from __future__ import annotations

import time
from typing import Final

from rich.text import Text

_SIZES: Final = ("bytes", "KB", "MB", "GB", "TB")


def safe(value: object) -> str:
    """A value's text, in which what could steer a terminal is spelled out."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in str(value))


def plain(value: object, style: str = "") -> Text:
    """Text that is shown as it is: no markup, no control characters."""
    return Text(safe(value), style=style)


def short(value: object, width: int) -> Text:
    """The same in one line, cut where the terminal ends."""
    text = Text(safe(value).replace("\n", " "))
    text.truncate(width - 4, overflow="ellipsis")
    return text


def size(count: float) -> str:
    """A number of bytes: `12.4 KB`."""
    step = 0
    while count >= 1000 and step < len(_SIZES) - 1:  # noqa: PLR2004
        count, step = count / 1000, step + 1
    return f"{count:.1f} {_SIZES[step]}" if step else f"{count:.0f} bytes"


def duration(seconds: float) -> str:
    """A time span in the unit that suits it: `4.2 ms`, `1.3 s`, `5 min`, `2.1 h`."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"  # noqa: PLR2004
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"  # noqa: PLR2004


def share(part: float, whole: float) -> str:
    """A part of a whole: `93.1 %`."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def count(number: float) -> str:
    """A whole number with its thousands apart: `12,345`."""
    return f"{number:,.0f}"


def moment(seconds: float) -> str:
    """A time since 1970 as this machine's own time of day, with the date where it is not today's."""
    then, today = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)


def counted(number: int, what: str) -> str:
    """A number with its noun: `1 worker`, `2 workers`, `3 entries`."""
    if number == 1:
        return f"1 {what}"
    return f"{number:,} {what[:-1]}ies" if what.endswith("ry") else f"{number:,} {what}s"
