"""The newsroom's first content, made from the standard library of the Python that runs it.

The same Python gives the same database. `python -m examples.newsroom.seed PATH` writes one.
"""

from __future__ import annotations

import builtins
import hashlib
import inspect
import os
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from examples.newsroom.content import LANGUAGES
from examples.newsroom.database import SCHEMA
from examples.newsroom.editing import index
from examples.newsroom.rendering import EDITABLE, shipped
from examples.newsroom.richtext import clean
from examples.newsroom.seed import articles, library
from examples.newsroom.seed.articles import Article, Story
from examples.newsroom.seed.blocks import BLOCKS, BY_SECTION, NOTICE_PAGES, ON_SECTIONS, REDIRECTS
from examples.newsroom.seed.sections import DOCS, NEWSROOM, Section, section_of
from examples.newsroom.seed.wording import HEADLINES

ARTICLES = 360
NEWEST = date(2026, 10, 31)

FRONT = {
    "newsroom": {
        "en": Story("Batteries Included", "News and notes from the Python standard library.", ""),
        "de": Story("Batteries Included", "Neues aus der Standardbibliothek von Python.", ""),
    },
    "docs": {
        "en": Story("Reference Desk", "The Python language, looked up: statements, expressions, types.", ""),
        "de": Story("Reference Desk", "Die Sprache Python zum Nachschlagen: Anweisungen, Ausdrücke, Typen.", ""),
    },
}


@dataclass(frozen=True, slots=True)
class NewPage:
    """A page before it has a number."""

    site: str
    parent: int | None
    slug: str
    path: str
    template: str
    day: date
    texts: dict[str, Story]


TEMPLATE_TITLES = {"article": "Article", "section": "Section", "landing": "Front page"}


