"""What an endpoint is: a plain function from a typed question to a typed answer, with who may call it.

All of them stand in one table (`table.ENDPOINTS`); routing, the checks of what is asked and the OpenAPI document are made of
it. A new one is a function `async def name(call: Call, asked: Asked) -> Answered` in a module of its own and a row there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cms_cache_mw.cache import Cache
    from cms_cache_mw.core.message import Fields, Request

Scope: TypeAlias = Literal["nobody", "read", "purge", "switch"]
"""What a token has to allow; `nobody` needs none."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The question of an endpoint that is asked nothing but its name."""


class Problem(msgspec.Struct, frozen=True):
    """Every error: what is at fault, and why."""

    field: str
    """The part of the request that is at fault; empty where it is nothing in particular."""
    error: str
    """What was wrong and what would be right."""


class RefusalError(Exception):
    """A request that is answered with an error: status, what is at fault (empty: nothing in particular) and the reason."""

    def __init__(self, status: int, field: str, reason: str, *fields: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        self.status, self.field, self.reason, self.fields = status, field, reason, fields


class Call(Value, frozen=True):
    """One call of an endpoint by somebody who may."""

    cache: Cache
    request: Request
    who: str = ""
    """The name of the caller's token; empty where none is needed and none was given."""


class Reply(Value, frozen=True):
    """An answer that is not a plain 200: its status, its content, and fields beside the usual ones."""

    status: int
    content: object
    fields: Fields = ()


@dataclass(frozen=True)
class Endpoint:
    """A row of the table. `run` gives the content of a 200, a `Reply`, or, for what is no JSON, an `Answer` of the core."""

    method: str
    path: str
    """Below `admin_path`; `{name}` stands for a part of it, `{name:path}` for all the rest."""
    scope: Scope
    run: Callable[[Call, Any], Awaitable[object]]
    asks: type[msgspec.Struct] = Nothing
    """The parts of the path and the query, or, with POST, the body."""
    answers: Mapping[int, Any] = field(default_factory=dict)
    """The type of the content by status, or several; a text is a media type of something else than JSON."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What its path looks like."""
        parts = re.split(r"\{(\w+)(:path)?\}", self.path)
        pattern = re.escape(parts[0])
        for name, rest, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            pattern += f"(?P<{name}>{'.+' if rest else '[^/]+'}){re.escape(text)}"
        return re.compile(pattern)

    @property
    def parameters(self) -> list[str]:
        """The names in its path."""
        return list(self.pattern.groupindex)

    @property
    def takes_body(self) -> bool:
        """Whether it is asked by a body."""
        return self.method == "POST"
