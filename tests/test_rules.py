"""Every rule of mail and feeds says what it is about, and is silent about what is right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from amplify import compose, config, folder, questions, rules, scaffold, select, text
from amplify.cache import Cache, digest_file
from amplify.errors import Problem
from amplify.model import (
    Asset,
    Audio,
    Chapter,
    Consent,
    Content,
    Contribution,
    Digest,
    Edition,
    Episode,
    Event,
    Heading,
    Key,
    Kind,
    Media,
    Member,
    Message,
    Place,
    Placement,
    Prose,
    Provenance,
    Slug,
    Soundbite,
    Transcript,
)
from amplify.pages import Views
from amplify.render import Renderer

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)
DAY = timedelta(days=1)
DIGEST = Digest("0")
COMMUNITY = """
[community]
name = "Chalk & Circuit"
url = "https://chalk.school/"
timezone = "Europe/London"
hashtags = ["ChalkAndCircuit"]
"""
NEWSLETTER = """
[newsletter]
title = "The Circuit"
from = "The Circuit <news@chalk.school>"
reply_to = "team@chalk.school"
postal_address = "12 Yard, Leeds"
"""
PODCAST = """
[podcast]
title = "Chalk Talk"
description = "Teachers talk."
category = "Education > Courses"
artwork = "assets/artwork.jpg"
owner = { name = "Chalk", email = "podcast@chalk.school" }
"""


def at(folder_: str, slug: str) -> Place:
    return Place(file=Path(folder_) / f"{slug}.md", line=1)


EDITION = Edition(
    id="ed-1", slug=Slug("2026-11"), was=(), title="Joy in November", date=NOW - timedelta(hours=1), language="en-GB", draft=False,
    audience="", subject="Marking with joy", preheader="Fifteen haircuts, forty cards, eleven placements", summary="", image=None,
    announce={}, body=(Heading(level=2, text="Meet"), Prose(markdown="Come in.")), at=at("editions", "2026-11"), digest=DIGEST,
)  # fmt: skip
CONTRIBUTION = Contribution(
    slug=Slug("haircuts"), id="c-1", kind=Kind.QUESTION, title="How do you mark?", body="Two hours, one of me.", author="Sam Okoro",
    url=None, offered=None, provenance=(), licence=None, consent=Consent(name=True), tags=(), section=None, answers=None, embargo=None,
    expires=None, withdrawn=None, at=at("contributions", "haircuts"), digest=DIGEST,
)  # fmt: skip
MEMBER = Member(
    slug=Slug("amal-haddad"), name="Amal Haddad", handles={}, url=None, photo=None, pronouns="", role="", credit="named", bio="",
    at=at("members", "amal-haddad"), digest=DIGEST,
)  # fmt: skip
EPISODE = Episode(
    show="", id="ep-1", slug=Slug("joy"), was=(), guid="episode/ep-1", title="Marking with joy", date=NOW - DAY, language="en-GB",
    draft=False, number=1, season=None, type="full", summary="Three yellow stickers.", notes="Take three.",
    audio=Audio(address="joy.mp3", length=9_600_000, type="audio/mpeg", duration=600, digest=DIGEST, source=Path("episodes/joy.mp3")),
    explicit=False, people=(), chapters=(), soundbites=(),
    transcript=Transcript(source=Path("episodes/joy.vtt"), type="text/vtt", cues=()), artwork=None, announce={}, at=at("episodes", "joy"),
    digest=DIGEST,
)  # fmt: skip
EVENT = Event(
    id="ev-1", slug=Slug("market"), was=(), title="The Market", start=NOW + 10 * DAY, duration=timedelta(hours=1), zone="Europe/London",
    rrule=None, exdates=(), where="Leeds", url=None, kind="meeting", hosts=(), theme="", questions=(), body="Come.",
    at=at("events", "market"), digest=DIGEST,
)  # fmt: skip
Record = Edition | Contribution | Member | Episode | Event


def prose(*markdown: str, **changes: Any) -> Edition:
    return replace(EDITION, body=tuple(Prose(markdown=one) for one in markdown), **changes)


def placing(what: Any, argument: str, **changes: Any) -> Edition:
    return replace(EDITION, body=(Placement(what=what, argument=argument, line=12),), **changes)


def other(one: Any, slug: str, **changes: Any) -> Any:
    """A second record like `one`."""
    return replace(one, slug=Slug(slug), id=slug, at=at(one.at.file.parent.as_posix(), slug), **changes)


def asset(path: Path, root: Path) -> Asset:
    where = PurePosixPath(path.relative_to(root).as_posix())
    return Asset(path=where, digest=digest_file(path), size=path.stat().st_size, type="image/jpeg", source=path)


def content(records: Iterable[Record], assets: Iterable[Asset] = ()) -> Content:
    every = list(records)
    return Content(
        members={one.slug: one for one in every if isinstance(one, Member)},
        contributions={one.slug: one for one in every if isinstance(one, Contribution)},
        editions={one.slug: one for one in every if isinstance(one, Edition)},
        episodes={(one.show, one.slug): one for one in every if isinstance(one, Episode)},
        events={one.slug: one for one in every if isinstance(one, Event)},
        assets={one.path: one for one in assets},
    )


def problems(*records: Record, toml: str = COMMUNITY + NEWSLETTER, now: datetime = NOW, root: Path = ROOT) -> tuple[Problem, ...]:
    assets = [asset(path, root) for path in sorted((root / "assets").rglob("*.*"))] if root != ROOT else []
    return rules.advice(content(records, assets), config.parse(toml, root), now)


def brief(found: Iterable[Problem]) -> list[str]:
    """`N22` for a warning, `N22!` for an error."""
    return [one.rule + "!" * (one.severity == "error") for one in found]


def said(*records: Record, **how: Any) -> list[str]:
    return brief(problems(*records, **how))


# -- when


def test_folder_in_order_needs_nothing(show: Path) -> None:
    everything = (placing("contribution", "haircuts"), CONTRIBUTION, MEMBER, EPISODE, EVENT)

    assert problems(*everything, toml=COMMUNITY + NEWSLETTER + PODCAST, root=show) == ()


def test_sample_community_has_no_errors(tmp_path: Path) -> None:
    known = config.load(ROOT)
    loaded = folder.load(known, Cache(tmp_path))

    assert set(brief(rules.advice(loaded.content, known, NOW))) <= {"C18"}


def test_new_community_is_told_what_is_still_to_write(tmp_path: Path) -> None:
    scaffold.write(tmp_path / "c", scaffold.files(questions.Answers(name="JoyFE", contact="me@joyfe.school"), NOW.date()))
    known = config.load(tmp_path / "c")

    assert said_in(known, tmp_path) == ["C18", "F30", "N74"]


def said_in(known: config.Settings, tmp_path: Path) -> list[str]:
    return brief(rules.advice(folder.load(known, Cache(tmp_path / "cache")).content, known, NOW))


@pytest.mark.parametrize(
    ("when", "draft", "expected"),
    [(-8 * DAY, False, []), (-8 * DAY, True, ["N92"]), (-6 * DAY, False, ["N92"]), (30 * DAY, False, ["N92"])],
)
def test_only_what_still_matters_is_read(when: timedelta, draft: bool, expected: list[str]) -> None:
    assert said(prose("TODO", date=NOW + when, draft=draft)) == expected


def test_archive_is_not_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "html", lambda *_: pytest.fail("rendered"))

    assert said(placing("contribution", "haircuts", date=NOW - 30 * DAY), CONTRIBUTION, replace(EPISODE, date=NOW - 30 * DAY)) == []


def test_problems_name_file_line_and_remedy() -> None:
    found = problems(placing("event", "market"), replace(EVENT, start=NOW - DAY))

    assert str(found[0]) == (
        "editions/2026-11.md:12: N93 advice: 'The Market' is over before this edition goes, so it is left out"
        " (take the line out, or mend the date of the event)"
    )


# -- amplify.toml


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("The Circuit <", "Chalk, Circuit <", ["N20!"]),
        ("The Circuit <", "'Chalk: Circuit' <", ["N20!"]),
        ('"The Circuit <news', '\'"Chalk, Circuit" <news', []),
        ("team@chalk.school", "the team", ["N20!"]),
        ("12 Yard, Leeds", " ", ["N74"]),
        ("ChalkAndCircuit", "chalkandcircuituk", ["N66"]),
        ("news@chalk.school", "news@community.example.org", ["C18"]),
        ("https://chalk.school/", "https://not-yet.example.org/", ["C18"]),
        ("https://chalk.school/", "https://chalk.example/", ["C18"]),
        ("https://chalk.school/", "https://example.school/", []),
    ],
)
def test_settings_are_judged(old: str, new: str, expected: list[str]) -> None:
    toml = (COMMUNITY + NEWSLETTER).replace(old, new)
    toml = toml.replace('chalk.school>"\nreply', "chalk.school>'\nreply") if new.startswith("'\"") else toml

    assert said(toml=toml) == expected


def test_c18_example_addresses_are_meant_where_the_site_is_not_asked_for() -> None:
    toml = COMMUNITY.replace("chalk.school", "not-yet.example.org") + "[publish]\nverify_site = false"

    assert said(toml=toml) == []


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ('password = "hunter2"', ["C17"]), ('access_token = "hunter2"', ["C17"]), ('api_key = "hunter2"', ["C17"]), ('password = ""', []),
        ('password = "env:MAIL"', []), ('token = "keyring:amplify/mail"', []), ('keyboard = "qwerty"', []), ("key = 3", []),
        ('server = "smtp://me:hunter2@mail.school"', ["C17"]), ('server = "smtp://mail.school:587"', []),
    ],
)  # fmt: skip
def test_c17_secret_in_plain_text_is_told_and_not_shown(option: str, expected: list[str]) -> None:
    found = problems(toml=f'{COMMUNITY}[[channel]]\nname = "mail"\nplugin = "email"\n{option}')

    assert brief(found) == expected
    assert not any("hunter2" in str(one) or one.line != 7 for one in found)


# -- what stands in a list of mails


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"subject": "x" * 61}, ["N22"]), ({"subject": "e\u0301" * 60 + "\u200d"}, []), ({"subject": "Re: your marking"}, ["N22"]),
        ({"subject": "FWD: marking"}, ["N22"]), ({"subject": "Reading: a list"}, []), ({"preheader": ""}, ["N51"]),
        ({"preheader": "x" * 39}, ["N51"]), ({"preheader": "x" * 40}, []), ({"preheader": "x" * 90}, []),
        ({"preheader": "x" * 91}, ["N51"]),
    ],
)  # fmt: skip
def test_n22_n51_subject_and_preheader_fit_a_list_of_mails(change: dict[str, Any], expected: list[str]) -> None:
    assert said(replace(EDITION, **change)) == expected


def test_n22_matters_only_with_a_newsletter() -> None:
    assert said(replace(EDITION, subject="x" * 61, preheader=""), toml=COMMUNITY) == []


def test_n97_subject_of_an_older_edition_is_told_of_the_newer_one() -> None:
    old = other(EDITION, "2026-10", date=NOW - 40 * DAY, subject="marking with JOY")

    assert [(one.file, one.rule) for one in problems(EDITION, old)] == [("editions/2026-11.md", "N97")]
    assert said(EDITION, replace(old, subject="Boots")) == []


# -- words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Thursday 19 November", []), ("Friday 19 November", ["N90"]), ("Fri, 19th of November 2026", ["N90"]), ("Thu 19 Nov.", []),
        ("**Friday**, *November 19*", ["N90"]), ("Thursday, November 19th, 2026", []), ("Wednesday 20 January", []),
        ("Thursday 19 November 2019", ["N90"]), ("Thursday 19 November 1863", []), ("Thursday 19 November 2000 hours", []),
        ("Monday 31 November", ["N90"]), ("`Friday 19 November`", []), ("on Friday, 19 of us", []), ("Sunday may 5 people come", []),
    ],
)  # fmt: skip
def test_n90_weekday_is_that_of_its_date(words: str, expected: list[str]) -> None:
    assert said(prose(words)) == expected


@given(day=st.dates(date(1990, 1, 1), date(2090, 1, 1)), apart=st.integers(-90, 90), shift=st.integers(0, 6), year=st.booleans())
def test_n90_knows_every_date_near_an_edition(day: date, apart: int, shift: int, year: bool) -> None:
    edition = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + apart * DAY
    words = f"{day + shift * DAY:%A} {day.day} {day:%B}" + (f" {day.year}" if year else "")

    assert said(prose(words, date=edition), now=edition) == (["N90"] if shift else [])


@pytest.mark.parametrize("where", ["title", "subject", "preheader", "summary"])
def test_n90_is_read_in_front_matter(where: str) -> None:
    words = "On Friday 19 November we talk about marking at eight"

    change: dict[str, Any] = {where: words}

    assert said(replace(EDITION, **change)) == ["N90"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("TODO: thank Sam", ["N92"]), ("Love, XXX", ["N92"]), ("See [link].", ["N92"]), ("Dear {name},", ["N92"]),
        ("Dear {{ first_name }},", ["N92"]), ("*|FNAME|*", ["N92"]), ("Lorem ipsum dolor", ["N92"]), ("See [the sheet]().", ["N92"]),
        ("See [the sheet](url).", ["N92"]), ("```\nTODO {name}\n```", []), ("Write `{name}` and `TODO`.", []),
        ("See [link].\n\n[link]: https://a.school/", ["N66"]), ("My todo list", []), (r"\frac{a}{b} and x^{n}", []),
        ("He said [...] no", []),
    ],
)  # fmt: skip
def test_n92_what_was_to_be_replaced_is_found_outside_code(words: str, expected: list[str]) -> None:
    assert said(prose(words)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("[The sheet](https://bit.ly/3x)", ["N52"]), ("https://www.tinyurl.com/abc", ["N52"]),
        ("[chalk.org](https://evil.site/)", ["N52"]), ("[www.a.school](https://b.org/x)", ["N52"]), ("[gov.uk](https://www.gov.uk/a)", []),
        ("[ofsted.gov.uk](https://reports.ofsted.gov.uk/)", []), ("[Node.js](https://nodejs.org/)", []), ("https://a.org/b", []),
        ("[write](mailto:team@chalk.school)", []),
    ],
)  # fmt: skip
def test_n52_links_show_where_they_lead(words: str, expected: list[str]) -> None:
    assert said(prose(words)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("[here](https://a.org/)", ["N66"]), ("[Click here!](https://a.org/)", ["N66"]), ("[the sheet](https://a.org/)", []),
        ("We are here.", []), ("Join #chalkandcircuit", ["N66"]), ("Join #ChalkAndCircuit", []), ("Join #FurtherEducationTeachers", []),
        ("Join #furthereducationteachers", ["N66"]), ("Join #teaching", []), ("https://a.org/#furthereducationteachers", []),
    ],
)  # fmt: skip
def test_n66_links_and_hashtags_can_be_read_out(words: str, expected: list[str]) -> None:
    assert said(prose(words)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("![](assets/a.jpg)", ["N95"]),
        ("![a.jpg](assets/a.jpg)", ["N95"]),
        ("![A bench](assets/a.jpg)", []),
        ('<img src="assets/a.jpg">', ["N95"]),
    ],
)
def test_n95_pictures_have_words(words: str, expected: list[str]) -> None:
    assert said(prose(words)) == expected


def test_n66_hashtag_is_right_where_the_settings_are_worse() -> None:
    toml = (COMMUNITY + NEWSLETTER).replace("ChalkAndCircuit", "chalk")

    assert said(prose("#Chalk"), toml=toml) == []


def test_n95_image_of_an_edition_has_words() -> None:
    assert said(replace(EDITION, image=Media(path="assets/a.jpg"))) == ["N95"]
    assert said(replace(EDITION, image=Media(path="assets/a.jpg", alt="A bench"))) == []


def test_n41_image_of_an_edition_is_light(show: Path) -> None:
    (show / "assets" / "large.jpg").write_bytes(bytes(200_001))

    assert said(replace(EDITION, image=Media(path="assets/large.jpg", alt="A bench")), root=show) == ["N41"]
    assert said(replace(EDITION, image=Media(path="assets/artwork.jpg", alt="A bench")), root=show) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("https://us02web.zoom.us/j/123", ["N96"]), ("[the room](https://teams.microsoft.com/l/meetup-join/19)", ["N96"]),
        ("https://meet.google.com/abc-defg-hij", ["N96"]), ("Passcode: tea", ["N96"]), ("the passcode is 4711", ["N96"]),
        ("Meeting ID 123 456", ["N96"]), ("The passcode comes by mail.", []), ("https://zoom.us/pricing", []),
    ],
)  # fmt: skip
def test_n96_no_way_into_a_meeting_stands_on_a_public_page(words: str, expected: list[str]) -> None:
    assert said(prose(words)) == expected
    assert said(replace(EVENT, body=words)) == expected


def test_announcements_are_read_too() -> None:
    bare = COMMUNITY + PODCAST.replace("artwork", "copyright")

    assert said(replace(EDITION, announce={"mastodon": "TODO"})) == ["N92"]
    assert said(replace(EPISODE, announce={"mastodon": "TODO"}), toml=bare) == ["F26", "N92"]


@given(st.text())
def test_any_words_can_be_read(words: str) -> None:
    given_ = replace(CONTRIBUTION, title=words, body=words, author=words)

    problems(replace(placing("contribution", "haircuts"), title=words, subject=words), given_, prose(words))


# -- what an edition places


def test_n93_event_is_still_to_come() -> None:
    weekly = replace(EVENT, start=NOW - 100 * DAY, rrule="FREQ=WEEKLY")

    assert said(placing("event", "market"), EVENT) == []
    assert said(placing("event", "market"), weekly) == []
    assert said(placing("event", "market"), replace(weekly, rrule="FREQ=WEEKLY;COUNT=2")) == ["N93"]
    assert said(placing("event", "market", draft=True, date=NOW - 30 * DAY), replace(EVENT, start=NOW - DAY)) == ["N93"]


def test_n93_event_may_be_over_once_the_edition_is_out() -> None:
    assert said(placing("event", "market", date=NOW - 3 * DAY), replace(EVENT, start=NOW - DAY)) == []


@pytest.mark.parametrize(
    ("days", "expected"), [("2026-11-20/2026-12-31", []), ("2026-10-01/2026-10-31", ["N93"]), ("2026-12-20/2026-12-31", ["N93"])]
)
def test_n93_list_of_dates_has_some(days: str, expected: list[str]) -> None:
    assert said(placing("events", days), EVENT) == expected


def test_n94_sections_hold_something() -> None:
    meet, deeper, listen = Heading(level=2, text="Meet"), Heading(level=3, text="Online"), Heading(level=2, text="Listen")
    words = Prose(markdown="Come.")

    assert said(replace(EDITION, body=(meet, listen, words))) == ["N94"]
    assert said(replace(EDITION, body=(meet, deeper, words))) == []
    assert said(replace(EDITION, body=(meet, deeper))) == ["N94", "N94"]


def test_n94_section_of_what_is_left_out_is_empty() -> None:
    body = (Heading(level=2, text="Asked"), Placement(what="contribution", argument="haircuts", line=12))

    assert said(replace(EDITION, body=body), replace(CONTRIBUTION, withdrawn=NOW - DAY)) == ["N94", "C16"]
    assert said(replace(EDITION, body=body), CONTRIBUTION) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"withdrawn": NOW - DAY}, ["C16"]), ({"withdrawn": NOW}, []), ({"embargo": NOW + DAY}, ["C16"]), ({"embargo": NOW - DAY}, []),
        ({"expires": NOW - DAY}, ["C16"]), ({"expires": NOW + DAY}, []), ({"expires": NOW}, []),
    ],
)  # fmt: skip
def test_c16_what_is_placed_is_shown(change: dict[str, Any], expected: list[str]) -> None:
    assert said(placing("contribution", "haircuts"), replace(CONTRIBUTION, **change)) == expected


def test_c16_placed_episode_is_public_by_then() -> None:
    bare = COMMUNITY + NEWSLETTER

    assert said(placing("episode", "joy"), EPISODE, toml=bare) == []
    assert said(placing("episode", "joy"), replace(EPISODE, draft=True), toml=bare) == ["C16"]
    assert said(placing("episode", "joy"), replace(EPISODE, date=NOW + DAY), toml=bare) == ["C16"]
    assert said(placing("episode", "joy", date=NOW + 2 * DAY), replace(EPISODE, date=NOW + DAY), toml=bare) == []


def test_c19_author_who_is_no_member_is_told_the_nearest() -> None:
    found = problems(placing("contribution", "haircuts"), replace(CONTRIBUTION, author="amal-hadad"), MEMBER)

    assert [(one.rule, one.file, one.remedy) for one in found] == [("C19", "contributions/haircuts.md", "did you mean amal-haddad?")]
    assert said(placing("contribution", "haircuts"), replace(CONTRIBUTION, author="amal-haddad", consent=Consent()), MEMBER) == []


@pytest.mark.parametrize(("named", "draft", "expected"), [(None, False, ["N76"]), (None, True, []), (True, False, []), (False, False, [])])
def test_n76_consent_was_asked_for(named: bool | None, draft: bool, expected: list[str]) -> None:
    assert said(placing("contribution", "haircuts", draft=draft), replace(CONTRIBUTION, consent=Consent(name=named))) == expected


@pytest.mark.parametrize(("words", "licence", "expected"), [(101, None, ["N76"]), (101, "CC BY 4.0", []), (100, None, [])])
def test_n76_a_text_from_elsewhere_may_be_printed(words: int, licence: str | None, expected: list[str]) -> None:
    gathered = replace(CONTRIBUTION, body="Word " * words, licence=licence, provenance=(Provenance(source="blogs", id="1", url=None),))

    assert said(placing("contribution", "haircuts"), gathered) == expected


@pytest.mark.parametrize(
    ("credit", "words", "expected"),
    [
        ("anonymous", "Thanks to Amal  Haddad.", ["N76"]), ("anonymous", "Thanks to Amal.", []),
        ("first name", "Thanks to Amal Haddad.", ["N76"]), ("first name", "Thanks to Amal.", []), ("named", "Thanks to Amal Haddad.", []),
    ],
)  # fmt: skip
def test_n76_nobody_is_named_against_their_wish(credit: Any, words: str, expected: list[str]) -> None:
    assert said(prose(words), replace(MEMBER, credit=credit)) == expected


def test_events_that_are_over_are_not_read() -> None:
    assert said(replace(EVENT, body="TODO", start=NOW - 2 * DAY)) == []
    assert said(replace(EVENT, theme="TODO")) == ["N92"]


# -- podcasts


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A folder with artwork in order."""
    (tmp_path / "assets").mkdir()
    Image.new("RGB", (1400, 1400)).save(tmp_path / "assets" / "artwork.jpg")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Chalk Talk", " ", ["F20!"]), ("Chalk Talk", "Chalk Talk | Teaching, FE", ["F20"]), ("Teachers talk.", "é" * 2001, ["F21!"]),
        ("Teachers talk.", "é" * 2000, []), ("Teachers talk.", "", ["F21"]), ("https://chalk", "http://chalk", ["F22"]),
        ("[podcast]", '[podcast]\nlanguage = "english"', ["F23!"]), ("[podcast]", '[podcast]\nlanguage = "xx-GB"', ["F23!"]),
        ("[podcast]", '[podcast]\nlanguage = "cy"', []), ("Education > Courses", "Education", []),
        ("Education > Courses", "Courses", ["F24!"]), ("Education > Courses", "education > courses", ["F24!"]),
        ("Education > Courses", "Education > Training", ["F24!"]), ("Education > Courses", "Kids & Family > Parenting", []),
        ("owner =", "#", ["F30"]), ("podcast@chalk.school", "me", ["F30"]), ("[podcast]", '[podcast]\nguid = "1234"', ["F36"]),
        ("[podcast]", '[podcast]\nguid = "9b024349-ccf0-5f69-a609-6b82873eab3c"', []), ("artwork = ", "# ", ["F26"]),
        ("assets/artwork.jpg", "assets/none.jpg", ["F26!"]), ("assets/artwork.jpg", "artwork.jpg", ["F26!"]),
        ("assets/artwork.jpg", "https://cdn.school/a.png", []), ("assets/artwork.jpg", "https://cdn.school/a", ["F26"]),
    ],
)  # fmt: skip
def test_f20_to_f36_show_is_as_directories_ask(show: Path, old: str, new: str, expected: list[str]) -> None:
    assert said(EPISODE, toml=(COMMUNITY + PODCAST).replace(old, new), root=show) == expected


