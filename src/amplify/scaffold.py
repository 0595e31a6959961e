"""What `amplify init` writes: a community folder that publishes as it is, whose samples are drafts.

`answers` reads what people typed, `files` is the whole folder as a value, `write` puts it on the disk, `report` says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from hashlib import blake2b
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

import tomlkit
import yaml

from amplify import config, text, times
from amplify.cache import write_whole
from amplify.errors import AmplifyError

NOT_YET = "https://not-yet.example.org/"
"""The address of a website that does not exist yet; nobody can ever own it."""
SCHEMA = ".amplify/amplify.schema.json"
Kind = Literal["newsletter", "podcast", "both"]
_KINDS: tuple[Kind, ...] = ("newsletter", "podcast", "both")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Answers:
    """What an organiser said about the community. `contact` and `url` may be empty: not yet."""

    name: str
    kind: Kind = "both"
    contact: str = ""
    url: str = ""
    timezone: str = "UTC"


@dataclass(frozen=True)
class Question:
    """One question. `default` gives the answer for Enter alone (None: there must be one); `read` raises ValueError, in words."""

    key: str
    words: str
    default: Callable[[], str | None]
    read: Callable[[str], str]
    shown: str = ""
    """The default as it is shown in brackets, where the value itself says nothing."""


def read_name(written: str) -> str:
    """A community's name, on one line."""
    name = text.fit(text.one_line(written), _LONGEST_NAME)
    if not name:
        raise ValueError("a community needs a name")
    return name


def read_kind(written: str) -> Kind:
    """`newsletter`, `podcast` or `both`, or how one of them begins."""
    word = written.strip().lower()
    kind = next((kind for kind in _KINDS if word and kind.startswith(word)), None)
    if kind is None:
        raise ValueError(f"{text.fit(written, 60)!r} is none of newsletter, podcast, both")
    return kind


def read_contact(written: str) -> str:
    """An e-mail address, or nothing."""
    address = written.strip()
    part = r"[^<>@\s\"(),:;\\\[\]\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
    if address and not re.fullmatch(f"{part}@{part}", address):
        raise ValueError(f"{text.fit(written, 60)!r} is no e-mail address; write it like organiser@example.org")
    return address


def read_url(written: str) -> str:
    """A web address, with https:// if that was left out; nothing for a website that is still to come."""
    address = written.strip()
    if address.lower() in ("", "not yet"):
        return ""
    if "://" not in address:
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f\x7f-\x9f\"<>\\^`{|}]", address):
        raise ValueError(f"{text.fit(written, 60)!r} is no web address; write it like https://community.example.org/")
    return address.rstrip("/") + "/"


def read_timezone(written: str) -> str:
    """The name of a time zone."""
    return times.zone(written.strip()).key


def guess_timezone(environment: Mapping[str, str] = os.environ, etc: Path = Path("/etc")) -> str:
    """The time zone that this computer is set to, or UTC where it does not say."""
    for candidate in (environment.get("TZ", ""), _link(etc / "localtime"), _first_line(etc / "timezone")):
        name = candidate.strip().lstrip(":").replace("\\", "/").rpartition("zoneinfo/")[2]
        try:
            return "UTC" if name in ("Etc/UTC", "Etc/UCT", "UCT", "Zulu") else read_timezone(name)
        except ValueError:
            continue
    return "UTC"


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return ""


INTRODUCTION = "Five questions. Enter takes the answer in brackets. Nothing is sent or put online."
QUESTIONS = (
    Question("name", "What is your community called?", lambda: None, read_name),
    Question("kind", "Newsletter, podcast or both?", lambda: "both", read_kind, "both"),
    Question("contact", "Your own e-mail address, for tests:", lambda: "", read_contact),
    Question("url", "The address of your website?", lambda: "", read_url, "not yet"),
    Question("timezone", "Whose clock?", guess_timezone, read_timezone),
)


def answers(given: Mapping[str, str]) -> Answers:
    """What was `given`, by the keys of `QUESTIONS`, and the defaults of the rest. Raises AmplifyError with all that is wrong."""
    read: dict[str, Any] = {}
    wrong: list[str] = []
    for question in QUESTIONS:
        try:
            read[question.key] = question.read(given.get(question.key) or question.default() or "")
        except ValueError as error:
            wrong.append(f"{question.key}: {error}.")
    if wrong:
        raise AmplifyError("\n".join([*wrong, "Nothing was made."]))
    return Answers(**read)


# -- the folder as a value -----------------------------------------------------------------------------------------


