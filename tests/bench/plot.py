"""`python -m tests.bench.plot`: the recorded ratios as a drawing, `docs/images/performance.svg`.

What a hit costs with others, in hits of ours; a hit among more entries; a hit, and requests a second, with more workers.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from tests.bench.__main__ import RECORDED

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAWN: Final = Path(__file__).parents[2] / "docs/images/performance.svg"
LEFT: Final = 290
WIDTH: Final = 360
ROW: Final = 20
OURS: Final = "#d62728"
THEIRS: Final = "#8c8c8c"

Bar = tuple[str, float, str]
"""Its name, its ratio and its colour."""


def panels(recorded: dict[str, float]) -> dict[str, list[Bar]]:
    """The bars of each panel, from what is recorded."""
    return {
        "A hit with others, in hits of ours (logarithmic)": list(_peers(recorded)),
        "A hit among more entries, in hits among 1,000": list(_entries(recorded)),
        "A hit with 1 to 8 workers, processor time, in that of the bare application": list(_workers(recorded)),
        "Requests a second with 1 to 8 workers, in those of one": list(_rates(recorded)),
    }


def _peers(recorded: dict[str, float]) -> Iterator[Bar]:
    for world in ("ASGI", "WSGI"):
        yield f"cms_cache_mw, {world}", 1.0, OURS
        for name, ratio in recorded.items():
            if found := re.fullmatch(rf"{world}, (.*) \((.*)\), in hits of ours", name):
                yield f"{found[1]} {found[2]}", ratio, THEIRS


def _entries(recorded: dict[str, float]) -> Iterator[Bar]:
    found = {1_000: 1.0}
    for name, ratio in recorded.items():
        if among := re.fullmatch(r"hit among ([\d,]+) entries, in hits among 1,000", name):
            found[int(among[1].replace(",", ""))] = ratio
    for entries in sorted(found):
        yield f"{entries:,}", found[entries], OURS


def _workers(recorded: dict[str, float]) -> Iterator[Bar]:
    for name, ratio in recorded.items():
        if found := re.fullmatch(r"granian, (\d+) workers: a hit in bare applications", name):
            yield found[1], ratio, OURS


def _rates(recorded: dict[str, float]) -> Iterator[Bar]:
    for name, ratio in recorded.items():
        if found := re.fullmatch(r"granian, (ours|bare), (\d+) workers: requests a second, in those of 1", name):
            hits = found[1] == "ours"
            yield f"{'hits' if hits else 'bare'}, {found[2]}", ratio, OURS if hits else THEIRS


def drawn(recorded: dict[str, float]) -> str:
    """An SVG of all panels, one below the other."""
    parts, top = [], 0
    for title, bars in panels(recorded).items():
        logarithmic, most = "logarithmic" in title, max(ratio for _, ratio, _ in bars)
        parts.append(f'<text x="10" y="{top + 24}" font-weight="bold">{escape(title)}</text>')
        top += 34
        for name, ratio, colour in bars:
            share = math.log(1.5 * ratio) / math.log(1.5 * most) if logarithmic else ratio / most
            parts.append(f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect x="{LEFT}" y="{top + 3}" width="{WIDTH * share:.1f}" height="14" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + WIDTH * share + 6:.1f}" y="{top + 14}">{ratio:.3g} &#215;</text>')
            top += ROW
        top += 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 70} {top + 6}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


if __name__ == "__main__":
    DRAWN.write_text(drawn(json.loads(RECORDED.read_text())))
