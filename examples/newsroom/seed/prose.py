"""Docstrings as HTML: paragraphs, lists, terms, tables, headings, examples and code, from text that never had a markup.

It guesses as a reader does, by indentation and punctuation, and keeps every word.
"""

from __future__ import annotations

import re
import textwrap
from functools import partial
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Mark = Callable[[str], str]

DEEPEST = 3
FEWEST_WORDS = 6

_BULLET = re.compile(r"(?:[-*•]|\(?\d{1,2}[.)])\s+")
_TERM = re.compile(r"(\S.{0,60}?)\s+(?:--|—)\s+(\S.*)", re.DOTALL)
_ADMONITION = re.compile(r"(?:Note|See also|Warning|Changed in version|New in version|Added in version|Deprecated)\b")
_RULE = re.compile(r"[-=~*^_#]{3,}")
_TABLE_RULE = re.compile(r"={3,}(?: +={3,})+ *")
_INLINE = re.compile(
    r"``(?P<double>[^`\n]+)``|:[a-z:]+:`(?P<role>[^`\n]+)`|`(?P<single>[^`'\n]+)[`']"
    r"|(?P<address>https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:])"
    r"|\*\*(?P<strong>\S[^*\n]*)\*\*|(?<![\w*])\*(?P<em>[A-Za-z_][^*\n]{0,60})\*(?![\w*])"
)
_QUOTED_CODE = re.compile(r'"([^"]{1,60}?)"')


def html(text: str, *, quoted_code: bool = False) -> str:
    """A docstring as HTML; `quoted_code` takes "quotes" for code, as the language reference does."""
    return _flow(text, partial(inline, quoted_code=quoted_code), 0)


def inline(text: str, *, quoted_code: bool = False) -> str:
    """A run of text with its code, emphasis and addresses marked up."""
    out, end = [], 0
    for found in _INLINE.finditer(text):
        out.append(_plain(text[end : found.start()], quoted_code=quoted_code))
        kind, value = next((name, value) for name, value in found.groupdict().items() if value)
        safe = escape(value, quote=False)
        if kind == "address":
            out.append(f'<a href="{safe}">{safe}</a>')
        else:
            tag = kind if kind in {"strong", "em"} else "code"
            out.append(f"<{tag}>{safe.lstrip('~!') if kind == 'role' else safe}</{tag}>")
        end = found.end()
    return "".join([*out, _plain(text[end:], quoted_code=quoted_code)])


def first_sentence(text: str, limit: int = 110) -> str:
    """The first sentence of a docstring on one line without its full stop, cut at a word beyond `limit` characters."""
    paragraph = re.split(r"\n\s*\n", text.strip())[0]
    line = re.sub(r"<https?:[^>]*> ?|``|\*(?=\w)|(?<=\w)\*|[=~-]{4,}", "", " ".join(paragraph.split()))
    sentence = re.split(r"(?<=[^.\s]{3})\.(?:\s|$)|(?<=\S): ", line)[0].strip(" .:")
    if len(sentence) > limit:
        sentence = sentence[:limit].rsplit(" ", 1)[0].rstrip(" ,;(") + " …"
    return sentence


def without_first_sentence(text: str, sentence: str) -> str:
    """A docstring without its first paragraph, where that is `sentence` and nothing else."""
    first, _, rest = text.strip().partition("\n\n")
    return rest if " ".join(first.split()).strip(" .:").lower() == sentence.lower() else text


def _plain(text: str, *, quoted_code: bool) -> str:
    safe = escape(text, quote=False)
    return _QUOTED_CODE.sub(r"<code>\1</code>", safe) if quoted_code else safe


def _flow(text: str, mark: Mark, depth: int) -> str:
    parts: list[str] = []
    listing: list[str] = []

    def end_listing() -> None:
        if listing:
            parts.append(_code("\n\n".join(listing)))
            listing.clear()

    for chunk in re.split(r"\n[ \t]*\n", text.strip("\n").expandtabs()):
        if not chunk.strip():
            continue
        indented = chunk.startswith(" ")
        if chunk.lstrip().startswith(">>>") or (indented and (listing or not _is_prose(chunk))):
            listing.append(chunk)
            continue
        end_listing()
        if indented and depth < DEEPEST:
            _append_quote(parts, _flow(textwrap.dedent(chunk), mark, depth + 1))
        else:
            for part in _chunk(textwrap.dedent(chunk), mark):
                _append(parts, part)
    end_listing()
    return "\n".join(parts)


