"""Keep a branch of a git repository equal to the site, as GitHub, GitLab, Codeberg and others serve it. Needs no git program.

    [[channel]]
    name = "website"
    plugin = "git"
    repository = "https://git.example.org/joyfe/site.git"
    username = "joyfe"
    password = "env:GIT_TOKEN"
    branch = "gh-pages"

Each publish that changes something is one commit on the branch, on top of what is there; nothing is ever forced. Files that
Amplify did not write stay as they are; what it wrote and no longer needs goes. `repository` is a folder of this computer, or
an address with `https://`, where `password` is a token that may write, or with `ssh://` (or `git@host:path`), where the keys
of this computer and its agent are used, as the program `ssh` does. Needs `pip install 'amplify-publisher[git]'`.
"""

from __future__ import annotations

import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from amplify.api import AmplifyError, Asset, Channel, Digest, MissingExtra, Paused, Secret, Services, Transient, hookimpl

if TYPE_CHECKING:
    from dulwich.objects import ObjectID
    from dulwich.refs import Ref

LIST = ".amplify-files"
"""In the branch: `digest blob path` for each file that Amplify wrote, so that one that another hand changed is noticed."""
_ATTEMPTS = 5
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=20"


@dataclass(frozen=True)
class Options:
    """`repository`: a folder, relative to the community or absolute, or an address. `author`: of the commits.

    `timeout` in seconds, for an https server that falls silent.
    """

    repository: str
    branch: str = "gh-pages"
    username: str = ""
    password: Secret | None = None
    author: str = "Amplify <amplify@localhost>"
    timeout: float = 60