def test_f24_nearest_category_is_named(show: Path) -> None:
    found = problems(EPISODE, toml=(COMMUNITY + PODCAST).replace("Education > Courses", "Education > Course"), root=show)

    assert found[0].remedy == 'write category = "Education > Courses"'


@pytest.mark.parametrize(
    ("size", "mode", "expected"),
    [((1400, 1400), "RGB", []), ((1000, 1000), "RGB", ["F26!"]), ((1500, 1400), "RGB", ["F26!"]), ((1400, 1400), "CMYK", ["F26!"])],
)
def test_f26_artwork_is_looked_at(show: Path, size: tuple[int, int], mode: str, expected: list[str]) -> None:
    Image.new(mode, size).save(show / "assets" / "artwork.jpg")

    assert said(EPISODE, toml=COMMUNITY + PODCAST, root=show) == expected


def test_f26_damaged_artwork_is_refused(show: Path) -> None:
    (show / "assets" / "artwork.jpg").write_bytes(b"no picture")

    assert said(EPISODE, toml=COMMUNITY + PODCAST, root=show) == ["F26!"]


def test_f27_heavy_artwork_is_only_advised_against(show: Path) -> None:
    Image.effect_noise((1400, 1400), 200).convert("RGB").save(show / "assets" / "artwork.jpg", quality=100)

    assert said(EPISODE, toml=COMMUNITY + PODCAST, root=show) == ["F27"]


