"""`python -m backend serve`: answers the add-on over stdin and stdout.

A reader thread takes lines from stdin, so that a cancel is heard in the middle of a job and the process ends the moment
stdin closes. Jobs run one after the other on the main thread.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import backend
from backend.errors import Cancelled, KineliftError, write_error
from backend.service import protocol
from backend.service.protocol import ErrorBody, Failure, Notification, ProtocolError, Request, Response

PROGRESS_INTERVAL = 0.1
"""Seconds between two progress notifications, at least."""

Report = Callable[[float, str], None]
Handler = Callable[[dict[str, Any], Report], Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`serve` takes no arguments: all settings travel in messages."""


def run(args: argparse.Namespace) -> int:
    """Serves until shutdown (returns 0) or until stdin closes (the process ends at once)."""
    stdin, stdout = _claim_standard_streams()
    return Server(stdin, stdout).serve()


def _claim_standard_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Keeps the line for the protocol alone: whatever else prints to stdout, in Python or in C, goes to the log on
    stderr, and whatever reads stdin reads nothing."""
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout = sys.stderr
    return stdin, stdout


class Server:
    """One client, one line, one job at a time."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]):
        self._stdin, self._stdout = stdin, stdout
        self._write_lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stop: dict[int, bool] = {}  # every job not yet answered -> whether it is to stop

    def serve(self) -> int:
        """Runs jobs until a shutdown request."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        while True:
            request = self._jobs.get()
            if request.method == protocol.SHUTDOWN:
                self._send(Response(request.id, None))
                return 0
            self._run(request)

    def _read(self) -> None:
        try:
            for line in self._stdin:
                if line.strip():
                    self._take(line)
        finally:
            os._exit(0)  # Blender is gone: nobody waits for the job, and Python's own exit would wait for it

    def _take(self, line: bytes) -> None:
        try:
            message = protocol.decode(line)
            if not isinstance(message, Request):
                return
            if message.method == protocol.CANCEL:
                self._send(Response(message.id, self._cancel(protocol.CancelParams.read(message.params).id)))
            elif message.method == protocol.SHUTDOWN:
                self._jobs.put(message)
            elif message.method in HANDLERS:
                self._accept(message)
            else:
                known = ", ".join([*HANDLERS, protocol.CANCEL, protocol.SHUTDOWN])
                self._send(Failure(message.id, ErrorBody(protocol.METHOD_NOT_FOUND, f"There is no method {message.method!r}",
                                                         "unknown-method", f"Use one of these: {known}")))
        except ProtocolError as error:
            id = message.id if error.id is None and "message" in locals() else error.id
            self._send(Failure(id, error.body))

    def _accept(self, request: Request) -> None:
        with self._lock:
            if request.id in self._stop:
                raise ProtocolError(ErrorBody(protocol.INVALID_REQUEST, f"The id {request.id} is in use", "protocol",
                                              "Give every request an id of its own"))
            self._stop[request.id] = False
        self._jobs.put(request)

    def _cancel(self, id: int) -> bool:
        """Whether there was such a job to stop."""
        with self._lock:
            if id not in self._stop:
                return False
            self._stop[id] = True
            return True

    def _run(self, request: Request) -> None:
        report = Progress(request.id, self._send, lambda: self._stop[request.id])
        try:
            report.check()
            result = HANDLERS[request.method](request.params, report)
            report.check()
            answer: protocol.Message = Response(request.id, result)
            protocol.encode(answer)
        except Cancelled:
            answer = Failure(request.id, ErrorBody(protocol.JOB_CANCELLED, "Cancelled", "cancelled", "Start again when you like"))
        except ProtocolError as error:
            answer = Failure(request.id, error.body)
        except KineliftError as error:
            answer = Failure(request.id, ErrorBody(protocol.JOB_FAILED, error.message, error.code, error.remedy, error.place))
        except Exception as error:
            traceback.print_exc()
            answer = Failure(request.id, _unforeseen(error))
        with self._lock:
            del self._stop[request.id]
        self._send(answer)

    def _send(self, message: protocol.Message) -> None:
        try:
            with self._write_lock:
                self._stdout.write(protocol.encode(message))
                self._stdout.flush()
        except OSError:
            os._exit(0)  # the reading end is gone, and with it the client


class Progress:
    """The `report` callable of one job: sends throttled notifications with the time left, raises Cancelled."""

    def __init__(self, id: int, send: Callable[[Notification], None], is_cancelled: Callable[[], bool]):
        self._id, self._send, self._is_cancelled = id, send, is_cancelled
        self._pace = Pace()
        self._sent_at, self._sent_message = float("-inf"), None

    def check(self) -> None:
        """Raises Cancelled when the user asked to stop."""
        if self._is_cancelled():
            raise Cancelled

    def __call__(self, fraction: float, message: str) -> None:
        self.check()
        now = time.monotonic()
        left = self._pace.seconds_left(now, fraction)
        if now - self._sent_at < PROGRESS_INTERVAL and message == self._sent_message and fraction < 1:
            return
        fraction = min(max(float(fraction), 0.0), 1.0)
        self._sent_at, self._sent_message = now, message
        self._send(Notification(protocol.PROGRESS, {"id": self._id, "fraction": round(fraction, 4), "message": message,
                                                    "seconds_left": left}))


class Pace:
    """Tells the time left. The clock starts with the first work done, so that loading does not count as slow work."""

    def __init__(self) -> None:
        self._start: tuple[float, float] | None = None

    def seconds_left(self, now: float, fraction: float) -> float | None:
        """Seconds from `now` to the end at the pace so far; None while the pace is unknown."""
        if self._start is None:
            if fraction > 0:
                self._start = now, fraction
            return None
        elapsed, done = now - self._start[0], fraction - self._start[1]
        if elapsed < 0.5 or done <= 0:
            return None
        return round(elapsed * max(1 - fraction, 0.0) / done, 1)


def _unforeseen(error: Exception) -> ErrorBody:
    name = type(error).__name__
    if "OutOfMemory" in name or isinstance(error, MemoryError):
        return ErrorBody(protocol.JOB_FAILED, "The memory of the device is full", "out-of-memory",
                         "Ask for fewer variants or seconds, or set the device to CPU")
    if isinstance(error, ImportError):
        return ErrorBody(protocol.JOB_FAILED, f"The backend's Python lacks a package: {error}", "missing-package",
                         "Set up the backend again in the preferences of Kinelift")
    return ErrorBody(protocol.INTERNAL_ERROR, f"{name}: {error}", "internal",
                     "Report it with the last lines of the log; the job folder shows what was done")


def _initialize(raw: dict[str, Any], report: Report) -> dict[str, Any]:
    params = protocol.InitializeParams.read(raw)
    if params.protocol != protocol.PROTOCOL_VERSION:
        raise KineliftError(f"The add-on speaks protocol {params.protocol}, the backend {protocol.PROTOCOL_VERSION}",
                            "Restart Blender, so that both come from the same installation", code="version-mismatch")
    return {"protocol": protocol.PROTOCOL_VERSION, "version": backend.__version__, "python": platform.python_version(),
            "torch": _torch_version()}


def _torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise KineliftError("This Python has no torch",
                            "Choose a Python that has torch, or set up the backend in the preferences of Kinelift",
                            place=sys.executable, code="missing-package") from None


def _device(raw: dict[str, Any], report: Report) -> dict[str, Any]:
    protocol.DeviceParams.read(raw)
    import torch  # here alone: a fit or a pose file does without, and it loads for seconds

    if torch.cuda.is_available():
        return {"device": "cuda"}
    return {"device": "mps" if torch.backends.mps.is_available() else "cpu"}


def _generate(raw: dict[str, Any], report: Report) -> dict[str, Any]:
    settings = protocol.GenerateParams.read(raw).write()
    from backend.mas.generate import GenerateSettings, generate

    out_dir = _job_dir(settings.pop("job_dir"))
    return {"motions": [str(path) for path in generate(GenerateSettings(**settings), out_dir, report)]}


def _poses(raw: dict[str, Any], report: Report) -> dict[str, Any]:
    params = protocol.PosesParams.read(raw)
    from backend.poses.import_poses import Options, import_poses

    report(0.0, "reading the poses")
    size = (params.width, params.height)
    options = Options(params.fps or None, size if all(size) else None, params.focal or None, params.joints or None, params.y_up)
    out_dir = _job_dir(params.job_dir) if params.skeleton else None
    return import_poses(Path(params.file), options, params.format or None, params.skeleton, [str(id_) for id_ in params.tracks], out_dir)


def _lift(raw: dict[str, Any], report: Report) -> dict[str, Any]:
    settings = protocol.LiftParams.read(raw).write()
    from backend.mvlift.lift import lift_file
    from backend.mvlift.settings import LiftSettings

    out_dir = _job_dir(settings.pop("job_dir"))
    return {"motions": [str(path) for path in lift_file(LiftSettings(**settings), out_dir, report)]}


def _fit(raw: dict[str, Any], report: Report) -> dict[str, Any]:
    params = protocol.FitParams.read(raw)
    from backend.fitting.fit import fit_motion

    out_path = _job_dir(params.job_dir) / "fit.npz"
    summary = fit_motion(Path(params.motion), Path(params.armature), out_path, report, params.contacts)
    return {"fit": str(out_path), **summary}


def _import(raw: dict[str, Any], report: Report) -> dict[str, Any]:
    settings = protocol.ImportParams.read(raw).write()
    from backend.motion.import_motion import ImportSettings, import_file

    out_dir = _job_dir(settings.pop("job_dir"))
    paths, notes = import_file(ImportSettings(**settings), out_dir / "motion.npz", report)
    return {"motions": [str(path) for path in paths], "notes": notes}


def _job_dir(path: str) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder, "the job folder could not be made") from error
    return folder


HANDLERS: dict[str, Handler] = {protocol.INITIALIZE: _initialize, protocol.DEVICE: _device, protocol.GENERATE: _generate, protocol.POSES: _poses,
                                protocol.LIFT: _lift, protocol.FIT: _fit, protocol.IMPORT: _import}
