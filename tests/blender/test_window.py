"""The extension as an animator meets it: in a window, with the mouse."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.blender.filmed import two_people
from tests.blender.window import Window, start_window
from tests.motion.bvh_files import names_of, write_bvh
from tests.mvlift.lifting import film, make_pack, walk
from tests.programs.run import kill_group
from tests.tiny_pack import make_tiny_pack

PICTURE = os.environ.get("KINELIFT_PANEL_PICTURE")
"""A file to keep the picture of the panel in, for the documentation."""


@pytest.fixture
def opened(blender_program, extension_zip, backend_python, xvfb, tmp_path):
    """Opens a window of the extension with the packs "tiny" and "tinylift"; settings as window_state.py takes them."""
    make_tiny_pack(tmp_path / "packs")
    make_pack(tmp_path / "packs" / "tinylift")
    blender_program.env.update(KINELIFT_PYTHON=str(backend_python), KINELIFT_PACKS=str(tmp_path / "packs"))
    blender_program.install(extension_zip)
    windows = []

    def open_window(**settings):
        windows.append(Window(blender_program, xvfb, tmp_path, **settings))
        return windows[-1]

    yield open_window
    for window in windows:
        window.close()


def filmed_walk(path: Path) -> Path:
    """A pose file that says all that lifting needs."""
    poses = film(walk(2.0))
    np.savez(path, keypoints=np.concatenate([poses.keypoints, poses.confidences[..., None]], -1), joint_names=poses.joint_names, fps=30.0,
             image_size=poses.image_size, focal=poses.focal)
    return path


def test_a_click_on_generate_makes_a_take_that_plays(opened, tmp_path):
    window = opened(pack="tiny", seconds=6, variants=4, mode="paper")
    window.open_tab("Kinelift")
    x, y = window.find_button("bpy.ops.kinelift.generate")
    window.display.click(x, y)
    window.wait(lambda state: state["job"] and state["job"]["fraction"] > 0.05, 300, "the bar")
    window.display.screenshot(tmp_path / "bar.png")
    done = window.wait(lambda state: not state["job"], 300, "the end of the job")
    assert len(done["takes"]) == 4
    window.wait(lambda state: state["playing"] and state["frame"] > 1, 30, "the playback")
    window.settled()
    window.display.screenshot(tmp_path / "panel.png")
    assert Path(tmp_path / "panel.png").stat().st_size > 20_000
    if PICTURE:
        shutil.copyfile(tmp_path / "bar.png", Path(PICTURE).with_suffix(".bar.png"))
        shutil.copyfile(tmp_path / "panel.png", PICTURE)


def test_from_a_pose_file_to_a_rig_in_two_clicks(opened, tmp_path):
    """A path typed into the field reads the file, a click lifts it, and the rig moves in the picture."""
    poses = filmed_walk(tmp_path / "dance.npz")
    window = opened(rig="Player", lift_pack="tinylift")
    window.open_tab("Kinelift")
    window.fill("kinelift_lift.file", str(poses))
    read = window.wait(lambda state: state["poses"] and not state["job"], 120, "the tracks of the file")
    assert read["poses"][0].startswith("Plain") and len(read["poses"]) == 2
    window.settled()
    window.display.screenshot(tmp_path / "lift.png")
    x, y = window.find_button("bpy.ops.kinelift.lift(")
    window.display.click(x, y)
    done = window.wait(lambda state: state["takes"] and not state["job"], 300, "the end of the job")
    assert done["takes"] == ["dance"] and done["target_moves"] and done["view"] == "CAMERA"
    window.wait(lambda state: state["playing"] and state["frame"] > 1, 30, "the playback")
    window.settled()
    window.display.screenshot(tmp_path / "lifted.png")
    if PICTURE:
        shutil.copyfile(tmp_path / "lift.png", Path(PICTURE).with_suffix(".lift.png"))
        shutil.copyfile(tmp_path / "lifted.png", Path(PICTURE).with_suffix(".lifted.png"))


def test_a_file_is_chosen_in_the_browser_and_others_are_dropped(blender_program, extension_zip, backend_python, xvfb, tmp_path):
    blender_program.env["KINELIFT_PYTHON"] = str(backend_python)
    blender_program.install(extension_zip)
    two_people(tmp_path / "video")
    arguments = [tmp_path / "said", filmed_walk(tmp_path / "dance.npz"), tmp_path / "video/openpose", write_bvh(tmp_path / "walk.bvh", names_of("mixamo"))]
    process = start_window(blender_program, xvfb, Path(__file__).with_name("choose_file.py"), *arguments)
    try:
        output, _ = process.communicate(timeout=1000)
    finally:
        kill_group(process)
    assert (tmp_path / "said").is_file(), output[-3000:]
