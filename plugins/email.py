"""Send each edition as mail, one message for each subscriber.

`server = "outbox:"` writes the messages as files to `.amplify/outbox/`, where you can open them with any mail program:
nobody gets these, and the record counts it as a rehearsal.

    [[channel]]
    name = "newsletter"
    plugin = "email"
    server = "outbox:"
    publishes = ["edition"]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from amplify.api import Channel, Delivery, Message, Receipt, Services, Traits, Transient, hookimpl, single

OUTBOX = Path(".amplify") / "outbox"


@dataclass(frozen=True)
class Options:
    """`server`: `outbox:`."""

    server: str


class Email:
    """The announcer; all mails of an announcement are one serialised message with other values in it."""

    traits = Traits(form="mail", audience="subscribers", outside=False, idempotent=True, connections=2)

    def __init__(self, options: Options, services: Services) -> None:
        if options.server != "outbox:":
            raise ValueError(f'server = "{options.server}" is not possible yet; write server = "outbox:"')
        self._outbox = services.folder / OUTBOX
        self._clock = services.clock
        self._made: dict[str, Mail] = {}

    def session(self, message: Message) -> AbstractContextManager[Callable[[Delivery], Receipt]]:
        """Files need no connection."""
        self._made.setdefault(message.digest, Mail(message))
        return single(self.deliver, message)

    def deliver(self, delivery: Delivery, message: Message) -> Receipt:
        """Write the message, whole, under a name that follows from the delivery."""
        file = self._file(delivery)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(".new")
            temporary.write_bytes(self._made[message.digest].to(delivery))
            temporary.replace(file)
        except OSError as error:
            raise Transient(f"{file} cannot be written: {error.strerror}") from error
        return self._receipt(file)

    def find(self, delivery: Delivery, message: Message) -> Receipt | None:  # noqa: ARG002 - the protocol's argument
        """The file is there, whole, or surely not."""
        file = self._file(delivery)
        return self._receipt(file) if file.exists() else None

    def _receipt(self, file: Path) -> Receipt:
        return Receipt(id=file.name, url=None, at=self._clock(), note="rehearsal")

    def _file(self, delivery: Delivery) -> Path:
        address = delivery.recipient.address if delivery.recipient else "public"
        parts = (delivery.publication.partition("/")[2], address)
        name = "-".join(re.sub(r"[^A-Za-z0-9@._+]+", "-", part)[:80].strip("-.") for part in parts)
        return self._outbox / f"{name}-{delivery.key[:8]}.eml"


class Mail:
    """A message as bytes (RFC 5322), serialised once; `to` puts one recipient's values into it."""

    def __init__(self, message: Message) -> None:
        self._fields = message.fields
        self._own = [(name, value) for name, value in message.headers if any(field in value for field in message.fields)]
        from email.utils import parseaddr

        self._domain = parseaddr(dict(message.headers)["From"])[1].rpartition("@")[2] or "localhost"
        self._bytes = self._serialised(message)
        expected = sum((message.text + (message.html or "")).count(field) for field in message.fields)
        if sum(self._bytes.count(field.encode()) for field in message.fields) != expected:
            raise ValueError("a token was broken in two by the encoding of the mail")

    def _serialised(self, message: Message) -> bytes:
        from email.message import EmailMessage
        from email.policy import SMTP
        from email.utils import format_datetime

        mail = EmailMessage(policy=SMTP)
        own = {name for name, _ in self._own}
        for name, value in message.headers:
            if name not in own:
                mail[name] = value
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(message.date)
        mail.set_content(message.text, charset="utf-8", cte="quoted-printable")
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html", charset="utf-8", cte="quoted-printable")
            mail.set_boundary(f"=_{blake2b(message.digest.encode(), digest_size=12).hexdigest()}")
        return mail.as_bytes()

    def to(self, delivery: Delivery) -> bytes:
        """The whole message for one recipient: deterministic, so that a second copy can be told (N23)."""
        head = [_to(delivery), f"Message-ID: <{delivery.key}@{self._domain}>"]
        head += [f"{name}: {_folded(_filled(value, delivery.values))}" for name, value in self._own]
        body = self._bytes
        for field in self._fields:
            body = body.replace(field.encode(), _quoted(delivery.values[field]))
        return "\r\n".join(head).encode("ascii") + b"\r\n" + body


def _to(delivery: Delivery) -> str:
    if delivery.recipient is None:
        return "To: undisclosed-recipients:;"
    from email.headerregistry import Address
    from email.message import EmailMessage
    from email.policy import SMTP

    person = delivery.recipient
    header = EmailMessage(policy=SMTP)
    try:
        header["To"] = Address(display_name=person.name, addr_spec=person.address)
    except ValueError:
        header["To"] = person.address
    return header.as_string().split("\r\n\r\n")[0].strip()


def _filled(value: str, values: Mapping[str, str]) -> str:
    for field, one in values.items():
        value = value.replace(field, one)
    return value


def _folded(value: str) -> str:
    """Folded between addresses and never inside one, which readers would take for two (N25)."""
    return value.replace(", ", ",\r\n ")


def _quoted(value: str) -> bytes:
    """Quoted-printable, with a soft line break before it and at least every 70 characters, never inside an escape."""
    pieces, line = [b"=\r\n"], 0
    for byte in value.encode():
        piece = bytes([byte]) if 33 <= byte <= 126 and byte != 61 else b"=%02X" % byte
        if line + len(piece) > 70:
            pieces.append(b"=\r\n")
            line = 0
        pieces.append(piece)
        line += len(piece)
    return b"".join(pieces)


@hookimpl
def amplify_channels() -> list[Channel]:
    """The kind `email`."""
    return [Channel("email", Options, Email)]
