"""System checks: what would make pages old, or keep them from being cached, said before anybody notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name

from cms_cache_mw.contrib.django.site import config
from cms_cache_mw.options import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cms_cache_mw.config import Config

OURS: Final = "cms_cache_mw.contrib.django.middleware.Dependencies"
_OWN_CACHE: Final = (
    "django.middleware.cache.FetchFromCacheMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
)


def found(**_: object) -> list[CheckMessage]:
    """Everything that is wrong with the settings."""
    try:
        options = config()
    except ConfigError as error:
        return [Error(f"CMS_CACHE: {error}", id="cms_cache.E001")]
    return [*_middleware(), *_options(options)]


def _middleware() -> Iterator[CheckMessage]:
    order = list(settings.MIDDLEWARE)
    if OURS not in order:
        yield Error(
            f"{OURS} is not in MIDDLEWARE: 404s and redirects would not be cached",
            hint=f"Put it first: MIDDLEWARE = [{OURS!r}, …]",
            id="cms_cache.E002",
        )
    elif order[0] != OURS:
        yield Error(
            f"{OURS} stands after {order[0]}, whose answers it does not see",
            hint=f"Put it first: MIDDLEWARE = [{OURS!r}, {order[0]!r}, …]",
            id="cms_cache.E003",
        )
    for name in _OWN_CACHE:
        if name in order:
            yield Warning(
                f"{name} stores pages as well, and no purge reaches it: its old pages would be stored again",
                hint="Take it out of MIDDLEWARE.",
                id="cms_cache.W004",
            )


def _options(options: Config) -> Iterator[CheckMessage]:
    if options.redis_url is None and not settings.DEBUG:
        yield Warning(
            "CMS_CACHE has no redis_url: a purge reaches one process, and none from manage.py",
            hint='CMS_CACHE = {"redis_url": "redis://localhost:6379/0"}',
            id="cms_cache.W005",
        )
    if not options.tokens and not settings.DEBUG:
        yield Warning(
            f"CMS_CACHE has no admin_token: there is nothing under {options.admin_path}",
            hint='CMS_CACHE = {"admin_token": "…"}, or the variable CMS_CACHE_ADMIN_TOKEN',
            id="cms_cache.W006",
        )
    backend = settings.CACHES.get("default", {}).get("BACKEND", "")
    if options.redis_url and backend.endswith("LocMemCache") and not settings.DEBUG:
        yield Warning(
            "CACHES['default'] is LocMemCache: what {% cache %} and others keep there differs from worker to worker, and no"
            " purge reaches it",
            hint="Use django.core.cache.backends.redis.RedisCache, and {% cms_cache %} in place of {% cache %}.",
            id="cms_cache.W007",
        )
