"""`amplify init`: the folder that it makes, as a value and on the disk."""

from __future__ import annotations

from datetime import date
from email.utils import parseaddr
from io import BytesIO
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from amplify import config, folder, questions, samples, scaffold
from amplify.cache import Cache, write_whole
from amplify.errors import AmplifyError, FolderError
from amplify.frontmatter import split
from amplify.model import Placement, Slug
from amplify.questions import Answers
from amplify.text import one_line

TODAY = date(2026, 11, 22)
JOYFE = Answers("JoyFE", "both", "organiser@example.org", "", "Europe/London")
NAUGHTY = 'Joy "FE" \\\n\t\x00 {fun} & <Söhne>: #1, it\'s %s "" \u202e\U0001f600'
NAMES = st.text(min_size=1).filter(lambda name: one_line(name) != "")


def loaded(root: Path) -> folder.Loaded:
    return folder.load(config.load(root), Cache(root / ".amplify" / "cache"))


def made(root: Path, answers: Answers = JOYFE) -> folder.Loaded:
    scaffold.write(root, scaffold.files(answers, TODAY))
    return loaded(root)


def settings_of(answers: Answers) -> config.Settings:
    return config.parse(scaffold.files(answers, TODAY)[PurePosixPath("amplify.toml")].decode(), Path())


# -- the questions -------------------------------------------------------------------------------------------------


def test_there_are_five_questions_each_answered_by_enter_but_the_name() -> None:
    assert [question.key for question in questions.QUESTIONS] == ["name", "kind", "contact", "url", "timezone"]
    assert [question.key for question in questions.QUESTIONS if question.default() is None] == ["name"]


def test_a_name_alone_makes_both_with_no_address_yet() -> None:
    answers = questions.answers({"name": "JoyFE", "timezone": "Europe/London"})
    assert answers == Answers(name="JoyFE", kind="both", contact="", url="", timezone="Europe/London")


def test_all_wrong_answers_are_reported_together() -> None:
    with pytest.raises(AmplifyError) as error:
        questions.answers({"name": "", "kind": "blog", "contact": "me", "url": "ftp://x", "timezone": "Leeds"})
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "name", "kind", "contact", "url", "timezone", "Nothing was made."
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["both", "B", " Both "])
def test_a_kind_may_be_shortened(written: str) -> None:
    assert questions.read_kind(written) == "both"


@pytest.mark.parametrize(
    ("written", "url"),
    [("", ""), ("not yet", ""), ("joyfe.org", "https://joyfe.org/"), ("http://joyfe.org/news/", "http://joyfe.org/news/")],
)
def test_a_web_address_is_completed(written: str, url: str) -> None:
    assert questions.read_url(written) == url


@pytest.mark.parametrize(
    "written", ["https://", "https://[", "https://x.org/?a=1", "https://x.org/#a", "https://x .org", 'https://x.org/"']
)
def test_what_is_no_web_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no web address"):
        questions.read_url(written)


@pytest.mark.parametrize("written", ["me", "me@", "a b@example.org", "a@b@example.org", "<a@example.org>", "a@example.org\x00"])
def test_what_is_no_mail_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no e-mail address"):
        questions.read_contact(written)


