"""Gather from a mailbox: what members write to the community, and what they answer to the newsletter.

    [[source]]
    name = "mailbox"
    plugin = "imap"
    server = "imaps://imap.example.org"
    username = "team@example.org"
    password = "env:MAILBOX_PASSWORD"

`amplify connect mailbox` asks for these, tries them and writes them down. Each mail becomes an offer with its text and its
pictures; other attachments are named in a last line. Of an answer it takes what is new: what was quoted, and what the program
put below, is left out. An answer to the newsletter is a `discussion`, a subject that ends with a question mark makes a
`question`, and the rest are articles.

The mailbox stays as it is: nothing is deleted, moved or marked as read. The first time, the newest 200 mails are looked at;
after that, those that came since. Automatic answers, returned mails, mails to many and the newsletter itself are left alone
and counted. Who asks to leave the list is named with the command that does it. A mail that cannot be read within five seconds is
kept in `.amplify/quarantine/` and named; one with more than 25 MB stays in the mailbox and is named.

Anybody can write a mail under any name, so nothing from here is accepted without a person: `trust = true` is a mistake, and
a `[[rule]]` can reject these mails and not accept them.

The line to the server is encrypted: `imaps://`, or `imap://` with STARTTLS; only a server on this computer may do without.
It needs the optional part `imap`: `pip install 'amplify-publisher[imap]'`. Many providers want an app password here.
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import ipaddress
import json
import re
import ssl
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from amplify.api import (
    Bookmark,
    Kind,
    Media,
    MissingExtra,
    Offer,
    Permanent,
    Secret,
    Services,
    SourceKind,
    Transient,
    Unreadable,
    hookimpl,
    read_mail,
)

if TYPE_CHECKING:
    from imap_tools import BaseMailBox

QUARANTINE = Path(".amplify") / "quarantine"
_LIMIT, _SECONDS, _BATCH = 25_000_000, 5.0, 50
Places = dict[str, list[int]]
"""By folder: its UIDVALIDITY (RFC 3501, 2.3.1.1), and the last mail that was looked at."""


@dataclass(frozen=True)
class Options:
    """`certificate`: a PEM file to trust as well; `timeout` in seconds."""

    server: str
    """`imaps://HOST[:PORT]` or `imap://HOST[:PORT]`."""
    username: str
    password: Secret
    folders: tuple[str, ...] = ("INBOX",)
    kind: Kind | None = None
    """What each mail is, instead of a guess."""
    first: int = 200
    """How many mails of each folder are looked at the first time, the newest."""
    newsletter: str = ""
    """The address from which your newsletter comes, if it is not the username."""
    tls: Literal["required", "none"] | None = None
    certificate: str = ""
    timeout: float = 60


class Mailbox:
    """Its bookmark holds, for each folder, up to which mail it was looked through."""

    def __init__(self, options: Options, services: Services) -> None:
        parts = urlsplit(options.server)
        if parts.scheme not in ("imap", "imaps") or not parts.hostname:
            raise ValueError(f"server = {options.server!r} is no mailbox; write it like imaps://imap.example.org")
        if parts.password:
            raise ValueError('a password does not belong into server; write password = "env:MAILBOX_PASSWORD"')
        self._options, self._services, self._log = options, services, services.log
        if parts.scheme == "imap" and parts.port == 993:
            raise ValueError(f'port 993 is encrypted from the start; write server = "imaps://{parts.hostname}"')
        here = _loopback(parts.hostname)
        self._host, self._implicit = parts.hostname, parts.scheme == "imaps"
        self._encrypted = self._implicit or (options.tls or ("none" if here else "required")) == "required"
        if not self._encrypted and not here:
            raise ValueError('tls = "none" would show the password to everyone on the way; leave it out')
        self._port = parts.port or (993 if self._implicit else 143)
        self._newsletter = options.newsletter or options.username
        self._left: Counter[str] = Counter()

    def gather(self, since: Bookmark | None) -> Iterator[Offer | Bookmark]:
        """The mails that came since, in batches, each batch with its bookmark."""
        places = _remembered(since)
        self._left.clear()
        with self._connected() as box:
            for folder in self._options.folders:
                yield from self._folder(box, folder, places)
        if self._left:
            said = ", ".join(f"{number} {what}" for what, number in sorted(self._left.items()))
            self._log.warning("left alone: %s", said)

    def check(self) -> str:
        """Log in, look at the folders and change nothing; what worked, in words."""
        with self._connected() as box:
            found = {folder: self._opened(box, folder)[1] for folder in self._options.folders}
        said = ", ".join(f"{folder} has {number:,} mail{'' if number == 1 else 's'}" for folder, number in found.items())
        return f"{self._host} accepts the user name and password; {said}"

    # -- the server ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _connected(self) -> Iterator[BaseMailBox]:
        try:
            import imap_tools
        except ImportError as error:
            raise MissingExtra("A mailbox", "imap") from error
        try:
            box = self._reached()
        except ssl.SSLCertVerificationError as error:
            raise Permanent(f"{self._host} shows a certificate that is not its own: {error.verify_message}") from error
        except (OSError, imaplib.IMAP4.error, imap_tools.ImapToolsError) as error:
            raise Transient(f"{self._host}:{self._port} cannot be reached: {_said(error)}") from error
        try:
            self._log_in(box)
            yield box
        except (OSError, imaplib.IMAP4.error, imap_tools.ImapToolsError) as error:
            raise Transient(f"{self._host} stopped in the middle: {_said(error)}; next time it goes on from there") from error
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error, imap_tools.ImapToolsError):
                box.logout()

    def _reached(self) -> BaseMailBox:
        import imap_tools

        context = ssl.create_default_context()
        if self._options.certificate:
            context.load_verify_locations(self._services.folder / self._options.certificate)
        if self._implicit:
            return imap_tools.MailBox(self._host, self._port, self._options.timeout, ssl_context=context)
        if self._encrypted:
            return imap_tools.MailBoxStartTls(self._host, self._port, self._options.timeout, ssl_context=context)
        return imap_tools.MailBoxUnencrypted(self._host, self._port, self._options.timeout)

    def _log_in(self, box: BaseMailBox) -> None:
        import imap_tools

        user, password = self._options.username, self._options.password.reveal()
        try:
            (box.login if f"{user}{password}".isascii() else box.login_utf8)(user, password, None)
        except (imap_tools.ImapToolsError, imaplib.IMAP4.error) as error:
            if isinstance(error, imaplib.IMAP4.abort):
                raise
            raise Permanent(f"{self._host} does not accept the user name and password: {_said(error)}") from error

    def _opened(self, box: BaseMailBox, folder: str) -> tuple[int, int]:
        """The UIDVALIDITY of a folder, opened so that nothing in it can be changed, and how many mails it has."""
        import imap_tools

        try:
            _, [number] = box.folder.set(folder, readonly=True)
        except imap_tools.MailboxFolderSelectError as error:
            there = ", ".join(one.name for one in box.folder.list())
            raise Permanent(f"{self._host} has no folder {folder!r}; there are {there}") from error
        [validity] = box.client.response("UIDVALIDITY")[1]
        return int(validity or 0), int(number)

    # -- the mails -----------------------------------------------------------------------------------------------------

    def _folder(self, box: BaseMailBox, folder: str, places: Places) -> Iterator[Offer | Bookmark]:
        validity, _ = self._opened(box, folder)
        known, last = places.get(folder, [0, 0])
        anew = known != validity
        found = sorted(map(int, box.uids("UNDELETED" if anew else f"UID {last + 1}:* UNDELETED", charset=None)))
        uids = found[max(0, len(found) - self._options.first) :] if anew else [uid for uid in found if uid > last]
        for batch in (uids[start : start + _BATCH] for start in range(0, len(uids), _BATCH)):
            yield from self._offers(box, folder, batch)
            places[folder] = [validity, batch[-1]]
            yield Bookmark(value=json.dumps(places))
        if anew and not uids:
            places[folder] = [validity, max(found, default=0)]
            yield Bookmark(value=json.dumps(places))

    def _offers(self, box: BaseMailBox, folder: str, uids: Sequence[int]) -> Iterator[Offer]:
        """One mail at a time, so that no more than one has to be held."""
        for uid, size in _sizes(box, uids).items():
            data = _fetched(box, uid, "HEADER" if size > _LIMIT else "")
            if size > _LIMIT:
                self._log.warning("%s has %d MB; it was left in %s", _named(data), size // 1_000_000, folder)
            elif data is None:
                self._log.warning("mail %d in %s could not be fetched; look at it in your mail program", uid, folder)
            elif offer := self._offer(data):
                yield offer

    def _offer(self, data: bytes) -> Offer | None:
        try:
            mail = self._services.apart(read_mail, data, self._newsletter, seconds=_SECONDS)
        except Unreadable as error:
            self._quarantined(data, error.reason)
            return None
        if mail["about"] == "leaving":
            self._log.warning("%s asks to leave the list:  amplify subscribers remove %s", mail["address"], mail["address"])
        elif mail["about"] == "automatic":
            self._left["automatic mails"] += 1
        elif not (mail["subject"] or _says(mail["body"]) or mail["pictures"]):
            self._left["empty mails"] += 1
        else:
            return self._made(mail)
        return None

    def _made(self, mail: Mapping[str, Any]) -> Offer:
        body, title = mail["body"], mail["subject"] or ("" if _says(mail["body"]) else "No subject")
        media = []
        for number, picture in enumerate(mail["pictures"]):
            kept = self._kept(picture, title or "No subject") if picture["data"] else None
            gone = rf'<img\b[^<>]*"cid:{number}"[^<>]*>'
            body = body.replace(f'"cid:{number}"', f'"{kept.path}"') if kept else re.sub(gone, "", body)
            media += [kept] if kept else []
        return Offer(
            id=mail["id"], title=title, body=body, form=mail["form"], kind=self._kind(mail), author=mail["author"], handle=mail["address"],
            offered=datetime.fromisoformat(mail["date"]) if mail["date"] else None, media=tuple(media), reply_to=mail["answers"] or None,
        )  # fmt: skip

    def _kind(self, mail: Mapping[str, Any]) -> Kind:
        if self._options.kind:
            return self._options.kind
        if mail["about"] == "answer":
            return Kind.DISCUSSION
        return Kind.QUESTION if mail["subject"].endswith(("?", "？", "؟")) and not mail["answers"] else Kind.ARTICLE

    def _kept(self, picture: Mapping[str, str], title: str) -> Media | None:
        try:
            return self._services.keep(base64.b64decode(picture["data"]), picture["words"] or title)
        except Unreadable as error:
            self._log.warning('"%s" came with %s: %s', title, picture["name"] or "a picture", error.reason)
            return None

    def _quarantined(self, data: bytes, why: str) -> None:
        """What cannot be read is kept as it came, under a name that follows from it."""
        file = QUARANTINE / f"{blake2b(data, digest_size=16).hexdigest()}.eml"
        place = self._services.folder / file
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_suffix(".new")
            temporary.write_bytes(data)
            temporary.replace(place)
        except OSError as error:
            raise Unreadable(f"{_named(data)} cannot be read, and {place} cannot be written: {error.strerror}") from error
        self._log.warning("%s cannot be read (%s); it is kept as %s, and in the mailbox", _named(data), why, file.as_posix())


def _sizes(box: BaseMailBox, uids: Sequence[int]) -> dict[int, int]:
    """How many bytes each mail has, by its UID; what is gone meanwhile is not there."""
    _, lines = box.client.uid("FETCH", ",".join(map(str, uids)), "(UID RFC822.SIZE)")
    found: dict[int, int] = {}
    for line in filter(None, lines):
        uid, size = (re.search(name + rb" (\d+)", line) for name in (rb"\bUID", rb"RFC822\.SIZE"))
        if uid and size and int(uid[1]) in uids:
            found[int(uid[1])] = int(size[1])
    return dict(sorted(found.items()))


def _fetched(box: BaseMailBox, uid: int, what: str) -> bytes | None:
    """A mail, or its headers, without marking it as read; None for what the server does not give."""
    status, parts = box.client.uid("FETCH", str(uid), f"(BODY.PEEK[{what}])")
    return next((bytes(part[1]) for part in parts if isinstance(part, tuple)), None) if status == "OK" else None


def _named(data: bytes | None) -> str:
    """A mail by its subject and date, as far as they can be seen without reading it."""
    head = (data or b"")[:20_000].decode("utf-8", "replace")
    subject, date = (re.search(rf"(?im)^{name}:[ \t]*(.{{1,80}})", head) for name in ("Subject", "Date"))
    return f'the mail "{subject[1].strip() if subject else ""}"' + (f" of {date[1].strip()}" if date else "")


def _says(body: str) -> bool:
    return bool(re.sub(r"<[^>]*>|&nbsp;|\s", "", body))


def _remembered(since: Bookmark | None) -> Places:
    try:
        found = json.loads(since.value) if since else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _said(error: Exception) -> str:
    """What the server answered, or what else was wrong."""
    answered = getattr(error, "command_result", None)
    if answered:
        return b" ".join(one for one in answered[1] if isinstance(one, bytes)).decode("utf-8", "replace")[:200]
    return re.sub(r"^b'(.*)'$", r"\1", str(error))[:200]


@hookimpl
def amplify_sources() -> list[SourceKind]:
    """The kind `imap`."""
    return [SourceKind("imap", Options, Mailbox, anyone=True)]
