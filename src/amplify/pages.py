"""A selection into pages: which there are, and the view that each one shows. Pure; nothing is rendered here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote, urljoin

from amplify import calendar, text, times
from amplify.config import Podcast, Settings
from amplify.model import Contribution, Edition, Episode, Event, Heading, Media, Member, Occurrence, Placement, Prose, Slug
from amplify.render import direction
from amplify.select import Selection, episode_path
from amplify.view import (
    Block,
    EditionCard,
    EditionView,
    EpisodeCard,
    EpisodeView,
    EventCard,
    Events,
    EventView,
    Feedback,
    HomeView,
    Item,
    Link,
    Person,
    PersonView,
    Section,
    Show,
    SiteView,
    Words,
)

_FEEDBACK = ("Loved it", "Useful", "Fine", "Too long", "Not for me")
_RECENT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: `path` is its folder with a slash at the end, or a file; "" is home. `values` go to the template."""

    template: str
    path: str
    title: str
    values: Mapping[str, Any]
    description: str = ""
    image: str = ""
    rank: Literal["page", "index"] = "page"
    listed: bool = True
    ours: bool = False
    """Whether the title is a word of Amplify's own, which is translated."""

    @property
    def file(self) -> str:
        """The file that holds it, relative to the site."""
        return f"{self.path}index.html" if not self.path or self.path.endswith("/") else self.path


