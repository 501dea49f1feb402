"""The purge clock's commands in Redis: the server scripts and two blocking reads, with typed replies.

A link belongs to one thread and has one connection. Anything that goes wrong on the way is a `LinkError`; a script may have
run all the same, and every one of them can be run again.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cms_cache_mw.purge.calls import clock_keys, ledger_key, script
from cms_cache_mw.purge.checkup import Checkup, checked
from cms_cache_mw.purge.ledger import LINES
from cms_cache_mw.purge.shelf import switch_call, switches_key
from cms_cache_mw.purge.survey import Survey, surveyed
from cms_cache_mw.purge.wire import (
    PRINT_BYTES,
    Gap,
    Joined,
    Leased,
    More,
    Recorded,
    Row,
    consecutive,
    nonce,
    number,
    paired,
)
from cms_cache_mw.stores.connect import blocking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from cms_cache_mw.purge.clock import Logged
    from cms_cache_mw.purge.wire import Kind

MAX_RECORDS: Final = 200_000
"""Purged tags that Redis remembers; beyond it the floor rises."""
MAX_LOG: Final = 20_000
BATCH: Final = 1_000
"""Log entries handed out at once."""
PAGE: Final = 5_000
"""Records read at once: each read keeps Redis busy for some two milliseconds."""
CONFIRMING: Final = 1.0
"""Seconds that a purge is given to reach the replicas that have to confirm it."""

Identity: TypeAlias = Literal["info", "none"]


class LinkError(Exception):
    """Redis did not answer, or not in time, or refused."""


class IdentityError(LinkError):
    """Redis does not tell who it is, so that a replaced one could not be noticed."""


class EpochError(Exception):
    """The clock's history is not the one the caller knows."""


