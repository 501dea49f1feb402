"""The documentation is true: its code runs, its commands are there, and nothing public is without a place in it."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pkgutil import iter_modules, resolve_name
from typing import TYPE_CHECKING, Any

import flask
import httpx
import pytest

import cms_cache_mw
from cms_cache_mw import Cache, CacheMiddleware, Config, WSGICacheMiddleware
from cms_cache_mw.admin.table import ENDPOINTS
from cms_cache_mw.cli.commands import commands
from cms_cache_mw.core.status import Reason
from cms_cache_mw.metrics.measures import MEASURES
from cms_cache_mw.switching.flags import MEANINGS
from tests.support.document import DOCS, PAGES, ROOT, blocks, command_lines, doubt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


PROJECTS = [DOCS / "django.md", DOCS / "wagtail.md"]
"""Pages whose code is in files of a project."""
ELSEWHERE = [DOCS / "guides" / "django-cms.md"]
"""Those whose code `tests/contrib/test_almanac.py` runs."""
SERVER = re.compile(r"redis://(?:localhost|cache|127\.0\.0\.1):6379/0")


def name_of(page: Path) -> str:
    """A page's place in the repository."""
    return str(page.relative_to(ROOT))


def with_blocks(*kinds: str) -> list[Path]:
    """The pages that have blocks in these languages."""
    return [page for page in PAGES if blocks(page, *kinds)]


def plain(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """A WSGI application."""
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<h1>Hello</h1>"]


@pytest.mark.parametrize("server_kind", ["valkey"], indirect=True)
@pytest.mark.parametrize(
    "page", [page for page in with_blocks("python") if page not in PROJECTS + ELSEWHERE], ids=name_of
)
async def test_code_runs(page: Path, redis_url: str) -> None:
    """The Python of a page runs from top to bottom, in one namespace; `get` asks its `app` as a browser does."""

    async def get(path: str, **fields: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://example.org") as client:
            return await client.get(path, headers=fields)

    names: dict[str, Any] = {"__name__": "__main__", "get": get, "get_wsgi_application": lambda: plain}
    if page.name == "wsgi.md":
        names["app"] = flask.Flask("documented")
    try:
        for block in blocks(page, "python"):
            text = SERVER.sub(redis_url, block.text)
            code = compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if code.co_flags & inspect.CO_COROUTINE:
                await eval(code, names)
            else:  # as in a program of one's own: WSGI applications do not run on the thread of an event loop
                await asyncio.to_thread(exec, code, names)
    finally:
        for value in list(names.values()):
            if isinstance(value, CacheMiddleware | WSGICacheMiddleware):
                await value.cache.aclose()
            if isinstance(value, Cache):
                await value.aclose()
    assert len(names) > 3


PROJECT = """
SECRET_KEY, DEBUG, ALLOWED_HOSTS, ROOT_URLCONF, USE_TZ = "tests", False, ["*"], "urls", True
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}}
SILENCED_SYSTEM_CHECKS = ["treebeard.E001"]  # of Wagtail 7.4 beside a newer treebeard
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}}}
STATIC_URL, WAGTAIL_SITE_NAME, WAGTAILADMIN_BASE_URL = "/static/", "tests", "http://localhost"
INSTALLED_APPS = {apps!r}
"""
APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
WAGTAIL = [
    *(f"wagtail.{name}" for name in ("contrib.frontend_cache", "contrib.redirects", "users", "images", "documents")),
    *("wagtail.search", "wagtail.admin", "wagtail", "modelcluster", "taggit", "django.contrib.messages"),
]
URLS = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("<h1>Hello</h1>"))]
"""
VISIT = """
import io, json, sys
import wsgi
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.template import Template
call_command("check", fail_level="WARNING")
with connection.schema_editor() as editor:
    for name in {"contenttypes", "auth", "wagtailcore"} & set(apps.app_configs):
        for model in apps.get_app_config(name).get_models():
            editor.create_model(model)
for text in json.load(sys.stdin):
    Template("{% load cms_cache %}" + text)
seen = []
for _ in range(2):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost",
               "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http"}
    body = wsgi.application(environ, lambda status, fields, info=None: seen.append(dict(fields)))
    b"".join(body); getattr(body, "close", lambda: None)()