# -- the clock -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tz", ["Europe/Paris", ":Europe/Paris", "/usr/share/zoneinfo/Europe/Paris"])
def test_the_clock_of_the_environment_comes_first(tz: str, tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert questions.guess_timezone({"TZ": tz}, tmp_path) == "Europe/Paris"


def test_the_clock_of_the_computer_is_where_localtime_points(tmp_path: Path) -> None:
    (tmp_path / "localtime").symlink_to("/var/db/timezone/zoneinfo/America/Argentina/Ushuaia")
    assert questions.guess_timezone({}, tmp_path) == "America/Argentina/Ushuaia"


def test_the_clock_may_be_written_in_etc_timezone(tmp_path: Path) -> None:
    (tmp_path / "localtime").write_bytes(b"TZif2")
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert questions.guess_timezone({}, tmp_path) == "Asia/Tokyo"


@pytest.mark.parametrize("tz", ["", "GMT Standard Time", "../../etc/passwd", "Etc/UTC", "\x00"])
def test_a_clock_that_says_nothing_is_utc(tz: str, tmp_path: Path) -> None:
    assert questions.guess_timezone({"TZ": tz}, tmp_path) == "UTC"


# -- the folder as a value -----------------------------------------------------------------------------------------


def test_the_same_answers_on_the_same_day_make_the_same_bytes() -> None:
    assert dict(scaffold.files(JOYFE, TODAY)) == dict(scaffold.files(JOYFE, TODAY))


def test_a_community_with_both_has_these_files() -> None:
    assert [str(path) for path in scaffold.files(JOYFE, TODAY)] == [
        ".gitignore",
        "amplify.toml",
        "assets/artwork.jpg",
        "contributions/sample-celebration.md",
        "contributions/sample-question.md",
        "editions/2026-11.md",
        "episodes/README.txt",
        "events/sample-meeting.md",
        "members/sam-sample.md",
    ]


def test_a_newsletter_has_neither_recordings_nor_artwork() -> None:
    settings = settings_of(Answers("JoyFE", "newsletter"))
    assert (settings.newsletter is not None, settings.podcast) == (True, ())
    assert not [path for path in scaffold.files(Answers("JoyFE", "newsletter"), TODAY) if path.parts[0] in ("episodes", "assets")]


def test_a_podcast_has_no_letter_and_sends_no_mail() -> None:
    settings = settings_of(Answers("JoyFE", "podcast"))
    assert (settings.newsletter, [channel.name for channel in settings.channel]) == (None, ["website"])
    assert [str(path) for path in scaffold.files(Answers("JoyFE", "podcast"), TODAY)] == [
        ".gitignore", "amplify.toml", "assets/artwork.jpg", "episodes/README.txt"
    ]  # fmt: skip


def test_the_settings_name_a_website_folder_and_an_outbox() -> None:
    channels = {channel.name: (channel.plugin, dict(channel.options), channel.publishes) for channel in settings_of(JOYFE).channel}
    assert channels == {
        "website": ("folder", {"path": "public"}, ("edition", "episode")),
        "newsletter": ("email", {"server": "outbox:"}, ("edition",)),
    }


def test_the_settings_begin_with_the_schema_for_editors() -> None:
    assert scaffold.files(JOYFE, TODAY)[PurePosixPath("amplify.toml")].startswith(b"#:schema .amplify/amplify.schema.json\n")


def test_no_address_yet_is_an_address_that_nobody_can_own() -> None:
    settings = settings_of(Answers("JoyFE"))
    assert settings.community.url == "https://not-yet.example.org/"
    assert settings.newsletter is not None
    assert settings.newsletter.sender == "JoyFE <news@not-yet.example.org>"


def test_the_organisers_own_address_is_not_made_public_as_owner_of_the_podcast() -> None:
    assert settings_of(JOYFE).podcast[0].owner is None


def test_answers_that_are_none_make_no_files() -> None:
    with pytest.raises(AmplifyError, match="no web address"):
        scaffold.files(Answers("JoyFE", url="https://?"), TODAY)


@pytest.mark.parametrize("kind", ["newsletter", "podcast", "both"])
def test_a_naughty_name_makes_a_folder_without_problems(kind: questions.Kind, tmp_path: Path) -> None:
    assert made(tmp_path, Answers(NAUGHTY, kind, "a@example.org", "https://example.org/x", "Europe/London")).problems == ()


@given(NAMES)
def test_any_name_is_what_the_settings_say(name: str) -> None:
    settings = settings_of(Answers(name, "newsletter", "a@example.org"))
    assert settings.community.name == questions.read_name(name)
    assert settings.newsletter is not None
    assert parseaddr(settings.newsletter.sender)[1] == "a@example.org"


@given(NAMES)
def test_any_name_can_stand_in_the_sample_edition(name: str) -> None:
    data = scaffold.files(Answers(name, "newsletter"), TODAY)[PurePosixPath("editions/2026-11.md")]
    assert questions.read_name(name) in split(data, "editions/2026-11.md").values["title"]


def test_the_artwork_is_what_directories_ask_for() -> None:
    data = samples.artwork()
    with Image.open(BytesIO(data)) as image:
        assert (image.format, image.mode, image.size, image.info["dpi"]) == ("JPEG", "RGB", (1400, 1400), (72, 72))
    assert len(data) < 60_000


# -- the samples ---------------------------------------------------------------------------------------------------


def test_the_sample_edition_is_a_draft_of_this_month(tmp_path: Path) -> None:
    edition = made(tmp_path).content.editions[Slug("2026-11")]
    assert (edition.draft, edition.date.date()) == (True, TODAY)


def test_the_sample_edition_is_valid_when_the_draft_line_is_taken_away(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "editions" / "2026-11.md"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("draft:")))
    after = loaded(tmp_path)
    assert (after.problems, after.content.editions[Slug("2026-11")].draft) == ((), False)


