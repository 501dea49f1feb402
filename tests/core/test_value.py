"""Values do not change, and take no more memory than what they hold."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from typing import TYPE_CHECKING

import msgspec
import pytest

import cms_cache_mw.core
import cms_cache_mw.purge

if TYPE_CHECKING:
    from collections.abc import Iterator


def classes() -> Iterator[type]:
    """All classes of the two packages that know what a page and a purge are."""
    for package in (cms_cache_mw.core, cms_cache_mw.purge):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for each in vars(importlib.import_module(module.name)).values():
                if isinstance(each, type) and each.__module__ == module.name:
                    yield each


@pytest.mark.parametrize(
    "value", [each for each in classes() if issubclass(each, msgspec.Struct)], ids=lambda each: each.__name__
)
def test_values_are_frozen(value: type[msgspec.Struct]) -> None:
    """What threads and entries share is a value, and nobody can change it for the others."""
    assert value.__struct_config__.frozen


@pytest.mark.parametrize(
    "record", [each for each in classes() if dataclasses.is_dataclass(each)], ids=lambda each: each.__name__
)
def test_records_have_slots(record: type) -> None:
    """Of what is there for each entry or purge none has a dictionary of its own."""
    assert "__slots__" in vars(record)
