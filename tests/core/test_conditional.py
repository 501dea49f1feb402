"""Whether a visitor holds a stored response: what the rows of `test_policy.py` do not say of entity tags."""

from __future__ import annotations

import pytest

from cms_cache_mw.core.conditional import held, opaque
from tests.core.messages import WALL, request


def test_anything_is_held_without_a_tag() -> None:
    """RFC9110 13.1.2: `*` holds whatever is stored; the answer names an entity tag only where there is one."""
    assert held(request("If-None-Match: *"), (), (), WALL) == b""
    assert held(request("If-None-Match: *"), (), (b'"a"', b'"b"'), WALL) == b'"a"'


@pytest.mark.parametrize(
    ("tag", "text"), [(b'"a"', b"a"), (b'W/"a"', b"a"), (b"a", b"a"), (b'"~a~"', b"~a~"), (b'""', b"")]
)
def test_what_is_compared(tag: bytes, text: bytes) -> None:
    """RFC9110 8.8.3.2: all that stands between the quotes, and nothing else."""
    assert opaque(tag) == text
