"""What the rows of a model are called in tags, and which of their changes somebody could see.

A *scope* is a set of rows that a query may ask for: all of a model (`blog.entry`), or those that have one value in a key
(`blog.entry(blog=3)`). A page that lists a scope has its name as a tag, and `SCOPE.field` for each field by which it chooses or
orders; a page that shows a row has `blog.entry:7`. Reads and writes agree on names here and nowhere else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps

from cms_cache_mw.contrib.django.site import chosen
from cms_cache_mw.core.tags import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_VALUES: Final = 100
"""Values of one key that a query is narrowed by; more of them are all."""
UNTRACKED: Final = {"sessions", "contenttypes", "admin", "migrations", "auth.permission", "auth.group"}
"""Apps and models that no page shows, or that never change."""
OPAQUE: Final = {"modelsearch", "wagtailsearch"}
"""Apps whose tables are an index of others: who chooses by them depends on all that is indexed."""
SEARCH: Final = "search"
"""The tag of what was searched for."""
_registered: dict[type[Any], type[Kind]] = {}
_kinds: dict[type[Any], Kind | None] = {}


class Kind:
    """One model's way. Subclasses are registered for a model and all that inherit from it."""

    unseen: frozenset[str] = frozenset({"last_login"})
    """Fields whose changes nobody sees."""
    narrowing: frozenset[str] = frozenset()
    """Fields that narrow a scope beside foreign keys and unique ones."""
    revised: bool = False
    """Whether its rows come back from JSON when they are published, where times have no microseconds."""
    implied: bool = False
    """Whether a row that is made while a page is rendered says what its absence said."""

    def __init__(self, model: type[Any]) -> None:
        self.model, self.label = model, model._meta.label_lower
        self.chain: tuple[type[Any], ...] = (model, *model._meta.get_parent_list())
        """The model and those whose tables it shares."""

    def loaded(self, pk: object) -> tuple[str, ...]:
        """The tags of what has loaded a row, which may be written by each of its names; none where reading its fields says more."""
        return tuple(spelled(f"{model._meta.label_lower}:{pk}") for model in self.chain)

    def shown(self, pk: object) -> str:
        """The tag of what depends on a row being there, or shows it."""
        return spelled(f"{self.label}:{pk}")

    def read(self, pk: object) -> str:
        """The tag of what has read single values of a row."""
        return self.shown(pk)

    def standing(self, row: Any) -> bool:  # noqa: ANN401, ARG002 - a row of any model
        """Whether visitors can see the row at all."""
        return True

    def changed(self, row: Any, fields: Iterable[str]) -> set[str]:  # noqa: ANN401, ARG002 - the same
        """The tags of what shows the row, when these fields of it change."""
        return {spelled(f"{model._meta.label_lower}:{row.pk}") for model in self.chain}

    def heirs(self, row: Any) -> set[str]:  # noqa: ANN401 - a row of any model
        """The labels of the models that this row of a parent's is a row of as well."""
        others = [model for model in apps.get_models() if issubclass(model, self.model) and model is not self.model]
        found = (model for model in others if not model._meta.proxy and model._base_manager.filter(pk=row.pk).exists())
        return {model._meta.label_lower for model in found}

    @property
    def indexed(self) -> bool:
        """Whether it can be searched for."""
        return hasattr(self.model, "search_fields")

    def moved(self, row: Any) -> set[str]:  # noqa: ANN401, ARG002 - the same
        """More tags that go when the row comes or goes."""
        return set()

    def scopes(self, row: Any) -> set[str]:  # noqa: ANN401 - the same
        """The scopes that a row is in."""
        found: set[str] = set()
        for model in self.chain:
            found.add(model._meta.label_lower)
            for field in model._meta.local_concrete_fields:
                value = row.__dict__.get(field.attname)
                if value is not None and self.narrows(field):
                    found.add(scope(model, field.name, value))
        return found

    def narrows(self, field: Any) -> bool:  # noqa: ANN401 - any field
        """Whether equality with a value of this field makes a scope."""
        if field.name in self.unseen or field.primary_key:
            return False
        return bool(field.many_to_one or field.one_to_one or field.unique or field.name in self.narrowing)

    def narrowed(self, conditions: list[tuple[Any, str, Any]]) -> tuple[set[str], str] | None:
        """The scopes that conditions (field, lookup, value) narrow the model to, and by which field; `None` where they do not."""
        for field, lookup, value in conditions:
            if not self.narrows(field):
                continue
            values = list(value) if lookup == "in" else [value]
            if lookup in {"exact", "in"} and len(values) <= MOST_VALUES:
                return {scope(field.model, field.name, one) for one in values}, field.name
        return None


def scope(model: type[Any], field: str, value: object) -> str:
    """The name of the rows that have a value in a key."""
    return spelled(f"{model._meta.concrete_model._meta.label_lower}({field}={getattr(value, 'pk', value)})")


def register(model: type[Any], kind: type[Kind]) -> None:
    """Let a model, and all that inherit from it, be of a kind."""
    _registered[model] = kind
    _kinds.clear()


def leave_out(*names: str) -> None:
    """Note nothing about these apps (`stats`) or models (`stats.hit`)."""
    UNTRACKED.update(names)
    _kinds.clear()


def kind_of(model: type[Any]) -> Kind | None:
    """The kind of a model; `None` where nothing depends on its rows."""
    if model not in _kinds:
        _kinds[model] = _kind(model._meta.concrete_model)
    return _kinds[model]


def _kind(model: type[Any]) -> Kind | None:
    out = UNTRACKED | OPAQUE | {name.lower() for name in chosen().get("untracked_models", ())}
    if model.__module__ == "__fake__":
        # A migration's own idea of the model.
        return None
    if model._meta.app_label in out or model._meta.label_lower in out:
        return None
    for ancestor in model.__mro__:
        if ancestor in _registered:
            return _registered[ancestor](model)
    return Kind(model)


@lru_cache(maxsize=1)
def models_by_table() -> dict[str, type[Any]]:
    """The models by the names of their tables."""
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table: model for model in reversed(list(models)) if not model._meta.proxy}
