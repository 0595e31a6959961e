"""The plugins that come with Amplify keep what every plugin promises; those that keep places do so in `test_mirrors`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from imap_peer import PASSWORD, Dovecot, dovecot
from smtp_peer import DROP, HANG, Peer, listening

from amplify.testing import AnnouncerSuite, Fault, Reply, Request, SourceSuite
from amplify.testing_kit import contents


class TestOutbox(AnnouncerSuite):
    kind = "email"
    faults = ()

    def options(self) -> Mapping[str, Any]:
        return {"server": "outbox:"}

    def posts(self) -> Sequence[object]:
        return [name for name in contents(self.folder) if name.endswith(".eml")]

    def far_end_has(self, words: str) -> bool:
        return any(words.encode() in data for name, data in contents(self.folder).items() if name.endswith(".eml"))


_DAYS: Mapping[Fault, tuple[str, str]] = {
    Fault.DENIED: ("auth", "535 5.7.8 Username and password not accepted"),
    Fault.REFUSED: ("rcpt", "550 5.1.1 no such user"),
    Fault.TOO_MANY: ("rcpt", "450 4.2.1 come back later"),
    Fault.DROP_BEFORE: ("rcpt", DROP),
    Fault.DROP_AFTER: ("dot", DROP),
    Fault.SILENT_BEFORE: ("rcpt", HANG),
    Fault.SILENT_AFTER: ("dot", HANG),
}


class TestSmtp(AnnouncerSuite):
    """A mail server cannot be asked, has no Retry-After, and what it says is never JSON."""

    kind = "email"
    faults = (*_DAYS, Fault.UNREACHABLE)

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with listening(Peer(account=("me", "canary-yellow"))) as self.peer:
            yield

    def options(self) -> Mapping[str, Any]:
        self.peer.answers = {}
        if self.far.trouble in _DAYS:
            stage, answer = _DAYS[self.far.trouble]
            self.peer.answers = {stage: [answer] * 4}
        port = self.far.url.rpartition(":")[2] if self.far.trouble is Fault.UNREACHABLE else self.peer.port
        times = {"timeout": 0.3, "final_timeout": 0.3} if self.far.trouble else {}
        return {"server": f"smtp://127.0.0.1:{port}", "username": "me", "password": "canary-yellow", "connections": 1, **times}

    def posts(self) -> Sequence[object]:
        return self.peer.taken

    def settle(self) -> None:
        """It has got everything before it falls silent."""

    def far_end_has(self, words: str) -> bool:
        return any(words in part.get_content() for mail in self.peer.messages() for part in mail.walk() if not part.is_multipart())


class TestDropBox(SourceSuite):
    kind = "folder"
    faults = ()

    def options(self) -> Mapping[str, Any]:
        return {"path": "offers"}

    def fill(self) -> None:
        box = self.folder / "offers"
        box.mkdir(exist_ok=True)
        for number in range(self.things):
            file = box / f"thing-{number}.txt"
            file.write_text(f"How we mark in room {number}, and what came of it.")
            os.utime(file, (1_700_000_000, 1_700_000_000))


FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Amal writes</title><link>https://amal.example.org/</link>
<description>d</description>{}</channel></rss>"""
ENTRY = """<item><guid isPermaLink="false">entry-{0}</guid><title>How we mark in room {0}</title><link>https://amal.example.org/{0}</link>
<description>Three ways in room {0}.</description><pubDate>Wed, 18 Nov 2026 1{0}:00:00 GMT</pubDate></item>"""


class TestFeed(SourceSuite):
    kind = "feed"

    def options(self) -> Mapping[str, Any]:
        return {"url": f"{self.far.url}/feed.xml"}

    def answer(self, request: Request) -> Reply:
        entries = "".join(ENTRY.format(number) for number in reversed(range(self.things)))
        return Reply(body=FEED.format(entries).encode(), headers={"Content-Type": "application/rss+xml"})


class TestForm(SourceSuite):
    kind = "csv"

    def options(self) -> Mapping[str, Any]:
        return {"file": f"{self.far.url}/answers.csv", "title": "Your idea", "body": "How it went"}

    def answer(self, request: Request) -> Reply:
        answers = "".join(f"Marking in room {number},Joyfully in {number}\n" for number in range(self.things))
        return Reply(body=f"Your idea,How it went\n{answers}".encode(), headers={"Content-Type": "text/csv"})


MEETING = """BEGIN:VEVENT\r\nUID:meeting-{0}\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:2026121{0}T190000Z\r\nDTEND:2026121{0}T200000Z
SUMMARY:Meeting in room {0}\r\nEND:VEVENT\r\n"""


class TestCalendar(SourceSuite):
    kind = "ical"

    def options(self) -> Mapping[str, Any]:
        return {"file": f"{self.far.url}/teachers.ics"}

    def answer(self, request: Request) -> Reply:
        events = "".join(MEETING.format(number).replace("\r\n", "\n").replace("\n", "\r\n") for number in range(self.things))
        calendar = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\n{events}END:VCALENDAR\r\n"
        return Reply(body=calendar.encode(), headers={"Content-Type": "text/calendar"})


@pytest.fixture(scope="module")
def mailboxes() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


class TestMailbox(SourceSuite):
    """A real server, which knows two bad days."""

    kind = "imap"
    faults = (Fault.UNREACHABLE, Fault.DENIED)
    put = 0

    @pytest.fixture(autouse=True)
    def _server(self, mailboxes: Dovecot, tmp_path: Path) -> None:
        self.server, self.user = mailboxes, f"{tmp_path.name}@joyfe.example.org"

    def options(self) -> Mapping[str, Any]:
        port = self.far.url.rpartition(":")[2] if self.far.trouble is Fault.UNREACHABLE else self.server.plain
        password = "canary-wrong" if self.far.trouble is Fault.DENIED else PASSWORD
        return {"server": f"imap://127.0.0.1:{port}", "username": self.user, "password": password}

    def fill(self) -> None:
        for number in range(self.put, self.things):
            head = f"From: Amal <amal@example.org>\r\nMessage-ID: <{number}@example.org>\r\nSubject: Marking in room {number}\r\n"
            self.server.put(f"{head}\r\nWe tried it in room {number}.\r\n".encode(), user=self.user)
        self.put = self.things
