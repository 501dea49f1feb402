"""The editor's way in and out."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Self

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_login import UserMixin, login_required, login_user, logout_user
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from examples.flask.visitor import VisitorsForm

if TYPE_CHECKING:
    from werkzeug import Response

account = Blueprint("account", __name__)


class Editor(UserMixin):  # type: ignore[misc] # has no types
    """Somebody who may edit."""

    id = "editor"

    @classmethod
    def named(cls, name: str) -> Self | None:
        """The editor of that name."""
        return cls() if name == cls.id else None


class LoginForm(VisitorsForm):
    """Who is there?"""

    name = StringField("Name", [InputRequired()])
    password = PasswordField("Password", [InputRequired()])

    @property
    def editor(self) -> Editor | None:
        """The editor whose password was given; it is `magazine`, or `MAGAZINE_PASSWORD`."""
        password = os.environ.get("MAGAZINE_PASSWORD", "magazine")
        right = hmac.compare_digest(self.password.data.encode(), password.encode())
        return Editor.named(self.name.data) if right else None


@account.route("/login", methods=["GET", "POST"])
def login() -> str | Response:
    """Ask who is there."""
    form = LoginForm()
    if form.validate_on_submit():
        if editor := form.editor:
            login_user(editor)
            flash("Welcome back.")
            return redirect(url_for("desk.index"))
        flash("Wrong name or password.")
    return render_template("form.html", form=form, title="Log in", action="Log in")


@account.post("/logout")
@login_required  # type: ignore[untyped-decorator]
def logout() -> Response:
    """Say goodbye: the next page comes from the cache again."""
    logout_user()
    flash("Goodbye.")
    return redirect(url_for("magazine.index"))
