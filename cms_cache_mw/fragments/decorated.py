"""The functions that `@fragment` decorated, found again by the name of one of their fragments: `block:menu:1`.

What such a function gives has to follow from the name: its key names arguments as they are, text or whole numbers.
"""

from __future__ import annotations

import inspect
import re
import string
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.fragments.namespaces import Namespaces
    from cms_cache_mw.fragments.order import Order

_FIELD: Final = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)


class Renderer(NamedTuple):
    """A function whose fragments can be rendered by name; `function` is what was decorated."""

    pattern: re.Pattern[str]
    numbers: frozenset[str]
    """Arguments that are whole numbers."""
    function: Callable[..., Any]
    order: Callable[[Namespaces, dict[str, Any]], Order]
    """What a call with these arguments asks a cache for."""

    def arguments(self, name: str) -> dict[str, Any] | None:
        """The arguments of the call whose fragment has this name, or `None`."""
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        try:
            return {field: int(text) if field in self.numbers else text for field, text in found.groupdict().items()}
        except ValueError:
            return None


_renderers: Final[dict[str, Renderer]] = {}


def enrol(key: str, function: Callable[..., Any], order: Callable[[Namespaces, dict[str, Any]], Order]) -> None:
    """Let a function be found; one that takes more than its key tells, or tells only part of an argument, cannot be."""
    pattern, fields = "", list(string.Formatter().parse(key))
    named = [field for _, field, _, _ in fields if field is not None]
    parameters = inspect.signature(function).parameters
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
    if len(set(named)) < len(named) or not needed <= set(named):
        return
    for literal, field, form, conversion in fields:
        pattern += re.escape(literal)
        if field is not None:
            if form or conversion or not _FIELD.fullmatch(field):
                return
            pattern += f"(?P<{field}>{'.+' if len(named) == 1 else '[^:]+'})"
    numbers = frozenset(name for name in named if parameters[name].annotation in {int, "int"})
    _renderers[key] = Renderer(re.compile(pattern, re.DOTALL), numbers, function, order)


def renderer_of(name: str) -> tuple[Renderer, dict[str, Any]] | None:
    """The function of a fragment's name with its arguments; of several that whose key leaves least open."""
    for renderer in sorted(_renderers.values(), key=lambda renderer: renderer.pattern.groups):
        arguments = renderer.arguments(name)
        if arguments is not None:
            return renderer, arguments
    return None
