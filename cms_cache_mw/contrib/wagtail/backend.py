"""A backend for `wagtail.contrib.frontend_cache`: what others purge by URL is purged here, too, once it is committed.

WAGTAILFRONTENDCACHE = {"default": {"BACKEND": "cms_cache_mw.contrib.wagtail.backend.Backend"}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wagtail.contrib.frontend_cache.backends import BaseBackend

from cms_cache_mw.contrib.django.purging import purge
from cms_cache_mw.core.target import MAX_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable


class Backend(BaseBackend):
    """Purges URLs in the cache of this project."""

    def purge(self, url: str) -> None:
        """Purge one URL."""
        self.purge_batch([url])

    def purge_batch(self, urls: Iterable[str]) -> None:
        """Purge URLs, in one purge."""
        whole = list(urls)
        for at in range(0, len(whole), MAX_TARGETS):
            purge(urls=whole[at : at + MAX_TARGETS])
