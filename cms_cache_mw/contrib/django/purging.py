"""Purges that wait for Django's transactions: what changes in one of them goes in one purge, once it is committed.

A purge before the commit would let a visitor's render read the old rows and store them for good.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections

from cms_cache_mw.contrib.django.site import cache
from cms_cache_mw.core.tags import spelled
from cms_cache_mw.core.target import MAX_TARGETS, Target
from cms_cache_mw.runtime import running_loop

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cms_cache_mw.cache import Cache

Row = tuple[object, ...]
"""A row's model and values, but for its primary key."""
Block = tuple[str, ...]
"""The savepoints that something is done under."""

log: Final = logging.getLogger("cms_cache_mw")
WAIT: Final = 1.0
"""Seconds that whoever commits waits at most until no worker serves what was rendered before."""
WHO: Final = "django"
"""Who purges, in the purge log."""
TOO_MANY: Final = 20_000
"""Tags in one purge from which on everything is purged: naming them would cost more than rendering."""
_lost: Final[list[Cache]] = []
"""The cache whose last purge found no Redis."""


def purge(
    *tags: str,
    urls: Collection[str] = (),
    prefixes: Collection[str] = (),
    everything: bool = False,
    using: str = DEFAULT_DB_ALIAS,
) -> None:
    """Purge when the transaction commits, at once where there is none; `apurge` in coroutines.

    Trouble with Redis raises nothing: the purge is kept and made later. Raises `TargetError` for what cannot be meant.
    """
    targets = split(Target.named(map(spelled, tags), urls, prefixes, "", everything=everything))
    for target in targets:
        cache().prints(target)
    _batch(connections[using]).add(connections[using], targets)


def purge_gone(row: Row, tags: Collection[str], known: Collection[str], using: str) -> None:
    """Purge the tags of a deleted row; no more than `known`, those of who loaded it, where it is written again before the commit."""
    connection = connections[using]
    gone = _Gone(row, _block(connection), split(Target(tuple(known))))
    _batch(connection).add(connection, split(Target(tuple(tags))), gone)


def came_back(row: Row, using: str) -> bool:
    """Whether a row is one that was deleted in this block of a transaction; then it is as if it had stayed."""
    connection = connections[using]
    return _batch(connection).kept(row, _block(connection))


def _batch(connection: Any) -> _Batch:  # noqa: ANN401 - Django's connection
    batch: _Batch | None = getattr(connection, "cms_cache_batch", None)
    if batch is None or not batch.alive(connection):
        batch = connection.cms_cache_batch = _Batch()
    return batch


def _block(connection: Any) -> Block:  # noqa: ANN401 - the same
    """The savepoints that are open: what is done under the same ones is rolled back together."""
    return tuple(filter(None, connection.savepoint_ids))


async def apurge(*tags: str, **options: Any) -> None:  # noqa: ANN401 - those of `purge`
    """`purge` for coroutines."""
    await sync_to_async(purge)(*tags, **options)


@contextmanager
def purged_with() -> Iterator[set[str]]:
    """Tags that are added while the block runs are purged with it: on commit, and not where it raises."""
    tags: set[str] = set()
    yield tags
    if tags:
        purge(*tags)


class _Gone(NamedTuple):
    """A row that was deleted, where, and what goes all the same if it is written again."""

    row: Row
    block: Block
    known: list[Target]


class _Batch:
    """What one transaction changes. Parts of savepoints that are rolled back are forgotten by Django, and by us."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def alive(self, connection: Any) -> bool:  # noqa: ANN401 - Django's connection
        """Whether a part still waits for a commit; those of a transaction that was rolled back do not."""
        waiting = {id(hook) for _, hook, *_ in connection.run_on_commit}
        self._parts = [part for part in self._parts if id(part) in waiting]
        return bool(self._parts)

    def add(self, connection: Any, targets: list[Target], gone: _Gone | None = None) -> None:  # noqa: ANN401 - the same
        """Purge these when the transaction commits."""
        last = self._parts[-1] if self._parts else None
        if last and not (last.gone or gone) and set(targets) <= set(last.targets):
            return
        part = _Part(self, targets, gone)
        self._parts.append(part)
        if connection.in_atomic_block or connection.get_autocommit():
            connection.on_commit(part)
        else:
            # Somebody commits by hand, and Django does not tell when.
            self.flush()

    def kept(self, row: Row, block: Block) -> bool:
        """Whether the row went in this block; it takes its part back."""
        for part in self._parts:
            if part.gone and (part.gone.row, part.gone.block) == (row, block):
                part.targets, part.gone = part.gone.known, None
                return True
        return False

    def flush(self) -> None:
        """Purge all parts at once; the hooks of the others find nothing left."""
        targets = list(dict.fromkeys(target for part in self._parts for target in part.targets))
        self._parts = []
        if targets:
            _carry_out(targets)


class _Part:
    """One change's share of a batch, as a hook on commit."""

    def __init__(self, batch: _Batch, targets: list[Target], gone: _Gone | None) -> None:
        self.targets, self.gone, self._batch = targets, gone, batch

    def __call__(self) -> None:
        self._batch.flush()


def split(target: Target) -> list[Target]:
    """The target in parts of a size that a purge may have."""
    tags = target.tags
    if target.everything or len(tags) > TOO_MANY:
        return [Target(everything=True)]
    parts = [Target(tags[at : at + MAX_TARGETS]) for at in range(0, len(tags), MAX_TARGETS)]
    if target.urls or target.prefixes or not parts:
        parts.append(Target((), target.urls, target.prefixes))
    return parts


def _carry_out(targets: list[Target]) -> None:
    """Purge, and never fail an edit that is committed already."""
    merged = _merged(targets)
    try:
        if running_loop():
            cache().runtime.spawn(cache().carry_out(*merged, wait=WAIT, who=WHO))
            return
        # Following the clock makes a fresh process, such as a command, wait for workers alone and not for whole leases.
        cache().start()
        purged = cache().carry_out_sync(*merged, wait=_patience(), who=WHO)
        _lost[:] = [cache()] if purged.state == "unrecorded" else []
        log.debug("purged %s: %s", [name for target in merged for name in target.names], purged.state)
    except Exception:
        log.exception("a purge failed: what depends on %s may be old until it expires", [t.names for t in merged])


def _patience() -> float:
    """Seconds to wait: none where the last purge found no Redis and it is still away, so that a script is not slowed by each save."""
    return 0.0 if _lost == [cache()] and not cache().sure else WAIT


def _merged(targets: list[Target]) -> list[Target]:
    """The targets with each tag once."""
    if any(target.everything for target in targets):
        return [Target(everything=True)]
    # The short names first: they say most to people, and the purge log keeps the first ones.
    tags = tuple(sorted({tag for target in targets for tag in target.tags}, key=lambda tag: (len(tag), tag)))
    others = [Target((), target.urls, target.prefixes) for target in targets if target.urls or target.prefixes]
    return (split(Target(tags)) if tags else []) + others
