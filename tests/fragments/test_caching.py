"""Fragments: two levels, one flight for many, what they depend on bubbles up, and nothing purged is served."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from cms_cache_mw import Cache, Config, depends_on, fragment
from cms_cache_mw.collecting import Collector
from tests.support.clock import Clock
from tests.support.pages import stored, visited

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 86_400.0
WAYS = ("here", "task", "group", "thread")


@dataclass
class Node:
    """A fragment of a random tree; `way` is how its parent asks for it."""

    number: int
    way: str
    ttl: float
    children: list[Node] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name, which is a tag."""
        return f"block:{self.number}"

    def all(self) -> list[Node]:
        """Itself and all below it."""
        return [self, *(below for child in self.children for below in child.all())]


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    """Some trees of at most nine fragments; numbers are unique."""
    nodes = [
        Node(number, draw(st.sampled_from(WAYS)), draw(st.sampled_from([50, 100, 300.5, LONG])))
        for number in range(draw(st.integers(1, 9)))
    ]
    roots: list[Node] = []
    for node in nodes:
        parent = draw(st.sampled_from([None, *nodes[: node.number]]))
        (parent.children if parent else roots).append(node)
    return roots


class Model:
    """Renders a tree through the cache, and knows what must come of it."""

    def __init__(self, roots: list[Node], clock: Clock) -> None:
        self.roots, self.clock = roots, clock
        self.nodes = [node for root in roots for node in root.all()]
        self.version = dict.fromkeys([node.number for node in self.nodes], 0)
        self.until: dict[int, float] = {}
        self.cache: Cache | None = None

    def begun(self, node: Node) -> str:
        """The beginning of a fragment's text: its number and the version of its content."""
        return f"[{node.number}:{self.version[node.number]}"

    def ended(self, node: Node) -> None:
        """Note until when what was just rendered is fresh."""
        self.until[node.number] = min(
            self.clock.now() + node.ttl, *(self.until[child.number] for child in node.children), inf
        )

    def blocking(self, node: Node) -> str:
        """A fragment and all below it for synchronous callers."""
        assert self.cache

        def made() -> str:
            text = self.begun(node) + "".join(map(self.blocking, node.children))
            self.ended(node)
            return text + "]"

        return self.cache.blocks.get_or_render(node.number, made, tags=[f"own:{node.number}"], ttl=node.ttl)

    async def suspending(self, node: Node) -> str:
        """The same for coroutines; each child is asked for in its own way."""
        assert self.cache

        async def made() -> str:
            text = self.begun(node) + await self.together(node.children)
            self.ended(node)
            return text + "]"

        return await self.cache.blocks.get_or_render(node.number, made, tags=[f"own:{node.number}"], ttl=node.ttl)

    async def together(self, nodes: list[Node]) -> str:
        """Some fragments, side by side where they are asked for in tasks."""
        parts: list[Any] = []
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                if node.way == "thread":
                    parts.append(await asyncio.to_thread(self.blocking, node))
                elif node.way == "here":
                    parts.append(await self.suspending(node) if node.number % 2 else self.blocking(node))
                elif node.way == "group":
                    parts.append(group.create_task(self.suspending(node)))
                else:
                    parts.append(await asyncio.create_task(self.suspending(node)))
        return "".join(part if isinstance(part, str) else part.result() for part in parts)

    async def page(self) -> str:
        """The whole page."""
        return await self.together(self.roots)

    def expected(self) -> str:
        """The page as it has to be now."""

        def text(node: Node) -> str:
            return self.begun(node) + "".join(map(text, node.children)) + "]"

        return "".join(map(text, self.roots))