@pytest.mark.parametrize("change", [{"draft": True}, {"date": NOW + DAY}])
def test_podcast_without_a_public_episode_stops_nothing(change: dict[str, Any]) -> None:
    toml = COMMUNITY + PODCAST.replace("artwork =", "#").replace('title = "', 'type = "serial"\ntitle = "')

    assert sorted(said(replace(EPISODE, number=None, **change), toml=toml)) == ["F26", "F71"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("12: Joy", ["F60"]), ("#12 Joy", ["F60"]), ("Episode 12", ["F60"]), ("Joy (Ep. 12)", ["F60"]), ("S1E4 Joy", ["F60"]),
        ("Joy in Chalk Talk", ["F60"]), ("10 minutes of joy", []), ("Part 2", []), ("21st century chalk", []),
        ("A bonus for marking", ["F72"]), ("Trailer", ["F72"]),
    ],
)  # fmt: skip
def test_f60_title_is_the_name_alone(show: Path, title: str, expected: list[str]) -> None:
    assert said(replace(EPISODE, title=title), toml=COMMUNITY + PODCAST, root=show) == expected


def test_f60_show_of_one_word_counts_where_it_is_set_off(show: Path) -> None:
    toml = (COMMUNITY + PODCAST).replace("Chalk Talk", "Joy")

    assert said(replace(EPISODE, title="Marking with joy"), toml=toml, root=show) == []
    assert said(replace(EPISODE, title="Joy: marking"), toml=toml, root=show) == ["F60"]


