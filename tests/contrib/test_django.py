"""`contrib.django` on a small site: what a page reads is what it depends on, and writes purge exactly that, once committed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.contrib.project import HERE, ROOT, STILL, Editing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)

START: Final = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from django.db import transaction
from django.contrib.auth.models import User
from cms_cache_mw.contrib.django import apurge, cache, get_wsgi_application, purge, purged_with
from cms_cache_mw.contrib.django.visits import by_wsgi, visits
from cms_cache_mw.core.message import Request
from shop.models import *
application = get_wsgi_application()
toys = Category.objects.create(name="Toys", slug="toys")
tools = Category.objects.create(name="Tools", slug="tools")
red, blue = Label.objects.create(name="red"), Label.objects.create(name="blue")
kite = Product.objects.create(name="Kite", category=toys)
saw = Product.objects.create(name="Saw", category=tools, price=20)
tale = Book.objects.create(name="Tale", category=toys, price=5, author="Ann")
kite.labels.add(red)
placed = Placement.objects.create(product=kite, category=toys)
URLS = ["/product/1/", "/product/2/", "/product/99/", "/category/toys/", "/category/tools/", "/category/none/", "/dear/",
        "/counts/", "/labelled/red/", "/labelled/blue/", "/used/", "/either/", "/window/", "/books/", "/raw/", "/whole/", "/fragments/",
        "/old/", "/gone/", "/later/", "/me/"]
def get(url):
    path, _, query = url.encode().partition(b"?")
    answered = by_wsgi(application, Request("GET", "http", path, query, ((b"host", b"shop.test"),), raw=False))
    return f"{answered.status} {answered.cache_status}"
def warm():
    cold = [url for url in URLS if get(url) and "; hit" not in get(url)]
    assert cold == [], cold
def lost():
    return sorted(url for url in URLS if "; hit" not in get(url))
def affected(change):
    warm()
    seq = cache().purge_sync(tags=["x"]).seq
    change()
    purges = cache().purge_sync(tags=["x"]).seq - seq - 1
    return lost(), purges
"""


class Shop:
    """The site in a process of its own, with a cache in its memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": "",
            "PYTHONPATH": f"{HERE}:{ROOT}",
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONWARNINGS": "ignore",
        } | STILL


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editing]:
    """A process in which code runs and the site can be asked."""
    if importlib.util.find_spec("django") is None:
        pytest.skip("Django is not installed: pip install 'cms_cache_mw[django]'")
    with Editing(Shop(tmp_path_factory.mktemp("shop")), start=START) as editing:
        yield editing


def affected(shop: Editing, code: str) -> set[str]:
    """The URLs that an edit makes no hits; it has to be one purge, or none where it changes nothing."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    lost, purges = shop.run(f"def change():\n{body}\nresult = affected(change)")
    assert purges == bool(lost)
    return set(lost)


def test_second_visits_are_hits(shop: Editing) -> None:
    """Pages, lists, 404s, 410s and redirects; a page whose CSRF token is its visitor's own, never, nor what is somebody's."""
    shop.run("warm()")
    statuses = shop.run("result = {url: get(url)[:3] for url in URLS}")
    assert {statuses[url] for url in ("/product/99/", "/category/none/")} == {"404"}
    assert statuses["/old/"] == "301"
    assert statuses["/gone/"] == "410"
    for url in ("/form/", "/somebody/", "/fragments/?form=1"):
        assert not any("hit" in answer for answer in shop.run(f"result = [get('{url}') for _ in range(3)]"))


