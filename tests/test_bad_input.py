"""Whatever is wrong with a folder is said with its file, its line and how to mend it; nothing is published then."""

from __future__ import annotations

import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest
from tests.conftest import Make
from tests.interrupter import Ended, Interrupter, interrupter
from tests.kit import EDITION, NOW, PODCAST, SETTINGS, Community, Ran, page, silence

from amplify import instances, pipeline, registry
from amplify.api import Asset, Digest, Mirror
from amplify.config import Plugged

Files = dict[str, str | bytes]
SHOW: Files = {"amplify.toml": SETTINGS + PODCAST, "episodes/one.mp3": silence(), "editions/2026-11.md": EDITION}


def refused(community: Community, where: str, remedy: str) -> None:
    """A publish says on one line `where` and what is wrong, with its remedy in brackets, and does nothing else."""
    ran = community.publish()
    lines = [line for line in ran.err.splitlines() if line.startswith(f"{where} ")]
    assert len(lines) == 1, ran
    assert remedy in lines[0].rpartition("(")[2] + lines[0].partition("(")[2]
    nothing_published(community, ran)


def nothing_published(community: Community, ran: Ran | Ended) -> None:
    assert (ran.status, ran.out) == (1, ""), ran
    assert ran.err
    assert "Traceback" not in ran.err
    assert "mistake in Amplify" not in ran.err, "that is what is said of a mistake in Amplify"
    assert community.site() == {}
    assert community.mails() == {}


def edition(front: str, body: str = "Dear all.\n") -> Files:
    return {"editions/2026-11.md": f"---\n{front}\n---\n{body}"}


def episode(front: str) -> Files:
    return SHOW | {"episodes/one.md": f"---\ntitle: One\ndate: 2026-11-18\n{front}\n---\n"}


def event(front: str) -> Files:
    return {"events/chat.md": f"---\ntitle: Chat\n{front}\n---\n"}


# -- amplify.toml --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "where", "remedy"),
    [
        pytest.param(SETTINGS + "name = JoyFE\n", "amplify.toml:21: C01", "quotation marks", id="words without quotation marks"),
        pytest.param(SETTINGS + "[community", "amplify.toml:21: C01", "quotation marks", id="a bracket is missing"),
        pytest.param(SETTINGS + "x = " + "[" * 5000, "amplify.toml:21: C01", "quotation marks", id="five thousand brackets"),
        pytest.param(SETTINGS + "\0", "amplify.toml:21: C01", "quotation marks", id="a NUL"),
        pytest.param(SETTINGS.encode("utf-16"), "amplify.toml: C06", "save it as UTF-8", id="UTF-16"),
        pytest.param(SETTINGS.replace("JoyFE", "Caf\xe9").encode("latin-1"), "amplify.toml: C06", "save it as UTF-8", id="Latin-1"),
        pytest.param("", "amplify.toml: C04", "write community = …", id="empty"),
        pytest.param(
            SETTINGS.replace("timezone", "timezome"), "amplify.toml:4: C02", "did you mean timezone?", id="a key that is not known"
        ),
        pytest.param(SETTINGS.replace('"JoyFE"', "3"), "amplify.toml:2: C05", "expected text in quotation marks", id="a number for a name"),
        pytest.param(
            SETTINGS.replace("[[channel]]", "[channel]", 1).partition("[[")[0], "amplify.toml:11: C05", "[[channel]]", id="one bracket"
        ),
        pytest.param(SETTINGS.replace("Europe/London", "Leeds"), "amplify.toml:4: C05", "write one like Europe/London", id="no time zone"),
        pytest.param(SETTINGS.replace("contact", "Contact"), "amplify.toml:5: C02", "did you mean contact?", id="a capital"),
        pytest.param(SETTINGS.replace("https://", "ftp://"), "amplify.toml:3: C05", "write it like https://", id="no web address"),
        pytest.param(SETTINGS.replace("org/", "org:99999/"), "amplify.toml:3: C05", "write it like https://", id="no port"),
        pytest.param(
            SETTINGS.replace("joyfe.example", "[joyfe"), "amplify.toml:3: C05", "write it like https://", id="half an IPv6 address"
        ),
        pytest.param(
            SETTINGS.replace("joyfe.example", "joy fe"), "amplify.toml:3: C05", "write it like https://", id="a blank in the address"
        ),
        pytest.param(
            SETTINGS.replace('"website"', '"newsletter"'), "amplify.toml:17: C08", "a name of its own", id="one name for two channels"
        ),
        pytest.param(SETTINGS.replace('"outbox:"', '"outbox:"\nport = 3'), "amplify.toml:20: C02", "known: ", id="an option of no plugin"),
        pytest.param(
            SETTINGS.replace('server = "outbox:"\n', ""), "amplify.toml:16: C04", "write server = …", id="an option that is missing"
        ),
        pytest.param(
            SETTINGS + '[serve]\nurl = "https://jöin.example.org/"\n', "amplify.toml:22: C05", "in ASCII letters", id="no mail can hold it"
        ),
        pytest.param(SETTINGS.replace('"public"', '"."'), "amplify.toml:11: C14", "of its own", id="the site over the community"),
        pytest.param(SETTINGS.replace('"public"', '"assets/site"'), "amplify.toml:11: C14", "of its own", id="the site in the assets"),
    ],
)
def test_broken_settings_are_named_with_their_line(community: Make, written: str | bytes, where: str, remedy: str) -> None:
    refused(community({"amplify.toml": written, "editions/2026-11.md": EDITION}), where, remedy)


