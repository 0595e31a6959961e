"""A mail that came in, taken apart: who wrote it and whether a person did, what it answers, its words and its pictures.

Mails are the worst that others write: `read_mail` is for a process of its own (`apart`), and its answer is plain values.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import parseaddr, parsedate_to_datetime
from hashlib import blake2b
from html import escape, unescape
from typing import Literal, TypedDict
from urllib.parse import unquote

from amplify.replies import own_html, own_text

About = Literal["contribution", "answer", "leaving", "automatic"]
"""`answer`: to our newsletter. `leaving`: a request to leave the list. `automatic`: no person wrote it to us."""
_LONGEST_HEADER = 2_000
_DEEPEST = 50
_MOST = 20
_LONGEST_TEXT = 1_000_000


class Picture(TypedDict):
    """A picture in a mail: `data` in base64, `words` that say what it shows."""

    data: str
    words: str
    name: str


class Incoming(TypedDict):
    """A mail as plain values. In `body`, `cid:0` is where the first of `pictures` is shown; `data` is "" for one that is not.

    `answers` is the Message-ID of what it answers, `token` what a request to leave names.
    """

    id: str
    about: About
    subject: str
    author: str
    address: str
    date: str
    form: Literal["html", "text"]
    body: str
    pictures: list[Picture]
    attached: list[str]
    answers: str
    token: str


def read_mail(data: bytes, newsletter: str) -> Incoming:
    """A mail as it was sent; `newsletter` is the address from which our own comes."""
    mail = message_from_bytes(data, policy=_AsItStands())
    parts = list(_leaves(mail, 0))
    html, text = (_joined(parts, kind) for kind in ("text/html", "text/plain"))
    subject, (author, address) = _one_line(_words(mail, "Subject")), _author(mail)
    answered = re.findall(r"<([^<>\s]+)>", f"{_words(mail, 'References')} {_words(mail, 'In-Reply-To')}")
    ours = next((one for one in answered if _is_ours(one, newsletter)), "")
    answer = bool(answered or _ANSWERED.match(subject)) and not _FORWARDED.match(subject)
    pictures, shown = _pictures(parts)
    form: Literal["html", "text"] = "html" if _says(html) or not text.strip() else "text"
    body = _with_pictures(own_html(html, answer=answer), html, pictures, shown) if form == "html" else own_text(text, answer=answer)
    token = _wish(subject, body)
    about: About = "leaving" if token is not None else "automatic" if _is_automatic(mail, newsletter) else "contribution"
    if about == "contribution" and (ours or (answer and newsletter and newsletter.casefold() in f"{html}{text}".casefold())):
        about = "answer"
    attached = [_attachment(part) for part in parts if _is_attached(part)]
    return Incoming(
        id=_identity(mail, address, subject, f"{text}{html}"), about=about, subject=_ANSWERED.sub("Re: ", subject, count=1),
        author=author, address=address, date=_date(mail), form=form, body=_with_attached(body, form, attached), pictures=pictures,
        attached=attached, answers=ours or (answered[-1] if answered else ""), token=token or "",
    )  # fmt: skip


# -- headers -------------------------------------------------------------------------------------------------------

_ANSWERED = re.compile(r"(?:(?:re|aw|antw|sv|vs|odp|ynt|rif|res|atb)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_FORWARDED = re.compile(r"(?:fwd?|wg|tr|rv|enc|doorst|vb|vl)\s*:", re.IGNORECASE)
_WIDER = {
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
}
"""Character sets that programs name and do not keep to."""


class _AsItStands(Compat32):
    """Headers as they were sent: what is neither ASCII nor encoded is for `_words` to read."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - the policy's argument
        return value


def _words(part: Message, name: str) -> str:
    """A header as people read it. It may be wrong in every way."""
    return _read(str(part.get(name, "")))


def _read(written: str) -> str:
    value = written[: _LONGEST_HEADER * 2]
    if not value.isascii():
        value = _decoded(value.encode("utf-8", "surrogateescape"), None)
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value[:_LONGEST_HEADER]
    return "".join(_piece(one, charset) for one, charset in pieces)[:_LONGEST_HEADER]