@pytest.mark.parametrize(
    ("change", "revert", "expected"),
    [
        pytest.param("kite.text = 'Flies'; kite.save()", "pass", {"/product/1/", "/later/", "/whole/", "/category/toys/", "/labelled/red/"}, id="a row where it is loaded"),
        pytest.param("kite.save()", "pass", set(), id="nothing where nothing differs"),
        pytest.param("tools.name = 'Tool'; tools.save()", "tools.name = 'Tools'; tools.save()", {"/category/tools/", "/product/2/", "/counts/"}, id="a row behind a key"),
        pytest.param("saw.price = 30; saw.save()", "pass", {"/dear/", "/used/", "/product/2/", "/whole/", "/category/tools/", "/raw/", "/either/"}, id="a field that is chosen by"),
        pytest.param("Product.objects.filter(pk=saw.pk).update(text='Cuts')", "pass", {"/product/2/", "/whole/", "/category/tools/", "/raw/"}, id="an update"),
        pytest.param("saw.labels.add(blue)", "saw.labels.remove(blue)", {"/product/2/", "/labelled/red/", "/labelled/blue/", "/used/"}, id="a relation"),
        pytest.param("saw.labels.add(red)", "saw.labels.clear()", {"/product/2/", "/labelled/red/", "/labelled/blue/", "/used/"}, id="a relation that is cleared"),
        pytest.param("red.name = 'rot'; red.save()", "red.name = 'red'; red.save()", {"/labelled/red/", "/labelled/blue/", "/product/1/"}, id="a field of a joined row"),
        pytest.param("Category.objects.create(name='None', slug='none')", "Category.objects.get(slug='none').delete()", {"/category/none/", "/counts/"}, id="a row that was missed"),
        pytest.param("Visit.objects.update(count=0)", "pass", set(), id="nothing by an untracked model"),
        pytest.param("purge('weather')", "pass", {"/fragments/"}, id="a tag by hand"),
    ],
)  # fmt: skip
def test_a_change_purges_what_shows_it(shop: Editing, change: str, revert: str, expected: set[str]) -> None:
    """All and only, in one purge."""
    try:
        assert affected(shop, change) == expected
    finally:
        shop.run(revert)


def test_rows_come_and_go(shop: Editing) -> None:
    """A new row enters the lists of its category and of its model; those of other categories stay."""
    lost = affected(shop, "global ball\nball = Product.objects.create(name='Ball', category=toys, price=7)")
    assert {"/category/toys/", "/whole/", "/counts/", "/either/", "/dear/"} <= lost
    assert not lost & {"/category/tools/", "/product/1/", "/product/2/", "/books/", "/labelled/red/"}
    moved = affected(shop, "ball.category = tools; ball.save()")
    assert {"/category/toys/", "/category/tools/", "/whole/", "/counts/", "/either/"} <= moved
    assert affected(shop, "ball.delete()") >= {"/category/tools/", "/whole/", "/counts/", "/dear/"}
    assert {"/whole/", "/dear/"} <= affected(shop, "Product.objects.bulk_create([Product(name='Top', category=tools)])")
    shop.run("Product.objects.get(name='Top').delete()")


def test_tables_that_share_rows(shop: Editing) -> None:
    """A book is a product: lists of either know it by both names."""
    lost = affected(shop, "tale.author = 'Anna'; tale.save()")
    assert {"/books/", "/whole/"} <= lost
    assert not lost & {"/product/1/", "/category/tools/", "/dear/"}
    assert {"/books/", "/whole/", "/category/toys/"} <= affected(
        shop, "p = Product.objects.get(pk=tale.pk); p.name += '!'; p.save()"
    )


def test_nothing_is_purged_before_the_commit(shop: Editing) -> None:
    """What is rendered while a transaction is open is good until it is committed, and dropped when it is."""
    code = """
warm()
with transaction.atomic():
    purge("weather"); purge("menu:1"); tools.name = "T"; tools.save()
    open_ = lost()
after = lost()
try:
    with transaction.atomic():
        toys.name = "No"; toys.save(); 1 / 0
except ZeroDivisionError:
    toys.refresh_from_db()
warm(); purge("other")
with transaction.atomic():
    purge("other")
    try:
        with transaction.atomic():
            toys.name = "No"; toys.save(); 1 / 0
    except ZeroDivisionError:
        toys.refresh_from_db()
    purge("more")
with purged_with() as tags:
    tags.add("third")
result = [open_, after, lost()]
tools.name = "Tools"; tools.save()
"""
    before, after, rolled_back = shop.run(code)
    assert before == []
    assert set(after) >= {"/fragments/", "/category/tools/"}
    assert rolled_back == []


def test_a_row_that_is_written_again_has_not_changed(shop: Editing) -> None:
    """As labels are when their page is published: deleted and made anew in one transaction. It counts where the second is rolled back."""
    again = """
with transaction.atomic():
    Placement.objects.all().delete()
    {}
"""
    made = "Placement.objects.create(product=kite, category=toys)"
    undone = (
        "try:\n        with transaction.atomic():\n            {}; 1 / 0\n    except ZeroDivisionError:\n        pass"
    )
    assert (
        shop.run(f"def change():\n{again.format(made).replace(chr(10), chr(10) + '    ')}\nresult = affected(change)")[
            0
        ]
        == []
    )
    try:
        assert affected(shop, again.format(undone.format(made))) == {"/window/"}
    finally:
        shop.run(made)
    assert affected(shop, again.format("Placement.objects.create(product=saw, category=toys)")) == {"/window/"}
    assert affected(shop, again.format(made)) == {"/window/"}


