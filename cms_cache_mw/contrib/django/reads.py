"""What is read from the database while a page is rendered is what the page depends on.

Rows are noted as they are loaded, queries as they are sent: by the rows they could find and the fields they choose by, so that
a list is purged when something comes onto it or leaves it, and not when something else is edited. Outside of renders nothing is noted.
"""

from __future__ import annotations

import logging
from functools import wraps
from math import inf
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Model
from django.db.models.expressions import Col, RawSQL
from django.db.models.fields.related import OneToOneField
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.constants import INNER
from django.db.models.sql.query import Query
from django.db.models.sql.subqueries import AggregateQuery, DeleteQuery, InsertQuery, UpdateQuery
from django.db.models.sql.where import AND, ExtraWhere, WhereNode

from cms_cache_mw.collecting import current
from cms_cache_mw.contrib.django.kinds import OPAQUE, SEARCH, kind_of, models_by_table

if TYPE_CHECKING:
    from collections.abc import Iterator


log: Final = logging.getLogger("cms_cache_mw")


def install() -> None:
    """Listen to the database layer; once is enough."""
    if hasattr(Model.from_db, "heard"):
        return
    loaded, sent = Model.__dict__["from_db"].__func__, SQLCompiler.execute_sql

    @wraps(loaded)
    def from_db(cls: type[Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Django's own
        row = loaded(cls, *args, **kwargs)
        if (collector := current()) is not None and (kind := kind_of(cls)):
            collector.note(kind.loaded(row.pk), inf)
        return row

    @wraps(sent)
    def execute_sql(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Django's own
        if (collector := current()) is not None:
            try:
                collector.note(tags_of(self.query), inf)
            except Exception:
                # A page without its tags could never be purged.
                log.exception("a query of %s could not be understood; the page is not stored", self.query.model)
                collector.doubtful("a query could not be understood")
        return sent(self, *args, **kwargs)

    from_db.heard = True  # type: ignore[attr-defined]
    Model.from_db = classmethod(from_db)
    SQLCompiler.execute_sql = execute_sql


def tags_of(query: Any) -> set[str]:  # noqa: ANN401 - Django's query
    """The tags of what a query could find and chooses by; none for one that writes, or asks for nothing."""
    if isinstance(query, (DeleteQuery, InsertQuery, UpdateQuery)) or query.is_empty():
        return set()
    if isinstance(query, AggregateQuery):
        return tags_of(query.inner_query)
    if query.combined_queries:
        return set().union(*map(tags_of, query.combined_queries))
    reading = _Reading(query)
    return reading.tags().union(*map(tags_of, reading.inner))


class _Entity:
    """The rows of one model in a query: its table and those of its parents."""

    def __init__(self, model: type[Any]) -> None:
        self.model = model
        self.fields: set[Any] = set()
        """Fields that are chosen or ordered by, or given as bare values."""
        self.conditions: list[tuple[Any, str, Any]] = []
        self.follows = False
        """Whether its rows are there only because rows of another one point to them."""


class _Reading:
    """A query, taken apart."""

    def __init__(self, query: Any) -> None:  # noqa: ANN401 - Django's query
        self._query = query
        self.inner: list[Any] = []
        """The queries inside it."""
        self._of: dict[str, _Entity] = {}
        self._wide = bool(query.extra)
        self._searches = False
        if not query.alias_map:
            query = self._query = query.clone()
            query.get_initial_alias()
        for alias, table in query.alias_map.items():
            if query.alias_refcount[alias]:
                self._join(alias, table)
        self._conditions(query.where)
        for expression in self._expressions():
            self._use(expression)

    def tags(self) -> set[str]:
        """The tags of all its entities."""
        found = {SEARCH} if self._searches else set()
        return found.union(*(self._tags(entity) for entity in set(self._of.values())))

    def _tags(self, entity: _Entity) -> set[str]:
        kind = kind_of(entity.model)
        if kind is None:
            return set()
        fields = {field.name for field in entity.fields if not field.primary_key} - kind.unseen
        if not entity.follows and (pks := _keys(entity)) is not None:
            return {kind.read(pk) if self._bare else kind.shown(pk) for pk in pks}
        scopes, by = kind.narrowed(entity.conditions) or ({kind.label}, "")
        fields -= {by}
        found = {f"{name}.{field}" for name in scopes for field in fields}
        if self._wide:
            found |= {f"{name}.*" for name in scopes}
        return found if entity.follows else found | scopes

    @property
    def _bare(self) -> bool:
        """Whether it gives values and no rows."""
        return bool(self._query.select or self._query.values_select or self._query.annotation_select)

    @property
    def _whole(self) -> bool:
        """Whether it loads all the rows it finds, and not the first of them, so that each of them tells by itself where it stands."""
        query, kind = self._query, kind_of(self._query.model)
        whole = query.default_cols and not (query.is_sliced or query.distinct_fields or query.combinator)
        return bool(whole and kind and kind.loaded(0))

    def _join(self, alias: str, table: Any) -> None:  # noqa: ANN401 - Django's table or join
        model = models_by_table().get(table.table_name)
        if model is None:
            self._wide = True
            return
        if model._meta.app_label in OPAQUE:
            self._searches = True
            return
        field = getattr(table, "join_field", None)
        if isinstance(field, OneToOneField) and field.remote_field.parent_link and table.parent_alias in self._of:
            self._of[alias] = self._of[table.parent_alias]
            return
        entity = self._of[alias] = _Entity(model)
        if field is None:
            return
        parent = self._of.get(table.parent_alias)
        for near, far in getattr(table, "join_fields", None) or ():
            entity.fields.add(far)
            if parent:
                parent.fields.add(near)
            # Rows that nothing is noted about say of no other that it is there.
            if far.primary_key and not near.primary_key:
                entity.follows = parent is None or kind_of(parent.model) is not None
            elif near.primary_key and table.join_type == INNER and parent and kind_of(model):
                parent.follows = True

    def _conditions(self, node: Any) -> None:  # noqa: ANN401 - Django's node
        if node.connector != AND or node.negated:
            return
        for child in node.children:
            if isinstance(child, WhereNode):
                self._conditions(child)
            elif isinstance(left := getattr(child, "lhs", None), Col) and left.alias in self._of:
                value = getattr(child, "rhs", None)
                if not hasattr(value, "resolve_expression"):
                    self._of[left.alias].conditions.append((left.target, child.lookup_name, value))

    def _expressions(self) -> Iterator[Any]:
        query = self._query
        yield query.where
        yield from query.select
        yield from query.annotations.values()
        if isinstance(query.group_by, tuple):
            yield from query.group_by
        ordering = (
            query.extra_order_by or query.order_by or (query.get_meta().ordering if query.default_ordering else ())
        )
        for order in (*ordering, *query.distinct_fields):
            if isinstance(order, str):
                self._named(order)
            elif hasattr(order, "resolve_expression"):
                yield order.resolve_expression(query.clone(), allow_joins=True, reuse=None)

    def _named(self, order: str) -> None:
        """Use the field that `-blog__title` orders by; a joined one counts with all of its model."""
        name = order.lstrip("-+")
        if name == "?" or name in self._query.annotations:
            return
        path = ["pk"] if name == "pk" else name.split("__")
        _, target, _, rest = self._query.names_to_path(path, self._query.get_meta(), fail_on_missing=False)
        alias = self._query.get_initial_alias()
        kind = kind_of(target.model)
        if len(path) == 1 and not rest and alias in self._of:
            if not self._whole:
                self._of[alias].fields.add(target)
        elif kind:
            joined = _Entity(target.model)
            joined.fields, joined.follows = {target}, True
            self._of[f"order {order}"] = joined

    def _use(self, node: Any) -> None:  # noqa: ANN401 - any expression
        if isinstance(node, Query):
            self.inner.append(node)
        elif isinstance(node, Col):
            if node.alias in self._of:
                self._of[node.alias].fields.add(node.target)
        elif isinstance(node, (RawSQL, ExtraWhere)):
            self._wide = True
        elif hasattr(node, "get_source_expressions"):
            for part in node.get_source_expressions():
                if part is not None:
                    self._use(part)


def _keys(entity: _Entity) -> list[Any] | None:
    """The primary keys that a query asks for, where it asks for certain ones."""
    for field, lookup, value in entity.conditions:
        if field.primary_key and lookup in {"exact", "in"}:
            values = list(value) if lookup == "in" else [value]
            return [getattr(one, "pk", one) for one in values] if len(values) <= 100 else None  # noqa: PLR2004
    return None
