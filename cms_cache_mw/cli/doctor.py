"""`cms-cache doctor`: examine Redis, the workers and the pages of a deployment, and name each line to change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text

from cms_cache_mw.cli.call import Call, command
from cms_cache_mw.cli.direct import configured
from cms_cache_mw.cli.ending import CommandError, Ending
from cms_cache_mw.cli.finding import Finding, bad, good, note
from cms_cache_mw.cli.redis_findings import of_redis
from cms_cache_mw.cli.rounds import of_visits, tagless, visited
from cms_cache_mw.cli.text import counted, plain
from cms_cache_mw.cli.worker_findings import of_worker
from cms_cache_mw.core.value import asdict
from cms_cache_mw.purge.link import Link, LinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE: Final = 2.0
"""Seconds for an answer of Redis, which may be slow: that is what is looked for."""
_MARKS: Final = {"good": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "bold red")}


@click.command()
@click.argument("paths", nargs=-1)
@click.option("--pages", type=click.IntRange(0, 1000), default=20, show_default=True, help="How many pages to visit.")
@click.option("--host", default="", metavar="HOST", help="The host to ask for, where it is not the server's address.")
@click.option("--redis-url", envvar="CMS_CACHE_REDIS_URL", show_envvar=True, metavar="URL", help="The site's Redis.")
@command
def doctor(call: Call, *, paths: tuple[str, ...], pages: int, host: str, redis_url: str | None) -> None:
    """Examine a deployment: Redis, workers, and the pages at PATHS (or /) and behind their links.

    Each finding comes with the line to change. The exit code is 1 where something has to be changed.
    """
    findings: list[Finding] = []
    for found in (_redis(redis_url), _workers(call), _pages(call, paths or ("/",), pages, host)):
        with call.err.status("examining"):
            findings += found
    wrong = sum(finding.level == "bad" for finding in findings)
    report = {"bad": wrong, "findings": [asdict(finding) for finding in findings]}
    call.answer(report, *(_shown(finding) for finding in findings), _summary(findings))
    call.end(Ending.FOUND if wrong else Ending.DONE)


def _redis(url: str | None) -> Iterator[Finding]:
    if not url:
        yield note("Redis", "not examined, since no URL was given", "CMS_CACHE_REDIS_URL=…, or --redis-url")
        return
    config = configured(url)
    try:
        link = Link(url, config.namespace, identity=config.redis_identity, timeout=PATIENCE, connect_timeout=PATIENCE)
        try:
            found = link.checkup(time.time)
        finally:
            link.close()
    except LinkError as error:
        yield bad("Redis", f"it does not answer: {error}", "CMS_CACHE_REDIS_URL=redis://HOST:PORT/0 where it runs")
        return
    yield from of_redis(found, config)


def _workers(call: Call) -> Iterator[Finding]:
    for server in call.servers:
        where = f"{server.server}: " if len(call.servers) > 1 else ""
        try:
            found = server.get("/stats").found
        except CommandError as error:
            yield bad("site", error.message, "--server, --token and --admin-path as the site has them")
            continue
        yield good("site", f"{server.server} answers, and takes the token")
        for finding in of_worker(found):
            yield Finding(finding.level, finding.subject, where + finding.said, finding.change)


def _pages(call: Call, paths: tuple[str, ...], most: int, host: str) -> Iterator[Finding]:
    if not most:
        return
    try:
        visits = list(visited(call.server, paths, most, host))
    except CommandError as error:
        yield bad("pages", error.message)
        return
    yield from of_visits(visits)
    yield from tagless(call.server, host, visits)


def _shown(finding: Finding) -> Text:
    mark, style = _MARKS[finding.level]
    text = Text.assemble((f"{mark} ", style), (f"{finding.subject:<12}", "bold"), plain(finding.said))
    if finding.change:
        text.append("\n    → ", style).append_text(plain(finding.change, "cyan"))
    return text


def _summary(findings: list[Finding]) -> Text:
    levels = [finding.level for finding in findings]
    if "bad" in levels:
        return plain(f"\n{counted(levels.count('bad'), 'thing')} to change", "bold red")
    if "note" in levels:
        return plain(f"\nnothing has to be changed; {counted(levels.count('note'), 'thing')} to think about", "bold")
    return plain("\nnothing to change", "bold green")