def test_every_problem_is_said_at_once(community: Make) -> None:
    here = community(edition("titel: A") | {"members/amal.md": "---\n---\n", "contributions/No Good.md": ""})
    problems = here.run("check", "--json").json["problems"]
    found = [(one["file"], one["rule"]) for one in problems if one["severity"] == "error"]
    assert found == [
        ("contributions/No Good.md", "C07"), ("editions/2026-11.md", "C04"), ("editions/2026-11.md", "C04"),
        ("editions/2026-11.md", "C02"), ("members/amal.md", "C04"),
    ]  # fmt: skip


@pytest.mark.parametrize("written", [b"\xef\xbb\xbf" + SETTINGS.encode(), SETTINGS.replace("\n", "\r\n")], ids=["a BOM", "CRLF"])
def test_settings_saved_by_windows_are_read(community: Make, written: str | bytes) -> None:
    assert community({"amplify.toml": written}).run("check").status == 0


@pytest.mark.parametrize("control", ["\\n", "\\r\\nBcc: all@example.org", "\\u0000", "\\u001b[2J", "\\u2028"])
def test_a_control_character_in_the_settings_reaches_no_header_and_no_page(community: Make, control: str) -> None:
    settings = SETTINGS
    for name in ('name = "Joy', 'title = "Joy', 'from = "Joy', 'contact = "te', '[[channel]]\nname = "web'):
        settings = settings.replace(name, name + control)
    ran = community({"amplify.toml": settings, "editions/2026-11.md": EDITION}).publish()
    places = [line.partition(" has a line break or a control character in it (take it out")[0] for line in ran.err.splitlines()[:5]]
    assert sorted(places) == [
        f"amplify.toml:{line}: C05 {key}" for line, key in ((12, "name"), (2, "name"), (5, "contact"), (8, "title"), (9, "from"))
    ]


def test_a_folder_without_settings_is_told_how_to_begin(tmp_path: Path) -> None:
    ran = Community(tmp_path).publish()
    nothing_published(Community(tmp_path), ran)
    assert "amplify init" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    ran = Community(tmp_path / "nowhere").publish()
    assert (ran.status, ran.out) == (1, "")
    assert "amplify init" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_community_folder(tmp_path: Path) -> None:
    Community(tmp_path).write({"joyfe": "x"})
    ran = Community(tmp_path / "joyfe").run("check")
    assert (ran.status, ran.out) == (1, "")
    assert "amplify init" in ran.err


def test_settings_that_are_a_folder_are_named(community: Make) -> None:
    here = community()
    (here.root / "amplify.toml").unlink()
    (here.root / "amplify.toml").mkdir()
    refused(here, "amplify.toml: C06", "move it away")


def test_working_files_that_cannot_be_written_are_named(community: Make) -> None:
    here = community({".amplify": "a file"})
    nothing_published(here, here.publish())
    assert str(here.root / ".amplify") in here.publish().err


def test_a_record_that_is_damaged_is_not_used(community: Make) -> None:
    here = community({".amplify/amplify.db": b"not a record" * 1000, "editions/2026-11.md": EDITION})
    ran = here.publish()
    nothing_published(here, ran)
    assert "snapshots" in ran.err


def test_a_record_damaged_within_is_not_used(community: Make) -> None:
    here = community({"editions/2026-11.md": EDITION}).subscribed(*(f"p{number}@example.org" for number in range(500)))
    record = here.root / ".amplify" / "amplify.db"
    whole = record.read_bytes()
    record.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    nothing_published(here, here.publish())


def test_a_cache_damaged_within_is_made_anew_or_named(community: Make) -> None:
    here = community({"editions/2026-11.md": EDITION} | {f"contributions/c{n}.md": page({"title": f"Number {n}"}) for n in range(50)})
    assert here.publish().status == 0
    cache = here.root / ".amplify" / "cache" / "cache.db"
    whole = cache.read_bytes()
    cache.write_bytes(whole[:4096] + b"\xaa" * (len(whole) - 4096))
    ran = here.publish()
    assert ran.status == 0 or str(cache.parent) in ran.err
    assert "mistake in Amplify" not in ran.err