def hosted(**changes: Any) -> Audio:
    return replace(EPISODE.audio, address="https://cdn.school/joy.mp3", source=None, **changes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"audio": hosted()}, []), ({"audio": hosted(type="audio/ogg")}, ["F62!"]), ({"audio": hosted(duration=0)}, ["F68"]),
        ({"audio": hosted(length=3_000_000)}, ["F85"]), ({"audio": hosted(length=60_000_000)}, ["F85"]),
        ({"summary": "é" * 2001}, ["F66!"]), ({"summary": "", "notes": ""}, ["F66"]), ({"transcript": None}, ["F75"]),
        ({"soundbites": (Soundbite(start=1, duration=14),)}, ["F80"]), ({"soundbites": (Soundbite(start=1, duration=121),)}, ["F80"]),
        ({"soundbites": (Soundbite(start=1, duration=60),)}, []), ({"notes": "[here](https://a.org/)"}, ["N66"]),
        ({"summary": "On Friday 19 November"}, ["N90"]),
    ],
)  # fmt: skip
def test_f62_to_f85_episode_is_as_directories_ask(show: Path, change: dict[str, Any], expected: list[str]) -> None:
    assert said(replace(EPISODE, **change), toml=COMMUNITY + PODCAST, root=show) == expected


@pytest.mark.parametrize(
    ("starts", "title", "expected"),
    [
        ([0, 100, 200], "Joy", []), ([10, 100, 200], "Joy", ["F77"]), ([0, 100], "Joy", ["F78"]), (range(0, 140, 20), "Joy", ["F78"]),
        ([0, 100, 200], "What we did with the stickers", ["F78"]),
    ],
)  # fmt: skip
def test_f78_chapters_are_as_players_show_them(show: Path, starts: Iterable[int], title: str, expected: list[str]) -> None:
    chapters = tuple(Chapter(start=start, title=title) for start in starts)

    assert said(replace(EPISODE, chapters=chapters), toml=COMMUNITY + PODCAST, root=show) == expected


