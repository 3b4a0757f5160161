"""Real Blender programs, and the shared libraries they and the wheels need, from Debian packages.

The packages of another Debian suite are extracted into a folder of their own (no chroot, no maintainer scripts) and run
there with that suite's own loader and libraries, so nothing of the system is replaced.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.programs.run import loader
from tests.programs.steps import SetupError, execute, step

TOOLS = {"mmdebstrap": "mmdebstrap", "Xvfb": "xvfb", "xdotool": "xdotool"}
"""Program -> the package that brings it."""

WHEEL_LIBRARIES = ("libegl1", "libgl1", "libice6", "libsm6", "libx11-6", "libxext6", "libxfixes3", "libxi6", "libxkbcommon0",
                   "libxrender1", "libxxf86vm1")
PACKAGES = ("blender", "python3-numpy", "python3-requests", "python3-zstandard", "libegl1", "libegl-mesa0", "libgl1", "libgl1-mesa-dri")
EXTRA_PACKAGES = {"sid": ("python3-cattr", "python3-fastjsonschema")}
"""What Blender's extension tool imports there without the package depending on it."""

NOT_EXTRACTED = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/blender/datafiles/locale/*")


def is_debian() -> bool:
    return sys.platform == "linux" and shutil.which("apt-get") is not None


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def missing_packages(tools: bool) -> list[str]:
    """Debian packages that are needed and not installed: the wheel's libraries and, with `tools`, the programs."""
    wanted = list(WHEEL_LIBRARIES)
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted], capture_output=True, text=True)
    installed = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    missing = [name for name in wanted if name not in installed]
    if tools:
        missing += [package for command, package in TOOLS.items() if shutil.which(command) is None]
    if Path(sys.executable).resolve().parent == Path("/usr/bin"):
        probe = subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True)
        if probe.returncode:  # Debian keeps the part of Python that makes environments in a package of its own
            missing.append("python3-venv")
    return missing


def ensure_packages(tools: bool) -> None:
    """Installs what is missing when run by root on Debian; elsewhere says what to install.

    Raises SetupError for missing `tools` only: without the libraries the wheel's own self-test gives the precise error.
    """
    if not is_debian():
        return
    missing = missing_packages(tools)
    if not missing:
        return
    if not is_root():
        remedy = f"Run as root: apt-get install {' '.join(missing)}"
        if tools:
            raise SetupError(f"these Debian packages are missing: {', '.join(missing)}", remedy)
        print(f"[build] these Debian packages may be needed: {', '.join(missing)}\n  -> {remedy}", file=sys.stderr)
        return
    with step(f"Debian packages {' '.join(missing)}"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        remedy = "Check the network and the apt configuration, then run the command again"
        execute(["apt-get", "update", "-q"], remedy, env)
        execute(["apt-get", "install", "-q", "-y", *missing], remedy, env)


def why_no_programs() -> str:
    """Why whole Blender programs can't be made here; empty when they can."""
    if not is_debian():
        return "whole Blender programs are made from Debian packages, and this is not Debian"
    if not is_root():
        return "extracting Debian packages needs root, and this is another user"
    return ""


def mirror() -> str:
    """The package mirror this machine's apt uses for Debian itself."""
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    output = execute(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], "Repair the apt configuration")
    targets = [line.split("|") for line in output.splitlines() if line.count("|") == 2]
    for origin, label, uri in targets:
        if origin == "Debian" and "security" not in label.lower():
            return uri
    raise SetupError("apt is not set up with Debian's own packages",
                     "Add Debian's main repository to the apt sources, then run apt-get update")


def packages_of(suite: str) -> tuple[str, ...]:
    return (*PACKAGES, *EXTRA_PACKAGES.get(suite, ()))


def recipe(suite: str) -> str:
    return "\n".join([suite, *packages_of(suite), *NOT_EXTRACTED])


def extract(suite: str, folder: Path) -> None:
    """Extracts Blender of a Debian suite into `folder`, and starts it once to see that it runs."""
    options = ["--quiet", "--variant=extract", "--mode=root", "--skip=check/qemu",
               # Archived mirrors serve release files whose date has passed.
               '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"',
               *(f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_EXTRACTED),
               f"--include={','.join(packages_of(suite))}"]
    execute(["mmdebstrap", *options, suite, str(folder), mirror()],
            f"Check the network and that the mirror of the apt configuration serves the suite {suite}, then run the command again")
    make_python_wrapper(folder)
    program = str(folder / "usr/bin/blender")
    execute([*loader(folder), "--argv0", program, program, "--version"], "Delete the folder and run the command again")


def make_python_wrapper(folder: Path) -> None:
    """Makes wrap/python3: the extracted Python, started through its own loader."""
    interpreter = sorted((folder / "usr/bin").glob("python3.[0-9]*"))[0]
    wrapper = folder / "wrap" / interpreter.name
    wrapper.parent.mkdir(exist_ok=True)
    start, *rest = loader(folder)
    wrapper.write_text(f'#!/bin/sh\nexport PYTHONHOME="{folder / "usr"}"\n'
                       f'exec "{start}" {" ".join(rest)} --argv0 "{wrapper}" "{interpreter}" "$@"\n')
    wrapper.chmod(0o755)
    for name in ("python3", "python"):
        (wrapper.parent / name).unlink(missing_ok=True)
        (wrapper.parent / name).symlink_to(wrapper.name)
