"""Filmed walks as files, for tests of lifting inside Blender."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.motion.motion3d import Camera, Motion3D
from tests.motions import JOINTS, PARENTS
from tests.mvlift.lifting import FOCAL, IMAGE, SKELETON, camera, film, walk
from tests.poses.people import ROLES, joints
from tests.poses.writers import alphapose, openpose

LATE = 12
"""The frame of the video in which the second person comes into the picture."""


def odd_camera() -> Camera:
    """A camera held upright and rolled, whose optical axis is not in the middle of its picture."""
    steady, roll = camera(pitch=0.2, distance=6.0), 0.1
    turn = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1.0]])
    return replace(steady, K=np.array([[900.0, 0, 400], [0, 900, 700], [0, 0, 1.0]]), R=turn @ steady.R, t=turn @ steady.t, image_size=(720, 1280))


def motion_files(folder: Path) -> list[Path]:
    """Motion files with their cameras, and beside each the pixels [T,J,2] that the camera saw, projected by code of its own."""
    paths = []
    for name, by in (("plain", camera()), ("odd", odd_camera())):
        body = walk(1.5)[:, : len(JOINTS)]
        paths.append(Motion3D(body, list(JOINTS), list(PARENTS), 30.0, SKELETON.name, camera=by).save(folder / f"{name}.npz"))
        ahead = np.einsum("ij,tkj->tki", by.R, body) + by.t
        np.save(folder / f"{name}.npy", np.stack([by.K[axis, 2] + by.K[axis, axis] * ahead[..., axis] / ahead[..., 2] for axis in (0, 1)], -1))
    return paths


def two_people(folder: Path, seconds: float = 2.0) -> tuple[Path, np.ndarray]:
    """An AlphaPose file of two people that one camera filmed, the second from frame LATE on, and their keypoints [2,T,J,2] in pixels. In the
    folder `openpose` beside it the first of them is a file for each frame."""
    first = walk(seconds)
    second = (first * [-1, 1, 1] + [1.2, 1.0, 0])[:, SKELETON.mirror_order]
    seen = film(first, second)
    poses = np.stack([joints({ROLES[name]: person[:, number] for number, name in enumerate(JOINTS)}, "halpe26") for person in seen.keypoints])
    poses[1, :LATE] = 0
    folder.mkdir(parents=True, exist_ok=True)
    openpose(folder, poses[:1])
    return alphapose(folder, poses), seen.keypoints[:, :, : len(JOINTS)]


__all__ = ["FOCAL", "IMAGE", "LATE", "motion_files", "two_people"]
