"""Hostile and odd inputs, each string through the whole of Amplify: words stay words.

Each test has a selection of our own, and then other people's collections, which lie beside the repository in
../shared/corpora; where they are missing, it says so and is skipped. `make long` tries every string of the largest ones.
"""

from __future__ import annotations

import contextlib
import csv
import email
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.message import Message as PlainMessage
from email.utils import getaddresses
from functools import cache
from html import escape
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import lxml.html
import pytest
import yaml
from amplify.plugins import feed
from tests import odd
from tests.conftest import Make
from tests.interrupter import EVERY_POINT
from tests.kit import EDITION, NOW, SETTINGS, Community, page

from amplify import compose, config, frontmatter, instances, media, pipeline, records, registry, review, text
from amplify.api import Announcer, Message
from amplify.config import Plugged
from amplify.fronts import EditionFront
from amplify.model import Contribution, Delivery, Edition, Episode, Event, Key, Media, Member, Offer, Recipient
from amplify.pages import Views
from amplify.reading import Reading
from amplify.render import Renderer

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
BASE = "https://joyfe.example.org/"
TEMPLATES = ("{{ 7*7 }}", "${7*7}", "{% for x in range(49) %}{{ x }}{% endfor %}", "{{ config }}", "{# 7*7 #}", "#{7*7}", "<%= 7*7 %>",
             "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ 'x'|own('') }}", "%(name)s %s %d 100 %", "{0} {} {name}")  # fmt: skip
HEADERS = (
    "=?utf-8?q?a=0ABcc:_all@example.org?=", "=?utf-8?q?a=0D=0ABcc:_x?=", "=?utf-8?b?YQpCY2M6IHg=?= and more", "=?UTF-8?Q?=41?=",
    "a\r\nBcc: all@example.org", "a\nBcc: all@example.org", "a\rBcc: all@example.org", "a\0b", "a\u2028Bcc: all@example.org", "a\x85Bcc: x",
    "\u201cquoted\u201d " * 20, "\u00fc " * 60, "x" * 300, "\u65e5\u672c \u8a9e " * 20, "(comment) \"q\" <x@example.org>, y@example.org; z",
)  # fmt: skip


def corpus(name: str) -> Path:
    """A file or folder of the corpora."""
    if not (CORPORA / name).exists():
        pytest.skip(f"{name} is not in {CORPORA.name}/ beside the repository")
    return CORPORA / name


def some(strings: Sequence[str]) -> Sequence[str]:
    """Every twentieth, or with `make long` all."""
    return strings if EVERY_POINT else strings[::20]


@pytest.fixture(scope="module", params=["ours", "theirs"])
def naughty(request: pytest.FixtureRequest) -> list[str]:
    """Our odd words, or the big list of naughty strings."""
    strings = (*odd.WORDS, *TEMPLATES, *HEADERS) if request.param == "ours" else json.loads(corpus("blns/blns.json").read_text("utf-8"))
    return [*dict.fromkeys(one for one in strings if text.one_line(one))]


def words(element: Any) -> str:
    """What one reads in an element, on one line."""
    return " ".join(str(element.text_content()).split())


# -- the big list of naughty strings -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everywhere(naughty: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Community, list[str]]:
    """A built community in which every string is a title, an author, a tag, a section, a body, a name, a role and a theme."""
    strings = naughty
    files: dict[str, str | bytes] = {"amplify.toml": SETTINGS}
    files |= {"editions/2026-11.md": EDITION + "".join(f"\n::contribution[c{n}]\n" for n in range(len(strings)))}
    for n, one in enumerate(strings):
        # YAML written with quotation marks, as `amplify draft` and any editor that knows YAML do
        front = {"title": one, "author": one, "tags": [one], "section": one, "licence": one, "source": one}
        files[f"contributions/c{n}.md"] = page(front, one)
        files[f"members/m{n}.md"] = page({"name": one, "role": one, "pronouns": one, "handles": {"mastodon": one}}, one)
        if n % 10 == 0:
            files[f"events/e{n}.md"] = page({"title": one, "start": "2026-12-01", "place": one, "theme": one, "questions": [one]}, one)
    here = Community(tmp_path_factory.mktemp("everywhere")).write(files)
    assert here.run("build", "--at", NOW).status == 0
    return here, strings


