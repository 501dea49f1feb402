"""A render that is looked at and thrown away: nothing of it is counted, stored or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.core.policy import relayed
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.tags import TagError, read_tags
from cms_cache_mw.recorder import Recorder

if TYPE_CHECKING:
    from cms_cache_mw.core.message import Fields, Request
    from cms_cache_mw.engine import Engine


class Replay(Recorder):
    """The application's answer to a request that was answered before."""

    def __init__(self, engine: Engine, request: Request) -> None:
        super().__init__(engine, request, Reason.OFF)
        self.status = 0
        self.complete = False
        """Whether all of it came, plain and not too long."""
        self._named: set[str] = set()
        self._body: list[bytes] = []

    @property
    def body(self) -> bytes:
        """The whole body, with its parts in place."""
        return b"".join(self._body)

    @property
    def tags(self) -> frozenset[str]:
        """What it depends on, as far as it says."""
        return frozenset(self._named | self.collector.tags)

    @property
    def listening(self) -> bool:
        """The body has to pass through `write`."""
        return True

    def begin(self, status: int, fields: Fields) -> Fields:
        """Note the head; the application hears nothing of us."""
        self.status, rules = status, self._engine.rules
        try:
            self._named = set(read_tags(fields, rules.tag_headers))
        except TagError:
            self._named = set()
        self._plain = not any(name == b"content-encoding" for name, _ in fields) and status < 500  # noqa: PLR2004
        return self.marks.unmeasured(relayed(fields, rules))

    def write(self, chunk: bytes, *, last: bool) -> bytes:
        """Keep a chunk, and say that it goes on."""
        shown = super().write(chunk, last=last)
        self._body.append(shown)
        room = self._received <= self._engine.rules.max_body_bytes
        if not room:
            self._body.clear()
        self.complete = last and room and self._plain
        return shown
