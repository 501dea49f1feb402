"""Who may do what: bearer tokens, kept as digests and compared in constant time."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WRONG_A_MINUTE: Final = 60
"""Wrong tokens that a worker answers with 401; beyond them with 429, so that nobody guesses fast."""


class Owner(Value, frozen=True):
    """Whose token it is, and what it allows."""

    name: str
    scopes: frozenset[str]


class Tokens:
    """Named tokens with their scopes. A right one is never refused, however many wrong ones there were."""

    def __init__(self, tokens: Mapping[str, tuple[str, tuple[str, ...]]], now: Callable[[], float]) -> None:
        self._digests = {
            Owner(name, frozenset(scopes)): blake3(token.encode()).digest() for name, (token, scopes) in tokens.items()
        }
        self._now = now
        self._wrong = 0
        self._since = now()

    def __bool__(self) -> bool:
        return bool(self._digests)

    def owner(self, authorization: bytes | None) -> Owner | None:
        """The owner of the token in an Authorization field, or `None`."""
        scheme, _, token = (authorization or b"").partition(b" ")
        given = blake3(token.strip()).digest()
        # All of them, always: how long it takes does not tell which one nearly matched.
        found = [owner for owner, digest in self._digests.items() if hmac.compare_digest(digest, given)]
        if found and scheme.lower() == b"bearer":
            return found[0]
        return None

    def too_many(self) -> bool:
        """Count a wrong token; true where there were too many in this minute."""
        now = self._now()
        if now - self._since >= 60:  # noqa: PLR2004
            self._since, self._wrong = now, 0
        self._wrong += 1
        return self._wrong > WRONG_A_MINUTE