class Views:
    """Looks everything up once: a selection and the settings as views."""

    def __init__(self, selection: Selection, settings: Settings) -> None:
        self.selection, self.settings = selection, settings
        self.base = settings.community.url.rstrip("/") + "/"
        self._episodes = {f"{one.show}/{one.slug}" if one.show else one.slug: one for one in selection.episodes}
        self._events = {one.slug: one for one in selection.events}
        self._shows = {show.slug: show for show in settings.podcast}
        self._answers: dict[Slug, list[Contribution]] = {}
        for one in selection.contributions.values():
            if one.answers:
                self._answers.setdefault(one.answers, []).append(one)

    # -- people --------------------------------------------------------------------------------------------------------

    def person(self, name: str, role: str = "", named: bool | None = None) -> Person:
        """Someone as they wish to be credited; `name` is a member's slug or a plain name."""
        member = self.selection.members.get(Slug(name))
        if named is False or not name or (member and member.credit == "anonymous"):
            return Person(name="a member", role=role)
        if member is None:
            return Person(name=name, role=role)
        return Person(name=credited(member), path=f"people/{member.slug}/", role=role, photo=_file(member.photo))

    def hosts(self, slugs: Iterable[Slug]) -> tuple[Person, ...]:
        """Hosts of an event."""
        return tuple(self.person(slug) for slug in slugs)

    @cached_property
    def listed(self) -> tuple[Member, ...]:
        """Members with a page, by the name they are credited with."""
        return tuple(
            sorted(
                (one for one in self.selection.members.values() if one.credit != "anonymous"),
                key=lambda one: (credited(one).casefold(), one.slug),
            )
        )

    # -- things where something points at them -------------------------------------------------------------------------

    def episode(self, episode: Episode) -> EpisodeCard:
        """An episode as a card."""
        path = episode_path(episode)
        audio = episode.audio.address if episode.audio.source is None else path + episode.audio.address
        show = self._shows.get(episode.show)
        people = tuple(replace(self.person(credit.member or credit.name), role=credit.role) for credit in episode.people)
        return EpisodeCard(
            episode=episode, path=path, audio=audio, artwork=_file(episode.artwork) or (show.artwork if show else ""),
            transcript=path + episode.transcript.source.name if episode.transcript else "", people=people,
        )  # fmt: skip

    def event(self, occurrence: Occurrence) -> EventCard:
        """A date of an event as a card."""
        path = f"events/{occurrence.event.slug}/"
        return EventCard(occurrence=occurrence, path=path, calendar=f"{path}event.ics", hosts=self.hosts(occurrence.hosts))

    def item(self, contribution: Contribution, placed: frozenset[Slug] = frozenset()) -> Item:
        """A contribution as an item, with those of its answers that are in `placed`."""
        answers = tuple(self.item(one) for one in self._answers.get(contribution.slug, ()) if one.slug in placed)
        author = self.person(contribution.author, named=contribution.consent.name)
        return Item(contribution=contribution, author=author, anchor=contribution.slug, answers=answers)

    # -- editions ------------------------------------------------------------------------------------------------------

    @cached_property
    def editions(self) -> tuple[EditionView, ...]:
        """Every edition, newest first."""
        links = [Link(title=one.title, path=f"editions/{one.slug}/") for one in self.selection.editions]
        pairs = zip(self.selection.editions, [*links[1:], None], [None, *links[:-1]], strict=True) if links else ()
        return tuple(self.edition(one, older, newer) for one, older, newer in pairs)

    def edition(self, edition: Edition, older: Link | None = None, newer: Link | None = None) -> EditionView:
        """An edition with everything that it places."""
        blocks = tuple(_without_empty_sections(list(self._blocks(edition))))
        contents = tuple(Link(title=one.text, path=f"#{one.anchor}") for one in blocks if isinstance(one, Section) and one.level == 2)
        return EditionView(
            edition=edition, path=f"editions/{edition.slug}/", image=_file(edition.image), blocks=blocks, contents=contents,
            people=tuple(dict.fromkeys(_people_in(blocks))), older=older, newer=newer,
        )  # fmt: skip

    def _blocks(self, edition: Edition) -> Iterator[Block]:
        placements = [part for part in edition.body if isinstance(part, Placement)]
        placed = frozenset(Slug(part.argument) for part in placements if part.what == "contribution")
        anchors: dict[str, int] = {}
        for part in edition.body:
            if isinstance(part, Heading):
                name = "s-" + text.slug(part.text, "section")
                anchors[name] = anchors.get(name, 0) + 1
                yield Section(level=part.level, text=part.text, anchor=name if anchors[name] == 1 else f"{name}-{anchors[name]}")
            elif isinstance(part, Prose):
                yield Words(markdown=part.markdown)
            elif block := self._placed(part, placed, edition):
                yield block

    def _placed(self, part: Placement, placed: frozenset[Slug], edition: Edition) -> Block | None:
        if part.what == "contribution":
            one = self.selection.contributions.get(Slug(part.argument))
            nested = one is not None and one.answers in placed and one.answers in self.selection.contributions
            return self.item(one, placed) if one and not nested else None
        if part.what == "episode":
            episode = self._episodes.get(part.argument)
            return self.episode(episode) if episode else None
        if part.what == "event":
            event = self._events.get(Slug(part.argument))
            dates = calendar.occurrences(event, edition.date, edition.date + timedelta(days=400), 1) if event else ()
            return self.event(dates[0]) if dates else None
        if part.what == "events":
            first, last = times.span(times.parse_days(part.argument), self.settings.community.zone)
            dates = tuple(one for event in self.selection.events for one in calendar.occurrences(event, first, last))
            return (
                Events(cards=tuple(self.event(one) for one in sorted(dates, key=lambda one: (one.start, one.event.slug))))
                if dates
                else None
            )
        return self._feedback(edition)

    def _feedback(self, edition: Edition) -> Feedback | None:
        newsletter, contact = self.settings.newsletter, self.settings.community.contact
        address = (newsletter.reply_to if newsletter else "") or contact
        if not address:
            return None
        choices = (Link(title=word, path=f"mailto:{address}?subject={quote(f'{edition.title}: {word}')}") for word in _FEEDBACK)
        return Feedback(choices=tuple(choices))

    def card(self, view: EditionView) -> EditionCard:
        """An edition in a list."""
        return EditionCard(edition=view.edition, path=view.path, image=view.image)

    # -- the site ------------------------------------------------------------------------------------------------------

    def shows(self) -> tuple[Show, ...]:
        """The podcasts that have episodes."""
        heard = {one.show for one in self.selection.episodes}
        return tuple(self.show(show) for show in self.settings.podcast if show.slug in heard)

    def show(self, show: Podcast) -> Show:
        """A podcast on the pages."""
        folder = f"{show.slug}/" if show.slug else ""
        path = f"episodes/{folder}"
        return Show(title=show.title, description=show.description, author=show.author or self.settings.community.name, path=path,
                    feed=f"{folder}podcast.xml", artwork=show.artwork)  # fmt: skip

    def site(self, style: str, script: str) -> SiteView:
        """What every page knows."""
        community, newsletter = self.settings.community, self.settings.newsletter
        contact = (newsletter.reply_to if newsletter else "") or community.contact
        subject = quote(f"Subscribe to {newsletter.title}") if newsletter else ""
        join = self.settings.serve.url or (f"mailto:{contact}?subject={subject}" if contact and newsletter else "")
        return SiteView(
            name=community.name, url=self.base, language=community.language, direction=direction(community.language),
            purpose=community.purpose,
            contact=community.contact, hashtags=community.hashtags, newsletter=newsletter.title if newsletter else "",
            postal_address=newsletter.postal_address if newsletter else "", shows=self.shows(), has_editions=bool(self.selection.editions),
            has_episodes=bool(self.selection.episodes), has_events=bool(self.selection.events), has_people=bool(self.listed),
            logo=community.logo, join=join, style=style, script=script,
        )  # fmt: skip