def test_a_cache_that_is_damaged_is_made_anew(community: Make) -> None:
    here, good = community({"editions/2026-11.md": EDITION}), community({"editions/2026-11.md": EDITION}, "good")
    here.publish()
    shutil.rmtree(here.root / "public")
    for suffix in ("", "-wal", "-shm"):
        (here.root / f".amplify/cache/cache.db{suffix}").unlink(missing_ok=True)
    here.write({".amplify/cache/cache.db": b"not a cache" * 1000})
    assert (here.publish().status, good.publish().status) == (0, 0)
    assert here.site() == good.site()


# -- content files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "where", "remedy"),
    [
        pytest.param(edition("title: FE Week: what"), "editions/2026-11.md:2: C03", 'write title: "FE Week: what"', id="a colon"),
        pytest.param(edition("title: A\n\tdate: B"), "editions/2026-11.md:3: C03", "use blanks", id="a tab"),
        pytest.param(edition("title: A\ntitle: B"), "editions/2026-11.md:3: C03", "take one of them out", id="a key twice"),
        pytest.param(edition("title: [A"), "editions/2026-11.md:3: C03", "quotation marks", id="a bracket is missing"),
        pytest.param(edition("title: *A"), "editions/2026-11.md:2: C03", "quotation marks", id="an asterisk"),
        pytest.param(edition("- A\n- B"), "editions/2026-11.md:2: C03", "write lines like title:", id="a list"),
        pytest.param(edition("A"), "editions/2026-11.md:2: C03", "write lines like title:", id="a word"),
        pytest.param(edition("title: &a [*a]"), "editions/2026-11.md:1: C03", "keys, words and short lists", id="a circle"),
        pytest.param(edition("title: " + "[" * 30_000), "editions/2026-11.md:1: C03", "keys, words and short lists", id="very deep"),
        pytest.param(edition("a: " + "{b: " * 30_000), "editions/2026-11.md:1: C03", "keys, words and short lists", id="very deep in keys"),
        pytest.param(
            edition("a: &a [x, x]\n" + "".join(f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n" for before, one in pairwise("abcde"))),
            "editions/2026-11.md:1: C03", "keys, words and short lists", id="a billion laughs",
        ),
        pytest.param({"editions/2026-11.md": "---\ntitle: A\n"}, "editions/2026-11.md:1: C03", "a line ---", id="no end"),
        pytest.param({"editions/2026-11.md": ""}, "editions/2026-11.md:1: C03", "a line ---", id="empty"),
        pytest.param({"editions/2026-11.md": b"---\ntitle: Caf\xe9\n---\n"}, "editions/2026-11.md:2: C06", "as UTF-8", id="Latin-1"),
        pytest.param({"editions/2026-11.md": EDITION.encode("utf-16")}, "editions/2026-11.md:1: C06", "as UTF-8", id="UTF-16"),
        pytest.param(edition("title: {a: b}\ndate: 2026-11-18"), "editions/2026-11.md:2: C05", "expected text", id="a table for a title"),
        pytest.param(edition("Title: A\ndate: 2026-11-18"), "editions/2026-11.md:2: C02", "did you mean title?", id="a capital"),
        pytest.param({"contributions/a.md": "---\ntitle: A\nkind: poem\n---\n"}, "contributions/a.md:3: C05", "'article'", id="no kind"),
        pytest.param(edition("title: A\ndate: soon"), "editions/2026-11.md:3: C05", "2026-11-18 20:00", id="no date"),
        pytest.param(edition("title: A\ndate: 9999-12-31"), "editions/2026-11.md:3: C05", "too far away", id="the end of time"),
        pytest.param(edition("title: A\ndate: 0001-01-01"), "editions/2026-11.md:3: C05", "too far away", id="the beginning of time"),
        pytest.param(edition("title: A\ndate: 2026-11-18\ndraft: perhaps"), "editions/2026-11.md:4: C05", "true or false", id="perhaps"),
        pytest.param(edition("title: A\ndate: 2026-11-18", "::event[cat]"), "editions/2026-11.md:5: C09", "write that file", id="nowhere"),
        pytest.param(edition("title: A\ndate: 2026-11-18", "::evnt[cat]"), "editions/2026-11.md:5: C09", "::event[name]", id="misspelt"),
        pytest.param(
            edition("title: A\ndate: 2026-11-18", "::events[2026-01-01/9999-12-31]"), "editions/2026-11.md:5: C05", "too far", id="for ever"
        ),
        pytest.param(event("start: 2026-11-18\nduration: 9 eons"), "events/chat.md:4: C05", "90 minutes", id="no length of time"),
        pytest.param(event("start: 2026-11-18\nduration: 99999999 weeks"), "events/chat.md:4: C05", "too long", id="too long"),
        pytest.param(event("start: 2026-11-18\nrrule: FREQ=SECONDLY"), "events/chat.md:4: C05", "too often", id="every second"),
        pytest.param(event("start: 2026-11-18\ntimezone: ../../etc/passwd"), "events/chat.md:4: C05", "Europe/London", id="a path"),
        pytest.param(
            episode("audio: one.mp3\nchapters: [{start: '" + "9" * 400 + "', title: A}]"), "episodes/one.md:5: C05", "too long", id="late"
        ),
    ],
)  # fmt: skip
def test_a_broken_content_file_is_named_with_its_line(community: Make, files: Files, where: str, remedy: str) -> None:
    here = community(files)
    ran = here.publish()
    lines = [line for line in ran.err.splitlines() if line.startswith(where)]
    assert len(lines) == 1, ran
    assert remedy in lines[0]
    assert len(lines[0]) < 400
    nothing_published(here, ran)


@pytest.mark.parametrize("written", [b"\xef\xbb\xbf" + EDITION.encode(), EDITION.replace("\n", "\r\n"), EDITION + "\0\x1b[2J\x85\ufffe"])
def test_what_only_editors_see_does_not_matter(community: Make, written: str | bytes) -> None:
    here = community({"editions/2026-11.md": written})
    good = community({"editions/2026-11.md": EDITION}, "good")
    assert (here.publish().status, good.publish().status) == (0, 0)
    site = here.site()
    assert site.keys() == good.site().keys()
    assert b"Dear all, it is dark by four." in site["editions/2026-11/index.html"]
    assert not any(set(content) & {0, 0x1B} for content in site.values())


def test_a_huge_file_is_refused_without_reading_it(community: Make) -> None:
    here = community({"editions/2026-11.md": EDITION})
    with (here.root / "editions" / "2026-11.md").open("r+b") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    try:
        refused(here, "editions/2026-11.md: C10", "split it")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("second", ["", "id: another\n"], ids=["the same id", "an id of its own"])
@pytest.mark.parametrize("folder", ["contributions", "editions", "episodes", "events", "members"])
def test_two_files_with_one_address_are_not_both_published(community: Make, folder: str, second: str) -> None:
    front = {"episodes": "title: A\ndate: 2026-11-18\naudio: one.mp3\n", "events": "title: A\nstart: 2026-11-18\n",
             "members": "name: A\n", "editions": "title: A\ndate: 2026-11-18\n"}.get(folder, "title: A\n")  # fmt: skip
    second = "role: another\n" if second and folder == "members" else second
    here = community(SHOW | {f"{folder}/a.md": f"---\n{front}---\n", f"{folder}/a.markdown": f"---\n{second}{front}---\n"})
    refused(here, f"{folder}/a.md: C08", "rename one of them")


def test_two_files_with_one_id_are_not_both_published(community: Make) -> None:
    here = community({"editions/2026-11.md": EDITION, "editions/2026-11-copy.md": EDITION.replace("---\n", "---\nid: 2026-11\n", 1)})
    refused(here, "editions/2026-11.md:1: C08", "remove the file that is the copy")


def test_two_shows_may_have_episodes_of_one_name(community: Make) -> None:
    shows = SETTINGS + PODCAST.replace("[podcast]", "[[podcast]]") + PODCAST.replace("[podcast]", '[[podcast]]\nslug = "second"')
    front = page({"title": "Trailer", "date": "2026-11-18", "audio": "one.mp3"})
    files: Files = {"amplify.toml": shows}
    for folder in ("episodes", "episodes/second"):
        files |= {f"{folder}/trailer.md": front, f"{folder}/one.mp3": silence()}
    here = community(files)
    assert here.publish().status == 0
    assert {"episodes/trailer/index.html", "episodes/second/trailer/index.html"} <= here.site().keys()


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "where"),
    [
        pytest.param(episode("audio: ../../outside.mp3"), "episodes/one.md:4: C15", id="audio above the folder"),
        pytest.param(episode("audio: /etc/passwd"), "episodes/one.md:4: C15", id="audio by an absolute path"),
        pytest.param(episode("audio: one.mp3\ntranscript: ../../outside.vtt"), "episodes/one.md:5: C15", id="a transcript"),
        pytest.param(episode("audio: one.mp3\nartwork: ../../outside.jpg"), "episodes/one.md:5: C15", id="artwork"),
        pytest.param(
            episode("audio: one.mp3\nchapters: [{start: 0:01, title: A, image: ../../x.jpg}]"), "episodes/one.md:5: C15", id="a chapter"
        ),
        pytest.param(edition("title: A\ndate: 2026-11-18\nimage: /etc/hostname"), "editions/2026-11.md:4: C15", id="a picture"),
        pytest.param({"members/amal.md": "---\nname: Amal\nphoto: /etc/passwd\n---\n"}, "members/amal.md:3: C15", id="a photo"),
    ],
)
def test_a_name_in_a_file_leads_to_nothing_outside_the_folder(community: Make, files: Files, where: str) -> None:
    refused(community(files), where, "copy the file into the community's folder")


