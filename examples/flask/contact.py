"""A form for strangers. Its page has a token, so it is each visitor's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from wtforms import TextAreaField
from wtforms.validators import InputRequired

from examples.flask.visitor import VisitorsForm

if TYPE_CHECKING:
    from werkzeug import Response

contact = Blueprint("contact", __name__)


class ContactForm(VisitorsForm):
    """What a stranger wants to say."""

    message = TextAreaField("Message", [InputRequired()])


@contact.route("/contact", methods=["GET", "POST"])
def write() -> str | Response:
    """Take a message."""
    form = ContactForm()
    if form.validate_on_submit():
        current_app.logger.info("a visitor writes: %s", form.message.data)
        flash("Thank you.")
        return redirect(url_for("contact.write"))
    return render_template("form.html", form=form, title="Write to us", action="Send")
