"""The camera that filmed a motion, and the footage behind what it sees."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.motion.motion3d import Camera
from .footage import Footage, load_image
from .keying import key_channels
from .resampling import scene_fps

SENSOR_WIDTH = 36.0
"""Millimetres, of a film camera: focal lengths are then those people know."""

SCALE_PROPERTY = "kinelift_scale"
"""Custom property of a camera: how large the world is that it films, where the motion's is 1."""


def make_camera(name: str, camera: Camera, scene: bpy.types.Scene) -> bpy.types.Object:
    """Makes the camera that filmed a motion, makes it the scene's, and gives the scene the size of its pictures.

    It stands in the scene's own collection: a camera of a hidden one shows no footage. The camera's pixels are square.
    """
    data = bpy.data.cameras.new(name)
    item = bpy.data.objects.new(name, data)
    scene.collection.objects.link(item)
    width, height = camera.image_size
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_WIDTH
    data.lens = camera.K[0, 0] * SENSOR_WIDTH / width
    data.shift_x, data.shift_y = (width / 2 - camera.K[0, 2]) / width, (camera.K[1, 2] - height / 2) / width
    axes = camera.R.T * [1, -1, -1]  # Blender's camera looks along -Z and has y up
    item.matrix_world = Matrix.Translation(-camera.R.T @ camera.t) @ Matrix(axes.tolist()).to_4x4()
    item[SCALE_PROPERTY] = 1.0
    scene.camera = item
    render = scene.render
    render.resolution_x, render.resolution_y = width, height
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    return item


def rescale(camera: bpy.types.Object, scale: float) -> None:
    """Moves a camera so that a world `scale` times as large as the motion's looks the same to it."""
    camera.location *= scale / camera.get(SCALE_PROPERTY, 1.0)
    camera[SCALE_PROPERTY] = scale


def show_footage(camera: bpy.types.Object, footage: Footage, scene: bpy.types.Scene) -> None:
    """Puts footage behind what a camera sees. Its frames keep their own time, whatever the scene's frame rate. Raises KineliftError."""
    image, length = load_image(footage)
    data = camera.data
    background = data.background_images.new()
    background.image, background.alpha, background.display_depth, background.frame_method = image, 1.0, "BACK", "FIT"
    data.show_background_images = True
    user, fps = background.image_user, scene_fps(scene)
    if image.source == "FILE":
        return
    frames = math.ceil(length * fps / footage.fps)
    user.frame_start, user.frame_duration, user.use_auto_refresh = scene.frame_start, max(frames, length), True
    user.frame_offset = footage.start
    if abs(fps - footage.fps) > 1e-3:
        times = np.arange(frames)
        offsets = footage.start + np.round(times * footage.fps / fps) - times
        path = f"background_images[{len(data.background_images) - 1}].image_user.frame_offset"
        key_channels(data, f"{camera.name} Footage", {(path, 0, "Footage"): offsets}, scene.frame_start)
