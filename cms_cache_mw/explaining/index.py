"""What is stored in Redis, as a bounded index of facts: who depends on what can be told by a worker that never served it.

One hash, an entry's name to its facts. It is complete until it has `LIMIT` entries. From then on it is a sample: at level n an
entry in 2^n is in it, chosen by a digest of its name, so that counts can be multiplied and their error stated. A worker that
could not note an entry says so when it can, and until that entry's lifetime is over nothing is called exact.
"""

from __future__ import annotations

import logging
from math import sqrt
from typing import TYPE_CHECKING, Final

import msgspec
from blake3 import blake3

from cms_cache_mw.core.naming import languages
from cms_cache_mw.purge.calls import alone
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.stores.shared import Shared

log: Final = logging.getLogger("cms_cache_mw")

LIMIT: Final = 8_192
"""Entries in the index."""
PAGE: Final = 500
PATIENCE: Final = 1.0
SWEEPING: Final = 30.0
"""Seconds that nobody else sweeps the index while somebody does."""
LEVEL: Final = b"@level"
MISSED: Final = b"@missed"
SURE: Final = 1.96
"""Standard errors within which 95 of 100 estimates are."""

_SCAN: Final = "return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])"
_GET: Final = "return redis.call('HGET', KEYS[1], ARGV[1])"
_SET: Final = "return redis.call('HSET', KEYS[1], unpack(ARGV))"
_DELETE: Final = "return redis.call('HDEL', KEYS[1], unpack(ARGV))"


class Facts(msgspec.Struct, array_like=True):
    """What the index knows of an entry; purges are checked against it as against the entry itself."""

    epoch: int
    base: int
    prints: tuple[int, ...]
    until: float
    """When Redis forgets the entry, in seconds since 1970."""
    bytes: int
    render_ms: float
    site: str
    url: str
    languages: list[str]
    tags: list[str]


class Indexed(msgspec.Struct):
    """What the index holds at an instant."""

    entries: dict[str, Facts]
    level: int = 0
    complete: bool = True

    @property
    def factor(self) -> int:
        """How many entries one in the index stands for."""
        return int(2**self.level)

    def error(self, counted: int) -> int:
        """By how many a count may be wrong, 95 times in 100, if so many of what is counted are in the sample."""
        if not self.level:
            return 0
        # By the largest number that `counted` may be a sample of (Wilson 1927), which is further away than the smallest.
        spread = SURE * SURE * (1 - 1 / self.factor)
        return round(self.factor * (spread / 2 + sqrt(spread * (counted + spread / 4))))


_DECODER: Final = msgspec.msgpack.Decoder(Facts)
_ENCODER: Final = msgspec.msgpack.Encoder()


class Index:
    """The index of a namespace. Nothing that goes wrong with it is anybody's concern but that of who asks it."""

    def __init__(
        self, shared: Callable[[], Shared | None], namespace: str, wall: Callable[[], float], limit: int = LIMIT
    ) -> None:
        self._shared, self._key, self._wall, self._limit = shared, f"{namespace}:index", wall, limit
        self._sweeper = f"{namespace}:index:sweep"
        self._missed = 0.0
        """Until when something is stored that is not in the index, as far as this worker knows."""

    @property
    def there(self) -> bool:
        """Whether there is a Redis to have one in."""
        return self._shared() is not None

    def missed(self, ttl: float) -> None:
        """Remember that something may be in memory, for up to `ttl` seconds, that is not in the index."""
        self._missed = max(self._missed, self._wall() + ttl)

    async def note(self, name: str, entry: Entry, ttl: float) -> None:
        """Note an entry that was stored in Redis for `ttl` seconds."""
        shared = self._shared()
        if shared is None:
            return
        facts = Facts(
            entry.epoch,
            entry.base,
            entry.prints,
            self._wall() + ttl,
            len(entry.body),
            entry.render_ms,
            entry.site,
            entry.url,
            languages(entry),
            list(entry.tags),
        )
        try:
            told = await shared.run(alone("index"), [self._key], [name, _ENCODER.encode(facts), sample(name)])
            if self._missed > self._wall():
                await shared.run(_SET, [self._key], [MISSED, str(self._missed)])
                self._missed = 0.0
            if isinstance(told, list) and told[1] > self._limit and await shared.claim(self._sweeper, "1", SWEEPING):
                await self._sweep(shared, int(told[0]))
                await shared.delete(self._sweeper)
        except StoreError as error:
            self.missed(ttl)
            log.debug("not in the index: %s", error)

    async def read(self) -> Indexed | None:
        """All that it holds, `None` without Redis; raises `StoreError` where Redis does not tell."""
        shared = self._shared()
        if shared is None:
            return None
        found, now = Indexed({}), self._wall()
        async for name, value in self._scanned(shared):
            if name == MISSED:
                found.complete = float(value) <= now
            elif name != LEVEL and (facts := _facts(value)) and facts.until > now:
                found.entries[name.decode("latin-1")] = facts
        # Again: a sweep that began meanwhile has raised the level, then forgotten what had not been looked at yet.
        level = await shared.run(_GET, [self._key], [LEVEL], PATIENCE)
        found.level = int(level) if isinstance(level, bytes) else 0
        found.complete = found.complete and not found.level and self._missed <= now
        if found.level:
            found.entries = {name: facts for name, facts in found.entries.items() if not sample(name) % found.factor}
        return found

    async def _sweep(self, shared: Shared, level: int) -> None:
        """Forget what Redis has forgotten; if that is not enough, every other entry."""
        left: list[bytes] = []
        gone: list[bytes] = []
        now = self._wall()
        async for name, value in self._scanned(shared):
            if name[:1] != b"@":
                facts = _facts(value)
                (left if facts and facts.until > now else gone).append(name)
        if len(left) > self._limit * 3 // 4:
            level += 1
            await shared.run(_SET, [self._key], [LEVEL, str(level)])
            gone += [name for name in left if sample(name.decode("latin-1")) % 2**level]
        for start in range(0, len(gone), PAGE):
            await shared.run(_DELETE, [self._key], list(gone[start : start + PAGE]), PATIENCE)

    async def _scanned(self, shared: Shared) -> AsyncIterator[tuple[bytes, bytes]]:
        cursor = b"0"
        while True:
            told = await shared.run(_SCAN, [self._key], [cursor, PAGE], PATIENCE)
            assert isinstance(told, list)
            cursor, flat = told
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                yield name, value
            if cursor == b"0":
                return


def sample(name: str) -> int:
    """A number that is the name's own, from 0 to 65535, evenly spread."""
    return int.from_bytes(blake3(name.encode("utf-8", "surrogateescape")).digest(2), "big")


def _facts(value: bytes) -> Facts | None:
    try:
        return _DECODER.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
