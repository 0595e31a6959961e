"""Servers on loopback that keep folders: SFTP, FTP with and without TLS, and a git repository with and without HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dulwich.index import commit_tree
from dulwich.object_store import iter_tree_contents
from dulwich.objects import Blob, Commit
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it stands on asyncore, as the library has it or as a package
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

USER, PASSWORD = "joyfe", "open sesame"


@dataclass
class Peer:
    """A server; `root` is what one sees after logging in."""

    root: Path
    port: int = 0
    old: bool = False
    drop_after: int | None = None
    """Hang up when so many files were renamed into place."""
    drop_at_removal_of: str | None = None
    """Hang up after this file was removed, instead of saying so."""
    fingerprint: str = ""
    certificate: Path = Path()
    key: Path = Path()
    public: str = ""
    connections: int = 0
    commands: list[str] = field(default_factory=list)

    def renamed(self) -> bool:
        """Whether it is time to hang up after a file was renamed."""
        if self.drop_after is not None:
            self.drop_after -= 1
        return self.drop_after == 0

    def removed(self, path: str) -> bool:
        """Whether it is time to hang up after a file was removed."""
        return os.path.basename(path) == self.drop_at_removal_of


# -- SFTP ----------------------------------------------------------------------------------------------------------


class _Doors(asyncssh.SSHServer):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._peer.connections += 1

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.public_data == asyncssh.read_private_key(str(self._peer.key)).public_data


class _Files(asyncssh.SFTPServer):
    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], peer: Peer) -> None:
        super().__init__(chan, chroot=os.fsencode(peer.root))
        self._peer = peer

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        if self._peer.old:
            raise asyncssh.SFTPOpUnsupported("never heard of it")
        super().posix_rename(oldpath, newpath)
        self._leave(self._peer.renamed())

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        self._leave(self._peer.renamed())

    def remove(self, path: bytes) -> None:
        super().remove(path)
        self._leave(self._peer.removed(os.fsdecode(path)))

    def _leave(self, now: bool) -> None:
        if now:
            self.connection.abort()


@contextmanager
def sftp(root: Path, *, old: bool = False) -> Iterator[Peer]:
    """An SFTP server; an `old` one does not know how to rename over a file that is there."""
    peer = Peer(root, old=old, key=root.with_suffix(".key"))
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    peer.fingerprint, peer.public = host_key.get_fingerprint(), host_key.export_public_key().decode().strip()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(peer.key))

    async def listen() -> asyncssh.SSHAcceptor:
        doors, files = partial(_Doors, peer), partial(_Files, peer=peer)
        return await asyncssh.listen("127.0.0.1", 0, server_host_keys=[host_key], server_factory=doors, sftp_factory=files, config=None)

    async def leave(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        await acceptor.wait_closed()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    peer.port = acceptor.get_port()
    try:
        yield peer
    finally:
        asyncio.run_coroutine_threadsafe(leave(acceptor), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# -- FTP -----------------------------------------------------------------------------------------------------------


class _Answers(FTPHandler):  # type: ignore[misc]
    peer: Peer
    auth_failed_timeout = 0

    def on_connect(self) -> None:
        self.peer.connections += 1

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        self.peer.commands.append(cmd)
        super().pre_process_command(line, cmd, arg)

    def ftp_RNTO(self, path: str) -> None:  # noqa: N802
        if self.peer.old and os.path.lexists(path):
            self.respond("553 It exists.")
            return
        super().ftp_RNTO(path)
        if self.peer.renamed():
            self.close()

    def ftp_DELE(self, path: str) -> None:  # noqa: N802
        super().ftp_DELE(path)
        if self.peer.removed(path):
            self.close()

    def ftp_NLST(self, path: str) -> None:  # noqa: N802
        super().ftp_NLST(path.removesuffix("-a"))

    def respond(self, resp: str, logfun: Any = None) -> None:
        super().respond("550 Failed." if self.peer.old and resp.startswith("550") else resp)


class _EncryptedAnswers(_Answers, TLS_FTPHandler):  # type: ignore[misc]
    tls_control_required = tls_data_required = True
    proto_cmds = TLS_FTPHandler.proto_cmds


@contextmanager
def ftp(root: Path, *, old: bool = False, tls: bool = False) -> Iterator[Peer]:
    """An FTP server; an `old` one is short of words, lists no facts, and does not rename over a file that is there."""
    peer = Peer(root, old=old, certificate=root.with_suffix(".pem"))
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(root), perm="elradfmwMT")
    mine: dict[str, Any] = {"peer": peer, "authorizer": authorizer}
    if old:
        mine["proto_cmds"] = {name: about for name, about in FTPHandler.proto_cmds.items() if name != "MLSD"}
    if tls:
        certificate(peer.certificate)
        mine["certfile"] = str(peer.certificate)
    handler = type("Answers", (_EncryptedAnswers if tls else _Answers,), mine)
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())
    peer.port = server.address[1]
    with _turning(lambda: server.serve_forever(timeout=0.005, blocking=False, handle_exit=False)):
        yield peer
    server.close_all()


@contextmanager
def _turning(turn: Callable[[], object]) -> Iterator[None]:
    done = threading.Event()

    def turns() -> None:
        while not done.is_set():
            turn()

    thread = threading.Thread(target=turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def certificate(path: Path) -> None:
    """A key and a certificate that it signed itself, for 127.0.0.1."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = builder.add_extension(address, critical=True).sign(key, hashes.SHA256())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))