@pytest.mark.parametrize("was", ["../x", "[ok, /etc]", "a/b", '"a\\\\b"', "A", '"%2e%2e"', "C:x"])
def test_a_former_address_is_a_plain_name(community: Make, was: str) -> None:
    refused(community(edition(f"title: A\ndate: 2026-11-18\nwas: {was}")), "editions/2026-11.md:4: C05", "like ideas-room")


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "A", "..", "a b", "a\tb", ""])
def test_a_placement_leads_to_nothing_outside_its_folder(community: Make, name: str) -> None:
    refused(community(edition("title: A\ndate: 2026-11-18", f"::contribution[{name}]")), "editions/2026-11.md:5: C09", "write that file")


@pytest.mark.parametrize("name", ["Ideas Room", "idées", "a_b", "a--b", "-a", "a.b", "a%2fb", '\'; rm -rf "$HOME"', "\u202egnp"])
def test_a_file_name_that_is_no_address_is_named_with_the_command_that_mends_it(community: Make, name: str) -> None:
    here = community({f"editions/{name}.md": EDITION})
    ran = here.publish()
    nothing_published(here, ran)
    command = ran.err.splitlines()[0].rpartition("(")[2].rstrip(")")
    subprocess.run(["sh", "-c", command], cwd=here.root, check=True)
    assert here.publish().status == 0


