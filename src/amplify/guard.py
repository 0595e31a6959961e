"""Which addresses may be fetched, and the way there: public networks only, checked after DNS, connected to as checked.

A name is looked up once. Every address that it has must be public (or within the networks that the settings allow), and
the connection is made to one of these very addresses, so that a name cannot answer differently the second time.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from amplify.errors import AmplifyError, Permanent

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str], Iterable[str]]
"""The addresses of a name. Raises OSError."""

_PORTS = {"http": 80, "https": 443}
_ATTEMPTS = 3
"""So many of the addresses of a name are tried."""
_LOOKUPS = 16
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")
_NOT_IN_ADDRESSES = re.compile(r"[\x00-\x20\x7f\\]")
_NAT64 = IPv6Network("64:ff9b::/96")
_WORLD = IPv6Network("2000::/3")
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
"""What IANA sets aside; of IPv6, what lies inside the addresses of the world."""


@dataclass(frozen=True)
class Target:
    """An address that can be asked for: everything in it is plain ASCII."""

    scheme: str
    host: str
    port: int
    path: str
    """With what follows the question mark."""

    @cached_property
    def authority(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @cached_property
    def url(self) -> str:
        """The whole of it."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def joined(self, location: str) -> Target:
        """Where a redirect leads. Raises Permanent."""
        try:
            there = parse(urljoin(self.url, location))
        except ValueError as error:
            raise Permanent(f"{self.host} redirects to what is no web address: {_shown(location)}") from error
        if self.scheme == "https" and there.scheme == "http":
            raise Permanent(f"{self.host} redirects from https to plain http, which is not followed")
        return there


def parse(url: str) -> Target:
    """A web address as people or programs write it. Raises Permanent."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Permanent(f"this is no web address: {_shown(url)}") from error
    if parts.scheme not in _PORTS:
        raise Permanent(f"only http and https are fetched, and this is neither: {_shown(url)}")
    if parts.username is not None:
        raise Permanent(f"an address must not have a name or a password in it: {host}")
    if not host or ("[" in parts.netloc) != (":" in host) or port == 0 or _NOT_IN_ADDRESSES.search(parts.netloc) or "\\" in text:
        raise Permanent(f"this is no web address: {_shown(url)}")
    path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*[]") + (
        f"?{quote(parts.query, safe='/%:=&?~+!$,;@()*[]')}" if parts.query else ""
    )
    return Target(parts.scheme, _host(host), port or _PORTS[parts.scheme], path)


def _host(text: str) -> str:
    """A name in ASCII or a number in its one plain spelling."""
    try:
        host = (text if text.isascii() else text.encode("idna").decode("ascii").lower()).removesuffix(".")
        if ":" in host:
            return str(IPv6Address("%" if "%" in host else host))
        if _NUMBER.fullmatch(host):
            return str(IPv4Address(host))
    except ValueError as error:  # UnicodeError is one
        raise Permanent(f"this is no host: {_shown(text)}") from error
    if not _NAME.fullmatch(host):
        raise Permanent(f"this is no host: {_shown(text)}")
    return host


def _shown(text: str) -> str:
    text = "".join(sign if sign.isprintable() else "?" for sign in text[:61])
    return text if len(text) <= 60 else text[:59] + "…"


def is_public(address: Address) -> bool:
    """Whether an address belongs to the world at large."""
    inner = _inside(address)
    if isinstance(inner, IPv6Address) and inner not in _WORLD:
        return False
    return not any(inner in network for network in _SPECIAL)


def _inside(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def look_up(name: str) -> tuple[str, ...]:
    """The addresses that the system knows for a name. Raises OSError."""
    return tuple(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)))


class Guard:
    """Makes connections, to where they may be made, and ends them when their time is up."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve = look_up) -> None:
        self._allow = tuple(map(_network, allow))
        self._resolve = resolve
        self._lookups = ThreadPoolExecutor(_LOOKUPS, "look-up")
        self._open: dict[int, tuple[float, socket.socket]] = {}
        self._closed = threading.Event()
        self._watching = threading.Lock()
        self._watch: threading.Thread | None = None

    def close(self) -> None:
        """End every connection that is still open."""
        self._closed.set()
        self._lookups.shutdown(wait=False, cancel_futures=True)
        self._cut(float("inf"))
        if self._watch:
            self._watch.join()

    def addresses(self, target: Target, until: float) -> tuple[Address, ...]:
        """Where a target is. Raises Permanent where any of it is not public, OSError where it cannot be found."""
        try:
            found: tuple[Address, ...] = (ip_address(target.host),)
        except ValueError:
            looking = self._lookups.submit(self._resolve, target.host)
            found = tuple(ip_address(text.partition("%")[0]) for text in looking.result(max(0.0, until - time.monotonic())))
        if not found:
            raise OSError("it has no address")
        if not all(map(self._may, found)):
            raise Permanent(f"{target.host} is not on the public internet, and is not fetched; [http] allow in amplify.toml can allow it")
        return found

    def _may(self, address: Address) -> bool:
        return is_public(address) or any(one in network for one in {address, _inside(address)} for network in self._allow)

    @contextmanager
    def connection(self, target: Target, until: float) -> Iterator[socket.socket]:
        """A connection to a target, encrypted where it should be; cut at `until` (of `time.monotonic`). Raises OSError, Permanent."""
        sock = self._connected(target, until)
        try:
            if target.scheme == "https":
                sock.settimeout(max(0.01, until - time.monotonic()))
                sock = self._tls.wrap_socket(sock, server_hostname=target.host)
            sock.settimeout(None)
            self._open[id(sock)] = until, sock
            self._begin_watch()
            yield sock
            if self._closed.is_set() or time.monotonic() >= until:
                raise TimeoutError("it was cut")  # which looks like the end of an answer
        finally:
            self._open.pop(id(sock), None)
            sock.close()

    def _connected(self, target: Target, until: float) -> socket.socket:
        addresses = self.addresses(target, until)[:_ATTEMPTS]
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                return socket.create_connection((str(address), target.port), max(0.01, (until - time.monotonic()) / left))
            except OSError:
                if left == 1:
                    raise
        raise AssertionError("a target has an address")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _begin_watch(self) -> None:
        if self._watch is None:
            with self._watching:
                if self._watch is None:
                    self._watch = threading.Thread(target=self._look_after, name="time limit", daemon=True)
                    self._watch.start()
        if self._closed.is_set():
            self._cut(float("inf"))

    def _look_after(self) -> None:
        while not self._closed.wait(0.1):
            self._cut(time.monotonic())

    def _cut(self, now: float) -> None:
        """Whoever waits at a connection whose time is up sees it end. Not the method of SSLSocket, which is not made for two threads."""
        for until, sock in list(self._open.values()):
            if until <= now:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _network(text: str) -> Any:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise AmplifyError(f"[http] allow: {text!r} is no network. Write one like 10.0.0.0/8 or fd00::/8.") from error
