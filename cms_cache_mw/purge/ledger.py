"""The purge log for people: who purged what and why, how long that took, and whether it was needed.

A bounded stream beside the purge clock, `{NS}:purges`. The line that a purge begins with is written by the script that records
it, so that neither is there without the other; how it ended, and what came of it, are lines of their own that refer to it.
Nothing depends on it: a lost line is a gap in the log and no more.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, assert_never

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.purge.ticket import Ticket

LINES: Final = 4_000
"""Lines that are kept; a purge makes two or more."""
SHOWN: Final = 50
"""Targets of a purge that are named; there may be more."""
LONGEST: Final = 300
"""Characters that are kept of what somebody wrote."""

Row: TypeAlias = tuple[int, str, bytes]
"""When, in milliseconds since 1970; which purge, as EPOCH/SEQ; the line."""


class Motive(msgspec.Struct, frozen=True):
    """What is known of a purge when it is asked for."""

    who: str = ""
    reason: str = ""
    entries: int | None = None
    """What it takes with it in the memory of the worker that was asked, where that was counted."""
    render_ms: float = 0.0


class Begun(msgspec.Struct, tag="begun", omit_defaults=True, frozen=True):
    """What a purge is about."""

    kind: str
    who: str
    reason: str
    names: list[str]
    named: int
    entries: int | None = None
    render_ms: float = 0.0


class Ended(msgspec.Struct, tag="ended", omit_defaults=True, frozen=True):
    """How long it took until it was done everywhere, and who was waited for."""

    ms: float
    slow: tuple[str, ...] = ()


class Seen(msgspec.Struct, tag="seen", frozen=True):
    """How many pages a worker has rendered anew because of it so far, and how many came out as they had been."""

    worker: str
    rendered: int
    unchanged: int


class Account(msgspec.Struct, frozen=True):
    """All that is known of one purge."""

    at: str
    """When it was recorded, by Redis's clock (RFC 3339, UTC)."""
    epoch: str
    seq: int
    state: Literal["done", "recorded"]
    kind: str
    who: str
    reason: str
    tags: list[str]
    """What was named, at most 50 of it."""
    named: int
    """How much was named in all."""
    entries: int | None
    """What it took with it in the memory of the worker that was asked; `null` where nobody counted."""
    render_ms: float
    """What rendering these took when they were rendered last."""
    duration_ms: float | None
    """From the call until it was done everywhere; `null` where that is not known."""
    slow: list[str]
    """Workers that were waited for longer than 100 ms, or that did not answer at all."""
    rendered: int
    """Pages that were rendered anew because of it, as far as workers have told (at 1, 2, 4, 8, … of them)."""
    unchanged: int
    """How many of them came out as they had been."""
    needless: bool | None
    """Whether it changed nothing: all that was rendered anew came out as it had been, or, in a cache without Redis, nothing depended on it. `null` while that is open."""


_DECODER: Final = msgspec.json.Decoder(Begun | Ended | Seen)


def begun(ticket: Ticket) -> bytes:
    """The first line of a purge; empty for one that is about nothing, such as a trial."""
    if ticket.kind == "noop":
        return b""
    motives = ticket.motives or [Motive()]
    counted = [motive.entries for motive in motives if motive.entries is not None]
    names = sorted(ticket.names)
    line = Begun(
        ticket.kind,
        _joined(motive.who for motive in motives),
        _joined(motive.reason for motive in motives),
        [name[:LONGEST] for name in names[:SHOWN]],
        len(names) or len(ticket.prints),
        sum(counted) if len(counted) == len(motives) else None,
        sum(motive.render_ms for motive in motives),
    )
    return _encoded(line)


def ended(ticket: Ticket) -> bytes:
    """The line of a purge that is done."""
    return _encoded(Ended(round(ticket.waited * 1000, 1), tuple(sorted({*ticket.slow, *ticket.evicted}))))


def seen(worker: str, rendered: int, unchanged: int) -> bytes:
    """The line of a worker that has rendered something anew."""
    return _encoded(Seen(worker, rendered, unchanged))


def named(epoch: int, seq: int) -> str:
    """What a purge is called in the log."""
    return f"{epoch:016x}/{seq}"


def rows(found: object) -> list[Row]:
    """Lines as a script gives them; what is none of ours is left out."""
    told: list[Row] = []
    for at, fields in found if isinstance(found, list) else ():
        named_ = dict(zip(fields[::2], fields[1::2], strict=False))
        if b"p" in named_ and b"r" in named_:
            told.append((int(at.partition(b"-")[0]), named_[b"p"].decode("latin-1"), named_[b"r"]))
    return told


def accounts(rows: Iterable[Row], *, epoch: str, done: int, alone: bool = False) -> list[Account]:
    """The purges in these lines, newest first; those of `epoch` are done up to the number `done`.

    `alone` means that what was counted is all there was: other workers and Redis hold nothing.
    """
    found: dict[str, tuple[int, Begun]] = {}
    ends: dict[str, Ended] = {}
    outcomes: dict[str, dict[str, Seen]] = {}
    for ms, purge, text in sorted(rows, key=lambda row: row[0]):
        try:
            line = _DECODER.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        match line:
            case Begun():
                found.setdefault(purge, (ms, line))
            case Ended():
                ends.setdefault(purge, line)
            case Seen():
                # Numbers only grow, so the last line of a worker counts.
                outcomes.setdefault(purge, {})[line.worker] = line
            case _:
                assert_never(line)
    told = [
        _account(
            ms,
            purge,
            line,
            ends.get(purge),
            outcomes.get(purge, {}),
            done=done if purge[:16] == epoch else 0,
            alone=alone,
        )
        for purge, (ms, line) in found.items()
    ]
    return told[::-1]


def _account(
    ms: int, purge: str, line: Begun, end: Ended | None, outcomes: dict[str, Seen], *, done: int, alone: bool
) -> Account:
    epoch, _, seq = purge.partition("/")
    rendered = sum(outcome.rendered for outcome in outcomes.values())
    unchanged = sum(outcome.unchanged for outcome in outcomes.values())
    needless = unchanged == rendered if rendered else True if alone and line.entries == 0 else None
    return Account(
        at=instant(ms / 1000),
        epoch=epoch,
        seq=int(seq),
        state="done" if end or int(seq) <= done else "recorded",
        kind=line.kind,
        who=line.who,
        reason=line.reason,
        tags=line.names,
        named=line.named,
        entries=line.entries,
        render_ms=round(line.render_ms, 1),
        duration_ms=end.ms if end else None,
        slow=list(end.slow) if end else [],
        rendered=rendered,
        unchanged=unchanged,
        needless=needless,
    )


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))[:LONGEST]


def _encoded(line: Begun | Ended | Seen) -> bytes:
    return msgspec.json.encode(line)


def instant(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 writes them, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
