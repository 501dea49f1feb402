"""What the purge clock's scripts answer, as values; and fingerprints as Redis holds them, eight bytes each."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cms_cache_mw.core.value import Value
from cms_cache_mw.purge.clock import Logged

if TYPE_CHECKING:
    from collections.abc import Iterable

PRINT_BYTES: Final = 8

Kind: TypeAlias = Literal["hard", "soft", "noop"]
"""What a purge does to entries: unusable, stale, or nothing."""
Row: TypeAlias = tuple[bytes, dict[bytes, bytes]]
"""An entry of a stream as the client gives it: its id and its fields."""


class Joined(Value, frozen=True):
    """The epoch in force and where it stands."""

    epoch: int
    seq: int
    tip: bytes
    floor: int


class Leased(Value, frozen=True):
    """A lease, usable once the entries have been applied."""

    entries: list[Logged]


class More(Value, frozen=True):
    """Part of what is to be applied; no lease yet. `behind` says how much is missing after that."""

    entries: list[Logged]
    behind: int


class Gap(Value, frozen=True):
    """The log was trimmed past the worker's position."""

    seq: int
    tip: bytes


class Recorded(Value, frozen=True):
    """A purge that Redis has recorded."""

    epoch: int
    seq: int
    low: int
    """The smallest position that all registered workers have acknowledged."""
    settled: bool
    """Whether acknowledgements prove anything: in a new epoch leases of the old one may still run."""
    lease: float
    """The longest lease that anybody may hold, in seconds."""


def nonce() -> bytes:
    """Sixteen random hexadecimal digits: a new epoch, or a purge's name."""
    return secrets.token_hex(8).encode()


def packed(prints: Iterable[int]) -> bytes:
    """Fingerprints in a row."""
    return b"".join(value.to_bytes(PRINT_BYTES, "big") for value in prints)


def unpacked(row: bytes) -> tuple[int, ...]:
    """The fingerprints in a row."""
    if len(row) % PRINT_BYTES:
        raise ValueError(f"{len(row)} bytes are no row of fingerprints")
    return tuple(int.from_bytes(row[at : at + PRINT_BYTES], "big") for at in range(0, len(row), PRINT_BYTES))


def paired(flat: list[bytes]) -> dict[bytes, bytes]:
    """The fields of a stream's entry from a script's reply, where names and values alternate."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def number(entry_id: bytes) -> int:
    """The purge number in a stream's id."""
    return int(entry_id.partition(b"-")[0])


def logged(entry_id: bytes, fields: dict[bytes, bytes]) -> Logged:
    """An entry of the purge log."""
    return Logged(
        seq=number(entry_id),
        nonce=fields[b"n"],
        kind=fields[b"k"].decode("latin-1"),
        prints=unpacked(fields[b"t"]),
        grace=int(fields[b"g"]) / 1000,
    )


def consecutive(rows: Iterable[Row], epoch: int, pos: int) -> list[Logged]:
    """The log's entries from `pos` on as far as they belong to the epoch and follow one another.

    A stream that was deleted and made anew under a waiting reader goes on with another history, by chance with the number
    that the reader expects.
    """
    found: list[Logged] = []
    for entry_id, fields in rows:
        if int(fields[b"e"], 16) != epoch or number(entry_id) != pos + len(found) + 1:
            break
        found.append(logged(entry_id, fields))
    return found
