"""One message for each announcement that is due. Made once; a recipient costs a substitution of the tokens in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from urllib.parse import quote, urljoin, urlsplit

from amplify import text
from amplify.api import Traits
from amplify.cache import digest, fingerprint
from amplify.config import Newsletter, Settings
from amplify.errors import FolderError, Problem
from amplify.model import Edition, Episode, Message, Place, Prose, Publication, Recipient, Slug
from amplify.pages import Views
from amplify.render import Renderer
from amplify.view import Block, EditionView, Words

_FIELDS = ("unsubscribe", "preferences", "leave")
"""Tokens of a mail: the address that unsubscribes, the one for wishes, and the mail address that does it without a web page."""


def mail(publication: Publication, views: Views, renderer: Renderer, opened: datetime) -> Message:
    """A publication as mail. Raises FolderError where the settings lack a [newsletter]."""
    settings = views.settings
    newsletter = settings.newsletter
    if newsletter is None:
        problem = Problem(
            file="amplify.toml",
            line=0,
            rule="C04",
            message="a channel sends mail, but there is no [newsletter]",
            remedy="write [newsletter] with title and from",
        )
        raise FolderError([problem])
    view = _view(publication, views)
    tokens = tokens_of(publication)
    link = urljoin(views.base, publication.path)
    values = {
        "site": views.site("", ""), "view": view, "root": views.base, "link": link, "preheader": view.edition.preheader,
        "subject": view.edition.subject, "unsubscribe": tokens["unsubscribe"], "preferences": tokens["preferences"],
        "why": _why(newsletter, settings),
    }  # fmt: skip
    html = _own_lines(_inlined(renderer.render("mail.html.j2", values)), tokens.values())
    plain = renderer.render("mail.txt.j2", values)
    headers = tuple(_headers(settings, newsletter, tokens, view.edition.language))
    return Message(
        publication=publication.key, form="mail", language=view.edition.language, subject=view.edition.subject, text=plain, html=html,
        link=link, date=opened, headers=headers, fields=tuple(tokens.values()), digest=digest(f"{headers}{plain}{html}".encode()),
    )  # fmt: skip


def post(publication: Publication, views: Views, channel: str, plugin: str, traits: Traits, opened: datetime) -> Message:
    """A publication as a post: the organiser's words for that channel, else its title; then the link, within the limit."""
    view = _view(publication, views)
    link = urljoin(views.base, publication.path)
    own = publication.words.get(channel) or publication.words.get(plugin) or f"{publication.title}. {view.edition.summary}".rstrip(". ")
    room = traits.limit - len(link) - 1 if traits.limit else len(own)
    words = f"{text.fit(text.one_line(own), room)} {link}" if link not in own else text.fit(own, traits.limit or len(own))
    image = (view.edition.image,) if view.edition.image and traits.media else ()
    html = None if traits.form == "post" else text.html(view.edition.summary or own, text.OWN, views.base)
    return Message(
        publication=publication.key, form=traits.form, language=view.edition.language, subject=publication.title, text=words, html=html,
        link=link, date=opened, media=image, digest=digest(f"{words}{html}".encode()),
    )  # fmt: skip


def tokens_of(publication: Publication) -> dict[str, str]:
    """The token for each field. It hangs on the content, so that no text can hold it by design."""
    return {name: f"AMPLIFY{fingerprint(publication, name)[:20].upper()}" for name in _FIELDS}


def filler(publication: Publication, settings: Settings) -> Callable[[Recipient | None], Mapping[str, str]]:
    """What fills the message of a publication for each recipient: what is the same for all is computed once."""
    tokens, web = tokens_of(publication), settings.serve.url
    newsletter, base = settings.newsletter, settings.community.url.rstrip("/") + "/"
    letter = f"mailto:{newsletter.mailbox if newsletter else ''}?subject={quote('unsubscribe ')}"
    answers, subscribing = web.rstrip("/") + "/" if web else "", urljoin(base, "subscribe/")

    def values(recipient: Recipient | None) -> Mapping[str, str]:
        if recipient is None:
            return {}
        leave = f"{letter}{recipient.token}"
        return {
            tokens["unsubscribe"]: f"{answers}unsubscribe/{recipient.token}" if answers else leave,
            tokens["preferences"]: f"{answers}preferences/{recipient.token}" if answers else subscribing,
            tokens["leave"]: leave,
        }

    return values


def _view(publication: Publication, views: Views) -> EditionView:
    for view in views.editions:
        if publication.path == view.path:
            return view
    episode = next(one for one in views.selection.episodes if views.episode(one).path == publication.path)
    return _as_edition(episode, publication, views)


def _as_edition(episode: Episode, publication: Publication, views: Views) -> EditionView:
    """An episode that a newsletter channel publishes by itself: its card and its notes, in the shape of an edition."""
    card = views.episode(episode)
    edition = Edition(
        id=episode.id, slug=Slug(episode.slug), was=(), title=episode.title, date=episode.date, language=episode.language,
        draft=episode.draft,
        audience="", subject=episode.title, preheader=episode.summary, summary=episode.summary, image=None, announce=episode.announce,
        body=(Prose(markdown=episode.notes),), at=Place(file=episode.at.file, line=1), digest=episode.digest,
    )  # fmt: skip
    blocks: tuple[Block, ...] = (card, Words(markdown=episode.notes)) if episode.notes else (card,)
    return EditionView(
        edition=edition, path=publication.path, image="", blocks=blocks, contents=(), people=card.people, older=None, newer=None
    )


def _why(newsletter: Newsletter, settings: Settings) -> str:
    return f"You get this because you subscribed to {newsletter.title} of {settings.community.name}."


def _inlined(html: str) -> str:
    from css_inline import CSSInliner

    inliner = CSSInliner(keep_at_rules=True, remove_inlined_selectors=True, load_remote_stylesheets=False)
    return str(inliner.inline(html))


def _own_lines(html: str, tokens: Iterable[str]) -> str:
    """Each token's attribute on a line of its own, so that quoted-printable never breaks it in two."""
    names = "|".join(tokens)
    return re.sub(rf'\s*href="({names})"\s*', r'\nhref="\1"\n', html)


def _headers(settings: Settings, newsletter: Newsletter, tokens: Mapping[str, str], language: str) -> list[tuple[str, str]]:
    """N20-N29. One-click unsubscribing only where something answers it (N27)."""
    domain = urlsplit(settings.community.url).hostname or newsletter.address.rpartition("@")[2]
    base = settings.community.url.rstrip("/") + "/"
    headers = [("From", newsletter.sender)]
    if newsletter.reply_to:
        headers.append(("Reply-To", newsletter.reply_to))
    headers.append(("List-Id", f"{newsletter.title} <{_list_name(newsletter.title)}.{domain}>"))
    if settings.serve.url:
        headers += [
            ("List-Unsubscribe", f"<{tokens['unsubscribe']}>, <{tokens['leave']}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    else:
        headers.append(("List-Unsubscribe", f"<{tokens['leave']}>"))
    headers += [("List-Archive", f"<{base}editions/>"), ("List-Subscribe", f"<{base}subscribe/>"), ("Content-Language", language)]
    return headers


def _list_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "newsletter"
