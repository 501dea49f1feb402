"""The example in Flask: what is public is shared, what is somebody's is not, a token least of all."""

from __future__ import annotations

import html
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw import Config, fragment
from tests.support.client import Client
from tests.support.process import Port, Process
from tests.support.site import ROOT
from tests.support.wait import until

pytest.importorskip("flask", reason="Flask is not installed: pip install flask flask-login flask-wtf")
pytest.importorskip("flask_login", reason="Flask-Login is not installed: pip install flask-login")
pytest.importorskip("flask_wtf", reason="Flask-WTF is not installed: pip install flask-wtf")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The site, with the memory as its only cache."""
    from examples.flask.app import create_app

    app = create_app(tmp_path / "magazine.sqlite3", Config())
    app.testing = True
    yield app
    app.extensions["cms_cache"].close()


def told(response: TestResponse) -> str:
    """What our cache says of an answer."""
    return response.headers["Cache-Status"].removeprefix("cms-cache; ")


def is_hit(response: TestResponse) -> bool:
    """Whether it came from memory."""
    return told(response).startswith("hit")


def token(response: TestResponse) -> str:
    """The token in a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', response.text)
    assert found, response.text
    return html.unescape(found[1])


def log_in(client: FlaskClient) -> None:
    """Become the editor."""
    form = {"name": "editor", "password": "magazine", "csrf_token": token(client.get("/login"))}
    assert client.post("/login", data=form).status_code == 302


def test_public_pages_are_shared(app: Flask) -> None:
    """Strangers get the pages from memory, without a cookie."""
    for path in ("/", "/articles/1", "/articles/2"):
        first, second = app.test_client().get(path), app.test_client().get(path)
        assert told(first) == "fwd=uri-miss; stored"
        assert is_hit(second)
        assert first.text == second.text
        assert "Set-Cookie" not in second.headers
    assert app.test_client().get("/articles/9").status_code == 404


def test_each_visitor_has_a_token(app: Flask) -> None:
    """The page of a form is never stored; each visitor's token is accepted from that visitor, and from no other."""
    one, two = app.test_client(), app.test_client()
    pages = [one.get("/contact"), two.get("/contact")]
    assert [told(page) for page in pages] == ["fwd=uri-miss; detail=set-cookie"] * 2
    assert all("Set-Cookie" in page.headers for page in pages)
    tokens = [token(page) for page in pages]
    assert tokens[0] != tokens[1]
    assert one.post("/contact", data={"message": "Hello", "csrf_token": tokens[0]}).status_code == 302
    assert two.post("/contact", data={"message": "Hello", "csrf_token": tokens[0]}).status_code == 400


def test_page_with_a_token_and_no_cookie_set(app: Flask) -> None:
    """The second page with a form sets no cookie, and it is the visitor's own all the same."""
    visitor = app.test_client()
    first = token(visitor.get("/contact"))
    again = visitor.get("/contact")
    assert "Set-Cookie" not in again.headers
    assert told(again) == "fwd=bypass; detail=cookie"
    assert token(again)
    stranger = app.test_client().get("/contact")
    assert not is_hit(stranger)
    assert token(stranger) not in {first, token(again)}


INPUT = '<input name="csrf_token" value="{}">'


@pytest.mark.parametrize("kind", ["form", "call", "template", "session", "written", "second form", "second call"])
def test_token_in_a_fragment(app: Flask, kind: str) -> None:
    """A fragment with a token is kept for nobody: else the next page with it would have a token and no Set-Cookie."""
    from flask import render_template_string, session

    from examples.flask.contact import ContactForm
    from examples.flask.visitor import token as visitors_token

    @fragment(f"block:{kind.replace(' ', '-')}", ttl=60)
    def block() -> str:
        match kind:
            case "form" | "second form":
                return str(ContactForm().csrf_token)
            case "template":
                return render_template_string(INPUT.format("{{ csrf_token() }}"))
            case "session":
                return INPUT.format(session.setdefault("csrf_token", os.urandom(8).hex()))
            case "written":
                session["csrf_token"] = secret = os.urandom(8).hex()
                return INPUT.format(secret)
        return INPUT.format(visitors_token())

    @app.get("/with-fragment")
    def page() -> str:
        if kind.startswith("second"):
            visitors_token()
        return block()

    known = app.test_client()
    tokens = [token(client.get("/with-fragment")) for client in (app.test_client(), known, app.test_client(), known)]
    assert len({tokens[0], tokens[1], tokens[2]}) == 3
    last = app.test_client().get("/with-fragment")
    assert told(last) == "fwd=uri-miss; detail=set-cookie"
    assert "Set-Cookie" in last.headers
    assert token(last) not in tokens


