"""How far a lifted motion is from the true one: the metrics of the MVLift paper, over all frames of one window.

What the paper's program does and its text does not say is done as well, and named: T_root as a mean over coordinates, one Procrustes
fit for a whole window, a scale for every frame in J2D-centred. What differs here:

* The program's bodies all have the proportions of one SMPL body, so sizes agree by themselves. Here the lifted motion is scaled so that
  its rigid bones together are as long as the true ones, in every row alike.
* The first frame's left is told by the hips, not by a fitted body's root rotation. Animals are measured in 3D too; the program has no
  true 3D for them.
* J2D compares with what the camera truly saw; the program compares with what the detector made of it. Here the two can be told apart.
"""

from __future__ import annotations

import numpy as np

from rigs import Skeleton

MILLIMETRES = 1000.0


def mean_joints(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Points [...,J,D] with a neck between the shoulders (and whatever else the skeleton has as a mean): detectors and bodies differ there."""
    points = points.copy()
    for name, ends in skeleton.means.items():
        points[..., skeleton.joints.index(name), :] = points[..., [skeleton.joints.index(end) for end in ends], :].mean(-2)
    return points


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation [3,3] and shift [3] that bring points [N,3] onto others best: target = scale * source @ rotation.T + shift
    (Umeyama 1991); never a reflection."""
    middle, aim = source.mean(0), target.mean(0)
    u, size, vt = np.linalg.svd((target - aim).T @ (source - middle))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = (u * sign) @ vt
    scale = float((size * sign).sum() / max(((source - middle) ** 2).sum(), 1e-12))
    return scale, rotation, aim - scale * rotation @ middle


def yaw_between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn about Z [3,3] that brings the level part of one direction [3] to that of another; none where either has no level part."""
    if min(np.linalg.norm(source[:2]), np.linalg.norm(target[:2])) < 1e-9:
        return np.eye(3)
    angle = np.arctan2(target[1], target[0]) - np.arctan2(source[1], source[0])
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def from_first_root(points: np.ndarray, hips: list[int]) -> np.ndarray:
    """Points [T,J,D], the root of the first frame at the origin."""
    return points - points[0, hips].mean(0)


def root_centred(points: np.ndarray, hips: list[int]) -> np.ndarray:
    """Points [T,J,D], the root of every frame at the origin."""
    return points - points[:, hips].mean(1, keepdims=True)


def root_error(found: np.ndarray, true: np.ndarray, hips: list[int]) -> float:
    """T_root as it is meant: mean distance of the roots [mm], both from the first frame's; found, true [T,J,3] metres."""
    apart = (from_first_root(found, hips) - from_first_root(true, hips))[:, hips].mean(1)
    return MILLIMETRES * float(np.linalg.norm(apart, axis=-1).mean())


def root_error_official(found: np.ndarray, true: np.ndarray, hips: list[int]) -> float:
    """T_root as the paper's program computes it: its norm is over an axis of one element, so it is the mean absolute difference of a
    coordinate [mm]."""
    apart = (from_first_root(found, hips) - from_first_root(true, hips))[:, hips].mean(1)
    return MILLIMETRES * float(np.abs(apart).mean())


def global_error(found: np.ndarray, true: np.ndarray, hips: list[int]) -> float:
    """Mean distance of joints [mm], roots of the first frames together: "MPJPE with translation"."""
    return MILLIMETRES * float(np.linalg.norm(from_first_root(found, hips) - from_first_root(true, hips), axis=-1).mean())


def joint_error(found: np.ndarray, true: np.ndarray, hips: list[int]) -> float:
    """MPJPE: mean distance of joints [mm], the roots of every frame together."""
    return MILLIMETRES * float(np.linalg.norm(root_centred(found, hips) - root_centred(true, hips), axis=-1).mean())


def aligned_joint_error(found: np.ndarray, true: np.ndarray, hips: list[int]) -> float:
    """PA-MPJPE: mean distance of joints [mm] after one similarity for the whole window, roots of every frame together."""
    source, target = (root_centred(points, hips).reshape(-1, 3) for points in (found, true))
    scale, rotation, shift = similarity(source, target)
    return MILLIMETRES * float(np.linalg.norm(scale * source @ rotation.T + shift - target, axis=-1).mean())


def picture_error(found: np.ndarray, true: np.ndarray, hips: list[int]) -> float:
    """J2D: mean distance of joints in the picture [pixels], roots of the first frames together; found, true [T,J,2]."""
    return float(np.linalg.norm(from_first_root(found, hips) - from_first_root(true, hips), axis=-1).mean())


def centred_picture_error(found: np.ndarray, true: np.ndarray, hips: list[int]) -> float:
    """J2D-centred: mean distance [pixels], the roots of every frame together, and every frame scaled as fits best."""
    source, target = (root_centred(points, hips) for points in (found, true))
    scale = (source * target).sum((1, 2)) / np.maximum((source**2).sum((1, 2)), 1e-12)
    return float(np.linalg.norm(scale[:, None, None] * source - target, axis=-1).mean())


def objects_of(skeleton: Skeleton, there: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """The objects of which all points are there [P]: keypoints, and the shares [K] in which their places make up the object's centre. That of a
    rigid thing is its own; points that belong to none are one object, whose centre is their mean, as in the paper's program."""
    loose = [column for name, own in skeleton.things.items() if name not in skeleton.rigid for column in own if there[column]]
    found = [(loose, np.full(len(loose), 1 / len(loose)))] if loose else []
    for name, places in skeleton.rigid.items():
        if there[skeleton.things[name]].all():
            corners = np.array(list(places.values()))
            found.append((skeleton.things[name], np.linalg.pinv(np.column_stack([corners, np.ones(len(corners))]).T)[:, 3]))
    return found


def object_root_error(found: np.ndarray, true: np.ndarray, shares: np.ndarray) -> float:
    """T_root^O: mean distance of the object's centre [mm], found, true [T,K,3], both from the root of the first frame; shares [K] of its points."""
    return MILLIMETRES * float(np.linalg.norm(shares @ (found - true), axis=-1).mean())


def object_error(found: np.ndarray, true: np.ndarray) -> float:
    """O-MPJPE: mean distance of the object's points from their middle [mm]; nothing to measure (nan) where it is a single point."""
    if found.shape[1] < 2:
        return float("nan")
    apart = (found - found.mean(1, keepdims=True)) - (true - true.mean(1, keepdims=True))
    return MILLIMETRES * float(np.linalg.norm(apart, axis=-1).mean())
