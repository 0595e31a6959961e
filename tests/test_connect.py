"""`amplify connect`: tried for real against servers on this machine, and written down only when it worked."""

from __future__ import annotations

import functools
import http.server
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import keyrings
import mirror_peers
import pytest
from keyrings import Memory
from kit import EDITION, SETTINGS, Community
from mirror_peers import PASSWORD, USER
from smtp_peer import Peer, listening
from terminal import terminal

from amplify import config, connect, pipeline, providers, secret
from amplify.connect import Wish
from amplify.secret import Secret

HERE = Path(__file__).parent
ACCOUNT = ("news@joyfe.example.org", "correct horse")
COMMENTED = SETTINGS.replace("[[channel]]", "# what follows is ours\n[[channel]]", 1).replace(
    'server = "outbox:"', 'server = "outbox:"   # nobody gets these'
) + '\n# Quiet at the turn of the year.\n[publish]\nquiet = ["2026-12-19/2027-01-05"]\n'  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    yield
    secret.forget()


@pytest.fixture
def joy(tmp_path: Path) -> Community:
    return Community(tmp_path / "joy").write({"amplify.toml": COMMENTED, "editions/joy.md": EDITION})


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    """A mail server that offers encryption and wants a password."""
    mirror_peers.certificate(tmp_path / "server.pem")
    identity = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    identity.load_cert_chain(tmp_path / "server.pem")
    with listening(Peer(account=ACCOUNT, identity=identity)) as listener:
        yield listener


def said(community: Community) -> str:
    return (community.root / "amplify.toml").read_text()


def encrypted(tmp_path: Path) -> tuple[str, ...]:
    return ("--option", "tls=required", "--option", f"certificate={tmp_path / 'server.pem'}")


