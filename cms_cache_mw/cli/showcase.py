"""A small CMS to see the cache on: three pages in two languages, a footer that all of them show, and an editor's endpoint."""

from __future__ import annotations

import html
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cms_cache_mw.wsgi import WSGICacheMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from cms_cache_mw.config import Config

RENDERING: Final = 0.08
"""Seconds that a CMS takes for a page: templates, queries."""
LONGEST: Final = 2_000
PAGES: Final = {
    "/en/": ("1", "en", "Welcome", "The front page of a small site."),
    "/en/news/": ("2", "en", "News", "Nothing has happened yet."),
    "/de/": ("1", "de", "Willkommen", "Die Startseite einer kleinen Website."),
    "/de/news/": ("2", "de", "Neues", "Es ist noch nichts geschehen."),
}


class Showcase:
    """The site behind its cache: a WSGI application. `renders` counts what it had to make."""

    def __init__(self, config: Config) -> None:
        self.footer = "First footer"
        self.renders = 0
        self.app = WSGICacheMiddleware(self._answer, config)

    def edit(self, footer: str) -> None:
        """Save the footer, then purge what shows it."""
        self.footer = footer
        self.app.cache.purge_sync(tags=["block:footer"])

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/":
            start_response("302 Found", [("Location", "/en/"), ("Content-Length", "0")])
            return [b""]
        if (path, method) == ("/edit", "POST"):
            length = environ.get("CONTENT_LENGTH") or "0"
            text = environ["wsgi.input"].read(min(int(length) if length.isdecimal() else 0, LONGEST))
            self.edit(unquote(text.decode("utf-8", "replace")).strip() or "Empty footer")
            return _sent(start_response, HTTPStatus.OK, "saved and purged\n", [("Content-Type", "text/plain")])
        if path not in PAGES:
            return _sent(
                start_response, HTTPStatus.NOT_FOUND, "there is no such page\n", [("Content-Type", "text/plain")]
            )
        number, language, _, _ = PAGES[path]
        tags = f"page:{number}, block:footer, block:menu, template:plain, lang:{language}"
        fields = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "max-age=300"), ("Cache-Tag", tags)]
        return _sent(start_response, HTTPStatus.OK, self._page(path), fields)

    def _page(self, path: str) -> str:
        time.sleep(RENDERING)
        self.renders += 1
        _, language, title, text = PAGES[path]
        links = "".join(f'<a href="{other}">{html.escape(PAGES[other][2])}</a> ' for other in PAGES)
        return (
            f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{title}</title><nav>{links}</nav>'
            f"<h1>{title}</h1><p>{text}</p><p>Rendered at {time.strftime('%H:%M:%S')}, render {self.renders}.</p>"
            f"<footer>{html.escape(self.footer)}</footer></html>"
        )


def _sent(
    start_response: StartResponse, status: HTTPStatus, text: str, fields: list[tuple[str, str]]
) -> Iterable[bytes]:
    body = text.encode()
    start_response(f"{status.value} {status.phrase}", [*fields, ("Content-Length", str(len(body)))])
    return [body]
