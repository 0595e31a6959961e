"""What somebody wrote anew in a mail: without what they answer, and without what their program puts below. Pure.

Where nothing would be left, the whole stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

_VERBS = (
    r"wrote|writes|schrieb|a écrit|écrivait|escribió|ha scritto|scrisse|escreveu|schreef|geschreven|skrev|kirjoitti|napsal\(?a?\)?"
    r"|napisał\(?a?\)?|a scris|írta|ysgrifennodd|scríobh|написала?|пише|έγραψε|yazdı"
)
_ATTRIBUTION = re.compile(
    rf"(?=.*(?:@|\d{{1,2}}\s?[:.h]\s?\d{{2}}))(?:.*(?:{_VERBS})\b.{{0,120}}|\d{{4}}\D.{{4,120}}<\S+@\S+>\s*)[:\uff1a]\s*", re.IGNORECASE
)
"""A line like "On Wed, 18 Nov 2026 at 20:00, JoyFE <news@example.org> wrote:"; always with a time or an address in it."""
_STARTED = re.compile(r"(?:On|Am|Le|El|Il|Em|No dia|Op|Den|Dne|W dniu|Pe|Ar|Στις|Dňa|V|Dia)\b", re.IGNORECASE)
_FROM = re.compile(r"[*\s]*(?:From|Von|De|Da|Van|Od|Fra|Från|Oddi wrth|Expéditeur|Mittente|Lähettäjä)[*\s]*:[*\s]*\S", re.IGNORECASE)
_FIELD = re.compile(
    r"(?:Sent|Date|To|Subject|Cc|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado(?: el| em)?|Fecha|Para|Asunto|Inviato|Data|Oggetto"
    r"|Verzonden|Aan|Onderwerp|Skickat|Till|Ämne|Sendt|Til|Emne|Wysłano|Do|Temat|Anfonwyd|At|Pwnc|Assunto|Lähetetty|Aihe)[*\s]*:"
)
_ORIGINAL = re.compile(
    r"\s*-{2,}\s*(?:Original(?: |-)?(?:Message|Nachricht)|Ursprüngliche Nachricht|Message d['\u2019]origine|Mensaje original"
    r"|Messaggio originale|Oorspronkelijk bericht|Ursprungligt meddelande|Oprindelig meddelelse|Opprinnelig melding|Mensagem original"
    r"|Neges Wreiddiol)\s*-{2,}\s*",
    re.IGNORECASE,
)
_RULED = re.compile(r"\s*_{10,}\s*")
_PHONE = re.compile(
    r"\s*(?:(?:Sent (?:from|with|via)|Get Outlook for|Von (?:meinem|meiner)|Gesendet (?:von|mit|aus)|Diese Nachricht wurde von"
    r"|Envoyé (?:de|depuis|avec)|Enviado (?:desde|do|com)|Inviato da|Verzonden (?:vanaf|met|vanuit)|Skickat från|Sendt fra|Wysłane z"
    r"|Lähetetty|Anfonwyd o|Seolta ó)\b.{0,80}|iPhone\s?から送信|发自我的.{0,20})\s*",
    re.IGNORECASE,
)
_BELOW = 12
"""Lines that a signature has at most, where it does not begin as it should."""
_LONGEST_ATTRIBUTION = 400
_DASHES = re.compile(r"\s*--\s*")

# -- plain text ----------------------------------------------------------------------------------------------------


def own_text(text: str, *, answer: bool) -> str:
    """What is new in a plain text; `answer`: the mail answers another, whose words may stand in it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    own = list(_not_quoted(lines)) if answer else lines
    return "\n".join(_unsigned(own)).strip() or "\n".join(own).strip() or text.strip()


def _not_quoted(lines: Sequence[str]) -> Iterator[str]:
    number = 0
    while number < len(lines):
        line = lines[number]
        if long := _attribution(lines, number):
            number += long
            if not _next(lines, number).startswith(">"):
                return
        elif _begins_the_old(lines, number):
            return
        else:
            if not line.lstrip().startswith(">"):
                yield line
            number += 1


def _attribution(lines: Sequence[str], number: int) -> int:
    """How many lines from here on say who wrote what follows; programs wrap such a line."""
    for long in (1, 2, 3):
        some = lines[number : number + long]
        said = " ".join(some).strip()
        if not some[-1].strip() or said.startswith(">") or len(said) > _LONGEST_ATTRIBUTION or (long > 1 and not _STARTED.match(said)):
            return 0
        if _ATTRIBUTION.fullmatch(said):
            return long
    return 0


def _begins_the_old(lines: Sequence[str], number: int) -> bool:
    if _ORIGINAL.fullmatch(lines[number]):
        return True
    if _RULED.fullmatch(lines[number]):
        return bool(_FROM.match(_next(lines, number + 1)))
    return bool(_FROM.match(lines[number])) and sum(bool(_FIELD.match(line.lstrip("* "))) for line in lines[number + 1 : number + 8]) >= 2


def _next(lines: Sequence[str], number: int) -> str:
    return next((line for line in lines[number:] if line.strip()), "")


