"""Visits pages as a stranger would, twice each, and tells which could come from the cache and do not."""

from __future__ import annotations

import re
from collections import deque
from html import unescape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from cms_cache_mw.cli.advice import change_for
from cms_cache_mw.cli.ending import CommandError
from cms_cache_mw.cli.finding import Finding, bad, good, note
from cms_cache_mw.cli.text import counted
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cms_cache_mw.cli.remote import Page, Remote

_LINK: Final = re.compile(rb"""<a\s[^>]*?href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_OURS: Final = re.compile(r"(?:^|,)\s*cms-cache\s*((?:;[^,]*)?)\s*$")
_OK: Final = 200
SHOWN: Final = 5
"""Pages that a finding names."""
_MOVED: Final = range(300, 400)
_SERVER_ERROR: Final = 500


class Visit(Value, frozen=True):
    """A page that was asked for twice."""

    path: str
    first: Page
    second: Page

    @property
    def hit(self) -> bool:
        """Whether the second answer came from the cache."""
        return "hit" in said_of(self.second)

    @property
    def reason(self) -> str:
        """Why the second answer did not: the first one's word, which says why it was not stored."""
        for page in (self.first, self.second):
            said = said_of(page)
            if word := said.get("detail", ""):
                return word
        return said_of(self.second).get("fwd", "")


def said_of(page: Page) -> dict[str, str]:
    """The parameters of our item in Cache-Status (RFC 9211), which is the last one; empty where there is none."""
    found = _OURS.search(page.fields.get("cache-status", ""))
    if not found:
        return {}
    pairs = (part.strip().partition("=") for part in found[1].split(";") if part.strip())
    return {name: value for name, _, value in pairs} or {"": ""}


def visited(server: Remote, starts: Iterable[str], most: int, host: str = "") -> Iterator[Visit]:
    """Visit the pages `starts` and those that they link to, `most` in all, and as many that lead elsewhere."""
    waiting, seen = deque(starts), set(starts)
    moved = most
    fields = {"Accept": "text/html", "Accept-Encoding": "identity"} | ({"Host": host} if host else {})
    while waiting and most > 0 and moved >= 0:
        path = waiting.popleft()
        visit = Visit(path, server.visit(path, fields), server.visit(path, fields))
        yield visit
        if visit.second.status in _MOVED:
            moved -= 1
        else:
            most -= 1
        for link in _links(server, host, visit):
            if link not in seen and not link.startswith(f"{server.admin_path.rstrip('/')}/"):
                seen.add(link)
                waiting.append(link)


def of_visits(visits: list[Visit]) -> Iterator[Finding]:
    """What is to be said about pages that were visited: those for the same reason together."""
    pages = [visit for visit in visits if visit.second.status == _OK]
    if not pages:
        yield note("pages", "no page was found; name some: cms-cache doctor /en/ /news/")
        return
    hits = sum(visit.hit for visit in pages)
    yield good("pages", f"{hits} of {counted(len(pages), 'page')} came from the cache when asked for again")
    kinds: dict[tuple[str, str], list[Visit]] = {}
    for visit in pages:
        if not visit.hit:
            kinds.setdefault((visit.reason, visit.first.fields.get("set-cookie", "").partition("=")[0]), []).append(
                visit
            )
    for (reason, cookie), found in kinds.items():
        yield _missed(reason, cookie, found)
    for visit in visits:
        if visit.second.status >= _SERVER_ERROR:
            yield bad("pages", f"{visit.path} answers {visit.second.status}")


def tagless(server: Remote, host: str, visits: list[Visit]) -> Iterator[Finding]:
    """Pages that are stored and depend on nothing that could be purged by name."""
    found = []
    for visit in visits:
        stored = _stored(server, host, visit.path) if visit.hit else []
        if stored and all(tag.startswith("lang:") for entry in stored for tag in entry["tags"]):
            found.append(visit.path)
    if found:
        said = f"{_named(found)}: no tags, so that an edit cannot purge them, except by URL"
        yield note("tags", said, "Cache-Tag: page:12, block:footer   (what the page is made of)")


def _stored(server: Remote, host: str, path: str) -> list[dict[str, Any]]:
    """What is stored for a page, as far as the site tells; that it does not is found elsewhere."""
    parts = urlsplit(server.server)
    try:
        found = server.get("/explain", {"url": f"{parts.scheme}://{host or parts.netloc}{path}"}).found
    except CommandError:
        return []
    return list(found.get("stored", []))


def _named(paths: list[str]) -> str:
    return ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")


def _missed(reason: str, cookie: str, found: list[Visit]) -> Finding:
    which = _named([visit.path for visit in found])
    if not reason:
        return bad(
            "pages", f"{which}: no Cache-Status of ours", "wrap the application: app = CacheMiddleware(app, config)"
        )
    meaning = next((known.meaning for known in Reason if known.value == reason), reason)
    change = change_for(reason, cookie)
    # A page that is not meant for everybody may say so: nobody but the site's owner knows.
    return note("pages", f"{which}: {meaning}", change) if change else note("pages", f"{which}: {meaning}")


def _links(server: Remote, host: str, visit: Visit) -> Iterator[str]:
    """Paths on the same server that a page leads to."""
    own = {urlsplit(server.server).netloc, host}
    found = [unescape(link.decode("utf-8", "replace")) for link in _LINK.findall(visit.first.body)]
    if visit.first.status in _MOVED:
        found.append(visit.first.fields.get("location", ""))
    for link in found:
        try:
            parts = urlsplit(urljoin(f"{server.server}{visit.path}", link))
        except ValueError:
            continue
        if parts.netloc in own and parts.scheme in {"http", "https"} and link:
            yield (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
