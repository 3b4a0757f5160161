"""`preview`: what motion files look like, as stick figures with shadows: a contact sheet (.png) or an animation (.gif)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.motion.cameras import project_perspective, view_axes
from backend.motion.files import write_bytes
from backend.motion.motion3d import Motion3D
from backend.motion.roles import joint_roles
from rigs import drawn_from, skeleton_names

PAPER, FLOOR, SHADOW = (250, 250, 248), (222, 224, 226), (196, 198, 202)
MIDDLE, LEFT, RIGHT, OBJECT = (88, 92, 100), (38, 110, 200), (212, 88, 36), (236, 160, 32)
SHARPNESS = 3  # drawn this much larger, then reduced
DISTANCE = 4.0  # of the camera, in heights of the picture's content
FOLLOWS_SECONDS = 0.5  # how lazily the camera follows
BONE_SHARE, OBJECT_SHARE = 0.022, 0.05  # thickness of a bone and radius of an object, of the content's height
FRAMES_A_SECOND = 10
CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
EDGES = [(one, other) for one in range(8) for other in range(one) if np.abs(CUBE[one] - CUBE[other]).sum() == 1]


class Stage:
    """One motion before a camera that follows it. azimuth, elevation: radians, 0 looks at the face of who faces -Y, from the level."""

    def __init__(self, motion: Motion3D, azimuth: float, elevation: float, size: tuple[int, int]):
        self.motion, self.size = motion, size
        self.axes = view_axes(torch.tensor(azimuth), torch.tensor(elevation)).double()
        points = motion.positions.astype(np.float64)
        root = gaussian_filter1d(points.mean(1)[:, :2], FOLLOWS_SECONDS * motion.fps, axis=0, mode="nearest")
        around = points - np.append(root, np.zeros((len(root), 1)), 1)[:, None]
        wide = 2 * np.percentile(np.linalg.norm(around[..., :2], axis=-1), 99) * size[1] / size[0]
        heights = points[..., 2] if motion.object_positions is None else np.concatenate([points[..., 2], motion.object_positions[..., 2]], 1)
        top = np.percentile(heights.max(1), 99)
        self.content = 1.15 * max(top, wide, 1e-3)
        self.centres = np.column_stack([root, np.full(len(root), top / 2)])
        roles = _roles(motion)
        self.colours = [{"L": LEFT, "R": RIGHT}.get(role.rpartition(".")[2], MIDDLE) for role in roles]
        tree = [(joint, between) for joint, between in enumerate(drawn_from(motion.parents, roles)) if between]
        across = {between for _, between in tree if len(between) == 2}
        self.bones = tree + [(one, (other,)) for one, other in across]

    def draw(self, frame: int) -> Image.Image:
        """A frame, 0 to T - 1."""
        width, height = (SHARPNESS * side for side in self.size)
        image = Image.new("RGB", (width, height), PAPER)
        pen = ImageDraw.Draw(image)
        points = self.motion.positions[frame].astype(np.float64)
        starts = np.array([points[list(between)].mean(0) for _, between in self.bones])
        ends = [joint for joint, _ in self.bones]
        thickness = max(1, round(BONE_SHARE * height))
        self._floor(pen, frame, height)
        for shadow in zip(self._to_pixels(starts * [1, 1, 0], frame), self._to_pixels(points[ends] * [1, 1, 0], frame)):
            _bone(pen, *shadow, SHADOW, thickness)
        things = self.motion.object_positions[frame].astype(np.float64) if self.motion.object_positions is not None else np.zeros((0, 3))
        radius = OBJECT_SHARE * height
        boxes, things = self._boxes(frame, things)
        for edge in boxes:
            _bone(pen, *self._to_pixels(edge * [1, 1, 0], frame), SHADOW, thickness)
        for spot in self._to_pixels(things * [1, 1, 0], frame):
            _disc(pen, spot, 0.6 * radius, SHADOW)
        seen_things = self._to_pixels(things, frame)
        forward = self.axes[2].numpy()
        seen = zip(ends, starts, self._to_pixels(starts, frame), self._to_pixels(points[ends], frame))
        parts = [((points[joint] + start) @ forward / 2, _bone, (*bone, self.colours[joint], thickness)) for joint, start, *bone in seen]
        parts += [(thing @ forward, _disc, (spot, radius, OBJECT)) for thing, spot in zip(things, seen_things, strict=True)]
        parts += [(edge.mean(0) @ forward, _bone, (*self._to_pixels(edge, frame), OBJECT, thickness)) for edge in boxes]
        for _, draw, what in sorted(parts, key=lambda part: -part[0]):
            draw(pen, *what)
        return image.resize(self.size, Image.Resampling.LANCZOS)

    def _boxes(self, frame: int, things: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The edges [E,2,3] of objects that have a size and a rotation, and the others' places [K',3]."""
        motion = self.motion
        if motion.object_rotations is None or motion.object_sizes is None:
            return np.zeros((0, 2, 3)), things
        boxes = motion.object_sizes.min(1) > 0
        turns = Rotation.from_quat(motion.object_rotations[frame, boxes], scalar_first=True).as_matrix()
        arms = (CUBE - 0.5) * motion.object_sizes[boxes][:, None]
        corners = arms @ turns.transpose(0, 2, 1) + things[boxes][:, None]
        return corners[:, EDGES].reshape(-1, 2, 3), things[~boxes]

    def _floor(self, pen: ImageDraw.ImageDraw, frame: int, height: int) -> None:
        step, reach = self.content / 4, 8
        middle = np.round(self.centres[frame, :2] / step)
        for along in (0, 1):
            for number in range(-reach, reach + 1):
                ends = np.zeros((2, 3))
                ends[:, along] = (middle[along] + np.array([-reach, reach])) * step
                ends[:, 1 - along] = (middle[1 - along] + number) * step
                pen.line([tuple(spot) for spot in self._to_pixels(ends, frame)], FLOOR, max(1, round(0.004 * height)))

    def _to_pixels(self, points: np.ndarray, frame: int) -> np.ndarray:
        width, height = (SHARPNESS * side for side in self.size)
        offset = torch.from_numpy(points - self.centres[frame])
        flat = project_perspective(offset, self.axes, DISTANCE * self.content, self.content).numpy()
        return np.array([width / 2, height / 2]) + flat * [height, -height]


