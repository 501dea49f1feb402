"""The checks of the probe, by class of attack."""

from __future__ import annotations

from typing import Final

from tests.security.probe import CLEAN, EVIL, Check, Sent

ASGI: Final = ("uvicorn-httptools", "uvicorn-h11", "granian")
"""Servers that keep field lines apart; the others join cookies by commas, and applications then see but one."""

SESSIONS: Final = (
    *("sessionid", "session", "PHPSESSID", "JSESSIONID", "ASP.NET_SessionId", ".AspNetCore.Session", "connect.sid"),
    *("laravel_session", "XSRF-TOKEN", "_rails_session", "rack.session", "sid", "SESS0a1b2c", "SSESS0a1b2c"),
    *(
        "wordpress_logged_in_0a1b",
        "wp-settings-1",
        "wp_woocommerce_session_0a",
        "comment_author_0a1b",
        "woocommerce_cart_hash",
    ),
    *("ghost-members-ssr", "ghost-admin-api-session", "craftSessionId", "CraftToken", "fe_typo_user", "be_typo_user"),
    *(
        "remember_token",
        "remember_web_59ba36",
        "auth_token",
        "access_token",
        "refresh_token",
        "jwt",
        "id_token",
        "token",
    ),
    *(
        "__Host-session",
        "__Secure-session",
        "__Secure-next-auth.session-token",
        "next-auth.session-token",
        "__clerk_db_jwt",
    ),
    *(
        "__prerender_bypass",
        "__next_preview_data",
        "nuxt-session",
        "_csrf",
        "CSRF-TOKEN",
        "messages",
        "cart",
        "user_id",
    ),
    *(
        "fastapiusersauth",
        "AUTH_SESSION_ID",
        "KEYCLOAK_IDENTITY",
        "AWSALB",
        "CF_Authorization",
        "_oauth2_proxy",
        "authelia_session",
    ),
    *(
        "sails.sid",
        "koa.sess",
        "mojolicious",
        "plack_session",
        "Bearer",
        "SessionId",
        "SESSIONID",
        "_gallery",
        "_gax",
        "ga",
        "consent2",
    ),
    *("csrftoken2", "sessionid_ga", "_", "utm"),
)
"""Cookies that make somebody of a visitor, among them names that resemble those that do not."""

CREDENTIALS: Final = (
    *(
        "Authorization: Basic YTpi",
        "AUTHORIZATION: Bearer x",
        "authorization: x",
        "Proxy-Authorization: Basic YTpi",
        "X-Api-Key: 1",
    ),
    *("X-Auth-Token: 1", "X-Access-Token: 1", "X-Remote-User: ann", "Remote-User: ann", "X-Forwarded-User: ann"),
    *(
        "X-Auth-Request-Email: ann@a.test",
        "X-Amzn-Oidc-Data: x",
        "X-Goog-IAP-JWT-Assertion: x",
        "Cf-Access-Jwt-Assertion: x",
    ),
    *("X-Ms-Client-Principal: x", "X-Webauth-User: ann", "X-Client-Cert: x", "Tailscale-User-Login: ann"),
)

FORBIDDEN: Final = (
    *(
        "private",
        "Private",
        "PRIVATE",
        "private, max-age=600",
        "max-age=600, private",
        "max-age=600 , PRIVATE ,",
        ",,private,,",
    ),
    *(
        "public, private, max-age=600",
        "max-age=600;private",
        "public; private",
        "public private",
        'max-age=600, "private"',
    ),
    *(
        'private="set-cookie"',
        "private=x",
        "private=",
        "max-age=600,private,s-maxage=600",
        "s-maxage=600, private",
        "\tprivate",
    ),
    *(
        "no-store",
        "No-Store",
        "NO-STORE",
        "max-age=600, no-store",
        "no-store, public, s-maxage=9",
        "public;no-store",
        "max-age=600 no-store",
    ),
    *(
        '"no-store"',
        "no-store=1",
        "must-understand, no-store, max-age=600",
        "no-cache",
        "NO-CACHE",
        "no-cache, max-age=600",
    ),
    *(
        'no-cache="set-cookie"',
        "public;no-cache",
        "max-age=0",
        "s-maxage=0, max-age=600",
        "max-age=600, max-age=0",
        "max-age=abc",
    ),
    *(
        "max-age=-1",
        "max-age=",
        "max-age='600'",
        "max-age=6e2",
        'foo="a, private, max-age=600',
        'max-age=600, x="private"',
    ),
)
"""Values of Cache-Control that keep a page with its visitor."""

