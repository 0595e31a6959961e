"""What `amplify plugins new` writes: for each kind a plugin that works, and its test. `$` names are filled in."""

from __future__ import annotations

from string import Template
from typing import Literal

Sort = Literal["source", "mirror", "announcer"]

_ANNOUNCER = '''\
"""Post each publication to $title.

    [[channel]]
    name = "$name"
    plugin = "$name"
    server = "https://$name.example.org"
    token = "env:${upper}_TOKEN"

`token` is what the server gave you for writing.
"""

from dataclasses import dataclass

from amplify.api import Channel, Delivery, Message, Receipt, Secret, Services, Traits, Unknown, hookimpl, single


@dataclass(frozen=True)
class Options:
    server: str
    """The address of the service, without a path."""
    token: Secret
    """What lets you post there."""


class $type:
    traits = Traits(form="post", audience="public", limit=500)

    def __init__(self, options: Options, services: Services) -> None:
        self.posts = f"{options.server}/api/posts"
        self.headers = {"Authorization": f"Bearer {options.token.reveal()}"}
        self.services = services

    def session(self, message: Message):
        return single(self.deliver, message)

    def deliver(self, delivery: Delivery, message: Message) -> Receipt:
        answer = self.services.http.post(self.posts, headers=self.headers, json={"text": message.text}).json()
        return Receipt(id=str(answer["id"]), url=answer.get("url"), at=self.services.clock())

    def find(self, delivery: Delivery, message: Message) -> Receipt | None:
        raise Unknown("$title cannot be asked what became of a post")


@hookimpl
def amplify_channels():
    return [Channel("$name", Options, $type)]
'''
_ANNOUNCER_TEST = """\
from amplify.testing import AnnouncerSuite, Reply


class Test$type(AnnouncerSuite):
    kind = "$name"

    def options(self):
        return {"server": self.far.url, "token": "never-to-be-seen"}

    def answer(self, request):
        return Reply(json={"id": len(self.far.taken) + 1})
"""
_SOURCE = '''\
"""Gather what members offer on $title.

    [[source]]
    name = "$name"
    plugin = "$name"
    url = "https://$name.example.org/posts.json"

`url` leads to a list of posts as JSON.
"""

from dataclasses import dataclass

from amplify.api import Bookmark, Offer, Services, SourceKind, Unreadable, hookimpl, parse_moment


@dataclass(frozen=True)
class Options:
    url: str
    """The list of posts, as JSON."""


class $type:
    def __init__(self, options: Options, services: Services) -> None:
        self.url, self.services = options.url, services

    def gather(self, since: Bookmark | None):
        got = self.services.http.get(self.url, etag=since.value if since else "")
        if got.unchanged:
            return
        posts = got.json()
        if not isinstance(posts, list):
            raise Unreadable(f"{self.url} holds no list of posts")
        for post in posts:
            moment = parse_moment(post["date"], self.services.zone)
            yield Offer(id=str(post["id"]), title=post["title"], body=post["html"], url=post["url"], author=post["author"], offered=moment)
        yield Bookmark(value=got.etag)


@hookimpl
def amplify_sources():
    return [SourceKind("$name", Options, $type)]
'''
_SOURCE_TEST = """\
from amplify.testing import Reply, SourceSuite


class Test$type(SourceSuite):
    kind = "$name"

    def options(self):
        return {"url": f"{self.far.url}/posts.json"}

    def answer(self, request):
        etag = f'"{self.things}"'
        if request.headers.get("if-none-match") == etag:
            return Reply(status=304)
        return Reply(json=[self.post(number) for number in range(self.things)], headers={"ETag": etag})

    def post(self, number):
        url = f"https://$name.example.org/{number}"
        return {"id": number, "title": f"Post {number}", "html": f"<p>How we did it in room {number}.</p>", "url": url,
                "author": "Amal", "date": "2026-11-18 20:00"}
"""
_MIRROR = '''\
"""Keep the whole site on $title.

    [[channel]]
    name = "$name"
    plugin = "$name"
    file = "$name.zip"

`file` is where the archive goes.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from zipfile import ZipFile, ZipInfo

from amplify.api import AmplifyError, Asset, Channel, Digest, Services, hookimpl


@dataclass(frozen=True)
class Options:
    file: str
    """The ZIP file, relative to the community folder or absolute."""


class $type:
    local = True

    def __init__(self, options: Options, services: Services) -> None:
        self.file = services.folder / options.file
        self.files: dict[PurePosixPath, tuple[Digest, bytes]] = {}
        if self.file.exists():
            with ZipFile(self.file) as old:
                self.files = {PurePosixPath(one.filename): (Digest(one.comment.decode()), old.read(one)) for one in old.infolist()}

    def listing(self):
        return {path: digest for path, (digest, _) in self.files.items()}

    def read(self, path: PurePosixPath) -> bytes | None:
        return self.files[path][1] if path in self.files else None

    @contextmanager
    def session(self):
        yield self
        new = self.file.with_suffix(".new")
        with ZipFile(new, "w") as made:
            for path, (digest, data) in sorted(self.files.items()):
                entry = ZipInfo(str(path))
                entry.comment = digest.encode()
                made.writestr(entry, data)
        new.replace(self.file)

    def put(self, asset: Asset) -> None:
        if asset.path.is_absolute() or ".." in asset.path.parts or not asset.path.name:
            raise AmplifyError(f"{asset.path} leads out of the site, and was left alone")
        self.files[asset.path] = (asset.digest, asset.source.read_bytes())

    def remove(self, path: PurePosixPath) -> None:
        self.files.pop(path, None)


@hookimpl
def amplify_channels():
    return [Channel("$name", Options, $type)]
'''
_MIRROR_TEST = """\
from zipfile import ZipFile

from amplify.testing import MirrorSuite


class Test$type(MirrorSuite):
    kind = "$name"

    def options(self):
        return {"file": "$name.zip"}

    def there(self):
        file = self.folder / "$name.zip"
        if not file.exists():
            return {}
        with ZipFile(file) as made:
            return {name: made.read(name) for name in made.namelist()}
"""
_SAMPLES: dict[Sort, tuple[str, str]] = {
    "announcer": (_ANNOUNCER, _ANNOUNCER_TEST),
    "mirror": (_MIRROR, _MIRROR_TEST),
    "source": (_SOURCE, _SOURCE_TEST),
}


def sample(sort: Sort, name: str) -> tuple[str, str]:
    """A plugin and its test."""
    title = name.replace("_", " ").capitalize()
    values = {"name": name, "upper": name.upper(), "title": title, "type": title.title().replace(" ", "")}
    plugin, test = (Template(text).substitute(values) for text in _SAMPLES[sort])
    return plugin, test