class TestAMailbox:
    @pytest.fixture(autouse=True)
    def _password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAIL_PASSWORD", ACCOUNT[1])

    def connect(self, joy: Community, peer: Peer, *more: str, password: str = "env:MAIL_PASSWORD") -> tuple[int, str]:
        ran = joy.run("connect", "email", "--server", f"127.0.0.1:{peer.port}", "--password", password, "--per-day", "500", *more)
        return ran.status, ran.out + ran.err

    def test_is_logged_in_to_and_nothing_is_sent(self, joy: Community, peer: Peer, tmp_path: Path) -> None:
        status, words = self.connect(joy, peer, *encrypted(tmp_path))

        assert (status, peer.taken) == (0, [])
        assert "127.0.0.1 answers, the line is encrypted, and the user name and password are accepted. Nothing was sent." in words

    def test_is_written_down_and_nothing_else_changes(self, joy: Community, peer: Peer) -> None:
        peer.identity = None

        self.connect(joy, peer)

        server = f'server = "smtp://127.0.0.1:{peer.port}"   # nobody gets these\nusername = "news@joyfe.example.org"'
        expected = COMMENTED.replace('server = "outbox:"   # nobody gets these', f'{server}\npassword = "env:MAIL_PASSWORD"\nper_day = 500')
        assert said(joy) == expected

    def test_then_sends(self, joy: Community, peer: Peer) -> None:
        peer.identity = None
        self.connect(joy, peer)

        assert joy.run("test", "joy", "--to", "me@example.org").status == 0
        assert peer.recipients() == ["me@example.org"]

    @pytest.mark.parametrize(
        ("answers", "words"),
        [
            ({"auth": ["535 5.7.8 Username and password not accepted"]}, "does not accept the user name and password: 535 5.7.8 Username"),
            ({"greeting": ["554 5.7.1 we know you"]}, "127.0.0.1 answered: 554 5.7.1 we know you"),
            ({"greeting": ["421 4.3.2 come back later"]}, "421 4.3.2 come back later"),
        ],
    )
    def test_that_does_not_work_is_said_in_the_servers_words_and_changes_nothing(
        self, joy: Community, peer: Peer, tmp_path: Path, answers: dict[str, list[str]], words: str
    ) -> None:
        peer.answers = answers

        status, shown = self.connect(joy, peer, *encrypted(tmp_path))

        assert (status, said(joy)) == (1, COMMENTED)
        assert words in shown
        assert "Nothing in amplify.toml was changed." in shown

    def test_with_a_certificate_that_nobody_vouches_for_is_not_taken(self, joy: Community, peer: Peer) -> None:
        status, words = self.connect(joy, peer, "--option", "tls=required")

        assert (status, said(joy)) == (1, COMMENTED)
        assert "shows a certificate that is not its own" in words

    def test_without_encryption_is_not_taken_where_it_is_asked_for(self, joy: Community, peer: Peer) -> None:
        peer.identity = None

        status, words = self.connect(joy, peer, "--option", "tls=required")

        assert status == 1
        assert "offers no encryption" in words

    def test_that_is_not_there_says_so(self, joy: Community, tmp_path: Path) -> None:
        with listening(Peer()) as gone:
            pass

        status, words = self.connect(joy, gone)

        assert (status, said(joy)) == (1, COMMENTED)
        assert f"127.0.0.1:{gone.port} cannot be reached" in words

    def test_is_written_down_all_the_same_after_a_yes(self, joy: Community, peer: Peer) -> None:
        peer.answers["greeting"] = ["554 5.7.1 we know you"]

        status, words = self.connect(joy, peer, "--yes")

        assert status == 0
        assert "It is written down all the same, as you said." in words
        assert f'server = "smtp://127.0.0.1:{peer.port}"' in said(joy)

    def test_takes_no_password_on_the_command_line(self, joy: Community, peer: Peer) -> None:
        status, words = self.connect(joy, peer, password="hunter2")

        assert (status, peer.connections, said(joy)) == (1, 0, COMMENTED)
        assert "takes env:NAME, file:PATH or keyring:SERVICE/NAME" in words
        assert "hunter2" not in words

    @pytest.mark.parametrize(
        ("option", "value", "words"),
        [
            ("--server", "not a server", "is no mail server"), ("--per-day", "many", "is no number"),
            ("--address", "nobody", "is no e-mail address"), ("--option", "tls", "write it like  --option connections=2"),
            ("--option", "colour=red", "colour is not known here"),
        ],
    )  # fmt: skip
    def test_asks_for_answers_that_can_be_read(self, joy: Community, peer: Peer, option: str, value: str, words: str) -> None:
        status, shown = self.connect(joy, peer, option, value)

        assert (status, said(joy)) == (1, COMMENTED)
        assert words in shown

    def test_is_asked_for_where_there_are_two(self, joy: Community, peer: Peer) -> None:
        second = '\n[[channel]]\nname = "friends"\nplugin = "email"\nserver = "outbox:"\n'
        joy.write({"amplify.toml": COMMENTED + second})

        status, words = self.connect(joy, peer)

        assert (status, said(joy)) == (1, COMMENTED + second)
        assert "Which channel? There are newsletter, friends." in words

    def test_leaves_what_it_knows_alone_when_it_is_connected_again(self, joy: Community, peer: Peer) -> None:
        peer.identity = None
        self.connect(joy, peer)
        before = said(joy)

        assert joy.run("connect", "email").status == 0
        assert said(joy) == before

    def test_becomes_the_sender_where_that_was_made_up(self, joy: Community, peer: Peer) -> None:
        peer.identity, peer.account = None, ("news@chalk.school", ACCOUNT[1])

        self.connect(joy, peer, "--address", "news@chalk.school")

        assert config.load(joy.root).newsletter == config.Newsletter(title="Joy in FE", sender="JoyFE <news@chalk.school>")

    def test_that_is_not_the_sender_is_said(self, joy: Community, peer: Peer) -> None:
        peer.identity, peer.account = None, ("me@gmail.com", ACCOUNT[1])
        joy.write({"amplify.toml": COMMENTED.replace("news@joyfe.example.org", "news@chalk.school")})

        _, words = self.connect(joy, peer, "--address", "me@gmail.com")

        assert "LOOK  your newsletter says it comes from news@chalk.school, and this mailbox is me@gmail.com." in words


