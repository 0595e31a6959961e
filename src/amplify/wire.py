"""Messages of HTTP as bytes: a body made of values, and what comes back, read within limits."""

from __future__ import annotations

import email.utils
import json as jsons
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from http.client import HTTPResponse
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from amplify.api import Response
from amplify.secret import DOTS, hide

Headers = Mapping[str, str]
NONE: Headers = {}
_HEADERS = 65_536
"""Bytes of all headers of an answer."""
_PIECE = 65_536
_GLANCE = 4_096
"""Bytes of an answer that is only looked at to say what went wrong."""
_LONGEST_WAIT = 86_400.0
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15
_WINDOW = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_TELLING = re.compile(r"auth|token|key|secret|pass|cookie|sign", re.IGNORECASE)
"""In the name of something that is no business of a report."""
_LONG = 16
"""A part of an address that is so long may be a secret."""


class TooMuch(Exception):
    """An answer is beyond what is read; the text is for people."""


# -- what goes out -------------------------------------------------------------------------------------------------


def body(
    json: Any, data: Mapping[str, str] | None, files: Mapping[str, tuple[str, bytes, str]] | None, content: bytes | None
) -> tuple[str, bytes | None]:
    """The type and the bytes of what is sent."""
    if json is not None:
        return "application/json", jsons.dumps(json).encode()
    if files is not None:
        return _multipart(data or {}, files)
    if data is not None:
        return "application/x-www-form-urlencoded", urlencode({name: "".join(value) for name, value in data.items()}).encode()
    return "", content


def _multipart(data: Mapping[str, str], files: Mapping[str, tuple[str, bytes, str]]) -> tuple[str, bytes]:
    boundary = secrets.token_hex(16)
    fields = [(f'name="{_quoted(name)}"', "", "".join(value).encode()) for name, value in data.items()]
    fields += [(f'name="{_quoted(name)}"; filename="{_quoted(file)}"', kind, held) for name, (file, held, kind) in files.items()]
    parts = []
    for name, kind, held in fields:
        said = f"\r\nContent-Type: {re.sub(r'[^ -~]', '', kind)}" if kind else ""
        parts += [f"--{boundary}\r\nContent-Disposition: form-data; {name}{said}\r\n\r\n".encode(), held, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


# -- what must not be shown ----------------------------------------------------------------------------------------


def secrets_in(url: str, headers: Headers, *values: Any) -> Iterator[str]:
    """What in a request may be a secret though nobody declared it one: what was got on the way, or stands in an address."""
    parts = urlsplit(url)
    yield from (part for part in parts.path.split("/") if len(part) >= _LONG)
    yield from (value for _, value in parse_qsl(parts.query) if len(value) >= _LONG)
    for table in (headers, *values):
        for name, value in table.items() if isinstance(table, Mapping) else ():
            if isinstance(value, str) and _TELLING.search(str(name)):
                yield from ("".join(value), "".join(value).partition(" ")[2])


def excerpt(response: Response, told: Iterable[str]) -> str:
    """The beginning of what a server said, if it is meant for people or programs, without secrets."""
    if "html" in response.headers.get("content-type", ""):
        return ""
    text = hide(response.text())
    for secret in sorted((one for one in told if len(one) > 3), key=len, reverse=True):
        for form in {secret, unquote(secret), jsons.dumps(secret)[1:-1]}:
            text = text.replace(form, DOTS)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return f": {text[:200]}{'…' if len(text) > 200 else ''}" if text else ""


# -- what comes back -----------------------------------------------------------------------------------------------


def headers_of(answer: HTTPResponse) -> dict[str, str]:
    """The headers by their names in lower case; cookies are not kept. Raises TooMuch."""
    headers: dict[str, str] = {}
    size = 0
    for name, value in answer.headers.items():
        size += len(name) + len(value)
        key = name.lower()
        if key not in ("set-cookie", "set-cookie2"):
            headers[key] = f"{headers[key]}, {_read(value)}" if key in headers else _read(value)
    if size > _HEADERS:
        raise TooMuch("answers with more headers than anybody needs")
    return headers


def _read(value: str) -> str:
    """A header as it was meant: http.client reads each byte as a letter, and most servers write UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except ValueError:
        return value


def content(answer: HTTPResponse, headers: Headers, limit: int, *, whole: bool) -> bytes:
    """The body, decompressed; where it is not wanted as a whole, its beginning.

    Raises TooMuch, EOFError where it ends too early, OSError, HTTPException.
    """
    if answer.status in (204, 304):
        return b""
    encoding = headers.get("content-encoding", "").strip().lower()
    pieces = _raw(answer, headers, limit, _PIECE if whole else _GLANCE)
    if encoding in _WINDOW:
        pieces = _decompressed(pieces, _WINDOW[encoding])
    elif encoding not in ("", "identity"):
        raise TooMuch(f"answers in an encoding that was not asked for: {encoding[:40]}")
    got = bytearray()
    for piece in pieces:
        got += piece
        if not whole and len(got) >= _GLANCE:
            break
        if len(got) > limit:
            raise TooMuch(f"answers with more than {limit:,} bytes")
    return bytes(got)


def _raw(answer: HTTPResponse, headers: Headers, limit: int, size: int) -> Iterator[bytes]:
    length, read = headers.get("content-length", ""), 0
    while piece := answer.read(size):
        read += len(piece)
        if read > limit:
            raise TooMuch(f"answers with more than {limit:,} bytes")
        yield piece
    if not answer.chunked and length.isdecimal() and read < int(length):
        raise EOFError("ended the connection in the middle of its answer")


def _decompressed(pieces: Iterable[bytes], window: int) -> Iterator[bytes]:
    """A piece at a time: a small answer cannot become a large one in one go."""
    stream = None
    for piece in pieces:
        left = piece
        while left:
            if stream is None:
                plain = window == _ZLIB and left[0] & 15 != 8  # some servers leave the frame of deflate away
                stream = zlib.decompressobj(_DEFLATE if plain else window)
            elif stream.eof:
                if window != _GZIP or not left.startswith(b"\x1f\x8b"):
                    return  # what follows is no further member
                stream = zlib.decompressobj(window)
            try:
                yield stream.decompress(left, _PIECE)
            except zlib.error as error:
                raise EOFError("answers with something that cannot be decompressed") from error
            left = stream.unused_data if stream.eof else stream.unconsumed_tail
    while stream and not stream.eof and (rest := stream.decompress(b"", _PIECE)):
        yield rest
    if stream and not stream.eof:
        raise EOFError("ended the connection in the middle of its answer")


def retry_after(headers: Headers, now: datetime) -> float | None:
    """Seconds that Retry-After asks for, at most a day; None where it does not."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(float(text[:9]), _LONGEST_WAIT)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (when - now).total_seconds()), _LONGEST_WAIT)
