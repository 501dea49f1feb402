"""A real Wagtail project, made by `wagtail start`, with the lines of `docs/wagtail.md` and the application `magazine` added.

`Project` builds it once; `Editing` is a process with its models and without its middleware, such as a management command is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]

DOCUMENTED: Final = """
INSTALLED_APPS += ["cms_cache_mw.contrib.django", "cms_cache_mw.contrib.wagtail"]
MIDDLEWARE = ["cms_cache_mw.contrib.django.middleware.Dependencies", *MIDDLEWARE]
CMS_CACHE = {"admin_token": "secret-of-the-tests"}
"""
"""The lines that the documentation has people add to their settings; `redis_url` comes from the environment."""
MAGAZINE: Final = """
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS += ["magazine", "wagtail.contrib.settings", "django.contrib.sitemaps", "wagtail.contrib.sitemaps", "wagtail.contrib.simple_translation"]
MIDDLEWARE.insert(3, "django.middleware.locale.LocaleMiddleware")
WAGTAIL_I18N_ENABLED = True
LANGUAGES = WAGTAIL_CONTENT_LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_CODE = "en"
TEMPLATES[0]["OPTIONS"]["context_processors"].append("wagtail.contrib.settings.context_processors.settings")
DATABASES["default"]["OPTIONS"] = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
MIGRATION_MODULES = {name.rpartition(".")[2]: None for name in INSTALLED_APPS} | {
    "wagtailcore": None, "wagtailimages": None, "wagtaildocs": None, "wagtailembeds": None, "wagtailforms": None,
    "wagtailredirects": None, "wagtailusers": None, "wagtailadmin": None,
}
MIGRATION_MODULES["search"] = MIGRATION_MODULES["wagtailsearch"] = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""
URLS: Final = """
from django.conf.urls.i18n import i18n_patterns
from wagtail.contrib.sitemaps.views import sitemap
from magazine.feeds import Articles

urlpatterns = [path("sitemap.xml", sitemap), path("feed/", Articles()), *urlpatterns[:-1]]
urlpatterns += i18n_patterns(path("", include(wagtail_urls)))
"""
SEED: Final = """
from importlib import import_module
from django.db import connection
index = import_module("wagtail.search.migrations.0006_customise_indexentry").Migration
connection.cursor().execute("DROP TABLE wagtailsearch_indexentry_fts")
for operation in index.operations:
    for statement in getattr(operation, "database_operations", ()):
        connection.cursor().execute(statement.sql)
from django.contrib.auth.models import User
from wagtail.images.tests.utils import get_test_image_file
from wagtail.images import get_image_model
User.objects.create_superuser("editor", "editor@example.org", "editor")
Collection.add_root(name="Root")
locale = Locale.objects.create(language_code="en")
german = Locale.objects.create(language_code="de")
root = Page.add_root(instance=Page(title="Root", slug="root", locale=locale))
front = root.add_child(instance=Front(title="Front", slug="front", locale=locale))
Site.objects.create(hostname="localhost", root_page=front, is_default_site=True)
ada = Author.objects.create(name="Ada", locale=locale)
bob = Author.objects.create(name="Bob", locale=locale)
picture = get_image_model().objects.create(title="A picture", file=get_test_image_file())
for s in range(SECTIONS):
    section = front.add_child(instance=Section(title=f"Section {s}", slug=f"s{s}", show_in_menus=True, locale=locale))
    for a in range(ARTICLES):
        section.add_child(instance=Article(title=f"Article {s}.{a}", slug=f"a{a}", intro=f"Intro {s}.{a}", locale=locale,
            author=ada if a % 2 else bob, featured=a == 0 and s == 0,
            body=[("image", picture)] if a == 1 else [("page", section)] if a == 2 else [("text", f"<p>Body {a}</p>")]))
front.add_child(instance=Section(title="Empty", slug="empty", locale=locale))
form = front.add_child(instance=Inquiry(title="Form", slug="form", locale=locale))
Question.objects.create(page=form, label="Name", field_type="singleline")
menu = Menu.objects.create(title="main")
MenuItem.objects.create(menu=menu, page=Article.objects.get(url_path="/front/s0/a3/"))
deutsch = front.copy_for_translation(german); deutsch.get_latest_revision().publish()
one = Article.objects.get(url_path="/front/s0/a0/")
Section.objects.get(slug="s0").copy_for_translation(german, alias=False).get_latest_revision().publish()
one.copy_for_translation(german).get_latest_revision().publish()
from datetime import timedelta
for number, page in enumerate(Page.objects.order_by("path")):
    at = timezone.now() - timedelta(days=number)
    Page.objects.filter(pk=page.pk).update(first_published_at=at, last_published_at=at)
"""


