"""An explanation in one line: `Cache-Explain`, a dictionary of RFC 9651, for who asks with curl. The rest is at `/_cache/explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.structured import Listed, Word, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cms_cache_mw.core.structured import Bare
    from cms_cache_mw.explaining.explanation import Explanation, PurgedBy, Stored

NAME: Final = b"cache-explain"
"""Of the request's field, `1`, and of the answer's."""
LONGEST_LIST: Final = 1_000
"""Characters of a list that are told. Proxies take a head of 4 KB, often no more; what is left out is counted."""
LONGEST_TEXT: Final = 200
LARGEST: Final = 1e11
"""The field has room for twelve digits."""


def line(explanation: Explanation, worker: str) -> bytes:
    """What was found by the worker of that name when the request came, before it was answered."""
    found: dict[str, Bare | Listed] = {
        "action": Word(explanation.action),
        "reason": Word(explanation.why.reason),
        "worker": worker,
        "position": explanation.clock.position,
    }
    if explanation.not_stored:
        found["not-stored"] = Word(explanation.not_stored.reason)
    if explanation.key:
        found["site"] = _short(explanation.site)
        found["key"] = _listed((part, {}) for part in explanation.key)
    left_out = (*explanation.left_out.parameters, *explanation.left_out.cookies)
    if left_out:
        found["left-out"] = _listed((name, {}) for name in left_out)
    if explanation.left_out.bypassing_cookie:
        found["cookie"] = _short(explanation.left_out.bypassing_cookie)
    if explanation.variant:
        found["variant"] = _listed(
            (name, {} if value is None else {"value": _short(value)}) for name, value in explanation.variant.items()
        )
    entry = next((entry for entry in explanation.stored if entry.usable), next(iter(explanation.stored), None))
    if entry:
        found |= _entry(entry)
    if explanation.trouble:
        found["trouble"] = _short(explanation.trouble)
    return written(found)


def _entry(entry: Stored) -> dict[str, Bare | Listed]:
    """The entry that is used, or that could not be."""
    found: dict[str, Bare | Listed] = {
        "level": Word(entry.level),
        "age": min(entry.age, LARGEST),
        "lifetime": min(entry.lifetime, LARGEST),
        "base": entry.base,
        "epoch": entry.epoch,
        "hits": entry.hits,
        "tags": _listed((tag, {}) for tag in entry.tags),
    }
    if entry.purged_by:
        found["purged"] = _listed((purge.tag, _purge(purge)) for purge in entry.purged_by)
    elif entry.last_purge:
        found["after"] = _listed([(entry.last_purge.tag, _purge(entry.last_purge))])
    return found


def _purge(purge: PurgedBy) -> dict[str, Bare]:
    told = {"at": purge.at, "by": purge.who, "why": purge.reason}
    known = {name: _short(text) for name, text in told.items() if text}
    return {"number": purge.seq, "kind": Word(purge.kind), **known}


def _listed(members: Iterable[tuple[str, Mapping[str, Bare]]]) -> Listed:
    every = [(_short(text), told) for text, told in members]
    kept, size = 0, 0
    for text, told in every:
        # What is no ASCII takes several characters each.
        size += sum(len(ascii(value)) for value in (text, *told.values()))
        if size > LONGEST_LIST:
            break
        kept += 1
    return Listed(every[:kept], {"of": len(every)} if kept < len(every) else {})


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
