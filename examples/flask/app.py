"""The site: articles for everybody, a contact form, and a desk for the editor. `app` is for servers; `CMS_CACHE_*` configures the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from flask import Flask
from flask_login import LoginManager
from flask_wtf import CSRFProtect

from cms_cache_mw import Config, WSGICacheMiddleware
from examples.flask.account import Editor, account
from examples.flask.contact import contact
from examples.flask.desk import desk
from examples.flask.magazine import block, magazine
from examples.flask.store import Store
from examples.flask.visitor import VisitorsSessions, token

DATABASE: Final = Path(os.environ.get("MAGAZINE_DATABASE", "magazine.sqlite3"))


def create_app(database: Path = DATABASE, config: Config | None = None) -> Flask:
    """The site behind its cache, which is `app.extensions["cms_cache"]`."""
    app = Flask(__name__)
    # Sessions and tokens have to be readable by every worker: in production from the environment.
    app.secret_key = os.environ.get("SECRET_KEY", "only for trying it out")
    app.extensions["store"] = Store(database)
    app.session_interface = VisitorsSessions()
    CSRFProtect(app)
    app.context_processor(lambda: {"block": block, "csrf_token": token})
    login = LoginManager(app)
    login.login_view = "account.login"
    login.user_loader(Editor.named)
    for blueprint in (magazine, account, contact, desk):
        app.register_blueprint(blueprint)
    cached = WSGICacheMiddleware(app.wsgi_app, config or Config.from_env())
    app.wsgi_app = cached  # type: ignore[method-assign]
    app.extensions["cms_cache"] = cached.cache
    return app


def __getattr__(name: str) -> Flask:
    """`app`, made when a server asks for it."""
    if name != "app":
        raise AttributeError(name)
    return create_app()
