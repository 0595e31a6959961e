"""What plugins are promised: every public name of `amplify.api` with its fields and signatures, so that a change of any is seen.

If this fails, something that plugins are built on has changed. An addition: write it below. Anything else breaks the plugins of
others: it needs a line in the changelog that says what their authors have to do.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from amplify import api, testing

DOCS = Path(__file__).parents[1] / "docs"
API = """
AmplifyError(Exception)
Announcer(Protocol)
    traits: Traits
    find(delivery: Delivery, message: Message) -> Receipt | None
    session(message: Message) -> AbstractContextManager[Callable[[Delivery], Receipt]]
Apart(Protocol)
Asked
    url: str
    headers: Mapping[str, str] = …
    etag: str = ''
    modified: str = ''
    limit: int = 10000000
    seconds: float = 10.0
Asset
    path: PurePosixPath
    digest: Digest
    size: int
    type: str
    source: Path
    rank: Literal['file', 'page', 'index'] = 'file'
Bookmark
    value: str
Channel
    name: str
    options: type[Any]
    make: Callable[[Any, Services], Mirror | Announcer]
Checked(Protocol)
    check() -> str
Delivery
    id: int
    key: str
    publication: Key
    channel: str
    recipient: Recipient | None
    attempt: int
    values: Mapping[str, str]
DeliveryError(AmplifyError)
    __init__(reason: str) -> None
Digest
Http(Protocol)
    each(asked: Iterable[Asked]) -> Iterator[tuple[Asked, Response | DeliveryError]]
    get(url: str, *, headers: Mapping[str, str] = …, etag: str = '', modified: str = '', limit: int = 10000000, seconds: float =
        10.0) -> Response
    post(url: str, *, headers: Mapping[str, str] = …, json: Any = None, data: Mapping[str, str] | None = None, files: Mapping[str,
        tuple[str, bytes, str]] | None = None, content: bytes | None = None, accept: Iterable[int] = ()) -> Response
    request(method: str, url: str, *, headers: Mapping[str, str] = …, json: Any = None, data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None, content: bytes | None = None, accept: Iterable[int] = ()) ->
        Response
Incoming
    id: str
    about: About
    subject: str
    author: str
    address: str
    date: str
    form: Literal['html', 'text']
    body: str
    pictures: list[Picture]
    attached: list[str]
    answers: str
    token: str
Kind(StrEnum)
    article resource question answer discussion event celebration challenge project call
ListedMirror
    connected() -> AbstractContextManager[Place]
    listing() -> Mapping[PurePosixPath, Digest]
    read(path: PurePosixPath) -> bytes | None
    session() -> Iterator[Session]
Media
    path: str
    alt: str = ''
    type: str = ''
    width: int | None = None
    height: int | None = None
Message
    publication: Key
    form: Literal['mail', 'post', 'article']
    language: str
    subject: str
    text: str
    html: str | None
    link: str
    date: datetime
    digest: Digest
    headers: tuple[tuple[str, str], ...] = ()
    media: tuple[Media, ...] = ()
    fields: tuple[str, ...] = ()
Mirror(Protocol)
    local: bool
    listing() -> Mapping[PurePosixPath, Digest]
    read(path: PurePosixPath) -> bytes | None
    session() -> AbstractContextManager[MirrorSession]
MirrorSession(Protocol)
    put(asset: Asset) -> None
    remove(path: PurePosixPath) -> None
MissingExtra(AmplifyError)
    __init__(what: str, extra: str) -> None
Offer
    id: str
    title: str = ''
    body: str = ''
    form: Literal['html', 'markdown', 'text'] = 'html'
    kind: Kind = <Kind.ARTICLE: 'article'>
    url: str | None = None
    author: str = ''
    handle: str = ''
    offered: datetime | None = None
    tags: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    reply_to: str | None = None
    licence: str = ''
    consent: bool | None = None
Paused(Transient)
Permanent(DeliveryError)
    __init__(reason: str, *, gone: bool = False) -> None
Place(Protocol)
    read(path: str) -> bytes | None
    remove(path: str) -> None
    write(path: str, source: BinaryIO, temporary: str) -> None
Receipt
    id: str
    url: str | None
    at: datetime
    note: str = ''
Recipient
    id: str
    address: str
    name: str
    language: str
    token: str
Response
    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes = b''
    etag: str
    json() -> Any
    modified: str
    text() -> str
    unchanged: bool
Secret(str)
    reveal() -> str
Services
    name: str
    folder: Path
    cache: Path
    clock: Callable[[], datetime]
    log: logging.Logger
    zone: tzinfo = datetime.timezone.utc
    http: Http
    apart: Apart
    keep: Callable[[bytes, str], Media]
    rehearsal: bool = False
Source(Protocol)
    gather(since: Bookmark | None) -> Iterable[Offer | Bookmark]
SourceKind
    name: str
    options: type[Any]
    make: Callable[[Any, Services], Source]
    anyone: bool = False