def contact_sheet(motions: Sequence[Motion3D], columns: int, azimuth: float, elevation: float, size: tuple[int, int]) -> Image.Image:
    """A row a motion, `columns` moments spread evenly over it."""
    sheet = Image.new("RGB", (columns * size[0], len(motions) * size[1]), PAPER)
    for row, motion in enumerate(motions):
        stage = Stage(motion, azimuth, elevation, size)
        for column, frame in enumerate(np.linspace(0, motion.frames - 1, columns).round().astype(int)):
            sheet.paste(stage.draw(int(frame)), (column * size[0], row * size[1]))
    return _in_few_colours(sheet)


def animation(motions: Sequence[Motion3D], azimuth: float, elevation: float, size: tuple[int, int]) -> bytes:
    """A GIF that plays the motions side by side in real time, as long as the longest; the others wait in their last frame."""
    stages = [Stage(motion, azimuth, elevation, size) for motion in motions]
    seconds = max(motion.frames / motion.fps for motion in motions)
    count = max(1, int(seconds * FRAMES_A_SECOND))
    pictures = []
    for number in range(count):
        picture = Image.new("RGB", (len(motions) * size[0], size[1]), PAPER)
        for column, (motion, stage) in enumerate(zip(motions, stages, strict=True)):
            frame = min(round(number / FRAMES_A_SECOND * motion.fps), motion.frames - 1)
            picture.paste(stage.draw(frame), (column * size[0], 0))
        pictures.append(_in_few_colours(picture))
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / FRAMES_A_SECOND), loop=0)
    return file.getvalue()


def _roles(motion: Motion3D) -> list[str]:
    """A role a joint, "" where the skeleton is unknown or gives it none."""
    known = joint_roles(motion, "") if motion.roles or motion.skeleton in skeleton_names() else {}
    return [known.get(name, "") for name in motion.joint_names]


def _in_few_colours(image: Image.Image) -> Image.Image:
    """The image with a palette of what is drawn, and of its soft edges: a tenth of the size, and no colour is lost."""
    colours = [PAPER, FLOOR, SHADOW, MIDDLE, LEFT, RIGHT, OBJECT]
    edges = [tuple((2 * a + b) // 3 for a, b in zip(one, other, strict=True)) for one in colours for other in (PAPER, SHADOW) if one != other]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in colours + edges for value in colour])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _bone(pen: ImageDraw.ImageDraw, one: np.ndarray, other: np.ndarray, colour: tuple[int, int, int], thickness: int) -> None:
    pen.line([tuple(one), tuple(other)], colour, thickness)
    for spot in (one, other):
        _disc(pen, spot, thickness / 2, colour)


def _disc(pen: ImageDraw.ImageDraw, spot: np.ndarray, radius: float, colour: tuple[int, int, int]) -> None:
    pen.ellipse([*(spot - radius), *(spot + radius)], colour)


def add_arguments(parser) -> None:
    parser.add_argument("motions", type=Path, nargs="+", help="motion files (.npz)")
    parser.add_argument("--to", type=Path, required=True, help="a contact sheet (.png) or an animation (.gif)")
    parser.add_argument("--columns", type=int, default=8, help="moments of a motion on a contact sheet")
    parser.add_argument("--azimuth", type=float, default=35.0, help="degrees the camera stands to the side of who faces -Y")
    parser.add_argument("--elevation", type=float, default=10.0, help="degrees it looks down")
    parser.add_argument("--size", type=int, nargs=2, default=(240, 240), metavar=("WIDTH", "HEIGHT"), help="pixels of one picture")


def run(arguments) -> int:
    if arguments.to.suffix.lower() not in (".png", ".gif"):
        raise KineliftError("a preview is a contact sheet or an animation", "End the name in .png or .gif", str(arguments.to), "bad-setting")
    if arguments.columns < 1 or min(arguments.size) < 16:
        raise KineliftError("there is no room to draw", "Ask for at least 1 column and pictures of 16 x 16", code="bad-setting")
    motions = [Motion3D.load(path) for path in arguments.motions]
    azimuth, elevation, size = np.radians(arguments.azimuth), np.radians(arguments.elevation), tuple(arguments.size)
    if arguments.to.suffix.lower() == ".gif":
        content = animation(motions, azimuth, elevation, size)
    else:
        file = io.BytesIO()
        contact_sheet(motions, arguments.columns, azimuth, elevation, size).save(file, "PNG", optimize=True)
        content = file.getvalue()
    print(write_bytes(arguments.to, content))
    return 0
