"""The newsroom without the cache: what it says in its headers, and what its edits purge."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import httpx
import pytest

from examples.newsroom import richtext, seed
from examples.newsroom.database import KEPT, Database
from examples.newsroom.editor import Editor, EditorError
from examples.newsroom.public import preferred_language, site_of
from examples.newsroom.seed import prose
from examples.newsroom.website import create_app
from tests.support.site import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from examples.newsroom.announcement import Purged

NEWSROOM = "http://newsroom.localhost:8000"
DOCS = "http://docs.localhost:8000"
ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
LINK = "{http://www.w3.org/1999/xhtml}link"


@dataclass
class Answer:
    """What a purge says of itself."""

    done: bool = True
    seq: int = 1
    waited_ms: float = 1.25
    scope: str = "everywhere"


@dataclass
class Purges:
    """Takes purges down, and what the database says while each is made."""

    database: Path
    answer: Purged | None = field(default_factory=Answer)
    fault: Exception | None = None
    calls: list[list[str]] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)

    async def __call__(self, tags: list[str]) -> Purged | None:
        """Take down one purge."""
        self.calls.append(tags)
        self.versions.append(total_version(self.database))
        if self.fault:
            raise self.fault
        return self.answer


class Site:
    """The newsroom with somebody who visits it."""

    def __init__(self, database: Path, visitor: httpx.AsyncClient, purges: Purges) -> None:
        self.database = database
        self.visitor = visitor
        self.purges = purges

    async def get(self, address: str, **headers: str) -> httpx.Response:
        """A visitor's answer, from the newsroom unless another site is named."""
        return await self.visitor.get(address if "://" in address else f"{NEWSROOM}{address}", headers=headers)

    async def html(self, address: str) -> str:
        """A page that is there."""
        answer = await self.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
        return answer.text

    async def sign_in(self) -> None:
        """Become an editor."""
        answer = await self.post("/login", username="editor", password="newsroom")
        assert answer.status_code == 303

    async def post(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """The answer to a form."""
        return await self.visitor.post(f"{NEWSROOM}{path}", data=fields)

    async def fields(self, path: str) -> dict[str, list[str]]:
        """The fields of a form, as a browser would send them back."""
        answer = await self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return form_fields(answer.text)

    async def edit(self, path: str, **changes: str | list[str]) -> httpx.Response:
        """Change some fields of a form and send it."""
        return await self.post(path, **{**(await self.fields(path)), **changes})

    def page(self, path: str, site: str = "newsroom") -> int:
        """The number of a page."""
        return int(self.query("SELECT id FROM page WHERE site = ? AND path = ?", site, path)[0][0])

    def query(self, text: str, *values: str | int) -> list[tuple[str, ...]]:
        """Rows of the database."""
        db = sqlite3.connect(self.database)
        try:
            return db.execute(text, values).fetchall()
        finally:
            db.close()


def form_fields(html: str) -> dict[str, list[str]]:
    """The fields of the form that edits something."""
    form = html[html.index('class="form"') :]
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input ([^>]*)>", form):
        given = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        if given.get("type") != "checkbox" or tag.endswith(" checked"):
            fields.setdefault(given["name"], []).append(unescape(given.get("value", "")))
    for name, text in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        fields[name] = [unescape(text)]
    for name, options in re.findall(r'<select [^>]*name="([^"]*)">(.*?)</select>', form, re.DOTALL):
        fields[name] = re.findall(r'value="([^"]*)" selected', options) or re.findall(r'value="([^"]*)"', options)[:1]
    return fields


def total_version(database: Path) -> int:
    """A number that grows with every committed edit."""
    db = sqlite3.connect(database)
    try:
        tables = ("page", "translation", "block", "template")
        return sum(db.execute(f"SELECT sum(version) + count(*) FROM {table}").fetchone()[0] for table in tables)
    finally:
        db.close()


def tags(answer: httpx.Response) -> set[str]:
    """The tags of an answer; those of one language count as T@L besides, as the cache reads them."""
    given = {tag for tag in answer.headers.get("cache-tag", "").split(", ") if tag}
    languages = [tag.removeprefix("lang:") for tag in given if tag.startswith("lang:")]
    return given | {f"{tag}@{language}" for tag in given for language in languages}


def listed(html: str) -> list[str]:
    """The paths of the pages that a section's page lists."""
    return re.findall(r'href="/en/([^"]+)"', html[html.index('class="grid"') : html.index('class="side"')])


def without_colophon(html: str) -> str:
    """A page without the line that changes with each render."""
    return re.sub(r'<p class="rendered">.*?</p>', "", html)


@pytest.fixture
async def site(database: Path) -> AsyncIterator[Site]:
    """The newsroom, running without a server or a cache."""
    purges = Purges(database)
    app = create_app(database, purges)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as visitor:
        yield Site(database, visitor, purges)


# What readers get


KINDS = {
    "landing": ("/en/", {"template:landing", "lang:en", "block:menu", "block:latest", "list:newsroom"}),
    "landing-de": ("/de/", {"template:landing", "lang:de", "block:menu", "block:contact"}),
    "section": ("/en/text/", {"template:section", "within:1", "block:latest"}),
    "section-page": ("/en/data/?page=2", {"template:section", "within:1"}),
    "article": ("/en/text/textwrap", {"template:article", "lang:en", "block:series", "block:contact", "block:footer"}),
    "article-de": ("/de/text/textwrap", {"template:article", "lang:de", "block:series", "within:2"}),
    "docs": (f"{DOCS}/en/builtins/dict", {"template:article", "block:menu"}),
    "search": ("/en/search?q=queue", {"text:newsroom", "block:menu", "lang:en"}),
    "feed": ("/de/feed.xml", {"list:newsroom", "lang:de"}),
    "sitemap": ("/sitemap.xml", {"list:newsroom"}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_public_pages_say_what_they_depend_on_and_who_may_keep_them(site: Site, kind: str) -> None:
    """Every kind of page has its tags, may be kept by shared caches, is asked for again by browsers, sets no cookie."""
    address, expected = KINDS[kind]
    answer = await site.get(address)
    assert answer.status_code == 200
    assert expected <= tags(answer)
    seconds = 60 if kind == "search" else 3600
    assert answer.headers["cache-control"] == f"public, max-age=0, s-maxage={seconds}"
    assert "set-cookie" not in answer.headers
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    "address", ["/", "/en", "/en/nothing", "/login", "/robots.txt", "/static/none.css", "/edit", "/en/network/urllib2"]
)
async def test_what_is_no_page_sets_no_cookie_either(site: Site, address: str) -> None:
    """A visitor stays anonymous wherever he goes, even in front of the editors' door."""
    assert "set-cookie" not in (await site.get(address)).headers


async def test_a_page_depends_on_itself_its_ancestors_and_those_it_recommends(site: Site) -> None:
    """The tags of an article name the page, the sections around it and every page whose title it prints."""
    number = site.page("text/textwrap")
    others = {f"page:{row[0]}" for row in site.query("SELECT other FROM related WHERE page = ?", number)}
    assert len(others) == 3
    found = tags(await site.get("/en/text/textwrap"))
    assert others | {f"page:{number}", "page:1", "within:1", f"within:{site.page('text/')}"} <= found


async def test_a_listing_depends_on_what_it_lists(site: Site) -> None:
    """A section names each page it shows, and the set of its children."""
    answer = await site.get("/en/data/")
    section = site.page("data/")
    shown = listed(answer.text)
    assert len(shown) == 24
    assert {f"page:{site.page(path)}" for path in shown} | {f"children:{section}"} <= tags(answer)


async def test_listings_have_as_many_pages_as_they_need(site: Site) -> None:
    """Every article of a section is on exactly one of its pages; there is none after the last, and no page 0 or x."""
    total = int(site.query("SELECT count(*) FROM page WHERE parent = ?", site.page("network/"))[0][0])
    shown: list[str] = []
    for number in range(1, -(-total // 24) + 1):
        shown += listed(await site.html(f"/en/network/?page={number}"))
    assert len(shown) == len(set(shown)) == total
    for wrong in (-(-total // 24) + 1, 0, "x", "٣", "01"):
        assert (await site.get(f"/en/network/?page={wrong}")).status_code == 404


async def test_the_notice_is_on_forty_english_pages(site: Site) -> None:
    """Exactly 40 pages of the English edition carry the notice, and only they depend on it; no German one does."""
    carriers = []
    for (path,) in site.query("SELECT path FROM page WHERE site = 'newsroom'"):
        answer = await site.get(f"/en/{path}")
        assert answer.status_code == 200
        assert ("block:notice" in tags(answer)) == ("Reader survey" in answer.text)
        if "Reader survey" in answer.text:
            carriers.append(path)
    assert len(carriers) == 40
    for path in carriers:
        german = await site.get(f"/de/{path}")
        assert "block:notice" not in tags(german)
        assert "Reader survey" not in german.text


async def test_a_block_inside_a_block_is_a_dependency(site: Site) -> None:
    """A page that carries the series block carries the contact block inside it, and depends on both."""
    number = site.page("text/textwrap")
    assert ("contact",) not in site.query("SELECT block FROM placement WHERE page = ?", number)
    answer = await site.get("/en/text/textwrap")
    assert "desk@newsroom.example" in answer.text
    assert {"block:series", "block:contact"} <= tags(answer)


async def test_both_languages_speak_their_own(site: Site) -> None:
    """The German page has German words around and in it, marks what is English, and both name each other."""
    english, german = await site.html("/en/text/textwrap"), await site.html("/de/text/textwrap")
    assert '<html lang="en">' in english
    assert '<html lang="de">' in german
    assert "Text wrapping and filling" in english
    assert "Erschienen am" in german
    assert "Das Modul <code>textwrap</code> bietet" in german
    assert '<div lang="en" class="original">' in german
    for page in (english, german):
        for language in ("en", "de"):
            assert f'hreflang="{language}" href="{NEWSROOM}/{language}/text/textwrap"' in page


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en;q=0.3,de;q=0.7", "de"),
        ("fr,en;q=0.2", "en"),
        ("de;q=0", "en"),
        ("de;q=x", "en"),
        ("*", "en"),
    ],
)
async def test_the_front_door_leads_to_the_language_asked_for(site: Site, accepted: str, language: str) -> None:
    """`/` redirects by Accept-Language and says so."""
    assert preferred_language(accepted) == language
    answer = await site.get("/", **{"Accept-Language": accepted})
    assert (answer.status_code, answer.headers["location"]) == (302, f"/{language}/")
    assert answer.headers["vary"] == "Accept-Language"


@pytest.mark.parametrize(
    ("address", "language", "words"),
    [
        ("/en/no/such/page", "en", "not in the library"),
        ("/de/no", "de", "steht nicht in der Bibliothek"),
        ("/fr/text/", "en", "not in the library"),
        ("/fr/search", "en", "not in the library"),
        ("/nothing", "en", "not in the library"),
    ],
)
async def test_what_is_not_there_is_a_page_that_nobody_keeps(
    site: Site, address: str, language: str, words: str
) -> None:
    """An unknown address is a 404 in the reader's language, without tags, not to be stored."""
    answer = await site.get(address)
    assert answer.status_code == 404
    assert f'<html lang="{language}">' in answer.text
    assert words in answer.text
    assert "cache-tag" not in answer.headers
    assert "no-store" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/en/network/urllib2", "/en/network/urllib.request"),
        ("/de/concurrency/Queue", "/de/concurrency/queue"),
        ("/en/net/", "/en/network/"),
        ("/en/text", "/en/text/"),
        ("/de/text/textwrap/", "/de/text/textwrap"),
        ("/en", "/en/"),
    ],
)
async def test_old_and_careless_addresses_lead_to_the_page(site: Site, old: str, new: str) -> None:
    """Redirects are permanent, lead to a page that is there, and depend on it."""
    answer = await site.get(old)
    assert (answer.status_code, answer.headers["location"]) == (301, new)
    target = await site.get(new)
    assert target.status_code == 200
    if old != "/en":
        number = site.page(new.split("/", 2)[2])
        assert {f"page:{number}", "moves:newsroom"} == tags(answer)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("newsroom.localhost", "Batteries Included"),
        ("NewsRoom.localhost:9001", "Batteries Included"),
        ("localhost:81", "Batteries Included"),
        ("127.0.0.1:8000", "Batteries Included"),
        ("[::1]:8000", "Batteries Included"),
        ("docs.localhost", "Reference Desk"),
        ("docs.localhost:65535", "Reference Desk"),
    ],
)
async def test_each_host_shows_its_site_on_any_port(site: Site, host: str, name: str) -> None:
    """Two names, two sites; the addresses of this machine show the first."""
    answer = await site.get("/en/", Host=host)
    assert answer.status_code == 200
    assert f">{name}</a>" in answer.text
    port = host.rpartition(":")[2] if re.search(r":\d+$", host) else ""
    other = "docs" if name == "Batteries Included" else "newsroom"
    assert f'href="http://{other}.localhost{":" + port if port else ""}/en/' in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", "newsroom.localhost.evil.example", "localhost:", "localhost:99999", "a b", ""]
)
async def test_hosts_of_others_are_refused(site: Site, host: str) -> None:
    """A Host that is none of ours is misdirected, and is not printed into any page."""
    assert site_of(host) is None
    answer = await site.get("/en/", Host=host)
    assert answer.status_code == 421
    assert "evil" not in answer.text


