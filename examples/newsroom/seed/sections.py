"""The sections of both sites, and which module belongs to which."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its name and teaser in each language, and the top-level modules it takes."""

    slug: str
    titles: dict[str, str]
    teasers: dict[str, str]
    modules: frozenset[str] = frozenset()


def _section(slug: str, en: tuple[str, str], de: tuple[str, str], modules: str = "") -> Section:
    return Section(slug, {"en": en[0], "de": de[0]}, {"en": en[1], "de": de[1]}, frozenset(modules.split()))


# The last one takes what no other has asked for.
NEWSROOM = (
    _section(
        "text",
        ("Text", "Strings, patterns, dictionaries of languages: how Python reads and writes words."),
        ("Text", "Zeichenketten, Muster, Übersetzungen: wie Python Wörter liest und schreibt."),
        "codecs difflib gettext html json locale pprint re reprlib shlex string stringprep textwrap token tokenize",
    ),
    _section(
        "data",
        ("Data & numbers", "Containers, dates, random numbers and exact arithmetic."),
        ("Daten und Zahlen", "Behälter, Kalender, Zufall und genaues Rechnen."),
        """array bisect calendar cmath collections colorsys copy dataclasses datetime decimal enum fractions functools graphlib
        heapq itertools math numbers operator random secrets statistics struct time types typing uuid weakref zoneinfo""",
    ),
    _section(
        "files",
        ("Files & formats", "Paths, archives, databases and everything with an extension."),
        ("Dateien und Formate", "Pfade, Archive, Datenbanken und alles, was eine Endung hat."),
        """aifc bz2 chunk configparser copyreg csv dbm filecmp fileinput fnmatch genericpath glob gzip imghdr io linecache lzma
        marshal mimetypes netrc ntpath pathlib pickle pickletools plistlib posixpath shelve shutil sndhdr sqlite3 stat sunau
        tarfile tempfile tomllib wave xml zipfile zlib""",
    ),
    _section(
        "network",
        ("Network & mail", "Sockets, servers, the web and the oldest protocol still in use: e-mail."),
        ("Netz und Post", "Sockets, Server, das Web und das älteste Protokoll von allen: die E-Mail."),
        """asynchat asyncore base64 cgi cgitb email ftplib hashlib hmac http imaplib ipaddress mailbox mailcap nntplib poplib
        quopri select selectors smtpd smtplib socket socketserver ssl telnetlib urllib uu webbrowser wsgiref xdrlib xmlrpc""",
    ),
    _section(
        "concurrency",
        ("Concurrency", "Threads, processes, coroutines: several things at once, or nearly."),
        ("Nebenläufigkeit", "Threads, Prozesse, Koroutinen: mehreres zugleich, oder fast."),
        "asyncio concurrent contextvars multiprocessing queue sched signal subprocess threading",
    ),
    _section(
        "tools",
        ("Tools & tests", "Debuggers, profilers, test runners: the workshop behind every program."),
        ("Werkzeuge und Tests", "Debugger, Profiler, Testläufe: die Werkstatt hinter jedem Programm."),
        """bdb cProfile doctest logging modulefinder pdb profile pstats pyclbr pydoc tabnanny timeit trace traceback
        tracemalloc unittest venv warnings zipapp""",
    ),
    _section(
        "desktop",
        ("Desktop & terminal", "Windows, turtles and command lines."),
        ("Fenster und Terminal", "Fenster, Schildkröten und Kommandozeilen."),
        "argparse cmd code codeop curses getopt getpass optparse pty rlcompleter tkinter tty turtle",
    ),
    _section(
        "runtime",
        ("Runtime", "Imports, syntax trees, the interpreter looking at itself."),
        ("Laufzeit", "Importe, Syntaxbäume und ein Interpreter, der sich selbst betrachtet."),
    ),
)

DOCS = (
    _section(
        "statements",
        ("Statements", "What a line of Python can do."),
        ("Anweisungen", "Was eine Zeile Python tun kann."),
        """assert assignment async augassign break class compound continue del else exprlists for function global if import
        nonlocal pass raise return try while with yield""",
    ),
    _section(
        "expressions",
        ("Expressions", "Operators, literals and calls, and in which order they happen."),
        ("Ausdrücke", "Operatoren, Literale und Aufrufe und in welcher Reihenfolge sie geschehen."),
        """atom-identifiers atom-literals attribute-references await binary bitwise booleans calls comparisons conversions
        floating formatstrings id-classes identifiers imaginary in integers lambda lists naming numbers operator-summary power
        shifting slicings strings subscriptions unary""",
    ),
    _section(
        "model",
        ("Data model", "Objects, types and the special names that tie them together."),
        ("Datenmodell", "Objekte, Typen und die besonderen Namen, die sie verbinden."),
    ),
    _section(
        "builtins",
        ("Built-in types", "The classes that are there before the first import."),
        ("Eingebaute Typen", "Die Klassen, die schon vor dem ersten Import da sind."),
    ),
    _section(
        "exceptions",
        ("Exceptions", "Everything that can go wrong, by name."),
        ("Ausnahmen", "Was alles schiefgehen kann, beim Namen genannt."),
    ),
)


def section_of(module: str) -> str:
    """The slug of the newsroom's section for a module."""
    top = module.partition(".")[0]
    return next((section.slug for section in NEWSROOM if top in section.modules), NEWSROOM[-1].slug)
