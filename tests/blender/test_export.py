"""What is exported comes back, in every format and every Blender."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.motions import walk_with_ball, write_motion

SCRIPT = Path(__file__).parent / "export_formats.py"


@pytest.fixture
def short_walk(tmp_path: Path) -> Path:
    return write_motion(tmp_path / "walk.npz", walk_with_ball(1.0))


GROUPS = [("FBX", "FBX_UNITY", "FBX_UNREAL"), ("BVH",), ("GLTF",), ("USD",)]
"""Formats that are tried in one Blender: 4.3 crashes in its glTF exporter after many files were opened and others exported."""


@pytest.mark.parametrize("formats", GROUPS, ids="-".join)
def test_formats_come_back_on_the_wheels(bpy_python, formats: tuple[str, ...], short_walk: Path, tmp_path: Path):
    assert "formats come back" in bpy_python.run(SCRIPT, "--", short_walk, tmp_path, *formats).stdout


@pytest.mark.parametrize("formats", GROUPS, ids="-".join)
def test_formats_come_back_in_blender(blender_program, formats: tuple[str, ...], short_walk: Path, tmp_path: Path):
    assert "formats come back" in blender_program.run_script(SCRIPT, short_walk, tmp_path, *formats).stdout
