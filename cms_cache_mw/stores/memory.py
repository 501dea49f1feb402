"""The worker's own entries: a dict with a budget in bytes that counts everything an entry costs.

Reading takes no lock. Writing takes one, because the follower's thread drops what became worthless and WSGI has many threads.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from sys import getsizeof
from typing import TYPE_CHECKING, Final, TypeAlias

from cms_cache_mw.stores.expiry import Expiry
from cms_cache_mw.stores.heap import give_back
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cms_cache_mw.core.entry import Entry, Key, Variant
    from cms_cache_mw.stores.eviction import Policy

OBJECT: Final = 33
"""What an empty `bytes` object costs in CPython."""
PAIR: Final = 56 + 2 * OBJECT
"""A tuple of two byte strings, without their text."""
INTEGER: Final = 36 + 8
"""A 64-bit fingerprint and the reference to it."""
BOOKKEEPING: Final = 1_400
"""An `Entry` with its freshness, numbers and containers, its places in the dict, in the policy and among what is to lapse."""

REPRESENTATION: Final = 700
"""What an entry is sent as, in one coding, without its body, with its place under an Accept-Encoding."""
TEXTS: Final = 56 + 2 * 49
"""A tuple of two texts, without what they say."""
GIVEN_BACK: Final = 8
"""Memory is given back once an eighth of the limit was evicted."""

Place: TypeAlias = "tuple[Key, Variant]"


@dataclass(slots=True)
class Variants:
    """The entries of a key whose answers vary, by the request fields in `names`."""

    names: tuple[bytes, ...]
    entries: dict[Variant, Entry] = field(default_factory=dict)


def weigh(key: Key, entry: Entry) -> int:
    """The bytes an entry costs in memory, everything counted."""
    size = BOOKKEEPING + OBJECT + len(entry.body) + (OBJECT + 8) * len(key) + sum(map(len, key))
    size += PAIR * len(entry.fields)
    for name, text in entry.fields:
        size += len(name) + len(text)
    size += INTEGER * len(entry.prints) + 57 * len(entry.tags) + sum(map(len, entry.tags))
    size += sum(PAIR + len(name) + len(value or b"") for name, value in entry.variant)
    size += sum(PAIR + len(body) for body in entry.encoded.values())
    size += _shown(entry)
    if entry.filled:
        page = entry.filled.page
        size += BOOKKEEPING + len(page.body) + sum(PAIR + len(body) for body in page.encoded.values()) + _shown(page)
    if isinstance(entry.value, str):
        size += getsizeof(entry.value)
    return size + len(entry.url) + len(entry.site) + 2 * 57


def _shown(entry: Entry) -> int:
    """The bytes of what an entry is sent as, but for its bodies."""
    size = sum(8 + TEXTS + len(name) + len(value) for name, value in entry.texts)
    for shown in tuple(entry.representations.values()):
        size += REPRESENTATION + sum(8 + TEXTS + len(name) + len(value) for name, value in shown.texts)
    return size


class Budget:
    """The bytes that all memories of a process share. `reserved` gives what somebody else uses of them at the moment."""

    def __init__(self, max_bytes: int, reserved: Callable[[], int] = lambda: 0) -> None:
        self.max_bytes = max_bytes
        self.lock = threading.Lock()
        self._reserved = reserved
        self._memories: list[Memory] = []
        self._evicted = 0

    def join(self, memory: Memory) -> None:
        """Let one more memory share the budget."""
        self._memories.append(memory)

    @property
    def used(self) -> int:
        """Bytes of entries in all memories."""
        return sum(memory.bytes for memory in self._memories)

    def evicted(self, size: int) -> None:
        """Note bytes that were evicted, and give back to the system what has become of them now and then; the lock is held."""
        self._evicted += size
        if self._evicted > self.max_bytes // GIVEN_BACK:
            self._evicted = 0
            give_back()

    def make_room(self) -> None:
        """Evict where most is held until the budget holds; the lock is held."""
        room = self.max_bytes - self._reserved()
        while (excess := self.used - room) > 0:
            largest = max(self._memories, key=lambda memory: memory.bytes)
            if not largest.evict(excess):
                break


class Memory:
    """The entries of one namespace: at most `max_items` of them within a shared budget.

    At most `max_variants` of one key are held, and as many keys of one `family`, lest one URL fill it all.
    """

    def __init__(
        self,
        policy: Policy[Place],
        budget: Budget,
        *,
        max_items: int,
        max_variants: int = 32,
        family: Callable[[Key], Key | None] = lambda _: None,
        now: Callable[[], float] = boottime,
    ) -> None:
        self.budget, self.max_items, self.max_variants = budget, max_items, max_variants
        self.bytes = 0
        self.items = 0
        self.evictions = 0
        """Entries that had to go, those that had lapsed included."""
        self._policy, self._ordered, self._now = policy, policy.ordered, now
        self._expiry = Expiry(self.at)
        self._slots: dict[Key, Entry | Variants] = {}
        self.get: Callable[[Key], Entry | Variants | None] = self._slots.get
        """What is held for a key; whoever uses an entry says so with `touch`."""
        self._family = family
        self._families: dict[Key, dict[Key, None]] = {}
        self._lock = budget.lock
        budget.join(self)

    def at(self, place: Place) -> Entry | None:
        """The entry at a place, if there is one."""
        slot = self._slots.get(place[0])
        if isinstance(slot, Variants):
            return slot.entries.get(place[1])
        return slot if slot and not place[1] else None

    def touch(self, key: Key, entry: Entry) -> None:
        """Note that an entry was used, where the order of uses counts; the uses themselves are counted in `entry.hits`."""
        if self._ordered:
            self._policy.touch((key, entry.variant))

    def put(self, key: Key, entry: Entry, names: tuple[bytes, ...] = ()) -> bool:
        """Hold an entry, in place of the one it replaces; `names` are the request fields it varies by.

        False where it is larger than the whole budget.
        """
        size = weigh(key, entry)
        with self._lock:
            if size > self.budget.max_bytes:
                self._drop_slot(key)
                return False
            self._place(key, entry, names)
            self._gather(key)
            # Not before: it may be the very entry that was replaced, and was charged with another size.
            entry.size = size
            self.bytes += size
            self.items += 1
            place = (key, entry.variant)
            self._policy.add(place, entry, size)
            self._expiry.note(place, entry, self.items, self._places)
            self._trim()
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
                self.budget.make_room()

    def forget(self, key: Key) -> None:
        """Let go of all that is held for a key."""
        with self._lock:
            self._drop_slot(key)

    def drop(self, key: Key, entry: Entry) -> None:
        """Let go of this very entry, if it is still the one that is held."""
        with self._lock:
            slot = self._slots.get(key)
            if isinstance(slot, Variants):
                if slot.entries.get(entry.variant) is entry:
                    self._drop_variant(key, slot, entry.variant)
                    if not slot.entries:
                        self._leave(key)
            elif slot is entry:
                self._drop_slot(key)

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._slots.clear()
            self._families.clear()
            self._policy.clear()
            self._expiry.clear()
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

    def evict(self, room: int) -> bool:
        """Evict about `room` bytes, what has lapsed first; false where there is nothing to evict. The lock is held."""
        before, held = self.evictions, self.bytes
        for place, entry in self._expiry.lapsed(self._now()):
            room -= entry.size
            self._policy.remove(place)
            self._evict(place)
            if room <= 0:
                break
        for place in self._policy.victims(room):
            self._evict(place)
        self.budget.evicted(held - self.bytes)
        return self.evictions > before

    def _evict(self, place: Place) -> None:
        key, variant = place
        slot = self._slots[key]
        if isinstance(slot, Variants):
            self._forget(slot.entries.pop(variant))
            if not slot.entries:
                self._leave(key)
        else:
            self._forget(slot)
            self._leave(key)
        self.evictions += 1

    def _places(self) -> Iterator[Place]:
        return ((key, entry.variant) for key, entry in self.entries())

    def _place(self, key: Key, entry: Entry, names: tuple[bytes, ...]) -> None:
        """Put an entry where it belongs, in place of the one that is there, whose uses the policy goes on to count."""
        slot = self._slots.get(key)
        if not names:
            if isinstance(slot, Variants):
                self._drop_slot(key)
            elif slot:
                self._forget(slot)
            self._slots[key] = entry
            return
        if not isinstance(slot, Variants) or slot.names != names:
            self._drop_slot(key)
            slot = self._slots[key] = Variants(names)
        if replaced := slot.entries.pop(entry.variant, None):
            self._forget(replaced)
        while len(slot.entries) >= self.max_variants:
            self._drop_variant(key, slot, _least_used(slot))
        slot.entries[entry.variant] = entry

    def _trim(self) -> None:
        while self.items > self.max_items and self.evict(1):
            pass
        self.budget.make_room()

    def _gather(self, key: Key) -> None:
        """Note a key of a family, and let the family's least used go where it has grown too large."""
        if (name := self._family(key)) is not None:
            family = self._families.setdefault(name, {})
            family[key] = family.pop(key, None)  # at the end: of those that nobody used the oldest goes
            while len(family) > self.max_variants:
                self._drop_slot(min((other for other in family if other != key), key=self._used))

    def _used(self, key: Key) -> int:
        """How often what is held for a key was served."""
        slot = self._slots[key]
        return sum(entry.hits for entry in slot.entries.values()) if isinstance(slot, Variants) else slot.hits

    def _leave(self, key: Key) -> None:
        del self._slots[key]
        name = self._family(key)
        if name is not None and (family := self._families.get(name)):
            family.pop(key, None)
            if not family:
                del self._families[name]

    def _drop_slot(self, key: Key) -> None:
        slot = self._slots.get(key)
        if slot is not None:
            self._leave(key)
        if isinstance(slot, Variants):
            for variant, entry in slot.entries.items():
                self._forget(entry)
                self._policy.remove((key, variant))
        elif slot:
            self._forget(slot)
            self._policy.remove((key, ()))

    def _drop_variant(self, key: Key, slot: Variants, variant: Variant) -> None:
        self._forget(slot.entries.pop(variant))
        self._policy.remove((key, variant))

    def _forget(self, entry: Entry) -> None:
        self.bytes -= entry.size
        self.items -= 1


def _least_used(slot: Variants) -> Variant:
    """The variant that was served least often; of several the oldest."""
    return min(slot.entries, key=lambda variant: slot.entries[variant].hits)