def test_the_sample_edition_places_everything_that_is_there(tmp_path: Path) -> None:
    content = made(tmp_path).content
    placed = [(part.what, part.argument) for part in content.editions[Slug("2026-11")].body if isinstance(part, Placement)]
    assert placed == [
        ("contribution", "sample-question"),
        ("contribution", "sample-celebration"),
        ("event", "sample-meeting"),
        ("events", "2026-11-22/2027-01-21"),
        ("feedback", ""),
    ]


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)))
def test_the_sample_meeting_is_on_a_thursday_one_to_two_weeks_ahead(today: date) -> None:
    event = scaffold.files(Answers("JoyFE", "newsletter"), today)[PurePosixPath("events/sample-meeting.md")]
    start = date.fromisoformat(split(event, "events/sample-meeting.md").values["start"][:10])
    assert (start.weekday(), 7 <= (start - today).days < 14) == (3, True)


def test_the_example_of_an_episode_is_front_matter_that_can_be_read() -> None:
    words = scaffold.files(JOYFE, TODAY)[PurePosixPath("episodes/README.txt")].decode()
    assert split(words[words.index("---") :].encode(), "episodes/first-words.md").values["people"] == [
        {"name": "Sam Sample", "role": "host"}
    ]


# -- onto the disk -------------------------------------------------------------------------------------------------


def test_writing_tells_what_was_written_and_adds_the_schema(tmp_path: Path) -> None:
    wanted = scaffold.files(JOYFE, TODAY)
    assert scaffold.write(tmp_path / "joyfe", wanted) == tuple(tmp_path / "joyfe" / path for path in wanted)
    there = {path.relative_to(tmp_path / "joyfe").as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {path.as_posix() for path in wanted} | {".amplify/amplify.schema.json"}


def test_a_folder_that_is_a_community_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "amplify.toml").write_text("mine")
    with pytest.raises(AmplifyError, match="is a community already"):
        scaffold.write(tmp_path, scaffold.files(JOYFE, TODAY))
    assert [path.name for path in tmp_path.iterdir()] == ["amplify.toml"]


def test_the_folder_one_is_in_is_called_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AmplifyError, match=r"^This folder is a community already"):
        scaffold.write(Path(), scaffold.files(JOYFE, TODAY))


def test_a_file_that_would_be_lost_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "members").mkdir()
    (tmp_path / "members" / "sam-sample.md").write_text("mine")
    with pytest.raises(AmplifyError, match="would be lost"):
        scaffold.write(tmp_path, scaffold.files(JOYFE, TODAY))
    assert [path.name for path in tmp_path.iterdir()] == ["members"]


