"""The eviction policies by their names in the configuration. A new one is a module with the protocol of `eviction`, and a name here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cms_cache_mw.stores.lfu import LFU
from cms_cache_mw.stores.lru import LRU
from cms_cache_mw.stores.s3fifo import S3FIFO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cms_cache_mw.stores.eviction import Policy
    from cms_cache_mw.stores.memory import Place

PolicyName: TypeAlias = Literal["s3fifo", "lru", "lfu"]
POLICIES: Final[Mapping[str, Callable[[], Policy[Place]]]] = {"s3fifo": S3FIFO, "lru": LRU, "lfu": LFU}