def ensure(path: Path) -> None:
    """Write the database at `path` unless it is there. Of several processes that try, one wins and all are served."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".seed-") as folder:
        fresh = Path(folder) / path.name
        write(fresh)
        try:
            os.link(fresh, path)
        except FileExistsError:
            return


def write(path: Path) -> None:
    """Write a new database at `path`."""
    db = sqlite3.connect(path, isolation_level=None)
    db.row_factory = sqlite3.Row
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA)
        db.execute("BEGIN")
        _furnish(db)
        _fill(db, "newsroom", NEWSROOM, newsroom_articles())
        _fill(db, "docs", DOCS, docs_articles())
        _deal_notice(db)
        for old, new in REDIRECTS.items():
            db.execute(
                "INSERT INTO redirect SELECT site, ?, id FROM page WHERE site = 'newsroom' AND path = ?", [old, new]
            )
        db.execute("COMMIT")
    finally:
        db.close()


def newsroom_articles() -> list[Article]:
    """Exactly `ARTICLES` of them: the modules, and then the classes that have most to say."""
    modules = [
        module
        for module in library.modules()
        if module.doc or module.name in HEADLINES or len(module.functions) + len(module.classes) > 1
    ]
    portraits = sorted(
        ((len(one.doc), module.name, one) for module in modules for one in module.classes if len(one.methods) > 1),
        key=lambda portrait: (-portrait[0], portrait[1], portrait[2].name),
    )
    found = [articles.about_module(module, section_of(module.name)) for module in modules][:ARTICLES]
    slugs = {article.slug.lower() for article in found}
    for _, owner, one in portraits:
        if len(found) < ARTICLES and f"{owner}.{one.name}".lower() not in slugs:
            found.append(articles.about_class(owner, one, section_of(owner)))
    return found


def docs_articles() -> list[Article]:
    """The topics of the language reference where Python brings them, and the built-in classes."""
    found = []
    topics = _topics()
    for name in sorted(topics):
        slug = next((section.slug for section in DOCS if name in section.modules), "model")
        found.append(articles.about_topic(name, topics[name], slug))
    for name, thing in sorted(vars(builtins).items()):
        if inspect.isclass(thing) and not name.startswith("_") and thing.__name__ == name:
            slug = "exceptions" if issubclass(thing, BaseException) else "builtins"
            found.append(articles.about_class("builtins", library.class_of(name, thing), slug))
    return found


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics  # noqa: PLC0415 - some distributions leave it out
    except ImportError:
        return {}
    return topics


def _furnish(db: sqlite3.Connection) -> None:
    for name in EDITABLE:
        db.execute(
            "INSERT INTO template (id, title, source) VALUES (?, ?, ?)", [name, TEMPLATE_TITLES[name], shipped(name)]
        )
    for position, block in enumerate(BLOCKS):
        db.execute(
            "INSERT INTO block (id, kind, region, language, position) VALUES (?, ?, ?, ?, ?)",
            [block.id, block.kind, block.region, block.language, position],
        )
        for language, (title, body) in block.texts.items():
            text = body if block.kind == "menu" else clean(body)
            db.execute("INSERT INTO block_text VALUES (?, ?, ?, ?)", [block.id, language, title, text])


def _fill(db: sqlite3.Connection, site: str, sections: tuple[Section, ...], stories: list[Article]) -> None:
    days = _days(stories)
    pages: list[int] = []
    front = _page(db, NewPage(site, None, "", "", "landing", NEWEST, FRONT[site]))
    _place(db, front, "latest", "contact")
    for section in sections:
        texts = {code: Story(section.titles[code], section.teasers[code], "") for code in LANGUAGES}
        shelf = _page(db, NewPage(site, front, section.slug, f"{section.slug}/", "section", NEWEST, texts))
        _place(db, shelf, *ON_SECTIONS.get(section.slug, ("latest",)))
        for story in [story for story in stories if story.section == section.slug]:
            path = f"{section.slug}/{story.slug}"
            story_texts = {"en": story.en, "de": story.de}
            leaf = NewPage(site, shelf, story.slug, path, "article", days[story.slug], story_texts)
            pages.append(_page(db, leaf))
            _place(db, pages[-1], *BY_SECTION.get(section.slug, ()))
    # Each recommends the next three, so that the last of a section lead on to another.
    for number, page in enumerate(pages):
        rows = [(page, pages[(number + step) % len(pages)], step) for step in (1, 2, 3)]
        db.executemany("INSERT INTO related VALUES (?, ?, ?)", rows)


def _page(db: sqlite3.Connection, page: NewPage) -> int:
    number = db.execute(
        "INSERT INTO page (site, parent, slug, path, template, date) VALUES (?, ?, ?, ?, ?, ?)",
        [page.site, page.parent, page.slug, page.path, page.template, page.day.isoformat()],
    ).lastrowid
    assert number is not None
    for language, story in page.texts.items():
        db.execute(
            "INSERT INTO translation (page, language, title, teaser, body) VALUES (?, ?, ?, ?, ?)",
            [number, language, story.title, story.teaser, story.body],
        )
    index(db, number)
    return number


def _place(db: sqlite3.Connection, page: int, *blocks: str) -> None:
    db.executemany("INSERT INTO placement VALUES (?, ?)", [(page, block) for block in blocks])


def _deal_notice(db: sqlite3.Connection) -> None:
    """Put the notice on every ninth article, so that each section has some."""
    pages = [
        row[0] for row in db.execute("SELECT id FROM page WHERE site = 'newsroom' AND template = 'article' ORDER BY id")
    ]
    step = len(pages) // NOTICE_PAGES
    for page in pages[::step][:NOTICE_PAGES]:
        _place(db, page, "notice")


def _days(stories: list[Article]) -> dict[str, date]:
    """A day for each article, two days apart: drawn by lot, in which a long article has more tickets than a short one."""

    def ticket(story: Article) -> float:
        digest = hashlib.blake2b(story.slug.encode(), digest_size=8, person=b"day").digest()
        chance = (int.from_bytes(digest) + 1) / 2**64
        return float(-(chance ** (2000 / (len(story.en.body) + 100))))

    ranked = sorted(stories, key=lambda story: (ticket(story), story.slug))
    return {story.slug: NEWEST - timedelta(days=2 * place) for place, story in enumerate(ranked)}