def _unsigned(lines: Sequence[str]) -> Sequence[str]:
    end = next((number for number, line in enumerate(lines) if line == "-- " or _ends(lines, number)), len(lines))
    while end and (not lines[end - 1].strip() or _PHONE.fullmatch(lines[end - 1])):
        end -= 1
    return lines[:end]


def _ends(lines: Sequence[str], number: int) -> bool:
    """Whether a line only looks as if a signature began there, and little enough follows."""
    if lines[number].strip() != "--" and not _RULED.fullmatch(lines[number]):
        return False
    return sum(bool(line.strip()) for line in lines[number:]) <= _BELOW


# -- HTML ----------------------------------------------------------------------------------------------------------

_HIDDEN = (
    "//head|//style|//script|//title|//*[contains(translate(@style, ' ', ''), 'display:none')]"
    "|//img[@width='1' or @height='1' or @width='0']"
)
_QUOTED = (
    "//blockquote[@type='cite' or contains(@class, 'gmail_quote') or contains(@class, 'protonmail_quote')]"
    "|//*[contains(@class, 'gmail_attr') or contains(@class, 'moz-cite-prefix') or contains(@class, 'yahoo_quoted')"
    " or contains(@class, 'protonmail_quote')]"
)
_OLD = (
    "//*[@id='appendonsend' or @id='divRplyFwdMsg' or @id='mail-editor-reference-message-container' or @id='OLK_SRC_BODY_SECTION'"
    " or @id='stopSpelling' or @id='reply-intro']"
)
_SIGNATURES = (
    "//*[contains(@class, 'gmail_signature') or contains(@class, 'moz-signature') or contains(@class, 'protonmail_signature_block')"
    " or @id='Signature' or @id='ms-outlook-mobile-signature' or @id='AppleMailSignature']"
)


def own_html(html: str, *, answer: bool) -> str:
    """What is new in HTML; `answer`: the mail answers another, whose words may stand in it."""
    body = _body(html)
    _without(body, _HIDDEN)
    own = _inside(body)
    for line in list(body.iter("br")):
        line.tail = f"\n{line.tail or ''}"
    for take_away in (_cut_what_is_old, _cut_signature) if answer else (_cut_signature,):
        take_away(body)
        if not _says(body):
            break
        own = _inside(body)
    return own


def _body(html: str) -> Any:
    import lxml.html

    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    document = lxml.html.document_fromstring(f"<div>{html}</div>".encode("utf-8", "replace"), parser=parser)
    return document.find("body")


def _cut_what_is_old(body: Any) -> None:
    marked = _without(body, _QUOTED)
    for place in body.xpath(_OLD)[:1]:
        _cut(place)
    for place in _deepest(body, lambda words: bool(_ATTRIBUTION.fullmatch(" ".join(words.split())))):
        if marked:
            place.drop_tree()
        else:
            _cut(place)
    for place in _deepest(body, _is_outlook):
        _cut(place)


def _is_outlook(words: str) -> bool:
    lines = words.strip().split("\n")
    return bool(_ORIGINAL.fullmatch(lines[0]) or (_FROM.match(words) and len(_FIELD.findall(words[:800])) >= 2))


def _deepest(body: Any, meant: Callable[[str], bool]) -> list[Any]:
    """The first element that is meant and holds none that is."""
    found = None
    for one in body.iter():
        if one is not body and (found is None or found in one.iterancestors()):
            words = one.text_content()
            if len(words) < _LONGEST_ATTRIBUTION * 2 and meant(words):
                found = one
    return [] if found is None else [found]


def _cut_signature(body: Any) -> None:
    _without(body, _SIGNATURES)
    if len(body.text_content().partition("--")[2]) <= _BELOW * 50:
        for one in body.iter():
            if _DASHES.fullmatch(one.text or ""):
                _cut(one)
                break
            if _DASHES.fullmatch(one.tail or ""):
                one.tail = None
                _cut(one, itself=False)
                break
    for one in list(body.iter())[: -_BELOW - 1 : -1]:
        one.text, one.tail = (None if words and _PHONE.fullmatch(words) else words for words in (one.text, one.tail))


def _without(body: Any, path: str) -> bool:
    """Take away what the path leads to; whether there was anything."""
    found = body.xpath(path)
    for one in found:
        if one.getparent() is not None:
            one.drop_tree()
    return bool(found)


def _cut(place: Any, *, itself: bool = True) -> None:
    """Take away everything after an element, and the element."""
    node = place
    while node.tag != "body" and (parent := node.getparent()) is not None:
        for later in list(node.itersiblings()):
            parent.remove(later)
        node.tail = None
        node = parent
    if itself and place.tag != "body":
        place.getparent().remove(place)


def _says(body: Any) -> bool:
    return bool(body.text_content().strip() or body.xpath(".//img[@src]"))


def _inside(body: Any) -> str:
    from lxml.html import tostring

    parts = [escape(body.text or "", quote=False), *(tostring(one, encoding="unicode") for one in body)]
    return "".join(parts).strip()
