"""What it costs to gather from 1,000 blogs, and to look through an inbox of 100,000 things.

    python benchmarks/gather.py                     writes gather-results.md: two minutes
    python benchmarks/gather.py --runs 5 --machine "2 shared cores, 24 GB"

Gathering is the whole command `amplify gather`, with the blogs in an OPML list, each on a host of its own (127.x.y.z): once when
all are new, then when none has changed, then when each has a new entry. CPU time is that of the command and of the processes in which
it parses. Beside it stands `http.client` in 16 threads, which only fetches.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from amplify.inbox import Filter, Inbox
from amplify.model import Kind, Offer
from amplify.store import Store

HERE = Path(__file__).resolve().parent
FEEDS, ENTRIES, THREADS, THINGS = 1_000, 10, 16, 100_000
HOSTS = [f"127.0.{number // 250}.{number % 250 + 1}" for number in range(FEEDS)]
WORDS = "We tried it with fifteen learners and one tutor, for two hours on a Thursday. " * 12
SETTINGS = """\
[community]
name = "Benchmark"
url = "https://benchmark.example.org/"

[[source]]
name = "blogs"
plugin = "feed"
opml = "blogs.opml"

[http]
allow = ["127.0.0.0/8"]
"""
Figures = tuple[float, float, float]
"""Seconds of CPU, seconds, and MB at the most."""


# -- the server ----------------------------------------------------------------------------------------------------


def feed(host: str, number: int) -> bytes:
    """A blog in its state `number`, its newest entries first."""
    items = "".join(
        f"<item><guid>{entry}</guid><title>Entry {entry} of {host}</title><link>https://blog-{host}.example.org/{entry}</link>"
        f"<description>&lt;p&gt;{entry} {host} {WORDS}&lt;/p&gt;</description>"
        f"<pubDate>{datetime.fromtimestamp(1_790_000_000 + entry * 3600, UTC):%d %b %Y %H:%M:%S} GMT</pubDate></item>"
        for entry in range(number + ENTRIES, number, -1)
    )
    return f'<rss version="2.0"><channel><title>{host}</title>{items}</channel></rss>'.encode()


class Server(asyncio.Protocol):
    """Blogs that change all at once, whenever somebody asks for /next."""

    number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._heard = transport, b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            asked, _, self._heard = self._heard.partition(b"\r\n\r\n")
            assert isinstance(self._transport, asyncio.Transport)
            if asked.startswith(b"GET /next"):
                Server.number += 1
            tag = b'"%d"' % Server.number
            host = self._transport.get_extra_info("sockname")[0]
            if tag in asked:
                self._transport.write(b"HTTP/1.1 304 Not Modified\r\nETag: %s\r\n\r\n" % tag)
            else:
                body = feed(host, Server.number)
                self._transport.write(b"HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: %d\r\n\r\n" % (tag, len(body)) + body)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "0.0.0.0", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield int(process.stdout.readline())
    process.kill()
    process.wait()


# -- gathering -----------------------------------------------------------------------------------------------------


def command(*args: str) -> Figures:
    """What a command costs, with the processes that it starts and waits for."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, said
    return used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1024


def plain(port: int, tag: str) -> None:
    """The floor: `http.client` in threads."""

    def get(host: str) -> int:
        connection = HTTPConnection(host, port, timeout=20)
        connection.request("GET", "/feed.xml", headers={"If-None-Match": tag})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(get, HOSTS)) <= {200, 304}


def least(runs: list[Figures]) -> Figures:
    return min(one[0] for one in runs), min(one[1] for one in runs), max(one[2] for one in runs)