Stranger(Paused)
    __init__(reason: str, fingerprint: str) -> None
Traits
    form: Literal['mail', 'post', 'article']
    audience: Literal['public', 'subscribers']
    outside: bool = True
    idempotent: bool = False
    needs_person: bool = False
    connections: int = 1
    limit: int | None = None
    media: int = 0
    cost: str | None = None
    per_second: float | None = None
    per_hour: int | None = None
    per_day: int | None = None
    per_day_to: Mapping[str, int] = …
Transient(DeliveryError)
    __init__(reason: str, wait: float | None = None) -> None
Unknown(DeliveryError)
Unreadable(AmplifyError)
    __init__(reason: str) -> None
Unsure(DeliveryError)
front_matter(data: bytes, file: str) -> tuple[Mapping[str, Any], str]
hookimpl
named_header(header: str, name: str, address: str) -> str
parse_moment(text: str, home: tzinfo) -> datetime
read_mail(data: bytes, newsletter: str) -> Incoming
single(deliver: Callable[[Delivery, Message], Receipt], message: Message) -> AbstractContextManager[Callable[[Delivery], Receipt]]
words_header(header: str, words: str) -> str
"""
TESTING = [
    "EDITION",
    "NOW",
    "SETTINGS",
    "AnnouncerSuite",
    "Clock",
    "Community",
    "Fault",
    "MirrorSuite",
    "Ran",
    "Reply",
    "Request",
    "Server",
    "SourceSuite",
    "contents",
    "lending",
    "listening",
]
SUITES = {
    "AnnouncerSuite": ["faults", "posts", "shown", "announcer", "message", "delivery", "send", "settle", "find", "far_end_has"],
    "MirrorSuite": ["there", "put_there", "mirror", "place"],
    "SourceSuite": ["offers", "faults", "things", "fill", "is_post", "fount", "inbox", "gather"],
}


def shape(name: str, thing: Any) -> Iterator[str]:
    """A public name, and what of it others can use."""
    if not isinstance(thing, type):
        yield f"{name}{signature(thing)}" if inspect.isfunction(thing) else name
        return
    bases = [one.__name__ for one in thing.__bases__ if one.__name__ in {*api.__all__, "Exception", "str", "StrEnum", "Protocol"}]
    yield f"{name}({', '.join(bases)})" if bases else name
    if issubclass(thing, Enum):
        yield "    " + " ".join(str(one.value) if name == "Kind" else one.name for one in thing)
    elif is_dataclass(thing):
        yield from (f"    {one.name}: {one.type}{default(one)}" for one in fields(thing) if not one.name.startswith("_"))
    else:
        hints = vars(thing).get("__annotations__", {}).items()
        yield from (f"    {field}: {getattr(hint, '__forward_arg__', hint)}" for field, hint in hints if not field.startswith("_"))
    for member, value in sorted(vars(thing).items()):
        made = member == "__init__" and not is_dataclass(thing) and "Protocol" not in bases
        if (made or not member.startswith("_")) and (method := getattr(value, "__wrapped__", value)) and inspect.isfunction(method):
            yield f"    {member}{signature(method)}"
        elif isinstance(value, property):
            yield f"    {member}: {inspect.signature(value.fget).return_annotation}".replace("'", "")  # type: ignore[arg-type]


def signature(function: Any) -> str:
    """The parameters without `self`, and what comes back."""
    written = re.sub(r"(: |-> )([\x22\x27])(.*?)\2(?=[,) ]|$)", r"\1\3", str(inspect.signature(function)))
    return re.sub(r"^\(self(, )?", "(", written).replace("Ellipsis", "…")


def default(field: Field[Any]) -> str:
    """What holds where nothing is given."""
    if field.default is MISSING:
        return "" if field.default_factory is MISSING else " = …"
    return f" = {field.default!r}"


def shapes(module: Any) -> str:
    lines = (line for name in module.__all__ for line in shape(name, getattr(module, name)))
    return "\n".join(textwrap.fill(line, 130, subsequent_indent="        ", break_long_words=False) for line in lines)


def test_what_a_plugin_can_import_is_as_it_was_promised() -> None:
    assert shapes(api) == API.strip()


def test_what_the_test_of_a_plugin_can_import_is_as_it_was_promised() -> None:
    assert testing.__all__ == TESTING


def test_each_name_is_explained_to_authors() -> None:
    page = re.sub(r"<!-- begin: .*?<!-- end -->", "", (DOCS / "plugins.md").read_text("utf-8"), flags=re.DOTALL)
    told = set(re.findall(r"\w+", page + (DOCS / "plugin-tutorial.md").read_text("utf-8")))

    assert [name for name in (*api.__all__, *testing.__all__) if name not in told] == []


def test_a_suite_asks_for_as_little_as_it_did() -> None:
    """What an author may write in a class that inherits, and nothing else is needed."""
    assert {name: [one for one in vars(getattr(testing, name)) if not one.startswith(("_", "test_"))] for name in SUITES} == SUITES
