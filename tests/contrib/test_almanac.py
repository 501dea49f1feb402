"""`examples/djangocms` with the code of the guide: what is published changes its page and the menus that name it, a draft nothing."""

from __future__ import annotations

import importlib.util
import re
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.contrib.project import ROOT, STILL, Editing
from tests.support.document import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START: Final = """
from io import BytesIO
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from project.wsgi import application
from django.conf import settings
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
from almanac import seed
seed.fill()
from cms.api import create_page, create_page_content
from cms.models import Page, PageContent
from django.contrib.auth.models import User
from django.urls import reverse
from djangocms_alias.models import AliasContent
from djangocms_versioning.models import Version
from cms_cache_mw.contrib.django import purge
editor = User.objects.get()
PAGES = ["/en/", "/en/spring/", "/en/spring/spring-in-the-garden/", "/en/summer/", "/en/summer/summer-in-the-garden/", "/de/"]
URLS = [*PAGES, "/", "/en/nothing/"]
def ask(url, cookie="", form=None):
    body = urlencode(form or {}).encode()
    environ = {"PATH_INFO": url.partition("?")[0], "QUERY_STRING": url.partition("?")[2], "HTTP_HOST": "localhost", "wsgi.input": BytesIO(body)}
    environ |= {"HTTP_COOKIE": cookie} if cookie else {}
    if form is not None:
        environ |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    setup_testing_defaults(environ)
    heads = []
    answer = application(environ, lambda status, fields, *_: heads.append((status, fields)))
    text = b"".join(answer).decode()
    getattr(answer, "close", lambda: None)()
    (status, fields), = heads
    cookies = "; ".join(v.partition(";")[0] for k, v in fields if k.lower() == "set-cookie")
    return {"status": int(status[:3]), "cache": dict(fields).get("cache-status", ""), "text": text, "cookies": cookies}
def hit(url):
    return "; hit" in ask(url)["cache"]
def warm():
    cold = [url for url in URLS if not hit(url) and not hit(url)]
    assert cold == [], [(url, ask(url)["status"], ask(url)["cache"]) for url in cold]
def affected(change):
    warm()
    change()
    return sorted(url for url in URLS if not hit(url))
def drafted(page, text=None, title=None, language="en"):
    content = PageContent.objects.get(page=page, language=language)
    version = Version.objects.get_for_content(content).copy(editor)
    if title:
        version.content.title = title
        version.content.save()
    if text:
        (placeholder,) = version.content.get_placeholders()
        passage = placeholder.get_plugins().get().get_bound_plugin()
        passage.text = text
        passage.save()
    return version
def page(title):
    return PageContent.admin_manager.filter(title=title).first().page
def token(text):
    return text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
def logged_in():
    form = ask("/en/admin/login/")
    fields = {"username": "editor", "password": "almanac", "csrfmiddlewaretoken": token(form["text"]), "next": "/en/admin/"}
    return ask("/en/admin/login/", form["cookies"], fields)["cookies"]
"""
ENGLISH: Final = {
    *("/en/", "/en/spring/", "/en/spring/spring-in-the-garden/", "/en/summer/", "/en/summer/summer-in-the-garden/"),
}
MENU: Final = {*ENGLISH, "/de/"}
"""The pages with the menu; the German one names in English what has no German title."""


GUIDE: Final = ROOT / "docs/guides/django-cms.md"
EXAMPLE: Final = ROOT / "examples/djangocms"


def documented() -> dict[str, str]:
    """The code of the guide, by the files that it says it belongs to."""
    texts = [block.text for block in blocks(GUIDE, "python")]
    return {text.partition(".py")[0].removeprefix("# ") + ".py": text.partition("\n")[2] for text in texts}


