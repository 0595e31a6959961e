"""Pages, feeds and calendars into one manifest. What depends on nothing that changed comes from the cache.

key = epoch + fingerprint of the value that the template receives. The epoch holds the versions of Amplify and of the
rendering libraries, every effective template, and the settings; a new epoch renders all anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property, partial
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import pydantic

from amplify import __version__, calendar, feed, letters, search, text, times
from amplify.cache import Cache, Kept, digest, digest_file, digest_of, fingerprint
from amplify.config import Podcast, Settings
from amplify.folder import media_type
from amplify.letters import Entry
from amplify.model import Asset, Content, Digest, Edition, Episode, Media, Site
from amplify.pages import Page, Views, pages
from amplify.render import Renderer, templates
from amplify.select import Selection
from amplify.view import EditionView, EpisodeCard, Item

_LIBRARIES = ("jinja2", "markdown", "nh3", "css-inline", "feedgen", "icalendar")
_FEED_LENGTH = 50
"""Editions in feed.xml; a reader's feed is news, the archive is the site."""
Rank = Literal["file", "page", "index"]


def epoch(settings: Settings) -> Digest:
    """What all rendering depends on."""
    sources = {name: digest(data) for name, data in templates(settings.root).items()}
    shared = (settings.community, settings.newsletter, settings.podcast, settings.serve)
    return fingerprint(__version__, _versions(), text.EXTENSIONS, sources, shared)


def _versions() -> list[str]:
    """The versions of the rendering libraries, by the folders that installers leave; asking the metadata costs ten times as much."""
    there = os.listdir(Path(pydantic.__file__).parents[1])
    found = {name.split("-")[0].lower().replace("_", "-"): name for name in there if name.endswith(".dist-info")}
    return [found.get(name) or _asked_version(name) for name in _LIBRARIES]


def _asked_version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def build(content: Content, selection: Selection, settings: Settings, cache: Cache) -> Site:
    """The whole site as a manifest. Pure but for the cache: same files, settings and moment in, same bytes out."""
    name = epoch(settings)
    key = fingerprint(name, selection, content.assets)
    if known := _remembered(cache, key, settings):
        return known
    builder = _Builder(content, selection, settings, cache, name)
    assets = {asset.path: asset for asset in builder.assets()}
    cache.keep_rendered(builder.new, builder.used)
    site = Site(assets=assets, digest=digest_of({path: asset.digest for path, asset in assets.items()}), rendered=builder.rendered)
    _remember(cache, key, site, settings)
    return site


def _remember(cache: Cache, key: Digest, site: Site, settings: Settings) -> None:
    root = settings.root
    rows = [
        (str(asset.path), asset.digest, asset.size, asset.type, asset.rank,
         "" if asset.source == cache.object(asset.digest) else asset.source.relative_to(root).as_posix())
        for asset in site.assets.values()
    ]  # fmt: skip
    cache.put("site assets", json.dumps(rows).encode())
    cache.put("site", json.dumps({"key": key, "digest": site.digest}).encode())


def _remembered(cache: Cache, key: Digest, settings: Settings) -> Site | None:
    """The last site, when it would come out the same; and all its bytes are still there."""
    kept = json.loads(cache.get("site") or b"{}")
    if kept.get("key") != key:
        return None
    rows = json.loads(cache.get("site assets") or b"[]")
    if not all(source or cache.has(Kept(name, size)) for _, name, size, _, _, source in rows):
        return None
    return Site(assets=Manifest(rows, settings.root, cache), digest=kept["digest"])


class Manifest(Mapping[PurePosixPath, Asset]):
    """The files of a remembered site; they become values when the first one is asked for."""

    def __init__(self, rows: list[Any], root: Path, cache: Cache) -> None:
        self._rows, self._root, self._cache = rows, root, cache

    @cached_property
    def _assets(self) -> dict[PurePosixPath, Asset]:
        assets: dict[PurePosixPath, Asset] = {}
        for path, name, size, kind, rank, source in self._rows:
            where = self._root / source if source else self._cache.object(name)
            assets[PurePosixPath(path)] = Asset(path=PurePosixPath(path), digest=name, size=size, type=kind, source=where, rank=rank)
        return assets

    def __getitem__(self, path: PurePosixPath) -> Asset:
        return self._assets[path]

    def __iter__(self) -> Iterator[PurePosixPath]:
        return iter(self._assets)

    def __len__(self) -> int:
        return len(self._assets)


