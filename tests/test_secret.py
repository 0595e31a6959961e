"""Secrets: found where the settings say, and shown nowhere."""

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import keyrings
import pytest
from keyrings import Memory
from kit import EDITION, SETTINGS, Community
from smtp_peer import Peer, listening

from amplify import pipeline, secret, vault
from amplify.secret import Hiding, Secret, hide

CANARY = 'canary/yellow "7" & sharp+bright'


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    secret.forget()
    yield
    secret.forget()


@pytest.fixture
def memory() -> Iterator[Memory]:
    backend = Memory()
    with keyrings.using(backend):
        yield backend


class TestAReference:
    def test_leads_to_a_variable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAIL_PASSWORD", CANARY)

        assert vault.follow("env:MAIL_PASSWORD", tmp_path).reveal() == CANARY

    def test_leads_to_a_file_beside_the_settings(self, tmp_path: Path) -> None:
        (tmp_path / "mail.secret").write_text(f"{CANARY}\n")

        assert vault.follow("file:mail.secret", tmp_path).reveal() == CANARY

    def test_leads_to_the_keyring(self, tmp_path: Path, memory: Memory) -> None:
        memory.kept["amplify-mail.example.org", "news@example.org/1"] = CANARY

        assert vault.follow("keyring:amplify-mail.example.org/news@example.org/1", tmp_path).reveal() == CANARY

    @pytest.mark.parametrize(
        ("reference", "words", "remedy"),
        [
            ("env:NOT_SET_ANYWHERE", "the variable NOT_SET_ANYWHERE is not set", "put the secret there"),
            ("file:nowhere", "the file nowhere cannot be read", "put the secret there"),
            ("keyring:amplify", "says no place", "write keyring:SERVICE/NAME"),
            ("keyring:amplify/me", "the keyring has nothing for me under amplify", "amplify connect"),
        ],
    )
    def test_that_leads_nowhere_says_what_to_do(self, tmp_path: Path, memory: Memory, reference: str, words: str, remedy: str) -> None:
        with pytest.raises(vault.Unreachable, match=words) as raised:
            vault.follow(reference, tmp_path)

        assert remedy in raised.value.remedy

    def test_to_a_keyring_that_is_not_there_names_the_way_without(self, tmp_path: Path) -> None:
        with keyrings.using(keyrings.none()), pytest.raises(vault.Unreachable, match="this computer has no keyring") as raised:
            vault.follow("keyring:amplify/me", tmp_path)

        assert raised.value.remedy == "write env:NAME instead, and set that variable"

    def test_to_a_keyring_without_the_library_names_the_line_that_installs_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "keyring", None)

        with pytest.raises(vault.Unreachable) as raised:
            vault.follow("keyring:amplify/me", tmp_path)

        assert "pip install 'amplify-publisher[keyring]'" in raised.value.remedy

    def test_that_leads_nowhere_is_a_problem_at_its_line(self, joy: Community) -> None:
        joy.write({"amplify.toml": settings('password = "keyring:amplify/me"')})

        with keyrings.using(keyrings.none()):
            ran = joy.run("check")

        assert ran.status == 1
        assert "amplify.toml:21: C17 password: this computer has no keyring (write env:NAME instead" in ran.out

    def test_to_anything_else_needs_no_keyring(self, joy: Community) -> None:
        joy.write({"amplify.toml": settings('password = "file:mail.secret"'), "mail.secret": CANARY})

        script = "import sys; from amplify.cli import cli; print(cli.run(sys.argv[1:]), 'keyring' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", script, "-C", str(joy.root), "check"], capture_output=True, text=True, check=True)

        assert done.stdout.splitlines()[-1] == "0 False"


class TestHiding:
    @pytest.mark.parametrize(
        "spelled",
        [CANARY, quote(CANARY), quote(CANARY, safe=""), json.dumps(CANARY), repr(CANARY), base64.b64encode(CANARY.encode()).decode()],
    )
    def test_goes_by_the_value_however_it_is_spelled(self, spelled: str) -> None:
        Secret(CANARY)

        assert "yellow" not in hide(f"535 5.7.8 {spelled} is wrong")
        assert base64.b64encode(CANARY.encode()).decode() not in hide(spelled)

    def test_finds_each_line_of_a_key(self) -> None:
        Secret("-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----")

        assert hide("bad line abcdefgh here") == "bad line ••• here"

    def test_leaves_words_alone_that_are_too_short_to_be_secrets(self) -> None:
        Secret("a")

        assert hide("a mail") == "a mail"

    def test_covers_logs_and_their_tracebacks(self, caplog: pytest.LogCaptureFixture) -> None:
        log = logging.getLogger("amplify.channel.test_secret")
        log.addFilter(Hiding())
        Secret(CANARY)
        log.error("with %s", CANARY, exc_info=ValueError(CANARY))

        assert "with •••" in caplog.text
        assert "ValueError: •••" in caplog.text
        assert "yellow" not in caplog.text