print(json.dumps([fields.get("Cache-Status") or fields.get("cache-status") for fields in seen]))
"""


@pytest.mark.parametrize("server_kind", ["valkey"], indirect=True)
@pytest.mark.parametrize("page", PROJECTS, ids=name_of)
def test_project_runs(page: Path, redis_url: str, tmp_path: Path) -> None:
    """The lines of a page, put into a project where they say they belong, pass its checks and make the second visit a hit."""
    settings, wsgi = PROJECT.format(apps=APPS + WAGTAIL * (page.name == "wagtail.md")), ""
    for block in blocks(page, "python"):
        text = SERVER.sub(redis_url, block.text).replace("…", "token-of-the-tests")
        if "wsgi.py" in text.partition("\n")[0]:
            wsgi += text
        else:
            settings += text
    files = {"settings.py": settings, "wsgi.py": wsgi, "urls.py": URLS, "visit.py": VISIT}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    told = subprocess.run(
        [sys.executable, "visit.py"],
        cwd=tmp_path,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        input=json.dumps([block.text for block in blocks(page, "html+django")]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    first, second = json.loads(told.stdout.splitlines()[-1])
    assert first == "cms-cache; fwd=uri-miss; stored"
    assert second.startswith("cms-cache; hit")


@pytest.mark.parametrize("page", with_blocks("sh"), ids=name_of)
def test_commands_exist(page: Path) -> None:
    """Each command of a page names targets, options, endpoints, fields, modules, extras and variables that there are."""
    found = [words for block in blocks(page, "sh") for words in command_lines(block.text)]
    assert found
    assert not [(words, wrong) for words in found if (wrong := doubt(words))]


@pytest.mark.parametrize(
    "command",
    [
        "make dema",
        "cms-cache purges --no-such-option",
        "cms-cache purgo",
        "python -m tests.nothing",
        "pip install 'cms_cache_mw[clii]'",
        "export CMS_CACHE_REDIS=redis://h",
        "curl http://h/_cache/purge",
        """curl -d '{"tag": ["a"]}' http://h/_cache/purge""",
        "curl 'http://h/_cache/purges?tags=a'",
        "granian --no-such-option site:app",
        "unknown-program",
    ],
)
def test_commands_that_do_not_exist(command: str) -> None:
    """What nobody can type is found."""
    (words,) = command_lines(command)
    assert doubt(words)


def test_every_language_is_looked_at() -> None:
    """A block is in a language that some test runs or checks, or is `text`, which is output, a drawing or a file of somebody else's."""
    assert {block.kind for page in PAGES for block in blocks(page)} <= {
        *("python", "sh", "text", "json", "html+django", "yaml", "ini", "nginx", "diff", "html")
    }


def test_every_page_is_in_the_navigation() -> None:
    """A page that the navigation leaves out is one that nobody finds."""
    navigation = (ROOT / ".mkdocs.yml").read_text()
    listed = set(re.findall(r"[\w/.-]+\.md", navigation.partition("\nnav:")[2]))
    assert listed == {str(page.relative_to(DOCS)) for page in PAGES if page.is_relative_to(DOCS)} | {
        str(page.relative_to(DOCS)) for page in (DOCS / "decisions").glob("*.md") if page.name == "index.md"
    }


def test_the_drawn_ways_are_there() -> None:
    """Each `module.name` in the drawings of the architecture is a module, or something that is defined in one."""
    drawings = "".join(block.text for block in blocks(DOCS / "architecture.md", "text"))
    named = set(re.findall(r"\b[a-z_]+(?:\.[A-Za-z_]+)+\b(?!\*)", drawings)) - {"purge.lua", "renew.lua", "evict.lua"}
    assert len(named) > 20
    for name in named:
        folder, (*modules, last) = ROOT / "cms_cache_mw", name.split(".")
        whole = folder.joinpath(*modules, last)
        if not whole.is_dir() and not whole.with_suffix(".py").exists():
            text = folder.joinpath(*modules).with_suffix(".py").read_text()
            assert re.search(rf"(def|class) {last}\b|^{last}\b|self\.{last} ", text, re.MULTILINE), name


def test_pages_can_be_read_offline() -> None:
    """The site loads nothing from elsewhere: scripts are files of ours, fonts the reader's, and search works from the disk."""
    text = (ROOT / ".mkdocs.yml").read_text()
    scripts = re.findall(r"polyfills: \[(.+)\]", text)
    assert scripts
    assert all((DOCS / script).exists() for script in scripts)
    assert "://" not in text
    assert re.search(r"^  - offline", text, re.MULTILINE)
    assert "  font: false" in text


def test_generated_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages that repeat what the code says are up to date; `make fmt` writes them. They have every Reason and endpoint."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    reference: Any = importlib.import_module("reference")
    assert (DOCS / "reference" / "reasons.md").read_text() == reference.reasons()
    assert (DOCS / "reference" / "endpoints.md").read_text() == reference.endpoints()
    assert (DOCS / "reference" / "conformance.md").read_text() == reference.conformance()
    assert all(f"| `{reason.value}` |" in reference.reasons() for reason in Reason)
    assert all(f"`{row.method} {row.path.replace(':path', '')}`" in reference.endpoints() for row in ENDPOINTS)


