"""The blocks that the newsroom starts with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeedBlock:
    """A block: `language` is set where it belongs to one edition only; `texts` maps language to title and body."""

    id: str
    kind: str
    region: str
    texts: dict[str, tuple[str, str]]
    language: str | None = None


MENU = {
    "en": [("Text", "text"), ("Data", "data"), ("Files", "files"), ("Network", "network"), ("Concurrency", "concurrency"),
           ("Tools", "tools"), ("Desktop", "desktop"), ("Runtime", "runtime")],
    "de": [("Text", "text"), ("Daten", "data"), ("Dateien", "files"), ("Netz", "network"), ("Nebenläufigkeit", "concurrency"),
           ("Werkzeuge", "tools"), ("Fenster", "desktop"), ("Laufzeit", "runtime")],
}  # fmt: skip


def _menu(language: str) -> str:
    lines = [f"{label} = newsroom:/{slug}/" for label, slug in MENU[language]]
    return "\n".join([*lines, f"{'Reference' if language == 'en' else 'Referenz'} = docs:/"])


BLOCKS = (
    SeedBlock("menu", "menu", "layout", {"en": ("Sections", _menu("en")), "de": ("Ressorts", _menu("de"))}),
    SeedBlock(
        "footer",
        "text",
        "layout",
        {
            "en": (
                "About",
                ("<p><strong>Batteries Included</strong> is a magazine about what comes in the box with Python. The articles quote "
                "the docstrings of the interpreter that runs this site, © Python Software Foundation, under the PSF licence. "
                'Look things up at the <a href="docs:/">Reference Desk</a>.</p>'),
            ),
            "de": (
                "Über uns",
                ("<p><strong>Batteries Included</strong> ist das Magazin über alles, was bei Python schon in der Schachtel liegt. "
                "Die Artikel zitieren die Docstrings des Interpreters, auf dem diese Seite läuft, © Python Software Foundation, "
                'unter der PSF-Lizenz. Nachschlagen kann man am <a href="docs:/">Reference Desk</a>.</p>'),
            ),
        },
    ),
    SeedBlock(
        "notice",
        "text",
        "top",
        {
            "en": (
                "Reader survey",
                ("<p><strong>Two minutes for a better magazine?</strong> We are asking readers of the English edition which modules "
                "they import first. The survey is open until Friday.</p>"),
            )
        },
        language="en",
    ),
    SeedBlock(
        "contact",
        "text",
        "aside",
        {
            "en": ("Write to us", '<p>Found a mistake? <a href="mailto:desk@newsroom.example">desk@newsroom.example</a> reads everything.</p>'),
            "de": ("Schreiben Sie uns", '<p>Einen Fehler gefunden? <a href="mailto:desk@newsroom.example">desk@newsroom.example</a> liest alles.</p>'),
        },
    ),
    SeedBlock(
        "series",
        "text",
        "aside",
        {
            "en": ("About this series", "<p>Every module gets its turn. We read the source, so you know where to look.</p>[[block:contact]]"),
            "de": ("Zu dieser Serie", "<p>Jedes Modul kommt an die Reihe. Wir lesen den Quelltext, damit Sie wissen, wo er steht.</p>[[block:contact]]"),
        },
    ),
    SeedBlock(
        "numbers",
        "text",
        "aside",
        {
            "en": ("Float or Decimal?", '<p>Floats are fast and binary. For money take <a href="newsroom:/data/decimal"><code>decimal</code></a>, for thirds <a href="newsroom:/data/fractions"><code>fractions</code></a>.</p>'),
            "de": ("Float oder Decimal?", '<p>Floats sind schnell und binär. Für Geld nimmt man <a href="newsroom:/data/decimal"><code>decimal</code></a>, für Drittel <a href="newsroom:/data/fractions"><code>fractions</code></a>.</p>'),
        },
    ),
    SeedBlock(
        "safety",
        "text",
        "bottom",
        {
            "en": ("Mind the network", '<p>Nothing that comes from outside is what it claims to be. Check certificates with <a href="newsroom:/network/ssl"><code>ssl</code></a>, set timeouts, and never unpickle bytes from strangers.</p>'),
            "de": ("Vorsicht, Netz", '<p>Was von außen kommt, ist selten, was es zu sein vorgibt. Zertifikate mit <a href="newsroom:/network/ssl"><code>ssl</code></a> prüfen, Wartezeiten begrenzen und nie die Bytes von Fremden entpickeln.</p>'),
        },
    ),
    SeedBlock("latest", "latest", "aside", {"en": ("Latest", ""), "de": ("Neu erschienen", "")}),
    SeedBlock(
        "reference",
        "text",
        "aside",
        {
            "en": ("Where this text is from", "<p>From the documentation that ships inside every Python: type <code>help()</code> and read it without any network.</p>[[block:contact]]"),
            "de": ("Woher dieser Text stammt", "<p>Aus der Dokumentation, die in jedem Python steckt: <code>help()</code> eintippen und ganz ohne Netz lesen.</p>[[block:contact]]"),
        },
    ),
)  # fmt: skip

NOTICE_PAGES = 40

# Which blocks the pages of a section carry; the notice is dealt out by count.
BY_SECTION = {
    "text": ("series",),
    "data": ("numbers",),
    "files": ("series",),
    "network": ("safety",),
    "concurrency": ("contact",),
    "tools": ("series",),
    "statements": ("reference",),
    "expressions": ("reference",),
    "model": ("reference",),
}

# Which blocks the sections themselves carry, where it is not the latest articles.
ON_SECTIONS = {"data": ("numbers",), "network": ("safety", "contact"), "exceptions": ("reference",)}

# Addresses of Python 2, and of an older arrangement of the site.
REDIRECTS = {
    "text/StringIO": "files/io",
    "text/HTMLParser": "text/html.parser",
    "data/sets": "data/collections",
    "files/ConfigParser": "files/configparser",
    "files/cPickle": "files/pickle",
    "files/anydbm": "files/dbm",
    "network/urllib2": "network/urllib.request",
    "network/urlparse": "network/urllib.parse",
    "network/httplib": "network/http.client",
    "network/Cookie": "network/http.cookies",
    "network/SocketServer": "network/socketserver",
    "concurrency/Queue": "concurrency/queue",
    "concurrency/thread": "concurrency/threading",
    "desktop/Tkinter": "desktop/tkinter",
    "tools/test": "tools/unittest",
    "net/": "network/",
}
