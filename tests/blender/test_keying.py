from __future__ import annotations

from pathlib import Path

import pytest

from tests.fitting import quadruped
from tests.motions import walk_with_box, walk_with_throw, write_motion
from tests.programs.places import DEMO_WHEEL

HERE = Path(__file__).parent
SCRIPT = HERE / "keys_play.py"


@pytest.fixture
def throw_file(tmp_path: Path) -> Path:
    """A motion file of two seconds of walking with a ball that changes hands in the air."""
    return write_motion(tmp_path / "throw.npz", walk_with_throw(seconds=2.0))


def test_controls_layers_and_objects_on_the_wheels(bpy_python, backend_python: Path, throw_file: Path, tmp_path: Path):
    assert "controls work" in bpy_python.run(HERE / "controls.py", backend_python, throw_file, tmp_path, timeout=900).stdout


def test_controls_layers_and_objects_in_blender(blender_program, backend_python: Path, throw_file: Path, tmp_path: Path):
    assert "controls work" in blender_program.run_script(HERE / "controls.py", backend_python, throw_file, tmp_path, timeout=900).stdout


@pytest.fixture
def animal_file(tmp_path: Path) -> Path:
    """A motion file of the walk of a four-legged animal."""
    _, rig = quadruped.horse(tmp_path)
    return quadruped.motion_of(quadruped.walk(rig)[0]).save(tmp_path / "walk.npz")


def test_an_animals_controls_on_the_wheels(bpy_python, backend_python: Path, animal_file: Path, tmp_path: Path):
    assert "the animals' controls work" in bpy_python.run(HERE / "animal_controls.py", backend_python, animal_file, tmp_path).stdout


def test_an_animals_controls_in_blender(blender_program, backend_python: Path, animal_file: Path, tmp_path: Path):
    assert "the animals' controls work" in blender_program.run_script(HERE / "animal_controls.py", backend_python, animal_file, tmp_path).stdout


@pytest.fixture
def box_file(tmp_path: Path) -> Path:
    """A motion file of two seconds of walking with a box that is thrown and caught."""
    return write_motion(tmp_path / "box.npz", walk_with_box(seconds=2.0))


def test_boxes_are_carried_on_the_wheels(bpy_python, backend_python: Path, box_file: Path, tmp_path: Path):
    assert "boxes are carried" in bpy_python.run(HERE / "boxes.py", backend_python, box_file, tmp_path).stdout


def test_boxes_are_carried_in_blender(blender_program, backend_python: Path, box_file: Path, tmp_path: Path):
    assert "boxes are carried" in blender_program.run_script(HERE / "boxes.py", backend_python, box_file, tmp_path).stdout


def test_keys_play_on_the_wheels(bpy_python, tmp_path: Path):
    assert "keys play" in bpy_python.run(SCRIPT, tmp_path).stdout


def test_keys_play_in_blender(blender_program, tmp_path: Path):
    assert "keys play" in blender_program.run_script(SCRIPT, tmp_path).stdout


def test_keys_play_on_odd_rigs_on_the_wheels(bpy_python, tmp_path: Path):
    assert "odd rigs play" in bpy_python.run(HERE / "odd_rigs.py", tmp_path).stdout


def test_keys_play_on_odd_rigs_in_blender(blender_program, tmp_path: Path):
    assert "odd rigs play" in blender_program.run_script(HERE / "odd_rigs.py", tmp_path).stdout


def test_all_root_motions_play_alike_on_the_wheels(bpy_python, tmp_path: Path):
    assert "all root motions play alike" in bpy_python.run(HERE / "root_motion.py", tmp_path).stdout


def test_all_root_motions_play_alike_in_blender(blender_program, tmp_path: Path):
    assert "all root motions play alike" in blender_program.run_script(HERE / "root_motion.py", tmp_path).stdout


@pytest.mark.parametrize("bpy_python", [DEMO_WHEEL], indirect=True)  # generating takes long; keys_play.py covers the versions
def test_a_fit_plays_on_rigifys_full_human(bpy_python, backend_python: Path, walk_file: Path, tmp_path: Path):
    assert "the full human walks" in bpy_python.run(HERE / "full_human.py", backend_python, walk_file, tmp_path).stdout


@pytest.mark.parametrize("bpy_python", [DEMO_WHEEL], indirect=True)
def test_an_animals_fit_plays_on_quadrupeds(bpy_python, backend_python: Path, animal_file: Path, tmp_path: Path):
    assert "the animal walks" in bpy_python.run(HERE / "animal.py", backend_python, animal_file, tmp_path).stdout
