"""Calendars: what is to come is offered as an event, in words that one would say; what is over or called off is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amplify.plugins import ical
from tests.conftest import Make
from tests.http_peer import Peer, peer
from tests.kit import SETTINGS, Community

from amplify.errors import Unreadable

CORPORA = Path(__file__).parents[2] / "shared" / "corpora" / "icalendar"
SOURCE = '\n[[source]]\nname = "calendar"\nplugin = "ical"\nfile = "meetings.ics"\n'
NOW = "2026-11-22T12:00:00+00:00"
CHAT = "UID:chat@example.org\nSUMMARY:The Ideas Room\nDTSTART:29990119T200000Z\nDTEND:29990119T210000Z"


def calendar(*events: str, before: str = "") -> bytes:
    inside = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{before}{inside}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def read(*events: str, zone: str = "Europe/London") -> list[dict[str, Any]]:
    found: dict[str, Any] = ical.events(calendar(*events), NOW, zone)
    assert found["notes"] == []
    return list(found["events"])


def when(*lines: str, zone: str = "Europe/London") -> str:
    """What is said of the time of an event with these lines."""
    [one] = read("\n".join(["UID:1", "SUMMARY:x", *lines]), zone=zone)
    return str(one["body"]).removeprefix("<p><strong>When:</strong> ").removesuffix("</p>")


class TestWords:
    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            (["DTSTART:20261126T200000Z", "DTEND:20261126T210000Z"], "Thursday 26 November 2026, 20:00 to 21:00"),
            (["DTSTART:20270726T190000Z", "DURATION:PT1H30M"], "Monday 26 July 2027, 20:00 to 21:30"),
            (["DTSTART;TZID=GMT Standard Time:20270726T200000", "DURATION:PT1H"], "Monday 26 July 2027, 20:00 to 21:00"),
            (["DTSTART:20261126T200000"], "Thursday 26 November 2026, 20:00"),
            (["DTSTART;VALUE=DATE:20261126"], "Thursday 26 November 2026"),
            (["DTSTART;VALUE=DATE:20261126", "DTEND;VALUE=DATE:20261129"], "Thursday 26 November 2026 to Saturday 28 November 2026"),
            (["DTSTART:20261126T220000Z", "DTEND:20261127T010000Z"], "Thursday 26 November 2026, 22:00 to Friday 27 November 2026, 01:00"),
            (["DTSTART;TZID=America/New_York:20261126T150000", "RRULE:FREQ=WEEKLY"],
             "from Thursday 26 November 2026, 15:00 (New York time), every week"),
        ],
    )  # fmt: skip
    def test_when_it_takes_place(self, lines: list[str], said: str) -> None:
        assert when(*lines) == said

    @pytest.mark.parametrize(
        ("rule", "said"),
        [
            ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH", "every 2 weeks on Tuesday and Thursday"),
            ("FREQ=MONTHLY;BYDAY=3TH", "every month on the third Thursday"),
            ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=600", "every month on the last Friday, 600 times"),
            ("FREQ=DAILY;UNTIL=20270701T190000Z", "every day, until Thursday 1 July 2027"),
            ("FREQ=YEARLY;BYMONTHDAY=8;BYMONTH=3", "FREQ=YEARLY;BYMONTHDAY=8;BYMONTH=3"),
        ],
    )
    def test_how_it_comes_again(self, rule: str, said: str) -> None:
        lines = ["DTSTART;TZID=Europe/London:20260917T200000", f"RRULE:{rule}"]

        assert when(*lines) == f"from Thursday 17 September 2026, 20:00, {said}"

    def test_where_and_what_it_is_come_with_it(self) -> None:
        [one] = read(f"{CHAT}\nLOCATION:Room 1 <b>\nDESCRIPTION:First.\\n\\nThen\\, second.\nURL:https://x.example/\nCATEGORIES:chat,ideas\n"
                     "ORGANIZER;CN=Amal:mailto:amal@example.org\nCREATED:20261101T100000Z")  # fmt: skip

        assert one == {
            "id": "chat@example.org", "title": "The Ideas Room", "url": "https://x.example/", "author": "Amal",
            "handle": "amal@example.org", "offered": "2026-11-01T10:00:00+00:00", "tags": ["chat", "ideas"],
            "body": "<p><strong>When:</strong> Saturday 19 January 2999, 20:00 to 21:00<br><strong>Where:</strong> Room 1 &lt;b&gt;</p>"
                    "<p>First.</p><p>Then, second.</p>",
        }  # fmt: skip


class TestWhatIsLeftOut:
    @pytest.mark.parametrize(
        "lines",
        [
            ["DTSTART:20261122T100000Z", "DTEND:20261122T110000Z"],
            ["DTSTART;VALUE=DATE:20261121"],
            ["DTSTART:20261126T200000Z", "STATUS:CANCELLED"],
            ["DTSTART:20260101T200000Z", "RRULE:FREQ=WEEKLY;COUNT=10"],
            ["DTSTART:20260101T200000Z", "RRULE:FREQ=WEEKLY;UNTIL=20261101T000000Z"],
            ["DTSTART:20261120T200000Z", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20261127T200000Z"],
            ["DTSTART:20260101T200000Z", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2"],
        ],
    )
    def test_what_is_over_called_off_or_never(self, lines: list[str]) -> None:
        assert read("\n".join(["UID:1", "SUMMARY:x", *lines])) == []

    @pytest.mark.parametrize("lines", [["DTSTART:20261122T113000Z", "DTEND:20261122T123000Z"], ["DTSTART;VALUE=DATE:20261122"]])
    def test_what_is_not_over_is_there(self, lines: list[str]) -> None:
        assert len(read("\n".join(["UID:1", "SUMMARY:x", *lines]))) == 1

    @pytest.mark.parametrize("often", ["SECONDLY", "MINUTELY", "HOURLY", "DAILY;BYHOUR=1,2,3", "DAILY;INTERVAL=0"])
    def test_what_would_come_by_the_hour_is_a_line_and_the_rest_comes(self, often: str) -> None:
        found = ical.events(calendar(f"UID:1\nSUMMARY:Bell\nDTSTART:20000101T000000Z\nRRULE:FREQ={often}", CHAT), NOW, "UTC")

        assert (len(found["events"]), found["notes"]) == (
            1, ['"Bell" cannot be read: it would come by the hour, the minute or the second']
        )  # fmt: skip

    def test_one_date_of_a_series_is_an_event_only_if_it_has_a_title_of_its_own(self) -> None:
        series = "UID:1\nSUMMARY:Chat\nDTSTART:20261101T200000Z\nRRULE:FREQ=WEEKLY"
        moved = "UID:1\nSUMMARY:{}\nDTSTART:20261129T210000Z\nRECURRENCE-ID:20261129T200000Z"

        assert [one["title"] for one in read(series, moved.format("Chat"))] == ["Chat"]
        assert [one["title"] for one in read(series, moved.format("Chat with Amal"))] == ["Chat", "Chat with Amal"]

    @pytest.mark.parametrize("data", [b"", b"<html>", b"BEGIN:VCARD\r\nEND:VCARD\r\n", b"\xff\xfe\0"])
    def test_what_is_no_calendar_is_a_failure(self, data: bytes) -> None:
        with pytest.raises(Unreadable, match="it is no calendar"):
            ical.events(data, NOW, "UTC")


def gathered(town: Community) -> dict[str, Any]:
    """What gathering said of the calendar."""
    found: dict[str, Any] = town.run("gather", "--json").json["sources"][0]
    return found


class TestGathering:
    def test_a_file_is_read_and_an_unchanged_one_is_not(self, community: Make) -> None:
        town = community({"amplify.toml": SETTINGS + SOURCE, "meetings.ics": calendar(CHAT)})

        assert [gathered(town)[what] for what in ("new", "unchanged")] == [1, 0]
        town.write({"meetings.ics": calendar(CHAT.replace("Ideas Room", "Idea Room"))})
        assert gathered(town)["changed"] == 1

    def test_what_is_accepted_says_when_and_where(self, community: Make) -> None:
        town = community({"amplify.toml": SETTINGS + SOURCE, "meetings.ics": calendar(f"{CHAT}\nLOCATION:Leeds")})
        town.run("gather")
        town.run("review", "--accept", "1")

        written = (town.root / "contributions" / "the-ideas-room.md").read_text("utf-8")
        assert 'kind: "event"' in written
        assert "**When:** Saturday 19 January 2999, 20:00 to 21:00" in written
        assert "**Where:** Leeds" in written

    @pytest.fixture
    def there(self) -> Iterator[Peer]:
        with peer() as made:
            yield made

    def test_an_address_is_asked_for_what_changed(self, community: Make, there: Peer) -> None:
        there.answers["/a.ics"] = [(200, {"ETag": '"1"'}, calendar(CHAT)), (304, {}, b"")]
        settings = SOURCE.replace('"meetings.ics"', json.dumps(there.url("/a.ics")))
        town = community({"amplify.toml": SETTINGS + settings + '[http]\nallow = ["127.0.0.0/8"]\n'})

        assert [gathered(town)[what] for what in ("new", "unchanged", "failure")] == [1, 0, None]
        assert there.asked[1].headers["if-none-match"] == '"1"'


@pytest.mark.skipif(not CORPORA.exists(), reason="shared/corpora is not beside the repository")
def test_no_calendar_of_other_people_breaks_the_reader() -> None:
    for file in sorted(CORPORA.rglob("*.ics")):
        try:
            found = ical.events(file.read_bytes(), "1990-01-01T00:00:00+00:00", "Europe/London")
        except Unreadable:
            continue
        assert json.loads(json.dumps(found)) == found
