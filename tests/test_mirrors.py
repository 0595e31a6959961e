"""Places that are kept equal to the site: the same promises, stated against real servers."""

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

import mirror_peers as peers
import pytest
from amplify import deliver, plan, registry
from amplify.api import Mirror, Secret
from amplify.config import Plugged
from amplify.errors import AmplifyError, Paused, Transient
from amplify.model import Asset, Digest, Site
from mirror_peers import PASSWORD, USER, Branch, Peer

from tests.kit import contents

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
LIST = ".amplify-files"
SITE = {
    "index.html": b"<h1>Joy in FE</h1>",
    "editions/2026-11/index.html": b"<p>Dear all</p>",
    "a/b/c/d/e/f/g/page.v1.2.html": b"deep",
    ".well-known/x.y.z": b"dots",
    "assets/Zo\u00eb at work.txt": "caf\u00e9".encode(),
    "empty.txt": b"",
    "podcast.xml": b"<rss/>",
}


def asset(folder: Path, path: str, content: bytes) -> Asset:
    digest = Digest(blake2b(content, digest_size=16).hexdigest())
    source = folder / "sources" / digest
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(content)
    return Asset(path=PurePosixPath(path), digest=digest, size=len(content), type="text/html", source=source)


@cache
def _registry() -> registry.Registry:
    return registry.load(Path("nowhere"))


def make(folder: Path, plugin: str, **options: Any) -> Mirror:
    table = Plugged(name="place", plugin=plugin, options=options)
    kind = _registry().channels[plugin]
    works = registry.instance(table, kind, folder, folder / ".amplify", lambda: NOW).works
    assert isinstance(works, Mirror)
    return works


@dataclass
class Place:
    """A place, seen from both sides: as Amplify has it from the settings, and as whoever keeps it sees it."""

    home: Path
    plugin: str
    options: dict[str, Any]
    files: Callable[[], dict[str, bytes]]
    write: Callable[[Mapping[str, bytes]], None]
    root: Path | None = None
    peer: Peer | None = None

    @property
    def works(self) -> Mirror:
        """A new instance, as every run of the command makes one."""
        return make(self.home, self.plugin, **self.options)

    def site(self) -> dict[str, bytes]:
        """What is there but for the list."""
        return {path: content for path, content in self.files().items() if path != LIST}

    def asset(self, path: str, content: bytes = b"x") -> Asset:
        return asset(self.home, path, content)

    def publish(self, files: Mapping[str, bytes]) -> int:
        """Make the place equal to a site, as `publish` does; how many changes it took."""
        assets = {PurePosixPath(path): self.asset(path, content) for path, content in files.items()}
        works = self.works
        step = plan.mirror("place", Site(assets=assets, digest=Digest("")), works.listing())
        deliver.mirror(step, works, lambda *_: None)
        return len(step.new) + len(step.changed) + len(step.remove)

    def listed(self) -> set[str]:
        return {str(path) for path in self.works.listing()}


def _folder(root: Path, home: Path, plugin: str, peer: Peer | None = None, **options: Any) -> Place:
    def write(files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)

    return Place(home, plugin, options, lambda: contents(root) if root.exists() else {}, write, root, peer)


def _git(branch: Branch, home: Path, repository: str, **options: Any) -> Place:
    return Place(home, "git", {"repository": repository, **options}, branch.files, branch.write)


KINDS = ("folder", "sftp", "sftp-old", "ftp", "ftp-old", "ftps", "git", "git-http")
LOGIN = {"username": USER, "password": Secret(PASSWORD)}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Peer]]:
    """A server of each kind, started when it is first asked for."""
    started: dict[str, Peer] = {}
    with ExitStack() as stack:

        def server(kind: str) -> Peer:
            if kind not in started:
                root = tmp_path_factory.mktemp(kind)
                old = kind.endswith("-old")
                listening = peers.sftp(root, old=old) if kind.startswith("sftp") else peers.ftp(root, old=old, tls=kind == "ftps")
                started[kind] = stack.enter_context(listening)
            return started[kind]

        yield server


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def _made(kind: str, servers: Callable[[str], Peer], home: Path, stack: ExitStack) -> Place:
    if kind == "folder":
        return _folder(home / "public", home, "folder", path="public")
    if kind.startswith("git"):
        branch = stack.enter_context(peers.bare(home / "site.git"))
        if kind == "git":
            return _git(branch, home, "site.git")
        port = stack.enter_context(peers.git_over_http(branch))
        return _git(branch, home, f"http://127.0.0.1:{port}/site.git", **LOGIN)
    peer = servers(kind)
    name = f"{home.parent.name}/{home.name}"
    given: dict[str, Any] = {"host": "127.0.0.1", "port": peer.port, "path": name, **LOGIN}
    if kind.startswith("sftp"):
        given["fingerprint"] = peer.fingerprint
    if kind == "ftps":
        given |= {"tls": "required", "certificate": str(peer.certificate)}
    return _folder(peer.root / name, home, kind[:4].removesuffix("s") if kind == "ftps" else kind.split("-")[0], peer, **given)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, servers: Callable[[str], Peer], tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield _made(request.param, servers, tmp_path, stack)


