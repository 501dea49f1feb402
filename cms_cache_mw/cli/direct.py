"""Purges through Redis, for when the site is down or was never up here: the same purge clock, the same guarantee."""

from __future__ import annotations

import getpass
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cms_cache_mw.cache import Cache
from cms_cache_mw.cli.ending import CommandError, Ending
from cms_cache_mw.config import Config
from cms_cache_mw.core.target import Target, TargetError
from cms_cache_mw.core.value import asdict
from cms_cache_mw.options import ConfigError
from cms_cache_mw.purge.ledger import Motive
from cms_cache_mw.purges import KEEPS_TRYING, carried_out
from cms_cache_mw.runtime import drive
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cms_cache_mw.cli.call import Call
    from cms_cache_mw.purges import Purge


def configured(redis_url: str | None) -> Config:
    """The cache's options as the site reads them from the environment, with this Redis."""
    if not redis_url:
        raise CommandError(
            Ending.USAGE, "no Redis is named: --redis-url, or CMS_CACHE_REDIS_URL in the environment", field="redis_url"
        )
    try:
        return Config.from_env(redis_url=redis_url)
    except ConfigError as error:
        raise CommandError(Ending.USAGE, str(error), field="redis_url") from None


def purged_directly(call: Call, redis_url: str | None, order: Mapping[str, Any], wait: float) -> dict[str, Any]:
    """What became of a purge that this process records and waits for itself."""
    if order["dry_run"]:
        raise CommandError(
            Ending.USAGE, "--dry-run asks the site what depends on it: leave out --direct", field="dry_run"
        )
    cache = Cache(configured(redis_url))
    target = Target(order["tags"], order["urls"], order["prefixes"], order["site"], order["everything"])
    with _silence():
        try:
            with call.err.status("purging through Redis"):
                found = drive(_carried_out(cache, target, order, wait))
        except TargetError as error:
            raise CommandError(Ending.USAGE, str(error), field=error.field) from None
        finally:
            cache.close()
    return asdict(found) | {"detail": found.detail.removesuffix(KEEPS_TRYING)}


async def _carried_out(cache: Cache, target: Target, order: Mapping[str, Any], wait: float) -> Purge:
    return await carried_out(
        cache.worker,
        cache.runtime,
        cache.prints(target),
        # Nothing is counted: what depends on it is in the memory of others.
        motive=Motive(_who(), order["reason"]),
        kind="soft" if order["soft"] else "hard",
        grace=order["grace"],
        names=target.names,
        patience=wait,
        now=boottime,
    )


def _who() -> str:
    """Who types this, for the purge log."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may have no name for its user.
        return "cms-cache"


@contextmanager
def _silence() -> Iterator[None]:
    """Without the log, which would say once more what became of the purge."""
    log = logging.getLogger("cms_cache_mw")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