def _append(parts: list[str], part: str) -> None:
    """Add a part, or its points to the list before it: a blank line between two points does not end their list."""
    for tag in ("ol", "ul"):
        if parts and part.startswith(f"<{tag}") and parts[-1].endswith(f"</{tag}>"):
            parts[-1] = parts[-1].removesuffix(f"</{tag}>") + part.partition(">")[2]
            return
    parts.append(part)


def _append_quote(parts: list[str], inner: str) -> None:
    if parts and parts[-1].startswith("<blockquote>"):
        parts[-1] = parts[-1].removesuffix("</blockquote>") + f"\n{inner}</blockquote>"
    else:
        parts.append(f"<blockquote>{inner}</blockquote>")


def _is_prose(chunk: str) -> bool:
    """Whether an indented chunk is sentences rather than code."""
    text = chunk.strip()
    if _ADMONITION.match(text):
        return True
    if re.search(r"::=|[{};=]\s*$| = ", text, re.MULTILINE):
        return False
    opening = text[0].isupper() or text[0] in '"*-' or _BULLET.match(text)
    return bool(opening) and len(text.split()) >= FEWEST_WORDS and text[-1] in ".:;)"


def _chunk(chunk: str, mark: Mark) -> list[str]:
    """What stands between two blank lines: a heading, a table, a list, terms, or a paragraph."""
    lines = [line for line in chunk.splitlines() if line.strip()]
    if lines[1:] and _RULE.fullmatch(lines[1].strip()):
        return [f"<h3>{mark(lines[0].strip())}</h3>", *(_chunk("\n".join(lines[2:]), mark) if lines[2:] else [])]
    if _TABLE_RULE.fullmatch(lines[0]):
        return [_table(lines, mark)]
    lines = [line for line in lines if not _RULE.fullmatch(line.strip())]
    if not lines:
        return []
    entries = _hanging(lines)
    if all(_BULLET.match(entry) for entry in entries):
        return [_points(entries, mark)]
    if len(entries) > 1 and all(_TERM.fullmatch(entry) for entry in entries):
        return [_terms(entries, mark)]
    return _mixed(lines, mark)


def _hanging(lines: list[str]) -> list[str]:
    """Lines joined to those they continue: an indented line belongs to the one before it."""
    entries: list[str] = []
    for line in lines:
        if entries and (line.startswith(" ") or (_BULLET.match(entries[-1]) and not _BULLET.match(line))):
            entries[-1] += f"\n{line.strip()}"
        else:
            entries.append(line)
    return entries


def _points(entries: list[str], mark: Mark) -> str:
    points = "".join(f"<li>{mark(_BULLET.sub('', entry, count=1))}</li>" for entry in entries)
    number = re.match(r"\(?(\d+)", entries[0])
    if number is None:
        return f"<ul>{points}</ul>"
    return f"<ol>{points}</ol>" if number[1] == "1" else f'<ol start="{number[1]}">{points}</ol>'


def _terms(entries: list[str], mark: Mark) -> str:
    rows = []
    for entry in entries:
        term, _, meaning = re.sub(r"\s+(?:--|—)\s+", "\0", entry, count=1).partition("\0")
        rows.append(f"<dt><code>{escape(term, quote=False)}</code></dt><dd>{mark(meaning)}</dd>")
    return f"<dl>{''.join(rows)}</dl>"


def _table(lines: list[str], mark: Mark) -> str:
    """A simple table of reStructuredText: its rules say where the columns begin."""
    starts = [column.start() for column in re.finditer(r"=+", lines[0])]
    rows: list[list[str]] = []
    heads = 0
    for line in lines[1:]:
        if _TABLE_RULE.fullmatch(line):
            heads = heads or len(rows)
            continue
        cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
    html_rows = []
    for number, row in enumerate(rows):
        tag = "th" if number < heads < len(rows) else "td"
        html_rows.append(f"<tr>{''.join(f'<{tag}>{mark(cell)}</{tag}>' for cell in row)}</tr>")
    return f"<table><tbody>{''.join(html_rows)}</tbody></table>"


def _mixed(lines: list[str], mark: Mark) -> list[str]:
    """A paragraph that may turn into a listing: ordinary lines, then indented or interactive ones."""
    parts: list[str] = []
    run: list[str] = []
    code = False
    for line in [*lines, ""]:
        is_code = line.startswith(("  ", ">>>", "...")) or (code and line.startswith(" "))
        if run and (is_code != code or not line):
            text = "\n".join(run)
            # reStructuredText announces a listing with two colons and prints one.
            parts.append(_code(text) if code else f"<p>{mark(re.sub('::$', ':', text))}</p>")
            run = []
        code = is_code
        run.append(line)
    return parts


def _code(text: str) -> str:
    dedented = textwrap.dedent(text).strip("\n")
    return f"<pre><code>{escape(dedented, quote=False)}</code></pre>"