class TestEveryPlace:
    def test_becomes_equal_to_the_site(self, place: Place) -> None:
        place.publish(SITE)

        assert place.site() == SITE
        assert place.listed() == set(SITE)

    def test_is_left_alone_when_it_is_equal(self, place: Place) -> None:
        place.publish(SITE)

        assert place.publish(SITE) == 0

    def test_takes_a_file_twice(self, place: Place) -> None:
        for _ in range(2):
            with place.works.session() as session:
                session.put(place.asset("index.html", b"once"))
                session.put(place.asset("index.html", b"once"))

        assert place.site() == {"index.html": b"once"}

    def test_follows_what_changes(self, place: Place) -> None:
        place.publish(SITE)

        changes = place.publish(SITE | {"index.html": b"<h1>Joy</h1>", "new/index.html": b"new"})

        assert changes == 2
        assert place.site() == SITE | {"index.html": b"<h1>Joy</h1>", "new/index.html": b"new"}

    def test_loses_what_the_site_lost_and_the_folders_with_it(self, place: Place) -> None:
        place.publish(SITE)

        place.publish({"index.html": b"all that is left"})

        assert place.site() == {"index.html": b"all that is left"}
        assert place.listed() == {"index.html"}
        if place.root:
            assert [path.name for path in place.root.iterdir() if path.is_dir()] == []

    def test_may_have_lost_it_already(self, place: Place) -> None:
        with place.works.session() as session:
            session.remove(PurePosixPath("never/was.html"))

        assert place.site() == {}

    def test_keeps_what_amplify_did_not_write(self, place: Place) -> None:
        theirs = {".htaccess": b"theirs", "editions/notes.txt": b"theirs", "old/index.html": b"theirs"}
        place.write(theirs)

        place.publish(SITE)
        place.publish({})

        assert place.site() == theirs

    def test_gives_a_file_back(self, place: Place) -> None:
        place.publish(SITE)

        works = place.works
        assert {path: works.read(PurePosixPath(path)) for path in SITE} == SITE

    def test_says_what_is_surely_not_there(self, place: Place) -> None:
        works = place.works
        assert works.read(PurePosixPath("amplify.json")) is None

        place.publish({"index.html": b"x"})

        assert works.read(PurePosixPath("amplify.json")) is None
        assert works.read(PurePosixPath("no/such/folder/amplify.json")) is None

    def test_takes_a_large_file(self, place: Place) -> None:
        large = bytes(range(256)) * 20_480

        place.publish({"episodes/1.mp3": large})

        assert place.site() == {"episodes/1.mp3": large}

    def test_lists_the_truth_after_an_error_and_goes_on(self, place: Place) -> None:
        place.publish({"index.html": b"before", "gone.html": b"x"})

        def fail() -> None:
            with place.works.session() as session:
                for number in range(40):
                    session.put(place.asset(f"p/{number}.html", b"%d" % number))
                session.remove(PurePosixPath("gone.html"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        there = place.site()
        listing = place.works.listing()
        assert {str(path) for path in listing} == set(there)
        assert all(digest in ("", place.asset("x", there[str(path)]).digest) for path, digest in listing.items())
        place.publish({"index.html": b"after", "p/7.html": b"seven"})
        assert place.site() == {"index.html": b"after", "p/7.html": b"seven"}

    def test_believes_no_list_that_leads_elsewhere(self, place: Place) -> None:
        digest, blob = "0" * 32, "0" * 40
        paths = ("../victim", "/etc/victim", "a/../../victim", LIST)
        place.write({LIST: "".join(f"{digest} {path}\n{digest} {blob} {path}\n{path}\n" for path in paths).encode()})

        assert {path for path in place.listed() if "victim" in path and ".." in path.split("/")} == set()
        assert not any(path.startswith("/") for path in place.listed())


REMOTE = ("sftp", "ftp", "ftps", "git")


@pytest.fixture(params=REMOTE)
def remote(request: pytest.FixtureRequest, servers: Callable[[str], Peer], tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield _made(request.param, servers, tmp_path, stack)
