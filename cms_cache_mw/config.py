"""All options, checked when the object is built: a wrong one is named together with its value and what would be right."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, Literal, get_type_hints

from cms_cache_mw.core import cookies, keys, tags
from cms_cache_mw.core.rules import CMS, RFC, Rules
from cms_cache_mw.core.value import replace
from cms_cache_mw.explaining.preview import Guard
from cms_cache_mw.options import ConfigError, between, known, parsed, typed
from cms_cache_mw.stores.connect import understood
from cms_cache_mw.stores.policies import PolicyName  # noqa: TC001 - the check of types reads it
from cms_cache_mw.switching.switches import SwitchError, Switches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

PREFIX: Final = "CMS_CACHE_"
SCOPES: Final = ("read", "purge", "switch")
"""What a token may allow."""
OF_THE_COMMAND_LINE: Final = frozenset({"CMS_CACHE_SERVER", "CMS_CACHE_TOKEN"})
"""Variables that tell `cms-cache` whom to ask; they may stand in a file that the site reads, too."""
NAMESPACES: Final = ("blocks", "pages", "templates", "rendered")
DEFAULT_TTL: Final = 300.0
STALE_SHARE: Final = 0.05
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_TOKEN = re.compile(r"[!-~]{8,512}\Z")
_FIELD = re.compile(r"[a-z0-9-]{1,64}\Z")
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+\Z")
_CLASSES: Final = ("ignored_cookies", "keyed_cookies", "anonymous_cookies")
_PATTERN = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]+\*?\Z")
_PARAMETER = re.compile(r"[A-Za-z0-9%+.~_\[\]-]+\*?\Z")
_LARGEST_MB: Final = 1_048_576


@dataclass(frozen=True, kw_only=True)
class Config:
    """The options of a cache. Durations are in seconds, sizes in the unit of their name."""

    redis_url: str | None = field(default=None, repr=False)
    """Where the shared level and the purge clock live; `None` keeps everything in this process."""
    redis_secret: str | None = field(default=None, repr=False)
    """Authenticates what is stored in Redis (keyed BLAKE3)."""
    redis_identity: Literal["info", "none"] = "info"
    """How a replaced Redis is recognised; `none` for services that refuse INFO, which detects less."""
    wait_replicas: int = 0
    """Replicas of Redis that have to confirm a purge before it counts as recorded."""
    namespace: str = "cms"
    """Prefix of all keys in Redis; caches with the same one share entries and purges."""
    sites: dict[str, str] = field(default_factory=dict)
    """Host to site. Where it is given, requests for other hosts bypass; otherwise each host name is its own site."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-Host decides the site."""

    profile: Literal["cms", "rfc"] = "cms"
    default_ttl: float | dict[Literal["blocks", "pages", "templates", "rendered"], float] = 300.0
    """Freshness of what says nothing about it: one number, or one for each namespace; 300 for those left out."""
    store_statuses: tuple[int, ...] = (200,)
    """Statuses that the `cms` profile stores."""
    stale_if_error: float = 3600.0
    """How long past its freshness a page may stand in for a failing application."""
    tag_headers: tuple[str, ...] = tuple(map(bytes.decode, tags.HEADERS))
    ignored_cookies: tuple[str, ...] = cookies.IGNORED
    """Names, or prefixes that end in `*`, of cookies that no page is rendered from."""
    keyed_cookies: tuple[str, ...] = ()
    anonymous_cookies: tuple[str, ...] = cookies.ANONYMOUS
    ignored_query: tuple[str, ...] = keys.IGNORED_QUERY

    max_memory_mb: float = 64.0
    max_items_per_type: int = 10_000
    eviction_policy: PolicyName = "s3fifo"
    """Who goes first when room is needed."""
    memory_body_bytes: int = 262_144
    """Larger bodies live in Redis only."""
    max_body_bytes: int = 2_097_152
    """Larger bodies are not stored."""

    lease_seconds: float = 3.0
    """How long a worker may serve from its cache after its last proof of being up to date; the same in all workers."""
    on_unsure: Literal["bypass", "serve"] = "bypass"
    """What a worker without a lease does: render, or go on serving what it has for up to `unsure_max` seconds."""
    unsure_max: float | None = None
    """With `on_unsure="serve"`: so much longer does a purge wait for a worker that falls silent."""
    purge_guard: int | dict[Literal["entries", "seconds", "share", "soft"], float | bool] | None = None
    """Above how many entries, seconds of rendering or share of the traffic `POST /purge` asks for confirmation or, with `soft`, purges softly."""
    settle: float = 0.0
    """How far behind the application's database replicas may be: what is rendered that soon after a purge is not stored."""

    warm_on_start: bool = True
    """Whether a new worker loads what the site uses most before visitors ask for it."""
    refresh_ahead: bool = True
    """Whether used pages are rendered anew before they expire and after a purge."""
    refresh_concurrency: int = 4
    """Renders in the background at once, in each process."""
    origin_concurrency: int | None = None
    """Renders of pages that one process asks the application for at once; `None` is as many as come."""
    adaptive_ttl: bool | float = False
    """Whether lifetimes follow what is seen to change; a number is the share of answers that may be out of date, else 0.05."""
    min_ttl: float = 10.0
    """The shortest lifetime that `adaptive_ttl` chooses, unless the response itself allows less."""
    max_ttl: float = 86_400.0
    """The longest one."""

    admin_path: str = "/_cache"
    admin_tokens: dict[str, str | tuple[str, tuple[Literal["read", "purge", "switch"], ...]]] = field(
        default_factory=dict, repr=False
    )
    """Name to token, or to token and scopes, of which it has all otherwise. Without any there are no admin endpoints."""
    admin_token: str | None = field(default=None, repr=False)
    """Short for one token named `admin`."""

    metrics_dir: str | None = None
    """Where the worker processes of one server share their counters; `None` is a directory of their own among temporary files."""

    enable_for: float | tuple[str, ...] = 1.0
    """The share of requests that the cache is on for, or patterns of their paths; the rest bypasses."""
    audit_rate: float = 0.0
    """The share of hits that are rendered again, unseen, and compared."""
    flags: dict[str, bool] = field(default_factory=dict)
    """Optional behaviours by name, to be turned off."""

    def __new__(cls, *_: object, **options: object) -> Self:
        """Refuse a name that is no option, such as a misspelled one."""
        for name in options:
            known(name, name, _HINTS)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Check every option, alone and together."""
        for name, hint in _HINTS.items():
            object.__setattr__(self, name, typed(name, getattr(self, name), hint))
        self._check_numbers()
        self._check_names()
        self._check_cookies()
        self._check_sites()
        self._check_redis()
        self._check_unsure()
        self._check_admin()
        self.switches()
        if self.metrics_dir is not None and not self.metrics_dir.startswith("/"):
            raise ConfigError(f"metrics_dir={self.metrics_dir!r}: a whole path such as '/run/cms-cache'")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Self:  # noqa: ANN401 - options of any type
        """The options in `CMS_CACHE_…` variables, and those given by name, which win. Lists are separated by commas.

        Raises `ConfigError` for a variable that names no option.
        """
        found: dict[str, Any] = {}
        for variable, text in (os.environ if environ is None else environ).items():
            if not variable.startswith(PREFIX) or variable in OF_THE_COMMAND_LINE:
                continue
            name = variable.removeprefix(PREFIX).lower()
            known(variable, name, _HINTS)
            found[name] = parsed(variable, name, text, _HINTS[name])
        return cls(**(found | options))

    @property
    def max_memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return int(self.max_memory_mb * 1_048_576)

    @property
    def guard(self) -> Guard | None:
        """What `purge_guard` says."""
        if self.purge_guard is None:
            return None
        if isinstance(self.purge_guard, int):
            return Guard(self.purge_guard)
        limits: dict[str, Any] = {str(name): limit for name, limit in self.purge_guard.items()}
        return Guard(**limits | {"soft": bool(limits.get("soft"))})

    @property
    def tokens(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Name to token and scopes, the short forms included."""
        given: dict[str, Any] = ({"admin": self.admin_token} if self.admin_token else {}) | self.admin_tokens
        return {name: (token, SCOPES) if isinstance(token, str) else token for name, token in given.items()}

    @property
    def background_renders(self) -> int:
        """Renders that nobody waits for, at once."""
        return self.origin_concurrency or self.refresh_concurrency

    def ttl_of(self, namespace: str) -> float:
        """The default lifetime in a namespace, in seconds."""
        ttl: Any = self.default_ttl
        return float(ttl.get(namespace, DEFAULT_TTL) if isinstance(ttl, dict) else ttl)

    @property
    def stale_share(self) -> float:
        """The share of answers that may be out of date where lifetimes are adapted; 0 where they are not."""
        return STALE_SHARE if self.adaptive_ttl == 1 else float(self.adaptive_ttl)

    def rules(self) -> Rules:
        """The profile with these options."""
        chosen = CMS if self.profile == "cms" else RFC
        changed: dict[str, Any] = {
            "max_body_bytes": self.max_body_bytes,
            "tag_headers": frozenset(name.lower().encode() for name in self.tag_headers),
        }
        if self.profile == "cms":
            changed |= {
                "default_ttl": self.ttl_of("rendered"),
                "store_statuses": frozenset(self.store_statuses),
                "stale_if_error": self.stale_if_error,
            }
        return replace(chosen, **changed)

    def switches(self) -> Switches:
        """The positions in which the switches begin."""
        try:
            return Switches(self.enable_for, self.audit_rate, self.flags)
        except SwitchError as error:
            raise ConfigError(f"{error.field}={error.message}") from None

    def _check_numbers(self) -> None:
        for name in NAMESPACES:
            between("default_ttl", self.ttl_of(name), 0, 31_536_000)
        between("stale_if_error", self.stale_if_error, 0, 31_536_000)
        between("max_memory_mb", self.max_memory_mb, 1, _LARGEST_MB)
        between("max_items_per_type", self.max_items_per_type, 1, 100_000_000)
        between("max_body_bytes", self.max_body_bytes, 1, self.max_memory_bytes, "max_memory_mb")
        between("memory_body_bytes", self.memory_body_bytes, 0, self.max_memory_bytes, "max_memory_mb")
        between("lease_seconds", self.lease_seconds, 0.2, 60)
        between("settle", self.settle, 0, 600)
        if (guard := self.guard) is not None:
            between("purge_guard", guard.entries or 0, 0, 1_000_000_000)
            between("purge_guard", guard.seconds or 0, 0, 1_000_000_000)
            between("purge_guard", guard.share or 0, 0, 1)
            if guard.entries is guard.seconds is guard.share is None:
                raise ConfigError(f"purge_guard={self.purge_guard!r}: at least one of entries, seconds and share")
        between("wait_replicas", self.wait_replicas, 0, 16)
        if self.adaptive_ttl not in {True, False}:
            between("adaptive_ttl", self.adaptive_ttl, 0.001, 0.5)
        between("max_ttl", self.max_ttl, 1, 31_536_000)
        between("min_ttl", self.min_ttl, 1, self.max_ttl, "max_ttl")
        between("refresh_concurrency", self.refresh_concurrency, 1, 1_000)
        if self.origin_concurrency is not None:
            between("origin_concurrency", self.origin_concurrency, 1, 10_000)
        for status in self.store_statuses:
            if status not in {200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410}:
                raise ConfigError(
                    f"store_statuses={status}: one of 200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410"
                )

    def _check_names(self) -> None:
        if not _NAME.match(self.namespace):
            raise ConfigError(f"namespace={self.namespace!r}: 1 to 64 letters, digits, '.', '_' and '-', such as 'cms'")
        for name in self.tag_headers:
            if not _FIELD.match(name.lower()):
                raise ConfigError(f"tag_headers={name!r}: a header name such as 'cache-tag'")
        for name in self.ignored_query:
            if not _PARAMETER.match(name):
                raise ConfigError(f"ignored_query={name!r}: a parameter such as 'ref', or a prefix such as 'utm_*'")

    def _check_cookies(self) -> None:
        for option in _CLASSES:
            for name in getattr(self, option):
                if not _PATTERN.match(name):
                    raise ConfigError(f"{option}={name!r}: a name such as 'currency', or a prefix such as '_ga_*'")
        for winner, loser in combinations(_CLASSES, 2):
            taken = re.compile(cookies.alternatives(getattr(self, winner)))
            for name in getattr(self, loser):
                if taken.fullmatch(name.removesuffix("*").encode()):
                    raise ConfigError(f"{loser}={name!r}: {winner} has it already; a cookie belongs to one class")

    def _check_sites(self) -> None:
        for host, site in self.sites.items():
            if not _HOST.match(host):
                raise ConfigError(
                    f"sites={host!r}: a host such as 'www.example.org' or 'localhost:8000', without scheme"
                )
            if not _NAME.match(site):
                raise ConfigError(f"sites={site!r}: a site is 1 to 64 letters, digits, '.', '_' and '-'")
        for network in self.trusted_proxies:
            try:
                ip_network(network)
            except ValueError as error:
                raise ConfigError(f"trusted_proxies={network!r}: a network such as '10.0.0.0/8' ({error})") from None

    def _check_redis(self) -> None:
        if self.redis_url is not None and not understood(self.redis_url):
            raise ConfigError(
                "redis_url=…: a URL such as redis://user:password@host:6379/0, rediss://… or unix:///path"
            )
        if self.redis_secret is not None and len(self.redis_secret) < 16:  # noqa: PLR2004
            raise ConfigError("redis_secret=…: at least 16 characters")

    def _check_unsure(self) -> None:
        if self.on_unsure == "serve" and self.unsure_max is None:
            raise ConfigError("unsure_max=None: on_unsure='serve' needs a number of seconds, such as 60")
        if self.on_unsure == "bypass" and self.unsure_max is not None:
            raise ConfigError(f"unsure_max={self.unsure_max:g}: it says how long to serve, with on_unsure='serve'")
        between("unsure_max", self.unsure_max or 0, 0, 86_400)

    def _check_admin(self) -> None:
        if not _PATH.match(self.admin_path):
            raise ConfigError(f"admin_path={self.admin_path!r}: a path such as '/_cache', without a slash at the end")
        if self.admin_token and "admin" in self.admin_tokens:
            raise ConfigError("admin_token and admin_tokens['admin']: the first is short for the second, give one")
        for name, (token, scopes) in self.tokens.items():
            if not _NAME.match(name):
                raise ConfigError(f"admin_tokens={name!r}: a name of 1 to 64 letters, digits, '.', '_' and '-'")
            if not _TOKEN.match(token):
                raise ConfigError(f"admin_tokens[{name!r}]=…: 8 to 512 visible ASCII characters")
            if not scopes:
                raise ConfigError(f"admin_tokens[{name!r}]=…: scopes such as ('read', 'purge'), or the token alone")


_HINTS: Final[dict[str, Any]] = {
    name: hint for name, hint in get_type_hints(Config).items() if name in {option.name for option in fields(Config)}
}
