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

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from amplify.api import AmplifyError, Asset, Channel, Digest, MissingExtra, Paused, Secret, Services, Transient, hookimpl

if TYPE_CHECKING:
    from dulwich.objects import ObjectID
    from dulwich.refs import Ref
    from dulwich.repo import Repo

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
        self._options, self._clock = options, services.clock
        self._address = _address(options, services.folder)
        self._cache = services.cache / "repository"
        self._branch = f"refs/heads/{options.branch}".encode()

    def listing(self) -> Mapping[PurePosixPath, Digest]:
        """What Amplify wrote to the branch and is still as it was written."""
        with self._copy() as repo:
            known, files = _known(repo, tip := self._tip(repo)), _files(repo, tip)
        return {PurePosixPath(path.decode()): Digest(digest) for path, (digest, blob) in known.items() if files.get(path, ("", 0))[0] == blob}

    def read(self, path: PurePosixPath) -> bytes | None:
        """A file's bytes, or None."""
        name = _inside(path)
        with self._copy() as repo:
            return _bytes(repo, _files(repo, self._tip(repo)), name)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Changes are collected; leaving it without an error makes them one commit, and pushes it."""
        session = Session()
        yield session
        with self._copy() as repo:
            said = ""
            for _ in range(_ATTEMPTS):
                tip = self._tip(repo)
                commit = self._commit(repo, tip, session)
                said = self._push(repo, tip, commit) if commit else ""
                if not said:
                    return
        raise Transient(f"{self._address}: the branch {self._options.branch} was not taken: {said}")

    @contextmanager
    def _copy(self) -> Iterator[Repo]:
        """The copy in the cache, made if it is not there, or not whole."""
        try:
            from dulwich.errors import NotGitRepository
            from dulwich.repo import Repo
        except ImportError as error:
            raise MissingExtra("git", "git") from error
        try:
            repo = Repo(str(self._cache))
        except NotGitRepository:
            new = self._cache.with_suffix(".new")
            for path in (new, self._cache):
                shutil.rmtree(path, ignore_errors=True)
            new.mkdir(parents=True)
            Repo.init_bare(str(new)).close()
            new.replace(self._cache)
            repo = Repo(str(self._cache))
        with contextlib.closing(repo):
            yield repo

    @contextmanager
    def _talking(self) -> Iterator[tuple[Any, Any]]:
        """What talks to the far end, and the path there. What goes wrong is Paused or Transient."""
        from dulwich.client import HTTPUnauthorized, get_transport_and_path
        from dulwich.config import ConfigDict
        from dulwich.errors import GitProtocolError, NotGitRepository

        options, config, given = self._options, ConfigDict(), {}
        config.set((b"http",), b"timeout", str(options.timeout).encode())
        if options.username or options.password:
            given["username"] = options.username or "git"
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

    def _tip(self, repo: Repo) -> ObjectID | None:
        """The newest commit of the branch there, brought into the copy; None: there is no such branch."""

        def wanted(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001 - as it is called
            return [commit for name, commit in refs.items() if name == self._branch and commit not in repo.object_store]

        with self._talking() as (client, path):
            there = client.fetch(path, repo, wanted, progress=_silent, depth=1, ref_prefix=[self._branch])
        tip: ObjectID | None = there.refs.get(self._branch)
        if tip:
            repo.refs[self._branch] = tip
        return tip

    def _commit(self, repo: Repo, tip: ObjectID | None, session: Session) -> ObjectID | None:
        """The session's changes on top of `tip`; None where they change nothing."""
        from dulwich.index import commit_tree
        from dulwich.objects import Blob, Commit

        before, known = _files(repo, tip), _known(repo, tip)
        files = {path: entry for path, entry in before.items() if path not in session.gone or path not in known}
        known = {path: entry for path, entry in known.items() if path not in session.gone}

        def add(path: bytes, data: bytes) -> ObjectID:
            blob = Blob.from_string(data)
            repo.object_store.add_object(blob)
            files[path] = (blob.id, 0o100644)
            return blob.id

        for path, asset in session.there.items():
            known[path] = (asset.digest, add(path, asset.source.read_bytes()))
        if known or LIST.encode() in files:
            add(LIST.encode(), b"".join(b"%s %s %s\n" % (digest.encode(), blob, path) for path, (digest, blob) in sorted(known.items())))
        if files == before:
            return None
        self._no_clash(files)
        commit = Commit()
        commit.tree = commit_tree(repo.object_store, [(path, *entry) for path, entry in files.items()])
        commit.parents = [tip] if tip else []
        commit.author = commit.committer = self._options.author.encode()
        commit.author_time = commit.commit_time = int(self._clock().timestamp())
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b"Publish\n"
        repo.object_store.add_object(commit)
        return commit.id
