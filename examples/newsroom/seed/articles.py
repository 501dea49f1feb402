"""Articles about modules, classes and topics, in English and German.

The German text is written here; docstrings are quoted as they are and marked as English.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from . import prose

if TYPE_CHECKING:
    from .library import Class, Function, Module

LISTED = 40
MEMBERS = 24

# Modules that explain themselves at length elsewhere, and have no docstring.
HEADLINES = {
    "collections.abc": "Abstract base classes for containers",
    "contextvars": "Variables that belong to a context",
    "dataclasses": "Classes that write their own methods",
    "decimal": "Decimal arithmetic as people do it on paper",
    "enum": "Names for a fixed set of values",
    "graphlib": "Graphs, and an order that respects them",
    "hashlib": "Secure hashes under one roof",
    "http": "The status codes and methods of HTTP",
    "pathlib": "Paths as objects",
    "signal": "Messages from the operating system",
    "struct": "Bytes packed into values, and back",
    "tomllib": "Reading TOML",
    "tracemalloc": "Where all the memory went",
    "unittest.mock": "Stand-ins for what a test should not touch",
    "warnings": "Telling developers without stopping the program",
    "zoneinfo": "Time zones by name",
}


@dataclass(frozen=True, slots=True)
class Story:
    """A page's text in one language."""

    title: str
    teaser: str
    body: str


@dataclass(frozen=True, slots=True)
class Article:
    """A page to be: its slug, its section and its text in both languages."""

    slug: str
    section: str
    en: Story
    de: Story


def about_module(module: Module, section: str) -> Article:
    """The article on a module."""
    headline = HEADLINES.get(module.name) or _headline(module.doc, module.name) or f"What is in {module.name}"
    english = [_lead_en(module), prose.html(_without_own_name(module.doc, module.name))]
    german = [_lead_de(module), _quoted(prose.html(_without_own_name(module.doc, module.name)))]
    for language, out in (("en", english), ("de", german)):
        out += [
            _functions(module.functions, LABELS[language]["functions"], language),
            *(_class_part(one, language) for one in module.classes[:LISTED]),
            _constants(module, language),
        ]
    return Article(
        module.name,
        section,
        Story(headline, _teaser_en(module), "\n".join(filter(None, english))),
        Story(_german_title(module.name), _teaser_de(module), "\n".join(filter(None, german))),
    )


def about_class(owner: str, one: Class, section: str) -> Article:
    """The article on a class of a module."""
    name = f"{owner}.{one.name}"
    headline = _headline(one.doc, one.name) or f"A close look at {one.name}"
    base_en = f" It builds on <code>{escape(', '.join(one.bases))}</code>." if one.bases else ""
    base_de = f" Grundlage ist <code>{escape(', '.join(one.bases))}</code>." if one.bases else ""
    link = f'<a href="newsroom:/{section}/{owner}"><code>{owner}</code></a>' if section in NEWSROOM_SLUGS else f"<code>{owner}</code>"
    n = len(one.methods)
    english = f'<p class="lead">The class <code>{one.name}</code> lives in {link} and has {_many(n, "public method", "public methods")}.{base_en}</p>'
    german = f'<p class="lead">Die Klasse <code>{one.name}</code> wohnt in {link} und hat {_many(n, "öffentliche Methode", "öffentliche Methoden", "eine")}.{base_de}</p>'
    doc = prose.html(one.doc)
    return Article(
        name,
        section,
        Story(headline, f"{one.name} from {owner}, with {_many(n, 'method', 'methods')} explained.",
              "\n".join([english, doc, _functions(one.methods, "Methods", "en")])),
        Story(f"Die Klasse {one.name} im Porträt", f"{one.name} aus {owner}: {_many(n, 'Methode', 'Methoden', 'eine')} in der Einzelkritik.",
              "\n".join([german, _quoted(doc), _functions(one.methods, "Methoden", "de")])),
    )  # fmt: skip