async def test_a_page_of_one_site_is_not_on_the_other(site: Site) -> None:
    """The sites share blocks, not pages."""
    assert (await site.get(f"{DOCS}/en/text/textwrap")).status_code == 404
    assert (await site.get("/en/builtins/dict")).status_code == 404


async def test_search_finds_words_and_marks_them(site: Site) -> None:
    """The module itself comes first; the words are marked; German finds German; other sites find their own."""
    english = await site.html("/en/search?q=heap+queue")
    assert english.index('href="/en/data/heapq"') < english.index("</ol>")
    assert "<mark>" in english
    assert 'value="heap queue"' in english
    assert "/de/data/heapq" in await site.html("/de/search?q=heapq")
    assert 'href="/en/builtins/dict"' in await site.html(f"{DOCS}/en/search?q=dict")


@pytest.mark.parametrize(
    "query", ['"', "*", "a AND", "NEAR(", "-x", "'; DROP TABLE page", "\x00", "(" * 300, "ÄÖ", "x" * 5000]
)
async def test_any_query_gets_an_answer(site: Site, query: str) -> None:
    """What visitors type is never read as a query language."""
    answer = await site.visitor.get(f"{NEWSROOM}/en/search", params={"q": query})
    assert answer.status_code == 200


async def test_a_query_is_printed_as_text(site: Site) -> None:
    """Markup in a query stays text."""
    html = (await site.visitor.get(f"{NEWSROOM}/en/search", params={"q": "<script>alert(1)</script>"})).text
    assert "<script" not in html
    assert "&lt;script&gt;" in html