class Link:
    """One thread's way to the purge clock of a namespace. Durations are in seconds; `timeout` bounds each reply.

    `replicas` is how many replicas have to confirm a purge.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        identity: Identity = "info",
        replicas: int = 0,
        timeout: float,
        connect_timeout: float = 0.5,
    ) -> None:
        self._errors = _errors()
        self._closed = False
        self._mode, self._replicas = identity, replicas
        self._keys, self._ledger = clock_keys(namespace), ledger_key(namespace)
        self._namespace = namespace
        with self._guarded():
            self.client: Redis = blocking(
                url, self._keys[0], timeout=timeout + (CONFIRMING if replicas else 0), connect_timeout=connect_timeout
            )
        self._meta, self._tags, self._soft, self._log, self._acks, _, _, self._low = self._keys
        self._scripts = {
            name: self.client.register_script(script(name)) for name in ("join", "renew", "purge", "evict", "leave")
        }
        self._closed = False

    def join(self, epoch: int, pos: int, tip: bytes, lease: float) -> Joined:
        """Enter the clock's epoch, or start a new one where its history is broken or lacks the claimed position.

        A claimed epoch of 0 claims nothing. `lease` is the caller's own. `IdentityError` where Redis hides who it is.
        """
        with self._guarded():
            found = self._run("join", nonce(), self._mode, f"{epoch:016x}", pos, tip, _ms(lease))
            if found[0] == b"NOIDENTITY":
                raise IdentityError("INFO is refused or gives no run_id and master_replid")
            return Joined(int(found[1], 16), found[2], found[3], found[4])

    def renew(
        self, epoch: int, pos: int, tip: bytes, worker: bytes, *, lease: float, outlived: float = 0.0
    ) -> Leased | More | Gap:
        """Acknowledge a position and ask for a lease; `EpochError` where the history is another one.

        `lease` is what purgers have to wait for this worker if it falls silent; `outlived` is the longest lease that has
        surely ended since the worker entered the epoch.
        """
        with self._guarded():
            settings = (_ms(lease), int(outlived * 1000), BATCH)
            found = self._run("renew", f"{epoch:016x}", self._mode, pos, tip, worker, *settings)
            if found[0] == b"GAP":
                return Gap(found[1], found[2])
            rows: list[Row] = [(entry_id, paired(flat)) for entry_id, flat in found[2]]
            entries = consecutive(rows, epoch, pos)
            if len(entries) < len(rows):
                raise ValueError("the purge log holds entries of another epoch")
            return Leased(entries) if found[0] == b"LEASE" else More(entries, found[1] - entries[-1].seq)

    def purge(self, prints: bytes, *, kind: Kind, grace: float = 0.0, line: bytes = b"") -> Recorded:
        """Record a purge of packed fingerprints in the epoch in force, and have it confirmed by the replicas asked for.

        `line` is what the log for people says of it.
        """
        with self._guarded():
            arguments = (self._mode, nonce(), kind, _ms(grace), MAX_RECORDS, MAX_LOG, prints, LINES, line)
            found = self._confirmed(*arguments) if self._replicas else self._run("purge", *arguments)
            return Recorded(int(found[1], 16), found[2], found[3], bool(found[4]), found[5] / 1000)

    def report(self, purge: str, line: bytes) -> None:
        """Add a line about a purge to the log for people."""
        with self._guarded():
            self.client.xadd(self._ledger, {"p": purge, "r": line}, maxlen=LINES, approximate=True)

    def evict(self, epoch: int, seq: int) -> list[bytes]:
        """Unregister the workers whose lease must have ended before purge `seq`; gives their names."""
        with self._guarded():
            gone: list[bytes] = self._run("evict", f"{epoch:016x}", self._mode, seq)[1]
            return gone

    def leave(self, epoch: int, worker: bytes) -> None:
        """Unregister a worker that has stopped serving from its cache."""
        with self._guarded():
            self._run("leave", f"{epoch:016x}", self._mode, worker)

    def follow(self, epoch: int, pos: int, block: float) -> list[Logged]:
        """What follows `pos` in the log of this epoch, waiting up to `block` seconds for the first entry."""
        with self._guarded():
            return consecutive(self._read(self._log, pos, block), epoch, pos)

    def low(self, above: int, block: float) -> tuple[int, int] | None:
        """Epoch and smallest acknowledged position once it is above `above`, or `None` after `block` seconds."""
        with self._guarded():
            found = self._read(self._low, above, block)
            return (int(found[-1][1][b"e"], 16), number(found[-1][0])) if found else None

    def purged(self, most: int) -> tuple[dict[int, int], int]:
        """The newest `most` purges by fingerprint, soft ones included, and the floor below which some are missing."""
        with self._guarded():
            records: dict[int, int] = {}
            floor = 0
            for key in (self._tags, self._soft):
                newest = self._newest(key, most)
                if len(newest) == most:
                    floor = max(floor, newest[-1][1])
                for tag, seq in newest:
                    records[tag] = max(seq, records.get(tag, 0))
            # Read last: it covers everything that was pruned while the records were read.
            return records, max(floor, int(self.client.hget(self._meta, "floor") or 0))

    def behind(self, seq: int) -> list[tuple[bytes, int]]:
        """The registered workers that have not acknowledged `seq`, each with the position it has acknowledged."""
        with self._guarded():
            found: Any = self.client.zrangebyscore(self._acks, "-inf", f"({seq}", withscores=True)
            return [(worker, int(position)) for worker, position in found]

    def switches(self) -> bytes | None:
        """The switches as they are stored: nothing where there are none, and no bytes where Redis refuses to tell."""
        found: Any = b""
        with self._guarded(), self._bearing_refusals():
            found = self.client.get(switches_key(self._namespace))
        return None if found is None else bytes(found)

    def restore_switches(self, known: bytes | None, wanted: bytes) -> None:
        """Write the switches in place of what is known to be there; a refusal is borne."""
        with self._guarded(), self._bearing_refusals():
            script, keys, arguments = switch_call(self._namespace, known or b"", wanted)
            self.client.eval(script, len(keys), *keys, *arguments)

    def survey(self) -> Survey:
        """What the server is like, as far as it matters for purges."""
        with self._guarded():
            return surveyed(self.client)

    def checkup(self, wall: Callable[[], float]) -> Checkup:
        """What the server is like to somebody who examines a deployment; `wall` gives our time of day."""
        with self._guarded():
            return checked(self.client, self._meta, self._acks, wall)

    def ping(self) -> None:
        """Ask whether Redis answers."""
        with self._guarded():
            self.client.ping()

    def close(self) -> None:
        """Break the connection, also under a blocked read in another thread; the link is of no use after that."""
        self._closed = True
        self.client.connection_pool.disconnect()

    def _newest(self, key: str, most: int) -> list[tuple[int, int]]:
        """At most `most` fingerprints with their numbers, newest first.

        Page by page: a record that is purged again meanwhile moves to the front, so one may come twice but none is skipped.
        """
        newest: list[tuple[int, int]] = []
        for start in range(0, most + 1, PAGE):
            found: Any = self.client.zrevrange(key, start, min(start + PAGE, most + 1) - 1, withscores=True)
            # The mark of the epoch is longer than a fingerprint, which may have any first byte.
            records = [(member, score) for member, score in found if len(member) == PRINT_BYTES]
            newest += [(int.from_bytes(member, "big"), int(score)) for member, score in records]
            if len(found) < PAGE:
                break
        return newest[:most]

    def _run(self, name: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - what a script answers
        found = self._scripts[name](keys=[*self._keys, self._ledger], args=arguments)
        if found[0] == b"EPOCH":
            raise EpochError
        return found

    def _confirmed(self, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - what a script answers
        """Purge, then WAIT on the same connection, which is what WAIT looks at."""
        script = self._scripts["purge"]
        pipeline = self.client.pipeline(transaction=False)
        script(keys=[*self._keys, self._ledger], args=arguments, client=pipeline)
        pipeline.wait(self._replicas, _ms(CONFIRMING))
        found, confirmed = pipeline.execute()
        if found[0] == b"EPOCH":
            raise EpochError
        if confirmed < self._replicas:
            # Recorded, but perhaps not for long. It is recorded again, as after a lost answer.
            raise LinkError(f"{confirmed} of {self._replicas} replicas confirmed it within {CONFIRMING:g} s")
        return found

    def _read(self, key: str, after: int, block: float) -> list[Row]:
        found: Any = self.client.xread({key: f"{after}-0"}, block=max(1, _ms(block)), count=BATCH)
        return found[0][1] if found else []

    @contextmanager
    def _bearing_refusals(self) -> Iterator[None]:
        """What Redis answers no to costs nobody the lease."""
        from redis.exceptions import ResponseError  # noqa: PLC0415

        with suppress(ResponseError):
            yield

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._closed:
            raise LinkError("the connection was closed")
        try:
            yield
        except self._errors as error:
            raise LinkError(f"{type(error).__name__}: {error}") from error


Connect: TypeAlias = "Callable[[float], Link]"
"""Makes a link whose replies may take the given seconds."""


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _errors() -> tuple[type[Exception], ...]:
    """What can go wrong: the client's own errors, the network's, and those of an answer that is none of ours."""
    from redis.exceptions import RedisError  # noqa: PLC0415

    # AttributeError: the client's connection was taken apart by `close` while this thread read from it.
    return (RedisError, OSError, ValueError, LookupError, TypeError, AttributeError)
