"""Mail that really leaves: over a socket, to a server that answers as real ones do on their bad days."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_peer import DROP, HANG, Peer, listening

from amplify import instances, registry
from amplify.api import Announcer, Secret
from amplify.config import Plugged
from amplify.errors import AmplifyError, DeliveryError, Paused, Permanent, Transient, Unknown, Unsure
from amplify.model import Delivery, Digest, Key, Message, Recipient

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
LEAVE = "AMPLIFY0123456789ABCDEF"
MESSAGE = Message(
    publication=Key("edition/ed-1"), form="mail", language="en-GB", subject="Marking with joy", link="https://c.example.org/editions/joy/",
    text=f"Dear all,\n.a line that begins with a dot\nIt is dark by four — and still 21 of you wrote in.\n\nLeave:\n{LEAVE}\n",
    html=f'<html lang="en"><body><p>Dear all — {"x" * 900}</p>\n<a\nhref="{LEAVE}"\n>Leave</a></body></html>',
    date=NOW, digest=Digest("m1"), fields=(LEAVE,),
    headers=(("From", "The Circuit <news@c.example.org>"), ("List-Unsubscribe", f"<{LEAVE}>, <mailto:team@c.example.org>")),
)  # fmt: skip


def to(address: str = "amal@example.org", name: str = "Amal", leave: str = "https://join.example.org/u/abc=def?x=1") -> Delivery:
    person = Recipient(id="r1", address=address, name=name, language="", token="t")
    return Delivery(id=1, key="k1", publication=MESSAGE.publication, channel="news", recipient=person, attempt=1, values={LEAVE: leave})


def channel(folder: Path, server: str, **options: Any) -> Announcer:
    kinds = registry.load(folder)
    table = Plugged(name="news", plugin="email", options={"server": server, "timeout": 5, **options})
    works = instances.instance(table, kinds.channels["email"], instances.lending(folder, folder / ".amplify", lambda: NOW)).works
    assert isinstance(works, Announcer)
    return works


@pytest.fixture(params=[False, True], ids=["one by one", "in one piece"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with listening(Peer(pipelining=request.param)) as listener:
        yield listener


def send(peer: Peer, folder: Path, *deliveries: Delivery, **options: Any) -> list[str | DeliveryError]:
    """What became of each delivery on one connection: the receipt's id, or what was raised."""
    done: list[str | DeliveryError] = []
    with channel(folder, f"smtp://127.0.0.1:{peer.port}", **options).session(MESSAGE) as deliver:
        for delivery in deliveries:
            try:
                done.append(deliver(delivery).id)
            except DeliveryError as error:
                done.append(error)
    return done


class TestAMessage:
    def test_arrives_as_it_was_meant(self, peer: Peer, tmp_path: Path) -> None:
        send(peer, tmp_path, to())

        [mail] = peer.messages()
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert plain
        assert html
        assert plain.get_content().replace("\r\n", "\n") == MESSAGE.text.replace(LEAVE, "https://join.example.org/u/abc=def?x=1")
        assert MESSAGE.html
        assert html.get_content().replace("\r\n", "\n").strip() == MESSAGE.html.replace(LEAVE, "https://join.example.org/u/abc=def?x=1")

    @pytest.mark.parametrize("name", ["Amal", "Mary-Jane O'Neill", "Zoë O'Brien, BSc", "Dr. J. Smith", "李小龍"])
    def test_names_its_recipient_alone(self, peer: Peer, tmp_path: Path, name: str) -> None:
        send(peer, tmp_path, to(name=name))

        [mail] = peer.messages()
        [one] = mail["To"].addresses
        assert (one.display_name, one.addr_spec) == (name, "amal@example.org")

    def test_has_one_of_each_header_and_an_id_that_follows_from_the_delivery(self, peer: Peer, tmp_path: Path) -> None:
        send(peer, tmp_path, to())

        [mail] = peer.messages()
        names = [name.lower() for name in mail]
        assert len(names) == len(set(names))
        assert mail["Message-ID"] == "<k1@c.example.org>"
        assert mail["Date"].datetime == NOW

    def test_folds_its_unsubscribe_header_between_addresses_only(self, peer: Peer, tmp_path: Path) -> None:
        long = "https://join.example.org/unsubscribe/" + "0123456789abcdef" * 10
        send(peer, tmp_path, to(leave=long))

        [(_, data)] = peer.taken
        assert f"List-Unsubscribe: <{long}>,\r\n <mailto:team@c.example.org>\r\n".encode() in data

    @pytest.mark.parametrize("leave", [".", "..", "https://j.example.org/" + "." * 300])
    def test_has_each_of_its_dots_once(self, peer: Peer, tmp_path: Path, leave: str) -> None:
        send(peer, tmp_path, to(leave=leave))

        [mail] = peer.messages()
        plain = mail.get_body(("plain",))
        assert plain
        assert plain.get_content().replace("\r\n", "\n") == MESSAGE.text.replace(LEAVE, leave)

    def test_is_the_same_bytes_at_every_attempt(self, peer: Peer, tmp_path: Path) -> None:
        send(peer, tmp_path, to(), to())

        [(_, first), (_, second)] = peer.taken
        assert first == second

    def test_has_no_line_that_a_server_would_break(self, peer: Peer, tmp_path: Path) -> None:
        send(peer, tmp_path, to(leave="https://join.example.org/" + "=" * 600))

        body = peer.taken[0][1].split(b"\r\n\r\n", 1)[1]
        assert max(map(len, body.split(b"\r\n"))) <= 78

    @given(name=st.text(max_size=80), leave=st.from_regex(r"https://j\.example\.org/[A-Za-z0-9=._~/-]{0,200}", fullmatch=True))
    def test_survives_any_name_and_any_address_to_leave(self, tmp_path_factory: pytest.TempPathFactory, name: str, leave: str) -> None:
        from amplify.text import one_line

        folder = tmp_path_factory.mktemp("outbox")
        with channel(folder, "outbox:").session(MESSAGE) as deliver:
            deliver(to(name=one_line(name), leave=leave))

        [file] = (folder / ".amplify" / "outbox").glob("*.eml")
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        assert set(mail.keys()) == {"To", "Message-ID", "List-Unsubscribe", "From", "Subject", "Date", "MIME-Version", "Content-Type"}
        assert mail["To"].addresses[0].addr_spec == "amal@example.org"
        plain = mail.get_body(("plain",))  # type: ignore[attr-defined]
        assert plain.get_content().splitlines()[-1] == leave