def files(answered: Answers, today: date) -> Mapping[PurePosixPath, bytes]:
    """Every file of a new community; `today` is the day on its own clock. Raises AmplifyError for answers that are none."""
    who = answers(asdict(answered))
    made = {".gitignore": _GITIGNORE, config.FILE: _settings(who)}
    if who.kind != "podcast":
        made |= _newsletter(who, today)
    binary = {}
    if who.kind != "newsletter":
        made["episodes/README.txt"] = _EPISODES
        binary["assets/artwork.jpg"] = artwork()
    return {PurePosixPath(path): data for path, data in sorted(({path: words.encode() for path, words in made.items()} | binary).items())}


def _settings(who: Answers) -> str:
    parts = [_fill(_COMMUNITY, name=who.name, url=who.url or NOT_YET, timezone=who.timezone, contact=who.contact), _WEBSITE]
    if who.kind != "newsletter":
        parts.insert(1, _fill(_PODCAST, title=who.name, description=f"Conversations from {who.name}."))
    if who.kind != "podcast":
        parts.insert(1, _fill(_NEWSLETTER, title=who.name, sender=_sender(who), reply_to=who.contact))
        parts.append(_MAIL)
    return "\n".join([*parts, _PUBLISH])


def _fill(template: str, **values: str) -> str:
    """`template` with each `{name}` replaced by its value, quoted as TOML."""
    return template.format_map({name: tomlkit.string(value).as_string() for name, value in values.items()})


def _sender(who: Answers) -> str:
    """`Name <address>`; what has a meaning of its own in a mail's header is left out of the name."""
    name = text.one_line(re.sub(r"[<>()\[\]:;@\\,\"]", " ", who.name)) or "Newsletter"
    return f"{name} <{who.contact or 'news@' + str(urlsplit(who.url or NOT_YET).hostname)}>"


def _newsletter(who: Answers, today: date) -> dict[str, str]:
    """A sample edition, and everything that it places."""
    meeting = today + timedelta(days=7 + (3 - today.weekday()) % 7)
    values = {
        "edition_id": _identity("ed", who.name, today),
        "question_id": _identity("c", who.name, today, "question"),
        "thanks_id": _identity("c", who.name, today, "celebration"),
        "event_id": _identity("ev", who.name, today),
        "title": _yaml(f"{today:%B}: a sample letter from {who.name}"),
        "subject": _yaml(f"A sample letter from {who.name}"),
        "month": f"{today:%B}",
        "today": today.isoformat(),
        "until": (today + timedelta(days=60)).isoformat(),
        "meeting": meeting.isoformat(),
        "meeting_words": f"{meeting:%A} {meeting.day} {meeting:%B}",
    }
    return {
        f"editions/{today:%Y-%m}.md": _EDITION.format_map(values),
        "contributions/sample-question.md": _QUESTION.format_map(values),
        "contributions/sample-celebration.md": _CELEBRATION.format_map(values),
        "events/sample-meeting.md": _EVENT.format_map(values),
        "members/sam-sample.md": _MEMBER,
    }


