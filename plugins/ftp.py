"""Keep a folder on a web server equal to the site, over FTP, encrypted where it leaves this computer.

    [[channel]]
    name = "website"
    plugin = "ftp"
    host = "web.example.org"
    username = "joyfe"
    password = "env:FTP_PASSWORD"
    path = "/htdocs"

Files that Amplify did not write stay as they are; what it wrote and no longer needs goes. Each file appears whole or not at
all. The line is encrypted (`tls = "required"`: FTPS, explicit TLS), but for a server on this computer; a provider that
offers no encryption needs `tls = "none"`, and then everyone on the way can read the password. Where your provider offers
SFTP as well, take that: it is faster.
"""

from __future__ import annotations

import contextlib
import ftplib
import ipaddress
import posixpath
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

from amplify.api import Channel, ListedMirror, Paused, Secret, Services, Transient, hookimpl


@dataclass(frozen=True)
class Options:
    """`path`: the folder there, from where one is after logging in, or absolute. `certificate`: a PEM file to trust as well.

    `timeout` in seconds, for a server that falls silent.
    """

    host: str
    path: str
    port: int = 21
    username: str = "anonymous"
    password: Secret | None = None
    tls: Literal["required", "none"] | None = None
    certificate: str = ""
    timeout: float = 60


class Ftp(ListedMirror):
    """A mirror of the site in a folder of another machine (RFC 959; RFC 4217 for the encryption)."""

    def __init__(self, options: Options, services: Services) -> None:
        if not re.fullmatch(r"[\w.:-]+", options.host):
            raise ValueError(f"host = {options.host!r} is no name of a server; write it alone, like web.example.org")
        if not options.path:
            raise ValueError('path is empty; name the folder that the web server shows, or write path = "." for where one arrives')
        self._options, self._folder = options, services.folder

    @contextmanager
    def connected(self) -> Iterator[Place]:
        """One connection, logged in."""
        options = self._options
        encrypted = (options.tls or ("none" if _loopback(options.host) else "required")) == "required"
        ftp = Encrypted(context=self._context) if encrypted else ftplib.FTP()  # noqa: S321 - where the settings say so
        try:
            self._log_in(ftp)
            yield Place(ftp, options)
        finally:
            ftp.close()

    def _log_in(self, ftp: ftplib.FTP) -> None:
        """Connect, encrypt, log in. Raises Paused for what the settings must mend, Transient for what may pass."""
        options = self._options
        try:
            ftp.connect(options.host, options.port, options.timeout)
            if isinstance(ftp, Encrypted):
                _encrypt(ftp)
            ftp.login(options.username, options.password.reveal() if options.password else "")
            if isinstance(ftp, Encrypted):
                ftp.prot_p()
            ftp.voidcmd("TYPE I")
        except ssl.SSLCertVerificationError as error:
            raise Paused(f"{options.host} shows a certificate that is not its own: {error.verify_message}") from error
        except ftplib.error_perm as error:
            raise Paused(f"{options.host} does not accept the user name and password: {error}") from error
        except ftplib.all_errors as error:
            raise Transient(f"{options.host}:{options.port} cannot be reached: {_words(error)}") from error

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._options.certificate:
            try:
                context.load_verify_locations(self._folder / self._options.certificate)
            except OSError as error:
                raise Paused(f"the certificate file {self._options.certificate} cannot be read: {error.strerror}") from error
        return context


class Encrypted(ftplib.FTP_TLS):
    """FTPS whose lines for data take up the session of the line for commands, as many servers demand."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A line for data."""
        line, size = super(ftplib.FTP_TLS, self).ntransfercmd(cmd, rest)
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(line, server_hostname=self.host, session=session), size


def _encrypt(ftp: Encrypted) -> None:
    try:
        ftp.auth()
    except ftplib.error_perm as error:
        raise Paused(
            f"{ftp.host} offers no encryption, and without it nothing was sent ({error})\n"
            '  If your provider has neither FTPS nor SFTP:  tls = "none"  shows the password to everyone on the way.'
        ) from error