class Place:
    """The site with the guide's code, in a process of its own; its cache and its database are in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        code = documented()
        for name in ("almanac/apps.py", "almanac/caching.py"):
            (folder / name).write_text(code[name])
        (folder / "project/wsgi.py").write_text(code["wsgi.py"])
        before, _, _ = (EXAMPLE / "project/settings.py").read_text().partition("# The cache.")
        local = re.sub(r'"redis_url": "[^"]*", ', "", code["settings.py"]).replace("…", "token-of-the-tests")
        (folder / "project/settings.py").write_text(before + local)
        self.environment = {
            "PATH": "",
            "ALMANAC": ":memory:",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONPATH": f"{folder}:{ROOT}",
            "PYTHONWARNINGS": "ignore",
        } | STILL


@pytest.fixture
def almanac(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editing]:
    """A process in which code runs and the site can be asked; a new one for each test, whose edits nobody takes back."""
    if importlib.util.find_spec("djangocms_versioning") is None:
        pytest.skip("django CMS is not installed: pip install 'cms_cache_mw[djangocms]'")
    with Editing(Place(tmp_path_factory.mktemp("almanac")), start=START) as editing:
        yield editing


def affected(almanac: Editing, code: str) -> set[str]:
    """The URLs that an edit makes no hits."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    return set(almanac.run(f"def change():\n{body}\nresult = affected(change)"))


def ask(almanac: Editing, url: str, cookie: str = "") -> Any:  # noqa: ANN401 - JSON
    """The answer to a visitor."""
    return almanac.run(f"result = ask({url!r}, {cookie!r})")


def test_second_visits_are_hits(almanac: Editing) -> None:
    """Pages in both languages, the redirect to a language, a 404; the answers say what they depend on to nobody."""
    almanac.run("warm()")
    answers = almanac.run("result = {url: ask(url) for url in URLS}")
    assert {url: answer["status"] for url, answer in answers.items() if answer["status"] != 200} == {
        "/": 302,
        "/en/nothing/": 404,
    }
    assert "About Spring." in answers["/en/spring/"]["text"]
    assert "seasons reserved." in answers["/en/spring/"]["text"]


def test_a_draft_changes_nothing(almanac: Editing) -> None:
    """Of a text, a title, a new page, or the footer; nor does discarding it."""
    assert affected(almanac, "drafted(page('Summer'), 'Not yet', 'Winter').archive(editor)") == set()
    new = "create_page('Later', 'almanac/page.html', 'en', created_by=editor, in_navigation=True)"
    assert affected(almanac, new) == set()
    footer = "Version.objects.get_for_content(AliasContent.objects.get()).copy(editor).delete()"
    assert affected(almanac, footer) == set()
    assert affected(almanac, "page('Later').delete()") == set()


def test_a_text_changes_its_page(almanac: Editing) -> None:
    """And no other, when it is published, which the editor does in the admin."""
    draft = """
version, cookie = drafted(page("Summer"), "Warm days"), logged_in()
address = reverse("admin:djangocms_versioning_pagecontentversion_publish", args=[version.pk])
token_ = cookie.partition("csrftoken=")[2].partition(";")[0]
"""
    almanac.run(draft)
    published = """
sent = ask(address, cookie, {"csrfmiddlewaretoken": token_})
assert sent["status"] == 302, sent
"""
    assert affected(almanac, published) == {"/en/summer/"}
    assert "Warm days" in ask(almanac, "/en/summer/")["text"]


def test_a_title_changes_the_menus(almanac: Editing) -> None:
    """A second version of it too: what names a page does not depend on the version that it has seen."""
    for title in ("The spring", "Spring"):
        assert affected(almanac, f"drafted(page('Spring'), title='{title}').publish(editor)") == MENU
        assert f">{title}</a>" in ask(almanac, "/en/summer/")["text"]


def test_a_translation_changes_alone(almanac: Editing) -> None:
    """The German text of the front page is not on the English one."""
    assert affected(almanac, "drafted(page('Almanac'), 'Das Jahr', language='de').publish(editor)") == {"/de/"}
    assert "Das Jahr" in ask(almanac, "/de/")["text"]


def test_a_page_comes_and_goes(almanac: Editing) -> None:
    """Its first publication makes the menus and its own 404 new, and so does the end of it."""
    almanac.run(
        "URLS.append('/en/autumn/'); new = create_page('Autumn', 'almanac/page.html', 'en', created_by=editor, in_navigation=True)"
    )
    try:
        version = "Version.objects.get_for_content(PageContent.admin_manager.get(page=new))"
        assert affected(almanac, f"{version}.publish(editor)") >= MENU | {"/en/autumn/"}
        assert ask(almanac, "/en/autumn/")["status"] == 200
        assert ">Autumn</a>" in ask(almanac, "/en/spring/")["text"]
        assert affected(almanac, f"{version}.unpublish(editor)") >= MENU | {"/en/autumn/"}
        assert ask(almanac, "/en/autumn/")["status"] == 404
        assert ">Autumn</a>" not in ask(almanac, "/en/spring/")["text"]
    finally:
        almanac.run("URLS.remove('/en/autumn/'); new.delete()")


