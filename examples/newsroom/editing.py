"""What editors change. Each save writes one thing and gives the tags of all that depended on it.

The rules stand here side by side: a page, a block, a template, a translation. None of them walks a graph: whatever shows
the changed thing carries its tag, however deep the thing sits in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from examples.newsroom import richtext
from examples.newsroom.content import SITES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

SLUG = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?")
TITLE_LENGTH, TEASER_LENGTH, BODY_LENGTH = 160, 400, 400_000
RESERVED = frozenset(("search", "feed.xml"))


class Rejected(Exception):  # noqa: N818 - it is an answer to the editor, not a fault
    """A form that cannot be saved, with what is wrong by the name of its field."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = dict(faults)


@dataclass(frozen=True, slots=True)
class Text:
    """What a page or block says in one language, as an editor typed it."""

    title: str
    teaser: str
    body: str


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a page is and what is on it, whatever the language."""

    slug: str
    parent: int | None
    template: str
    date: str
    published: bool
    blocks: tuple[str, ...]
    related: tuple[int, ...]


def save_page(db: sqlite3.Connection, page: int, version: int, text: Text, setting: Setting) -> list[str]:
    """Write a page's English text and its settings."""
    before = db.execute("SELECT * FROM page WHERE id = ?", [page]).fetchone()
    _check(text)
    path = _path(db, page, setting)
    changed = db.execute(
        """UPDATE page SET slug = ?, parent = ?, template = ?, date = ?, published = ?, version = version + 1
           WHERE id = ? AND version = ?""",
        [setting.slug, setting.parent, setting.template, setting.date, setting.published, page, version],
    )
    _require(changed, "page")
    _write_text(db, page, "en", text)
    _place(db, page, setting)
    tags = [f"page:{page}", f"text:{before['site']}"]
    if path != before["path"]:
        tags += _move(db, before, path)
    shelf = ("parent", "template", "date", "published")
    if path != before["path"] or any(before[name] != getattr(setting, name) for name in shelf):
        tags += [f"list:{before['site']}", f"children:{setting.parent}", f"children:{before['parent']}"]
    return list(dict.fromkeys(tags))


def create_page(db: sqlite3.Connection, site: str, text: Text, setting: Setting) -> tuple[int, list[str]]:
    """Write a new page, whose German text is a copy of the English until somebody translates it."""
    _check(text)
    path = _path(db, None, setting)
    page = db.execute(
        "INSERT INTO page (site, parent, slug, path, template, published, date) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [site, setting.parent, setting.slug, path, setting.template, setting.published, setting.date],
    ).lastrowid
    assert page is not None
    for language in ("en", "de"):
        _write_text(db, page, language, text)
    _place(db, page, setting)
    db.execute("DELETE FROM redirect WHERE site = ? AND path = ?", [site, path])
    return page, [f"page:{page}", f"text:{site}", f"list:{site}", f"children:{setting.parent}", f"moves:{site}"]


def save_translation(db: sqlite3.Connection, page: int, language: str, version: int, text: Text) -> list[str]:
    """Write what a page says in one language; the page in other languages does not depend on it."""
    _check(text)
    changed = db.execute(
        "UPDATE translation SET version = version + 1 WHERE page = ? AND language = ? AND version = ?",
        [page, language, version],
    )
    _require(changed, "translation")
    _write_text(db, page, language, text)
    site = db.execute("SELECT site FROM page WHERE id = ?", [page]).fetchone()[0]
    return [f"page:{page}@{language}", f"text:{site}@{language}"]


def save_block(db: sqlite3.Connection, block: str, version: int, texts: Mapping[str, tuple[str, str]]) -> list[str]:
    """Write a block's title and text in each language; `texts` maps the language to the two."""
    kind = db.execute("SELECT kind FROM block WHERE id = ?", [block]).fetchone()[0]
    changed = db.execute("UPDATE block SET version = version + 1 WHERE id = ? AND version = ?", [block, version])
    _require(changed, "block")
    faults = {}
    for language, (title, body) in texts.items():
        fault = _menu_fault(body) if kind == "menu" else _nesting_fault(db, block, body)
        if fault:
            faults[f"body_{language}"] = fault
        db.execute(
            "INSERT OR REPLACE INTO block_text (block, language, title, body) VALUES (?, ?, ?, ?)",
            [block, language, title.strip()[:TITLE_LENGTH], body.strip() if kind == "menu" else richtext.clean(body)],
        )
    if faults:
        raise Rejected(faults)
    return [f"block:{block}"]


def save_template(db: sqlite3.Connection, template: str, version: int, source: str) -> list[str]:
    """Write a template's source, which the caller has tried."""
    changed = db.execute(
        "UPDATE template SET source = ?, version = version + 1 WHERE id = ? AND version = ?",
        [source, template, version],
    )
    _require(changed, "template")
    return [f"template:{template}"]


def _require(changed: sqlite3.Cursor, thing: str) -> None:
    if not changed.rowcount:
        raise Rejected({"version": f"Somebody else saved this {thing} meanwhile. Reload to see it, then save again."})


def _check(text: Text) -> None:
    faults = {}
    if not text.title.strip():
        faults["title"] = "A page needs a title."
    for name, limit in (("title", TITLE_LENGTH), ("teaser", TEASER_LENGTH), ("body", BODY_LENGTH)):
        if len(getattr(text, name)) > limit:
            faults[name] = f"At most {limit:,} characters."
    if faults:
        raise Rejected(faults)