def test_f69_artwork_of_an_episode_is_looked_at(show: Path) -> None:
    Image.new("RGB", (600, 600)).save(show / "joy.jpg")
    one = replace(EPISODE, artwork=Media(path="joy.jpg"))

    assert said(one, toml=COMMUNITY + PODCAST, root=show) == ["F69!"]
    assert said(replace(one, date=NOW - 30 * DAY), toml=COMMUNITY + PODCAST, root=show) == []


@pytest.mark.parametrize("age", [DAY, 400 * DAY])
def test_f63_f64_no_two_episodes_are_the_same_however_old(show: Path, age: timedelta) -> None:
    first = replace(EPISODE, date=NOW - age - DAY, audio=hosted())
    second = other(EPISODE, "late", date=NOW - age, number=2, audio=hosted())

    assert [(one.rule, one.severity, one.file) for one in problems(first, second, toml=COMMUNITY + PODCAST, root=show)] == [
        ("F63", "error", "episodes/late.md"),
        ("F64", "error", "episodes/late.md"),
    ]


def test_f71_serial_shows_count(show: Path) -> None:
    serial = COMMUNITY + PODCAST.replace('title = "', 'type = "serial"\ntitle = "')

    assert said(replace(EPISODE, number=None, date=NOW - 400 * DAY), toml=serial, root=show) == ["F71!"]
    assert said(replace(EPISODE, number=None, type="trailer"), toml=serial, root=show) == []
    assert said(replace(EPISODE, number=None), toml=COMMUNITY + PODCAST, root=show) == []