STEPS = st.lists(
    st.tuples(st.sampled_from(["get", "get", "purge", "tag", "forget", "wait", "all"]), st.integers(0, 8)), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(roots=trees(), steps=STEPS)
def test_pages_are_the_sum_of_their_parts(roots: list[Node], steps: list[tuple[str, int]]) -> None:
    """Whatever is hit, missed or purged: tags are the union, the lifetime is the minimum, purged is gone, and then it hits."""
    asyncio.run(_lived_through(Model(roots, Clock()), steps))


async def _lived_through(model: Model, steps: list[tuple[str, int]]) -> None:
    async with visited({"/": model.page}, clock=model.clock) as (app, visitor, _):
        model.cache = app.cache
        for step, number in [("get", 0), *steps, ("get", 0)]:
            node = model.nodes[number % len(model.nodes)]
            if step == "purge":
                model.version[node.number] += 1
                assert (await app.cache.block_changed(node.number)).done
            elif step == "tag":
                model.version[node.number] += 1
                assert (await app.cache.purge(tags=[f"own:{node.number}"])).done
            elif step == "all":
                model.version = {number: version + 1 for number, version in model.version.items()}
                assert (await app.cache.purge(all=True)).done
            elif step == "forget":
                await app.cache.blocks.delete(node.number)
            elif step == "wait":
                model.clock.advance(number * 20.0)
            else:
                reply = await visitor.get("/")
                assert reply.body.decode() == model.expected()
                entry = stored(app, "/")
                assert entry is not None
                assert set(entry.tags) == {f"{kind}:{n.number}" for n in model.nodes for kind in ("block", "own")}
                until = min(model.until[root.number] for root in model.roots)
                assert entry.born + entry.freshness.lifetime == pytest.approx(min(until, entry.born + LONG))
                assert (await visitor.get("/")).level == "memory"


async def test_what_gathers_in_any_thread_or_task_reaches_the_page() -> None:
    """Dependencies noted in threads, pools, child tasks, task groups and while streaming all count, once stored and hit."""

    async def streamed() -> Any:  # noqa: ANN401 - an iterator
        yield "a"
        await asyncio.create_task(noting("task:1"))
        await asyncio.to_thread(depends_on, "thread:1")
        async with asyncio.TaskGroup() as group:
            group.create_task(noting("group:1"))
        yield menu("late")

    async def noting(tag: str) -> None:
        await asyncio.sleep(0)
        depends_on(tag)

    @fragment("block:menu:{place}")
    def menu(place: str) -> str:
        depends_on(f"inside:{place}")
        return f"menu {place}"

    async with visited({"/": streamed, "/again": streamed}) as (app, visitor, _):
        expected = {"task:1", "thread:1", "group:1", "block:menu:late", "inside:late"}
        for path in ("/", "/again"):
            assert (await visitor.get(path)).body == b"amenu late"
            entry = stored(app, path)
            assert entry is not None
            assert set(entry.tags) == expected
            assert (await visitor.get(path)).level == "memory"


async def test_dependencies_bubble_from_starlettes_thread_pool() -> None:
    """A synchronous endpoint, which Starlette runs in a thread, notes for its page, on a fragment's miss and on its hit."""
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    from tests.support.asgi import Visitor, caching

    threads = set()

    @fragment("block:pool", tags=["menu:1"])
    def part() -> str:
        threads.add(threading.current_thread())
        return "part"

    def endpoint(_: object) -> HTMLResponse:
        return HTMLResponse(part())

    async with caching(Starlette(routes=[Route("/a", endpoint), Route("/b", endpoint)])) as app:
        visitor = Visitor(app)
        for path in ("/a", "/b"):
            await visitor.get(path)
            entry = stored(app, path)
            assert entry is not None
            assert set(entry.tags) == {"block:pool", "menu:1"}
        assert threading.main_thread() not in threads
        assert len(threads) == 1


async def test_private_fragments_make_their_page_private() -> None:
    """A page that contains one visitor's own part is stored for nobody, however deep the part is."""
    names = iter(["Ann", "Bob"])

    @fragment("block:hello", private=True)
    def hello() -> str:
        return f"Hello {next(names)}"

    @fragment("block:outer")
    def outer() -> str:
        return hello()

    async with visited({"/": outer}) as (_, visitor, _):
        replies = [await visitor.get("/") for _ in range(2)]
        assert [reply.body for reply in replies] == [b"Hello Ann", b"Hello Bob"]
        assert replies[0].cache_status == "fwd=uri-miss; detail=personal"


async def test_fragments_that_vary_are_not_kept_and_make_their_page_vary() -> None:
    """A part that differs by a request field is not shared; its page is stored for each value of the field."""
    calls = []

    @fragment("block:language")
    def part() -> str:
        depends_on(vary="X-Theme")
        calls.append(1)
        return "part"

    async with visited({"/": part}) as (_, visitor, _):
        first = await visitor.get("/", "X-Theme: a")
        assert first.field("vary") == "x-theme, Accept-Encoding"
        await visitor.get("/", "X-Theme: b")
        assert (await visitor.get("/", "X-Theme: a")).level == "memory"
        assert len(calls) == 2


@pytest.mark.logs("served but not stored")
async def test_unreadable_tags_are_served_and_not_stored() -> None:
    """A part with a tag that no purge could spell is kept nowhere, nor is its page; the log says so once per page."""
    calls = []

    @fragment("block:doubtful")
    def part() -> str:
        calls.append(1)
        depends_on("two words")
        return "part"

    async with visited({"/": part}) as (app, visitor, _):
        for _ in range(2):
            reply = await visitor.get("/")
            assert reply.body == b"part"
            assert reply.cache_status == "fwd=uri-miss; detail=tags"
        assert len(calls) == 2
        stats: Any = app.cache.stats()
        assert stats["answers"]["tags"] == 2


async def test_more_tags_than_a_header_holds_are_no_trouble_and_too_many_are_refused() -> None:
    """From inside the process 4,096 tags may gather, eight times what a header may have."""

    def pages(count: int) -> Callable[[], str]:
        def page() -> str:
            depends_on(*(f"item:{number}" for number in range(count)))
            return str(count)

        return page

    async with visited({"/": pages(4096)}) as (app, visitor, _):
        await visitor.get("/")
        assert (await visitor.get("/")).level == "memory"
        await app.cache.purge(tags=["item:4095"])
        assert (await visitor.get("/")).cache_status == "fwd=miss; stored; detail=purged"


@pytest.mark.logs("a response may gather 4096")
async def test_too_many_tags_fail_closed() -> None:
    """One tag more than can be kept, and the page is not."""

    def page() -> str:
        depends_on(*(f"item:{number}" for number in range(4097)))
        return ""

    async with visited({"/": page}) as (_, visitor, _):
        assert (await visitor.get("/")).cache_status == "fwd=uri-miss; detail=tags"


async def test_what_failed_is_depended_on_too() -> None:
    """A page that shows something else where a part failed is rendered anew once that part is edited."""
    broken = True

    @fragment("block:broken", ttl=60)
    def part() -> str:
        depends_on("inside:1")
        if broken:
            raise ValueError("broken")
        return "whole"

    def page() -> str:
        try:
            return part()
        except ValueError:
            return "fallback"

    async with visited({"/": page}) as (app, visitor, _):
        assert (await visitor.get("/")).body == b"fallback"
        entry = stored(app, "/")
        assert entry is not None
        assert set(entry.tags) == {"block:broken", "inside:1"}
        # Its age when the head came counts as well: what the application took to begin.
        assert entry.freshness.lifetime < 61
        broken = False
        await app.cache.purge(tags=["inside:1"])
        assert (await visitor.get("/")).body == b"whole"


async def test_looking_up_is_depending() -> None:
    """A page that looked for a fragment depends on it, found or not."""
    async with visited({}) as (app, visitor, site):

        async def looking() -> str:
            return str(await app.cache.blocks.get(7))

        site.pages["/"], site.renders["/"] = looking, 0
        assert (await visitor.get("/")).body == b"None"
        await app.cache.blocks.put(7, "seven", tags=["number:7"])
        await app.cache.block_changed(7)
        await app.cache.blocks.put(7, "seven", tags=["number:7"])
        assert (await visitor.get("/")).body == b"seven"
        entry = stored(app, "/")
        assert entry is not None
        assert set(entry.tags) == {"block:7", "number:7"}


async def test_a_page_ends_with_the_first_of_its_parts(clock: Clock) -> None:
    """What is left of a fragment's lifetime bounds the page's, also on a hit and with time between."""

    @fragment("block:short", ttl=100)
    def part() -> str:
        return "part"

    def slow() -> str:
        text = part()
        clock.advance(10)
        return text

    began = clock.now()
    async with visited({"/first": part, "/later": slow}, clock=clock) as (app, visitor, _):
        await visitor.get("/first")
        clock.advance(30)
        await visitor.get("/later")
        entry = stored(app, "/later")
        assert entry is not None
        assert entry.born + entry.freshness.lifetime == pytest.approx(began + 100)
        clock.advance(60)
        assert (await visitor.get("/later")).level is None


async def test_coroutines_and_threads_join_one_flight() -> None:
    """Ten coroutines and ten threads that want the same fragment at once get the render of one of them."""
    begun, go = threading.Event(), threading.Event()
    renders = []
    cache = Cache(Config())
    cache.start()

    def slow() -> str:
        renders.append(threading.current_thread())
        begun.set()
        go.wait(5)
        return "slow"

    async def suspending() -> str:
        return slow()

    def here() -> str:
        return cache.blocks.get_or_render("slow", slow)

    with ThreadPoolExecutor(11) as pool:
        loop = asyncio.get_running_loop()
        asked = [loop.run_in_executor(pool, here)]
        await asyncio.to_thread(begun.wait, 5)
        asked += [loop.run_in_executor(pool, here) for _ in range(10)]
        tasks = [asyncio.ensure_future(cache.blocks.get_or_render("slow", suspending)) for _ in range(10)]
        await asyncio.sleep(0.05)
        go.set()
        assert await asyncio.gather(*asked, *tasks) == ["slow"] * 21
    assert len(renders) == 1
    await cache.aclose()


async def test_on_a_loops_thread_nothing_blocks() -> None:
    """A synchronous fragment that another thread is rendering is rendered beside it, at once, not waited for."""
    begun, go = threading.Event(), threading.Event()
    cache = Cache(Config())
    cache.start()

    def slow() -> str:
        begun.set()
        go.wait(5)
        return "slow"

    other = asyncio.ensure_future(asyncio.to_thread(cache.blocks.get_or_render, "x", slow))
    await asyncio.to_thread(begun.wait, 5)
    began = time.monotonic()
    assert cache.blocks.get_or_render("x", lambda: "quick") == "quick"
    assert time.monotonic() - began < 1
    go.set()
    await other
    await cache.aclose()


async def test_a_fragment_inside_itself_is_rendered_and_not_waited_for() -> None:
    """A block that contains itself on the way down ends when its own code ends it, and depends on all it shows."""
    depth = 0

    @fragment("block:snake", tags=["tail:1"])
    async def snake() -> str:
        nonlocal depth
        depth += 1
        return "(" + (await snake() if depth < 3 else "") + ")"

    async with visited({"/": snake}) as (app, visitor, _):
        async with asyncio.timeout(2):
            assert (await visitor.get("/")).body == b"((()))"
        entry = stored(app, "/")
        assert entry is not None
        assert set(entry.tags) == {"block:snake", "tail:1"}


class Point(msgspec.Struct):
    """A value with a type."""

    x: int
    y: int = 0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(value=VALUES)
def test_any_plain_value_comes_back(value: object) -> None:
    """Text, bytes and plain data are the same rendered, hit and looked up."""
    cache = Cache(Config())
    cache.start()
    assert cache.pages.get_or_render("v", lambda: value) == value
    assert cache.pages.get_or_render("v", lambda: "another") == value
    assert cache.pages.get_sync("v") == value
    cache.close()


def test_values_of_a_type_come_back_as_it() -> None:
    """A struct is stored as data and decoded as the type that is asked for; whoever asks for another renders anew."""
    cache = Cache(Config())
    cache.start()
    assert cache.pages.get_or_render("p", lambda: Point(1, 2), type=Point) == Point(1, 2)
    assert cache.pages.get_sync("p", type=Point) == Point(1, 2)
    assert cache.pages.get_sync("p") == {"x": 1, "y": 2}
    assert cache.pages.get_sync("p", type=list[int]) is None
    assert cache.pages.get_or_render("p", lambda: Point(3, 4), type=Point) == Point(3, 4)
    assert cache.pages.get_or_render("p", lambda: [5], type=list[int]) == [5]
    cache.close()


def test_what_cannot_be_stored_is_a_type_error_before_anything_is() -> None:
    """A value of no storable type raises, says which and why, and leaves nothing behind."""
    cache = Cache(Config())
    cache.start()
    with pytest.raises(TypeError, match=r"fragment 'page:o': object cannot be stored .*; give text or data"):
        cache.pages.get_or_render("o", object)
    with pytest.raises(TypeError, match="cannot be stored"):
        cache.pages.put_sync("o", object())
    assert cache.pages.get_sync("o") is None
    assert cache.parts.memories["pages"].items == 0
    cache.close()


@pytest.mark.parametrize("level", ["memory", "shared"])
async def test_safe_html_stays_safe(level: str, redis_url: str, namespace: str) -> None:
    """What a template engine need not escape is told from what it must, also by the worker that reads it from Redis."""
    writer = Cache(Config(redis_url=redis_url, namespace=namespace))
    reader = writer if level == "memory" else Cache(Config(redis_url=redis_url, namespace=namespace))
    for cache in {writer, reader}:
        await leased(cache)
    await writer.blocks.put("safe", Markup("<b>"))
    await writer.blocks.put("plain", "<b>")
    await settled(writer)
    assert Markup("{}").format(await reader.blocks.get("safe")) == "<b>"
    assert Markup("{}").format(await reader.blocks.get("plain")) == "&lt;b&gt;"
    for cache in {writer, reader}:
        await cache.aclose()


async def test_another_worker_has_it_from_redis(redis_url: str, namespace: str) -> None:
    """What one worker rendered another gets from Redis with all its dependencies, until it is purged anywhere."""
    caches = [Cache(Config(redis_url=redis_url, namespace=namespace)) for _ in range(2)]
    for cache in caches:
        await leased(cache)

    async def seven() -> list[int]:
        depends_on("inside:7")
        return [7]

    async def other() -> list[int]:
        return [8]

    assert await caches[0].blocks.get_or_render(7, seven, tags=["own:7"], ttl=50) == [7]
    await settled(caches[0])
    collector = Collector(caches[1]._now)
    with caches[1].rendering(collector):
        assert await caches[1].blocks.get_or_render(7, other) == [7]
    assert collector.tags == {"block:7", "own:7", "inside:7"}
    assert collector.value().lifetime == pytest.approx(50, abs=2)
    assert (await caches[0].purge(tags=["inside:7"])).done
    assert await caches[1].blocks.get_or_render(7, other) == [8]
    for cache in caches:
        await cache.aclose()


async def test_keys_that_are_spelled_alike_are_told_apart(redis_url: str, namespace: str) -> None:
    """`a b` and `a%20b` are one tag and two fragments, in memory and in Redis."""
    caches = [Cache(Config(redis_url=redis_url, namespace=namespace)) for _ in range(2)]
    for cache in caches:
        await leased(cache)
    await caches[0].blocks.put("a b", "blank")
    await caches[0].blocks.put("a%20b", "escape")
    await settled(caches[0])
    for cache in caches:
        assert await cache.blocks.get("a b") == "blank"
        assert await cache.blocks.get("a%20b") == "escape"
    for cache in caches:
        await cache.aclose()


async def test_a_translation_reaches_fragments_that_name_no_language() -> None:
    """A purge of `block:7@de` leaves English fragments and reaches German ones and those of which nobody knows."""
    cache = Cache(Config())
    cache.start()
    for key, tags in (("en", ["block:7", "lang:en"]), ("de", ["block:7", "lang:de"]), ("any", ["block:7"])):
        await cache.rendered.put(key, key, tags=tags)
    await cache.translation_changed("de", block_id=7)
    assert [await cache.rendered.get(key) for key in ("en", "de", "any")] == ["en", None, None]
    for key, tags in (("de", ["lang:de"]), ("any", [])):
        await cache.rendered.put(key, key, tags=tags)
    await cache.translation_changed("de")
    assert [await cache.rendered.get(key) for key in ("en", "de", "any")] == ["en", None, None]
    await cache.aclose()


async def test_a_render_that_a_purge_overtook_is_not_kept() -> None:
    """What was read before a purge and rendered after it is used by nobody else."""
    cache = Cache(Config())
    cache.start()

    async def overtaken() -> str:
        await cache.block_changed(1)
        return "old"

    assert await cache.blocks.get_or_render(1, overtaken) == "old"
    assert await cache.blocks.get(1) is None
    await cache.aclose()


async def test_stale_fragments_are_not_used() -> None:
    """A softly purged part is rendered, never shown as it was in a new page."""
    numbers = iter(range(9))

    @fragment("block:soft")
    def part() -> str:
        return str(next(numbers))

    async with visited({"/a": part, "/b": part}) as (app, visitor, _):
        assert (await visitor.get("/a")).body == b"0"
        await app.cache.purge(tags=["block:soft"], soft=True)
        assert (await visitor.get("/b")).body == b"1"


@pytest.mark.parametrize("ttl", [0, -1])
async def test_no_lifetime_is_no_fragment(ttl: float) -> None:
    """A lifetime of nothing keeps nothing, and the page neither."""
    calls = []

    @fragment("block:none", ttl=ttl)
    def part() -> str:
        calls.append(1)
        return "part"

    async with visited({"/": part}) as (_, visitor, _):
        for _ in range(2):
            assert (await visitor.get("/")).cache_status == "fwd=uri-miss; detail=short-part"
        assert len(calls) == 2


async def test_a_failed_render_is_the_askers_own() -> None:
    """What a fragment raises its caller gets, and whoever waited tries for himself."""
    cache = Cache(Config())
    cache.start()
    gate = asyncio.Event()
    calls = []

    async def failing() -> str:
        calls.append(1)
        await gate.wait()
        if len(calls) == 1:
            raise LookupError("first")
        return "second"

    tasks = [asyncio.ensure_future(cache.blocks.get_or_render("f", failing)) for _ in range(3)]
    await asyncio.sleep(0.01)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError, str, str]
    assert len(calls) == 2
    await cache.aclose()


async def leased(cache: Cache) -> None:
    """Wait until a cache may serve."""
    cache.start()
    follower = cache.worker.follower
    if follower:
        await asyncio.wrap_future(follower.leased)


async def settled(cache: Cache) -> None:
    """Wait until everything that was spawned is done: what is stored has reached Redis."""
    await asyncio.gather(*list(cache.runtime._tasks))