def test_the_command_that_mends_a_name_never_overwrites_a_file(community: Make) -> None:
    here = community({"editions/a-b.md": EDITION, "editions/A B.md": EDITION, "editions/a_b.md": EDITION})
    lines = here.publish().err.splitlines()
    assert [line.rpartition("(")[2] for line in lines if ": C07 " in line] == [
        "mv 'editions/A B.md' editions/a-b-2.md)", "mv editions/a_b.md editions/a-b-3.md)",
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["editions", "assets"])
@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"a\x1b[2Jb"], ids=["not UTF-8", "a new line", "an escape"])
def test_a_file_name_that_no_screen_can_show_is_shown_all_the_same(community: Make, folder: str, name: bytes) -> None:
    here = community({f"{folder}/.keep": ""})
    try:
        Path(os.fsdecode(os.fsencode(here.root / folder) + b"/" + name + b".md")).write_text(EDITION)
    except OSError:
        pytest.skip("this file system has no such names")
    ran = here.process("publish", "--yes")
    nothing_published(here, ran)
    assert ran.err.startswith(f"{folder}/")
    assert ": C07 " in ran.err
    assert "\x1b" not in ran.err


@pytest.mark.parametrize(
    ("link", "target", "where"),
    [
        ("editions/2026-12.md", "outside.md", "editions/2026-12.md: C15"),
        ("editions", "outside", "editions: C15"),
        ("assets/a.txt", "outside.md", "assets/a.txt: C15"),
        ("assets/a", "outside", "assets/a: C15"),
        ("assets", "outside", "assets: C15"),
        ("members/photo.md", "nowhere", "members/photo.md: C15"),
    ],
)
def test_a_link_out_of_the_folder_is_not_followed(community: Make, tmp_path: Path, link: str, target: str, where: str) -> None:
    Community(tmp_path).write({"outside.md": EDITION, "outside/2026-12.md": EDITION, "outside/a.txt": "private"})
    here = community()
    (here.root / link).parent.mkdir(exist_ok=True)
    (here.root / link).symlink_to(tmp_path / target)
    refused(here, where, "put here what it leads to")


def test_a_link_within_the_folder_is_followed(community: Make) -> None:
    here = community({"drafts/november.md": EDITION, "editions/.keep": ""})
    (here.root / "editions" / "2026-11.md").symlink_to("../drafts/november.md")
    assert here.publish().status == 0
    assert "editions/2026-11/index.html" in here.site()


@pytest.mark.parametrize("name", ["editions/2026-12.md", "assets/a.txt"])
@pytest.mark.parametrize("kind", ["a circle of links", "a link to nothing", "a pipe", "a folder"])
def test_what_is_no_file_is_not_read(community: Make, name: str, kind: str) -> None:
    if (name, kind) == ("assets/a.txt", "a folder"):
        pytest.skip("pictures may lie in folders of any name")
    here = community({"editions/2026-11.md": EDITION, "assets/.keep": ""})
    path = here.root / name
    {"a circle of links": lambda: path.symlink_to(path.name), "a link to nothing": lambda: path.symlink_to("nowhere"),
     "a pipe": lambda: os.mkfifo(path), "a folder": path.mkdir}[kind]()  # fmt: skip
    refused(here, f"{name}: C06", "put the file itself here")


@pytest.mark.parametrize("folder", ["contributions", "editions", "episodes", "events", "members", "assets"])
def test_a_content_folder_that_is_a_file_is_named(community: Make, folder: str) -> None:
    refused(community({folder: "a file"}), f"{folder}: C06", "make it one, or move it away")


