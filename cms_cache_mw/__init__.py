"""A page cache for any CMS: the worker's memory, then Redis, then the application; and purges that are done when they say so."""

from __future__ import annotations

from cms_cache_mw.asgi import CacheMiddleware
from cms_cache_mw.cache import Cache
from cms_cache_mw.collecting import depends_on
from cms_cache_mw.config import Config
from cms_cache_mw.dependencies import Dependencies
from cms_cache_mw.fragments.decorator import fragment
from cms_cache_mw.options import ConfigError
from cms_cache_mw.wsgi import WSGICacheMiddleware

__all__ = [
    "Cache",
    "CacheMiddleware",
    "Config",
    "ConfigError",
    "Dependencies",
    "WSGICacheMiddleware",
    "depends_on",
    "fragment",
]
