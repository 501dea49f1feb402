"""Where dependencies gather while something is rendered: a page, or a fragment on the way to its page.

One mutable object is put into a context variable *before* the rendering begins. Tasks and threads started from there copy the
context, and with it the reference; what they add is seen by all. A variable set anew in a child would not travel out.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.cacheability import Cacheability
from cms_cache_mw.core.tags import TagError, read_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.fragments.marks import Marks

MAX_COLLECTED: Final = 4_096
"""Tags that may gather in one response or fragment; there is no header to hold them, but each takes memory."""


class Collector:
    """Gathers what one page or fragment depends on. `parent` is what contains it, `key` names a fragment.

    A lifetime is noted as the instant at which it ends, on the clock `now` in seconds: rendering the rest takes time.
    """

    def __init__(
        self, now: Callable[[], float], parent: Collector | None = None, key: Key = (), marks: Marks | None = None
    ) -> None:
        self.tags: set[str] = set()
        """To be added to freely; also the application's `scope["cms_cache.tags"]`."""
        self.doubt = ""
        """Why the tags cannot be told; such a page is not stored."""
        self.marks: Marks | None = parent.marks if parent else marks
        """What stands for parts that are filled in later, where somebody does that."""
        self._now = now
        self._until = inf
        self._vary: set[str] = set()
        self._private = False
        self._storable = True
        self._lock = threading.Lock()
        self._keys: frozenset[Key] = (parent._keys if parent else frozenset()) | {key}  # noqa: SLF001 - its own kind

    def within(self, key: Key) -> bool:
        """Whether a fragment with this key is being rendered around here: it must not wait for itself."""
        return key in self._keys

    def add(self, part: Cacheability) -> None:
        """Note a part."""
        self.note(part.tags, inf if part.lifetime == inf else self._now() + part.lifetime)
        self._vary |= part.vary
        self._private = self._private or part.private
        self._storable = self._storable and part.storable

    def note(self, tags: Iterable[str], until: float) -> None:
        """Note a part that has tags, is fresh up to an instant and is otherwise like any other: the part of a hit."""
        self.tags.update(tags)
        if until < self._until:
            with self._lock:
                self._until = min(until, self._until)

    def doubtful(self, why: str) -> None:
        """Note that something it depends on cannot be told."""
        self.doubt = self.doubt or why

    def value(self) -> Cacheability:
        """What has gathered up to now."""
        tags = frozenset(self.tags.copy())
        self.doubt = self.doubt or _doubt(tags)
        storable = self._storable and not self.doubt
        lifetime = inf if self._until == inf else max(0.0, self._until - self._now())
        return Cacheability(tags if storable else frozenset(), lifetime, frozenset(self._vary), self._private, storable)


def _doubt(tags: frozenset[str]) -> str:
    if len(tags) > MAX_COLLECTED:
        return f"{len(tags)} tags: a response may gather {MAX_COLLECTED}"
    for tag in tags:
        try:
            read_tag(tag)
        except TagError as error:
            return str(error)
        except TypeError:
            return f"tag {tag!r}: a tag is text"
    return ""


_open: ContextVar[Collector | None] = ContextVar("cms_cache_collector", default=None)

current: Final[Callable[[], Collector | None]] = _open.get
"""What is being rendered here, or `None`. Every request asks."""


@contextmanager
def collecting(collector: Collector) -> Iterator[Collector]:
    """Gather in `collector` what is noted while the block runs, also by tasks and threads that it starts."""
    token = _open.set(collector)
    try:
        yield collector
    finally:
        _open.reset(token)


@contextmanager
def apart() -> Iterator[None]:
    """Gather nothing for what is being rendered around here while the block runs."""
    token = _open.set(None)
    try:
        yield
    finally:
        _open.reset(token)


def gather(collector: Collector) -> None:
    """Gather in `collector` for the rest of the context this is called in."""
    _open.set(collector)


def depends_on(*tags: str, ttl: float | None = None, vary: str | Iterable[str] = (), private: bool = False) -> None:
    """Say what the page or fragment being rendered here depends on; outside of any it says nothing.

    `ttl` bounds its lifetime in seconds, `vary` names request fields, `private` makes it one visitor's own. A tag that no purge
    could spell does not raise: the page is served and not stored, and a warning says why.
    """
    collector = _open.get()
    if collector is None:
        return
    fields = (vary,) if isinstance(vary, str) else vary
    collector.add(
        Cacheability(
            frozenset(tags),
            inf if ttl is None else max(0.0, ttl),
            frozenset(f.lower() for f in fields),
            private=private,
        )
    )
