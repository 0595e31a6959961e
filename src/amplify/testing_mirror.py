"""What every channel that keeps a place equal to the site promises, as a class of tests to inherit from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Protocol

import pytest

from amplify import deliver, plan
from amplify.api import Channel, Mirror
from amplify.errors import AmplifyError
from amplify.instances import instance
from amplify.model import Asset, Digest, Site
from amplify.testing_suite import Suite, said

SITE = {
    "index.html": b"<h1>Joy in FE</h1>",
    "editions/2026-11/index.html": b"<p>Dear all</p>",
    "a/b/c/d/e/f/g/page.v1.2.html": b"deep",
    ".well-known/x.y.z": b"dots",
    "assets/Zo\u00eb at work.txt": "caf\u00e9".encode(),
    "empty.txt": b"",
    "podcast.xml": b"<rss/>",
}


def asset(folder: Path, path: str, content: bytes = b"x") -> Asset:
    """A file of the site with these bytes, which are kept in `folder`."""
    digest = Digest(blake2b(content, digest_size=16).hexdigest())
    source = folder / "sources" / digest
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(content)
    return Asset(path=PurePosixPath(path), digest=digest, size=len(content), type="text/html", source=source)


class Kept(Protocol):
    """The place, seen from both sides: as Amplify has it, and as whoever keeps it sees it."""

    @property
    def works(self) -> Mirror:
        """A new instance, as every run of the command makes one."""

    def site(self) -> Mapping[str, bytes]:
        """Every file there but those that the plugin needs for itself."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put files there by another hand."""


