"""The audit: renders pages and compares what they depend on with what Wagtail's own reference index says they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib.contenttypes.models import ContentType
from django.test import RequestFactory
from wagtail.models import Page, ReferenceIndex

from cms_cache_mw.collecting import Collector, apart
from cms_cache_mw.contrib.django.kinds import kind_of
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cms_cache_mw.cache import Cache


def untagged(cache: Cache, answer: Callable[[Any], Any], urls: Iterable[str]) -> Iterator[tuple[str, set[str]]]:
    """URLs with the tags of what they refer to and do not depend on; all live pages where none is given.

    What a page refers to and its template does not show is reported, too: the index knows contents, not templates.
    """
    asked = set(urls)
    for page in Page.objects.live().specific().iterator():
        with apart():
            url = page.full_url
        if url is None or (asked and url not in asked):
            continue
        missing = referred(page) - tags_of(cache, answer, url)
        if missing:
            yield url, missing


def tags_of(cache: Cache, answer: Callable[[Any], Any], url: str) -> set[str]:
    """What the answer at a URL depends on; `page:7` stands for `page:7.body` too."""
    parts = urlsplit(url)
    request = RequestFactory(SERVER_NAME=parts.hostname or "localhost").get(
        parts.path or "/", headers={"host": parts.netloc}
    )
    collector = Collector(boottime)
    with cache.rendering(collector):
        answer(request).close()
    return {tag.partition(".")[0] if tag.startswith("page:") else tag for tag in collector.tags}


def referred(page: Any) -> set[str]:  # noqa: ANN401 - a page
    """The tags of the pages, images, documents and snippets that a page's content refers to."""
    found = set()
    index = ReferenceIndex.get_references_for_object(page)
    for content_type, pk in index.values_list("to_content_type", "to_object_id"):
        model = ContentType.objects.get_for_id(content_type).model_class()
        if model is not None and (kind := kind_of(model)):
            found.add(kind.shown(pk))
    return found
