"""Django behind the cache: wrap the application in one line, and what its pages read from the database is what they depend on.

    from cms_cache_mw.contrib.django import get_wsgi_application

in place of Django's own, `cms_cache_mw.contrib.django` among INSTALLED_APPS, the middleware first, and `CMS_CACHE` in the settings.
"""

from __future__ import annotations

try:
    import django as _  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError("cms_cache_mw.contrib.django needs Django: pip install 'cms_cache_mw[django]'") from error

from cms_cache_mw.contrib.django.kinds import Kind, register
from cms_cache_mw.contrib.django.purging import apurge, purge, purged_with
from cms_cache_mw.contrib.django.site import cache, cached, get_asgi_application, get_wsgi_application
from cms_cache_mw.contrib.django.writes import purge_row

__all__ = [
    "Kind",
    "apurge",
    "cache",
    "cached",
    "get_asgi_application",
    "get_wsgi_application",
    "purge",
    "purge_row",
    "purged_with",
    "register",
]
