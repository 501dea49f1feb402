"""Any JSON as an indented outline, so that what the site tells is shown even where it tells more than we know of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from cms_cache_mw.cli.call import table
from cms_cache_mw.cli.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

DEEPEST: Final = 6
_NOTHING: Final[tuple[object, ...]] = (None, "", [], {})


def outline(found: Mapping[str, object], depth: int = 0) -> Iterator[RenderableType]:
    """Lines and tables for an object; what is empty is left out."""
    told = {name: value for name, value in found.items() if value not in _NOTHING}
    width = max((len(name) for name, value in told.items() if not _nested(value)), default=0)
    for name, value in told.items():
        label = Text("  " * depth).append_text(plain(name.replace("_", " "), "bold"))
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield label
            yield from outline({str(key): each for key, each in value.items()}, depth + 1)
        elif _rows(value):
            yield label
            yield _table(value, depth)
        else:
            label.pad_right(max(0, width - len(name)) + 2)
            yield label.append_text(plain(_said(value)))


def _nested(value: object) -> bool:
    return isinstance(value, Mapping) or _rows(value)


def _rows(value: object) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _table(rows: object, depth: int) -> RenderableType:
    assert isinstance(rows, Sequence)
    columns = list(
        dict.fromkeys(name for row in rows for name in row if any(each.get(name) not in _NOTHING for each in rows))
    )
    first = "  " * (depth + 1)
    cells = (
        [f"{first if place == 0 else ''}{_said(row.get(name))}" for place, name in enumerate(columns)] for row in rows
    )
    return table(
        *(f"{first if place == 0 else ''}{name.replace('_', ' ')}" for place, name in enumerate(columns)), rows=cells
    )


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_said(each) for each in value)
    if isinstance(value, float):
        return f"{value:,.1f}" if value != int(value) else f"{value:,.0f}"
    return str(value)