VARY: Final = (
    *(
        "*",
        " *",
        "*,",
        ",*",
        "Accept-Language, *",
        "*, Accept-Language",
        "Accept-Language,*",
        "* , *",
        "\t*",
        '"*"',
        "*;q=1",
        "Cookie *",
    ),
    *("Accept Language", "Cookie;foo", "(Cookie)", "Cookie: x", "User-Agent", "USER-AGENT, Accept", "user-agent"),
)
"""Values of Vary that say more than a shared cache can compare, or what cannot be read."""

KEYED: Final = (
    *(
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Scheme",
        "X-Forwarded-Server",
    ),
    *(
        "X-Forwarded-Path",
        "X-Forwarded-Uri",
        "X-Forwarded-Ssl",
        "X-Host",
        "X-Original-Host",
        "X-HTTP-Host-Override",
        "X-Original-URL",
    ),
    *(
        "X-Rewrite-URL",
        "Front-End-Https",
        "X-Requested-With",
        "HX-Request",
        "X-PJAX",
        "X-Inertia",
        "Turbo-Frame",
        "HX-Target",
        "HX-Boosted",
    ),
    *(
        "X-Up-Target",
        "RSC",
        "Next-Router-State-Tree",
        "Next-Router-Prefetch",
        "Next-Url",
        "Next-Action",
        "x-nextjs-data",
        "X-Fragment",
    ),
    *(
        "X-Forwarded-Protocol",
        "X-Scheme",
        "X-Url-Scheme",
        "X-Script-Name",
        "X-Original-Uri",
        "X-Envoy-Original-Path",
        "Origin",
    ),
    *("X-Inertia-Partial-Data", "X-Livewire", "X-Alpine-Request", "X-FORWARDED-HOST", "x-forwarded-host"),
)
SMUGGLED: Final = (
    *(
        "X_Forwarded_Host",
        "X-Forwarded_Host",
        "X_Original_URL",
        "X_HTTP_Method_Override",
        "HX_Request",
        "X_Forwarded_Prefix",
    ),
    *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"),
)

TARGETS: Final = (
    *(
        "http://" + EVIL + ".test{path}",
        "//" + EVIL + ".test{path}",
        "{path}#" + EVIL,
        "{path}&" + EVIL,
        "{path}&" + EVIL + "=1",
    ),
    *(
        "{path};" + EVIL,
        "{path}%00" + EVIL,
        "{path}&x=%00" + EVIL,
        "{path}&x=%ff" + EVIL,
        "{path}&%75tm_x=" + EVIL,
        "{path}&utm_x=1;" + EVIL,
    ),
    *(
        "{path}&utm_x=" + EVIL,
        "{path}&gclid=" + EVIL,
        "{path}&utm_x=1%26" + EVIL,
        "{path}&fbclid[]=" + EVIL,
        "{path}&UTM_X=" + EVIL,
    ),
    *(
        "{path}?" + EVIL,
        "{path}&utm_x=" + EVIL + "&gclid=" + EVIL,
        "{path}&utm_x=1?" + EVIL,
        "/" + EVIL + "/..{path}",
        "/%2e" + EVIL + "{path}",
    ),
)

PATHS: Final = (
    ".css",
    "/a.js",
    ";x.png",
    "%2fa.css",
    "/..%2fa.css",
    "%0aa.css",
    "%00a.css",
    "/../a.css",
    "//a.css",
    "%3b.css",
    "%23.css",
    "%3f.css",
)

