"""A mailbox: what members write is offered, and the mailbox stays as it was. Against a real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from imap_peer import PASSWORD, Dovecot, dovecot
from tests.conftest import Make
from tests.kit import SETTINGS, Community, Ran, contents
from tests.test_drop_box import drawn

from amplify import connect
from amplify.incoming import read_mail
from amplify.testing import SourceSuite

OURS = "<0123456789abcdef0123456789abcdef@joyfe.example.org>"
HEAD = "From: Amal Haddad <amal@example.org>\nTo: team@joyfe.example.org\nDate: Tue, 17 Nov 2026 18:00:00 +0000\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


class Town(Community):
    """A community with a mailbox of its own on the server."""

    server: Dovecot
    user: str

    def post(self, *mails: str | bytes | EmailMessage) -> Town:
        """Mails arrive."""
        for mail in mails:
            data = mail.encode() if isinstance(mail, str) else bytes(mail)
            self.server.put(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), user=self.user)
        return self

    def settings(self, **more: object) -> Town:
        """The settings of the mailbox, with these instead."""
        values = {"server": f"imap://127.0.0.1:{self.server.plain}", "username": self.user, "password": PASSWORD} | more
        lines = "".join(f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n" for key, value in values.items())
        self.write({"amplify.toml": f'{SETTINGS}\n[[source]]\nname = "mailbox"\nplugin = "imap"\n{lines}'})
        return self


@pytest.fixture
def town(community: Make, server: Dovecot, tmp_path: Path) -> Town:
    made = Town(community().root)
    object.__setattr__(made, "server", server)
    object.__setattr__(made, "user", f"{tmp_path.name}@joyfe.example.org")
    return made.settings()


def gathered(town: Town) -> dict[str, Any]:
    """What gathering said of the mailbox."""
    found: dict[str, Any] = town.run("gather", "--json").json["sources"][0]
    return found


def offered(town: Town) -> list[tuple[str, str]]:
    """Kind and title of each thing that waits, the oldest first."""
    town.run("gather")
    return [(one["kind"], one["title"]) for one in reversed(town.run("review", "--list", "--json").json["offers"])]


def accepted(town: Town) -> str:
    """The file that the only thing in the inbox becomes."""
    town.run("gather")
    ran = town.run("review", "--accept", "1")
    assert ran.status == 0, ran.err
    return (town.root / ran.out.rpartition(": ")[2].strip()).read_text("utf-8")


def letter(subject: str = "Marking with joy", text: str = "Three ways.", **headers: str) -> EmailMessage:
    """A mail as a mail program makes it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = headers.pop("sender", "Amal Haddad <amal@example.org>"), "team@joyfe.example.org", subject
    mail["Message-ID"] = headers.pop("id", f"<{abs(hash((subject, text)))}@example.org>")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


