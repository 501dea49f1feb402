"""Connections to Redis or Valkey by URL, with the timeouts a cache needs: fail in milliseconds, never retry by itself.

redis-py is imported when the first connection is made: it takes longer to import than all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cms_cache_mw.stores.topology import Topology, parse_topology

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
    from redis.cluster import RedisCluster


def understood(url: str) -> bool:
    """Whether connections can be made by a URL: its scheme, port, database and options are all known."""
    from redis import ConnectionPool, RedisError  # noqa: PLC0415

    try:
        if parse_topology(url):
            return True
        parts = urlsplit(url)
        ConnectionPool.from_url(url, driver_info=None).make_connection()
    except (ValueError, TypeError, AttributeError, RedisError):
        return False
    if parts.scheme == "unix":
        return len(parts.path) > 1
    return parts.path.removeprefix("/").isdigit() or parts.path in {"", "/"}


def blocking(url: str, key: str, *, timeout: float, connect_timeout: float) -> Redis:
    """A client for one thread, with one connection, to the primary that holds `key`; `timeout` bounds each reply.

    Both times are in seconds. Where the primary changes, its errors say so, and whoever holds the client makes a new one.
    """
    import redis  # noqa: PLC0415

    options = _options(timeout, connect_timeout) | {"max_connections": 1}
    topology = parse_topology(url)
    if topology is None:
        return redis.Redis.from_url(url, **options, **_no_retry())
    if topology.kind == "sentinel":
        return _sentinel(topology, options)
    cluster: Any = _cluster(topology, _options(connect_timeout, connect_timeout))
    try:
        node = cluster.get_node_from_key(key)
        if node is None:
            raise redis.ConnectionError(f"no node of the cluster has {key}")
        host, port = node.host, node.port
    finally:
        cluster.close()
    known: dict[str, Any] = {"username": topology.username, "password": topology.password}
    return redis.Redis(host=host, port=port, **known, **options, **_no_retry())


def pooled(url: str, *, timeout: float, connect_timeout: float, connections: int) -> AsyncRedis | AsyncRedisCluster:
    """A client for an event loop, whose commands wait for a free connection no longer than `timeout` seconds."""
    from redis import asyncio as redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    options = _options(timeout, connect_timeout)
    topology = parse_topology(url)
    if topology is None:
        waiting: dict[str, Any] = {"max_connections": connections, "timeout": timeout}
        retry = Retry(NoBackoff(), 0)
        return redis.Redis.from_pool(redis.BlockingConnectionPool.from_url(url, **options, **waiting, retry=retry))
    known: dict[str, Any] = {"username": topology.username, "password": topology.password}
    if topology.kind == "cluster":
        nodes = [redis.cluster.ClusterNode(host, port) for host, port in topology.nodes]
        # A cluster counts looking up a moved slot among its retries.
        again = Retry(NoBackoff(), 1)
        return redis.RedisCluster(startup_nodes=nodes, require_full_coverage=False, retry=again, **known, **options)
    make: Any = redis.Sentinel
    once = {"retry": Retry(NoBackoff(), 0)}
    asked = _of_sentinel(topology, options) | once
    sentinel = make(list(topology.nodes), sentinel_kwargs=asked, **known, **options)
    primary: Any = sentinel.master_for(topology.service, db=topology.database, **once)
    found: AsyncRedis = primary
    return found


def threaded(url: str, *, timeout: float, connect_timeout: float, connections: int) -> Redis | RedisCluster:
    """A client for many threads, whose commands wait for a free connection no longer than `timeout` seconds."""
    import redis  # noqa: PLC0415

    options = _options(timeout, connect_timeout)
    topology = parse_topology(url)
    if topology is None:
        waiting: dict[str, Any] = {"max_connections": connections, "timeout": timeout}
        return redis.Redis.from_pool(redis.BlockingConnectionPool.from_url(url, **options, **waiting, **_no_retry()))
    return _cluster(topology, options) if topology.kind == "cluster" else _sentinel(topology, options)


def _options(timeout: float, connect_timeout: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": connect_timeout,
        # Telling the server who we are would double what a new connection takes.
        "driver_info": None,
    }


def _no_retry() -> dict[str, Any]:
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    return {"retry": Retry(NoBackoff(), 0)}


def _of_sentinel(topology: Topology, options: dict[str, Any]) -> dict[str, Any]:
    """How the Sentinels themselves are asked: as briefly as the servers, under their own password, and each once: there are others."""
    connect = options["socket_connect_timeout"]
    return options | {"socket_timeout": connect, "password": topology.sentinel_password}


def _sentinel(topology: Topology, options: dict[str, Any]) -> Redis:
    from redis.sentinel import Sentinel  # noqa: PLC0415

    known: dict[str, Any] = {"username": topology.username, "password": topology.password}
    asked = {name: value for name, value in options.items() if name != "max_connections"}
    make: Any = Sentinel
    asked = _of_sentinel(topology, asked) | _no_retry()
    sentinel = make(list(topology.nodes), sentinel_kwargs=asked, **known, **options)
    primary: Redis = sentinel.master_for(topology.service, db=topology.database, **_no_retry())
    return primary


def _cluster(topology: Topology, options: dict[str, Any]) -> RedisCluster:
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.cluster import ClusterNode, RedisCluster  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    known: dict[str, Any] = {"username": topology.username, "password": topology.password}
    make: Any = ClusterNode
    nodes = [make(host, port) for host, port in topology.nodes]
    again = Retry(NoBackoff(), 1)
    return RedisCluster(startup_nodes=nodes, require_full_coverage=False, retry=again, **known, **options)
