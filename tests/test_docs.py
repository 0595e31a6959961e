"""The documentation says what is true: everything that can be written or typed is in it, its examples work, its links lead somewhere."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from docs import reference
from tests.conftest import Make
from tests.kit import EDITION, SETTINGS, Community

from amplify import config, fronts, model, render, say, text
from amplify.frontmatter import split
from amplify.validate import validate

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in reference.pages()}
WRITTEN = {name: re.sub(r"<!-- begin: .*?<!-- end -->", "", page, flags=re.DOTALL) for name, page in PAGES.items()}
"""The pages without what is generated."""


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def sections(page: str) -> dict[str, str]:
    """The parts of a page by their headings."""
    parts = re.split(r"^#+ (.+)$", PAGES[page], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> dict[str, tuple[str, str]]:
    """The rows of a table of keys: what it is, and what holds without it."""
    return {key: (kind, default) for key, kind, default in re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE)}


# -- what follows from the code ------------------------------------------------------------------------------------


def test_generated_parts_are_what_make_docs_would_write() -> None:
    assert [path.relative_to(ROOT).as_posix() for path in reference.outdated()] == [], "run: make docs"


SETTINGS_TABLES = {
    "Top of the file": config.Settings, "community": config.Community, "community.goal": config.Goal, "newsletter": config.Newsletter,
    "podcast": config.Podcast, "podcast.owner": config.Owner, "channel": config.Plugged, "rule": config.Rule, "publish": config.Publish,
    "http": config.Http, "serve": config.Serve, "state": config.StateSettings,
}  # fmt: skip
OURS = {"root", "options", "line"}


@pytest.mark.parametrize("name", SETTINGS_TABLES)
def test_each_setting_is_described_as_it_is(name: str) -> None:
    expected = {key: value for key, value in reference.keys_of(SETTINGS_TABLES[name]).items() if key not in OURS}

    assert rows(sections("docs/settings.md")[name]) == expected


def test_each_setting_has_an_example_and_the_examples_are_settings() -> None:
    examples = blocks("docs/settings.md", "toml")
    for name, cls in SETTINGS_TABLES.items():
        if name != "Top of the file":
            shown = re.findall(r"^(\w+) =", sections("docs/settings.md")[name], re.MULTILINE)
            assert set(shown) >= reference.keys_of(cls).keys() - OURS - {"goal"}

    whole = "\n".join(example for example in examples if not example.startswith("[podcast.owner]"))

    assert config.parse(whole, ROOT).community.name == "Chalk & Circuit"


FILES_TABLES = {
    "editions": fronts.EditionFront, "contributions": fronts.ContributionFront, "episodes": fronts.EpisodeFront,
    "audio, hosted elsewhere": fronts.AudioFront, "people": fronts.PersonFront, "chapters": fronts.ChapterFront,
    "soundbites": fronts.SoundbiteFront, "events": fronts.EventFront, "members": fronts.MemberFront,
}  # fmt: skip
MEANINGS = {"date", "time", "length of time", "picture", "web address"}
"""What a text can be, more exactly."""


@pytest.mark.parametrize("name", FILES_TABLES)
def test_each_key_of_the_front_matter_is_described_as_it_is(name: str) -> None:
    found = {key: ("text" if kind in MEANINGS else kind, default) for key, (kind, default) in rows(sections("docs/files.md")[name]).items()}

    assert found == reference.keys_of(FILES_TABLES[name])


EXAMPLES = {
    "docs/editions.md": (fronts.EditionFront, fronts.ContributionFront),
    "docs/podcast.md": (fronts.EpisodeFront,),
    "docs/events.md": (fronts.EventFront,),
}


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_files_shown_as_examples_can_be_read(page: str) -> None:
    for example, front in zip(blocks(page, "markdown"), EXAMPLES[page], strict=True):
        parts = split(example.encode(), page)

        assert validate(front, parts.values, parts.lines)[1] == []


def test_each_command_is_explained_where_it_is_used() -> None:
    names = [name for name, command in reference.commands() if not hasattr(command, "commands")]
    pages = "\n".join(page for where, page in WRITTEN.items() if where not in ("docs/commands.md", "CHANGELOG.md"))

    assert [name for name in names if not re.search(rf"amplify {name}\b", pages)] == []


def test_each_option_is_explained_where_it_is_used() -> None:
    options = {option for _, command in reference.commands() for taken in command.params for option in taken.opts}

    assert [option for option in sorted(options) if option.startswith("--") and option not in "\n".join(WRITTEN.values())] == []


def test_each_rule_that_can_be_broken_is_explained_and_no_other() -> None:
    raised: set[str] = set()
    for file in (*(ROOT / "src" / "amplify").glob("*.py"), *(ROOT / "plugins").glob("*.py")):
        raised |= set(re.findall(r'"([CFN]\d\d)"', file.read_text("utf-8")))

    assert set(re.findall(r"^### ([CFN]\d\d)$", PAGES["docs/problems.md"], re.MULTILINE)) == raised


def test_each_word_for_a_state_is_in_the_dictionary() -> None:
    table = dict(re.findall(r"^\| ([\w ]+) \| `([\w ]+)` \|$", PAGES["docs/words.md"], re.MULTILINE))

    assert {state: words for words, state in table.items()} == {str(state): words for state, words in say._STATES.items()}
    assert set(table.values()) == {str(state) for state in model.State}


def test_each_template_is_named() -> None:
    assert [name for name in render.templates(ROOT / "docs") if f"`{name}`" not in WRITTEN["docs/templates.md"]] == []


def test_each_filter_is_named(community: Make) -> None:
    from jinja2.filters import FILTERS

    ours = render.Renderer(config.load(community().root))._environment.filters.keys() - FILTERS.keys()
    named = re.findall(r"^\| `(\w+)(?:\(\w+\))?` \|", sections("docs/templates.md")["Filters"], re.MULTILINE)

    assert set(named) == ours


def test_the_template_shown_as_an_example_replaces_the_front_page(community: Make) -> None:
    [example] = blocks("docs/templates.md", "jinja")
    made = community({"templates/home.html.j2": example, "editions/2026-11.md": EDITION})
    assert made.publish().status == 0

    page = made.site()["index.html"].decode()

    assert "<title>JoyFE: welcome</title>" in page
    assert "We meet on <b>Thursdays</b>." in page
    assert "Joy in November" in page


def test_each_markdown_extension_is_named() -> None:
    table = sections("docs/markdown.md")["What works"]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(text.EXTENSIONS)


# -- what people try -----------------------------------------------------------------------------------------------


def test_the_readme_is_short_and_begins_with_two_commands_that_exist() -> None:
    assert PAGES["README.md"].count("\n") < 120
    first, second = blocks("README.md", "")[:2]
    assert (first, second) == ("make demo\n", "make test\n")
    assert {"demo", "test"} <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


TOLD = re.compile(
    r"""^```console\n(?P<console>.*?)^```$"""
    r"""|<!-- tour: take the line "(?P<line>.+?)" out of (?P<out_of>.+?) -->"""
    r"""|<!-- (?P<how>file|append): (?P<file>.+?) -->\n+```\w+\n(?P<text>.*?)^```$""",
    re.MULTILINE | re.DOTALL,
)


def steps(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """The commands of a page, each with the lines that it answers; and what a person does to files between them."""
    for told in TOLD.finditer(page):
        if told["line"]:
            yield ["take", told["line"], told["out_of"]], []
        if told["how"]:
            yield [told["how"], told["file"], told["text"]], []
        for command in re.split(r"^\$ ", told["console"] or "", flags=re.MULTILINE)[1:]:
            line, *answer = command.rstrip("\n").split("\n")
            yield shlex.split(line), answer


def follow(step: list[str], folder: Path) -> tuple[Path, str]:
    """Carry out one step in `folder`: the folder in which the next one is taken, and what was said."""
    program, *args = step
    if program == "cd":
        return folder / args[0], ""
    if program == "amplify":
        with chdir(folder):
            ran = Community(Path()).run(*args)
        assert ran.status == 0, ran.out + ran.err
        return folder, ran.out.rstrip()
    if program == "export":
        os.environ.update([args[0].split("=")])
        return folder, ""
    file = next(folder.glob(args[-1 if program in ("take", "cat") else 0]), folder / args[0])
    text = file.read_text("utf-8") if file.exists() else ""
    if program == "take":
        text = "".join(one for one in text.splitlines(keepends=True) if not one.startswith(args[0]))
    elif program != "cat":
        text = args[1] if program == "file" else f"{text}\n{args[1]}"
    file.write_text(text, "utf-8")
    return folder, text if program == "cat" else ""


def toured(page: str, folder: Path) -> Path:
    """The folder in which one stands after doing all that a page says, each command having answered as it is told there."""
    for step, expected in steps(PAGES[page]):
        folder, said = follow(step, folder)
        important = [re.escape(one).replace("…", ".*") for one in expected if one not in ("…", "")]

        assert re.search(r"(\n.*)*\n".join(["", *important]), f"\n{said}"), f"$ {shlex.join(step)}\n{said}"
    return folder


def test_the_five_minutes_of_the_readme_go_as_they_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/London")
    folder = toured("README.md", tmp_path)

    assert (folder / "public" / "index.html").exists()
    assert [mail.name for mail in (folder / ".amplify" / "outbox").glob("*amal@example.org*.eml")] != []


def test_the_tutorial_for_authors_goes_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/London")
    monkeypatch.setenv("PINWALL_TOKEN", "")
    folder = toured("docs/plugin-tutorial.md", tmp_path)

    [posted] = (folder / ".amplify" / "outbox").glob("wall-*.txt")
    assert len(posted.read_text("utf-8").split("\n\n")[-1]) <= 280
    assert sum(len(text.splitlines()) for text in blocks("docs/plugin-tutorial.md", "python")) < 60


PLUGINS = {
    "noticeboard": '[[channel]]\nname = "staffroom"\nplugin = "noticeboard"\nfile = "board.txt"\n',
    "parcel": '[[channel]]\nname = "parcel"\nplugin = "parcel"\nfile = "website.zip"\n',
}


def with_plugin(make: Make, name: str) -> Community:
    """A community that uses one of the plugins of the page."""
    code = next(block for block in blocks("docs/plugins.md", "python") if f'Channel("{name}"' in block)
    assert code.count("\n") < 60 + 10 * (name == "parcel")
    settings = f"{SETTINGS}\n{PLUGINS[name]}\n[publish]\nverify_site = false\n"
    return make({f"plugins/{name}.py": code, "amplify.toml": settings, "editions/2026-11.md": edition_of_today()})


def edition_of_today() -> str:
    from amplify import pipeline

    return EDITION.replace("2026-11-18 20:00", pipeline.now().isoformat(timespec="minutes"))


def test_the_announcer_shown_as_an_example_posts_once(community: Make) -> None:
    made = with_plugin(community, "noticeboard")
    assert made.run("publish").status == 1

    assert [made.run("publish", "--yes").status for _ in range(2)] == [0, 0]

    [line] = (made.root / "board.txt").read_text("utf-8").splitlines()
    assert line.startswith("Joy in November  https://joyfe.example.org/editions/2026-11/  (")


def test_the_announcer_shown_as_an_example_tries_again_when_the_board_was_away(community: Make) -> None:
    made = with_plugin(community, "noticeboard")
    (made.root / "board.txt").mkdir()
    assert made.run("publish", "--yes").status == 3

    assert [row["counts"] for row in made.run("status", "--json").json["publications"]] == [{"deferred": 1}]


def test_the_mirror_shown_as_an_example_holds_the_whole_site_and_follows_it(community: Make) -> None:
    from zipfile import ZipFile

    made = with_plugin(community, "parcel")
    for _ in range(2):
        made.write({"editions/2026-11.md": edition_of_today() + "And merry."})
        assert made.run("publish", "--yes").status == 0

    with ZipFile(made.root / "website.zip") as parcel:
        assert {name: parcel.read(name) for name in parcel.namelist()} == {
            name: data for name, data in made.site().items() if name != "amplify.json"
        }


# -- links and words -----------------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """What can stand after the # of a link to a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_inside_the_documentation_lead_somewhere(name: str) -> None:
    page = re.sub(r"^```.*?^```$|`[^`\n]*`", "", PAGES[name], flags=re.MULTILINE | re.DOTALL)
    for address in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page):
        path, _, anchor = address.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name

        assert target.exists(), address
        if anchor:
            assert anchor in anchors(PAGES[target.resolve().relative_to(ROOT).as_posix()]), address


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_prose_is_calm_and_names_no_machine(name: str) -> None:
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`|<!--.*?-->|!\[", "", WRITTEN[name], flags=re.MULTILINE | re.DOTALL)

    assert "!" not in prose
    assert re.findall(r"(?:/work|/home|/root|/Users)/\S+", PAGES[name]) == []


@pytest.mark.parametrize("name", sorted(name for name in WRITTEN if name.startswith("docs/")))
def test_a_page_has_one_sentence_a_line(name: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", WRITTEN[name], flags=re.MULTILINE | re.DOTALL)
    lines = (line for line in prose.splitlines() if line and line[0] not in "|#-<>0123456789")

    assert [line for line in lines if re.search(r"[a-z`)*][.?] [A-Z`]", line)] == []


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(itertools.chain(re.findall(r"\]\((docs/[\w-]+\.md|[A-Z]+\.md)\)", PAGES["README.md"]), ["README.md"]))

    assert linked == PAGES.keys()
