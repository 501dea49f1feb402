"""What is asked of a fragment cache: one fragment, by name and identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.core.keys import key_digest
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.flight import Place
    from cms_cache_mw.stores.memory import Memory

READABLE: Final = 128
"""Characters of a key that are worth being read in Redis; longer ones are a digest."""


class Order(Value, frozen=True):
    """What is to be had: a fragment's name, its identity, its own tags and lifetime, and the type of its value."""

    name: str
    """For people and as a tag: `block:7`."""
    key: Key
    """Its parts, length-safe."""
    memory: Memory
    ttl: float
    tags: tuple[str, ...] = ()
    type: Any = None
    """What a stored value is decoded to; plain data without it. Text and bytes need none."""

    @property
    def place(self) -> Place:
        """Where those meet who want the same."""
        return self.key, ()

    @property
    def stored(self) -> tuple[str, bytes]:
        """Its name in Redis and the digest that binds it."""
        return stored_name(self.name, self.key), key_digest(self.key)


def stored_name(name: str, key: Key) -> str:
    """What a fragment of this name and key is called in Redis."""
    if len(name) <= READABLE and key[1:] == (name.encode(),):
        return name
    return f"{name.partition(':')[0][:16]}:{key_digest(key).hex()}"