def test_naughty_strings_are_shown_as_they_are(everywhere: tuple[Community, list[str]]) -> None:
    here, strings = everywhere
    site = here.site()
    edition = lxml.html.document_fromstring(site["editions/2026-11/index.html"].decode())
    shown = {str(one.get("id")): one for one in edition.iter("article") if one.get("id")}
    for n, one in enumerate(strings):
        article = shown[f"c{n}"]
        assert words(article.find(".//h2") if article.find(".//h2") is not None else article.find(".//h3")) == text.one_line(one)
        assert text.one_line(one) in words(article.find_class("credit")[0]), "who wrote it"
        person = lxml.html.document_fromstring(site[f"people/m{n}/index.html"].decode())
        assert words(person.find(".//h1")) == text.one_line(one)
        assert text.one_line(one) in words(person.find_class("lead")[0])


def test_naughty_strings_bring_nothing_to_life(community: Make, everywhere: tuple[Community, list[str]]) -> None:
    here, _ = everywhere
    plain = community(
        {"editions/2026-11.md": EDITION + "\n::contribution[c]\n", "members/m.md": page({"name": "A"}),
         "contributions/c.md": page({"title": "A"}), "events/e.md": page({"title": "A", "start": "2026-12-01"})}
    )  # fmt: skip
    assert plain.run("build", "--at", NOW).status == 0
    usual = {script for name, content in plain.site().items() if name.endswith(".html") for script in _scripts(content.decode())}
    for name, content in here.site().items():
        if name.endswith(".html"):
            assert set(_scripts(content.decode())) <= usual, name
            assert not [*_alive(content.decode(), ours=True)], name
        if name.endswith((".xml", ".atom")):
            lxml.etree.fromstring(content)


def _scripts(html: str) -> Iterator[str]:
    for one in lxml.html.document_fromstring(html).iter("script"):
        yield f"{one.get('src', '').split('?')[0].lstrip('./')} {one.text_content()}"


def test_check_is_clean_or_names_what_is_wrong(everywhere: tuple[Community, list[str]]) -> None:
    ran = everywhere[0].run("check", "--json")
    assert "Traceback" not in ran.err
    assert [one for one in ran.json["problems"] if one["severity"] == "error"] == []


@pytest.fixture
def sent(community: Make) -> tuple[Announcer, Message, Community]:
    """The outbox, a mail that could go into it, and the community that sends it."""
    here = community({"editions/2026-11.md": EDITION})
    with pipeline.opened(here.root, lambda: datetime(2026, 11, 18, 20, 30, tzinfo=UTC)) as opened:
        built = pipeline.build(opened, opened.clock())
        (publication,) = built.selection.publications
        message = compose.mail(publication, Views(built.selection, opened.settings), Renderer(opened.settings), opened.clock())
        table = Plugged(name="newsletter", plugin="email", options={"server": "outbox:"})
        kind = registry.load(here.root).channels["email"]
        works = instances.instance(table, kind, instances.lending(here.root, opened.state, opened.clock)).works
    return cast(Announcer, works), message, here


def mailed(sent: tuple[Announcer, Message, Community], subject: str, name: str) -> PlainMessage:
    """The mail with that subject to a reader of that name, as it arrives."""
    announcer, message, here = sent
    one = replace(message, subject=subject, digest=f"{len(subject)} {subject}")  # type: ignore[arg-type]
    reader = Recipient(id="1", address="reader@example.org", name=name, language="", token="t")
    delivery = Delivery(id=1, key="0" * 32, publication=Key("edition/2026-11"), channel="newsletter", recipient=reader, attempt=1,
                        values=dict.fromkeys(message.fields, "https://join.example.org/"))  # fmt: skip
    with announcer.session(one) as deliver:
        receipt = deliver(delivery)
    data = (here.root / ".amplify" / "outbox" / receipt.id).read_bytes()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    return email.message_from_bytes(data)


