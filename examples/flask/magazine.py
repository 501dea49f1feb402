"""What everybody reads: each page says what it depends on, and nothing else about caching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, current_app, render_template
from markupsafe import Markup

from cms_cache_mw import depends_on, fragment

if TYPE_CHECKING:
    from examples.flask.store import Store

magazine = Blueprint("magazine", __name__)


def store() -> Store:
    """What this site is made of."""
    found: Store = current_app.extensions["store"]
    return found


@magazine.get("/")
def index() -> str:
    """The list of articles."""
    articles = store().articles()
    depends_on("list:articles", *(f"page:{article.id}" for article in articles))
    return render_template("index.html", articles=articles)


@magazine.get("/articles/<int:number>")
def article(number: int) -> str:
    """An article."""
    depends_on(f"page:{number}")
    return render_template("article.html", article=store().article(number) or abort(404))


def block(name: str) -> Markup:
    """A block, for templates."""
    return Markup(_block(name))


@fragment("block:{name}", ttl=3600)
def _block(name: str) -> str:
    return render_template("block.html", name=name, text=store().block(name))
