"""From the path, the query or the body of a request to the typed question of an endpoint; what cannot be meant names its field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from cms_cache_mw.admin.endpoint import RefusalError

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Endpoint
    from cms_cache_mw.core.message import Request

MAX_BODY_BYTES: Final = 65_536
MAX_PARAMETERS: Final = 50

_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def asked_by_body(endpoint: Endpoint, body: bytes | None) -> msgspec.Struct:
    """The question in a body; `RefusalError` where there is none in it."""
    if body is None:
        raise RefusalError(413, "body", f"the body is longer than {MAX_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=endpoint.asks)
    except msgspec.ValidationError as error:
        raise _invalid(endpoint, str(error)) from None
    except _UNREADABLE:
        raise RefusalError(400, "body", 'not JSON such as {"tags": ["block:7"]}') from None


def asked_by_path(endpoint: Endpoint, found: re.Match[str], request: Request) -> msgspec.Struct:
    """The question in path and query; `RefusalError` where it cannot be meant."""
    given: dict[str, Any] = {
        name: unquote(text, errors="surrogateescape") if request.raw else text
        for name, text in found.groupdict().items()
    }
    try:
        pairs = parse_qsl(request.query.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise RefusalError(400, "query", f"at most {MAX_PARAMETERS} parameters, percent-encoded") from None
    several = {field.name for field in msgspec.structs.fields(endpoint.asks) if field.type == list[str]}
    for name, text in pairs:
        if name in several:
            given.setdefault(name, []).append(text)
            continue
        if name in given:
            raise RefusalError(400, name, f"{name} is given twice")
        given[name] = text
    try:
        return msgspec.convert(given, endpoint.asks, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(endpoint, str(error)) from None
    except UnicodeEncodeError:
        # Where a number is to be, in bytes that are no text.
        raise RefusalError(400, "path", "not UTF-8, percent-encoded") from None


def _invalid(endpoint: Endpoint, message: str) -> RefusalError:
    at, unknown, missing = _AT.search(message), _UNKNOWN.search(message), _MISSING.search(message)
    if unknown:
        names = ", ".join(field.name for field in msgspec.structs.fields(endpoint.asks)) or "none"
        return RefusalError(400, unknown[1], f"there is no field {unknown[1]!r}; the fields are {names}")
    if missing:
        return RefusalError(400, missing[1], f"{missing[1]} is missing")
    return RefusalError(400, at[1] if at else "body" if endpoint.takes_body else "query", _AT.sub("", message))
