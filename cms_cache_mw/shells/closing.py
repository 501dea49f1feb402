"""What is done when a server closes the body that it was given (PEP 3333)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Then:
    """A body with something to be done once when the server closes it."""

    def __init__(self, body: Iterable[bytes], then: Callable[[], object]) -> None:
        self._body = body
        self._then: Callable[[], object] | None = then

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Do it."""
        then, self._then = self._then, None
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            if then:
                then()
