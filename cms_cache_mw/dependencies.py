"""A page's dependencies as a record: what its header says, and the tags that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cms_cache_mw.core.tags import read_tag

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Dependencies:
    """What one rendered page depends on. Ids are text or numbers; raises `TagError` for one that no tag can hold.

    >>> Dependencies(page_id=12, block_ids=("menu", 7), template_id="article", language="de").header
    'page:12, block:menu, block:7, template:article, lang:de'
    """

    page_id: str | int | None = None
    block_ids: tuple[str | int, ...] = ()
    template_id: str | int | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        """Check that each id makes a tag."""
        object.__setattr__(self, "block_ids", tuple(self.block_ids))
        for tag in self.tags:
            read_tag(tag)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, page first."""
        found = [] if self.page_id is None else [f"page:{self.page_id}"]
        found += [f"block:{block}" for block in self.block_ids]
        if self.template_id is not None:
            found.append(f"template:{self.template_id}")
        if self.language is not None:
            found.append(f"lang:{self.language}")
        return tuple(found)

    @property
    def header(self) -> str:
        """The value of a `Cache-Tag` header."""
        return ", ".join(self.tags)

    @classmethod
    def from_tags(cls, tags: Iterable[str]) -> Self:
        """The record that these tags came from; tags of other kinds are left out."""
        found: dict[str, list[str]] = {"page": [], "block": [], "template": [], "lang": []}
        for tag in tags:
            kind, _, name = tag.partition(":")
            found.get(kind, []).append(name)
        return cls(
            next(iter(found["page"]), None),
            tuple(found["block"]),
            next(iter(found["template"]), None),
            next(iter(found["lang"]), None),
        )
