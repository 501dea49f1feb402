"""Pages made from templates and blocks, noting on the way all that they were made of.

A template asks the `View` for what it wants to show. Each answer adds a tag, so nobody has to remember to declare a
dependency, and the finished page can say with one header what it depends on.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from cms_cache_mw import depends_on
from cms_cache_mw.contrib.jinja import CacheExtension
from examples.newsroom import artwork, richtext
from examples.newsroom.content import LANGUAGES, RESULTS, SITES, Edition, Page, Result
from examples.newsroom.words import MOTTO, NAMES, WORDS, long_date

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

HERE = Path(__file__).parent
EDITABLE = ("article", "section", "landing")
PAGE_SIZE = 24
TEMPLATE_FAULTS = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError
)  # fmt: skip

log = logging.getLogger("newsroom")
renders = count(1)


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a reader is: the site and language, the door (`http-8000`: scheme and port), and who reads.

    `host` is the name that the reader knows the site by, where it is not the site's own.
    """

    site: str
    language: str
    door: str
    host: str = ""
    editor: str | None = None

    @property
    def origins(self) -> dict[str, str]:
        """The address of each site."""
        scheme, _, port = self.door.partition("-")
        origins = {name: f"{scheme}://{name}.localhost{port and f':{port}'}" for name in SITES}
        return origins | ({self.site: f"{scheme}://{self.host}"} if self.host else {})

    def link(self, site: str, path: str, language: str | None = None) -> str:
        """The address of `path`; absolute only where it is on another host."""
        origin = "" if site == self.site else self.origins[site]
        return f"{origin}/{language or self.language}/{path}"


@dataclass(slots=True)
class View:
    """What a template may ask for; whatever it gets becomes a tag of the page."""

    visit: Visit
    page: Page | None
    number: int
    _edition: Edition
    _environment: ImmutableSandboxedEnvironment
    _hole: Callable[[str], str] | None = None
    _tags: dict[str, None] = field(default_factory=dict)
    _open_blocks: list[str] = field(default_factory=list)

    def tags(self) -> list[str]:
        """The tags of all that was shown so far."""
        return list(self._tags)

    def note(self, *tags: str) -> None:
        """Add tags that no answer brings by itself; a part that is cached has to have them too."""
        self._tags.update(dict.fromkeys(tags))
        depends_on(*tags)

    def t(self, word: str, **values: object) -> str:
        """A word of the site's furniture in the reader's language."""
        return WORDS[self.visit.language][word].format(**values)

    def url(self, page: Page, language: str | None = None) -> str:
        """The address of a page."""
        return self.visit.link(page.site, page.path, language)

    def date(self, page: Page) -> str:
        """A page's date as people write it."""
        return long_date(page.date, self.visit.language)

    def cover(self, page: Page) -> Markup:
        """A page's picture."""
        return artwork.cover(page.slug or page.site, page.path.partition("/")[0] or page.site)

    def hue(self, page: Page) -> int:
        """The number of a page's palette."""
        return artwork.hue(page.path.partition("/")[0] or page.site)

    def ancestors(self, page: Page) -> list[Page]:
        """The pages above a page, the landing page first."""
        return self._shown(self._edition.ancestors(page))

    def children(self, page: Page, limit: int = PAGE_SIZE, offset: int = 0) -> list[Page]:
        """The pages directly below a page."""
        self.note(f"children:{page.id}")
        return self._shown(self._edition.children(page.id, min(limit, 100), offset))

    def count(self, page: Page) -> int:
        """How many pages are directly below a page."""
        self.note(f"children:{page.id}")
        return self._edition.count(page.id)

    def related(self, page: Page) -> list[Page]:
        """The pages an editor recommends beside a page; one that is published later will change this page too."""
        self.note(*(f"page:{other}" for other in self._edition.recommended(page.id)))
        return self._shown(self._edition.related(page.id))

    def latest(self, limit: int = 5) -> list[Page]:
        """The newest articles of the site."""
        self.note(f"list:{self.visit.site}")
        return self._shown(self._edition.latest(min(limit, 100)))

    def everything(self) -> list[Page]:
        """All pages of the site, for their addresses only: one tag says which there are, and five hundred no more."""
        self.note(f"list:{self.visit.site}")
        return self._edition.everything()

    def search(self, query: str) -> list[Result]:
        """The pages that fit the words of a query, which any edit may change."""
        self.note(f"text:{self.visit.site}")
        return self._edition.search(query)

    def region(self, name: str, page: Page) -> Markup:
        """The blocks that an editor put into a region of a page."""
        return Markup("").join(self.block(block) for block in self._edition.placed(page.id, name))

    def block(self, block: str) -> Markup:
        """A block, with the blocks inside it. It depends on site and language only, never on the page around it."""
        self.note(f"block:{block}")
        found = self._edition.block(block)
        if found is None or block in self._open_blocks:
            return Markup("")
        self._open_blocks.append(block)
        try:
            template = self._environment.get_template(f"blocks/{found.kind}.html")
            return Markup(template.render(view=self, block=found))
        finally:
            self._open_blocks.pop()

    def everywhere(self, block: str) -> Markup:
        """A block that is on every page: where a cache fills holes, one of them, so that no page depends on the block."""
        if self._hole is None or self.visit.editor:
            return self.block(block)
        return Markup(self._hole(f"block:{block}:{self.visit.site}:{self.visit.language}:{self.visit.door}"))

    def rich(self, html: str) -> Markup:
        """An editor's HTML with its blocks and links filled in."""
        return richtext.finish(html, self.visit.link, self.block)

    def menu(self, lines: str) -> list[tuple[str, str]]:
        """The entries of a menu as (label, address), from lines that read `Label = site:/path`."""
        entries = []
        for line in lines.splitlines():
            label, _, target = line.partition("=")
            site, _, path = target.strip().partition(":/")
            if label.strip() and site in SITES:
                entries.append((label.strip(), self.visit.link(site, path)))
        return entries

    def _shown(self, pages: list[Page]) -> list[Page]:
        self.note(*(f"page:{page.id}" for page in pages))
        return pages


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished page and the tags of what it was made of."""

    html: str
    tags: list[str]


@cache
def sandbox() -> ImmutableSandboxedEnvironment:
    """The environment of the public templates, in which an editor's template reaches nothing but its view."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, extensions=[CacheExtension],
    )  # fmt: skip
    environment.globals.update(names=NAMES, mottos=MOTTO, languages=LANGUAGES, pid=os.getpid, now=_now)
    environment.globals.update(page_size=PAGE_SIZE, most_results=RESULTS)
    environment.filters.update(dotted=_dotted, passage=_passage, rfc_date=_rfc_date, urlpath=quote)
    return environment


