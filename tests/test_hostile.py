"""Feeds from hosts that mean harm, at the same time as from good ones: all good ones arrive, and nobody waits for ever.

The hosts are a server beside the repository, in ../shared/oracles; where it is missing, a test says so and is skipped.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.interrupter import EVERY_POINT

from amplify import media
from amplify.apart import Workers
from amplify.api import Asked, Offer, Response, Services
from amplify.errors import Permanent, Transient
from amplify.http import Client, guarded
from amplify.registry import load

ORACLE = Path(__file__).parents[2] / "shared" / "oracles" / "hostile_http.py"
GOOD = [f"good{number}/ok.xml" for number in range(20)]
READ = ["redirchain/3", "xxe.xml", "laughs.xml", "quadratic.xml", "hugeitems.xml", "deep.xml", "wrongtype", "etag", "bom16.xml", "nul.xml"]
REFUSED = ["gzipbomb", "endless", "redirloop", "redir2file", "redir2ftp", "redirchain/9", "hdrbomb"]
LATER = ["slowloris", "slowhead", "truncated", "429", "500"]


def free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def port() -> Iterator[int]:
    """Where the hostile server listens."""
    if not EVERY_POINT:
        pytest.skip("takes half a minute: make long")
    if not ORACLE.exists():
        pytest.skip(f"{ORACLE} is not there")
    port, banned = free_port(), free_port()
    process = subprocess.Popen([sys.executable, str(ORACLE), str(port), str(banned)], stderr=subprocess.PIPE, text=True)
    while True:
        with closing(socket.socket()) as sock:
            if not sock.connect_ex(("127.0.0.1", port)):
                break
        time.sleep(0.05)
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as first:
        first.request("GET", "/gzipbomb")  # which is made when it is first asked for, and that takes as long as it takes
        first.getresponse().read(1)
    yield port
    process.kill()
    assert "SSRF-HIT" not in process.communicate()[1]


@pytest.fixture
def http() -> Iterator[Client]:
    with guarded(["127.0.0.1"], resolve=lambda name: ["127.0.0.1"]) as made:
        yield made


def test_good_hosts_are_gathered_whatever_the_others_do(port: int, http: Client) -> None:
    began = time.monotonic()
    urls = [f"http://{path.replace('/', '.').replace('_', '-')}.example.org:{port}/{path}" for path in (*READ, *REFUSED, *LATER)]
    urls += [f"http://{name.partition('/')[0]}.example.org:{port}/{name.partition('/')[2]}" for name in GOOD]

    got = {asked.url: type(answer) for asked, answer in http.each(Asked(url=url) for url in urls)}

    expected = [Response] * len(READ) + [Permanent] * len(REFUSED) + [Transient] * len(LATER) + [Response] * len(GOOD)
    assert got == dict(zip(urls, expected, strict=True))
    assert time.monotonic() - began < 30


def test_good_blogs_are_read_whatever_the_others_hold(port: int, http: Client, tmp_path: Path) -> None:
    began = time.monotonic()
    bad = [path for path in (*READ, *REFUSED, *LATER) if path not in ("etag", "redirchain/3")]
    urls = [f"http://{path.replace('/', '.').replace('_', '-')}.example.org:{port}/{path}" for path in bad]
    urls += [f"http://{name.partition('/')[0]}.example.org:{port}/{name.partition('/')[2]}" for name in GOOD]
    log = logging.getLogger("blogs")
    with Workers() as apart:
        services = Services(
            name="blogs", folder=tmp_path, cache=tmp_path, clock=lambda: datetime.now(UTC), log=log, http=http, apart=apart,
            keep=partial(media.keep, root=tmp_path, apart=apart),
        )  # fmt: skip
        source = load(tmp_path, wanted=()).sources["feed"]
        offers = [one for one in source.make(source.options(url=tuple(urls)), services).gather(None) if isinstance(one, Offer)]

    read = {one.id.rpartition(" (")[2].rstrip(")") for one in offers}
    assert {url for url in read if "//good" in url} == {url for url in urls if "//good" in url}
    assert time.monotonic() - began < 60
