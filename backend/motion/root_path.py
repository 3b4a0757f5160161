"""Where the character goes. MAS motions stay over the origin; how the floor moves beneath them comes from the travel point
that a pack may have learned, and from the standing feet."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from backend.motion.contacts import contact_weights, foot_heights

TRAVEL_SECONDS = 1 / 3  # the travel point lies where the root stood this long ago, had it kept its velocity
SLIP_SPEED = 0.6  # metres a second; a low foot faster than this against the floor is swinging, not standing
CONTACT_TRUST = 4.0  # weight of one standing foot against the learned travel


def travel_points(roots: np.ndarray, fps: float) -> np.ndarray:
    """The floor point that trails a root path: [T,3] -> [T,3] world metres, z = 0."""
    velocity = np.gradient(roots, axis=0) * fps if len(roots) > 1 else np.zeros_like(roots)
    # Hips sway at every step; the floor does not.
    velocity = gaussian_filter1d(velocity, 0.1 * fps, axis=0, mode="nearest")
    return (roots - velocity * TRAVEL_SECONDS) * [1, 1, 0]


def root_path(positions: np.ndarray, feet: list[int], fps: float, travel: np.ndarray | None = None) -> np.ndarray:
    """Horizontal path [T,3] of the root (z = 0, from the origin).

    Args:
        positions: [T,J,3] metres, the root over the origin, the floor at z = 0.
        travel: [T,2] the travel point seen from the root, metres; None where the pack has none.
    The learned travel is corrected so that standing feet stay where they are. Without it only the feet speak, and in
    flight the velocity runs in a straight line from take-off to landing.
    """
    frames = len(positions)
    path = np.zeros((frames, 3))
    if frames < 2:
        return path
    feet_velocity = np.diff(positions[:, feet, :2], axis=0) * fps  # [T-1,F,2] seen from the root
    weights = contact_weights(positions, feet)
    weights = np.minimum(weights[1:], weights[:-1])
    heights = foot_heights(positions, feet)
    heights = (heights[1:] + heights[:-1]) / 2
    # The lower foot carries more: a foot that is about to lift must not drag the floor along.
    weights = weights * np.exp(-(heights - heights.min(1, keepdims=True)) / 0.015)
    if travel is None:
        learned, trust = np.zeros((frames - 1, 2)), 1e-6
    else:
        learned, trust = -(travel[1:] + travel[:-1]) / 2 / TRAVEL_SECONDS, 1 / CONTACT_TRUST
        slip = np.linalg.norm(learned[:, None] + feet_velocity, axis=-1)
        weights = weights * np.exp(-((slip / SLIP_SPEED) ** 2))
    carried = weights.sum(1)
    velocity = (trust * learned - (weights[..., None] * feet_velocity).sum(1)) / (trust + carried)[:, None]
    if travel is None:
        standing = carried > 0.1
        if not standing.any():
            return path
        index = np.arange(frames - 1)
        velocity = np.stack([np.interp(index, index[standing], velocity[standing, axis]) for axis in (0, 1)], 1)
    velocity = gaussian_filter1d(velocity, 0.04 * fps, axis=0, mode="nearest")
    path[1:, :2] = np.cumsum(velocity, axis=0) / fps
    return path
