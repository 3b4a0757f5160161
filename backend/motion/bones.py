"""Bone lengths: triangulated joints stretch a little from frame to frame; a skeleton does not."""

from __future__ import annotations

import numpy as np


def bone_lengths(positions: np.ndarray, parents: list[int]) -> np.ndarray:
    """Lengths [T,N] of the bones that have a parent, metres; positions [T,J,3]."""
    children = [child for child, parent in enumerate(parents) if parent >= 0]
    return np.linalg.norm(positions[:, children] - positions[:, [parents[c] for c in children]], axis=-1)


def hold_bone_lengths(positions: np.ndarray, parents: list[int], mirror: list[int] | None = None) -> np.ndarray:
    """The motion with every bone at its median length: directions are kept, from the root outward. `mirror` [J] gives
    left and right the same length, where a bone's mirror image is a bone. positions [T,J,3] -> [T,J,3]."""
    children = [child for child, parent in enumerate(parents) if parent >= 0]
    median = dict(zip(children, np.median(bone_lengths(positions, parents), axis=0), strict=True))
    if mirror is not None:
        other = {child: mirror[child] if parents[mirror[child]] == mirror[parents[child]] else child for child in children}
        median = {child: (length + median[other[child]]) / 2 for child, length in median.items()}
    held = positions.copy()
    for child in children:
        direction = positions[:, child] - positions[:, parents[child]]
        norm = np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-9)
        held[:, child] = held[:, parents[child]] + direction / norm * median[child]
    return held