def test_a_deleted_page_is_gone(almanac: Editing) -> None:
    """With what is below it."""
    almanac.run(
        "new = seed.written('Winter', editor); seed.written('Ice', editor, new); URLS += ['/en/winter/', '/en/winter/ice/']"
    )
    try:
        assert affected(almanac, "Page.objects.get(pk=new.pk).delete()") >= MENU | {"/en/winter/", "/en/winter/ice/"}
        assert ask(almanac, "/en/winter/ice/")["status"] == 404
        assert ">Winter</a>" not in ask(almanac, "/en/")["text"]
    finally:
        almanac.run("del URLS[-2:]")


def test_a_move_changes_menus_and_urls(almanac: Editing) -> None:
    """Among its siblings the order; below another page, its URL and those below it."""
    moved = """
from django.db import transaction
@transaction.atomic
def move(title, target, position):
    page(title).move_page(page(target), position)
"""
    almanac.run(moved)
    assert affected(almanac, "move('Summer', 'Spring', 'left')") >= MENU
    text = ask(almanac, "/en/")["text"]
    assert text.index(">Summer<") < text.index(">Spring<")
    almanac.run("URLS.append('/en/spring/summer/')")
    try:
        assert affected(almanac, "move('Summer', 'Spring', 'last-child')") >= MENU | {"/en/spring/summer/"}
        assert ask(almanac, "/en/spring/summer/")["status"] == 200
        assert ask(almanac, "/en/summer/summer-in-the-garden/")["status"] == 404
    finally:
        almanac.run("URLS.remove('/en/spring/summer/'); move('Summer', 'Spring', 'right')")


def test_the_footer_changes_every_page(almanac: Editing) -> None:
    """An alias is purged with the pages that show it, when it is published."""
    code = """
version = Version.objects.get_for_content(AliasContent.objects.get()).copy(editor)
passage = version.content.placeholder.get_plugins().get().get_bound_plugin()
passage.text = "Some seasons reserved."; passage.save()
version.publish(editor)
"""
    assert affected(almanac, code) == ENGLISH
    assert "Some seasons reserved." in ask(almanac, "/en/spring/")["text"]


def test_an_editor_sees_no_cached_page_and_fills_nothing(almanac: Editing) -> None:
    """The toolbar is the proof: an editor has it, whatever the address asks for, and nobody else ever has."""
    almanac.run("warm()")
    cookie = almanac.run("result = logged_in()")
    for url in ("/en/spring/", "/en/spring/?edit", "/en/spring/?structure", "/en/spring/?toolbar_on"):
        seen = ask(almanac, url, cookie)
        assert "fwd=bypass" in seen["cache"]
        assert "/en/admin/logout/" in seen["text"]
        for _ in range(2):
            assert "/en/admin/logout/" not in ask(almanac, url)["text"]


def test_pages_have_tags_of_their_own(almanac: Editing) -> None:
    """`page:ID`, `lang:xx` and `within:ID`, for purges by hand."""
    assert affected(almanac, "purge(f\"within:{page('Spring').pk}\")") == {
        "/en/spring/",
        "/en/spring/spring-in-the-garden/",
    }
    assert affected(almanac, "purge(f\"page:{page('Spring').pk}\")") == {"/en/spring/"}
    assert affected(almanac, "purge('lang:de')") == {"/de/"}


def test_the_example_has_the_code_of_the_guide() -> None:
    """What these tests run is what `python -m examples.djangocms` runs, too."""
    code = documented()
    assert (EXAMPLE / "almanac/caching.py").read_text() == code["almanac/caching.py"]
    settings = (EXAMPLE / "project/settings.py").read_text()
    for line in code["settings.py"].splitlines():
        assert line in settings or line.startswith("CMS_CACHE")
