"""Jobs: long work cut into steps, so that a window stays alive while it runs and background runs take the same path.

The work is a generator: it yields Progress whenever it has to wait, and returns its result. To cancel it, Cancelled is
raised inside it at the next step; it tidies up (it may go on yielding meanwhile) and lets the exception out.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from ...backend.errors import Cancelled, KineliftError

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """`fraction` 0..1; `seconds_left` is None while unknown."""

    fraction: float
    message: str
    seconds_left: float | None = None

    def __str__(self) -> str:
        percent = f"{self.fraction:.0%}"
        return f"{percent}, {duration(self.seconds_left)} left" if self.seconds_left is not None else percent


Steps = Generator[Progress, None, T]


class State(Enum):
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Job:
    """One piece of work and where it stands."""

    def __init__(self, title: str, steps: Steps[Any]):
        self.title, self._steps = title, steps
        self.state, self.progress = State.RUNNING, Progress(0.0, title)
        self.result: Any = None
        self.error: KineliftError | None = None
        self._must_throw = False

    @property
    def is_over(self) -> bool:
        return self.state in (State.DONE, State.CANCELLED, State.FAILED)

    def cancel(self) -> None:
        """Asks the work to stop; keep stepping until it has."""
        if self.state is State.RUNNING:
            self.state = State.CANCELLING
            self._must_throw = True

    def step(self) -> None:
        """Does the next bit of the work. Never raises for a failure of the work itself: that is in `error`."""
        try:
            if self._must_throw:
                self._must_throw = False
                self.progress = self._steps.throw(Cancelled())
            else:
                self.progress = next(self._steps)
        except StopIteration as end:
            self.state, self.result = State.DONE, end.value
        except Cancelled:
            self.state = State.CANCELLED
        except KineliftError as error:
            self.state, self.error = State.FAILED, error
        except Exception as error:
            traceback.print_exc()
            self.state = State.FAILED
            self.error = KineliftError(f"something unforeseen went wrong ({type(error).__name__}: {error})",
                                       "Report it with the details in the system console", code="internal")

    def abandon(self) -> None:
        """Ends the work at once, without waiting for what it has under way."""
        if not self.is_over:
            self._steps.close()
            self.state = State.CANCELLED


class Board:
    """What the panels show: the job under way, and the last error until the user dismisses it."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.error: KineliftError | None = None

    def begin(self, job: Job) -> Job:
        """Makes `job` the job under way. Raises KineliftError while there is another."""
        if self.is_busy:
            raise KineliftError(f"{self.job.title} is still under way", "Wait for its end, or cancel it", code="busy")
        self.job, self.error = job, None
        return job

    def end(self) -> None:
        """Takes note of how the job ended."""
        if self.job is not None:
            self.error, self.job = self.job.error, None

    @property
    def is_busy(self) -> bool:
        return self.job is not None and not self.job.is_over

    def clear(self) -> None:
        """Abandons the job under way and forgets the error."""
        if self.job is not None:
            self.job.abandon()
        self.job = self.error = None


board = Board()


def run_to_end(job: Job, show: Callable[[Progress], None] | None = None, pause: float = 0.02) -> Any:
    """The driver for background runs and scripts: steps until the job is over and returns its result. `show` gets every
    new progress. Raises the job's KineliftError, or Cancelled; Ctrl+C cancels the job."""
    shown = None
    try:
        while not job.is_over:
            try:
                job.step()
                if show is not None and not job.is_over and job.progress != shown:
                    show(shown := job.progress)
                time.sleep(pause)
            except KeyboardInterrupt:
                job.cancel()
    finally:
        job.abandon()
    if job.error is not None:
        raise job.error
    if job.state is State.CANCELLED:
        raise Cancelled
    return job.result


def part(steps: Steps[T], start: float, end: float) -> Steps[T]:
    """The same work as a part of larger work: its fractions 0..1 become start..end."""
    try:
        progress = next(steps)
        while True:
            scaled = start + (end - start) * progress.fraction
            try:
                yield Progress(scaled, progress.message, progress.seconds_left)
            except Cancelled as cancelled:
                progress = steps.throw(cancelled)
            else:
                progress = next(steps)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


def duration(seconds: float) -> str:
    """A length of time for people: "8 s", "2 min 05 s"."""
    whole = max(round(seconds), 0)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