class Git:
    """A mirror of the site in a branch of a git repository."""

    local = False

    def __init__(self, options: Options, services: Services) -> None:
        self._options, self._services = options, services
        self._address = _address(options, services.folder)
        if not re.fullmatch(r"\w([\w./-]*\w)?", options.branch) or ".." in options.branch:
            raise ValueError(f"branch = {options.branch!r} is no name of a branch")
        if not re.fullmatch(r"[^<>\n]+ <[^<>\n]+>", options.author):
            raise ValueError('author is written like "Name <mail@example.org>"')

    def listing(self) -> Mapping[PurePosixPath, Digest]:
        """What Amplify wrote to the branch and is still as it was written."""
        with self._copy() as copy:
            tree = copy.tree(copy.tip())
        return {PurePosixPath(path): Digest(digest) for path, digest in tree.written.items()}

    def read(self, path: PurePosixPath) -> bytes | None:
        """A file's bytes, or None."""
        name = _inside(path)
        with self._copy() as copy:
            return copy.read(copy.tree(copy.tip()), name)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Changes are collected; leaving it without an error makes them one commit, and pushes it."""
        session, said, before = Session(), "", None
        yield session
        with self._copy() as copy:
            for _ in range(_ATTEMPTS):
                tip = copy.tip()
                if said and tip == before:
                    break
                before = tip
                commit = copy.commit(tip, session, self._services.clock())
                said = copy.push(tip, commit) if commit else ""
                if not said:
                    return
        raise Transient(f"{self._address}: the branch {self._options.branch} was not taken: {said}")

    @contextmanager
    def _copy(self) -> Iterator[Copy]:
        """One process at a time; what a killed one left behind is swept away, and a damaged copy goes as a whole."""
        try:
            from dulwich.errors import ChecksumMismatch, FileFormatException
            from dulwich.repo import Repo
        except ImportError as error:
            raise MissingExtra("git", "git") from error
        from filelock import FileLock, Timeout

        place = self._services.cache / "repository"
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(place.with_suffix(".lock"), timeout=self._options.timeout):
                _sweep(place)
                with closing(Repo(str(place))) as repo:
                    yield Copy(repo, self._address, self._options)
        except Timeout as error:
            raise Transient(f"{self._address}: another run of Amplify is at work with it") from error
        except (KeyError, ValueError, AssertionError, zlib.error, ChecksumMismatch, FileFormatException) as error:
            shutil.rmtree(place, ignore_errors=True)
            raise Transient(f"{self._address}: the copy of it in {place} was damaged, and is gone. Run the same command again.") from error


def _sweep(place: Path) -> None:
    """There is a repository at `place`, and no lock in it of a process that is no more."""
    from dulwich.repo import Repo

    if not (place / "HEAD").exists():
        new = place.with_suffix(".new")
        for path in (new, place):
            shutil.rmtree(path, ignore_errors=True)
        new.mkdir()
        Repo.init_bare(str(new)).close()
        new.replace(place)
    for lock in [*place.glob("*.lock"), *place.glob("refs/**/*.lock"), *place.glob("objects/**/*.lock")]:
        lock.unlink()


@dataclass(frozen=True)
class Tree:
    """The files of a commit, as (blob, mode) by path, and the digests of those that Amplify wrote."""

    files: dict[str, tuple[ObjectID, int]]
    written: dict[str, str]


class Session:
    """What is to change: the branch changes when the session ends."""

    def __init__(self) -> None:
        self.changes: dict[str, Asset | None] = {}

    def put(self, asset: Asset) -> None:
        """When the session ends."""
        self.changes[_inside(asset.path)] = asset

    def remove(self, path: PurePosixPath) -> None:
        """Likewise."""
        self.changes[_inside(path)] = None


class Copy:
    """The copy of the branch in the cache: its newest commit only, and what was made on top of it. Talks to the far end."""

    def __init__(self, repo: Any, address: str, options: Options) -> None:
        self._repo, self._address, self._options = repo, address, options
        self._branch: Any = f"refs/heads/{options.branch}".encode()

    @contextmanager
    def _far_end(self) -> Iterator[tuple[Any, Any]]:
        """What talks to the far end, and the path there. Raises Paused for what the settings must mend, Transient for the rest."""
        from dulwich.client import HTTPUnauthorized, get_transport_and_path
        from dulwich.config import ConfigDict
        from dulwich.errors import GitProtocolError, NotGitRepository

        options, config = self._options, ConfigDict()
        config.set((b"http",), b"timeout", str(options.timeout).encode())
        given: dict[str, Any] = {"username": options.username or "git"} if options.username or options.password else {}
        if options.password:
            given["password"] = options.password.reveal()
        try:
            yield get_transport_and_path(self._address, config=config, ssh_command=_SSH, quiet=True, **given)
        except HTTPUnauthorized as error:
            raise Paused(f"{self._address} does not accept the user name and password") from error
        except NotGitRepository as error:
            raise Paused(f"{self._address} is no git repository, or none that this user name may see") from error
        except (GitProtocolError, OSError) as error:
            raise Transient(f"{self._address} cannot be reached: {_words(error)}") from error

    def tip(self) -> ObjectID | None:
        """The newest commit of the branch there, brought here; None: there is no such branch."""

        def wanted(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001 - as it is called
            return [commit for name, commit in refs.items() if name == self._branch and commit not in self._repo.object_store]

        with self._far_end() as (client, path):
            there = client.fetch(path, self._repo, wanted, progress=_silent, depth=1, ref_prefix=[self._branch])
        tip: ObjectID | None = there.refs.get(self._branch)
        if tip:
            self._repo.refs[self._branch] = tip
        return tip

    def tree(self, tip: ObjectID | None) -> Tree:
        """What is in a commit. A file that another hand changed or took away counts as not written."""
        from dulwich.object_store import iter_tree_contents

        if tip is None:
            return Tree({}, {})
        entries = iter_tree_contents(self._repo.object_store, self._repo[tip].tree)
        files = {os.fsdecode(entry.path): (entry.sha, entry.mode) for entry in entries}
        lines = (self.read(Tree(files, {}), LIST) or b"").decode("utf-8", "replace").split("\n")
        listed = (re.fullmatch(r"([0-9a-f]{32}) ([0-9a-f]{40}) (.+)", line) for line in lines)
        return Tree(files, {line[3]: line[1] for line in listed if line and files.get(line[3], (b"",))[0] == line[2].encode()})

    def read(self, tree: Tree, path: str) -> bytes | None:
        """A file's bytes; None: surely not there."""
        if path not in tree.files:
            return None
        data: bytes = self._repo[tree.files[path][0]].data
        return data

    def commit(self, tip: ObjectID | None, session: Session, now: datetime) -> ObjectID | None:
        """The session's changes on top of `tip`; None where they change nothing."""
        from dulwich.index import commit_tree
        from dulwich.objects import Commit

        before = self.tree(tip)
        files, written = dict(before.files), dict(before.written)
        for path, asset in session.changes.items():
            if asset is not None:
                files[path], written[path] = self._blob(asset.source.read_bytes()), asset.digest
            elif written.pop(path, None):
                del files[path]
        if written or LIST in files:
            lines = (f"{digest} {files[path][0].decode()} {path}\n" for path, digest in sorted(written.items()))
            files[LIST] = self._blob("".join(lines).encode())
        if files == before.files:
            return None
        if clash := next((path for path in files for folder in PurePosixPath(path).parents if str(folder) in files), None):
            raise AmplifyError(f"{self._address}: {clash} cannot be written, since a file has the name of its folder")
        commit = Commit()
        commit.tree = commit_tree(self._repo.object_store, [(os.fsencode(path), *entry) for path, entry in files.items()])
        commit.parents = [tip] if tip else []
        commit.author = commit.committer = self._options.author.encode()
        commit.author_time = commit.commit_time = int(now.timestamp())
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b"Publish\n"
        self._repo.object_store.add_object(commit)
        return commit.id

    def _blob(self, data: bytes) -> tuple[ObjectID, int]:
        from dulwich.objects import Blob

        blob = Blob.from_string(data)
        self._repo.object_store.add_object(blob)
        return blob.id, 0o100644

    def push(self, tip: ObjectID | None, commit: ObjectID) -> str:
        """Put `commit` in the place of `tip`; why it was not taken, or ""."""

        def update(refs: Mapping[Ref, ObjectID]) -> dict[Ref, ObjectID]:
            if refs.get(self._branch) != tip:
                raise _Moved
            return {self._branch: commit}

        try:
            with self._far_end() as (client, path):
                answer = client.send_pack(path, update, self._repo.generate_pack_data, progress=_silent)
        except _Moved:
            return "somebody else publishes to it at the same time"
        why = (answer.ref_status or {}).get(self._branch) or ""
        if not why:
            self._repo.refs[self._branch] = commit
        return str(why)