@pytest.mark.parametrize("path", ["../out.txt", "a/../../out.txt", "/out.txt", ".", "C:/out.txt"])
def test_a_website_in_a_folder_writes_and_removes_nothing_outside_it(tmp_path: Path, path: str) -> None:
    Community(tmp_path).write({"out.txt": "mine", "community/source": "theirs"})
    home = tmp_path / "community"
    table = Plugged(name="website", plugin="folder", options={"path": "public"})
    kind = registry.load(home).channels["folder"]
    works = instances.instance(table, kind, instances.lending(home, home / ".amplify", pipeline.now)).works
    assert isinstance(works, Mirror)
    asset = Asset(path=PurePosixPath(path), digest=Digest("d"), size=6, type="text/plain", source=home / "source", rank="file")
    with works.session() as session:
        for change in (lambda: session.put(asset), lambda: session.remove(asset.path)):
            with pytest.raises(ValueError, match="no file within"):
                change()
    assert (tmp_path / "out.txt").read_text() == "mine"


# -- recordings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sound", "front", "where", "words"),
    [
        pytest.param(silence(), "audio: two.mp3", "C11", "there is no file", id="missing"),
        pytest.param(b"", "audio: one.mp3", "C12", "is empty", id="empty"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", "audio: one.mp3", "C12", "is a WAV recording", id="mislabelled"),
        pytest.param(b"<!doctype html><title>Sign in</title>", "audio: one.mp3", "C12", "is a web page", id="a web page"),
        pytest.param(silence()[:36] + b"Xing\0\0\0\3" + (1000).to_bytes(4) + (900_000).to_bytes(4) + silence(), "audio: one.mp3", "C12",
                     "ends early", id="truncated"),
        pytest.param(os.urandom(5000), "audio: one.mp3", "C12", "one.mp3", id="noise"),
        pytest.param(silence(), "audio: https://cdn.example.org/one.mp3", "F61", "length: bytes", id="elsewhere, without its length"),
        pytest.param(silence(), "audio: {url: x, length: 0, duration: 1:00}", "F61", "true length", id="elsewhere, and nowhere"),
        pytest.param(silence(), "audio: one.mp3\ntranscript: one.mp3", "F75", ".vtt", id="a transcript that is none", marks=()),
    ],
)  # fmt: skip
def test_a_recording_that_is_none_is_named(community: Make, sound: bytes, front: str, where: str, words: str) -> None:
    here = community(episode(front) | {"episodes/one.mp3": sound})
    ran = here.publish()
    (line,) = (line for line in ran.err.splitlines() if line.startswith("episodes/one.md:"))
    assert f": {where} " in line
    assert words in line
    nothing_published(here, ran)


# -- plugins -------------------------------------------------------------------------------------------------------

IMPORTS = """
import contextlib, sys
from dataclasses import dataclass
from amplify.api import *

@dataclass(frozen=True)
class Options:
    pass
"""
OFFERS = '@hookimpl\ndef amplify_channels():\n    return [Channel("mine", Options, make)]\n'
TABLE = '[[channel]]\nname = "mine"\nplugin = "mine"\n'
MIRROR = """
class make:
    local = True
    def __init__(self, options, services): pass
    def listing(self): return {}
    def read(self, path): return None
    def session(self): return contextlib.nullcontext(self)
    def put(self, asset): pass
    def remove(self, path): pass
"""
ANNOUNCER = """
class make:
    traits = Traits(form="mail", audience="subscribers", outside=False, connections=2)
    def __init__(self, options, services): pass
    def session(self, message): return single(self.deliver, message)
    def deliver(self, delivery, message): return Receipt(id="1", url=None, at=message.date)
    def find(self, delivery, message): raise Unknown("nobody knows")
"""


def plugged(source: str, table: str = TABLE) -> Files:
    return {"plugins/mine.py": source, "amplify.toml": SETTINGS + table, "editions/2026-11.md": EDITION}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("def (", "SyntaxError", id="is no Python"),
        pytest.param("\0", "SyntaxError", id="is no text"),
        pytest.param("raise RuntimeError('boom')", "RuntimeError: boom", id="raises"),
        pytest.param("import nothing_of_that_name", "it needs the Python module nothing_of_that_name", id="lacks a library"),
        pytest.param("import sys; sys.exit(0)", "SystemExit", id="leaves"),
        pytest.param(IMPORTS + "@hookimpl\ndef amplify_channels(): return 3\n", "TypeError", id="offers a number"),
        pytest.param(IMPORTS + "@hookimpl\ndef amplify_channels(): return [3]\n", "expected", id="offers a list of numbers"),
        pytest.param(IMPORTS + "@hookimpl\ndef amplify_channels(): raise KeyError('x')\n", "KeyError", id="raises when asked"),
        pytest.param(IMPORTS + "@hookimpl\ndef amplify_channels(x): return []\n", "PluginValidationError", id="wants what there is not"),
        pytest.param(IMPORTS + "@hookimpl\ndef amplify_chanels(): return []\n", "amplify_chanels", id="misspells the hook"),
        pytest.param(IMPORTS + MIRROR + OFFERS.replace("Options", "dict"), "dataclass", id="has options that are no dataclass"),
        pytest.param(IMPORTS + MIRROR + OFFERS.replace("Channel", "SourceKind"), "Channel", id="offers a source for a channel"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_a_line_where_it_is_used(community: Make, source: str, words: str) -> None:
    here = community(plugged(source))
    refused(here, "amplify.toml:23: C13", "mend it")
    assert words in here.publish().err
    assert words in here.run("plugins", "list").out


def test_a_plugin_that_nobody_uses_may_be_broken(community: Make) -> None:
    here = community(plugged("raise RuntimeError('boom')", table=""))
    assert here.publish().status == 0


def test_an_unknown_plugin_is_named_with_the_nearest(community: Make) -> None:
    here = community({"amplify.toml": SETTINGS.replace('"email"', '"emial"'), "editions/2026-11.md": EDITION})
    refused(here, "amplify.toml:18: C13", "did you mean email?")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param("def make(options, services): raise RuntimeError('boom')\n", "RuntimeError: boom", id="raises"),
        pytest.param("def make(options, services): sys.exit(0)\n", "SystemExit", id="leaves"),
        pytest.param("def make(options, services): return None\n", "NoneType", id="makes nothing"),
        pytest.param("def make(options): return None\n", "TypeError", id="takes less"),
        pytest.param(ANNOUNCER.replace("Traits(", "dict("), "make", id="has other traits"),
    ],
)
def test_a_channel_that_cannot_be_made_is_named(community: Make, make: str, words: str) -> None:
    here = community(plugged(IMPORTS + make + OFFERS))
    ran = here.publish()
    (line,) = (line for line in ran.err.splitlines() if line.startswith("amplify.toml:21: C14 "))
    assert words in line
    nothing_published(here, ran)


