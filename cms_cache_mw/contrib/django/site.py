"""The one cache of this process, made of `settings.CMS_CACHE`: around the application in a worker, alone in a command."""

from __future__ import annotations

import threading
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.asgi import CacheMiddleware
from cms_cache_mw.cache import Cache
from cms_cache_mw.config import Config
from cms_cache_mw.wsgi import WSGICacheMiddleware

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES: Final = (200, 301, 302, 308, 404, 410)
"""What a site's visitors ask for again and again; other than 200 only with tags."""
OWN: Final = ("untracked_models",)
"""Keys of `CMS_CACHE` that are about Django and no options of the cache."""

_lock = threading.Lock()
_caches: list[Cache] = []


def get_wsgi_application() -> WSGICacheMiddleware:
    """Django's WSGI application behind the cache."""
    from django.core.wsgi import get_wsgi_application as plain  # noqa: PLC0415 - sets Django up when called

    wrapped = cached(plain())
    assert isinstance(wrapped, WSGICacheMiddleware)
    return wrapped


def get_asgi_application() -> CacheMiddleware:
    """Django's ASGI application behind the cache."""
    from django.core.asgi import get_asgi_application as plain  # noqa: PLC0415 - the same

    wrapped = cached(plain())
    assert isinstance(wrapped, CacheMiddleware)
    return wrapped


def cached(application: Any) -> CacheMiddleware | WSGICacheMiddleware:  # noqa: ANN401 - either kind
    """An ASGI or WSGI application of Django's, whatever is around it already, behind the cache of this process."""
    asynchronous = iscoroutinefunction(application) or iscoroutinefunction(type(application).__call__)
    wrapped = (CacheMiddleware if asynchronous else WSGICacheMiddleware)(application, config())
    with _lock:
        earlier = _caches[:]
        _caches[:] = [wrapped.cache]
    for cache_ in earlier:
        cache_.close()
    return wrapped


def cache() -> Cache:
    """The cache of this process; a management command has one of its own, which purges through Redis."""
    with _lock:
        if not _caches:
            _caches.append(Cache(config()))
        return _caches[0]


def config() -> Config:
    """The options: `settings.CMS_CACHE`, then `CMS_CACHE_…` variables, then what follows from Django's own settings."""
    from django.conf import settings  # noqa: PLC0415 - not to be read before they are there

    given = {name: value for name, value in chosen().items() if name not in OWN}
    anonymous = () if settings.CSRF_USE_SESSIONS else (settings.CSRF_COOKIE_NAME,)
    localised = any(name.endswith("LocaleMiddleware") for name in settings.MIDDLEWARE)
    implied: dict[str, Any] = {
        "store_statuses": STATUSES,
        "anonymous_cookies": anonymous,
        "keyed_cookies": (settings.LANGUAGE_COOKIE_NAME,) if localised else (),
    }
    from_variables = Config.from_env()
    plain = Config()
    for name in implied:
        if getattr(from_variables, name) != getattr(plain, name):
            implied[name] = getattr(from_variables, name)
    return Config.from_env(**(implied | given))


def chosen() -> Mapping[str, Any]:
    """`settings.CMS_CACHE`, which may be left out."""
    from django.conf import settings  # noqa: PLC0415 - the same

    found: Mapping[str, Any] = getattr(settings, "CMS_CACHE", {})
    return found
