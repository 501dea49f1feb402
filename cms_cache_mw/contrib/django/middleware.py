"""The outermost of Django's middleware: says of each answer what only Django knows of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async

from cms_cache_mw.collecting import current
from cms_cache_mw.core.cacheability import Cacheability
from cms_cache_mw.core.tags import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log: Final = logging.getLogger("cms_cache_mw")
GONE: Final = frozenset({404, 410})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

sayers: list[Callable[[Any, Any], Iterable[str]]] = []
"""Functions of request and answer that give more tags; `contrib.wagtail` adds one."""


class Dependencies:
    """Gathers what an answer depends on; to stand first in `MIDDLEWARE`, for sites under WSGI and ASGI."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response
        self._asynchronous = iscoroutinefunction(get_response)
        if self._asynchronous:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - Django's own
        """The answer, or what gives it when it is awaited."""
        if self._asynchronous:
            return self._later(request)
        response = self.get_response(request)
        said(request, response)
        return response

    async def _later(self, request: Any) -> Any:  # noqa: ANN401 - Django's own
        response = await self.get_response(request)
        if current() is not None:
            await sync_to_async(said)(request, response)
        return response


def said(request: Any, response: Any) -> None:  # noqa: ANN401 - Django's own
    """Note the dependencies of an answer: its kind, and whether it is one visitor's own."""
    collector = current()
    if collector is None or getattr(request, "is_dummy", False):
        return
    try:
        for sayer in sayers:
            collector.tags.update(sayer(request, response))
    except Exception:
        # An answer without its tags could never be purged; it is one all the same.
        log.exception("the dependencies of %s cannot be told; it is not stored", request.path)
        collector.doubtful("a dependency cannot be told")
    collector.tags.update(_kind(request, response))
    if _personal(request, response):
        collector.add(Cacheability(private=True))


def _kind(request: Any, response: Any) -> set[str]:  # noqa: ANN401 - Django's own
    """What an answer that is no page depends on, beside what it shows."""
    if response.status_code in GONE:
        return {"404", spelled(f"404:{request.path}")}
    if response.status_code in REDIRECTS:
        return {"redirects"}
    return set()


def _personal(request: Any, response: Any) -> bool:  # noqa: ANN401 - Django's own
    """Whether the answer is meant for its visitor alone, whatever its headers say."""
    if request.META.get("CSRF_COOKIE_NEEDS_UPDATE") or response.cookies:
        return True
    user = request.__dict__.get("_cached_user")
    return bool(user is not None and user.is_authenticated)
