"""The contract that every eviction policy keeps, and each policy against a reference that is too simple to be wrong."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cms_cache_mw.stores.eviction import LRU

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.stores.eviction import Policy

POLICIES: list[Callable[[], Policy[str]]] = [LRU]
"""Every policy there is; a new one joins here."""

KEYS = st.sampled_from("abcdefgh")
SIZES = st.integers(1, 100)


@pytest.fixture(params=POLICIES, ids=lambda policy: policy.__name__)
def policy(request: pytest.FixtureRequest) -> Policy[str]:
    """A new policy of each kind in turn."""
    made: Policy[str] = request.param()
    return made


def test_nothing_to_evict(policy: Policy[str]) -> None:
    """A policy that knows no key has no victim."""
    assert policy.victims(1) == []


@pytest.mark.parametrize("room", [0, -5])
def test_no_room_needed(policy: Policy[str], room: int) -> None:
    """Nobody has to go where there is room."""
    policy.add("a", 10)
    assert policy.victims(room) == []
    assert policy.victims(1) == ["a"]


def test_no_more_victims_than_needed(policy: Policy[str]) -> None:
    """As many go as make the room, and each goes once."""
    for key in "abc":
        policy.add(key, 10)
    assert len(policy.victims(10)) == 1
    assert len(policy.victims(11)) == 2
    assert policy.victims(1_000) == []


def test_all_go_if_they_must(policy: Policy[str]) -> None:
    """Where even everything is too little, everything goes."""
    for key in "abc":
        policy.add(key, 10)
    assert sorted(policy.victims(1_000)) == ["a", "b", "c"]


def test_removed_key_is_no_victim(policy: Policy[str]) -> None:
    """What went for another reason does not go again; removing what is unknown is nothing."""
    policy.add("a", 10)
    policy.add("b", 10)
    policy.remove("a")
    policy.remove("a")
    policy.remove("never there")
    assert policy.victims(1_000) == ["b"]


def test_use_of_an_unknown_key(policy: Policy[str]) -> None:
    """A reader may note a use of what another thread has just removed: that brings nothing back."""
    policy.add("a", 10)
    policy.remove("a")
    policy.touch("a")
    policy.touch("never there")
    assert policy.victims(1_000) == []


def test_key_that_comes_again(policy: Policy[str]) -> None:
    """A key counts once, with its latest size."""
    policy.add("a", 1)
    policy.add("b", 10)
    policy.add("a", 10)
    assert sorted(policy.victims(20)) == ["a", "b"]
    assert policy.victims(1) == []


def test_other_size(policy: Policy[str]) -> None:
    """A key that has grown makes more room."""
    policy.add("a", 1)
    policy.add("b", 1)
    policy.resize("a", 50)
    policy.resize("b", 50)
    assert len(policy.victims(50)) == 1


def test_cleared(policy: Policy[str]) -> None:
    """After a clear nothing is known, and it starts anew."""
    policy.add("a", 10)
    policy.clear()
    assert policy.victims(10) == []
    policy.add("b", 10)
    assert policy.victims(10) == ["b"]


@settings(deadline=None)
@given(
    st.sampled_from(POLICIES),
    st.lists(st.tuples(st.sampled_from(["add", "touch", "remove", "resize", "victims"]), KEYS, SIZES), max_size=40),
)
def test_victims_are_known_and_enough(kind: Callable[[], Policy[str]], calls: list[tuple[str, str, int]]) -> None:
    """After any calls the victims are keys that are there, each once, no more than needed; then they are forgotten."""
    policy = kind()
    sizes: dict[str, int] = {}
    for call, key, size in calls:
        if call == "add" or (call == "resize" and key in sizes):
            getattr(policy, call)(key, size)
            sizes[key] = size
        elif call == "touch":
            policy.touch(key)
        elif call == "remove":
            policy.remove(key)
            sizes.pop(key, None)
        elif call == "victims":
            found = policy.victims(size)
            assert len(set(found)) == len(found)
            freed = [sizes.pop(victim) for victim in found]
            assert sum(freed[:-1]) < size
            assert sum(freed) >= size or not sizes
    assert sorted(policy.victims(10**9)) == sorted(sizes)


def test_uses_from_many_threads(policy: Policy[str]) -> None:
    """Uses may be noted while keys come and go: nothing is lost, nothing raises."""
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
            policy.add(name, 1)
        policy.victims(5)
        policy.remove(names[turn % 50])
    stopping.set()
    for reader in readers:
        reader.join()
    assert errors == []
    left = policy.victims(10**9)
    assert len(set(left)) == len(left)


class LeastRecentlyUsed:
    """The reference: a list from the least to the most recently used."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.sizes: dict[str, int] = {}

    def touch(self, key: str) -> None:
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


class AgainstReference(RuleBasedStateMachine):
    """LRU and the reference are told the same and choose the same victims in the same order."""

    @initialize()
    def begin(self) -> None:
        """Both know nothing."""
        self.policy: LRU[str] = LRU()
        self.reference = LeastRecentlyUsed()

    @rule(key=KEYS)
    def touch(self, key: str) -> None:
        """A use."""
        self.policy.touch(key)
        self.reference.touch(key)

    @rule(key=KEYS, size=SIZES)
    def add(self, key: str, size: int) -> None:
        """A key that comes, or comes again."""
        self.policy.add(key, size)
        self.reference.add(key, size)

    @rule(key=KEYS, size=SIZES)
    def resize(self, key: str, size: int) -> None:
        """Another size, which is no use."""
        if key in self.reference.keys:
            self.policy.resize(key, size)
            self.reference.sizes[key] = size

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        """A key that goes."""
        self.policy.remove(key)
        self.reference.remove(key)

    @rule(room=st.integers(-10, 300))
    def victims(self, room: int) -> None:
        """Room that is needed."""
        assert self.policy.victims(room) == self.reference.victims(room)

    @rule()
    def clear(self) -> None:
        """A new start."""
        self.policy.clear()
        self.reference = LeastRecentlyUsed()

    @invariant()
    def same_keys(self) -> None:
        """Both know the same keys in the same order."""
        assert list(self.policy._sizes) == self.reference.keys


AgainstReference.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLeastRecentlyUsed = AgainstReference.TestCase
