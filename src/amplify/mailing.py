"""Mail outside a publish: tests, once more to one person, and what a person decides about single deliveries."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from amplify import compose, people, pipeline, select
from amplify.api import Announcer
from amplify.cache import fingerprint
from amplify.errors import AmplifyError, DeliveryError
from amplify.instances import Instance
from amplify.model import Announcement, Delivery, Message, Publication, Recipient, State
from amplify.pages import Views
from amplify.pipeline import Community
from amplify.render import Renderer
from amplify.store import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one mail that was sent by hand; `error` in the words of the far end."""

    address: str
    title: str
    channel: str
    rehearsal: bool
    error: str = ""


def test(community: Community, name: str | None, addresses: Iterable[str]) -> tuple[Sent, ...]:
    """Send an edition, drafts included, to `addresses`, marked [Test], with harmless links. No delivery is recorded."""
    wanted = [people.entry(address).address for address in addresses] or [community.settings.community.contact]
    if not wanted[0]:
        raise AmplifyError("Nobody was named to get the test. Nothing was sent.\n  Name somebody:  amplify test --to you@example.org")
    one, publication, message = _composed(community, name)
    marked = replace(message, subject=f"[Test] {message.subject}", digest=fingerprint(message.digest, "test"))
    harmless = _harmless(community, publication)
    done = []
    for address in wanted:
        key = fingerprint("test", publication.key, address, community.clock())
        done.append(_hand_over(one, marked, Delivery(
            id=0, key=key, publication=publication.key, channel=one.table.name, attempt=1, values=harmless,
            recipient=Recipient(id="test", address=address, name="", language="", token=""),
        ), publication.title))  # fmt: skip
        if not done[-1].error:
            community.store.note_test(publication.key, one.table.name, address, message.digest, community.clock())
    return tuple(done)


def _composed(community: Community, name: str | None) -> tuple[Instance, Publication, Message]:
    """The mail channel, and the publication as it would leave. Without a name: what goes next, drafts included."""
    one = _mail_channel(community)
    selection = pipeline.build(community, community.clock(), drafts=True).selection
    views, now = Views(selection, community.settings), community.clock()
    if not selection.publications:
        raise AmplifyError("There is no edition yet. Nothing was sent.\n  Begin one:  amplify draft")
    if name:
        key = select.named(selection, [name])[0]
    else:
        coming = [each for each in selection.publications if each.kind == "edition" and each.due > now]
        newest = [each for each in selection.publications if each.kind == "edition"] or list(selection.publications)
        key = (min(coming, key=lambda each: each.due) if coming else newest[0]).key
    publication = next(each for each in selection.publications if each.key == key)
    return one, publication, compose.mail(publication, views, Renderer(community.settings), now)


def _mail_channel(community: Community) -> Instance:
    for one in pipeline.channels(community):
        if isinstance(one.works, Announcer) and one.works.traits.form == "mail":
            return one
    raise AmplifyError('No channel sends mail. Nothing was sent.\n  Add one to amplify.toml:  [[channel]] with plugin = "email"')


def _harmless(community: Community, publication: Publication) -> Mapping[str, str]:
    page = urljoin(community.settings.community.url.rstrip("/") + "/", "subscribe/")
    return dict.fromkeys(compose.tokens_of(publication).values(), page)


