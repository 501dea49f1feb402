"""What readers can see: one site in one language. It reads, and refuses to know HTTP and HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

LANGUAGES = ("en", "de")
SITES = ("newsroom", "docs")

SEARCH_WORDS = 8
RESULTS = 30


@dataclass(frozen=True, slots=True)
class Page:
    """A page in one language; `body` is empty where only a link or a teaser is needed."""

    id: int
    site: str
    parent: int | None
    slug: str
    path: str
    template: str
    published: int
    date: str
    version: int
    title: str
    teaser: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A block in one language; one without `language` belongs to every edition."""

    id: str
    kind: str
    region: str
    language: str | None
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Result:
    """A page that was found, with its best passage; matches stand between the characters U+0002 and U+0003."""

    page: Page
    passage: str


_FIELDS = """page.id, site, parent, slug, path, template, published, date, page.version,
    translation.title, translation.teaser"""
_PAGES = "FROM page JOIN translation ON translation.page = page.id WHERE published AND site = ? AND language = ?"


@dataclass(frozen=True, slots=True)
class Edition:
    """The published pages of `site` in `language`."""

    db: sqlite3.Connection
    site: str
    language: str

    def page_at(self, path: str) -> Page | None:
        """The page at `path`, whole."""
        rows = self._pages("AND path = ?", [path], body=True)
        return rows[0] if rows else None

    def page(self, page: int) -> Page | None:
        """The page with this id, without its body."""
        rows = self._pages("AND page.id = ?", [page])
        return rows[0] if rows else None

    def moved(self, path: str) -> Page | None:
        """The page that used to live at `path`."""
        row = self.db.execute("SELECT page FROM redirect WHERE site = ? AND path = ?", [self.site, path]).fetchone()
        return self.page(row["page"]) if row else None

    def children(self, page: int, limit: int, offset: int = 0) -> list[Page]:
        """The pages below `page`: sections in their own order, articles with the newest first."""
        order = "AND parent = ? ORDER BY template = 'article', CASE template WHEN 'article' THEN date END DESC, page.id"
        return self._pages(f"{order} LIMIT ? OFFSET ?", [page, limit, offset])

    def count(self, page: int) -> int:
        """How many published pages are directly below `page`."""
        rows = self.db.execute("SELECT count(*) FROM page WHERE published AND parent = ?", [page])
        return int(rows.fetchone()[0])

    def ancestors(self, page: Page) -> list[Page]:
        """The pages above `page`, the landing page first."""
        above: list[Page] = []
        parent = page.parent
        while parent is not None and (found := self.page(parent)):
            above.insert(0, found)
            parent = found.parent
        return above

    def recommended(self, page: int) -> list[int]:
        """The ids of the pages an editor recommends beside `page`, also of those that are not published."""
        rows = self.db.execute("SELECT other FROM related WHERE page = ? ORDER BY position", [page])
        return [row["other"] for row in rows]

    def related(self, page: int) -> list[Page]:
        """The published pages among those."""
        order = "AND page.id IN (SELECT other FROM related WHERE page = ?) ORDER BY"
        return self._pages(
            f"{order} (SELECT position FROM related WHERE page = ? AND other = translation.page)", [page, page]
        )

    def latest(self, limit: int) -> list[Page]:
        """The newest articles."""
        return self._pages("AND template = 'article' ORDER BY date DESC, page.id LIMIT ?", [limit])

    def everything(self) -> list[Page]:
        """All pages in the order of their addresses."""
        return self._pages("ORDER BY path", [])

    def block(self, block: str) -> Block | None:
        """The block with this id, in English where it has no text in this language."""
        row = self.db.execute(
            """SELECT id, kind, region, block.language, title, body
               FROM block JOIN block_text ON block = id WHERE id = ? AND coalesce(block.language, ?) = ?
               ORDER BY block_text.language = ? DESC LIMIT 1""",
            [block, self.language, self.language, self.language],
        ).fetchone()
        return Block(**row) if row else None

    def placed(self, page: int, region: str) -> list[str]:
        """The ids of the blocks an editor put into `region` of `page`."""
        rows = self.db.execute(
            """SELECT id FROM block JOIN placement ON block = id
               WHERE page = ? AND region = ? AND coalesce(language, ?) = ? ORDER BY position, id""",
            [page, region, self.language, self.language],
        )
        return [row["id"] for row in rows]

    def search(self, query: str) -> list[Result]:
        """The pages that hold every word of `query`, or a word that begins like it; the best first."""
        words = re.findall(r"\w+", query)[:SEARCH_WORDS]
        if not words:
            return []
        rows = self.db.execute(
            f"""SELECT {_FIELDS}, snippet(search, 2, char(2), char(3), '…', 28) AS passage
                FROM search JOIN translation ON translation.id = search.rowid JOIN page ON page.id = translation.page
                WHERE search MATCH ? AND published AND site = ? AND language = ?
                ORDER BY bm25(search, 12, 4, 1), page.id LIMIT {RESULTS}""",
            [" ".join(f'"{word}"*' for word in words), self.site, self.language],
        )
        return [Result(Page(**{key: row[key] for key in row.keys()[:-1]}), row["passage"]) for row in rows]

    def _pages(self, clause: str, values: Sequence[int | str], *, body: bool = False) -> list[Page]:
        fields = f"{_FIELDS}, translation.body" if body else _FIELDS
        rows = self.db.execute(f"SELECT {fields} {_PAGES} {clause}", [self.site, self.language, *values])
        return [Page(**row) for row in rows]