def test_templates_and_fragments(shop: Editing) -> None:
    """A page has the tags of all templates it is made of; a fragment keeps what is in it and gives its tags to the page."""
    assert affected(shop, "purge('template:part.html')") == {"/whole/", "/fragments/"}
    assert affected(shop, "purge('template:base.html')") == {"/whole/"}
    assert affected(shop, "purge('menu:2')") == {"/fragments/"}
    assert affected(shop, "purge('block:teaser:en')") == {"/fragments/"}


def test_async_callers_purge(shop: Editing) -> None:
    """`apurge` is for coroutines."""
    assert affected(shop, "import asyncio; asyncio.run(apurge('weather'))") == {"/fragments/"}


@pytest.mark.logs("cannot be told")
def test_a_fault_of_ours_fails_no_save(shop: Editing) -> None:
    """Where it cannot be told what a change purges, everything is purged."""
    code = """
from cms_cache_mw.contrib.django.kinds import kind_of
kind = kind_of(Product)
warm()
kind.scopes = lambda row: 1 / 0
kite.text += "!"; kite.save()
del kind.scopes
result = [Product.objects.get(pk=kite.pk).text, sorted(set(URLS) - set(lost()))]
"""
    text, kept = shop.run(code)
    assert text.endswith("!")
    assert kept == []


def test_the_checks_name_what_is_wrong(tmp_path: Path) -> None:
    """A wrong order names the right one; options, missing tokens and caches inside are told, too."""
    program = """
import django, json
from django.conf import settings
django.setup()
from django.core.checks import run_checks
def checked(**changes):
    for name, value in changes.items():
        setattr(settings, name, value)
    return [[found.id, found.msg, found.hint or ""] for found in run_checks() if found.id.startswith("cms_cache")]
ours, *others = settings.MIDDLEWARE
print(json.dumps([
    checked(),
    checked(MIDDLEWARE=[*others, ours]),
    checked(MIDDLEWARE=[ours, "django.middleware.cache.FetchFromCacheMiddleware"]),
    checked(MIDDLEWARE=others),
    checked(MIDDLEWARE=[ours], DEBUG=False),
    checked(CMS_CACHE={"redis_url": "redis://localhost", "admin_token": "long-enough"}),
    checked(CMS_CACHE={"redis": "x"}),
]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=Shop(tmp_path).environment, capture_output=True, text=True, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    ids = [[check[0] for check in checks] for checks in found]
    assert ids[0] == []
    assert ids[1:4] == [["cms_cache.E003"], ["cms_cache.W004"], ["cms_cache.E002"]]
    assert "Put it first" in found[1][0][2]
    assert ids[4:] == [["cms_cache.W005", "cms_cache.W006"], ["cms_cache.W007"], ["cms_cache.E001"]]
    assert "redis" in found[6][0][1]


def test_commands_say_what_they_see_and_why_they_cannot(shop: Editing) -> None:
    """`stats` is JSON; `warm` and `purge` need a Redis that the workers share, and whole URLs."""
    code = """
from io import StringIO
from django.core.management import CommandError
def said(*words, **options):
    out = StringIO()
    try:
        call_command("cms_cache", *words, stdout=out)
    except CommandError as error:
        return "failed: " + str(error)
    return out.getvalue()
warm()
def path():
    try:
        visits(cache(), "/product/1/")
    except ValueError as error:
        return str(error)
result = [said("stats"), said("warm", "http://shop.test/product/1/"), said("purge", "menu:1"), path()]
"""
    stats, warmed, purged, path = shop.run(code)
    assert json.loads(stats)["memory"]["namespaces"]["rendered"]["entries"] >= 20
    assert warmed == "failed: CMS_CACHE has no redis_url: a page rendered from here would reach no worker"
    assert purged == "failed: CMS_CACHE has no redis_url: a purge from here would reach no worker"
    assert "whole URLs" in path


WARMED: Final = """
import asyncio, time
from io import StringIO
from cms_cache_mw.contrib.django import get_asgi_application
from cms_cache_mw.contrib.django.visits import by_asgi
from cms_cache_mw.runtime import drive
from cms_cache_mw.warmth.place import named
from cms_cache_mw.warmth.popularity import Popularity
def asked(ask, *fields):
    request = Request("GET", "http", b"/product/1/", b"", ((b"host", b"shop.test"), *fields))
    application = get_asgi_application() if ask is by_asgi else get_wsgi_application()
    application.cache.start()
    while not application.cache.sure:
        time.sleep(0.01)
    answered = ask(application, request)
    return asyncio.run(answered).cache_status if ask is by_asgi else answered.cache_status