def decoded(header: str) -> str:
    """A header as readers see it (RFC 2047)."""
    return str(make_header(decode_header(re.sub(r"\r?\n(?=[ \t])", "", header))))


def test_naughty_strings_are_subjects_and_add_no_header(naughty: list[str], sent: tuple[Announcer, Message, Community]) -> None:
    usual = mailed(sent, "Joy in November", "Amal").keys()
    for one in naughty:
        reading = read(page({"title": "A", "date": "2026-11-18", "subject": one}), "editions/a.md")
        edition = records.edition(reading)
        assert edition, reading.problems
        mail = mailed(sent, edition.subject, "Amal")
        assert mail.keys() == usual, one
        assert decoded(mail["Subject"]) == text.one_line(one)


def test_naughty_strings_are_names_of_readers_and_add_no_header(
    community: Make, naughty: list[str], sent: tuple[Announcer, Message, Community]
) -> None:
    strings = naughty
    here, file = community(name="readers"), io.StringIO()
    rows = csv.writer(file)
    rows.writerow(["email", "name", "tags"])
    rows.writerows([f"reader{n}@example.org", one, one] for n, one in enumerate(strings))
    here.write({"list.csv": file.getvalue()})
    assert here.run("subscribers", "import", str(here.root / "list.csv")).status == 0
    known = {one["address"]: one["name"] for one in here.run("subscribers", "list", "--json").json["subscribers"]}
    usual = mailed(sent, "Joy in November", "Amal").keys()
    for n, one in enumerate(strings):
        name = known[f"reader{n}@example.org"]
        assert name == text.one_line(one)[:200]
        mail = mailed(sent, "Joy in November", name)
        assert mail.keys() == usual, one
        assert [(decoded(shown), to) for shown, to in getaddresses([mail["To"]])] == [(name, "reader@example.org")]


def test_what_looks_like_a_template_is_none(community: Make) -> None:
    editions = {
        f"editions/e{n}.md": page({"title": one, "subject": one, "summary": one, "preheader": one, "date": "2026-11-18 20:00"}, f"{one}\n")
        for n, one in enumerate(TEMPLATES)
    }
    here = community(editions).subscribed("amal@example.org")
    assert here.publish().status == 0
    mails = {one["Subject"]: one for one in (email.message_from_bytes(data, policy=policy.default) for data in here.mails().values())}
    assert mails.keys() == set(TEMPLATES)
    for n, one in enumerate(TEMPLATES):
        assert words(lxml.html.document_fromstring(here.site()[f"editions/e{n}/index.html"].decode()).find(".//h1")) == one
        assert one in mails[one].get_body(("plain",)).get_content()  # type: ignore[union-attr, attr-defined]
    assert b"49" not in here.site()["feed.json"].replace(b"range(49)", b"")


# -- YAML ----------------------------------------------------------------------------------------------------------


def read(written: str, file: str) -> Reading:
    """A content file being read. Raises Broken."""
    taken = frontmatter.split(written.encode("utf-8", "surrogatepass"), file)
    return Reading(taken, CORPORA, Path(file), ZoneInfo("Europe/London"), "en-GB")


MAKERS = {"members": records.member, "contributions": records.contribution, "editions": records.edition, "events": records.event,
          "episodes": records.episode}  # fmt: skip


