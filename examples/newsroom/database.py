"""The newsroom's SQLite file: its tables, and connections that survive threads and forks.

A connection is opened when it is first needed, lent to one thread at a time and kept for the next, if there are not enough of
them: each has some megabytes of pages and statements of its own. A forked worker starts with none: SQLite forbids carrying a
connection across a fork.
"""

from __future__ import annotations

import os
import queue
import secrets
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = """
CREATE TABLE template (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, source TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1);
CREATE TABLE page (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, parent INTEGER REFERENCES page, slug TEXT NOT NULL, path TEXT NOT NULL,
    template TEXT NOT NULL REFERENCES template, published INTEGER NOT NULL DEFAULT 1, date TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1, UNIQUE (site, path));
CREATE INDEX page_parent ON page (parent, date);
CREATE TABLE translation (
    id INTEGER PRIMARY KEY, page INTEGER NOT NULL REFERENCES page, language TEXT NOT NULL, title TEXT NOT NULL,
    teaser TEXT NOT NULL, body TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1, UNIQUE (page, language));
CREATE TABLE block (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, region TEXT NOT NULL, language TEXT, position INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1);
CREATE TABLE block_text (
    block TEXT NOT NULL REFERENCES block, language TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (block, language));
CREATE TABLE placement (
    page INTEGER NOT NULL REFERENCES page, block TEXT NOT NULL REFERENCES block, PRIMARY KEY (page, block));
CREATE INDEX placement_block ON placement (block);
CREATE TABLE related (
    page INTEGER NOT NULL REFERENCES page, other INTEGER NOT NULL REFERENCES page, position INTEGER NOT NULL,
    PRIMARY KEY (page, other));
CREATE TABLE redirect (
    site TEXT NOT NULL, path TEXT NOT NULL, page INTEGER NOT NULL REFERENCES page, PRIMARY KEY (site, path));
CREATE VIRTUAL TABLE search USING fts5 (title, teaser, body, tokenize = "unicode61 remove_diacritics 2");
CREATE TABLE secret (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
"""


KEPT = 2
"""Connections that wait for the next thread; those that a moment with more readers took beyond them are closed."""


class Database:
    """The SQLite file at `path`, opened on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue(KEPT)
        self._pid = os.getpid()
        self._inherited: list[queue.LifoQueue[sqlite3.Connection]] = []

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the database until it is given back."""
        with self._lent() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are committed together at the end, or not at all."""
        with self._lent() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def secret(self) -> str:
        """The key that signs sessions, made once per database and the same for all its workers."""
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", [secrets.token_urlsafe(32)])
            return str(db.execute("SELECT value FROM secret").fetchone()[0])

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        if self._pid != os.getpid():
            # Kept, not dropped: collecting the parent's connections would close them in the child.
            self._inherited.append(self._idle)
            self._idle, self._pid = queue.LifoQueue(KEPT), os.getpid()
        idle = self._idle
        try:
            db = idle.get_nowait()
        except queue.Empty:
            db = self._connect()
        try:
            yield db
        finally:
            try:
                idle.put_nowait(db)
            except queue.Full:
                db.close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(f"file:{self.path}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        return db
