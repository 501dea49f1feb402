"""Makes a database in a temporary folder, and serves the library on 127.0.0.1 (PORT=8000)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from wsgiref.simple_server import make_server

with tempfile.TemporaryDirectory() as folder:
    os.environ["LIBRARY"] = str(Path(folder) / "library.sqlite3")
    os.environ["DJANGO_SETTINGS_MODULE"] = "examples.django.settings"

    from examples.django.wsgi import application

    from django.core.management import call_command  # isort: skip - there are no settings before

    call_command("migrate", run_syncdb=True, verbosity=0)
    from examples.django.library import seed

    seed.fill()
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), application) as server:
        print(f"http://127.0.0.1:{server.server_port}/ — leave with Ctrl+C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
