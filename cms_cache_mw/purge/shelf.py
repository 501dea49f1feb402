"""Where the switches of a namespace lie in Redis, and how they are exchanged; what they mean is no concern of the clock."""

from __future__ import annotations

from typing import Final

_SWITCH: Final = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


def switches_key(namespace: str) -> str:
    """Where the switches of a namespace are: not a part of the clock, whose histories come and go."""
    return f"{{{namespace}}}:switches"


def switch_call(namespace: str, known: bytes, wanted: bytes) -> tuple[str, list[str], list[str | bytes | int]]:
    """Script, keys and arguments that replace what is known of the switches; 0 where something else is there by now."""
    return _SWITCH, [switches_key(namespace)], [known, wanted]
