"""What people install is what was tested: from an sdist, as a wheel, in an empty environment, outside the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that has the built wheel, and beside it only our dependencies."""
    place = tmp_path_factory.mktemp("packaging")
    skip = shutil.ignore_patterns(".*", "public", "build", "dist", "*.egg-info", "__pycache__", "tests", "benchmarks", "docs")
    shutil.copytree(ROOT, place / "source", ignore=skip)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", cwd=place / "source")
    run(sys.executable, "-m", "venv", place / "env", cwd=place)
    scripts = place / "env" / SCRIPTS
    [wheel] = (place / "dist").glob("*.whl")
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=place)
    purelib = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip()
    (Path(purelib) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scripts


def test_an_installed_amplify_makes_and_publishes_a_community(installed: Path, tmp_path: Path) -> None:
    run(installed / "amplify", "init", "x", cwd=tmp_path)
    run(installed / "amplify", "-C", "x", "publish", "--yes", cwd=tmp_path)

    made = {path.relative_to(tmp_path / "x" / "public").as_posix() for path in (tmp_path / "x" / "public").rglob("*")}
    assert {"index.html", "podcast.xml", "theme/site.css", "subscribe/index.html"} <= made


def test_it_is_the_installed_one_that_ran(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import amplify; print(amplify.__file__)", cwd=tmp_path).strip()

    assert not Path(where).is_relative_to(ROOT)


def test_python_m_amplify_is_the_same_command(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "python", "-m", "amplify", "--version", cwd=tmp_path) == run(installed / "amplify", "--version", cwd=tmp_path)


def test_every_module_template_and_plugin_is_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = (
        "from importlib.resources import files\n"
        "for package in ('amplify', 'amplify.plugins', 'amplify.templates'):\n"
        "    print(*sorted(item.name for item in files(package).iterdir() if item.is_file()), sep='\\n')\n"
    )
    there = set(run(installed / "python", "-c", script, cwd=tmp_path).split())

    folders = {"src/amplify": ("*.py", "py.typed"), "plugins": ("*.py",), "templates": ("*.j2", "*.js")}
    ours = {path.name for folder, globs in folders.items() for glob in globs for path in (ROOT / folder).glob(glob)}
    assert ours <= there


def test_the_packages_are_the_folders_on_disk() -> None:
    folders = PYPROJECT["tool"]["setuptools"]["package-dir"]

    assert {name: (ROOT / folder / "__init__.py").exists() for name, folder in folders.items()} == dict.fromkeys(folders, True)
    assert [path.name for path in (ROOT / "src" / "amplify").iterdir() if path.is_dir() and path.name != "__pycache__"] == []


def test_the_lock_names_versions_and_hashes_and_no_address() -> None:
    lock = (ROOT / "constraints.txt").read_text("utf-8")

    assert "://" not in lock
    assert lock.count("==") > 30
    assert all("--hash=sha256:" in entry for entry in lock.replace("\\\n", "").splitlines())
