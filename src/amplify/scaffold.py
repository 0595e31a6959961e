"""What `amplify init` writes: a community folder that publishes as it is, whose samples are drafts.

`files` is the whole folder as a value, `write` puts it on the disk, `report` says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import tomlkit
import yaml

from amplify import config, samples, text
from amplify.cache import write_whole
from amplify.errors import AmplifyError
from amplify.questions import Answers, answers

NOT_YET = "https://not-yet.example.org/"
"""The address of a website that does not exist yet; nobody can ever own it."""
SCHEMA = ".amplify/amplify.schema.json"

# -- the folder as a value -----------------------------------------------------------------------------------------


def files(answered: Answers, today: date) -> Mapping[PurePosixPath, bytes]:
    """Every file of a new community; `today` is the day on its own clock. Raises AmplifyError for answers that are none."""
    who = answers(asdict(answered))
    made = {".gitignore": samples.GITIGNORE, config.FILE: _settings(who)}
    if who.kind != "podcast":
        made |= _newsletter(who, today)
    binary = {}
    if who.kind != "newsletter":
        made["episodes/README.txt"] = samples.EPISODES
        binary["assets/artwork.jpg"] = samples.artwork()
    return {PurePosixPath(path): data for path, data in sorted(({path: words.encode() for path, words in made.items()} | binary).items())}


def _settings(who: Answers) -> str:
    parts = [_fill(samples.COMMUNITY, name=who.name, url=who.url or NOT_YET, timezone=who.timezone, contact=who.contact), samples.WEBSITE]
    if who.kind != "newsletter":
        parts.insert(1, _fill(samples.PODCAST, title=who.name, description=f"Conversations from {who.name}."))
    if who.kind != "podcast":
        parts.insert(1, _fill(samples.NEWSLETTER, title=who.name, sender=_sender(who), reply_to=who.contact))
        parts.append(samples.MAIL)
    return "\n".join([*parts, samples.PUBLISH])


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
        f"editions/{today:%Y-%m}.md": samples.EDITION.format_map(values),
        "contributions/sample-question.md": samples.QUESTION.format_map(values),
        "contributions/sample-celebration.md": samples.CELEBRATION.format_map(values),
        "events/sample-meeting.md": samples.EVENT.format_map(values),
        "members/sam-sample.md": samples.MEMBER,
    }


def _identity(prefix: str, *parts: object) -> str:
    """An id that nobody else is likely to have; the same answers on the same day give the same."""
    number = int.from_bytes(blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    letters = "23456789abcdefghjkmnpqrstvwxyz"
    return f"{prefix}-" + "".join(letters[number // len(letters) ** place % len(letters)] for place in range(6))


def _yaml(value: str) -> str:
    return str(yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10_000)).strip()


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
        _row("amplify connect email", "once, about ten minutes: which mailbox sends your newsletter") if edition else "",
        _row("amplify test --to YOU", "sends the sample to that address and to nobody else") if edition else "",
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