def _hand_over(one: Instance, message: Message, delivery: Delivery, title: str) -> Sent:
    assert isinstance(one.works, Announcer)  # noqa: S101 - a mail channel is one
    address = delivery.recipient.address if delivery.recipient else ""
    sent = Sent(address=address, title=title, channel=one.table.name, rehearsal=one.rehearsal)
    try:
        with one.works.session(message) as deliver:
            deliver(delivery)
    except DeliveryError as error:
        return replace(sent, error=error.reason)
    return sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One mail that may go once more to one person."""

    channel: Instance
    message: Message
    delivery: Delivery
    address: str
    title: str


def again(community: Community, name: str, address: str) -> Again:
    """What `resend` would send. Raises AmplifyError where this person was not sent it."""
    person = community.store.recipient(people.entry(address).address)
    announcement = _announced(community, name)
    row = next((each for each in community.store.rows(announcement) if person and each.address == person.address), None)
    if person is None or row is None:
        raise AmplifyError(f"{address} was not among those who were sent {announcement.title!r}. Nothing was sent.")
    one, publication, message = _composed(community, str(announcement.publication))
    if one.table.name != announcement.channel:
        raise AmplifyError(
            f"{announcement.title!r} went through {announcement.channel}, which is not in amplify.toml any more. Nothing was sent."
        )
    delivery = Delivery(
        id=row.delivery, key=fingerprint("again", row.delivery, community.clock()), publication=publication.key, channel=one.table.name,
        recipient=person, attempt=1, values=compose.filler(publication, community.settings)(person),
    )  # fmt: skip
    return Again(channel=one, message=message, delivery=delivery, address=person.address, title=publication.title)


def resend(community: Community, one: Again) -> Sent:
    """Once more to one person. What is recorded of the first time stays; that it was sent again is noted."""
    sent = _hand_over(one.channel, one.message, one.delivery, one.title)
    if not sent.error:
        community.store.note_resent(one.delivery.id, who(), community.clock())
    return sent


def sent_to(community: Community, history: Iterable[Announcement], name: str) -> tuple[tuple[Announcement, Row], ...]:
    """What a person was sent of this, by their address or by a part of their name."""
    wanted = " ".join(name.split()).casefold()
    return tuple(
        (one, row)
        for one in history
        for row in community.store.rows(one)
        if wanted == row.address.casefold() or ("@" not in wanted and wanted in row.name.casefold())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Those whom an announcement did not reach and could: refused, put off or not yet reached; `unsure` and `gone` stay as they are."""

    announcement: Announcement
    rows: tuple[Row, ...]
    unsure: int
    gone: int
    """Who left meanwhile, or whose address does not work."""


def failed(community: Community, name: str) -> Failed:
    """Whom `resend --failed` would try again. Raises AmplifyError where it was not sent yet."""
    announcement = _announced(community, name)
    active = {one.address for one in community.store.subscribers() if one.status == "active"}
    rows = community.store.rows(announcement)
    missed = [row for row in rows if row.state in (State.REFUSED, State.DEFERRED, State.PLANNED)]
    return Failed(
        announcement=announcement,
        rows=tuple(row for row in missed if row.address in active),
        unsure=sum(row.state is State.DOUBT for row in rows),
        gone=sum(row.address not in active for row in missed),
    )


def once_more(community: Community, those: Failed) -> None:
    """Let them be due again, whatever was said the last time; the next publish of it goes to them and to nobody else."""
    for row in those.rows:
        community.store.resolve(row.delivery, State.PLANNED, who(), "tried again", community.clock())


def _announced(community: Community, name: str) -> Announcement:
    found = pipeline.history(community, name)
    real = [one for one in found if not one.rehearsal] or list(found)
    if not real:
        raise AmplifyError(f"{name!r} was not sent yet, as far as the record here knows. Nothing was done.")
    return real[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided about one delivery; `done` False where it was final already."""

    row: Row
    title: str
    done: bool


def resolve(community: Community, names: Iterable[str], became: State) -> tuple[Decision, ...]:
    """Settle deliveries, named by their number, by an address, or all open ones of an edition. Raises AmplifyError for an unknown name."""
    found = [pair for name in names for pair in _meant(community, name, became)]
    return tuple(
        Decision(row=row, title=announcement.title,
                 done=community.store.resolve(row.delivery, became, who(), "decided by a person", community.clock()))
        for announcement, row in found
    )  # fmt: skip


def _meant(community: Community, name: str, became: State) -> list[tuple[Announcement, Row]]:
    everything = [(one, row) for one in pipeline.history(community) for row in community.store.rows(one)]
    if name.isdigit() and (mine := [pair for pair in everything if pair[1].delivery == int(name)]):
        return mine
    undecided = {State.DOUBT, State.WAITING} | ({State.REFUSED} if became is State.PLANNED else set())
    if "@" in name:
        mine = [pair for pair in everything if pair[1].address.casefold() == name.casefold() and pair[1].state in undecided]
        if not mine:
            raise AmplifyError(f"Nothing waits for a decision about {name}.")
        return mine
    announcement = _announced(community, name)
    return [(announcement, row) for row in community.store.rows(announcement) if row.state in undecided]


def adopt(community: Community) -> int:
    """Count everything that is public as sent, through every channel that would send it; how many that were."""
    built = pipeline.build(community, community.clock())
    number = 0
    for one in pipeline.channels(community):
        if isinstance(one.works, Announcer) and not one.rehearsal:
            kinds = one.table.publishes
            number += sum(
                community.store.adopt(each, one.table.name, one.table.plugin, community.clock())
                for each in built.selection.publications
                if each.kind in kinds
            )
    pipeline.put_mark(community)
    return number


def who() -> str:
    """The person at the keyboard, as the computer knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"
