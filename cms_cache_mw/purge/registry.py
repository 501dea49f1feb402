"""Who follows the purge clock, as Redis has it: each worker's position and lease."""

from __future__ import annotations

from typing import Final

from cms_cache_mw.core.value import Value

MAX_WORKERS: Final = 1_000
"""Workers that are listed."""


class Registered(Value, frozen=True):
    """A worker that purges wait for."""

    name: str
    """Host, process and a number of its own: `HOST:PID:HEX`."""
    position: int
    """The number of the last purge that it has applied."""
    lag: int
    """How many purges it is behind."""
    granted: int
    """The number of the last purge when it was given its last lease."""
    lease_ms: int
    """How long a purge waits for it if it falls silent."""


class Registry(Value, frozen=True):
    """The purge clock and those who follow it."""

    epoch: str
    seq: int
    """The number of the last purge."""
    done: int
    """Up to this number all purges are done everywhere; 0 in an epoch that is too new to tell."""
    workers: tuple[Registered, ...]


def registry(found: object) -> Registry:
    """What the script answers, as values."""
    assert isinstance(found, list)
    epoch, seq, settled, low, *tables = found
    acks, grants, leases = (_scores(table) for table in tables)
    latest = int(seq)
    workers = tuple(
        Registered(name, position, max(0, latest - position), grants.get(name, 0), leases.get(name, 0))
        for name, position in sorted(acks.items())
    )
    return Registry(epoch.decode("latin-1"), latest, int(low) if settled else 0, workers)


def _scores(flat: list[bytes]) -> dict[str, int]:
    """Members and scores, less the mark of the epoch."""
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {name.decode("latin-1"): int(float(score)) for name, score in pairs if name[:1] != b"@"}
