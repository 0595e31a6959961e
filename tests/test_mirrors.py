"""Places that are kept equal to the site: the same promises, stated against real servers."""

import ftplib
import gc
import os
import re
import shutil
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import mirror_peers as peers
import pytest
from filelock import FileLock
from mirror_peers import PASSWORD, USER, Branch, Peer
from tests.kit import contents

from amplify import deliver, instances, plan, registry
from amplify.api import Mirror, Secret
from amplify.config import Plugged
from amplify.errors import AmplifyError, MissingExtra, Paused, Transient
from amplify.model import Asset, Digest, Site
from amplify.testing import MirrorSuite
from amplify.testing_mirror import SITE, asset

NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
LIST = ".amplify-files"


@cache
def _registry() -> registry.Registry:
    return registry.load(Path("nowhere"))


def make(folder: Path, plugin: str, **options: Any) -> Mirror:
    table = Plugged(name="place", plugin=plugin, options=options)
    kind = _registry().channels[plugin]
    works = instances.instance(table, kind, instances.lending(folder, folder / ".amplify", lambda: NOW)).works
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
    behind: Branch | None = None

    @property
    def branch(self) -> Branch:
        assert self.behind
        return self.behind

    @property
    def cache(self) -> Path:
        return self.home / ".amplify" / "cache" / "channels" / "place" / "repository"

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
    return Place(home, "git", {"repository": repository, **options}, branch.files, branch.write, behind=branch)


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
    return _folder(peer.root / name, home, kind.removesuffix("s").removesuffix("-old"), peer, **given)


def _made_of(*kinds: str) -> Any:
    """A fixture that makes a place of each of these kinds."""

    @pytest.fixture(params=kinds)
    def fixture(request: pytest.FixtureRequest, servers: Callable[[str], Peer], tmp_path: Path) -> Iterator[Place]:
        with ExitStack() as stack:
            yield _made(request.param, servers, tmp_path, stack)

    return fixture


place = _made_of("folder", "sftp", "ftp", "git")
every = _made_of("folder", "sftp", "ftp", "ftp-old", "ftps", "git", "git-http")
remote = _made_of("sftp", "ftp", "git")
upload = _made_of("sftp", "sftp-old", "ftp", "ftp-old")
login = _made_of("sftp", "ftp", "ftps", "git-http")
http = _made_of("git-http")
local_git = _made_of("git")


class TestEveryPlace(MirrorSuite):
    """What every such channel promises, and what these promise besides."""

    @pytest.fixture
    def place(self, every: Place) -> Place:
        return every

    def secrets(self) -> list[str]:
        return [PASSWORD]

    def test_loses_the_folders_with_what_the_site_lost(self, every: Place) -> None:
        every.publish(SITE)
        every.publish({"index.html": b"all that is left"})

        if every.root:
            assert [path.name for path in every.root.iterdir() if path.is_dir()] == []

    def test_believes_no_list_that_leads_elsewhere(self, place: Place) -> None:
        digest, blob = "0" * 32, "0" * 40
        paths = ("../victim", "/etc/victim", "a/../../victim", LIST)
        place.write({LIST: "".join(f"{digest} {path}\n{digest} {blob} {path}\n{path}\n" for path in paths).encode()})

        assert {path for path in place.listed() if "victim" in path and ".." in path.split("/")} == set()
        assert not any(path.startswith("/") for path in place.listed())


@pytest.fixture
def _swept() -> Iterator[None]:
    yield
    gc.collect()


def leaves_a_line_open(test: Callable[..., None]) -> Callable[..., None]:
    """For refusals after which the git library leaves its line open, to be closed when its memory is tidied."""
    return pytest.mark.usefixtures("_swept")(pytest.mark.filterwarnings("ignore::ResourceWarning")(test))


def said(error: BaseException) -> str:
    """All that an error and what caused it would show to anybody."""
    return "".join(traceback.format_exception(error, chain=True)) + repr(error)


