"""Events take place by the clock on their own wall, hosts take turns, and calendars say the same as the pages."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from amplify import calendar, text
from amplify.model import Digest, Event, Place, Slug

CHAT = Event(
    id="ev-7k2m", slug=Slug("chat"), was=(), title="The Ideas Room", at=Place(file=Path("events/chat.md"), line=1), digest=Digest("0"),
    start=datetime(2026, 9, 17, 19, tzinfo=UTC), duration=timedelta(hours=1), zone="Europe/London", rrule="FREQ=MONTHLY;BYDAY=3TH",
    exdates=(date(2026, 12, 17),), where="Online", url="https://chat.example/", kind="chat", theme="Marking", body="Say *hello* now.",
    hosts=(Slug("tom"), Slug("amal"), Slug("priya")), questions=("Who?", "Why?"),
)  # fmt: skip
EVER = datetime.min.replace(tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def event(**changes: Any) -> Event:
    return Event(**{name: getattr(CHAT, name) for name in CHAT.__slots__} | changes)


def starts(one: Event, after: datetime = EVER, before: datetime = FAR, limit: int = 50) -> list[str]:
    """Starts in UTC, to the minute."""
    return [f"{occurrence.start:%Y-%m-%d %H:%M}" for occurrence in calendar.occurrences(one, after, before, limit)]


# -- occurrences


def test_evening_stays_at_eight_when_the_clocks_change() -> None:
    weekly = event(rrule="FREQ=WEEKLY", start=datetime(2026, 10, 22, 19, tzinfo=UTC))

    assert starts(weekly, limit=2) == ["2026-10-22 19:00", "2026-10-29 20:00"]


def test_event_has_its_own_clock() -> None:
    abroad = event(rrule="FREQ=DAILY", zone="America/New_York", start=datetime(2026, 10, 31, 16, tzinfo=UTC), exdates=())

    assert starts(abroad, limit=2) == ["2026-10-31 16:00", "2026-11-01 17:00"]


def test_date_that_falls_out_is_left_out() -> None:
    assert starts(CHAT, limit=4) == ["2026-09-17 19:00", "2026-10-15 19:00", "2026-11-19 20:00", "2027-01-21 20:00"]


def test_hosts_take_turns_and_a_called_off_evening_moves_nobody() -> None:
    found = calendar.occurrences(CHAT, datetime(2026, 10, 1, tzinfo=UTC), FAR, limit=3)

    assert [occurrence.hosts for occurrence in found] == [("amal",), ("priya",), ("amal",)]


def test_hosts_of_a_single_meeting_host_it_together() -> None:
    (only,) = calendar.occurrences(event(rrule=None), CHAT.start, FAR)

    assert only.hosts == ("tom", "amal", "priya")


@pytest.mark.parametrize("hosts", [(), (Slug("tom"),)])
def test_one_host_or_none_is_no_rota(hosts: tuple[Slug, ...]) -> None:
    assert {occurrence.hosts for occurrence in calendar.occurrences(event(hosts=hosts), CHAT.start, FAR)} == {hosts}


def test_occurrence_that_has_begun_still_counts_until_it_ends() -> None:
    single = event(rrule=None)

    assert starts(single, after=CHAT.start + timedelta(minutes=59)) == ["2026-09-17 19:00"]
    assert starts(single, after=CHAT.start + timedelta(minutes=60)) == []


def test_occurrence_that_starts_at_the_end_of_the_span_does_not_count() -> None:
    single = event(rrule=None)

    assert starts(single, before=CHAT.start) == []
    assert starts(single, before=CHAT.start + timedelta(seconds=1)) == ["2026-09-17 19:00"]


def test_end_is_as_long_after_the_start_as_the_event_lasts() -> None:
    night = event(rrule=None, start=datetime(2026, 10, 24, 23, tzinfo=UTC), duration=timedelta(hours=8), exdates=())

    (only,) = calendar.occurrences(night, night.start, FAR)

    assert only.end == datetime(2026, 10, 25, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20261105", "2026-11-05 20:00"),
        ("20261105T200000Z", "2026-11-05 20:00"),
        ("20261105T195959Z", "2026-10-29 20:00"),
        ("20261105T200000", "2026-11-05 20:00"),
    ],
)
def test_series_ends_by_the_event_clock_unless_the_end_is_in_utc(until: str, last: str) -> None:
    assert starts(event(rrule=f"FREQ=WEEKLY;UNTIL={until}", exdates=()))[-1] == last


def test_time_that_the_clocks_skip_is_an_hour_later() -> None:
    early = event(rrule="FREQ=DAILY", start=datetime(2027, 3, 27, 1, 30, tzinfo=UTC), exdates=())

    assert starts(early, limit=3) == ["2027-03-27 01:30", "2027-03-28 01:30", "2027-03-29 00:30"]


def test_weekly_series_of_twenty_years_keeps_its_rota() -> None:
    old = event(rrule="FREQ=WEEKLY", start=datetime(2006, 1, 5, 20, tzinfo=UTC), exdates=())

    (found,) = calendar.occurrences(old, datetime(2026, 1, 1, 22, tzinfo=UTC), FAR, limit=1)

    assert (found.start, found.hosts) == (datetime(2026, 1, 8, 20, tzinfo=UTC), (CHAT.hosts[1044 % 3],))


# -- rules


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY", "freq=weekly;byday=th", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;WKST=SU", "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYDAY=3TH;COUNT=10", "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "FREQ=WEEKLY;UNTIL=20271231", "FREQ=WEEKLY;UNTIL=20271231T235959Z;",
    ],
)  # fmt: skip
def test_rule_that_comes_round_is_accepted(rule: str) -> None:
    calendar.check_rule(rule)


EXAMPLE = "write one like FREQ=WEEKLY;BYDAY=TH"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=SECONDLY", "FREQ=SECONDLY is too often; events repeat DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=MINUTELY", "FREQ=MINUTELY is too often; events repeat DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=HOURLY;COUNT=2", "FREQ=HOURLY is too often; events repeat DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("every thursday", "'every thursday' is no rule; write it like FREQ=WEEKLY;BYDAY=TH"),
        ("", "'' is no rule; write it like FREQ=WEEKLY;BYDAY=TH"),
        ("FREQ=WEEKLY;FREQ=DAILY", "'FREQ=WEEKLY;FREQ=DAILY' is no rule; write it like FREQ=WEEKLY;BYDAY=TH"),
        ("BYDAY=TH", "'BYDAY=TH' does not say how often; begin with FREQ=WEEKLY or FREQ=MONTHLY"),
        ("FREQ=OFTEN", f"'FREQ=OFTEN' is no part of a rule; {EXAMPLE}"),
        ("FREQ=WEEKLY;INTERVAL=0", f"'INTERVAL=0' is no part of a rule; {EXAMPLE}"),
        ("FREQ=WEEKLY;COUNT=-1", f"'COUNT=-1' is no part of a rule; {EXAMPLE}"),
        ("FREQ=WEEKLY;BYDAY=3TH", f"'BYDAY=3TH' is no part of a rule; {EXAMPLE}"),
        ("FREQ=YEARLY;BYMONTH=13", f"'BYMONTH=13' is no part of a rule; {EXAMPLE}"),
        ("FREQ=DAILY;UNTIL=20270231", f"'UNTIL=20270231' is no part of a rule; {EXAMPLE}"),
        ("FREQ=YEARLY;BYEASTER=0", f"'BYEASTER=0' is no part of a rule; {EXAMPLE}"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYHOUR=20", "BYHOUR is not needed: the start says the time of day"),
        ("FREQ=WEEKLY;COUNT=3;UNTIL=20270101", "a rule ends by COUNT or by UNTIL, not by both"),
        ("RRULE:FREQ=WEEKLY", "'RRULE:FREQ=WEEKLY' says more than the rule; write only what follows RRULE:"),
        ("DTSTART:2026\nRRULE:FREQ=DAILY", "'DTSTART:2026\\nRRULE:FREQ=DAILY' says more than the rule; write only what follows RRULE:"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "'FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30' never comes round"),
        ("FREQ=MONTHLY;BYDAY=6TH", "'FREQ=MONTHLY;BYDAY=6TH' never comes round"),
    ],
)  # fmt: skip
def test_rule_that_cannot_be_is_refused_in_words(rule: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        calendar.check_rule(rule)

    assert str(caught.value) == words


PARTS = (
    "INTERVAL=1", "INTERVAL=3", "COUNT=5", "UNTIL=20280101", "BYDAY=TH", "BYDAY=MO,-1FR", "BYMONTH=2", "BYMONTH=1,12", "BYMONTHDAY=-1,13",
    "BYMONTHDAY=30", "BYSETPOS=2", "BYYEARDAY=366", "BYWEEKNO=1", "WKST=SU",
)  # fmt: skip
RULES = st.builds(
    lambda often, parts: ";".join((f"FREQ={often}", *parts)),
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]), st.lists(st.sampled_from(PARTS), max_size=3, unique=True),
)  # fmt: skip


@settings(deadline=None)
@given(st.one_of(RULES, st.text()))
def test_any_rule_gives_ascending_dates_or_is_refused(rule: str) -> None:
    try:
        calendar.check_rule(rule)
    except ValueError:
        return

    found = starts(event(rrule=rule), limit=3)

    assert found == sorted(set(found))
    assert ics(event(rrule=rule))


# -- calendars


def page(one: Event) -> str:
    return f"https://community.example.org/events/{one.slug}/"


def ics(*events: Event) -> bytes:
    return calendar.ics(events, "Chalk & Circuit", page, "community.example.org", lambda one: " and ".join(one.hosts))


def read(*events: Event) -> list[Any]:
    return Calendar.from_ical(ics(*events)).walk("VEVENT")


def test_event_in_a_calendar_says_all_that_its_page_says() -> None:
    written = ics(CHAT).decode()

    assert written[written.index("BEGIN:VEVENT") :].replace("\r\n ", "").splitlines() == [
        "BEGIN:VEVENT",
        "SUMMARY:The Ideas Room",
        "DTSTART;TZID=Europe/London:20260917T200000",
        "DTEND;TZID=Europe/London:20260917T210000",
        "DTSTAMP:20260917T190000Z",
        "UID:event-ev-7k2m@community.example.org",
        "RRULE:FREQ=MONTHLY;BYDAY=3TH",
        "EXDATE;TZID=Europe/London:20261217T200000",
        "DESCRIPTION:Marking\\nHosted by tom and amal and priya\\nhttps://chat.example/\\nQ1. Who?\\nQ2. Why?\\nSay hello now.",
        "LOCATION:Online",
        "URL:https://community.example.org/events/chat/",
        "END:VEVENT",
        "END:VCALENDAR",
    ]


def test_calendar_begins_with_its_maker_its_name_and_its_zones() -> None:
    written = ics(CHAT, event(zone="America/New_York"), event(zone="UTC"))

    assert written.startswith(
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Amplify//Amplify//EN\r\nX-WR-CALNAME:Chalk & Circuit\r\nBEGIN:VTIMEZONE\r\n"
    )
    assert [str(zone["TZID"]) for zone in Calendar.from_ical(written).walk("VTIMEZONE")] == ["America/New_York", "Europe/London"]


def test_end_of_a_series_is_written_in_utc() -> None:
    assert b"RRULE:FREQ=DAILY;UNTIL=20261001T225959Z\r\n" in ics(event(rrule="FREQ=DAILY;UNTIL=20261001"))


def test_event_in_utc_needs_no_zone() -> None:
    written = ics(event(zone="UTC", rrule=None))

    assert b"DTSTART:20260917T190000Z\r\n" in written
    assert b"VTIMEZONE" not in written


def test_start_that_its_rule_leaves_out_moves_to_the_first_date_of_the_series() -> None:
    tuesday = event(start=datetime(2026, 9, 15, 19, tzinfo=UTC))

    assert read(tuesday)[0].start == calendar.occurrences(tuesday, tuesday.start, FAR)[0].start


def test_calendar_without_events_is_a_calendar() -> None:
    assert ics().endswith(b"X-WR-CALNAME:Chalk & Circuit\r\nEND:VCALENDAR\r\n")


def test_lines_end_and_fold_as_calendars_do() -> None:
    written = ics(event(title="Wörter " * 40))

    assert written.count(b"\n") == written.count(b"\r\n")
    assert max(len(line) for line in written.split(b"\r\n")) <= 75


def test_same_events_give_the_same_bytes_in_every_process() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_calendar as t;"
        "sys.stdout.buffer.write(t.ics(t.CHAT, t.event(zone='Asia/Kolkata')))"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]

    made = subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": "1"}).stdout

    assert made == ics(CHAT, event(zone="Asia/Kolkata"))


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_words_survive_in_a_calendar(title: str, where: str, body: str) -> None:
    (one,) = read(event(title=title, where=where, theme=body))

    assert (one["SUMMARY"], one.get("LOCATION", "")) == (text.one_line(title), text.one_line(where))