@pytest.mark.parametrize("kind", ["item", "get", "absent"])
def test_session_in_a_fragment(app: Flask, kind: str) -> None:
    """A fragment that shows something of a session is kept for nobody; one that finds nothing there is everybody's."""
    from flask import session

    @fragment(f"block:session-{kind}", ttl=60)
    def block() -> str:
        if kind == "item":
            return str(session["secret"]) if "secret" in session else "nothing"
        return str(session.get("secret" if kind == "get" else "other", "nothing"))

    @app.get("/with-fragment")
    def page() -> str:
        return block()

    one, two = app.test_client(), app.test_client()
    for client, secret in ((one, "one"), (two, "two")):
        with client.session_transaction() as theirs:
            theirs["secret"] = secret
    shown = ["nothing"] * 2 if kind == "absent" else ["one", "two"]
    assert [client.get("/with-fragment").text for client in (one, two)] == shown
    assert [app.test_client().get("/with-fragment").text for _ in range(2)] == ["nothing"] * 2
    assert is_hit(app.test_client().get("/with-fragment"))


def test_templates_have_the_private_token(app: Flask) -> None:
    """What templates call `csrf_token` is ours, and not what Flask-WTF has put there."""
    from examples.flask.visitor import token as visitors_token

    with app.test_request_context():
        context: dict[str, object] = {}
        app.update_template_context(context)
        assert context["csrf_token"] is visitors_token


def test_flash_messages_are_the_visitor_s(app: Flask) -> None:
    """A message is shown once, to the visitor whom it is for."""
    app.test_client().get("/")
    visitor = app.test_client()
    form = {"message": "Hello", "csrf_token": token(visitor.get("/contact"))}
    visitor.post("/contact", data=form)
    assert "Thank you." in visitor.get("/").text
    assert "Thank you." not in visitor.get("/").text
    stranger = app.test_client().get("/")
    assert is_hit(stranger)
    assert "Thank you." not in stranger.text


def test_editor_sees_own_pages(app: Flask) -> None:
    """Who is signed in is answered by the application, and strangers never see the editor's menu."""
    editor, stranger = app.test_client(), app.test_client()
    log_in(editor)
    own = editor.get("/articles/1")
    assert told(own) == "fwd=bypass; detail=cookie"
    assert "Log out" in own.text
    assert "Log out" not in stranger.get("/articles/1").text
    assert "Log out" not in app.test_client().get("/articles/1").text
    assert "Log out" in editor.get("/articles/1").text
    assert stranger.get("/desk/").status_code == 302
    form = {"csrf_token": token(editor.get("/"))}
    assert editor.post("/logout", data=form).status_code == 302
    assert "Log out" not in editor.get("/articles/1").text


def test_edit_is_live_when_it_is_saved(app: Flask) -> None:
    """The article that was edited is new on its page and in the list; the other one is a hit. A block is new everywhere."""
    editor = app.test_client()
    log_in(editor)
    paths = ["/", "/articles/1", "/articles/2"]
    for path in paths:
        app.test_client().get(path)
    page = editor.get("/desk/articles/1")
    form = {"title": "Why caches lied", "body": "Nobody told them.", "csrf_token": token(page)}
    saved = editor.post("/desk/articles/1", data=form, follow_redirects=True)
    assert "Saved, and live." in saved.text
    answers = [app.test_client().get(path) for path in paths]
    assert [is_hit(answer) for answer in answers] == [False, False, True]
    assert all("Why caches lied" in answer.text for answer in answers[:2])

    form = {"text": "The party is over.", "csrf_token": token(editor.get("/desk/blocks/notice"))}
    editor.post("/desk/blocks/notice", data=form)
    answers = [app.test_client().get(path) for path in paths]
    assert not any(is_hit(answer) for answer in answers)
    assert all("The party is over." in answer.text for answer in answers)
    # What the editor was redirected to stays outdated for a moment: unsafe requests are merged into five purges a second.
    until(lambda: all(is_hit(app.test_client().get(path)) for path in paths), "the new pages are shared")


def test_command_of_the_readme(tmp_path: Path) -> None:
    """It starts the site, which answers."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install gunicorn")
    readme = (ROOT / "examples/flask/README.md").read_text()
    found = re.search(r"^(gunicorn .+)$", readme, re.MULTILINE)
    assert found, "the README names the command"
    port = Port()
    command = [sys.executable, "-m", *found[1].split(), "-b", f"127.0.0.1:{port.number}"]
    env = {**os.environ, "MAGAZINE_DATABASE": str(tmp_path / "magazine.sqlite3"), "PYTHONPATH": str(ROOT)}
    server = Process(command, tmp_path / "log", env)
    try:
        until(lambda: _answers(port.number), "the site answers", 30)
        with Client(port.number) as client:
            assert client.get("/").level == "memory"
    except AssertionError as error:
        raise AssertionError(server.output[-2000:]) from error
    finally:
        server.stop()
        port.release()


def _answers(port: int) -> bool:
    try:
        with Client(port) as client:
            return client.get("/").status == 200
    except OSError:
        return False
