"""The environments of a checkout, each with a stamp that says what it was made from.

The stamp is written last: a folder without it is half made and is made anew; a folder whose stamp tells another recipe
is made anew as well, so that a changed lock reaches everybody.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.programs import debian
from tests.programs.places import ROOT, SUITES, VENV, WHEELS, program_folder, python_of, wheel_folder
from tests.programs.steps import SetupError, execute, step

STAMP = ".made-from"
LOCKS = (ROOT / "backend/requirements.lock", ROOT / "tests/requirements.lock")
WHEEL_PYTHON = (3, 11)
WHEEL_PACKAGES = ("numpy==1.26.4",)
PIP_REMEDY = "Check the network and that the package index is reachable, then run the command again"


@dataclass(frozen=True)
class Environment:
    """A folder and how it is made: `recipe` is all that decides its content, `make` fills the empty folder."""

    title: str
    folder: Path
    recipe: str
    make: Callable[[Path], None]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.recipe.encode()).hexdigest()


def is_ready(folder: Path) -> bool:
    """True when the environment in `folder` was made to its end."""
    return (folder / STAMP).is_file()


def ensure(environment: Environment) -> None:
    """Makes the environment, unless it is there as its recipe says."""
    stamp = environment.folder / STAMP
    if stamp.is_file() and stamp.read_text().strip() == environment.digest:
        print(f"[build] {environment.title}: ready", flush=True)
        return
    why = "out of date" if stamp.is_file() else "half made" if environment.folder.exists() else "missing"
    with step(f"{environment.title} ({why}) in {environment.folder.relative_to(ROOT)}"):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(environment.folder, ignore_errors=True)
        if environment.folder.exists():
            raise SetupError(f"{environment.folder} can't be deleted", "Close the programs that use it, or delete it by hand")
        environment.folder.parent.mkdir(parents=True, exist_ok=True)
        environment.make(environment.folder)
        stamp.write_text(environment.digest + "\n")


def development() -> Environment:
    """.venv: the backend and all that tests, plots and benchmarks need."""
    def make(folder: Path) -> None:
        make_venv(Path(sys.executable), folder)
        install(folder, *(argument for lock in LOCKS for argument in ("-r", str(lock))))
        execute([str(python_of(folder)), "-c", "import torch, scipy, roma, safetensors, pytest"], PIP_REMEDY)

    recipe = "\n".join([machine(), sys.version.split()[0], *(lock.read_text() for lock in LOCKS)])
    return Environment("Python environment of the backend and the tests", VENV, recipe, make)


def wheel(version: str) -> Environment:
    """.build/bpy-VERSION: Blender as a Python module."""
    packages = (f"bpy=={WHEELS[version]}", *WHEEL_PACKAGES)

    def make(folder: Path) -> None:
        make_venv(wheel_interpreter(), folder)
        install(folder, *packages)
        # `import bpy` is the self-test: it fails where a shared library of the system is missing.
        execute([str(python_of(folder)), "-c", "import os, bpy; print(bpy.app.version_string, flush=True); os._exit(0)"],
                f"Install the shared libraries it names; on Debian: apt-get install {' '.join(debian.WHEEL_LIBRARIES)}")

    return Environment(f"bpy wheel of Blender {version}", wheel_folder(version), "\n".join([machine(), *packages]), make)


def program(version: str) -> Environment:
    """.build/blender-VERSION: a whole Blender from Debian packages."""
    suite = SUITES[version]
    return Environment(f"Blender {version} program from Debian {suite}", program_folder(version),
                       "\n".join([machine(), debian.recipe(suite)]), lambda folder: debian.extract(suite, folder))


def machine() -> str:
    return f"{sys.platform} {platform.machine()}"


def make_venv(python: Path, folder: Path) -> None:
    execute([str(python), "-m", "venv", str(folder)],
            "Install the venv module of this Python; on Debian: apt-get install python3-venv")


def install(folder: Path, *arguments: str) -> None:
    execute([str(python_of(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "5", *arguments],
            PIP_REMEDY)


def wheel_interpreter() -> Path:
    """A Python of the one version that bpy wheels up to Blender 5.0 are made for."""
    if sys.version_info[:2] == WHEEL_PYTHON:
        return Path(sys.executable)
    name = "python" + ".".join(map(str, WHEEL_PYTHON))
    found = shutil.which(name)
    if found:
        return Path(found)
    if os.name == "nt" and shutil.which("py"):
        asked = subprocess.run(["py", f"-{name[6:]}", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True)
        if asked.returncode == 0:
            return Path(asked.stdout.strip())
    raise SetupError(f"the bpy wheels need {name}, and this is Python {platform.python_version()}",
                     f"Install {name} so that it is in PATH, or run build.py with it")
