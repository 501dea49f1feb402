"""Where two texts differ, less what differs between any two renders of one page, shown in a few bounded lines.

Texts are compared in words (runs without blanks, quotes and angle brackets), so that a token in an attribute is one of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_WORDS: Final = 2_000
"""Words that are aligned; of longer differing stretches only the beginning and the end of the whole are told."""
NEAR: Final = 3
"""Words between two places of noise that belong to it, too: what is random has no fixed shape."""
CONTEXT: Final = 6
SHOWN_PLACES: Final = 5
SHOWN_CHARACTERS: Final = 300
_WORD: Final = re.compile(rb"[^\s<>\"'=&;]+|\s+|.", re.DOTALL)


class Replacement(NamedTuple):
    """Words `start` to `end` of one text stand in place of words `other_start` to `other_end` of another one."""

    start: int
    end: int
    other_start: int
    other_end: int


class Comparison:
    """A text that was rendered, against others that should say the same."""

    def __init__(self, rendered: bytes) -> None:
        self._words = _WORD.findall(rendered)
        self._noise: list[tuple[int, int]] = []

    def learn(self, rendered_again: bytes) -> None:
        """Take as noise what differs from another render of the same."""
        places = sorted([*self._noise, *((change.start, change.end) for change in self._changes(rendered_again)[0])])
        merged: list[tuple[int, int]] = []
        for start, end in places:
            if merged and start - merged[-1][1] <= NEAR:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._noise = merged

    def differs(self, served: bytes) -> bool:
        """Whether a text differs by more than noise."""
        return bool(self._told(self._changes(served)[0]))

    def shown(self, served: bytes, *, both: bool) -> str:
        """The places where a text differs, each as `[-served-]{+rendered+}` between the words around it.

        Without `both` what was rendered is not shown, but for how long it is: it may be one visitor's own.
        """
        changes, others = self._changes(served)
        told = self._told(changes)
        lines = [self._line(change, others, both=both) for change in told[:SHOWN_PLACES]]
        if len(told) > SHOWN_PLACES:
            lines.append(f"and {len(told) - SHOWN_PLACES} more places")
        return "\n".join(lines)

    def _told(self, changes: list[Replacement]) -> list[Replacement]:
        return [change for change in changes if not self._noisy(change)]

    def _noisy(self, change: Replacement) -> bool:
        return any(start <= change.start and change.end <= end for start, end in self._noise)

    def _changes(self, other: bytes) -> tuple[list[Replacement], list[bytes]]:
        mine, others = self._words, _WORD.findall(other)
        first = _common(mine, others)
        last = _common(mine[first:][::-1], others[first:][::-1])
        ours, theirs = mine[first : len(mine) - last], others[first : len(others) - last]
        if len(ours) > MOST_WORDS or len(theirs) > MOST_WORDS:
            return [Replacement(first, len(mine) - last, first, len(others) - last)], others
        from difflib import SequenceMatcher  # noqa: PLC0415 - few texts are ever compared

        codes = SequenceMatcher(None, ours, theirs).get_opcodes() if ours or theirs else []
        return [
            Replacement(first + start, first + end, first + other_start, first + other_end)
            for tag, start, end, other_start, other_end in codes
            if tag != "equal"
        ], others

    def _line(self, change: Replacement, others: list[bytes], *, both: bool) -> str:
        before = others[max(0, change.other_start - CONTEXT) : change.other_start]
        after = others[change.other_end : change.other_end + CONTEXT]
        rendered = b"".join(self._words[change.start : change.end])
        fresh = f"{{+{_cut(rendered)}+}}" if both else f"{{+{len(rendered)} bytes, not shown+}}"
        served = _cut(b"".join(others[change.other_start : change.other_end]))
        # Context is of what was served, which anybody could see.
        return f"…{_cut(b''.join(before))}[-{served}-]{fresh}{_cut(b''.join(after))}…"


def _common(one: Sequence[bytes], two: Sequence[bytes]) -> int:
    """How many words they begin with alike."""
    for place, (mine, other) in enumerate(zip(one, two, strict=False)):
        if mine != other:
            return place
    return min(len(one), len(two))


def _cut(text: bytes) -> str:
    shown = text[: SHOWN_CHARACTERS * 4].decode("utf-8", "replace")
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}… ({len(text)} bytes)"
