"""Send each edition as mail, one message for each subscriber.

`server = "outbox:"` writes the messages as files to `.amplify/outbox/`, where you can open them with any mail program:
nobody gets these, and the record counts it as a rehearsal. So does `rehearsal = true` with any server. Else a real server
gets them, over one or more connections:

    [[channel]]
    name = "newsletter"
    plugin = "email"
    server = "smtp://mail.example.org:587"
    username = "news@example.org"
    password = "env:MAIL_PASSWORD"
    publishes = ["edition"]
    per_day = 100
    per_day_to = { "gmail.com" = 50 }

`per_day` is what your provider lets you send in any 24 hours; `per_day_to` is how many of those go to addresses at one
domain, for places that grow suspicious of much mail at once. What is left goes with the next `amplify publish` after that.

The line to the server is encrypted (`tls = "required"`), but for a server on this computer. What the server answers is
sorted: "no such user" strikes an address off, "come back later" is tried again, and whatever is about the sender (a quota,
the password, a policy) stops the channel and strikes off nobody.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from amplify.api import (
    Channel,
    Delivery,
    Message,
    Paused,
    Permanent,
    Receipt,
    Secret,
    Services,
    Traits,
    Transient,
    Unknown,
    Unsure,
    hookimpl,
    named_header,
    single,
    words_header,
)

if TYPE_CHECKING:
    import smtplib

OUTBOX = Path(".amplify") / "outbox"
_NAMED = {"From", "Reply-To", "List-Id"}
"""Headers that hold a name, and an address in angle brackets."""


@dataclass(frozen=True)
class Options:
    """`server`: `outbox:`, `smtp://HOST[:PORT]` or `smtps://HOST[:PORT]`; `certificate`: a PEM file to trust as well.

    `timeout` and `final_timeout` in seconds: the second is for the answer to the final dot (RFC 5321, 4.5.3.2.6: ten
    minutes), where giving up sooner makes second copies.
    """

    server: str
    username: str = ""
    password: Secret | None = None
    tls: Literal["required", "none"] | None = None
    certificate: str = ""
    connections: int = 4
    per_second: float | None = None
    per_hour: int | None = None
    per_day: int | None = None
    per_day_to: Mapping[str, int] = field(default_factory=dict)
    timeout: float = 60
    final_timeout: float = 600


class Outbox:
    """Messages as files; nobody gets them."""

    traits = Traits(form="mail", audience="subscribers", outside=False, idempotent=True, connections=2)

    def __init__(self, services: Services) -> None:
        self._folder = services.folder / OUTBOX
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
        return self._folder / f"{name}-{delivery.key[:8]}.eml"


class Server:
    """Messages over SMTP (RFC 5321)."""

    def __init__(self, options: Options, services: Services) -> None:
        self._where = Where.of(options, services.folder)
        self._clock = services.clock
        self._made: dict[str, Mail] = {}
        self._making = threading.Lock()
        self.traits = Traits(
            form="mail", audience="subscribers", connections=options.connections, per_second=options.per_second,
            per_hour=options.per_hour, per_day=options.per_day,
            per_day_to={domain.lower(): limit for domain, limit in options.per_day_to.items()},
        )  # fmt: skip

    @contextmanager
    def session(self, message: Message) -> Iterator[Callable[[Delivery], Receipt]]:
        """One connection, opened at the first delivery and again whenever the server closed it."""
        with self._making:
            mail = self._made.get(message.digest) or Mail(message, wire=True)
            self._made[message.digest] = mail
        line = Line(self._where, mail.sender)

        def deliver(delivery: Delivery) -> Receipt:
            assert delivery.recipient is not None  # noqa: S101 - this announcer's audience is the subscribers
            words = line.send(delivery.recipient.address, mail.to(delivery))
            return Receipt(id=words[:200], url=None, at=self._clock())

        try:
            yield deliver
        finally:
            line.close()

    def find(self, delivery: Delivery, message: Message) -> Receipt | None:  # noqa: ARG002 - the protocol's arguments
        """A mail server cannot be asked what became of a message (RFC 1047)."""
        raise Unknown("a mail server cannot be asked what became of a message")

    def check(self) -> str:
        """Connect, encrypt and log in; nothing is sent."""
        line = Line(self._where, "")
        try:
            return line.check()
        finally:
            line.close()


@dataclass(frozen=True)
class Where:
    """How to reach the server."""

    host: str
    port: int
    implicit: bool
    encrypted: bool
    username: str
    password: Secret | None
    certificate: Path | None
    timeout: float
    final_timeout: float

    @classmethod
    def of(cls, options: Options, folder: Path) -> Where:
        """From the options. Raises ValueError, in words."""
        parts = urlsplit(options.server)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError(f'server = "{options.server}" is no mail server; write outbox: or smtp://HOST:587 or smtps://HOST')
        here = _loopback(parts.hostname)
        encrypted = parts.scheme == "smtps" or (options.tls or ("none" if here else "required")) == "required"
        if options.password and not encrypted and not here:
            raise ValueError('tls = "none" would show the password to everyone on the way; leave it out')
        if parts.password:
            raise ValueError('a password does not belong into server; write password = "env:MAIL_PASSWORD"')
        return cls(
            host=parts.hostname, port=parts.port or (465 if parts.scheme == "smtps" else 587), implicit=parts.scheme == "smtps",
            encrypted=encrypted, username=options.username or unquote(parts.username or ""), password=options.password,
            certificate=folder / options.certificate if options.certificate else None, timeout=options.timeout,
            final_timeout=options.final_timeout,
        )  # fmt: skip


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Lost(Exception):
    """The connection went away before the final dot: certainly nothing happened."""


class Line:
    """One connection. Not for two threads at once.

    smtplib opens it; the conversation for each message is our own, since it goes on thousands of times: the commands in
    one piece where the server takes them so, and no looking through the message again.
    """

    def __init__(self, where: Where, sender: str) -> None:
        self._where, self._sender = where, sender
        self._smtp: smtplib.SMTP | None = None

    def send(self, address: str, data: bytes) -> str:
        """Hand one message over, as `Mail` makes it for the wire; what the server said.

        A connection that has grown old may be closed by the server at any time, so a lost one is opened again, once.
        Raises Permanent, Paused, Transient or Unsure.
        """
        used = self._smtp is not None
        try:
            return self._transaction(address, data)
        except Lost as lost:
            self._drop()
            if not used:
                raise Transient(str(lost)) from lost
        try:
            return self._transaction(address, data)
        except Lost as lost:
            self._drop()
            raise Transient(str(lost)) from lost

    def check(self) -> str:
        """Open the line; what worked. Raises Paused."""
        self._smtp = self._open()
        encrypted = "the line is encrypted" if self._where.encrypted else "the line is not encrypted"
        known = ", and the user name and password are accepted" if self._where.password else ", and nobody had to log in"
        return f"{self._where.host} answers, {encrypted}{known}"

    def _transaction(self, address: str, data: bytes) -> str:
        smtp = self._smtp = self._smtp or self._open()
        assert smtp.sock is not None  # noqa: S101 - it is open
        commands: tuple[tuple[Stage, str], ...] = (
            ("sender", f"MAIL FROM:<{self._sender}>\r\n"), ("recipient", f"RCPT TO:<{address}>\r\n"), ("data", "DATA\r\n"),
        )  # fmt: skip
        for together in (commands,) if smtp.has_extn("pipelining") else ((one,) for one in commands):
            self._announced(smtp, together)
        try:
            smtp.sock.sendall(data)
        except OSError as error:
            raise Lost(f"the connection was lost in the middle of the message: {error}") from error
        return self._final(smtp)

    def _announced(self, smtp: smtplib.SMTP, commands: Iterable[tuple[Stage, str]]) -> None:
        """Say what comes, and read every answer (RFC 2920): the first refusal counts. Raises what it means."""
        assert smtp.sock is not None  # noqa: S101 - it is open
        try:
            smtp.sock.sendall("".join(command for _, command in commands).encode("ascii"))
            answers = [(stage, *_reply(smtp)) for stage, _ in commands]
        except (OSError, ValueError) as error:
            raise Lost(f"the server closed the connection: {error}") from error
        for stage, code, words in answers:
            if code == _GOING:
                raise Lost(f"{code} {words}")
            if code // 100 != (3 if stage == "data" else 2):
                self._called_off(smtp, waiting=answers[-1][1] // 100 == 3)
                raise answer(code, words, stage)

    def _called_off(self, smtp: smtplib.SMTP, *, waiting: bool) -> None:
        """Nothing is to come of this message. Where the server waits for it all the same, only hanging up makes that sure."""
        try:
            if waiting:
                self._drop()
            else:
                smtp.rset()
        except OSError:
            self._drop()

    def _final(self, smtp: smtplib.SMTP) -> str:
        """The answer to the final dot. Whatever goes wrong now, the message may have arrived (RFC 1047)."""
        assert smtp.sock is not None  # noqa: S101 - it has just been used
        try:
            smtp.sock.settimeout(self._where.final_timeout)
            code, words = _reply(smtp)
            smtp.sock.settimeout(self._where.timeout)
        except (OSError, ValueError) as error:
            self._drop()
            raise Unsure(f"no answer after the message was handed over: {error}") from error
        if code // 100 == 2:
            return f"{code} {words}"
        if code < 400 or code == _GOING:
            self._drop()
        raise answer(code, words, "data") if code >= 400 else Unsure(f"the server said neither yes nor no: {code} {words}")

    def _open(self) -> smtplib.SMTP:
        """Connect, encrypt, authenticate. What fails here is about the sender or the server, never about a recipient."""
        import smtplib

        host = self._where.host
        try:
            return self._greeted()
        except smtplib.SMTPAuthenticationError as error:
            raise Paused(f"{host} does not accept the user name and password: {error.smtp_code} {_text(error.smtp_error)}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise Paused(f"{host} offers no encryption, and without it nothing is sent ({error})") from error
        except ssl.SSLCertVerificationError as error:
            raise Paused(f"{host} shows a certificate that is not its own: {error.verify_message}") from error
        except smtplib.SMTPResponseException as error:
            raise Paused(f"{host} answered: {error.smtp_code} {_text(error.smtp_error)}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Paused(f"{host}:{self._where.port} cannot be reached: {error}") from error

    def _greeted(self) -> smtplib.SMTP:
        import smtplib

        where = self._where
        context = _context(where) if where.encrypted else None
        if where.implicit:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(where.host, where.port, timeout=where.timeout, context=context)
        else:
            smtp = smtplib.SMTP(where.host, where.port, timeout=where.timeout)
        try:
            if smtp.sock is not None:
                smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            smtp.ehlo_or_helo_if_needed()
            if where.encrypted and not where.implicit:
                smtp.starttls(context=context)
                smtp.ehlo()
            if where.password:
                _log_in(smtp, where, where.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def close(self) -> None:
        """Leave politely, if the line is still there."""
        if self._smtp is not None:
            with contextlib.suppress(Exception):
                if self._smtp.sock is not None:
                    self._smtp.sock.settimeout(2)
                self._smtp.quit()
        self._drop()

    def _drop(self) -> None:
        """Hang up: what the server has not heard the end of is nothing to it."""
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def _log_in(smtp: smtplib.SMTP, where: Where, password: Secret) -> None:
    if not smtp.has_extn("auth"):
        remedy = "take username and password out" if where.encrypted else 'write tls = "required"'
        raise Paused(f"{where.host} lets nobody log in on this line; {remedy}")
    smtp.login(where.username, password.reveal())


def _context(where: Where) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if where.certificate:
            context.load_verify_locations(where.certificate)
    except OSError as error:
        raise Paused(f"the certificate file {where.certificate} cannot be read: {error.strerror}") from error
    return context


# -- what the server says ------------------------------------------------------------------------------------------

Stage = Literal["sender", "recipient", "data"]
_GOING = 421
_LONGEST_LINE = 8192
_NOBODY = re.compile(
    r"no such (user|recipient|mailbox|address)"
    r"|(user|recipient|mailbox|address|account)\b.{0,20}\b(unknown|not exist|not found|invalid)"
    r"|(unknown|invalid) (user|recipient|mailbox)|does ?n.t exist",
    re.IGNORECASE,
)
_SENDER = re.compile(
    r"sending (limit|quota)|daily|rate|too many messages|authenticat|policy|spam|blocked|relay|denied"
    r"|black ?list|block ?list|not allowed|suspended",
    re.IGNORECASE,
)


def answer(code: int, words: str, stage: Stage) -> Permanent | Paused | Transient:
    """What an SMTP reply means (RFC 5321, RFC 3463; N86a): about the recipient, about now, or about the sender."""
    said = f"{code} {words}"
    enhanced = re.match(r"[245]\.(\d{1,3})\.(\d{1,3})", words)
    subject, detail = (int(enhanced[1]), int(enhanced[2])) if enhanced else (0, 0)
    if 400 <= code < 500:
        return Paused(said) if stage == "sender" else Transient(said)
    if stage == "sender" or (subject, detail) in ((4, 5), (3, 4)) or subject == 7:
        return Paused(said)
    if stage == "recipient" and ((subject == 1 and detail in (1, 2, 3, 6, 10)) or (not subject and _NOBODY.search(words))):
        return Permanent(said, gone=True)
    if subject == 2 or (stage == "recipient" and subject == 1):
        return Permanent(said)
    if stage == "data" or _SENDER.search(words):
        return Permanent(said, gone=True) if subject == 1 and detail == 1 else Paused(said)
    return Permanent(said)


def _reply(smtp: smtplib.SMTP) -> tuple[int, str]:
    """One answer, however many lines it has. Raises OSError where the line is dead, ValueError for what is no answer."""
    assert smtp.file is not None  # noqa: S101 - smtplib has read the greeting from it
    lines: list[bytes] = []
    while not lines or lines[-1][3:4] == b"-":
        lines.append(smtp.file.readline(_LONGEST_LINE))
        if not lines[-1].endswith(b"\n"):
            raise ConnectionError("it ended without an answer")
    code = int(lines[-1][:3])
    if not 200 <= code <= 599:
        raise ValueError(f"{code} is no answer")
    return code, _text(b" ".join(line[4:] for line in lines))


def _text(words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return " ".join(text.split())


# -- the message ---------------------------------------------------------------------------------------------------


class Mail:
    """A message as bytes (RFC 5322), serialised once; `to` puts one recipient's values into it."""

    def __init__(self, message: Message, *, wire: bool = False) -> None:
        """`wire`: as SMTP takes it, dots doubled at the beginnings of lines and one at the end (RFC 5321, 4.5.2)."""
        self._fields, self._wire = message.fields, wire
        self._own = [(name, value) for name, value in message.headers if any(field in value for field in message.fields)]
        self._named = [named_header(name, *_parted(value)) for name, value in message.headers if name in _NAMED]
        self.sender = _parted(dict(message.headers)["From"])[1]
        self._domain = self.sender.rpartition("@")[2] or "localhost"
        self._subject = words_header("Subject", message.subject)
        self._pieces = self._taken_apart(message)

    def _taken_apart(self, message: Message) -> list[bytes]:
        """The bytes between the tokens, and the tokens. Raises ValueError where the encoding broke one in two."""
        data = self._serialised(message)
        if self._wire:
            data = data.replace(b"\r\n.", b"\r\n..").removesuffix(b"\r\n") + b"\r\n.\r\n"
        pattern = b"(" + b"|".join(re.escape(field.encode()) for field in self._fields) + b")" if self._fields else b"(?!)"
        pieces = re.split(pattern, data)
        expected = sum((message.text + (message.html or "")).count(field) for field in self._fields)
        if len(pieces) // 2 != expected:
            raise ValueError("a token was broken in two by the encoding of the mail")
        return pieces

    def _serialised(self, message: Message) -> bytes:
        from email.message import EmailMessage
        from email.policy import SMTP
        from email.utils import format_datetime

        mail = EmailMessage(policy=SMTP)
        elsewhere = _NAMED | {name for name, _ in self._own}
        for name, value in message.headers:
            if name not in elsewhere:
                mail[name] = value
        mail["Date"] = format_datetime(message.date)
        mail.set_content(message.text, charset="utf-8", cte="quoted-printable")
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html", charset="utf-8", cte="quoted-printable")
            mail.set_boundary(f"=_{blake2b(message.digest.encode(), digest_size=12).hexdigest()}")
        return mail.as_bytes()

    def to(self, delivery: Delivery) -> bytes:
        """The whole message for one recipient: deterministic, so that a second copy can be told (N23)."""
        head = [_to(delivery), f"Message-ID: <{delivery.key}@{self._domain}>", self._subject, *self._named]
        head += [f"{name}: {_folded(_filled(value, delivery.values))}" for name, value in self._own]
        pieces = ["\r\n".join(head).encode("ascii"), b"\r\n", *self._pieces]
        tokens = slice(3, None, 2)
        values = {token: _quoted(delivery.values[token.decode()]) for token in set(pieces[tokens])}
        pieces[tokens] = [values[token] for token in pieces[tokens]]
        return b"".join(pieces)