async def test_the_feed_is_a_feed(site: Site) -> None:
    """RSS 2.0 with its required elements, dates, unique ids and addresses that work."""
    answer = await site.get("/de/feed.xml")
    assert answer.headers["content-type"] == "application/rss+xml; charset=utf-8"
    root = ET.fromstring(answer.text)
    channel = root.find("channel")
    assert root.attrib["version"] == "2.0"
    assert channel is not None
    assert {"title", "link", "description", "language"} <= {child.tag for child in channel}
    itself = channel.find(f"{ATOM}link")
    assert itself is not None
    assert itself.attrib["href"] == f"{NEWSROOM}/de/feed.xml"
    items = channel.findall("item")
    assert len(items) == 20
    assert len({item.findtext("guid") for item in items}) == 20
    dates = [parsedate_to_datetime(item.findtext("pubDate") or "") for item in items]
    assert dates == sorted(dates, reverse=True)
    assert (await site.get(items[0].findtext("link") or "")).status_code == 200


async def test_the_sitemap_names_every_page_in_both_languages(site: Site) -> None:
    """Each address is there once, with both its translations, and answers."""
    answer = await site.get("/sitemap.xml")
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    urls = ET.fromstring(answer.text).findall(f"{SITEMAP}url")
    places = [url.findtext(f"{SITEMAP}loc") or "" for url in urls]
    count = int(site.query("SELECT count(*) FROM page WHERE site = 'newsroom'")[0][0])
    assert len(places) == len(set(places)) == 2 * count >= 600
    assert all(len(url.findall(LINK)) == 2 for url in urls)
    for place in places[::97]:
        assert (await site.get(place)).status_code == 200
    assert f"Sitemap: {NEWSROOM}/sitemap.xml" in (await site.get("/robots.txt")).text


async def test_static_files_are_kept_for_ever_at_an_address_of_their_content(site: Site) -> None:
    """The style sheet's address holds its hash, so its answer never changes; a made-up one is not there."""
    html = await site.html("/en/")
    address = re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)[0]
    answer = await site.get(address)
    assert hashlib.blake2b(answer.content, digest_size=6).hexdigest() in address
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await site.get("/static/site.000000000000.css")).status_code == 404


