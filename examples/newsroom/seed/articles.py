"""Articles about modules, classes and topics, in English and German.

The German text is written here; docstrings are quoted as they are and marked as English.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from examples.newsroom.seed import prose
from examples.newsroom.seed.wording import GERMAN_TOPICS, HEADLINES, LABELS

if TYPE_CHECKING:
    from examples.newsroom.seed.library import Class, Function, Module

LISTED = 40
MEMBERS = 24
SHOWN = 3

_NO_HEADLINE = re.compile(r"Variables|Usage|Arguments|Attributes|Example|Here|Args|Note|This object|x\.|[^\w\"]")
_OPENING = re.compile(r"(?:This module(?:'s)?|This class|The functions in this module)\s+(?=\w)")
_OWN_NAME = re.compile(
    r"(?:The )?(?:[Mm]odule )?([\w.]+?)(?:\.py)?(?: module)?\s*(?:\n[=~*-]+\s*(?:\n|$)|(?:--?|—|:)\s+(?=\S))"
)


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
    doc = _without_own_name(module.doc, module.name)
    english = [_lead(module, "en"), prose.html(prose.without_first_sentence(doc, headline))]
    german = [_lead(module, "de"), _quoted(prose.html(doc))]
    for language, out in (("en", english), ("de", german)):
        out += [
            _functions(module.functions, LABELS[language]["functions_title"], language),
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
    name = one.name if owner == "builtins" else f"{owner}.{one.name}"
    headline = _headline(one.doc, one.name) or f"A close look at {one.name}"
    base_en = f" It builds on <code>{escape(', '.join(one.bases))}</code>." if one.bases else ""
    base_de = f" Grundlage ist <code>{escape(', '.join(one.bases))}</code>." if one.bases else ""
    link = (
        f'<a href="newsroom:/{section}/{owner}"><code>{owner}</code></a>'
        if section in NEWSROOM_SLUGS
        else f"<code>{owner}</code>"
    )
    n = len(one.methods)
    kin = one.bases[0] if one.bases else "object"
    teaser_en = (
        f"{one.name} from {owner}, with {_many(n, 'method', 'methods')} explained." if n else f"A kind of {kin}."
    )
    teaser_de = (
        f"{one.name} aus {owner}: {_many(n, 'Methode', 'Methoden', 'eine')} im Überblick." if n else f"Eine Art {kin}."
    )
    english = f'<p class="lead">The class <code>{one.name}</code> lives in {link} and has {_many(n, "public method", "public methods")}.{base_en}</p>'
    german = f'<p class="lead">Die Klasse <code>{one.name}</code> wohnt in {link} und hat {_many(n, "öffentliche Methode", "öffentliche Methoden", "eine")}.{base_de}</p>'
    doc = prose.html(prose.without_first_sentence(one.doc, headline))
    return Article(
        name,
        section,
        Story(headline, teaser_en,
              "\n".join([english, doc, _functions(one.methods, "Methods", "en")])),
        Story(f"Die Klasse {one.name} im Porträt", teaser_de,
              "\n".join([german, _quoted(prose.html(one.doc)), _functions(one.methods, "Methoden", "de")])),
    )  # fmt: skip


def about_topic(name: str, text: str, section: str) -> Article:
    """The article on a topic of the language reference, whose text has a title line underlined with asterisks."""
    title, _, rest = text.strip().partition("\n")
    title = title.replace('"', "").strip()
    body = prose.html(re.sub(r"^\*+\n", "", rest), quoted_code=True)
    teaser = _topic_teaser(re.sub(r"^\*+\n", "", rest).replace('"', ""))
    minutes = max(1, len(text.split()) // 220)
    note = '<p class="lead">Aus dem Referenzhandbuch der Sprache. Der Text liegt nur auf Englisch vor.</p>'
    return Article(
        name,
        section,
        Story(title, teaser, body),
        Story(
            GERMAN_TOPICS.get(name, f"Nachgeschlagen: {title}"),
            f"Lesezeit: {_many(minutes, 'Minute', 'Minuten', 'eine')}.",
            f"{note}\n{_quoted(body)}",
        ),
    )


NEWSROOM_SLUGS = frozenset(("text", "data", "files", "network", "concurrency", "tools", "desktop", "runtime"))


def _topic_teaser(text: str) -> str:
    """The first sentence of a topic that is one: grammar rules and signatures are not."""
    for paragraph in re.split(r"\n\s*\n", text):
        if "::=" not in paragraph and len(paragraph.split()) >= prose.FEWEST_WORDS:
            line = prose.first_sentence(paragraph, 140)
            return line if line.endswith("…") else f"{line}."
    return ""


def _headline(doc: str, name: str) -> str:
    """The first sentence near the top of a docstring that can stand alone, or nothing."""
    for paragraph in re.split(r"\n\s*\n", _without_own_name(doc, name))[:3]:
        line = _OPENING.sub("", prose.first_sentence(paragraph))
        if line and not line.endswith("…") and not _NO_HEADLINE.match(line) and "->" not in line and ">>>" not in line:
            return line[:1].upper() + line[1:]
    return ""


def _without_own_name(doc: str, name: str) -> str:
    """A docstring without "Module x -- ", "x.py - " or a heading that only repeats the name."""
    found = _OWN_NAME.match(doc)
    return doc[found.end() :] if found and found[1] in {name, name.rpartition(".")[2]} else doc


def _lead(module: Module, language: str) -> str:
    words = LABELS[language]
    lines = f"{module.lines:,}".replace(",", words["comma"])
    where = words["lines"].format(lines=lines, file=module.file) if module.lines else words["in_c"]
    return f'<p class="lead">{words["offers"].format(name=module.name, parts=_counts(module, language))}. {where}.</p>'


def _counts(module: Module, language: str) -> str:
    words = LABELS[language]
    counted = (
        (module.functions, "function", "functions"),
        (module.classes, "class", "classes"),
        (module.constants, "constant", "constants"),
    )
    parts = [_many(len(things), words[one], words[many], words["one"]) for things, one, many in counted if things]
    if not parts:
        return words["nothing"]
    return words["and"].join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _teaser_en(module: Module) -> str:
    names = _names(module)
    opening = ("At a glance", "Inside", "Explained", "The details", "Worth knowing")[_pick(module.name, 5)]
    if names:
        return f"{opening}: {', '.join(names[:SHOWN])}{' and more' if len(names) > SHOWN else ''}."
    return f"{opening}: what {module.name} is for."


def _teaser_de(module: Module) -> str:
    names = _names(module)
    more = " und mehr" if len(names) > SHOWN else ""
    return f"Mit {', '.join(names[:SHOWN])}{more}." if names else f"Wozu {module.name} da ist."


def _names(module: Module) -> list[str]:
    return [one.name for one in module.classes] + [function.name for function in module.functions]


def _german_title(name: str) -> str:
    patterns = (
        "Das Modul {} auf einen Blick",
        "Was {} kann",
        "Unter der Haube: {}",
        "Das Modul {}",
        "{}, kurz erklärt",
        "Aus der Werkstatt: {}",
    )
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
    return f'<h2>{heading}</h2>\n<dl class="members">{shown}</dl>{_more(len(functions) - LISTED, language)}'


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
    return f'<h2>{LABELS[language]["constants_title"]}</h2>\n<ul class="names">{names}</ul>{more}'


def _more(n: int, language: str) -> str:
    return f"<p>… {LABELS[language]['more'].format(n=n)}.</p>" if n > 0 else ""
