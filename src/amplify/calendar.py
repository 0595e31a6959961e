"""When events take place, and the calendars that people subscribe to.

A rule is read in the event's own zone, on the local clock: 20:00 stays 20:00 when the clocks change. Where several
hosts take turns, occurrence n of the series has host n in turn, counted from the start of the series. A date that falls
out keeps its place in that count, so calling one evening off moves nobody else's turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from amplify import text, times
from amplify.model import Event, Occurrence, Slug

_LIMITS = {"BYMONTH": 12, "BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53, "BYSETPOS": 366}
_ONLY_WITH = {
    "BYMONTHDAY": ("DAILY", "MONTHLY", "YEARLY"),
    "BYYEARDAY": ("YEARLY",),
    "BYWEEKNO": ("YEARLY",),
    "BYSETPOS": ("MONTHLY", "YEARLY"),
}
_UNTIL = re.compile(r"\d{8}(T\d{6}Z?)?")
_KNOWN_UNTIL = 2050
"""The year up to which a calendar knows when clocks change."""


def occurrences(event: Event, after: datetime, before: datetime, limit: int = 50) -> tuple[Occurrence, ...]:
    """The times of `event` that end after `after` and start before `before`, ascending, at most `limit`.

    Raises ValueError where `check_rule` does not accept the event's rule.
    """
    zone = times.zone(event.zone)
    try:
        too_early = _naive(after - event.duration - timedelta(days=1), event)
    except OverflowError:
        too_early = datetime.min  # noqa: DTZ901 (a clock on a wall)
    found: list[Occurrence] = []
    for position, local in enumerate(_series(event)):
        if local < too_early or local.date() in event.exdates:
            continue
        start = local.replace(tzinfo=zone).astimezone(UTC)
        if start >= before or len(found) >= limit:
            break
        if start + event.duration > after:
            found.append(Occurrence(event=event, start=start, end=start + event.duration, hosts=_hosts(event, position)))
    return tuple(found)


def _hosts(event: Event, position: int) -> tuple[Slug, ...]:
    return (event.hosts[position % len(event.hosts)],) if event.rrule and len(event.hosts) > 1 else event.hosts


def _naive(moment: datetime, event: Event) -> datetime:
    """`moment` as the clock on the wall of the event shows it."""
    return moment.astimezone(times.zone(event.zone)).replace(tzinfo=None)


def _series(event: Event) -> Iterator[datetime]:
    """Every start of the series on the local clock, the dates that fall out included, from the first that the rule names."""
    start = _naive(event.start, event)
    if event.rrule is None:
        return iter((start,))
    parts = _parts(event.rrule)
    until = parts.pop("UNTIL", None)
    return _dates(parts, start, _naive(_until(until, event), event) if until else datetime.max)  # noqa: DTZ901 (a clock on a wall)


def _dates(parts: Mapping[str, str], start: datetime, until: datetime) -> Iterator[datetime]:
    """The dates of a rule, found in the last centuries before 9999, where dateutil gives up.

    The calendar repeats every 400 years, so the dates are the same, and a rule that never comes round ends soon.
    """
    from dateutil.rrule import rrulestr

    later = (9899 - start.year) // 400 * 400
    for moment in rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start.replace(year=start.year + later)):
        found = moment.replace(year=moment.year - later)
        if found > until:
            return
        yield found


def _until(written: str, event: Event) -> datetime:
    """The last moment of a series, in UTC; a bare day counts to its end, a time without Z is on the event's clock."""
    moment = datetime.fromisoformat(written)
    if len(written) == 8:
        moment = datetime.combine(moment, time.max.replace(microsecond=0))
    return (moment if moment.tzinfo else moment.replace(tzinfo=times.zone(event.zone))).astimezone(UTC)


def check_rule(rrule: str) -> None:
    """Accepts the value of an RFC 5545 RRULE that repeats by days, weeks, months or years and can come round.

    Raises ValueError with words for people.
    """
    parts = _parts(rrule)
    from_any_start = {name: value for name, value in parts.items() if name not in {"UNTIL", "INTERVAL"}}
    try:
        first = next(_dates(from_any_start, datetime(2000, 1, 1), datetime.max), None)  # noqa: DTZ001, DTZ901 (a clock on a wall)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"{text.fit(rrule, 60)!r} is no rule: {error}") from error
    if first is None:
        raise ValueError(f"{text.fit(rrule, 60)!r} never comes round")