class Place:
    """The folder there, over one connection."""

    def __init__(self, ftp: ftplib.FTP, options: Options) -> None:
        self._ftp, self._host = ftp, options.host
        with self._about(options.path):
            self._root = posixpath.join(ftp.pwd(), options.path)
        self._folders: set[str] = set()

    @contextmanager
    def _about(self, path: str) -> Iterator[None]:
        try:
            yield
        except ftplib.all_errors as error:
            raise Transient(f"{self._host}: {path}: {_words(error)}") from error

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None: surely not there."""
        with self._about(path):
            try:
                return self._receive(f"RETR {self._at(path)}")
            except ftplib.error_perm as error:
                if self._absent(self._at(path), str(error)):
                    return None
                raise

    def write(self, path: str, source: BinaryIO, temporary: str) -> None:
        """A whole file: as `temporary`, then renamed."""
        new, target = self._at(temporary), self._at(path)
        with self._about(path):
            self._make(target)
            with self._ftp.transfercmd(f"STOR {new}") as line:
                while piece := source.read(1 << 16):
                    line.sendall(piece)
                _end(line)
            self._ftp.voidresp()
            try:
                self._ftp.rename(new, target)
            except ftplib.error_perm:  # some servers do not replace a file
                with contextlib.suppress(ftplib.error_perm):
                    self._ftp.delete(target)
                self._ftp.rename(new, target)

    def remove(self, path: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        with self._about(path):
            try:
                self._ftp.delete(self._at(path))
            except ftplib.error_perm as error:
                if not self._absent(self._at(path), str(error)):
                    raise
            with contextlib.suppress(ftplib.error_perm):
                for folder in PurePosixPath(path).parents[:-1]:
                    self._ftp.rmd(self._at(str(folder)))
                    self._folders.discard(self._at(str(folder)))

    def _at(self, path: str) -> str:
        return posixpath.join(self._root, path)

    def _make(self, target: str) -> None:
        for folder in reversed([str(one) for one in PurePosixPath(target).parents]):
            if folder not in self._folders:
                with contextlib.suppress(ftplib.error_perm):  # most often it is there; if not, what follows fails
                    self._ftp.mkd(folder)
                self._folders.add(folder)

    def _receive(self, command: str) -> bytes:
        with self._ftp.transfercmd(command) as line:
            data = b"".join(iter(lambda: line.recv(1 << 16), b""))
            _end(line)
        self._ftp.voidresp()
        return data

    def _absent(self, target: str, said: str = "") -> bool:
        """Whether a file is surely not there. 550 also stands for "not allowed", and not every server says which."""
        if re.search(r"no such|not found|(not|n't) exist|(cannot|can't) find", said, re.IGNORECASE):
            return True
        folder, name = posixpath.split(target)
        try:
            self._ftp.cwd(folder)
        except ftplib.error_perm as error:
            return folder != target and self._absent(folder, str(error))
        return name not in self._names()

    def _names(self) -> set[str]:
        """Of the folder where one is."""
        try:
            return {line.partition(" ")[2] for line in self._receive("MLSD").decode("utf-8", "replace").splitlines()}
        except ftplib.error_perm:
            return {posixpath.basename(line) for line in self._receive("NLST -a").decode("utf-8", "replace").splitlines()}


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _end(line: socket.socket) -> None:
    if isinstance(line, ssl.SSLSocket):
        with contextlib.suppress(OSError):  # not every server says goodbye; whether all of it arrived, its answer tells
            line.unwrap()


def _words(error: Exception) -> str:
    return str(error) or "the connection was closed"


@hookimpl
def amplify_channels() -> list[Channel]:
    """The kind `ftp`."""
    return [Channel("ftp", Options, Ftp)]
