"""Entries in Redis, as bytes under names: one GET to read, one SET with an expiry to write.

Safety does not depend on what is stored here, since every reader checks an entry against the purge clock; so a value may be
late, lost, or written twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from cms_cache_mw.stores.connect import pooled
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from cms_cache_mw.stores.guard import Breaker

TIMEOUT: Final = 0.1
"""Seconds that a visitor's request ever waits for Redis."""
CONNECTIONS: Final = 32


class Shared(Protocol):
    """The second level. Both calls raise `StoreError` and nothing else."""

    async def get(self, name: str) -> bytes | None:
        """The value, or `None`."""
        ...

    async def put(self, name: str, value: bytes, ttl: float) -> None:
        """Write a value that goes by itself after `ttl` seconds."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a value."""
        ...

    async def run(self, script: str, keys: list[str], arguments: list[str | bytes | int]) -> object:
        """What a server script answers."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


class LoopShared:
    """Redis on an event loop, each call within the deadline, none while the breaker is open."""

    def __init__(self, url: str, breaker: Breaker, *, timeout: float = TIMEOUT) -> None:
        self._client: Redis = pooled(url, timeout=timeout, connect_timeout=timeout, connections=CONNECTIONS)
        self._breaker, self._timeout = breaker, timeout
        self._asked: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        from redis.exceptions import RedisError  # noqa: PLC0415

        self._errors = (RedisError, OSError, TimeoutError)

    @property
    def usable(self) -> bool:
        """Whether the running loop is the one its connections belong to."""
        return self._loop is asyncio.get_running_loop()

    async def get(self, name: str) -> bytes | None:
        """The value, or `None`."""
        found = await self._ask("GET", name)
        return found if isinstance(found, bytes) else None

    async def put(self, name: str, value: bytes, ttl: float) -> None:
        """Write a value that goes by itself after `ttl` seconds."""
        await self._ask("SET", name, value, "PX", max(1, round(ttl * 1000)))

    async def delete(self, name: str) -> None:
        """Remove a value."""
        await self._ask("DEL", name)

    async def run(self, script: str, keys: list[str], arguments: list[str | bytes | int]) -> object:
        """What a server script answers."""
        return await self._ask("EVAL", script, len(keys), *keys, *arguments)

    async def close(self) -> None:
        """Wait for what is under way, and give back the connections."""
        if self._asked:
            await asyncio.wait(self._asked)
        await self._client.aclose()

    async def _ask(self, *command: str | bytes | int) -> object:
        if self._breaker.open:
            raise StoreError("the breaker is open")
        # A command that is cancelled breaks its connection: with the deadline past, or the visitor gone, it is left to end.
        asked: asyncio.Task[object] = asyncio.ensure_future(self._client.execute_command(*command))  # type: ignore[no-untyped-call]
        self._asked.add(asked)
        asked.add_done_callback(self._answered)
        done, _ = await asyncio.wait((asked,), timeout=self._timeout)
        try:
            if not done:
                raise TimeoutError(f"no answer in {self._timeout * 1000:.0f} ms")
            answer = asked.result()
        except self._errors as error:
            self._breaker.failed(error)
            raise StoreError(f"{type(error).__name__}: {error}") from error
        self._breaker.succeeded()
        return answer

    def _answered(self, asked: asyncio.Task[object]) -> None:
        self._asked.discard(asked)
        if not asked.cancelled():
            asked.exception()  # looked at, so that asyncio does not report it
