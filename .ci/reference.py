"""Writes the pages of docs/reference that say what the code says: reasons, endpoints, and the clauses that are tested. `make fmt` and `make docs` call it.

`CHECK=1` writes nothing and fails where a page is behind the code.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import conformance

from cms_cache_mw.admin.openapi import WRONG
from cms_cache_mw.admin.table import ENDPOINTS
from cms_cache_mw.cli.advice import CHANGES
from cms_cache_mw.core.status import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.admin.endpoint import Endpoint

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"

REASONS = """# Reasons

Every decision of the cache has one word. It is the `detail` in `Cache-Status` (where `fwd` does not say the same already), the
label of the [metrics](../operations/metrics.md), the word in `cms-cache tail`, in `GET /_cache/stats` and in
[explain](../explain.md). How the items of `Cache-Status` read is told in [http.md](../http.md#cache-status).

"""
ENDPOINT_PAGE = """# Endpoints

They are below [`admin_path`](../configuration.md#admin) (`/_cache`) and exist where a token is configured. Each call but the first has
`Authorization: Bearer TOKEN`, with a token that has the scope; what is asked stands in the query, or with POST in a JSON body, and an
unknown field is an error. The machine-readable form, with the types of all answers, is `GET /_cache/openapi.json`; [Admin endpoints](../admin.md) tells
of tokens, of a port of their own, and of how exact the numbers are.

"""
PURGE = """
The method PURGE on any path of the site, with a token that has the scope `purge`, purges that URL.

Errors are `{"field": "…", "error": "…"}`: what is at fault, what was wrong and what would be right.

"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def reasons() -> str:
    """The page of all reasons."""
    rows = [
        (f"`{reason.value}`", f"`{reason.fwd}`" if reason.fwd else "", reason.meaning, _change(reason))
        for reason in Reason
    ]
    return REASONS + table(("word", "`fwd`", "means", "to change it"), rows)


def _change(reason: Reason) -> str:
    line, _, remark = CHANGES.get(reason, "").partition("   ")
    if not line:
        return ""
    shown = f"`{line}`" if ":" in line.split(" ")[0] or "=" in line else line
    return f"{shown} {remark}".strip()


def endpoints() -> str:
    """The page of all endpoints."""
    wrong = table(("status", "for any endpoint"), [(str(status), meaning) for status, meaning in WRONG.items()])
    return (
        ENDPOINT_PAGE + table(("endpoint", "scope", "gives", "asked", "answers"), map(_row, ENDPOINTS)) + PURGE + wrong
    )


def _row(row: Endpoint) -> tuple[str, ...]:
    path = row.path.replace(":path}", "}")
    asked = ", ".join(f"`{name}`" for name in row.asks.__struct_fields__ if f"{{{name}}}" not in path)
    gives = (row.run.__doc__ or "").partition("\n")[0]
    return f"`{row.method} {path}`", row.scope, gives, asked, ", ".join(map(str, sorted(row.answers)))


def main() -> int:
    """Write the pages, or with CHECK say which are behind."""
    behind = []
    for name, page in (("reasons.md", reasons()), ("endpoints.md", endpoints()), ("conformance.md", conformance())):
        path = FOLDER / name
        if not path.exists() or path.read_text() != page:
            behind.append(name)
            if not os.environ.get("CHECK"):
                path.write_text(page)
    if behind and os.environ.get("CHECK"):
        sys.stderr.write(f"docs/reference: {', '.join(behind)} not as the code says: run 'make fmt'\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
