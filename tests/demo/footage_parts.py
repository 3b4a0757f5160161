"""Runs in the bpy wheel: what is over the footage is where the camera sees it, and the footage is that of the moment."""

import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

from kinelift.addon.demo.camera_view import before_the_camera, in_picture, windows_around
from kinelift.addon.demo.over_footage import Lifted, add_lines, azimuth_aside
from kinelift.addon.demo.screen import footage_scene, laid_over, picture_at
from kinelift.addon.scene.cameras import make_camera, show_footage
from kinelift.addon.scene.footage import Footage
from kinelift.backend.motion.motion3d import Camera, Motion3D

FOLDER = Path(sys.argv[1])
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
scene = bpy.context.scene
scene.render.fps, scene.frame_start = 30, 11
axes = np.array([[1.0, 0, 0], [0, -0.1, -1], [0, 1, -0.1]])
axes /= np.linalg.norm(axes, axis=1, keepdims=True)
filmed = Camera(np.array([[50.0, 0, 30], [0, 50, 22], [0, 0, 1]]), axes, np.array([0.2, 0.9, 6.0]), (64, 36))
camera = make_camera("Camera", filmed, scene)
bpy.context.view_layer.update()

points = np.random.default_rng(0).normal(0, 0.5, (20, 3))
seen = in_picture(camera, points)
assert np.abs(seen - filmed.project(points)).max() < 1e-3
shares = np.random.default_rng(1).uniform(0, 1, (20, 2))
near = before_the_camera(camera, shares)
assert np.abs(in_picture(camera, near) - shares * (64, 36)).max() < 1e-3
assert all(0.2 < world_to_camera_view(scene, camera, Vector(place)).z < 1 for place in near)

corners, size = windows_around(np.array([[10.0, 10, 20, 50], [90, 5, 99, 20]]), (100, 80), 0.5)
assert np.allclose(size, (25, 50)) and np.allclose(corners, [(2.5, 5), (75, 0)]), (corners, size)
corners, size = windows_around(np.array([[-50.0, 10, 200, 50]]), (100, 80), 0.8)
assert np.allclose(size, (64, 80)) and (corners >= 0).all() and (corners + size <= (100, 80)).all(), "no larger than the picture"

half = np.array([[[1.0, 0, 0, 0.25]]])
assert np.allclose(laid_over(np.array([[[0.0, 1, 0, 1]]]), half), [0.25, 0.75, 0, 1])

filming = Matrix.Translation((0, -5, 1)) @ Matrix.Rotation(np.pi / 2, 4, "X")
for forward, side in (((-1.0, 0.1), -1), ((1.0, 0.1), 1)):
    assert np.sign(np.sin(azimuth_aside(filming, np.array(forward)))) == side, "it looks at the back"

for number in range(1, 11):
    image = bpy.data.images.new("Frame", 64, 36)
    image.generated_color = (number / 10, 0.5, 1 - number / 10, 1)
    image.filepath_raw, image.file_format = str(FOLDER / f"frame_{number:02d}.png"), "PNG"
    image.save()
show_footage(camera, Footage(FOLDER / "frame_01.png", 30.0, 3), scene)
motion = Motion3D(np.zeros((4, 1, 3)), ["A"], [-1], 30.0, camera=filmed, provenance={"first_frame": 2})
poses = {"keypoints": np.arange(24.0).reshape(1, 12, 1, 2), "confidences": np.ones((1, 12, 1)), "fps": np.float64(60)}
lifted = Lifted(SimpleNamespace(camera=camera, delay=2), motion, poses, None, [])
screen = footage_scene(camera.data.background_images[0])
for frame in (13, 15):
    scene.frame_set(frame)
    middle = picture_at(frame, camera, screen, (32, 18), FOLDER)[9, 16]
    number = frame - 11 + 1 + 3
    assert np.abs(middle[:3] - (number / 10, 0.5, 1 - number / 10)).max() < 0.02, (frame, middle)
    assert lifted.at(frame) == frame - 13 and lifted.seen(frame)[0][0, 0] == 2 * 2 * (2 + frame - 13), "the poses are those of another moment"
scene.render.resolution_x, scene.render.resolution_y = 640, 360  # as the sheet renders, which is another size than the video's
joint, = add_lines(lifted, 13, 1.0)
assert np.abs(in_picture(camera, np.array([joint.location])) / 10 - lifted.seen(13)[0]).max() < 1e-2 and not joint.visible_shadow
poses["confidences"][:] = 0
assert not add_lines(lifted, 13, 1.0), "joints that nobody saw are drawn"
print("over the footage")
