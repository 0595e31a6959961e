"""When two offers are one: the same address, or the same words, whatever tracking and typography did to them. Pure."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from urllib.parse import parse_qsl, urlencode, urlsplit

from amplify import text
from amplify.model import Offer

_TRACKING = re.compile(
    r"utm_\w+|mc_(cid|eid)|fbclid|gclid|dclid|gbraid|wbraid|msclkid|twclid|yclid|igshid|igsh|_hsenc|_hsmi|mkt_tok|oly_(anon|enc)_id|vero_id"
    r"|wickedid|__s|spm|scid|cmpid|ref_src|ref_url|s_cid|pk_\w+|mtm_\w+|matomo_\w+|hsa_\w+|at_(medium|campaign)",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}
_TELLING = 80
"""Letters and digits below which equal words say nothing: many people write "Thank you all"."""


def canonical(url: str | None) -> str:
    """What an address is known by: host, path and query, without what only tells where the reader came from; "" for none."""
    try:
        parts = urlsplit((url or "").strip())
        port = parts.port
    except ValueError:
        return ""
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    if scheme not in _PORTS or not re.fullmatch(r"[\w.:%-]+", host):
        return ""
    query = urlencode(sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.fullmatch(pair[0])))
    path = re.sub(r"/(index\.(html?|php))?$", "", parts.path)
    shown = f":{port}" if port and port != _PORTS[scheme] else ""
    return f"{_ascii(host.removeprefix('www.'))}{shown}{path}" + (f"?{query}" if query else "")


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def digest(offer: Offer) -> str:
    """Changes when the far end edits what people read."""
    parts = (offer.title, offer.body, offer.form, offer.url or "", offer.kind)
    return blake2b("\0".join(map(_normal, parts)).encode(), digest_size=16).hexdigest()


def wording(offer: Offer) -> str:
    """The same for the same words, however they are set; "" where they are too few to tell."""
    words = _letters(text.bare(offer.body))
    return blake2b(words.encode(), digest_size=16).hexdigest() if len(words) >= _TELLING else ""


def contribution(source: str, offer: str) -> str:
    """The `id` of the contribution that an offer of that source becomes: the same however often it is accepted."""
    return f"in-{blake2b(f'{source}|{offer}'.encode(), digest_size=5).hexdigest()}"


def handle(written: str) -> str:
    """What a handle is known by: `@Amal@teach.social`, `https://teach.social/@amal` and `mailto:` all come to one form."""
    known = written.strip().casefold().removeprefix("mailto:")
    if found := re.fullmatch(r"https?://([^/]+)/@([^/@]+)/?", known):
        return f"{found[2]}@{found[1]}"
    return canonical(known) or known.lstrip("@")


def _normal(words: str) -> str:
    return unicodedata.normalize("NFC", text.plain(words)).replace("\r\n", "\n").strip()


def _letters(words: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", words).casefold())
