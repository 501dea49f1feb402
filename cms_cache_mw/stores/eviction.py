"""Who has to go when room is needed. A policy knows keys, sizes and counts of uses, and returns its victims; the store deletes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")


class Held(Protocol):
    """What a policy sees of what is held."""

    hits: int
    """How often it was used; it only grows."""
    site: str
    """Whose it is; empty where that is nobody's."""


class Policy(Protocol[K]):
    """Chooses victims. `touch` may be called by many threads at once, the rest under the store's lock."""

    @property
    def ordered(self) -> bool:
        """Whether the order of uses counts, so that each is told by `touch`; other policies look at `hits` when room is needed."""
        ...

    def touch(self, key: K) -> None:
        """Note a use; an unknown key is nothing."""
        ...

    def add(self, key: K, held: Held, size: int) -> None:
        """Note a key that came; one that is known has got other contents, which is a use."""
        ...

    def resize(self, key: K, size: int) -> None:
        """Note that a known key has another size; that is not a use."""
        ...

    def remove(self, key: K) -> None:
        """Note that a key went for another reason."""
        ...

    def victims(self, room: int) -> list[K]:
        """The keys to delete, no longer known here, until `room` bytes are free."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...
