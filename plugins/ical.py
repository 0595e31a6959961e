"""Gather from a calendar: what is to come in it, as events.

    [[source]]
    name = "calendar"
    plugin = "ical"
    file = "https://calendar.example.org/teachers.ics"

`file` is a file of the community or an address, as every calendar program gives one out (iCalendar, `.ics`; `webcal:` works too).
An event says when and where, and how it comes again. What is over or called off is left out, and so is what would come by the
hour, the minute or the second. One date of a series that has a title of its own is an event of its own.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from amplify.api import Bookmark, Kind, Offer, Services, SourceKind, Unreadable, hookimpl

_LIMIT, _SECONDS = 10_000_000, 30
_DAYS = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday", "SU": "Sunday"}
_NUMBERS = {"": "", "1": "the first ", "2": "the second ", "3": "the third ", "4": "the fourth ", "5": "the fifth ", "-1": "the last "}
_EACH = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
Plain = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """`file`: the calendar, a file relative to the community or absolute, or an address."""

    file: str


class Calendar:
    """Its bookmark holds how the calendar was the last time, so that an unchanged one is not read again."""

    def __init__(self, options: Options, services: Services) -> None:
        self._place = re.sub(r"^webcals?:", "https:", options.file)
        self._services = services

    def gather(self, since: Bookmark | None) -> Iterator[Offer | Bookmark]:
        """An offer for each event that is to come."""
        before = _remembered(since)
        found = self._fetched(before)
        if found is None:
            return
        data, state = found
        state["digest"] = blake2b(data, digest_size=12).hexdigest()
        if state["digest"] != before.get("digest"):
            now, zone = self._services.clock().isoformat(), str(self._services.zone)
            read = self._services.apart(events, data, now, zone, seconds=_SECONDS)
            for note in read["notes"]:
                self._services.log.warning("%s", note)
            for one in read["events"]:
                offered = datetime.fromisoformat(one["offered"]) if one["offered"] else None
                yield Offer(**{**one, "offered": offered, "tags": tuple(one["tags"]), "kind": Kind.EVENT, "form": "html"})
        if state != before:
            yield Bookmark(value=json.dumps(state))

    def _fetched(self, before: Mapping[str, str]) -> tuple[bytes, dict[str, str]] | None:
        """The calendar, and what to ask with the next time; None where it is unchanged."""
        if "://" in self._place:
            got = self._services.http.get(
                self._place, etag=before.get("etag", ""), modified=before.get("modified", ""), limit=_LIMIT, seconds=_SECONDS
            )
            return None if got.unchanged else (got.content, {"etag": got.etag, "modified": got.modified})
        path = self._services.folder / Path(self._place).expanduser()
        try:
            with path.open("rb") as file:
                data = file.read(_LIMIT + 1)
        except OSError as error:
            raise Unreadable(f"{path} cannot be opened: {error.strerror}") from error
        if len(data) > _LIMIT:
            raise Unreadable(f"{path} has more than {_LIMIT // 1_000_000} MB")
        return data, {}


def _remembered(since: Bookmark | None) -> Mapping[str, str]:
    try:
        found = json.loads(since.value) if since else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# -- apart: what others wrote --------------------------------------------------------------------------------------


def events(data: bytes, now: str, zone: str) -> Plain:
    """What is to come in a calendar, and a line for each event that cannot be read. Raises Unreadable."""
    from icalendar import Calendar as Parsed

    try:
        with warnings.catch_warnings(action="ignore"):
            calendars = Parsed.from_ical(data.decode("utf-8-sig", "replace"), multiple=True)
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise Unreadable(f"it is no calendar that can be read: {error}") from error
    found = [event for one in calendars if str(one.get("METHOD", "")).upper() != "CANCEL" for event in one.walk("VEVENT")]
    if not found and not any(one.name == "VCALENDAR" for one in calendars):
        raise Unreadable("it is no calendar")
    titles = {str(event.get("UID", "")): _said(event, "SUMMARY") for event in found if event.get("RECURRENCE-ID") is None}
    read: list[Plain] = []
    notes: list[str] = []
    for event in found:
        title = _said(event, "SUMMARY")
        moved = event.get("RECURRENCE-ID") is not None and title == titles.get(str(event.get("UID", "")), "")
        if moved or _said(event, "STATUS").upper() == "CANCELLED":
            continue
        try:
            when = _When.of(event, ZoneInfo(zone))
            if when.to_come(datetime.fromisoformat(now)):
                read.append(_plain(event, title, when))
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
            notes.append(f'"{title or "an event without a title"}" cannot be read: {error}')
    return {"events": read, "notes": notes}


def _plain(event: Any, title: str, when: _When) -> Plain:
    place, said = _said(event, "LOCATION"), str(event.get("DESCRIPTION", "")).strip()
    head = f"<p><strong>When:</strong> {escape(when.words())}" + (f"<br><strong>Where:</strong> {escape(place)}" if place else "") + "</p>"
    if not re.search(r"<(?:p|br|a|b|i|ul|ol|li|div|span|html-blob)\b[^<>]*>", said, re.IGNORECASE):
        said = "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in said.split("\n\n") if part)
    organiser = event.get("ORGANIZER")
    name = str(getattr(organiser, "params", {}).get("CN", ""))
    link, known = _said(event, "URL"), str(event.get("UID", ""))
    once = f" {event['RECURRENCE-ID'].dt.isoformat()}" if event.get("RECURRENCE-ID") is not None else ""
    categories = event.get("CATEGORIES", ())
    return {
        "id": (known or blake2b(f"{title}\n{when.words()}".encode("utf-8", "replace"), digest_size=12).hexdigest()) + once,
        "title": title, "body": head + said, "url": link or None, "author": "" if "@" in name else name,
        "handle": re.sub(r"(?i)^mailto:", "", str(organiser or "")), "offered": _written(event),
        "tags": [str(tag) for one in (categories if isinstance(categories, list) else [categories]) for tag in getattr(one, "cats", ())],
    }  # fmt: skip


def _said(event: Any, key: str) -> str:
    return " ".join(str(event.get(key, "")).split())


def _written(event: Any) -> str:
    for key in ("LAST-MODIFIED", "CREATED"):
        moment = getattr(event.get(key), "dt", None)
        if isinstance(moment, datetime):
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
    return ""


@dataclass(frozen=True)
class _When:
    """`start` and `end` on the clock on the wall in `zone`; `home` where the readers are."""

    start: datetime
    end: datetime
    all_day: bool
    zone: ZoneInfo
    home: ZoneInfo
    rule: Mapping[str, str]
    left_out: frozenset[datetime]

    @staticmethod
    def of(event: Any, home: ZoneInfo) -> _When:
        """Raises ValueError, in words, for what takes place at no time that can be told."""
        try:
            start, end = event.DTSTART, event.end
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError("it has no date that can be read") from error
        written = event.get("RRULE")
        if isinstance(written, list):
            raise ValueError("it has several rules for how it comes again")
        rule = dict(part.split("=", 1) for part in written.to_ical().decode().upper().split(";")) if written else {}
        often = any("," in rule.get(part, "") for part in ("BYHOUR", "BYMINUTE", "BYSECOND"))
        if often or rule.get("FREQ") in ("HOURLY", "MINUTELY", "SECONDLY") or rule.get("INTERVAL") == "0":
            raise ValueError("it would come by the hour, the minute or the second")
        if rule and rule.get("FREQ") not in _EACH:
            raise ValueError("how it comes again cannot be told")
        all_day = not isinstance(start, datetime)
        zone = start.tzinfo if rule and not all_day and isinstance(start.tzinfo, ZoneInfo) and start.tzinfo.key != "UTC" else home
        exdates = event.get("EXDATE", ())
        lists = exdates if isinstance(exdates, list) else [exdates]
        left_out = frozenset(_wall(one.dt, zone) for some in lists for one in getattr(some, "dts", ()))
        return _When(_wall(start, zone), _wall(end, zone), all_day, zone, home, rule, left_out)

    def to_come(self, now: datetime) -> bool:
        """Whether it, or one of its dates, is not over yet."""
        here = _wall(now, self.zone)
        lasts = max(self.end - self.start, timedelta(seconds=1))
        return any(start + lasts > here for start in self._starts(here - lasts))

    def _starts(self, after: datetime) -> Iterator[datetime]:
        """The dates from `after` on. The calendar repeats every 400 years, so a rule that never comes round is soon at its end."""
        if not self.rule:
            yield self.start
            return
        from dateutil.rrule import rrulestr

        later = (9899 - self.start.year) // 400 * 400
        until = _until(self.rule["UNTIL"], self.zone) if "UNTIL" in self.rule else None
        parts = ";".join(f"{name}={value}" for name, value in self.rule.items() if name != "UNTIL")
        for moment in rrulestr(parts, dtstart=self.start.replace(year=self.start.year + later)):
            start = moment.replace(year=moment.year - later)
            if until and start > until:
                return
            if start > after and start not in self.left_out:
                yield start

    def words(self) -> str:
        """When it takes place, as one would say it."""
        begin, last = self.start, self.end - timedelta(days=1) if self.all_day else self.end
        said = f"{'from ' if self.rule else ''}{_day(begin)}"
        if not self.all_day:
            same = begin.date() == last.date()
            said += f", {begin:%H:%M}" + ("" if last <= begin else f" to {last:%H:%M}" if same else f" to {_day(last)}, {last:%H:%M}")
        elif last.date() > begin.date():
            said += f" to {_day(last)}"
        there = "" if self.all_day or self.zone == self.home else self.zone.key.rpartition("/")[2].replace("_", " ")
        abroad = f" ({there} time)" if there else ""
        return f"{said}{abroad}{', ' if self.rule else ''}{_again(self.rule, self.zone)}"


def _wall(moment: date, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows then; of a day, its beginning."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time())
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment


def _until(written: str, zone: ZoneInfo) -> datetime:
    if len(written) == 8:
        return datetime.strptime(written, "%Y%m%d").replace(hour=23, minute=59, second=59)  # noqa: DTZ007 - a clock on a wall
    moment = datetime.strptime(written[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - likewise
    return _wall(moment.replace(tzinfo=UTC), zone) if written.endswith("Z") else moment


def _day(moment: datetime) -> str:
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def _again(rule: Mapping[str, str], zone: ZoneInfo) -> str:
    """How it comes again, in words, or the rule itself where it says more than these words can."""
    if not rule:
        return ""
    number = rule.get("INTERVAL", "1")
    said = f"every {_EACH[rule['FREQ']]}" if number == "1" else f"every {number} {_EACH[rule['FREQ']]}s"
    days = [re.fullmatch(r"\+?(-?\d*)(\w\w)", day) for day in rule.get("BYDAY", "").split(",") if day]
    known = [f"{_NUMBERS[day[1]]}{_DAYS[day[2]]}" for day in days if day and day[1] in _NUMBERS and day[2] in _DAYS]
    if rule.keys() - {"FREQ", "INTERVAL", "BYDAY", "UNTIL", "COUNT", "WKST"} or len(known) < len(days):
        return ";".join(f"{name}={value}" for name, value in rule.items())
    if known:
        said += " on " + " and ".join(filter(None, [", ".join(known[:-1]), known[-1]]))
    with suppress(ValueError):
        said += f", until {_day(_until(rule['UNTIL'], zone))}" if "UNTIL" in rule else ""
    return said + (f", {rule['COUNT']} times" if "COUNT" in rule else "")


@hookimpl
def amplify_sources() -> list[SourceKind]:
    """The kind `ical`."""
    return [SourceKind("ical", Options, Calendar)]
