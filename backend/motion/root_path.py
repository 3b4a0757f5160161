"""Where the character goes: MAS motions stay over the origin, and the standing feet say how the floor moves beneath them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from backend.motion.contacts import contact_weights, foot_heights


def root_path(positions: np.ndarray, feet: list[int], fps: float) -> np.ndarray:
    """Horizontal path [T,3] (z = 0, from the origin) that holds the standing feet still.

    positions [T,J,3] metres with the root over the origin and the floor at z = 0. In flight, the velocity is carried from
    take-off to landing in a straight line.
    """
    frames = len(positions)
    path = np.zeros((frames, 3))
    if frames < 2:
        return path
    velocity = np.diff(positions[:, feet, :2], axis=0)  # [T-1,F,2] metres a frame
    weights = contact_weights(positions, feet)
    weights = np.minimum(weights[1:], weights[:-1])
    # The lower foot carries more: a foot that is about to lift must not drag the floor along.
    heights = foot_heights(positions, feet)
    heights = (heights[1:] + heights[:-1]) / 2
    weights = weights * np.exp(-(heights - heights.min(1, keepdims=True)) / 0.015)
    carried = weights.sum(1)
    moved = -(weights[..., None] * velocity).sum(1) / np.maximum(carried, 1e-9)[:, None]
    standing = carried > 0.1
    if not standing.any():
        return path
    index = np.arange(frames - 1)
    moved = np.stack([np.interp(index, index[standing], moved[standing, axis]) for axis in (0, 1)], 1)
    moved = gaussian_filter1d(moved, 0.05 * fps, axis=0, mode="nearest")
    path[1:, :2] = np.cumsum(moved, axis=0)
    return path
