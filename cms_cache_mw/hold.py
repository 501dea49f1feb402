"""Purges that wait for a transaction: gathered while it runs, made as one when it is committed, dropped when it is not.

A purge before the commit would let a visitor's render read the old rows and store them for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from cms_cache_mw.core.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from cms_cache_mw.cache import Cache
    from cms_cache_mw.purges import Purge


class Hold:
    """Gathers purges. As a context manager, plain or asynchronous, it purges on leaving and drops them on an exception.

    `purged` is what became of them, `None` while there was nothing to purge.
    """

    def __init__(self, cache: Cache, wait: float) -> None:
        self.purged: Purge | None = None
        self._cache, self._wait = cache, wait
        self._targets: list[Target] = []

    def purge(
        self,
        *,
        tags: Iterable[str] = (),
        urls: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        site: str = "",
        all: bool = False,  # noqa: A002 - the contract's word
    ) -> None:
        """Note what is to be purged; `TargetError` for what cannot be meant, at once."""
        target = Target.named(tags, urls, prefixes, site, everything=all)
        self._cache.prints(target)
        self._targets.append(target)

    async def commit(self) -> Purge | None:
        """Purge what was gathered, under one number."""
        targets, self._targets = self._targets, []
        if targets:
            self.purged = await self._cache.carry_out(*targets, wait=self._wait)
        return self.purged

    def commit_sync(self) -> Purge | None:
        """The same for synchronous callers."""
        targets, self._targets = self._targets, []
        if targets:
            self.purged = self._cache.carry_out_sync(*targets, wait=self._wait)
        return self.purged

    def drop(self) -> None:
        """Forget what was gathered: the transaction was rolled back."""
        self._targets = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.commit_sync()
        self.drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            await self.commit()
        self.drop()
