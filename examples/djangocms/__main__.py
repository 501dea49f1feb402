"""Makes a database in a temporary folder, and serves the almanac on 127.0.0.1 (PORT=8000)."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from wsgiref.simple_server import make_server

with tempfile.TemporaryDirectory() as folder:
    os.environ["ALMANAC"] = str(Path(folder) / "almanac.sqlite3")
    sys.path.insert(0, str(Path(__file__).parent))

    from project.wsgi import application

    from almanac import seed  # isort: skip - there are no settings before

    seed.fill()
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), application) as server:
        print(f"http://127.0.0.1:{server.server_port}/ — leave with Ctrl+C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
