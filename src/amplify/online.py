"""What the world can see: the mark beside the site, and whether a page is really there before anybody is sent to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from amplify import __version__, state
from amplify.api import Mirror
from amplify.cache import digest, write_whole
from amplify.config import FILE, Settings
from amplify.deliver import World, minding
from amplify.errors import AmplifyError, FolderError, Problem
from amplify.instances import Instance
from amplify.model import Asset, Digest, Mark, Publication
from amplify.plan import MARK
from amplify.store import Store

_PAUSE = 10.0
"""Seconds between two looks at a page that is not there yet."""
_RESERVED = ("example", "example.com", "example.net", "example.org", "invalid", "test", "localhost")
NOTHING = "Nothing was sent and nothing went online."
Fetch = Callable[[str], bytes]


def serving(channels: Iterable[Instance]) -> Instance | None:
    """The mirror behind the public address: the one that says `serves = true`, or the only one."""
    mirrors = [one for one in channels if isinstance(one.works, Mirror)]
    said = [one for one in mirrors if one.table.serves]
    if said:
        return said[0]
    return mirrors[0] if len(mirrors) == 1 and mirrors[0].table.serves is not False else None


def listing(channel: str, works: Mirror) -> Mapping[PurePosixPath, Digest]:
    """What a mirror says that it holds. Raises AmplifyError."""
    with minding(channel, NOTHING):
        return dict(works.listing())


def check_mark(store: Store, mirror: Instance | None, name: str) -> None:
    """Raises StateError where the website knows of announcements that this record lacks."""
    state.compare(_mark(mirror), store.mark(), name)


def stranger(store: Store, mirror: Instance | None, name: str) -> str:
    """What to say of a record that knows of nothing, beside a website that knows of something; "" for any other."""
    return "" if (ours := store.mark()).claimed else state.behind(_mark(mirror), ours, name)


def _mark(mirror: Instance | None) -> Mark | None:
    if mirror is None or not isinstance(mirror.works, Mirror):
        return None
    with minding(mirror.table.name, NOTHING):
        return state.read(mirror.works.read(MARK))


def put_mark(store: Store, mirror: Instance | None, folder: Path) -> None:
    """Put the mark online. Raises AmplifyError, and then nothing must be sent."""
    if mirror is None or not isinstance(mirror.works, Mirror):
        return
    data = state.written(store.mark())
    source = folder / MARK.name
    try:
        write_whole(source, data)
        with minding(mirror.table.name, "Nothing more was sent."), mirror.works.session() as session:
            session.put(Asset(path=MARK, digest=digest(data), size=len(data), type="application/json", source=source, rank="index"))
    except OSError as error:
        raise AmplifyError(f"{source} could not be written: {error.strerror or error}. Nothing more was sent.") from error


def check_address(settings: Settings) -> None:
    """Raises FolderError where links in a mail that really leaves would lead to an example address."""
    host = urlsplit(settings.community.url).hostname or ""
    if settings.publish.verify_site and is_example(settings.community.url):
        message = f"the website's address is still an example ({host}), so no link in the mail would work"
        remedy = "write the true address as url under [community], or verify_site = false under [publish]"
        raise FolderError([Problem(file=FILE, line=0, rule="C18", message=message, remedy=remedy)])


def is_example(url: str) -> bool:
    """Whether an address is made up, and leads nowhere."""
    host = urlsplit(url).hostname or ""
    return any(host == name or host.endswith(f".{name}") for name in _RESERVED)


def fetch(url: str) -> bytes:
    """A page of the organiser's own website, at most 5 MB. Raises OSError."""
    import http.client
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": f"Amplify/{__version__}", "Cache-Control": "no-cache"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the address is the community's own, http or https
            return bytes(answer.read(5_000_000))
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error


def wait_until_there(
    publications: Iterable[Publication], settings: Settings, world: World, until: timedelta, get: Fetch = fetch
) -> dict[str, str]:
    """Look at each public page until it shows what is about to be announced; what is missing in the end, by key, and why."""
    missing = {one.key: one for one in publications}
    why: dict[str, str] = {}
    deadline: datetime = world.clock() + until
    while missing:
        for key, one in list(missing.items()):
            url = urljoin(settings.community.url.rstrip("/") + "/", one.path)
            if reason := _not_there(url, one, get):
                why[key] = f"{url} {reason}"
            else:
                del missing[key]
                why.pop(key, None)
        if missing:
            if world.clock() >= deadline:
                break
            world.sleep(_PAUSE)
    return why


def _not_there(url: str, one: Publication, get: Fetch) -> str:
    try:
        page = get(url)
    except (OSError, ValueError) as error:
        answered = getattr(error, "code", None)
        return f"answers {answered}" if answered else f"cannot be reached: {getattr(error, 'reason', error)}"
    return "" if one.digest.encode() in page else "still shows an older page"
