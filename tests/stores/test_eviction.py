"""Eviction policies: one contract for all, and each against a reference that anybody can read."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from cms_cache_mw.stores.lfu import LFU
from cms_cache_mw.stores.lru import LRU
from cms_cache_mw.stores.s3fifo import S3FIFO
from cms_cache_mw.stores.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.stores.eviction import Policy


def shares() -> Policy[str]:
    """The default policy where there are several sites."""
    return Shares(S3FIFO)


POLICIES: list[Callable[[], Policy[str]]] = [LRU, LFU, S3FIFO, shares]
KEYS = st.sampled_from("abcdefghij")
SIZES = st.integers(0, 100)


@dataclass
class Used:
    """What is held, with its count of uses."""

    hits: int = 0
    site: str = ""


class Store:
    """What a policy is there for: things by key, and their uses, told as the memory tells them."""

    def __init__(self, policy: Policy[str]) -> None:
        self.policy, self.held = policy, dict[str, Used]()

    def add(self, key: str, size: int, hits: int = 0) -> None:
        """Hold a new thing."""
        self.held[key] = Used(hits)
        self.policy.add(key, self.held[key], size)

    def use(self, key: str, times: int = 1) -> None:
        """Use what is held, if it is."""
        for _ in range(times):
            if key in self.held:
                self.held[key].hits += 1
            if self.policy.ordered:
                self.policy.touch(key)

    def victims(self, room: int) -> list[str]:
        """Make room."""
        found = self.policy.victims(room)
        for key in found:
            del self.held[key]
        return found


@pytest.fixture(params=POLICIES, ids=lambda kind: kind.__name__)
def store(request: pytest.FixtureRequest) -> Store:
    """A store with each policy in turn."""
    return Store(request.param())


def test_nothing_to_evict(store: Store) -> None:
    """Without keys there are no victims, and where no room is needed neither."""
    assert store.victims(100) == []
    store.add("a", 10)
    assert store.victims(0) == store.victims(-5) == []
    assert store.victims(1) == ["a"]


def test_as_many_as_needed(store: Store) -> None:
    """Victims add up to the room that is needed, not to more than that by a whole one, and each goes once."""
    for key in "abc":
        store.add(key, 10)
    assert len(store.victims(10)) == 1
    assert len(store.victims(11)) == 2
    assert store.victims(1_000) == []


def test_all_go_if_they_must(store: Store) -> None:
    """Where even everything is too little, everything goes, used or not."""
    for key in "abc":
        store.add(key, 10)
    store.use("b", 100)
    assert sorted(store.victims(1_000)) == ["a", "b", "c"]


def test_removed_key_is_no_victim(store: Store) -> None:
    """What went for another reason does not go again; removing what is unknown is nothing."""
    store.add("a", 10)
    store.add("b", 10)
    store.policy.remove("a")
    store.policy.remove("a")
    store.policy.remove("never there")
    assert store.policy.victims(1_000) == ["b"]


def test_use_of_an_unknown_key(store: Store) -> None:
    """A reader may note a use of what another thread has just removed: that brings nothing back."""
    store.add("a", 10)
    store.policy.remove("a")
    store.policy.touch("a")
    store.policy.touch("never there")
    assert store.policy.victims(1_000) == []


def test_key_that_comes_again(store: Store) -> None:
    """A key counts once, with its latest size."""
    store.add("a", 1)
    store.add("b", 10)
    store.add("a", 10)
    assert sorted(store.victims(20)) == ["a", "b"]
    assert store.victims(1) == []


def test_other_size(store: Store) -> None:
    """A key that has grown makes more room; one that is unknown does not become known by growing."""
    for key in "ab":
        store.add(key, 1)
        store.policy.resize(key, 50)
    store.policy.resize("never there", 50)
    assert len(store.victims(50)) == 1
    assert len(store.victims(1_000)) == 1


def test_used_outlives_unused(store: Store) -> None:
    """Of two that came together the one that is used stays, also when its contents were replaced meanwhile."""
    for key in ("used", "renewed", "unused"):
        store.add(key, 10)
    store.use("used", 3)
    store.use("renewed", 3)
    store.add("renewed", 10)
    assert store.victims(10) == ["unused"]


def test_counts_begin_anywhere(store: Store) -> None:
    """Uses from before it was held here are no uses here: only what is added to them counts."""
    store.add("old", 10, hits=5)
    store.add("new", 10)
    store.use("new", 9)
    assert store.victims(10) == ["old"]


def test_cleared(store: Store) -> None:
    """After a clear nothing is known, and it starts anew."""
    store.add("a", 10)
    store.policy.clear()
    assert store.policy.victims(10) == []
    store.add("b", 10)
    assert store.victims(10) == ["b"]


CALLS = st.sampled_from(["add", "use", "remove", "resize", "victims"])


@settings(deadline=None)
@given(st.sampled_from(POLICIES), st.lists(st.tuples(CALLS, KEYS, SIZES), max_size=60))
def test_victims_are_known_and_enough(kind: Callable[[], Policy[str]], calls: list[tuple[str, str, int]]) -> None:
    """After any calls the victims are keys that are there, each once, no more than needed; then they are forgotten."""
    store = Store(kind())
    sizes: dict[str, int] = {}
    for call, key, size in calls:
        if call == "add":
            store.add(key, size)
            sizes[key] = size
        elif call == "resize":
            store.policy.resize(key, size)
            sizes |= {key: size} if key in sizes else {}
        elif call == "use":
            store.use(key, size % 5)
        elif call == "remove":
            store.policy.remove(key)
            sizes.pop(key, None)
        else:
            found = store.policy.victims(size)
            assert len(set(found)) == len(found)
            freed = [sizes.pop(victim) for victim in found]
            assert not found or sum(freed[:-1]) < size
            assert sum(freed) >= size or not sizes
    assert sorted(store.policy.victims(10**9)) == sorted(sizes)


def test_uses_from_many_threads(store: Store) -> None:
    """Uses may be noted while keys come and go: nothing is lost, nothing raises."""
    policy = store.policy
    names = [f"key {number}" for number in range(50)]
    stopping = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            while not stopping.is_set():
                for name in names:
                    policy.touch(name)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(200):
        for name in names[turn % 7 :: 3]:
            policy.add(name, Used(turn % 3), 1)
        policy.victims(5)
        policy.remove(names[turn % 50])
    stopping.set()
    for reader in readers:
        reader.join()
    assert errors == []
    left = policy.victims(10**9)
    assert len(set(left)) == len(left)


def test_walk_through_everything() -> None:
    """S3-FIFO: a walk through a thousand pages that nobody asks for again drives out none of those that are in use."""
    store = Store(S3FIFO())
    for number in range(90):
        store.add(f"used {number}", 1)
        store.use(f"used {number}", 2)
    for number in range(1_000):
        store.add(f"walked {number}", 1)
        store.victims(len(store.held) - 100)
    assert sum(key.startswith("used") for key in store.held) == 90


def test_what_comes_back_stays() -> None:
    """S3-FIFO: what comes back soon after it went, or was purged, is in the main queue, past which newcomers go."""
    store = Store(S3FIFO())
    for key in "abcdefghij":
        store.add(key, 10)
    store.policy.remove("a")
    assert store.victims(10) == ["b"]
    store.add("a", 10)
    store.add("b", 10)
    for number in range(5):
        store.add(f"new {number}", 10)
    assert store.victims(80) == ["c", "d", "e", "f", "g", "h", "i", "j"]
    assert store.victims(40) == ["new 0", "new 1", "new 2", "new 3"]


@pytest.mark.parametrize("kind", [LFU, S3FIFO])
def test_what_is_remembered_is_bounded(kind: Callable[[], Policy[str]]) -> None:
    """Of keys that have gone no more is remembered than there are keys, and some."""
    store = Store(kind())
    for number in range(2_000):
        store.add(f"key {number}", 1)
        store.victims(len(store.held) - 10)
        store.add("again", 1)
        store.policy.remove("again")
        del store.held["again"]
    remembered = store.policy._gone if isinstance(store.policy, S3FIFO) else store.policy._heap  # type: ignore[attr-defined]
    assert len(remembered) <= 10 + 100


class LeastRecentlyUsed:
    """The reference: a list from the least to the most recently used."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.sizes: dict[str, int] = {}

    def use(self, key: str) -> None:
        """To the end, if it is there."""
        if key in self.keys:
            self.keys.remove(key)
            self.keys.append(key)

    def add(self, key: str, size: int) -> None:
        """To the end, with a size."""
        self.remove(key)
        self.keys.append(key)
        self.sizes[key] = size

    def remove(self, key: str) -> None:
        """Out of the list."""
        self.keys = [other for other in self.keys if other != key]

    def victims(self, room: int) -> list[str]:
        """From the front, until there is room."""
        found = []
        while room > 0 and self.keys:
            found.append(self.keys.pop(0))
            room -= self.sizes[found[-1]]
        return found


