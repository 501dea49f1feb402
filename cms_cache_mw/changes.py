"""The rules: what an edit makes unusable. Each is one purge with one number, however much depends on what was edited."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, overload

from cms_cache_mw.core.target import Target

if TYPE_CHECKING:
    from cms_cache_mw.explaining.preview import Preview
    from cms_cache_mw.purges import Purge


class Changes(ABC):
    """What a cache is told of edits. With `dry_run` each rule changes nothing and says what would go."""

    @abstractmethod
    async def carry_out(
        self,
        *targets: Target,
        soft: bool = False,
        grace: float = 60.0,
        wait: float = 10.0,
        who: str = "",
        reason: str = "",
    ) -> Purge:
        """Purge targets, under one number."""

    @abstractmethod
    async def preview(self, *targets: Target) -> Preview:
        """What a purge of these targets would take with it, by this worker's memory and the index in Redis."""

    @overload
    async def block_changed(self, id: str | int, *, dry_run: Literal[True], wait: float = ...) -> Preview: ...
    @overload
    async def block_changed(self, id: str | int, *, dry_run: Literal[False] = ..., wait: float = ...) -> Purge: ...
    async def block_changed(self, id: str | int, *, dry_run: bool = False, wait: float = 10.0) -> Purge | Preview:  # noqa: A002 - the same
        """A block was edited: its fragment and everything that shows it are purged, on whatever level it is contained."""
        return await self._changed((f"block:{id}",), wait, dry_run=dry_run)

    @overload
    async def template_changed(self, id: str | int, *, dry_run: Literal[True], wait: float = ...) -> Preview: ...
    @overload
    async def template_changed(self, id: str | int, *, dry_run: Literal[False] = ..., wait: float = ...) -> Purge: ...
    async def template_changed(self, id: str | int, *, dry_run: bool = False, wait: float = 10.0) -> Purge | Preview:  # noqa: A002 - the same
        """A template was edited: its fragment and everything rendered with it are purged."""
        return await self._changed((f"template:{id}",), wait, dry_run=dry_run)

    @overload
    async def page_changed(self, id: str | int, *, dry_run: Literal[True], wait: float = ...) -> Preview: ...
    @overload
    async def page_changed(self, id: str | int, *, dry_run: Literal[False] = ..., wait: float = ...) -> Purge: ...
    async def page_changed(self, id: str | int, *, dry_run: bool = False, wait: float = 10.0) -> Purge | Preview:  # noqa: A002 - the same
        """A page was edited: its fragment, its rendered versions and everything that shows part of it are purged."""
        return await self._changed((f"page:{id}",), wait, dry_run=dry_run)

    @overload
    async def translation_changed(
        self,
        language: str,
        *,
        page_id: str | int | None = ...,
        block_id: str | int | None = ...,
        dry_run: Literal[True],
        wait: float = ...,
    ) -> Preview: ...
    @overload
    async def translation_changed(
        self,
        language: str,
        *,
        page_id: str | int | None = ...,
        block_id: str | int | None = ...,
        dry_run: Literal[False] = ...,
        wait: float = ...,
    ) -> Purge: ...
    async def translation_changed(
        self,
        language: str,
        *,
        page_id: str | int | None = None,
        block_id: str | int | None = None,
        dry_run: bool = False,
        wait: float = 10.0,
    ) -> Purge | Preview:
        """A translation was edited: the versions in that language of a page, of what shows a block, or of everything."""
        named = {"page": page_id, "block": block_id}
        tags = tuple(f"{kind}:{id_}@{language}" for kind, id_ in named.items() if id_ is not None)
        return await self._changed(tags or (f"lang:{language}",), wait, dry_run=dry_run)

    async def _changed(self, tags: tuple[str, ...], wait: float, *, dry_run: bool) -> Purge | Preview:
        target = Target(tags)
        return await self.preview(target) if dry_run else await self.carry_out(target, wait=wait)
