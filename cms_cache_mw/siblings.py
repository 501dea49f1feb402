"""Notices other worker processes of the same server where there is no Redis: purges do not reach them.

An advisory lock that the first one holds. It tells nothing about workers on other hosts.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from pathlib import Path
from typing import Final

log: Final = logging.getLogger("cms_cache_mw")

_held: dict[Path, int] = {}


def notice(namespace: str) -> bool:
    """Whether a sibling process runs the same cache; says so once in the log."""
    from tempfile import gettempdir  # noqa: PLC0415 - with all that packs and copies files

    family = f"{os.getuid()}\0{os.getppid()}\0{Path.cwd()}\0{namespace}".encode()
    path = Path(gettempdir()) / f"cms-cache-{hashlib.blake2s(family, digest_size=8).hexdigest()}.lock"
    if path in _held:
        return False
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        log.warning(
            "another worker process runs this cache without Redis: a purge reaches only the process that is asked; set redis_url"
        )
        return True
    _held[path] = descriptor
    return False
