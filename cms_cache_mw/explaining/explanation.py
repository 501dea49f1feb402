"""What *explain* says, as values."""

from __future__ import annotations

from cms_cache_mw.core.value import Value


class Why(Value, frozen=True):
    """A reason, with what it means."""

    reason: str
    meaning: str


class LeftOut(Value, frozen=True):
    """What is neither in the key nor shown to the application, and what makes a visitor somebody."""

    parameters: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    bypassing_cookie: str = ""


class PurgedBy(Value, frozen=True):
    """A purge of something that an entry depends on."""

    tag: str
    seq: int
    kind: str
    at: str = ""
    who: str = ""
    reason: str = ""
    """As whoever purged gave it; these three are empty where the purge log no longer tells."""


class Stored(Value, frozen=True):
    """An entry at one of the levels."""

    level: str
    """`memory`: of the worker that was asked; `shared`: Redis."""
    usable: bool
    """Whether the purge clock lets it be used."""
    validity: Why | None
    """Why not, or that it was purged softly."""
    status: int
    stored_at: str
    age: float
    lifetime: float
    fresh_for: float
    """Seconds; negative once stale."""
    stale_while_revalidate: float
    stale_if_error: float
    stale_if_gone: float
    arithmetic: str
    """The same as a sentence."""
    tags: tuple[str, ...]
    implicit: tuple[str, ...]
    """What it depends on without a tag of its own: site, URL, prefixes, languages."""
    base: int
    """How far its worker had applied purges when the render began."""
    epoch: str
    variant: dict[str, str | None]
    bytes: int
    encodings: tuple[str, ...]
    parts: tuple[str, ...]
    """Parts that are filled in whenever it is served."""
    hits: int
    """By this worker."""
    render_ms: float
    purged_by: tuple[PurgedBy, ...]
    """Purges that came after its render began."""
    last_purge: PurgedBy | None
    """The latest purge of something it depends on that it already reflects."""


class Told(Value, frozen=True):
    """One remembered decision."""

    at: float
    """Seconds since 1970."""
    reason: str
    detail: str
    """Why the answer was not stored, or that it was; empty for a hit."""
    hit: bool
    level: str
    site: str
    url: str
    status: int
    age: float | None
    """Of what was served, in seconds."""
    render_ms: float | None
    """What the application took."""


class ClockTold(Value, frozen=True):
    """Where the worker that was asked stands."""

    sure: bool
    epoch: str
    position: int
    floor: int
    lease_ms: int
    """0 without a lease; -1 where there is no Redis and none is needed."""


class Explanation(Value, frozen=True):
    """Why a URL is served the way it is, to a visitor with the given fields, by the worker that was asked."""

    url: str
    site: str
    action: str
    """What a request would get now: `serve`, `revalidate`, `fetch`, `bypass` or `refuse`."""
    why: Why
    not_stored: Why | None
    """Why the last answer for this URL that the worker remembers was not stored."""
    key: tuple[str, ...]
    """The parts of the key, never joined."""
    left_out: LeftOut
    variant: dict[str, str | None]
    stored: tuple[Stored, ...]
    clock: ClockTold
    decisions: tuple[Told, ...]
    """The last ones about this URL, newest first."""
    trouble: str
    """What could not be asked, and why; empty while all is well."""
