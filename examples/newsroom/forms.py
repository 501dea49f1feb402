"""The editor's forms: what each shows, and how what was sent becomes an edit."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from examples.newsroom import editing, inventory
from examples.newsroom.content import LANGUAGES, Edition
from examples.newsroom.editing import Rejected, Setting, Text
from examples.newsroom.rendering import TEMPLATE_FAULTS, Visit, shipped

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from starlette.datastructures import FormData

    from examples.newsroom.rendering import Press

LANGUAGE_NAMES = {"en": "English", "de": "German"}


@dataclass(frozen=True, slots=True)
class Saved:
    """A committed edit: where its form is and which tags it changed."""

    address: str
    tags: list[str]


class Form(Protocol):
    """One kind of form; `key` holds the parameters of its address. Unknown keys raise KeyError."""

    template: str

    def show(self, db: sqlite3.Connection, key: Mapping[str, str]) -> dict[str, object]:
        """The names its template needs; `values` are those of the fields."""

    def save(self, db: sqlite3.Connection, key: Mapping[str, str], sent: FormData) -> Saved:
        """Write what was sent; `Rejected` says what cannot be saved."""


class PageForm:
    """A page: its English text, its address, its template and its blocks. The key `new` makes one."""

    template = "page.html"

    def show(self, db: sqlite3.Connection, key: Mapping[str, str]) -> dict[str, object]:
        """The page's English text and settings."""
        fixed = {"parents": inventory.parents(db), "templates": inventory.templates(db), "blocks": inventory.blocks(db)}
        if key["page"] == "new":
            values: dict[str, object] = dict.fromkeys(
                ("title", "teaser", "body", "slug", "parent", "related", "version"), ""
            )
            values |= {
                "template": "article",
                "published": "1",
                "blocks": [],
                "date": datetime.now(UTC).date().isoformat(),
            }
            return {**fixed, "page": None, "values": values}
        page = _row(
            db,
            """SELECT page.*, title, teaser, body FROM page
               JOIN translation ON page = page.id AND language = 'en' WHERE page.id = ?""",
            key["page"],
        )
        values = dict(page) | {
            "published": "1" if page["published"] else "",
            "blocks": inventory.placements(db, page["id"]),
            "related": " ".join(map(str, inventory.related(db, page["id"]))),
        }
        return {**fixed, "page": page, "values": values}

    def save(self, db: sqlite3.Connection, key: Mapping[str, str], sent: FormData) -> Saved:
        """Write the page's English text and settings."""
        text = Text(_field(sent, "title"), _field(sent, "teaser"), _field(sent, "body"))
        if key["page"] == "new":
            setting = _setting(sent, _number(sent, "parent"))
            parent = _row(db, "SELECT site FROM page WHERE id = ?", str(setting.parent))
            page, tags = editing.create_page(db, parent["site"], text, setting)
            return Saved(f"/edit/page/{page}", tags)
        before = _row(db, "SELECT * FROM page WHERE id = ?", key["page"])
        if before["parent"] is None:
            # The front page stays where it is.
            blocks, related = _setting(sent, None).blocks, _setting(sent, None).related
            setting = Setting(before["slug"], None, before["template"], before["date"], True, blocks, related)
        else:
            setting = _setting(sent, _number(sent, "parent"))
            if _row(db, "SELECT site FROM page WHERE id = ?", str(setting.parent))["site"] != before["site"]:
                raise Rejected({"parent": "A page stays on its site: its address there is known."})
        tags = editing.save_page(db, before["id"], _number(sent, "version"), text, setting)
        return Saved(f"/edit/page/{before['id']}", tags)


class TranslationForm:
    """What a page says in one language."""

    template = "translation.html"

    def show(self, db: sqlite3.Connection, key: Mapping[str, str]) -> dict[str, object]:
        """The page in its language, with the English beside it."""
        if key["language"] not in LANGUAGES:
            raise KeyError(key["language"])
        page = _row(db, "SELECT * FROM page WHERE id = ?", key["page"])
        rows = db.execute("SELECT * FROM translation WHERE page = ?", [page["id"]])
        texts = {row["language"]: dict(row) for row in rows}
        return {
            "page": page,
            "language": key["language"],
            "language_name": LANGUAGE_NAMES[key["language"]],
            "original": texts["en"],
            "values": texts[key["language"]],
        }

    def save(self, db: sqlite3.Connection, key: Mapping[str, str], sent: FormData) -> Saved:
        """Write the text in this language only."""
        shown = self.show(db, key)
        text = Text(_field(sent, "title"), _field(sent, "teaser"), _field(sent, "body"))
        tags = editing.save_translation(db, int(key["page"]), key["language"], _number(sent, "version"), text)
        return Saved(f"/edit/page/{key['page']}/{shown['language']}", tags)