@pytest.mark.parametrize(
    "source",
    ["print('hello')\n" + IMPORTS + MIRROR + OFFERS, IMPORTS + MIRROR.replace("pass", "print('hello')") + OFFERS,
     IMPORTS + MIRROR.replace("return {}", "print('hello'); return {}") + OFFERS],
    ids=["when it is imported", "when it is made", "when it is asked"],
)  # fmt: skip
def test_what_a_plugin_prints_does_not_get_into_json(community: Make, source: str) -> None:
    ran = community(plugged(source)).run("publish", "--yes", "--json", "--at", "2026-11-18 20:30")
    assert ran.status == 0
    assert "website" in ran.json
    assert "hello" in ran.err


@pytest.mark.parametrize("does", ["raise RuntimeError('boom')", "sys.exit(0)", "return None", "return 3"])
def test_a_website_that_cannot_be_looked_at_stops_before_anything_leaves(community: Make, does: str) -> None:
    here = community(plugged(IMPORTS + MIRROR.replace("return {}", does) + OFFERS))
    ran = here.publish()
    nothing_published(here, ran)
    assert "mine" in ran.err


@pytest.mark.parametrize(
    "mirror",
    [
        MIRROR.replace("def put(self, asset): pass", f"def put(self, asset): {does}")
        for does in ("raise RuntimeError('boom')", "sys.exit(0)")
    ]
    + [MIRROR.replace("contextlib.nullcontext(self)", what) for what in ("None", "sys.exit(0)", "1 / 0", "contextlib.nullcontext(3)")],
)
def test_a_website_that_fails_does_not_stop_the_other(community: Make, mirror: str) -> None:
    here = community(plugged(IMPORTS + mirror + OFFERS)).subscribed("amal@example.org")
    ran = here.publish()
    assert ran.status == 3
    assert "FAILED  mine" in ran.out
    assert "index.html" in here.site()
    assert here.mails() == {}


@pytest.mark.parametrize(
    ("announcer", "state"),
    [
        pytest.param(ANNOUNCER.replace("return Receipt", "raise RuntimeError('boom')  # "), "in doubt", id="raises"),
        pytest.param(ANNOUNCER.replace("return Receipt", "sys.exit(0)  # "), "in doubt", id="leaves"),
        pytest.param(ANNOUNCER.replace("return Receipt", "raise GeneratorExit  # "), "in doubt", id="raises what is no error"),
        pytest.param(ANNOUNCER.replace("return Receipt", "return None  # "), "in doubt", id="gives no receipt"),
        pytest.param(ANNOUNCER.replace("message.date)", "3)"), "in doubt", id="gives half a receipt"),
        pytest.param(ANNOUNCER.replace("return single(", "raise RuntimeError('boom')  # "), "deferred", id="cannot begin"),
        pytest.param(ANNOUNCER.replace("return single(", "sys.exit(0)  # "), "deferred", id="leaves instead of beginning"),
        pytest.param(ANNOUNCER.replace("return single(", "return 3  # "), "deferred", id="begins with a number"),
    ],
)
def test_what_becomes_of_a_delivery_is_written_down_whatever_a_plugin_does(community: Make, announcer: str, state: str) -> None:
    here = community(plugged(IMPORTS + announcer + OFFERS)).subscribed("amal@example.org", "jo@example.org", "lee@example.org")
    ran = here.publish()
    assert ran.status == 3
    assert len(here.mails()) == 3
    counts = {one["channel"]: one["counts"] for one in here.run("status", "--json").json["publications"]}
    assert counts == {"newsletter": {"delivered": 3}, "mine": {state: 3}}


