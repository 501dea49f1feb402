"""What can be changed while the workers run: for which requests the cache is on, how many hits are audited, and the flags.

The configuration says how a worker begins. A change is one small document in Redis, which the thread that follows the purge
log reads before it acknowledges anything; so a change that is announced by a purge of nothing, and acknowledged, is in force
in every worker. The newest document that a worker has seen holds while Redis is away, and is written back to a Redis that
has lost it.
"""

from __future__ import annotations

import logging
import re
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from cms_cache_mw.core.value import Value, field
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.switching.flags import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cms_cache_mw.purge.link import Link
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.runtime import Runtime
    from cms_cache_mw.stores.shared import Shared

log: Final = logging.getLogger("cms_cache_mw")

EnableFor: TypeAlias = float | tuple[str, ...]
"""A share of requests from 0 to 1, or patterns of paths."""
PATTERNS: Final = 100
ATTEMPTS: Final = 5
"""How often a change is tried where others change something meanwhile."""
_PATTERN: Final = re.compile(r"/[!-~]{0,255}\Z")


class SwitchError(ValueError):
    """A switch or a position that does not exist; `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


class Switches(Value, frozen=True):
    """Positions of all switches; raises `SwitchError`."""

    enable_for: EnableFor = 1.0
    audit_rate: float = 0.0
    flags: Mapping[str, bool] = field(default_factory=dict)
    """Those that were set; all others are on."""

    def __post_init__(self) -> None:
        for flag in self.flags:
            if flag not in MEANINGS:
                raise SwitchError("flags", f"{flag!r}: there is no such flag; the flags are {', '.join(MEANINGS)}")
        _share("audit_rate", self.audit_rate)
        if not isinstance(self.enable_for, tuple):
            return _share("enable_for", self.enable_for)
        if len(self.enable_for) > PATTERNS:
            raise SwitchError("enable_for", f"{len(self.enable_for)} patterns; at most {PATTERNS}")
        for pattern in self.enable_for:
            if not _PATTERN.match(pattern):
                raise SwitchError("enable_for", f"{pattern!r}: a path such as '/news/*', where * stands for anything")
        return None


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=False, omit_defaults=True):
    """The document in Redis: what differs from the configuration, and who wanted that. `version` counts the changes."""

    version: int = 0
    enable_for: float | tuple[str, ...] | None = None
    audit_rate: float | None = None
    flags: dict[str, bool] = {}
    by: str = ""
    reason: str = ""
    at: float = 0.0
    """Seconds since 1970."""

    def over(self, configured: Switches) -> Switches:
        """The positions of all switches. A flag that this version of the code does not know is left out."""
        return Switches(
            configured.enable_for if self.enable_for is None else self.enable_for,
            configured.audit_rate if self.audit_rate is None else self.audit_rate,
            {**configured.flags, **{name: on for name, on in self.flags.items() if name in MEANINGS}},
        )


class SwitchOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants changed. What is not named stays; `null` goes back to the configuration."""

    enable_for: float | tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET
    audit_rate: float | msgspec.UnsetType | None = msgspec.UNSET
    flags: dict[str, bool | None] = {}
    reason: str = ""

    def after(self, known: Change, by: str, at: float) -> Change:
        """The change that follows a known one."""
        flags = {**known.flags, **self.flags}
        for flag in self.flags:
            if flag not in MEANINGS:
                raise SwitchError("flags", f"{flag!r}: there is no such flag; the flags are {', '.join(MEANINGS)}")
        return Change(
            version=known.version + 1,
            enable_for=known.enable_for if self.enable_for is msgspec.UNSET else self.enable_for,
            audit_rate=known.audit_rate if self.audit_rate is msgspec.UNSET else self.audit_rate,
            flags={name: on for name, on in flags.items() if on is not None},
            by=by,
            reason=self.reason[:200],
            at=at,
        )


class Switchboard:
    """The switches of one worker. `apply` is told their positions at the start and whenever they change."""

    def __init__(self, configured: Switches, apply: Callable[[Switches], None]) -> None:
        self.configured, self.positions = configured, configured
        self.change = Change()
        """The newest change that this worker knows of."""
        self._apply = apply
        self._unreadable = b""
        apply(configured)

    def accept(self, change: Change) -> bool:
        """Put a change in force, unless it is older than the one that is; raises `SwitchError` for one that cannot be meant."""
        if change.version <= self.change.version:
            return False
        positions = change.over(self.configured)
        self.change, self.positions = change, positions
        self._apply(positions)
        # Repr: what somebody sent must not make lines of its own.
        log.info("switches changed by %s: %s (%r)", change.by or "nobody named", _shown(change), change.reason)
        return True

    def learn(self, link: Link) -> None:
        """Read the change that is in force for all workers, or see to it that Redis has the newest one."""
        raw = link.switches()
        if raw is None or raw == self._unreadable:
            found = None
        elif (found := read(raw)) is None:
            self._unreadable = raw
            log.warning("the switches in Redis cannot be read: what was known before holds")
        known = self.change
        if found and found.version >= known.version:
            try:
                self.accept(found)
            except SwitchError as error:
                self._unreadable = raw or b""
                log.warning("the switches in Redis cannot be meant (%s): what was known before holds", error)
        elif known.version:
            # Emptied, or restored from before the change: it would be undone for workers that start now.
            link.restore_switches(raw, msgspec.json.encode(known))


async def changed(
    board: Switchboard,
    worker: Worker,
    shared: Shared | None,
    runtime: Runtime,
    order: SwitchOrder,
    *,
    by: str,
    at: float,
    patience: float,
) -> Literal["done", "recorded"]:
    """Carry out an order, and wait up to `patience` seconds until every worker has it.

    Raises `SwitchError` for one that cannot be meant and `StoreError` where Redis does not take it.
    """
    if shared is None:
        board.accept(_checked(order.after(board.change, by, at), board))
        return "done"
    for _ in range(ATTEMPTS):
        raw = await worker.switches(shared)
        there = (read(raw) if raw else None) or Change()
        known = max(there, board.change, key=lambda change: change.version)
        change = _checked(order.after(known, by, at), board)
        if await worker.switched(shared, raw, msgspec.json.encode(change)):
            break
    else:
        raise StoreError("others change the switches at the same time")
    board.accept(change)
    # Whoever acknowledges a purge of nothing has read the switches before.
    ticket = worker.purge((), kind="noop", names=("a change of switches",))
    return "done" if await runtime.wait(ticket.done, patience) else "recorded"


def _checked(change: Change, board: Switchboard) -> Change:
    change.over(board.configured)
    return change


def read(raw: bytes) -> Change | None:
    """A change as it is stored, or `None` for what is none."""
    try:
        return msgspec.json.decode(raw, type=Change)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _share(name: Literal["enable_for", "audit_rate"], value: float) -> None:
    if not isfinite(value) or not 0 <= value <= 1:
        raise SwitchError(name, f"{value!r}: a share between 0 and 1")


def _shown(change: Change) -> str:
    words = [f"{name} {'on' if on else 'off'}" for name, on in sorted(change.flags.items())]
    if change.audit_rate is not None:
        words.insert(0, f"audit_rate={change.audit_rate:g}")
    if change.enable_for is not None:
        words.insert(0, f"enable_for={change.enable_for!r}")
    return ", ".join(words) or "as configured"
