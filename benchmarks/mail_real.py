"""Send the sample's edition through a real mail server, read it back over IMAP, and compare every mail.

    export MAIL_PASSWORD=…
    python benchmarks/mail_real.py --server smtp://mail.example.org:587 --imap imaps://mail.example.org --mailbox readers@example.org

Everybody on the list is `readers+NUMBER@example.org`, so the server has to put such addresses into one mailbox, and nothing
else should arrive there meanwhile; the mails stay there. What is expected is what the same list gets in an outbox: the
headers, the Message-ID, and both bodies. The speed is that of `amplify publish`, less what it takes when nothing is left to
send; measured for each number of connections, each with a list of its own. The section of `mail-results.md` is replaced.
"""

from __future__ import annotations

import argparse
import imaplib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

from mail import connections_of, numbers, written
from run import AMPLIFY, HERE, Contender, Cost, measure

SAMPLE = HERE.parent
EDITION = "2026-11"
FOLDERS = ("contributions", "editions", "episodes", "events", "members", "assets")
HEADERS = (
    "From", "To", "Reply-To", "Subject", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Archive",
    "Content-Language",
)  # fmt: skip
Mails = Mapping[str, EmailMessage]
"""By Message-ID."""


@dataclass(frozen=True)
class Played:
    """What one number of connections did."""

    connections: int
    people: int
    cost: Cost
    idle: float

    def __str__(self) -> str:
        rate = self.people / (self.cost.wall - self.idle)
        return (
            f"| {connections_of(self.connections)} | {rate:,.0f} | {rate / self.connections:,.0f} "
            f"| {self.cost.cpu:.2f} s | {self.cost.peak:.0f} MB |"
        )


class Community:
    """The sample with a list of its own, in two copies: one for the outbox, one for the server."""

    def __init__(self, folder: Path, addresses: Sequence[str]) -> None:
        self._made, self.expected, self.sent = folder / "made", folder / "expected", folder / "sent"
        self._made.mkdir(parents=True)
        for name in FOLDERS:
            shutil.copytree(SAMPLE / name, self._made / name)
        self._settings = (SAMPLE / "amplify.toml").read_text(encoding="utf-8")
        (self._made / "amplify.toml").write_text(self._settings, encoding="utf-8")
        (self._made / "list.csv").write_text("email,name\n" + "".join(f"{one},Zoë Reader\n" for one in addresses), encoding="utf-8")
        for command in (("subscribers", "import", "list.csv"), ("publish", "--site-only", "--yes")):
            measure(Contender((AMPLIFY, *command), self._made))

    def publish(self, copy: Path, server: str) -> tuple[Cost, float]:
        """Publish a copy through a server; what that took, and how long it takes when nothing is left to send."""
        shutil.copytree(self._made, copy)
        changed = self._settings.replace('server = "outbox:"', server).replace("[publish]", "[publish]\nverify_site = false")
        (copy / "amplify.toml").write_text(changed, encoding="utf-8")
        command = Contender((AMPLIFY, "publish", EDITION, "--announce", EDITION, "--no-gather", "--yes"), copy)
        return measure(command), measure(command).wall

    def outbox(self) -> Mails:
        """What everybody should get."""
        self.publish(self.expected, 'server = "outbox:"')
        return by_identity(file.read_bytes() for file in (self.expected / ".amplify" / "outbox").glob("*.eml"))


class Mailbox:
    """Where the mails arrive."""

    def __init__(self, address: str, user: str, password: str) -> None:
        parts = urlsplit(address)
        kind = imaplib.IMAP4_SSL if parts.scheme == "imaps" else imaplib.IMAP4
        self._imap = kind(parts.hostname or "", parts.port or (993 if parts.scheme == "imaps" else 143))
        self._imap.login(user, password)

    def next(self) -> int:
        """The number that the next mail will have."""
        found = re.search(rb"UIDNEXT (\d+)", self._imap.status("INBOX", "(UIDNEXT)")[1][0])
        assert found
        return int(found[1])

    def arrived(self, first: int, wanted: int, patience: float) -> Mails:
        """The mails from number `first` on, as soon as there are as many as wanted, or after so many seconds."""
        until = time.monotonic() + patience
        while True:
            self._imap.select("INBOX", readonly=True)
            numbers = [one for one in self._imap.uid("search", "", f"UID {first}:*")[1][0].split() if int(one) >= first]
            if len(numbers) >= wanted or time.monotonic() > until:
                break
            time.sleep(1)
        found = self._imap.uid("fetch", f"{first}:*", "(BODY.PEEK[])")[1] if numbers else []
        return by_identity(part[1] for part in found if isinstance(part, tuple))