def a_record_or_problems(written: str) -> None:
    """Whatever the front matter is, each folder makes a record of it or names what is wrong, at a line that is there."""
    for folder, make in MAKERS.items():
        try:
            reading = read(written, f"{folder}/a.md")
        except frontmatter.Broken as broken:
            problems = [broken.problem]
        else:
            record = make(reading)
            assert reading.problems or isinstance(record, Member | Contribution | Edition | Event | Episode)
            problems = reading.problems
        for one in problems:
            assert re.fullmatch(r"C\d\d|F\d\d", one.rule)
            assert one.message
            assert 0 <= one.line <= written.count("\n") + 2


def test_odd_front_matter_is_a_record_or_a_problem() -> None:
    for one in (*odd.FRONT, *(f"title: {word}" for word in odd.WORDS)):
        a_record_or_problems(f"---\n{one}\n---\n")


def test_every_case_of_the_yaml_test_suite_is_a_record_or_a_problem() -> None:
    marks = {"␣": " ", "»": "\t", "—": "", "←": "\r", "⇔": "\ufeff", "↵": "", "∎": ""}
    number = 0
    for file in sorted(corpus("yaml-test-suite").glob("*.yaml")):
        for case in yaml.load(file.read_text("utf-8"), Loader=yaml.CSafeLoader):
            written = str(case.get("yaml", ""))
            for mark, meant in marks.items():
                written = written.replace(mark, meant)
            a_record_or_problems(f"---\n{written}\n---\n")
            a_record_or_problems(f"---\ntitle: {written}\n---\n")
            a_record_or_problems(f"---\ntitle: A\ndate: 2026-11-18\nannounce:\n  {written.replace(chr(10), chr(10) + '  ')}\n---\n")
            a_record_or_problems(written)
            number += 1
    assert number > 300


def test_front_matter_that_others_read_is_read_alike() -> None:
    for file in sorted(corpus("frontmatter/yaml").glob("*.*")):
        if file.suffix == ".json":
            continue
        expected = json.loads(file.with_suffix(".result.json").read_text("utf-8"))
        if file.stem == "extra-dash":  # four hyphens begin no front matter here
            continue
        taken = frontmatter.split(file.read_bytes(), file.name)
        assert taken.body.strip() == expected.pop("content").strip()
        assert _as_written(taken.values) == _as_written({key: value for key, value in expected.items() if value is not None})


