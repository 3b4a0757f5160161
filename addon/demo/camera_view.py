"""Where a camera sees things, and what lies where in its picture."""

from __future__ import annotations

import bpy
import numpy as np

AROUND = 1.25
"""Of the subject's size, what is seen of the picture."""

NEAR = 0.5
"""Metres from the camera at which things lie that are before everything else."""


def in_picture(camera: bpy.types.Object, points: np.ndarray) -> np.ndarray:
    """Pixels [N,2] of the whole picture, from the top left, where a camera sees points [N,3] of the world."""
    scene = bpy.context.scene
    width, height = scene.render.resolution_x, scene.render.resolution_y
    projection = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=width, y=height)
    view = np.array(projection @ camera.matrix_world.inverted())
    clip = np.concatenate([points, np.ones((len(points), 1))], 1) @ view.T
    return (clip[:, :2] / clip[:, 3:] * [1, -1] + 1) / 2 * [width, height]


def windows_around(boxes: np.ndarray, image: tuple[int, int], aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Parts of a picture of one size [2] around boxes [N,4] (left, top, right, bottom): the upper left corner [N,2] of each. All in pixels. A
    window stays within the picture; `aspect` is its width / height."""
    needed = AROUND * (boxes[:, 2:] - boxes[:, :2]).max(0)
    high = min(max(needed[1], needed[0] / aspect), image[1], image[0] / aspect)
    size = np.array([high * aspect, high])
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.clip(middles - size / 2, 0, np.array(image) - size), size


def before_the_camera(camera: bpy.types.Object, shares: np.ndarray) -> np.ndarray:
    """Places [N,3] in the world, close to the camera, that it sees at these shares [N,2] of the whole picture, from the top left."""
    right_top, _, left_bottom, left_top = (np.array(corner) for corner in camera.data.view_frame(scene=bpy.context.scene))
    flat = left_top + shares[:, :1] * (right_top - left_top) + shares[:, 1:] * (left_bottom - left_top)
    world = np.array(camera.matrix_world)
    return flat / -left_top[2] * NEAR @ world[:3, :3].T + world[:3, 3]
