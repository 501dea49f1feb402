"""The Jinja extension: parts of templates as fragments, templates as dependencies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import DictLoader, Environment, TemplateSyntaxError

from cms_cache_mw import Cache, Config
from cms_cache_mw.collecting import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = "cms_cache_mw.contrib.jinja.CacheExtension"
TAGS = "cms_cache_mw.contrib.jinja.TemplateTags"


@pytest.fixture
def cache() -> Iterator[Cache]:
    """A cache that has begun."""
    cache = Cache(Config())
    cache.start()
    yield cache
    cache.close()


class Counter:
    """Gives the next number each time it is asked."""

    def __init__(self) -> None:
        self.value = 0

    def __call__(self) -> int:
        """The next number."""
        self.value += 1
        return self.value


def environment(templates: dict[str, str], **options: Any) -> Environment:  # noqa: ANN401 - Jinja's options
    """An environment with both extensions."""
    made = Environment(loader=DictLoader(templates), extensions=[CACHE, TAGS], autoescape=True, **options)
    made.globals["number"] = Counter()
    return made


def rendered(cache: Cache, made: Environment, name: str, **names: object) -> tuple[str, set[str]]:
    """What a template gives inside of a request, and the tags that gathered."""
    collector = Collector(cache._now)
    with cache.rendering(collector):
        text = (
            asyncio.run(made.get_template(name).render_async(names))
            if made.is_async
            else made.get_template(name).render(names)
        )
    return text, collector.tags


@pytest.mark.parametrize("enable_async", [False, True], ids=["sync", "async"])
def test_a_part_is_rendered_once_and_its_tags_are_there_each_time(cache: Cache, enable_async: bool) -> None:
    """What stands between the tags is a fragment: rendered once, purged by its name and its tags, nested too."""
    made = environment(
        {
            "page": "{{ number() }} {% cache 'block:outer', tags=['menu:1'] %}<i>{{ number() }} "
            "{% cache 'block:' ~ kind, tags=['x:' ~ kind], ttl=60 %}{{ number() }}{{ '<' }}{% endcache %}</i>{% endcache %}"
        },
        enable_async=enable_async,
    )
    everything = {"template:page", "block:outer", "menu:1", "block:inner", "x:inner"}
    assert rendered(cache, made, "page", kind="inner") == ("1 <i>2 3&lt;</i>", everything)
    assert rendered(cache, made, "page", kind="inner") == ("4 <i>2 3&lt;</i>", everything)
    assert cache.purge_sync(tags=["menu:1"]).done
    assert rendered(cache, made, "page", kind="inner") == ("5 <i>6 3&lt;</i>", everything)
    assert cache.purge_sync(tags=["x:inner"]).done
    assert rendered(cache, made, "page", kind="inner") == ("7 <i>8 9&lt;</i>", everything)
    assert rendered(cache, made, "page", kind="inner") == ("10 <i>8 9&lt;</i>", everything)


def test_the_lifetime_of_a_part_bounds_what_contains_it(cache: Cache) -> None:
    """`ttl` is in seconds and an expression."""
    made = environment({"page": "{% cache 'block:short', ttl=30 * 2 %}x{% endcache %}"})
    collector = Collector(cache._now)
    with cache.rendering(collector):
        made.get_template("page").render()
    assert 59 < collector.value().lifetime <= 60


def test_a_part_stays_safe_and_is_not_escaped_twice(cache: Cache) -> None:
    """Inside a macro, a filter or a variable, the part is HTML as it was."""
    made = environment({"page": "{% set part %}{% cache 'block:b' %}<b>{% endcache %}{% endset %}{{ part }}"})
    assert [rendered(cache, made, "page")[0] for _ in range(2)] == ["<b>", "<b>"]


def test_without_a_cache_the_part_is_rendered() -> None:
    """Templates need no cache: tests and scripts render them as they are."""
    made = environment({"page": "{% cache 'block:x' %}{{ number() }}{% endcache %}"})
    assert [made.get_template("page").render() for _ in range(2)] == ["1", "2"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% cache 'x', time=3 %}{% endcache %}", "cache takes a name, tags=[…] and ttl=…, not 'time'"),
        ("{% cache 'x', 3 %}{% endcache %}", "expected token 'name'"),
        ("{% cache 'x' %}", "endcache"),
        ("{% cache %}{% endcache %}", "unexpected 'end of statement block'"),
    ],
)
def test_mistakes_are_syntax_errors(source: str, message: str) -> None:
    """What cannot be meant is refused when the template is compiled."""
    with pytest.raises(TemplateSyntaxError) as refused:
        environment({}).from_string(source)
    assert message in str(refused.value)


GRAPH = {
    "base": "{% block body %}{% endblock %}{% include 'foot' %}",
    "foot": "{% include 'deep' %}",
    "deep": "deep",
    "macros": "{% macro shout(word) %}{{ word }}!{% endmacro %}",
    "child": "{% extends 'base' %}{% from 'macros' import shout %}{% block body %}{{ shout('hi') }}{% endblock %}",
    "choice": "{% include ['missing', 'deep'] %}{% include 'none' ignore missing %}",
    "dynamic": "{% include which %}",
    "other": "other",
}


@pytest.mark.parametrize("enable_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("child", {"child", "base", "foot", "deep", "macros"}),
        ("choice", {"choice", "missing", "deep", "none"}),
        ("dynamic", {"dynamic", "other"}),
    ],
)
def test_a_page_depends_on_all_templates_it_is_made_of(
    cache: Cache, name: str, expected: set[str], enable_async: bool
) -> None:
    """However deep a template is extended, included or imported, each time; also those that were looked for in vain."""
    made = environment(GRAPH, enable_async=enable_async)
    for _ in range(2):
        assert rendered(cache, made, name, which="other")[1] == {f"template:{part}" for part in expected}


def test_a_template_reaches_the_parts_that_use_it(cache: Cache) -> None:
    """`template_changed` drops the cached part in which the template is included, and what contains that."""
    made = environment({"page": "{% cache 'block:x' %}{{ number() }}{% include 'deep' %}{% endcache %}", "deep": "-"})
    assert rendered(cache, made, "page")[0] == "1-"
    assert rendered(cache, made, "page") == ("1-", {"template:page", "template:deep", "block:x"})
    assert asyncio.run(cache.template_changed("deep")).done
    assert rendered(cache, made, "page")[0] == "2-"


def test_template_dependencies_are_asked_for() -> None:
    """With `CacheExtension` alone templates are no tags."""
    cache = Cache(Config())
    made = Environment(loader=DictLoader(GRAPH), extensions=[CACHE])
    assert rendered(cache, made, "child")[1] == set()
    cache.close()