def _as_written(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_written(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_written(one) for one in value]
    return {"True": "yes", "true": "yes", "None": ""}.get(str(value), str(value))


@pytest.mark.parametrize("name", ["json/hello-json.md", "toml/hello-toml.md", "empty/no-frontmatter.txt", "empty/empty-frontmatter.txt"])
def test_front_matter_that_is_none_is_named(name: str) -> None:
    written = corpus(f"frontmatter/{name}").read_text("utf-8")
    a_record_or_problems(written)
    with contextlib.suppress(frontmatter.Broken):
        assert read(written, "editions/a.md").front(EditionFront) is None


# -- Markdown ------------------------------------------------------------------------------------------------------

_TAGS = {
    "a", "img", "h3", "h4", "p", "br", "blockquote", "ul", "ol", "li", "pre", "code", "hr", "dl", "dt", "dd", "table", "thead", "tbody",
    "tr", "th", "td", "em", "strong", "b", "i", "s", "del", "sub", "sup", "abbr", "q", "cite", "small", "kbd", "figure", "figcaption",
}  # fmt: skip
_ATTRIBUTES = {"href", "title", "src", "alt", "width", "height", "start", "rel"}


class _Alive(HTMLParser):
    """Collects what could act: tags and attributes that nobody allowed, addresses that are none of the web or the mail."""

    def __init__(self, ours: bool) -> None:
        super().__init__()
        self.ours, self.found = ours, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("iframe", "object", "embed", "base", "frame", "applet", "math") or (not self.ours and tag not in _TAGS):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if (
                name.startswith("on")
                or name in ("srcdoc", "formaction")
                or (name == "action" and value != "./")
                or (not self.ours and name not in _ATTRIBUTES)
            ):
                self.found.append(f"{tag} {name}={value}")
            if name in ("href", "src", "xlink:href") and not _harmless(value or ""):
                self.found.append(f"{tag} {name}={value}")


def _harmless(address: str) -> bool:
    """As a browser reads it: without control characters and blanks before it, without tabs and new lines in it."""
    read = re.sub(r"[\t\r\n]", "", address.lstrip("".join(map(chr, range(33)))))
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", read)
    return scheme is None or scheme[1].lower() in ("http", "https", "mailto", "tel")


def _alive(html: str, ours: bool = False) -> list[str]:
    parser = _Alive(ours)
    parser.feed(html)
    parser.close()
    return parser.found


@pytest.fixture(scope="module", params=["ours", "theirs"])
def payloads(request: pytest.FixtureRequest) -> Sequence[str]:
    """Our markup that means harm, or the lists against sanitisers."""
    return odd.PAYLOADS if request.param == "ours" else some(_lists())


@cache
def _lists() -> tuple[str, ...]:
    lines = corpus("payloadbox-xss/xss-payload-list.txt").read_text("utf-8", "replace").split("\n")
    bleach = [one.read_text("utf-8").split("\n--\n")[0] for one in sorted(corpus("bleach").glob("*.test"))]
    script = corpus("dompurify/expect.mjs.txt").read_text("utf-8")
    purify = [json.loads(found) for found in re.findall(r'"payload": ("(?:[^"\\]|\\.)*")', script)]
    assert min(len(lines), len(bleach) * 300, len(purify) * 30) > 5000
    return (*lines, *bleach, *purify)


def examples() -> list[tuple[str, str]]:
    """The examples of the CommonMark specification: Markdown, and what is to come of it."""
    spec = corpus("commonmark/spec.txt").read_text("utf-8").replace("→", "\t")
    return re.findall(r"^`{32} example.*\n([\s\S]*?)^\.\n([\s\S]*?)^`{32}$", spec, re.MULTILINE)


@pytest.mark.parametrize("who", [text.OFFERED, text.OWN])
def test_no_payload_comes_through_markdown(payloads: Sequence[str], who: str) -> None:
    for one in payloads:
        assert not _alive(text.html(one, who, BASE)), one


def test_no_payload_comes_through_a_link_or_a_picture(payloads: Sequence[str]) -> None:
    for one in payloads:
        written = f'[a]({one})\n\n![a]({one})\n\n[a](<{one}>)\n\n[a][b]\n\n<{one}>\n\n[a](b "{one}")\n\n[b]: {one}\n'
        assert not _alive(text.html(written, text.OFFERED, BASE)), one


def test_no_payload_comes_through_a_title_or_a_name(community: Make, payloads: Sequence[str]) -> None:
    here = community(
        {"templates/all.html.j2": "{% from 'items.html.j2' import item with context %}{% for one in these %}<h2>{{ one }}</h2>{% endfor %}"}
    )
    html = Renderer(config.load(here.root)).render("all.html.j2", {"these": payloads, "site": None, "root": ""})
    assert not _alive(html.replace("<h2>", "<p>").replace("</h2>", "</p>"))


def test_no_payload_comes_through_what_is_gathered(payloads: Sequence[str]) -> None:
    for one in payloads:
        written = escape(text.plain(one))
        data = (
            f"<rss><channel><item><title>{written}</title><link>{written}</link><description>{written}</description></item></channel></rss>"
        )
        [entry] = feed.parsed(data.encode(), BASE, "")
        for body, form in ((entry["body"], "html"), (one, "html"), (one, "markdown"), (one, "text")):
            offer = Offer(id="1", title=entry["title"], body=body, form=form, url=entry["link"] or None, media=(Media(path=one, alt=one),))
            assert not _alive(text.html(review.markdown(offer, BASE), text.OFFERED, BASE)), one


@pytest.mark.parametrize("root", ["", "./", "../", "../../", BASE])
@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "./javascript:alert(1)", f"{BASE}javascript:alert(1)", f"{BASE}//evil.example.org", f"{BASE}data:text/html,x",
     f"{BASE}\\evil.example.org", f"{BASE}%6aavascript:alert(1)"],
)  # fmt: skip
def test_an_address_made_relative_to_the_site_stays_on_the_site(community: Make, root: str, address: str) -> None:
    here = community({"templates/one.html.j2": "{{ words|own(root) }}{{ words|offered(root) }}"})
    html = Renderer(config.load(here.root)).render("one.html.j2", {"words": f"[a]({address})", "root": root})
    assert not _alive(html)
    for one in lxml.html.fromstring(f"<div>{html}</div>").iter("a"):
        assert "evil" not in (urlsplit(one.get("href", "")).netloc or ""), html