@pytest.mark.parametrize("kind", ["landing", "section", "article-de", "docs", "search"])
async def test_pages_ask_nobody_else_for_anything(site: Site, kind: str) -> None:
    """No script, image, font or style comes from another host, and the policy forbids it."""
    answer = await site.get(KINDS[kind][0])
    loads = re.findall(r'<(?:link[^>]*rel="(?:stylesheet|icon)"[^>]*href|img[^>]*src)="([^"]+)"', answer.text)
    assert len(loads) == 2
    assert all(address.startswith("/static/") for address in loads)
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_the_foot_tells_renders_apart(site: Site) -> None:
    """Each render has a number of its own and names its worker; apart from that line two renders are equal."""
    one, two = await site.html("/en/text/"), await site.html("/en/text/")
    found = [re.findall(r"render #(\d+) by worker (\d+)", html)[0] for html in (one, two)]
    assert int(found[1][0]) > int(found[0][0])
    assert {worker for _, worker in found} == {str(os.getpid())}
    assert one != two
    assert without_colophon(one) == without_colophon(two)


async def test_only_the_methods_that_make_sense_are_taken(site: Site) -> None:
    """HEAD is GET without a body; pages cannot be posted to."""
    head = await site.visitor.head(f"{NEWSROOM}/en/text/textwrap")
    assert head.status_code == 200
    assert head.content == b""
    assert "template:article" in tags(head)
    assert (await site.post("/en/text/textwrap")).status_code == 405


# The first content


