"""What the statistics of a worker mean: doubt about purges, memory that is too small, cookies that keep visitors from the cache."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.cli.advice import change_for
from cms_cache_mw.cli.finding import Finding, bad, good, note
from cms_cache_mw.cli.stats import clock_line, meaning, served
from cms_cache_mw.cli.text import count, counted, safe, share, size
from cms_cache_mw.core.status import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOTABLE: Final = 0.01
"""The share of answers from which a reason is worth a line."""
FULL: Final = 0.9
_SOMEBODY: Final = re.compile(r"sess|auth|login|logged|token|sid|user|remember|identity|admin", re.IGNORECASE)
"""Names of cookies that make their visitor somebody, and are right to bypass."""


def of_worker(found: Mapping[str, Any]) -> Iterator[Finding]:
    """What is to be said about a worker."""
    yield _clock(found)
    yield from _memory(found.get("memory", {}))
    answers: Mapping[str, int] = found.get("answers", {})
    hits, total = served(answers)
    yield good("answers", f"{count(total)} so far, {share(hits, total)} from the cache")
    yield from _cookies(found.get("bypass_cookies", {}), total)
    yield from _reasons(answers, total)


def _clock(found: Mapping[str, Any]) -> Finding:
    clock = found.get("clock", {})
    if clock.get("scope") == "process":
        said = "without Redis a purge reaches the one process that is asked"
        return note("purges", said, "CMS_CACHE_REDIS_URL=redis://localhost:6379/0")
    if waiting := clock.get("unrecorded"):
        return bad(
            "purges", f"{counted(waiting, 'purge')} could not be recorded yet: {clock.get('trouble', '')}", "see Redis"
        )
    line = clock_line(found)
    return bad("purges", line, "see Redis") if line.startswith("UNSURE") else good("purges", line)


def _memory(memory: Mapping[str, Any]) -> Iterator[Finding]:
    used, most = memory.get("bytes", 0), memory.get("max_bytes", 0)
    evicted = sum(each.get("evictions", 0) for each in memory.get("namespaces", {}).values())
    said = f"{size(used)} of {size(most)}"
    if evicted and used > FULL * most:
        more = f"CMS_CACHE_MAX_MEMORY_MB={round(2 * most / 1_048_576)}"
        yield note("memory", f"{said}; {counted(evicted, 'entry')} evicted for lack of it", more)
    elif evicted:
        said = f"{counted(evicted, 'entry')} evicted while {said} were in use: a namespace is at its limit of entries"
        yield note("memory", said, "CMS_CACHE_MAX_ITEMS_PER_TYPE=50000")
    else:
        yield good("memory", said)


def _cookies(cookies: Mapping[str, int], total: int) -> Iterator[Finding]:
    for name, number in cookies.items():
        if number < NOTABLE * total:
            continue
        said = f"{safe(name)} kept {count(number)} requests from the cache ({share(number, total)})"
        if _SOMEBODY.search(name):
            yield good("cookies", f"{said}; it looks like one that makes its visitor somebody")
        else:
            change = f'Config(ignored_cookies=(*IGNORED, "{safe(name)}"))   (if no page is rendered from it)'
            yield note("cookies", said, change)


def _reasons(answers: Mapping[str, int], total: int) -> Iterator[Finding]:
    for word, number in answers.items():
        # Cookies have their own lines, and doubt about purges has been told.
        change = "" if word == Reason.UNSURE else change_for(word)
        if change and number >= NOTABLE * total:
            yield note("answers", f"{count(number)} ({share(number, total)}): {meaning(word)}", change)