def test_every_example_of_commonmark_is_rendered_and_harmless() -> None:
    found = examples()
    assert len(found) > 600
    for markdown, _ in found:
        for who in (text.OFFERED, text.OWN):
            assert not _alive(text.html(markdown, who, BASE))
        text.excerpt(markdown)
        text.reading_minutes(markdown)


def test_what_commonmark_shows_is_shown() -> None:
    """Python-Markdown is an older dialect: most examples come out alike, and this number only grows."""
    alike = sum(
        words(lxml.html.fromstring(f"<div>{text.html(markdown, text.OWN, BASE)}</div>"))
        == words(lxml.html.fromstring(f"<div>{html}</div>"))
        for markdown, html in examples()
    )
    assert alike >= 440


def test_a_community_of_payloads_is_built_and_mailed(community: Make, payloads: Sequence[str]) -> None:
    chosen = list(payloads)
    mailed = range(0, len(chosen), len(chosen) // 20)
    placed = {"2026-10": range(len(chosen)), "2026-11": mailed}
    files = {
        f"editions/{name}.md": EDITION.replace("2026-11", name) + "".join(f"\n::contribution[c{n}]\n" for n in numbers)
        for name, numbers in placed.items()
    }
    files |= {f"contributions/c{n}.md": page({"title": f"Number {n}"}, one) for n, one in enumerate(chosen)}
    here = community(files).subscribed("amal@example.org")
    ran = here.publish()
    assert ran.status == 0, ran
    for name, content in here.site().items():
        if name.endswith(".html"):
            assert not _alive(content.decode(), ours=True), name
    (mail,) = (email.message_from_bytes(one, policy=policy.default) for one in here.mails().values())
    assert not _alive(mail.get_body(("html",)).get_content(), ours=True)  # type: ignore[union-attr, attr-defined]


# -- recordings ----------------------------------------------------------------------------------------------------


def test_every_recording_of_the_corpus_is_a_sound_or_a_clear_problem() -> None:
    def heard(file: Path) -> str:
        try:
            return media.audio(file).type
        except media.MediaError as error:
            return str(error)

    said = {file.relative_to(CORPORA).as_posix(): heard(file) for file in sorted(corpus("tag-audio").glob("*/*.*"))}
    assert {name for name, one in said.items() if not re.match(r"(audio|video)/|(is|ends|holds|has|cannot) ", one)} == set()
    assert sum("/" in one.split(" ")[0] for one in said.values()) >= 12


def test_every_recording_of_the_corpus_may_be_an_episode(community: Make) -> None:
    files: dict[str, str | bytes] = {"amplify.toml": SETTINGS + '\n[podcast]\ntitle = "Joy"\n'}
    for n, file in enumerate(sorted(corpus("tag-audio").glob("*/*.*"))):
        name = PurePosixPath(f"episodes/e{n}{file.suffix}")
        files |= {
            str(name): file.read_bytes(),
            f"episodes/e{n}.md": page({"title": f"Number {n}", "date": "2026-11-18", "audio": name.name}),
        }
    ran = community(files).run("check", "--json")
    assert {one["rule"] for one in ran.json["problems"] if one["severity"] == "error"} <= {"C12", "F62"}
    assert "Traceback" not in ran.err
