"""Runs inside Blender: a made camera sees a motion's stick where the camera that filmed it had the joints, and footage keeps its time.

Arguments: motion files, each with the camera that filmed it, and beside each the pixels [T,J,2] it saw as .npy.
"""

import sys
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view

if "kinelift" not in sys.modules:  # a whole Blender; the wheels' runner has done it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
    from in_wheel import add_checkout

    add_checkout()

from kinelift.addon.scene.cameras import make_camera, rescale, show_footage
from kinelift.addon.scene.footage import Footage, beside, facts_of
from kinelift.addon.scene.stick import TIP, make_stick
from kinelift.backend.errors import KineliftError
from kinelift.backend.motion.motion3d import Motion3D

FILES = [Path(argument) for argument in sys.argv[1:] if argument.endswith(".npz")]
FOLDER = FILES[0].parent


def fresh_scene(fps):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps, scene.frame_start = fps, 11
    return scene


def pixels(scene, camera, places):
    """[N,2] of world places [N,3], from the top left."""
    seen = np.array([world_to_camera_view(scene, camera, place) for place in places])
    size = np.array([scene.render.resolution_x, scene.render.resolution_y])
    return seen[:, :2] * [1, -1] * size + [0, size[1]]


def test_the_stick_stands_on_the_picture(file):
    scene, motion, wanted = fresh_scene(30), Motion3D.load(file), np.load(file.with_suffix(".npy"))
    stick = make_stick("Walk", motion, scene.frame_start, scene.collection)
    camera = make_camera("Walk Camera", motion.camera, scene)
    assert scene.camera == camera and (scene.render.resolution_x, scene.render.resolution_y) == motion.camera.image_size
    assert camera.data.shift_x or camera.data.shift_y or np.allclose(motion.camera.K[:2, 2] * 2, motion.camera.image_size)
    for scale in (1.0, 0.7, 1.2, 1.0):
        stick.scale = (scale, scale, scale)
        rescale(camera, scale)
        for frame in range(0, motion.frames, 7):
            scene.frame_set(scene.frame_start + frame)
            posed = stick.evaluated_get(bpy.context.evaluated_depsgraph_get())
            for joint, name in enumerate(motion.joint_names):
                bone = posed.pose.bones[name + TIP if name + TIP in posed.pose.bones else motion.joint_names[motion.parents.index(joint)]]
                off = np.abs(pixels(scene, camera, [posed.matrix_world @ bone.head]) - wanted[frame, joint]).max()
                assert off < 0.1, (file.name, scale, frame, name, off)


def numbered_images(first, count):
    image = bpy.data.images.new("Frame", 32, 18)
    paths = []
    for number in range(first, first + count):
        image.filepath_raw, image.file_format = str(FOLDER / f"frame_{number:04d}.png"), "PNG"
        image.save()
        paths.append(FOLDER / f"frame_{number:04d}.png")
    return paths


def shown_frames(scene, camera, count):
    """The number of the image behind the camera at the scene's first frames, as Blender counts: from 1, plus the offset."""
    found = []
    for frame in range(scene.frame_start, scene.frame_start + count):
        scene.frame_set(frame)
        user = camera.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.background_images[0].image_user
        found.append(frame - user.frame_start + 1 + user.frame_offset)
    return found


def test_footage_keeps_its_time():
    camera_of = Motion3D.load(FILES[0]).camera
    for fps in (24, 30, 60, 15):
        scene = fresh_scene(fps)
        images = numbered_images(1, 20)
        camera = make_camera("Camera", camera_of, scene)
        show_footage(camera, Footage(images[0], 30.0, 3), scene)
        background = camera.data.background_images[0]
        assert background.image.source == "SEQUENCE" and camera.data.show_background_images
        assert background.image_user.frame_duration >= 20 * fps / 30
        count = 17 * fps // 30
        found, wanted = shown_frames(scene, camera, count), 4 + np.arange(count) * 30 / fps
        assert np.abs(np.array(found) - wanted).max() <= 0.5, (fps, found)


def test_footage_tells_its_size():
    image = numbered_images(5, 1)[0]
    before = len(bpy.data.movieclips), len(bpy.data.images)
    facts = facts_of(image)
    assert facts.size == (32, 18) and facts.fps == 0, facts
    broken = FOLDER / "dance.mp4"
    broken.write_bytes(b"no movie")
    assert beside(FOLDER / "dance.json") == broken and beside(FOLDER / "dance") == broken and beside(FOLDER / "song.json") is None
    (FOLDER / "broken.png").write_bytes(b"no image")
    for path in (broken, FOLDER / "broken.png", FOLDER / "nowhere.mp4", FOLDER / "nowhere.png"):
        assert str(path) in str(error_of(path))
    broken.unlink()
    assert (len(bpy.data.movieclips), len(bpy.data.images)) == before


def error_of(path):
    try:
        facts_of(path)
    except KineliftError as error:
        return error
    raise AssertionError(f"{path} was taken for footage")


for path in FILES:
    test_the_stick_stands_on_the_picture(path)
test_footage_keeps_its_time()
test_footage_tells_its_size()
print("the camera sees it")
