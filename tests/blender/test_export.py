"""What is exported comes back, in every format and every Blender."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.motions import walk_with_ball, write_motion

SCRIPT = Path(__file__).parent / "export_formats.py"


@pytest.fixture
def short_walk(tmp_path: Path) -> Path:
    return write_motion(tmp_path / "walk.npz", walk_with_ball(1.0))


def test_formats_come_back_on_the_wheels(bpy_python, short_walk: Path, tmp_path: Path):
    assert "formats come back" in bpy_python.run(SCRIPT, short_walk, tmp_path).stdout


def test_formats_come_back_in_blender(blender_program, short_walk: Path, tmp_path: Path):
    assert "formats come back" in blender_program.run_script(SCRIPT, short_walk, tmp_path).stdout
