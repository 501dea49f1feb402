"""The OpenAPI 3.1 document of the admin endpoints, made of their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from cms_cache_mw.admin.endpoint import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cms_cache_mw.admin.endpoint import Endpoint

WRONG: Final = {
    400: "something in the request cannot be meant",
    401: "a known token is needed",
    403: "the token does not allow this",
    413: "the body is too long",
    429: "too many wrong tokens in this minute",
}
"""What any endpoint may answer beside its own answers."""
_MEANING: Final = {
    200: "done",
    202: "recorded, and not yet certain everywhere",
    404: "there is no such thing",
    409: "larger than the guard allows without confirmation; the answer is the preview",
    503: "not done: Redis does not answer",
}


def document(endpoints: Iterable[Endpoint], prefix: str) -> dict[str, Any]:
    """The document, for endpoints below `prefix`."""
    # It brings the parser of e-mail along, and this document is seldom asked for.
    from importlib.metadata import version  # noqa: PLC0415

    rows = list(endpoints)
    types = {id(kind): kind for row in rows for kind in (row.asks, *_structures(row))} | {id(Problem): Problem}
    schemas, components = msgspec.json.schema_components(types.values(), ref_template="#/components/schemas/{name}")
    named = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path.replace(":path}", "}"), {})[row.method.lower()] = _operation(row, named, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cms_cache_mw",
            "version": version("cms_cache_mw"),
            "description": "Besides these, the method PURGE on any path of the site purges that URL; it needs the scope purge.",
        },
        "servers": [{"url": prefix}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _structures(row: Endpoint) -> Iterable[Any]:
    """The types of all that an endpoint may answer as JSON."""
    return [kind for kinds in row.answers.values() for kind in _several(kinds) if not isinstance(kind, str)]


def _several(kinds: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type, or several
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _operation(row: Endpoint, named: Mapping[int, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    told = {str(status): _response(status, _several(kinds), named) for status, kinds in row.answers.items()}
    for status, meaning in WRONG.items():
        if status not in row.answers and _possible(status, row):
            told[str(status)] = {"description": meaning, "content": _json(named[id(Problem)])}
    operation: dict[str, Any] = {
        "operationId": row.run.__name__,
        "summary": (row.run.__doc__ or "").partition("\n")[0],
        "security": [] if row.scope == "nobody" else [{"token": [row.scope]}],
        "responses": dict(sorted(told.items())),
    }
    if row.takes_body:
        operation["requestBody"] = {"required": True, "content": _json(named[id(row.asks)])}
    else:
        operation["parameters"] = _parameters(row, components[row.asks.__name__])
    return operation


def _possible(status: int, row: Endpoint) -> bool:
    """Whether an endpoint can answer with an error that all have in common."""
    return row.scope != "nobody" if status in {401, 403, 429} else row.takes_body if status == 413 else True  # noqa: PLR2004


def _response(status: int, kinds: tuple[Any, ...], named: Mapping[int, Any]) -> dict[str, Any]:
    schemas = [named[id(kind)] for kind in kinds if not isinstance(kind, str)]
    content = {kind: {"schema": {"type": "string"}} for kind in kinds if isinstance(kind, str)}
    if schemas:
        content |= _json(schemas[0] if len(schemas) == 1 else {"anyOf": schemas})
    return {"description": _MEANING.get(status) or WRONG.get(status, "an error"), "content": content}


def _json(schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"application/json": {"schema": schema}}


def _parameters(row: Endpoint, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "path" if name in row.parameters else "query",
            "required": name in required or name in row.parameters,
            "schema": kind,
        }
        for name, kind in schema["properties"].items()
    ]
