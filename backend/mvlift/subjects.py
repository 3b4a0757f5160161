"""Who is to be lifted: the tracks of a pose file as a pack sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from backend.errors import KineliftError
from backend.mvlift.model import LiftModel
from backend.mvlift.windows import fill_gaps
from backend.poses.poses2d import Poses2D
from rigs import Skeleton, load_skeleton

SURE = (0.1, 0.5)  # confidences below which a point is not trusted at all, and above which wholly
LEAST_FRAMES = 2


@dataclass
class Subject:
    """A track on the pack's skeleton at its frame rate: pixels [F,J,2], gaps filled; trust [F,J] in 0..1; start: its first frame."""

    id: str
    pixels: np.ndarray
    trust: np.ndarray
    start: int


def subjects(poses: Poses2D, model: LiftModel) -> list[Subject]:
    """The tracks of 2D poses from where each is first seen to where it is last. Raises KineliftError where one is hardly there."""
    points, sure = on_skeleton(poses, model.skeleton)
    found = []
    for number, name in enumerate(poses.track_ids):
        trust = np.clip((sure[number] - SURE[0]) / (SURE[1] - SURE[0]), 0, 1)
        frames = np.flatnonzero((trust > 0).any(1))
        if len(frames) < LEAST_FRAMES:
            raise KineliftError(f"track {name!r} is seen in {len(frames)} frames", "Choose a track that is longer", poses.source, "bad-poses")
        span = slice(frames[0], frames[-1] + 1)
        filled = fill_gaps(points[number, span], trust[span] > 0)
        pixels, trust = resample(filled, trust[span], poses.fps, model.fps)
        if len(pixels) < LEAST_FRAMES:
            raise KineliftError(f"track {name!r} lasts {len(pixels) / model.fps:.2f} s", "Choose a track that is longer", poses.source, "bad-poses")
        found.append(Subject(name, pixels, trust, round(float(frames[0]) * model.fps / poses.fps)))
    return found


def on_skeleton(poses: Poses2D, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [P,T,J,2] and confidences [P,T,J] of a skeleton's keypoints, by name; those that aren't there have confidence 0.

    Raises KineliftError where none was seen, or where a name means another joint: the elbow of AP-10K is a horse's carpus.
    """
    own = load_skeleton(poses.skeleton)
    for name in skeleton.joints:
        if name in own.joints and own.roles.get(name) != skeleton.roles.get(name):
            raise KineliftError(f"the poses are on the skeleton {own.name!r}, whose {name} is another joint than that of {skeleton.name!r}",
                                f"Read the poses for the skeleton {skeleton.name}, or choose another pack", poses.source, "wrong-skeleton")
    points = np.zeros((*poses.keypoints.shape[:2], len(skeleton.keypoints), 2))
    sure = np.zeros(points.shape[:3])
    for column, name in enumerate(skeleton.keypoints):
        if name in poses.joint_names:
            points[:, :, column] = poses.keypoints[:, :, poses.joint_names.index(name)]
            sure[:, :, column] = poses.confidences[:, :, poses.joint_names.index(name)]
    if not (sure > 0).any():
        raise KineliftError(f"no joint of the skeleton {skeleton.name!r} was seen", f"Read the poses for the skeleton {skeleton.name}", poses.source,
                            "wrong-skeleton")
    return np.where(sure[..., None] > 0, points, 0.0), sure


def resample(points: np.ndarray, sure: np.ndarray, fps: float, target: float) -> tuple[np.ndarray, np.ndarray]:
    """Points [T,J,2], gaps filled, and how surely they were seen [T,J], at another frame rate."""
    frames = len(points)
    if abs(fps - target) < 1e-6 or frames < 2:
        return points, sure
    times = np.arange(int((frames - 1) * target / fps + 1e-6) + 1) * fps / target
    before = np.minimum(times.astype(int), frames - 2)
    share = times - before
    return (points[before] * (1 - share)[:, None, None] + points[before + 1] * share[:, None, None],
            np.minimum(sure[before], sure[before + 1]) * ((share > 0) & (share < 1))[:, None] + sure[before] * (share <= 0)[:, None]
            + sure[before + 1] * (share >= 1)[:, None])


def rays_of(subject: Subject, focal: float, image_size: tuple[int, int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Rays [F,J,2], y up, and trust [F,J]."""
    rays = (subject.pixels - np.array(image_size) / 2) / focal * [1, -1]
    return torch.from_numpy(rays).float().to(device), torch.from_numpy(subject.trust).float().to(device)
