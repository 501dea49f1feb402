"""One decision of a worker as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.cli.text import duration, moment, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: Final = ("at", "status", "answer", "why", "took", "URL")


def row(found: Mapping[str, Any]) -> tuple[object, ...]:
    """The cells of a decision."""
    if found["hit"]:
        answer, style, took = f"{found['level']}, {duration(found['age'] or 0)} old", "green", ""
    else:
        answer, style, took = "application", "", duration((found["render_ms"] or 0) / 1000)
    why = found["reason"] + (f", {found['detail']}" if found["detail"] else "")
    where = found["site"] + found["url"] if found["url"].startswith("/") else found["url"]
    return (moment(found["at"]), found["status"] or "", plain(answer, style), why, took, where)