@pytest.mark.parametrize("where", ["joyfe", "joyfe/editions", "joyfe/.amplify"])
def test_a_file_where_a_folder_must_be_stops_everything(where: str, tmp_path: Path) -> None:
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(AmplifyError, match="is no folder"):
        scaffold.write(tmp_path / "joyfe", scaffold.files(JOYFE, TODAY))
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]


def test_a_folder_where_a_file_must_be_stops_everything(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").mkdir()
    with pytest.raises(AmplifyError, match="is there already"):
        scaffold.write(tmp_path, scaffold.files(JOYFE, TODAY))


def test_files_of_their_own_stay_beside_the_new_ones(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    made(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_running_it_again_after_a_full_disk_completes_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == "2026-11.md":
            raise OSError(28, "No space left on device")
        write_whole(path, data)

    monkeypatch.setattr("amplify.scaffold.write_whole", full)
    with pytest.raises(AmplifyError, match="No space left"):
        made(tmp_path)
    assert not (tmp_path / "amplify.toml").exists()
    monkeypatch.undo()
    assert made(tmp_path).problems == ()


def test_without_settings_there_is_no_community_to_load(tmp_path: Path) -> None:
    with pytest.raises(AmplifyError, match="amplify init") as error:
        config.load(tmp_path)
    assert not isinstance(error.value, FolderError)


# -- what is said --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shown"), [("JoyFE", "joyfe"), ("Chalk & Circuit", "chalk-circuit"), ("喜び", "community")])
def test_a_folder_is_called_like_its_community(name: str, shown: str) -> None:
    assert scaffold.folder_name(name) == shown


@pytest.mark.parametrize(("path", "name"), [("x/joyfe", "Joyfe"), ("chalk-and_circuit/", "Chalk and circuit"), ("/", "Our community")])
def test_a_community_without_a_name_is_called_like_its_folder(path: str, name: str) -> None:
    assert scaffold.name_of(Path(path)) == name


def test_the_report_names_what_is_there_and_what_to_do_next() -> None:
    assert scaffold.report(Path("joyfe"), scaffold.files(JOYFE, TODAY)) == (
        "Made the folder joyfe. Edit anything in it with any text editor:\n"
        "  editions/2026-11.md       a sample edition, marked as draft: it cannot be sent\n"
        "  episodes/   assets/       where recordings and pictures go\n"
        "  amplify.toml              who you are; your answers are in it\n"
        "Members' addresses and the record of what was sent stay on this computer, outside what you publish.\n"
        "Next, in this order:\n"
        "  cd joyfe\n"
        "  amplify preview           see the sample as mail and as a page, in your browser\n"
        "  amplify connect email     once, about ten minutes: which mailbox sends your newsletter\n"
        "  amplify test --to YOU     sends the sample to that address and to nobody else\n"
        "  amplify subscribers add   puts a person on your list\n"
        "  amplify publish           shows what would happen, and asks before what cannot be taken back\n"
        "Nobody is on your list yet. Nothing leaves until you say yes to  amplify publish."
    )


def test_the_report_takes_what_was_written(tmp_path: Path) -> None:
    written = scaffold.write(tmp_path, scaffold.files(JOYFE, TODAY))
    assert scaffold.report(tmp_path, written).splitlines()[1].startswith("  editions/2026-11.md ")


def test_the_report_of_a_podcast_speaks_of_no_letter() -> None:
    said = scaffold.report(Path("joyfe"), scaffold.files(Answers("JoyFE", "podcast"), TODAY))
    assert ("edition" in said, "your list" in said, "mail" in said) == (False, False, False)


def test_the_report_of_the_folder_one_is_in_needs_no_cd() -> None:
    assert "  cd " not in scaffold.report(Path(), scaffold.files(JOYFE, TODAY))


def test_a_folder_with_blanks_in_its_name_is_quoted_for_the_shell() -> None:
    assert '  cd "our folder"\n' in scaffold.report(Path("our folder"), scaffold.files(JOYFE, TODAY))
