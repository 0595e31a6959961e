"""A real mailbox: Dovecot in a folder of its own, as an ordinary user, on two free ports of this machine."""

from __future__ import annotations

import imaplib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mirror_peers import certificate
from programs import program

USER, PASSWORD = "team@joyfe.example.org", "correct-horse"
_SETTINGS = """\
base_dir = {root}/run
log_path = {root}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{root}/server.pem
ssl_key = <{root}/server.pem
disable_plaintext_auth = no
auth_failure_delay = 0
mail_fsync = never
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:{root}/mail/%u
mail_max_userip_connections = 100
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/mail/%u allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {secure}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running server; every name is a user, with one password."""

    root: Path
    plain: int
    secure: int

    @property
    def certificate(self) -> Path:
        """To be trusted."""
        return self.root / "certificate.pem"

    @contextmanager
    def mailbox(self, user: str = USER) -> Iterator[imaplib.IMAP4]:
        """Logged in, as a mail program would be."""
        box = imaplib.IMAP4("127.0.0.1", self.plain)
        box.login(user, PASSWORD)
        try:
            yield box
        finally:
            box.logout()

    def put(self, *mails: bytes, folder: str = "INBOX", user: str = USER) -> None:
        """Mails arrive."""
        with self.mailbox(user) as box:
            for mail in mails:
                status, said = box.append(folder, "", "", mail)
                assert status == "OK", said

    def there(self, user: str = USER) -> list[object]:
        """Every mail in the inbox as it is kept, flags included."""
        with self.mailbox(user) as box:
            box.select("INBOX", readonly=True)
            return box.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]

    def renumber(self, user: str = USER) -> None:
        """The inbox gets a new UIDVALIDITY, as after a move to another server."""
        folder = self.root / "mail" / user
        for file in folder.glob("dovecot.*"):
            file.unlink()
        numbers = folder / "dovecot-uidlist"
        numbers.write_text(re.sub(r"(?<= V)\d+", lambda found: str(int(found[0]) + 1), numbers.read_text(), count=1))


@contextmanager
def dovecot() -> Iterator[Dovecot]:
    """A running server. Skips where there is none, or one whose settings are written in another way."""
    command = program("dovecot")
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("2.3"):
        pytest.skip(f"this is Dovecot {version.split()[0]}, and its settings are written here for 2.3")
    root = Path(tempfile.mkdtemp(prefix="mail", dir="/tmp"))  # its sockets have short names
    try:
        with _running(command, root) as server:
            yield server
    finally:
        shutil.rmtree(root)


@contextmanager
def _running(command: str, root: Path) -> Iterator[Dovecot]:
    who = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    server = Dovecot(root, *_ports())
    settings = _SETTINGS.format(
        root=root, user=who.pw_name, group=_group(who.pw_gid), password=PASSWORD, plain=server.plain, secure=server.secure
    )
    (root / "dovecot.conf").write_text(settings)
    certificate(root / "server.pem")
    written = (root / "server.pem").read_text()
    server.certificate.write_text(written[written.index("-----BEGIN CERTIFICATE") :])
    (root / "mail").mkdir()
    if os.getuid() == 0:
        for path in (root, *root.iterdir()):
            os.chown(path, who.pw_uid, who.pw_gid)
    lower = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    with subprocess.Popen([command, "-F", "-c", str(root / "dovecot.conf")], **lower) as process:  # type: ignore[call-overload]
        try:
            _wait(server, process)
            yield server
        finally:
            process.terminate()


def _wait(server: Dovecot, process: subprocess.Popen[bytes]) -> None:
    """Until it listens; it says nothing when it does."""
    while process.poll() is None:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", server.plain)) == 0:
                return
    pytest.fail((server.root / "log").read_text())


def _group(number: int) -> str:
    import grp

    return grp.getgrgid(number).gr_name


def _ports() -> Iterable[int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
