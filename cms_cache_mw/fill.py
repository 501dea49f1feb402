"""One render for the workers of all hosts: a lock in Redis beside the entry that is to come (purge-protocol 2.9).

It is efficiency and nothing else. Whoever finds it taken looks for the entry from time to time; where that takes too long, or
Redis is away, it renders as if there were no lock. A lock goes by itself when its owner was killed.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cms_cache_mw.stores.chance import between
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.switching.flags import Flags

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cms_cache_mw.runtime import Runtime
    from cms_cache_mw.stores.shared import Shared

SHORTEST: Final = 2.0
"""Seconds that a lock is held at least."""
LONGEST: Final = 60.0
"""Seconds after which a render is not waited for any more, however alive its worker is."""
FIRST_LOOK: Final = 0.025
LAST_LOOK: Final = 0.1
"""Seconds between looks for what another worker renders, at first and in the end."""
PATIENCE: Final = 3.0
"""Seconds after which a worker renders what another one has not brought."""
SAMPLE: Final = 0.05
"""Weight of the latest render in the estimate of how long the slow ones take."""

_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_EXTEND: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
)


class FillLocks:
    """The fill locks that this worker holds, by name. `now` counts seconds."""

    def __init__(
        self,
        shared: Callable[[], Shared | None],
        runtime: Runtime,
        namespace: str,
        now: Callable[[], float],
        flags: Flags | None = None,
    ) -> None:
        self._flags = flags or Flags()
        self._shared, self._runtime, self._namespace, self._now = shared, runtime, namespace, now
        self._held: dict[str, tuple[str, float]] = {}
        self._slow = SHORTEST / 2

    async def take(self, digest: bytes, within: float | None = None) -> str | None:
        """A lock's name; `None` where another worker has it, and an empty one where nobody tells `within` so many seconds."""
        shared = self._shared()
        if shared is None or shared.closed or not self._flags.fill_locks:
            return ""
        name, owner = f"{self._namespace}:fill:{digest.hex()}", secrets.token_hex(8)
        try:
            if not await shared.claim(name, owner, self.seconds, within):
                return None
        except StoreError:
            return ""
        self._held[name] = (owner, self._now())
        return name

    async def take_all(self, digests: Sequence[bytes]) -> list[str | None]:
        """The same for several at once."""
        shared = self._shared()
        if shared is None or not digests or shared.closed or not self._flags.fill_locks:
            return [""] * len(digests)
        wanted = [(f"{self._namespace}:fill:{digest.hex()}", secrets.token_hex(8)) for digest in digests]
        lasts = round(self.seconds * 1000)
        try:
            answers = await shared.together([("SET", name, owner, "NX", "PX", lasts) for name, owner in wanted])
        except StoreError:
            return [""] * len(digests)
        taken: list[str | None] = []
        for (name, owner), answer in zip(wanted, answers, strict=True):
            if answer is not None and not isinstance(answer, Exception):
                self._held[name] = (owner, self._now())
            taken.append("" if isinstance(answer, Exception) else name if answer is not None else None)
        return taken

    async def wait(self, look: Callable[[], Awaitable[bool]], digest: bytes) -> str | None:
        """Look for what another worker renders until `look` has found it, which gives `None`, or a lock to render oneself."""
        until, pause = self._now() + PATIENCE, FIRST_LOOK
        while self._now() < until:
            await self._runtime.sleep(pause * between(0.75, 1.25))
            pause = min(LAST_LOOK, pause * 1.5)
            if await look():
                return None
            lock = await self.take(digest)
            if lock is not None:
                return lock
        return ""

    def release(self, name: str, render_seconds: float = 0.0) -> None:
        """Give a lock back without anybody waiting; `render_seconds` is what the render took."""
        if render_seconds:
            # A slow estimate falls slowly and rises at once: an approximation of the slowest twentieth.
            self._slow = max(render_seconds, self._slow + SAMPLE * (render_seconds - self._slow))
        held = self._held.pop(name, None)
        if held:
            self._runtime.spawn(self._run(_RELEASE, name, held[0]))

    def extend(self) -> None:
        """Prolong what is held, up to a minute; to be called more often than the shortest lock lasts."""
        for name, (owner, since) in list(self._held.items()):
            if self._now() - since > LONGEST:
                self._held.pop(name, None)
                continue
            self._runtime.spawn(self._run(_EXTEND, name, owner, round(self.seconds * 1000)))

    @property
    def seconds(self) -> float:
        """How long a lock lasts by itself."""
        return max(SHORTEST, 2 * self._slow)

    async def _run(self, script: str, name: str, *arguments: str | int) -> None:
        shared = self._shared()
        if shared is not None:
            with suppress(StoreError):
                await shared.run(script, [name], list(arguments))
