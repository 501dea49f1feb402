"""The tree of pages: what is above and below one, where it is, and what moves with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wagtail.models import Page, Site
from wagtail.signals import post_page_move

from cms_cache_mw.collecting import apart
from cms_cache_mw.contrib.django.kinds import kind_of
from cms_cache_mw.contrib.django.purging import purge
from cms_cache_mw.contrib.wagtail.kinds import SITES, tag

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BELOW: Final = 5_000
"""Pages below one that moves, up to which each is named; with more all of the sites go."""


def install() -> None:
    """Listen to moves."""
    post_page_move.connect(_moved, dispatch_uid="cms_cache_mw")


def above(path: str) -> list[int]:
    """The ids of the pages on the way down to a path, the last one included where there is one."""
    steps = [path[: at + Page.steplen] for at in range(0, len(path), Page.steplen)]
    with apart():
        return list(Page._base_manager.filter(path__in=steps).order_by("depth").values_list("pk", flat=True))


def below(page: Any) -> set[str]:  # noqa: ANN401 - a page
    """The tags of what depends on the URL of a page or of one below it."""
    with apart():
        inside = Page._base_manager.filter(path__startswith=page.path).values_list("pk", flat=True)[: MOST_BELOW + 1]
        ids = list(inside)
    if len(ids) > MOST_BELOW:
        return {SITES}
    return {tag("within", page.pk)} | {tag("url", i) for i in ids}


def places(page: Any) -> Iterator[tuple[int, str | None]]:  # noqa: ANN401 - a page
    """The sites that a page is on, each with its path there, or `None` where that takes a request to tell."""
    with apart():
        roots = [root for root in Site.get_site_root_paths() if page.url_path.startswith(root.root_path)]
        parts = page.get_url_parts() if roots else None
    for number in {root.site_id for root in roots}:
        yield number, parts[2] if parts and parts[0] == number else None


def missing(page: Any) -> set[str]:  # noqa: ANN401 - a page
    """The tags of the 404s at a page's URL and below it."""
    return {tag("404", site) if path is None else tag("404", site, _slashed(path)) for site, path in places(page)}


def missed(site: object, path: str) -> set[str]:
    """The tags of a 404: its site, its path and all above that."""
    parts = _slashed(path).split("/")[1:-1]
    ways = ["/", *("/" + "/".join(parts[: n + 1]) + "/" for n in range(len(parts)))]
    return {tag("404", site), *(tag("404", site, way) for way in ways[:20])}


def sitemaps(page: Any) -> set[str]:  # noqa: ANN401 - a page
    """The tags of the sitemaps that a page is in."""
    return {tag("sitemap", site) for site, _ in places(page)}


def _slashed(path: str) -> str:
    return path if path.endswith("/") else path + "/"


def _moved(
    instance: Any,  # noqa: ANN401 - a page
    parent_page_before: Any,  # noqa: ANN401 - a page
    url_path_before: str,
    url_path_after: str,
    **_: object,
) -> None:
    """Purge what shows the page where it was or is, and where its URL changed all below it."""
    kind = kind_of(type(instance))
    assert kind is not None
    with apart():
        page = Page._base_manager.get(pk=instance.pk)
        tags = kind.scopes(page) | {tag("children", parent_page_before.pk), *sitemaps(page)}
        tags |= {tag("tree", number) for number in above(parent_page_before.path)}
        if url_path_before != url_path_after:
            tags |= {tag("page", page.pk)} | below(page) | missing(page)
    purge(*tags, *(f"{name}.*" for name in kind.scopes(page)))