@pytest.mark.parametrize("does", ["raise RuntimeError('boom')", "sys.exit(0)", "return 3", "return Receipt(id=1, url=2, at=3)"])
def test_what_is_in_doubt_stays_so_where_a_plugin_cannot_be_asked(community: Make, does: str) -> None:
    announcer = ANNOUNCER.replace("return Receipt", "raise RuntimeError  # ").replace('raise Unknown("nobody knows")', does)
    here = community(plugged(IMPORTS + announcer + OFFERS)).subscribed("amal@example.org")
    assert (here.publish().status, here.publish().status) == (3, 3)
    counts = {one["channel"]: one["counts"] for one in here.run("status", "--json").json["publications"]}
    assert counts == {"newsletter": {"delivered": 1}, "mine": {"in doubt": 1}}


# -- files that may not be read, folders that may not be written ---------------------------------------------------


@pytest.fixture(scope="module")
def powerless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interrupter]:
    """Processes for which the permissions of files count, even where the tests run as root."""
    before = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    if before and (not shutil.which("setpriv") or subprocess.run([*before, "true"], check=False).returncode):
        pytest.skip("root may read everything, and setpriv, which could take that away, does not work here")
    with interrupter(Community(tmp_path_factory.mktemp("warm")).write(SHOW).root, before) as made:
        yield made


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("editions/2026-11.md", "editions/2026-11.md: C06"),
        ("editions", "editions: C06"),
        ("assets/a.txt", "assets/a.txt: C06"),
        ("assets", "assets: C06"),
        ("episodes/one.mp3", "episodes/one.md:4: C12"),
        ("amplify.toml", "amplify.toml: C06"),
    ],
)
def test_what_may_not_be_read_is_named(community: Make, powerless: Interrupter, name: str, where: str) -> None:
    here = community(episode("audio: one.mp3") | {"assets/a.txt": "x"})
    (here.root / name).chmod(0)
    ran = powerless.run(here.root, "publish", "--yes")
    (here.root / name).chmod(0o700)
    assert any(line.startswith(where) for line in ran.err.splitlines()), ran
    nothing_published(here, ran)


@pytest.mark.parametrize("folder", [".", ".amplify", ".amplify/cache", "public", "public/editions"])
def test_a_folder_that_may_not_be_written_is_named_and_the_next_run_completes(community: Make, powerless: Interrupter, folder: str) -> None:
    here, good = (community({"editions/2026-11.md": EDITION}, name).subscribed("amal@example.org") for name in ("here", "good"))
    good.publish()
    (here.root / folder).mkdir(parents=True, exist_ok=True)
    (here.root / folder).chmod(0o500)
    ran = powerless.run(here.root, "publish", "--yes", "--at", NOW)
    (here.root / folder).chmod(0o700)
    assert ran.status in (1, 3)
    assert "Traceback" not in ran.err
    assert str(here.root) in ran.out + ran.err
    assert here.site().items() <= good.site().items()
    assert here.mails() == {}
    assert here.publish().status == 0
    assert here.site() == good.site()
    assert len(here.mails()) == 1


def test_a_file_where_the_website_needs_a_folder_is_named_and_kept(community: Make) -> None:
    here = community({"public/editions": "mine", "editions/2026-11.md": EDITION}).subscribed("amal@example.org")
    ran = here.publish()
    assert ran.status == 3
    assert str(here.root / "public" / "editions") in ran.out
    assert here.site()["editions"] == b"mine"
    assert here.mails() == {}
    (here.root / "public" / "editions").unlink()
    assert here.publish().status == 0


def test_a_website_that_is_a_file_is_named_and_kept(community: Make) -> None:
    here = community({"public": "mine", "editions/2026-11.md": EDITION})
    refused(here, "amplify.toml:11: C14", "")
    assert (here.root / "public").read_text() == "mine"


def test_mails_that_cannot_be_written_wait_and_go_once(community: Make) -> None:
    here = community({".amplify/outbox": "a file", "editions/2026-11.md": EDITION}).subscribed("amal@example.org", "jo@example.org")
    ran = here.publish()
    assert ran.status == 3
    assert here.run("status", "--json").json["publications"][0]["counts"] == {"deferred": 2}
    (here.root / ".amplify" / "outbox").unlink()
    assert here.publish("2026-11-18 21:30").status == 0
    assert len(here.mails()) == 2
    assert here.publish("2026-11-18 21:30").out.startswith("Nothing to do")


def test_a_build_into_a_place_that_cannot_be_one_is_refused(community: Make) -> None:
    here = community({"a file": "x"})
    for out in (here.root, here.root / "a file", here.root / "editions" / "site"):
        ran = here.run("build", "--out", str(out))
        nothing_published(here, ran)
