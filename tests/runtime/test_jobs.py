"""Jobs: every way they can end."""

import pytest

from kinelift.addon.runtime.jobs import Board, Job, Progress, State, duration, part, run_to_end
from kinelift.backend.errors import Cancelled, KineliftError


def counting(steps, log):
    """Takes `steps` steps and two more to tidy up when cancelled."""
    try:
        for step in range(steps):
            yield Progress(step / steps, f"step {step}")
    except Cancelled:
        yield Progress(1.0, "tidying")
        yield Progress(1.0, "tidying")
        log.append("tidy")
        raise
    finally:
        log.append("closed")
    return "result"


def test_a_job_runs_to_its_result():
    log, shown = [], []
    assert run_to_end(Job("Counting", counting(3, log)), shown.append, pause=0) == "result"
    assert [progress.message for progress in shown] == ["step 0", "step 1", "step 2"] and log == ["closed"]


def test_a_cancelled_job_tidies_up_before_it_is_over():
    log = []
    job = Job("Counting", counting(100, log))
    job.step()
    job.cancel()
    job.cancel()
    steps = 0
    while not job.is_over:
        job.step()
        steps += 1
    assert job.state is State.CANCELLED and log == ["tidy", "closed"] and steps == 3


def test_an_abandoned_job_is_closed_at_once():
    log = []
    job = Job("Counting", counting(100, log))
    job.step()
    job.abandon()
    assert job.is_over and log == ["closed"]


@pytest.mark.parametrize(("error", "code"), [(KineliftError("no", "Do this", code="bad"), "bad"), (ZeroDivisionError(), "internal")])
def test_a_failed_job_has_an_error_with_a_remedy(error, code):
    def failing():
        yield Progress(0.0, "")
        raise error

    with pytest.raises(KineliftError) as caught:
        run_to_end(Job("Failing", failing()), pause=0)
    assert caught.value.code == code and caught.value.remedy


def test_a_part_scales_its_fractions_and_hears_the_cancel():
    log = []
    inner = counting(2, log)
    outer = part(inner, 0.5, 1.0)
    assert next(outer).fraction == 0.5 and next(outer).fraction == 0.75
    assert outer.throw(Cancelled()).message == "tidying"
    next(outer)
    with pytest.raises(Cancelled):
        next(outer)
    assert log == ["tidy", "closed"]


def test_the_board_takes_one_job_at_a_time_and_keeps_the_last_error():
    board = Board()
    job = board.begin(Job("First", counting(3, [])))
    with pytest.raises(KineliftError, match="First is still under way"):
        board.begin(Job("Second", counting(3, [])))
    job.abandon()
    job.error = KineliftError("no", "Do this")
    board.end()
    assert board.error is job.error and not board.is_busy
    board.begin(Job("Third", counting(3, [])))
    assert board.error is None


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (125, "2 min 05 s")])
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
