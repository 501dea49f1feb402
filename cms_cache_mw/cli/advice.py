"""What to change where an answer did not come from the cache, by its Reason: the line, or why there is nothing to change."""

from __future__ import annotations

from typing import Final

from cms_cache_mw.core.status import Reason

_SHARE: Final = "Cache-Control: public, max-age=300"

CHANGES: Final[dict[Reason, str]] = {
    Reason.NO_STORE: f"{_SHARE}   (in place of no-store, where all visitors get the same page)",
    Reason.PRIVATE: f"{_SHARE}   (in place of private, where all visitors get the same page)",
    Reason.NO_CACHE: f"{_SHARE}   (in place of no-cache; a purge makes a change visible at once)",
    Reason.PRAGMA: f"{_SHARE}   (in place of Pragma: no-cache)",
    Reason.EXPIRES: f"{_SHARE}   (in place of an Expires or max-age that is over at once)",
    Reason.NO_LIFETIME: _SHARE,
    Reason.SET_COOKIE: "set no cookie on a page for everybody; set it when the visitor does something",
    Reason.VARY_STAR: "Vary: Accept-Language   (what the page really varies by, in place of *)",
    Reason.VARY_USER_AGENT: "take User-Agent out of Vary; serve all browsers the same page",
    Reason.ENCODED: "Vary: Accept-Encoding   (or leave compressing to the cache)",
    Reason.UNTAGGED: "Cache-Tag: page:12   (what the page depends on)",
    Reason.TAGS: "fewer and shorter tags: at most 512 of 256 characters; one within:ANCESTOR stands for a subtree",
    Reason.TOO_LARGE: "CMS_CACHE_MAX_BODY_BYTES=8388608",
    Reason.LATE_VARY: "name in the page's own Vary what its parts vary by, before the head is sent",
    Reason.PERSONAL: "leave out of the page what is one visitor's own, or fill it in when the page is served (a placeholder)",
    Reason.SHORT_PART: "give the part a ttl of some seconds, or more than is left of it when it is used",
    Reason.STALE_PART: "give the fragment that was stale a longer ttl, or the page a shorter one",
    Reason.COLLECTING: "CMS_CACHE_MAX_MEMORY_MB=256",
    Reason.HOST: "CMS_CACHE_SITES=www.example.org=main   (each host that visitors ask for)",
    Reason.UNSURE: "see what is said about Redis and purges",
    Reason.FAULT: "the site's log has the traceback; please report it",
}
"""What would let the cache answer."""


def change_for(reason: str, sets: str = "") -> str:
    """The line to change for a reason's word, or nothing. `sets` is the Set-Cookie of the answer, for its name."""
    if reason == Reason.SET_COOKIE and sets:
        return f"do not send Set-Cookie: {sets.partition('=')[0]}=… on a page for everybody"
    return next((line for known, line in CHANGES.items() if known.value == reason), "")
