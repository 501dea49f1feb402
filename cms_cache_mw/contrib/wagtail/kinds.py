"""Wagtail's models: images, snippets with drafts and translations, redirects, and what no visitor sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from wagtail.contrib.settings.models import BaseGenericSetting, BaseSiteSetting
from wagtail.images.models import AbstractImage, AbstractRendition
from wagtail.models import DraftStateMixin, Locale, RevisionMixin, Site, TranslatableMixin

from cms_cache_mw.contrib.django.kinds import Kind, leave_out, register
from cms_cache_mw.contrib.django.writes import WHOLE
from cms_cache_mw.core.tags import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

SITES = "sites"
"""The tag of every answer: hosts, roots and languages decide what any URL is."""
UNSEEN = frozenset(
    {
        *("latest_revision", "live_revision", "has_unpublished_changes", "latest_revision_created_at", "draft_title"),
        *("locked", "locked_at", "locked_by", "last_login"),
    }
)
"""What saving a draft changes."""
_BEHIND = (
    *("revision", "referenceindex", "modellogentry", "pagelogentry", "uploadedfile", "pagesubscription"),
    *("comment", "commentreply", "task", "taskstate", "groupapprovaltask", "workflow", "workflowtask", "workflowpage"),
    *("workflowstate", "workflowcontenttype", "grouppagepermission", "groupcollectionpermission"),
    *("groupsitepermission", "site", "locale", "collectionviewrestriction"),
)


class SnippetKind(Kind):
    """What has drafts, revisions or translations."""

    unseen = UNSEEN
    revised = True
    narrowing = frozenset({"translation_key"})

    def standing(self, row: Any) -> bool:  # noqa: ANN401 - any row
        """Whether it is published."""
        return bool(row.live) if isinstance(row, DraftStateMixin) else True


class ImageKind(Kind):
    """Images; their renditions follow from them."""

    def loaded(self, pk: object) -> tuple[str, ...]:
        """`image:ID` alone."""
        return (self.shown(pk),)

    def shown(self, pk: object) -> str:
        """`image:ID`."""
        return f"image:{pk}"

    def changed(self, row: Any, fields: Iterable[str]) -> set[str]:  # noqa: ANN401 - any row
        """`image:ID` too."""
        return {f"image:{row.pk}", *super().changed(row, fields)}


class SettingKind(SnippetKind):
    """Settings of a site, or of all."""

    implied = True


def install() -> None:
    """Make them known."""
    leave_out(
        "wagtailsearch", "wagtailembeds", "wagtailusers", "wagtailadmin", *(f"wagtailcore.{name}" for name in _BEHIND)
    )
    leave_out(*(model._meta.label_lower for model in apps.get_models() if issubclass(model, AbstractRendition)))
    for mixin in (DraftStateMixin, RevisionMixin, TranslatableMixin):
        register(mixin, SnippetKind)
    register(AbstractImage, ImageKind)
    for setting in (BaseSiteSetting, BaseGenericSetting):
        register(setting, SettingKind)
    # A host, a root or a language: all URLs change with it, in fragments, too, which are no site's.
    WHOLE.update((Site, Locale))


def tag(kind: str, *parts: object) -> str:
    """A tag of Wagtail's own."""
    return spelled(":".join((kind, *map(str, parts))))
