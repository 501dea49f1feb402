"""The gazette's first content: two sites, two languages, a menu, pictures, a form and a page behind a password."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from io import BytesIO

from django.contrib.auth.models import User
from django.core.files.images import ImageFile
from django.db import connection
from django.utils import timezone
from gazette.models import Article, Author, Footer, Front, Inquiry, Menu, MenuItem, Question, Section
from PIL import Image
from wagtail.images import get_image_model
from wagtail.models import Collection, Locale, Page, PageViewRestriction, Site

SECTIONS = {"city": "City", "culture": "Culture", "science": "Science"}
ARTICLES = 40
PASSWORD = "gazette"
TEXT = "<p>The council met on Monday, and so did everybody else. Minutes are available on request.</p>"


def sow() -> None:
    """Write everything into an empty database."""
    _begin()
    User.objects.create_superuser("editor", "editor@example.org", PASSWORD)
    english = Locale.objects.create(language_code="en")
    german = Locale.objects.create(language_code="de")
    root = Page.add_root(instance=Page(title="Root", slug="root", locale=english))
    front = root.add_child(instance=Front(title="The gazette", slug="gazette", locale=english))
    books = root.add_child(
        instance=Section(title="The book shop", slug="books", intro="Open until six", locale=english)
    )
    Site.objects.create(hostname="localhost", port=8000, root_page=front, is_default_site=True, site_name="The gazette")
    Site.objects.create(hostname="books.localhost", port=8000, root_page=books, site_name="The book shop")
    for number in range(5):
        books.add_child(
            instance=Article(title=f"Shelf {number}", slug=f"shelf-{number}", intro="Second-hand", locale=english)
        )
    _gazette(front, english)
    menu = Menu.objects.create(title="main")
    form = front.add_child(instance=Inquiry(title="Write to us", slug="write", locale=english))
    Question.objects.create(page=form, label="Name", field_type="singleline")
    hidden = front.add_child(
        instance=Section(title="For members", slug="members", intro="Hello, member", locale=english)
    )
    PageViewRestriction.objects.create(page=hidden, restriction_type="password", password=PASSWORD)
    for page in (form, hidden):
        MenuItem.objects.create(menu=menu, page=page)
    Footer.objects.create(site=Site.objects.get(is_default_site=True), text="The gazette, since 1851")
    for number, page in enumerate(Page.objects.order_by("-path")):
        at = timezone.now() - timedelta(hours=number)
        Page.objects.filter(pk=page.pk).update(first_published_at=at, last_published_at=at)
    front.copy_for_translation(german).get_latest_revision().publish()
    for section in Section.objects.child_of(front).filter(slug__in=SECTIONS):
        section.copy_for_translation(german).get_latest_revision().publish()
        section.get_children().first().specific.copy_for_translation(german).get_latest_revision().publish()


def _begin() -> None:
    """What Wagtail's migrations would have written: the root of the collections and the index of the search."""
    Collection.add_root(name="Root")
    index = import_module("wagtail.search.migrations.0006_customise_indexentry").Migration
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE wagtailsearch_indexentry_fts")
        for operation in index.operations:
            for statement in getattr(operation, "database_operations", ()):
                cursor.execute(statement.sql)


def _gazette(front: Front, locale: Locale) -> None:
    authors = [Author.objects.create(name=name, locale=locale) for name in ("Ada", "Bob")]
    picture = BytesIO()
    Image.new("RGB", (640, 360), "#7a8").save(picture, "JPEG")
    image = get_image_model().objects.create(title="A field", file=ImageFile(picture, "field.jpg"))
    for slug, title in SECTIONS.items():
        section = front.add_child(instance=Section(title=title, slug=slug, show_in_menus=True, locale=locale))
        for number in range(ARTICLES):
            article = Article(
                title=f"{title} {number}",
                slug=f"{slug}-{number}",
                intro=f"What happened in {title.lower()} on day {number}",
                author=authors[number % 2],
                featured=number == 0,
                locale=locale,
                body=[("text", TEXT), ("image", image)] if number % 3 == 0 else [("text", TEXT)],
            )
            section.add_child(instance=article)
