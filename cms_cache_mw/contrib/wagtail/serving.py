"""How Wagtail answers a request: what it looks at on the way to a page is no dependency of the page, and what it is, is one."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from django.conf import settings
from django.contrib.sitemaps import views as plain_sitemaps
from wagtail import hooks
from wagtail.models import Page, PageViewRestriction, Site

from cms_cache_mw.collecting import apart, current
from cms_cache_mw.contrib.django import middleware
from cms_cache_mw.contrib.wagtail.kinds import SITES, tag
from cms_cache_mw.contrib.wagtail.pages import on_render
from cms_cache_mw.contrib.wagtail.tree import missed

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.collecting import Collector

FEEDS: Final = ("application/rss+xml", "application/atom+xml")
_roots: WeakKeyDictionary[Collector, Any] = WeakKeyDictionary()


def install() -> None:
    """Listen, once."""
    if said in middleware.sayers:
        return
    middleware.sayers.append(said)
    hooks.register("before_serve_page", _serving)
    for owner, name in ((Page, "route_for_request"), (Site, "find_for_request")):
        setattr(owner, name, staticmethod(_unheard(getattr(owner, name))))
    Page.get_view_restrictions = _unheard(Page.get_view_restrictions)
    Site.get_site_root_paths = staticmethod(_current(Site.get_site_root_paths))


def said(request: Any, response: Any) -> set[str]:  # noqa: ANN401 - Django's own
    """The tags of an answer: its site, and what it is other than a page."""
    with apart():
        site = Site.find_for_request(request)
    number = site.pk if site else "-"
    found = {SITES, tag("site", number)}
    view = getattr(request.resolver_match, "func", None)
    module = getattr(view, "__module__", "")
    if module in {plain_sitemaps.__name__, "wagtail.contrib.sitemaps.views"}:
        if (collector := current()) is not None:
            # All pages of the site are in it: one tag stands for them.
            collector.tags.clear()
        found |= {tag("sitemap", number), PageViewRestriction._meta.label_lower}
    if response.headers.get("Content-Type", "").partition(";")[0] in FEEDS:
        found.add(tag("feed", number))
    if response.status_code in middleware.GONE or response.status_code in middleware.REDIRECTS:
        found |= missed(number, request.path)
    if response.status_code in middleware.REDIRECTS:
        found.add(tag("redirects", number))
    return found


def _serving(page: Any, *_: object) -> None:  # noqa: ANN401 - a page
    on_render(page)


def _unheard(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose reads are nobody's dependencies."""

    @wraps(plain)
    def wrapped(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Wagtail's own
        with apart():
            return plain(*args, **kwargs)

    return wrapped


def _current(plain: Callable[[], Any]) -> Callable[[], Any]:
    """The sites' roots as they are now: a worker that remembers them by itself would not hear that another has changed them."""

    @wraps(plain)
    def get_site_root_paths() -> Any:  # noqa: ANN401 - Wagtail's own
        collector = current()
        if (found := _roots.get(collector) if collector else None) is not None:
            return found
        with apart():
            if settings.CACHES["default"]["BACKEND"].endswith("LocMemCache"):
                Site.clear_site_root_paths_cache()
            found = plain()
        if collector:
            _roots[collector] = found
        return found

    return get_site_root_paths