class TestMails:
    def test_a_mail_is_what_its_writer_says(self, town: Town) -> None:
        town.post(f"{HEAD}Subject: =?utf-8?q?Marking=3A_mit_Fr=C3=B6hlichkeit?=\n\nThree ways.\n\n-- \nAmal\nTel. 555\n")

        front, body = accepted(town).removeprefix("---\n").split("---\n")
        assert 'title: "Marking: mit Fröhlichkeit"\nkind: "article"\nauthor: "Amal Haddad"\ndate: "2026-11-17 18:00"\n' in front
        assert body == "Three ways.\n"

    def test_html_comes_with_the_pictures_that_it_shows(self, town: Town) -> None:
        mail = letter()
        mail.add_alternative('<p>Three <b>ways</b>.</p><img src="cid:b1" alt="The bench"><script>alert(1)</script>', subtype="html")
        mail.get_payload()[1].add_related(drawn(), "image", "jpeg", cid="<b1>")  # type: ignore[index, union-attr]

        body = accepted(town.post(mail)).split("---\n")[2]
        [picture] = [name for name in contents(town.root) if name.startswith("assets/offered/")]
        assert body == f"Three **ways**.\n\n![The bench]({picture})\n"

    def test_other_attachments_are_named(self, town: Town) -> None:
        mail = letter()
        mail.add_attachment(b"x" * 12_000, "application", "pdf", filename="../../Timetable.pdf")
        mail.add_attachment(drawn(), "image", "jpeg", filename="bench.jpg")

        body = accepted(town.post(mail)).split("---\n")[2]
        assert body.startswith("Three ways.\n\nAttached to the mail: Timetable.pdf (12 kB).\n\n![Marking with joy](assets/offered/")

    def test_a_picture_of_no_use_is_a_line(self, town: Town) -> None:
        mail = letter()
        mail.add_attachment(b"GIF87a rubbish", "image", "gif", filename="bench.gif")

        found = gathered(town.post(mail))
        assert (found["new"], found["notes"][0].partition(":")[0]) == (1, '"Marking with joy" came with bench.gif')

    def test_a_question_ends_with_its_mark_unless_the_settings_say_what_mails_are(self, town: Town) -> None:
        town.post(letter("How do you mark?"), letter("Lee has QTLS"))
        assert offered(town) == [("question", "How do you mark?"), ("article", "Lee has QTLS")]

        town.settings(kind="celebration").post(letter("Sam, too?"))
        assert offered(town)[-1] == ("celebration", "Sam, too?")

    @pytest.mark.parametrize(
        ("head", "title"),
        [
            ("Subject: a\n b\n", "a b"),
            ("Subject: =?utf-8?b?w7w=?= =?klingon?q?x=FC?=\n", "üxü"),
            ("Subject: caf\udce9\n", "café"),
            ("Subject: =?utf-8?b?****?=\n", ""),
            ("X: y\n", ""),
            ("Subject: a\u202eb\n", "a b"),
        ],
    )
    def test_a_subject_may_be_wrong_in_every_way(self, head: str, title: str) -> None:
        mail = f"From: friends: Amal <amal@example.org>;\n{head}\nThree ways.\n".encode("utf-8", "surrogateescape")

        assert read_mail(mail, "news@joyfe.example.org")["subject"] == title

    def test_a_name_that_is_an_address_is_not_shown(self, town: Town) -> None:
        assert "amal@" not in accepted(town.post(letter(sender='"amal@example.org" <amal@example.org>')))

    def test_a_member_is_recognised_by_the_address(self, town: Town) -> None:
        town.write({"members/amal.md": "---\nname: Amal H.\nhandles: {mail: amal@example.org}\n---\n"})

        assert 'author: "amal"' in accepted(town.post(letter()))


class TestAnswers:
    def test_an_answer_to_the_newsletter_is_a_discussion_of_its_new_words(self, town: Town) -> None:
        town.post(
            letter("AW: Re: Joy in November", "Yes, and a fourth.\n\nAm 18.11.26 um 20:00 schrieb JoyFE:\n> Dear all\n", In_Reply_To=OURS)
        )

        assert offered(town) == [("discussion", "Re: Joy in November")]
        assert accepted(town).endswith("---\nYes, and a fourth.\n")

    def test_one_that_a_relay_gave_another_number_is_known_by_what_it_quotes(self, town: Town) -> None:
        quoted = f"Yes.\n\nOn Wed, 18 Nov 2026 at 20:00, JoyFE <{town.user}> wrote:\n> Dear all\n"

        assert offered(town.post(letter("Re: Joy", quoted, In_Reply_To="<1@relay.example>"))) == [("discussion", "Re: Joy")]

    def test_what_is_passed_on_stays_whole(self, town: Town) -> None:
        town.post(
            letter(
                "Fwd: A course", "See below.\n\nFrom: Sam\nSent: Monday\nTo: Amal\nSubject: A course\n\nIt begins in May.", References=OURS
            )
        )

        assert "It begins in May." in accepted(town)


