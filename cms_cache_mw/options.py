"""What a value of an option may be: converting it to its type, from Python or from a variable's text, and its limits."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRET: Final = frozenset({"redis_url", "redis_secret", "admin_token", "admin_tokens"})
"""Options whose value no error shows."""


class ConfigError(ValueError):
    """An option that cannot be meant; the message names the option, its value and the accepted form."""


def known(shown: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that is none of the options'; `shown` is what the operator wrote."""
    if name not in names:
        raise ConfigError(f"{shown}: there is no option {name!r}; the options are {', '.join(names)}")


def typed(name: str, value: object, hint: Any) -> object:  # noqa: ANN401 - a type expression
    """A value as the type of its option."""
    if isinstance(value, float) and not isfinite(value):
        raise ConfigError(f"{name}={value!r}: a finite number")
    if isinstance(value, (list, set, frozenset)):
        value = tuple(value)
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise _refused(name, name, value, hint, error) from None


def parsed(variable: str, name: str, text: str, hint: Any) -> object:  # noqa: ANN401 - a type expression
    """A variable's text as the type of its option."""
    kinds = {get_origin(kind) or kind for kind in (hint, *get_args(hint))}
    try:
        if not text and type(None) in kinds:
            return None
        if tuple in kinds and (float not in kinds or text.lstrip()[:1] == "/"):
            parts = [part.strip() for part in text.split(",") if part.strip()]
            return msgspec.convert(tuple(parts), hint, strict=False)
        if dict in kinds and text.lstrip().startswith("{"):
            return msgspec.json.decode(text, type=hint)
        if dict in kinds and ("=" in text or get_origin(hint) is dict):
            pairs = [part.partition("=") for part in text.split(",") if part.strip()]
            if not all(equals for _, equals, _ in pairs):
                raise msgspec.ValidationError("pairs such as name=value, separated by commas, or a JSON object")
            return msgspec.convert({key.strip(): value.strip() for key, _, value in pairs}, hint, strict=False)
        return msgspec.convert(text, hint, strict=False)
    except msgspec.MsgspecError as error:
        raise _refused(variable, name, text, hint, error) from None


def between(name: str, value: float, low: float, high: float, what: str = "") -> None:
    """Refuse a number outside its limits; `what` is the option that the upper one comes from."""
    if not low <= value <= high:
        limit = f"{high:,}".replace(",", "_") + (f", which is {what}" if what else "")
        raise ConfigError(f"{name}={value!r}: between {low} and {limit}")


def _refused(shown: str, name: str, value: object, hint: Any, error: Exception) -> ConfigError:  # noqa: ANN401 - the same
    """An error about a value of the wrong type, which says what would be right."""
    said = str(error)
    if said.startswith("Invalid enum value"):
        said = f"one of {', '.join(_words(hint))}"
    return ConfigError(f"{shown}={'…' if name in SECRET else repr(value)}: {said}")


def _words(hint: Any) -> list[str]:  # noqa: ANN401 - a type expression
    """The words that a type accepts."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [word for part in get_args(hint) for word in _words(part)]