def gathering(runs: int) -> Iterator[str]:
    found: dict[str, list[Figures]] = {}
    with server() as port:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                outlines = "".join(f'<outline type="rss" xmlUrl="http://{host}:{port}/feed.xml"/>' for host in HOSTS)
                Path(folder, "amplify.toml").write_text(SETTINGS, "utf-8")
                Path(folder, "blogs.opml").write_text(f'<opml version="2.0"><body>{outlines}</body></opml>', "utf-8")
                amplify = ("-m", "amplify", "-C", folder)
                found.setdefault("amplify --version", []).append(command("-m", "amplify", "--version"))
                found.setdefault("all new, five entries of each", []).append(command(*amplify, "gather"))
                found.setdefault("none changed", []).append(command(*amplify, "gather"))
                tag = ask_next(port)
                found.setdefault("each with a new entry", []).append(command(*amplify, "gather"))
                found.setdefault("`http.client`, all fetched", []).append(command(__file__, "--plain", str(port), "x"))
                found.setdefault("`http.client`, none changed", []).append(command(__file__, "--plain", str(port), tag))
    yield f"## {FEEDS:,} blogs of {len(feed(HOSTS[0], 0)) / 1000:.0f} KB\n\nThe least of {runs} runs in turn; whole processes.\n"
    yield "| what | CPU | wall | peak of a process |\n| --- | ---: | ---: | ---: |"
    for what, figures in found.items():
        cpu, wall, peak = least(figures)
        yield f"| {what} | {cpu:.2f} s | {wall:.2f} s | {peak:.0f} MB |"
    ratio = least(found["none changed"])[0] / least(found["`http.client`, none changed"])[0]
    yield f"\nP8, the whole command against `http.client`: {ratio:.1f} times (wanted: 5 at most; then 2)."


def ask_next(port: int) -> str:
    """Let all blogs change; the tag that they have then."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/next")
    answer = connection.getresponse()
    answer.read()
    return answer.headers["ETag"]


# -- the inbox -----------------------------------------------------------------------------------------------------


def inbox(runs: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "amplify.toml").write_text(SETTINGS, "utf-8")
        store = Store(Path(folder, ".amplify", "amplify.db"))
        filled = Inbox(store)
        began, kinds, now = time.monotonic(), list(Kind), datetime.now(UTC)
        for first in range(0, THINGS, 1000):
            offers = [thing(number, kinds[number % 10]) for number in range(first, first + 1000)]
            filled.receive(f"source {first // 1000 % 20}", offers, None, now, {})
        took = time.monotonic() - began
        looks = {
            "the newest 50 that wait": Filter(states=("new",)), "of one kind": Filter(states=("new",), kind="question"),
            "of one source": Filter(states=("new",), source="source 3"), "with words in the title": Filter(words="thing 99"),
            "with words that nothing has": Filter(words="no such thing"), "the page after number 50,000": Filter(below=50_000),
        }  # fmt: skip
        yield f"## An inbox of {THINGS:,} things\n\nFilled in {took:.0f} s, {THINGS / took:,.0f} a second.\n"
        yield "| what | shown | counted |\n| --- | ---: | ---: |"
        for what, wanted in looks.items():
            shown, counted = timed(runs, partial(filled.items, wanted)), timed(runs, partial(filled.count, wanted))
            yield f"| {what} | {shown * 1000:.1f} ms | {counted * 1000:.1f} ms |"
        store.close()
        cpu, wall, peak = least([command("-m", "amplify", "-C", folder, "review", "--list") for _ in range(runs)])
        yield f"\n`amplify review --list`, the whole command: {cpu:.2f} s CPU, {wall:.2f} s, {peak:.0f} MB."


def thing(number: int, kind: Kind) -> Offer:
    address = f"https://{number}.example.org/"
    return Offer(
        id=str(number), title=f"Thing {number}", body=f"<p>{number} {WORDS}</p>", url=address, author=f"A {number % 997}", kind=kind
    )


def timed(runs: int, do: Callable[[], object]) -> float:
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        do()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--machine", default="")
    options.add_argument("--serve", action="store_true")
    options.add_argument("--plain", nargs=2)
    given = options.parse_args()
    if given.serve:
        asyncio.run(serve())
    elif given.plain:
        plain(int(given.plain[0]), given.plain[1])
    else:
        head = f"# Gathering\n\n{datetime.now(UTC):%Y-%m-%d}; Python {platform.python_version()}; {given.machine or platform.machine()}.\n"
        (HERE / "gather-results.md").write_text("\n".join([head, *gathering(given.runs), "", *inbox(given.runs), ""]), "utf-8")


if __name__ == "__main__":
    main()
