"""What is in the almanac at first, and how an editor writes a page."""

from __future__ import annotations

from cms.api import add_plugin, create_page, create_page_content
from cms.models import PageContent
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sites.models import Site
from django.core.management import call_command
from django.db import transaction
from djangocms_alias.models import Alias, AliasContent, Category
from djangocms_versioning.models import Version


def fill() -> None:
    """Make the tables, an editor, and published pages with a footer."""
    # The tables as the models have them: all the migrations would take half a minute.
    settings.MIGRATION_MODULES = {config.label: None for config in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    with transaction.atomic():
        Site.objects.update_or_create(pk=1, defaults={"domain": "localhost", "name": "The almanac"})
        editor = User.objects.create_superuser("editor", password="almanac")
        footer = Alias.objects.create(category=Category.objects.create(name="All pages"), static_code="footer")
        content = AliasContent.objects.with_user(editor).create(alias=footer, name="Footer", language="en")
        publish(content, editor, "All seasons reserved.")
        written("Almanac", editor).set_as_homepage()
        for season in ("Spring", "Summer"):
            written(f"{season} in the garden", editor, written(season, editor))
        front = PageContent.objects.get(title="Almanac").page
        publish(create_page_content("de", "Kalender", front, created_by=editor), editor, "Alle Jahreszeiten.")


def written(title, editor, parent=None):
    """A page with a passage, published."""
    page = create_page(title, "almanac/page.html", "en", created_by=editor, parent=parent, in_navigation=parent is None)
    publish(PageContent.admin_manager.get(page=page, language="en"), editor, f"About {title}.")
    return page


def publish(content, editor, text):
    """Put a passage into the only placeholder of a content, and publish it."""
    (placeholder,) = content.get_placeholders()
    add_plugin(placeholder, "PassagePlugin", content.language, text=text)
    Version.objects.get_for_content(content).publish(editor)