def _piece(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    return _decoded(piece, charset) if charset else piece.decode("raw-unicode-escape", "replace")


def _decoded(data: bytes, charset: str | None) -> str:
    """Text in the character set that it names, as far as it keeps to it; else in the one that it seems to be in."""
    named = (charset or "").lower().strip("\"' ")
    for each, errors in ((named, "strict"), ("utf-8", "strict"), (_WIDER.get(named, named), "replace")):
        try:
            return data.decode(each, errors)
        except (LookupError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _one_line(words: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())


def _author(mail: Message) -> tuple[str, str]:
    """The name and the address in From; a name that is an address is none, since it would be shown."""
    written = str(mail.get("From", ""))[:_LONGEST_HEADER]
    name, address = parseaddr(written)
    if "@" not in address:
        found = re.search(r"[^\s<>\"',;:]+@[^\s<>\"',;:]+", written)
        name, address = written.partition("<")[0], found[0] if found else ""
    name = _one_line(_read(name)).strip("\"' ")
    return ("" if "@" in name else name), _one_line(address)


def _date(mail: Message) -> str:
    try:
        return parsedate_to_datetime(_words(mail, "Date")).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def _identity(mail: Message, *telling: str) -> str:
    """The Message-ID with a fingerprint: some programs give every mail the same, and nobody shall replace another's mail."""
    own = _one_line(_words(mail, "Message-ID")).strip("<> ")[:300]
    made = blake2b("\0".join((own, _words(mail, "Date"), *telling)).encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"{own} {made}".strip()


# -- what it is about ----------------------------------------------------------------------------------------------

_MACHINES = re.compile(r"(?:^|[<\s\"(])(?:mailer-daemon|mail-daemon|post_?master|mmdf|bounces?)(?:[+=-][^@\s>]*)?(?:@|\W|$)", re.IGNORECASE)
_AWAY = re.compile(
    r"(?:auto(?:matic|mated)?[ -]?(?:reply|response)|out of (?:the )?office|vacation|abwesen|automatische antwort|réponse automatique"
    r"|absence|respuesta automática|risposta automatica|automatisch antwoord|autosvar|resposta automática|ateb awtomatig)\b.*",
    re.IGNORECASE,
)
_LEAVE = re.compile(
    r"\W*(?:(?:please )?(?:unsubscribe|remove me|take me off)(?: me)?(?: from .{0,60})?"
    r"|abmelden|abbestellen|désabonner|désinscription|desuscribir|cancellami|uitschrijven|dad-?danysgrifio)\W*",
    re.IGNORECASE,
)
_NAMED = re.compile(r"unsubscribe\s+([A-Za-z0-9_-]{8,200})", re.IGNORECASE)


def _wish(subject: str, body: str) -> str | None:
    """The token of a request to leave, "" where it names none, None for what is no such request."""
    wanted = _ANSWERED.sub("", subject)
    if named := _NAMED.fullmatch(wanted):
        return named[1]
    words = _one_line(unescape(re.sub(r"<[^>]*>", " ", body[:2_000])))
    return "" if _LEAVE.fullmatch(wanted) or _LEAVE.fullmatch(words) else None


def _is_automatic(mail: Message, newsletter: str) -> bool:
    """Whether no person wrote it, or not to us: what answers by itself, came back, is for everybody, or is our own."""
    kinds = {part.get_content_type() for part in mail.walk()}
    said = {name: "".join(_words(mail, name).split()).lower() for name in ("Auto-Submitted", "Precedence", "Return-Path", "List-Id")}
    return bool(
        kinds & {"multipart/report", "message/delivery-status", "message/feedback-report"}
        or said["Return-Path"] == "<>"
        or said["Auto-Submitted"] not in ("", "no")
        or said["Precedence"] in ("auto_reply", "bulk", "junk")
        or any(mail.get(name) for name in ("X-Autoreply", "X-Autorespond", "X-Autogenerated", "X-Failed-Recipients"))
        or _MACHINES.search(_words(mail, "From"))
        or _AWAY.fullmatch(_ANSWERED.sub("", _one_line(_words(mail, "Subject"))))
        or _is_ours(_words(mail, "Message-ID").strip("<> \r\n"), newsletter)
        or ("@" in newsletter and said["List-Id"].endswith(f".{newsletter.rpartition('@')[2].casefold()}>"))
    )


def _is_ours(message: str, newsletter: str) -> bool:
    """Whether a Message-ID is one that we give to a newsletter."""
    name, _, domain = message.partition("@")
    return bool(re.fullmatch(r"[0-9a-f]{32}", name)) and domain.casefold() == newsletter.rpartition("@")[2].casefold()


# -- what it says --------------------------------------------------------------------------------------------------

_NO_ATTACHMENT = ("text/plain", "text/html", "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")


def _leaves(part: Message, depth: int) -> Iterator[Message]:
    """The parts that hold something; a mail inside a mail is one of them."""
    inside = part.get_payload()
    if part.get_content_maintype() == "message" or not isinstance(inside, list) or depth > _DEEPEST:
        yield part
        return
    for one in inside:
        if isinstance(one, Message):
            yield from _leaves(one, depth + 1)


def _is_text(part: Message, kind: str) -> bool:
    return part.get_content_type() == kind and part.get_content_disposition() != "attachment" and not isinstance(part.get_payload(), list)


def _joined(parts: list[Message], kind: str) -> str:
    """The text of that kind, without pictures that stand in an address, as far as anybody reads."""
    return re.sub(r"data:image/[^\"'\s>]*", "", "\n".join(_text(part) for part in parts if _is_text(part, kind)))[:_LONGEST_TEXT]


def _text(part: Message) -> str:
    text = _decoded(_data(part), part.get_content_charset())
    if str(part.get_param("format", "")).lower() == "flowed":
        together = "" if str(part.get_param("delsp", "")).lower() == "yes" else " "
        text = re.sub(r"(?<!^--)(?<!\n--) \r?\n(?!>)", together, text)
    return text


def _data(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _says(html: str) -> bool:
    return bool(html) and bool(re.search(r"<img\b", html, re.IGNORECASE) or re.sub(r"<[^>]*>|&nbsp;|\s", "", html))


def _is_picture(part: Message) -> bool:
    return part.get_content_maintype() == "image" and part.get_content_subtype() != "svg+xml"


def _pictures(parts: list[Message]) -> tuple[list[Picture], dict[str, int]]:
    """The pictures, and by which Content-ID the text shows which."""
    found: list[Picture] = []
    shown: dict[str, int] = {}
    for part in [one for one in parts if _is_picture(one)][:_MOST]:
        if data := _data(part):
            if name := _one_line(_words(part, "Content-ID")).strip("<> "):
                shown[name] = len(found)
            found.append(Picture(data=base64.b64encode(data).decode(), words="", name=_file(part)))
    return found, shown


def _with_pictures(body: str, html: str, pictures: list[Picture], shown: dict[str, int]) -> str:
    """The text with each picture under its number where it is shown. What only a signature or a quotation showed goes."""

    def numbered(found: re.Match[str]) -> str:
        number = shown.get(unquote(unescape(found[2])))
        if number is None:
            return ""
        alt = re.search(r'\balt="([^"]*)"', found[0])
        pictures[number]["words"] = _one_line(unescape(alt[1])) if alt else ""
        return f"{found[1]}cid:{number}{found[3]}"

    written = re.sub(r'(<img\b[^<>]*?\bsrc=")cid:([^"]*)("[^<>]*>)', numbered, body, flags=re.IGNORECASE)
    for name, number in shown.items():
        if f'"cid:{number}"' not in written and name in unquote(html):
            pictures[number]["data"] = ""
    return written


def _is_attached(part: Message) -> bool:
    kind = part.get_content_type()
    if _is_picture(part) or kind in _NO_ATTACHMENT[2:]:
        return False
    return kind not in _NO_ATTACHMENT[:2] or part.get_content_disposition() == "attachment"


def _attachment(part: Message) -> str:
    if part.get_content_maintype() == "message":
        return "a mail"
    size = len(_data(part))
    return f"{_file(part) or part.get_content_type()} ({max(1, round(size / 1000)):,} kB)"


def _file(part: Message) -> str:
    """The name of a file, bare: it is shown, and never a path."""
    return _one_line(_read(part.get_filename() or "")).replace("\\", "/").rpartition("/")[2][:100]


def _with_attached(body: str, form: str, attached: list[str]) -> str:
    """The text with a last line that names what came along and cannot be shown."""
    if not attached:
        return body
    line = f"Attached to the mail: {', '.join(attached[:_MOST])}."
    return body + (f"<p>{escape(line)}</p>" if form == "html" else f"\n\n{line}")