def _identity(prefix: str, *parts: object) -> str:
    """An id that nobody else is likely to have; the same answers on the same day give the same."""
    number = int.from_bytes(blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    letters = "23456789abcdefghjkmnpqrstvwxyz"
    return f"{prefix}-" + "".join(letters[number // len(letters) ** place % len(letters)] for place in range(6))


def _yaml(value: str) -> str:
    return str(yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10_000)).strip()


def artwork() -> bytes:
    """Placeholder artwork for a podcast (F26): the sound of a voice, drawn; the same bytes each time."""
    from PIL import Image, ImageDraw

    size, smooth = 1400, 2
    image = Image.new("RGB", (size * smooth, size * smooth), "#0b6e6e")
    draw = ImageDraw.Draw(image)
    middle = size * smooth // 2
    for radius, colour in ((560, "#2a8080"), (470, "#fbfaf7")):
        reach = radius * smooth
        draw.ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=colour)
    for place, height in enumerate((60, 130, 240, 170, 290, 170, 240, 130, 60), start=-4):
        x, half, tall = middle + place * 84 * smooth, 21 * smooth, height * smooth
        draw.rounded_rectangle((x - half, middle - tall, x + half, middle + tall), radius=half, fill="#0b6e6e")
    bytes_ = BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(bytes_, "JPEG", quality=85, dpi=(72, 72), optimize=True)
    return bytes_.getvalue()


# -- onto the disk -------------------------------------------------------------------------------------------------


def name_of(folder: Path) -> str:
    """What a community is called when only its folder is: `joyfe` makes "Joyfe"."""
    words = folder.resolve().name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else "Our community"


def folder_name(name: str) -> str:
    """What the folder of a community of that name is called."""
    return text.slug(name, "community")


def write(root: Path, made: Mapping[PurePosixPath, bytes]) -> tuple[Path, ...]:
    """Write `made` and the schema of the settings into `root`. Raises AmplifyError, with nothing written, if a file would be lost."""
    wanted = {root / path: data for path, data in made.items()}
    if problems := list(_in_the_way(root, wanted)):
        raise AmplifyError("\n".join([*problems, "Nothing was made and nothing was changed."]))
    settings = root / config.FILE
    schema = json.dumps(config.json_schema(), indent=1, sort_keys=True).encode() + b"\n"
    ordered = [(root / SCHEMA, schema), *((path, data) for path, data in wanted.items() if path != settings), (settings, wanted[settings])]
    for path, data in ordered:
        try:
            write_whole(path, data)
        except OSError as error:
            raise AmplifyError(
                f"{path} cannot be written: {error.strerror or error}.\nThe community is not complete; run the same command again."
            ) from error
    return tuple(wanted)


def _in_the_way(root: Path, wanted: Mapping[Path, bytes]) -> Iterable[str]:
    if os.path.lexists(root / config.FILE):
        yield f"{'This folder' if root == Path() else root} is a community already: it has a file {config.FILE}."
        return
    folders = {folder for path in (*wanted, root / SCHEMA) for folder in path.parents if folder == root or root in folder.parents}
    for folder in sorted(folders):
        if os.path.lexists(folder) and not folder.is_dir():
            yield f"{folder} is no folder, and a community needs one of that name."
    for path, data in sorted(wanted.items()):
        if os.path.lexists(path) and not _holds(path, data):
            yield f"{path} is there already and would be lost; move it, or choose another folder."


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def report(root: Path, made: Iterable[Path | PurePosixPath]) -> str:
    """What was made in `root`, as it was typed, and what to do next."""
    names = [PurePosixPath(path.relative_to(root) if path.is_relative_to(root) else path).as_posix() for path in made]
    here = root == Path()
    edition = next((name for name in names if name.startswith("editions/")), "")
    podcast = any(name.startswith("episodes/") for name in names)
    shown = f'"{root}"' if re.search(r"[^\w./\\:~-]", str(root)) else str(root)
    steps = [
        "" if here else f"  cd {shown}",
        _row(
            "amplify preview", "see the sample as mail and as a page, in your browser" if edition else "see your website, in your browser"
        ),
        _row("amplify subscribers add", "puts a person on your list") if edition else "",
        _row("amplify publish", "shows what would happen, and asks before what cannot be taken back"),
    ]
    lines = [
        f"Made the folder {root}. Edit anything in it with any text editor:"
        if not here
        else "Made a community here. Edit anything in it with any text editor:",
        _row(edition, "a sample edition, marked as draft: it cannot be sent") if edition else "",
        _row("episodes/   assets/", "where recordings and pictures go") if podcast else "",
        _row(config.FILE, "who you are; your answers are in it"),
        "Members' addresses and the record of what was sent stay on this computer, outside what you publish.",
        "Next, in this order:",
        *steps,
        ("Nobody is on your list yet. " if edition else "") + "Nothing leaves until you say yes to  amplify publish.",
    ]
    return "\n".join(filter(None, lines))


def _row(what: str, words: str) -> str:
    return f"  {what:<24}  {words}"


# -- the words -----------------------------------------------------------------------------------------------------

_GITIGNORE = """\
# What is made from the rest, and what is nobody else's business.
public/
.amplify/
subscribers*.csv
"""

_COMMUNITY = """\
#:schema .amplify/amplify.schema.json

# Who you are, and where your words go. Change anything here with any text editor.
# A line that begins with # is a note: it does nothing.

[community]
name = {name}
url = {url}    # the address of your website; change it once you have one
language = "en-GB"
timezone = {timezone}    # every time in your files is on this clock
contact = {contact}    # where people reach you
purpose = ""    # one sentence: who you are, for whom
hashtags = []    # like ["OurCommunity"]
accent = "#0b6e6e"    # the colour of links and buttons

# What do you want to see happen? Take the # away and say it.
# [[community.goal]]
# text = "Ten people who never wrote for us before, every term"
# measure = "new_contributors"
# target = 10
# per = "term"
"""

_NEWSLETTER = """\
[newsletter]
title = {title}
from = {sender}    # the name and address that readers see
reply_to = {reply_to}    # where their answers go
postal_address = ""    # printed at the foot; the law of many countries asks for one
"""

_PODCAST = """\
[podcast]
title = {title}
author = {title}
description = {description}
category = "Education"
explicit = false
artwork = "assets/artwork.jpg"    # a placeholder: put your own there, square, at least 1400 pixels
# Podcast directories write to the owner to know that the podcast is yours. Everybody can read this address.
# owner = {{ name = "Your name", email = "podcast@example.org" }}
"""

_WEBSITE = """\
# Your website: Amplify keeps this folder the same as what you have written.
[[channel]]
name = "website"
plugin = "folder"
path = "public"
"""

_MAIL = """\
# Your newsletter by mail. "outbox:" means that nothing leaves this computer:
# each mail is put into the folder .amplify/outbox, where you can open it and look at it.
[[channel]]
name = "newsletter"
plugin = "email"
server = "outbox:"
publishes = ["edition"]
"""

_PUBLISH = """\
[publish]
announce_within = "7 days"    # what is older than this and was never sent is for the archive, not news
# quiet = ["2030-12-20/2031-01-03"]    # days on which nothing new is announced
"""

_EPISODES = """\
Recordings go into this folder, each with a small text file of the same name beside it.
For the recording first-words.mp3 that is first-words.md, and it begins like this:

---
title: Our first words
date: 2030-01-31 07:00      # goes online with the first publish after this
draft: true                 # take this line away when it may go
summary: Two of us on how it began, and what we would do again.
audio: first-words.mp3
people:
  - name: Sam Sample
    role: host
---
What listeners want to read besides: links, names, thanks.

File names are their addresses: small letters, digits and hyphens. Nothing in this file is ever published.
"""

_EDITION = """\
---
id: {edition_id}                  # leave this line alone
title: {title}    # the heading of the page and of the mail
date: {today}                # goes with the first publish after this; a time may follow, like {today} 20:00
draft: true                     # take this line away when it may go
subject: {subject}    # the subject of the mail
preheader: A question for you, a small triumph, and a date for your diary    # what a mailbox shows beside the subject
summary: A sample of what a letter can hold, to look at, to change and to throw away.    # for the archive and for feeds
---
Dear all,

This is a sample. Nobody gets it while the line `draft: true` is there. Change whatever you like, look at it with
`amplify preview`, and when {month} has enough in it to be worth a letter, write your own.

These are *your own words*, between the headings. A line that begins with two colons brings in something from another
file: what a member wrote, a meeting, an episode.

Warmly,
*the organisers*

## You asked

::contribution[sample-question]         question, by Sam; these words at the end are for you and are never printed

If you have an answer, reply to this letter.

## Well done

::contribution[sample-celebration]      celebration, from Alex

## Meet

Bring a friend who has not been before.

::event[sample-meeting]                 {meeting_words}, 8 pm

## The diary

::events[{today}/{until}]

::feedback[]

::end

Below the line ::end nothing leaves: keep notes here, and what came too late.
When you have an episode, a line with ::episode[its-file-name] brings it in.
"""

_QUESTION = """\
---
id: {question_id}
title: "A sample question: how do you begin a lesson?"
kind: question
author: sam-sample
date: {today}
licence: CC BY 4.0
consent:
  name: true
---
This is a sample of what a member sends you. It is online only while an edition that is online brings it in.

I have tried *silence*, a riddle on the board, and a biscuit for whoever is first. What do you do in the first three minutes?
"""

_CELEBRATION = """\
---
id: {thanks_id}
title: "A sample celebration: twelve out of twelve"
kind: celebration
author: Alex Example
date: {today}
licence: CC BY 4.0
consent:
  name: true
---
This is a sample as well. **Twelve learners** began in September and twelve are still here. Somebody should say so, and a
newsletter is a good place for it.
"""

_EVENT = """\
---
id: {event_id}
title: A sample meeting
kind: meeting
start: {meeting} 20:00
duration: 1 hour
place: The staff room, or wherever the kettle is
hosts: [sam-sample]
theme: The first three minutes of a lesson
---
This is a sample. Change it into your next meeting, or delete this file and the two places in the sample edition that name it.
"""

_MEMBER = """\
---
name: Sam Sample
pronouns: they/them
role: a sample member
credit: named        # or: first name, or: anonymous
---
Sam does not exist. Each person who agreed to be listed has a small file like this one.
"""
