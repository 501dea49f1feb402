"""The purge clock's commands in Redis: the server scripts and two blocking reads, with typed replies.

A link belongs to one thread and has one connection. Anything that goes wrong on the way is a `LinkError`; a script may have
run all the same, and every one of them can be run again.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cms_cache_mw.purge.clock import Logged
from cms_cache_mw.stores.connect import blocking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from redis import Redis

MAX_RECORDS: Final = 200_000
"""Purged tags that Redis remembers; beyond it the floor rises."""
MAX_LOG: Final = 20_000
BATCH: Final = 1_000
"""Log entries handed out at once."""

Identity: TypeAlias = Literal["info", "none"]
Entries: TypeAlias = list[tuple[bytes, dict[bytes, bytes]]]


class LinkError(Exception):
    """Redis did not answer, or not in time, or refused."""


class EpochError(Exception):
    """The clock's history is not the one the caller knows."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The epoch in force and where it stands."""

    epoch: int
    seq: int
    tip: bytes
    floor: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Leased:
    """A lease, usable once the entries have been applied."""

    entries: list[Logged]


@dataclass(frozen=True, slots=True)
class More:
    """Part of what is to be applied; no lease yet."""

    entries: list[Logged]


@dataclass(frozen=True, slots=True)
class Gap:
    """The log was trimmed past the worker's position."""

    seq: int
    tip: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """A purge that Redis has recorded."""

    epoch: int
    seq: int
    low: int
    """The smallest position that all registered workers have acknowledged."""
    settled: bool
    lease: float
    """The longest lease any worker of this epoch asked for, in seconds."""


def nonce() -> bytes:
    """Sixteen random hexadecimal digits: a new epoch, or a purge's name."""
    return secrets.token_hex(8).encode()


def packed(prints: Iterable[int]) -> bytes:
    """Fingerprints as Redis holds them, eight bytes each."""
    return b"".join(value.to_bytes(8, "big") for value in prints)


def unpacked(data: bytes) -> tuple[int, ...]:
    """The fingerprints in `data`."""
    return tuple(int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data), 8))


def _logged(entry_id: bytes, fields: dict[bytes, bytes]) -> Logged:
    return Logged(
        seq=int(entry_id.partition(b"-")[0]),
        nonce=fields[b"n"],
        kind=fields[b"k"].decode(),
        prints=unpacked(fields[b"t"]),
        grace=int(fields[b"g"]) / 1000,
    )


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _names(namespace: str) -> dict[str, str]:
    parts = ("meta", "tags", "soft", "log", "acks", "grants", "low")
    # The braces put all of them into one slot of a cluster.
    return {part: f"{{{namespace}}}:clock:{part}" for part in parts}


