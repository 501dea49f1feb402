"""Numbers that the worker processes of one server tell each other, through files in a directory of their own.

Each worker writes its numbers about once a second, and holds a lock on a file beside them while it lives. Whoever is asked for
the numbers of all reads those of the others. What counts up of a worker that has ended, killed or not, is added to `ended`, so
that no sum ever falls. Redis has no part in it: numbers are wanted most while it is away, and one host is what is asked.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from cms_cache_mw.metrics.measures import Numbers, joined, lasting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

log: Final = logging.getLogger("cms_cache_mw")

EVERY: Final = 1.0
"""Seconds between two writes of a worker's numbers."""


def usual_directory(namespace: str) -> Path:
    """Where the workers of this user, started in this directory for this namespace, meet."""
    from tempfile import gettempdir  # noqa: PLC0415 - with all that packs and copies files

    family = f"{os.getuid()}\0{Path.cwd()}\0{namespace}".encode()
    return Path(gettempdir()) / f"cms-cache-metrics-{hashlib.blake2s(family, digest_size=8).hexdigest()}"


class Published:
    """One worker's numbers, and through `of_all` those of its siblings."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock: int | None = None
        self._unusable = False

    def put(self, numbers: Mapping[str, float]) -> bool:
        """Write this worker's numbers; false where that is not possible, which is said once."""
        if self._unusable:
            return False
        try:
            if self._lock is None:
                self._begin()
            self._write(self._name, numbers)
        except OSError as error:
            self._unusable = True
            log.warning("metrics are those of one process: %s (metrics_dir)", error)
        return not self._unusable

    def of_all(self, own: Mapping[str, float]) -> Numbers:
        """The numbers of all workers; of this one alone where they cannot meet."""
        if not self.put(own):
            return joined([own], {})
        with self._alone():
            others = [held for held in self._directory.glob("*.lock") if held.stem not in {self._name, "all"}]
            living = [numbers for held in others if (numbers := self._of(held)) is not None]
            return joined([own, *living], self._read("ended"))

    def close(self, numbers: Mapping[str, float]) -> None:
        """Write the last numbers, which any other worker will add to those of the ended."""
        if self._lock is not None and self.put(numbers):
            os.close(self._lock)
            self._lock = None

    def forget(self) -> None:
        """In a forked child: the lock is the parent's."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _begin(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(f"{self._directory} is not a directory that only this user writes to")
        with self._alone():
            self._lock = self._open(f"{self._name}.lock")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def _open(self, name: str) -> int:
        return os.open(self._directory / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _of(self, held: Path) -> Numbers | None:
        """The numbers of a living worker; those of an ended one are added to `ended`, and its files removed."""
        descriptor = os.open(held, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return self._read(held.stem)
        finally:
            os.close(descriptor)
        self._write("ended", joined([lasting(self._read(held.stem))], self._read("ended")))
        (self._directory / f"{held.stem}.json").unlink(missing_ok=True)
        held.unlink(missing_ok=True)
        return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time looks through the files."""
        descriptor = self._open("all.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self, name: str) -> Numbers:
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((self._directory / f"{name}.json").read_bytes(), type=Numbers)
        return {}

    def _write(self, name: str, numbers: Mapping[str, float]) -> None:
        # Replaced in one step: nobody reads half of it.
        fresh = self._directory / f"{name}.{self._name}.new"
        fresh.write_bytes(msgspec.json.encode(numbers))
        fresh.replace(self._directory / f"{name}.json")
