"""The articles as a feed."""

from __future__ import annotations

from django.contrib.syndication.views import Feed
from magazine.models import Article


class Articles(Feed):
    """The ten newest articles."""

    title, link, description = "Articles", "/", "All articles"

    def items(self) -> object:
        """Newest first."""
        return Article.objects.live().order_by("-first_published_at")[:10]

    def item_description(self, item: Article) -> str:
        """The intro."""
        return item.intro

    def item_link(self, item: Article) -> str:
        """Where it is."""
        return item.url