@lru_cache(maxsize=64)
def _compiled(source: str) -> Template:
    return sandbox().from_string(source)


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3] + " UTC"


def _passage(result: Result) -> Markup:
    return Markup(str(escape(result.passage)).replace("\x02", "<mark>").replace("\x03", "</mark>"))


def _dotted(name: str) -> Markup:
    """A dotted name that may break after its dots."""
    return Markup(".<wbr>").join(name.split("."))


def _rfc_date(day: str) -> str:
    return format_datetime(datetime.fromisoformat(f"{day}T06:00:00+00:00"), usegmt=True)


class Press:
    """Renders the pages of one worker. `hole` gives what a cache fills with a fragment at each visit, by the fragment's name."""

    def __init__(self, hole: Callable[[str], str] | None = None) -> None:
        self.environment = sandbox()
        self._hole = hole
        self.assets: dict[str, str] = {}

    def page(self, db: sqlite3.Connection, visit: Visit, page: Page, *, number: int = 1) -> Rendered:
        """A page of the site through its template; through the shipped one where the edited one fails."""
        row = db.execute("SELECT source FROM template WHERE id = ?", [page.template]).fetchone()
        try:
            return self.trial(db, visit, page, row["source"], number=number)
        except TEMPLATE_FAULTS:
            # Valid when it was saved, but not for this page. The site goes on with what it was shipped with.
            log.warning("template %r fails on page %d; the shipped one is used", page.template, page.id, exc_info=True)
            return self.trial(db, visit, page, shipped(page.template), number=number)

    def trial(self, db: sqlite3.Connection, visit: Visit, page: Page, source: str, *, number: int = 1) -> Rendered:
        """A page through `source`, whose errors are raised."""
        view = self.view(db, visit, page, number=number)
        view.note(f"page:{page.id}", f"template:{page.template}")
        view.note(*(f"within:{ancestor.id}" for ancestor in view.ancestors(page)))
        body, headings = richtext.contents(page.body)
        return self._finish(view, _compiled(source), body=body, contents=headings)

    def special(self, db: sqlite3.Connection, visit: Visit, template: str, **names: object) -> Rendered:
        """A page that is not in the database: search, not found, feed, sitemap."""
        view = self.view(db, visit, None)
        return self._finish(view, self.environment.get_template(template), **names)

    def view(self, db: sqlite3.Connection, visit: Visit, page: Page | None, *, number: int = 1) -> View:
        """A fresh view with nothing noted but the language."""
        view = View(visit, page, number, Edition(db, visit.site, visit.language), self.environment, self._hole)
        view.note(f"lang:{visit.language}")
        return view

    def _finish(self, view: View, template: Template, **names: object) -> Rendered:
        html = template.render(
            view=view,
            page=view.page,
            visit=view.visit,
            t=view.t,
            assets=self.assets,
            render_number=next(renders),
            **names,
        )
        return Rendered(html, view.tags())


def shipped(template: str) -> str:
    """The source of a template as it comes with the newsroom."""
    return (HERE / "templates" / f"{template}.html").read_text("utf-8")
