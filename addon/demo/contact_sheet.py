"""A motion as one picture: several frames side by side, each with its time."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from . import materials, stage

CELL = (400, 500)
COLUMNS = 5
GAP = 6
SAMPLES = 20
VIEWS = (0.65, -0.65, 1.05, -1.05)
"""Angles between the character's mean facing and the camera, best first."""

FOLLOW_BEYOND = 1.15
"""The camera stands still unless seeing the whole way takes that much more distance than seeing the character."""

SEEN_WITH = 3.5
"""Metres from the character up to which a thrown ball is kept in the picture."""


@dataclass
class Shot:
    """What there is to see at one frame: points [N,3] on the surface, the character's middle [3], its facing [2]."""

    frame: int
    points: np.ndarray
    middle: np.ndarray
    facing: np.ndarray


@dataclass
class Framing:
    """Where the camera looks at each shot, from how far and from which side."""

    targets: list[np.ndarray]
    distance: float
    azimuth: float


def render_contact_sheet(path: Path, body: bpy.types.Object, hips: tuple[str, str], ball: bpy.types.Object | None,
                         frames: Iterable[int]) -> Path:
    """Renders `frames` of the scene to one PNG.

    `body` is a mesh with an Armature modifier, `hips` are the names of that armature's left and right thigh bones, `ball`
    is kept in the picture. The scene needs light; a camera and captions are made and stay.
    """
    scene = bpy.context.scene
    shots = [_shot(scene, body, hips, ball, frame) for frame in frames]
    framing = _framing(shots)
    camera = scene.camera or stage.add_camera()
    caption = _add_caption(camera)
    set_up_render(scene, CELL)
    fps = scene.render.fps / scene.render.fps_base
    with tempfile.TemporaryDirectory() as folder:
        cells = []
        for shot, target in zip(shots, framing.targets):
            scene.frame_set(shot.frame)
            stage.look_at(camera, target, framing.distance, framing.azimuth)
            caption.data.body = f"{(shot.frame - scene.frame_start) / fps:.1f} s   frame {shot.frame}"
            scene.render.filepath = str(Path(folder) / f"{shot.frame}.png")
            bpy.ops.render.render(write_still=True)
            cells.append(read_picture(Path(scene.render.filepath)))
    return write_picture(path, arranged(cells))


def _shot(scene: bpy.types.Scene, body: bpy.types.Object, hips: tuple[str, str], ball: bpy.types.Object | None, frame: int) -> Shot:
    scene.frame_set(frame)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = body.evaluated_get(depsgraph)
    vertices = np.empty(len(evaluated.data.vertices) * 3, np.float32)
    evaluated.data.vertices.foreach_get("co", vertices)
    world = np.array(evaluated.matrix_world)
    points = vertices.reshape(-1, 3)[::20] @ world[:3, :3].T + world[:3, 3]
    middle = (points.min(0) + points.max(0)) / 2
    if ball is not None:
        centre = np.array(ball.evaluated_get(depsgraph).matrix_world.translation)
        if np.linalg.norm(centre - middle) < SEEN_WITH:
            points = np.concatenate([points, centre + stage.BALL_RADIUS * np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0]])])
    armature = next(modifier.object for modifier in body.modifiers if modifier.type == "ARMATURE")
    left, right = (np.array(armature.matrix_world @ armature.pose.bones[name].head) for name in hips)
    facing = np.cross(left - right, [0, 0, 1])[:2]
    return Shot(frame, points, middle, facing / (np.linalg.norm(facing) + 1e-9))


def _framing(shots: list[Shot]) -> Framing:
    """One camera for all shots: still if that shows the character large enough, else moving along."""
    aspect = CELL[0] / CELL[1]
    everything = np.concatenate([shot.points for shot in shots])
    whole = (everything.min(0) + everything.max(0)) / 2
    facing = np.mean([shot.facing for shot in shots], 0)
    front = math.atan2(facing[0], -facing[1])
    best = min(((stage.fitting_distance(everything, whole, front + turn, aspect) * (1 + 0.05 * rank), front + turn)
                for rank, turn in enumerate(VIEWS)))
    azimuth = best[1]
    still = stage.fitting_distance(everything, whole, azimuth, aspect)
    targets = [np.array([*(shot.points[:, :2].min(0) + shot.points[:, :2].max(0)) / 2, whole[2]]) for shot in shots]
    moving = max(stage.fitting_distance(shot.points, target, azimuth, aspect) for shot, target in zip(shots, targets))
    if still <= FOLLOW_BEYOND * moving:
        return Framing([whole] * len(shots), still, azimuth)
    return Framing(targets, moving, azimuth)


def _add_caption(camera: bpy.types.Object) -> bpy.types.Object:
    """A line of text that stays in the picture's lower left corner."""
    high = stage.SENSOR / stage.LENS
    wide = high * CELL[0] / CELL[1]
    caption = bpy.data.objects.new("Caption", bpy.data.curves.new("Caption", "FONT"))
    caption.data.size = high * 0.038
    caption.data.materials.append(materials.ink())
    caption.parent = camera
    caption.location = (-wide / 2 + high * 0.03, -high / 2 + high * 0.03, -1)
    caption.visible_shadow = caption.visible_diffuse = caption.visible_glossy = False
    bpy.context.scene.collection.objects.link(caption)
    return caption


def set_up_render(scene: bpy.types.Scene, size: tuple[int, int]) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.max_bounces = 4
    scene.cycles.use_denoising = scene.cycles.denoiser == "OPENIMAGEDENOISE"  # builds without a denoiser have none to name
    scene.render.use_persistent_data = True
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.dither_intensity = 0.0  # noise that PNG can't pack
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = 0.3


def read_picture(path: Path) -> np.ndarray:
    """A picture as [height, width, 4], bottom row first."""
    image = bpy.data.images.load(str(path))
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    wide, high = image.size
    bpy.data.images.remove(image)
    return pixels.reshape(high, wide, 4)


def arranged(cells: list[np.ndarray], columns: int = COLUMNS) -> np.ndarray:
    """Cells of one size in reading order on white, as [height, width, 4], bottom row first."""
    rows = math.ceil(len(cells) / columns)
    high, wide = cells[0].shape[:2]
    sheet = np.ones((rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP, 4), np.float32)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        bottom, left = (rows - 1 - row) * (high + GAP), column * (wide + GAP)
        sheet[bottom:bottom + high, left:left + wide] = cell
    return sheet


def write_picture(path: Path, pixels: np.ndarray) -> Path:
    high, wide = pixels.shape[:2]
    image = bpy.data.images.new("Contact Sheet", wide, high)
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path
