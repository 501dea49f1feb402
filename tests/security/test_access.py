"""Redis over TLS as a user with a password, all of it by URL; and what visitors send is never a pattern there."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from cms_cache_mw.stores.shared import LoopShared
from tests.support.asgi import Pages, Visitor, caching
from tests.support.server import Server, binary
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cms_cache_mw import CacheMiddleware

PASSWORD: Final = "a%2Fb:c"
"""As a URL has it."""
CERTIFICATE: Final = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
    *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"),
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A Redis that speaks TLS alone and lets nobody in but `ann`, and its certificate."""
    if binary("redis") is None or not shutil.which("openssl"):
        pytest.skip("needs redis-server with TLS, and openssl")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(CERTIFICATE, cwd=folder, check=True, capture_output=True)
    server = Server("redis")
    server.directives |= {
        "port": "0",
        "tls-port": str(server.port),
        "tls-cert-file": str(folder / "cert.pem"),
        "tls-key-file": str(folder / "key.pem"),
        "tls-auth-clients": "no",
        "user ann": "on >a/b:c ~* &* +@all",
        "user default": "on nopass -@all +ping",
    }
    with server:
        yield server, folder / "cert.pem"


def address(server: Server, certificate: Path | None, password: str = PASSWORD) -> str:
    """Its URL; without a certificate none is trusted but those of the system."""
    trusted = f"?ssl_ca_certs={certificate}" if certificate else ""
    return f"rediss://ann:{password}@127.0.0.1:{server.port}/0{trusted}"


async def leased(site: CacheMiddleware) -> None:
    """Wait until a cache may use Redis."""
    await asyncio.to_thread(until, lambda: site.cache.sure, "it has a lease")


async def test_tls_user_and_password_by_url(guarded: tuple[Server, Path], namespace: str) -> None:
    """Pages are shared and purges are done, through a connection that nobody reads."""
    options: dict[str, Any] = {"redis_url": address(*guarded), "namespace": namespace}
    pages = Pages()
    async with caching(pages, **options) as first, caching(pages, **options) as second:
        for site in (first, second):
            site.cache.start()
            await leased(site)
        await Visitor(first).get("/a")
        await first.cache.runtime.finish()
        assert (await Visitor(second).get("/a")).level == "shared"
        assert (await first.cache.purge(all=True)).state == "done"
        assert (await Visitor(second).get("/a")).body == b"render 2"


@pytest.mark.parametrize("wrong", ["certificate", "password"])
@pytest.mark.logs("is not asked for a while", "exiting with purges", "Redis does not tell who it is")
async def test_who_is_not_let_in_renders(guarded: tuple[Server, Path], namespace: str, wrong: str) -> None:
    """A Redis whose certificate nobody vouches for is not talked to, and a wrong password costs hits alone."""
    server, certificate = guarded
    url = address(server, None) if wrong == "certificate" else address(server, certificate, "wrong")
    async with caching(Pages(), redis_url=url, namespace=namespace) as site:
        for number in (1, 2):
            reply = await Visitor(site).get("/a")
            assert (reply.status, reply.body) == (200, b"render %d" % number)
        assert (await site.cache.purge(tags=["a"], wait=0.1)).state != "done"


async def test_server_that_nobody_asked_for_a_certificate(guarded: tuple[Server, Path], namespace: str) -> None:
    """Only a URL that says so talks to a stranger: the refusal above is for the certificate."""
    url = address(guarded[0], None) + "?ssl_cert_reqs=none"
    async with caching(Pages(), redis_url=url, namespace=namespace) as site:
        site.cache.start()
        await leased(site)
        assert (await site.cache.purge(tags=["a"])).state == "done"


PATTERNS: Final = ("/*", "/[a-z]*", "/?*", "/%2a", "/a?q=*", "/a?q=[!x]*", "/{{clock}}:*", "/a%00*", "/%0d%0aKEYS%20*")


async def searched(server: Server, namespace: str) -> set[str]:
    """The commands by which a Redis is searched that it was sent while visitors and an editor spelled patterns."""
    client = server.client()
    client.config_resetstat()
    async with caching(Pages(), redis_url=server.url, namespace=namespace, admin_token="t" * 20) as site:
        visitor = Visitor(site)
        for target in PATTERNS:
            await visitor.get(target, "Accept-Language: *", "X-Forwarded-Host: *")
            await visitor.ask(target, method="POST", body=b"*")
            await visitor.get(f"/_cache/tags/{target[1:]}", "Authorization: Bearer " + "t" * 20)
            await visitor.get(f"/_cache/entries?prefix={target}", "Authorization: Bearer " + "t" * 20)
        kept = await visitor.get("/kept")
        assert (await site.cache.purge(tags=["*", "page:*"], prefixes=["/*/"])).state == "done"
        assert kept.status == 200
        assert (await visitor.get("/kept")).level == "memory"
        await site.cache.runtime.finish()
    await asyncio.to_thread(until, lambda: bool(client.info("commandstats")), "it tells what it was asked")
    asked = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    return asked & {"keys", "scan", "sscan", "zscan", "flushall", "flushdb", "sort"}


async def test_patterns_are_text(own_server: Server, namespace: str) -> None:
    """Nobody's text is a pattern: a star purges what is tagged with a star, and Redis is never searched by it."""
    assert not await searched(own_server, namespace)


async def test_search_is_found(own_server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that looks for its pages by name is noticed."""
    sound: Any = LoopShared.put

    async def put(store: LoopShared, name: str, *more: Any) -> object:  # noqa: ANN401 - passed on
        await asyncio.to_thread(own_server.client().keys, name + "*")
        return await sound(store, name, *more)

    monkeypatch.setattr(LoopShared, "put", put)
    assert await searched(own_server, namespace) == {"keys"}