def test_every_clause_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each section in the tables of what is done with HTTP has a test that names it or a part of it, but what is left out."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    clauses: Any = importlib.import_module("conformance").clauses()
    cells = re.findall(r"^\| ([^|]*§[^|]*) \| (?!left out|there is one)", (DOCS / "http.md").read_text(), re.MULTILINE)
    named = [
        (document.replace("RFC ", "RFC") or "RFC9111", section)
        for cell in cells
        for document, section in re.findall(r"(?:(RFC \d+|Edge Architecture) )?§(\d[\d.]*)", cell)
    ]
    assert len(named) > 70
    assert not [(document, section) for document, section in named if not _below(section, clauses[document])]


def _below(section: str, tested: Iterable[str]) -> list[str]:
    return [each for each in tested if f"{each}.".startswith(f"{section}.")]


def test_every_public_name_has_a_section() -> None:
    """What can be imported from the package stands in the Python reference, and what stands there can be imported."""
    named = set(re.findall(r"^::: ([\w.]+)$", (DOCS / "reference" / "python.md").read_text(), re.MULTILINE))
    assert {f"cms_cache_mw.{name}" for name in cms_cache_mw.__all__} <= named
    for name in named:
        assert inspect.getdoc(resolve_name(name)), name


def test_every_option_has_a_row() -> None:
    """Each option of `Config` is the first cell of a row of the configuration page, and each row is one of an option."""
    rows = re.findall(r"^\| (`.+?`) \|", (DOCS / "configuration.md").read_text(), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(option.name for option in dataclasses.fields(Config))


def test_every_default_is_right() -> None:
    """Numbers and words in the column of defaults are those of the code."""
    config = Config()
    for row in re.findall(r"^\| (`.+?`) \| (.+?) \|", (DOCS / "configuration.md").read_text(), re.MULTILINE):
        names, cell = re.findall(r"`(\w+)`", row[0]), row[1]
        for name, told in zip(names, cell.split(", ") if len(names) > 1 else [cell], strict=True):
            value = getattr(config, name)
            if isinstance(value, bool):
                assert told == ("on" if value else "off"), name
            elif isinstance(value, int | float):
                assert float(re.sub(r"(?<=\d)[ \u00a0](?=\d)", "", told).split(" ")[0]) == value, name
            elif isinstance(value, str):
                assert told == f"`{value}`", name
            elif not value:
                assert told == "none", name


def test_every_extra_has_a_row() -> None:
    """Each extra stands in the table of extras, and no other."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = (DOCS / "start.md").read_text().partition("\n## Extras\n")[2]
    named = [name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(extras)


def _fields_in_code() -> set[str]:
    """The names of fields that the package has as bytes."""
    from httplint.field import parsers

    known = {module.name.replace("_", "-") for module in iter_modules(parsers.__path__)}
    known |= {
        "cache-tag",
        "surrogate-key",
        "xkey",
        "surrogate-control",
        "forwarded",
        "remote-user",
        "proxy-authorization",
    }
    found = set()
    for path in (ROOT / "cms_cache_mw").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                word = node.value.decode("latin-1").lower()
                if word in known or re.fullmatch(r"x-[a-z-]*[a-z]", word):
                    found.add(word)
    return found - {"x-gzip"}


def test_every_header_has_a_row() -> None:
    """Each field that the code names stands in the page of headers."""
    page = (DOCS / "reference" / "headers.md").read_text().lower()
    found = _fields_in_code()
    assert len(found) > 50
    assert not sorted(name for name in found if f"`{name}`" not in page)


def test_every_metric_flag_and_command_has_a_row() -> None:
    """Metrics, flags and commands each stand on their page."""
    metrics, switches, cli = (
        (DOCS / name).read_text() for name in ("operations/metrics.md", "operations/switches.md", "cli.md")
    )
    assert not [name for name in MEASURES if f"| `{name}" not in metrics]
    assert not [name for name in MEANINGS if f"`{name}`" not in switches]
    assert not [name for name in commands.commands if f"\n## {name}\n" not in cli]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to another file leads to one, and to a heading of it where it names one."""
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#([^)\s]+))?\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            text = path.read_text()
            assert anchor in _anchors(text) or f'id="{anchor}"' in text, f"{target}#{anchor}"


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


def test_json_can_be_read() -> None:
    """Blocks of JSON are JSON."""
    found = [block.text for page in PAGES for block in blocks(page, "json")]
    assert found
    for text in found:
        assert json.loads(textwrap.dedent(text)), text
