"""The backend's process, seen from the add-on."""

import sys
import time
from pathlib import Path

import pytest

from kinelift.addon.runtime import process as process_module
from kinelift.addon.runtime.environment import backend_environment
from kinelift.addon.runtime.jobs import Job, State, run_to_end
from kinelift.addon.runtime.process import BackendProcess
from kinelift.backend.errors import KineliftError
from kinelift.backend.service.protocol import FitParams

CARELESS = str(Path(__file__).with_name("careless_backend.py"))
PARAMS = FitParams(job_dir="", motion="", armature="")


@pytest.fixture
def careless():
    made = []

    def make(manner):
        made.append(BackendProcess(Path(sys.executable), backend_environment(None), (CARELESS, manner)))
        return made[-1]

    yield make
    for backend in made:
        backend.stop()


@pytest.fixture
def real():
    backend = BackendProcess(Path(sys.executable), backend_environment(None))
    yield backend
    backend.stop()


def test_the_real_backend_shakes_hands_and_answers(real, tmp_path):
    run_to_end(Job("Starting", real.ensure_started()))
    assert real.info["torch"]
    pid = real.pid
    with pytest.raises(KineliftError) as caught:
        run_to_end(Job("Fitting", real.run(FitParams(job_dir=str(tmp_path), motion=str(tmp_path / "none.npz"), armature=""))))
    assert "none.npz" in str(caught.value) and caught.value.remedy and real.pid == pid


def test_a_death_is_told_with_its_last_words_and_the_next_job_starts_anew(careless):
    backend = careless("dies")
    for _ in range(2):
        with pytest.raises(KineliftError) as caught:
            run_to_end(Job("Fitting", backend.run(PARAMS)))
        assert "exit code 3" in caught.value.message and "the last words" in caught.value.message and "starts anew" in caught.value.remedy


def test_lines_that_are_no_messages_and_answers_for_nobody_do_no_harm(careless):
    assert run_to_end(Job("Fitting", careless("babbles").run(PARAMS))) == {"fit": "mine"}


def test_a_deaf_backend_is_ended_when_the_user_cancels(careless, monkeypatch):
    monkeypatch.setattr(process_module, "CANCEL_TIMEOUT", 0.5)
    backend = careless("is deaf")
    run_to_end(Job("Starting", backend.ensure_started()))
    job = Job("Fitting", backend.run(PARAMS))
    job.step()
    job.cancel()
    end = time.monotonic() + 10
    while not job.is_over and time.monotonic() < end:
        job.step()
        time.sleep(0.01)
    assert job.state is State.CANCELLED and not backend.is_running


def test_silence_is_an_error(careless, monkeypatch):
    monkeypatch.setattr(process_module, "SILENCE_TIMEOUT", 0.5)
    with pytest.raises(KineliftError, match="silent"):
        run_to_end(Job("Fitting", careless("is deaf").run(PARAMS)))


def test_a_python_that_is_not_there_is_an_error_with_a_remedy():
    with pytest.raises(KineliftError, match="Set up the backend again"):
        run_to_end(Job("Starting", BackendProcess(Path("/nowhere/python"), {}).ensure_started()))
