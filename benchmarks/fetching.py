"""P8: what it costs to find out that 1,000 feeds are unchanged; and what it costs to fetch and to parse apart those that are not.

    python benchmarks/fetching.py                     writes fetching-results.md: a minute
    python benchmarks/fetching.py --runs 9 --machine "2 shared cores, 24 GB"

Each feed is on a host of its own (127.x.y.z), so that there is a connection for each, as in life. Contenders are processes
that take turns; the least CPU time counts, without that of starting Python and importing, which is shown beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
FEEDS = 1_000
THREADS = 16
HEADERS = {"If-None-Match": '"v1"', "User-Agent": "benchmark"}
ITEM = "<item><guid>{0}</guid><title>Title {0}</title><description>" + "words " * 150 + "</description></item>"
FEED = f"<rss version='2.0'><channel><title>t</title>{''.join(map(ITEM.format, range(10)))}</channel></rss>".encode()
PLUGIN = """
from xml.etree import ElementTree

def parse(data):
    return [item.findtext("title") for item in ElementTree.fromstring(data).iter("item")]
"""


def hosts() -> list[str]:
    """A loopback address for each feed."""
    return [f"127.0.{number // 250}.{number % 250 + 1}" for number in range(FEEDS)]


# -- the server ----------------------------------------------------------------------------------------------------

UNCHANGED = b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nDate: Sun, 22 Nov 2026 05:00:00 GMT\r\nServer: bench\r\n\r\n'
CHANGED = b'HTTP/1.1 200 OK\r\nETag: "v2"\r\nContent-Type: application/rss+xml\r\nContent-Length: %d\r\n\r\n' % len(FEED) + FEED


class Server(asyncio.Protocol):
    """Says "unchanged" to /feed.xml and sends a feed for /new.xml."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._heard = transport, b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            asked, _, self._heard = self._heard.partition(b"\r\n\r\n")
            assert isinstance(self._transport, asyncio.Transport)
            self._transport.write(CHANGED if asked.startswith(b"GET /new.xml") else UNCHANGED)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "0.0.0.0", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# -- the contenders ------------------------------------------------------------------------------------------------


def in_threads(get: Callable[[str], int]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(get, hosts())) <= {200, 304}


def plain(port: int, path: str) -> Callable[[], None]:
    from http.client import HTTPConnection

    def get(host: str) -> int:
        connection = HTTPConnection(host, port, timeout=20)
        connection.request("GET", path, headers=HEADERS)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    return lambda: in_threads(get)


def httpx2(port: int, path: str) -> Callable[[], None]:
    import httpx2 as library  # type: ignore[import-not-found]

    client = library.Client(trust_env=False)
    return lambda: in_threads(lambda host: int(client.get(f"http://{host}:{port}{path}", headers=HEADERS).status_code))


def urllib3(port: int, path: str) -> Callable[[], None]:
    import urllib3 as library

    pool = library.PoolManager(num_pools=FEEDS, retries=False)
    return lambda: in_threads(lambda host: pool.request("GET", f"http://{host}:{port}{path}", headers=HEADERS).status)


def amplify(port: int, path: str, then: Callable[[bytes], object] = len) -> Callable[[], None]:
    from amplify.api import Asked, Response
    from amplify.http import guarded

    def run() -> None:
        with guarded(["127.0.0.0/8"]) as http:
            for _, got in http.each(Asked(url=f"http://{host}:{port}{path}", etag='"v1"') for host in hosts()):
                assert isinstance(got, Response), got
                then(got.content)

    return run


def apart(port: int, path: str) -> Callable[[], None]:
    from amplify.apart import Workers
    from amplify.registry import _from_file

    folder = tempfile.TemporaryDirectory()
    file = Path(folder.name, "parser.py")
    file.write_text(PLUGIN, "utf-8")
    parse = _from_file(file).parse

    def run() -> None:
        with folder, Workers() as workers:
            amplify(port, path, lambda data: workers(parse, data))()

    return run


CONTENDERS = {"http.client": plain, "amplify": amplify, "urllib3": urllib3, "httpx2": httpx2, "amplify, parsed apart": apart}


def contend(name: str, port: int, path: str) -> None:
    """In a process of its own: what it needs, as JSON."""
    import resource

    began = time.process_time()
    run = CONTENDERS[name](port, path)
    imported, start = time.process_time(), time.monotonic()
    run()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - imported + children.ru_utime + children.ru_stime
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "wall": time.monotonic() - start, "imports": imported - began, "peak": peak}))


# -- the table -----------------------------------------------------------------------------------------------------


def measured(port: int, path: str, names: list[str], runs: int) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    for _ in range(runs):
        for name in names:
            command = [sys.executable, __file__, "--contend", name, "--port", str(port), "--path", path]
            got = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            best[name] = {key: min(value, best.get(name, got)[key]) for key, value in got.items()}
            print(f"    {name:<22} {got['cpu']:.2f} s CPU", file=sys.stderr, flush=True)
    return best


def table(title: str, found: dict[str, dict[str, float]]) -> list[str]:
    base = found["http.client"]["cpu"]
    head = [
        f"## {title}",
        "",
        "| client | CPU | times that of `http.client` | wall | imports | peak |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows = [
        f"| {name} | {one['cpu']:.2f} s | {one['cpu'] / base:.2f} | {one['wall']:.2f} s | {one['imports']:.2f} s | {one['peak']:.0f} MB |"
        for name, one in found.items()
    ]
    return [*head, *rows, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--machine", default=platform.machine())
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--contend", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default="")
    told = parser.parse_args()
    if told.serve:
        return asyncio.run(serve())
    if told.contend:
        return contend(told.contend, told.port, told.path)
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline()) if server.stdout else 0
        there = [name for name in ("urllib3", "httpx2") if find_spec(name)]
        unchanged = measured(port, "/feed.xml", ["http.client", "amplify", *there], told.runs)
        changed = measured(port, "/new.xml", ["http.client", "amplify", "amplify, parsed apart"], told.runs)
    finally:
        server.kill()
        server.communicate()
    libraries = "".join(f", {name} {version(name)}" for name in there)
    ours = f"Amplify {version('amplify-publisher')}{libraries}, Python {platform.python_version()}"
    when = f"{datetime.now(UTC):%Y-%m-%d}; {ours}; {told.machine}."
    lines = ["# Fetching", "", when, "", f"The least of {told.runs} runs in turn; a connection for each feed, {THREADS} threads.", ""]
    lines += table(f"P8: {FEEDS:,} unchanged feeds (wanted: 5 times at most; then 2)", unchanged)
    lines += table(f"{FEEDS:,} changed feeds of {len(FEED) // 1000} KB", changed)
    (HERE / "fetching-results.md").write_text("\n".join(lines), "utf-8")
    return None


if __name__ == "__main__":
    main()
