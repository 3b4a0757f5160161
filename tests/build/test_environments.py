"""Environments are made once, made anew when half made or out of date, and told what they need."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import pytest

from tests.programs import debian, environments, packaging
from tests.programs.environments import STAMP, Environment, ensure, is_ready
from tests.programs.places import ROOT
from tests.programs.steps import SetupError, execute


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """An environment that counts how often it is made."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        folder.mkdir()
        (folder / "content").write_text("whole")

    def environment(recipe: str = "one") -> Environment:
        return Environment("a test environment", tmp_path / "environment", recipe, make)

    return environment, made


def test_an_environment_is_made_once(counted):
    environment, made = counted
    ensure(environment())
    ensure(environment())
    assert len(made) == 1
    assert is_ready(environment().folder)


def test_another_recipe_makes_it_anew(counted):
    environment, made = counted
    ensure(environment("one"))
    ensure(environment("two"))
    assert len(made) == 2


def test_a_half_made_one_is_wiped(counted):
    environment, made = counted
    folder = environment().folder
    folder.mkdir()
    (folder / "rest of a stopped run").write_text("half")
    assert not is_ready(folder)
    ensure(environment())
    assert [path.name for path in sorted(folder.iterdir())] == [STAMP, "content"]
    assert len(made) == 1


def test_a_failure_leaves_no_stamp(counted, tmp_path):
    def make(folder: Path) -> None:
        folder.mkdir()
        raise SetupError("the network is gone", "Try again")

    broken = Environment("a broken one", tmp_path / "environment", "one", make)
    with pytest.raises(SetupError, match="-> Try again"):
        ensure(broken)
    assert not is_ready(broken.folder)


def test_a_failed_command_shows_its_output_and_the_remedy(capsys):
    with pytest.raises(SetupError, match="code 3") as caught:
        execute(["sh", "-c", "echo the cause; exit 3"], "Do this")
    assert "-> Do this" in str(caught.value)
    assert "the cause" in capsys.readouterr().err


def test_locks_pin_every_package():
    for lock in environments.LOCKS:
        lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
        assert all("==" in line for line in lines), lock


@pytest.mark.parametrize(("other_system", "user", "said"), [(True, 0, "not Debian"), (False, 1000, "needs root")])
def test_why_there_are_no_programs(monkeypatch, other_system, user, said):
    monkeypatch.setattr(debian, "is_debian", lambda: not other_system)
    monkeypatch.setattr(debian, "is_root", lambda: user == 0)
    assert said in debian.why_no_programs()


def test_missing_packages_are_named_to_a_user_who_is_not_root(monkeypatch):
    monkeypatch.setattr(debian, "is_debian", lambda: True)
    monkeypatch.setattr(debian, "is_root", lambda: False)
    monkeypatch.setattr(debian, "missing_packages", lambda tools: ["xvfb", "libxi6"])
    with pytest.raises(SetupError, match="apt-get install xvfb libxi6"):
        debian.ensure_packages(tools=True)


def test_the_mirror_is_the_one_apt_uses(monkeypatch):
    listing = "Other|Other|http://other.example/x\nDebian|Debian-Security|http://security.example/\nDebian|Debian|http://mirror.example/debian/\n"
    monkeypatch.setattr(debian, "execute", lambda command, remedy: listing)
    assert debian.mirror() == "http://mirror.example/debian/"


def test_apt_without_debian_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(debian, "execute", lambda command, remedy: "Other|Other|http://other.example/x\n")
    with pytest.raises(SetupError, match="Add Debian's main repository"):
        debian.mirror()


def test_programs_missing_in_ci_are_an_error(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("build_script", ROOT / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    monkeypatch.delenv("CI", raising=False)
    build.announce_missing_programs("this is a test")
    assert "will not run: this is a test" in capsys.readouterr().err
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SetupError):
        build.announce_missing_programs("this is a test")


def test_the_package_holds_what_a_user_needs_and_no_more(extension_zip):
    with zipfile.ZipFile(extension_zip) as archive:
        names = set(archive.namelist())
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "backend/requirements.lock", "backend/__main__.py"} <= names
    assert not [name for name in names if name.startswith(packaging.NEVER_PACKAGED)]
    packs = {path.parent.name for path in (ROOT / "backend/packs").glob("*/card.json")}
    assert {name.split("/")[2] for name in names if name.startswith("backend/packs/") and name.endswith("weights.safetensors")} == packs
    assert not [name for name in names if "/line/" in name or ("evaluator" in name and name.endswith(".safetensors"))]  # training and evaluation need them


def test_strays_in_the_package_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("tests/conftest.py", "")
    with pytest.raises(SetupError, match=r"tests/conftest\.py"):
        packaging.check_content(tmp_path / "bad.zip")
