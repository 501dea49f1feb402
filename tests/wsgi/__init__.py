"""The WSGI shell: against PEP 3333, against the ASGI shell, and under real servers."""
