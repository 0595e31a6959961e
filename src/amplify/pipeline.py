"""The whole of Amplify in one picture, and the only module that knows the order.

    sources ─► gather ─► inbox ─► review ─► contributions/ ─► draft ─► editions/
                                                                          │
    folder ─► load ─► Content ─► select(now) ─► public, due, coming ─► build ─► Site
                                                   │                              │
                     history (record) ─► plan: site against mirrors, publications against the record
                                                   │
                            compose: messages for what is due ─► deliver ─► receipts ─► record

`prepare` goes as far as the plan and changes nothing outside `.amplify/`; `carry_out` does what the plan says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from amplify import compose, deliver, folder, instances, media, online, registry, rules, select, site, state, times
from amplify import config as configuration
from amplify import plan as planning
from amplify.apart import Workers
from amplify.api import Announcer, Apart, Http, Mirror
from amplify.cache import Cache
from amplify.config import Plugged, Settings
from amplify.deliver import LIMIT_REACHED, Job, Pace, Progress, World
from amplify.errors import AmplifyError, Busy, FolderError, Problem
from amplify.http import agent, guarded
from amplify.instances import Instance
from amplify.model import Announcement, AnnounceStep, Content, Limit, Message, MirrorStep, Plan, Site, State
from amplify.pages import Views
from amplify.plan import Outlet, Wanted
from amplify.render import Renderer
from amplify.select import Selection
from amplify.store import Store

STATE = ".amplify"
_A_DAY = timedelta(days=1)
Clock = Callable[[], datetime]


def now() -> datetime:
    """The clock on the wall."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """An opened folder: its settings, its caches, its record, and the way to the outside world, which nothing uses before it is needed."""

    settings: Settings
    cache: Cache
    store: Store
    http: Http
    apart: Apart
    clock: Clock

    @property
    def state(self) -> Path:
        """Where the working files are."""
        return self.settings.root / STATE


@contextmanager
def opened(root: Path, clock: Clock = now) -> Iterator[Community]:
    """The community in `root`. Raises AmplifyError where there is none, FolderError where its settings are wrong."""
    settings = configuration.load(root)
    state = root / STATE
    with contextlib.ExitStack() as stack:
        cache = Cache(state / "cache")
        stack.callback(cache.close)
        store = Store(root / settings.state.database)
        stack.callback(store.close)
        who = agent(settings.community.url, settings.community.contact)
        http = stack.enter_context(guarded(settings.http.allow, who, clock))
        apart = stack.enter_context(Workers())
        yield Community(settings=settings, cache=cache, store=store, http=http, apart=apart, clock=clock)


def restore(root: Path, file: Path) -> Path | None:
    """Put a saved record in the place of this one; where this one is kept, if there was one."""
    settings = configuration.load(root)
    with state.held(root / STATE):
        return state.restore(root / settings.state.database, file, root / STATE / "snapshots", now())


@contextmanager
def alone(community: Community) -> Iterator[None]:
    """Hold the community, so that nobody else publishes; what a dead holder was sending becomes in doubt. Raises Busy."""
    with state.held(community.state):
        community.store.recover(community.clock())
        yield


def recover(community: Community) -> None:
    """If nobody is at work here, what a dead holder was sending becomes in doubt, so that it is shown as what it is."""
    with contextlib.suppress(Busy), alone(community):
        pass


# -- as far as the plan --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The folder as a site at one moment."""

    content: Content
    selection: Selection
    site: Site
    problems: tuple[Problem, ...]


def check(community: Community) -> tuple[Content, tuple[Problem, ...]]:
    """Everything in the folder, and all that is wrong with it."""
    loaded = folder.load(community.settings, community.cache)
    return loaded.content, loaded.problems


def examine(community: Community) -> tuple[Problem, ...]:
    """Everything that is wrong in the folder, its settings and what it would send, and what could be better."""
    try:
        channels(community)
        trouble: tuple[Problem, ...] = ()
    except FolderError as error:
        trouble = error.problems
    content, problems = check(community)
    trouble += tuple(state.dangers(community.settings, community.store.path))
    found = (
        *trouble,
        *problems,
        *rules.advice(content, community.settings, community.clock()),
    )
    return found if any(one.severity == "error" for one in found) else (*found, *_would_stop(community))


