"""Redirects: what is looked for at a path depends on the redirect from that path, whether there is one or not."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.utils.encoding import uri_to_iri

from cms_cache_mw.collecting import apart, current
from cms_cache_mw.contrib.django.kinds import Kind, register
from cms_cache_mw.contrib.wagtail.kinds import tag

if TYPE_CHECKING:
    from collections.abc import Iterable


class RedirectKind(Kind):
    """Redirects, which are known by where they lead from."""

    def scopes(self, row: Any) -> set[str]:  # noqa: ANN401 - a redirect
        """`redirect:PATH`."""
        return {tag("redirect", row.old_path)}

    def changed(self, row: Any, fields: Iterable[str]) -> set[str]:  # noqa: ANN401, ARG002 - a redirect
        """The same, however it changes."""
        return {tag("redirect", row.old_path)}


def install() -> None:
    """Listen to the look-ups of `wagtail.contrib.redirects`, where it is installed."""
    if not apps.is_installed("wagtail.contrib.redirects"):
        return
    from wagtail.contrib.redirects import middleware, models  # noqa: PLC0415 - only where it is installed

    register(models.Redirect, RedirectKind)
    plain: Any = middleware.get_redirect
    if hasattr(plain, "heard"):
        return

    @wraps(plain)
    def get_redirect(request: Any, path: str) -> Any:  # noqa: ANN401 - Wagtail's own
        with apart():
            found = plain(request, path)
        if (collector := current()) is not None:
            if found is not None:
                # The page that says there is nothing here is thrown away, and with it what it showed.
                collector.tags.clear()
            collector.tags.update({tag("redirect", path), tag("redirect", uri_to_iri(path))})
        return found

    get_redirect.heard = True  # type: ignore[attr-defined]
    middleware.get_redirect = get_redirect