def credited(member: Member) -> str:
    """The name that a member wants to read."""
    return member.name.split(" ")[0] if member.credit == "first name" else member.name


def _file(media: Media | None) -> str:
    return media.path if media else ""


def _without_empty_sections(blocks: list[Block]) -> Iterator[Block]:
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        empty = isinstance(block, Section) and (following is None or (isinstance(following, Section) and following.level <= block.level))
        if not empty:
            yield block


def _people_in(blocks: Iterable[Block]) -> Iterator[Person]:
    for block in blocks:
        if isinstance(block, Item):
            yield from (one.author for one in (block, *block.answers) if one.author.path)
        elif isinstance(block, EpisodeCard | EventCard):
            people = block.people if isinstance(block, EpisodeCard) else block.hosts
            yield from (replace(one, role="") for one in people if one.path)


# -- the list of pages ---------------------------------------------------------------------------------------------


def pages(views: Views) -> Iterator[Page]:
    """Every page of the site. Leaves first, then what points at them."""
    yield from _editions(views)
    yield from _episodes(views)
    yield from _events(views)
    yield from _people(views)
    yield from _moved(views)
    yield Page(
        template="subscribe.html.j2",
        path="subscribe/",
        title="Take part",
        ours=True,
        values={},
        description=views.settings.community.purpose,
        rank="index",
    )
    yield Page(template="search.html.j2", path="search/", title="Search", ours=True, values={}, rank="index", listed=False)
    yield Page(template="404.html.j2", path="404.html", title="Not found", ours=True, values={}, listed=False)
    yield _home(views)


def _editions(views: Views) -> Iterator[Page]:
    for view in views.editions:
        one = view.edition
        description = one.summary or one.preheader
        yield Page(template="edition.html.j2", path=view.path, title=one.title, values={"view": view}, description=description,
                   image=urljoin(views.base, view.image) if view.image else "")  # fmt: skip
    if views.editions:
        years: dict[int, list[EditionCard]] = {}
        for view in views.editions:
            years.setdefault(view.edition.date.astimezone(views.settings.community.zone).year, []).append(views.card(view))
        listed = tuple((year, tuple(cards)) for year, cards in years.items())
        yield Page(template="editions.html.j2", path="editions/", title="Editions", ours=True, values={"years": listed}, rank="index")


def _episodes(views: Views) -> Iterator[Page]:
    placed: dict[str, list[Link]] = {}
    for view in views.editions:
        for block in view.blocks:
            if isinstance(block, EpisodeCard):
                placed.setdefault(block.path, []).append(Link(title=view.edition.title, path=view.path))
    for show in views.settings.podcast:
        cards = [views.episode(one) for one in views.selection.episodes if one.show == show.slug]
        links = [Link(title=card.episode.title, path=card.path) for card in cards]
        shown = views.show(show)
        for number, card in enumerate(cards):
            shown_one = EpisodeView(card=card, show_title=show.title, feed=shown.feed,
            older=links[number + 1] if number + 1 < len(links) else None,
                               newer=links[number - 1] if number else None, editions=tuple(placed.get(card.path, ())))  # fmt: skip
            yield Page(template="episode.html.j2", path=card.path, title=card.episode.title, values={"view": shown_one},
                       description=card.episode.summary, image=urljoin(views.base, card.artwork) if card.artwork else "")  # fmt: skip
        if cards:
            yield Page(template="episodes.html.j2", path=shown.path, title=show.title, values={"show": shown, "cards": tuple(cards)},
                       description=show.description, rank="index")  # fmt: skip


