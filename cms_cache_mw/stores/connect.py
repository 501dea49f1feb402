"""Connections to Redis or Valkey by URL, with the timeouts a cache needs: fail in milliseconds, never retry by itself.

redis-py is imported when the first connection is made: it takes longer to import than all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis


def understood(url: str) -> bool:
    """Whether connections can be made by a URL: its scheme, port, database and options are all known."""
    from redis import ConnectionPool, RedisError  # noqa: PLC0415

    try:
        parts = urlsplit(url)
        ConnectionPool.from_url(url, driver_info=None).make_connection()
    except (ValueError, TypeError, AttributeError, RedisError):
        return False
    if parts.scheme == "unix":
        return len(parts.path) > 1
    return parts.path.removeprefix("/").isdigit() or parts.path in {"", "/"}


def blocking(url: str, *, timeout: float, connect_timeout: float) -> Redis:
    """A client for one thread, with one connection; `timeout` bounds each reply, both are in seconds."""
    import redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    return redis.Redis.from_url(
        url,
        protocol=2,
        max_connections=1,
        socket_timeout=timeout,
        socket_connect_timeout=connect_timeout,
        retry=Retry(NoBackoff(), 0),
    )


def pooled(url: str, *, timeout: float, connect_timeout: float, connections: int) -> AsyncRedis:
    """A client for an event loop, whose commands wait for a free connection no longer than `timeout` seconds."""
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    options = _options(timeout, connect_timeout, connections) | {"retry": Retry(NoBackoff(), 0)}
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **options))


def threaded(url: str, *, timeout: float, connect_timeout: float, connections: int) -> Redis:
    """A client for many threads, whose commands wait for a free connection no longer than `timeout` seconds."""
    from redis import BlockingConnectionPool, Redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    options = _options(timeout, connect_timeout, connections) | {"retry": Retry(NoBackoff(), 0)}
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **options))


def _options(timeout: float, connect_timeout: float, connections: int) -> dict[str, Any]:
    return {
        "protocol": 2,
        "max_connections": connections,
        "timeout": timeout,
        "socket_timeout": timeout,
        "socket_connect_timeout": connect_timeout,
        # Telling the server who we are would double what a new connection takes.
        "driver_info": None,
    }
