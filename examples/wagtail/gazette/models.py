"""Pages that list, feature, link and show; snippets, a menu, a setting and a form."""

from __future__ import annotations

from django.db import models
from modelcluster.contrib.taggit import ClusterTaggableManager
from modelcluster.fields import ParentalKey
from taggit.models import TaggedItemBase
from wagtail.blocks import PageChooserBlock, RichTextBlock
from wagtail.contrib.forms.models import AbstractEmailForm, AbstractFormField
from wagtail.contrib.settings.models import BaseSiteSetting, register_setting
from wagtail.fields import StreamField
from wagtail.images.blocks import ImageChooserBlock
from wagtail.models import DraftStateMixin, Orderable, Page, RevisionMixin, TranslatableMixin
from wagtail.snippets.blocks import SnippetChooserBlock
from wagtail.snippets.models import register_snippet


@register_snippet
class Author(DraftStateMixin, RevisionMixin, TranslatableMixin, models.Model):
    """A snippet with drafts."""

    name = models.CharField(max_length=80)
    secret = models.CharField(max_length=80, blank=True)

    class Meta(TranslatableMixin.Meta):
        """One for each language."""


@register_snippet
class Menu(models.Model):
    """A menu that editors put together."""

    title = models.CharField(max_length=80)


class MenuItem(models.Model):
    """An entry of a menu."""

    menu = models.ForeignKey(Menu, models.CASCADE, related_name="items")
    page = models.ForeignKey(Page, models.CASCADE, related_name="+")


@register_setting
class Footer(BaseSiteSetting):
    """A setting of a site."""

    text = models.CharField(max_length=80, default="All rights reserved")


class Section(Page):
    """A section, which lists the articles below it."""

    intro = models.CharField(max_length=80, blank=True)


class ArticleTag(TaggedItemBase):
    """A tag of an article."""

    content_object = ParentalKey("Article", related_name="tagged_items", on_delete=models.CASCADE)


class Article(Page):
    """An article with a body of blocks, tags and pictures."""

    intro = models.CharField(max_length=80, blank=True)
    featured = models.BooleanField(default=False)
    author = models.ForeignKey(Author, models.SET_NULL, null=True, blank=True, related_name="+")
    body = StreamField(
        [
            ("text", RichTextBlock()),
            ("image", ImageChooserBlock()),
            ("author", SnippetChooserBlock(Author)),
            ("page", PageChooserBlock()),
        ],
        blank=True,
    )
    tags = ClusterTaggableManager(through=ArticleTag, blank=True)


class Picture(Orderable):
    """A picture of an article's gallery."""

    article = ParentalKey(Article, on_delete=models.CASCADE, related_name="pictures")
    caption = models.CharField(max_length=80)


class Front(Page):
    """A front page with the featured articles and the newest ones."""

    def get_context(self, request: object) -> dict[str, object]:
        """The usual, and two lists."""
        articles = Article.objects.live().public()
        return super().get_context(request) | {
            "featured": articles.filter(featured=True).order_by("title"),
            "newest": articles.order_by("-first_published_at")[:2],
        }


class Question(AbstractFormField):
    """A field of a form page."""

    page = ParentalKey("Inquiry", related_name="form_fields", on_delete=models.CASCADE)


class Inquiry(AbstractEmailForm):
    """A page with a form."""
