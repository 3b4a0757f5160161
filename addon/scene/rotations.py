"""Rotations as arrays, and as the channels that Blender has for them."""

from __future__ import annotations

import math

import numpy as np
from mathutils import Quaternion


def matrices(turns: np.ndarray) -> np.ndarray:
    """Unit quaternions [...,4] (w,x,y,z) -> rotation matrices [...,3,3]."""
    w, x, y, z = np.moveaxis(turns / np.linalg.norm(turns, axis=-1, keepdims=True), -1, 0)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return np.stack(rows, axis=-1).reshape(*turns.shape[:-1], 3, 3)


def quaternions(matrices: np.ndarray) -> np.ndarray:
    """Rotation matrices [...,3,3] -> unit quaternions [...,4] (w,x,y,z)."""
    m = matrices
    diagonal = np.stack([m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], axis=-1)
    # Four times the outer product of the quaternion with itself: the row with the largest diagonal is the safe one.
    outer = np.empty((*m.shape[:-2], 4, 4))
    outer[..., 0, 0] = 1 + diagonal.sum(-1)
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        outer[..., i + 1, i + 1] = 1 + 2 * diagonal[..., i] - diagonal.sum(-1)
        outer[..., 0, i + 1] = outer[..., i + 1, 0] = m[..., k, j] - m[..., j, k]
        outer[..., j + 1, k + 1] = outer[..., k + 1, j + 1] = m[..., j, k] + m[..., k, j]
    best = np.diagonal(outer, axis1=-2, axis2=-1).argmax(-1)
    rows = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def from_vectors(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors [...,3] -> matrices [...,3,3] (Rodrigues)."""
    angles = np.maximum(np.linalg.norm(vectors, axis=-1), 1e-12)[..., None, None]
    x, y, z = np.moveaxis(vectors / angles[..., 0], -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*vectors.shape, 3)
    return np.eye(3) + np.sin(angles) * cross + (1 - np.cos(angles)) * cross @ cross


def continuous(turns: np.ndarray) -> np.ndarray:
    """Quaternions [T,...,4] with the signs that make neighbours in time close; the first is near no rotation."""
    signs = np.where(np.sum(turns[1:] * turns[:-1], axis=-1) < 0, -1.0, 1.0)
    first = np.where(turns[:1, ..., 0] < 0, -1.0, 1.0)
    return turns * np.cumprod(np.concatenate([first, signs]), axis=0)[..., None]


def orthonormal(matrices: np.ndarray) -> np.ndarray:
    """The rotations in matrices [...,3,3] that may hold scale."""
    left, _, right = np.linalg.svd(matrices)
    return left @ right


def rotation_channels(mode: str, turns: np.ndarray) -> tuple[str, np.ndarray]:
    """The property and the values [T,3 or 4] that show quaternions [T,4] in a bone's rotation mode, without jumps."""
    if mode == "QUATERNION":
        return "rotation_quaternion", turns
    if mode == "AXIS_ANGLE":
        return "rotation_axis_angle", _axis_angles(turns)
    eulers, last = np.empty((len(turns), 3)), None
    for frame, turn in enumerate(turns):
        last = Quaternion(turn).to_euler(mode) if last is None else Quaternion(turn).to_euler(mode, last)
        eulers[frame] = last
    return "rotation_euler", eulers


def _axis_angles(turns: np.ndarray) -> np.ndarray:
    """Angle and axis [T,4]; the axis keeps its side, so that a turn through nothing doesn't flip it."""
    sines = np.linalg.norm(turns[:, 1:], axis=-1)
    values, axis = np.empty_like(turns), np.array([0.0, 1.0, 0.0])
    for frame, (turn, sine) in enumerate(zip(turns, sines, strict=True)):
        side = 1.0
        if sine > 1e-6:
            side = -1.0 if turn[1:] @ axis < 0 and frame else 1.0
            axis = side * turn[1:] / sine
        values[frame, 0], values[frame, 1:] = 2 * math.atan2(side * sine, turn[0]), axis
    values[:, 0] = np.unwrap(values[:, 0], period=4 * math.pi)
    return values