class TestAnswers:
    @pytest.mark.parametrize(
        ("stage", "said", "word"),
        [
            ("rcpt", "550 5.1.1 no such user", Permanent),
            ("rcpt", "550 No such user here", Permanent),
            ("rcpt", "552 5.2.2 mailbox full", Permanent),
            ("rcpt", "450 4.2.1 greylisted, come back", Transient),
            ("rcpt", "451 4.7.1 later", Transient),
            ("rcpt", "452 4.2.2 over quota for now", Transient),
            ("rcpt", "550 5.4.5 Daily user sending limit exceeded", Paused),
            ("rcpt", "554 5.7.1 Relay access denied", Paused),
            ("mail", "550 5.7.60 client does not have permissions to send as this sender", Paused),
            ("mail", "451 4.7.500 server busy", Paused),
            ("data", "554 5.7.1 rejected as spam", Paused),
            ("dot", "552 5.3.4 message too big", Paused),
            ("dot", "550 5.1.1 no such user after all", Permanent),
            ("dot", "451 4.3.0 try again", Transient),
            ("greeting", "554 5.7.1 we know you", Paused),
        ],
    )
    def test_are_sorted(self, peer: Peer, tmp_path: Path, stage: str, said: str, word: type[DeliveryError]) -> None:
        peer.answers[stage] = [said]

        [answer] = send(peer, tmp_path, to())

        assert type(answer) is word
        assert said in str(answer)
        assert peer.taken == []

    @pytest.mark.parametrize(("said", "gone"), [("550 5.1.1 unknown", True), ("550 5.2.1 disabled", False), ("552 5.2.2 full", False)])
    def test_only_no_such_address_is_struck_off(self, peer: Peer, tmp_path: Path, said: str, gone: bool) -> None:
        peer.answers["rcpt"] = [said]

        [answer] = send(peer, tmp_path, to())

        assert isinstance(answer, Permanent)
        assert answer.gone is gone

    def test_after_a_refusal_the_next_one_goes(self, peer: Peer, tmp_path: Path) -> None:
        peer.refuse["nobody@example.org"] = "550 5.1.1 no such user"

        send(peer, tmp_path, to("nobody@example.org"), to("amal@example.org"))

        assert (peer.recipients(), peer.connections) == (["amal@example.org"], 1)

    def test_a_server_that_waits_for_a_refused_message_gets_none(self, peer: Peer, tmp_path: Path) -> None:
        peer.pipelining = True
        peer.refuse["nobody@example.org"] = "550 5.1.1 no such user"
        peer.answers["data"] = ["354 go all the same"]

        refused, _ = send(peer, tmp_path, to("nobody@example.org"), to("amal@example.org"))

        assert isinstance(refused, Permanent)
        assert (peer.recipients(), peer.connections) == (["amal@example.org"], 2)

    @pytest.mark.parametrize("said", ["354 go on", "what?", "99 bottles"])
    def test_neither_yes_nor_no_at_the_end_means_that_nobody_knows(self, peer: Peer, tmp_path: Path, said: str) -> None:
        peer.answers["dot"] = [said]

        [answer] = send(peer, tmp_path, to())

        assert isinstance(answer, Unsure)