STILL: Final = {
    "CMS_CACHE_WARM_ON_START": "false",
    "CMS_CACHE_REFRESH_AHEAD": "false",
    "CMS_CACHE_FLAGS": "warmth=false",
}
"""What is purged stays away: nothing is rendered but for visitors."""


class Project:
    """The project in a folder of its own. `environment` is what its processes run with."""

    def __init__(self, folder: Path, *, sections: int = 3, articles: int = 8, more: str = "") -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("CMS_CACHE_", "DJANGO_"))} | {
            "PYTHONPATH": f"{folder}:{ROOT}",
            "DJANGO_SETTINGS_MODULE": "mysite.settings.dev",
            "PYTHONWARNINGS": "ignore",
        }
        self._call("-m", "wagtail.bin.wagtail", "start", "mysite", str(folder))
        shutil.copytree(HERE / "magazine", folder / "magazine", ignore=shutil.ignore_patterns("__pycache__"))
        self._append("mysite/settings/base.py", DOCUMENTED + MAGAZINE + more)
        self._append("mysite/urls.py", URLS)
        wsgi = folder / "mysite/wsgi.py"
        wsgi.write_text(wsgi.read_text().replace("from django.core.wsgi", "from cms_cache_mw.contrib.django"))
        (folder / "mysite/asgi.py").write_text(wsgi.read_text().replace("wsgi", "asgi"))
        with Editing(self) as editing:
            # The tables as the models have them: hundreds of migrations take half a minute.
            editing.run(
                "from django.core.management import call_command\ncall_command('migrate', run_syncdb=True, verbosity=0)"
            )
            editing.run(f"SECTIONS, ARTICLES = {sections}, {articles}\n" + SEED)
        self._seeded = (folder / "db.sqlite3").read_bytes()

    def reset(self) -> None:
        """Give the database the state it had when it was built."""
        for path in self.folder.glob("db.sqlite3-*"):
            path.unlink()
        (self.folder / "db.sqlite3").write_bytes(self._seeded)

    def manage(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The outcome of a management command."""
        return subprocess.run(
            [sys.executable, str(self.folder / "manage.py"), *words],
            cwd=self.folder,
            env=self.environment | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def _call(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _append(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(path.read_text() + text)


START: Final = """
import django
django.setup()
from django.db import transaction
from django.utils import timezone
from wagtail.models import *
from magazine.models import *
from wagtail.contrib.redirects.models import Redirect
"""
_PROGRAM: Final = """
import json, sys, traceback
scope = {}
for line in sys.stdin:
    try:
        exec(json.loads(line), scope)
        answer = {"result": scope.pop("result", None)}
    except BaseException:
        answer = {"error": traceback.format_exc()}
    print("\\x00" + json.dumps(answer, default=str), flush=True)
"""


class Place(Protocol):
    """Where code runs, and with which variables."""

    folder: Path
    environment: dict[str, str]


class Editing:
    """A process that edits the site as a script does; use it in a `with`."""

    def __init__(self, project: Place, env: Mapping[str, str] | None = None, start: str = START) -> None:
        self._log = (project.folder / "editing.log").open("a")
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            cwd=project.folder,
            env=project.environment | dict(env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        try:
            self.run(start)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._popen.stdin
        assert self._popen.stdout
        self._popen.stdin.close()
        self._popen.wait(30)
        self._popen.stdout.close()
        self._log.close()

    def run(self, code: str) -> Any:  # noqa: ANN401 - JSON
        """Run code there; what it leaves in `result` comes back."""
        assert self._popen.stdin
        assert self._popen.stdout
        self._popen.stdin.write(json.dumps(code) + "\n")
        self._popen.stdin.flush()
        for line in self._popen.stdout:
            if line.startswith("\x00"):
                answer = json.loads(line[1:])
                assert "error" not in answer, answer["error"]
                return answer["result"]
        raise AssertionError(f"the editing process has ended: {Path(self._log.name).read_text()[-3000:]}")


def tokens(html: str) -> str:
    """The CSRF token of a form."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
    assert found, html[:500]
    return found[1]