class TestWhatIsLeftAlone:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Auto_Submitted": "auto-replied"}, {"X_Autoreply": "yes"}, {"Precedence": "bulk"}, {"sender": "MAILER-DAEMON@mx.example.org"},
            {"Return_Path": "<>"}, {"id": OURS}, {"List_Id": "Joy <joy.joyfe.example.org>"}, {"subject": "Out of office: Re: Joy"},
        ],
    )  # fmt: skip
    def test_what_no_person_wrote_to_us_is_automatic(self, headers: dict[str, str]) -> None:
        assert read_mail(bytes(letter(**headers)), "news@joyfe.example.org")["about"] == "automatic"

    def test_what_is_automatic_is_counted(self, town: Town) -> None:
        found = gathered(town.post(letter(Precedence="bulk"), letter("Re: Joy", Auto_Submitted="auto-replied")))

        assert (found["new"], found["notes"]) == (0, ["left alone: 2 automatic mails"])

    def test_a_mailing_list_of_others_is_gathered(self, town: Town) -> None:
        assert gathered(town.post(letter(Precedence="list", List_Id="<fe.lists.example.org>")))["new"] == 1

    @pytest.mark.parametrize(
        ("subject", "text"),
        [("unsubscribe 7f3a9c0d21e84b56", ""), ("Unsubscribe", ""), ("Re: Joy", "Please unsubscribe me.\n\n> Dear all")],
    )
    def test_who_asks_to_leave_is_named_with_the_command(self, town: Town, subject: str, text: str) -> None:
        found = gathered(town.post(letter(subject, text, Precedence="junk")))

        assert (found["new"], found["notes"]) == (
            0,
            ["amal@example.org asks to leave the list: amplify subscribers remove amal@example.org"],
        )

    def test_what_is_too_large_stays_in_the_mailbox(self, town: Town) -> None:
        found = gathered(town.post(f"{HEAD}Subject: Film\n\n{'x' * 78}\n" + f"{'x' * 78}\n" * 330_000, letter()))

        assert found["new"] == 1
        assert found["notes"] == ['the mail "Film" of Tue, 17 Nov 2026 18:00:00 +0000 has 26 MB; it was left in INBOX']

    def test_what_cannot_be_read_is_kept_named_and_not_tried_again(self, town: Town) -> None:
        deep = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(2_000))
        found = gathered(town.post(f"{HEAD}Subject: Deep\n{deep}", letter()))

        [(name, kept)] = [(name, data) for name, data in contents(town.root).items() if name.startswith(".amplify/quarantine/")]
        assert (found["new"], b"Subject: Deep" in kept) == (1, True)
        [note] = found["notes"]
        assert note.startswith('the mail "Deep" of Tue, 17 Nov 2026 18:00:00 +0000 cannot be read (')
        assert f"it is kept as {name}" in note
        assert gathered(town)["notes"] == []