class TestEveryRemotePlace:
    def test_refuses_a_path_that_leads_elsewhere(self, remote: Place) -> None:
        works = remote.works
        with works.session() as session:
            for path in map(PurePosixPath, ("../victim", "/victim", "a/../../victim", ".", LIST, "a\nb")):
                with pytest.raises(AmplifyError, match="left alone"):
                    session.put(replace(remote.asset("x"), path=path))
                with pytest.raises(AmplifyError, match="left alone"):
                    session.remove(path)
                with pytest.raises(AmplifyError, match="left alone"):
                    works.read(path)

        assert remote.site() == {}
        if remote.root:
            assert not (remote.root.parent / "victim").exists()

    def test_is_not_local(self, remote: Place) -> None:
        assert not remote.works.local

    def test_a_connection_lost_in_the_middle_orphans_nothing(self, upload: Place) -> None:
        upload.publish({"index.html": b"before", "gone.html": b"x"})
        peer = upload.peer
        assert peer
        peer.drop_after = 6

        with pytest.raises(Transient, match="What is there is whole"):
            upload.publish({f"p/{number}.html": b"x" for number in range(9)})

        peer.drop_after = None
        arrived = upload.site().keys() - {"index.html", "gone.html", f"{LIST}.new"}
        assert 0 < len(arrived) < 9
        assert arrived <= upload.listed()
        upload.publish({"index.html": b"after"})
        assert upload.site() == {"index.html": b"after"}

    def test_a_removal_that_nobody_confirmed_is_made_good(self, upload: Place) -> None:
        upload.publish({"index.html": b"x", "page.html": b"x"})
        assert upload.peer
        upload.peer.drop_at_removal_of = "page.html"
        with pytest.raises(Transient):
            upload.publish({"index.html": b"x"})
        upload.peer.drop_at_removal_of = None
        assert upload.site() == {"index.html": b"x"}

        upload.publish({"index.html": b"x", "page.html": b"x"})

        assert upload.site() == {"index.html": b"x", "page.html": b"x"}

    def test_a_connection_lost_while_the_list_is_replaced_orphans_nothing(self, upload: Place) -> None:
        upload.publish({"index.html": b"x", "page.html": b"x"})
        assert upload.peer
        upload.peer.drop_at_removal_of = LIST
        with suppress(Transient):
            upload.publish({"index.html": b"y"})
        upload.peer.drop_at_removal_of = None

        upload.publish({"index.html": b"z"})

        assert {path: content for path, content in upload.site().items() if not path.startswith(LIST)} == {"index.html": b"z"}

    def test_what_cannot_be_read_is_not_called_absent(self, upload: Place) -> None:
        upload.publish({"editions/index.html": b"x"})

        with pytest.raises(Transient, match=r"127\.0\.0\.1: editions: "):
            upload.works.read(PurePosixPath("editions"))

    def test_a_folder_with_the_name_of_a_file_is_said(self, remote: Place) -> None:
        remote.write({"about": b"theirs, a file"})

        with pytest.raises(AmplifyError, match=r"about/index\.html"):
            remote.publish({"about/index.html": b"x"})

        assert remote.site() == {"about": b"theirs, a file"}

    @leaves_a_line_open
    def test_a_wrong_password_is_said_and_not_shown(self, login: Place) -> None:
        login.options["password"] = Secret("hunter2")

        with pytest.raises(Paused, match="does not accept the user name") as raised:
            login.works.listing()

        assert "127.0.0.1" in str(raised.value)
        assert "hunter2" not in said(raised.value)

    def test_a_server_that_is_gone_is_said(self, login: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        login.options |= {"repository": f"http://127.0.0.1:{port}/site.git"} if login.plugin == "git" else {"port": port}

        works = login.works
        for act in (works.listing, partial(works.read, PurePosixPath("x")), partial(login.publish, SITE)):
            with pytest.raises(Transient, match=rf"127\.0\.0\.1:{port}.* cannot be reached: ") as raised:
                act()
            assert type(raised.value) is Transient
            assert PASSWORD not in said(raised.value)

    def test_a_server_that_says_nothing_is_left(self, login: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            login.options |= {"repository": f"http://127.0.0.1:{port}/site.git"} if login.plugin == "git" else {"port": port}
            login.options["timeout"] = 0.1

            with pytest.raises(Transient, match=r"cannot be reached: \w"):
                login.works.listing()

    @pytest.mark.parametrize(("plugin", "library"), [("sftp", "asyncssh"), ("git", "dulwich.repo")])
    def test_a_missing_library_is_said(self, plugin: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, library, None)
        works = make(tmp_path, plugin, **({"repository": "x"} if plugin == "git" else {"host": "localhost", "path": "x"}))

        with pytest.raises(MissingExtra, match=re.escape(f"amplify-publisher[{plugin}]")):
            works.listing()

    @pytest.mark.parametrize(
        ("plugin", "options", "words"),
        [
            ("sftp", {"host": "sftp://web.example.org", "path": "x"}, "is no name of a server"),
            ("sftp", {"host": "web.example.org", "path": ""}, "path is empty"),
            ("sftp", {"host": "web.example.org", "path": "x", "fingerprint": "aa:bb"}, "begins with SHA256:"),
            ("ftp", {"host": "ftp://web.example.org", "path": "x"}, "is no name of a server"),
            ("ftp", {"host": "web.example.org", "path": ""}, "path is empty"),
            ("git", {"repository": "https://me:secret@git.example.org/x.git"}, "does not belong into repository"),
            ("git", {"repository": "git://git.example.org/x.git"}, "write a folder, or an address"),
            ("git", {"repository": "http://git.example.org/x.git", "password": Secret("secret")}, "to everyone on the way"),
            ("git", {"repository": "git@git.example.org:x.git", "password": Secret("secret")}, "over ssh the keys"),
            ("git", {"repository": "x.git", "password": Secret("secret")}, "over ssh the keys"),
            ("git", {"repository": "x.git", "branch": "../main"}, "is no name of a branch"),
            ("git", {"repository": "x.git", "author": "me"}, "author is written like"),
        ],
    )
    def test_what_cannot_work_is_said_before_anything_starts(
        self, tmp_path: Path, plugin: str, options: dict[str, Any], words: str
    ) -> None:
        with pytest.raises((ValueError, AmplifyError), match=re.escape(words)) as raised:
            make(tmp_path, plugin, **options)

        assert "secret" not in str(raised.value)


class TestSftp:
    @pytest.fixture
    def place(self, servers: Callable[[str], Peer], tmp_path: Path) -> Place:
        with ExitStack() as stack:
            return _made("sftp", servers, tmp_path, stack)

    @staticmethod
    def peer(place: Place) -> Peer:
        assert place.peer
        return place.peer

    def test_an_unknown_server_is_refused_and_its_fingerprint_named(self, place: Place) -> None:
        del place.options["fingerprint"]

        with pytest.raises(Paused, match=r"does not know the server 127\.0\.0\.1") as raised:
            place.publish(SITE)

        assert f'fingerprint = "{self.peer(place).fingerprint}"' in str(raised.value)
        assert place.site() == {}

    def test_another_key_than_the_fingerprint_is_refused(self, place: Place) -> None:
        place.options["fingerprint"] = "SHA256:" + "A" * 43

        with pytest.raises(Paused, match="another key than your fingerprint") as raised:
            place.publish(SITE)

        assert self.peer(place).fingerprint in str(raised.value)

    def test_a_server_that_is_known_needs_no_fingerprint(self, place: Place) -> None:
        del place.options["fingerprint"]
        known = Path.home() / ".ssh" / "known_hosts"
        known.parent.mkdir(parents=True)
        known.write_text(f"[127.0.0.1]:{self.peer(place).port} {self.peer(place).public}\n")

        place.publish(SITE)

        assert place.site() == SITE

    def test_known_servers_may_stand_in_another_file(self, place: Place) -> None:
        del place.options["fingerprint"]
        (place.home / "known").write_text(f"[127.0.0.1]:{self.peer(place).port} {self.peer(place).public}\n")
        place.options["known_hosts"] = "known"

        place.publish(SITE)

        assert place.site() == SITE

    def test_the_fingerprint_rules_over_the_known_servers(self, place: Place) -> None:
        self.test_known_servers_may_stand_in_another_file(place)
        place.options["fingerprint"] = "SHA256:" + "A" * 43

        with pytest.raises(Paused, match="another key"):
            place.works.listing()

    def test_a_key_opens_the_door_instead_of_a_password(self, place: Place) -> None:
        del place.options["password"]
        place.options["key"] = str(self.peer(place).key)

        place.publish(SITE)

        assert place.site() == SITE

    def test_the_password_opens_a_locked_key(self, place: Place) -> None:
        import asyncssh

        key = asyncssh.read_private_key(str(self.peer(place).key))
        key.write_private_key(str(place.home / "locked"), "pkcs8-pem", passphrase="hunter2")
        place.options |= {"key": "locked", "password": Secret("hunter2")}
        place.publish(SITE)
        assert place.site() == SITE
        place.options["password"] = Secret("hunter3")

        with pytest.raises(Paused, match="the key locked cannot be used") as raised:
            place.works.listing()

        assert "hunter3" not in said(raised.value)

    def test_a_key_that_is_not_there_is_said(self, place: Place) -> None:
        place.options["key"] = "nowhere/key"

        with pytest.raises(Paused, match="nowhere/key cannot be read"):
            place.works.listing()

    def test_no_thread_stays_behind(self, place: Place) -> None:
        place.publish(SITE)
        place.options["fingerprint"] = "SHA256:no"
        with pytest.raises(Paused):
            place.works.listing()

        assert not any(thread.name.startswith("sftp") for thread in threading.enumerate())

    def test_one_connection_carries_a_session(self, place: Place) -> None:
        works, peer = place.works, self.peer(place)
        before = peer.connections

        with works.session() as session:
            for path, content in SITE.items():
                session.put(place.asset(path, content))

        assert peer.connections == before + 1


class TestFtp:
    def test_without_encryption_where_it_is_asked_for_nothing_is_sent(self, servers: Callable[[str], Peer], tmp_path: Path) -> None:
        place = _made("ftp", servers, tmp_path, ExitStack())
        place.options["tls"] = "required"
        assert place.peer
        before = len(place.peer.commands)

        with pytest.raises(Paused, match="offers no encryption"):
            place.publish(SITE)

        assert set(place.peer.commands[before:]) == {"AUTH"}

    def test_encryption_is_asked_for_but_on_this_computer(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        asked: list[bool] = []

        def connect(ftp: object, *_: object) -> None:
            asked.append(isinstance(ftp, ftplib.FTP_TLS))
            raise OSError("no network in this test")

        monkeypatch.setattr(ftplib.FTP, "connect", connect)
        for options in (
            {"host": "web.example.org"},
            {"host": "127.0.0.1"},
            {"host": "localhost"},
            {"host": "web.example.org", "tls": "none"},
        ):
            with pytest.raises(Transient, match="no network"):
                make(tmp_path, "ftp", path="x", **options).listing()

        assert asked == [True, False, False, False]

    def test_lines_for_files_take_up_the_session_of_the_commands(
        self, servers: Callable[[str], Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reused: list[bool | None] = []
        unwrap = ssl.SSLSocket.unwrap

        def watched(line: ssl.SSLSocket) -> socket.socket:
            reused.append(line.session_reused)
            return unwrap(line)

        monkeypatch.setattr(ssl.SSLSocket, "unwrap", watched)
        place = _made("ftps", servers, tmp_path, ExitStack())

        place.publish(SITE)

        assert len(reused) > len(SITE)
        assert all(reused)

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, servers: Callable[[str], Peer], tmp_path: Path) -> None:
        place = _made("ftps", servers, tmp_path, ExitStack())
        del place.options["certificate"]

        with pytest.raises(Paused, match="a certificate that is not its own"):
            place.publish(SITE)

    def test_a_certificate_file_that_is_not_there_is_said(self, servers: Callable[[str], Peer], tmp_path: Path) -> None:
        place = _made("ftps", servers, tmp_path, ExitStack())
        place.options["certificate"] = "nowhere.pem"

        with pytest.raises(Paused, match=r"nowhere\.pem cannot be read"):
            place.publish(SITE)


class TestGit:
    def test_each_publish_is_a_commit_and_nothing_is_none(self, local_git: Place) -> None:
        local_git.publish(SITE)
        local_git.publish(SITE)
        with local_git.works.session() as session:
            session.put(local_git.asset("index.html", SITE["index.html"]))
        local_git.publish({"index.html": b"x"})

        commits = local_git.branch.commits()
        assert [commit.message for commit in commits] == [b"Publish\n", b"Publish\n"]
        assert {(commit.author, commit.committer, commit.commit_time) for commit in commits} == {
            (b"Amplify <amplify@localhost>", b"Amplify <amplify@localhost>", int(NOW.timestamp()))
        }

    def test_two_repositories_get_the_same_commit(self, local_git: Place) -> None:
        local_git.publish(SITE)
        with peers.bare(local_git.home / "second.git") as second:
            local_git.options["repository"] = "second.git"
            local_git.publish(SITE)

            assert second.commits()[0].id == local_git.branch.commits()[0].id

    def test_the_author_and_the_branch_are_options(self, local_git: Place) -> None:
        local_git.options |= {"author": "Zoë <zoe@example.org>", "branch": "pages/live"}

        local_git.publish(SITE)

        [commit] = replace(local_git.branch, name="pages/live").commits()
        assert commit.author.decode() == "Zoë <zoe@example.org>"
        assert local_git.branch.commits() == []

    def test_goes_on_top_of_what_is_there(self, http: Place) -> None:
        http.write({"CNAME": b"joyfe.example.org", "docs/index.html": b"theirs"})
        replace(http.branch, name="main").write({"README.md": b"theirs"})

        http.publish(SITE)
        http.write({"docs/more.html": b"theirs"})
        http.publish(SITE | {"index.html": b"new"})

        messages = [commit.message for commit in http.branch.commits()]
        assert messages == [b"Publish\n", b"By hand\n", b"Publish\n", b"By hand\n"]
        assert http.site().keys() == SITE.keys() | {"CNAME", "docs/index.html", "docs/more.html"}
        assert replace(http.branch, name="main").files() == {"README.md": b"theirs"}

    def test_takes_in_what_somebody_else_pushed_at_the_same_time(self, http: Place) -> None:
        http.publish(SITE)
        http.branch.before_push.append(lambda: http.write({"one.txt": b"1"}))
        http.branch.before_look += [lambda: None, lambda: http.write({"two.txt": b"2"})]

        http.publish(SITE | {"index.html": b"new"})

        assert http.site() == SITE | {"index.html": b"new", "one.txt": b"1", "two.txt": b"2"}
        assert [commit.message for commit in http.branch.commits()] == [b"Publish\n", b"By hand\n", b"By hand\n", b"Publish\n"]

    def test_gives_up_on_a_branch_that_never_stands_still(self, http: Place) -> None:
        http.branch.before_push += [partial(http.write, {"n.txt": b"%d" % number}) for number in range(9)]

        with pytest.raises(Transient, match="the branch gh-pages was not taken"):
            http.publish(SITE)

        assert set(http.site()) == {"n.txt"}

    def test_notices_what_another_hand_changed(self, local_git: Place) -> None:
        local_git.publish(SITE)
        local_git.write({"index.html": b"changed on the web"})

        assert local_git.listed() == set(SITE) - {"index.html"}
        assert local_git.publish(SITE) == 1
        assert local_git.site() == SITE

    def test_needs_no_cache(self, http: Place) -> None:
        http.publish(SITE)
        shutil.rmtree(http.home / ".amplify")
        http.publish(SITE | {"index.html": b"new"})
        (http.cache / "HEAD").unlink()

        http.publish(SITE)

        assert http.site() == SITE
        assert len(http.branch.commits()) == 3

    def test_a_lock_of_a_run_that_was_killed_stops_nobody(self, local_git: Place) -> None:
        local_git.publish(SITE)
        for lock in ("refs/heads/gh-pages.lock", "shallow.lock", "HEAD.lock"):
            (local_git.cache / lock).touch()

        local_git.publish({})

        assert local_git.site() == {}

    def test_a_damaged_cache_is_thrown_away(self, local_git: Place) -> None:
        local_git.publish(SITE)
        for file in local_git.cache.glob("objects/??/*"):
            file.chmod(0o644)
            file.write_bytes(b"")

        with pytest.raises(Transient, match=r"was damaged, and is gone\. Run the same command again"):
            local_git.works.listing()

        assert local_git.publish(SITE) == 0

    def test_two_runs_at_once_wait_for_each_other(self, local_git: Place) -> None:
        local_git.publish(SITE)
        local_git.options["timeout"] = 0.05

        with FileLock(local_git.cache.with_suffix(".lock")), pytest.raises(Transient, match="another run of Amplify"):
            local_git.works.listing()

    def test_brings_the_newest_commit_only(self, http: Place) -> None:
        for number in range(5):
            http.write({"large.bin": bytes([number]) * 100_000})

        http.publish(SITE)

        from dulwich.repo import Repo

        with closing(Repo(str(http.cache))) as cache:
            there = [commit.id in cache.object_store for commit in http.branch.commits()]
        assert there == [True, True, False, False, False, False]

    def test_says_nothing_by_itself(self, http: Place, capfd: pytest.CaptureFixture[str]) -> None:
        http.publish(SITE)
        http.write({"x.txt": b"x"})
        http.publish({})

        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("repository", ["nowhere.git", "empty"])
    def test_a_folder_that_is_no_repository_is_said(self, tmp_path: Path, repository: str) -> None:
        (tmp_path / "empty").mkdir()

        with pytest.raises(Paused, match=rf"{repository} is no git repository"):
            make(tmp_path, "git", repository=repository).listing()

    @leaves_a_line_open
    def test_an_address_without_a_repository_is_said(self, http: Place) -> None:
        http.options["repository"] = http.options["repository"].replace("site.git", "other.git")

        with pytest.raises(Paused, match=r"other\.git is no git repository, or none that this user name may see"):
            http.works.listing()

    def test_without_the_program_ssh_it_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(Transient, match=r"git@git\.example\.org:x\.git cannot be reached: .*ssh"):
            make(tmp_path, "git", repository="git@git.example.org:x.git").listing()

    @leaves_a_line_open
    def test_what_ssh_says_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ssh = tmp_path / "ssh"
        ssh.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

        with pytest.raises(Transient, match=r"cannot be reached: Host key verification failed\."):
            make(tmp_path, "git", repository="ssh://git@git.example.org/x.git").listing()
