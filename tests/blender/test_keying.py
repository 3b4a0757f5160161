from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).parent / "keys_play.py"


def test_keys_play_on_the_wheels(bpy_python, tmp_path: Path):
    assert "keys play" in bpy_python.run(SCRIPT, tmp_path).stdout


def test_keys_play_in_blender(blender_program, tmp_path: Path):
    assert "keys play" in blender_program.run_script(SCRIPT, tmp_path).stdout
