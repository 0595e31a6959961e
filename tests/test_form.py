"""The answers of a form: each row is offered, as the settings say what its columns mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import Make
from tests.http_peer import Peer, peer
from tests.kit import SETTINGS, Community

SOURCE = """
[[source]]
name = "form"
plugin = "csv"
file = "answers.csv"
title = "Your idea"
body = ["What did you do?", "How did it go?"]
author = "Your name"
email = "E-mail"
date = "Timestamp"
kind = "What is it?"
kinds = { "I have a question" = "question" }
consent = "May we name you?"
"""
HEAD = ["Timestamp", "Your name", "E-mail", "What is it?", "Your  idea", "What did you\ndo?", "How did it go?", "May we name you?"]
AMAL = ["18/11/2026 20:05:33", "Amal", "amal@example.org", "I have a question", "Marking", "I marked,\nwith joy.", "Well.", "Yes, gladly"]


def table(*rows: list[str], mark: str = ",") -> str:
    return "".join(mark.join(f'"{cell}"' for cell in row) + "\r\n" for row in (HEAD, *rows))


@pytest.fixture
def town(community: Make) -> Community:
    return community({"amplify.toml": SETTINGS + SOURCE, "answers.csv": table(AMAL)})


def gathered(town: Community) -> dict[str, Any]:
    """What gathering said of the form."""
    found: dict[str, Any] = town.run("gather", "--json").json["sources"][0]
    return found


def offers(town: Community) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = town.run("review", "--list", "--json").json["offers"]
    return found


def test_a_row_is_what_the_columns_say(town: Community) -> None:
    town.run("gather")
    town.run("review", "--accept", "1")

    written = (town.root / "contributions" / "marking.md").read_text("utf-8")
    assert written.splitlines()[2:] == [
        'title: "Marking"', 'kind: "question"', 'author: "Amal"', 'date: "2026-11-18 20:05"', 'source: "form"', "consent: {name: true}",
        "---", "I marked,", "with joy.", "", "Well.",
    ]  # fmt: skip


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_it_is_read_however_it_was_saved(town: Community, mark: str, encoding: str) -> None:
    row = [*AMAL[:1], "Zoë; Ltd, “x”", *AMAL[2:]]
    town.write({"answers.csv": table(row, mark=mark).encode(encoding)}).run("gather")

    assert [one["author"] for one in offers(town)] == ["Zoë; Ltd, “x”"]


def test_a_column_that_is_not_there_is_named_with_those_that_are(town: Community) -> None:
    town.write({"answers.csv": table(AMAL).replace("Your  idea", "Your best idea")})

    failure = gathered(town)["failure"]

    assert failure.startswith('there is no column "Your idea" in answers.csv; the columns are "Timestamp", "Your name", ')


def test_a_row_that_cannot_be_read_is_a_line_with_its_number(town: Community) -> None:
    nothing, long, large = ["", "Sam", *[""] * 6], [*AMAL, "x"], [*AMAL[:4], "Welding", "x" * 300_000, *AMAL[6:]]
    town.write({"answers.csv": table(AMAL, nothing, [""] * 8, long, large)})

    found = gathered(town)

    assert (found["new"], found["notes"]) == (
        2, ["row 3 has neither a title nor a text", "row 5 has 9 cells, and there are 8 columns"]
    )  # fmt: skip


def test_a_table_that_did_not_change_is_not_read_again_and_new_rows_are_new(town: Community) -> None:
    town.run("gather")
    assert gathered(town)["unchanged"] == 0

    town.write({"answers.csv": table(AMAL, [*AMAL[:4], "Welding", *AMAL[5:]])})

    assert gathered(town)["new"] == 1


def test_other_columns_are_read_when_the_settings_change(town: Community) -> None:
    town.run("gather")
    town.write({"amplify.toml": SETTINGS + SOURCE.replace('title = "Your idea"', 'title = "Your name"')})

    assert gathered(town)["new"] == 1


def test_a_column_can_say_which_answer_it_is(town: Community) -> None:
    town.write({"amplify.toml": SETTINGS + SOURCE + 'id = "E-mail"\n'}).run("gather")
    town.write({"answers.csv": table([*AMAL[:4], "Marking with joy", *AMAL[5:]])})

    assert (gathered(town)["changed"], offers(town)[0]["title"]) == (1, "Marking with joy")


@pytest.mark.parametrize(
    ("written", "options", "read"),
    [("18/11/2026 20:05:33", "", "2026-11-18 20:05"), ("2026-11-18T20:05:33Z", "", "2026-11-18 20:05"),
     ("11/18/2026 20:05:33", 'date_format = "%m/%d/%Y %H:%M:%S"', "2026-11-18 20:05"), ("18.11.2026", "", "2026-11-18 00:00")],
)  # fmt: skip
def test_a_date_is_read_as_it_is_written(town: Community, written: str, options: str, read: str) -> None:
    town.write({"amplify.toml": f"{SETTINGS}{SOURCE}{options}\n", "answers.csv": table([written, *AMAL[1:]])}).run("gather")
    town.run("review", "--accept", "1")

    assert f'date: "{read}"' in (town.root / "contributions" / "marking.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("answer", "written"), [("No, please", "{name: false}"), ("", "{name: false}"), ("Ja!", "{name: true}"), ("Perhaps", "")]
)
def test_whether_they_may_be_named_goes_into_the_file(town: Community, answer: str, written: str) -> None:
    town.write({"answers.csv": table([*AMAL[:7], answer])}).run("gather")
    town.run("review", "--accept", "1")

    assert ("consent: " in (said := (town.root / "contributions" / "marking.md").read_text("utf-8")), written in said) == (
        bool(written),
        True,
    )


@pytest.mark.parametrize(("data", "failure"), [("", "its first row is empty"), (b"\x81\x00\xff", "it is no table that can be read")])
def test_what_is_no_table_is_a_failure(town: Community, data: str | bytes, failure: str) -> None:
    assert gathered(town.write({"answers.csv": data}))["failure"].startswith(failure)


@pytest.fixture
def there() -> Iterator[Peer]:
    with peer() as made:
        yield made


def test_it_may_be_an_address(town: Community, there: Peer) -> None:
    there.answers["/pub"] = [(200, {"ETag": '"1"'}, table(AMAL).encode()), (304, {}, b"")]
    settings = SOURCE.replace('"answers.csv"', json.dumps(there.url("/pub")))
    town.write({"amplify.toml": SETTINGS + settings + '[http]\nallow = ["127.0.0.0/8"]\n'})

    assert [gathered(town)[what] for what in ("new", "new", "unchanged")] == [1, 0, 0]
    assert there.asked[1].headers["if-none-match"] == '"1"'