def by_identity(mails: Iterator[bytes]) -> Mails:
    """Mails by their Message-ID. Raises SystemExit where two have one."""
    found: dict[str, EmailMessage] = {}
    for data in mails:
        mail = message_from_bytes(data, policy=policy.default)
        identity = str(mail["Message-ID"])
        if identity in found:
            raise SystemExit(f"{identity} arrived twice")
        found[identity] = mail  # type: ignore[assignment]
    return found


def differences(expected: Mails, arrived: Mails) -> Iterator[str]:
    """What is not as it should be."""
    yield from (f"{one['To']} got nothing" for identity, one in expected.items() if identity not in arrived)
    yield from (f"{one['To']} got what nobody sent" for identity, one in arrived.items() if identity not in expected)
    for identity in expected.keys() & arrived.keys():
        meant, came = expected[identity], arrived[identity]
        yield from (f"{meant['To']}: {name} is {came[name]!r}" for name in HEADERS if came.get_all(name) != meant.get_all(name))
        for kind in ("plain", "html"):
            one, other = meant.get_body((kind,)), came.get_body((kind,))
            if one is None or other is None or one.get_content() != other.get_content():
                yield f"{meant['To']}: the {kind} body differs"


def played(options: argparse.Namespace, folder: Path, connections: int) -> Played:
    """One list, sent over so many connections, read back and compared."""
    local, _, domain = options.mailbox.partition("@")
    addresses = [f"{local}+{int(time.time())}-{number}@{domain}" for number in range(options.people)]
    community = Community(folder, addresses)
    expected, mailbox = community.outbox(), Mailbox(options.imap, options.mailbox, os.environ["MAIL_PASSWORD"])
    lines = [f'server = "{options.server}"', f"connections = {connections}", 'password = "env:MAIL_PASSWORD"']
    lines += [f'username = "{options.username or options.mailbox}"', f'certificate = "{options.certificate}"', 'tls = "required"']
    first = mailbox.next()
    cost, idle = community.publish(community.sent, "\n".join(lines))
    if found := list(differences(expected, mailbox.arrived(first, len(expected), options.patience))):
        raise SystemExit("\n".join([f"{len(found)} differences:", *found[:20]]))
    print(f"    {connections_of(connections)}: {cost.wall:.2f} s, {cost.cpu:.2f} s CPU", file=sys.stderr, flush=True)
    return Played(connections, options.people, cost, idle)


def table(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The section."""
    rows = [played(options, folder / str(number), number) for number in options.connections]
    yield f"The sample's edition to {options.people:,} people through {options.named}, encrypted and authenticated, the record durable."
    yield f"Every mail was read back over IMAP and was what it should be: {', '.join(HEADERS)}, and both bodies."
    yield ""
    yield "| over | mails a second | for each connection (wanted: 100) | CPU | peak |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    yield from map(str, rows)


def main() -> None:
    """Send, read back, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="as in the settings: smtp://HOST:PORT or smtps://HOST")
    parser.add_argument("--imap", required=True, help="imap://HOST:PORT or imaps://HOST")
    parser.add_argument("--mailbox", required=True, help="whose mailbox it is")
    parser.add_argument("--username", default="", help="who sends (default: the mailbox)")
    parser.add_argument("--certificate", default="", help="a PEM file to trust as well")
    parser.add_argument("--named", default="a real server", help="what the table calls the server")
    parser.add_argument("--people", type=int, default=1000, help="how many (default: %(default)s)")
    parser.add_argument("--connections", default="1,4", type=numbers, help="numbers of connections (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=300, help="how many seconds the mails may take to arrive (default: %(default)s)")
    parser.add_argument("--machine", default=f"{os.cpu_count()} cores", help="what the table says of the machine")
    parser.add_argument("--results", type=Path, default=HERE / "mail-results.md", help="where the table goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        written(options.results, "A real mail server", options.machine, table(options, Path(folder)))


if __name__ == "__main__":
    main()
