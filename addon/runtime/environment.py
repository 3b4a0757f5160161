"""Pythons for the backend: finding one, and the clean environment it needs when Blender starts it. No bpy."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from ...backend.errors import KineliftError

ROOT = Path(__file__).resolve().parents[2]
"""The extension's folder: what `backend` and `rigs` are imported from."""

LOCK = ROOT / "backend" / "requirements.lock"
MINIMUM_PYTHON = (3, 11)
PYTHON_VARIABLE = "KINELIFT_PYTHON"
PACKS_VARIABLE = "KINELIFT_PACKS"

HARMFUL_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH",
                     "__PYVENV_LAUNCHER__")
"""Set for Blender's own Python and libraries; another Python dies of them."""

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


def clean_environment() -> dict[str, str]:
    """Blender's environment without what would break another Python."""
    env = {name: value for name, value in os.environ.items() if name not in HARMFUL_VARIABLES}
    return env | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def backend_environment(packs: Path | None) -> dict[str, str]:
    """The environment of `python -m backend`. `packs` is the user's own folder of packs."""
    folders = [os.environ.get(PACKS_VARIABLE, ""), str(packs or "")]
    return clean_environment() | {"PYTHONPATH": str(ROOT), PACKS_VARIABLE: os.pathsep.join(filter(None, folders))}


class Runtime:
    """The folder of the Python that Kinelift sets up for itself."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def sentinel(self) -> Path:
        """Written last: without it the folder is the rest of an interrupted set-up."""
        return self.folder / "kinelift-ready.json"

    def is_ready(self) -> bool:
        """Whether the set-up was finished, for this version of the lock, and its Python is still there."""
        try:
            ready = json.loads(self.sentinel.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return ready.get("lock") == lock_fingerprint() and self.python.exists()

    def is_there(self) -> bool:
        return self.folder.exists()

    def finish(self, facts: dict[str, str]) -> None:
        """Writes the sentinel."""
        self.sentinel.write_text(json.dumps(facts | {"lock": lock_fingerprint()}, indent=2), encoding="utf-8")

    def delete(self) -> None:
        """Removes the folder, the sentinel first. Raises KineliftError when a file is in use."""
        try:
            self.sentinel.unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise KineliftError(f"the runtime can't be deleted ({error.strerror})", "Close other Blender windows and try again",
                                str(error.filename or self.folder), "in-use") from error


@cache
def lock_fingerprint() -> str:
    """Tells one set of locked versions from another."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]


def find_base_python() -> Path:
    """A Python that can make the runtime: Blender's own, else one on the PATH. Raises KineliftError when none can."""
    names = ["python3.13", "python3.12", "python3.11", "python3", "python"]
    candidates = [sys.executable, *filter(None, map(shutil.which, names))]
    reasons = []
    for candidate in dict.fromkeys(candidates):
        if "WindowsApps" in candidate:  # a stub that opens the store
            continue
        reason = why_unfit(Path(candidate))
        if not reason:
            return Path(candidate)
        reasons.append(f"{candidate} {reason}")
    raise KineliftError("no Python here can make the runtime: " + "; ".join(reasons),
                        "Use a Blender from blender.org, or choose a Python that has torch as the backend's Python", code="no-python")


def why_unfit(python: Path) -> str:
    """Why `python` can't make a virtual environment, or ""."""
    probe = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([str(python), "-c", probe], env=clean_environment(), capture_output=True, timeout=60,
                              encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL, creationflags=NO_WINDOW)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not start ({error})"
    if done.returncode:
        return "lacks venv or ensurepip" if "ModuleNotFoundError" in done.stderr else f"does not run (exit code {done.returncode})"
    version = tuple(map(int, done.stdout.split()))
    return "" if version >= MINIMUM_PYTHON else f"is Python {version[0]}.{version[1]}, and 3.11 is needed"
