"""From motion before a camera to motion in the world: metres, a level floor at z = 0, and the camera that filmed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from scipy.signal import savgol_filter

from backend import __version__
from backend.mas.generate import SMOOTHING_FRAMES
from backend.motion.bones import hold_bone_lengths, median_lengths
from backend.motion.cameras import view_axes
from backend.motion.motion3d import Camera, Motion3D
from backend.motion.planting import plant
from backend.motion.rigid_fit import things_of
from backend.mvlift.ground import floor_height, level, mean_size, upright
from backend.mvlift.model import LiftModel
from backend.mvlift.settings import LiftSettings
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.subjects import Subject
from backend.mvlift.track import Drawn
from backend.poses.poses2d import Poses2D
from rigs import Skeleton

FLOOR_SHARES = (0.85, 1.18)  # by how much tracks are scaled so that all stand on one floor
LOWEST_CAMERA = 0.3  # metres above the floor of people; a lower camera does not tell sizes
HELD = (10.0, 1.0, 1.0)  # across the picture the camera saw where the body is; how far away it is, standing feet know as well


def stature(model: LiftModel, points: np.ndarray) -> float:
    """Summed length of a body's bones in a motion [F,J,3], in its units."""
    body = torch.from_numpy(points[None, :, : len(model.skeleton.joints)])
    lengths = median_lengths(body, model.skeleton.parents, model.skeleton.mirror_order[: len(model.skeleton.joints)])
    return float(lengths[0, [child for _, child in model.body.bones]].sum())


def smoothed(points: np.ndarray) -> np.ndarray:
    return savgol_filter(points, SMOOTHING_FRAMES, 2, axis=0) if len(points) >= SMOOTHING_FRAMES else points


def on_one_floor(motions: list[np.ndarray], floors: np.ndarray, skeleton: Skeleton) -> tuple[list[np.ndarray], float]:
    """Motions [F,J,3] whose camera is at the origin, Z up, each scaled about the camera so that all stand on one floor; and the
    height of that floor, below the camera. floors [P]: the height of each motion's own."""
    floor, lowest = float(np.median(floors)), LOWEST_CAMERA * mean_size(motions, skeleton)
    if floor > -lowest or len(motions) == 1:
        return motions, floor
    shares = np.clip(floor / np.minimum(floors, -lowest), *FLOOR_SHARES)
    return [motion * share for motion, share in zip(motions, shares)], floor


def found_floors(motions: list[np.ndarray], results: list[Drawn], scales: list[float], axes: np.ndarray, model: LiftModel) -> tuple[np.ndarray, np.ndarray]:
    """The turn [3,3] that makes the floor of motions [F,J,3] level, and the heights [P] at which each one's feet stand then.

    scales: metres of one unit of a result; axes [3,3]: the camera's in the motions' world. What was found along with a motion is taken, since a jump
    or a gallop has few contacts that would tell; else the feet's contacts tell.
    """
    if any(result.floor is None for result in results):
        turn = level(motions, model.skeleton, model.fps)
        return turn, np.array([floor_height([motion @ turn.T], model.skeleton, model.fps) for motion in motions])
    normals = [result.floor.up.double().numpy() @ axes for result in results]
    turn, heights = upright(np.mean(normals, axis=0)), []
    for motion, result, scale, normal in zip(motions, results, scales, normals):
        root = np.median(model.body.root(torch.from_numpy(motion)).numpy(), axis=0)
        heights.append((turn @ (root + (result.floor.height * scale - normal @ root) * normal))[2])
    return turn, np.array(heights)


def to_world(model: LiftModel, found: list[Subject], results: list[Drawn], up: torch.Tensor, focal: float, poses: Poses2D,
             settings: LiftSettings) -> list[Motion3D]:
    """Motions in the world: metres, the floor level and at z = 0 below the first subject's first frame, which the camera sees along +Y."""
    skeleton, body = model.skeleton, model.card["body"]
    joints = len(skeleton.joints)
    height = settings.height or float(body["height"])
    standing = float(body["standing_height"]) * height / float(body["height"])
    axes = view_axes(torch.tensor(0.0), torch.atan2(-up[2], up[1]).cpu()).double().numpy()
    motions, scales = [], []
    for result in results:
        turned = torch.from_numpy(axes).to(result.points.device)  # right, up, forward is left-handed, in which a rigid thing can't be turned
        normal = turned.T @ result.normal.double() @ turned
        points = fit_skeleton(result.points[None].double() @ turned, normal[None], skeleton)[0].cpu().numpy()
        scales.append(height / float(body["height"]) * float(body["bones"]) / stature(model, points))
        motions.append(smoothed(points * scales[-1]))
    turn, heights = found_floors(motions, results, scales, axes, model)
    motions, floor = on_one_floor([motion @ turn.T for motion in motions], heights - standing, skeleton)
    first = min(range(len(found)), key=lambda number: found[number].start)
    origin = np.append(model.body.root(torch.from_numpy(motions[first][0])).numpy()[:2], floor)
    rotation = np.diag([1.0, -1.0, 1.0]) @ axes @ turn.T
    camera = Camera(np.array([[focal, 0, poses.image_size[0] / 2], [0, focal, poses.image_size[1] / 2], [0, 0, 1.0]]), rotation, rotation @ origin,
                    poses.image_size)
    made = []
    for subject, motion in zip(found, motions):
        motion = motion - origin
        steady = hold_bone_lengths(motion[:, :joints], list(skeleton.parents), skeleton.mirror_order[:joints], skeleton.elastic_joints)
        error = float((np.linalg.norm(camera.project(motion) - subject.pixels, axis=-1) * subject.trust).sum() / max(subject.trust.sum(), 1e-6))
        if settings.plant:
            steady, shift = plant(steady, skeleton, model.fps, standing, HELD)
            motion = motion + shift[:, None]
        provenance = {"kinelift": __version__, "pack": model.name, "poses": Path(poses.source).name, "track": subject.id, "first_frame": subject.start,
                      "video_first_frame": poses.first_frame, "video_step": poses.step, "video_fps": poses.fps, "focal": focal,
                      "pixels_off": round(error, 2), "settings": {key: value for key, value in asdict(settings).items() if value == value}}
        made.append(Motion3D(steady, list(skeleton.joints), list(skeleton.parents), model.fps, skeleton.name, provenance=provenance, camera=camera,
                             **things_of(motion, (subject.trust > 0).any(0), skeleton)))
    return made