def came(uses, *key):
    get_wsgi_application()
    popularity = Popularity(cache().parts.second, cache().config.namespace, time.time)
    assert drive(popularity.feed("shop.test", {named((key, ())): uses}))
def warmed(url):
    out = StringIO()
    call_command("cms_cache", "warm", url, stdout=out)
    return [line.rpartition(" ")[2] for line in out.getvalue().splitlines()]
"""


def test_a_command_warms_what_visitors_will_ask_for(tmp_path: Path, redis_server: Server) -> None:
    """Under either interface where nobody is known to have come; else as they come, with what their proxy says."""
    if importlib.util.find_spec("django") is None:
        pytest.skip("Django is not installed: pip install 'cms_cache_mw[django]'")
    place = Shop(tmp_path)
    place.environment |= {"CMS_CACHE_REDIS_URL": redis_server.url, "CMS_CACHE_NAMESPACE": "warmed"}
    with Editing(place, start=START + WARMED) as process:
        assert process.run("result = warmed('http://shop.test/product/1/')") == ["wsgi", "asgi"]
        for interface in ("wsgi", "asgi"):
            assert "detail=shared" in process.run(f"result = asked(by_{interface})")
        for uses, interface, mark in ((5, "wsgi", ", b'decoded'"), (50, "asgi", "")):
            process.run("purge(everything=True)")
            process.run(f"came({uses}, b'http', b'shop.test', b'/dear/', b''{mark}, b'x-forwarded-proto', b'https')")
            assert process.run("result = warmed('https://shop.test/product/1/')") == [interface]
            assert "hit" in process.run(f"result = asked(by_{interface}, (b'x-forwarded-proto', b'https'))")
            assert "miss" in process.run(f"result = asked(by_{interface})")


COUNTED: Final = """
import asyncio, sys, threading
import django
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from cms_cache_mw.contrib.django import get_asgi_application, get_wsgi_application
from cms_cache_mw.contrib.django.visits import by_asgi, by_wsgi
from cms_cache_mw.core.message import Request
COUNTS = Request("GET", "http", b"/counts/", b"", ((b"host", b"shop.test"),))
def wsgi(application):
    return by_wsgi(application, COUNTS).cache_status
loop = asyncio.new_event_loop()
def asgi(application):
    return loop.run_until_complete(by_asgi(application, COUNTS)).cache_status
def counted(ask, application):
    calls = []
    def note(frame, event, _):
        if event == "call":
            calls.append(frame.f_globals.get("__name__", "").partition(".")[0])
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        said = ask(application)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return said, sum(name in {"django", "asgiref", "shop"} for name in calls)
"""


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_hit_runs_no_code_of_django(tmp_path: Path, kind: str) -> None:
    """Not one function of Django's, of asgiref's or of the site's is called; a miss calls hundreds."""
    if importlib.util.find_spec("django") is None:
        pytest.skip("Django is not installed: pip install 'cms_cache_mw[django]'")
    with Editing(Shop(tmp_path), start=COUNTED) as process:
        process.run(f"application = get_{kind}_application()")
        miss, hit = (process.run(f"result = counted({kind}, application)") for _ in range(2))
    assert "stored" in miss[0]
    assert miss[1] > 100
    assert "; hit" in hit[0]
    assert hit[1] == 0


def test_a_script_is_not_slowed_by_each_save_while_redis_is_away(tmp_path: Path) -> None:
    """The first purge waits for it, those that follow do not; they are made when Redis is back."""
    start = "import django\ndjango.setup()\nfrom cms_cache_mw.contrib.django import purge, purging"
    nowhere = {"CMS_CACHE_REDIS_URL": "redis://127.0.0.1:1/0"}
    with Editing(Shop(tmp_path), nowhere, start) as script:
        before = script.run("result = purging._patience()")
        after = script.run("purge('menu:1'); result = purging._patience()")
    assert (before, after) == (1.0, 0.0)


@pytest.mark.parametrize(("package", "extra"), [("django", "django"), ("wagtail", "wagtail")])
def test_a_missing_package_names_the_extra(package: str, extra: str) -> None:
    """The ImportError says what to install."""
    program = f"import sys; sys.modules['{package}'] = None; import cms_cache_mw.contrib.{package}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"pip install 'cms_cache_mw[{extra}]'" in done.stderr
