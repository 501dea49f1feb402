"""Entries in Redis, as bytes under names: one GET to read, one SET with an expiry to write.

Safety does not depend on what is stored here, since every reader checks an entry against the purge clock; so a value may be
late, lost, or written twice. There is one store for event loops and one for threads; they differ in how a command is sent.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from cms_cache_mw.stores import guard
from cms_cache_mw.stores.connect import pooled, threaded
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.stores.reads import MOST, Reads
from cms_cache_mw.stores.topology import parse_topology

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cms_cache_mw.stores.guard import Breaker

CONNECTIONS: Final = 16
"""More would not be faster: one process keeps some five of them busy."""

Word: TypeAlias = str | bytes | int
T = TypeVar("T")


class Shared:
    """The second level. Every call raises `StoreError` in trouble and nothing else, and none is made while the breaker is open."""

    def __init__(self, breaker: Breaker, *, judges: bool = True) -> None:
        from redis.exceptions import ResponseError  # noqa: PLC0415

        self._breaker, self._judges = breaker, judges
        self._refusal = ResponseError

    @property
    def closed(self) -> bool:
        """Whether nobody is asked at the moment."""
        return self._breaker.open

    async def get(self, name: str, within: float | None = None) -> bytes | None:
        """The value, or `None`; asked for `within` so many seconds instead of `TIMEOUT`."""
        found = await self._ask(within, "GET", name)
        return found if isinstance(found, bytes) else None

    async def put(self, name: str, value: bytes, ttl: float) -> None:
        """Write a value that goes by itself after `ttl` seconds."""
        await self._ask(guard.TIMEOUT, "SET", name, value, "PX", max(1, round(ttl * 1000)))

    async def claim(self, name: str, owner: str, ttl: float, within: float | None = None) -> bool:
        """Whether nobody else has a name, which is then the owner's for `ttl` seconds."""
        return await self._ask(within, "SET", name, owner, "NX", "PX", max(1, round(ttl * 1000))) is not None

    async def delete(self, name: str) -> None:
        """Remove a value."""
        await self._ask(guard.TIMEOUT, "DEL", name)

    async def run(self, script: str, keys: list[str], arguments: list[Word], within: float | None = None) -> object:
        """What a server script answers."""
        return await self._ask(within, "EVAL", script, len(keys), *keys, *arguments)

    async def together(self, commands: Sequence[tuple[Word, ...]]) -> list[object]:
        """The answers of several commands, an exception in place of one that was refused; threads send them together."""
        return await self._judged(guard.TIMEOUT, partial(self._commands, commands))

    async def close(self) -> None:
        """Give back the connections."""
        raise NotImplementedError

    async def _commands(self, commands: Sequence[tuple[Word, ...]]) -> list[object]:
        answers: list[object] = []
        for words in commands:
            try:
                answers.append(await self._command(guard.TIMEOUT, *words))
            except self._refusal as error:
                answers.append(error)
        return answers

    async def _command(self, within: float, *words: Word) -> object:
        raise NotImplementedError

    async def _ask(self, within: float | None, *words: Word) -> object:
        within = guard.TIMEOUT if within is None else within
        return await self._judged(within, partial(self._command, within, *words))

    async def _judged(self, within: float, ask: Callable[[], Awaitable[T]]) -> T:
        if self._breaker.open:
            raise StoreError("the breaker is open")
        if within <= 0:
            raise StoreError("no time is left")
        try:
            answer = await ask()
        except self._refusal as error:
            # Out of memory, read only, a value of another type: it answers, and the next command may do.
            self._judge(None)
            raise StoreError(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            # Anything can come of a reply that is none; and a connection reset while it was idle is uvloop's RuntimeError.
            self._judge(error)
            raise StoreError(f"{type(error).__name__}: {error}") from error
        self._judge(None)
        return answer

    def _judge(self, error: Exception | None) -> None:
        if not self._judges:
            return
        if error is None:
            self._breaker.succeeded()
        else:
            self._breaker.failed(error)


class LoopShared(Shared):
    """Redis on the running event loop."""

    def __init__(self, url: str, breaker: Breaker, *, timeout: float | None = None) -> None:
        super().__init__(breaker)
        timeout = timeout or guard.TIMEOUT
        self._client = pooled(url, timeout=timeout, connect_timeout=timeout, connections=CONNECTIONS)
        self._asked: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        topology = parse_topology(url)
        self._reads = Reads(self._begin, self._loop, most=1 if topology and topology.kind == "cluster" else MOST)

    @property
    def usable(self) -> bool:
        """Whether the running loop is the one its connections belong to."""
        return self._loop is asyncio.get_running_loop()

    async def close(self) -> None:
        """Wait for what is under way, and give back the connections."""
        if self._asked:
            await asyncio.wait(self._asked)
        await self._client.aclose()

    async def _command(self, within: float, *words: Word) -> object:
        if words[0] == "GET":
            return await self._reads.value(str(words[1]), within)
        asked = self._begin(*words)
        done, _ = await asyncio.wait((asked,), timeout=within)
        if not done:
            raise TimeoutError(f"no answer in {within * 1000:.0f} ms")
        return asked.result()

    def _begin(self, *words: Word) -> asyncio.Task[object]:
        # A command that is cancelled breaks its connection: with the deadline past, or the visitor gone, it is left to end.
        command: Any = self._client.execute_command
        asked: asyncio.Task[object] = asyncio.ensure_future(command(*words))
        self._asked.add(asked)
        asked.add_done_callback(self._answered)
        return asked

    def _answered(self, asked: asyncio.Task[object]) -> None:
        self._asked.discard(asked)
        if not asked.cancelled():
            asked.exception()  # looked at, so that asyncio does not report it


class ThreadShared(Shared):
    """Redis for threads, each of which waits in place; the breaker learns nothing from one that does not judge."""

    def __init__(self, url: str, breaker: Breaker, *, timeout: float | None = None, judges: bool = True) -> None:
        super().__init__(breaker, judges=judges)
        timeout = timeout or guard.TIMEOUT
        self._client = threaded(url, timeout=timeout, connect_timeout=timeout, connections=CONNECTIONS)

    async def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    async def _command(self, within: float, *words: Word) -> object:  # noqa: ARG002 - a socket's time-out is set for good
        command: Any = self._client.execute_command
        return command(*words)

    async def _commands(self, commands: Sequence[tuple[Word, ...]]) -> list[object]:
        pipeline: Any = self._client.pipeline(transaction=False)
        for words in commands:
            pipeline.execute_command(*words)
        answers: list[object] = pipeline.execute(raise_on_error=False)
        return answers
