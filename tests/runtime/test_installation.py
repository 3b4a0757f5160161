"""Setting up the runtime, with locks that need no download."""

import json
from pathlib import Path

import pytest

from kinelift.addon.runtime import environment, installation
from kinelift.addon.runtime.environment import Runtime
from kinelift.addon.runtime.jobs import Job, State, run_to_end
from kinelift.backend.errors import KineliftError


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A runtime to be, with an empty lock and no pauses between attempts."""
    lock = tmp_path / "lock"
    lock.write_text("# nothing\n")
    monkeypatch.setattr(installation, "LOCK", lock)
    monkeypatch.setattr(installation, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(installation, "ATTEMPTS", 2)
    monkeypatch.setattr(installation, "NEEDED_BYTES", {"DEFAULT": 0})
    return Runtime(tmp_path / "runtime")


def test_a_finished_set_up_is_ready_until_the_lock_changes(runtime, monkeypatch):
    monkeypatch.setattr(installation, "SELF_TEST", "print('torch as it should be')")
    shown = []
    facts = run_to_end(Job("Setting up", installation.install(runtime, "DEFAULT")), shown.append)
    assert facts["torch"] == "torch as it should be" and runtime.is_ready()
    fractions = [progress.fraction for progress in shown]
    assert fractions == sorted(fractions) and fractions[-1] > 0.9
    sentinel = json.loads(runtime.sentinel.read_text())
    runtime.sentinel.write_text(json.dumps(sentinel | {"lock": "of another version"}))
    assert not runtime.is_ready()
    runtime.delete()
    assert not runtime.is_there()


def test_a_failed_self_test_leaves_nothing(runtime):
    with pytest.raises(KineliftError, match="No module named 'torch'"):
        run_to_end(Job("Setting up", installation.install(runtime, "DEFAULT")))
    assert not runtime.is_there()


def test_a_package_that_cannot_be_had_is_tried_again_and_told(runtime, monkeypatch):
    installation.LOCK.write_text("./no-such-package\n")
    tries, original = [], installation._pip
    monkeypatch.setattr(installation, "_pip", lambda *arguments: tries.append(1) or original(*arguments))
    with pytest.raises(KineliftError) as caught:
        run_to_end(Job("Setting up", installation.install(runtime, "DEFAULT")))
    assert len(tries) == installation.ATTEMPTS and "no-such-package" in caught.value.message and caught.value.remedy
    assert not runtime.is_there()


def test_a_cancelled_set_up_leaves_nothing(runtime):
    job = Job("Setting up", installation.install(runtime, "DEFAULT"))
    while job.progress.fraction < 0.02:
        job.step()
    job.cancel()
    while not job.is_over:
        job.step()
    assert job.state is State.CANCELLED and not runtime.is_there()


def test_a_full_disk_is_told_before_anything_is_made(runtime, monkeypatch):
    monkeypatch.setattr(installation, "NEEDED_BYTES", {"DEFAULT": 10**18})
    with pytest.raises(KineliftError, match="Make room"):
        run_to_end(Job("Setting up", installation.install(runtime, "DEFAULT")))
    assert not runtime.is_there()


def test_the_environment_is_clean(monkeypatch):
    for name in environment.HARMFUL_VARIABLES:
        monkeypatch.setenv(name, "/blender/own")
    monkeypatch.setenv("KINELIFT_PACKS", "/studio")
    env = environment.backend_environment(Path("/user/packs"))
    assert not set(environment.HARMFUL_VARIABLES) - {"PYTHONPATH"} & env.keys()
    assert env["PYTHONPATH"] == str(environment.ROOT) and env["PYTHONUTF8"] == "1"
    assert env["KINELIFT_PACKS"].split(environment.os.pathsep) == ["/studio", str(Path("/user/packs"))]


def test_a_python_that_cannot_make_environments_says_why(tmp_path, monkeypatch):
    assert "does not start" in environment.why_unfit(tmp_path / "none")
    monkeypatch.setattr(environment.sys, "executable", str(tmp_path / "none"))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(KineliftError, match=r"blender\.org"):
        environment.find_base_python()
