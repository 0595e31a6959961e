"""Times as people write them. Inside, everything is aware and in UTC; a zone matters only when reading and showing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_FIRST_YEAR, _LAST_YEAR = 1900, 2999
"""What is further away is a slip of the finger, and at the ends of the calendar no zone can be applied."""
_LONGEST = 100 * 365 * 86400
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name. Raises ValueError with words for people."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{_shown(name)} is no time zone; write one like Europe/London") from error


def parse_moment(text: str, home: tzinfo) -> datetime:
    """`2026-11-18`, `2026-11-18 20:00[:30]`, with `Z` or an offset or in the zone `home`, as UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{_shown(text)} is no date; write it like 2026-11-18 20:00") from error
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"{_shown(text)} is too far away")
    return (moment if moment.tzinfo else moment.replace(tzinfo=home)).astimezone(UTC)


def parse_day(text: str) -> date:
    """`2026-11-18`."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{_shown(text)} is no day; write it like 2026-11-18") from error
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"{_shown(text)} is too far away")
    return day


def parse_duration(text: str) -> timedelta:
    """`90 minutes`, `1 hour 30 minutes`, `7 days`."""
    found = _DURATION.findall(text.lower())
    if not found or _DURATION.sub("", text.lower()).replace("and", "").strip(" ,"):
        raise ValueError(f"{_shown(text)} is no length of time; write it like 90 minutes or 7 days")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in found)
    if seconds > _LONGEST:
        raise ValueError(f"{_shown(text)} is too long")
    return timedelta(seconds=seconds)


def parse_clock(text: str) -> float:
    """Seconds from `83`, `83.5`, `1:23` or `0:01:23.500`."""
    parts = text.strip().split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"\d+(\.\d+)?" if part is parts[-1] else r"\d+", part) for part in parts):
        raise ValueError(f"{_shown(text)} is no time; write it like 1:23")
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + float(part)
    if seconds > _LONGEST:
        raise ValueError(f"{_shown(text)} is too long")
    return seconds


def parse_days(text: str) -> tuple[date, date]:
    """`2026-12-19/2027-01-05`: the first and the last day."""
    first, slash, last = text.partition("/")
    begin, end = parse_day(first), parse_day(last if slash else first)
    if end < begin:
        raise ValueError(f"{_shown(text)} ends before it begins")
    return begin, end


def span(days: tuple[date, date], home: ZoneInfo) -> tuple[datetime, datetime]:
    """The moments at which a span of days begins and is over, in UTC."""
    begin = datetime.combine(days[0], time(), home)
    return begin.astimezone(UTC), datetime.combine(days[1] + timedelta(days=1), time(), home).astimezone(UTC)


def clock(seconds: float) -> str:
    """`1:23` or `1:02:03`, whole seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: `2026-11-18T20:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
