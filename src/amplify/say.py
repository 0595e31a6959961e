"""What people read on the screen: plans, reports, states, problems. Values in, lines out; nothing is done here.

The words of the code stay out: website, mail, record, "accepted", "not sure it arrived"; see docs/words.md.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from amplify import text, times
from amplify.config import Settings
from amplify.deliver import LIMIT_REACHED
from amplify.errors import Problem
from amplify.mailing import Decision, Failed, Sent
from amplify.model import Announcement, AnnounceStep, Asset, Held, MirrorStep, Plan, State
from amplify.pipeline import Built, Prepared, Report
from amplify.plan import irrevocable, nothing_to_do
from amplify.store import Row

_WIDTH = 96
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PLACES = {
    "index.html": "home", "editions/index.html": "archive", "episodes/index.html": "episodes", "people/index.html": "people",
    "events/index.html": "events", "podcast.xml": "podcast feed", "feed.xml": "newsletter feeds", "feed.atom": "newsletter feeds",
    "feed.json": "newsletter feeds", "events.ics": "calendar",
}  # fmt: skip
_STATES = {
    State.DELIVERED: "accepted",
    State.PLANNED: "waiting",
    State.SENDING: "being sent",
    State.DEFERRED: "put off",
    State.DOUBT: "not sure it arrived",
    State.WAITING: "for a person to post",
    State.REFUSED: "refused",
    State.SKIPPED: "left out",
}


def people(number: int) -> str:
    """`1 person`, `12 people`."""
    return "1 person" if number == 1 else f"{number:,} people"


def count(number: int, one: str, many: str = "") -> str:
    """`1 file`, `3 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(at: datetime, settings: Settings) -> str:
    """`Wednesday 18 November 2026, 20:30 London`."""
    local = at.astimezone(settings.community.zone)
    city = settings.community.timezone.rsplit("/", 1)[-1].replace("_", " ")
    return f"{_DAYS[local.weekday()]} {local.day} {local:%B %Y, %H:%M} {city}"


# -- the plan ------------------------------------------------------------------------------------------------------


def plan(prepared: Prepared, settings: Settings, left: Mapping[str, int]) -> Iterator[str]:
    """The plan as a screenful; `left` is people on the list by status."""
    shown = prepared.plan
    yield _headline(f"{settings.community.name}: what would happen now", moment(shown.now, settings))
    for step in shown.mirrors:
        yield from _website(step, prepared.built, settings)
    for announce in shown.announce:
        yield from _mail(announce, prepared.built, settings, left)
    yield from _stays(shown, settings)


def _headline(left: str, right: str) -> str:
    return f"{left}  {right:>{max(0, _WIDTH - len(left) - 2)}}"


def _row(word: str, words: str) -> str:
    """A word, and what there is to say to it, wrapped to the width of a screen."""
    return textwrap.fill(f"  {word:<8} {words}", _WIDTH, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False)


def _website(step: MirrorStep, built: Built, settings: Settings) -> Iterator[str]:
    if not (step.new or step.changed or step.remove):
        yield f"WEBSITE  {step.channel}: up to date"
        return
    yield _headline(f"WEBSITE  {step.channel}, {urlsplit(settings.community.url).hostname}", "can be changed later")
    for word, assets in (("new", step.new), ("changed", step.changed)):
        if assets:
            yield _row(word, _files(assets, built))
    if step.remove:
        yield _row("gone", _gone(step.remove))


def _files(assets: Iterable[Asset], built: Built) -> str:
    titles = {PurePosixPath(one.path) / "index.html": f'"{one.title}"' for one in built.selection.publications}
    named: list[str] = []
    places: list[str] = []
    others = 0
    for asset in assets:
        if asset.path in titles:
            named.append(titles[asset.path])
        elif place := _PLACES.get(str(asset.path)):
            places += [place] if place not in places else []
        else:
            others += 1
    more = [f"{len(named) - 4} more"] if len(named) > 5 else []
    parts = named[: 4 if more else 5] + more + places + ([count(others, "other file")] if others else [])
    return ", ".join(parts)


def _gone(paths: Iterable[PurePosixPath]) -> str:
    found = [str(path).removesuffix("/index.html") for path in paths]
    return ", ".join(found[:5]) + (f" and {count(len(found) - 5, 'more file')}" if len(found) > 5 else "")


def _mail(step: AnnounceStep, built: Built, settings: Settings, left: Mapping[str, int]) -> Iterator[str]:
    one = step.publication
    note = "REHEARSAL: nobody gets these" if step.rehearsal else "CANNOT BE TAKEN BACK"
    if step.form != "mail":
        yield _headline(text.fit(f'POST  "{one.title}" through {step.channel}', _WIDTH - len(note) - 2), note)
        return
    yield _headline(text.fit(f'MAIL  "{_subject(step, built)}"', _WIDTH - len(note) - 2), note)
    if settings.newsletter:
        yield _row("from", settings.newsletter.sender)
    again = "" if step.opens else f" left to send to; {step.delivered:,} have it"
    yield _row("to", f"{people(step.left)}{again}")
    gone = {"unsubscribed": "left", "bounced": "with an address that does not work", "pending": "not confirmed"}
    if step.opens and (missing := [f"{left[status]} {words}" for status, words in gone.items() if left.get(status)]):
        yield _row("not to", ", ".join(missing))
    if step.per_day is not None and step.today is not None and step.left > step.today:
        yield _row("when", _days(step.left, step.today, step.per_day))
    for limit in step.limits:
        if limit.left > limit.today:
            yield _row("when", f"{limit.domain}: {_days(limit.left, limit.today, limit.per_day)}")
    if step.doubt:
        yield _row("unsure", f"{people(step.doubt)}: {step.channel} is asked whether they have it")
    if step.changed:
        yield _row("LOOK", f"{one.at.file.as_posix()} was edited since the first ones got it; the rest get the new text")


def _days(left: int, today: int, per_day: int) -> str:
    """`97 today, 100 tomorrow, 105 in 2 more days`: what a daily limit makes of it."""
    tomorrow = min(per_day, left - today)
    rest = left - today - tomorrow
    more = -(-rest // per_day) if per_day else 0
    later = "the day after" if more == 1 else f"in {more} more days"
    parts = [f"{today} today", f"{tomorrow} tomorrow"] + ([f"{rest} {later}"] if rest else [])
    return ", ".join(parts) + f": {per_day} a day is the limit. Run  amplify publish  again each day"


def _subject(step: AnnounceStep, built: Built) -> str:
    key = step.publication.path.strip("/").removeprefix("editions/")
    return next((one.subject for one in built.selection.editions if one.slug == key), step.publication.title)


def _stays(shown: Plan, settings: Settings) -> Iterator[str]:
    reasons = {
        "draft": "draft", "quiet": "quiet days", "rehearsed only": "rehearsed; something newer goes first",
        "audience empty": "nobody is on the list yet", "not online yet": "not online yet",
        "renamed?": "perhaps sent already, under another name", "copy?": "perhaps a copy of something sent",
    }  # fmt: skip
    parts: dict[str, list[str]] = {}
    hints: list[str] = []
    archive = 0
    for held in shown.held:
        if held.reason == "archive":
            archive += 1
        else:
            parts.setdefault(_why(held, reasons, settings), []).append(held.title)
        if held.hint:
            hints.append(f'LOOK  "{held.title}" stays: {held.hint}')
    for why, titles in parts.items():
        listed = ", ".join(titles[:4]) + (f" and {len(titles) - 4} more" if len(titles) > 4 else "")
        yield f"STAYS  {listed} ({why})"
    yield from (textwrap.fill(hint, _WIDTH, subsequent_indent="      ", break_on_hyphens=False, break_long_words=False) for hint in hints)
    if archive:
        they = "it came" if archive == 1 else "they came"
        yield (
            f"ARCHIVE  {count(archive, 'older thing')}: online, and not announced,"
            f" since {they} out more than {settings.publish.announce_within} ago"
        )


def _why(held: Held, reasons: Mapping[str, str], settings: Settings) -> str:
    if held.reason == "future" and held.since:
        return f"from {moment(held.since, settings)}"
    return reasons.get(held.reason, held.reason)


def consequence(shown: Plan) -> str:
    """What would happen that cannot be taken back: `6 people would get mail and 1 post would appear`."""
    real = [step for step in shown.announce if step.outside and not step.rehearsal]
    mails = sum(step.left for step in real if step.form == "mail")
    posts = sum(step.left for step in real if step.form != "mail")
    parts = ([f"{people(mails)} would get mail"] if mails else []) + ([f"{count(posts, 'post')} would appear"] if posts else [])
    return " and ".join(parts)


def question(shown: Plan) -> str:
    """What is asked before anything that cannot be taken back."""
    return f"To publish, type {irrevocable(shown)}. Enter alone stops here and nothing leaves.  > "


def quiet(shown: Plan, settings: Settings) -> Iterator[str]:
    """What there is to say when there is nothing to do: what stays is named as in a plan, but for the archive."""
    yield "Nothing to do: the website is up to date, and everything that was due has gone."
    yield from _stays(replace(shown, held=tuple(held for held in shown.held if held.reason != "archive")), settings)


# -- what was done -------------------------------------------------------------------------------------------------


def report(done: Report, prepared: Prepared) -> Iterator[str]:
    """What a run did."""
    yield "Published." if done.complete else "Published in part."
    for step in prepared.plan.mirrors:
        if step.channel in done.put and (done.put[step.channel] or done.removed[step.channel]):
            gone = f", {done.removed[step.channel]} gone" if done.removed[step.channel] else ""
            yield f"  {step.channel}: {count(done.put[step.channel], 'file')} in place{gone}"
    for one in done.announced:
        yield f"  {one.channel}: {one.title}: {counts(one.counts)}" + (
            " in .amplify/outbox/ (a rehearsal: nobody gets these)" if one.rehearsal else ""
        )
    for channel, why in done.paused.items():
        yield f"PAUSED  {channel}: {why}. Nobody is lost, nobody got it twice."
        if why == LIMIT_REACHED:
            yield "  Tomorrow:  amplify publish    sends to those who are left and to nobody else"
        else:
            yield "  This is about your account or the server, not your readers: no address was struck off."
            yield "  When it is mended:  amplify publish    sends to those who are left and to nobody else"
    for failure in done.failures:
        yield f"  FAILED  {failure}"
    if not done.complete and not done.paused:
        yield "Nobody is lost, nobody got it twice. For more:  amplify status"


def counts(by_state: Mapping[State, int]) -> str:
    """`302 accepted, 1 not sure it arrived`."""
    return ", ".join(f"{by_state[state]:,} {words}" for state, words in _STATES.items() if by_state.get(state)) or "nobody"


def status(
    history: Iterable[Announcement],
    rows: Mapping[int, Iterable[Row]],
    subscribers: Mapping[str, int],
    settings: Settings,
    *,
    everyone: bool,
) -> Iterator[str]:
    """What went where, what waits; below each what `rows` has of its deliveries."""
    shown = list(history)
    if not shown:
        yield "Nothing was sent from here yet."
    for one in shown:
        yield _announced(one, settings)
        adopted = one.closed and not one.counts
        yield "  counts as sent; the record does not know to whom" if adopted else f"  {counts(one.counts)}"
        yield from details(rows.get(one.id, ()), settings, everyone=everyone)
    active = subscribers.get("active", 0)
    yield f"On the list: {people(active)}" + (f", {subscribers['unsubscribed']} left" if subscribers.get("unsubscribed") else "")


def _announced(one: Announcement, settings: Settings) -> str:
    rehearsal = " (a rehearsal: nobody got these)" if one.rehearsal else ""
    return f"{one.title}  by {one.channel}, {moment(one.opened, settings)}{rehearsal}"


def person(name: str, found: Iterable[tuple[Announcement, Row]], settings: Settings) -> Iterator[str]:
    """What one person was sent, and what the server answered."""
    shown = list(found)
    if not shown:
        yield f"Nobody called {name} was sent this from here. Who is on the list:  amplify subscribers list"
    for announcement, row in shown:
        yield _announced(announcement, settings)
        yield from details([row], settings, everyone=True)


def status_json(history: Iterable[Announcement]) -> dict[str, Any]:
    """The same for programs."""
    rows = [
        {"key": one.publication, "title": one.title, "channel": one.channel, "rehearsal": one.rehearsal, "opened": times.iso(one.opened),
         "closed": times.iso(one.closed) if one.closed else None, "counts": {str(state): number for state, number in one.counts.items()}}
        for one in history
    ]  # fmt: skip
    return {"publications": rows}


def plan_json(shown: Plan) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "now": times.iso(shown.now),
        "website": [
            {"channel": step.channel, "new": [str(asset.path) for asset in step.new],
            "changed": [str(asset.path) for asset in step.changed],
             "remove": [str(path) for path in step.remove]}
            for step in shown.mirrors
        ],
        "announce": [
            {"key": step.publication.key, "title": step.publication.title, "channel": step.channel, "opens": step.opens, "left": step.left,
             "delivered": step.delivered, "in doubt": step.doubt, "rehearsal": step.rehearsal, "outside": step.outside}
            for step in shown.announce
        ],
        "held": [
            {"key": held.key, "title": held.title, "channel": held.channel, "reason": held.reason,
             "since": times.iso(held.since) if held.since else None}
            for held in shown.held
        ],
        "nothing_to_do": nothing_to_do(shown),
    }  # fmt: skip


def details(rows: Iterable[Row], settings: Settings, *, everyone: bool) -> Iterator[str]:
    """A line for each delivery that needs a look, or for each at all."""
    for row in rows:
        if everyone or row.state not in (State.DELIVERED, State.SKIPPED):
            local = row.at.astimezone(settings.community.zone)
            what = row.reason or row.receipt
            yield f"  {row.delivery:>6}  {row.address or 'the public':<36} {_STATES[row.state]:<22} {local:%d %b %H:%M}  {what}".rstrip()


def failed(those: Failed) -> Iterator[str]:
    """Whom a second try is for, and whom it is not for."""
    if not those.rows:
        yield f"{those.announcement.title!r} reached everybody whom it can reach. Nothing was sent."
    if those.unsure:
        yield f"Not sure it arrived: {people(those.unsure)}. They are left alone; settle that first:  amplify resolve"
    if those.gone:
        yield f"Not tried again: {people(those.gone)} who left, or whose address does not work."


def sent(done: Iterable[Sent]) -> Iterator[str]:
    """What became of mails sent by hand."""
    for one in done:
        where = " (a file in .amplify/outbox/)" if one.rehearsal else ""
        yield f"{one.address}: NOT SENT  {one.error}" if one.error else f'Sent "{one.title}" to {one.address}{where}, and to nobody else.'


def decided(done: Iterable[Decision], became: State) -> Iterator[str]:
    """What was settled."""
    words = {
        State.DELIVERED: "counts as delivered",
        State.PLANNED: "goes again with the next  amplify publish",
        State.SKIPPED: "is left out",
    }
    decisions = list(done)
    for one in decisions:
        person = one.row.address or "the public"
        yield f"{one.title}, {person}: " + (words[became] if one.done else f"stays as it is: {_STATES[one.row.state]}")
    if not decisions:
        yield "Nothing waits for a decision."


# -- problems ------------------------------------------------------------------------------------------------------


def problems(found: Iterable[Problem]) -> Iterator[str]:
    """`file:line: RULE message (how to mend)`, each on its line."""
    yield from map(str, found)


def problems_json(found: Iterable[Problem]) -> dict[str, Any]:
    """The same for programs."""
    rows = [
        {"file": one.file, "line": one.line, "rule": one.rule, "message": one.message, "remedy": one.remedy, "severity": one.severity}
        for one in found
    ]
    return {"problems": rows}
