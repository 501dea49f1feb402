"""Docstrings as HTML: paragraphs, lists, terms, headings, examples and inline code, from text that never had a markup.

It guesses as a reader does, by indentation and punctuation, and keeps every word.
"""

from __future__ import annotations

import re
import textwrap
from html import escape

DEEPEST = 3
FEWEST_WORDS = 6

_BULLET = re.compile(r"(?:[-*•]|\(?\d{1,2}[.)])\s+")
_TERM = re.compile(r"(\S.{0,60}?)\s+(?:--|—)\s+(\S.*)", re.DOTALL)
_RULE = re.compile(r"[-=~*^_#]{3,}")
_INLINE = re.compile(
    r"``(?P<double>[^`\n]+)``|:[a-z:]+:`(?P<role>[^`\n]+)`|`(?P<single>[^`'\n]+)[`']|(?P<address>https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:])"
    r"|\*\*(?P<strong>\S[^*\n]*)\*\*|(?<![\w*])\*(?P<em>[A-Za-z_][^*\n]{0,60})\*(?![\w*])"
)
_QUOTED_CODE = re.compile(r'"([^"]{1,60}?)"')


def inline(text: str, *, quoted_code: bool = False) -> str:
    """A run of text with its code, emphasis and addresses marked up; `quoted_code` takes "quotes" for code."""
    out, end = [], 0
    for found in _INLINE.finditer(text):
        out.append(_plain(text[end : found.start()], quoted_code))
        kind, value = next((name, value) for name, value in found.groupdict().items() if value)
        safe = escape(value, quote=False)
        if kind == "address":
            out.append(f'<a href="{safe}">{safe}</a>')
        else:
            tag = kind if kind in {"strong", "em"} else "code"
            out.append(f"<{tag}>{safe.lstrip('~!') if kind == 'role' else safe}</{tag}>")
        end = found.end()
    return "".join([*out, _plain(text[end:], quoted_code)])


def _plain(text: str, quoted_code: bool) -> str:  # noqa: FBT001
    safe = escape(text, quote=False)
    return _QUOTED_CODE.sub(r"<code>\1</code>", safe) if quoted_code else safe


def html(text: str, *, quoted_code: bool = False, depth: int = 0) -> str:
    """A docstring as HTML."""
    parts: list[str] = []
    listing: list[str] = []

    def end_listing() -> None:
        if listing:
            code = textwrap.dedent("\n\n".join(listing)).strip("\n")
            parts.append(f"<pre><code>{escape(code, quote=False)}</code></pre>")
            listing.clear()

    for chunk in re.split(r"\n[ \t]*\n", text.strip("\n").expandtabs()):
        if not chunk.strip():
            continue
        indented = chunk.startswith(" ")
        if indented and (listing or not _is_prose(chunk)):
            listing.append(chunk)
            continue
        if chunk.lstrip().startswith(">>>"):
            listing.append(chunk)
            continue
        end_listing()
        if indented and depth < DEEPEST:
            inner = html(textwrap.dedent(chunk), quoted_code=quoted_code, depth=depth + 1)
            _append_quote(parts, inner)
        else:
            parts.extend(_chunk(textwrap.dedent(chunk), quoted_code))
    end_listing()
    return "\n".join(parts)


def _append_quote(parts: list[str], inner: str) -> None:
    if parts and parts[-1].startswith("<blockquote>"):
        parts[-1] = parts[-1].removesuffix("</blockquote>") + f"\n{inner}</blockquote>"
    else:
        parts.append(f"<blockquote>{inner}</blockquote>")


def _is_prose(chunk: str) -> bool:
    """Whether an indented chunk is sentences rather than code."""
    text = chunk.strip()
    if text.startswith(">>>") or re.search(
        r"::=|^\s*(?:def|class|import|from|for|if|with|return) |[{};=]\s*$| = ", text, re.MULTILINE
    ):
        return False
    return (
        len(text.split()) >= FEWEST_WORDS
        and (text[0].isupper() or text[0] in '"*-' or text[:2].isdigit())
        and text[-1] in ".:;)"
    )


