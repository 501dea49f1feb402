"""The public types, as programs use them. Never run: mypy (`make check`) and pyright (`tests/typing/test_types.py`) read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_type

from starlette.applications import Starlette

from cms_cache_mw import (
    Cache,
    CacheMiddleware,
    Config,
    ConfigError,
    Dependencies,
    WSGICacheMiddleware,
    depends_on,
    fragment,
)
from cms_cache_mw.explaining.preview import Preview
from cms_cache_mw.purges import Purge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@fragment("block:menu:{site}", ttl=300, tags=["menu:{site}"])
def menu(site: int, *, wide: bool = False) -> str:
    """A synchronous fragment keeps its signature."""
    depends_on(f"menu:{site}", ttl=60.0, vary="accept-language")
    return "wide" if wide else "narrow"


@fragment("block:teaser:{number}", ignore=("unused",))
async def teaser(number: int, unused: object = None) -> dict[str, int]:
    """So does an asynchronous one."""
    return {"number": number}


assert_type(menu(1, wide=True), str)
menu("1")  # type: ignore[arg-type]
menu(1, narrow=True)  # type: ignore[call-arg]
depends_on(12)  # type: ignore[arg-type]


def configured() -> Config:
    """Options have types, and nothing but keywords is taken."""
    Config(redis_url=1)  # type: ignore[arg-type]
    Config(eviction_policy="fifo")  # type: ignore[arg-type]
    Config(no_such_option=True)  # type: ignore[call-arg]
    config = Config(redis_url="redis://h", sites={"h": "main"}, default_ttl={"blocks": 60}, enable_for=("/news/*",))
    assert_type(config.redis_url, str | None)
    assert_type(config.eviction_policy, Literal["s3fifo", "lru", "lfu"])
    config.namespace = "other"  # type: ignore[misc]
    return Config.from_env({"CMS_CACHE_NAMESPACE": "cms"}, audit_rate=0.1)


async def asgi() -> None:
    """The middleware is an application, and has the cache."""
    app = CacheMiddleware(Starlette(), configured())
    outer = CacheMiddleware(app)
    assert_type(outer.cache, Cache)
    purge = await app.cache.purge(tags=["a"], urls=("/",), prefixes=["/a/"], site="main", soft=True, grace=5, wait=1)
    assert_type(purge, Purge)
    assert_type(purge.done, bool)
    assert_type(purge.state, Literal["done", "recorded", "unrecorded"])
    await app.cache.purge(["a"])  # type: ignore[call-arg]
    assert_type(await teaser(1), dict[str, int])
    assert_type(await app.cache.block_changed(7), Purge)
    assert_type(await app.cache.page_changed("home", dry_run=True), Preview)
    assert_type(await app.cache.translation_changed("de", page_id=12), Purge)


async def namespaces(cache: Cache, number: Callable[[], int], later: Callable[[], Awaitable[bytes]]) -> None:
    """What a namespace gives is what was rendered."""
    assert_type(cache.blocks.get_or_render("menu", number), int)
    assert_type(await cache.pages.get_or_render(12, later, ttl=60, tags=["a"]), bytes)
    await cache.templates.put("article", {"a": 1})
    await cache.rendered.delete("x")
    assert_type(cache.placeholder("block:menu:1"), str)


def held(cache: Cache) -> None:
    """Purges can wait for a transaction."""
    with cache.hold(wait=2) as waiting:
        waiting.purge(tags=["a"])
    assert_type(cache.purge_sync(tags=["a"]), Purge)


def wsgi(application: Callable[..., list[bytes]]) -> None:
    """WSGI applications are wrapped in the same way."""
    wrapped = WSGICacheMiddleware(application, Config())
    assert_type(wrapped.cache, Cache)
    wrapped.cache.close()


def records() -> str:
    """What a page depends on, as a value."""
    depends = Dependencies(page_id=12, block_ids=("menu", 7), template_id=None, language="de")
    assert_type(depends.tags, tuple[str, ...])
    Dependencies(page_id=1.5)  # type: ignore[arg-type]
    return depends.header


def refused() -> str:
    """A wrong option is a `ValueError`."""
    try:
        Config(max_memory_mb=0)
    except ConfigError as error:
        assert_type(error.args, tuple[object, ...])  # type: ignore[assert-type]
        return str(error)
    return ""
