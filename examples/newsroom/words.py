"""The words of the site's own furniture, in both languages."""

from __future__ import annotations

NAMES = {
    "newsroom": {"en": "Batteries Included", "de": "Batteries Included"},
    "docs": {"en": "Reference Desk", "de": "Reference Desk"},
}

MOTTO = {
    "newsroom": {
        "en": "A magazine about the Python standard library",
        "de": "Das Magazin zur Standardbibliothek von Python",
    },
    "docs": {"en": "The Python language, looked up", "de": "Die Sprache Python zum Nachschlagen"},
}

WORDS = {
    "en": {
        "skip": "Skip to content",
        "menu": "Sections",
        "search": "Search",
        "search_hint": "Modules, classes, words",
        "results_one": "1 page",
        "results_many": "{n} pages",
        "results_more": "The first {n} pages",
        "results_none": "Nothing here about",
        "results_advice": "Try a shorter word, or the name of a module.",
        "results_for": "for",
        "lead_story": "Lead story",
        "latest": "Latest",
        "all_of": "All of",
        "articles": "articles",
        "related": "Read next",
        "contents": "On this page",
        "published": "Published",
        "breadcrumbs": "You are here",
        "pages": "Pages",
        "newer": "Newer",
        "older": "Older",
        "page_of": "Page {n} of {of}",
        "other_language": "Deutsch",
        "other_language_long": "Diese Seite auf Deutsch",
        "not_found": "This page is not in the library",
        "not_found_text": "Nothing lives at this address. It may have moved, or it never existed.",
        "home": "Front page",
        "feed": "RSS feed",
        "sitemap": "Sitemap",
        "editors": "For editors",
        "rendered": "Rendered at {time} · render #{n} by worker {pid}",
        "empty": "Nothing is published here yet.",
    },
    "de": {
        "skip": "Zum Inhalt springen",
        "menu": "Ressorts",
        "search": "Suche",
        "search_hint": "Module, Klassen, Wörter",
        "results_one": "1 Seite",
        "results_many": "{n} Seiten",
        "results_more": "Die ersten {n} Seiten",
        "results_none": "Hier steht nichts über",
        "results_advice": "Versuchen Sie ein kürzeres Wort oder den Namen eines Moduls.",
        "results_for": "für",
        "lead_story": "Aufmacher",
        "latest": "Neu erschienen",
        "all_of": "Alles aus",
        "articles": "Artikel",
        "related": "Weiterlesen",
        "contents": "Auf dieser Seite",
        "published": "Erschienen am",
        "breadcrumbs": "Sie sind hier",
        "pages": "Seiten",
        "newer": "Neuere",
        "older": "Ältere",
        "page_of": "Seite {n} von {of}",
        "other_language": "English",
        "other_language_long": "This page in English",
        "not_found": "Diese Seite steht nicht in der Bibliothek",
        "not_found_text": "Unter dieser Adresse gibt es nichts. Vielleicht ist die Seite umgezogen, vielleicht gab es sie nie.",
        "home": "Titelseite",
        "feed": "RSS-Feed",
        "sitemap": "Sitemap",
        "editors": "Für die Redaktion",
        "rendered": "Erzeugt um {time} · Rendern Nr. {n} durch Worker {pid}",
        "empty": "Hier ist noch nichts erschienen.",
    },
}

MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "de": [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
}


def long_date(day: str, language: str) -> str:
    """An ISO date as people write it: 3 May 2026, 3. Mai 2026."""
    year, month, number = day.split("-")
    return f"{int(number)}{'.' if language == 'de' else ''} {MONTHS[language][int(month) - 1]} {year}"
