"""What Redis knows of the fleet: the purges that were made, and the workers that follow them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.purge.ledger import accounts
from cms_cache_mw.purge.registry import Registered, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.purge.ledger import Account
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.stores.shared import Shared


class History:
    """The purge log and the registry. Each call raises `StoreError` where Redis does not tell."""

    def __init__(self, worker: Worker, shared: Callable[[], Shared | None]) -> None:
        self._worker, self._shared = worker, shared

    async def purges(self) -> list[Account]:
        """The purges that are remembered, newest first."""
        shared = self._shared()
        lines = await self._worker.lines(shared)
        known = await self.registry()
        return accounts(lines, epoch=known.epoch, done=known.done, alone=shared is None)

    async def registry(self) -> Registry:
        """The purge clock with everybody who follows it; without Redis this process alone."""
        shared = self._shared()
        if shared is not None:
            return await self._worker.registry(shared)
        state = self._worker.clock.state
        alone = Registered(self._worker.name, state.pos, 0, state.pos, 0)
        return Registry(f"{state.epoch:016x}", state.pos, state.pos, (alone,))
