"""Where the editor changes things: save, which commits, then purge, then say what the purge said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, current_app, flash, redirect, render_template, url_for
from flask_login import login_required
from wtforms import StringField, TextAreaField
from wtforms.validators import InputRequired

from examples.flask.magazine import store
from examples.flask.store import Article
from examples.flask.visitor import VisitorsForm

if TYPE_CHECKING:
    from werkzeug import Response

    from cms_cache_mw import Cache

desk = Blueprint("desk", __name__, url_prefix="/desk")


class BlockForm(VisitorsForm):
    """A block's text."""

    text = TextAreaField("Text", [InputRequired()])


class ArticleForm(VisitorsForm):
    """An article."""

    title = StringField("Title", [InputRequired()])
    body = TextAreaField("Body", [InputRequired()])


def announce(*tags: str) -> None:
    """Purge what depends on what was saved, and tell the editor."""
    cache: Cache = current_app.extensions["cms_cache"]
    purge = cache.purge_sync(tags=tags)
    flash("Saved, and live." if purge.state == "done" else f"Saved. Live within {purge.certain_in_ms / 1000:.0f} s.")


@desk.get("/")
@login_required  # type: ignore[untyped-decorator]
def index() -> str:
    """What can be edited."""
    return render_template("desk.html", articles=store().articles())


@desk.route("/articles/<int:number>", methods=["GET", "POST"])
@login_required  # type: ignore[untyped-decorator]
def article(number: int) -> str | Response:
    """Edit an article."""
    form = ArticleForm(obj=store().article(number) or abort(404))
    if form.validate_on_submit():
        store().save_article(Article(number, form.title.data, form.body.data))
        announce(f"page:{number}")
        return redirect(url_for("magazine.article", number=number))
    return render_template("form.html", form=form, title=f"Article {number}", action="Save")


@desk.route("/blocks/<name>", methods=["GET", "POST"])
@login_required  # type: ignore[untyped-decorator]
def block(name: str) -> str | Response:
    """Edit a block, which is on every page."""
    form = BlockForm(data={"text": store().block(name) or abort(404)})
    if form.validate_on_submit():
        store().save_block(name, form.text.data)
        announce(f"block:{name}")
        return redirect(url_for("magazine.index"))
    return render_template("form.html", form=form, title=f"Block {name}", action="Save")
