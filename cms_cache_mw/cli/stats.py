"""`cms-cache stats`: what a worker has answered, holds and knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cms_cache_mw.cli.call import Call, command, table
from cms_cache_mw.cli.text import count, duration, plain, share, size
from cms_cache_mw.core.status import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

FROM_CACHE = ("hit", "stale")


@click.command()
@command
def stats(call: Call) -> None:
    """Show answers by reason, memory, purge clock and Redis."""
    found = [server.get("/stats").found for server in call.servers]
    if len(found) == 1:
        call.answer(found[0], *shown(found[0]))
        return
    named = {server.server: each for server, each in zip(call.servers, found, strict=True)}
    parts: list[RenderableType] = []
    for address, each in named.items():
        parts += [plain(address, "bold underline"), *shown(each)]
    call.answer(named, *parts)


def shown(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A page of a worker's statistics."""
    yield plain(f"worker {found.get('pid', '?')}", "bold").append_text(plain(f"  {clock_line(found)}"))
    yield ""
    yield from _answers(found)
    memory = found.get("memory", {})
    yield plain(
        f"memory   {size(memory.get('bytes', 0))} of {size(memory.get('max_bytes', 0))}"
        f" ({share(memory.get('bytes', 0), memory.get('max_bytes', 0))})"
    )
    yield table(
        "  namespace",
        "entries",
        "size",
        "evicted",
        rows=(
            (f"  {name}", count(each.get("entries", 0)), size(each.get("bytes", 0)), count(each.get("evictions", 0)))
            for name, each in memory.get("namespaces", {}).items()
        ),
        numbers=(1, 2, 3),
    )
    yield from _cookies(found)
    yield from _workers(found)


def clock_line(found: Mapping[str, Any]) -> str:
    """Whether a worker may serve from its cache, in a sentence."""
    clock, redis = found.get("clock", {}), found.get("redis", {})
    if clock.get("scope") == "process":
        return "in memory alone, without Redis"
    if redis.get("breaker_open") or not clock.get("lease_ms"):
        trouble = clock.get("trouble") or "no lease"
        return f"UNSURE of purges: {trouble}; every request goes to the application"
    return f"up to date at purge {clock.get('position')}, for another {duration(clock['lease_ms'] / 1000)}"


def served(answers: Mapping[str, int]) -> tuple[int, int]:
    """Answers out of the cache, and all of them."""
    asked = {word: number for word, number in answers.items() if word in _REQUESTS}
    return sum(asked.get(word, 0) for word in FROM_CACHE), sum(asked.values())


def _answers(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    answers: Mapping[str, int] = found.get("answers", {})
    hits, total = served(answers)
    yield plain(f"answers  {count(total)}, {share(hits, total)} from the cache")
    if answers:
        rows = sorted(answers.items(), key=lambda row: -row[1])
        yield table(
            "  reason", "answers", "meaning", rows=((f"  {w}", count(n), meaning(w)) for w, n in rows), numbers=(1,)
        )
    yield ""


def _cookies(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    cookies: Mapping[str, int] = found.get("bypass_cookies", {})
    if cookies:
        yield ""
        rows = ((f"  {name}", count(number)) for name, number in cookies.items())
        yield table("cookies that kept requests from the cache", "requests", rows=rows, numbers=(1,))


def _workers(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Who follows the purge clock, and how far each has come."""
    if trouble := found.get("workers_trouble"):
        yield plain(f"\n{trouble}", "yellow")
    if workers := found.get("workers"):
        yield ""
        rows = (
            (
                f"  {each['name']}{' (the one that answers)' if each.get('here') else ''}",
                each["position"],
                plain(f"{each['lag']} behind", "yellow") if each["lag"] else "up to date",
                duration(each["lease_ms"] / 1000) if each["lease_ms"] else "",
            )
            for each in workers
        )
        yield table("workers that purges wait for", "purge", "", "lease", rows=rows, numbers=(1, 3))


def meaning(word: str) -> str:
    """What a reason means; nothing for a word that is none."""
    return _MEANINGS.get(word, "")


_MEANINGS = {reason.value: reason.meaning for reason in Reason}
_REQUESTS = frozenset(reason.value for reason in Reason if reason.fwd or reason.value in FROM_CACHE)
"""Reasons of which each request has exactly one."""
