"""A recipe book: pages for people, JSON for programs, one purge for both. `app` is for servers; `CMS_CACHE_*` configures the cache."""

from __future__ import annotations

import hmac
import os
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.responses import HTMLResponse

from cms_cache_mw import CacheMiddleware, Config, Dependencies, depends_on, fragment

if TYPE_CHECKING:
    from cms_cache_mw import Cache


@dataclass
class Recipe:
    """A dish and what it is made of."""

    title: str
    ingredients: list[str]


RECIPES: Final = {
    1: Recipe("Pancakes", ["flour", "milk", "eggs"]),
    2: Recipe("Omelette", ["eggs", "butter"]),
}
"""One process's book: with several workers it would be a database."""


@fragment("block:menu", ttl=3600)
async def menu() -> str:
    """The way to every recipe; whoever shows it depends on what it shows."""
    depends_on(*(f"page:{number}" for number in RECIPES))
    items = (f'<li><a href="/recipes/{number}">{escape(r.title)}</a>' for number, r in sorted(RECIPES.items()))
    return f"<ul>{''.join(items)}</ul>"


def known(number: int) -> Recipe:
    """The recipe of a path; 404 where there is none."""
    if number not in RECIPES:
        raise HTTPException(404)
    return RECIPES[number]


def editor(authorization: Annotated[str, Header()] = "") -> None:
    """Let editors pass. A request with credentials bypasses the cache."""
    token = os.environ.get("EDITOR_TOKEN", "let me in")
    if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401)


def create_app(config: Config | None = None) -> CacheMiddleware:
    """The site behind its cache."""
    site = FastAPI(title="Recipes")
    app = CacheMiddleware(site, config or Config.from_env())
    cache: Cache = app.cache

    @site.get("/", response_class=HTMLResponse)
    async def index() -> str:
        return f"<!doctype html><title>Recipes</title><h1>Recipes</h1>{await menu()}"

    @site.get("/recipes/{number}", response_class=HTMLResponse)
    async def page(number: int, recipe: Annotated[Recipe, Depends(known)], response: Response) -> str:
        response.headers["Cache-Tag"] = Dependencies(page_id=number, template_id="recipe").header
        lines = "".join(f"<li>{escape(line)}" for line in recipe.ingredients)
        return (
            f"<!doctype html><title>{escape(recipe.title)}</title>{await menu()}<h1>{escape(recipe.title)}</h1>{lines}"
        )

    @site.get("/api/recipes/{number}")
    async def read(number: int, recipe: Annotated[Recipe, Depends(known)], response: Response) -> Recipe:
        # JSON is kept only where the application says for how long: pages are what everybody may see, data may not be.
        response.headers["Cache-Control"] = "public, max-age=0, s-maxage=3600"
        depends_on(f"page:{number}")
        return recipe

    @site.put("/api/recipes/{number}", dependencies=[Depends(editor)])
    async def write(number: int, recipe: Recipe) -> dict[str, Any]:
        RECIPES[number] = recipe
        purge = await cache.page_changed(number)
        return asdict(recipe) | {"live": purge.state == "done"}

    return app


app = create_app()