def test_f71_no_two_episodes_have_one_number(show: Path) -> None:
    second = other(EPISODE, "late", guid="late", date=NOW)

    assert said(EPISODE, second, toml=COMMUNITY + PODCAST, root=show) == ["F71"]
    assert said(EPISODE, replace(second, season=2), toml=COMMUNITY + PODCAST, root=show) == []


# -- composed mails

LETTER = """<!DOCTYPE html><html lang="en-GB" dir="ltr"><head><title>Joy</title><style>p { margin: 0 }</style></head>
<body><div style="display:none; font-size:1px">Fifteen haircuts</div>
<table role="presentation" border="0" cellpadding="0" cellspacing="0" lang="en-GB" style="font-size:17px"><tr><td>
<a href="https://chalk.school/editions/2026-11/">Read it on the web</a>
<h1>Joy</h1><h2>Meet</h2><p>Come to the market, and <a href="https://sam.school/">read Sam</a>.</p>
<img src="https://chalk.school/a.jpg" alt="" width="552" height="300">
<a href="https://chalk.school/episodes/joy/">Listen</a> <a href="https://chalk.school/episodes/joy/#transcript">Read the transcript</a>
<p style="font-size:14px"><a href="AMPLIFY1">Unsubscribe</a> <a href="mailto:team@chalk.school">Write</a></p>
</td></tr></table></body></html>"""
HEADERS = {
    "From": "The Circuit <news@chalk.school>",
    "Reply-To": "team@chalk.school",
    "List-Id": "The Circuit <the-circuit.chalk.school>",
    "List-Unsubscribe": "<AMPLIFY1>, <AMPLIFY2>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "Content-Language": "en-GB",
}
MESSAGE = Message(
    publication=Key("edition/ed-1"), form="mail", language="en-GB", subject="Marking with joy", html=LETTER, date=NOW, digest=DIGEST,
    text="Joy\n\nCome to the market, and read Sam.\nhttps://sam.school/\n\nUnsubscribe:\nAMPLIFY1\n", fields=("AMPLIFY1", "AMPLIFY2"),
    link="https://chalk.school/editions/2026-11/", headers=tuple(HEADERS.items()),
)  # fmt: skip