def about_topic(name: str, text: str, section: str) -> Article:
    """The article on a topic of the language reference, whose text has a title line underlined with asterisks."""
    title, _, rest = text.strip().partition("\n")
    title = title.replace('"', "").strip()
    body = prose.html(re.sub(r"^\*+\n", "", rest), quoted_code=True)
    teaser = prose.first_sentence(re.sub(r"^\*+\n", "", rest).replace('"', ""), 180)
    minutes = max(1, len(text.split()) // 220)
    note = '<p class="lead">Aus dem Referenzhandbuch der Sprache. Der Text liegt nur auf Englisch vor.</p>'
    return Article(
        name,
        section,
        Story(title, f"{teaser}." if teaser and not teaser.endswith("…") else teaser, body),
        Story(_GERMAN_TOPICS.get(name, f"Nachgeschlagen: {title}"), f"Lesezeit: {_many(minutes, 'Minute', 'Minuten', 'eine')}.", f"{note}\n{_quoted(body)}"),
    )


NEWSROOM_SLUGS = frozenset(("text", "data", "files", "network", "concurrency", "tools", "desktop", "runtime"))

LABELS = {
    "en": {"functions": "Functions", "constants": "Constants", "more": "and {n} more", "class": "class", "methods": "Methods"},
    "de": {"functions": "Funktionen", "constants": "Konstanten", "more": "und {n} weitere", "class": "Klasse", "methods": "Methoden"},
}  # fmt: skip

_GERMAN_TOPICS = {
    "assert": "Die Anweisung assert",
    "assignment": "Zuweisungen",
    "async": "Koroutinen",
    "augassign": "Erweiterte Zuweisungen",
    "binary": "Rechnen mit zwei Operanden",
    "booleans": "Wahr, falsch, und, oder",
    "break": "Die Anweisung break",
    "calls": "Aufrufe",
    "class": "Klassen definieren",
    "comparisons": "Vergleiche",
    "compound": "Zusammengesetzte Anweisungen",
    "del": "Die Anweisung del",
    "dict": "Wörterbücher anlegen",
    "for": "Die Schleife for",
    "formatstrings": "Zeichenketten formatieren",
    "function": "Funktionen definieren",
    "global": "Die Anweisung global",
    "if": "Die Anweisung if",
    "import": "Importieren",
    "lambda": "Namenlose Funktionen",
    "lists": "Listen anlegen",
    "naming": "Namen und Bindungen",
    "numbers": "Zahlen",
    "objects": "Objekte, Werte und Typen",
    "operator-summary": "Rangfolge der Operatoren",
    "raise": "Ausnahmen auslösen",
    "return": "Die Anweisung return",
    "specialnames": "Besondere Methodennamen",
    "strings": "Zeichenketten und Bytes",
    "try": "Die Anweisung try",
    "types": "Die Hierarchie der Standardtypen",
    "while": "Die Schleife while",
    "with": "Die Anweisung with",
    "yield": "Generatoren",
}


def _headline(doc: str, name: str) -> str:
    line = prose.first_sentence(_without_own_name(doc, name))
    line = re.sub(r"^(?:This module(?:'s)?|This class|The functions in this module) (\w)", lambda found: found[1].upper(), line)
    return line[:1].upper() + line[1:]


def _without_own_name(doc: str, name: str) -> str:
    """A docstring without "Module x -- " or "x.py - " at its head, and without a heading that only repeats the name."""
    short = re.escape(name.rpartition(".")[2])
    full = re.escape(name)
    doc = re.sub(rf"^(?:The )?(?:[Mm]odule )?(?:{full}|{short})(?:\.py)?(?: module)?\s*\n[=~*-]+\s*\n", "", doc)
    return re.sub(rf"^(?:[Mm]odule )?(?:{full}|{short})(?:\.py)?(?: module)?\s*(?:--?|—|:)\s+(?=\S)", "", doc)


def _lead_en(module: Module) -> str:
    parts = _counts(module, ("function", "functions"), ("class", "classes"), ("constant", "constants"), "no")
    where = f"{module.lines:,} lines of Python in <code>{module.file}</code>" if module.lines else "Written in C"
    return f'<p class="lead"><code>{module.name}</code> offers {parts}. {where}.</p>'


def _lead_de(module: Module) -> str:
    parts = _counts(module, ("Funktion", "Funktionen"), ("Klasse", "Klassen"), ("Konstante", "Konstanten"), "keine", "eine")
    lines = f"{module.lines:,}".replace(",", ".")
    where = f"{lines} Zeilen Python in <code>{module.file}</code>" if module.lines else "In C geschrieben"
    return f'<p class="lead">Das Modul <code>{module.name}</code> bietet {parts}. {where}.</p>'


def _counts(
    module: Module, function: tuple[str, str], one: tuple[str, str], constant: tuple[str, str], none: str, single: str = "one"
) -> str:
    counted = ((module.functions, function), (module.classes, one), (module.constants, constant))
    parts = [_many(len(things), *names, single) for things, names in counted if things]
    if not parts:
        return f"{none} {function[1]}"
    joint = " and " if none == "no" else " und "
    return joint.join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _teaser_en(module: Module) -> str:
    names = [thing.name for thing in (*module.classes, *module.functions)][:3]
    opening = ("At a glance", "Inside", "Explained", "The details", "Worth knowing")[_pick(module.name, 5)]
    if names:
        return f"{opening}: {', '.join(names)}{' and more' if len(module.classes) + len(module.functions) > 3 else ''}."
    return f"{opening}: what {module.name} is for."


def _teaser_de(module: Module) -> str:
    names = [thing.name for thing in (*module.classes, *module.functions)][:3]
    more = " und mehr" if len(module.classes) + len(module.functions) > 3 else ""
    return f"Mit {', '.join(names)}{more}." if names else f"Wozu {module.name} da ist."


def _german_title(name: str) -> str:
    patterns = ("Das Modul {} auf einen Blick", "Was {} kann", "Unter der Haube: {}", "Das Modul {}", "{}, kurz erklärt", "Aus der Werkstatt: {}")
    return patterns[_pick(name, len(patterns))].format(name)


def _pick(name: str, choices: int) -> int:
    return hashlib.blake2b(name.encode(), digest_size=4, person=b"words").digest()[0] % choices


def _many(n: int, one: str, many: str, single: str = "one") -> str:
    return f"{single} {one}" if n == 1 else f"{n} {many}"


def _quoted(html: str) -> str:
    """English text inside a German page."""
    return f'<div lang="en" class="original">{html}</div>' if html else ""


def _functions(functions: tuple[Function, ...], heading: str, language: str) -> str:
    if not functions:
        return ""
    shown = "".join(_entry(function, language) for function in functions[:LISTED])
    return f"<h2>{heading}</h2>\n<dl class=\"members\">{shown}</dl>{_more(len(functions) - LISTED, language)}"


def _entry(function: Function, language: str, limit: int = 6) -> str:
    doc = "\n\n".join(re.split(r"\n\s*\n", function.doc)[:limit])
    lang = ' lang="en"' if language != "en" and doc else ""
    return f"<dt><code>{escape(function.signature, quote=False)}</code></dt><dd{lang}>{prose.html(doc)}</dd>"


def _class_part(one: Class, language: str) -> str:
    bases = f"({escape(', '.join(one.bases), quote=False)})" if one.bases else ""
    doc = prose.html(one.doc)
    methods = "".join(_entry(method, language, 1) for method in one.methods[:MEMBERS])
    return "\n".join(
        filter(
            None,
            [
                f"<h2>{one.name}</h2>",
                f'<p class="signature"><code>class {one.name}{bases}</code></p>',
                doc if language == "en" else _quoted(doc),
                f'<dl class="members">{methods}</dl>' if methods else "",
                _more(len(one.methods) - MEMBERS, language),
            ],
        )
    )


def _constants(module: Module, language: str) -> str:
    if not module.constants:
        return ""
    names = "".join(f"<li><code>{name}</code></li>" for name in module.constants[: 2 * LISTED])
    more = _more(len(module.constants) - 2 * LISTED, language)
    return f'<h2>{LABELS[language]["constants"]}</h2>\n<ul class="names">{names}</ul>{more}'


def _more(n: int, language: str) -> str:
    return f"<p>… {LABELS[language]['more'].format(n=n)}.</p>" if n > 0 else ""