def _to(delivery: Delivery) -> str:
    if delivery.recipient is None:
        return "To: undisclosed-recipients:;"
    return named_header("To", delivery.recipient.name, delivery.recipient.address)


def _parted(value: str) -> tuple[str, str]:
    """A header like `Name <address>` as the name and the address."""
    name, _, address = value.rpartition("<")
    return name.strip().strip('"'), address.rstrip("> ").strip()


def _filled(value: str, values: Mapping[str, str]) -> str:
    for token, one in values.items():
        value = value.replace(token, one)
    return value


def _folded(value: str) -> str:
    """Folded between addresses and never inside one, which readers would take for two (N25)."""
    return value.replace(", ", ",\r\n ")


_UNSAFE, _LEADING_DOT = re.compile(rb"[^!-<>-~]"), re.compile(rb"^\.")
_AT_MOST_70 = re.compile(rb".{1,70}(?<!=)(?<!=.)")


def _quoted(value: str) -> bytes:
    """Quoted-printable, with a soft line break before it and at least every 70 characters, never inside an escape.

    No line of it begins with a dot, which would have to be doubled on the wire.
    """
    safe = _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], value.encode())
    return b"".join(b"=\r\n" + _LEADING_DOT.sub(b"=2E", line) for line in _AT_MOST_70.findall(safe))


def _email(options: Options, services: Services) -> Outbox | Server:
    if not 1 <= options.connections <= 50:
        raise ValueError("connections is between 1 and 50")
    server = Server(options, services) if options.server != "outbox:" else None
    return Outbox(services) if server is None or services.rehearsal else server


@hookimpl
def amplify_channels() -> list[Channel]:
    """The kind `email`."""
    return [Channel("email", Options, _email)]
