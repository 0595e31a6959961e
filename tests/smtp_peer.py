"""A mail server on loopback that does as it is told: a real socket, a script of answers, and a record of what it took."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

HANG, DROP = "hang", "drop"
"""Instead of an answer: none at all, or the end of the connection."""


@dataclass
class Peer:
    """`answers` by stage (greeting, ehlo, mail, rcpt, data, dot), each a list that is used up before "250 ok" comes again."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    refuse: dict[str, str] = field(default_factory=dict)
    """Answers to RCPT by address, for ever."""
    every: int = 0
    """Close the connection after so many messages."""
    drop_in_data: bool = False
    pipelining: bool = False
    """Offer to take commands in one piece (RFC 2920)."""
    account: tuple[str, str] | None = None
    """The user name and the password, where one has to log in."""
    identity: ssl.SSLContext | None = None
    """Its certificate, where it offers STARTTLS."""
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    let_go: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def messages(self) -> list[EmailMessage]:
        """What was taken, parsed."""
        return [message_from_bytes(data, policy=policy.default) for _, data in self.taken]  # type: ignore[misc]

    def recipients(self) -> list[str]:
        """To whom, in order."""
        return [address for address, _ in self.taken]

    def answer(self, stage: str, usual: str) -> str:
        """The next answer of the script, or the usual one."""
        with self.lock:
            script = self.answers.get(stage, [])
            return script.pop(0) if script else usual


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        peer: Peer = self.server.peer  # type: ignore[attr-defined]
        with peer.lock:
            peer.connections += 1
        try:
            self._talk(peer)
        except (ConnectionError, ValueError, ssl.SSLError):
            return
        finally:
            if isinstance(self.connection, ssl.SSLSocket):
                self.connection.close()

    def say(self, peer: Peer, stage: str, usual: str) -> str:
        text = peer.answer(stage, usual)
        if text == HANG:
            peer.let_go.wait()
        if text in (HANG, DROP):
            raise ConnectionError
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()
        return text

    def _talk(self, peer: Peer) -> None:
        self.say(peer, "greeting", "220 peer ESMTP")
        address, messages, willing = "", 0, False
        while line := self.rfile.readline():
            verb = line.split(b" ")[0].strip().upper()
            if verb in (b"EHLO", b"HELO"):
                self.say(peer, "ehlo", "\r\n".join(["250-peer", *self._offers(peer), "250 8BITMIME"]))
            elif verb in (b"STARTTLS", b"AUTH"):
                self._encrypt(peer) if verb == b"STARTTLS" else self.say(peer, "auth", self._known(peer, line))
            elif verb == b"MAIL":
                if peer.every and messages == peer.every:
                    self.wfile.write(b"421 4.3.2 that was enough for one connection\r\n")
                    return
                self.say(peer, "mail", "250 ok")
            elif verb == b"RCPT":
                address = line.split(b"<")[1].split(b">")[0].decode()
                willing = self.say(peer, "rcpt", peer.refuse.get(address, "250 ok")).startswith("25")
            elif verb == b"DATA":
                if self.say(peer, "data", "354 go" if willing else "554 5.5.1 no valid recipients").startswith("354"):
                    self._take(peer, address)
                    messages += 1
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")

    def _offers(self, peer: Peer) -> list[str]:
        encrypted = isinstance(self.connection, ssl.SSLSocket)
        tls = ["250-STARTTLS"] if peer.identity and not encrypted else []
        together = ["250-PIPELINING"] if peer.pipelining else []
        return tls + together + (["250-AUTH PLAIN"] if peer.account and (encrypted or not peer.identity) else [])

    def _encrypt(self, peer: Peer) -> None:
        assert peer.identity
        self.wfile.write(b"220 go ahead\r\n")
        self.connection = peer.identity.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def _known(self, peer: Peer, line: bytes) -> str:
        said = base64.b64decode(line.split()[2]).decode().split("\0")[1:]
        return "235 2.7.0 welcome" if tuple(said) == peer.account else "535 5.7.8 Username and password not accepted"

    def _take(self, peer: Peer, address: str) -> None:
        data = bytearray()
        while (line := self.rfile.readline()) != b".\r\n":
            if not line or (peer.drop_in_data and len(data) > 2000):
                raise ConnectionError
            data += line[1:] if line.startswith(b".") else line
        answer = peer.answer("dot", "250 2.0.0 taken")
        if answer.startswith("250") or answer in (HANG, DROP):
            with peer.lock:
                peer.taken.append((address, bytes(data)))
        peer.answers.setdefault("dot", []).insert(0, answer)
        self.say(peer, "dot", answer)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def listening(peer: Peer) -> Iterator[Peer]:
    """The server, listening at `peer.port`."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.peer = peer  # type: ignore[attr-defined]
        peer.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield peer
        finally:
            peer.let_go.set()
            server.shutdown()
            thread.join()