class TestTheMailbox:
    def test_it_stays_as_it_was(self, town: Town) -> None:
        town.post(letter(), letter("unsubscribe 7f3a9c0d21e84b56"), letter(Precedence="bulk"))
        before = town.server.there(town.user)
        town.run("gather")

        assert town.server.there(town.user) == before

    def test_only_what_came_since_is_looked_at(self, town: Town) -> None:
        town.post(letter("One")).run("gather")
        assert gathered(town)["new"] == 0

        assert gathered(town.post(letter("Two")))["new"] == 1

    def test_the_first_time_the_newest_are_looked_at(self, town: Town) -> None:
        town.settings(first=2).post(letter("One"), letter("Two"), letter("Three"))
        assert [title for _, title in offered(town)] == ["Two", "Three"]

        town.post(letter("Four"), letter("Five"), letter("Six"))
        assert [title for _, title in offered(town)][2:] == ["Four", "Five", "Six"]

    def test_an_empty_one_is_waited_at(self, town: Town) -> None:
        assert gathered(town.settings(first=0))["new"] == 0

        assert gathered(town.post(letter("One"), letter("Two")))["new"] == 2

    def test_mails_that_are_numbered_anew_are_known(self, town: Town) -> None:
        town.post(letter("One"), letter("Two")).run("gather")
        town.server.renumber(town.user)

        assert gathered(town.post(letter("Three")))["new"] == 1

    def test_two_mails_with_one_number_are_two(self, town: Town) -> None:
        town.post(letter("One", id="<form@example.org>"), letter("Two", id="<form@example.org>"))

        assert len(offered(town)) == 2

    def test_several_folders_are_looked_through(self, town: Town) -> None:
        with town.server.mailbox(town.user) as box:
            box.create('"&ANw-ber uns"')
        town.server.put(bytes(letter("In the folder")), folder='"&ANw-ber uns"', user=town.user)

        found = town.settings(folders=["INBOX", "Über uns"]).post(letter())
        assert gathered(found)["new"] == 2

    def test_more_than_a_batch_comes_whole(self, town: Town) -> None:
        assert gathered(town.post(*(letter(f"Number {n}") for n in range(60))))["new"] == 60


class TestTheServer:
    def failure(self, town: Town, **settings: object) -> str:
        return str(gathered(town.settings(**settings))["failure"])

    def test_the_line_may_be_encrypted_from_the_start_or_later(self, town: Town, server: Dovecot) -> None:
        trusted = {"certificate": str(server.certificate)}
        assert gathered(town.post(letter("One")).settings(server=f"imaps://127.0.0.1:{server.secure}", **trusted))["new"] == 1

        assert gathered(town.post(letter("Two")).settings(server=f"imap://127.0.0.1:{server.plain}", tls="required", **trusted))["new"] == 1

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, town: Town, server: Dovecot) -> None:
        assert "shows a certificate that is not its own" in self.failure(town, server=f"imaps://127.0.0.1:{server.secure}")

    @pytest.mark.parametrize("password", ["wrong-one", "mot-de-passé"])
    def test_a_wrong_password_is_said_and_not_shown(self, town: Town, password: str) -> None:
        failure = self.failure(town, password=password)

        assert "127.0.0.1 does not accept the user name and password" in failure
        assert password not in failure

    def test_a_folder_that_is_not_there_is_named_with_those_that_are(self, town: Town) -> None:
        assert self.failure(town, folders=["Offers"]) == "127.0.0.1 has no folder 'Offers'; there are INBOX"

    def test_without_the_optional_part_it_says_how_to_get_it(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "imap_tools", None)

        assert "pip install 'amplify-publisher[imap]'" in self.failure(town)

    def test_a_server_that_is_not_there_is_a_failure(self, town: Town) -> None:
        assert "127.0.0.1:1 cannot be reached" in self.failure(town, server="imap://127.0.0.1:1")

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"server": "mail.example.org"}, "is no mailbox; write it like imaps://imap.example.org"),
            ({"server": "imap://mail.example.org", "tls": "none"}, "would show the password to everyone on the way"),
            ({"server": "imap://mail.example.org:993"}, 'write server = "imaps://mail.example.org"'),
            ({"server": "imaps://a:b@mail.example.org"}, "a password does not belong into server"),
            ({"trust": True}, "trust = true would accept whatever anybody writes there"),
        ],
    )
    def test_a_mistake_in_the_settings_is_said(self, town: Town, wrong: dict[str, object], said: str) -> None:
        ran = town.settings(**wrong).run("gather")

        assert (ran.status, said in ran.err) == (1, True), ran.err


