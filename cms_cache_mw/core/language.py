"""Fragments that do not say which language they are in: a change of any translation may have changed them.

A page names its language in its head; a fragment often does not. So one without a `lang:` tag has each of its tags with an
empty language as well (`block:7@`), and whoever purges `block:7@de` purges that too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.core.tags import tag_print

if TYPE_CHECKING:
    from collections.abc import Iterable


def of_any(names: Iterable[str]) -> tuple[int, ...]:
    """The fingerprints that a fragment with these tags has beside theirs; none where it names its language."""
    names = tuple(names)
    if any(name.startswith("lang:") for name in names):
        return ()
    return (tag_print("lang:"), *(tag_print(f"{name}@") for name in names))


def purged_with(tags: Iterable[str]) -> frozenset[int]:
    """The fingerprints to purge beside these tags, so that fragments of no language are reached."""
    found = set()
    for tag in tags:
        name, at, language = tag.rpartition("@")
        if at and language:
            found.add(tag_print(f"{name}@"))
        elif tag.startswith("lang:"):
            found.add(tag_print("lang:"))
    return frozenset(found)