def _chunk(chunk: str, quoted_code: bool) -> list[str]:  # noqa: FBT001
    lines = [line for line in chunk.splitlines() if line.strip()]
    if lines[1:] and _RULE.fullmatch(lines[1].strip()):
        rest = _chunk("\n".join(lines[2:]), quoted_code) if lines[2:] else []
        return [f"<h3>{inline(lines[0].strip(), quoted_code=quoted_code)}</h3>", *rest]
    lines = [line for line in lines if not _RULE.fullmatch(line.strip())]
    if not lines:
        return []
    entries = _hanging(lines)
    if all(_BULLET.match(entry) for entry in entries):
        tag = "ol" if entries[0].lstrip("(")[0].isdigit() else "ul"
        points = "".join(
            f"<li>{inline(_BULLET.sub('', entry, count=1), quoted_code=quoted_code)}</li>" for entry in entries
        )
        return [f"<{tag}>{points}</{tag}>"]
    if len(entries) > 1 and all(_TERM.fullmatch(entry) for entry in entries):
        return [_terms(entries, quoted_code)]
    return _mixed(lines, quoted_code)


def _hanging(lines: list[str]) -> list[str]:
    """Lines joined to those they continue: an indented line belongs to the one before it."""
    entries: list[str] = []
    for line in lines:
        if entries and (line.startswith(" ") or (_BULLET.match(entries[-1]) and not _BULLET.match(line))):
            entries[-1] += f"\n{line.strip()}"
        else:
            entries.append(line)
    return entries


def _terms(entries: list[str], quoted_code: bool) -> str:  # noqa: FBT001
    rows = []
    for entry in entries:
        found = _TERM.fullmatch(entry)
        assert found is not None
        rows.append(
            f"<dt><code>{escape(found[1], quote=False)}</code></dt><dd>{inline(found[2], quoted_code=quoted_code)}</dd>"
        )
    return f"<dl>{''.join(rows)}</dl>"


def _mixed(lines: list[str], quoted_code: bool) -> list[str]:  # noqa: FBT001
    """A paragraph that may turn into a listing: ordinary lines, then indented or interactive ones."""
    parts: list[str] = []
    run: list[str] = []
    code = False
    for line in [*lines, ""]:
        is_code = line.startswith(("  ", ">>>", "...")) or (code and line.startswith(" "))
        if run and (is_code != code or not line):
            text = "\n".join(run)
            parts.append(
                f"<pre><code>{escape(textwrap.dedent(text), quote=False)}</code></pre>"
                if code
                else f"<p>{inline(_one_colon(text), quoted_code=quoted_code)}</p>"
            )
            run = []
        code = is_code
        run.append(line)
    return parts


def _one_colon(text: str) -> str:
    """A paragraph that announces a listing: reStructuredText writes two colons and prints one."""
    return text.removesuffix(":") if text.endswith("::") else text


def without_first_sentence(text: str, sentence: str) -> str:
    """A docstring without its first paragraph, where that is `sentence` and nothing else."""
    first, _, rest = text.strip().partition("\n\n")
    return rest if " ".join(first.split()).strip(" .:").lower() == sentence.lower() else text


def first_sentence(text: str, limit: int = 110) -> str:
    """The first sentence of a docstring on one line, without its full stop; empty where there is none that fits."""
    paragraph = re.split(r"\n\s*\n", text.strip())[0]
    line = re.sub(r"<https?:[^>]*> ?|``|\*(?=\w)|(?<=\w)\*|[=~-]{4,}", "", " ".join(paragraph.split()))
    sentence = re.split(r"(?<=[^.\s]{3})\.(?:\s|$)|(?<=\S): ", line)[0].strip(" .:")
    if len(sentence) > limit:
        sentence = sentence[:limit].rsplit(" ", 1)[0].rstrip(" ,;(") + " …"
    return sentence
