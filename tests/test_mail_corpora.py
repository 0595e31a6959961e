"""Every mail of other people's collections in one mailbox, whole and cut off in the middle: each is offered, left alone or kept.

The collections lie beside the repository, in ../shared/corpora; where they are missing, the test says so and is skipped.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from imap_peer import PASSWORD, USER, dovecot
from tests.conftest import Make
from tests.kit import SETTINGS, contents

from amplify.apart import Workers
from amplify.errors import Unreadable
from amplify.incoming import read_mail

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
NAMES = ("cpython-email", "mail-parser", "sisimai-bounces")
SOURCE = f"""
[[source]]
name = "mailbox"
plugin = "imap"
server = "imap://127.0.0.1:PORT"
username = "{USER}"
password = "{PASSWORD}"
first = 10_000
"""

pytestmark = [
    pytest.mark.skipif(not all((CORPORA / name).exists() for name in NAMES), reason=f"{CORPORA.name}/ is not beside the repository"),
    pytest.mark.timeout(600),
]


def mails() -> list[bytes]:
    """Each mail of the collections, and its first half."""
    files = [
        file for name in NAMES for file in sorted((CORPORA / name).rglob("*")) if file.is_file() and file.name not in ("LICENSE", "SOURCE")
    ]
    whole = [file.read_bytes() for file in files if file.suffix == ".eml" or file.name.startswith(("msg_", "mbox", "size"))]
    return [half for mail in whole for half in (mail, mail[: len(mail) // 2]) if half]


def test_every_mail_is_accounted_for_and_none_touched(community: Make) -> None:
    with dovecot() as server:
        server.put(*mails())
        town = community({"amplify.toml": SETTINGS + SOURCE.replace("PORT", str(server.plain))})
        before = server.there()
        [first] = town.run("gather", "--json").json["sources"]
        [second] = town.run("gather", "--json").json["sources"]
        after = server.there()

    alone = sum(int(number) for number in re.findall(r"(\d+) (?:automatic|empty) mails", " ".join(first["notes"])))
    leaving = sum("asks to leave" in note for note in first["notes"])
    kept = len([name for name in contents(town.root) if name.startswith(".amplify/quarantine/")])
    found = sum(first[what] for what in ("new", "changed", "duplicate", "unchanged"))
    print(f"{len(mails())} mails: {found} offered, {alone} left alone, {kept} kept unread, {leaving} leaving; {first['notes']}")
    assert (first["failure"], found + alone + kept + leaving) == (None, len(mails()))
    assert (second["new"], second["changed"], second["failure"]) == (0, 0, None)
    assert after == before


def test_none_takes_longer_than_five_seconds() -> None:
    with Workers() as apart:
        for mail in mails():
            try:
                apart(read_mail, mail, "news@joyfe.example.org", seconds=5)
            except Unreadable as error:
                assert "took longer" not in error.reason  # noqa: PT017 - what cannot be read is fine, if it is said at once


def expected(file: Path) -> dict[str, str]:
    """Subject, address, name and date as another reader has them, as far as it could read them."""
    heads = {str(one["name"]): one["value"] for one in json.loads(file.with_suffix(".json").read_text())["parts"][0]["headers"]}
    subject, sender, date = (heads.get(name) for name in ("subject", "from", "date"))
    wanted: dict[str, Any] = {"subject": " ".join(subject["Text"].split()) if isinstance(subject, dict) and "Text" in subject else ""}
    if isinstance(sender, dict) and len(sender.get("Address", {}).get("List", ())) == 1:
        [one] = sender["Address"]["List"]
        wanted |= {"address": one.get("address"), "author": one.get("name")}
    if isinstance(date, dict) and "DateTime" in date:
        when = date["DateTime"]
        wanted["date"] = "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}".format(**when)
    return {key: value for key, value in wanted.items() if value and "\ufffd" not in value}


def test_what_another_reader_finds_is_found() -> None:
    files = [file for file in sorted((CORPORA / "mail-parser").rglob("*.eml")) if file.with_suffix(".json").exists()]
    wrong, all_of_them = [], 0
    for file in files:
        found = read_mail(file.read_bytes(), "news@joyfe.example.org")
        for key, value in expected(file).items():
            all_of_them += 1
            if found[key][: len(value)] != value:  # type: ignore[literal-required]
                wrong.append((file.name, key, value, found[key]))  # type: ignore[literal-required]
    print(f"{all_of_them - len(wrong)} of {all_of_them} as expected; not: {wrong}")
    assert len(wrong) <= all_of_them * 0.02
