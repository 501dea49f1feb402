"""Builds the wheel and tries it where nothing else is: a new environment, another folder, no Redis."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PROGRAM = """
import asyncio, importlib.util, pathlib
import cms_cache_mw
from cms_cache_mw import CacheMiddleware
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

package = pathlib.Path(cms_cache_mw.__file__).parent
assert "site-packages" in package.parts, f"not the installed package: {package}"
assert (package / "py.typed").exists(), "py.typed is not in the wheel"
assert list((package / "purge" / "scripts").glob("*.lua")), "the scripts are not in the wheel"

renders = 0

async def page(request):
    global renders
    renders += 1
    return HTMLResponse(f"<p>render {renders}", headers={"cache-tag": "page:1"})

app = CacheMiddleware(Starlette(routes=[Route("/", page)]))

async def get():
    sent = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    await app({"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
               "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "", "headers": [(b"host", b"localhost")],
               "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}, receive, send)
    head = sent[0]
    return head["status"], dict(head["headers"]), b"".join(message.get("body", b"") for message in sent[1:])

async def main():
    first, second = await get(), await get()
    assert first[0] == second[0] == 200, (first, second)
    assert first[2] == second[2] == b"<p>render 1", (first, second)
    assert b"cms-cache; hit" in second[1][b"cache-status"], second
    assert b"cache-tag" not in second[1], second
    await app.cache.purge(tags=["page:1"])
    assert (await get())[2] == b"<p>render 2"

asyncio.run(main())
print("the wheel works alone: rendered, hit, purged")
"""


def run(*command: str, cwd: Path = ROOT) -> None:
    """Run a command; its failure ends the program."""
    ended = subprocess.run(command, cwd=cwd, check=False)
    if ended.returncode:
        sys.exit(f"failed: {' '.join(command[:4])}")


def main() -> None:
    """Build, install, try."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    installer = ["--installer", "uv"] if uv.exists() else []
    run(sys.executable, "-m", "build", *installer, "--outdir", "dist", ".")
    wheel = next((ROOT / "dist").glob("*.whl"))
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        venv.create(folder, with_pip=not installer)
        python = str(Path(folder, "bin", "python"))
        if installer:
            run(str(uv), "pip", "install", "--quiet", "--python", python, str(wheel))
        else:
            run(python, "-m", "pip", "install", "--quiet", str(wheel))
        run(python, "-W", "error", "-I", "-c", PROGRAM, cwd=Path(folder))


if __name__ == "__main__":
    main()
