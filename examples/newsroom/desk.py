"""The editor's desk: sign in, find something, change it, and hear when it is live.

The order that matters is in `Desk.save`: commit, then purge, then say what the purge said.
"""

from __future__ import annotations

import hmac
import secrets
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from examples.newsroom import inventory
from examples.newsroom.announcement import announce
from examples.newsroom.editing import Rejected
from examples.newsroom.forms import BlockForm, Form, PageForm, Saved, TemplateForm, TranslationForm
from examples.newsroom.public import editor_of, page_number, private, visit
from examples.newsroom.rendering import HERE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from examples.newsroom.announcement import Purge
    from examples.newsroom.database import Database
    from examples.newsroom.rendering import Press

EDITOR = "editor"
PASSWORD = "newsroom"


class Desk:
    """The endpoints behind `/login` and `/edit`."""

    def __init__(self, database: Database, press: Press, purge: Purge | None, password: str) -> None:
        self.database = database
        self.purge = purge
        self.password = password
        self.forms: dict[str, Form] = {
            "/edit/page/{page}": PageForm(),
            "/edit/page/{page}/{language}": TranslationForm(),
            "/edit/block/{block}": BlockForm(),
            "/edit/template/{template}": TemplateForm(press),
        }
        self.assets = press.assets

    def routes(self) -> list[Route]:
        """The desk's addresses."""
        routes = [
            Route("/login", self.login_form, methods=["GET"]),
            Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/edit", self.home, methods=["GET"]),
        ]
        for path, form in self.forms.items():
            routes += [Route(path, self._show(form), methods=["GET"]), Route(path, self._save(form), methods=["POST"])]
        return routes

    def login_form(self, request: Request) -> Response:
        """The form to sign in. It sets no cookie: a visitor who only looks stays anonymous."""
        return self._page(request, "login.html", next=_local(request.query_params.get("next", "")), fault="")

    async def login(self, request: Request) -> Response:
        """Sign in, if name and password are right."""
        sent = await _form(request)
        onward = _local(str(sent.get("next", "")))
        name, password = str(sent.get("username", "")), str(sent.get("password", ""))
        if not (_same(name, EDITOR) & _same(password, self.password)):
            fault = "That name and password do not belong together."
            return self._page(request, "login.html", status=403, next=onward, fault=fault)
        request.session.clear()
        request.session.update(editor=name, csrf=secrets.token_urlsafe(16))
        return RedirectResponse(onward, 303)

    async def logout(self, request: Request) -> Response:
        """Sign out: the browser forgets the cookie and is a visitor again."""
        self._authorise(request, await _form(request))
        request.session.clear()
        return RedirectResponse("/", 303)

    def home(self, request: Request) -> Response:
        """What there is to edit."""
        if editor_of(request) is None:
            return _to_login(request)
        words = request.query_params.get("q", "").strip()
        number = page_number(request.query_params.get("page", "1")) or 1
        with self.database.reading() as db:
            pages, total = inventory.pages(db, words, (number - 1) * inventory.DESK_PAGE)
            blocks, templates = inventory.blocks(db), inventory.templates(db)
        return self._page(
            request, "home.html", words=words, number=number, pages=pages, total=total,
            last=max(1, -(-total // inventory.DESK_PAGE)), blocks=blocks, templates=templates,
        )  # fmt: skip

    def _show(self, form: Form) -> Callable[[Request], Response]:
        def show(request: Request) -> Response:
            if editor_of(request) is None:
                return _to_login(request)
            return self._form_page(request, form)

        return show

    def _save(self, form: Form) -> Callable[[Request], Awaitable[Response]]:
        async def save(request: Request) -> Response:
            sent = await _form(request)
            self._authorise(request, sent)
            try:
                saved = await run_in_threadpool(self._write, form, request, sent)
            except KeyError as unknown:
                raise HTTPException(404) from unknown
            except Rejected as rejected:
                return await run_in_threadpool(self._form_page, request, form, sent, rejected)
            announcement = await announce(self.purge, saved.tags)
            request.session["flash"] = {
                "sentence": announcement.sentence,
                "done": announcement.done,
                "tags": saved.tags[:12],
            }
            return RedirectResponse(
                saved.address, 303, {"Purge-Status": announcement.header, "Purge-Tags": ", ".join(saved.tags)}
            )

        return save

    def _write(self, form: Form, request: Request, sent: FormData) -> Saved:
        with self.database.writing() as db:
            return form.save(db, request.path_params, sent)

    def _form_page(
        self, request: Request, form: Form, sent: FormData | None = None, rejected: Rejected | None = None
    ) -> Response:
        try:
            with self.database.reading() as db:
                names = form.show(db, request.path_params)
        except KeyError as unknown:
            raise HTTPException(404) from unknown
        if sent is not None:
            names["values"] = {"blocks": [], "published": ""} | {
                key: sent.getlist(key) if key == "blocks" else sent[key] for key in sent
            }
        return self._page(
            request, form.template, status=422 if rejected else 200, faults=rejected.faults if rejected else {}, **names
        )

    def _page(self, request: Request, screen: str, /, *, status: int = 200, **names: object) -> Response:
        signed_in = editor_of(request)
        names |= {
            "assets": self.assets,
            "demonstration": self.password == PASSWORD,
            "editor": signed_in,
            "csrf": request.session["csrf"] if signed_in else "",
            "flash": request.session.pop("flash", None) if signed_in else None,
            "visit": visit(request, "en"),
        }
        return private(_screens().get_template(screen).render(names), status=status)

    def _authorise(self, request: Request, sent: FormData) -> None:
        """Let through what a signed-in editor sent from one of our forms."""
        if editor_of(request) is None:
            raise HTTPException(403, "Sign in first, at /login.")
        if not _same(str(sent.get("csrf", "")), request.session["csrf"]):
            raise HTTPException(403, "The form lacks its token, or the token is of another session. Reload the form.")


@cache
def _screens() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates" / "desk"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


async def _form(request: Request) -> FormData:
    """The form that was sent, unless a page of another site sent it."""
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "Forms of other sites are not taken.")
    return await request.form()


def _to_login(request: Request) -> Response:
    return RedirectResponse(f"/login?next={request.url.path}", 303, {"Cache-Control": "private, no-store"})


def _local(address: str) -> str:
    """`address` if it is a path of this site, else the desk."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/edit"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
