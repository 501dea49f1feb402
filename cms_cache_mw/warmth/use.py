"""What a worker's entries were used, told to the popularity of their sites in batches: the difference since the last time."""

from __future__ import annotations

from collections import defaultdict
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from cms_cache_mw.runtime import drive
from cms_cache_mw.warmth.place import named
from cms_cache_mw.warmth.popularity import BATCH, MOST_SITES, PARTS
from cms_cache_mw.warmth.start import part_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cms_cache_mw.core.entry import Entry, Key
    from cms_cache_mw.stores.memory import Memory
    from cms_cache_mw.warmth.popularity import Popularity

_Used: TypeAlias = "tuple[int, str, Key, Entry]"


class Use:
    """The use of all that one worker holds."""

    def __init__(self, popularity: Popularity, memories: Mapping[str, Memory]) -> None:
        self._popularity, self._memories = popularity, memories

    @property
    def kept(self) -> bool:
        """Whether there is somebody to tell."""
        return self._popularity.kept

    def pages(self) -> list[tuple[Key, Entry]]:
        """The pages in memory; what is of no site is a part of some."""
        return [(key, entry) for key, entry in self._memories["rendered"].entries() if entry.site]

    def feed(self) -> None:
        """Tell what was used. Where nobody listens the entries keep it until somebody does."""
        if not self.kept:
            return
        used: dict[str, list[_Used]] = defaultdict(list)
        for namespace, memory in self._memories.items():
            for key, entry in memory.entries():
                if (more := entry.hits - entry.counted) > 0:
                    used[entry.site or PARTS].append((more, namespace, key, entry))
        for site, uses in nlargest(MOST_SITES, used.items(), key=lambda of: len(of[1])):
            # A Redis that does not answer would be waited for once for each site.
            if not self._tell(site, nlargest(BATCH, uses, key=itemgetter(0)) if len(uses) > BATCH else uses):
                return

    def _tell(self, site: str, uses: list[_Used]) -> bool:
        names: dict[bytes, int] = {}
        for more, namespace, key, entry in uses:
            name = part_name(namespace, key, entry.url) if site == PARTS else named((key, entry.variant))
            if name:
                names[name] = more
        if names and not drive(self._popularity.feed(site, names)):
            return False
        for more, _, _, entry in uses:
            entry.counted += more
        return True