class TestBadDays:
    def test_a_server_that_closes_after_some_mails_is_called_again(self, peer: Peer, tmp_path: Path) -> None:
        peer.every = 2
        people = [to(f"p{number}@example.org") for number in range(5)]

        send(peer, tmp_path, *people)

        assert (peer.recipients(), peer.connections) == ([f"p{number}@example.org" for number in range(5)], 3)

    def test_dropped_in_the_message_means_certainly_nothing(self, peer: Peer, tmp_path: Path) -> None:
        peer.drop_in_data = True
        big = replace(
            MESSAGE, html=f"<p>{'words ' * 2_000_000}</p>", fields=(), text="x", headers=MESSAGE.headers[:1], digest=Digest("big")
        )

        with (
            channel(tmp_path, f"smtp://127.0.0.1:{peer.port}").session(big) as deliver,
            pytest.raises(Transient, match="middle of the message"),
        ):
            deliver(to())

    def test_dropped_before_the_answer_means_that_nobody_knows(self, peer: Peer, tmp_path: Path) -> None:
        peer.answers["dot"] = [DROP]

        [answer] = send(peer, tmp_path, to())

        assert isinstance(answer, Unsure)
        assert peer.recipients() == ["amal@example.org"]

    def test_no_answer_to_the_final_dot_means_that_nobody_knows(self, peer: Peer, tmp_path: Path) -> None:
        peer.answers["dot"] = [HANG]

        [answer] = send(peer, tmp_path, to(), final_timeout=0.2)

        assert isinstance(answer, Unsure)

    @pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
    def test_no_answer_before_it_means_certainly_nothing(self, peer: Peer, tmp_path: Path, stage: str) -> None:
        peer.answers[stage] = [HANG]

        [answer] = send(peer, tmp_path, to(), timeout=0.2)

        assert type(answer) is Transient
        assert peer.taken == []

    def test_after_a_doubt_the_next_one_goes(self, peer: Peer, tmp_path: Path) -> None:
        peer.answers["dot"] = [DROP]

        first, second = send(peer, tmp_path, to("a@example.org"), to("b@example.org"))

        assert isinstance(first, Unsure)
        assert second == "250 2.0.0 taken"

    def test_a_server_that_is_not_there_pauses_the_channel(self, tmp_path: Path) -> None:
        with listening(Peer()) as gone:
            port = gone.port
        gone.port = port

        [answer] = send(gone, tmp_path, to())

        assert type(answer) is Paused
        assert "cannot be reached" in str(answer)

    def test_no_encryption_where_it_is_asked_for_sends_nothing(self, peer: Peer, tmp_path: Path) -> None:
        [answer] = send(peer, tmp_path, to(), tls="required")

        assert type(answer) is Paused
        assert "offers no encryption" in str(answer)
        assert peer.taken == []

    def test_a_mail_server_cannot_be_asked_what_arrived(self, peer: Peer, tmp_path: Path) -> None:
        with pytest.raises(Unknown):
            channel(tmp_path, f"smtp://127.0.0.1:{peer.port}").find(to(), MESSAGE)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"server": "mail.example.org"}, "is no mail server"),
            ({"server": "http://mail.example.org"}, "is no mail server"),
            ({"server": "smtp://me:secret@mail.example.org"}, "password does not belong into server"),
            ({"server": "smtp://mail.example.org", "tls": "none", "password": Secret("x")}, "would show the password"),
            ({"server": "outbox:", "connections": 0}, "between 1 and 50"),
        ],
    )
    def test_what_cannot_work_is_said_before_anything_starts(self, tmp_path: Path, options: dict[str, Any], words: str) -> None:
        with pytest.raises(AmplifyError, match=re.escape(words)):
            channel(tmp_path, **options)

    def test_a_server_on_this_computer_is_a_real_one(self, tmp_path: Path) -> None:
        assert channel(tmp_path, "smtp://127.0.0.1:2525").traits.outside

    def test_the_outbox_is_not(self, tmp_path: Path) -> None:
        assert not channel(tmp_path, "outbox:").traits.outside


class TestTheOutbox:
    def test_holds_a_file_for_each_person(self, tmp_path: Path) -> None:
        with channel(tmp_path, "outbox:").session(MESSAGE) as deliver:
            deliver(to("a@example.org"))
            deliver(replace(to("b@example.org"), key="k2"))

        assert len(list((tmp_path / ".amplify" / "outbox").iterdir())) == 2

    def test_knows_what_is_in_it(self, tmp_path: Path) -> None:
        outbox = channel(tmp_path, "outbox:")
        assert outbox.find(to(), MESSAGE) is None

        with outbox.session(MESSAGE) as deliver:
            deliver(to())

        assert outbox.find(to(), MESSAGE) is not None

    @pytest.mark.parametrize("address", ["../../../etc/passwd@example.org", "a/b@example.org", "C:\\x@example.org"])
    def test_no_address_leads_out_of_it(self, tmp_path: Path, address: str) -> None:
        with channel(tmp_path, "outbox:").session(MESSAGE) as deliver:
            deliver(to(address))

        assert [path.parent for path in tmp_path.rglob("*.eml")] == [tmp_path / ".amplify" / "outbox"]
