"""`@fragment`: keys from arguments, and what is refused at decoration."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import Cache, Config, fragment
from cms_cache_mw.collecting import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cache() -> Iterator[Cache]:
    """A cache that serves what is called in the test."""
    cache = Cache(Config())
    cache.start()
    with cache.rendering(Collector(cache._now)):
        yield cache
    cache.close()


@dataclass
class Place:
    """Something with an id."""

    id: int
    name: str = ""


def test_the_key_tells_calls_apart(cache: Cache) -> None:
    """Calls with other arguments are other fragments, however the arguments are given."""
    calls = []

    @fragment("block:menu:{site}:{depth}")
    def menu(site: str, depth: int = 1) -> str:
        calls.append((site, depth))
        return f"{site} {depth}"

    for _ in range(2):
        assert [menu("a"), menu("a", 1), menu(depth=1, site="a"), menu("a", 2), menu("b")] == [
            "a 1", "a 1", "a 1", "a 2", "b 1",
        ]  # fmt: skip
    assert calls == [("a", 1), ("a", 2), ("b", 1)]


def test_arguments_that_join_alike_are_told_apart(cache: Cache) -> None:
    """`a:b` and `c` is another call than `a` and `b:c`."""

    @fragment("block:{one}:{two}")
    def joined(one: str, two: str) -> str:
        return f"{one}|{two}"

    assert [joined("a:b", "c"), joined("a", "b:c")] == ["a:b|c", "a|b:c"]


def test_attributes_and_formats_name_an_argument(cache: Cache) -> None:
    """A key may take part of an argument and shape it."""

    @fragment("block:{place.id:04d}")
    def part(place: Place) -> str:
        return place.name

    assert [part(Place(7, "first")), part(Place(7, "second")), part(Place(8, "third"))] == ["first", "first", "third"]
    assert cache.blocks.get_sync("0007") == "first"


def test_methods_are_fragments_too(cache: Cache) -> None:
    """`self` is an argument like any other."""

    class Widget:
        def __init__(self, number: int) -> None:
            self.number = number

        @fragment("block:{self.number}")
        def render(self) -> str:
            return f"widget {self.number}"

    assert [Widget(1).render(), Widget(2).render()] == ["widget 1", "widget 2"]
    assert cache.blocks.get_sync(1) == "widget 1"


async def test_coroutine_functions_stay_coroutine_functions() -> None:
    """What was to be awaited is, and names, documentation and signature remain."""

    @fragment("block:{number}", ignore=["session"])
    async def part(number: int, session: object = None) -> int:
        """Say a number."""
        return number

    assert inspect.iscoroutinefunction(part)
    assert (part.__name__, part.__doc__) == ("part", "Say a number.")
    assert await part(3) == 3


def test_namespaces_follow_the_name(cache: Cache) -> None:
    """`block:`, `page:` and `template:` have their own; anything else is with the rendered ones."""
    for name in ("block:x", "page:x", "template:x", "other:x"):
        fragment(name)(lambda: "made")()
    held = {kind: memory.items for kind, memory in cache.parts.memories.items()}
    assert held == {"blocks": 1, "pages": 1, "templates": 1, "rendered": 1}


def test_tags_are_formats_as_well(cache: Cache) -> None:
    """Tags of a call are made of its arguments."""

    @fragment("block:{site}", tags=["menu:{site}"])
    def part(site: str) -> str:
        return site

    collector = Collector(cache._now)
    for _ in range(2):
        with cache.rendering(collector):
            part("x")
        assert collector.tags == {"block:x", "menu:x"}
        collector.tags.clear()


@pytest.mark.parametrize(
    ("key", "options", "message"),
    [
        ("block:1", {}, "the key does not name the argument 'one'; add {one} to the key, or ignore=('one',)"),
        ("block:{one}", {}, "does not name the argument 'two'"),
        ("block:{one}{two}{three}", {}, "there is no argument 'three'; it has one, two"),
        ("block:{one}{two}", {"ignore": ["four"]}, "there is no argument 'four'"),
        ("block:{one}{two}", {"tags": ["x:{five}"]}, "there is no argument 'five'"),
        ("block:{}", {}, "there is no argument ''"),
    ],
)
def test_what_the_key_leaves_out_is_refused(key: str, options: dict[str, Any], message: str) -> None:
    """An argument that could change the result unseen is a `TypeError` at decoration, and the error says what to do."""

    def part(one: int, two: int) -> str:
        return f"{one}{two}"

    with pytest.raises(TypeError) as refused:
        fragment(key, **options)(part)
    assert message in str(refused.value)
    assert "part" in str(refused.value)


def test_without_a_cache_the_function_is_called() -> None:
    """Tests and scripts need no cache: outside of one the function is what it was."""
    calls = []

    @fragment("block:alone")
    def part() -> str:
        calls.append(1)
        return "part"

    one, other = Cache(Config()), Cache(Config())
    assert [part(), part()] == ["part", "part"]
    assert len(calls) == 2
    one.close()
    other.close()