FRAMED: Final = (
    ("GET with a body", Sent((f"Content-Length: {len(EVIL)}",), body=EVIL.encode())),
    (
        "GET with a chunked body",
        Sent(("Transfer-Encoding: chunked",), body=b"4\r\n" + EVIL.encode() + b"\r\n0\r\n\r\n"),
    ),
    (
        "GET with a form",
        Sent(("Content-Type: application/x-www-form-urlencoded", "Content-Length: 6"), body=b"a=" + EVIL.encode()),
    ),
    ("GET with a length that is signed", Sent((f"Content-Length: +{len(EVIL)}",), body=EVIL.encode())),
    ("GET with two lengths", Sent(("Content-Length: 0", f"Content-Length: {len(EVIL)}"), body=EVIL.encode())),
    (
        "GET with a length and chunks",
        Sent(("Content-Length: 4", "Transfer-Encoding: chunked"), body=b"4\r\n3v1l\r\n0\r\n\r\n"),
    ),
    ("HEAD first", Sent((f"X-Note: {EVIL}",), method="HEAD")),
    ("POST first", Sent(method="POST", lines=("Content-Length: 4",), body=EVIL.encode())),
    ("unknown method first", Sent(method="EVIL", lines=(f"X-Note: {EVIL}",))),
    ("method in lower case", Sent(method="get", lines=(f"X-Note: {EVIL}",))),
    ("HTTP/1.0", Sent(version="1.0", host=None, lines=(f"X-Forwarded-Host: {EVIL}",))),
    ("Upgrade", Sent(("Upgrade: " + EVIL,))),
)

HOSTS: Final = (
    *(
        EVIL + ".test",
        "site.test:" + EVIL,
        "site.test@" + EVIL,
        "site.test/" + EVIL,
        "site.test, " + EVIL,
        EVIL + ".site.test",
        "site.test#" + EVIL,
    ),
    *("[" + EVIL + "]", "site.test\x80" + EVIL, "", "site.test:80:" + EVIL),
)

STATUSES: Final = (
    201,
    202,
    203,
    204,
    206,
    226,
    299,
    300,
    301,
    302,
    303,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    406,
    410,
    413,
    414,
    431,
    500,
    501,
    503,
)


def _leaks() -> list[Check]:
    mine = [Check("leak", f"cookie {name}", first=Sent((f"Cookie: {name}=1",))) for name in SESSIONS]
    mine += [
        Check("leak", f"cookie after analytics: {name}", first=Sent((f"Cookie: _ga=1; {name}=1",)))
        for name in SESSIONS[:8]
    ]
    mine += [Check("leak", line, first=Sent((line,))) for line in CREDENTIALS]
    mine += [Check("leak", f"Cache-Control: {value}", answer=(f"Cache-Control: {value}",)) for value in FORBIDDEN]
    mine += [Check("leak", f"Vary: {value}", answer=(f"Vary: {value}", "Cache-Control: max-age=600")) for value in VARY]
    lines = [
        ("Cache-Control: max-age=600", "Cache-Control: private"),
        ("Cache-Control: no-store", "Cache-Control: public, max-age=600"),
        ("cAcHe-CoNtRoL: pRiVaTe",),
        ("Vary: Accept-Language", "vary: *"),
        ("Set-Cookie: a=1",),
        ("set-cookie: a=1", "Cache-Control: public, max-age=600"),
        ("SET-COOKIE: a=1", "CDN-Cache-Control: max-age=600"),
        ("Set-Cookie:", "Cache-Control: public, s-maxage=600"),
        ('Clear-Site-Data: "*"', "Cache-Control: public, max-age=600"),
        ("Pragma: no-cache",),
        ("Expires: 0",),
        ("Expires: Thu, 01 Jan 1970 00:00:00 GMT",),
        ("CDN-Cache-Control: private", "Cache-Control: max-age=600"),
        ("CDN-Cache-Control: no-store",),
        ("Surrogate-Control: no-store", "Cache-Control: max-age=600"),
        ("Content-Type: text/event-stream",),
        ("Content-Type: application/json",),
        ("Content-Encoding: br", "Vary: X-Accept-Encoding"),
    ]
    mine += [Check("leak", " + ".join(each), answer=each) for each in lines]
    mine += [
        Check(
            "leak",
            "a session in the second Cookie line",
            first=Sent(("Cookie: _ga=1", "Cookie: sessionid=1")),
            only=ASGI,
        ),
        Check("leak", "a cookie without a value", first=Sent(("Cookie: sessionid",))),
        Check("leak", "a cookie without a name", first=Sent(("Cookie: =1",))),
        Check("leak", "a quoted cookie", first=Sent(('Cookie: _ga="1; sessionid=2"',))),
        Check("leak", "a cookie after a comma", first=Sent(("Cookie: sessionid=1, _ga=2",))),
        Check("leak", "what a visitor with a session sees is not from the store", then=Sent(("Cookie: sessionid=1",))),
        Check("leak", "what a visitor with a form's token was shown", first=Sent((f"Cookie: csrftoken={EVIL}",))),
    ]
    return mine