class _Moved(Exception):
    """The branch is not where it was a moment ago."""


def _address(options: Options, folder: Path) -> str:
    """The repository as the library wants it. Raises ValueError for what cannot work."""
    address = options.repository
    if options.password and not re.match(r"https?://", address):
        raise ValueError("a password is for https addresses; over ssh the keys of this computer are used")
    if not re.match(r"[^/\\:]{2,}:", address):
        return str((folder / address).resolve())
    parts = urlsplit(address)
    if "://" in address and parts.scheme not in ("https", "http", "ssh"):
        raise ValueError(f"repository = {address!r} is none; write a folder, or an address with https:// or ssh://")
    if parts.password:
        raise ValueError('a password does not belong into repository; write password = "env:GIT_TOKEN"')
    if options.password and parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("http:// would show the password to everyone on the way; write https://")
    return address


def _silent(progress: object) -> None:
    """Nobody needs to see how objects are counted."""


def _words(error: Exception) -> str:
    """The last of what was said: libraries wrap the reason in much else."""
    reason = getattr(error.__cause__, "reason", None)
    lines = str(reason or error).strip().splitlines()
    return (lines[-1].split(": ")[-1] if reason else lines[-1]) if lines else type(error).__name__


def _inside(path: PurePosixPath) -> str:
    if path.is_absolute() or {"..", ".git"} & set(path.parts) or path.name in ("", LIST) or any(one < " " for one in str(path)):
        raise AmplifyError(f"{str(path)!r} would lead out of the website; it was left alone")
    return str(path)


@hookimpl
def amplify_channels() -> list[Channel]:
    """The kind `git`."""
    return [Channel("git", Options, Git)]
