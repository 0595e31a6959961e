"""The search page looks through a script of data beside it: what is public, and nothing that a page or a script could trip over."""

from __future__ import annotations

import json

import pytest
from tests.conftest import Make
from tests.kit import Community, page

EDITION = page({"title": "Joy", "date": "2026-11-18 20:00", "summary": "Marking"}, "Dear **all**.\n\n::contribution[haircuts]\n")
HAIRCUTS = page({"title": "Fifteen haircuts", "kind": "question", "author": "Amal", "tags": "marking"}, "How?")


def rows(community: Community) -> list[list[str]]:
    community.publish()
    written = community.site()["search.js"].decode()
    return json.loads("[" + written.partition("[")[2].rpartition("]")[0].rstrip().rstrip(",") + "]")


def test_an_edition_and_each_thing_in_it_can_be_found(community: Make) -> None:
    town = community({"editions/2026-11.md": EDITION, "contributions/haircuts.md": HAIRCUTS})

    assert rows(town) == [
        ["editions/2026-11/", "edition", "Joy", "Marking · Dear all."],
        ["editions/2026-11/#haircuts", "question", "Fifteen haircuts", "Amal · marking · How?"],
    ]


def test_what_is_not_public_cannot_be_found(community: Make) -> None:
    draft = page({"title": "Secret", "date": "2026-11-18", "draft": True}, "::contribution[haircuts]")

    assert rows(community({"editions/2026-11.md": draft, "contributions/haircuts.md": HAIRCUTS})) == []


@pytest.mark.parametrize("title", ["</script><script>alert(1)</script>", '"; alert(1); "', "a\u2028b\u2029c", "<!--", "a\\"])
def test_no_words_end_the_script(community: Make, title: str) -> None:
    town = community({"editions/2026-11.md": page({"title": title, "date": "2026-11-18 20:00"}, title)})

    [found] = rows(town)
    written = town.site()["search.js"].decode()
    assert found[2] == " ".join(title.split())
    assert not any(one in written for one in ("</", "<!", "\u2028", "\u2029"))


def test_one_changed_edition_changes_one_line(community: Make) -> None:
    plain = EDITION.replace("::contribution[haircuts]", "")
    town = community({"editions/2026-10.md": plain.replace("2026-11-18", "2026-10-18"), "editions/2026-11.md": plain})
    before = rows(town)
    town.write({"editions/2026-11.md": plain.replace("Joy", "More joy")})

    assert [one for one in rows(town) if one not in before] == [["editions/2026-11/", "edition", "More joy", "Marking · Dear all."]]