def _poisonings() -> list[Check]:
    mine = [
        Check("poisoning", f"{name} on the first request", first=Sent((f"{name}: {EVIL}",)), shares=None)
        for name in KEYED
    ]
    mine += [
        Check("poisoning", f"{name} past the key", first=Sent((f"{name}: {EVIL}",)), shares=None) for name in SMUGGLED
    ]
    forwarded = (
        f"host={EVIL}",
        f"for=1;host={EVIL}",
        f"for=1, for=2;HOST={EVIL}",
        f'for="a;b";host="{EVIL}"',
        f"proto={EVIL}",
        f"for=1;\xa0host={EVIL}",
    )
    mine += [
        Check("poisoning", f"Forwarded: {value}", first=Sent((f"Forwarded: {value}",)), shares=None)
        for value in forwarded
    ]
    mine += [Check("poisoning", f"target {target}", first=Sent(target=target), shares=None) for target in TARGETS]
    mine += [Check("poisoning", name, first=sent) for name, sent in FRAMED]
    mine += [Check("poisoning", f"Host: {host!r}", first=Sent(host=host)) for host in HOSTS]
    mine += [
        *(
            Check("poisoning", f"Host: {host}, which is another", first=Sent(host=host))
            for host in ("SITE.TEST", "site.test:8080", "site.test.")
        ),
        Check("poisoning", "a prefix of the client's own", first=Sent(("SCRIPT_NAME: /p",)), only=("gthread",)),
        Check("poisoning", "two Host lines", first=Sent((f"Host: {EVIL}.test",))),
        Check("poisoning", "no Host", first=Sent(host=None, lines=(f"X-Note: {EVIL}",))),
        Check(
            "poisoning",
            "a folded line",
            first=Sent(("X-Forwarded-Host:", f" {EVIL}")),
            shares=None,
            then=CLEAN,
        ),
        Check("poisoning", "an analytics cookie", first=Sent((f"Cookie: _ga={EVIL}; _gid={EVIL}",)), shares=None),
        Check("poisoning", "a condition", first=Sent((f'If-None-Match: "{EVIL}"',)), shares=None),
        Check("poisoning", "a range", first=Sent(("Range: bytes=0-1", f'If-Range: "{EVIL}"'))),
        Check("poisoning", "a field that Vary names", first=Sent((f"X-Tint: {EVIL}",)), answer=("Vary: X-Tint",)),
        Check("poisoning", "a language", first=Sent((f"Accept-Language: {EVIL}",)), answer=("Vary: Accept-Language",)),
    ]
    return mine


def _deceptions() -> list[Check]:
    known = Sent(("Cookie: sessionid=1",))
    mine = [
        Check("deception", f"private under {path}", answer=("Cache-Control: private",), path="/page-{number}" + path)
        for path in PATHS
    ]
    mine += [Check("deception", f"a session under {path}", first=known, path="/page-{number}" + path) for path in PATHS]
    return mine


