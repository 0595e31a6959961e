"""Header lines of a mail: words of any script, as every mail program shows them (RFC 5322, RFC 2047).

The standard library's folding loses blanks between long words, and the quotation marks of long names.
"""

from __future__ import annotations

import re
from textwrap import wrap

_WIDTH = 76
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


def words_header(header: str, words: str) -> str:
    """The line or lines of a header that holds words, such as the subject."""
    lines = wrap(f"{header}: {words}", _WIDTH, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)
    if _harmless(words) and "  " not in words and all(len(line) <= _WIDTH for line in lines):
        return "\r\n".join(lines)
    return f"{header}: {_encoded(header, words)}"


def named_header(header: str, name: str, address: str) -> str:
    """The line or lines of a header that holds a name and, in angle brackets, what it is the name of."""
    if not name:
        return f"{header}: {address}"
    if not _harmless(name) or len(name) > _WIDTH - len(header) - 4:
        shown = _encoded(header, name)
    elif _ATOMS.fullmatch(name):
        shown = name
    else:
        shown = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    line = f"{header}: {shown}"
    apart = " " if len(line.rpartition("\n")[2]) + len(address) + 3 <= _WIDTH else "\r\n "
    return f"{line}{apart}<{address}>"


def _harmless(words: str) -> bool:
    return words.isascii() and words.isprintable() and "=?" not in words


def _encoded(header: str, words: str) -> str:
    from email.header import Header

    return Header(words, "utf-8", maxlinelen=_WIDTH, header_name=header).encode(linesep="\r\n")