def _path(db: sqlite3.Connection, page: int | None, setting: Setting) -> str:
    """The address that follows from the settings, if they make sense and it is free."""
    if setting.parent is None:
        return ""
    faults = {}
    parent = db.execute("SELECT * FROM page WHERE id = ?", [setting.parent]).fetchone()
    if parent is None or parent["template"] == "article" or page in _line(db, setting.parent):
        raise Rejected({"parent": "Choose a section or the front page, and none below this page."})
    proper = SLUG.fullmatch(setting.slug) and setting.slug not in RESERVED
    if not proper:
        faults["slug"] = "Letters, digits, dots, dashes and underscores, like “string-templates”."
    if not _is_date(setting.date):
        faults["date"] = "A date like 2026-05-03."
    leaf = setting.template == "article"
    if leaf and page and db.execute("SELECT 1 FROM page WHERE parent = ?", [page]).fetchone():
        faults["template"] = "This page has pages below it, so it cannot be an article."
    path = f"{parent['path']}{setting.slug}{'' if leaf else '/'}"
    taken = db.execute(
        "SELECT 1 FROM page WHERE site = ? AND rtrim(path, '/') = rtrim(?, '/') AND id IS NOT ?",
        [parent["site"], path, page],
    )
    if proper and taken.fetchone():
        faults["slug"] = f"There is already a page at {path}."
    if faults:
        raise Rejected(faults)
    return path


def _line(db: sqlite3.Connection, page: int | None) -> list[int]:
    """`page` and the pages above it."""
    line: list[int] = []
    while page is not None and page not in line:
        line.append(page)
        page = db.execute("SELECT parent FROM page WHERE id = ?", [page]).fetchone()[0]
    return line


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def index(db: sqlite3.Connection, page: int) -> None:
    """Let a page be found by its present words, in every language."""
    db.execute("DELETE FROM search WHERE rowid IN (SELECT id FROM translation WHERE page = ?)", [page])
    rows = db.execute(
        "SELECT translation.*, slug FROM translation JOIN page ON page.id = page WHERE page = ?", [page]
    ).fetchall()
    db.executemany(
        "INSERT INTO search (rowid, title, teaser, body) VALUES (?, ?, ?, ?)",
        [(row["id"], f"{row['slug']} {row['title']}", row["teaser"], richtext.plain(row["body"])) for row in rows],
    )


def _write_text(db: sqlite3.Connection, page: int, language: str, text: Text) -> None:
    db.execute(
        """INSERT INTO translation (page, language, title, teaser, body) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (page, language) DO UPDATE
           SET title = excluded.title, teaser = excluded.teaser, body = excluded.body""",
        [page, language, text.title.strip(), text.teaser.strip(), richtext.clean(text.body)],
    )
    index(db, page)


def _place(db: sqlite3.Connection, page: int, setting: Setting) -> None:
    db.execute("DELETE FROM placement WHERE page = ?", [page])
    db.executemany(
        "INSERT INTO placement SELECT ?, id FROM block WHERE id = ? AND region <> 'layout'",
        [(page, block) for block in setting.blocks],
    )
    db.execute("DELETE FROM related WHERE page = ?", [page])
    db.executemany(
        "INSERT OR IGNORE INTO related SELECT ?, id, ? FROM page WHERE id = ?",
        [(page, position, other) for position, other in enumerate(setting.related)],
    )


def _move(db: sqlite3.Connection, before: sqlite3.Row, path: str) -> list[str]:
    """Give a page and all below it new addresses; the old ones lead to them from now on."""
    site, old = before["site"], before["path"]
    moved = [(before["id"], old)]
    if old.endswith("/"):
        below = db.execute(
            "SELECT id, path FROM page WHERE site = ? AND substr(path, 1, ?) = ? AND id <> ?",
            [site, len(old), old, before["id"]],
        )
        moved += [(row["id"], row["path"]) for row in below]
    for page, was in moved:
        now = path + was[len(old) :]
        db.execute("UPDATE page SET path = ? WHERE id = ?", [now, page])
        db.execute("INSERT OR REPLACE INTO redirect (site, path, page) VALUES (?, ?, ?)", [site, was, page])
        db.execute("DELETE FROM redirect WHERE site = ? AND path = ?", [site, now])
    return [f"moves:{site}", f"within:{before['id']}", *(f"page:{page}" for page, _ in moved)]


def _menu_fault(body: str) -> str | None:
    for number, line in enumerate(body.strip().splitlines(), 1):
        label, _, target = line.partition("=")
        if not label.strip() or target.strip().partition(":/")[0] not in SITES:
            return f"Line {number} should read like “Text = newsroom:/text/”."
    return None


def _nesting_fault(db: sqlite3.Connection, block: str, body: str) -> str | None:
    """Why the blocks inside `body` cannot be: one that does not exist, or one that contains this block."""
    waiting, seen = richtext.blocks_in(body), set[str]()
    while waiting:
        inner = waiting.pop()
        if inner == block:
            return "This block would contain itself."
        if inner not in seen:
            seen.add(inner)
            rows = db.execute("SELECT body FROM block_text WHERE block = ?", [inner]).fetchall()
            if not rows:
                return f"There is no block “{inner}”."
            waiting += [name for row in rows for name in richtext.blocks_in(row["body"])]
    return None
