"""What an author of plugins is promised: where they are found, that one bad one stays one, and what is said about each."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.conftest import Make
from tests.kit import EDITION, SETTINGS, Community

from amplify import registry
from amplify.errors import FolderError

ROOT = Path(__file__).parents[1]
NOISY = '''\
"""Say something.

    [[channel]]
    name = "noise"
    plugin = "noisy"
    volume = 3

It is loud.
"""
from dataclasses import dataclass
from amplify.api import Channel, Receipt, Secret, SourceKind, Traits, Unsure, hookimpl, single

print("loaded")


@dataclass(frozen=True)
class Options:
    """It goes to eleven."""

    volume: int
    """How loud."""
    token: Secret | None = None
    tone: str = "low"


class Noisy:
    traits = Traits(form="post", audience="public", outside=False, limit=500)

    def __init__(self, options, services):
        self.clock = services.clock
        print("made")

    def session(self, message):
        return single(self.deliver, message)

    def deliver(self, delivery, message):
        print("sent")
        return Receipt(id=delivery.key, url=None, at=self.clock())

    def find(self, delivery, message):
        return None


@hookimpl
def amplify_channels():
    return [Channel("noisy", Options, Noisy)]
'''
LINES = SETTINGS.count("\n")
USED = SETTINGS + '\n[[channel]]\nname = "noise"\nplugin = "noisy"\nvolume = 3\n'


def install(folder: Path, distribution: str, **plugins: str) -> None:
    """Put an installed distribution there, offering plugins by the names of their entry points."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [f"{name.replace('_', '-')} = {distribution}_{name}" for name in plugins]
    (info / "entry_points.txt").write_text("\n".join(["[amplify]", *lines]) + "\n")
    for name, code in plugins.items():
        (folder / f"{distribution}_{name}.py").write_text(code)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where packages are installed for this test."""
    monkeypatch.syspath_prepend(tmp_path / "packages")
    return tmp_path / "packages"


def found(made: Community) -> dict[str, tuple[str, str]]:
    """Each plugin that is not built in: where it comes from, and what is wrong with it."""
    return {one.name: (one.origin, one.error) for one in registry.load(made.root).plugins if one.origin != "built in"}


def refused(made: Community) -> str:
    with pytest.raises(FolderError) as raised:
        registry.load(made.root)
    [problem] = raised.value.problems
    return str(problem)


class TestFinding:
    def test_looks_in_three_places(self, community: Make, site: Path) -> None:
        install(site, "acme", loud=NOISY.replace('"noisy"', '"loud"'))
        made = community({"plugins/noisy.py": NOISY})

        assert found(made) == {"noisy": ("community", ""), "loud": ("installed", "")}
        assert {"email", "folder"} <= {one.name for one in registry.load(made.root).plugins if one.origin == "built in"}

    def test_what_is_installed_is_not_looked_at_where_nothing_needs_it(self, community: Make, site: Path) -> None:
        install(site, "acme", loud="raise SystemExit('touched')")

        assert [one.name for one in registry.load(community().root, wanted={"email"}).plugins if one.origin == "installed"] == []

    @pytest.mark.parametrize("wanted", ["email", "folder", "sftp", "ical"])
    def test_only_what_a_community_uses_is_loaded(self, community: Make, wanted: str) -> None:
        root = community().root
        every, few = registry.load(root), registry.load(root, wanted={wanted})

        assert {one.name for one in few.plugins} == {one.name for one in every.plugins if wanted in {kind.name for kind in one.kinds}}

    def test_a_copy_of_a_built_in_plugin_is_the_built_in_one(self, community: Make) -> None:
        made = community({"plugins/email.py": (ROOT / "plugins" / "email.py").read_bytes()})

        assert found(made) == {}

    def test_another_plugin_with_a_built_in_name_is_refused_and_both_are_named(self, community: Make) -> None:
        assert refused(community({"plugins/email.py": NOISY})) == (
            "plugins/email.py: C13 it has the name of the built-in plugin email, and is another one"
            " (give yours another name:  mv plugins/email.py plugins/my_email.py)"
        )

    def test_one_name_from_two_places_is_refused(self, community: Make, site: Path) -> None:
        install(site, "acme", noisy=NOISY)
        said = refused(made := community({"plugins/noisy.py": NOISY}))

        assert "two plugins are called noisy: one is installed with acme, one is community" in said
        assert str(made.root / "plugins" / "noisy.py") in said
        assert said.endswith("(uninstall one of them:  pip uninstall acme)")

    def test_one_kind_offered_twice_is_refused(self, community: Make) -> None:
        made = community({"plugins/noisy.py": NOISY, "plugins/shouting.py": NOISY})
        folder = made.root / "plugins"

        assert refused(made) == (
            f"amplify.toml: C13 the plugins noisy ({folder / 'noisy.py'}) and shouting ({folder / 'shouting.py'}) both offer 'noisy'"
            ' (write disable = ["shouting"] at the top)'
        )

    def test_what_is_disabled_is_not_even_imported(self, community: Make, site: Path) -> None:
        touch = "import pathlib; pathlib.Path(__file__ + '.touched').touch()\n"
        install(site, "acme", loud=touch)
        made = community({"plugins/noisy.py": touch, "amplify.toml": 'disable = ["noisy", "loud"]\n' + SETTINGS})

        assert [made.run(*args).status for args in (("plugins", "list"), ("check",), ("build",))] == [0, 0, 0]
        assert list(made.root.parent.rglob("*.touched")) == []

    def test_files_that_begin_with_an_underscore_are_no_plugins(self, community: Make) -> None:
        assert found(community({"plugins/_helper.py": "1/0"})) == {}


BROKEN = {
    "1/0": "ZeroDivisionError: division by zero",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "def": "SyntaxError: invalid syntax (noisy.py, line 1)",
    "import unheard_of": "it needs the Python module unheard_of, which is not installed here",
    "x = 1": "it offers nothing: no function amplify_channels or amplify_sources is marked @hookimpl",
    NOISY.replace("amplify_channels", "amplify_chanels"): "PluginValidationError: unknown hook 'amplify_chanels' in plugin",
    NOISY.replace("[Channel(", "[str("): "TypeError: ",
    NOISY.replace("[Channel(", "[SourceKind("): "TypeError: it offers SourceKind where Channel is expected",
    NOISY.replace("frozen=True", "frozen=False"): "TypeError: the options of noisy are no frozen dataclass",
    NOISY.replace("volume: int", "volume: Loudness"): "NameError: name 'Loudness' is not defined",
    NOISY.replace("tone: str", "trust: str"): "TypeError: noisy has the option trust, which belongs to Amplify",
}


@pytest.mark.parametrize("code", BROKEN, ids=BROKEN.get)
def test_a_broken_plugin_is_one_line_in_the_list(community: Make, code: str) -> None:
    ran = community({"plugins/noisy.py": code}).run("plugins", "list")
    [line] = [line for line in ran.out.splitlines() if line.startswith("noisy")]

    assert ran.status == 0
    assert line.startswith(f"noisy            community  BROKEN  {BROKEN[code]}")


def test_a_broken_plugin_stops_nobody_who_does_not_use_it(community: Make) -> None:
    assert community({"plugins/noisy.py": "1/0"}).run("check").status == 0


def test_a_broken_plugin_stops_who_uses_it_with_its_line(community: Make) -> None:
    ran = community({"plugins/noisy.py": "1/0", "amplify.toml": USED}).run("check")

    assert ran.status == 1
    assert f"amplify.toml:{LINES + 4}: C13 the plugin noisy is broken: ZeroDivisionError: division by zero" in ran.out


def test_a_plugin_that_prints_spoils_no_document(community: Make) -> None:
    made = community({"plugins/noisy.py": NOISY, "amplify.toml": USED, "editions/2026-11.md": EDITION})
    ran = made.run("publish", "--yes", "--json", "--at", "2026-11-18 20:30")

    assert [(one["channel"], one["counts"]) for one in ran.json["publications"]] == [("noise", {"delivered": 1})]
    assert {"loaded", "made", "sent"} <= set(ran.err.split())


def test_all_mistakes_in_all_tables_are_said_at_once_with_their_lines(community: Make) -> None:
    wrong = '\n[[channel]]\nname = "one"\nplugin = "noisy"\nvolume = "loud"\ntonne = "high"\n\n[[channel]]\nname = "two"\nplugin = "nois"\n'
    ran = community({"plugins/noisy.py": NOISY, "amplify.toml": SETTINGS + wrong}).run("check")

    assert ran.out.splitlines()[:3] == [
        f"amplify.toml:{LINES + 5}: C05 volume is 'loud' (expected a whole number)",
        f"amplify.toml:{LINES + 6}: C02 tonne is not known here (did you mean tone?)",
        f"amplify.toml:{LINES + 10}: C13 there is no plugin 'nois' (did you mean noisy?)",
    ]


def test_a_missing_extra_is_named_with_the_line_that_installs_it(community: Make) -> None:
    needy = NOISY.replace('print("made")', 'raise MissingExtra("noise", "audio")').replace("Channel,", "Channel, MissingExtra,")
    ran = community({"plugins/noisy.py": needy, "amplify.toml": USED}).run("check")

    assert ran.out.startswith(
        f"amplify.toml:{LINES + 2}: C14 channel 'noise': noise needs an optional part of Amplify."
        " (Install it:  pip install 'amplify-publisher[audio]')\n"
    )


HELP = """\
import os, sys
touched = []
sys.addaudithook(lambda event, args: touched.append((event, str(args[0]))) if event in ("open", "os.scandir", "os.listdir") else None)
from amplify.cli import cli
for command in (["--help"], ["publish", "--help"], ["plugins", "--help"], ["--version"]):
    cli.run(["-C", sys.argv[1], *command])