class TestInATerminal:
    def test_it_asks_tries_and_keeps_the_password_in_the_keyring(self, joy: Community, peer: Peer, tmp_path: Path) -> None:
        peer.identity = None
        ring = tmp_path / "ring"
        keyring = {"PYTHON_KEYRING_BACKEND": "keyrings.InFile", "KEYRING_FILE": str(ring), "PYTHONPATH": str(HERE)}

        ran = terminal(
            joy, "connect", "email",
            typed=[("Which mailbox", ""), ("Its mail server", f"127.0.0.1:{peer.port}"), ("User name", ""), ("Password", "a wrong one"),
                   ("How many mails a day", "100"), ("or stop?", "again"), ("Which mailbox", ""), ("Its mail server", ""),
                   ("User name", ""), ("Password", ACCOUNT[1]), ("How many mails a day", "")], **keyring,
        )  # fmt: skip

        assert ran.status == 0
        assert "It did not work: 127.0.0.1 does not accept the user name and password: 535 5.7.8" in ran.out
        assert "The password is in the keyring of this computer, and in no file." in ran.out
        assert not {ACCOUNT[1], "a wrong one"} & set(re.split(r"[\n\[\]]", ran.out))
        assert 'password = "keyring:amplify-127.0.0.1/news@joyfe.example.org"\nper_day = 100' in said(joy)
        assert ACCOUNT[1] in (tmp_path / "ring").read_text()

    def test_it_can_be_stopped_and_nothing_is_changed(self, joy: Community, peer: Peer) -> None:
        asked = ("Which mailbox", "Its mail server", "User name", "Password", "How many")
        typed = ["", f"127.0.0.1:{peer.port}", "", "wrong", "", "stop"]

        ran = terminal(joy, "connect", "email", typed=list(zip((*asked, "or stop?"), typed, strict=True)))

        assert (ran.status, said(joy)) == (1, COMMENTED)
        assert "Stopped here. Nothing in amplify.toml was changed." in ran.out

    def test_it_shows_the_key_of_a_server_that_nobody_knows_to_be_agreed_to(self, joy: Community, tmp_path: Path) -> None:
        with mirror_peers.sftp(tmp_path / "web") as server:
            typed = [("How does the website", "sftp"), ("The name of the server", "127.0.0.1"), ("User name", USER), ("Password", PASSWORD),
                     ("The folder there", "site"), ("address at which", ""), ("Is it the same?", "y")]  # fmt: skip
            ran = terminal(joy, "connect", "website", "--option", f"port={server.port}", typed=typed, **_NO_KEYRING)

        assert ran.status == 0
        assert server.fingerprint in ran.out
        assert f'fingerprint = "{server.fingerprint}"' in said(joy)
        assert 'password = "env:WEB_PASSWORD"' in said(joy)
        assert "read -rs WEB_PASSWORD && export WEB_PASSWORD" in ran.out
        assert PASSWORD not in said(joy) + ran.out

    def test_a_key_that_nobody_agrees_to_ends_it(self, joy: Community, tmp_path: Path) -> None:
        with mirror_peers.sftp(tmp_path / "web") as server:
            given = ("--by", "sftp", "--host", "127.0.0.1", "--username", USER, "--path", "site", "--option", f"port={server.port}")
            typed = [("Password", PASSWORD), ("address at which", ""), ("Is it the same?", "n")]
            ran = terminal(joy, "connect", "website", *given, typed=typed, **_NO_KEYRING)

        assert (ran.status, said(joy)) == (1, COMMENTED)


_NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """What is in a folder, as the world sees it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


class TestAWebSpace:
    @pytest.fixture(autouse=True)
    def _password(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("WEB_PASSWORD", PASSWORD)
        (tmp_path / "ftp").mkdir()

    def test_is_written_to_and_left_as_it_was(self, joy: Community, tmp_path: Path) -> None:
        with mirror_peers.sftp(tmp_path / "web") as server, web(tmp_path / "web" / "site") as url:
            given = ("--host", "127.0.0.1", "--username", USER, "--path", "site", "--password", "env:WEB_PASSWORD", "--url", url)
            more = ("--option", f"port={server.port}", "--fingerprint", server.fingerprint)
            ran = joy.run("connect", "website", "--by", "sftp", *given, *more)

        assert ran.status == 0
        assert ran.out.startswith(
            f"127.0.0.1: a file was written and taken away again.\nIt could be seen at {url}, so it is the right folder."
        )
        assert [path.name for path in (tmp_path / "web" / "site").iterdir()] == [".amplify-files"]
        assert config.load(joy.root).community.url == url

    def test_that_is_not_what_people_see_is_said(self, joy: Community, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        with mirror_peers.ftp(tmp_path / "ftp") as server, web(tmp_path / "elsewhere") as url:
            given = ("--host", "127.0.0.1", "--username", USER, "--path", "site", "--password", "env:WEB_PASSWORD", "--url", url)
            ran = joy.run("connect", "website", "--by", "ftp", *given, "--option", f"port={server.port}")

        assert ran.status == 0
        assert f"LOOK  the file could not be seen at {url} (it answers 404)." in ran.out

    def test_over_ftp_is_written_down_in_the_place_of_the_folder(self, joy: Community, tmp_path: Path) -> None:
        with mirror_peers.ftp(tmp_path / "ftp", tls=True) as server:
            given = ("--host", "127.0.0.1", "--username", USER, "--path", "site", "--password", "env:WEB_PASSWORD")
            more = ("--option", f"port={server.port}", "--option", "tls=required", "--option", f"certificate={server.certificate}")
            ran = joy.run("connect", "website", "--by", "ftp", *given, *more)
            assert ran.status == 0
            published = joy.run("publish", "--site-only")

        [channel] = [one for one in config.load(joy.root).channel if one.name == "website"]
        assert (channel.plugin, channel.options["path"]) == ("ftp", "site")
        assert published.status == 0
        assert (tmp_path / "ftp" / "site" / "index.html").is_file()

    def test_in_a_repository_is_two_commits_and_no_file(self, joy: Community, tmp_path: Path) -> None:
        with mirror_peers.bare(tmp_path / "site.git") as branch:
            ran = joy.run("connect", "website", "--by", "git", "--repository", str(tmp_path / "site.git"))

            assert ran.status == 0
            assert set(branch.files()) <= {".amplify-files"}

    def test_that_refuses_the_password_changes_nothing(self, joy: Community, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WEB_PASSWORD", "wrong horse")
        with mirror_peers.ftp(tmp_path / "ftp") as server:
            given = ("--host", "127.0.0.1", "--username", USER, "--path", "site", "--password", "env:WEB_PASSWORD")
            ran = joy.run("connect", "website", "--by", "ftp", *given, "--option", f"port={server.port}")

        assert (ran.status, said(joy)) == (1, COMMENTED)
        assert "It did not work: 127.0.0.1 does not accept the user name and password" in ran.err

    def test_with_a_key_that_nobody_knows_names_the_option_that_agrees_to_it(self, joy: Community, tmp_path: Path) -> None:
        with mirror_peers.sftp(tmp_path / "web") as server:
            given = ("--host", "127.0.0.1", "--username", USER, "--path", "site", "--password", "env:WEB_PASSWORD")
            ran = joy.run("connect", "website", "--by", "sftp", *given, "--option", f"port={server.port}")

        assert (ran.status, said(joy)) == (1, COMMENTED)
        assert f"Or, in a script:  --fingerprint {server.fingerprint}" in ran.err

    def test_needs_to_be_named(self, joy: Community) -> None:
        ran = joy.run("connect", "website")

        assert (ran.status, said(joy)) == (1, COMMENTED)
        assert "--host is missing, and there is nobody to ask. Nothing was changed." in ran.err


class TestTheSettings:
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_keep_everything_else_as_it_was(self, newline: str) -> None:
        text = COMMENTED.replace("\n", newline)

        after = connect.changed(text, Wish(name="newsletter", plugin="email", options={"server": "outbox:"}), {})

        assert after == text

    def test_gain_a_channel_where_there_was_none(self) -> None:
        text = '[community]\nname = "JoyFE"\nurl = "https://joyfe.example.org/"\n# the end\n'

        after = connect.changed(text, Wish(name="newsletter", plugin="email", options={"server": "smtp://a.example"}), {})

        new = '\n[[channel]]\nname = "newsletter"\nplugin = "email"\nserver = "smtp://a.example"\npublishes = ["edition"]\n'
        assert after == text + new

    def test_lose_the_options_of_the_plugin_before(self) -> None:
        options = {"host": "web.example.org", "path": "htdocs"}

        after = connect.changed(SETTINGS, Wish(name="website", plugin="ftp", options=options), {})

        assert 'name = "website"\nplugin = "ftp"\nhost = "web.example.org"\npath = "htdocs"\n' in after

    def test_stay_where_they_cannot_be_written(self, joy: Community) -> None:
        settings = config.load(joy.root)
        (joy.root / "amplify.toml").write_text("[community\n")

        with pytest.raises(ValueError, match="at line 1"):
            connect.write(settings, Wish(name="website", plugin="ftp", options={}), {})

        assert said(joy) == "[community\n"


class TestAPassword:
    def test_goes_to_the_keyring(self) -> None:
        memory = Memory()
        with keyrings.using(memory):
            kept, words = connect.with_secret_kept(
                Wish(name="c", plugin="email", options={"server": "smtp://m.example:587", "username": "me"}, password=Secret("hunter22"))
            )

        assert memory.kept == {("amplify-m.example", "me"): "hunter22"}
        assert (kept.options["password"], kept.password) == ("keyring:amplify-m.example/me", None)
        assert words == ("The password is in the keyring of this computer, and in no file.",)

    def test_goes_to_a_variable_where_there_is_no_keyring(self) -> None:
        with keyrings.using(keyrings.none()):
            kept, words = connect.with_secret_kept(
                Wish(name="c", plugin="email", options={"server": "smtp://m.example:587"}, password=Secret("hunter22"))
            )

        assert kept.options["password"] == "env:MAIL_PASSWORD"
        assert "this computer has no keyring" in words[0]
        assert any("$env:MAIL_PASSWORD = Read-Host -MaskInput" in line for line in words)
        assert "hunter22" not in "".join(words)


class TestProviders:
    def test_are_told_by_the_domain_of_an_address(self) -> None:
        assert [getattr(providers.of(address), "name", None) for address in ("a@gmail.com", "a@posteo.de", "a@chalk.school")] == [
            "Gmail",
            "Posteo",
            None,
        ]

    @pytest.mark.parametrize("one", providers.PROVIDERS, ids=lambda one: f"{one.name}-{one.domains[0]}")
    def test_say_what_is_needed_and_when_it_was_looked_at(self, one: providers.Provider) -> None:
        assert connect.read_server(one.server) == one.server
        assert one.takes
        assert date(2026, 1, 1) < providers.LOOKED <= datetime.now(UTC).date()
        assert one.dated.startswith("as of ")

    def test_of_one_name_share_no_domain(self) -> None:
        domains = [domain for one in providers.PROVIDERS for domain in one.domains]

        assert len(domains) == len(set(domains))


def test_a_mailbox_that_was_connected_is_the_one_that_publishes(joy: Community, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: connect, test, publish, and the mail is there."""
    monkeypatch.setenv("MAIL_PASSWORD", ACCOUNT[1])
    peer.identity = None
    joy.write(
        {
            "amplify.toml": COMMENTED + "verify_site = false\n",
            "editions/joy.md": EDITION.replace("2026-11-18 20:00", f"{pipeline.now():%Y-%m-%d 00:00}"),
        }
    )
    joy.subscribed("amal@example.org")

    assert joy.run("connect", "email", "--server", f"127.0.0.1:{peer.port}", "--password", "env:MAIL_PASSWORD").status == 0
    assert joy.run("publish", "--yes").status == 0
    assert peer.recipients() == ["amal@example.org"]
