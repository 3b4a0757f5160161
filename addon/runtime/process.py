"""The backend as a child process: requests go out, answers and progress come in through a reader thread. No bpy."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from ...backend.errors import Cancelled, KineliftError
from ...backend.service import protocol
from ...backend.service.protocol import ErrorBody, Failure, Notification, ProtocolError, Request, Response
from .environment import NO_WINDOW, ROOT
from .jobs import Progress, Steps

START_TIMEOUT = 120.0
"""Seconds to the handshake: the first import of torch from a cold disk takes long."""

SILENCE_TIMEOUT = 600.0
"""Seconds a job may stay silent before it counts as hung."""

CANCEL_TIMEOUT = 20.0
"""Seconds a job has to heed a cancel before its process is ended."""

LOG_LINES = 400


class Call:
    """One request under way."""

    def __init__(self, id: int, method: str):
        self.id, self.method = id, method
        self.progress = Progress(0.0, "starting")
        self.result: Any = None
        self.error: ErrorBody | None = None
        self.is_done = False
        self.heard = time.monotonic()


class BackendProcess:
    """Starts on the first request and again after a crash. Answers find their request by its id, so that an abandoned
    one never disturbs the next."""

    def __init__(self, python: Path, env: dict[str, str], arguments: tuple[str, ...] = ("-m", "backend", "serve")):
        self.command = [str(python), *arguments]
        self.env = env
        self.info: dict[str, Any] = {}
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._inbox: queue.SimpleQueue[tuple[subprocess.Popen[bytes], bytes]] = queue.SimpleQueue()
        self._calls: dict[int, Call] = {}
        self._next_id = 1

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.is_running else None

    def ensure_started(self) -> Steps[None]:
        """Starts the process and shakes hands, unless it runs."""
        self._pump()
        if self.is_running and self.info:
            return
        self.stop()
        self._start()
        params = protocol.InitializeParams(protocol=protocol.PROTOCOL_VERSION, client="Kinelift for Blender")
        try:
            self.info = yield from self._follow(params, Progress(0.0, "Starting the backend"), START_TIMEOUT)
        except BaseException:
            self.stop()
            raise

    def run(self, params: protocol.Params) -> Steps[Any]:
        """One job: its result. Raises KineliftError, with the backend's own remedy where it gave one, or Cancelled."""
        yield from self.ensure_started()
        return (yield from self._follow(params, Progress(0.0, "Waiting for the backend"), SILENCE_TIMEOUT))

    def stop(self) -> None:
        """Ends the process, also in the middle of a job."""
        process, self._process, self.info = self._process, None, {}
        self._calls.clear()
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        self.log.clear()
        try:
            self._process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                creationflags=NO_WINDOW, start_new_session=os.name != "nt")  # Ctrl+C in Blender's console is not for it
        except OSError as error:
            raise KineliftError(f"the backend's Python does not start ({error.strerror})",
                                "Set up the backend again, or choose another Python in the preferences of Kinelift",
                                self.command[0], "no-python") from error
        threading.Thread(target=self._read, args=(self._process,), name="kinelift-answers", daemon=True).start()
        threading.Thread(target=self._read_log, args=(self._process,), name="kinelift-log", daemon=True).start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout:
            self._inbox.put((process, line))

    def _read_log(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stderr:
            self.log.append(line.decode("utf-8", "replace").rstrip())

    def _send(self, method: str, params: dict[str, Any]) -> Call:
        call = Call(self._next_id, method)
        self._next_id += 1
        self._calls[call.id] = call
        try:
            self._process.stdin.write(protocol.encode(Request(call.id, method, params)))
            self._process.stdin.flush()
        except OSError:
            pass  # it has died; following the call tells how
        return call

    def _pump(self) -> None:
        """Hands every line that has come in to the call it belongs to."""
        while True:
            try:
                process, line = self._inbox.get_nowait()
            except queue.Empty:
                return
            if process is self._process:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            message = protocol.decode(line)
        except ProtocolError:
            self.log.append(line.decode("utf-8", "replace").rstrip())
            return
        if isinstance(message, Notification):
            call = self._calls.get(message.params.get("id"))
            if call is not None and message.method == protocol.PROGRESS:
                call.heard = time.monotonic()
                call.progress = Progress(message.params["fraction"], message.params["message"], message.params["seconds_left"])
        elif isinstance(message, (Response, Failure)):
            call = self._calls.pop(message.id, None)
            if call is not None:
                call.is_done = True
                if isinstance(message, Failure):
                    call.error = message.error
                else:
                    call.result = message.result

    def _follow(self, params: protocol.Params, waiting: Progress, silence: float) -> Steps[Any]:
        call = self._send(params.METHOD, params.write())
        call.progress = waiting
        try:
            while not call.is_done:
                self._check_alive(call, silence)
                yield call.progress
                self._pump()
        except Cancelled:
            yield from self._drain(call)
            raise
        except GeneratorExit:
            if self.is_running and not call.is_done:
                self._send(protocol.CANCEL, {"id": call.id})
            raise
        if call.error is None:
            return call.result
        error = call.error
        if error.kind == "cancelled":
            raise Cancelled
        raise KineliftError(error.message, error.remedy, error.place, error.kind)

    def _drain(self, call: Call) -> Steps[None]:
        """Cancels a call and waits for its end; a process that does not listen is ended."""
        self._send(protocol.CANCEL, {"id": call.id})
        end = time.monotonic() + CANCEL_TIMEOUT
        while not call.is_done and self.is_running:
            if time.monotonic() > end:
                self.stop()
                return
            yield Progress(call.progress.fraction, "Cancelling")
            self._pump()

    def _check_alive(self, call: Call, silence: float) -> None:
        if not self.is_running:
            time.sleep(0.05)  # its last lines may still be on their way
            self._pump()
            if not call.is_done:
                code, last = self._process.returncode, self.last_log()
                self.stop()
                raise KineliftError(f"the backend ended unexpectedly ({_how(code)}){last and ': ' + last}",
                                    _remedy_for(code), code="backend-ended")
        elif time.monotonic() - call.heard > silence:
            self.stop()
            raise KineliftError(f"the backend has been silent for {silence:.0f} s", "Try again; it starts anew", code="backend-hung")

    def last_log(self, lines: int = 3) -> str:
        """The end of what the backend wrote to its log, in one line."""
        return " | ".join([line.strip() for line in list(self.log)[-20:] if line.strip()][-lines:])


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _remedy_for(code: int) -> str:
    if code == -9:
        return "Close other programs if memory is short, and try again; the backend starts anew"
    return "Try again; the backend starts anew. If it stays so, set it up again in the preferences of Kinelift"
