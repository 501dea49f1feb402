"""What a Redis URL means where there is more than one server: Sentinels that know the primary, or a cluster.

`redis+sentinel://user:password@h1,h2:26380/service/0` and `redis+cluster://h1,h2`. The credentials are those of the servers;
`?sentinel_password=…` those of the Sentinels. Reads always go to primaries.
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from cms_cache_mw.core.value import Value

SENTINEL: Final = "redis+sentinel"
CLUSTER: Final = "redis+cluster"
_PORTS: Final = {SENTINEL: 26379, CLUSTER: 6379}


class Topology(Value, frozen=True):
    """Several servers behind one URL."""

    kind: Literal["sentinel", "cluster"]
    nodes: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    service: str = ""
    database: int = 0
    sentinel_password: str | None = None


def parse_topology(url: str) -> Topology | None:
    """The servers of a URL, or `None` for the URL of a single one; `ValueError` where it cannot be read."""
    scheme, mark, rest = url.partition("://")
    if scheme not in _PORTS or not mark:
        return None
    parts = urlsplit(f"redis://{rest}")
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    nodes = tuple(_node(host, _PORTS[scheme]) for host in hosts.split(","))
    path = [part for part in parts.path.split("/") if part]
    options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    sentinel_password = options.pop("sentinel_password", None)
    if options or parts.fragment:
        raise ValueError(f"unknown options: {', '.join(options)}")
    known = (unquote(user) or None, unquote(password) or None)
    if scheme == CLUSTER:
        if path or sentinel_password:
            raise ValueError("a cluster has no database and no Sentinel")
        return Topology("cluster", nodes, *known)
    if not 1 <= len(path) <= 2:  # noqa: PLR2004 - service and database
        raise ValueError("the path is /service or /service/database")
    return Topology("sentinel", nodes, *known, path[0], int(path[1]) if len(path) > 1 else 0, sentinel_password)


def _node(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"redis://{text}")
    if not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError(f"{text!r} is no host")
    return parts.hostname, parts.port or port