def with_html(old: str, new: str) -> list[str]:
    assert old in LETTER
    return brief(rules.mail(replace(MESSAGE, html=LETTER.replace(old, new, 1))))


def with_headers(**changes: str | None) -> list[str]:
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changes.items()}
    return brief(rules.mail(replace(MESSAGE, headers=tuple((name, value) for name, value in headers.items() if value is not None))))


def test_mail_in_order_needs_nothing() -> None:
    assert rules.mail(MESSAGE, NOW) == ()


def test_mails_of_the_sample_community_need_nothing(tmp_path: Path) -> None:
    known = config.load(ROOT)
    views = Views(select.select(folder.load(known, Cache(tmp_path)).content, NOW), known)
    messages = [compose.mail(one, views, Renderer(known), NOW) for one in views.selection.publications]

    assert [str(one) for message in messages for one in rules.mail(message, NOW)] == []


def test_mail_problems_name_the_publication() -> None:
    assert str(rules.mail(replace(MESSAGE, subject=" "))[0]) == "edition/ed-1: N22 the mail has no subject (write subject: or title:)"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"From": None}, ["N20!"]), ({"From": "Chalk, Circuit <news@chalk.school>"}, ["N20!"]), ({"Reply_To": "the team"}, ["N20!"]),
        ({"Reply_To": None}, []), ({"Bcc": "all@chalk.school"}, ["N21!"]), ({"List_Id": None}, ["N24"]),
        ({"List_Id": "The Circuit"}, ["N24"]), ({"List_Unsubscribe": None}, ["N25!", "N27!"]),
        ({"List_Unsubscribe": None, "List_Unsubscribe_Post": None}, ["N25!"]),
        ({"List_Unsubscribe": "<mailto:a@b.school>", "List_Unsubscribe_Post": None}, []),
        ({"List_Unsubscribe": "<mailto:a@b.school>"}, ["N27!"]), ({"List_Unsubscribe": "<http://b.school/u>"}, ["N25!", "N27!"]),
        ({"List_Unsubscribe": "<https://b.school/u>"}, []), ({"List_Unsubscribe_Post": "One-Click"}, ["N25!"]),
        ({"Auto_Submitted": "auto-generated"}, ["N28"]), ({"Content_Language": "de"}, ["N29"]),
        ({"List_Archive": f"<https://b.school/{'x' * 990}>"}, ["N29!"]),
        ({"List_Archive": "<https://b.school/>\r\nBcc: x@y.school"}, ["N30!"]), ({"X_Name": "a\x00b"}, ["N30!"]),
        ({"X Name": "a"}, ["N30!"]),
    ],
)  # fmt: skip
def test_n20_to_n30_headers_are_as_receivers_ask(changes: dict[str, str | None], expected: list[str]) -> None:
    assert with_headers(**changes) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"subject": ""}, ["N22!"]), ({"subject": "Joy\nBcc: x@y.school"}, ["N30!"]), ({"date": NOW.replace(tzinfo=None)}, ["N23!"]),
        ({"date": NOW + DAY}, ["N23"]), ({"html": None}, ["N35!"]), ({"text": " "}, ["N25!", "N35!", "N37"]),
        ({"text": MESSAGE.text + "<br>"}, ["N36"]), ({"text": MESSAGE.text + "Tom &amp; Sam"}, ["N36"]),
        ({"text": MESSAGE.text.replace("https://sam.school/", "")}, ["N37"]), ({"text": MESSAGE.text + "https://tom.school/"}, ["N37"]),
        ({"text": MESSAGE.text.replace("sam.school/", "sam.school.")}, []), ({"text": MESSAGE.text.replace("AMPLIFY1", "")}, ["N25!"]),
    ],
)  # fmt: skip
def test_n22_to_n37_both_parts_are_there_and_agree(change: dict[str, Any], expected: list[str]) -> None:
    assert brief(rules.mail(replace(MESSAGE, **change), NOW)) == expected