class _Builder:
    """One build: renders what the cache lacks and notes what it used."""

    def __init__(self, content: Content, selection: Selection, settings: Settings, cache: Cache, name: Digest) -> None:
        self.content, self.selection, self.settings, self.cache, self._epoch = content, selection, settings, cache, name
        self.views = Views(selection, settings)
        self.renderer = Renderer(settings)
        self.new: dict[str, Kept] = {}
        self.used: set[str] = set()
        self.rendered = 0
        self._known = cache.rendered()
        self._shown = {one.path: one.digest for one in selection.publications}
        self._listed: list[tuple[str, datetime | None]] = []

    def assets(self) -> Iterator[Asset]:
        """Every file of the site, once."""
        yield from self.content.assets.values()
        yield from self._beside()
        style = self._theme("site.css", "text/css", lambda: self.renderer.render("site.css.j2", {}).encode())
        script = self._theme("site.js", "text/javascript", lambda: templates(self.settings.root)["site.js"])
        yield from (style, script)
        yield from self._pages(f"{style.path}?v={style.digest[:8]}", f"{script.path}?v={script.digest[:8]}")
        yield from self._calendars()
        yield from self._podcasts()
        yield from self._newsletter()
        yield self._search()
        yield from self._signs()

    def _item(self, path: str, kind: str, rank: Rank, value: object, make: Callable[[], bytes]) -> Asset:
        """One made file: from the cache, or made now."""
        key = fingerprint(self._epoch, path, value)
        kept = self._known.get(key) or self.new.get(key)
        if kept is None or not self.cache.has(kept):
            kept = self.new[key] = self.cache.keep_bytes(make())
            self.rendered += 1
        self.used.add(key)
        return Asset(
            path=PurePosixPath(path), digest=kept.digest, size=kept.size, type=kind, source=self.cache.object(kept.digest), rank=rank
        )

    def _theme(self, name: str, kind: str, make: Callable[[], bytes]) -> Asset:
        return self._item(f"theme/{name}", kind, "file", "theme", make)

    def _pages(self, style: str, script: str) -> Iterator[Asset]:
        site = self.views.site(style, script)
        shared = fingerprint(site)
        for page in pages(self.views):
            if page.listed:
                self._listed.append((page.path, _moment_of(page)))
            yield self._item(page.file, "text/html", page.rank, (shared, page), lambda page=page: self._page(page, site))  # type: ignore[misc]

    def _page(self, page: Page, site: Any) -> bytes:
        base = self.views.base
        root = base if page.path == "404.html" else "../" * page.path.count("/")
        values = {
            "fingerprint": self._shown.get(page.path, ""), "site": site, "root": root, "path": page.path,
            "canonical": urljoin(base, page.path), "title": self.renderer.translated(page.title) if page.ours else page.title,
            "description": page.description, "image": page.image, **page.values,
        }  # fmt: skip
        return self.renderer.render(page.template, values).encode()

    def _search(self) -> Asset:
        wanted: dict[Digest, Callable[[], bytes]] = {}
        for view in self.views.editions:
            items = [item for block in view.blocks if isinstance(block, Item) for item in (block, *block.answers)]
            placed = [(item.contribution.digest, item.author.name) for item in items]
            wanted[fingerprint(self._epoch, view.path, view.edition.digest, placed)] = partial(search.edition, view)
        for one in self.selection.episodes:
            card = self.views.episode(one)
            wanted[fingerprint(self._epoch, card.path, one.digest, [person.name for person in card.people])] = partial(search.episode, card)
        rest = ([one.digest for one in self.selection.events], [one.digest for one in self.views.listed])
        wanted[fingerprint(self._epoch, rest)] = partial(search.others, self.views)
        return self._item(search.FILE, "text/javascript", "index", list(wanted), lambda: search.script(self._fragments("search", wanted)))

    # -- files of the community that stand outside assets/ -------------------------------------------------------------

    def _beside(self) -> Iterator[Asset]:
        seen = set(self.content.assets)
        for episode in self.selection.episodes:
            card = self.views.episode(episode)
            if (sound := episode.audio).source and sound.digest:
                where = self.settings.root / sound.source
                yield Asset(path=PurePosixPath(card.audio), digest=sound.digest, size=sound.length, type=sound.type, source=where)
            if episode.transcript:
                yield self._copy(card.transcript, episode.transcript.source.as_posix(), episode.transcript.type)
            if episode.chapters:
                path, make = f"{card.path}chapters.json", partial(feed.chapters_json, episode, self.views.base)
                yield self._item(path, "application/json+chapters", "file", episode, make)
        for path in sorted(self._pictures()):
            if PurePosixPath(path) not in seen:
                yield self._copy(path, path, media_type(path))

    def _pictures(self) -> set[str]:
        media: list[Media | None] = [one.image for one in self.selection.editions]
        media += [one.artwork for one in self.selection.episodes]
        media += [one.photo for one in self.selection.members.values()]
        return {one.path for one in media if one and "://" not in one.path}

    def _copy(self, path: str, source: str, kind: str) -> Asset:
        file = self.settings.root / source
        return Asset(path=PurePosixPath(path), digest=digest_file(file), size=file.stat().st_size, type=kind, source=file)

    # -- feeds and calendars -------------------------------------------------------------------------------------------

    def _calendars(self) -> Iterator[Asset]:
        events = self.selection.events
        community = self.settings.community
        host = urlsplit(self.views.base).hostname or "localhost"

        def made(chosen: tuple[Any, ...], name: str) -> bytes:
            return calendar.ics(
                chosen, name, lambda event: urljoin(self.views.base, f"events/{event.slug}/"), host,
                lambda event: ", ".join(person.name for person in self.views.hosts(event.hosts)),
            )  # fmt: skip

        for event in events:
            yield self._item(f"events/{event.slug}/event.ics", "text/calendar", "file", (event, self.views.hosts(event.hosts)),
                             lambda event=event: made((event,), event.title))  # type: ignore[misc]  # fmt: skip
        hosts = [self.views.hosts(event.hosts) for event in events]
        yield self._item("events.ics", "text/calendar", "index", (events, hosts), lambda: made(events, community.name))

    def _podcasts(self) -> Iterator[Asset]:
        for show in self.settings.podcast:
            cards = [self.views.episode(one) for one in self.selection.episodes if one.show == show.slug]
            shown = self.views.show(show)
            yield self._item(shown.feed, "application/rss+xml", "index", (shown, cards), lambda s=show, c=cards: self._podcast(s, c))  # type: ignore[misc]

    def _podcast(self, show: Podcast, cards: list[EpisodeCard]) -> bytes:
        shown = self.views.show(show)

        def item(card: EpisodeCard) -> bytes:
            return feed.podcast_item(card, show, self.settings, text.html(card.episode.notes, text.OWN, self.views.base))

        items = self._fragments(f"item {show.slug}", {fingerprint(self._epoch, card): lambda card=card: item(card) for card in cards})  # type: ignore[misc]
        updated = max((card.episode.date for card in cards), default=None)
        artwork = urljoin(self.views.base, show.artwork) if show.artwork else ""
        return feed.podcast(show, self.settings, items, path=shown.feed, page=shown.path, artwork=artwork, updated=updated)

    def _fragments(self, name: str, wanted: dict[Digest, Callable[[], bytes]]) -> list[bytes]:
        """Serialised pieces of a feed; each is made once and kept until it changes."""
        kept = self.cache.fragments(name)
        missing = {key: make() for key, make in wanted.items() if key not in kept}
        self.cache.keep_fragments(name, missing, kept.keys() - wanted.keys())
        return [missing[key] if key in missing else kept[key] for key in wanted]

    def _newsletter(self) -> Iterator[Asset]:
        if not self.settings.newsletter:
            return
        newest = self.views.editions[:_FEED_LENGTH]
        for path, kind, make in (
            ("feed.xml", "application/rss+xml", letters.rss),
            ("feed.atom", "application/atom+xml", letters.atom),
            ("feed.json", "application/feed+json", letters.json_feed),
        ):
            yield self._item(path, kind, "index", newest, lambda path=path, make=make: make(self._entries(newest), self.settings, path))  # type: ignore[misc]

    def _entries(self, newest: tuple[EditionView, ...]) -> list[Entry]:
        contents = self._fragments("content", {fingerprint(self._epoch, view): lambda view=view: self._content(view) for view in newest})  # type: ignore[misc]
        return [self._entry(view, html.decode()) for view, html in zip(newest, contents, strict=True)]

    def _content(self, view: EditionView) -> bytes:
        values = {"view": view, "root": self.views.base, "site": self.views.site("", "")}
        return self.renderer.render("content.html.j2", values).encode()

    def _entry(self, view: EditionView, html: str) -> Entry:
        one = view.edition
        url = urljoin(self.views.base, view.path)
        return Entry(
            id=f"edition/{one.id}", url=url, title=one.title, summary=one.summary or one.preheader, html=html,
            published=one.date, updated=one.date,
            authors=tuple(person.name for person in view.people), language=one.language,
            image=urljoin(self.views.base, view.image) if view.image else "",
        )  # fmt: skip

    def _signs(self) -> Iterator[Asset]:
        """What machines look for: the list of pages, and where it is."""
        yield self._item("sitemap.xml", "application/xml", "index", tuple((path, moment) for path, moment in self._listed), self._sitemap)
        if urlsplit(self.views.base).path == "/":
            robots = f"User-agent: *\nAllow: /\nSitemap: {self.views.base}sitemap.xml\n"
            yield self._item("robots.txt", "text/plain", "index", robots, robots.encode)
        yield self._item(".nojekyll", "text/plain", "file", "", lambda: b"")

    def _sitemap(self) -> bytes:
        rows = (
            f"<url><loc>{escape(urljoin(self.views.base, path))}</loc>"
            + (f"<lastmod>{times.iso(moment)}</lastmod>" if moment else "")
            + "</url>"
            for path, moment in sorted(self._listed, key=lambda row: row[0])
        )
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        return (head + "\n".join(rows) + "\n</urlset>\n").encode()


def _moment_of(page: Page) -> datetime | None:
    view = page.values.get("view")
    record = getattr(view, "edition", None) or getattr(getattr(view, "card", None), "episode", None)
    return record.date if isinstance(record, Edition | Episode) else None