near = [one for one in touched if one[1].startswith((sys.argv[1], sys.argv[2]))]
print(near, "importlib.metadata" in sys.modules, file=sys.stderr)
"""


def test_help_looks_at_no_plugin(community: Make, tmp_path: Path) -> None:
    poison = "raise SystemExit('the plugin was loaded')"
    install(tmp_path / "packages", "acme", loud=poison)
    made = community({"plugins/noisy.py": poison})
    code = f"import sys; sys.path.append({str(tmp_path / 'packages')!r})\n" + HELP
    command = [sys.executable, "-c", code, str(made.root), str(tmp_path / "packages" / "acme")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.strip()) == (0, "[] False")


class TestShowing:
    def test_says_what_it_does_what_may_be_written_and_what_it_is_like(self, community: Make) -> None:
        made = community({"plugins/noisy.py": NOISY})

        assert made.run("plugins", "show", "noisy").out == textwrap.dedent(f"""\
            noisy (community: {made.root / "plugins" / "noisy.py"})

            Say something.

                [[channel]]
                name = "noise"
                plugin = "noisy"
                volume = 3

            It is loud.

            In a [[channel]] with plugin = "noisy":
              volume           whole number; required; How loud.
              token            secret
              tone             text; "low" if left out
              It goes to eleven.
              It is like this: form post, audience public, limit 500
            """).replace("post, audience public, limit 500", "post, audience public, connections 1, limit 500")

    def test_says_it_to_programs_too(self, community: Make) -> None:
        [shown] = community({"plugins/noisy.py": NOISY}).run("plugins", "show", "noisy", "--json").json["plugins"]

        assert shown["example"] == '[[channel]]\nname = "noise"\nplugin = "noisy"\nvolume = 3'
        [kind] = shown["kinds"]
        assert kind["options"][0] == {"name": "volume", "kind": "whole number", "default": "required", "says": "How loud."}
        assert (kind["traits"]["form"], kind["traits"]["limit"]) == ("post", 500)

    def test_knows_every_built_in_plugin(self, community: Make) -> None:
        made = community()
        for name in [path.stem for path in (ROOT / "plugins").glob("[!_]*.py")]:
            shown = made.run("plugins", "show", name, "--json").json["plugins"]

            assert [(one["error"], one["example"][:2]) for one in shown] == [(None, "[[")] * len(shown)

    def test_one_name_can_stand_for_a_channel_and_a_source(self, community: Make) -> None:
        shown = community().run("plugins", "show", "folder").out

        assert 'In a [[channel]] with plugin = "folder":' in shown
        assert 'In a [[source]] with plugin = "folder":' in shown

    def test_a_broken_one_says_why(self, community: Make) -> None:
        assert "BROKEN  ZeroDivisionError" in community({"plugins/noisy.py": "1/0"}).run("plugins", "show", "noisy").out

    def test_a_name_that_is_nearly_right_is_helped(self, community: Make) -> None:
        ran = community().run("plugins", "show", "emial")

        assert (ran.status, ran.err.splitlines()[0]) == (1, "There is no plugin 'emial' (did you mean email?).")

    def test_needs_no_community(self, tmp_path: Path) -> None:
        assert Community(tmp_path).run("plugins", "show", "folder").status == 0
