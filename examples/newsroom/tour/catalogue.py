"""What is in the newsroom's database, as far as the tour has to know it before it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from examples.newsroom.content import LANGUAGES
from examples.newsroom.database import Database

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Counts, and the pages that are edited on the tour."""

    pages: int
    blocks: int
    templates: int
    numbers: dict[str, int]
    """Page ids of the newsroom by path, without the language."""
    templated: dict[str, list[str]]
    """The addresses made with each template, in all languages."""

    @classmethod
    def of(cls, path: Path) -> Catalogue:
        """What the database at `path` holds."""
        database = Database(path)
        try:
            with database.reading() as db:
                rows = db.execute("SELECT id, path, template FROM page WHERE site = 'newsroom' ORDER BY id").fetchall()
                pages, blocks, templates = db.execute(
                    "SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM block), (SELECT count(*) FROM template)"
                ).fetchone()
        finally:
            database.close()
        templated: dict[str, list[str]] = {}
        for row in rows:
            templated.setdefault(row["template"], []).extend(f"/{language}/{row['path']}" for language in LANGUAGES)
        return cls(pages, blocks, templates, {row["path"]: row["id"] for row in rows}, templated)
