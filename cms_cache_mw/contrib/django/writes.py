"""What is written to the database purges what was rendered from it: exactly the fields that changed, when that is committed."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.db.models.signals import m2m_changed, post_save, pre_delete, pre_save

from cms_cache_mw.collecting import apart, current
from cms_cache_mw.contrib.django.kinds import SEARCH, Kind, kind_of, scope
from cms_cache_mw.contrib.django.purging import came_back, purge, purge_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.contrib.django.purging import Row

log: Final = logging.getLogger("cms_cache_mw")
MOST_ROWS: Final = 1_000
"""Rows changed by one statement that are looked at one by one; more of them purge all of their model's scopes and everything."""
WHOLE: Final[set[type[Any]]] = set()
"""Models that nothing depends on by name, since a change of any row changes everything."""
_BEFORE: Final = "_cms_cache_before"


def install() -> None:
    """Listen to saves, deletions and bulk changes; once is enough."""
    name = "cms_cache_mw"
    pre_save.connect(_saving, dispatch_uid=name)
    post_save.connect(_saved, dispatch_uid=name)
    pre_delete.connect(_deleting, dispatch_uid=name)
    m2m_changed.connect(_related, dispatch_uid=name)
    if not hasattr(QuerySet.update, "heard"):
        QuerySet.update = _updating(QuerySet.update)
        QuerySet.bulk_create = _creating(QuerySet.bulk_create)


def tags_of_change(kind: Kind, old: Any, new: Any, fields: Iterable[str]) -> set[str]:  # noqa: ANN401 - rows of any model
    """The tags that go when a row changes; `None` for a row that was not there before, or is not any more."""
    seen = set(fields) - kind.unseen
    rows = [row for row in (old, new) if row is not None]
    before = old is not None and kind.standing(old)
    after = new is not None and kind.standing(new)
    if not (before or after) or (before and after and not seen):
        return set()
    scopes = [kind.scopes(row) for row in rows]
    everywhere = set().union(*scopes) | (kind.heirs(new) if before and after else set())
    found = {f"{name}.*" for name in everywhere}
    if old is not None:
        # Of a row that was not there nobody has read a field, or followed a key to it.
        found |= {f"{name}.{field}" for name in everywhere for field in seen}
    if kind.indexed:
        found.add(SEARCH)
    if not (before and after):
        seen = {"*", *(field.name for field in rows[0]._meta.concrete_fields)}
    for row in rows:
        found |= kind.changed(row, seen)
    if before and after:
        return found | (scopes[0] ^ scopes[-1])
    return found.union(everywhere, *(kind.moved(row) for row in rows))


def purge_row(row: Any, using: str = DEFAULT_DB_ALIAS) -> None:  # noqa: ANN401 - a row
    """Purge what shows a row, or would: for what visitors come to see, or see no more, without a save of it, such as a version."""
    if (kind := kind_of(type(row))) is None:
        return
    with apart():
        scopes, fields = kind.scopes(row), {"*", *(field.name for field in row._meta.concrete_fields)}
        found = kind.changed(row, fields) | kind.moved(row) | ({SEARCH} if kind.indexed else set())
    purge(*found, *scopes, *(f"{name}.{field}" for name in scopes for field in fields), using=using)


def differing(old: Any, new: Any, names: Iterable[str] | None = None) -> set[str]:  # noqa: ANN401 - rows of any model
    """The fields in which two states of a row differ, of those that were written."""
    found = set()
    revised = (kind := kind_of(type(new))) is not None and kind.revised
    for field in new._meta.concrete_fields:
        if names is not None and field.name not in names and field.attname not in names:
            continue
        if field.attname in new.__dict__ and _value(field, old, revised=revised) != _value(field, new, revised=revised):
            found.add(field.name)
    return found


def _value(field: Any, row: Any, *, revised: bool) -> object:  # noqa: ANN401 - a field, a row
    """A field's value as the database has it, or something equal to nothing where that cannot be told."""
    value = getattr(row, field.attname)
    if hasattr(value, "resolve_expression"):
        return object()
    if revised and isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000)
    try:
        return field.get_prep_value(value)
    except Exception:  # noqa: BLE001 - a value of any type, by a field of anybody
        return object()


def _stored(model: type[Any], pk: object, using: str) -> Any:  # noqa: ANN401 - a row
    with apart():
        return model._base_manager.using(using).filter(pk=pk).first()


def _safely(receiver: Callable[..., None]) -> Callable[..., None]:
    """A receiver that never fails a save: where it cannot tell what changed, everything goes."""

    @wraps(receiver)
    def received(using: str, **kwargs: Any) -> None:  # noqa: ANN401 - what signals give
        try:
            receiver(using=using, **kwargs)
        except Exception:
            log.exception("what a change of %s purges cannot be told: everything is purged", kwargs.get("sender"))
            purge(everything=True, using=using)

    return received


