"""The four classes of cookies: what distinguishes entries, what the application sees, and who bypasses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.cookies import ANONYMOUS, EMPTY, IGNORED, Cookies, Jar, alternatives

SITE = Cookies(keyed=("django_language", "cur_*"))

WRITTEN_IN_THE_DOCS = (
    "_ga _ga_* _gid _gat* _gcl_* __utm* _fbp _fbc _hj* _pk_* _clck _clsk _uetsid _uetvid __hs* hubspotutk mp_* ajs_* "
    "amplitude_* intercom-* OptanonConsent OptanonAlertBoxClosed CookieConsent cookielawinfo-* cookieyes-consent "
    "euconsent-v2 didomi_token consent"
)


def test_built_in_names() -> None:
    """The names that no page is rendered from are those of the documentation."""
    assert set(IGNORED) == set(WRITTEN_IN_THE_DOCS.split())
    assert ANONYMOUS == ("csrftoken",)


@pytest.mark.parametrize("pattern", IGNORED)
def test_ignored(pattern: str) -> None:
    """Each of the built-in names leaves no trace: neither in the key nor for the application."""
    name = pattern.replace("*", "A.B-1").encode()
    assert SITE.sort(name + b"=GA1.2-x%20y; _gid=1") == EMPTY
    assert SITE.sort(name.upper() + b"X=1").other is not None


@pytest.mark.parametrize(
    ("sent", "jar"),
    [
        (b"", EMPTY),
        (b" ; ;; \t", EMPTY),
        (b"_ga=1", EMPTY),
        (b"_ga = 1;_gid", EMPTY),
        (b"\t_ga=1 ;; _gid=2;", EMPTY),
        (b"_ga_=1", EMPTY),
        (b"django_language=de", Jar(b"django_language=de", (b"django_language=de",))),
        (b"_ga=1; django_language=de; _gid=2", Jar(b"django_language=de", (b"django_language=de",))),
        (b" django_language = de ;", Jar(b"django_language = de", (b"django_language = de",))),
        (b"cur_b=2;cur_a=1", Jar(b"cur_b=2; cur_a=1", (b"cur_a=1", b"cur_b=2"))),
        (b"django_language", Jar(b"django_language", (b"django_language",))),
        (b"csrftoken=x", Jar(b"csrftoken=x", anonymous=True)),
        (b"csrftoken=x; cur_=1; _fbp=2", Jar(b"csrftoken=x; cur_=1", (b"cur_=1",), anonymous=True)),
        (b"sessionid=1", Jar(other="sessionid")),
        (b"csrftoken=x; django_language=de; sessionid=1; token=2", Jar(other="sessionid")),
        (b"_ga=1; csrftoken2=x", Jar(other="csrftoken2")),
        (b"_gax=1", Jar(other="_gax")),
        (b"x_ga=1", Jar(other="x_ga")),
        (b"_GA=1", Jar(other="_GA")),
        (b"=1", Jar(other="")),
        (b"_ga=1;\xe4=2", Jar(other="ä")),
        (b"_ga=1;\x0bsessionid=2", Jar(other="\x0bsessionid")),
        (b'_ga="a; sessionid=1; b"', Jar(other="sessionid")),
        (b"_ga&sessionid=1", Jar(other="_ga&sessionid")),
        (b"_ga_&sessionid=1", Jar(other="_ga_&sessionid")),
        (b"django_language2=de", Jar(other="django_language2")),
    ],
)
def test_classes(sent: bytes, jar: Jar) -> None:
    """A Cookie field comes to what is kept for the application, what is keyed, and who the visitor is."""
    assert SITE.sort(sent) == jar


def test_order_within_a_name_is_kept() -> None:
    """Of two cookies with one name an application takes the first or the last: the key tells the two orders apart."""
    one, other = SITE.sort(b"cur_a=1; cur_a=2"), SITE.sort(b"cur_a=2; cur_a=1")
    assert one.keyed != other.keyed
    spaced = SITE.sort(b"cur_a =2; cur_a=1")
    assert spaced.keyed == (b"cur_a =2", b"cur_a=1")


def test_order_between_names_makes_no_difference() -> None:
    """Browsers send cookies in the order of their age: that is no reason for another entry."""
    assert SITE.sort(b"cur_a=1; django_language=de").keyed == SITE.sort(b"django_language=de; cur_a=1").keyed


def test_earlier_class_wins() -> None:
    """A name in two classes belongs to the first of ignored, keyed, anonymous."""
    cookies = Cookies(ignored=("a", "b"), keyed=("b", "c"), anonymous=("c", "a"))
    assert cookies.sort(b"a=1; b=2; c=3") == Jar(b"c=3", (b"c=3",))


def test_no_patterns_match_nothing() -> None:
    """With every class empty, every cookie makes its visitor somebody."""
    assert alternatives(()) == rb"(?!)"
    assert Cookies((), (), ()).sort(b"_ga=1") == Jar(other="_ga")
    assert Cookies((), (), ()).sort(b"") == EMPTY


def test_patterns_are_literal_but_for_the_star() -> None:
    """A dot in a name is a dot."""
    assert Cookies(("a.b*",)).sort(b"a.bc=1") == EMPTY
    assert Cookies(("a.b*",)).sort(b"axbc=1").other == "axbc"


NAMES = st.sampled_from(
    [b"_ga", b"_ga_X", b"_gat", b"mp_1", b"cur_x", b"django_language", b"csrftoken", b"sid", b"", b"a b"]
)
PIECES = st.lists(st.tuples(NAMES, st.sampled_from([b"", b"=", b"=1", b" = 2", b'="x y"', b"&=3"])), max_size=6)
GAPS = st.sampled_from([b";", b"; ", b" ;", b";;", b" ; \t; "])


def slowly(value: bytes) -> Jar:
    """The rule said plainly: split at semicolons, each cookie by itself."""
    kept, keyed, anonymous = [], [], False
    for part in value.split(b";"):
        pair = part.strip(b" \t")
        name = pair.split(b"=")[0].rstrip(b" \t")
        text = name.decode("latin-1")
        star = [pattern[:-1] for pattern in IGNORED if pattern.endswith("*")]
        if not pair or ("&" not in text and (text in IGNORED or text.startswith(tuple(star)))):
            continue
        if text == "django_language" or (text.startswith("cur_") and "&" not in text):
            keyed.append((name, pair))
        elif text == "csrftoken":
            anonymous = True
        else:
            return Jar(other=text)
        kept.append(pair)
    keyed.sort(key=lambda found: found[0])
    return Jar(b"; ".join(kept), tuple(pair for _, pair in keyed), anonymous=anonymous) if kept else EMPTY


@given(PIECES, GAPS, st.sampled_from([b"", b" ", b";"]))
def test_as_the_plain_rule_says(pieces: list[tuple[bytes, bytes]], gap: bytes, edge: bytes) -> None:
    """The one-pass search finds what going through the cookies one by one finds."""
    value = edge + gap.join(name + rest for name, rest in pieces) + edge
    assert SITE.sort(value) == slowly(value)


@given(st.binary(max_size=60))
def test_total(value: bytes) -> None:
    """Any bytes are sorted, as the plain rule says."""
    assert SITE.sort(value) == slowly(value)


@given(PIECES)
def test_what_is_seen_is_sorted_alike(pieces: list[tuple[bytes, bytes]]) -> None:
    """What the application sees has the same classes as what the visitor sent: nothing hides in the removal."""
    jar = SITE.sort(b"; ".join(name + rest for name, rest in pieces))
    if jar.sent is not None:
        assert SITE.sort(jar.sent) == jar


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "value",
    [
        b";" * 40_000,
        b"; " * 20_000,
        b"a" + b" " * 40_000 + b"b=1",
        b"_ga_" + b" " * 40_000 + b"&=1",
        b"_ga=1" + b" ;" * 20_000 + b"x",
        b"_ga" * 12_000,
    ],
)
def test_takes_linear_time(value: bytes) -> None:
    """A field made to be slow is not."""
    assert SITE.sort(value) == slowly(value)
