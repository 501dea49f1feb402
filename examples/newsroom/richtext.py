"""Editors' HTML made fit for a page: an allow-list of elements and attributes, always well nested.

Editors are trusted with what a page says, not with scripts: an editor's stolen password must not become code in every
visitor's browser. Whatever is not on the list loses its tag and keeps its text.
"""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable

INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "br",
        "code",
        "em",
        "i",
        "kbd",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "var",
        "wbr",
    ]
)
FLOW = frozenset(
    [
        "aside",
        "blockquote",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "h2",
        "h3",
        "h4",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
VOID = frozenset(("br", "hr", "wbr"))
DROPPED_WITH_CONTENT = frozenset(("script", "style", "template", "iframe", "object", "noscript", "title", "textarea"))
ATTRIBUTES = {"a": {"href"}, "abbr": {"title"}, "ol": {"start"}, "th": {"scope"}}
GLOBAL_ATTRIBUTES = frozenset(("class", "id", "lang"))

SAFE_LINK = re.compile(r"(?:https?://|mailto:|newsroom:/|docs:/|/(?![/\\])|#|[\w.-]+/?(?:[#?]|$))", re.ASCII)
SHORTCODE = re.compile(r"\[\[block:([a-z0-9-]{1,60})\]\]")
_PARAGRAPH_OF_ONE = re.compile(r"<p>\s*(\[\[block:[a-z0-9-]{1,60}\]\])\s*</p>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_HEADING = re.compile(r"<h2(?: id=\"([^\"]*)\")?>(.*?)</h2>", re.DOTALL)
_SITE_LINK = re.compile(r'(<a\b[^>]*? href=)"(newsroom|docs):/([^"]*)"')
_INLINE_TAG = re.compile(rf"</?(?:{'|'.join(sorted(INLINE - VOID))})\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.open: list[str] = []
        self.dropping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED_WITH_CONTENT:
            self.dropping += 1
        if self.dropping or tag not in INLINE | FLOW:
            return
        self.out.append(f"<{tag}{''.join(_attribute(tag, name, value or '') for name, value in attrs)}>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # HTML knows no self-closing elements: <script/> opens one.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in DROPPED_WITH_CONTENT:
            self.dropping = max(0, self.dropping - 1)
        if self.dropping or tag not in self.open:
            return
        while (last := self.open.pop()) != tag:
            self.out.append(f"</{last}>")
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.dropping:
            self.out.append(escape(data, quote=False))


def _attribute(tag: str, name: str, value: str) -> str:
    if name not in GLOBAL_ATTRIBUTES and name not in ATTRIBUTES.get(tag, ()):
        return ""
    if name == "href" and not SAFE_LINK.match(value.strip()):
        return ""
    # A block is no part of an attribute: its quotes would end the value.
    return f' {name}="{escape(value.strip()).replace("[", "&#91;")}"'


def clean(html: str) -> str:
    """`html` with the elements and attributes of the allow-list, every element closed."""
    cleaner = _Cleaner()
    cleaner.feed(_CONTROL.sub("", html))
    cleaner.close()
    return "".join(cleaner.out) + "".join(f"</{tag}>" for tag in reversed(cleaner.open))


def plain(html: str) -> str:
    """The text of clean HTML, for searching."""
    return " ".join(unescape(_TAG.sub(" ", _INLINE_TAG.sub("", html))).split())


def blocks_in(html: str) -> list[str]:
    """The ids of the blocks that `html` contains as `[[block:id]]`."""
    return SHORTCODE.findall(html)


def finish(html: str, link: Callable[[str, str], str], block: Callable[[str], str]) -> Markup:
    """Clean HTML with its `[[block:id]]` filled by `block` and its links to `site:/path` made by `link`."""
    html = _PARAGRAPH_OF_ONE.sub(r"\1", html)
    html = _SITE_LINK.sub(lambda found: f'{found[1]}"{escape(link(found[2], unescape(found[3])))}"', html)
    return Markup(SHORTCODE.sub(lambda found: block(found[1]), html))


def contents(html: str) -> tuple[str, list[tuple[str, str]]]:
    """`html` whose second-level headings have ids, and those headings as (id, text)."""
    found: list[tuple[str, str]] = []

    def number(heading: re.Match[str]) -> str:
        text = _TAG.sub("", heading[2])
        name = heading[1] or re.sub(r"\W+", "-", text.lower()).strip("-") or f"part-{len(found) + 1}"
        found.append((name, text))
        return f'<h2 id="{escape(name)}">{heading[2]}</h2>'

    return _HEADING.sub(number, html), found
