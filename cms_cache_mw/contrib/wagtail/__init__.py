"""Wagtail behind the cache: beside `cms_cache_mw.contrib.django` among INSTALLED_APPS there is nothing to set."""

from __future__ import annotations

try:
    import wagtail as _  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError("cms_cache_mw.contrib.wagtail needs Wagtail: pip install 'cms_cache_mw[wagtail]'") from error
