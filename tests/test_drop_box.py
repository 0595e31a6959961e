"""A drop box: what members put into a folder is offered, its pictures with it, and nothing in the folder is touched."""

from __future__ import annotations

import os
from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image
from tests.conftest import Make
from tests.kit import SETTINGS, Community, contents

from amplify import pipeline

SOURCE = '\n[[source]]\nname = "drop box"\nplugin = "folder"\npath = "offers"\n'
TEXT = """\
---
title: "Marking: with joy"
author: Amal Haddad
email: amal@example.org
date: 2026-11-17 18:00
kind: resource
tags: marking, joy
licence: CC BY 4.0
---
Three ways.

![The bench, cleared](pictures/my%20bench.jpg)
"""


def drawn(kind: str = "JPEG", size: tuple[int, int] = (40, 30), **more: object) -> bytes:
    """A picture, red above and blue below."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (0, size[1] // 2, size[0], size[1]))
    written = BytesIO()
    image.save(written, kind, **more)
    return written.getvalue()


@pytest.fixture
def town(community: Make) -> Community:
    return community({"amplify.toml": SETTINGS + SOURCE, "offers/.keep": ""})


def put(town: Community, files: dict[str, str | bytes]) -> Community:
    """Put files there, an hour ago."""
    town.write({f"offers/{name}": content for name, content in files.items()})
    then = (pipeline.now() - timedelta(hours=1)).timestamp()
    for name in files:
        os.utime(town.root / "offers" / name, (then, then))
    return town


def gathered(town: Community) -> dict[str, object]:
    """What gathering said of the drop box."""
    return town.run("gather", "--json").json["sources"][0]


def notes(town: Community) -> object:
    return gathered(town)["notes"]


def titles(town: Community) -> list[str]:
    return [one["title"] for one in town.run("review", "--list", "--json").json["offers"]]


def accepted(town: Community, number: str = "1") -> str:
    """The file that the first thing in the inbox becomes."""
    ran = town.run("review", "--accept", number)
    assert ran.status == 0, ran.err
    return (town.root / ran.out.rpartition(": ")[2].strip()).read_text("utf-8")


class TestTexts:
    def test_a_text_is_what_its_head_says(self, town: Community) -> None:
        put(town, {"marking.md": TEXT, "pictures/my bench.jpg": drawn()}).run("gather")

        [front, body] = accepted(town).removeprefix("---\n").split("---\n")

        assert front.splitlines()[1:] == [
            'title: "Marking: with joy"', 'kind: "resource"', 'author: "Amal Haddad"', 'date: "2026-11-17 18:00"', 'source: "drop box"',
            'licence: "CC BY 4.0"', 'tags: ["marking", "joy"]',
        ]  # fmt: skip
        assert body.startswith("Three ways.\n\n![The bench, cleared](assets/offered/")

    def test_one_without_a_head_has_the_name_of_its_file(self, town: Community) -> None:
        put(town, {"well-done_lee.txt": "Lee has QTLS.\n"}).run("gather")

        assert titles(town) == ["Well done lee"]
        assert accepted(town).endswith("---\nLee has QTLS.\n")

    def test_a_head_that_cannot_be_read_is_offered_as_it_stands(self, town: Community) -> None:
        put(town, {"a.md": "---\ntitle: a: b\n---\nWords.\n"})

        assert gathered(town)["new"] == 1
        assert "title: a: b" in accepted(town)

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
    def test_words_are_read_however_they_were_saved(self, town: Community, encoding: str) -> None:
        put(town, {"a.txt": "Café – “joy”".encode(encoding)}).run("gather")

        assert "Café – “joy”" in accepted(town)

    def test_a_text_that_was_edited_is_offered_anew_and_one_that_was_not_is_not(self, town: Community) -> None:
        put(town, {"a.txt": "One.", "b.txt": "Two."}).run("gather")
        put(town, {"a.txt": "One and a half."})

        found = gathered(town)

        assert (found["new"], found["changed"], found["unchanged"]) == (0, 1, 0)

    def test_a_picture_that_comes_after_its_text_is_added(self, town: Community) -> None:
        put(town, {"marking.md": TEXT})
        assert notes(town) == ["marking.md shows pictures/my%20bench.jpg, which is not there"]

        put(town, {"pictures/my bench.jpg": drawn()})

        assert (gathered(town)["changed"], "assets/offered/" in accepted(town)) == (1, True)


class TestPictures:
    def test_a_picture_alone_is_an_offer(self, town: Community) -> None:
        put(town, {"wall-of-thanks.png": drawn("PNG")}).run("gather")

        assert titles(town) == ["Wall of thanks"]
        assert "![](assets/offered/" in accepted(town)

    def test_a_picture_belongs_to_the_text_of_its_name(self, town: Community) -> None:
        put(town, {"bench.txt": "Cleared.", "bench.jpg": drawn()}).run("gather")

        assert titles(town) == ["Bench"]
        assert "Cleared.\n\n![Bench](assets/offered/" in accepted(town)

    def test_what_is_shown_is_drawn_anew_upright_and_says_not_where_it_was_taken(self, town: Community) -> None:
        exif = Image.Exif()
        exif[0x0112], exif[0x9286] = 6, "taken at home"
        exif.get_ifd(0x8825)[1] = "N"
        put(town, {"bench.jpg": drawn(size=(4000, 3000), exif=exif, comment=b"taken at home")}).run("gather")
        accepted(town)

        [shown] = (town.root / "assets" / "offered").iterdir()
        with Image.open(shown) as image:
            assert (image.size, dict(image.getexif()), b"taken at home" in shown.read_bytes()) == ((1500, 2000), {}, False)

    def test_what_is_left_out_again_takes_its_picture_along(self, town: Community) -> None:
        put(town, {"bench.jpg": drawn()}).run("gather")
        accepted(town)
        town.run("review", "--undo", "1")

        assert contents(town.root / "assets") == {}

    @pytest.mark.parametrize("data", [b"GIF89a no picture", drawn()[:200], b"<svg onload='alert(1)'/>", drawn("TIFF")])
    def test_what_is_no_picture_is_a_line(self, town: Community, data: bytes) -> None:
        put(town, {"a.jpg": data})

        assert notes(town) == ["a.jpg: it is no JPEG, PNG, WebP or GIF picture, or a damaged one"]

    def test_one_that_would_fill_the_memory_is_a_line(self, town: Community) -> None:
        bomb = Image.new("1", (20_000, 20_000))
        written = BytesIO()
        bomb.save(written, "PNG")
        put(town, {"a.png": written.getvalue()})

        assert notes(town) == ["a.png: the picture has more than 89 million pixels"]

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
    def test_other_pictures_are_taken_too(self, town: Community, kind: str) -> None:
        put(town, {f"a.{kind.lower()}": drawn(kind)}).run("gather")

        assert "(assets/offered/" in accepted(town)
        assert town.run("check").status == 0


class TestTheFolder:
    def test_nothing_in_it_is_touched(self, town: Community) -> None:
        put(town, {"marking.md": TEXT, "pictures/my bench.jpg": drawn(), "b.docx": b"PK"})
        before = contents(town.root / "offers")
        town.run("gather")
        accepted(town)

        assert contents(town.root / "offers") == before

    @pytest.mark.parametrize(
        "name",
        [".hidden.md", "~$a.md", "a.md~", "a.md.part", "a.txt.crdownload", "a.sync-conflict-20261118-200000-ABC.md",
         "a (Jo's conflicted copy 2026-11-18).md", "README.md", ".git/a.md"],
    )  # fmt: skip
    def test_unfinished_hidden_and_doubled_files_are_left_alone(self, town: Community, name: str) -> None:
        put(town, {name: "x"})

        assert (titles(town), notes(town)) == ([], [])

    def test_what_was_changed_just_now_waits_and_that_is_said(self, town: Community) -> None:
        town.write({"offers/a.md": "Half a sen"})

        found = gathered(town)
        assert (found["new"], found["notes"]) == (0, ["changed a moment ago, so left until the next time: 1 file"])

    def test_links_never_lead_out_of_it(self, town: Community) -> None:
        put(town, {"a.md": "![x](../secret.jpg) ![y](/secret.jpg) ![z](link.jpg)"}).write({"secret.jpg": drawn(), "away/b.md": "b"})
        (town.root / "offers" / "link.jpg").symlink_to(town.root / "secret.jpg")
        (town.root / "offers" / "away").symlink_to(town.root / "away")
        town.run("gather")

        assert titles(town) == ["A"]
        assert accepted(town).endswith("---\nx y z\n")

    def test_a_queue_or_a_folder_with_the_name_of_a_text_is_left_alone(self, town: Community) -> None:
        os.mkfifo(town.root / "offers" / "a.txt")
        (town.root / "offers" / "b.md").mkdir()

        assert (gathered(town)["failure"], titles(town)) == (None, [])

    def test_what_is_of_no_use_is_a_line(self, town: Community) -> None:
        put(town, {"a.docx": b"PK", "b.txt": "x" * 1_000_001, "c.txt": ""})

        assert notes(town) == [
            "a.docx: is neither a text nor a picture; save it as .txt, .md, .jpg or .png", "b.txt: has more than 1 MB", "c.txt: is empty"
        ]  # fmt: skip

    def test_a_folder_that_is_not_there_is_a_failure(self, town: Community) -> None:
        (town.root / "offers" / ".keep").unlink()
        (town.root / "offers").rmdir()

        assert "there is no folder" in str(gathered(town)["failure"])

    def test_the_community_itself_is_no_drop_box(self, community: Make) -> None:
        ran = community({"amplify.toml": SETTINGS + SOURCE.replace('"offers"', '"."')}).run("gather")

        assert (ran.status, "holds the community folder itself" in ran.err) == (1, True)
