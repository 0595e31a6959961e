"""Keep a folder on a web server equal to the site, over SFTP, as most hosts offer it.

    [[channel]]
    name = "website"
    plugin = "sftp"
    host = "web.example.org"
    username = "joyfe"
    password = "env:SFTP_PASSWORD"
    path = "public_html"
    fingerprint = "SHA256:…"

Files that Amplify did not write stay as they are; what it wrote and no longer needs goes. Each file appears whole or not at
all. `key = "~/.ssh/id_ed25519"` logs in with a key, which `password` opens if it is locked; with neither, the keys of this
computer and its agent are tried, as `ssh` does. A server that this computer does not know is refused and its fingerprint
named: compare it with the one that your provider publishes. Needs `pip install 'amplify-publisher[sftp]'`.
"""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import re
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from amplify.api import Channel, ListedMirror, MissingExtra, Paused, Secret, Services, Stranger, Transient, hookimpl

if TYPE_CHECKING:
    from asyncssh import SFTPClient, SSHClient, SSHClientConnection, SSHKey

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """`path`: the folder there, from where one is after logging in, or absolute. `key`: a file with a private key.

    `fingerprint`: the only key that the server may show (or several, with spaces between); without it the server stands in
    `known_hosts`, by default your own. `timeout` in seconds: for connecting, and for a server that falls silent.
    """

    host: str
    path: str
    port: int = 22
    username: str = ""
    password: Secret | None = None
    key: str = ""
    fingerprint: str = ""
    known_hosts: str = ""
    timeout: float = 60


class Sftp(ListedMirror):
    """A mirror of the site in a folder of another machine."""

    def __init__(self, options: Options, services: Services) -> None:
        if not re.fullmatch(r"[\w.:-]+", options.host):
            raise ValueError(f"host = {options.host!r} is no name of a server; write it alone, like web.example.org")
        if not options.path:
            raise ValueError('path is empty; name the folder that the web server shows, or write path = "." for where one arrives')
        if not all(one.startswith("SHA256:") for one in options.fingerprint.split()):
            raise ValueError("fingerprint begins with SHA256:")
        self._options, self._folder = options, services.folder

    @contextmanager
    def connected(self) -> Iterator[Place]:
        """One connection, logged in."""
        try:
            import asyncssh  # noqa: F401
        except ImportError as error:
            raise MissingExtra("sftp", "sftp") from error
        place = Place(self._options, self._folder)
        try:
            place.connect()
            yield place
        finally:
            place.close()


