"""In Wagtail's editor: how many copies of a page are cached, when they were purged last, and a way to purge them now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import permission_required
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from wagtail import hooks
from wagtail.admin.panels import Panel
from wagtail.models import Page

from cms_cache_mw.contrib.django.purging import purge
from cms_cache_mw.contrib.django.site import cache
from cms_cache_mw.contrib.wagtail.kinds import tag
from cms_cache_mw.core.target import Target
from cms_cache_mw.runtime import drive
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping


def install() -> None:
    """Add the panel to the tab of promotion, and the view that it leads to."""
    if not any(isinstance(panel, CachePanel) for panel in Page.promote_panels):
        Page.promote_panels = [*Page.promote_panels, CachePanel(heading="Page cache")]
        hooks.register("register_admin_urls", _addresses)


class CachePanel(Panel):
    """Says what is cached of the page."""

    class BoundPanel(Panel.BoundPanel):
        """The panel of one page."""

        template_name = "cms_cache_wagtail/panel.html"

        def get_context_data(self, parent_context: Mapping[str, Any] | None = None) -> dict[str, Any]:
            """The usual, with what is cached."""
            context: dict[str, Any] = super().get_context_data(parent_context)
            if self.instance.pk:
                context |= known(self.instance.pk)
            return context


def known(pk: int) -> dict[str, Any]:
    """How many copies of a page there are, its last purge, and where to purge it."""
    name = tag("page", pk)
    copies = drive(cache().preview(Target(tags=(name,))))
    return {"copies": copies.entries, "last": _last(name), "address": reverse("cms_cache_page", args=[pk])}


def _last(name: str) -> str:
    """When a tag was purged last, by the purge log, which is not endless."""
    if cache().config.redis_url is None:
        return ""
    try:
        return next((account.at for account in drive(cache().parts.history.purges()) if name in account.tags), "")
    except StoreError:
        return ""


@permission_required("wagtailadmin.access_admin", login_url="wagtailadmin_login")
def page(request: Any, pk: int) -> Any:  # noqa: ANN401 - Django's own
    """The view: what is cached of a page; a POST purges it."""
    found = get_object_or_404(Page, pk=pk)
    if not found.permissions_for_user(request.user).can_edit():
        return redirect("wagtailadmin_home")
    if request.method == "POST":
        purge(tag("page", pk))
        return redirect("wagtailadmin_pages:edit", pk)
    return render(request, "cms_cache_wagtail/page.html", {"page": found, **known(pk)})


def _addresses() -> list[Any]:
    return [path("cms-cache/page/<int:pk>/", page, name="cms_cache_page")]
