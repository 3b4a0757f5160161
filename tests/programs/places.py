"""Where the checkout keeps the Python environments and Blender programs that `build.py` makes."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
VENV = ROOT / ".venv"

WHEELS = {"4.2": "4.2.0", "4.5": "4.5.15", "5.0": "5.0.1"}
"""Blender version -> version of the bpy wheel that stands for it in tests."""

SUITES = {"4.3": "trixie", "5.2": "sid"}
"""Blender version -> Debian suite that packages it as a whole program."""

DEMO_WHEEL = "4.5"


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def wheel_folder(version: str) -> Path:
    return BUILD / f"bpy-{version}"


def program_folder(version: str) -> Path:
    return BUILD / f"blender-{version}"


def extension_tool(version: str = DEMO_WHEEL) -> Path:
    """Blender's own script that builds and validates extensions; it runs under plain Python."""
    pattern = "bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    packages = "Lib/site-packages" if os.name == "nt" else "lib/python3.11/site-packages"
    found = sorted((wheel_folder(version) / packages).glob(pattern))
    if not found:
        raise FileNotFoundError(f"{wheel_folder(version)} holds no blender_ext.py. Delete the folder and run build.py again.")
    return found[0]
