"""Stages with more than one server: a primary and two replicas under a Sentinel, and a cluster of six."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from tests.faults.stage import KIND, Stage
from tests.support.process import Port, Process
from tests.support.server import Server, binary
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

REPLICATED = {"min-replicas-max-lag": "1", "min-replicas-to-write": "1"}
"""Without a replica a primary takes no writes two seconds later."""
SLOTS = 16_384
PATIENCE = 30.0
"""Seconds that servers are given to find each other."""


class SentinelStage(Stage):
    """A primary, two replicas, and a Sentinel that promotes one of them when the primary is gone for 1.5 s."""

    def __init__(self) -> None:
        self._port, self._nobody = Port(), Port()
        # The first one named is not there, as happens.
        nodes = f"127.0.0.1:{self._nobody.number},127.0.0.1:{self._port.number}"
        super().__init__(server=Server(KIND, REPLICATED), url=f"redis+sentinel://{nodes}/site/0")
        following = REPLICATED | {"replicaof": f"127.0.0.1 {self.server.port}"}
        self.replicas = [Server(KIND, following) for _ in range(2)]
        self._folder = Path(tempfile.mkdtemp(prefix="sentinel-"))
        self._process: Process | None = None
        make: Any = Sentinel
        self._sentinel: Sentinel = make([("127.0.0.1", self._port.number)], socket_timeout=1.0)

    @property
    def redis(self) -> Redis:
        """A client of the primary."""
        return self._clients[self.primary()]

    def primary(self) -> int:
        """The port of the primary, as the Sentinel tells."""
        asked: Any = self._sentinel.sentinels[0]
        return int(asked.sentinel_get_master_addr_by_name("site")[1])

    def fail_over(self) -> None:
        """Have the Sentinel exchange the primary for a replica."""
        asked: Any = self._sentinel.sentinels[0]
        asked.sentinel_failover("site")

    def restore_servers(self) -> None:
        """Start the servers and the Sentinel, and wait until it knows the replicas, and they all that the primary does."""
        if self._process:
            return
        servers = [self.server, *self.replicas]
        for server in servers:
            server.start()
        self._clients = {server.port: server.client() for server in servers}
        configuration = self._folder / "sentinel.conf"
        configuration.write_text(
            f"port {self._port.number}\nbind 127.0.0.1\ndir {self._folder}\n"
            f"sentinel monitor site 127.0.0.1 {self.server.port} 1\n"
            "sentinel down-after-milliseconds site 1500\nsentinel failover-timeout site 4000\n"
        )
        self._process = Process([binary(KIND) or "", str(configuration), "--sentinel"], self._folder / "log")
        until(self._knows, "the Sentinel knows the replicas, which have caught up", PATIENCE)

    def close(self) -> None:
        """End all processes and remove what they left."""
        super().close()
        for client in self._sentinel.sentinels:
            client.close()
        if self._process:
            self._process.kill()
        for replica in self.replicas:
            replica.close()
        for port in (self._port, self._nobody):
            port.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _knows(self) -> bool:
        asked: Any = self._sentinel
        try:
            known = len(asked.discover_slaves("site")) == len(self.replicas)
            clients = [self._clients[replica.port] for replica in self.replicas]
            # A primary that is still copying itself to its replicas takes no writes yet.
            return known and all(client.info("replication")["master_link_status"] == "up" for client in clients)
        except RedisError:
            return False


class ClusterStage(Stage):
    """A cluster of three primaries with a replica each; who is gone for a second is replaced."""

    def __init__(self) -> None:
        self._buses = [Port() for _ in range(6)]
        self.nodes = [Server(KIND, _clustered(bus)) for bus in self._buses]
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:3])
        super().__init__(server=self.nodes[0], url=url)
        self._clients: dict[int, Redis] = {}
        self._cluster: RedisCluster | None = None

    @property
    def redis(self) -> Any:  # noqa: ANN401 - a cluster's client has the same commands
        """A client of the cluster."""
        if self._cluster is None:
            make: Any = ClusterNode
            self._cluster = RedisCluster(startup_nodes=[make("127.0.0.1", node.port) for node in self.nodes])
        return self._cluster

    @property
    def slot(self) -> int:
        """The slot of the purge clock."""
        return int(self._ask(0, "CLUSTER KEYSLOT", self.control("meta")))

    def holder(self) -> int:
        """The number of the node that has the purge clock; -1 while none has."""
        for number, node in enumerate(self.nodes):
            if node.alive and self._ask(number, "ROLE")[0] == b"master":
                for start, end, *_ in self._owned(number):
                    if start <= self.slot <= end:
                        return number
        return -1

    def restore_servers(self) -> None:
        """Start the nodes and make them a cluster."""
        if self._clients:
            return
        for number, node in enumerate(self.nodes):
            node.start()
            self._clients[number] = node.client()
        for number in range(3):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            self._ask(number, "CLUSTER ADDSLOTSRANGE", first, last)
            self._ask(number, "CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node, bus in zip(self.nodes[1:], self._buses[1:], strict=True):
            self._ask(0, "CLUSTER MEET", "127.0.0.1", node.port, bus.number)
        until(
            lambda: all(self._told(number, "cluster_known_nodes") == "6" for number in range(6)),
            "all have met",
            PATIENCE,
        )
        for number in range(3):
            self._ask(number + 3, "CLUSTER REPLICATE", self.name(number))
        until(lambda: all(self._follows(number + 3) for number in range(3)), "each primary has a replica", PATIENCE)
        until(
            lambda: all(self._told(number, "cluster_state") == "ok" for number in range(6)), "the cluster is", PATIENCE
        )

    def name(self, number: int) -> bytes:
        """The name of a node in the cluster."""
        name: bytes = self._ask(number, "CLUSTER MYID")
        return name

    def migrate(self, source: int, target: int, meanwhile: Callable[[], object]) -> None:
        """Move the slot of the purge clock, key by key; `meanwhile` is done when half of them have moved."""
        slot = self.slot
        self._ask(target, "CLUSTER SETSLOT", slot, "IMPORTING", self.name(source))
        self._ask(source, "CLUSTER SETSLOT", slot, "MIGRATING", self.name(target))
        keys = self._ask(source, "CLUSTER GETKEYSINSLOT", slot, 1_000)
        for place, key in enumerate(keys):
            if place == len(keys) // 2:
                meanwhile()
            self._ask(source, "MIGRATE", "127.0.0.1", self.nodes[target].port, key, 0, 5_000)
        for number in (target, source, *range(3)):
            self._ask(number, "CLUSTER SETSLOT", slot, "NODE", self.name(target))

    def close(self) -> None:
        """End all processes and remove what they left."""
        if self._cluster:
            self._cluster.close()
        super().close()
        for node in self.nodes[1:]:
            node.close()
        for bus in self._buses:
            bus.release()

    def _owned(self, number: int) -> list[tuple[int, ...]]:
        slots: Any = self._ask(number, "CLUSTER SLOTS")
        name = self.name(number)
        return [tuple(row[:2]) for row in slots if row[2][2] == name]

    def _told(self, number: int, fact: str) -> str:
        told: bytes = self._ask(number, "CLUSTER INFO")
        facts = dict(line.split(":", 1) for line in told.decode().split())
        return facts[fact]

    def _follows(self, number: int) -> bool:
        link = self._clients[number].info("replication").get("master_link_status")
        return link == "up"

    def _ask(self, number: int, *words: str | bytes | int) -> Any:  # noqa: ANN401 - whatever is answered
        connection: Any = self._clients[number].connection_pool.get_connection()
        try:
            connection.send_command(*str(words[0]).split(), *words[1:])
            return connection.read_response()
        finally:
            self._clients[number].connection_pool.release(connection)


def _clustered(bus: Port) -> dict[str, str]:
    # With one replica a node that replaces another would take no writes at all.
    return REPLICATED | {
        "min-replicas-to-write": "0",
        "cluster-enabled": "yes",
        "cluster-port": str(bus.number),
        "cluster-node-timeout": "1000",
        "cluster-replica-validity-factor": "0",
    }
