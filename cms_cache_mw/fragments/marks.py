"""Marks: what stands in a response, while it is rendered, for the parts that are filled in whenever it is served.

A mark begins with a random number of this one response, which no content can know, and consists of letters and digits alone, so
that no template engine changes it. It is never stored: an entry has its holes as offsets, and never leaves: whatever the
answer is, each mark in it is replaced on its way.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.holes import MEASURED, joined
from cms_cache_mw.core.message import without

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Holes
    from cms_cache_mw.core.message import Fields

LONGEST_NAME: Final = 512
"""Bytes of the name of a part."""


class Marks:
    """The marks of one response. `inline` asks for parts themselves in place of marks wherever they can be had at once."""

    def __init__(self, *, inline: bool = False) -> None:
        self.inline = inline
        self.parts: dict[str, bytes] = {}
        """What to show for each part that was obtained."""
        self.holes: Holes = ()
        """Where, in the body less its marks, which part belongs."""
        self._names: dict[str, None] = {}
        self._start = b""
        self._pattern = re.compile(rb"\Z")
        self._rest = b""

    def mark(self, name: str) -> str:
        """The mark of a part."""
        if not self._start:
            self._start = b"cmscache" + secrets.token_hex(16).encode() + b"x"
            self._pattern = re.compile(self._start + rb"((?:[0-9a-f]{2}){1,%d})z" % LONGEST_NAME)
        self._names[name] = None
        return f"{self._start.decode()}{name.encode().hex()}z"

    @property
    def used(self) -> bool:
        """Whether there may be marks in the body."""
        return bool(self._start)

    @property
    def wanted(self) -> list[str]:
        """The parts that were not obtained yet."""
        return [name for name in list(self._names) if name not in self.parts]

    def unmeasured(self, fields: Fields) -> Fields:
        """The head's fields less those that hold for the body with its marks only."""
        return without(fields, MEASURED) if self._start else fields

    def split(self, text: bytes) -> tuple[bytes, Holes]:
        """A text without its marks, and where they were."""
        kept: list[bytes] = []
        holes: list[tuple[int, str]] = []
        at = length = 0
        for found in self._pattern.finditer(text) if self._start else ():
            kept.append(text[at : found.start()])
            length += found.start() - at
            holes.append((length, bytes.fromhex(found[1].decode()).decode()))
            at = found.end()
        kept.append(text[at:])
        return b"".join(kept), tuple(holes)

    def restored(self, text: bytes, holes: Holes) -> bytes:
        """A text with marks of this response where its holes are."""
        return joined(text, holes, [self.mark(name).encode() for _, name in holes])

    def read(self, chunk: bytes, place: int, *, last: bool) -> tuple[bytes, bytes]:
        """The chunk as it is kept, from `place` on in the body, and as it is shown. An unfinished mark waits for its end."""
        text = self._rest + chunk
        end = len(text) if last else self._open(text)
        self._rest = text[end:]
        kept, holes = self.split(text[:end])
        self.holes += tuple((place + at, name) for at, name in holes)
        return kept, joined(kept, holes, [self.parts.get(name, b"") for _, name in holes])

    def _open(self, text: bytes) -> int:
        """Where a mark begins that does not end in this text; its length where there is none."""
        begun = text.rfind(self._start)
        if begun >= 0 and not self._pattern.match(text, begun) and len(text) - begun < 2 * LONGEST_NAME + 64:
            return begun
        for length in range(min(len(self._start) - 1, len(text)), 0, -1):
            if text.endswith(self._start[:length]):
                return len(text) - length
        return len(text)