class Place:
    """The folder there, over one connection, whose event loop runs on a thread of its own."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"sftp {options.host}", daemon=True)
        self._thread.start()
        self._shown = ""
        self._line: SSHClientConnection | None = None
        self._sftp: SFTPClient
        self._root = ""
        self._folders: set[str] = set()

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None: surely not there."""
        return self._do(self._read(path), path)

    def write(self, path: str, source: BinaryIO, temporary: str) -> None:
        """A whole file: as `temporary`, then renamed."""
        self._do(self._write(path, source, temporary), path)

    def remove(self, path: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        self._do(self._remove(path), path)

    def _do(self, work: Coroutine[Any, Any, T], about: str) -> T:
        """Wait for some work. What the server objects to is a Transient that names it and what it is about."""
        import asyncssh

        try:
            return self._wait(work)
        except asyncssh.Error as error:
            raise Transient(f"{self._options.host}: {about}: {error}") from error

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def connect(self) -> None:
        """Connect and log in. Raises Paused for what the settings must mend, Transient for what may pass."""
        import asyncssh

        host = self._options.host
        try:
            self._wait(self._connect())
        except asyncssh.HostKeyNotVerifiable as error:
            known = "" if self._options.fingerprint else self._shown
            raise Stranger(self._stranger(), known) from error
        except asyncssh.PermissionDenied as error:
            raise Paused(f"{host} does not accept the user name with this password or key: {error}") from error
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise Paused(f"{host}: the key {self._options.key} cannot be used: {error}") from error
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, OSError) and error.filename:
                raise Paused(f"{host}: the file {error.filename} cannot be read: {error.strerror}") from error
            raise Transient(f"{host}:{self._options.port} cannot be reached: {str(error) or 'no answer'}") from error

    def _stranger(self) -> str:
        host, shown = self._options.host, self._shown or "of a kind that is not known for it here"
        if self._options.fingerprint:
            return f"{host} shows another key than your fingerprint: {shown}\n  Nothing was sent. Ask your provider if the key is new."
        return (
            f"this computer does not know the server {host}. It shows the key {shown}\n"
            "  Nothing was sent. If your provider publishes the same fingerprint, write it into the channel:\n"
            f'    fingerprint = "{shown}"'
        )

    async def _connect(self) -> None:
        import asyncssh

        options, wait = self._options, self._options.timeout
        known = self._folder / Path(options.known_hosts or "~/.ssh/known_hosts").expanduser()
        given: dict[str, Any] = {"username": options.username} if options.username else {}
        if options.key:
            given["client_keys"] = [str(self._folder / Path(options.key).expanduser())]
            given["passphrase"] = options.password.reveal() if options.password else None
        elif options.password:
            given |= {"client_keys": None, "agent_path": None, "password": options.password.reveal()}
        self._line = await asyncssh.connect(
            options.host,
            options.port,
            client_factory=self._client(),
            known_hosts=[str(known)] if known.is_file() and not options.fingerprint else ([], [], []),
            connect_timeout=wait,
            login_timeout=wait,
            keepalive_interval=wait / 3,
            **given,
        )
        self._sftp = await self._line.start_sftp_client()
        self._root = posixpath.join(str(await self._sftp.realpath(".")), options.path)

    def _client(self) -> type[SSHClient]:
        import asyncssh

        place = self

        class Client(asyncssh.SSHClient):
            """Is asked about a key that stands in no file."""

            def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:  # noqa: ARG002
                place._shown = key.get_fingerprint()
                return place._shown in place._options.fingerprint.split()

        return Client

    def close(self) -> None:
        """Hang up, and end the thread."""
        with contextlib.suppress(Exception):
            self._wait(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            await asyncio.wait_for(self._line.wait_closed(), 5)

    async def _read(self, path: str) -> bytes | None:
        import asyncssh

        try:
            async with self._sftp.open(self._at(path), "rb") as file:
                data: bytes = await file.read()
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None
        return data

    async def _write(self, path: str, source: BinaryIO, new: str) -> None:
        await self._make(posixpath.dirname(self._at(path)))
        async with self._sftp.open(self._at(new), "wb") as file:
            while piece := source.read(1 << 20):
                await file.write(piece)
        await self._rename(self._at(new), self._at(path))

    async def _rename(self, old: str, new: str) -> None:
        import asyncssh

        try:
            await self._sftp.posix_rename(old, new)
        except asyncssh.SFTPOpUnsupported:
            with contextlib.suppress(asyncssh.SFTPNoSuchFile):
                await self._sftp.remove(new)
            await self._sftp.rename(old, new)

    async def _make(self, folder: str) -> None:
        if folder not in self._folders and not await self._sftp.isdir(folder):
            await self._sftp.makedirs(folder, exist_ok=True)
        self._folders.add(folder)

    async def _remove(self, path: str) -> None:
        import asyncssh

        with contextlib.suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            await self._sftp.remove(self._at(path))
        with contextlib.suppress(asyncssh.SFTPError):
            for folder in PurePosixPath(path).parents[:-1]:
                await self._sftp.rmdir(self._at(str(folder)))
                self._folders.discard(self._at(str(folder)))

    def _at(self, path: str) -> str:
        return posixpath.join(self._root, path)


@hookimpl
def amplify_channels() -> list[Channel]:
    """The kind `sftp`."""
    return [Channel("sftp", Options, Sftp)]
