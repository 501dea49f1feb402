"""Options: what is accepted, what is refused and how that is said, and where they come from."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from cms_cache_mw import Config, ConfigError
from cms_cache_mw.core.rules import CMS, RFC
from cms_cache_mw.core.value import replace

YEAR = 31_536_000
SCOPES = ("read", "purge", "switch")

ACCEPTED: list[tuple[str, object]] = [
    ("redis_url", None),
    ("redis_url", "redis://cache"),
    ("redis_url", "redis://"),
    ("redis_url", "redis://cache/"),
    ("redis_url", "redis://user:p%40ss@cache:6379/0"),
    ("redis_url", "redis://[::1]:6379/15?health_check_interval=5"),
    ("redis_url", "rediss://cache:6380/0"),
    ("redis_url", "unix:///run/redis.sock"),
    ("redis_url", "unix://user:pass@/run/redis.sock?db=1"),
    ("redis_secret", None),
    ("redis_secret", "0123456789abcdef"),
    ("redis_identity", "info"),
    ("redis_identity", "none"),
    ("namespace", "A-z_0.9"),
    ("namespace", "x" * 64),
    ("sites", {}),
    ("sites", {"www.example.org": "main", "localhost:8000": "dev", "[::1]:80": "six"}),
    ("trusted_proxies", ("10.0.0.0/8", "192.168.1.1", "fd00::/8")),
    ("profile", "cms"),
    ("profile", "rfc"),
    ("default_ttl", 0),
    ("default_ttl", YEAR),
    ("default_ttl", 0.5),
    ("default_ttl", {}),
    ("default_ttl", {"blocks": 5, "pages": 6.5, "templates": 0, "rendered": 60}),
    ("store_statuses", (200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410)),
    ("stale_if_error", 0),
    ("stale_if_error", YEAR),
    ("tag_headers", ()),
    ("tag_headers", ("X-My-Tags",)),
    ("ignored_cookies", ()),
    ("ignored_cookies", ("a.b*", "!#$%&'+-.^_`|~")),
    ("keyed_cookies", ("django_language", "cur_*")),
    ("anonymous_cookies", ()),
    ("ignored_query", ("ref", "filter[x]", "t.*", "a%5B*")),
    ("max_memory_mb", 2),
    ("max_memory_mb", 2.5),
    ("max_memory_mb", 1_048_576),
    ("max_items_per_type", 1),
    ("eviction_policy", "s3fifo"),
    ("eviction_policy", "lru"),
    ("eviction_policy", "lfu"),
    ("memory_body_bytes", 0),
    ("max_body_bytes", 1),
    ("lease_seconds", 0.2),
    ("lease_seconds", 60),
    ("warm_on_start", False),
    ("refresh_ahead", False),
    ("refresh_concurrency", 1),
    ("refresh_concurrency", 1_000),
    ("adaptive_ttl", True),
    ("adaptive_ttl", 0.2),
    ("min_ttl", 1),
    ("min_ttl", 86_400),
    ("max_ttl", 10),
    ("max_ttl", YEAR),
    ("origin_concurrency", None),
    ("origin_concurrency", 1),
    ("origin_concurrency", 10_000),
    ("settle", 0),
    ("settle", 600),
    ("wait_replicas", 0),
    ("wait_replicas", 16),
    ("on_unsure", "serve"),
    ("unsure_max", 0.5),
    ("unsure_max", 86_400),
    ("purge_guard", 1_000),
    ("purge_guard", {"entries": 1_000, "seconds": 60.0, "share": 0.3, "soft": True}),
    ("purge_guard", {"share": 1.0}),
    ("admin_path", "/_cache"),
    ("admin_path", "/internal/cache-1.0~x"),
    ("admin_tokens", {}),
    ("admin_tokens", {"editor.1": "!" * 8, "ops": "~" * 512}),
    ("admin_tokens", {"desk": ("12345678", ("read",)), "ops": ("87654321", ("read", "purge"))}),
    ("admin_token", None),
    ("admin_token", "12345678"),
    ("enable_for", 0.0),
    ("enable_for", 0.25),
    ("enable_for", ("/", "/news/*")),
    ("enable_for", ()),
    ("metrics_dir", None),
    ("metrics_dir", "/run/cms-cache"),
    ("audit_rate", 0.01),
    ("flags", {}),
    ("flags", {"shared": False, "coalescing": True}),
]


TOGETHER: dict[str, dict[str, Any]] = {"on_unsure": {"unsure_max": 60}, "unsure_max": {"on_unsure": "serve"}}
"""What an option needs beside it."""


@pytest.mark.parametrize(("option", "value"), ACCEPTED)
def test_accepted(option: str, value: Any) -> None:  # noqa: ANN401 - of each option's type
    """A value that can be meant is kept."""
    assert getattr(Config(**TOGETHER.get(option, {}) | {option: value}), option) == value


STATUSES = "one of 200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410"
NAME = "1 to 64 letters, digits, '.', '_' and '-'"
REDIS = "redis_url=…: a URL such as redis://user:password@host:6379/0, rediss://… or unix:///path"
PATTERN = "a name such as 'currency', or a prefix such as '_ga_*'"
HOST = "a host such as 'www.example.org' or 'localhost:8000', without scheme"
PATH = "a path such as '/_cache', without a slash at the end"
TOKEN = "8 to 512 visible ASCII characters"

REFUSED: list[tuple[str, object, str]] = [
    ("redis_url", 5, "redis_url=…: Expected `str | null`, got `int`"),
    *(
        ("redis_url", url, REDIS)
        for url in (
            "",
            "cache:6379",
            "user:hidden@cache",
            "http://cache",
            "REDIS:cache",
            "redis://cache:port",
            "redis://cache:99999",
            "redis://cache/one",
            "redis://cache/0/1",
            "redis://:hid#den@cache",
            "redis://[::1",
            "redis://cache?socket_timeout=soon",
            "redis://cache?no_such_option=1",
            "unix://",
            "unix:///",
            "unix:///run/redis.sock?db=one",
            "redis+sentinel://a,b/",
            "redis+cluster://a,b/0",
        )
    ),
    ("redis_secret", "0123456789abcde", "redis_secret=…: at least 16 characters"),
    ("redis_secret", b"0123456789abcdef", "redis_secret=…: Expected `str | null`, got `bytes`"),
    ("redis_identity", "role", "redis_identity='role': one of info, none"),
    ("namespace", "", f"namespace='': {NAME}, such as 'cms'"),
    ("namespace", "a b", f"namespace='a b': {NAME}, such as 'cms'"),
    ("namespace", "a\n", f"namespace='a\\n': {NAME}, such as 'cms'"),
    ("namespace", "{a}", f"namespace='{{a}}': {NAME}, such as 'cms'"),
    ("namespace", "x" * 65, f"namespace='{'x' * 65}': {NAME}, such as 'cms'"),
    ("namespace", None, "namespace=None: Expected `str`, got `null`"),
    ("sites", {"https://www.example.org": "main"}, f"sites='https://www.example.org': {HOST}"),
    ("sites", {"": "main"}, f"sites='': {HOST}"),
    ("sites", {"a b": "main"}, f"sites='a b': {HOST}"),
    ("sites", {"exämple.org": "main"}, f"sites='exämple.org': {HOST}"),
    ("sites", {"www.example.org": "a/b"}, f"sites='a/b': a site is {NAME}"),
    ("sites", {"www.example.org": 1}, "Expected `str`, got `int`"),
    ("sites", ["www.example.org"], "Expected `object`, got `array`"),
    ("trusted_proxies", ("10.0.0.1/8",), "trusted_proxies='10.0.0.1/8': a network such as '10.0.0.0/8'"),
    ("trusted_proxies", ("proxy",), "trusted_proxies='proxy': a network such as '10.0.0.0/8'"),
    ("trusted_proxies", "10.0.0.0/8", "trusted_proxies='10.0.0.0/8': Expected `array`, got `str`"),
    ("profile", "varnish", "profile='varnish': one of cms, rfc"),
    ("default_ttl", -1, f"default_ttl=-1.0: between 0 and {YEAR:_}"),
    ("default_ttl", YEAR + 1, f"between 0 and {YEAR:_}"),
    ("default_ttl", float("nan"), "default_ttl=nan: a finite number"),
    ("default_ttl", float("inf"), "default_ttl=inf: a finite number"),
    ("default_ttl", "60", "default_ttl='60': Expected `float | object`, got `str`"),
    ("default_ttl", {"pages": -1}, f"default_ttl=-1.0: between 0 and {YEAR:_}"),
    ("default_ttl", {"pages": float("nan")}, "default_ttl=nan: between"),
    ("default_ttl", {"posts": 5}, "default_ttl={'posts': 5}: one of blocks, pages, templates, rendered"),
    ("store_statuses", (200, 500), f"store_statuses=500: {STATUSES}"),
    ("store_statuses", (206,), f"store_statuses=206: {STATUSES}"),
    ("store_statuses", ("200",), "Expected `int`, got `str` - at `$[0]`"),
    ("store_statuses", 200, "store_statuses=200: Expected `array`, got `int`"),
    ("stale_if_error", -0.1, f"stale_if_error=-0.1: between 0 and {YEAR:_}"),
    ("tag_headers", ("cache tag",), "tag_headers='cache tag': a header name such as 'cache-tag'"),
    ("tag_headers", ("",), "tag_headers='': a header name such as 'cache-tag'"),
    ("ignored_cookies", ("a*b",), f"ignored_cookies='a*b': {PATTERN}"),
    ("keyed_cookies", ("*",), f"keyed_cookies='*': {PATTERN}"),
    ("keyed_cookies", ("a=b",), f"keyed_cookies='a=b': {PATTERN}"),
    ("keyed_cookies", "currency", "keyed_cookies='currency': Expected `array`, got `str`"),
    (
        "keyed_cookies",
        ("consent",),
        "keyed_cookies='consent': ignored_cookies has it already; a cookie belongs to one class",
    ),
    ("keyed_cookies", ("_ga_lang",), "keyed_cookies='_ga_lang': ignored_cookies has it already"),
    ("keyed_cookies", ("_ga_l*",), "keyed_cookies='_ga_l*': ignored_cookies has it already"),
    ("keyed_cookies", ("csrftoken",), "anonymous_cookies='csrftoken': keyed_cookies has it already"),
    ("anonymous_cookies", ("_gid",), "anonymous_cookies='_gid': ignored_cookies has it already"),
    ("anonymous_cookies", ("a;b",), f"anonymous_cookies='a;b': {PATTERN}"),
    ("ignored_query", ("a&b",), "ignored_query='a&b': a parameter such as 'ref', or a prefix such as 'utm_*'"),
    ("ignored_query", ("a=",), "ignored_query='a=': a parameter"),
    ("max_memory_mb", 0, "max_memory_mb=0.0: between 1 and 1_048_576"),
    ("max_memory_mb", 1, "max_body_bytes=2097152: between 1 and 1_048_576, which is max_memory_mb"),
    ("max_memory_mb", True, "max_memory_mb=True: Expected `float`, got `bool`"),
    ("max_items_per_type", 0, "max_items_per_type=0: between 1 and 100_000_000"),
    ("max_items_per_type", 1.5, "max_items_per_type=1.5: Expected `int`, got `float`"),
    ("eviction_policy", "fifo", "eviction_policy='fifo': one of s3fifo, lru, lfu"),
    ("memory_body_bytes", -1, "memory_body_bytes=-1: between 0 and 67_108_864, which is max_memory_mb"),
    ("max_body_bytes", 0, "max_body_bytes=0: between 1 and 67_108_864, which is max_memory_mb"),
    ("lease_seconds", 0.1, "lease_seconds=0.1: between 0.2 and 60"),
    ("lease_seconds", 61, "lease_seconds=61.0: between 0.2 and 60"),
    ("warm_on_start", "often", "warm_on_start='often': Expected `bool`, got `str`"),
    ("refresh_ahead", 3, "refresh_ahead=3: Expected `bool`, got `int`"),
    ("refresh_concurrency", 0, "refresh_concurrency=0: between 1 and 1_000"),
    ("refresh_concurrency", 1_001, "refresh_concurrency=1001: between 1 and 1_000"),
    ("adaptive_ttl", 0.6, "adaptive_ttl=0.6: between 0.001 and 0.5"),
    ("adaptive_ttl", "often", "adaptive_ttl='often': Expected `bool | float`, got `str`"),
    ("adaptive_ttl", float("nan"), "adaptive_ttl=nan: a finite number"),
    ("min_ttl", 86_401, "min_ttl=86401.0: between 1 and 86_400.0, which is max_ttl"),
    ("min_ttl", 0, "min_ttl=0.0: between 1 and"),
    ("max_ttl", 0, "max_ttl=0.0: between 1 and 31_536_000"),
    ("max_ttl", 5, "min_ttl=10.0: between 1 and 5.0, which is max_ttl"),
    ("origin_concurrency", 0, "origin_concurrency=0: between 1 and 10_000"),
    ("origin_concurrency", 1.5, "origin_concurrency=1.5: Expected `int | null`, got `float`"),
    ("settle", -1, "settle=-1.0: between 0 and 600"),
    ("settle", 601, "settle=601.0: between 0 and 600"),
    ("wait_replicas", -1, "wait_replicas=-1: between 0 and 16"),
    ("wait_replicas", 17, "wait_replicas=17: between 0 and 16"),
    ("on_unsure", "serve", "unsure_max=None: on_unsure='serve' needs a number of seconds, such as 60"),
    ("on_unsure", "stop", "on_unsure='stop': one of bypass, serve"),
    ("unsure_max", 60, "unsure_max=60: it says how long to serve, with on_unsure='serve'"),
    ("admin_path", "", f"admin_path='': {PATH}"),
    ("admin_path", "/", f"admin_path='/': {PATH}"),
    ("admin_path", "_cache", f"admin_path='_cache': {PATH}"),
    ("admin_path", "/_cache/", f"admin_path='/_cache/': {PATH}"),
    ("admin_path", "/a//b", f"admin_path='/a//b': {PATH}"),
    ("admin_path", "/ä", f"admin_path='/ä': {PATH}"),
    ("admin_path", "/a?b", f"admin_path='/a?b': {PATH}"),
    ("admin_path", "/a\n", f"admin_path='/a\\n': {PATH}"),
    ("admin_tokens", {"a b": "12345678"}, f"admin_tokens='a b': a name of {NAME}"),
    ("admin_tokens", {"ops": "1234567"}, f"admin_tokens['ops']=…: {TOKEN}"),
    ("admin_tokens", {"ops": "1234 5678"}, f"admin_tokens['ops']=…: {TOKEN}"),
    ("admin_tokens", {"ops": "12345678\n"}, f"admin_tokens['ops']=…: {TOKEN}"),
    ("purge_guard", {"share": 1.5}, "purge_guard=1.5: between 0 and 1"),
    ("purge_guard", -1, "purge_guard=-1: between 0 and 1_000_000_000"),
    ("purge_guard", {"soft": True}, "purge_guard={'soft': True}: at least one of entries, seconds and share"),
    ("admin_tokens", {"ops": 12345678}, "admin_tokens=…: Expected `str | array`, got `int`"),
    ("admin_tokens", {"ops": ("12345678", ("write",))}, "admin_tokens=…: one of read, purge"),
    ("admin_tokens", {"ops": ("1234567", ("read",))}, f"admin_tokens['ops']=…: {TOKEN}"),
    ("admin_tokens", {"ops": ("12345678", ())}, "admin_tokens['ops']=…: scopes such as ('read', 'purge')"),
    ("admin_token", "1234567", f"admin_tokens['admin']=…: {TOKEN}"),
    ("admin_token", "x" * 513, f"admin_tokens['admin']=…: {TOKEN}"),
    ("admin_token", 12345678, "admin_token=…: Expected `str | null`, got `int`"),
    ("enable_for", 1.5, "enable_for=1.5: a share between 0 and 1"),
    ("enable_for", float("nan"), "enable_for=nan: a finite number"),
    ("enable_for", ("news/*",), "enable_for='news/*': a path such as '/news/*', where * stands for anything"),
    ("enable_for", ("/",) * 101, "enable_for=101 patterns; at most 100"),
    ("enable_for", "/news", "enable_for='/news': Expected `float | array`, got `str`"),
    ("metrics_dir", "run", "metrics_dir='run': a whole path such as '/run/cms-cache'"),
    ("audit_rate", -0.1, "audit_rate=-0.1: a share between 0 and 1"),
    ("flags", {"coalesing": False}, "flags='coalesing': there is no such flag; the flags are shared, coalescing, fill"),
    ("flags", {"shared": "no"}, "Expected `bool`, got `str`"),
    ("profil", "cms", "profil: there is no option 'profil'; the options are redis_url, redis_secret"),
]


@pytest.mark.parametrize(("option", "value", "said"), REFUSED)
def test_refused(option: str, value: Any, said: str) -> None:  # noqa: ANN401 - of any type
    """A value that cannot be meant is an error that names the option, the value and what would be right."""
    with pytest.raises(ConfigError) as caught:
        Config(**{option: value})
    assert said in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_every_option_is_in_the_tables() -> None:
    """No option without an accepted and a refused value above."""
    options = {option.name for option in dataclasses.fields(Config)}
    assert {option for option, _ in ACCEPTED} == options
    assert {option for option, *_ in REFUSED} == options | {"profil"}


def test_unsure_for_too_long() -> None:
    """A worker that goes on serving does so for a day at most."""
    with pytest.raises(ConfigError, match=r"unsure_max=86401\.0: between 0 and 86_400"):
        Config(on_unsure="serve", unsure_max=86_401)


def test_two_ways_to_one_token() -> None:
    """The short form and the long one cannot both name `admin`."""
    with pytest.raises(
        ConfigError, match=r"admin_token and admin_tokens\['admin'\]: the first is short for the second"
    ):
        Config(admin_token="12345678", admin_tokens={"admin": "87654321"})


SECRETS: dict[str, Any] = {
    "redis_url": "redis://user:hidden-one@cache/0",
    "redis_secret": "hidden-two-0123456789",
    "admin_tokens": {"ops": "hidden-three"},
    "admin_token": "hidden-four",
}


def test_shows_no_secret() -> None:
    """Neither passwords nor tokens are in what a log or a traceback shows."""
    assert "hidden" not in repr(Config(**SECRETS))
    assert "hidden" not in str(Config(**SECRETS))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("redis_url", "hidden@cache"),
        ("redis_url", "redis://:hid#den:hidden@cache"),
        ("redis_url", ["hidden"]),
        ("redis_secret", "hidden"),
        ("redis_secret", ["hidden"]),
        ("admin_token", "hid"),
        ("admin_token", "hidden hidden"),
        ("admin_token", ["hidden"]),
        ("admin_tokens", {"ops": "hidden hidden"}),
        ("admin_tokens", {"ops": ["hidden"]}),
        ("admin_tokens", ["hidden"]),
    ],
)
def test_errors_show_no_secret(option: str, value: Any) -> None:  # noqa: ANN401 - of any type
    """An error about a secret shows everything but the secret."""
    with pytest.raises(ConfigError) as caught:
        Config(**{option: value})
    assert "hid" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ['{"ops": "hidden', '{"ops": 5, "x": "hidden"}', "ops=hid den", "hidden"])
def test_errors_of_variables_show_no_secret(text: str) -> None:
    """The same where it came from the environment."""
    with pytest.raises(ConfigError) as caught:
        Config.from_env({"CMS_CACHE_ADMIN_TOKENS": text})
    assert "hid" not in str(caught.value)


FROM_ENV: list[tuple[str, str, str, object]] = [
    ("REDIS_URL", "redis://cache/0", "redis_url", "redis://cache/0"),
    ("REDIS_URL", "", "redis_url", None),
    ("ADMIN_TOKEN", "", "admin_token", None),
    ("NAMESPACE", "5", "namespace", "5"),
    ("MAX_MEMORY_MB", "32", "max_memory_mb", 32.0),
    ("LEASE_SECONDS", "0.5", "lease_seconds", 0.5),
    ("MAX_ITEMS_PER_TYPE", "7", "max_items_per_type", 7),
    ("PROFILE", "rfc", "profile", "rfc"),
    ("STORE_STATUSES", "200, 404,", "store_statuses", (200, 404)),
    ("KEYED_COOKIES", " a , b* ", "keyed_cookies", ("a", "b*")),
    ("IGNORED_COOKIES", "", "ignored_cookies", ()),
    (
        "SITES",
        "www.example.org=main, localhost:8000 = dev",
        "sites",
        {"www.example.org": "main", "localhost:8000": "dev"},
    ),
    ("SITES", ' {"www.example.org": "main"}', "sites", {"www.example.org": "main"}),
    ("SITES", "", "sites", {}),
    ("ADMIN_TOKENS", "ops=abc=def==", "admin_tokens", {"ops": "abc=def=="}),
    ("ADMIN_TOKENS", '{"ops": "abc,def=,"}', "admin_tokens", {"ops": "abc,def=,"}),
    ("ADMIN_TOKENS", '{"ops": ["12345678", ["read"]]}', "admin_tokens", {"ops": ("12345678", ("read",))}),
    ("PURGE_GUARD", "1000", "purge_guard", 1_000),
    ("PURGE_GUARD", "", "purge_guard", None),
    ("PURGE_GUARD", '{"entries": 5, "soft": true}', "purge_guard", {"entries": 5, "soft": True}),
    ("DEFAULT_TTL", "60", "default_ttl", 60.0),
    ("DEFAULT_TTL", "blocks=60,rendered=0.5", "default_ttl", {"blocks": 60.0, "rendered": 0.5}),
    ("DEFAULT_TTL", '{"pages": 5}', "default_ttl", {"pages": 5.0}),
    ("ENABLE_FOR", "0.5", "enable_for", 0.5),
    ("ENABLE_FOR", "/news/*, /about", "enable_for", ("/news/*", "/about")),
    ("AUDIT_RATE", "0.01", "audit_rate", 0.01),
    ("FLAGS", "shared=false,coalescing=true", "flags", {"shared": False, "coalescing": True}),
]


@pytest.mark.parametrize(("variable", "text", "option", "value"), FROM_ENV)
def test_from_env(variable: str, text: str, option: str, value: Any) -> None:  # noqa: ANN401 - of each option's type
    """A variable's text becomes the option's type: lists by commas, tables as pairs or JSON, nothing where nothing may be."""
    config = Config.from_env({f"CMS_CACHE_{variable}": text, "PATH": "/bin", "CMS_OTHER": "x"})
    assert getattr(config, option) == value
    assert config == Config(**{option: value})


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        (
            "MAX_MEMORY_GB",
            "1",
            "CMS_CACHE_MAX_MEMORY_GB: there is no option 'max_memory_gb'; the options are redis_url",
        ),
        ("MAX_MEMORY_MB", "much", "CMS_CACHE_MAX_MEMORY_MB='much': Expected `float`, got `str`"),
        ("MAX_MEMORY_MB", "", "CMS_CACHE_MAX_MEMORY_MB='': Expected `float`, got `str`"),
        ("MAX_MEMORY_MB", "nan", "max_memory_mb=nan: a finite number"),
        ("MAX_MEMORY_MB", "0", "max_memory_mb=0.0: between 1 and 1_048_576"),
        ("STORE_STATUSES", "200,ok", "CMS_CACHE_STORE_STATUSES='200,ok': Expected `int`, got `str` - at `$[1]`"),
        ("PROFILE", "none", "CMS_CACHE_PROFILE='none': one of cms, rfc"),
        (
            "SITES",
            "www.example.org",
            "CMS_CACHE_SITES='www.example.org': pairs such as name=value, separated by commas, or a JSON object",
        ),
        ("SITES", '{"a": 1}', "CMS_CACHE_SITES='{\"a\": 1}': Expected `str`, got `int`"),
        ("DEFAULT_TTL", "blocks=soon", "CMS_CACHE_DEFAULT_TTL='blocks=soon': Expected `float`, got `str`"),
        ("DEFAULT_TTL", "posts=5", "one of blocks, pages, templates, rendered"),
    ],
)
def test_from_env_refuses(variable: str, text: str, said: str) -> None:
    """A variable that names no option, or that cannot be read as its option, is an error that names it."""
    with pytest.raises(ConfigError) as caught:
        Config.from_env({f"CMS_CACHE_{variable}": text})
    assert said in str(caught.value)


def test_variables_of_the_command_line() -> None:
    """What tells `cms-cache` whom to ask may stand beside the options, and is none."""
    asking = {"CMS_CACHE_SERVER": "http://127.0.0.1:8000", "CMS_CACHE_TOKEN": "12345678"}
    assert Config.from_env(asking) == Config()


def test_from_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the variables are the process's own; what is given by name wins."""
    monkeypatch.setenv("CMS_CACHE_NAMESPACE", "other")
    monkeypatch.setenv("CMS_CACHE_MAX_MEMORY_MB", "16")
    assert Config.from_env() == Config(namespace="other", max_memory_mb=16)
    assert Config.from_env(namespace="mine") == Config(namespace="mine", max_memory_mb=16)
    assert Config.from_env({}) == Config()
    with pytest.raises(ConfigError, match="there is no option 'name_space'"):
        Config.from_env(name_space="x")


