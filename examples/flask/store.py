"""Articles and blocks in SQLite; a connection for each piece of work, so that threads and forked workers need not care."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS article (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS block (name TEXT PRIMARY KEY, text TEXT NOT NULL);
INSERT OR IGNORE INTO article VALUES (1, 'Why caches lie', 'Because nobody told them.');
INSERT OR IGNORE INTO article VALUES (2, 'How to tell them', 'By the name of what changed.');
INSERT OR IGNORE INTO block VALUES ('notice', 'The summer party is on Friday.');
"""


class Article(NamedTuple):
    """An article."""

    id: int
    title: str
    body: str


class Store:
    """What the site is made of."""

    def __init__(self, database: Path) -> None:
        self._database = database
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript(_TABLES)

    def articles(self) -> list[Article]:
        """All articles."""
        return [Article(*row) for row in self._rows("SELECT id, title, body FROM article ORDER BY id")]

    def article(self, number: int) -> Article | None:
        """One article."""
        rows = self._rows("SELECT id, title, body FROM article WHERE id = ?", number)
        return Article(*rows[0]) if rows else None

    def save_article(self, article: Article) -> None:
        """Replace an article's title and body."""
        self._rows("UPDATE article SET title = ?, body = ? WHERE id = ?", article.title, article.body, article.id)

    def block(self, name: str) -> str:
        """A block's text."""
        rows = self._rows("SELECT text FROM block WHERE name = ?", name)
        return str(rows[0][0]) if rows else ""

    def save_block(self, name: str, text: str) -> None:
        """Replace a block's text."""
        self._rows("UPDATE block SET text = ? WHERE name = ?", text, name)

    def _rows(self, sql: str, *values: str | int) -> list[tuple[int, str, str]]:
        with closing(sqlite3.connect(self._database, timeout=10)) as connection, connection:
            return connection.execute(sql, values).fetchall()
