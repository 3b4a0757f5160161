"""The one backend process of this Blender, and which Python it runs on."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

import bpy

from ...backend.errors import KineliftError
from . import location
from .environment import PYTHON_VARIABLE, Runtime, backend_environment
from .jobs import board
from .process import BackendProcess

_process: BackendProcess | None = None


def chosen_python() -> Path | None:
    """The backend's Python: the one in KINELIFT_PYTHON, else the preferences' choice; None when there is none yet."""
    named = _named_python()
    if named is not None:
        return named if named.is_file() else None
    runtime = Runtime(location.runtime_folder())
    return runtime.python if runtime.is_ready() else None


def _named_python() -> Path | None:
    """The Python that someone has named by its path."""
    chosen = location.preferences()
    named = os.environ.get(PYTHON_VARIABLE) or (chosen.python_path if chosen.backend_source == "PATH" else "")
    return Path(bpy.path.abspath(named)).expanduser() if named else None


def is_python_missing() -> bool:
    """Whether a Python is named that is not there."""
    named = _named_python()
    return named is not None and not named.is_file()


def is_ready() -> bool:
    """Whether there is a Python to run the backend on. Cheap enough for a panel: it looks at files, it starts nothing."""
    return chosen_python() is not None


def backend(python: Path | None = None) -> BackendProcess:
    """The backend process on `python`, or on the chosen one. Raises KineliftError when there is none."""
    global _process
    python = python or chosen_python()
    if python is None:
        raise KineliftError("the backend is not set up yet",
                            "Open the preferences of Kinelift and click Set Up Here, or choose a Python that has torch", code="not-set-up")
    if _process is None or _process.command[0] != str(python):
        stop_process()
        _process = BackendProcess(python, backend_environment(location.user_folder("packs")))
    return _process


def stop() -> None:
    """Ends the job under way and the process."""
    board.clear()
    stop_process()


def stop_process() -> None:
    """Ends the process; the next request starts it anew."""
    global _process
    if _process is not None:
        _process.stop()
        _process = None


atexit.register(stop)
