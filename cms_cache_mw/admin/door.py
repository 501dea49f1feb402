"""The way to the endpoints: where no token opens them nothing of them is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cms_cache_mw.admin.api import Admin
    from cms_cache_mw.cache import Cache


def opened(cache: Cache) -> Admin | None:
    """The endpoints of a cache, if it has a token."""
    if not cache.config.tokens:
        return None
    from cms_cache_mw.admin.api import Admin  # noqa: PLC0415 - a third of what importing the package would take

    return Admin(cache)
