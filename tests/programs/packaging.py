"""Packages the extension with Blender's own tool."""

from __future__ import annotations

import os
import sys
import tomllib
import zipfile
from pathlib import Path

from tests.programs.places import BUILD, DEMO_WHEEL, ROOT, extension_tool
from tests.programs.steps import SetupError, execute

TOOL_WHEEL = DEMO_WHEEL
NEVER_PACKAGED = (".", "tests/", "docs/", "build.py", "pyproject.toml")
"""Beginnings of paths that only the checkout has."""

REMEDY = "Correct blender_manifest.toml or the file the tool names above"


def package_extension() -> Path:
    """Builds and validates .build/kinelift-VERSION.zip; returns its path. Raises SetupError when the tool objects."""
    manifest = ROOT / "blender_manifest.toml"
    version = tomllib.loads(manifest.read_text(encoding="utf-8"))["version"]
    BUILD.mkdir(exist_ok=True)
    target = BUILD / f"kinelift-{version}.zip"
    unfinished = BUILD / f"kinelift-{version}.{os.getpid()}.zip"
    tool = [sys.executable, str(extension_tool(TOOL_WHEEL))]
    try:
        execute([*tool, "build", "--source-dir", str(ROOT), "--output-filepath", str(unfinished)], REMEDY)
        execute([*tool, "validate", str(unfinished)], REMEDY)
        check_content(unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def check_content(package: Path) -> None:
    """Raises SetupError when files of the checkout slipped into the package."""
    with zipfile.ZipFile(package) as archive:
        strays = [name for name in archive.namelist() if name.startswith(NEVER_PACKAGED) or "__pycache__" in name]
    if strays:
        raise SetupError(f"the package holds files that users don't need: {', '.join(strays[:5])}",
                         "Exclude them in blender_manifest.toml under [build] paths_exclude_pattern")
