"""What `doctor` finds: how bad it is, about what, and the line to change."""

from __future__ import annotations

from typing import Literal, TypeAlias

from cms_cache_mw.core.value import Value

Level: TypeAlias = Literal["good", "note", "bad"]


class Finding(Value, frozen=True):
    """One thing that was looked at."""

    level: Level
    """`bad` costs promises or most of the use, `note` is worth a thought."""
    subject: str
    said: str
    change: str = ""
    """The line to change, as it would stand in a configuration."""


def good(subject: str, said: str) -> Finding:
    """Something that is as it should be."""
    return Finding("good", subject, said)


def note(subject: str, said: str, change: str = "") -> Finding:
    """Something that is worth a thought."""
    return Finding("note", subject, said, change)


def bad(subject: str, said: str, change: str = "") -> Finding:
    """Something that has to be changed."""
    return Finding("bad", subject, said, change)
