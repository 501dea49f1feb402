"""Which pages and parts are used most, over all workers: a sorted set for each site in Redis, in which old use fades.

Workers add what their entries were used since they last did, in batches. Each set holds at most `MOST` names; the least used
go first. Nothing depends on it but what is warmed, so trouble with Redis is no trouble here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cms_cache_mw.stores.shared import Shared

MOST: Final = 10_000
"""Names of each site."""
MOST_SITES: Final = 100
"""Sites that are remembered where none are configured: each host name is one, whoever makes it up."""
BATCH: Final = 500
"""Names that are added by one command, which takes Redis about half a millisecond."""
PAGE: Final = 1_000
"""Names that are read by one command."""
HALF_LIFE: Final = 43_200.0
"""Seconds in which use counts half."""
STEP: Final = 3_600.0
"""Seconds between two fadings of a set."""
KEPT: Final = 604_800
"""Seconds that a set is kept which nobody adds to."""
PARTS: Final = "@parts"
"""In place of a site, for fragments; no site can be called so."""

# The set remembers when it faded last as a member with a negative score, which no name has.
_FEED: Final = """
local now, last = tonumber(ARGV[1]), redis.call('ZSCORE', KEYS[1], '@faded')
last = last and -tonumber(last) or now
if now - last >= tonumber(ARGV[3]) then
    redis.call('ZUNIONSTORE', KEYS[1], 1, KEYS[1], 'WEIGHTS', 0.5 ^ ((now - last) / tonumber(ARGV[2])))
    last = now
end
redis.call('ZADD', KEYS[1], -last, '@faded')
for i = 6, #ARGV, 2 do redis.call('ZINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
local over = redis.call('ZCARD', KEYS[1]) - 1 - tonumber(ARGV[4])
if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 1, over) end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return over
"""
_TOP: Final = "return redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(0', 'WITHSCORES', 'LIMIT', ARGV[1], ARGV[2])"


class Popularity:
    """The most used names of each site. `wall` gives seconds since 1970."""

    def __init__(self, shared: Callable[[], Shared | None], namespace: str, wall: Callable[[], float]) -> None:
        self._shared, self._namespace, self._wall = shared, namespace, wall

    @property
    def kept(self) -> bool:
        """Whether there is a Redis that answers at the moment."""
        shared = self._shared()
        return shared is not None and not shared.closed

    async def feed(self, site: str, uses: Mapping[bytes, int]) -> bool:
        """Add uses to the names of a site, the most used `BATCH` of them; whether that was done."""
        most = sorted(uses.items(), key=lambda use: -use[1])[:BATCH]
        if not most or not await self._add(site, MOST, most):
            return False
        if site != PARTS:
            await self._add("", MOST_SITES, [(site.encode(), sum(uses.values()))])
        return True

    async def top(self, site: str, most: int = MOST) -> list[tuple[bytes, float]]:
        """The names of a site with their decayed uses, most used first; empty in trouble."""
        found: list[tuple[bytes, float]] = []
        while len(found) < most:
            part = await self._read(site, len(found), min(PAGE, most - len(found)))
            found += part
            if len(part) < PAGE:
                break
        return found

    async def sites(self) -> list[str]:
        """The sites that are used, most used first."""
        return [name.decode("utf-8", "replace") for name, _ in await self._read("", 0, MOST_SITES)]

    async def _add(self, site: str, most: int, uses: list[tuple[bytes, int]]) -> bool:
        shared = self._shared()
        if shared is None or shared.closed:
            return False
        words: list[str | bytes | int] = [str(self._wall()), str(HALF_LIFE), str(STEP), most, KEPT]
        for name, count in uses:
            words += (count, name)
        try:
            await shared.run(_FEED, [self._name(site)], words)
        except StoreError:
            return False
        return True

    async def _read(self, site: str, start: int, count: int) -> list[tuple[bytes, float]]:
        shared = self._shared()
        if shared is None or shared.closed:
            return []
        try:
            found = await shared.run(_TOP, [self._name(site)], [start, count])
        except StoreError:
            return []
        return list(zip(found[::2], map(float, found[1::2]), strict=True)) if isinstance(found, list) else []

    def _name(self, site: str) -> str:
        return f"{self._namespace}:popular:{site}"