def _would_stop(community: Community) -> tuple[Problem, ...]:
    """What only shows when everything is rendered, or would really be sent."""
    try:
        build(community, community.clock(), drafts=True)
        if any(isinstance(one.works, Announcer) and not one.local for one in channels(community)):
            online.check_address(community.settings)
    except FolderError as error:
        return error.problems
    return ()


def build(community: Community, at: datetime, *, drafts: bool = False) -> Built:
    """load, select, build. Raises FolderError with every error in the folder."""
    content, problems = check(community)
    if errors := [one for one in problems if one.severity == "error"]:
        raise FolderError(errors)
    selection = select.select(content, at, drafts=drafts)
    built = site.build(content, selection, community.settings, community.cache)
    return Built(content=content, selection=selection, site=built, problems=problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan and everything that carrying it out needs."""

    plan: Plan
    built: Built
    channels: tuple[Instance, ...]
    look: str = ""
    """What the organiser should know before anything else: that this computer has not the record of what was sent."""


def channels(community: Community) -> tuple[Instance, ...]:
    """The channels of the settings, ready to work. Raises FolderError."""
    settings = community.settings
    kinds = registry.load(settings.root, settings.disable, {table.plugin for table in (*settings.channel, *settings.source)})
    return instances.channels(settings, kinds, lending(community))


def lending(community: Community) -> instances.Lend:
    """What the instances of this community are lent."""
    settings = community.settings
    return instances.lending(
        settings.root, community.state, community.clock, settings.community.zone, http=community.http, apart=community.apart,
        keep=partial(media.keep, root=settings.root, apart=community.apart),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for, in the words of people. `present` False: the clock is not the wall's, so only rehearsals may run."""

    publications: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    site_only: bool = False
    present: bool = True


def prepare(community: Community, options: Options) -> Prepared:
    """The plan for now. Raises AmplifyError and FolderError; nothing outside `.amplify/` has changed then."""
    now = community.clock()
    made = channels(community)
    built = build(community, now)
    if not options.present and (far := [one.table.name for one in made if not one.local]):
        raise AmplifyError(f"--at is for rehearsals, and {', '.join(far)} would really send. Nothing was sent.\n  To look:  add --dry-run")
    if unknown := set(options.channels) - {one.table.name for one in made}:
        raise AmplifyError(
            f"There is no channel called {', '.join(sorted(unknown))}. Nothing was sent.\n"
            f"  Possible:  {', '.join(one.table.name for one in made)}"
        )
    listings = {one.table.name: online.listing(one.table.name, one.works) for one in made if isinstance(one.works, Mirror)}
    plan = planning.plan(
        now,
        [planning.mirror(name, built.site, listing) for name, listing in listings.items()],
        built.selection,
        [outlet(community, one) for one in made if isinstance(one.works, Announcer)],
        _history(community, made),
        community.store.audience,
        community.settings,
        _wanted(built.selection, options),
    )
    plan = _with_limits(community, plan, made)
    if not planning.nothing_to_do(plan):
        _judge(community, built, plan)
    if any(not step.rehearsal for step in plan.announce):
        online.check_address(community.settings)
        online.check_mark(community.store, online.serving(made), community.settings.community.name)
    real = any(isinstance(one.works, Announcer) and not one.rehearsal for one in made)
    look = online.stranger(community.store, online.serving(made), community.settings.community.name) if real else ""
    return Prepared(plan=plan, built=built, channels=made, look=look)


def _history(community: Community, made: Iterable[Instance]) -> tuple[Announcement, ...]:
    """The record, under the names that the channels have now."""
    now_called = {old: one.table.name for one in made for old in one.table.was}
    return tuple(replace(one, channel=now_called.get(one.channel, one.channel)) for one in community.store.announcements())


def _judge(community: Community, built: Built, plan: Plan) -> None:
    """Hold everything that is about to leave against the rules. Raises FolderError; advice is for `amplify check`."""
    settings = community.settings
    found = list(rules.advice(built.content, settings, plan.now))
    views, renderer = Views(built.selection, settings), Renderer(settings)
    for step in plan.announce:
        if step.form != "mail":
            continue
        message = compose.mail(step.publication, views, renderer, plan.now)
        found += [replace(one, file=step.publication.at.file.as_posix()) for one in rules.mail(message)]
    if errors := [one for one in found if one.severity == "error"]:
        raise FolderError(errors)


def _wanted(selection: Selection, options: Options) -> Wanted:
    return Wanted(
        publications=(
            *select.named(selection, options.publications),
            *select.named(selection, options.announce if options.publications else ()),
        ),
        channels=options.channels,
        announce=select.named(selection, options.announce),
        site_only=options.site_only,
    )


def idle(prepared: Prepared) -> bool:
    """Whether there is nothing to do."""
    return planning.nothing_to_do(prepared.plan)


def outlet(community: Community, one: Instance) -> Outlet:
    """A channel as far as planning needs to know it."""
    assert isinstance(one.works, Announcer)  # noqa: S101 - the caller asked
    limits = pace(community, one)
    traits = one.works.traits
    return Outlet(
        table=one.table, outside=not one.local, rehearsal=one.rehearsal, subscribers=traits.audience == "subscribers",
        per_day=traits.per_day, today=limits.left, form=traits.form,
    )  # fmt: skip


def pace(community: Community, one: Instance) -> Pace:
    """How fast a channel may go now."""
    assert isinstance(one.works, Announcer)  # noqa: S101 - the caller asked
    traits = one.works.traits
    since = community.clock() - _A_DAY
    return deliver.pace(traits, lambda domain: community.store.sent_since(one.table.name, since, domain))


def _with_limits(community: Community, plan: Plan, made: Iterable[Instance]) -> Plan:
    """The plan with what the limits for single domains make of it."""
    limited = {one.table.name: one for one in made if isinstance(one.works, Announcer) and one.works.traits.per_day_to}
    steps = (replace(step, limits=_limits(community, step, limited[step.channel])) if step.channel in limited else step
             for step in plan.announce)  # fmt: skip
    return replace(plan, announce=tuple(steps))


def _limits(community: Community, step: AnnounceStep, one: Instance) -> tuple[Limit, ...]:
    assert isinstance(one.works, Announcer)  # noqa: S101 - the caller looked
    store, today, audience = community.store, pace(community, one).left_to, step.publication.audience or one.table.audience
    return tuple(
        Limit(
            domain=domain, per_day=per_day, today=today[domain],
            left=store.audience(audience, domain) if step.opens else store.left_at(step.publication.key, step.channel, domain),
        )
        for domain, per_day in one.works.traits.per_day_to.items()
    )  # fmt: skip


# -- carrying it out -----------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run did. `failures` are lines for people, one for each channel that could not do its part."""

    put: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    announced: list[Announcement] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    paused: dict[str, str] = field(default_factory=dict)
    """By channel, why it stopped before the end."""

    @property
    def complete(self) -> bool:
        """Whether nothing failed, was refused, put off or is in doubt; what waits for tomorrow's limit is no failure."""
        troubled = (State.DOUBT, State.REFUSED, State.DEFERRED)
        about_sender = any(why != LIMIT_REACHED for why in self.paused.values())
        return not self.failures and not about_sender and not any(one.counts.get(state) for one in self.announced for state in troubled)


def carry_out(community: Community, prepared: Prepared, progress: Progress) -> Report:
    """Mirrors first, so that every link works, then the announcers; one that fails does not stop the others."""
    report = Report()
    by_name = {one.table.name: one for one in prepared.channels}
    for step in prepared.plan.mirrors:
        _mirror(step, by_name[step.channel], report, progress)
    if report.failures and prepared.plan.announce:
        report.failures.append("Nothing was sent, since the website is not in order.")
    elif prepared.plan.announce:
        _announce(community, prepared, by_name, report, World(community.clock), progress)
    return report


def put_into(community: Community, built: Built, out: Path, progress: Progress) -> MirrorStep:
    """The site in the folder `out`, and what that took."""
    kinds = registry.load(community.settings.root, set(community.settings.disable) - {"folder"}, wanted={"folder"})
    table = Plugged(name="build", plugin="folder", options={"path": str(out)})
    one = instances.instance(table, kinds.channels["folder"], lending(community))
    assert isinstance(one.works, Mirror)  # noqa: S101 - a folder is one
    step = planning.mirror("build", built.site, one.works.listing())
    deliver.mirror(step, one.works, progress)
    return step


def history(community: Community, name: str | None = None) -> tuple[Announcement, ...]:
    """What was sent, newest first: all of it, or of the publication that people call `name`."""
    found = tuple(reversed(community.store.announcements()))
    if name is None:
        return found
    content, _ = check(community)
    everything = select.select(content, community.clock(), drafts=True)
    keys = set(select.named(everything, [name]))
    return tuple(one for one in found if one.publication in keys)


def _mirror(step: MirrorStep, one: Instance, report: Report, progress: Progress) -> None:
    assert isinstance(one.works, Mirror)  # noqa: S101 - the plan holds mirrors
    try:
        deliver.mirror(step, one.works, progress)
    except AmplifyError as error:
        report.failures.append(str(error))
        return
    report.put[step.channel] = len(step.new) + len(step.changed)
    report.removed[step.channel] = len(step.remove)


def _announce(
    community: Community, prepared: Prepared, by_name: Mapping[str, Instance], report: Report, world: World, progress: Progress
) -> None:
    """Open everything, put the mark online, then send; what is real goes only when its page can be seen."""
    store = community.store
    steps = _visible(community, prepared.plan.announce, report, world)
    if not steps:
        return
    real = any(not step.rehearsal for step in steps)
    serving = online.serving(prepared.channels) if real else None
    state.snapshot(store, community.state / "snapshots", community.clock())
    for one in prepared.channels:
        for old in one.table.was:
            store.rename(old, one.table.name)
    run = store.begin_run(community.clock())
    announcements = [(step, _opened(community, step, by_name[step.channel])) for step in steps]
    online.put_mark(store, serving, community.state / "cache")
    views, renderer = Views(prepared.built.selection, community.settings), Renderer(community.settings)
    for step, announcement in announcements:
        message = _composed(step, by_name[step.channel], views, renderer, announcement.opened)
        _send(
            community,
            step,
            Job(announcement, message, compose.filler(step.publication, community.settings)),
            by_name,
            report,
            world,
            progress,
        )
    store.end_run(run, community.clock())
    online.put_mark(store, serving, community.state / "cache")


def _composed(step: AnnounceStep, one: Instance, views: Views, renderer: Renderer, opened: datetime) -> Message:
    assert isinstance(one.works, Announcer)  # noqa: S101 - the plan holds announcers
    if step.form == "mail":
        return compose.mail(step.publication, views, renderer, opened)
    return compose.post(step.publication, views, step.channel, one.table.plugin, one.works.traits, opened)


def _send(
    community: Community, step: AnnounceStep, job: Job, by_name: Mapping[str, Instance], report: Report, world: World, progress: Progress
) -> None:
    one, store = by_name[step.channel], community.store
    assert isinstance(one.works, Announcer)  # noqa: S101 - the plan holds announcers
    deliver.settle_doubts(job, one.works, store, one.table.in_doubt, community.clock)
    if stopped := deliver.announce(job, one.works, store, pace(community, one), world, progress):
        report.paused[step.channel] = stopped
    report.announced.append(next(each for each in store.announcements() if each.id == job.announcement.id))


def _visible(community: Community, steps: Iterable[AnnounceStep], report: Report, world: World) -> list[AnnounceStep]:
    """The steps whose page the world can see; a rehearsal needs none."""
    settings, wanted = community.settings, list(steps)
    real = [step.publication for step in wanted if step.opens and not step.rehearsal]
    if not settings.publish.verify_site or not real:
        return wanted
    missing = online.wait_until_there(real, settings, world, times.parse_duration(settings.publish.wait_for_site))
    report.failures += [f"not announced, since {why}" for why in missing.values()]
    return [step for step in wanted if step.rehearsal or step.publication.key not in missing]


def put_mark(community: Community) -> None:
    """Put the mark of this record online."""
    online.put_mark(community.store, online.serving(channels(community)), community.state / "cache")


def _opened(community: Community, step: AnnounceStep, one: Instance) -> Announcement:
    assert isinstance(one.works, Announcer)  # noqa: S101 - the plan holds announcers
    subscribers = one.works.traits.audience == "subscribers"
    return community.store.open(
        step.publication, step.channel, one.table.plugin, community.clock(), rehearsal=step.rehearsal, subscribers=subscribers
    )