class BlockForm:
    """A block in every language it has."""

    template = "block.html"

    def show(self, db: sqlite3.Connection, key: Mapping[str, str]) -> dict[str, object]:
        """The block's texts, and the pages and blocks that carry it."""
        block = _row(db, "SELECT * FROM block WHERE id = ?", key["block"])
        texts = {row["language"]: row for row in db.execute("SELECT * FROM block_text WHERE block = ?", [block["id"]])}
        values: dict[str, object] = {"version": block["version"]}
        languages = _languages(block)
        for language in languages:
            values[f"title_{language}"] = texts[language]["title"] if language in texts else ""
            values[f"body_{language}"] = texts[language]["body"] if language in texts else ""
        return {
            "block": block,
            "languages": [(language, LANGUAGE_NAMES[language]) for language in languages],
            "values": values,
            "carriers": inventory.carriers(db, block["id"]),
            "containers": inventory.containers(db, block["id"]),
        }

    def save(self, db: sqlite3.Connection, key: Mapping[str, str], sent: FormData) -> Saved:
        """Write the block in all its languages."""
        block = _row(db, "SELECT * FROM block WHERE id = ?", key["block"])
        texts = {
            language: (_field(sent, f"title_{language}"), _field(sent, f"body_{language}"))
            for language in _languages(block)
        }
        tags = editing.save_block(db, block["id"], _number(sent, "version"), texts)
        return Saved(f"/edit/block/{block['id']}", tags)


class TemplateForm:
    """The Jinja source of a template, tried on real pages before it is saved."""

    template = "template.html"

    def __init__(self, press: Press) -> None:
        self.press = press

    def show(self, db: sqlite3.Connection, key: Mapping[str, str]) -> dict[str, object]:
        """The template's source and some of its pages."""
        template = _row(db, "SELECT * FROM template WHERE id = ?", key["template"])
        pages = db.execute("SELECT count(*) FROM page WHERE template = ?", [template["id"]]).fetchone()[0]
        return {
            "template": template,
            "values": dict(template),
            "pages": pages,
            "samples": inventory.samples(db, template["id"]),
        }

    def save(self, db: sqlite3.Connection, key: Mapping[str, str], sent: FormData) -> Saved:
        """Write the source if every sample renders with it in every language."""
        template = _row(db, "SELECT * FROM template WHERE id = ?", key["template"])
        source = shipped(template["id"]) if _field(sent, "restore") else _field(sent, "source").replace("\r\n", "\n")
        if fault := self._fault(db, template["id"], source):
            raise Rejected({"source": fault})
        tags = editing.save_template(db, template["id"], _number(sent, "version"), source)
        return Saved(f"/edit/template/{template['id']}", tags)

    def _fault(self, db: sqlite3.Connection, template: str, source: str) -> str | None:
        for row in inventory.samples(db, template):
            for language in LANGUAGES:
                here = Visit(row["site"], language, "http-")
                page = Edition(db, row["site"], language).page_at(row["path"])
                assert page is not None
                try:
                    self.press.trial(db, here, page, source)
                except TEMPLATE_FAULTS as fault:
                    return f"{_place(fault)}{type(fault).__name__}: {fault} (tried on /{language}/{page.path})"
        return None


def _place(fault: BaseException) -> str:
    """The line of the edited template where `fault` arose, as the beginning of a sentence."""
    line = getattr(fault, "lineno", None)
    for frame in traceback.extract_tb(fault.__traceback__):
        if frame.filename in {"<template>", "<unknown>"}:
            line = frame.lineno
    return f"Line {line}: " if line else ""


def _row(db: sqlite3.Connection, query: str, key: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(query, [key]).fetchone()
    if row is None:
        raise KeyError(key)
    return row


def _languages(block: sqlite3.Row) -> tuple[str, ...]:
    return (block["language"],) if block["language"] else LANGUAGES


def _setting(sent: FormData, parent: int | None) -> Setting:
    return Setting(
        slug=_field(sent, "slug").strip(),
        parent=parent,
        template=_field(sent, "template"),
        date=_field(sent, "date").strip(),
        published=bool(_field(sent, "published")),
        blocks=tuple(str(block) for block in sent.getlist("blocks")),
        related=tuple(int(number) for number in _field(sent, "related").split() if number.isdecimal()),
    )


def _field(sent: FormData, name: str) -> str:
    value = sent.get(name, "")
    return value if isinstance(value, str) else ""


def _number(sent: FormData, name: str) -> int:
    text = _field(sent, name)
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise Rejected({name: f"The field “{name}” should be a whole number."})
    return int(text)
