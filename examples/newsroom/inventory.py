"""What the editor's desk lists: pages, blocks and templates, and where each is used. Drafts included."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

DESK_PAGE = 30


def pages(db: sqlite3.Connection, words: str, offset: int) -> tuple[list[sqlite3.Row], int]:
    """One screenful of pages whose title or address holds `words`, and how many there are in all."""
    like = f"%{words.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    where = """FROM page JOIN translation ON page = page.id AND language = 'en'
               WHERE title LIKE ? ESCAPE '!' OR path LIKE ? ESCAPE '!'"""
    total = db.execute(f"SELECT count(*) {where}", [like, like]).fetchone()[0]
    rows = db.execute(
        f"SELECT page.*, title {where} ORDER BY site DESC, path LIMIT {DESK_PAGE} OFFSET ?", [like, like, offset]
    )
    return rows.fetchall(), total


def blocks(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """All blocks with the number of pages on which each was placed."""
    return db.execute(
        """SELECT block.*, title, (SELECT count(*) FROM placement WHERE block = block.id) AS pages
           FROM block JOIN block_text ON block = id
           WHERE block_text.language = coalesce(block.language, 'en') ORDER BY region, position, id"""
    ).fetchall()


def templates(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """All templates with the number of pages that use each."""
    return db.execute(
        """SELECT id, title, version, (SELECT count(*) FROM page WHERE template = template.id) AS pages
           FROM template ORDER BY id"""
    ).fetchall()


def parents(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """The pages that can have pages below them."""
    return db.execute(
        """SELECT page.id, site, path, title FROM page JOIN translation ON page = page.id AND language = 'en'
           WHERE template <> 'article' ORDER BY site DESC, path"""
    ).fetchall()


def placements(db: sqlite3.Connection, page: int) -> list[str]:
    """The blocks on a page."""
    return [row[0] for row in db.execute("SELECT block FROM placement WHERE page = ? ORDER BY block", [page])]


def related(db: sqlite3.Connection, page: int) -> list[int]:
    """The pages recommended beside a page."""
    return [row[0] for row in db.execute("SELECT other FROM related WHERE page = ? ORDER BY position", [page])]


def carriers(db: sqlite3.Connection, block: str) -> list[sqlite3.Row]:
    """The pages on which a block was placed, by address."""
    return db.execute(
        """SELECT page.id, site, path, title FROM placement JOIN page ON page.id = placement.page
           JOIN translation ON translation.page = page.id AND language = 'en'
           WHERE block = ? ORDER BY site DESC, path""",
        [block],
    ).fetchall()


def containers(db: sqlite3.Connection, block: str) -> list[str]:
    """The blocks whose text contains a block."""
    rows = db.execute(
        "SELECT DISTINCT block FROM block_text WHERE instr(body, ?) ORDER BY block", [f"[[block:{block}]]"]
    )
    return [row[0] for row in rows]


def samples(db: sqlite3.Connection, template: str) -> list[sqlite3.Row]:
    """Pages to try a template on: the oldest, the newest, the shortest and the longest."""
    queries = ("page.id", "page.id DESC", "length(body)", "length(body) DESC")
    union = " UNION ".join(
        f"""SELECT * FROM (SELECT page.id, site, path FROM page JOIN translation ON page = page.id
            WHERE template = :template AND published ORDER BY {order} LIMIT 1)"""
        for order in queries
    )
    return db.execute(union, {"template": template}).fetchall()