class TestRules:
    def ruled(self, town: Town, rule: str) -> list[str]:
        settings = (town.root / "amplify.toml").read_text()
        town.write({"amplify.toml": f"{settings}\n[[rule]]\n{rule}\n"}).run("gather")
        return [one["state"] for one in town.run("review", "--list", "--all", "--json").json["offers"]]

    @pytest.mark.parametrize("condition", ['author = "amal@example.org"', 'source = "mailbox"', 'kind = "article"'])
    def test_no_rule_accepts_a_mail_since_anybody_can_write_any_name(self, town: Town, condition: str) -> None:
        assert self.ruled(town.post(letter()), f'then = "accept"\n{condition}') == ["new"]

    def test_a_rule_may_reject_mails(self, town: Town) -> None:
        assert self.ruled(town.post(letter()), 'then = "reject"\nwords = ["ways"]') == ["rejected"]


class TestConnecting:
    def connect(self, town: Town, *more: str) -> Ran:
        town.write({"amplify.toml": f"{SETTINGS}# ours\n", "secret": PASSWORD})
        server = f"imap://127.0.0.1:{town.server.plain}"
        return town.run("connect", "mailbox", "--address", town.user, "--server", server, "--password", "file:secret", *more)

    def test_it_is_tried_and_written_down_and_then_gathered_from(self, town: Town) -> None:
        ran = self.connect(town.post(letter()))

        assert (ran.status, ran.out.splitlines()[0]) == (0, (
            "127.0.0.1 accepts the user name and password; INBOX has 1 mail. Nothing was changed there."
        ))  # fmt: skip
        assert (town.root / "amplify.toml").read_text() == (
            f'{SETTINGS}# ours\n\n[[source]]\nname = "mailbox"\nplugin = "imap"\nserver = "imap://127.0.0.1:{town.server.plain}"\n'
            f'username = "{town.user}"\npassword = "file:secret"\nnewsletter = "news@joyfe.example.org"\n'
        )
        assert gathered(town)["new"] == 1

    def test_what_does_not_work_is_not_written_down(self, town: Town) -> None:
        ran = self.connect(town, "--option", 'folders=["Offers"]')

        assert (ran.status, (town.root / "amplify.toml").read_text()) == (1, f"{SETTINGS}# ours\n")
        assert "127.0.0.1 has no folder 'Offers'; there are INBOX" in ran.err

    def test_a_source_that_is_there_is_changed(self, town: Town) -> None:
        self.connect(town)
        server = f"imap://127.0.0.1:{town.server.plain}"
        ran = town.run("connect", "mailbox", "--server", server, "--option", "kind=question")

        assert ran.status == 0, ran.err
        assert (town.root / "amplify.toml").read_text().endswith('newsletter = "news@joyfe.example.org"\nkind = "question"\n')

    @pytest.mark.parametrize(
        ("written", "server"),
        [
            ("imap.example.org", "imaps://imap.example.org"),
            ("imap.example.org:143", "imap://imap.example.org:143"),
            ("imap.example.org:993", "imaps://imap.example.org:993"),
            (" imap://127.0.0.1:1143 ", "imap://127.0.0.1:1143"),
        ],
    )
    def test_a_server_is_written_as_people_know_it(self, written: str, server: str) -> None:
        assert connect.read_inbox(written) == server

    @pytest.mark.parametrize("written", ["", "smtp://mail.example.org", "https://example.org", "imap server"])
    def test_another_thing_is_no_server(self, written: str) -> None:
        with pytest.raises(ValueError, match="is no server for incoming mail"):
            connect.read_inbox(written)


class TestWhatEverySourcePromises(SourceSuite):
    kind = "imap"
    faults = ()

    @pytest.fixture(autouse=True)
    def _mailbox(self, server: Dovecot, tmp_path: Path) -> None:
        self.server, self.user, self.there = server, f"{tmp_path.name}@joyfe.example.org", 0

    def options(self) -> Mapping[str, Any]:
        return {"server": f"imap://127.0.0.1:{self.server.plain}", "username": self.user, "password": PASSWORD}

    def fill(self) -> None:
        while self.there < self.things:
            mail = letter(f"Room {self.there}", f"How we mark in room {self.there}.")
            self.server.put(bytes(mail).replace(b"\n", b"\r\n"), user=self.user)
            self.there += 1
