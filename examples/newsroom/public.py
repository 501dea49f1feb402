"""What readers get. Every answer says in its headers who may keep it, for how long, and what it depends on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from examples.newsroom.content import LANGUAGES, Edition, Page
from examples.newsroom.rendering import PAGE_SIZE, Press, Rendered, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from examples.newsroom.database import Database

HOSTS = {
    "newsroom.localhost": "newsroom",
    "docs.localhost": "docs",
    "localhost": "newsroom",
    "127.0.0.1": "newsroom",
    "[::1]": "newsroom",
}
HOST = re.compile(r"(\[::1\]|[a-z0-9.-]+)(:[0-9]{1,5})?", re.IGNORECASE)

LARGEST_PORT = 65535

PAGE_SECONDS = 3600
SEARCH_SECONDS = 60
QUERY_LENGTH = 100


def site_of(host: str) -> str | None:
    """The site that a Host header asks for."""
    found = HOST.fullmatch(host)
    return HOSTS.get(found[1].lower()) if found and int((found[2] or ":0")[1:]) <= LARGEST_PORT else None


def visit(request: Request, language: str | None = None) -> Visit:
    """Where the request goes and who sends it."""
    language = language or request.path_params["language"]
    host = request.headers["host"]
    found, site = HOST.fullmatch(host), site_of(host)
    if language not in LANGUAGES or found is None or site is None:
        raise HTTPException(404)
    door = f"{request.url.scheme}-{(found[2] or ':')[1:]}"
    return Visit(site, language, door, host, editor_of(request))


def editor_of(request: Request) -> str | None:
    """The name of the signed-in editor. Without a cookie the session is not touched, so no answer varies by it."""
    name = request.session.get("editor") if "session" in request.cookies else None
    return str(name) if name else None


def publish(
    here: Visit, body: str, tags: Sequence[str], *, seconds: int = PAGE_SECONDS, media_type: str = "text/html"
) -> Response:
    """An answer for everybody, kept by shared caches until a tag is purged, and asked for again by browsers.

    What an editor sees has an editor's toolbar and is nobody else's.
    """
    if here.editor:
        return private(body, media_type=media_type)
    return Response(
        body,
        media_type=media_type,
        headers={
            "Cache-Control": f"public, max-age=0, s-maxage={seconds}",
            "Cache-Tag": ", ".join(tags),
            "Content-Language": here.language,
        },
    )


def private(body: str, *, status: int = 200, media_type: str = "text/html") -> Response:
    """An answer for one person, kept nowhere."""
    return Response(body, status, {"Cache-Control": "private, no-store"}, media_type)


def move(here: Visit, address: str, tags: Sequence[str]) -> Response:
    """A permanent redirect that depends on `tags`."""
    answer = RedirectResponse(address, 301)
    if here.editor:
        answer.headers["Cache-Control"] = "private, no-store"
    else:
        answer.headers["Cache-Control"] = f"public, max-age=0, s-maxage={PAGE_SECONDS}"
        answer.headers["Cache-Tag"] = ", ".join(tags)
    return answer


class Public:
    """The public endpoints. They are synchronous, so Starlette runs them in threads and SQLite blocks no event loop."""

    def __init__(self, database: Database, press: Press) -> None:
        self.database = database
        self.press = press

    def front(self, request: Request) -> Response:
        """`/`: to the front page in the language the browser asks for."""
        here = visit(request, preferred_language(request.headers.get("accept-language", "")))
        answer = RedirectResponse(f"/{here.language}/", 302)
        answer.headers["Cache-Control"] = "private, no-store" if here.editor else "public, max-age=0, s-maxage=3600"
        answer.headers["Vary"] = "Accept-Language"
        return answer

    def front_without_slash(self, request: Request) -> Response:
        """`/en`: to `/en/`."""
        here = visit(request)
        return move(here, f"/{here.language}/", [])

    def page(self, request: Request) -> Response:
        """A page, a redirect to where it is now, or a page that says it is not there."""
        path: str = request.path_params["path"]
        here = visit(request)
        with self.database.reading() as db:
            edition = Edition(db, here.site, here.language)
            if page := edition.page_at(path):
                number = page_number(request.query_params.get("page", "1"))
                if number is None or not on_shelf(edition, page, number):
                    return self._missing(here)
                made = self.press.page(db, here, page, number=number)
                return publish(here, made.html, made.tags)
            if target := edition.page_at(path.removesuffix("/") if path.endswith("/") else f"{path}/"):
                return move(here, here.link(here.site, target.path), [f"page:{target.id}", f"moves:{here.site}"])
            if target := edition.moved(path):
                return move(here, here.link(here.site, target.path), [f"page:{target.id}", f"moves:{here.site}"])
        return self._missing(here)

    def missing(self, request: Request, _: Exception) -> Response:
        """The page for an address where nothing is."""
        language = request.url.path.split("/")[1]
        return self._missing(visit(request, language if language in LANGUAGES else "en"))

    def search(self, request: Request) -> Response:
        """The pages that fit the words in `q`."""
        here = visit(request)
        query = request.query_params.get("q", "")[:QUERY_LENGTH].strip()
        made = self._special(here, "search.html", query=query)
        return publish(here, made.html, made.tags, seconds=SEARCH_SECONDS)

    def feed(self, request: Request) -> Response:
        """The newest articles as RSS 2.0."""
        here = visit(request)
        made = self._special(here, "feed.xml")
        return publish(here, made.html, made.tags, media_type="application/rss+xml; charset=utf-8")

    def sitemap(self, request: Request) -> Response:
        """Every address of the site with its translations (sitemaps.org, hreflang)."""
        here = visit(request, "en")
        made = self._special(here, "sitemap.xml")
        return publish(here, made.html, made.tags, media_type="application/xml; charset=utf-8")

    def robots(self, request: Request) -> Response:
        """What crawlers should know."""
        here = visit(request, "en")
        text = f"User-agent: *\nDisallow: /edit\nDisallow: /login\nSitemap: {here.origins[here.site]}/sitemap.xml\n"
        return PlainTextResponse(text, headers={"Cache-Control": f"public, max-age=0, s-maxage={PAGE_SECONDS}"})

    def _special(self, here: Visit, template: str, **names: object) -> Rendered:
        with self.database.reading() as db:
            return self.press.special(db, here, template, **names)

    def _missing(self, here: Visit) -> Response:
        return private(self._special(here, "missing.html").html, status=404)


def page_number(text: str) -> int | None:
    """The number of a listing's page, from 1, or nothing where it is none."""
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,3}", text, re.ASCII) else None


def on_shelf(edition: Edition, page: Page, number: int) -> bool:
    """Whether a listing has a page of this number; anything but a section has one page only."""
    return number == 1 or (page.template == "section" and (number - 1) * PAGE_SIZE < edition.count(page.id))


def preferred_language(accepted: str) -> str:
    """The first of our languages that an Accept-Language header names, by weight (RFC 9110 §12.5.4)."""
    best, weight = LANGUAGES[0], 0.0
    for part in accepted.split(","):
        name, _, parameter = part.strip().partition(";q=")
        language = name.strip().lower().partition("-")[0]
        try:
            quality = float(parameter or 1)
        except ValueError:
            continue
        if language in LANGUAGES and quality > weight:
            best, weight = language, quality
    return best
