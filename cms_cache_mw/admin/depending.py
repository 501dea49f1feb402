"""`GET /tags/TAG`: who depends on it; `GET /entries`: what is stored, with what each entry depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from weakref import WeakKeyDictionary

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError
from cms_cache_mw.core.language import purged_with
from cms_cache_mw.core.tags import TagError, read_tag, tag_print
from cms_cache_mw.explaining.counting import touched

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.admin.endpoint import Call
    from cms_cache_mw.cache import Cache
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.explaining.dependents import Dependents
    from cms_cache_mw.explaining.index import Facts


QUESTIONS: Final = 16
"""Answers about entries that are remembered for others who ask the same."""

_answered: Final[WeakKeyDictionary[Cache, dict[EntriesAsked, tuple[float, Dependents]]]] = WeakKeyDictionary()


class TagAsked(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which tag, and how many entries are listed."""

    tag: str
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 50


class EntriesAsked(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which entries: whose URL or name begins with `prefix`, of a site, with a tag, in a language."""

    prefix: str = ""
    site: str = ""
    tag: str = ""
    language: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 50
    max_age: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0
    """Seconds that the answer may be old: looking costs milliseconds, and many dashboards ask the same."""


async def dependents(call: Call, asked: TagAsked) -> Dependents:
    """Who depends on a tag, hottest first."""
    try:
        prints = frozenset({tag_print(read_tag(asked.tag))}) | purged_with([asked.tag])
    except TagError as error:
        raise RefusalError(400, "tag", str(error)) from None
    return await _listed(call, lambda entry: touched(entry.prints, prints), asked.limit)


async def entries(call: Call, asked: EntriesAsked) -> Dependents:
    """What is stored, hottest first, each entry with the tags that it depends on."""
    known, now = _answered.setdefault(call.cache, {}), call.cache.engine.now()
    question = msgspec.structs.replace(asked, max_age=0.0)
    at, listed = known.get(question, (now - asked.max_age, None))
    if listed is None or now - at >= asked.max_age:
        listed = await _found(call, asked)
        if len(known) >= QUESTIONS:
            known.clear()
        known[question] = now, listed
    return listed


async def _found(call: Call, asked: EntriesAsked) -> Dependents:
    prints = frozenset({tag_print(asked.tag)} if asked.tag else ())
    prints |= frozenset({tag_print(f"lang:{asked.language}")} if asked.language else ())

    def wanted(entry: Entry | Facts) -> bool:
        if not entry.url.startswith(asked.prefix) or asked.site not in {"", entry.site}:
            return False
        return prints <= set(entry.prints) if prints else True

    return await _listed(call, wanted, asked.limit)


async def _listed(call: Call, wanted: Callable[[Entry | Facts], bool], limit: int) -> Dependents:
    found = await call.cache.parts.census.on(wanted)
    return msgspec.structs.replace(found, shown=found.shown[:limit])
