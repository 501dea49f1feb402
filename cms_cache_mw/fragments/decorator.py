"""`@fragment`: a function whose result is cached under a key made of its arguments.

The key is read when the function is decorated. An argument that it does not name could change the result unseen, and one
visitor would get another's: that is a `TypeError` at once, unless the argument is listed in `ignore`.
"""

from __future__ import annotations

import functools
import inspect
import string
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

from cms_cache_mw.collecting import depends_on
from cms_cache_mw.core.tags import spelled
from cms_cache_mw.fragments.decorated import enrol
from cms_cache_mw.fragments.namespaces import Namespaces, simple_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.fragments.order import Order

P = ParamSpec("P")
R = TypeVar("R")

serving: Final[ContextVar[Namespaces | None]] = ContextVar("cms_cache_serving", default=None)
"""The cache that serves the request at hand."""
MOST_KNOWN: Final = 1_000
"""Calls of one function whose keys are remembered."""
_PLAIN: Final = frozenset({str, int})
_alive: Final[weakref.WeakSet[Namespaces]] = weakref.WeakSet()


def register(namespaces: Namespaces) -> None:
    """Make a cache's fragments known outside of requests, where it is the only one of the process."""
    _alive.add(namespaces)


def forget(namespaces: Namespaces) -> None:
    """Undo it for a cache that is closed."""
    _alive.discard(namespaces)


def at_hand() -> Namespaces | None:
    """The cache for fragments here: that of the request, else the only one there is."""
    found = serving.get()
    if found is None and len(_alive) == 1:
        return next(iter(_alive), None)
    return found


def fragment(
    key: str,
    *,
    ttl: float | None = None,
    tags: Iterable[str] = (),
    ignore: Iterable[str] = (),
    private: bool = False,
    type: Any = None,  # noqa: A002 - the type of the value
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator for functions, methods and coroutine functions that render part of a page.

    `key` is a format string over the arguments, such as `"block:menu:{site.id}"`; the finished key is also the fragment's tag.
    `tags` are format strings too. `ttl` is in seconds. A `private` fragment is not kept and makes its page private. Without a
    cache at hand the function is simply called.

    Raises `TypeError` at decoration for an argument that the key does not name and `ignore` does not list.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        template = Template(key, tuple(tags), function, frozenset(ignore))
        part = _Part(template, ttl, private, type)
        if not private:
            enrol(key, function, lambda namespaces, named: template.order(namespaces, (), named, ttl, type))
        return _awaited(function, part) if inspect.iscoroutinefunction(function) else _called(function, part)

    return decorate


class _Part(NamedTuple):
    template: Template
    ttl: float | None
    private: bool
    type: Any

    def order(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Namespaces, Order] | None:
        """Where and as what the result of a call is kept; `None` where it is not."""
        if self.private:
            depends_on(private=True)
            return None
        namespaces = at_hand()
        if namespaces is None:
            return None
        return namespaces, self.template.order(namespaces, args, kwargs, self.ttl, self.type)


def _called(function: Callable[P, Any], part: _Part) -> Callable[P, Any]:
    @functools.wraps(function)
    def rendered(*args: P.args, **kwargs: P.kwargs) -> Any:
        found = part.order(args, kwargs)
        if found is None:
            return function(*args, **kwargs)
        namespaces, order = found
        return namespaces.fragments.rendered_here(order, functools.partial(function, *args, **kwargs))

    return rendered


def _awaited(function: Callable[P, Any], part: _Part) -> Callable[P, Any]:
    @functools.wraps(function)
    async def rendered(*args: P.args, **kwargs: P.kwargs) -> Any:
        found = part.order(args, kwargs)
        if found is None:
            return await function(*args, **kwargs)
        namespaces, order = found
        return await namespaces.fragments.rendered(order, functools.partial(function, *args, **kwargs))

    return rendered


class Template:
    """A key, and tags, with places for arguments."""

    def __init__(self, key: str, tags: tuple[str, ...], function: Callable[..., Any], ignore: frozenset[str]) -> None:
        self._key, self._tags = key, tags
        self._signature = inspect.signature(function)
        self._fields = tuple(dict.fromkeys(_fields(key)))
        self._check(getattr(function, "__qualname__", "fragment"), ignore)
        # Calls by position with plain text and numbers are the rule, and spelling their keys again would cost more than the
        # look-up itself.
        self._known: dict[tuple[Any, ...], Order] = {}
        self._known_to: weakref.ref[Namespaces] | None = None

    def order(
        self, namespaces: Namespaces, args: tuple[Any, ...], kwargs: dict[str, Any], ttl: float | None, kind: Any
    ) -> Order:
        """What a call with these arguments asks for."""
        if kwargs or not _PLAIN.issuperset(map(type, args)):
            return self._spelled(namespaces, args, kwargs, ttl, kind)
        if self._known_to is None or self._known_to() is not namespaces or len(self._known) > MOST_KNOWN:
            self._known, self._known_to = {}, weakref.ref(namespaces)
        order = self._known.get(args)
        if order is None:
            order = self._known[args] = self._spelled(namespaces, args, kwargs, ttl, kind)
        return order

    def _spelled(
        self, namespaces: Namespaces, args: tuple[Any, ...], kwargs: dict[str, Any], ttl: float | None, kind: Any
    ) -> Order:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = bound.arguments
        text = self._key.format(**values)
        name = spelled(text)
        tags = tuple(tag.format(**values) for tag in self._tags)
        if len(self._fields) <= 1:
            return namespaces.order(name, simple_key(text), tags, ttl, kind)
        # Two values may read the same when they are joined: "a:b" and "c", "a" and "b:c".
        parts = (f"{{{field}}}".format(**values).encode("utf-8", "surrogatepass") for field in self._fields)
        return namespaces.order(name, (*simple_key(text), *parts), tags, ttl, kind)

    def _check(self, title: str, ignore: frozenset[str]) -> None:
        named = {_root(field) for field in self._fields}
        parameters = self._signature.parameters
        for name in sorted({*named, *(_root(field) for tag in self._tags for field in _fields(tag)), *ignore}):
            if name not in parameters:
                raise TypeError(
                    f"@fragment({self._key!r}) on {title}: there is no argument {name!r}; it has {', '.join(parameters)}"
                )
        for name in parameters:
            if name not in named and name not in ignore:
                raise TypeError(
                    f"@fragment({self._key!r}) on {title}: the key does not name the argument {name!r}; add {{{name}}} to the "
                    f"key, or ignore=({name!r},) if it cannot change the result"
                )


def _fields(template: str) -> list[str]:
    return [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]


def _root(field: str) -> str:
    return field.partition(".")[0].partition("[")[0]
