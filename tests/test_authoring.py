"""What authors of plugins are given: a beginning that works, a check of their work, and suites that see through what does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Make
from tests.kit import Community

from amplify.plugin_samples import Sort, sample

ROOT = Path(__file__).parents[1]
SORTS: tuple[Sort, ...] = ("announcer", "mirror", "source")


class TestNew:
    @pytest.mark.parametrize("sort", SORTS)
    def test_writes_a_plugin_that_keeps_every_promise(self, community: Make, sort: Sort) -> None:
        made = community()
        files = made.run("plugins", "new", "notice_board", "--kind", sort, "--json").json["files"]
        ran = made.run("plugins", "check", "notice_board")

        assert files == ["plugins/notice_board.py", "tests/test_notice_board.py"]
        assert (ran.status, [line.split()[0] for line in ran.out.splitlines()[1:]]) == (0, ["right"] * 4), ran.out

    def test_a_channel_and_its_test_have_less_than_sixty_lines(self) -> None:
        assert sum(text.count("\n") for text in sample("announcer", "noticeboard")) < 60

    @pytest.mark.parametrize("sort", SORTS)
    def test_is_written_as_lint_wants_it(self, tmp_path: Path, sort: Sort) -> None:
        for name, text in zip(("plugin.py", "test_plugin.py"), sample(sort, "noticeboard"), strict=True):
            (tmp_path / name).write_text(text)
        command = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--select",
            "E4,E7,E9,F,I,B,UP",
            "--line-length",
            "140",
            str(tmp_path),
        ]

        assert subprocess.run(command, check=False, capture_output=True).returncode == 0

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("My Plugin", "'My Plugin' cannot be the name of a plugin"),
            ("../x", "'../x' cannot be the name of a plugin"),
            ("email", "There is a plugin email already (built in: "),
            ("there", "tests/test_there.py is there already"),
        ],
    )
    def test_overwrites_nothing(self, community: Make, name: str, words: str) -> None:
        made = community({"tests/test_there.py": "mine"})
        before = sorted(made.root.rglob("*.py"))
        ran = made.run("plugins", "new", name)

        assert ran.status == 1
        assert ran.err.startswith(words)
        assert "Nothing was written." in ran.err
        assert (sorted(made.root.rglob("*.py")), (made.root / "tests/test_there.py").read_text()) == (before, "mine")

    def test_needs_a_community(self, tmp_path: Path) -> None:
        assert Community(tmp_path).run("plugins", "new", "noticeboard").status == 1
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", sorted((ROOT / "docs" / "examples" / "plugins").glob("*.py")), ids=lambda file: file.stem)
def test_an_example_of_the_documentation_keeps_every_promise(community: Make, file: Path) -> None:
    test = file.parents[1] / "tests" / f"test_{file.name}"
    ran = community({f"plugins/{file.name}": file.read_text(), f"tests/{test.name}": test.read_text()}).run("plugins", "check", file.stem)

    assert (ran.status, [line.split()[0] for line in ran.out.splitlines()[1:]]) == (0, ["right"] * 4), ran.out


PLUGIN, TEST = sample("announcer", "board")


class TestCheck:
    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ({"plugins/board.py": "1/0"}, "WRONG   it does not load: ZeroDivisionError: division by zero"),
            ({"plugins/board.py": PLUGIN + "import amplify.store\n"}, "WRONG   it imports amplify.store; only amplify.api stays as it is"),
            (
                {"plugins/board.py": PLUGIN + "from amplify import store\n"},
                "WRONG   it imports amplify.store; only amplify.api stays as it is",
            ),
            ({"plugins/board.py": PLUGIN.partition('"""\n')[2]}, "WRONG   it has no docstring, which is its manual page"),
            ({"plugins/board.py": PLUGIN.replace("[[", "[")}, "WRONG   its docstring shows no [[channel]] or [[source]]"),
            ({"plugins/board.py": PLUGIN}, "WRONG   it has no test: write tests/test_board.py, as  amplify plugins new  does"),
            (
                {"plugins/board.py": PLUGIN, "tests/test_board.py": "def test_x():\n    assert 1 == 2\n"},
                "WRONG   tests/test_board.py: 1 failed\n",
            ),
        ],
    )
    def test_names_what_is_wrong(self, community: Make, files: dict[str, str], words: str) -> None:
        ran = community(files).run("plugins", "check", "board")

        assert ran.status == 1
        assert f"  {words}" in ran.out

    def test_says_it_to_programs_too(self, community: Make) -> None:
        ran = community({"plugins/board.py": "1/0"}).run("plugins", "check", "board", "--json")

        assert ran.json["findings"][0] == {"right": False, "words": "it does not load: ZeroDivisionError: division by zero", "more": ""}

    def test_without_pytest_names_the_line_that_installs_it(self, community: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("amplify.authoring.find_spec", lambda name: None)
        ran = community({"plugins/board.py": PLUGIN, "tests/test_board.py": TEST}).run("plugins", "check", "board")

        assert (ran.status, ran.err.splitlines()[-1]) == (1, "  Install it:  pip install 'amplify-publisher[testing]'")

    def test_knows_the_built_in_plugins(self, community: Make) -> None:
        made = community()

        assert [made.run("plugins", "check", path.stem).status for path in (ROOT / "plugins").glob("[!_]*.py")].count(0) > 4


POST = 'answer = self.services.http.post(self.posts, headers=self.headers, json={"text": message.text}).json()'
ASKED = "raise Unknown("
SWALLOWED = f"""try:
            {POST}
        except Exception:
            answer = {{"id": 1}}"""
AGAIN = f"""try:
            {POST}
        except Exception as error:
            from amplify.api import Transient
            raise Transient("again") from error"""
TOLD = f"""try:
            {POST}
        except Exception as error:
            from amplify.api import Paused
            raise Paused(f"{{error}} {{self.headers}}") from error"""
HERE = "return Receipt(id='1', url=None, at=self.services.clock(), note="
RANDOM = '__import__("os").urandom(8).hex()'
FETCHED = 'got = self.services.http.get(self.url, etag=since.value if since else "")'
SILENTLY = f"""try:
            {FETCHED}
        except Exception:
            return"""
MARKED = "yield Bookmark(value=got.etag)"
GUESSED = "asset.source.read_bytes() if asset.source.exists() else b''"
MISTAKES = {
    "announcer": {
        "posts twice": (POST, f"{POST}; {POST}", "test_a_delivery_is_one_post_and_gives_a_receipt"),
        "gives no receipt": ("return Receipt(", "Receipt(", "test_a_delivery_is_one_post_and_gives_a_receipt"),
        "has a clock of its own": (
            "self.services.clock())", "__import__('datetime').datetime.now())", "test_a_delivery_is_one_post_and_gives_a_receipt"
        ),
        "forgets the link": ("message.text}", "message.subject}", "test_what_is_sent_leads_to_the_page"),
        "sends as it connects": ("return single(", "self.deliver(None, message); return single(", "test_a_session_alone_sends_nothing"),
        "calls a failure a success": (POST, SWALLOWED, "test_a_bad_day_has_its_word[BROKEN]"),
        "takes silence for a no": (POST, AGAIN, "test_a_bad_day_has_its_word[DROP_AFTER]"),
        "sends again": (POST, AGAIN, "test_nobody_gets_it_twice_whatever_went_wrong[DROP_AFTER]"),
        "loses the wait": (POST, AGAIN, "test_a_bad_day_has_its_word[LATER]"),
        "tells its token": (POST, TOLD, "test_a_bad_day_has_its_word[DENIED]"),
        "logs its token": (POST, "__import__('logging').warning('%s', self.headers); " + POST, "test_what_is_sent_leads_to_the_page"),
        "denies what is there": (ASKED, "return None and (", "test_it_is_found_afterwards_or_nobody_knows"),
        "sends after a death": (ASKED, "return None and (", "test_nobody_gets_it_twice_after_a_death_between_sending_and_recording"),
        "claims what is not there": (ASKED, HERE, "test_it_is_not_found_before_it_was_sent"),
        "mixes deliveries up": (ASKED, HERE, "test_another_delivery_is_not_taken_for_it"),
        "makes it too long": ('"text": message.text', '"text": "New: " + message.text', "test_a_post_as_long_as_may_be_is_not_made_longer"),
        "leaves the pictures out": ("limit=500", "limit=500, media=2", "test_pictures_go_with_the_post"),
        "is not idempotent": (
            'json={"text"', f'json={{"n": {RANDOM}, "text"', "test_the_same_delivery_again_does_no_harm_if_the_traits_say_so"
        ),
    },
    "source": {
        "names things anew": ('id=str(post["id"])', f"id={RANDOM}", "test_a_thing_is_called_the_same_every_time"),
        "gives two one name": ('id=str(post["id"])', 'id="1"', "test_a_thing_is_called_the_same_every_time"),
        "marks the place too soon": (
            "for post in posts:", f"{MARKED}\n        for post in posts:", "test_nothing_is_lost_wherever_it_breaks_off"
        ),
        "hides a failure": (FETCHED, SILENTLY, "test_a_bad_day_is_one_line_and_loses_nothing[BROKEN]"),
        "breaks": ("if not isinstance(posts, list):", "if 1 / 0:", "test_everything_is_brought"),
        "believes what is no list": (
            "got.json()", "__import__('json').loads(got.content)", "test_a_bad_day_is_one_line_and_loses_nothing[NOT_JSON]"
        ),
    },
    "mirror": {
        "forgets what it wrote": ("return {path: digest for", "return {} and {path: digest for", "test_is_left_alone_when_it_is_equal"),
        "minds what is gone": ("self.files.pop(path, None)", "self.files.pop(path)", "test_may_have_lost_it_already"),
        "reads what is not there": (" if path in self.files else None", "", "test_says_what_is_surely_not_there"),
        "keeps what the site lost": ("self.files.pop(path, None)", "pass", "test_loses_what_the_site_lost"),
        "goes where it is led": (' or ".." in asset.path.parts', "", "test_refuses_a_path_that_leads_elsewhere[../victim]"),
        "guesses what it cannot read": (
            "asset.source.read_bytes()", GUESSED, "test_a_file_that_cannot_be_read_leaves_the_old_one_whole"
        ),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest said of a plugin for each mistake, of the one test that has to see it."""
    folder = tmp_path_factory.mktemp("mistakes")
    wanted = []
    for sort, mistakes in MISTAKES.items():
        for mistake, (right, wrong, test) in mistakes.items():
            name = mistake.replace(" ", "_")
            plugin, suite = sample(sort, name)  # type: ignore[arg-type]
            Community(folder).write({f"plugins/{name}.py": _broken(plugin, right, wrong, test), f"tests/test_{name}.py": suite})
            wanted.append(f"tests/test_{name}.py::Test{name.replace('_', ' ').title().replace(' ', '')}::{test}")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=no", "-p", "no:cacheprovider", "--import-mode=importlib", *wanted]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def _broken(plugin: str, right: str, wrong: str, test: str) -> str:
    claimed = plugin.replace("limit=500", "limit=500, idempotent=True") if "traits_say_so" in test else plugin
    assert right in claimed, test
    return claimed.replace(right, wrong)


@pytest.mark.parametrize("mistake", [mistake for mistakes in MISTAKES.values() for mistake in mistakes])
def test_a_suite_sees_through_a_plugin_that(judged: str, mistake: str) -> None:
    name = mistake.replace(" ", "_")

    assert re.search(rf"^(FAILED|ERROR) tests/test_{name}\.py::", judged, re.MULTILINE), judged