@lru_cache(maxsize=512)
def _read(rrule: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=")[::2] for part in rrule.strip().rstrip(";").upper().split(";")]
    names = [name for name, _ in pairs]
    shown = text.fit(rrule, 60)
    if "DTSTART" in rrule.upper() or rrule.upper().lstrip().startswith("RRULE"):
        raise ValueError(f"{shown!r} says more than the rule; write only what follows RRULE:")
    if not all(value for _, value in pairs) or len(set(names)) < len(names):
        raise ValueError(f"{shown!r} is no rule; write it like FREQ=WEEKLY;BYDAY=TH")
    for name, value in pairs:
        _check_part(name, value, dict(pairs).get("FREQ", ""))
    if "FREQ" not in names:
        raise ValueError(f"{shown!r} does not say how often; begin with FREQ=WEEKLY or FREQ=MONTHLY")
    if {"COUNT", "UNTIL"} <= set(names):
        raise ValueError("a rule ends by COUNT or by UNTIL, not by both")
    return tuple(pairs)


def _parts(rrule: str) -> dict[str, str]:
    return dict(_read(rrule))


def _check_part(name: str, value: str, freq: str) -> None:
    if name == "FREQ" and value in {"SECONDLY", "MINUTELY", "HOURLY"}:
        raise ValueError(f"FREQ={value} is too often; events repeat DAILY, WEEKLY, MONTHLY or YEARLY")
    if name in {"BYHOUR", "BYMINUTE", "BYSECOND"}:
        raise ValueError(f"{name} is not needed: the start says the time of day")
    if freq not in _ONLY_WITH.get(name, (freq,)):
        raise ValueError(f"{name} does not go with FREQ={freq}")
    if name in _LIMITS:
        good = all(re.fullmatch(r"[+-]?\d{1,3}", one) and 1 <= abs(int(one)) <= _LIMITS[name] for one in value.split(","))
        good = good and (name != "BYMONTH" or "-" not in value)
    elif name == "BYDAY":
        number = r"[+-]?([1-9]|[1-4]\d|5[0-3])?" if freq in {"MONTHLY", "YEARLY"} else ""
        good = all(re.fullmatch(rf"{number}(MO|TU|WE|TH|FR|SA|SU)", one) for one in value.split(","))
    elif name in {"COUNT", "INTERVAL"}:
        good = bool(re.fullmatch(r"0*[1-9]\d{0,5}", value))
    else:
        patterns = {"FREQ": "DAILY|WEEKLY|MONTHLY|YEARLY", "WKST": "MO|TU|WE|TH|FR|SA|SU", "UNTIL": _UNTIL.pattern}
        good = name in patterns and bool(re.fullmatch(patterns[name], value)) and (name != "UNTIL" or _is_moment(value))
    if not good:
        raise ValueError(f"{text.fit(f'{name}={value}', 60)!r} is no part of a rule; write one like FREQ=WEEKLY;BYDAY=TH")


def _is_moment(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def ics(events: Sequence[Event], name: str, url: Callable[[Event], str], host: str, hosts: Callable[[Event], str] | None = None) -> bytes:
    """A calendar of `events`, called `name`, as RFC 5545: the same events, the same bytes.

    `url` gives the address of an event's page, `host` makes the identifiers `event-<id>@<host>` world-wide, and `hosts`
    names those who hold an event.
    """
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", "-//Amplify//Amplify//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", text.one_line(name))
    zones = sorted({event.zone for event in events if event.zone not in {"UTC", "Etc/UTC"}})
    years = [event.start.year for event in events]
    for zone in zones:
        calendar.add_component(_zone(zone, max(1900, min(years) - 1), max(_KNOWN_UNTIL, max(years) + 5)))
    for event in events:
        calendar.add_component(_component(event, url(event), host, hosts(event) if hosts else ""))
    return bytes(calendar.to_ical())


@lru_cache(maxsize=32)
def _zone(name: str, first: int, last: int) -> Any:
    """A VTIMEZONE for the years from `first` to `last`."""
    from icalendar import Timezone

    zone = Timezone.from_tzid(name, first_date=date(first, 1, 1), last_date=date(last, 1, 1))
    zone.pop("COMMENT")
    return zone


def _component(event: Event, url: str, host: str, hosts: str) -> Any:
    from icalendar import Event as Component
    from icalendar import vRecur

    zone = times.zone(event.zone)
    begin = next(_series(event), _naive(event.start, event)).replace(tzinfo=zone)
    component = Component()
    component.add("uid", f"event-{text.one_line(event.id)}@{host}")
    component.add("dtstamp", event.start)
    component.add("dtstart", begin)
    component.add("dtend", (begin.astimezone(UTC) + event.duration).astimezone(zone))
    component.add("summary", text.one_line(event.title))
    if event.rrule:
        rule = vRecur.from_ical(event.rrule.strip().rstrip(";").upper())
        if "UNTIL" in rule:
            rule["UNTIL"] = [_until(_parts(event.rrule)["UNTIL"], event)]
        component.add("rrule", rule)
        component.add("exdate", [datetime.combine(day, begin.time(), zone) for day in sorted(event.exdates)])
    for key, value in (("description", _description(event, hosts)), ("location", text.one_line(event.where)), ("url", url)):
        if value:
            component.add(key, value)
    return component


def _public(address: str | None) -> str:
    return address if address and not text.meeting_room(address) else ""


def _description(event: Event, hosts: str) -> str:
    """What an event is about, for a calendar: its theme, hosts, way in, questions and words."""
    questions = [f"Q{number}. {text.one_line(question)}" for number, question in enumerate(event.questions, 1)]
    lines = [event.theme, f"Hosted by {hosts}" if hosts else "", _public(event.url), *questions, text.excerpt(event.body, 1000)]
    return "\n".join(text.one_line(line) for line in lines if line)