@cache
def _script(name: str) -> str:
    folder = files("cms_cache_mw.purge") / "scripts"
    return (folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text()


def check_call(
    namespace: str, identity: Identity, epoch: int, base: int, prints: bytes
) -> tuple[str, list[str], list[str | bytes | int]]:
    """Script, keys and arguments that ask whether an entry is valid: `[b"OK", position]` where it is."""
    return _script("check"), list(_names(namespace).values()), [f"{epoch:016x}", identity, base, prints]


class Link:
    """One thread's way to the purge clock of a namespace. Durations are in seconds."""

    def __init__(
        self, url: str, namespace: str, *, identity: Identity = "info", timeout: float, connect_timeout: float = 0.5
    ) -> None:
        self.client: Redis = blocking(url, timeout=timeout, connect_timeout=connect_timeout)
        self.errors = _errors()
        self._mode = identity
        self._keys = _names(namespace)
        names = ("join", "renew", "purge", "evict", "leave")
        self._scripts = {name: self.client.register_script(_script(name)) for name in names}

    def join(self, epoch: int, pos: int, tip: bytes) -> Joined:
        """Enter the clock's epoch, or start a new one where its history is broken or lacks the claimed position."""
        found = self._run("join", nonce(), self._mode, f"{epoch:016x}", pos, tip)
        return Joined(int(found[0], 16), found[1], found[2], found[3], bool(found[4]))

    def renew(
        self, epoch: int, pos: int, tip: bytes, worker: bytes, lease: float, *, settled: bool
    ) -> Leased | More | Gap:
        """Acknowledge a position and ask for a lease; `EpochError` where the history is another one."""
        found = self._run(
            "renew", f"{epoch:016x}", self._mode, pos, tip, worker, round(lease * 1000), int(settled), BATCH
        )
        if found[0] == b"GAP":
            return Gap(found[1], found[2])
        entries = [_logged(entry_id, _pairs(flat)) for entry_id, flat in found[2]]
        return Leased(entries) if found[0] == b"LEASE" else More(entries)

    def purge(self, prints: bytes, *, kind: str, grace: float = 0.0, epoch: int | None = None) -> Recorded:
        """Record a purge of packed fingerprints in the epoch in force, or in `epoch` alone."""
        named = "" if epoch is None else f"{epoch:016x}"
        found = self._run("purge", named, self._mode, nonce(), kind, round(grace * 1000), MAX_RECORDS, MAX_LOG, prints)
        return Recorded(int(found[1], 16), found[2], found[3], bool(found[4]), found[5] / 1000)

    def evict(self, epoch: int, seq: int) -> list[bytes]:
        """Unregister the workers whose lease must have ended before purge `seq`; gives their names."""
        gone: list[bytes] = self._run("evict", f"{epoch:016x}", self._mode, seq)[2]
        return gone

    def leave(self, epoch: int, worker: bytes) -> None:
        """Unregister a worker that has stopped serving from its cache."""
        self._run("leave", f"{epoch:016x}", self._mode, worker)

    def follow(self, pos: int, block: float) -> list[Logged]:
        """The log after `pos`, waiting up to `block` seconds for the first entry."""
        return [_logged(entry_id, fields) for entry_id, fields in self._read("log", pos, block)]

    def low(self, above: int, block: float) -> tuple[int, int] | None:
        """Epoch and smallest acknowledged position once it is above `above`, or `None` after `block` seconds."""
        found = self._read("low", above, block)
        return (int(found[-1][1][b"e"], 16), int(found[-1][0].partition(b"-")[0])) if found else None

    def purged(self, most: int) -> tuple[dict[int, int], int]:
        """The newest `most` purges by fingerprint, soft ones included, and the floor below which some are missing."""
        with self._guarded():
            records: dict[int, int] = {}
            floor = 0
            for part in ("tags", "soft"):
                found: Any = self.client.zrevrange(self._keys[part], 0, most, withscores=True)
                newest = [(member, int(score)) for member, score in found if not member.startswith(b"@")]
                if len(newest) >= most:
                    floor = max(floor, newest[-1][1])
                for member, seq in newest:
                    tag = int.from_bytes(member, "big")
                    records[tag] = max(seq, records.get(tag, 0))
            # Read last: it covers everything that was pruned while the records were read.
            return records, max(floor, int(self.client.hget(self._keys["meta"], "floor") or 0))

    def ping(self) -> None:
        """Ask whether Redis answers."""
        with self._guarded():
            self.client.ping()

    def behind(self, seq: int) -> list[bytes]:
        """The registered workers that have not acknowledged `seq`."""
        with self._guarded():
            workers: Any = self.client.zrangebyscore(self._keys["acks"], "-inf", f"({seq}")
            return list(workers)

    def close(self) -> None:
        """Break the connection, also under a blocked read in another thread."""
        self.client.connection_pool.disconnect()

    def _run(self, name: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - what a script answers
        with self._guarded():
            found = self._scripts[name](keys=list(self._keys.values()), args=arguments)
        if found[0] == b"EPOCH":
            raise EpochError
        return found

    def _read(self, part: str, after: int, block: float) -> Entries:
        with self._guarded():
            found: Any = self.client.xread(
                {self._keys[part]: f"{after}-0"}, block=max(1, round(block * 1000)), count=BATCH
            )
        return found[0][1] if found else []

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except self.errors as error:
            raise LinkError(f"{type(error).__name__}: {error}") from error


Connect: TypeAlias = "Callable[[float], Link]"
"""Makes a link whose replies may take the given seconds."""


def _errors() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # noqa: PLC0415

    return (RedisError, OSError, ValueError, IndexError, KeyError)