def _denials() -> list[Check]:
    public = ("Cache-Control: public, max-age=600",)
    mine = [Check("cpdos", f"status {status}", answer=public, status=status) for status in STATUSES]
    mine += [
        Check("cpdos", "a head of 60 KB", Sent(tuple(f"X-Pad-{n}: {'a' * 3_900}" for n in range(15))), shares=None),
        Check("cpdos", "a control character", Sent((f"X-Host: \x07{EVIL}",)), shares=None),
        Check("cpdos", "a long query", first=Sent(target="{path}&a=" + EVIL * 1_000)),
        Check("cpdos", "an expectation", Sent(("Expect: nonsense",)), shares=None),
        Check("cpdos", "a precondition", first=Sent((f'If-Match: "{EVIL}"',))),
    ]
    return mine


def _kept() -> list[Check]:
    def kept(name: str, *answer: str, first: Sent = CLEAN, then: Sent = CLEAN, query: str = "") -> Check:
        return Check("kept", name, first, then, answer, shares=True, query=query)

    analytics = (
        "_ga=1",
        "_ga_X1=1; _gid=2",
        "__utma=1",
        "_fbp=1",
        "_hjSession_1=1",
        "_pk_id.1.abc=2",
        "OptanonConsent=x&y=1",
        "consent=1",
    )
    tracking = ("utm_source=a", "utm_medium=b&gclid=c", "fbclid=d", "msclkid=e", "mc_cid=f&mc_eid=g", "_hsenc=h")
    fresh = (
        "max-age=600",
        "public",
        "public, s-maxage=600",
        "MAX-AGE=600",
        "max-age=600, must-revalidate",
        "max-age=600, foo=bar",
        'max-age="600"',
        "",
    )
    mine = [kept(f"with {pairs}", first=Sent((f"Cookie: {pairs}",))) for pairs in analytics]
    mine += [kept(f"asked with {pairs}", then=Sent((f"Cookie: {pairs}",))) for pairs in analytics]
    mine += [kept(f"with ?{pairs}", then=Sent(target="{path}&" + pairs)) for pairs in tracking]
    mine += [kept(f"Cache-Control: {value}", f"Cache-Control: {value}") for value in fresh]
    mine += [
        kept("a page that says nothing"),
        kept("Vary: Cookie", "Vary: Cookie"),
        kept("Vary: , Cookie", "Vary: , Cookie"),
        kept("Vary: Accept-Encoding, Cookie", "Vary: Accept-Encoding, Cookie"),
        kept(
            "a language",
            "Vary: Accept-Language",
            first=Sent(("Accept-Language: de, en;q=0.5",)),
            then=Sent(("accept-language: de,en;q=0.5",)),
        ),
        kept("a hard reload", then=Sent(("Cache-Control: no-cache", "Pragma: no-cache"))),
        kept(
            "a browser's fields",
            then=Sent(
                ("User-Agent: x", "Accept: text/html", "Sec-Fetch-Mode: navigate", "DNT: 1", "Referer: http://a.test/")
            ),
        ),
        kept(
            "through a proxy",
            first=Sent(("X-Forwarded-For: 192.0.2.1",)),
            then=Sent(("X-Forwarded-For: 192.0.2.2", "X-Real-IP: 192.0.2.2")),
        ),
        kept(
            "Forwarded for somebody",
            first=Sent(("Forwarded: for=192.0.2.1",)),
            then=Sent(("Forwarded: for=192.0.2.2",)),
        ),
        kept(
            "behind a proxy that names the host",
            first=Sent(("X-Forwarded-Host: a.test",)),
            then=Sent(("X-Forwarded-Host: a.test",)),
        ),
        kept("asked with a form's token", then=Sent(("Cookie: csrftoken=1",))),
        kept("a body of no bytes", then=Sent(("Content-Length: 0",))),
        kept("long-lived CDN-Cache-Control", "CDN-Cache-Control: max-age=600"),
        kept("a feed", "Content-Type: application/rss+xml"),
        kept("an image that says so", "Content-Type: image/png", "Cache-Control: max-age=600"),
        kept("a query of its own", query="page=2&order=asc"),
        kept("with credentials asked for by nobody", "WWW-Authenticate: Basic"),
    ]
    return mine


CHECKS: Final = [*_leaks(), *_poisonings(), *_deceptions(), *_denials(), *_kept()]
