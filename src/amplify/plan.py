"""What `publish` would do now: the site against each mirror, publications against the record. Pure; it only decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

from amplify import times
from amplify.cache import digest_of
from amplify.config import Plugged, Settings
from amplify.model import Announcement, AnnounceStep, Asset, Digest, Held, Key, MirrorStep, Plan, Publication, Reason, Site, State
from amplify.select import Selection

MARK = PurePosixPath("amplify.json")
"""Beside the site, not part of it."""
_RANKS = {"file": 0, "page": 1, "index": 2}
_UNFINISHED = (State.PLANNED, State.SENDING, State.DEFERRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An announcer's channel, as far as deciding needs to know it."""

    table: Plugged
    outside: bool
    rehearsal: bool
    subscribers: bool
    per_day: int | None = None
    today: int | None = None
    """How many may still go today, where there is a limit."""
    form: Literal["mail", "post", "article"] = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asked for. Empty means everything."""

    publications: tuple[Key, ...] = ()
    channels: tuple[str, ...] = ()
    announce: tuple[Key, ...] = ()
    """Sent however old they are."""
    site_only: bool = False


def mirror(channel: str, site: Site, listing: Mapping[PurePosixPath, Digest]) -> MirrorStep:
    """What makes a mirror equal to the site, in the order that never shows a link to what is not there yet."""
    if digest_of({path: name for path, name in listing.items() if path != MARK}) == site.digest:
        return MirrorStep(channel=channel, new=(), changed=(), remove=())
    ordered = sorted(site.assets.values(), key=lambda asset: (_RANKS[asset.rank], str(asset.path)))
    new = tuple(asset for asset in ordered if asset.path not in listing)
    changed = tuple(asset for asset in ordered if asset.path in listing and listing[asset.path] != asset.digest)
    gone = tuple(sorted(path for path in listing if path not in site.assets and path != MARK))
    return MirrorStep(channel=channel, new=new, changed=changed, remove=gone)


def in_order(step: MirrorStep) -> tuple[Asset, ...]:
    """New and changed files together: files, pages, then feeds and indexes."""
    return tuple(sorted((*step.new, *step.changed), key=lambda asset: (_RANKS[asset.rank], str(asset.path))))


def plan(
    now: datetime,
    mirrors: Iterable[MirrorStep],
    selection: Selection,
    outlets: Sequence[Outlet],
    history: Iterable[Announcement],
    audience: Callable[[str], int],
    settings: Settings,
    wanted: Wanted,
) -> Plan:
    """Everything that would happen at `now`. Counts, never lists of people."""
    opened = {(one.publication, one.channel, one.rehearsal): one for one in history}
    known = {one.key: one for one in selection.publications} | dict.fromkeys((held.key for held in selection.waiting), None)
    names = frozenset(outlet.table.name for outlet in outlets)
    decisions: list[AnnounceStep | Held] = []
    for outlet in () if wanted.site_only else outlets:
        if not wanted.channels or outlet.table.name in wanted.channels:
            decisions += _Decider(now, outlet, names, opened, known, audience, settings, wanted).decide(selection.publications)
    ours = [one for one in opened.values() if any(one.channel == outlet.table.name for outlet in outlets)]
    return Plan(
        now=now,
        mirrors=tuple(mirrors),
        announce=tuple(one for one in decisions if isinstance(one, AnnounceStep)),
        held=(*(one for one in decisions if isinstance(one, Held)), *selection.waiting),
        doubt=sum(one.counts.get(State.DOUBT, 0) for one in ours),
        waiting=sum(one.counts.get(State.WAITING, 0) for one in ours),
    )


@dataclass(frozen=True, slots=True)
class _Decider:
    """The rules for one channel. Touches nothing; `opened` is the whole history."""

    now: datetime
    outlet: Outlet
    names: frozenset[str]
    opened: Mapping[tuple[Key, str, bool], Announcement]
    known: Mapping[Key, Publication | None]
    audience: Callable[[str], int]
    settings: Settings
    wanted: Wanted

    def decide(self, publications: Iterable[Publication]) -> Iterator[AnnounceStep | Held]:
        """For each publication, newest first: a step, a reason why not, or nothing, since it is done."""
        rehearsed_newer = False
        for one in sorted(publications, key=lambda one: one.due, reverse=True):
            if one.kind not in self.outlet.table.publishes or (self.wanted.publications and one.key not in self.wanted.publications):
                continue
            known = self.opened.get((one.key, self.outlet.table.name, self.outlet.rehearsal))
            if known:
                yield from self._goes_on(one, known)
            elif reason := self._held_back(one, rehearsed_newer):
                yield Held(key=one.key, title=one.title, channel=self.outlet.table.name, reason=reason, since=one.due)
            elif doubtful := self._same_thing(one):
                yield doubtful
            else:
                yield self._opens(one)
            rehearsed_newer = rehearsed_newer or self._rehearsed(one)

    def _same_thing(self, one: Publication) -> Held | None:
        """Whether it looks like something that was announced already, under another name: one thing has one identity."""
        if one.key in self.wanted.announce:
            return None
        name = one.path.strip("/").rsplit("/", 1)[-1]
        new = f"if it is new:  amplify publish --announce {name}"
        for past in self.opened.values():
            if past.rehearsal != self.outlet.rehearsal or self.now - past.opened > self.settings.publish.window:
                continue
            if past.publication == one.key and past.channel not in self.names:
                was = (
                    f'if {self.outlet.table.name} is {past.channel} under a new name, write  was = ["{past.channel}"]  into its [[channel]]'
                )
                return self._doubtful(one, "renamed?", f"{was}; {new}")
            if past.channel != self.outlet.table.name:
                continue
            if past.publication not in self.known:
                identity = past.publication.rsplit("/", 1)[-1]
                was = f'if it is "{past.title}" under a new name, write  id: {identity}  into {one.at.file.as_posix()}'
                return self._doubtful(one, "renamed?", f"{was}; {new}")
            twin = self.known[past.publication]
            if twin and twin.kind == one.kind and (twin.title.casefold(), twin.due) == (one.title.casefold(), one.due):
                return self._doubtful(one, "copy?", f"if it is a copy of {twin.at.file.as_posix()}, remove it; {new}")
        return None

    def _doubtful(self, one: Publication, reason: Reason, hint: str) -> Held:
        return Held(key=one.key, title=one.title, channel=self.outlet.table.name, reason=reason, since=one.due, hint=hint)

    def _rehearsed(self, one: Publication) -> bool:
        return not self.outlet.rehearsal and (one.key, self.outlet.table.name, True) in self.opened

    def _held_back(self, one: Publication, rehearsed_newer: bool) -> Reason | None:
        """Why a publication that was never announced here stays. Lateness is governed by `announce_within` alone."""
        if one.key in self.wanted.announce:
            return "audience empty" if self._size(one) == 0 else None
        if self.now - one.due > self.settings.publish.window:
            return "archive"
        if rehearsed_newer and self._rehearsed(one):
            return "rehearsed only"
        if any(first <= self.now < last for first, last in self._quiet()):
            return "quiet"
        return "audience empty" if self._size(one) == 0 else None

    def _quiet(self) -> Iterator[tuple[datetime, datetime]]:
        return (times.span(days, self.settings.community.zone) for days in self.settings.publish.quiet_days)

    def _size(self, one: Publication) -> int:
        return self.audience(one.audience or self.outlet.table.audience) if self.outlet.subscribers else 1

    def _opens(self, one: Publication) -> AnnounceStep:
        return AnnounceStep(publication=one, channel=self.outlet.table.name, opens=True, left=self._size(one), delivered=0,
                            outside=self.outlet.outside, rehearsal=self.outlet.rehearsal, changed=False,
                            per_day=self.outlet.per_day, today=self.outlet.today, form=self.outlet.form)  # fmt: skip

    def _goes_on(self, one: Publication, known: Announcement) -> Iterator[AnnounceStep]:
        left, doubt = sum(known.counts.get(state, 0) for state in _UNFINISHED), known.counts.get(State.DOUBT, 0)
        if known.closed is None and (left or doubt):
            yield AnnounceStep(publication=one, channel=self.outlet.table.name, opens=False, left=left, doubt=doubt,
                               delivered=known.counts.get(State.DELIVERED, 0), outside=self.outlet.outside,
                               rehearsal=self.outlet.rehearsal, changed=known.digest != one.digest,
                               per_day=self.outlet.per_day, today=self.outlet.today, form=self.outlet.form)  # fmt: skip


def nothing_to_do(plan: Plan) -> bool:
    """Whether carrying the plan out would change nothing anywhere."""
    return not plan.announce and not any(step.new or step.changed or step.remove for step in plan.mirrors)


def irrevocable(plan: Plan) -> int:
    """How many deliveries cannot be taken back."""
    return sum(step.left for step in plan.announce if step.outside and not step.rehearsal)
