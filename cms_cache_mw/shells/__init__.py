"""What the two shells are made of: the words of ASGI and WSGI, their bodies and answers, and requests that no client sent."""

from __future__ import annotations