def test_is_frozen() -> None:
    """A configuration does not change; another one is made of it, and checked."""
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.namespace = "x"  # type: ignore[misc]
    assert dataclasses.replace(config, namespace="x") == Config(namespace="x")
    with pytest.raises(ConfigError):
        dataclasses.replace(config, namespace="")


def test_is_not_changed_through_what_it_was_made_of() -> None:
    """A list or table that the caller goes on using is the caller's."""
    sites, cookies = {"www.example.org": "main"}, ["currency"]
    config = Config(sites=sites, keyed_cookies=cookies)  # type: ignore[arg-type]
    sites["other"] = "other"
    cookies.append("more")
    assert config == Config(sites={"www.example.org": "main"}, keyed_cookies=("currency",))


def test_positional_arguments() -> None:
    """Options are given by name."""
    with pytest.raises(TypeError):
        Config("redis://cache")  # type: ignore[call-arg]


def test_can_be_copied() -> None:
    """A configuration can be sent to another process."""
    config = Config(**SECRETS)
    assert copy.deepcopy(config) == config
    assert pickle.loads(pickle.dumps(config)) == config


def test_derived() -> None:
    """Bytes, tokens and lifetimes as the parts of a cache ask for them."""
    config = Config(
        max_memory_mb=1.5,
        max_body_bytes=5,
        memory_body_bytes=5,
        admin_token="12345678",
        admin_tokens={"ops": "87654321"},
    )
    assert config.max_memory_bytes == 1_572_864
    assert config.tokens == {"admin": ("12345678", SCOPES), "ops": ("87654321", SCOPES)}
    assert Config().tokens == {}
    assert Config(default_ttl=7).ttl_of("blocks") == 7.0
    assert [Config(default_ttl={"blocks": 7}).ttl_of(name) for name in ("blocks", "pages")] == [7.0, 300.0]


def test_rules() -> None:
    """The options that are rules change the profile they belong to, and no other."""
    assert Config().rules() == CMS
    assert Config(profile="rfc").rules() == RFC
    changed: dict[str, Any] = {
        "store_statuses": (200, 404),
        "stale_if_error": 5,
        "max_body_bytes": 7,
        "tag_headers": ("X-Tags",),
    }
    cms = Config(default_ttl={"rendered": 60}, **changed).rules()
    assert cms == replace(
        CMS,
        default_ttl=60.0,
        store_statuses=frozenset({200, 404}),
        stale_if_error=5.0,
        max_body_bytes=7,
        tag_headers=frozenset({b"x-tags"}),
    )
    rfc = Config(profile="rfc", default_ttl=60, **changed).rules()
    assert rfc == replace(RFC, max_body_bytes=7, tag_headers=frozenset({b"x-tags"}))