class LeastFrequentlyUsed(LeastRecentlyUsed):
    """The reference: keys in the order of their coming, each with its count."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: dict[str, int] = {}

    def use(self, key: str) -> None:
        """One more, if it is there."""
        if key in self.keys:
            self.uses[key] += 1

    def add(self, key: str, size: int) -> None:
        """New, or one more use."""
        if key in self.keys:
            self.uses[key] += 1
        else:
            self.keys.append(key)
            self.uses[key] = 0
        self.sizes[key] = size

    def victims(self, room: int) -> list[str]:
        """The least used, of several the oldest, until there is room."""
        found = []
        while room > 0 and self.keys:
            found.append(min(self.keys, key=lambda key: (self.uses[key], self.keys.index(key))))
            self.keys.remove(found[-1])
            room -= self.sizes[found[-1]]
        return found


class TwoQueues(LeastFrequentlyUsed):
    """The reference of S3-FIFO: `keys` is all that is held, in two queues; `gone` is what went."""

    def __init__(self) -> None:
        super().__init__()
        self.small: list[str] = []
        self.main: list[str] = []
        self.gone: list[str] = []

    def add(self, key: str, size: int) -> None:
        """One more use, or into the queue it belongs to."""
        if key not in self.keys:
            (self.main if key in self.gone else self.small).append(key)
            self.gone = [other for other in self.gone if other != key]
        super().add(key, size)

    def remove(self, key: str) -> None:
        """Out of its queue, and remembered."""
        if key in self.keys:
            self.keys.remove(key)
            (self.small if key in self.small else self.main).remove(key)
            self.gone = [*self.gone, key][-len(self.keys) :] if self.keys else []

    def victims(self, room: int) -> list[str]:
        """From the small queue while it has more than a tenth of the bytes, else from the main one."""
        found = []
        while room > 0 and self.keys:
            total, new = (sum(self.sizes[key] for key in keys) for keys in (self.keys, self.small))
            queue = self.small if self.small and (not self.main or new > 0.1 * total) else self.main
            key = queue.pop(0)
            if self.uses[key] >= (2 if queue is self.small else 1):
                self.uses[key] = 0 if queue is self.small else min(self.uses[key], 3) - 1
                self.main.append(key)
                continue
            if queue is self.small:
                self.small.insert(0, key)
                self.remove(key)
            else:
                self.keys.remove(key)
            found.append(key)
            room -= self.sizes[key]
        return found


class Against(RuleBasedStateMachine):
    """A policy and its reference are told the same and choose the same victims in the same order."""

    policy: Callable[[], Policy[str]]
    reference: Callable[[], LeastRecentlyUsed]

    @initialize()
    def begin(self) -> None:
        """Both know nothing."""
        self.store, self.plain = Store(type(self).policy()), type(self).reference()

    @rule(key=KEYS, times=st.integers(1, 4))
    def use(self, key: str, times: int) -> None:
        """Some uses."""
        self.store.use(key, times)
        for _ in range(times):
            self.plain.use(key)

    @rule(key=KEYS, size=SIZES)
    def add(self, key: str, size: int) -> None:
        """A key that comes, or comes again."""
        self.store.add(key, size)
        self.plain.add(key, size)

    @rule(key=KEYS, size=SIZES)
    def resize(self, key: str, size: int) -> None:
        """Another size, which is no use."""
        self.store.policy.resize(key, size)
        if key in self.plain.keys:
            self.plain.sizes[key] = size

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        """A key that goes."""
        self.store.policy.remove(key)
        self.store.held.pop(key, None)
        self.plain.remove(key)

    @rule(room=st.integers(-10, 300))
    def victims(self, room: int) -> None:
        """Room that is needed."""
        assert self.store.victims(room) == self.plain.victims(room)

    @rule()
    def clear(self) -> None:
        """A new start."""
        self.store.policy.clear()
        self.store.held.clear()
        self.plain = type(self).reference()

    def teardown(self) -> None:
        """In the end both know the same keys, in the same order."""
        if hasattr(self, "store"):
            assert self.store.victims(10**9) == self.plain.victims(10**9)


class AgainstLRU(Against):
    """LRU."""

    policy, reference = LRU, LeastRecentlyUsed


class AgainstLFU(Against):
    """LFU."""

    policy, reference = LFU, LeastFrequentlyUsed


class AgainstS3FIFO(Against):
    """S3-FIFO."""

    policy, reference = S3FIFO, TwoQueues


for machine in (AgainstLRU, AgainstLFU, AgainstS3FIFO):
    machine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLeastRecentlyUsed = AgainstLRU.TestCase
TestLeastFrequentlyUsed = AgainstLFU.TestCase
TestS3FIFO = AgainstS3FIFO.TestCase
