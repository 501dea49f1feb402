"""What the Redis behind the purge clock is like: replicas, and settings that weaken what a purge can promise."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from redis import Redis

log: Final = logging.getLogger("cms_cache_mw")

DEFAULT_LAG: Final = 10.0
"""Redis's own `min-replicas-max-lag`, in seconds."""


class Survey(Value, frozen=True):
    """A server's replication and eviction; what it does not tell counts as its default."""

    replicas: int = 0
    promoted: bool = False
    """Whether it has been a replica in its life: the primary before it may still be there."""
    min_replicas: int = 0
    """How many replicas have to follow for a write to be accepted."""
    max_lag: float = DEFAULT_LAG
    """Seconds after which a replica that says nothing no longer follows."""
    policy: str = ""
    """What is evicted when the memory is full; empty where the server does not tell."""

    @property
    def replicated(self) -> bool:
        """Whether there can be a second primary."""
        return self.replicas > 0 or self.promoted

    @property
    def lag(self) -> float:
        """Seconds for which a primary that was replaced may go on granting leases (purge-protocol 2.12)."""
        return self.max_lag + 1 if self.replicated else 0.0

    def warnings(self) -> list[str]:
        """What an operator should know, a sentence each."""
        found = []
        if self.replicated and not self.min_replicas:
            found.append(
                f"Redis has {self.replicas} replicas and min-replicas-to-write is 0: a primary that is cut off goes on as"
                " before, and nothing bounds how long its workers serve purged pages; set min-replicas-to-write 1"
            )
        if self.policy.startswith("allkeys"):
            found.append(
                f"Redis evicts any key (maxmemory-policy {self.policy}), those of the purge clock included: each time all"
                " caches start cold; set volatile-lru, or another policy that spares keys without expiry"
            )
        return found


def surveyed(client: Redis) -> Survey:
    """A survey in one round trip. Commands that are refused leave defaults behind and a line in the debug log."""
    pipeline = client.pipeline(transaction=False)
    pipeline.info("replication")
    pipeline.info("memory")
    pipeline.config_get("min-replicas-*")
    answers = pipeline.execute(raise_on_error=False)
    replication, memory, config = (_told(answer) for answer in answers)
    fewest = config.get("min-replicas-to-write")
    if fewest is None and "min_slaves_good_slaves" in replication:
        fewest = 1  # the line is there only where a minimum is set
    return Survey(
        replicas=int(replication.get("connected_slaves", 0)),
        promoted=bool(str(replication.get("master_replid2", "0")).strip("0")),
        min_replicas=int(fewest or 0),
        max_lag=float(config.get("min-replicas-max-lag", DEFAULT_LAG)),
        policy=str(memory.get("maxmemory_policy", "")),
    )


def _told(answer: object) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    log.debug("Redis does not tell all about itself, its defaults are assumed: %s", answer)
    return {}
