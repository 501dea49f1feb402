"""The errands of a worker, one after the other: what is asked for is checked here, and where it stands is told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from cms_cache_mw.core.keys import Asked
from cms_cache_mw.runtime import drive
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.warmth import place as places
from cms_cache_mw.warmth.errand import Errand, Run
from cms_cache_mw.warmth.front import Front

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from cms_cache_mw.core.keys import Keys
    from cms_cache_mw.core.message import Request
    from cms_cache_mw.stores.memory import Memory
    from cms_cache_mw.stores.shared import Shared
    from cms_cache_mw.warmth.popularity import Popularity
    from cms_cache_mw.warmth.renewal import Wish

MOST: Final = 8
"""Errands that wait or run in one worker."""
REMEMBERED: Final = 32
MOST_PATHS: Final = 10_000
KEPT: Final = 86_400.0
"""Seconds that Redis knows where an errand stands."""
NOTED: Final = 1.0
"""Seconds between two notes of that."""
SAMPLE: Final = 20
"""Popular pages of a site that show how its visitors come."""


class ErrandError(ValueError):
    """An errand that cannot be run; `field` says which part of it is at fault."""

    def __init__(self, field: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.field, self.message, self.status = field, message, status


class Wanted(NamedTuple):
    """What somebody wants warmed."""

    site: str
    paths: tuple[str, ...]
    sitemap: str
    popular: int
    resume: str


class Errands:
    """The errands of one worker. `read` begins to read a page of a site through the application."""

    def __init__(
        self,
        keys: Keys,
        memory: Memory,
        popularity: Popularity,
        shared: Callable[[], Shared | None],
        namespace: str,
        *,
        read: Callable[[Errand, str], Future[tuple[int, bytes]] | None],
        closed: Callable[[bytes], bool],
        now: Callable[[], float],
    ) -> None:
        self._keys, self._memory, self._popularity = keys, memory, popularity
        self._shared, self._namespace = shared, namespace
        self._read, self._closed, self._now = read, closed, now
        self._waiting: deque[Errand] = deque()
        self._run: Run | None = None
        self._known: dict[str, Errand] = {}
        self._noted = 0.0
        self._files = -1

    async def order(self, wanted: Wanted, request: Request) -> Errand:
        """Take an errand on; `ErrandError` says why not. `request` is the one that brought it."""
        if len(self._waiting) >= MOST:
            raise ErrandError("", f"{MOST} are waiting already; come back when one is done", 409)
        errand = await self._resumed(wanted.resume) if wanted.resume else await self._made(wanted, request)
        self._known[errand.id] = errand
        while len(self._known) > REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._waiting.append(errand)
        return errand

    async def progress(self, name: str) -> dict[str, Any] | None:
        """Where an errand stands, whichever worker runs it; `None` where nobody knows of it."""
        if errand := self._known.get(name):
            return errand.progress()
        found = await self._get(name, Errand)
        return found.progress() if found else None

    async def usual(self, site: str) -> Front | None:
        """How most visitors of a site come; `None` where nobody is known to have come."""
        used = [(key, entry.hits) for key, entry in self._memory.entries() if entry.site == site]
        if not used:
            popular = await self._popularity.top(site, SAMPLE)
            used = [(place[0], int(uses)) for name, uses in popular if (place := places.read(name))]
        return Front.usual(used)

    def all(self) -> list[dict[str, Any]]:
        """Where the errands of this worker stand, the latest last."""
        return [errand.progress() for errand in list(self._known.values())]

    def take(self, now: float) -> Wish | None:
        """The next page of the errand that is being run."""
        if self._run is None:
            if not self._waiting:
                return None
            errand = self._waiting.popleft()
            self._run, self._files = self._begun(errand), -1
        run, errand = self._run, self._run.errand
        wish = run.take(now)
        if wish is None and errand.state == "done":
            self._run = None
            self._note(errand)
        elif now - self._noted >= NOTED:
            self._noted = now
            self._note(errand)
        return wish

    @property
    def busy(self) -> bool:
        """Whether there is anything to be done."""
        return self._run is not None or bool(self._waiting)

    def stop(self) -> None:
        """Note where the errand stands that is not brought to its end here."""
        if self._run:
            self._run.errand.state = "stopped"
            self._note(self._run.errand)

    def _begun(self, errand: Errand) -> Run:
        return Run(
            errand,
            fetch=lambda address: self._read(errand, address),
            site_of=self._keys.site_of,
            closed=self._closed,
            now=self._now,
        )

    async def _made(self, wanted: Wanted, request: Request) -> Errand:
        if not (wanted.paths or wanted.sitemap or wanted.popular):
            raise ErrandError(
                "paths", 'nothing to warm: give paths, a sitemap such as "/sitemap.xml", or "popular": 100'
            )
        if len(wanted.paths) > MOST_PATHS:
            raise ErrandError("paths", f"{len(wanted.paths)} at once; at most {MOST_PATHS}")
        for field, addresses in (("paths", wanted.paths), ("sitemap", (wanted.sitemap,) if wanted.sitemap else ())):
            for address in addresses:
                if not address.startswith("/") or address.startswith("//"):
                    raise ErrandError(
                        field, f"{address[:200]!r} is not a path such as '/news/' on a site of this cache"
                    )
        if not 0 <= wanted.popular <= MOST_PATHS:
            raise ErrandError("popular", f"{wanted.popular}: between 0 and {MOST_PATHS}")
        host = (request.value(b"host") or b"").decode("latin-1")
        site = await self._site(wanted.site, host)
        errand = Errand(site, await self._front(site, request, host), addresses=list(dict.fromkeys(wanted.paths)))
        if wanted.sitemap:
            errand.maps.append((wanted.sitemap, 1))
        if wanted.popular:
            errand.places = await self._popular(site, wanted.popular)
        return errand

    async def _site(self, named: str, host: str) -> str:
        known = set(self._keys.sites)
        if not known:
            known = {site for site in (self._keys.site_of(host),) if site}
            known |= {entry.site for _, entry in self._memory.entries() if entry.site}
            known |= set(await self._popularity.sites()) if named not in known else set()
        site = named or self._keys.site_of(host) or (next(iter(known)) if len(known) == 1 else "")
        if site not in known:
            there = ", ".join(sorted(known)[:20]) or "none that anybody has visited"
            raise ErrandError(
                "site", f"no site {site!r}; there are {there}" if site else f"which one? There are {there}"
            )
        return site

    async def _front(self, site: str, request: Request, host: str) -> Front:
        front = await self.usual(site)
        if front is None and self._keys.site_of(host) == site:
            asked = self._keys.ask(request)
            front = Front.of(asked.key) if isinstance(asked, Asked) else None
        if front is None:
            raise ErrandError(
                "site",
                f"nobody has asked for a page of {site!r} yet, and this request came by another host; send it to its own",
            )
        return front

    async def _popular(self, site: str, most: int) -> list[bytes]:
        """The names of the most used pages: of all workers, or of this one where there is no Redis."""
        if found := await self._popularity.top(site, most):
            return [name for name, _ in found]
        used = [(entry.hits, key, entry.variant) for key, entry in self._memory.entries() if entry.site == site]
        used.sort(key=lambda use: -use[0])
        return [name for _, key, variant in used[:most] if (name := places.named((key, variant)))]

    async def _resumed(self, name: str) -> Errand:
        if (known := self._known.get(name)) and known.state not in {"done", "stopped"}:
            raise ErrandError("resume", f"{name!r} is under way here", 409)
        found = known or await self._get(name, Errand)
        if found is None:
            raise ErrandError("resume", f"no errand {name!r}; it may be over a day old, or Redis does not tell", 404)
        if known is None:
            listed = await self._get(f"{name}:list", _List)
            if listed is None:
                raise ErrandError("resume", f"what {name!r} was about is not known any more", 404)
            found.places, found.addresses, found.maps = listed.places, listed.addresses, listed.maps
        found.state, found.began = "waiting", 0.0
        return found

    def _note(self, errand: Errand) -> None:
        """Write down where an errand stands, and, when it has changed, what it is about."""
        if self._files != errand.files:
            self._files = errand.files
            listed = _List(errand.places, errand.addresses, errand.maps)
            drive(self._put(f"{errand.id}:list", listed))
        errand.total = errand.size
        short = msgspec.json.decode(msgspec.json.encode(errand), type=dict[str, Any])
        drive(self._put(errand.id, short | {"places": [], "addresses": [], "maps": []}))

    async def _put(self, name: str, content: object) -> None:
        shared = self._shared()
        if shared is not None and not shared.closed:
            try:
                await shared.put(f"{self._namespace}:warm:{name}", msgspec.json.encode(content), KEPT)
            except StoreError:
                self._files = -1

    async def _get(self, name: str, kind: type[Any]) -> Any:  # noqa: ANN401 - of that type, or `None`
        shared = self._shared()
        if shared is None or shared.closed:
            return None
        try:
            found = await shared.get(f"{self._namespace}:warm:{name}")
            return None if found is None else msgspec.json.decode(found, type=kind)
        except (StoreError, msgspec.MsgspecError):
            return None


class _List(msgspec.Struct):
    """What an errand is about, as Redis keeps it."""

    places: list[bytes]
    addresses: list[str]
    maps: list[tuple[str, int]]