def _event_view(views: Views, event: Event) -> EventView:
    path = f"events/{event.slug}/"
    upcoming = tuple(views.event(one) for one in views.selection.upcoming if one.event.slug == event.slug)
    return EventView(event=event, path=path, calendar=f"{path}event.ics", hosts=views.hosts(event.hosts), upcoming=upcoming)


def _events(views: Views) -> Iterator[Page]:
    shown = tuple(_event_view(views, event) for event in views.selection.events)
    for view in shown:
        description = view.event.theme or text.gist(view.event.body)
        yield Page(template="event.html.j2", path=view.path, title=view.event.title, values={"view": view}, description=description)
    if shown:
        upcoming = tuple(views.event(one) for one in views.selection.upcoming)
        yield Page(
            template="events.html.j2",
            path="events/",
            title="Events",
            ours=True,
            values={"upcoming": upcoming, "events": shown},
            rank="index",
        )


def _people(views: Views) -> Iterator[Page]:
    gave: dict[str, dict[Slug, tuple[Item, Link]]] = {}
    for view in views.editions:
        link = Link(title=view.edition.title, path=view.path)
        for block in view.blocks:
            for item in (block, *block.answers) if isinstance(block, Item) else ():
                gave.setdefault(item.author.path, {}).setdefault(item.contribution.slug, (replace(item, answers=()), link))
    heard: dict[str, list[EpisodeCard]] = {}
    for episode in views.selection.episodes:
        card = views.episode(episode)
        for path in {person.path for person in card.people}:
            heard.setdefault(path, []).append(card)
    for member in views.listed:
        person = views.person(member.slug, member.role)
        given = gave.get(person.path, {})
        hosts = tuple(views.event(one) for one in views.selection.upcoming if member.slug in one.hosts)[:_RECENT]
        shown = PersonView(
            member=replace(member, name=person.name), person=person, path=person.path, gave=tuple(item for item, _ in given.values()),
            gave_in={slug: link for slug, (_, link) in given.items()}, heard=tuple(heard.get(person.path, ())), hosts=hosts,
        )  # fmt: skip
        yield Page(
            template="person.html.j2",
            path=person.path,
            title=person.name,
            values={"view": shown},
            description=text.gist(member.bio),
        )
    if views.listed:
        everyone = tuple(views.person(member.slug, member.role) for member in views.listed)
        yield Page(template="people.html.j2", path="people/", title="People", ours=True, values={"people": everyone}, rank="index")


def _moved(views: Views) -> Iterator[Page]:
    for folder, found in (("editions", views.selection.editions), ("events", views.selection.events)):
        for one in found:
            for old in one.was:
                yield _redirect(views, f"{folder}/{old}/", f"{folder}/{one.slug}/", one.title)
    for episode in views.selection.episodes:
        for old in episode.was:
            yield _redirect(views, episode_path(replace(episode, slug=old)), episode_path(episode), episode.title)


def _redirect(views: Views, old: str, new: str, title: str) -> Page:
    return Page(template="redirect.html.j2", path=old, title=title, values={"target": urljoin(views.base, new)}, listed=False)


def _home(views: Views) -> Page:
    cards = [views.card(view) for view in views.editions[: _RECENT + 1]]
    latest = views.editions[0] if views.editions else None
    inside = tuple(
        Link(title=block.contribution.title, path=f"{latest.path}#{block.anchor}") for block in latest.blocks if isinstance(block, Item)
    ) if latest else ()  # fmt: skip
    home = HomeView(
        latest=cards[0] if cards else None, inside=inside,
        episode=views.episode(views.selection.episodes[0]) if views.selection.episodes else None,
        upcoming=tuple(views.event(one) for one in views.selection.upcoming[:3]), recent=tuple(cards[1:]),
        people=tuple(views.person(member.slug, member.role) for member in views.listed[:12]),
    )  # fmt: skip
    community = views.settings.community
    return Page(template="home.html.j2", path="", title=community.name, values={"home": home}, description=community.purpose, rank="index")
