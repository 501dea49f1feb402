"""What an entry is sent as, in each coding."""

from __future__ import annotations

from cms_cache_mw.core.representation import LONGEST, MOST, represent
from tests.core.messages import BODY, stored


def test_made_once_for_each_spelling() -> None:
    """Whoever asks in the same words gets the same object; without codings all get the same."""
    entry = stored("Cache-Control: max-age=60", "Content-Type: text/html")
    assert represent(entry, b"gzip") is represent(entry, None)
    entry = stored("Cache-Control: max-age=60", "Content-Type: text/html")
    entry.encoded[b"gzip"] = b"smaller"
    sent = represent(entry, b"gzip")
    assert (sent.body, dict(sent.fields)[b"content-encoding"]) == (b"smaller", b"gzip")
    assert represent(entry, b"gzip") is sent
    longest = b"gzip, ".ljust(LONGEST, b"x")
    assert represent(entry, longest) is represent(entry, longest)
    assert represent(entry, b"gzip") is sent
    assert represent(entry, None).body == BODY


def test_few_spellings_are_remembered() -> None:
    """Made-up and long spellings get the right coding and take no memory."""
    entry = stored("Cache-Control: max-age=60", "Content-Type: text/html")
    entry.encoded[b"gzip"] = b"smaller"
    for number in range(3 * MOST):
        assert represent(entry, b"gzip, x%d" % number).body == b"smaller"
        assert len(entry.representations) <= MOST
    before = dict(entry.representations)
    assert represent(entry, b"gzip, " + b"x" * LONGEST).body == b"smaller"
    assert entry.representations == before
