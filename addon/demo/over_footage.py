"""A lifted video as a picture: above the rig over the footage, seen by the camera that the lift made, with the 2D poses that were lifted as lines;
below the same moments from another side. Without footage the ground is plain.

Runs in the bpy wheel with the packaged extension; `build.py footage` runs it. Everything up to the keys is what clicks in the panel do.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from kinelift.addon.demo import contact_sheet, materials, stage
from kinelift.addon.demo.camera_view import before_the_camera, in_picture, windows_around
from kinelift.addon.demo.make_demo import finished, install
from kinelift.addon.demo.screen import footage_scene, laid_over, picture_at
from kinelift.addon.demo.side_by_side import METARIGS, PICTURES, SAMPLES, Source, add_stick, character, facing, framing, points_of, rigify, side_of
from kinelift.backend.motion.files import read_npz
from kinelift.backend.motion.motion3d import Motion3D

FPS = 30
CELL = (264, 330)
ASIDE = 1.15
"""Radians between the camera that filmed and the one that looks from another side, towards the face."""

THROUGH = 0.72
"""How opaque the rig is over footage, so that one sees on whom it stands."""

LINE = 1.1
"""Pixels of a cell: half the width of the lines of the 2D poses."""

SURE = 0.3
"""Confidence from which a joint of the 2D poses is drawn."""


@dataclass(frozen=True)
class Lifted:
    """What the lift left in the scene: a take with its camera, the motion, the 2D poses as the lift got them, and on what they are."""

    take: bpy.types.PropertyGroup
    motion: Motion3D
    poses: dict[str, np.ndarray]
    rig: bpy.types.Object
    bodies: list[bpy.types.Object]

    def at(self, frame: int) -> int:
        """The motion's frame at a frame of the scene."""
        return min(max(round((frame - self.begin) / FPS * self.motion.fps), 0), self.motion.frames - 1)

    @property
    def begin(self) -> int:
        return bpy.context.scene.frame_start + self.take.delay

    def seen(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [J,2] of the 2D poses at a frame of the scene, and how sure each is."""
        time = (self.motion.provenance["first_frame"] + self.at(frame)) / self.motion.fps
        number = min(round(time * float(self.poses["fps"])), self.poses["keypoints"].shape[1] - 1)
        joints = slice(len(self.motion.joint_names))
        return self.poses["keypoints"][0, number, joints], self.poses["confidences"][0, number, joints]


def lift(wish: argparse.Namespace, rig: bpy.types.Object, bodies: list[bpy.types.Object]) -> Lifted:
    """Reads the poses and lifts them on the rig, as the panel does."""
    scene = bpy.context.scene
    finished(bpy.ops.kinelift.import_poses(filepath=str(wish.poses)))
    settings = scene.kinelift_lift
    settings.pack_name = wish.pack
    settings.footage, settings.counts_from = str(wish.footage or ""), wish.counts_from
    settings.height = wish.height or settings.height
    if wish.track:
        for track in settings.tracks:
            track.chosen = track.name == wish.track
    scene.kinelift_retarget.target = rig
    if wish.rig in METARIGS:
        scene.kinelift_keys.controls = "IK"
    finished(bpy.ops.kinelift.lift())
    take = scene.kinelift_takes[0]
    motion = Motion3D.load(take.motion_file)
    poses = read_npz(Path(take.motion_file).with_name(f"{wish.poses.stem}.npz"), "2D pose file", "Lift again", "bad-poses",
                     needed=("keypoints", "confidences", "fps"))
    return Lifted(take, motion, poses, rig, bodies)


def add_lines(lifted: Lifted, frame: int, pixel: float) -> list[bpy.types.Object]:
    """The 2D poses as lines over the picture; `pixel`: how many of the video's pixels one of the sheet's is."""
    camera, size, (pixels, sure) = lifted.take.camera, lifted.motion.camera.image_size, lifted.seen(frame)
    places = before_the_camera(camera, pixels / size)
    wide = np.ptp(before_the_camera(camera, np.array([[0.0, 0], [pixel * LINE / size[0], 0]])), axis=0)
    kept = np.flatnonzero(sure > SURE)
    order = {joint: number for number, joint in enumerate(kept)}
    parents = [order.get(lifted.motion.parents[joint], -1) for joint in kept]
    source = Source(places[None, kept], parents, [""] * len(kept), [])  # characters are of the colours that sides have
    made = add_stick(source, 0, float(np.linalg.norm(wide)))
    for item in made:
        item.visible_shadow = item.visible_diffuse = item.visible_glossy = False
    return made


def over_the_footage(lifted: Lifted, frames: list[int], floor: bpy.types.Object, folder: Path) -> list[np.ndarray]:
    """Cells of the upper row. The floor shows nothing but shadows."""
    scene, camera = bpy.context.scene, lifted.take.camera
    image = (scene.render.resolution_x, scene.render.resolution_y)
    boxes = []
    for frame in frames:
        scene.frame_set(frame)
        pixels, sure = lifted.seen(frame)
        seen = np.concatenate([in_picture(camera, points_of(lifted.bodies)), pixels[sure > SURE]])
        boxes.append([*seen.min(0), *seen.max(0)])
    corners, part = windows_around(np.array(boxes), image, CELL[0] / CELL[1])
    share = CELL[1] / part[1]
    whole = (max(round(image[0] * share), CELL[0]), max(round(image[1] * share), CELL[1]))
    screen = footage_scene(camera.data.background_images[0]) if camera.data.background_images else None
    contact_sheet.set_up_render(scene, whole)
    scene.cycles.samples, scene.render.film_transparent, scene.camera = 3 * SAMPLES, True, camera  # no denoiser smooths outlines
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.use_border, floor.is_shadow_catcher = True, True
    scene.render.filepath = str(folder / "rig.png")
    cells = []
    for frame, corner in zip(frames, corners, strict=True):
        scene.frame_set(frame)
        left, top = (min(round(place * share), most - side) for place, most, side in zip(corner, whole, CELL, strict=True))
        bottom = whole[1] - top - CELL[1]
        render = scene.render
        render.border_min_x, render.border_max_x = left / whole[0], (left + CELL[0]) / whole[0]
        render.border_min_y, render.border_max_y = bottom / whole[1], (bottom + CELL[1]) / whole[1]
        lines = add_lines(lifted, frame, 1 / share)
        bpy.ops.render.render(write_still=True)
        for item in lines:
            bpy.data.objects.remove(item)
        picture = contact_sheet.read_picture(Path(render.filepath))
        if screen is None:
            behind = np.broadcast_to(np.float32([*materials.BACKGROUND, 1]), picture.shape)
        else:
            behind = picture_at(frame, camera, screen, whole, folder)
            picture[..., 3] *= THROUGH
        cells.append(laid_over(behind, picture)[bottom:bottom + CELL[1], left:left + CELL[0]])
    scene.render.film_transparent = scene.render.use_border = floor.is_shadow_catcher = False
    return cells


def from_aside(lifted: Lifted, frames: list[int], floor: bpy.types.Object, folder: Path) -> list[np.ndarray]:
    """Cells of the lower row."""
    scene, motion, seen = bpy.context.scene, lifted.motion, []
    for frame in frames:
        scene.frame_set(frame)
        seen.append(points_of(lifted.bodies))
    sides = [side_of(name) for name in motion.joint_names]
    forward = np.mean([facing(motion.positions[lifted.at(frame)], sides) for frame in frames], axis=0)
    azimuth = azimuth_aside(lifted.take.camera.matrix_world, forward)
    targets, _, distance = framing(seen, azimuth, CELL[0] / CELL[1])
    contact_sheet.set_up_render(scene, CELL)
    scene.cycles.samples = SAMPLES
    camera, cells = stage.add_camera(), []
    scene.render.filepath = str(folder / "aside.png")
    for frame, target in zip(frames, targets, strict=True):
        scene.frame_set(frame)
        stage.look_at(camera, target, distance, azimuth)
        floor.location.xy = np.round(target[:2])
        bpy.ops.render.render(write_still=True)
        cells.append(contact_sheet.read_picture(Path(scene.render.filepath)))
    return cells


def azimuth_aside(filming: Matrix, forward: np.ndarray) -> float:
    """The azimuth of a camera ASIDE of the one that filmed, on the side to which a character faces (forward [2])."""
    back = np.array(filming)[:2, 2]
    azimuth = float(np.arctan2(back[0], -back[1]))
    return max((azimuth + turn for turn in (ASIDE, -ASIDE)), key=lambda angle: float(np.array([np.sin(angle), -np.cos(angle)]) @ forward))


def shown_frames(lifted: Lifted, start: float, seconds: float) -> list[int]:
    """PICTURES frames of the scene from `start` seconds of the take on; 0 seconds: to its end."""
    length = (lifted.motion.frames - 1) / lifted.motion.fps
    if not 0 <= start < length:
        raise SystemExit(f"the motion lasts {length:.1f} s: --start {start:g} is not in it")
    end = min(start + seconds, length) if seconds else length
    return (lifted.begin + np.linspace(start, end, PICTURES) * FPS).round().astype(int).tolist()


def arguments() -> argparse.Namespace:
    def path(text: str) -> Path:
        return Path(text).absolute()  # a virtual environment is known by the link to its Python

    parser = argparse.ArgumentParser(prog="build.py footage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--python", type=path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--pack", required=True, help="name or folder of a pack that lifts")
    parser.add_argument("--poses", type=path, required=True, help="a 2D pose file")
    parser.add_argument("--track", help="id of a track in it; the most prominent one without it")
    parser.add_argument("--footage", type=path, help="the movie, or the first of its numbered images")
    parser.add_argument("--counts-from", type=int, default=0, help="the number that the pose file gives the footage's first frame; below 0 where "
                        "the poses begin later in it")
    parser.add_argument("--height", type=float, default=0.0, help="metres the subject is tall; the pack's usual height without it")
    parser.add_argument("--rig", default="rigify-human", help=f"one of {', '.join(METARIGS)}, or a glTF character (.glb)")
    parser.add_argument("--start", type=float, default=0.0, help="seconds of the motion before the first moment")
    parser.add_argument("--seconds", type=float, default=0.0, help="seconds from the first moment to the last; to the end without it")
    parser.add_argument("--to", type=path, required=True, help="the picture")
    return parser.parse_args()


def main() -> None:
    wish = arguments()
    wish.to.parent.mkdir(parents=True, exist_ok=True)
    install(wish.package, wish.python)
    bpy.context.scene.render.fps = FPS
    rig, bodies = rigify(wish.rig) if wish.rig in METARIGS else character(Path(wish.rig).resolve())
    bpy.context.view_layer.update()
    lifted = lift(wish, rig, bodies)
    frames = shown_frames(lifted, wish.start, wish.seconds)
    rig.hide_render = True
    floor = stage.add_floor()
    stage.add_light()
    with tempfile.TemporaryDirectory() as folder:
        cells = over_the_footage(lifted, frames, floor, Path(folder)) + from_aside(lifted, frames, floor, Path(folder))
    contact_sheet.write_picture(wish.to, contact_sheet.arranged(cells, len(frames)))
    made, camera = lifted.motion.provenance, lifted.motion.camera
    print(f"{wish.poses.name}: the motion is {made['pixels_off']} pixels from the 2D poses in the mean; focal length {made['focal']:.0f} pixels, camera "
          f"{-camera.R[:, 2] @ camera.t:.2f} m above the floor")
    print(f"{wish.to}: frames {', '.join(map(str, frames))} of the scene", flush=True)


if __name__ == "__main__":
    main()
