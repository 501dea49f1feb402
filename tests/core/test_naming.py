"""The names behind the fingerprints of an entry."""

from __future__ import annotations

from dataclasses import replace

from cms_cache_mw.core.language import of_any
from cms_cache_mw.core.naming import languages, names_of
from cms_cache_mw.core.tags import all_print, group_print, prefix_print, site_print, tag_print, url_print
from tests.core.messages import stored


def test_languages() -> None:
    """Tags come before Content-Language, of which each member counts."""
    said = stored("Cache-Control: max-age=60", "Content-Language: de, en ,")
    assert languages(said) == ["de", "en"]
    assert languages(replace(said, tags=("lang:fr", "page:1"))) == ["fr"]
    assert languages(stored("Cache-Control: max-age=60")) == []
    assert languages(stored("Cache-Control: max-age=60", "Content-Language: de", "Content-Language: en")) == [
        "de",
        "en",
    ]


def test_every_fingerprint_has_a_name() -> None:
    """Tags, tags in a language, URLs with and without query and site, prefixes, the site, groups, everything: and no more."""
    entry = stored("Cache-Control: max-age=60", "Content-Language: de", 'Cache-Groups: "news"')
    origin = "https://example.org"
    expected = {
        tag_print("page:1"): "page:1",
        tag_print("page:1@de"): "page:1@de",
        url_print("example", "/a/b"): "url example:/a/b",
        url_print("example", "/a/b", "q=1"): "url example:/a/b?q=1",
        url_print(None, "/a/b"): "url /a/b",
        prefix_print("example", "/a/"): "prefix example:/a/",
        site_print("example"): "site example",
        group_print(origin, "news"): "group news",
        all_print(): "everything",
    }
    named = replace(entry, tags=("page:1",), site="example", url="/a/b?q=1", prints=tuple(expected))
    assert names_of(named, origin) == expected
    plain = replace(named, url="/a/b", prints=(url_print("example", "/a/b"), 12345))
    assert names_of(plain) == {url_print("example", "/a/b"): "url example:/a/b"}


def test_languages_have_names() -> None:
    """A language that only the head tells is a tag, too; what a fragment of no language has beside its tags has a name."""
    entry = stored("Cache-Control: max-age=60", "Content-Language: de")
    german = {tag_print("lang:de"): "lang:de", tag_print("block:7@de"): "block:7@de"}
    named = replace(entry, tags=("block:7",), site="example", url="/", prints=tuple(german))
    assert names_of(named) == german
    neutral = {tag_print("lang:"): "lang:", tag_print("block:7@"): "block:7@"}
    assert set(of_any(["block:7"])) == set(neutral)
    assert names_of(replace(named, fields=(), prints=of_any(["block:7"]))) == neutral