def content(path: Path) -> list[tuple[str, ...]]:
    """All that was seeded."""
    db = sqlite3.connect(path)
    try:
        tables = (
            "page",
            "translation",
            "block",
            "block_text",
            "template",
            "placement",
            "related",
            "redirect",
            "search",
        )
        return [row for table in tables for row in db.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid")]
    finally:
        db.close()


def test_seeding_gives_the_same_content_every_time(seeded: Path, tmp_path: Path) -> None:
    """Of two processes that seed at once one wins, with the content that any process writes, and nothing else is left."""
    path = tmp_path / "sites" / "newsroom.sqlite3"
    command = [sys.executable, "-m", "examples.newsroom.seed", str(path)]
    rivals = [subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": number}) for number in ("1", "2")]
    assert [rival.wait() for rival in rivals] == [0, 0]
    assert content(path) == content(seeded)
    assert list(path.parent.iterdir()) == [path]


def test_seeding_leaves_a_database_that_is_there(database: Path) -> None:
    """What editors wrote is not overwritten."""
    before = database.stat()
    seed.ensure(database)
    assert database.stat() == before


def test_there_is_enough_to_read(seeded: Path) -> None:
    """The newsroom has 360 articles, all pages exist in both languages, with text that the sanitiser leaves alone."""
    db = sqlite3.connect(seeded)
    try:
        (articles,) = db.execute(
            "SELECT count(*) FROM page WHERE site = 'newsroom' AND template = 'article'"
        ).fetchone()
        (pages,) = db.execute("SELECT count(*) FROM page").fetchone()
        texts = db.execute("SELECT body FROM translation").fetchall()
    finally:
        db.close()
    assert articles == 360
    assert len(texts) == 2 * pages
    assert sum(len(body) for (body,) in texts) > 2_000_000
    for (body,) in texts[::7]:
        assert richtext.clean(body) == body


def test_connections_are_not_carried_across_a_fork(database: Path) -> None:
    """A forked child reads and writes with connections of its own, and the parent goes on with its."""
    program = f"""
import os, pathlib
from examples.newsroom.database import Database
database = Database(pathlib.Path({str(database)!r}))
def count():
    with database.reading() as db:
        return id(db), db.execute("SELECT count(*) FROM page").fetchone()[0]
connection, before = count()
if (child := os.fork()) == 0:
    mine, seen = count()
    with database.writing() as db:
        db.execute("DELETE FROM redirect")
    os._exit(0 if mine != connection and seen == before else 1)
assert os.waitpid(child, 0)[1] == 0
assert count() == (connection, before)
database.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_connections_of_a_rush_are_closed(database: Path) -> None:
    """What many readers at once took is closed but for a few, which the next readers get."""
    store = Database(database)
    with ExitStack() as rush:
        taken = [rush.enter_context(store.reading()) for _ in range(KEPT + 3)]
    kept = [db for db in taken if _open(db)]
    assert len(kept) == KEPT
    with ExitStack() as few:
        again = [few.enter_context(store.reading()) for _ in range(KEPT)]
    assert set(map(id, again)) == set(map(id, kept))
    store.close()
    assert not any(map(_open, kept))


def _open(db: sqlite3.Connection) -> bool:
    try:
        db.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One line.", "<p>One line.</p>"),
        ("Use ``x`` & <b>.", "<p>Use <code>x</code> &amp; &lt;b&gt;.</p>"),
        ("See:\n\n    >>> 1 < 2\n    True", "<p>See:</p>\n<pre><code>&gt;&gt;&gt; 1 &lt; 2\nTrue</code></pre>"),
        ("Like::\n\n    x = 1\n\n    y = 2", "<p>Like:</p>\n<pre><code>x = 1\n\ny = 2</code></pre>"),
        ("- one\n- two\n  more", "<ul><li>one</li><li>two\nmore</li></ul>"),
        ("1. one\n\n2. two", "<ol><li>one</li><li>two</li></ol>"),
        ("3. three", '<ol start="3"><li>three</li></ol>'),
        (
            "a -- first\nb -- second",
            "<dl><dt><code>a</code></dt><dd>first</dd><dt><code>b</code></dt><dd>second</dd></dl>",
        ),
        ("Title\n-----\nText", "<h3>Title</h3>\n<p>Text</p>"),
        ("Text\n\n   Note: mind the gap.", "<p>Text</p>\n<blockquote><p>Note: mind the gap.</p></blockquote>"),
        (
            "===  ====\nA    B\n===  ====\none  two\n     more\n===  ====",
            "<table><tbody><tr><th>A</th><th>B</th></tr><tr><td>one</td><td>two more</td></tr></tbody></table>",
        ),
        ("https://example.org/x.", '<p><a href="https://example.org/x">https://example.org/x</a>.</p>'),
        ("", ""),
    ],
)
def test_docstrings_become_prose(text: str, html: str) -> None:
    """Plain text's own conventions become elements, and nothing in it is taken for markup."""
    assert prose.html(text) == html
    assert richtext.clean(html) == html


# What editors do


async def test_the_desk_is_for_editors(site: Site) -> None:
    """Without a session the desk leads to the door, nothing can be saved, and the door leads back inside."""
    answer = await site.get("/edit/block/notice")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/edit/block/notice")
    assert (await site.post("/edit/block/notice", body_en="x", csrf="", version="1")).status_code == 403
    wrong = await site.post("/login", username="editor", password="guess", next="/edit/block/notice")
    assert wrong.status_code == 403
    assert "set-cookie" not in wrong.headers
    right = await site.post("/login", username="editor", password="newsroom", next="/edit/block/notice")
    assert (right.status_code, right.headers["location"]) == (303, "/edit/block/notice")
    assert right.headers["set-cookie"].startswith("session=")
    assert site.purges.calls == []


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
async def test_signing_in_leads_nowhere_else(site: Site, onward: str) -> None:
    """The address to go on to is one of ours."""
    answer = await site.post("/login", username="editor", password="newsroom", next=onward)
    assert answer.headers["location"] == "/edit"


async def test_forms_of_other_sites_are_not_taken(site: Site) -> None:
    """A form needs the token of the session, and must not come from another origin."""
    await site.sign_in()
    fields = await site.fields("/edit/block/notice")
    assert (await site.edit("/edit/block/notice", csrf="x")).status_code == 403
    foreign = await site.visitor.post(
        f"{NEWSROOM}/edit/block/notice", data=fields, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    own = await site.visitor.post(f"{NEWSROOM}/edit/block/notice", data=fields, headers={"Origin": NEWSROOM})
    assert own.status_code == 303


@pytest.mark.parametrize(
    "address",
    ["/en/", "/de/text/textwrap", "/en/search?q=x", "/en/feed.xml", "/en/text", "/", "/edit", "/edit/page/21"],
)
async def test_what_an_editor_sees_is_nobody_elses(site: Site, address: str) -> None:
    """Every answer to a signed-in editor is private and carries no tags."""
    await site.sign_in()
    answer = await site.get(address)
    assert answer.status_code in {200, 301, 302}
    assert answer.headers["cache-control"] == "private, no-store"
    assert "cache-tag" not in answer.headers


async def test_editors_have_a_toolbar_with_what_the_page_is_made_of(site: Site) -> None:
    """The toolbar leads to the page, its translation, template and blocks, nested ones too; visitors have none."""
    assert "toolbar" not in await site.html("/en/text/textwrap")
    await site.sign_in()
    html = await site.html("/en/text/textwrap")
    number = site.page("text/textwrap")
    toolbar = html[html.index('<aside class="toolbar"') :]
    for address in (f"page/{number}", f"page/{number}/de", "template/article", "block/series", "block/contact"):
        assert f'href="/edit/{address}"' in toolbar


async def test_signing_out_makes_a_visitor_again(site: Site) -> None:
    """After signing out the pages are public and the cookie is gone."""
    await site.sign_in()
    token = re.findall(r'name="csrf" value="([^"]+)"', (await site.get("/edit")).text)[0]
    assert (await site.post("/logout", csrf=token)).status_code == 303
    assert not site.visitor.cookies
    assert (await site.get("/en/")).headers["cache-control"].startswith("public")


async def edit_block(site: Site) -> httpx.Response:
    """Change the notice."""
    return await site.edit("/edit/block/notice", body_en="<p>Changed by the test.</p>")


async def edit_nested_block(site: Site) -> httpx.Response:
    """Change a block that sits inside others."""
    return await site.edit("/edit/block/contact", body_en="<p>Changed by the test.</p>", body_de="<p>Geändert.</p>")


async def edit_menu(site: Site) -> httpx.Response:
    """Change the block in every header."""
    return await site.edit("/edit/block/menu", body_en="Only = newsroom:/text/", body_de="Nur = docs:/")


async def edit_template(site: Site) -> httpx.Response:
    """Put a banner into a template."""
    source = (await site.fields("/edit/template/section"))["source"][0]
    return await site.edit("/edit/template/section", source=source.replace("<h1>", "<p>Banner</p><h1>"))


async def edit_translation(site: Site) -> httpx.Response:
    """Change a German title."""
    return await site.edit(f"/edit/page/{site.page('text/textwrap')}/de", title="Geändert vom Test")


async def edit_page(site: Site) -> httpx.Response:
    """Change an English title."""
    return await site.edit(f"/edit/page/{site.page('text/textwrap')}", title="Changed by the test")


async def place_block(site: Site) -> httpx.Response:
    """Put two more blocks on a page."""
    return await site.edit(f"/edit/page/{site.page('text/string')}", blocks=["series", "notice", "numbers"])


async def move_page(site: Site) -> httpx.Response:
    """Give a page another address and section."""
    return await site.edit(f"/edit/page/{site.page('text/textwrap')}", slug="sets", parent=str(site.page("data/")))


async def move_section(site: Site) -> httpx.Response:
    """Give a section, and all below it, another address."""
    return await site.edit(f"/edit/page/{site.page('text/')}", slug="words")


async def unpublish_page(site: Site) -> httpx.Response:
    """Take a page off the site."""
    return await site.edit(f"/edit/page/{site.page('text/textwrap')}", published="")


async def create_page(site: Site) -> httpx.Response:
    """Write a new page, newer than all others."""
    return await site.edit(
        "/edit/page/new", title="Brand new", slug="StringIO", parent=str(site.page("text/")), date="2099-01-01"
    )


EDITS = (edit_block, edit_nested_block, edit_menu, edit_template, edit_translation, edit_page, place_block, move_page,
         move_section, unpublish_page, create_page)  # fmt: skip
SAMPLE = """SELECT site, path FROM page WHERE template <> 'article' OR path LIKE 'text/%' OR id % 16 = 0
    OR id IN (SELECT page FROM related JOIN page AS text ON other = text.id WHERE text.path LIKE 'text/%')
    OR id IN (SELECT page FROM placement WHERE block IN ('notice', 'contact') AND page % 3 = 0)"""


async def crawl(site: Site, addresses: list[str]) -> dict[str, tuple[str, set[str]]]:
    """What a visitor without cookies sees at each address: status with text, and tags."""
    transport = site.visitor._transport
    seen = {}
    async with httpx.AsyncClient(transport=transport) as visitor:
        for address in addresses:
            answer = await visitor.get(address)
            seen[address] = (
                f"{answer.status_code} {without_colophon(answer.text)} {answer.headers.get('location')}",
                tags(answer),
            )
    return seen


@pytest.fixture
async def before(site: Site) -> dict[str, tuple[str, set[str]]]:
    """What a visitor sees before anything is edited; crawled once, for every database is seeded alike."""
    if not SEEN:
        addresses = [
            f"http://{name}.localhost:8000/{language}/{path}"
            for name, path in site.query(SAMPLE)
            for language in ("en", "de")
        ]
        addresses += [f"{NEWSROOM}/{path}" for path in ("sitemap.xml", "en/feed.xml", "de/feed.xml")]
        addresses += [
            f"{NEWSROOM}/{language}/search?q={word}+test" for language, word in (("en", "changed"), ("de", "geändert"))
        ]
        addresses += [
            f"{NEWSROOM}/en/{path}"
            for path in ("search?q=sets", "network/urllib2", "data/?page=2", "data/sets", "text/StringIO")
        ]
        SEEN.update(await crawl(site, addresses))
    return SEEN


SEEN: dict[str, tuple[str, set[str]]] = {}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
async def test_what_an_edit_changes_it_purges(
    site: Site, before: dict[str, tuple[str, set[str]]], edit: Callable[[Site], Awaitable[httpx.Response]]
) -> None:
    """Of every address, each whose content changed depended on a tag that the edit purged, once, after its commit."""
    await site.sign_in()
    version = total_version(site.database)
    answer = await edit(site)
    assert answer.status_code == 303, answer.text
    after = await crawl(site, list(before))

    (purged,) = site.purges.calls
    assert site.purges.versions[0] > version, "the purge came before the commit"
    assert answer.headers["purge-tags"] == ", ".join(purged)
    changed = {address for address in before if before[address][0] != after[address][0]}
    gone = {address for address in before if before[address][1] & set(purged)}
    assert changed
    assert changed <= gone
    if edit in {edit_block, edit_nested_block, edit_menu, edit_template}:
        assert changed == gone


async def test_a_page_waits_for_those_it_recommends(site: Site) -> None:
    """A page that recommends a draft depends on it already: when the draft is published, the page changes."""
    number = site.page("text/textwrap")
    (recommending,) = site.query("SELECT path FROM page JOIN related ON page = id WHERE other = ? LIMIT 1", number)[0]
    await site.sign_in()
    await unpublish_page(site)
    (without,) = (await crawl(site, [f"{NEWSROOM}/en/{recommending}"])).values()
    await site.edit(f"/edit/page/{number}", published="1")
    (with_it,) = (await crawl(site, [f"{NEWSROOM}/en/{recommending}"])).values()
    assert "Text wrapping and filling" not in without[0]
    assert "Text wrapping and filling" in with_it[0]
    assert without[1] & set(site.purges.calls[-1])


async def test_each_rule_purges_what_it_says(site: Site) -> None:
    """A block, a template and a translation purge one name of their own; a page the page and what finds it."""
    number = site.page("text/textwrap")
    await site.sign_in()
    await edit_block(site)
    await edit_template(site)
    await edit_translation(site)
    await edit_page(site)
    assert site.purges.calls == [
        ["block:notice"],
        ["template:section"],
        [f"page:{number}@de", "text:newsroom@de"],
        [f"page:{number}", "text:newsroom"],
    ]


async def test_a_translation_leaves_the_english_page_alone(site: Site) -> None:
    """After a German edit the German page is new, and the English one neither changed nor depends on what was purged."""
    english = await site.get("/en/text/textwrap")
    await site.sign_in()
    await edit_translation(site)
    assert "Geändert vom Test" in await site.html("/de/text/textwrap")
    site.visitor.cookies.clear()
    again = await site.get("/en/text/textwrap")
    assert without_colophon(again.text) == without_colophon(english.text)
    assert not tags(english) & set(site.purges.calls[0])


async def test_a_moved_page_is_found_at_both_addresses(site: Site) -> None:
    """The old address redirects, also after moving back, and also for what is below a moved section."""
    await site.sign_in()
    await move_section(site)
    answer = await site.get("/de/text/textwrap")
    assert (answer.status_code, answer.headers["location"]) == (301, "/de/words/textwrap")
    assert (await site.get("/en/text/")).headers["location"] == "/en/words/"
    await site.edit(f"/edit/page/{site.page('words/')}", slug="text")
    assert (await site.get("/de/text/textwrap")).status_code == 200
    assert (await site.get("/de/words/textwrap")).headers["location"] == "/de/text/textwrap"


async def test_a_new_page_is_everywhere_it_belongs(site: Site) -> None:
    """A new page has an address, is listed, found, fed and mapped, in both languages; a draft is nowhere."""
    await site.sign_in()
    answer = await create_page(site)
    places = {"/en/text/StringIO", "/de/text/StringIO"}
    shown = ["/en/text/", "/en/", "/en/search?q=brand", "/en/feed.xml", "/sitemap.xml"]
    for place in places:
        assert "Brand new" in await site.html(place)
    for address in shown:
        assert "/text/StringIO" in await site.html(address)
    await site.edit(answer.headers["location"], published="")
    for place in places:
        assert (await site.get(place)).status_code == 404
    for address in shown:
        assert "/text/StringIO" not in await site.html(address)


@pytest.mark.parametrize(
    ("path", "changes", "fault"),
    [
        ("/edit/page/21", {"title": " "}, "A page needs a title."),
        ("/edit/page/21", {"title": "x" * 161}, "At most 160 characters."),
        ("/edit/page/21", {"slug": "a/b"}, "Letters, digits"),
        ("/edit/page/21", {"slug": ""}, "Letters, digits"),
        ("/edit/page/21", {"slug": "string"}, "There is already a page at text/string."),
        ("/edit/page/21", {"date": "2026-02-30"}, "A date like"),
        ("/edit/page/21", {"parent": "22"}, "Choose a section"),
        ("/edit/page/21", {"parent": "370"}, "A page stays on its site"),
        ("/edit/page/2", {"parent": "2"}, "none below this page"),
        ("/edit/page/2", {"template": "article"}, "cannot be an article"),
        ("/edit/page/21", {"version": "0"}, "Somebody else saved this page"),
        ("/edit/page/21/de", {"version": "0"}, "Somebody else saved this translation"),
        ("/edit/page/21/de", {"title": ""}, "A page needs a title."),
        ("/edit/block/notice", {"version": "0"}, "Somebody else saved this block"),
        ("/edit/block/notice", {"version": "x"}, "whole number"),
        ("/edit/block/notice", {"body_en": "[[block:nothing]]"}, "There is no block “nothing”."),
        ("/edit/block/contact", {"body_en": "[[block:series]]"}, "This block would contain itself."),
        ("/edit/block/menu", {"body_de": "Text: /text/"}, "Line 1 should read like"),
        ("/edit/template/article", {"version": "0"}, "Somebody else saved this template"),
    ],
)
async def test_what_cannot_be_saved_is_explained(site: Site, path: str, changes: dict[str, str], fault: str) -> None:
    """A fault is named at its field, what was typed stays in the form, and nothing is written or purged."""
    await site.sign_in()
    version = total_version(site.database)
    answer = await site.edit(path, **changes)
    assert answer.status_code == 422
    assert fault in unescape(answer.text)
    assert total_version(site.database) == version
    assert site.purges.calls == []
    for name, value in changes.items() - {("parent", "22"), ("parent", "370")}:
        assert form_fields(answer.text)[name][0].strip() == value.strip()


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{% extends 'base.html' %}\n{% block main %}{{ nothing }}{% endblock %}", "Line 2: UndefinedError"),
        ("\n\n{% if %}", "Line 3: TemplateSyntaxError"),
        ("{{ view._edition.db }}", "SecurityError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ view.tags.__globals__ }}", "SecurityError"),
        ("{% include '../database.py' %}", "TemplateNotFound"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% for a in range(999999) %}{% endfor %}", "OverflowError"),
    ],
)
async def test_a_template_that_fails_is_not_saved(site: Site, source: str, fault: str) -> None:
    """A template is tried on real pages first; it cannot leave its sandbox; the site stays as it was."""
    await site.sign_in()
    answer = await site.edit("/edit/template/article", source=source)
    assert answer.status_code == 422
    assert fault in unescape(answer.text)
    assert site.purges.calls == []
    assert "Text wrapping and filling" in await site.html("/en/text/textwrap")


async def test_a_template_that_fails_later_does_not_break_the_site(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A page that the edited template cannot show uses the shipped one, others the edited one; the log says why."""
    await site.sign_in()
    source = "{% extends 'base.html' %}{% block main %}Edited {{ 1 / 0 if page.slug == 'textwrap' }}{% endblock %}"
    assert (await site.edit("/edit/template/article", source=source)).status_code == 303
    with caplog.at_level(logging.WARNING, "newsroom"):
        page = await site.html("/en/text/textwrap")
    assert "Edited" not in page
    assert "Text wrapping and filling" in page
    assert "Edited" in await site.html("/en/text/string")
    assert "template 'article' fails on page" in caplog.text
    answer = await site.edit("/edit/template/article", restore="1")
    assert answer.status_code == 303
    assert "Edited" not in await site.html("/en/text/string")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("<p>Text</p>", "<p>Text</p>"),
        ("<script>alert(1)</script>x", "x"),
        ("<scr<script>ipt>alert(1)</script>", "ipt&gt;alert(1)"),
        ("<img src=x onerror=alert(1)>y", "y"),
        ("<p onclick='x' style='y' class='lead'>z</p>", '<p class="lead">z</p>'),
        ("<a href='javascript:alert(1)'>a</a>", "<a>a</a>"),
        ("<a href=' java\tscript:alert(1)'>a</a>", "<a>a</a>"),
        ("<a href='//evil.example'>a</a>", "<a>a</a>"),
        ("<a href='/\\evil.example'>a</a>", "<a>a</a>"),
        ("<a href='data:text/html,x'>a</a>", "<a>a</a>"),
        ("<a href='https://example.org/?a=1&amp;b=2'>a</a>", '<a href="https://example.org/?a=1&amp;b=2">a</a>'),
        ("<a href='newsroom:/data/decimal'>a</a>", '<a href="newsroom:/data/decimal">a</a>'),
        ("<b><i>open", "<b><i>open</i></b>"),
        ("</div></main><b>closed</p></b>", "<b>closed</b>"),
        ("<em title='[[block:menu]]' lang='[[block:menu]]'>e</em>", '<em lang="&#91;&#91;block:menu]]">e</em>'),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ("<!-- c --><svg><style>x</style></svg>\x00", ""),
    ],
)
def test_editors_write_html_but_no_scripts(typed: str, kept: str) -> None:
    """What is not on the list of harmless markup goes, text stays, every element is closed; cleaning twice is once."""
    assert richtext.clean(typed) == kept
    assert richtext.clean(kept) == kept


async def test_blocks_and_links_in_a_text_are_filled_in(site: Site) -> None:
    """`[[block:…]]` becomes the block, `site:/path` an address in the reader's language; code in them does not run."""
    await site.sign_in()
    body = "<p>[[block:numbers]]</p><p><a href='docs:/builtins/dict'>d</a> {{ 7 * 7 }}</p><script>x</script>"
    answer = await site.edit(f"/edit/page/{site.page('text/string')}", body=body)
    assert answer.status_code == 303
    site.visitor.cookies.clear()
    shown = await site.get("/en/text/string")
    assert "Float or Decimal?" in shown.text
    assert '<a href="/en/data/decimal">' in shown.text
    assert f'<a href="{DOCS}/en/builtins/dict">' in shown.text
    assert "{{ 7 * 7 }}" in shown.text
    assert "block:numbers" in tags(shown)


@pytest.mark.parametrize(
    ("answer", "fault", "sentence", "header"),
    [
        (Answer(seq=42), None, "Saved and live on every worker after 1.2 ms (purge 42).", "done; seq=42; waited_ms=1.2"),
        (Answer(scope="process", seq=3), None, "live in this process", "done; seq=3; waited_ms=1.2"),
        (Answer(done=False, seq=43, waited_ms=1000), None, "Not every worker has confirmed purge 43", "unsure; seq=43; waited_ms=1000.0"),
        (Answer(done=False, seq=0), None, "could not record the purge", "unsure; seq=0; waited_ms=1.2"),
        (None, ConnectionError("gone"), "could not be told (ConnectionError)", "failed"),
        (None, None, "Saved.", "done"),
    ],
)  # fmt: skip
async def test_the_editor_hears_what_the_purge_said(
    site: Site, answer: Purged | None, fault: Exception | None, sentence: str, header: str
) -> None:
    """Whatever becomes of the purge the edit is saved, and the editor is told once how certain it is."""
    site.purges.answer, site.purges.fault = answer, fault
    await site.sign_in()
    saved = await edit_block(site)
    assert saved.status_code == 303
    assert saved.headers["purge-status"] == header
    form = await site.html(saved.headers["location"])
    assert sentence in form
    assert "Changed by the test." in form
    assert '<output class="flash' not in await site.html(saved.headers["location"])


async def test_without_a_cache_the_editor_is_told_so(database: Path) -> None:
    """The site runs by itself."""
    app = create_app(database)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as visitor:
        site = Site(database, visitor, Purges(database))
        await site.sign_in()
        saved = await edit_block(site)
        assert saved.headers["purge-status"] == "none"
        assert "There is no cache in front of this site." in await site.html("/edit/block/notice")


async def test_the_desk_finds_pages_and_says_where_blocks_are(site: Site) -> None:
    """The desk lists by words, in screenfuls; a block's form lists the pages and blocks that carry it."""
    await site.sign_in()
    found = await site.html("/edit?q=textwrap")
    assert "newsroom:/text/textwrap" in found
    assert "newsroom:/data/math" not in found
    assert "No page is called that." in await site.html("/edit?q=100%25_nothing")
    assert (await site.html("/edit?page=2")).count("<tr") == 31
    assert "On 40 pages, in the English edition" in await site.html("/edit/block/notice")
    contact = await site.html("/edit/block/contact")
    assert "Inside" in contact
    assert 'href="/edit/block/series"' in contact
    for nothing in ("page/99999", "page/x", "page/21/fr", "block/nothing", "template/nothing"):
        assert (await site.get(f"/edit/{nothing}")).status_code == 404


def test_an_editor_can_be_a_script(seeded: Path, tmp_path: Path) -> None:
    """Behind the cache, over HTTP: the script signs in, edits, and the next visitor gets the new page from no cache."""
    database = Path(shutil.copy(seeded, tmp_path / "newsroom.sqlite3"))
    worker = Worker("examples.newsroom.app:app", {**os.environ, "NEWSROOM_DATABASE": str(database)}, tmp_path / "log")
    worker.launch()
    try:
        worker.wait_until_ready()
        article, plain = f"{worker.url}/en/text/textwrap", f"{worker.url}/en/text/string"
        with httpx.Client() as visitor, Editor(worker.url) as editor:
            for address in (article, plain):
                visitor.get(address)
                assert "hit" in visitor.get(address).headers["cache-status"]
            with pytest.raises(EditorError, match="303"):
                editor.edit_block("notice", body="<p>Too early.</p>")
            with pytest.raises(EditorError, match="do not belong together"):
                editor.sign_in(password="guess")
            editor.sign_in()
            saved = editor.edit_block("notice", body="<p>Said & done.</p>")
            assert saved.done
            assert saved.seq > 0
            assert saved.tags == ("block:notice",)
            assert "Said &amp; done." in visitor.get(article).text
            assert "hit" in visitor.get(plain).headers["cache-status"]
            source = editor.fields("/edit/template/article")["source"][0]
            editor.edit_template("article", source.replace("</h1>", "!</h1>"))
            assert "String constants!" not in visitor.get(plain).text
            assert "!</h1>" in visitor.get(plain).text
            with pytest.raises(EditorError, match="Line 1: TemplateSyntaxError"):
                editor.edit_template("article", "{% if %}")
            number = int(re.findall(r"page:(\d+)", " ".join(editor.edit_page(21, teaser="New.").tags))[0])
            german = editor.edit_translation(number, title="Neu", teaser="", body="<p>Kurz.</p>")
            assert german.tags == ("page:21@de", "text:newsroom@de")
            assert editor.fields("/edit/page/21/de")["teaser"] == [""]
    finally:
        worker.close()
