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
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from amplify.api import AmplifyError, Asset, Channel, Digest, Paused, Secret, Services, Transient, hookimpl

LIST = ".amplify-files"
"""In the folder there: `digest path` for what Amplify wrote; before files are touched, they are in it as `- path`."""
_NEW = f"{LIST}.new"
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
            except BaseException:
                with contextlib.suppress(AmplifyError):
                    session.close()
                raise
            session.flush()
            session.close()

    @contextmanager
    def _connected(self) -> Iterator[Place]:
        ftp = self._open()
        try:
            yield Place(ftp, self._options)
        finally:
            ftp.close()

    def _open(self) -> ftplib.FTP:
        """Connect, encrypt, log in. Raises Paused for what the settings must mend, Transient for what may pass."""
        options = self._options
        encrypted = (options.tls or ("none" if _loopback(options.host) else "required")) == "required"
        ftp = Encrypted(context=self._context()) if encrypted else ftplib.FTP()  # noqa: S321 - where the settings say so
        try:
            ftp.connect(options.host, options.port, options.timeout)
            if isinstance(ftp, Encrypted):
                ftp.encrypt()
            ftp.login(options.username, options.password.reveal() if options.password else "")
            if isinstance(ftp, Encrypted):
                ftp.prot_p()
            ftp.voidcmd("TYPE I")
        except NoTls as error:
            raise Paused(
                f"{options.host} offers no encryption, and without it nothing was sent ({error})\n"
                '  If your provider has neither FTPS nor SFTP:  tls = "none"  shows the password to everyone on the way.'
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise Paused(f"{options.host} shows a certificate that is not its own: {error.verify_message}") from error
        except ftplib.error_perm as error:
            raise Paused(f"{options.host} does not accept the user name and password: {error}") from error
        except ftplib.all_errors as error:
            raise Transient(f"{options.host}:{options.port} cannot be reached: {_words(error)}") from error
        else:
            self_ready = True
        finally:
            if "self_ready" not in locals():
                ftp.close()
        return ftp

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._options.certificate:
            try:
                context.load_verify_locations(self._folder / self._options.certificate)
            except OSError as error:
                raise Paused(f"the certificate file {self._options.certificate} cannot be read: {error.strerror}") from error
        return context
