"""The process that a WSGI server runs us in: whether threads of ours can run there, and how they hear of its end."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def unfit() -> str:
    """Why no thread of ours could hold a lease in this process, and what to do; empty where one can."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey and monkey.is_module_patched("threading"):
        return (
            "gevent has patched threading: the thread that holds this worker's lease would stop whenever a request is busy, and "
            "purges would wait for it. Use gunicorn's gthread workers, granian, or ASGI."
        )
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi and not {"enable-threads", "threads", b"enable-threads", b"threads"} & set(uwsgi.opt):
        return "uWSGI runs without threads, so nothing can hold this worker's lease: start it with --enable-threads."
    return ""


def at_end(method: Callable[[], None]) -> None:
    """Call an object's method, if the object still lives, at the end of a process that ends without `atexit`.

    That is what children of multiprocessing do, and granian's workers are such.
    """
    child = sys.modules.get("multiprocessing.process")  # in its children it is imported
    if child and child.parent_process():
        from multiprocessing.util import Finalize  # noqa: PLC0415

        Finalize(None, _call, (weakref.WeakMethod(method),), exitpriority=1)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    if alive := method():
        alive()