PLUGIN = '''"""Talks too much."""
from dataclasses import dataclass
from amplify.api import Channel, Paused, Permanent, Receipt, Secret, Traits, Transient, Unknown, Unsure, hookimpl, single

@dataclass(frozen=True)
class Options:
    token: Secret
    api_key: Secret
    says: str = "receipt"

class Chatty:
    traits = Traits(form="post", audience="public")
    def __init__(self, options, services):
        self.options, self.log, self.clock = options, services.log, services.clock
        self.words = f"token {options.token.reveal()} key {options.api_key.reveal()}"
        if options.says == "make": raise ValueError(self.words)
        if options.says == "bug": raise RuntimeError(self.words)
    def session(self, message): return single(self.deliver, message)
    def deliver(self, delivery, message):
        self.log.warning("about to say %s", self.words)
        says = {"permanent": Permanent, "transient": Transient, "paused": Paused, "unsure": Unsure, "other": KeyError}
        if self.options.says in says: raise says[self.options.says]("x" * 470 * (self.options.says == "other") + self.words)
        return Receipt(id=self.words, url="https://x.example/?" + self.options.token.reveal(), at=self.clock(), note=self.words)
    def find(self, delivery, message): raise Unknown(self.words)

@hookimpl
def amplify_channels(): return [Channel("chatty", Options, Chatty)]
'''


def settings(mail: str, more: str = "", server: str = "smtp://127.0.0.1:9") -> str:
    return SETTINGS.replace('server = "outbox:"', f'server = "{server}"\ntimeout = 5\n{mail}') + more + "\n[publish]\nverify_site = false\n"


@pytest.fixture
def joy(tmp_path: Path) -> Community:
    made = Community(tmp_path / "joy").write({"amplify.toml": SETTINGS, "editions/joy.md": EDITION})
    return made.write({"editions/joy.md": EDITION.replace("2026-11-18 20:00", f"{pipeline.now():%Y-%m-%d 00:00}")})


def hits(community: Community, *said: str) -> list[str]:
    """Where a canary got out: what was said, and every file but those in which it was kept."""
    kept = {"amplify.toml", "token.secret"}
    files = {path.relative_to(community.root).as_posix(): path.read_bytes() for path in community.root.rglob("*") if path.is_file()}
    told = {f"output {number}": text.encode() for number, text in enumerate(said)}
    return [name for name, data in (files | told).items() if name not in kept and b"canary" in data]


SAYS = ("receipt", "permanent", "transient", "paused", "unsure", "other", "make", "bug")


class TestCanaries:
    """A secret in every secret option, and a far end, a plugin and a library that all say it aloud."""

    @pytest.mark.parametrize(("says", "debug"), [*((one, ["--debug", "-v"]) for one in SAYS), ("other", []), ("bug", [])])
    def test_of_a_talkative_plugin_stay_hidden(
        self, joy: Community, says: str, debug: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("API_KEY", "canary-orange-in-a-variable")
        table = f'\n[[channel]]\nname = "chat"\nplugin = "chatty"\ntoken = "file:token.secret"\napi_key = "env:API_KEY"\nsays = "{says}"\n'
        joy.write(
            {"amplify.toml": settings("rehearsal = true", table), "plugins/chatty.py": PLUGIN, "token.secret": "canary-green-in-a-file"}
        )
        joy.subscribed("amal@example.org")

        everything = (["publish", "--yes"], ["publish", "--yes", "--json"], ["status", "joy", "--all"], ["status", "--json"])
        ran = [joy.run(*debug, *args) for args in everything]
        joy.run("state", "save", str(joy.root / "all.state"))

        assert hits(joy, caplog.text, *(one.out + one.err for one in ran)) == []
        assert "•••" in caplog.text + "".join(one.out + one.err for one in ran)

    def test_of_a_talkative_plugin_stay_hidden_in_the_log_on_the_screen(self, joy: Community) -> None:
        table = '\n[[channel]]\nname = "chat"\nplugin = "chatty"\ntoken = "canary-green"\napi_key = "canary-blue"\nsays = "other"\n'
        joy.write({"amplify.toml": settings("rehearsal = true", table), "plugins/chatty.py": PLUGIN})

        ran = joy.process("--debug", "publish", "--yes")

        assert "about to say token ••• key •••" in ran.err
        assert hits(joy, ran.out, ran.err) == []

    def test_that_the_mail_server_says_back_stay_hidden(self, joy: Community) -> None:
        said = ["250 taken with canary-red-in-plain-text", "550 5.1.1 no canary-red-in-plain-text"]
        peer = Peer(answers={"dot": said}, account=("me", "canary-red-in-plain-text"))
        with listening(peer):
            mail = 'username = "me"\npassword = "canary-red-in-plain-text"\nconnections = 1'
            joy.write({"amplify.toml": settings(mail, server=f"smtp://127.0.0.1:{peer.port}")}).subscribed("a@example.org", "b@example.org")
            ran = [joy.run(*args) for args in (("publish", "--yes"), ("status", "joy", "--all"))]

        assert peer.recipients() == ["a@example.org"]
        assert hits(joy, *(one.out + one.err for one in ran)) == []

    @pytest.mark.parametrize(
        "line",
        [
            "password = canary-without-quotes", 'password = "canary-plain"\nsurprise = 1', "password = 777canary", "password = 1234567",
            'server = "imap://me:canary-in-an-address@mail.example.org"',
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("command", ["check", "publish"])
    def test_in_settings_with_mistakes_stay_hidden(self, joy: Community, line: str, command: str) -> None:
        table = f'\n[[channel]]\nname = "second"\nplugin = "email"\n{line}\n' + ("" if "server" in line else 'server = "outbox:"\n')
        joy.write({"amplify.toml": SETTINGS + table})

        ran = joy.run("--debug", command)

        assert ran.status == 1
        assert "canary" not in ran.out + ran.err
        assert "1234567" not in ran.out + ran.err

    def test_in_plain_text_are_warned_of(self, joy: Community) -> None:
        joy.write({"amplify.toml": settings('password = "canary-plain"')})

        ran = joy.run("check")

        assert "C17 advice: channel 'newsletter': password holds a secret that everybody with this file can read" in ran.out
        assert "canary" not in ran.out
