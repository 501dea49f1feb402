"""What django CMS adds to the cache's knowledge of Django: visitors see published versions, drafts are nobody's business."""

from __future__ import annotations

from cms.models import Page, PageContent, PageUrl, Placeholder
from djangocms_alias.models import Alias, AliasContent
from djangocms_versioning.constants import OPERATION_PUBLISH, OPERATION_UNPUBLISH, PUBLISHED
from djangocms_versioning.signals import post_version_operation

from cms_cache_mw import depends_on
from cms_cache_mw.contrib.django import Kind, purge, purge_row, register


class PageTags:
    """Middleware: a page has the tags `page:ID`, `lang:xx`, and `within:ID` for itself and each page above it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if response.status_code == 200 and (page := request.current_page):
            above = [page, *page.get_ancestor_pages()]
            depends_on(f"page:{page.pk}", f"lang:{request.LANGUAGE_CODE}", *(f"within:{one.pk}" for one in above))
        return response


class Content(Kind):
    """The content of a page or an alias in one language, of which visitors see the version that is published."""

    unseen = frozenset({"created_by", "creation_date", "changed_by", "changed_date"})

    def standing(self, row):
        return row.versions.filter(state=PUBLISHED).exists()


class Node(Kind):
    """A page, which is there when one of its contents is."""

    unseen = Content.unseen

    def standing(self, row):
        return PageContent.objects.filter(page=row).exists()


class Slot(Kind):
    """A placeholder; those of drafts are made and changed unseen."""

    def standing(self, row):
        return not hasattr(row.source, "versions") or row.source.versions.filter(state=PUBLISHED).exists()


class Address(Kind):
    """A URL of a page, which is found by its path."""

    def narrows(self, field):
        return field.name in {"path", "page"}


class Shared(Kind):
    """An alias, which templates find by its code."""

    narrowing = frozenset({"static_code"})


def on_version(operation, obj, unpublished=(), to_be_published=None, **_):
    """Purge what a version shows that comes or goes; where it takes another's place, what that one had in its placeholders."""
    if operation not in {OPERATION_PUBLISH, OPERATION_UNPUBLISH} or to_be_published:
        return
    content, before = obj.content, [version.content for version in unpublished]
    for placeholder in (before or [content])[0].placeholders.all():
        purge(f"cms.placeholder:{placeholder.pk}")
    if isinstance(content, PageContent):
        purge(f"page:{content.page_id}@{content.language}")
    if before and not _differ(before[0], content):
        return
    for row in (content, *before):
        purge_row(row)
    if isinstance(content, PageContent) and not before:
        purge_row(content.page)


def _differ(one, other):
    """Whether two versions differ in what menus and others show of them."""
    fields = {field.attname for field in one._meta.concrete_fields} - Content.unseen - {"id"}
    return any(getattr(one, name) != getattr(other, name) for name in fields)


def install():
    """Let the cache know; called when all models are there."""
    for model in (PageContent, AliasContent):
        register(model, Content)
    register(Page, Node)
    register(PageUrl, Address)
    register(Placeholder, Slot)
    register(Alias, Shared)
    post_version_operation.connect(on_version)
