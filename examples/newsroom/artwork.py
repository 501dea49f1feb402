"""Covers drawn from a page's name: the same name always gives the same picture, and no image is ever fetched."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable

HUES = 9
# Neighbours in the menu should not look alike; what is not listed gets a palette by its hash.
CHOSEN = {
    "text": 6, "data": 2, "files": 7, "network": 0, "concurrency": 1, "tools": 4, "desktop": 8, "runtime": 3,
    "statements": 6, "expressions": 4, "model": 7, "builtins": 1, "exceptions": 0,
}  # fmt: skip
WIDTH, HEIGHT = 320, 180


def hue(name: str) -> int:
    """Which of the style sheet's palettes belongs to `name`."""
    return CHOSEN.get(name, hashlib.blake2b(name.encode(), digest_size=2).digest()[0] % HUES)


def cover(name: str, palette: str) -> Markup:
    """A picture for `name` as an SVG element, in the palette of another name (that of its section, say)."""
    seed = hashlib.blake2b(name.encode(), digest_size=24).digest()
    motif = MOTIFS[seed[0] % len(MOTIFS)](seed)
    return Markup(
        f'<svg class="cover hue-{hue(palette)}" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true"'
        f' preserveAspectRatio="xMidYMid slice"><path class="ground" d="M0 0h{WIDTH}v{HEIGHT}H0z"/>{motif}</svg>'
    )


def _rings(seed: bytes) -> str:
    x, y = 40 + seed[1] % 240, 20 + seed[2] % 140
    return "".join(
        f'<circle class="line tone-{number % 3}" cx="{x}" cy="{y}" r="{14 + number * (13 + seed[3] % 9)}"/>'
        for number in range(9)
    )


def _bars(seed: bytes) -> str:
    width = WIDTH / 16
    return "".join(
        f'<path class="fill tone-{value % 3}" d="M{number * width:g} {HEIGHT}v-{14 + value % 140}h{width - 4:g}V{HEIGHT}z"/>'
        for number, value in enumerate(seed[4:20])
    )


def _waves(seed: bytes) -> str:
    waves = []
    for number in range(6):
        height, swing = 24 + number * 28, 8 + seed[number + 1] % 26
        waves.append(
            f'<path class="line tone-{number % 3}" d="M-10 {height}q42.5 -{swing} 85 0t85 0t85 0t85 0t85 0"'
            f' transform="translate({-(seed[number + 8] % 60)} 0)"/>'
        )
    return "".join(waves)


def _tiles(seed: bytes) -> str:
    tiles = []
    for number in range(32):
        column, row, value = number % 8, number // 8, seed[number % 24] + number * 37
        x, y = column * 40, row * 45
        corner = ("M{x} {y}h40v45z", "M{x} {y}h40l-40 45z", "M{x} {y}v45h40z", "M{x} {y}m20 4l16 18l-16 18l-16 -18z")
        if value % 5 != 0:
            tiles.append(f'<path class="fill tone-{value % 3}" d="{corner[value % 4].format(x=x, y=y)}"/>')
    return "".join(tiles)


def _orbit(seed: bytes) -> str:
    count, turn = 5 + seed[1] % 4 * 2, seed[2] / 40
    points = [
        (160 + 118 * math.cos(turn + 6.2832 * n / count), 90 + 66 * math.sin(turn + 6.2832 * n / count))
        for n in range(count)
    ]
    step = 2 + seed[3] % 2
    lines = "".join(
        f'<path class="line tone-2" d="M{x:.0f} {y:.0f}L{points[(n + step) % count][0]:.0f} {points[(n + step) % count][1]:.0f}"/>'
        for n, (x, y) in enumerate(points)
    )
    dots = "".join(
        f'<circle class="fill tone-{n % 3}" cx="{x:.0f}" cy="{y:.0f}" r="{6 + seed[4 + n] % 13}"/>'
        for n, (x, y) in enumerate(points)
    )
    return lines + dots


MOTIFS: tuple[Callable[[bytes], str], ...] = (_rings, _bars, _waves, _tiles, _orbit)
