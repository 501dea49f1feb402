"""What a checkup of Redis means for a cache: each setting that weakens it, with the line to change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cms_cache_mw.cli.finding import Finding, bad, good, note
from cms_cache_mw.cli.text import counted, duration, share, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cms_cache_mw.config import Config
    from cms_cache_mw.purge.checkup import Checkup

OLDEST: Final = (7, 0)
"""The first Redis whose scripts have flags."""
SLOW: Final = 0.005
TOO_SLOW: Final = 0.05
"""Half of what a visitor's request waits for Redis."""
DRIFT: Final = 2.0
"""Seconds by which times of day may differ; ages of pages are off by as much."""


def of_redis(found: Checkup, config: Config) -> Iterator[Finding]:
    """What is to be said about a server."""
    yield _version(found)
    yield from _identity(found, config)
    yield from _memory(found)
    yield from _replication(found, config)
    yield _clock(found)
    yield _latency(found)
    yield _purges(found, config)


def _version(found: Checkup) -> Finding:
    said = f"{found.server} {found.version or 'of unknown version'}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", found.version)[:2])
    if numbers and numbers < OLDEST:
        return bad("Redis", f"{said}: the scripts of the purge clock need 7.0", "install Redis 7.0 or newer, or Valkey")
    return good("Redis", said)


def _identity(found: Checkup, config: Config) -> Iterator[Finding]:
    if config.redis_identity == "info" and not found.identified:
        yield bad(
            "Redis",
            "INFO does not say who it is: no worker gets a lease, and nothing is served from the cache",
            'allow the command ("ACL SETUSER … +info"), or CMS_CACHE_REDIS_IDENTITY=none, which notices less',
        )


def _memory(found: Checkup) -> Iterator[Finding]:
    policy, change = found.survey.policy, "maxmemory-policy volatile-lru"
    if policy.startswith("allkeys"):
        yield bad(
            "eviction", f"maxmemory-policy {policy} evicts the purge clock, and each time all caches start cold", change
        )
    elif not policy:
        yield note("eviction", "it does not tell its maxmemory-policy; make sure that it is no allkeys-…", change)
    elif found.max_bytes == 0:
        used = f"{size(found.used_bytes)} in use"
        yield note("eviction", f"no limit ({used}): it grows until the machine has no memory left", "maxmemory 1gb")
    elif policy == "noeviction":
        yield note("eviction", "maxmemory-policy noeviction: once it is full, pages are no longer shared", change)
    else:
        limit = f"{share(found.used_bytes, found.max_bytes)} of {size(found.max_bytes)}"
        yield good("eviction", f"maxmemory-policy {policy}, {limit} in use")
    if found.evicted:
        what = counted(found.evicted, "key")
        yield note("eviction", f"{what} evicted since it was started", f"maxmemory {size(2 * found.max_bytes)}")


def _replication(found: Checkup, config: Config) -> Iterator[Finding]:
    survey = found.survey
    if not survey.replicated:
        yield good("replication", "no replicas, and hence no second primary")
        return
    replicas = counted(survey.replicas, "replica")
    if not survey.min_replicas:
        yield bad(
            "replication",
            f"{replicas} and min-replicas-to-write 0: nothing bounds how long workers on a primary that was cut off serve"
            " purged pages",
            "min-replicas-to-write 1",
        )
    else:
        yield good("replication", f"{replicas}; a primary that is cut off stops within {duration(survey.lag)}")
    if not config.wait_replicas:
        said = "a purge counts as recorded before a replica has it; a failover then starts all caches cold"
        yield note("replication", said, "CMS_CACHE_WAIT_REPLICAS=1")


def _clock(found: Checkup) -> Finding:
    if abs(found.drift) > DRIFT:
        said = f"its time of day differs from this machine's by {duration(abs(found.drift))}: ages are off by as much"
        return note("clock", f"{said} (purges do not depend on it)", "run an NTP client on both machines")
    return good("clock", f"its time of day is this machine's (within {duration(max(abs(found.drift), 0.001))})")


def _latency(found: Checkup) -> Finding:
    middle, worst = found.latencies[len(found.latencies) // 2], found.latencies[-1]
    said = f"{duration(middle)} for an answer, {duration(worst)} at worst of {len(found.latencies)}"
    if middle > TOO_SLOW:
        return bad("latency", f"{said}: requests give up on it after 100 ms", "put Redis into the workers' network")
    if middle > SLOW:
        return note(
            "latency", f"{said}: a render has to take longer for sharing to pay", "put Redis nearer to the workers"
        )
    return good("latency", said)


def _purges(found: Checkup, config: Config) -> Finding:
    name = f"namespace {config.namespace!r}"
    if not found.epoch:
        return note(
            "purges", f"no worker has joined the purge clock of {name}", "CMS_CACHE_NAMESPACE=… as the site has it"
        )
    if not found.workers:
        return note(
            "purges", f"no worker is registered in {name}: the site is down, or uses another Redis or namespace"
        )
    age = "" if found.settled else "; its history is new, so purges wait a whole lease for now"
    return good("purges", f"{counted(found.workers, 'worker')} follow purge {found.position} in {name}{age}")
