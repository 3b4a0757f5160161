"""Setting up the runtime: a virtual environment with the locked packages, tested before it counts as ready. No bpy."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from ...backend.errors import KineliftError
from .environment import LOCK, NO_WINDOW, ROOT, Runtime, backend_environment, clean_environment, find_base_python
from .jobs import Progress, Steps

TORCH_INDEXES = {"DEFAULT": "", "CPU": "https://download.pytorch.org/whl/cpu", "CUDA": "https://download.pytorch.org/whl/cu128"}
"""Where each build of torch comes from; the default is the platform's usual one from PyPI."""

ATTEMPTS = 4
FIRST_PAUSE = 3.0
"""Seconds before the second attempt; each further pause is twice as long."""

NEEDED_BYTES = {"DEFAULT": 7_000_000_000, "CPU": 2_000_000_000, "CUDA": 7_000_000_000}

SILENCE_TIMEOUT = 900.0
"""Seconds a command may stay silent: pip says nothing while it downloads or unpacks a large wheel."""

SELF_TEST = "import torch; print('torch', torch.__version__, 'computes', float(torch.ones(3).sum()))"


def install(runtime: Runtime, torch_build: str) -> Steps[dict[str, str]]:
    """Makes the runtime anew. Raises KineliftError; an unfinished folder is removed. Returns the facts of the sentinel."""
    yield Progress(0.0, "Looking for a Python")
    python = find_base_python()
    runtime.delete()
    _check_room(runtime.folder, NEEDED_BYTES[torch_build])
    try:
        yield from _command([python, "-m", "venv", runtime.folder], Progress(0.02, "Making a virtual environment"))
        yield from _install_packages(runtime, torch_build)
        output = yield from _command([runtime.python, "-c", SELF_TEST], Progress(0.95, "Testing torch"))
        yield from _command([runtime.python, "-m", "backend", "packs"], Progress(0.98, "Testing the backend"), backend_environment(None))
        facts = {"torch": output[-1], "build": torch_build, "made_with": str(python)}
        runtime.finish(facts)
        return facts
    except BaseException:
        shutil.rmtree(runtime.folder, ignore_errors=True)
        raise


def _check_room(folder: Path, needed: int) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise KineliftError(f"the runtime needs {needed / 1e9:.0f} GB and only {free / 1e9:.1f} GB are free",
                            "Make room, or choose the CPU build of torch", str(folder.parent), "disk-full")


def _install_packages(runtime: Runtime, torch_build: str) -> Steps[None]:
    pip = [runtime.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off",
           "--retries", "3", "--timeout", "60"]
    pins = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    index = TORCH_INDEXES[torch_build]
    if index:
        torch = next(pin for pin in pins if re.match(r"torch\b", pin))
        yield from _with_retries([*pip, torch, "--index-url", index], 0.05, 0.7, len(pins))
    yield from _with_retries([*pip, "-r", LOCK], 0.7 if index else 0.05, 0.95, len(pins))


def _with_retries(command: list, start: float, end: float, packages: int) -> Steps[None]:
    """Runs pip up to ATTEMPTS times; what one attempt has downloaded is in pip's cache for the next."""
    for attempt in range(ATTEMPTS):
        try:
            yield from _pip(command, start, end, packages)
            return
        except KineliftError:
            if attempt == ATTEMPTS - 1:
                raise
        until = time.monotonic() + FIRST_PAUSE * 2**attempt
        while (left := until - time.monotonic()) > 0:
            yield Progress(start, f"The download failed; next attempt in {left:.0f} s")


def _pip(command: list, start: float, end: float, packages: int) -> Steps[None]:
    """Counts the packages pip speaks of. Collecting is most of the way, unpacking the rest."""
    collected, message, unpack_from = 0, "Asking for the packages", start + 0.8 * (end - start)
    for line in _lines(command, clean_environment()):
        if found := re.match(r"\s*(Collecting|Downloading|Using cached|Requirement already satisfied:?) (\S+)(.*)", line or ""):
            collected += found[1] in ("Collecting", "Requirement already satisfied:")
            name = re.split(r"[=<>\[-]", found[2].rsplit("/", 1)[-1])[0]
            size = re.search(r"\(([\d.]+ [kMG]B)\)", found[3])
            message = f"Downloading {name}{', ' + size[1] if size else ''}" if "Download" in found[1] else f"Collecting {name}"
        elif line and line.startswith("Installing collected packages"):
            collected, message = packages, "Unpacking the packages"
        yield Progress(start + (unpack_from - start) * min(collected / max(packages, 1), 1.0), message)


def _command(command: list, progress: Progress, env: dict[str, str] | None = None) -> Steps[list[str]]:
    """Runs a command to its end; its output lines. Raises KineliftError when it fails."""
    output = []
    for line in _lines(command, env or clean_environment()):
        if line is not None:
            output.append(line)
        yield progress
    return output


def _lines(command: list, env: dict[str, str]) -> Iterator[str | None]:
    """Yields a command's output line by line, and None while it is silent. Closing the generator ends the command."""
    command = list(map(str, command))
    try:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   encoding="utf-8", errors="replace", creationflags=NO_WINDOW, start_new_session=os.name != "nt")
    except OSError as error:
        raise KineliftError(f"{command[0]} does not start ({error.strerror})", "Set up the backend again", code="no-python") from error
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    last, heard = deque(maxlen=4), time.monotonic()
    try:
        while True:
            try:
                line = lines.get_nowait()
            except queue.Empty:
                if time.monotonic() - heard > SILENCE_TIMEOUT:
                    raise KineliftError("the set-up has been silent for too long", "Check the network and try again",
                                        code="set-up-hung") from None
                yield None
                continue
            if line is None:
                break
            heard = time.monotonic()
            if line.strip():
                last.append(line.strip())
            yield line
        if process.wait():
            raise _failure(process.returncode, list(last))
    finally:
        _end(process)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue) -> None:
    for line in process.stdout:
        lines.put(line.rstrip())
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the command and, where the system allows it, what the command has started."""
    if process.poll() is None:
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failure(code: int, last: list[str]) -> KineliftError:
    text = " | ".join(last)
    if "No space left" in text:
        return KineliftError("the disk is full", "Make room and set up again", code="disk-full")
    if "No matching distribution" in text or "Could not find a version" in text:
        return KineliftError(f"a locked package is not to be had for this Python or from this index: {text}",
                             "Check the network, or choose another build of torch or another Python", code="no-package")
    return KineliftError(f"the set-up failed with exit code {code}: {text}", "Check the network and try again", code="set-up-failed")
