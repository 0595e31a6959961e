"""Nothing on a private network is ever connected to, however its address is spelled and whoever leads there."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.http_peer import Peer, certificate, peer

from amplify.errors import AmplifyError, Permanent, Transient
from amplify.guard import Guard, is_public, parse
from amplify.http import guarded

LOOPBACK = ["127.0.0.0/8"]
NAT64 = ipaddress.ip_network("64:ff9b::/96")
ADDRESSES = st.one_of(st.text(), st.text().map(lambda text: f"http://{text}"), st.from_regex(r"https?://[^/]{1,30}(:\d+)?(/.*)?"))


@pytest.fixture(scope="module")
def canary() -> Iterator[Peer]:
    """A server that nobody may reach."""
    with peer() as made:
        yield made
    assert made.asked == []


# -- spellings -----------------------------------------------------------------------------------------------------

PRIVATE = ("127.0.0.1", "0.0.0.0", "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "192.0.0.1", "198.18.0.1")


def spellings(address: str) -> Iterator[str]:
    """An IPv4 address as programs of all ages have read it."""
    number = int(IPv4Address(address))
    a, b, c, d = IPv4Address(address).packed
    yield from (address, f"{address}.", f"{number}", f"{number:#x}", f"0{number:o}", f"{number:#X}", f"{number:#012x}")
    yield from (f"{a}.{b}.{c << 8 | d}", f"{a}.{b << 16 | c << 8 | d}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}")
    yield from (f"{a:04o}.{b:04o}.{c:04o}.{d:04o}", f"{a:#x}.{b}.0{c:o}.{d}", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}.0x{b:x}.{c << 8 | d}")
    yield from (f"[::ffff:{address}]", f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]", f"[0:0:0:0:0:ffff:{address}]", f"[::{address}]")
    yield from (f"[64:ff9b::{address}]", f"[64:ff9b:1::{address}]", f"[2002:{number >> 16:04x}:{number & 0xFFFF:04x}::1]")
    yield from (f"[::ffff:0:{address}]", "".join(chr(0xFF10 + int(one)) if one.isdigit() else one for one in address))
    yield from (address.replace(".", "。"), address.replace(".", "．"), "".join(f"%{ord(one):02x}" for one in address))
    yield from ("".join(chr(0x245F + int(one)) if one in "123456789" else one for one in address), f"user:secret@{address}")
    yield from (f"good.example.org\\@{address}", f"{address}%00.example.org", f"{address}%2f.example.org", f"{address}\\.example.org")


OTHERS = (
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[fd00::1]", "[fc00::1]", "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[fec0::1]", "[ff02::1]",
    "[100::1]", "[2001::1]", "[2001:db8::1]", "[2001:0:7f00:1::]", "[2002:7f00:1::]", "[3fff::1]", "[5f00::1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.88.99.1", "203.0.113.9", "198.51.100.9", "192.0.2.9", "localhost",
    "LOCALHOST", "localhost.", "127.1", "127.0.1", "0", "0x0", "00", "0x7f000001", "017700000001", "2130706433", "4294967295",
    "99999999999", "127.0.0.1.", "0x7f.1", "[::]]", "[", "a..b", "-", "a" * 64 + ".org", "127.0.0.1 ", "exa mple.org", "", ".",
    "[v1.fe]", "[:]", "1.2.3.4.5",
)  # fmt: skip
HOSTS = [*(spelled for address in PRIVATE for spelled in spellings(address)), *OTHERS]


def test_there_are_hundreds_of_spellings() -> None:
    assert len(set(HOSTS)) > 283


@pytest.mark.parametrize("host", HOSTS)
def test_a_private_address_is_refused_however_it_is_spelled(host: str, canary: Peer) -> None:
    with guarded() as http:
        with pytest.raises(Permanent):
            http.get(f"http://{host}:{canary.port}/latest/meta-data/")
        with pytest.raises(Permanent):
            http.post(f"https://{host}:{canary.port}/", json={})


NOT_WEB = (
    "file:///etc/passwd", "ftp://example.org/x", "gopher://127.0.0.1:70/", "//example.org", "example.org", "", "http:", "http:///x",
    "javascript:alert(1)", "data:,x", "dict://x:1/", "http://example.org:0/", "http://example.org:99999/", "http://example.org:x/",
)  # fmt: skip


@pytest.mark.parametrize("url", NOT_WEB)
def test_only_http_and_https_are_fetched(url: str) -> None:
    with pytest.raises(Permanent):
        parse(url)


@pytest.mark.parametrize("host", ["93.184.216.34", "8.8.8.8", "[2606:2800:220:1::1]", "[64:ff9b::808:808]", "[::ffff:8.8.8.8]"])
def test_public_addresses_may_be_fetched(host: str) -> None:
    assert is_public(ipaddress.ip_address(host.strip("[]")))


def test_a_name_with_other_letters_is_asked_for_in_its_plain_form() -> None:
    assert parse("https://Bücher.Example.org/müde straße?wörter=ja&x=%20#da").url == (
        "https://xn--bcher-kva.example.org/m%C3%BCde%20stra%C3%9Fe?w%C3%B6rter=ja&x=%20"
    )


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [["10.0.0.7"], ["93.184.216.34", "127.0.0.1"], ["::1"], ["fe80::1%eth0"], ["93.184.216.34", "fd00::5"]])
def test_a_name_is_refused_when_any_of_its_addresses_is_private(found: list[str]) -> None:
    with guarded(resolve=lambda name: found) as http, pytest.raises(Permanent, match=r"rebind\.example\.org is not on the public internet"):
        http.get("http://rebind.example.org/")


def test_a_name_that_answers_differently_the_second_time_gains_nothing(canary: Peer) -> None:
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    with guarded(["127.0.0.2/32"], resolve=lambda name: next(answers)) as http, pytest.raises(Transient):
        http.get(canary.url("/", "rebind.example.org"))

    assert list(answers) == [["127.0.0.1"]], "it was looked up once, and connected to what was checked"


def test_a_redirect_is_checked_like_any_address(canary: Peer) -> None:
    with peer("127.0.0.2") as outside, guarded(["127.0.0.2/32"], resolve=lambda name: ["127.0.0.1"]) as http:
        for number, there in enumerate((canary.url(), canary.url("/", "inside.example.org"), "file:///etc/passwd", "ftp://127.0.0.1/")):
            outside.answers[f"/{number}"] = (302, {"Location": there}, b"")
            with pytest.raises(Permanent):
                http.get(outside.url(f"/{number}"))


def test_a_name_that_nobody_knows_is_tried_again_another_day() -> None:
    def nobody(name: str) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with guarded(resolve=nobody) as http, pytest.raises(Transient, match="Name or service not known"):
        http.get("http://gone.example.org/")


def test_a_name_server_that_does_not_answer_costs_no_more_than_the_limit() -> None:
    with peer() as silent, guarded(resolve=lambda name: silent.let_go.wait() and []) as http:
        with pytest.raises(Transient, match=r"slow\.example\.org took longer than 0\.2 seconds"):
            http.get("http://slow.example.org/", seconds=0.2)
        silent.let_go.set()


def test_the_next_address_of_a_name_is_tried_when_one_does_not_listen() -> None:
    with peer("127.0.0.1") as there, guarded(LOOPBACK, resolve=lambda name: ["127.0.0.3", "127.0.0.1"]) as http:
        assert http.get(there.url("/", "two.example.org")).content == b"here"


# -- what settings allow -------------------------------------------------------------------------------------------


def test_an_allowed_network_can_be_fetched_from_and_nothing_beside_it(canary: Peer) -> None:
    with peer("127.0.0.2") as there, guarded(["127.0.0.2"]) as http:
        assert http.get(there.url()).content == b"here"
        with pytest.raises(Permanent, match=r"\[http\] allow in amplify\.toml can allow it"):
            http.get(canary.url())


def test_what_is_allowed_has_to_be_a_network() -> None:
    with pytest.raises(AmplifyError, match=r"\[http\] allow: 'intranet' is no network"), guarded(["intranet"]):
        pass


# -- encrypted -----------------------------------------------------------------------------------------------------


def test_the_certificate_has_to_be_that_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = certificate(tmp_path / "server.pem", "feeds.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    with peer(certificate=made) as there, guarded(LOOPBACK, resolve=lambda name: ["127.0.0.1"]) as http:
        assert http.get(there.url("/", "feeds.example.org")).content == b"here"
        assert there.asked[-1].headers["host"] == f"feeds.example.org:{there.port}"
        with pytest.raises(Transient, match=r"other\.example\.org cannot be reached: Hostname mismatch"):
            http.post(there.url("/", "other.example.org"), json={})
    assert len(there.asked) == 1


def test_a_redirect_does_not_leave_encryption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canary: Peer) -> None:
    made = certificate(tmp_path / "server.pem", "feeds.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    with peer(certificate=made) as there, guarded(LOOPBACK, resolve=lambda name: ["127.0.0.1"]) as http:
        there.answers["/"] = (301, {"Location": canary.url()}, b"")
        with pytest.raises(Permanent, match="redirects from https to plain http"):
            http.get(there.url("/", "feeds.example.org"))


# -- for all addresses ---------------------------------------------------------------------------------------------


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.integers(0, 2**32 - 1).map(IPv4Address)))
def test_what_is_public_is_public_for_python_too(address: IPv4Address | IPv6Address) -> None:
    holds_another = isinstance(address, IPv6Address) and (address.ipv4_mapped or address in NAT64)
    if is_public(address) and not holds_another:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_what_it_is(address: IPv4Address) -> None:
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        assert is_public(IPv6Address(prefix | int(address))) == is_public(address)


@given(ADDRESSES)
@example("http://[::1")
@example("http://\udcff.org/")
def test_an_address_is_refused_or_becomes_plain_and_stays_what_it_is(text: str) -> None:
    with suppress(Permanent):
        target = parse(text)

        assert target.url.isascii()
        assert target.url.isprintable()
        assert parse(target.url) == target


@given(st.text(alphabet="0123456789abcdefx.:[]%@\\/ ", max_size=24))
def test_no_spelling_of_a_private_address_becomes_a_public_one(text: str) -> None:
    guard = Guard(resolve=lambda name: ["127.0.0.1"])
    try:
        target = parse(f"http://{text}/")
        for address in guard.addresses(target, time.monotonic() + 1):
            assert is_public(address)
            assert str(address) == target.host
    except Permanent:
        pass
    finally:
        guard.close()