# -- git -----------------------------------------------------------------------------------------------------------


@dataclass
class Branch:
    """A branch of a bare repository, read and written behind the back of whoever publishes to it."""

    path: Path
    name: str = "gh-pages"
    before_look: list[Callable[[], None]] = field(default_factory=list)
    before_push: list[Callable[[], None]] = field(default_factory=list)
    """Used up, one whenever somebody looks over HTTP in order to push, and one whenever he pushes."""

    @contextmanager
    def _repo(self) -> Iterator[Any]:
        with closing(Repo(str(self.path))) as repo:
            yield repo

    @property
    def _ref(self) -> Any:
        return f"refs/heads/{self.name}".encode()

    def files(self) -> dict[str, bytes]:
        """What is in the newest commit."""
        with self._repo() as repo:
            if self._ref not in repo.refs:
                return {}
            entries = iter_tree_contents(repo.object_store, repo[repo.refs[self._ref]].tree)
            return {entry.path.decode(): repo[entry.sha].data for entry in entries}

    def commits(self) -> list[Commit]:
        """Newest first."""
        with self._repo() as repo:
            return [entry.commit for entry in repo.get_walker(include=[repo.refs[self._ref]])] if self._ref in repo.refs else []

    def write(self, files: Mapping[str, bytes]) -> None:
        """A commit of somebody else's: files are changed or added."""
        there = self.files() | files
        with self._repo() as repo:
            blobs = {path: Blob.from_string(data) for path, data in there.items()}
            for blob in blobs.values():
                repo.object_store.add_object(blob)
            commit = Commit()
            commit.tree = commit_tree(repo.object_store, [(path.encode(), blob.id, 0o100644) for path, blob in blobs.items()])
            commit.parents = [repo.refs[self._ref]] if self._ref in repo.refs else []
            commit.author = commit.committer = b"Somebody Else <else@example.org>"
            commit.author_time = commit.commit_time = 1_700_000_000
            commit.author_timezone = commit.commit_timezone = 0
            commit.message = b"By hand\n"
            repo.object_store.add_object(commit)
            repo.refs[self._ref] = commit.id


@contextmanager
def bare(path: Path) -> Iterator[Branch]:
    """A bare repository."""
    path.mkdir(parents=True)
    Repo.init_bare(str(path)).close()
    yield Branch(path)


@contextmanager
def git_over_http(branch: Branch) -> Iterator[int]:
    """The repository at http://127.0.0.1:PORT/site.git, for those who know the password; gives the port."""
    repo = Repo(str(branch.path))
    git = make_wsgi_chain(DictBackend({"/site.git": repo}))
    write = repo.refs.set_if_equals

    def write_or_fail(*args: Any, **others: Any) -> bool:  # the library's server says that all is well even if it is not
        if not write(*args, **others):
            raise OSError("the branch has moved")
        return True

    repo.refs.set_if_equals = write_or_fail  # type: ignore[method-assign]
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ.get("HTTP_AUTHORIZATION") != expected:
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="git"')])
            return [b"who are you"]
        events = branch.before_look if "service=git-receive-pack" in environ["QUERY_STRING"] else []
        events = branch.before_push if environ["PATH_INFO"].endswith("/git-receive-pack") else events
        if events:
            events.pop(0)()
        return git(environ, start_response)

    class Silent(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with contextlib.closing(repo), make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
