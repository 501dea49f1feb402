"""The worker's own entries: a dict with a budget in bytes that counts everything an entry costs.

Reading takes no lock. Writing takes one, because the follower's thread drops what became worthless and WSGI has many threads.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.core.entry import Entry, Key, Variant
    from cms_cache_mw.stores.eviction import Policy

OBJECT: Final = 33
"""What an empty `bytes` object costs in CPython."""
PAIR: Final = 56 + 2 * OBJECT
"""A tuple of two byte strings, without their text."""
INTEGER: Final = 36 + 8
"""A 64-bit fingerprint and the reference to it."""
BOOKKEEPING: Final = 900
"""An `Entry` with its freshness, numbers and containers, its places in the dict and in the policy."""

Place: TypeAlias = "tuple[Key, Variant]"


@dataclass(slots=True)
class Variants:
    """The entries of a key whose answers vary, by the request fields in `names`."""

    names: tuple[bytes, ...]
    entries: dict[Variant, Entry] = field(default_factory=dict)


def weigh(key: Key, entry: Entry) -> int:
    """The bytes an entry costs in memory, everything counted."""
    size = BOOKKEEPING + OBJECT + len(entry.body) + sum(OBJECT + len(part) + 8 for part in key)
    size += sum(PAIR + len(name) + len(value) for name, value in entry.fields)
    size += INTEGER * len(entry.prints) + sum(57 + len(tag) for tag in entry.tags)
    size += sum(PAIR + len(name) + len(value or b"") for name, value in entry.variant)
    size += sum(PAIR + len(body) for body in entry.encoded.values())
    return size + len(entry.url) + len(entry.site) + 2 * 57


class Memory:
    """At most `max_bytes` of entries, at most `max_items` of them, at most `max_variants` of one key.

    `reserved` gives the bytes of the limit that somebody else uses at the moment.
    """

    def __init__(
        self,
        policy: Policy[Place],
        *,
        max_bytes: int,
        max_items: int,
        max_variants: int = 32,
        reserved: Callable[[], int] = lambda: 0,
    ) -> None:
        self.max_bytes, self.max_items, self.max_variants = max_bytes, max_items, max_variants
        self.bytes = 0
        self.items = 0
        self.evictions = 0
        self._policy, self._reserved = policy, reserved
        self._slots: dict[Key, Entry | Variants] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Entry | Variants | None:
        """What is held for a key; whoever uses an entry says so with `touch`."""
        return self._slots.get(key)

    def touch(self, key: Key, entry: Entry) -> None:
        """Note that an entry was used."""
        self._policy.touch((key, entry.variant))

    def put(self, key: Key, entry: Entry, names: tuple[bytes, ...] = ()) -> bool:
        """Hold an entry, in place of the one it replaces; `names` are the request fields it varies by.

        False where it is larger than the whole budget.
        """
        entry.size = weigh(key, entry)
        if entry.size > self.max_bytes:
            return False
        with self._lock:
            slot = self._slots.get(key)
            if names:
                if not isinstance(slot, Variants) or slot.names != names:
                    self._drop_slot(key)
                    slot = self._slots[key] = Variants(names)
                self._drop_variant(key, slot, entry.variant)
                while len(slot.entries) >= self.max_variants:
                    self._drop_variant(key, slot, next(iter(slot.entries)))
                slot.entries[entry.variant] = entry
            else:
                self._drop_slot(key)
                self._slots[key] = entry
            self.bytes += entry.size
            self.items += 1
            self._policy.add((key, entry.variant), entry.size)
            self._make_room()
        return True

    def reweigh(self, key: Key, entry: Entry) -> None:
        """Charge an entry with what it weighs now, if it is still held."""
        size = weigh(key, entry)
        with self._lock:
            slot = self._slots.get(key)
            if (slot.entries.get(entry.variant) if isinstance(slot, Variants) else slot) is entry:
                self.bytes += size - entry.size
                entry.size = size
                self._policy.resize((key, entry.variant), size)
                self._make_room()

    def drop(self, key: Key, entry: Entry) -> None:
        """Let go of this very entry, if it is still the one that is held."""
        with self._lock:
            slot = self._slots.get(key)
            if isinstance(slot, Variants):
                if slot.entries.get(entry.variant) is entry:
                    self._drop_variant(key, slot, entry.variant)
                    if not slot.entries:
                        del self._slots[key]
            elif slot is entry:
                self._drop_slot(key)

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._slots = {}
            self._policy.clear()
            self.bytes = self.items = 0

    def entries(self) -> list[tuple[Key, Entry]]:
        """All that is held at this moment, in no order."""
        found: list[tuple[Key, Entry]] = []
        for key, slot in list(self._slots.items()):
            if isinstance(slot, Variants):
                found.extend((key, entry) for entry in list(slot.entries.values()))
            else:
                found.append((key, slot))
        return found

    def _make_room(self) -> None:
        room = self.max_bytes - self._reserved()
        excess = self.bytes - room
        while excess > 0 or self.items > self.max_items:
            victims = self._policy.victims(max(excess, 1))
            if not victims:
                break
            for key, variant in victims:
                slot = self._slots[key]
                if isinstance(slot, Variants):
                    self._forget(slot.entries.pop(variant))
                    if not slot.entries:
                        del self._slots[key]
                else:
                    self._forget(slot)
                    del self._slots[key]
                self.evictions += 1
            excess = self.bytes - room

    def _drop_slot(self, key: Key) -> None:
        slot = self._slots.pop(key, None)
        if isinstance(slot, Variants):
            for variant, entry in slot.entries.items():
                self._forget(entry)
                self._policy.remove((key, variant))
        elif slot:
            self._forget(slot)
            self._policy.remove((key, ()))

    def _drop_variant(self, key: Key, slot: Variants, variant: Variant) -> None:
        entry = slot.entries.pop(variant, None)
        if entry:
            self._forget(entry)
            self._policy.remove((key, variant))

    def _forget(self, entry: Entry) -> None:
        self.bytes -= entry.size
        self.items -= 1
