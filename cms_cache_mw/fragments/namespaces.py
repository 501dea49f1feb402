"""`cache.blocks`, `cache.pages`, `cache.templates`, `cache.rendered`: fragments by key, for asynchronous and synchronous callers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from cms_cache_mw.core.tags import spelled
from cms_cache_mw.fragments.order import Order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.fragments.caching import Fragments
    from cms_cache_mw.stores.memory import Memory

T = TypeVar("T")

FRAGMENT: Final = b"fragment"
"""What the keys of fragments begin with, and those of pages do not."""
NAMES: Final = ("blocks", "pages", "templates", "rendered")
PREFIXES: Final = {"block": "blocks", "page": "pages", "template": "templates"}
"""The namespace of a fragment by what its name begins with; any other is `rendered`."""


class Namespace:
    """One kind of fragments. A key is an id (`7`), whose fragment is called `block:7` and has that name as a tag."""

    def __init__(self, fragments: Fragments, memory: Memory, kind: str, ttl: float) -> None:
        self._fragments, self._memory, self._kind, self._ttl = fragments, memory, kind, ttl

    @overload
    def get_or_render(
        self,
        key: str | int,
        fn: Callable[[], Awaitable[T]],
        *,
        tags: Iterable[str] = (),
        ttl: float | None = None,
        type: Any = None,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def get_or_render(
        self,
        key: str | int,
        fn: Callable[[], T],
        *,
        tags: Iterable[str] = (),
        ttl: float | None = None,
        type: Any = None,
    ) -> T: ...

    def get_or_render(
        self,
        key: str | int,
        fn: Callable[[], Any],
        *,
        tags: Iterable[str] = (),
        ttl: float | None = None,
        type: Any = None,  # noqa: A002 - what the caller calls it
    ) -> Any:
        """The fragment, rendered by `fn` where it is not there; to be awaited if `fn` is a coroutine function.

        `fn` gives text, bytes, or data that msgspec encodes, decoded as `type`; anything else is a `TypeError` before anything
        is stored. `ttl` is in seconds.
        """
        order = self.order(key, tags, ttl, type)
        if inspect.iscoroutinefunction(fn):
            return self._fragments.rendered(order, fn)
        return self._fragments.rendered_here(order, fn)

    async def get(self, key: str | int, *, type: Any = None) -> Any:  # noqa: A002 - as above
        """The fragment's value from memory or Redis, or `None`."""
        return await self._fragments.found(self.order(key, (), None, type))

    async def put(self, key: str | int, value: object, *, tags: Iterable[str] = (), ttl: float | None = None) -> None:
        """Store a value as of now, at both levels. What it was made of must have been read after the last purge of its tags."""
        self._put(key, value, tags, ttl)

    async def delete(self, key: str | int) -> None:
        """Remove a fragment from this worker's memory and from Redis. Other workers keep theirs: purge its tag to reach them."""
        await self._fragments.forget(self.order(key, (), None, None))

    def get_sync(self, key: str | int, *, type: Any = None) -> Any:  # noqa: A002 - as above
        """`get` for synchronous callers; on a running loop's thread from memory alone."""
        return self._fragments.found_here(self.order(key, (), None, type))

    def put_sync(self, key: str | int, value: object, *, tags: Iterable[str] = (), ttl: float | None = None) -> None:
        """`put` for synchronous callers."""
        self._put(key, value, tags, ttl)

    def order(self, key: str | int, tags: Iterable[str], ttl: float | None, type: Any) -> Order:  # noqa: A002 - as above
        """What a key stands for."""
        text = str(key)
        prefix = f"{self._kind}:"
        text = text if text.startswith(prefix) else prefix + text
        return Order(
            spelled(text), simple_key(text), self._memory, self._ttl if ttl is None else ttl, tuple(tags), type
        )

    def _put(self, key: str | int, value: object, tags: Iterable[str], ttl: float | None) -> None:
        self._fragments.store(self.order(key, tags, ttl, None), value)


class Namespaces:
    """The four namespaces of a cache."""

    def __init__(self, fragments: Fragments, memories: Mapping[str, Memory], ttl: Callable[[str], float]) -> None:
        kinds = {"blocks": "block", "pages": "page", "templates": "template", "rendered": "rendered"}
        self._by_name = {name: Namespace(fragments, memories[name], kinds[name], ttl(name)) for name in NAMES}
        self.fragments = fragments
        self._memories, self._ttl = memories, ttl

    def __getitem__(self, name: str) -> Namespace:
        """The namespace called `name`."""
        return self._by_name[name]

    def order(self, name: str, key: Key, tags: tuple[str, ...], ttl: float | None, type: Any) -> Order:  # noqa: A002 - as above
        """What the fragment called `name` stands for, in the namespace that its name begins with."""
        namespace = PREFIXES.get(name.partition(":")[0], "rendered")
        return Order(name, key, self._memories[namespace], self._ttl(namespace) if ttl is None else ttl, tags, type)


def simple_key(text: str) -> Key:
    """The identity of a fragment that its name alone tells from all others; as it is, for tags may be spelled alike."""
    return (FRAGMENT, text.encode("utf-8", "surrogatepass"))