@dataclass
class Place:
    """The place of a suite."""

    suite: MirrorSuite

    @property
    def works(self) -> Mirror:
        """A new instance, as every run of the command makes one."""
        return self.suite.mirror()

    def site(self) -> Mapping[str, bytes]:
        """Every file there but those that the plugin needs for itself."""
        return self.suite.there()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put files there by another hand."""
        self.suite.put_there(files)


def publish(place: Kept, folder: Path, files: Mapping[str, bytes]) -> int:
    """Make the place equal to a site, as `publish` does; how many changes it took."""
    works, assets = place.works, {PurePosixPath(path): asset(folder, path, content) for path, content in files.items()}
    step = plan.mirror("tested", Site(assets=assets, digest=Digest("")), works.listing())
    deliver.mirror(step, works, lambda *_: None)
    return len(step.new) + len(step.changed) + len(step.remove)


class MirrorSuite(Suite):
    """A channel that keeps a place equal to the site: file by file, each whole, and nothing touched that is not its own."""

    def there(self) -> Mapping[str, bytes]:
        """Every file at the place by its path, but for those that the plugin needs for itself. To be written by whoever inherits."""
        raise NotImplementedError

    def put_there(self, files: Mapping[str, bytes]) -> None:  # noqa: ARG002 - for those who inherit
        """Put files there as somebody else would. Where nobody can, the tests that need it are left out."""
        pytest.skip("nobody else can write there")

    def mirror(self) -> Mirror:
        """A new instance, as every run of the command makes one."""
        kind = self.found()
        assert isinstance(kind, Channel)
        works = instance(self.table(), kind, self.lend()).works
        assert isinstance(works, Mirror), "this channel sends: inherit from AnnouncerSuite"
        return works

    @pytest.fixture
    def place(self) -> Kept:
        """The place under test."""
        return Place(self)

    # -- what is promised ----------------------------------------------------------------------------------------------

    def test_becomes_equal_to_the_site(self, place: Kept, tmp_path: Path) -> None:
        publish(place, tmp_path, SITE)

        assert place.site() == SITE
        assert _listed(place) == set(SITE)

    def test_is_left_alone_when_it_is_equal(self, place: Kept, tmp_path: Path) -> None:
        publish(place, tmp_path, SITE)

        assert publish(place, tmp_path, SITE) == 0, "`listing` does not say what `put` wrote"

    def test_takes_a_file_twice(self, place: Kept, tmp_path: Path) -> None:
        for _ in range(2):
            with place.works.session() as session:
                session.put(asset(tmp_path, "index.html", b"once"))
                session.put(asset(tmp_path, "index.html", b"once"))

        assert place.site() == {"index.html": b"once"}

    def test_follows_what_changes(self, place: Kept, tmp_path: Path) -> None:
        publish(place, tmp_path, SITE)
        changes = publish(place, tmp_path, SITE | {"index.html": b"<h1>Joy</h1>", "new/index.html": b"new"})

        assert changes == 2
        assert place.site() == SITE | {"index.html": b"<h1>Joy</h1>", "new/index.html": b"new"}

    def test_loses_what_the_site_lost(self, place: Kept, tmp_path: Path) -> None:
        publish(place, tmp_path, SITE)
        publish(place, tmp_path, {"index.html": b"all that is left"})

        assert place.site() == {"index.html": b"all that is left"}
        assert _listed(place) == {"index.html"}

    def test_may_have_lost_it_already(self, place: Kept) -> None:
        with place.works.session() as session:
            session.remove(PurePosixPath("never/was.html"))

        assert place.site() == {}

    def test_keeps_what_amplify_did_not_write(self, place: Kept, tmp_path: Path) -> None:
        theirs = {".htaccess": b"theirs", "editions/notes.txt": b"theirs", "old/index.html": b"theirs"}
        place.write(theirs)

        publish(place, tmp_path, SITE)
        publish(place, tmp_path, {})

        assert place.site() == theirs

    def test_gives_a_file_back(self, place: Kept, tmp_path: Path) -> None:
        publish(place, tmp_path, SITE)
        works = place.works

        assert {path: works.read(PurePosixPath(path)) for path in SITE} == SITE

    def test_says_what_is_surely_not_there(self, place: Kept, tmp_path: Path) -> None:
        assert place.works.read(PurePosixPath("amplify.json")) is None
        publish(place, tmp_path, {"index.html": b"x"})

        assert place.works.read(PurePosixPath("amplify.json")) is None
        assert place.works.read(PurePosixPath("no/such/folder/amplify.json")) is None

    def test_takes_a_large_file(self, place: Kept, tmp_path: Path) -> None:
        large = bytes(range(256)) * 20_480
        publish(place, tmp_path, {"episodes/1.mp3": large})

        assert place.site() == {"episodes/1.mp3": large}

    def test_a_file_that_cannot_be_read_leaves_the_old_one_whole(self, place: Kept, tmp_path: Path) -> None:
        publish(place, tmp_path, {"index.html": b"before"})
        gone = replace(asset(tmp_path, "index.html", b"after"), source=tmp_path / "gone")

        with pytest.raises((AmplifyError, OSError)), place.works.session() as session:
            session.put(gone)

        assert place.site() == {"index.html": b"before"}

    def test_lists_the_truth_after_an_error_and_goes_on(self, place: Kept, tmp_path: Path) -> None:
        publish(place, tmp_path, {"index.html": b"before", "gone.html": b"x"})
        with pytest.raises(ZeroDivisionError), place.works.session() as session:  # noqa: PT012 - it breaks in the middle
            for number in range(34):
                session.put(asset(tmp_path, f"p/{number}.html", b"%d" % number))
            session.remove(PurePosixPath("gone.html"))
            raise ZeroDivisionError

        there, listing = place.site(), place.works.listing()
        assert {str(path) for path in listing} == set(there), "`listing` and what is there differ"
        assert all(digest in ("", asset(tmp_path, "x", there[str(path)]).digest) for path, digest in listing.items())
        publish(place, tmp_path, {"index.html": b"after", "p/7.html": b"seven"})
        assert place.site() == {"index.html": b"after", "p/7.html": b"seven"}

    @pytest.mark.parametrize("path", ["../victim", "/victim", "a/../../victim", "."])
    def test_refuses_a_path_that_leads_elsewhere(self, place: Kept, tmp_path: Path, path: str) -> None:
        with pytest.raises((AmplifyError, ValueError)) as raised, place.works.session() as session:
            session.put(replace(asset(tmp_path, "x"), path=PurePosixPath(path)))

        assert place.site() == {}
        assert self.leaked(said(raised.value)) == [], "a secret is in the error"


def _listed(place: Kept) -> set[str]:
    return {str(path) for path in place.works.listing()}
