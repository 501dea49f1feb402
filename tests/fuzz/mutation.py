"""New inputs from old ones: flipped, cut, joined, repeated, and with words that parsers know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

WORDS: Final = (
    *(
        b"private",
        b"no-store",
        b"max-age=",
        b"99999999999",
        b"-1",
        b'"',
        b"\\",
        b",",
        b";",
        b"=",
        b":",
        b"\n",
        b"\n\n",
        b"*",
        b"%00",
    ),
    *(
        b"%2e%2e",
        b"../",
        b"//",
        b"\0",
        b"\xff\xfe",
        b"utm_x=1&",
        b"Cookie: ",
        b"host=",
        b"Vary: ",
        b"Cache-Tag: ",
        b"Set-Cookie: a=1",
    ),
    *(
        b'{"tags":["a"]}',
        b"[[[[[[",
        b"1e999",
        b"null",
        b"POST /purge",
        b"GET /explain?url=/",
        b"\xc5\x01",
        b"\xc6\x01",
        b"\x91",
        b"\xdc\xff\xff",
    ),
)
MOST: Final = 4_096


def mutated(corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """An input made of one or two of the corpus by a few changes."""
    found = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(found))
        match chance.randrange(7):
            case 0:
                found[at:at] = chance.choice(WORDS)
            case 1:
                found[at : at + chance.randint(1, 8)] = chance.randbytes(chance.randint(0, 8))
            case 2:
                del found[at : at + chance.randint(1, 32)]
            case 3:
                other = chance.choice(corpus)
                found[at:] = other[chance.randint(0, len(other)) :]
            case 4:
                found[at:at] = found[max(0, at - 16) : at] * chance.randint(1, 32)
            case 5 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case _:
                found[at:at] = bytes([chance.choice((0, 9, 10, 13, 32, 34, 44, 59, 92, 127, 255))])
    return bytes(found[:MOST])
