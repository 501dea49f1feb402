"""What is no page: the feed and the search."""

from __future__ import annotations

from django.contrib.syndication.views import Feed
from django.shortcuts import render
from gazette.models import Article
from wagtail.models import Locale


class Articles(Feed):
    """The ten newest articles."""

    title, link, description = "The gazette", "/", "All articles"

    def items(self):
        """Newest first."""
        return Article.objects.live().order_by("-first_published_at")[:10]

    def item_description(self, item):
        """The intro."""
        return item.intro

    def item_link(self, item):
        """Where it is."""
        return item.url


def search(request):
    """Articles in the visitor's language."""
    query = request.GET.get("query", "")
    articles = Article.objects.live().filter(locale=Locale.get_active())
    found = articles.search(query)[:20] if query else ()
    return render(request, "gazette/search.html", {"query": query, "found": found})
