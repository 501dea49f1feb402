"""Hit ratios as a drawing: a row for each trace and size of the cache, a mark for each policy."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

COLOURS: Final = ("#d62728", "#8c8c8c", "#c7c7c7", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e")
LEFT: Final = 190
WIDTH: Final = 520
ROW: Final = 18
TOP: Final = 46


def drawn(rows: dict[str, dict[str, float]]) -> str:
    """An SVG of hit ratios, by row and by policy; the first policy is the one that is looked at."""
    policies = list(next(iter(rows.values())))
    height = TOP + ROW * len(rows) + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, policy in enumerate(policies):
        at = LEFT + number * 76
        parts.append(_mark(at, 14, number))
        parts.append(f'<text x="{at + 9}" y="18">{escape(policy)}</text>')
    for tenth in range(0, 11, 2):
        x = LEFT + WIDTH * tenth / 10
        parts.append(f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{height - 22}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{height - 8}" text-anchor="middle">{tenth * 10} %</text>')
    for place, (row, ratios) in enumerate(rows.items()):
        y = TOP + ROW * place + 4
        parts.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(row)}</text>')
        # The one that is looked at is drawn last, over the others.
        for number, policy in reversed(list(enumerate(policies))):
            parts.append(_mark(LEFT + WIDTH * ratios[policy], y, number))
    return "\n".join([*parts, "</svg>", ""])


def _mark(x: float, y: float, number: int) -> str:
    colour = COLOURS[number % len(COLOURS)]
    if number == 0:
        return f'<path d="M{x:.1f} {y - 6} l5 6 l-5 6 l-5 -6 z" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="3.5" fill="none" stroke="{colour}" stroke-width="1.8"/>'