@_safely
def _saving(sender: type[Any], instance: Any, *, raw: bool, using: str, **_: object) -> None:  # noqa: ANN401 - any row
    instance.__dict__.pop(_BEFORE, None)
    if not raw and kind_of(sender) and instance.pk is not None:
        instance.__dict__[_BEFORE] = _stored(sender, instance.pk, using)


@_safely
def _saved(
    sender: type[Any],
    instance: Any,  # noqa: ANN401 - any row
    *,
    created: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **_: object,
) -> None:
    old = instance.__dict__.pop(_BEFORE, None)
    _all_changed(sender, using)
    if (kind := kind_of(sender)) is None or (created and kind.implied and current() is not None):
        return
    names = {field.name for field in sender._meta.concrete_fields}
    if created and (values := _values(kind, instance)) and came_back(values, using):
        return
    with apart():
        fields = names if created or old is None else differing(old, instance, update_fields)
        tags = tags_of_change(kind, None if created else old, instance, fields)
    if tags:
        purge(*tags, using=using)


@_safely
def _deleting(sender: type[Any], instance: Any, *, using: str, **_: object) -> None:  # noqa: ANN401 - any row
    _all_changed(sender, using)
    if (kind := kind_of(sender)) is None:
        return
    with apart():
        tags = tags_of_change(kind, instance, None, {field.name for field in sender._meta.concrete_fields})
    if tags and (values := _values(kind, instance)):
        purge_gone(values, tags, kind.changed(instance, ()), using)
    elif tags:
        purge(*tags, using=using)


def _values(kind: Kind, row: Any) -> Row | None:  # noqa: ANN401 - any row
    """What tells a row from others beside its key, of models that join two others, such as labels and what has them."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    joins = sum(bool(field.many_to_one) for field in fields) > 1
    if type(kind) is not Kind or kind.indexed or not joins:
        return None
    return (kind.label, *(_value(field, row, revised=False) for field in fields))


@_safely
def _related(
    sender: type[Any],
    instance: Any,  # noqa: ANN401 - any row
    *,
    action: str,
    model: type[Any],
    pk_set: set[Any] | None,
    using: str,
    **_: object,
) -> None:
    kind = kind_of(sender)
    if kind is None or action not in {"post_add", "post_remove", "pre_clear"}:
        return
    found = {kind.label}
    for field in sender._meta.local_concrete_fields:
        if not field.many_to_one:
            continue
        # A relation of a model to itself has both ends in one table.
        if isinstance(instance, field.related_model):
            found.add(scope(sender, field.name, instance.pk))
        if issubclass(model, field.related_model) or issubclass(field.related_model, model):
            found.update(scope(sender, field.name, pk) for pk in pk_set or ())
    if action == "pre_clear" or pk_set:
        purge(*found, *(f"{name}.*" for name in found), using=using)


def _updating(plain: Any) -> Any:  # noqa: ANN401 - Django's method
    @wraps(plain)
    def update(self: Any, **values: Any) -> int:  # noqa: ANN401 - Django's own
        kind = kind_of(self.model)
        if kind is None or not set(values) - kind.unseen:
            count = int(plain(self, **values))
            if count:
                _all_changed(self.model, self.db)
            return count
        with apart():
            pks = list(self.order_by().values_list("pk", flat=True)[: MOST_ROWS + 1])
            rows = self.model._base_manager.using(self.db)
            before = {} if len(pks) > MOST_ROWS else rows.in_bulk(pks)
        count = int(plain(self, **values))
        if len(pks) > MOST_ROWS:
            purge(everything=True, using=self.db)
            return count
        with apart():
            after = rows.in_bulk(pks)
            tags: set[str] = set()
            for pk, new in after.items():
                if (old := before.get(pk)) is not None:
                    tags |= tags_of_change(kind, old, new, differing(old, new))
        if tags:
            purge(*tags, using=self.db)
        return count

    update.heard = True  # type: ignore[attr-defined]
    return update


def _all_changed(model: type[Any], using: str) -> None:
    """Purge everything where a change of any row of a model does that."""
    if model in WHOLE:
        purge(everything=True, using=using)


def _creating(plain: Any) -> Any:  # noqa: ANN401 - Django's method
    @wraps(plain)
    def bulk_create(self: Any, objs: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Django's own
        kind = kind_of(self.model)
        made = plain(self, objs, *args, **kwargs)
        if kind is None or not made:
            if made:
                _all_changed(self.model, self.db)
            return made
        if len(made) > MOST_ROWS:
            purge(everything=True, using=self.db)
            return made
        with apart():
            names = {field.name for field in self.model._meta.concrete_fields}
            tags = set().union(*(tags_of_change(kind, None, row, names) for row in made))
        if tags:
            purge(*tags, using=self.db)
        return made

    return bulk_create
