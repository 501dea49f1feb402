"""An entry is stamped with the position at which it is stored, in place of the one at which its render began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cms_cache_mw.recorder import Recorder
from tests.faults.app import app

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry

__all__ = ["app"]

_sound = Recorder._made


def _made(recorder: Recorder, *arguments: Any) -> Entry:  # noqa: ANN401 - whatever the sound one takes
    recorder._token = recorder._engine.worker.clock.token
    return _sound(recorder, *arguments)


Recorder._made = _made  # type: ignore[assignment, method-assign]
