"""Ports of the loopback interface, held for a server across its restarts."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


def held(number: int = 0) -> socket.socket:
    """A bound socket that keeps port `number` (0: one that the kernel chooses) for a server of ours; OSError where it is taken.

    It never listens: a server may do so beside it, as both reuse the address, and until one does connections are refused.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((HOST, number))
    except OSError:
        holder.close()
        raise
    return holder


def number_of(holder: socket.socket) -> int:
    """The port that a socket holds."""
    number: int = holder.getsockname()[1]
    return number
