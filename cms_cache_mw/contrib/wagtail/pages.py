"""Pages: `url:ID` for who shows what a page is called and where it is, `page:ID.FIELD` for who shows what is in it.

Which of them is told by what is read of a page: fields are watched, so that a menu, whichever way it loads its pages, stays
when the body of one of them is edited. A page itself has `page:ID`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.utils import timezone
from wagtail.models import Page

from cms_cache_mw.collecting import apart, current
from cms_cache_mw.contrib.django.kinds import Kind, register
from cms_cache_mw.contrib.wagtail.kinds import UNSEEN, tag
from cms_cache_mw.contrib.wagtail.tree import above, below, missing, sitemaps
from cms_cache_mw.core.cacheability import Cacheability

if TYPE_CHECKING:
    from collections.abc import Iterable

CALLED: Final = frozenset(
    {"title", "slug", "url_path", "live", "show_in_menus", "locale", "content_type", "translation_key"}
)
"""Fields that say what a page is called, where it is and whether it is there."""
PLACE: Final = frozenset({"path", "depth", "numchild", "url_path"})
"""Fields that say where it hangs in the tree, which moves and slugs change."""


class PageKind(Kind):
    """Pages of every type."""

    unseen = UNSEEN | PLACE
    revised = True
    narrowing = frozenset({"translation_key"})

    def loaded(self, pk: object) -> tuple[str, ...]:  # noqa: ARG002 - its fields tell
        """Nothing: reading says more."""
        return ()

    def shown(self, pk: object) -> str:
        """`url:ID`."""
        return tag("url", pk)

    def read(self, pk: object) -> str:
        """`page:ID`."""
        return tag("page", pk)

    def standing(self, row: Any) -> bool:  # noqa: ANN401 - a page
        """Whether it is published."""
        return bool(row.live)

    def changed(self, row: Any, fields: Iterable[str]) -> set[str]:  # noqa: ANN401 - a page
        """`page:ID`, the sitemap, and `url:ID` where it is called differently; with its slug all below it moves."""
        found = {tag("page", row.pk), *sitemaps(row)} | {tag("page", f"{row.pk}.{name}") for name in fields}
        if CALLED & set(fields):
            found.add(tag("url", row.pk))
        if "slug" in fields and "*" not in fields:
            found |= below(row) | missing(row)
        return found

    def moved(self, row: Any) -> set[str]:  # noqa: ANN401 - a page
        """The 404s where it is or was."""
        return missing(row)

    def scopes(self, row: Any) -> set[str]:  # noqa: ANN401 - a page
        """The usual ones, `children:ID` of its parent and `tree:ID` of all above it, itself included."""
        ids = above(row.path)
        return super().scopes(row) | {tag("children", i) for i in ids[-2:-1]} | {tag("tree", i) for i in (*ids, row.pk)}

    def narrowed(self, conditions: list[tuple[Any, str, Any]]) -> tuple[set[str], str] | None:
        """`children:ID` or `tree:ID` where they are about one part of the tree."""
        depth = next(
            (value for field, lookup, value in conditions if field.name == "depth" and lookup == "exact"), None
        )
        for field, lookup, value in conditions:
            if field.name != "path":
                continue
            if lookup == "range":
                top = str(value[0])[: -Page.steplen]
            elif lookup == "startswith":
                top = str(value)
            elif lookup in {"exact", "in"}:
                paths = [value] if lookup == "exact" else list(value)
                return {tag("url", i) for path in paths for i in above(path)[-1:]}, ""
            else:
                continue
            level = len(top) // Page.steplen
            kind = "children" if depth == level + 1 else "tree"
            return ({tag(kind, i) for i in above(top)[-1:]} or {self.label}), ""
        return super().narrowed(conditions)


class Watched:
    """A field of pages whose reading is noted while something is rendered."""

    def __init__(self, plain: Any, name: str, kind: str, suffix: str) -> None:  # noqa: ANN401 - any descriptor
        self.plain, self.kind, self.suffix = plain, kind, suffix
        self._name = name
        self._sets = getattr(type(plain), "__set__", None)

    def __get__(self, row: Any, owner: type[Any] | None = None) -> Any:  # noqa: ANN401 - what the field gives
        if row is None:
            return self.plain.__get__(None, owner)
        if (collector := current()) is not None and (pk := row.__dict__.get("id")) is not None:
            collector.note((f"{self.kind}:{pk}{self.suffix}",), inf)
        if self._sets is None and self._name in row.__dict__:
            return row.__dict__[self._name]
        return self.plain.__get__(row, owner)

    def __set__(self, row: Any, value: Any) -> None:  # noqa: ANN401 - what the field takes
        if self._sets is None:
            row.__dict__[self._name] = value
        else:
            self._sets(self.plain, row, value)


def install() -> None:
    """Watch the fields of all types of pages."""
    register(Page, PageKind)
    for model in apps.get_models():
        if issubclass(model, Page) and not model._meta.proxy:
            for field in model._meta.local_concrete_fields:
                _watch(model, field)


def _watch(model: type[Any], field: Any) -> None:  # noqa: ANN401 - any field
    if field.primary_key or field.name in UNSEEN | {"path", "depth"}:
        return
    kind = "children" if field.name == "numchild" else "url" if field.name in CALLED else "page"
    for name in {field.name, field.attname}:
        plain = model.__dict__.get(name)
        if plain is not None and not isinstance(plain, Watched):
            setattr(model, name, Watched(plain, name, kind, f".{field.name}" if kind == "page" else ""))


def on_render(page: Any) -> None:  # noqa: ANN401 - a page
    """Note that this page is what is rendered: what it is, until when, and whether it is for everybody."""
    if (collector := current()) is None:
        return
    with apart():
        ids, language = above(page.path), page.locale.language_code
        restricted = page.get_view_restrictions().exists()
        expires = page.expire_at
    collector.tags.update({tag("page", page.pk), tag("lang", language)} | {tag("within", i) for i in ids})
    lifetime = max(0.0, (expires - timezone.now()).total_seconds()) if expires else inf
    collector.add(Cacheability(lifetime=lifetime, private=restricted))
