"""Write the same N editions and N episodes as an Amplify community, a Hugo site and a Pelican site.

    python benchmarks/generate.py 1000 /tmp/thousand

Words are drawn with a fixed seed: the same N gives the same bytes. About 2 KB of Markdown each; every edition places two
or three of N/5 contributions by 50 members; every episode has a small real MP3 of its own; all dates are past.
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path

from amplify.samples import artwork

MEMBERS = 50
LAST = datetime(2026, 1, 1, 20, 0)  # noqa: DTZ001 (written without a zone, as organisers write)
YEARS = timedelta(days=3650)
PEERS = Path(__file__).parent / "peers"
"""Layouts and settings of the sites that Amplify is compared with."""


@dataclass(frozen=True)
class Item:
    """A text with its title, in the words of no tool. `places` are contributions, `author` a member."""

    slug: str
    title: str
    date: datetime
    summary: str
    body: str
    author: str
    number: int
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Everything that the three sites say."""

    members: tuple[Item, ...]
    contributions: tuple[Item, ...]
    editions: tuple[Item, ...]
    episodes: tuple[Item, ...]


# -- words ---------------------------------------------------------------------------------------------------------


class Words:
    """Sentences that mean nothing, of words as common as those of a language are."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        parts = [c + v for c in ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "ch") for v in "aeiou"]
        self._all = ["".join(self._random.choices(parts, k=self._random.choice((1, 2, 2, 3)))) for _ in range(3000)]
        self._weights = tuple(accumulate(1 / (rank + 3) for rank in range(3000)))

    def some(self, least: int, most: int) -> str:
        """A few words."""
        return " ".join(self._random.choices(self._all, cum_weights=self._weights, k=self._random.randint(least, most)))

    def title(self) -> str:
        """A title."""
        return self.some(3, 7).capitalize()

    def sentence(self) -> str:
        """A sentence, now and then with a mark-up that people use."""
        words = self.some(6, 16)
        marked = {
            0: f"**{self.some(1, 2)}** ",
            1: f"*{self.some(1, 3)}* ",
            2: f"[{self.some(1, 3)}](https://{self.some(1, 1)}.example.org/) ",
        }
        return (words + " " + marked.get(self._random.randrange(8), "")).strip().capitalize() + "."

    def body(self, size: int) -> str:
        """About `size` bytes of Markdown: headings, paragraphs, a list, a quotation."""
        blocks: list[str] = []
        while sum(map(len, blocks)) < size:
            blocks.append(self._block(len(blocks)))
        return "\n\n".join(blocks) + "\n"

    def _block(self, number: int) -> str:
        if number % 5 == 2:
            return f"## {self.title()}"
        if number % 7 == 4:
            return "\n".join(f"- {self.some(3, 9)}" for _ in range(4))
        paragraph = " ".join(self.sentence() for _ in range(self._random.randint(2, 4)))
        return f"> {paragraph}" if number % 11 == 6 else paragraph

    def pick(self, slugs: Sequence[str]) -> tuple[str, ...]:
        """Two or three of them."""
        return tuple(self._random.sample(slugs, min(len(slugs), self._random.choice((2, 3)))))

    def one(self, slugs: Sequence[str]) -> str:
        """One of them."""
        return self._random.choice(slugs)


def corpus(count: int) -> Corpus:
    """`count` editions and `count` episodes, and what they need."""
    words = Words(count)
    members = tuple(_items(words, "member", MEMBERS, 200, [""]))
    people = [member.slug for member in members]
    contributions = tuple(_items(words, "contribution", max(3, count // 5), 900, people))
    slugs = [one.slug for one in contributions]
    editions = tuple(_items(words, "edition", count, 2000, people, slugs))
    return Corpus(members, contributions, editions, tuple(_items(words, "episode", count, 2000, people)))


def _items(words: Words, kind: str, count: int, size: int, people: Sequence[str], places: Sequence[str] = ()) -> Iterator[Item]:
    for number in range(1, count + 1):
        yield Item(
            slug=f"{kind}-{number:05}",
            title=words.title(),
            date=LAST - YEARS * ((count - number) / count),
            summary=words.some(10, 20).capitalize() + ".",
            body=words.body(size),
            author=words.one(people),
            number=number,
            places=words.pick(places) if places else (),
        )


def mp3() -> bytes:
    """One second of silence: forty frames of MPEG-1 layer III, 32 kbit/s, 44,100 Hz, mono."""
    header, length = b"\xff\xfb\x10\xc4", 144 * 32_000 // 44_100
    return (header + bytes(length - len(header))) * 40


# -- three ways to write it down -----------------------------------------------------------------------------------


def amplify(root: Path, content: Corpus) -> None:
    """The corpus as a community."""
    shutil.copytree(PEERS / "amplify", root)
    _put(root / "assets" / "artwork.jpg", artwork())
    for one in content.members:
        _page(root / "members" / f"{one.slug}.md", one.body, name=one.title)
    for one in content.contributions:
        _page(root / "contributions" / f"{one.slug}.md", one.body, title=one.title, author=one.author, date=f"{one.date:%Y-%m-%d %H:%M}")
    for one in content.editions:
        places = "".join(f"\n::contribution[{slug}]\n" for slug in one.places)
        body = f"{one.body}\n## From members\n{places}"
        _page(root / "editions" / f"{one.slug}.md", body, title=one.title, date=f"{one.date:%Y-%m-%d %H:%M}", summary=one.summary)
    for one in content.episodes:
        front = {
            "number": str(one.number),
            "summary": one.summary,
            "audio": f"{one.slug}.mp3",
            "people": f"[{{member: {one.author}, role: host}}]",
        }
        _page(root / "episodes" / f"{one.slug}.md", one.body, title=one.title, date=f"{one.date:%Y-%m-%d %H:%M}", **front)
        _put(root / "episodes" / f"{one.slug}.mp3", mp3())


def hugo(root: Path, content: Corpus) -> None:
    """The corpus as a Hugo site: an edition names its contributions, which have no page of their own."""
    shutil.copytree(PEERS / "hugo", root)
    for one in content.members:
        _page(root / "content" / "people" / f"{one.slug}.md", one.body, title=one.title)
    for one in content.contributions:
        _page(root / "content" / "contributions" / f"{one.slug}.md", one.body, title=one.title, author=one.author)
    for one in content.editions:
        front = {"title": one.title, "date": one.date.isoformat(), "summary": one.summary, "places": f"[{', '.join(one.places)}]"}
        _page(root / "content" / "editions" / f"{one.slug}.md", one.body, **front)
    for one in content.episodes:
        front = {"title": one.title, "date": one.date.isoformat(), "summary": one.summary, "author": one.author, "number": str(one.number)}
        _page(root / "content" / "episodes" / f"{one.slug}.md", one.body, length=str(len(mp3())), **front)
        _put(root / "static" / "episodes" / f"{one.slug}.mp3", mp3())


def pelican(root: Path, content: Corpus) -> None:
    """The corpus as a Pelican site: an edition has its contributions in its own text."""
    shutil.copytree(PEERS / "pelican", root)
    contributions = {one.slug: one for one in content.contributions}
    names = {one.slug: one.title for one in content.members}
    for folder, items in (("editions", content.editions), ("episodes", content.episodes)):
        for one in items:
            placed = [contributions[slug] for slug in one.places]
            body = one.body + "".join(f"\n### {each.title}\n\n*{names[each.author]}*\n\n{each.body}" for each in placed)
            front = {
                "Title": one.title,
                "Date": f"{one.date:%Y-%m-%d %H:%M}",
                "Slug": one.slug,
                "Author": names[one.author],
                "Summary": one.summary,
            }
            head = "".join(f"{key}: {value}\n" for key, value in front.items())
            _put(root / "content" / folder / f"{one.slug}.md", f"{head}\n{body}".encode())
    for one in content.episodes:
        _put(root / "content" / "audio" / f"{one.slug}.mp3", mp3())


def _page(path: Path, body: str, **front: str) -> None:
    quoted = {key: value if value.startswith("[") else f'"{value}"' for key, value in front.items()}
    head = "".join(f"{key}: {value}\n" for key, value in quoted.items())
    _put(path, f"---\n{head}---\n{body}".encode())


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


SITES = {"amplify": amplify, "hugo": hugo, "pelican": pelican}


def main() -> None:
    """Write the sites."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, metavar="N")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--sites", default=",".join(SITES), help="which of them (default: %(default)s)")
    options = parser.parse_args()
    content = corpus(options.count)
    for name in options.sites.split(","):
        SITES[name](options.out / name, content)


if __name__ == "__main__":
    main()
