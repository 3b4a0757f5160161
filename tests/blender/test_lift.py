"""Lifting as a user of Blender meets it, without a window."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.motion.motion3d import Motion3D
from backend.poses.joint_sets import joint_set_names
from backend.poses.sniffer import FORMATS
from tests.blender.filmed import FOCAL, IMAGE, LATE, motion_files, two_people
from tests.mvlift.lifting import make_pack
from tests.programs.places import DEMO_WHEEL

HERE = Path(__file__).parent
FOOTAGE_IS_THERE = """
import bpy, sys
path, width, height = sys.argv[-3:]
bpy.ops.wm.open_mainfile(filepath=path)
scene = bpy.context.scene
shown, user = scene.camera.data.background_images[0].image, scene.camera.data.background_images[0].image_user
assert shown.source == "SEQUENCE" and user.frame_offset == -1 and user.frame_duration == 12, (shown.source, user.frame_offset, user.frame_duration)
assert (scene.render.resolution_x, scene.render.resolution_y) == (int(width), int(height))
"""
"""Frame 0 of the poses is the image of number 0, where Blender would begin with 1."""



@pytest.fixture
def filmed(tmp_path: Path) -> list[object]:
    """The arguments of lift_takes.py."""
    poses, keypoints = two_people(tmp_path / "video")
    np.save(tmp_path / "keypoints.npy", keypoints)
    return [poses, tmp_path / "keypoints.npy", LATE, *IMAGE, FOCAL]


@pytest.fixture
def variables(backend_python: Path, repository: Path, tmp_path: Path) -> dict[str, str]:
    """What Blender's environment needs for a backend and the pack "tinylift"."""
    make_pack(tmp_path / "packs" / "tinylift")
    return {"KINELIFT_PYTHON": str(backend_python), "KINELIFT_PACKS": str(tmp_path / "packs"), "PYTHONPATH": str(repository)}


@pytest.fixture
def blender(blender_program, extension_zip, variables):
    blender_program.env.update(variables)
    blender_program.install(extension_zip)
    return blender_program


def test_the_camera_sees_the_stick_where_the_joints_were_on_the_wheels(bpy_python, tmp_path: Path):
    assert "the camera sees it" in bpy_python.run(HERE / "camera_sees.py", *motion_files(tmp_path)).stdout


def test_the_camera_sees_the_stick_where_the_joints_were_in_blender(blender_program, tmp_path: Path):
    assert "the camera sees it" in blender_program.run_script(HERE / "camera_sees.py", *motion_files(tmp_path)).stdout


@pytest.mark.parametrize("bpy_python", [DEMO_WHEEL], indirect=True)
def test_poses_become_takes_on_a_wheel(bpy_python, extension_zip, variables, filmed):
    bpy_python.env.update(variables)
    assert "lifted" in bpy_python.run(HERE / "lift_takes.py", "--", *filmed, extension_zip).stdout


def test_poses_become_takes_in_blender(blender, filmed):
    assert "lifted" in blender.run_script(HERE / "lift_takes.py", *filmed).stdout


def test_the_command_line_lifts(blender, filmed, tmp_path: Path):
    scene, out = tmp_path / "scene.blend", tmp_path / "out"
    blender.run_script(HERE / "human_scene.py", scene)
    said = ["--background", "--command", "kinelift", "lift", "--poses", filmed[0], "--pack", "tinylift", "--image-size", f"{IMAGE[0]}x{IMAGE[1]}"]
    refused = blender.run(*said, "--track", "all", "--out", out, expect=1)
    assert "doesn't say the frame rate" in refused.stdout and "--fps 30" in refused.stdout
    refused = blender.run(*said, "--fps", 30, "--out", out, expect=1)
    assert "there are 2 tracks" in refused.stdout and "--track: 1, 2 or all" in refused.stdout
    assert not out.exists()
    for frame in range(LATE):
        Image.new("RGB", (64, 36)).save(tmp_path / f"frame_{frame:03d}.png")
    blender.run(*said, "--fps", 30, "--focal", FOCAL, "--track", "all", "--height", 1.8, "--footage", tmp_path / "frame_000.png", "--blend", scene,
                "--target", "Player", "--out", out)
    stem = filmed[0].stem
    assert {path.name for path in out.iterdir()} == {*(f"{stem}_{number}_lifted.{kind}" for number in (0, 1) for kind in ("npz", "fbx")),
                                                     f"{stem}_0_lifted_Player.fbx", f"{stem}_0_lifted.blend"}
    motion = Motion3D.load(out / f"{stem}_1_lifted.npz")
    assert (motion.provenance["track"], motion.provenance["first_frame"], motion.provenance["settings"]["height"]) == ("2", LATE, 1.8)
    assert motion.camera.image_size == IMAGE
    blender.run_script(FOOTAGE_IS_THERE, out / f"{stem}_0_lifted.blend", *IMAGE)
    blender.run_script(HERE / "round_trip.py", out / f"{stem}_0_lifted.blend", out / f"{stem}_0_lifted_Player.fbx", "Player")


@pytest.mark.parametrize(("arguments", "code", "text"), [
    (["--pack", "none", "--poses", "x.json", "--out", "."], 1, "no pack 'none' that lifts"),
    (["--pack", "tinylift", "--poses", "nowhere.json", "--out", "."], 1, "nowhere.json"),
    (["--pack", "tinylift", "--poses", "x.json", "--footage", "nowhere.mp4", "--out", "."], 1, "nowhere.mp4"),
    (["--pack", "tinylift", "--poses", "x.json", "--image-size", "big", "--out", "."], 2, "no size"),
])
def test_the_command_line_names_what_is_wrong(blender, arguments, code, text):
    done = blender.run("--background", "--command", "kinelift", "lift", *arguments, expect=code)
    assert text in done.stdout and "Traceback" not in done.stdout


@pytest.mark.parametrize("bpy_python", [DEMO_WHEEL], indirect=True)
def test_the_panel_offers_the_formats_and_joint_sets_that_are_read(bpy_python, tmp_path: Path):
    done = bpy_python.run("import json\nfrom kinelift.addon.lift import properties\n"
                          "print(json.dumps([[name for name, _ in properties.FORMATS], [name for name, _ in properties._joint_sets()]]))")
    assert json.loads(done.stdout.splitlines()[-1]) == [list(FORMATS), joint_set_names()]
