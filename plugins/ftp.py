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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

from amplify.api import AmplifyError, Asset, Channel, Digest, Paused, Secret, Services, Transient, hookimpl

LIST = ".amplify-files"
"""In the folder there: `digest path` for what Amplify wrote; before files are touched, they are in it as `- path`."""
_NEW, _PART = f"{LIST}.new", f"{LIST}.part"
_AHEAD = 32
"""So many changes are noted in the list at once, before the first of them is made: for each file it would take twice as long."""


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


class Ftp:
    """A mirror of the site in a folder of another machine (RFC 959; RFC 4217 for the encryption)."""

    local = False

    def __init__(self, options: Options, services: Services) -> None:
        if not re.fullmatch(r"[\w.:-]+", options.host):
            raise ValueError(f"host = {options.host!r} is no name of a server; write it alone, like web.example.org")
        if not options.path:
            raise ValueError('path is empty; name the folder that the web server shows, or write path = "." for where one arrives')
        self._options, self._folder = options, services.folder

    def listing(self) -> Mapping[PurePosixPath, Digest]:
        """What Amplify wrote there, as the list there says."""
        with self._connected() as place:
            return {PurePosixPath(path): Digest(digest) for path, digest in place.known().items()}

    def read(self, path: PurePosixPath) -> bytes | None:
        """A file's bytes, or None."""
        with self._connected() as place:
            return place.read(_inside(path))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One connection. Changes are noted there before they are made, and the list is put in order at the end."""
        with self._connected() as place:
            session = Session(place)
            try:
                yield session
                session.flush()
            except BaseException:
                with contextlib.suppress(AmplifyError):
                    session.close()
                    place.remove(_PART)
                raise
            session.close()

    @contextmanager
    def _connected(self) -> Iterator[Place]:
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

    def known(self) -> dict[str, str]:
        """What the list says: digests by path, "" where a change was begun. A line that leads elsewhere is nobody's."""
        written = self.read(LIST)
        if written is None:
            written = self.read(_NEW) or b""
        lines = written.decode("utf-8", "replace").split("\n")[:-1]
        found = (re.fullmatch(r"(-|[0-9a-f]{32}) (.+)", line) for line in lines)
        return {line[2]: line[1].strip("-") for line in found if line and _is_inside(line[2])}

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None: surely not there."""
        with self._about(path):
            try:
                return self._receive(f"RETR {self._at(path)}")
            except ftplib.error_perm as error:
                if self._absent(self._at(path), str(error)):
                    return None
                raise

    def write(self, path: str, source: BinaryIO, temporary: str = _PART) -> None:
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


class Session:
    """The folder there while it is being changed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._known = place.known()
        self._todo: list[tuple[str, Asset | None]] = []

    def put(self, asset: Asset) -> None:
        """Soon: with the next few changes, or when the session ends."""
        self._add(_inside(asset.path), asset)

    def remove(self, path: PurePosixPath) -> None:
        """Likewise."""
        self._add(_inside(path), None)

    def _add(self, path: str, asset: Asset | None) -> None:
        self._todo.append((path, asset))
        if len(self._todo) == _AHEAD:
            self.flush()

    def flush(self) -> None:
        """Note what is to change, then change it."""
        todo, self._todo = self._todo, []
        if not todo:
            return
        self._known |= {path: "" for path, _ in todo}
        self.close()
        for path, asset in todo:
            if asset is None:
                self._place.remove(path)
                self._known.pop(path, None)
            else:
                with asset.source.open("rb") as source:
                    self._place.write(path, source)
                self._known[path] = asset.digest

    def close(self) -> None:
        """The list says what is there now."""
        text = "".join(f"{digest or '-'} {path}\n" for path, digest in sorted(self._known.items()))
        self._place.write(LIST, BytesIO(text.encode()), _NEW)


def _inside(path: PurePosixPath) -> str:
    if not _is_inside(str(path)):
        raise AmplifyError(f"{str(path)!r} would lead out of the folder of the website; it was left alone")
    return str(path)


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    ours = not pure.name or pure.name.startswith(LIST)
    return not ours and not pure.is_absolute() and ".." not in pure.parts and all(one >= " " for one in path)


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