@pytest.mark.parametrize(("size", "expected"), [(89, []), (91, ["N40"]), (101, ["N40"]), (103, ["N40!"])])
def test_n40_mail_is_not_clipped(size: int, expected: list[str]) -> None:
    assert with_html("Come to", "é" * ((size * 1024 - len(LETTER.encode())) // 2) + "Come to") == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("p { margin: 0 }", "p { margin: 0 }" * 1200, ["N42"]), ("p { margin: 0 }", "@import 'x.css';", ["N50"]),
        ("<h2>", "<audio src='https://a.org/a.mp3'></audio><h2>", ["N46!"]), ("<h2>", "<nav>Meet</nav><h2>", ["N47"]),
        ("<h2>", "<script>1</script><h2>", ["N50!"]), ("<h2>", "<form></form><h2>", ["N50!"]), ("<h2>", "<h2 onclick='go()'>", ["N50!"]),
        ("https://sam.school/", "javascript:alert(1)", ["N50!", "N37"]), ("mailto:team@chalk.school", "/team", ["N50!"]),
        ("mailto:team@chalk.school", "../team/", ["N50!"]), ("mailto:team@chalk.school", "tel:+44113", []),
        ("mailto:team@chalk.school", "#top", ["N48"]), ('href="AMPLIFY1"', 'href="https://chalk.school/"', ["N25!"]),
        ("editions/2026-11/", "editions/", ["N51"]), ("https://chalk.school/a.jpg", "a.jpg", ["N50!"]),
        ("https://chalk.school/a.jpg", "data:image/png;base64,AA", ["N50!"]), ("a.jpg", "a.svg", ["N41"]),
        (' width="552" height="300"', "", ["N41"]), (' alt=""', "", ["N63"]), ("read Sam</a>", "</a>read Sam", ["N66"]),
        ("#transcript", "", []), ("Read the transcript", "Read it", []), ("#transcript\">Read the transcript", '">Read it', ["N67"]),
        ("Listen", "Listen to your learners", []), ("episodes/joy/#transcript\">Read the transcript", 'a.mp3">Hear', ["N67"]),
    ],
)  # fmt: skip
def test_n42_to_n67_mail_holds_what_mail_programs_take(old: str, new: str, expected: list[str]) -> None:
    assert sorted(set(with_html(old, new))) == sorted(set(expected))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('<html lang="en-GB" dir="ltr">', '<html lang="en-GB">', ["N60"]), ('<html lang="en-GB"', "<html", ["N60"]),
        ('cellspacing="0" lang="en-GB"', 'cellspacing="0"', ["N60"]), ("<title>Joy</title>", "", ["N61"]), ("<h1>Joy</h1>", "", ["N61"]),
        ("<h1>Joy</h1>", "<h1>Joy</h1><h1>Again</h1>", ["N61"]), ("<h2>Meet</h2>", "<h3>Meet</h3>", ["N61"]),
        ('role="presentation" ', "", ["N62"]), (' cellpadding="0"', "", ["N62"]), ("<h1>", "<table><tr><th>Day</th></tr></table><h1>", []),
        ("<tr><td>", "<tr><th>Day</th><td>", ["N62"]), ("17px", "15px", ["N65"]), ("14px", "12px", ["N65"]), ("14px", "90%", []),
        ("17px", "13pt", []),
    ],
)  # fmt: skip
def test_n60_to_n65_mail_can_be_read_by_everybody(old: str, new: str, expected: list[str]) -> None:
    assert with_html(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Come to", "{{ name }}, come to", ["N92"]), ("Come to", "{% if %}", ["N92"]), ("<h2>Meet</h2>", "<h2>None</h2>", ["N92"]),
        ("https://sam.school/", "https://sam.school/None", ["N37", "N92"]), ("Come to", "None of us came to", []),
        ("Come to", "<code>{{ x }}</code> Come to", []), ("<h2>Meet</h2>", "<h2>undefined</h2>", ["N92"]),
    ],
)  # fmt: skip
def test_n92_templates_leave_nothing_behind(old: str, new: str, expected: list[str]) -> None:
    assert sorted(with_html(old, new)) == expected


@given(st.text(alphabet=st.sampled_from("<>/=\"' abhtrdimgp!-&;{}%#:1\n")), st.text())
@settings(max_examples=200)
def test_any_html_can_be_judged(html: str, plain: str) -> None:
    assert all(re.fullmatch("N[0-9]+", one.rule) for one in rules.mail(replace(MESSAGE, html=html + LETTER, text=plain, subject=plain)))
