"""The server scripts: their text, the keys that they take, and calls of those that are asked once, through the shared store."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from cms_cache_mw.purge.ledger import LINES

_SCRIPTS: Final = Path(__file__).with_name("scripts")


def clock_keys(namespace: str) -> list[str]:
    """The control keys of the purge clock, in the order in which its scripts take them."""
    parts = ("meta", "tags", "soft", "log", "acks", "grants", "leases", "low")
    # The braces put all of them into one slot of a cluster.
    return [f"{{{namespace}}}:clock:{part}" for part in parts]


def ledger_key(namespace: str) -> str:
    """The stream of the purge log."""
    return f"{{{namespace}}}:purges"


@cache
def alone(name: str) -> str:
    """A script that has nothing to do with the clock."""
    return (_SCRIPTS / f"{name}.lua").read_text()


@cache
def script(name: str) -> str:
    """A script of the purge clock with what all of them share."""
    flags, own = (_SCRIPTS / f"{name}.lua").read_text().split("\n", 1)
    return f"{flags}\n{(_SCRIPTS / 'common.lua').read_text()}{own}"


def check_call(
    namespace: str, epoch: int, base: int, prints: bytes, *, known: tuple[int, bytes]
) -> tuple[str, list[str], list[str | bytes | int]]:
    """Script, keys and arguments that ask whether an entry is valid: `[b"OK", position]` where it is.

    `known` is the position and the tip of the worker that asks.
    """
    return script("check"), clock_keys(namespace), [f"{epoch:016x}", *known, base, prints]


def registry_call(namespace: str, most: int) -> tuple[str, list[str], list[str | bytes | int]]:
    """Script, keys and arguments that ask who follows the clock, for `most` of them."""
    return script("registry"), clock_keys(namespace), [most]


def lines_call(namespace: str, most: int) -> tuple[str, list[str], list[str | bytes | int]]:
    """Script, keys and arguments that read the newest lines of the purge log."""
    return alone("lines"), [ledger_key(namespace)], [most]


def report_call(namespace: str, purge: str, line: bytes) -> tuple[str, list[str], list[str | bytes | int]]:
    """Script, keys and arguments that add a line to the purge log."""
    return alone("report"), [ledger_key(namespace)], [LINES, purge, line]


def standing_call(namespace: str, seq: int) -> tuple[str, list[str], list[str | bytes | int]]:
    """Script, keys and arguments that ask where purge `seq` stands."""
    return script("standing"), clock_keys(namespace), [seq]
